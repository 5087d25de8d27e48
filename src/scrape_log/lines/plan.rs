//! What is remembered of a target's last page, so that the next one need not be understood anew.
//!
//! From one scrape to the next a page has the same lines with other values. A [`Plan`] has an entry for each line
//! that was read: a hash of its text up to the value, and what became of it. A line that is found again costs a hash
//! and a copy; only others are parsed, relabelled and checked.

use crate::scrape_log::hashed::{HashedMap, HashedSet, hash};
use crate::vitals::Interest;

/// A page of more lines is understood anew each time, so that one target can't hold much memory.
const MAX_ENTRIES: usize = 1 << 16;
/// A text in the arena ends with this, which no line has inside.
const END_OF_TEXT: u8 = b'\n';

/// A line of the last page, or a run of its comments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Of the line up to its value, or of the whole run.
    pub(super) hash: u64,
    /// Of the series as it is written. No two samples that are written have the same.
    pub(super) series: u64,
    /// How many bytes are hashed.
    pub(super) length: u32,
    /// What [`Kind`] says.
    pub(super) detail: u32,
    pub(super) kind: Kind,
    /// What the sample is to the vitals.
    pub(super) interest: Interest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Comments that are in the file by now.
    Comments,
    /// A sample in the spelling of the file but for the target's labels behind the name. The detail is the name's
    /// length.
    Canonical,
    /// A sample that is written otherwise. The detail is where in the plan's texts.
    Respelled,
    /// A sample that is counted but not written.
    LeftOut,
    /// A sample whose series came before in the page.
    Duplicate,
}

impl Entry {
    pub(super) fn new(text: &[u8], kind: Kind) -> Self {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self { hash: hash(text), series: 0, length, detail: 0, kind, interest: Interest::Nothing }
    }

    pub(super) fn length(&self) -> usize {
        self.length as usize
    }

    fn is_at(&self, page: &[u8]) -> bool {
        page.get(..self.length()).is_some_and(|text| hash(text) == self.hash)
    }
}

/// The lines of a page in their order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    entries: Vec<Entry>,
    texts: Vec<u8>,
}

impl Plan {
    /// Remembers a line; `text` is what it is written as, if it is [`Kind::Respelled`].
    pub(super) fn push(&mut self, mut entry: Entry, text: &[u8]) {
        if self.entries.len() > MAX_ENTRIES {
            return; // no plan of so many lines is kept
        }
        if entry.kind == Kind::Respelled {
            entry.detail = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
            self.texts.extend_from_slice(text);
            self.texts.push(END_OF_TEXT);
        }
        self.entries.push(entry);
    }

    /// What a [`Kind::Respelled`] line is written as.
    pub(super) fn text(&self, entry: &Entry) -> &[u8] {
        let from = self.texts.get(entry.detail as usize..).unwrap_or_default();
        memchr::memchr(END_OF_TEXT, from).and_then(|end| from.get(..end)).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.texts.clear();
    }

    /// Lets go of the memory that one unusual page took.
    pub(super) fn shrink(&mut self, entries: usize) {
        self.entries.shrink_to(entries);
        self.texts.shrink_to(entries);
    }
}

#[cfg(test)]
impl Plan {
    pub(super) fn capacity_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.texts.capacity()
    }
}

#[cfg(test)]
impl Scratch {
    pub(super) fn capacity_bytes(&self) -> usize {
        self.next.capacity_bytes() + 16 * (self.by_hash.capacity() + self.series.capacity())
    }
}

/// The memory for following a plan, which targets share.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    next: Plan,
    by_hash: HashedMap<u32>,
    series: HashedSet,
}

impl Scratch {
    pub(super) fn shrink(&mut self, entries: usize) {
        self.next.clear();
        self.next.shrink(entries);
        self.by_hash.clear();
        self.by_hash.shrink_to(entries);
        self.series.clear();
        self.series.shrink_to(entries);
    }
}

