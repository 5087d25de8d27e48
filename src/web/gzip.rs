//! Compression of answers (RFC 1952).

use flate2::{Compress, Compression, FlushCompress, Status};

/// A compressor whose tables are made once, and what it has made of the page so far.
#[derive(Debug)]
pub struct Gzip {
    compress: Compress,
    packed: Vec<u8>,
}

/// The logarithm of how far back the compressor looks. What repeats on a page of metrics does so within a few lines,
/// but whenever it has come this far it has to go through all of its tables.
const WINDOW_BITS: u8 = 14;

impl Default for Gzip {
    fn default() -> Self {
        Self { compress: Compress::new_gzip(Compression::fast(), WINDOW_BITS), packed: Vec::new() }
    }
}

impl Gzip {
    /// Begins a gzip member (RFC 1952) of about `size` bytes.
    pub fn begin(&mut self, size: usize) {
        self.compress.reset();
        self.packed = Vec::with_capacity(size + size / 8 + 1024);
    }

    /// Adds a part of the text.
    pub fn add(&mut self, piece: &[u8]) {
        self.run(piece, FlushCompress::None);
    }

    /// Adds the last part and gives the whole member.
    pub fn finish(&mut self, piece: &[u8]) -> Vec<u8> {
        self.run(piece, FlushCompress::Finish);
        std::mem::take(&mut self.packed)
    }

    fn run(&mut self, piece: &[u8], flush: FlushCompress) {
        let start = self.compress.total_in();
        loop {
            let read = usize::try_from(self.compress.total_in() - start).unwrap_or(piece.len());
            let rest = piece.get(read..).unwrap_or_default();
            match self.compress.compress_vec(rest, &mut self.packed, flush) {
                Ok(Status::StreamEnd) => return,
                // With room left it has taken everything in.
                Ok(_) if self.packed.len() < self.packed.capacity() && flush == FlushCompress::None => return,
                Ok(_) => self.packed.reserve(self.packed.capacity().max(1024)),
                // Errors are for misuse of the stream's state only, and a reader sees a short member.
                Err(error) => return tracing::error!(%error, "cannot compress the page"),
            }
        }
    }
}

/// The whole of `text` as one gzip member.
pub fn compress(text: &[u8]) -> Vec<u8> {
    let mut gzip = Gzip::default();
    gzip.begin(text.len() / 8);
    gzip.finish(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn gzip_reads_back_at_every_size() {
        let mut gzip = Gzip::default();
        for size in [0usize, 1, 1000, 100_000, 3] {
            let page: Vec<u8> = (0..size).map(|n| (n * n % 251) as u8).collect();
            gzip.begin(7);
            let (first, last) = page.split_at(size / 3);
            first.chunks(1 + size / 7).for_each(|piece| gzip.add(piece));
            let packed = gzip.finish(last);
            let mut read = Vec::new();
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut read).unwrap();
            assert_eq!(read, page);
        }
    }
}
