//! The memory of a page. All clients together have so much of it, however many peers send large pages and then take
//! their time.

use std::ops::Deref;

use tokio::sync::{Semaphore, SemaphorePermit};

/// What each page may have without asking. The pages of usual exporters are smaller.
const OWN_BYTES: usize = 512 << 10;
const SHARE_BYTES: usize = 512 << 10;
/// What all pages may have together beyond that, in shares.
static SHARES: Semaphore = Semaphore::const_new(32);
/// When the shares are used up one page at a time may grow all the same. Otherwise pages could wait for each other.
static EXCESS: Semaphore = Semaphore::const_new(1);
/// Address space for a larger page, of which only what is written to takes memory. Allocators map so large a piece
/// apart and return it to the system at once; smaller ones leave holes behind in which nothing else fits.
const LARGE_BYTES: usize = 33 << 20;

/// A page, or the memory for one. It gives back what it has of the memory of all when it is cleared or dropped.
#[derive(Debug, Default)]
pub struct Page {
    pub(super) bytes: Vec<u8>,
    pub(super) room: Room,
}

/// What a page has of the memory of all.
#[derive(Debug, Default)]
pub(super) struct Room {
    shares: Option<SemaphorePermit<'static>>,
    excess: Option<SemaphorePermit<'static>>,
}

impl Page {
    /// Empties the page and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.room = Room::default();
    }

    /// The bytes for which there is memory.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

impl From<Vec<u8>> for Page {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, room: Room::default() }
    }
}

impl Deref for Page {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Readies a page for so many more bytes.
pub(super) fn grow(page: &mut Vec<u8>, more: usize) {
    let len = page.len() + more;
    if len > page.capacity() && (OWN_BYTES..LARGE_BYTES).contains(&len) {
        page.reserve_exact(LARGE_BYTES - page.len());
    }
}

impl Room {
    /// Waits until there is room for a page that has grown to so many bytes.
    pub(super) async fn hold(&mut self, bytes: usize) {
        while self.excess.is_none() && bytes > self.bytes() {
            // Neither is ever closed.
            tokio::select! {
                biased;
                Ok(share) = SHARES.acquire() => match &mut self.shares {
                    Some(shares) => shares.merge(share),
                    shares => *shares = Some(share),
                },
                Ok(excess) = EXCESS.acquire() => self.excess = Some(excess),
                else => return,
            }
        }
    }

    fn bytes(&self) -> usize {
        OWN_BYTES + self.shares.as_ref().map_or(0, SemaphorePermit::num_permits) * SHARE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LIMIT: usize = 16 << 20;

    /// Grows in small steps as far as it is let within a second.
    async fn grow(page: &mut Page) {
        let grown = async {
            while page.len() < LIMIT {
                page.bytes.resize(page.len() + (64 << 10), b'\n');
                page.room.hold(page.bytes.len()).await;
            }
        };
        // One that has to wait has its last step already.
        tokio::time::timeout(Duration::from_secs(1), grown).await.ok();
    }

    #[tokio::test(start_paused = true)]
    async fn many_large_pages_have_little_together_and_each_gets_its_turn() {
        let mut pages: Vec<Page> = (0..40).map(|_| Page::default()).collect();
        for page in &mut pages {
            grow(page).await;
        }
        let all: usize = pages.iter().map(|page| page.len()).sum();
        assert!(all <= (pages.len() * (OWN_BYTES + (64 << 10))) + (16 << 20) + LIMIT, "{all} bytes");
        assert!(pages.iter().all(|page| page.len() >= OWN_BYTES), "small ones do not wait");
        let whole = |pages: &[Page]| pages.iter().filter(|page| page.len() == LIMIT).count();
        assert!((1..=2).contains(&whole(&pages)));
        for (turn, page) in pages.iter_mut().enumerate() {
            grow(page).await;
            assert_eq!(page.len(), LIMIT, "page {turn}");
            page.clear();
            assert!(page.capacity() >= LIMIT && page.room.bytes() == OWN_BYTES);
        }
    }
}
