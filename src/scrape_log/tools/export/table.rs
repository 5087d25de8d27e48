//! A map from series to something, in the order in which they came.

use std::collections::HashMap;
use std::rc::Rc;

/// Rows by the text of their series.
#[derive(Debug)]
pub(super) struct Table<T> {
    index: HashMap<Rc<[u8]>, usize, foldhash::fast::RandomState>,
    rows: Vec<(Rc<[u8]>, T)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { index: HashMap::default(), rows: Vec::new() }
    }
}

impl<T> Table<T> {
    /// The number of the row of a series, which `make` makes if there is none.
    pub(super) fn row(&mut self, series: &[u8], make: impl FnOnce() -> T) -> usize {
        if let Some(&row) = self.index.get(series) {
            return row;
        }
        let series: Rc<[u8]> = series.into();
        self.rows.push((Rc::clone(&series), make()));
        self.index.insert(series, self.rows.len() - 1);
        self.rows.len() - 1
    }

    /// What is in the row of a series.
    pub(super) fn entry(&mut self, series: &[u8], make: impl FnOnce() -> T) -> Option<&mut T> {
        let row = self.row(series, make);
        self.rows.get_mut(row).map(|(_, entry)| entry)
    }

    /// The number of the row of a series.
    pub(super) fn find(&self, series: &[u8]) -> Option<usize> {
        self.index.get(series).copied()
    }

    /// The rows with their series.
    pub(super) fn rows(&self) -> &[(Rc<[u8]>, T)] {
        &self.rows
    }

    /// The entries.
    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.rows.iter_mut().map(|(_, entry)| entry)
    }

    /// Puts the rows in the order of their series.
    pub(super) fn sort(&mut self) {
        self.rows.sort_unstable_by(|(one, _), (two, _)| one.cmp(two));
        self.number();
    }

    /// Keeps the rows that `keep` says yes to.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.rows.retain(|(_, entry)| keep(entry));
        self.number();
    }

    fn number(&mut self) {
        self.index.clear();
        self.index.extend(self.rows.iter().enumerate().map(|(row, (series, _))| (Rc::clone(series), row)));
    }
}
