"use strict";
const form = document.getElementById("filter");
const none = document.getElementById("none");

function apply() {
  const words = form.elements.text.value.toLowerCase().split(/\s+/);
  const unhealthy = form.elements.unhealthy.checked;
  let shown = 0;
  for (const job of document.querySelectorAll(".job")) {
    const name = job.querySelector("h2").textContent;
    let shownInJob = 0;
    for (const target of job.querySelectorAll(".target")) {
      const text = (name + " " + target.textContent).toLowerCase();
      target.hidden = (unhealthy && target.classList.contains("up")) || !words.every((word) => text.includes(word));
      shownInJob += target.hidden ? 0 : 1;
    }
    job.hidden = shownInJob === 0;
    shown += shownInJob;
  }
  none.hidden = shown > 0;
}

// What is chosen stays when the page is loaded again, and can be sent to somebody.
function remember() {
  const chosen = new URLSearchParams();
  if (form.elements.text.value) chosen.set("text", form.elements.text.value);
  if (form.elements.unhealthy.checked) chosen.set("unhealthy", "1");
  history.replaceState(null, "", chosen.size ? "#" + chosen : location.pathname);
}

function recall() {
  const chosen = new URLSearchParams(location.hash.slice(1));
  form.elements.text.value = chosen.get("text") ?? "";
  form.elements.unhealthy.checked = chosen.has("unhealthy");
  apply();
}

form.hidden = false;
form.addEventListener("input", () => { apply(); remember(); });
form.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", recall);
recall();
