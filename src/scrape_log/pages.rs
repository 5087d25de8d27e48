//! The memory that pages are fetched into, shared by all targets: each has a page for the time of its scrape only.

use std::sync::{Mutex, PoisonError};

use crate::web::client::Page;

/// A page that took more than this is not kept: few targets have any, and those few would leave all buffers large.
const KEPT_BYTES: usize = 512 << 10;
/// More scrapes than this are seldom under way at one time.
const KEPT_PAGES: usize = 8;

/// Buffers that no scrape uses at the moment.
#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<Vec<Page>>);

impl Pages {
    /// An empty buffer.
    pub(super) fn take(&self) -> Page {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Keeps the buffer for another scrape, or frees it.
    pub(super) fn give_back(&self, mut page: Page) {
        page.clear();
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if page.capacity() <= KEPT_BYTES && free.len() < KEPT_PAGES {
            free.push(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_small_buffers_are_kept() {
        let pages = Pages::default();
        let mut taken: Vec<_> = (0..100).map(|_| pages.take()).collect();
        for (index, page) in taken.iter_mut().enumerate() {
            *page = vec![1; if index < 50 { KEPT_BYTES + 1 } else { 1000 }].into();
        }
        for page in taken {
            pages.give_back(page);
        }
        let free = pages.0.lock().unwrap();
        assert_eq!(free.len(), KEPT_PAGES);
        assert!(free.iter().all(|page| page.is_empty() && page.capacity() <= KEPT_BYTES));
        drop(free);
        assert!(pages.take().capacity() >= 1000);
    }
}
