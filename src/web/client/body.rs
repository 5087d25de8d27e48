//! Decoding a body as it arrives, with caps on what comes out.

use std::io::{self, Write};

use flate2::write::GzDecoder;

use super::page::grow;
use super::{FetchError, Limits};

/// Takes the pieces of a body and appends the decoded bytes to the page.
pub(super) enum Decoder<'a> {
    Identity(PageWriter<'a>),
    Gzip(Box<GzDecoder<PageWriter<'a>>>),
}

impl<'a> Decoder<'a> {
    pub(super) fn new(gzip: bool, bytes: &'a mut Vec<u8>, limits: Limits) -> Self {
        let page = PageWriter { bytes, limits, line_start: 0, refused: None };
        if gzip { Decoder::Gzip(Box::new(GzDecoder::new(page))) } else { Decoder::Identity(page) }
    }

    pub(super) fn push(&mut self, data: &[u8]) -> Result<(), FetchError> {
        let written = match self {
            Decoder::Identity(page) => page.write_all(data),
            Decoder::Gzip(decoder) => decoder.write_all(data),
        };
        self.check(written)
    }

    /// The decoded bytes up to now.
    pub(super) fn len(&self) -> usize {
        match self {
            Decoder::Identity(page) => page.bytes.len(),
            Decoder::Gzip(decoder) => decoder.get_ref().bytes.len(),
        }
    }

    /// Checks that a compressed body is whole.
    pub(super) fn finish(mut self) -> Result<(), FetchError> {
        let finished = match &mut self {
            Decoder::Identity(_) => Ok(()),
            Decoder::Gzip(decoder) => decoder.try_finish(),
        };
        self.check(finished)
    }

    fn check(&mut self, written: io::Result<()>) -> Result<(), FetchError> {
        let Err(error) = written else { return Ok(()) };
        let page = match self {
            Decoder::Identity(page) => page,
            Decoder::Gzip(decoder) => decoder.get_mut(),
        };
        Err(match page.refused.take() {
            Some(refused) => refused,
            None => FetchError::Encoding(format!("not whole gzip: {error}")),
        })
    }
}

/// The page under construction.
pub(super) struct PageWriter<'a> {
    bytes: &'a mut Vec<u8>,
    limits: Limits,
    /// Where the line that is not ended yet begins.
    line_start: usize,
    /// Which cap was reached.
    refused: Option<FetchError>,
}

impl PageWriter<'_> {
    fn check(&mut self, data: &[u8]) -> Result<(), FetchError> {
        let Limits { body_bytes, line_bytes, .. } = self.limits;
        let end = self.bytes.len() + data.len();
        if end > body_bytes {
            return Err(FetchError::BodyTooLarge { limit_bytes: body_bytes });
        }
        let Some(line_bytes) = line_bytes else { return Ok(()) };
        let first_end = memchr::memchr(b'\n', data).map_or(end, |at| self.bytes.len() + at);
        if first_end - self.line_start > line_bytes {
            return Err(FetchError::LineTooLong { limit_bytes: line_bytes });
        }
        // Lines inside one piece need no check of their own: a piece is smaller than the longest line allowed.
        if let Some(at) = memchr::memrchr(b'\n', data) {
            self.line_start = self.bytes.len() + at + 1;
        }
        Ok(())
    }
}

impl Write for PageWriter<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.refused.is_none() {
            self.refused = self.check(data).err();
        }
        if self.refused.is_some() {
            return Err(io::Error::other("over a limit"));
        }
        grow(self.bytes, data.len());
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]], gzip: bool, limits: Limits) -> Result<Vec<u8>, FetchError> {
        let mut page = Vec::new();
        let mut decoder = Decoder::new(gzip, &mut page, limits);
        for piece in pieces {
            decoder.push(piece)?;
        }
        decoder.finish()?;
        Ok(page)
    }

    fn compress(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn limits_are_exact() {
        let limits = Limits { head_bytes: 0, body_bytes: 12, line_bytes: Some(5) };
        for gzip in [false, true] {
            let run = |data: &[u8]| {
                let wire = if gzip { compress(data) } else { data.to_vec() };
                let bytes: Vec<&[u8]> = wire.chunks(1).collect();
                decode(&bytes, gzip, limits)
            };
            assert_eq!(run(b"12345\n12345\n").unwrap(), b"12345\n12345\n");
            assert_eq!(run(b"12345\n123456").unwrap_err(), FetchError::LineTooLong { limit_bytes: 5 });
            assert_eq!(run(b"1234\n1234\n123").unwrap_err(), FetchError::BodyTooLarge { limit_bytes: 12 });
        }
    }

    #[test]
    fn a_bomb_stops_at_the_cap_on_decoded_bytes() {
        let bomb = compress(&vec![b'\n'; 64 << 20]);
        let mut page = Vec::new();
        let mut decoder = Decoder::new(true, &mut page, Limits::DEFAULT);
        assert_eq!(decoder.push(&bomb).unwrap_err(), FetchError::BodyTooLarge { limit_bytes: 16 << 20 });
        drop(decoder);
        assert!(page.len() <= 16 << 20);
    }

    #[test]
    fn gzip_cut_at_any_byte_or_followed_by_something_is_an_error() {
        let whole = compress(b"up 1\nnode_load1 0.5\n");
        assert!(decode(&[&whole], true, Limits::DEFAULT).is_ok());
        for end in 0..whole.len() {
            assert!(decode(&[&whole[..end]], true, Limits::DEFAULT).is_err(), "cut at {end}");
        }
        assert!(decode(&[&whole, b"more"], true, Limits::DEFAULT).is_err());
        assert!(decode(&[b"plain text"], true, Limits::DEFAULT).is_err());
    }
}
