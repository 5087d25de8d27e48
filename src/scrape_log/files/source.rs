//! The text of a samples file, compressed or not.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use zstd::stream::read::Decoder;

use super::storage::SamplesFile;
use crate::scrape_log::store::Form;

/// The start of a zstd frame, and the bit of the byte behind it that promises a checksum (RFC 8878, section 3.1.1).
const FRAME_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const CHECKSUM_FLAG: u8 = 1 << 2;

/// An open file.
pub(in crate::scrape_log) struct Source(Text);

enum Text {
    Plain(Counted),
    Compressed(Decoder<'static, BufReader<Counted>>),
}

/// A file and how much of it has been read.
struct Counted {
    file: File,
    bytes: u64,
}

impl Source {
    /// Opens the file, also if it was compressed since it was listed. `None` if it is gone.
    ///
    /// # Errors
    /// When it is there but can't be opened.
    pub(in crate::scrape_log) fn open(file: &SamplesFile) -> io::Result<Option<Self>> {
        for form in [file.form(), Form::Compressed] {
            match File::open(file.path_in(form)) {
                Ok(opened) => {
                    let counted = Counted { file: opened, bytes: 0 };
                    return Ok(Some(Self(match form {
                        Form::Plain => Text::Plain(counted),
                        Form::Compressed | Form::Unfinished => Text::Compressed(Decoder::new(counted)?),
                    })));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The bytes read from the disk so far.
    pub(in crate::scrape_log) fn disk_bytes(&self) -> u64 {
        match &self.0 {
            Text::Plain(file) => file.bytes,
            Text::Compressed(decoder) => decoder.get_ref().get_ref().bytes,
        }
    }

    /// How long a plain file is at present. `None` for a compressed one, in which there is no going to and fro.
    pub(super) fn plain_bytes(&self) -> io::Result<Option<u64>> {
        match &self.0 {
            Text::Plain(file) => Ok(Some(file.file.metadata()?.len())),
            Text::Compressed(_) => Ok(None),
        }
    }

    /// Goes to an offset of a plain file.
    pub(super) fn seek(&mut self, offset: u64) -> io::Result<()> {
        if let Text::Plain(file) = &mut self.0 {
            file.file.seek(SeekFrom::Start(offset))?;
        }
        Ok(())
    }

    /// Whether the file lacks the checksum with which damage inside it is noticed.
    pub(in crate::scrape_log) fn lacks_checksum(file: &SamplesFile) -> io::Result<bool> {
        let mut start = [0; 5];
        if file.form() != Form::Compressed {
            return Ok(false);
        }
        File::open(file.path())?.read_exact(&mut start)?;
        let [magic @ .., descriptor] = start;
        Ok(magic == FRAME_MAGIC && descriptor & CHECKSUM_FLAG == 0)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Text::Plain(file) => file.read(buffer),
            Text::Compressed(decoder) => decoder.read(buffer),
        }
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