/// Follows a page along the plan. As long as each line is where it was, that is all; from the first one on that is
/// not, a new plan is made, and the old one's lines are found wherever they are.
#[derive(Debug)]
pub(super) struct Recall<'a> {
    plan: &'a mut Plan,
    scratch: &'a mut Scratch,
    position: usize,
    parted: bool,
}

impl<'a> Recall<'a> {
    pub(super) fn new(plan: &'a mut Plan, scratch: &'a mut Scratch) -> Self {
        Self { plan, scratch, position: 0, parted: false }
    }

    /// The entry for the line that `page` begins with. `text` is to give the part of it that would be hashed, and is
    /// asked only when the line is not where it was.
    pub(super) fn find(&mut self, page: &[u8], text: impl FnOnce(&[u8]) -> &[u8]) -> Option<Entry> {
        if let Some(entry) = self.plan.entries.get(self.position)
            && entry.is_at(page)
        {
            self.position += 1;
            return Some(*entry);
        }
        self.part();
        if self.plan.entries.is_empty() {
            return None;
        }
        let text = text(page);
        let index = *self.scratch.by_hash.get(&hash(text))?;
        let entry = self.plan.entries.get(index as usize)?;
        if entry.length() != text.len() {
            return None;
        }
        self.position = index as usize + 1;
        Some(*entry)
    }

    /// Leaves out what was found last: it has to be understood anew.
    pub(super) fn pass(&mut self) {
        self.position -= 1;
        self.part();
        self.position += 1;
    }

    /// What a [`Kind::Respelled`] entry that was found is written as.
    pub(super) fn text(&self, entry: &Entry) -> &[u8] {
        self.plan.text(entry)
    }

    /// Whether the series of a sample that was found has come before in this page.
    pub(super) fn is_duplicate(&mut self, entry: &Entry) -> bool {
        match (self.parted, entry.kind) {
            (false, kind) => kind == Kind::Duplicate,
            (true, Kind::Duplicate) => self.scratch.series.contains(&entry.series),
            (true, _) => !self.scratch.series.insert(entry.series),
        }
    }

    /// Whether the series of a line that was not found, or not used, comes for the first time in this page.
    pub(super) fn is_first(&mut self, series: u64) -> bool {
        self.part();
        self.scratch.series.insert(series)
    }

    /// Remembers what was found and used.
    pub(super) fn keep(&mut self, entry: &Entry) {
        if self.parted {
            self.scratch.next.push(*entry, self.plan.text(entry));
        }
    }

    /// Remembers a line that was not found; `text` is what it is written as, if it is [`Kind::Respelled`].
    pub(super) fn add(&mut self, entry: Entry, text: &[u8]) {
        self.part();
        self.scratch.next.push(entry, text);
    }

    /// The page is over. What was found and added is the plan for the next one.
    pub(super) fn finish(self) {
        let Self { plan, scratch, position, parted } = self;
        if !parted {
            plan.entries.truncate(position);
            return;
        }
        plan.clear();
        if scratch.next.entries.len() <= MAX_ENTRIES {
            plan.entries.extend_from_slice(&scratch.next.entries);
            plan.texts.extend_from_slice(&scratch.next.texts);
        }
        let (entries, texts) = (plan.entries.len(), plan.texts.len());
        plan.entries.shrink_to(entries + entries / 8);
        plan.texts.shrink_to(texts + texts / 8);
    }

    /// Begins a new plan with what was found so far.
    fn part(&mut self) {
        if self.parted {
            return;
        }
        self.parted = true;
        let Self { plan, scratch, position, .. } = self;
        let Scratch { next, by_hash, series } = &mut **scratch;
        next.clear();
        series.clear();
        by_hash.clear();
        for (index, entry) in (0..).zip(&plan.entries) {
            by_hash.entry(entry.hash).or_insert(index);
        }
        for entry in plan.entries.iter().take(*position) {
            next.push(*entry, plan.text(entry));
            if matches!(entry.kind, Kind::Canonical | Kind::Respelled) {
                series.insert(entry.series);
            }
        }
    }
}
