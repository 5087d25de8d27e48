// Elements that are touched only when what they show is another.

/** Sets the text of an element, which has nothing else in it, if it is another one. */
function put(element, text) {
  if (element.shownText === text) return;
  element.shownText = text;
  if (element.firstChild) element.firstChild.data = text;
  else element.textContent = text;
}

/** Sets an attribute if it is another one; null takes it away. */
function attribute(element, name, value) {
  if (element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/** Hides an element, or shows it. */
function hide(element, isHidden) {
  if (element.hidden !== isHidden) element.hidden = isHidden;
}

/** A copy of a template, and its elements by the names in one of their data attributes. */
function copy(template) {
  const root = document.getElementById(template).content.firstElementChild.cloneNode(true);
  const named = (kind) =>
    Object.fromEntries([...root.querySelectorAll(`[data-${kind}]`)].map((element) => [element.dataset[kind], element]));
  return { root, text: named("text"), bar: named("bar"), cell: named("cell") };
}

/** Makes the children of `parent` as many as there are `items`, from a template, and fills each with its item. */
function list(parent, copies, template, items, fill) {
  while (copies.length > items.length) copies.pop().root.remove();
  while (copies.length < items.length) {
    copies.push(copy(template));
    parent.append(copies.at(-1).root);
  }
  items.forEach((item, at) => fill(copies[at], item));
}
