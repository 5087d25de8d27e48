//! Ending and compressing closed files, one after another.
//!
//! `X.om` is read in pieces and written to `X.om.zst.tmp`, which is synced, renamed to `X.om.zst`, and only when that
//! name lasts is `X.om` removed. At any moment one of the two is whole.

use std::io;
use std::time::{Duration, Instant};

use zstd::stream::raw::{CParameter, Decoder, Encoder, InBuffer, Operation, OutBuffer};

use super::append::write_whole;
use super::disk::DiskFile;
use super::index::{FileId, FileState};
use super::jobs::Job;
use super::names::Form;
use super::recover::{self, Recovered};
use super::{END_OF_FILE, Storage, remove_if_there};

/// How much is read and written at once.
const BUFFER_BYTES: usize = 128 << 10;

/// The same trouble is reported so often, however many files have it.
const REPORT_INTERVAL: Duration = Duration::from_secs(600);

/// Does jobs with buffers that last.
pub(super) struct Compressor {
    encoder: Option<Encoder<'static>>,
    input: Vec<u8>,
    output: Vec<u8>,
    /// The trouble that was reported last.
    reported: Option<(io::ErrorKind, Instant)>,
}

impl Compressor {
    /// `level` is that of zstd, 0 for no compression.
    ///
    /// # Errors
    /// When the library can't have its memory or does not know the level.
    pub(super) fn new(level: i32) -> io::Result<Self> {
        let encoder = if level == 0 { None } else { Some(encoder(level)?) };
        let buffer_bytes = if level == 0 { 0 } else { BUFFER_BYTES };
        Ok(Self { encoder, input: vec![0; buffer_bytes], output: vec![0; buffer_bytes], reported: None })
    }

    /// Does a job. One that fails is put back.
    pub(super) fn run(&mut self, storage: &Storage, job: Job) {
        if storage.is_taken_over() {
            return storage.jobs.push_failed(job);
        }
        let done = match job {
            Job::End { id, len } => end(storage, id, len).and_then(|()| self.compress(storage, id)),
            Job::Compress(id) => complete(storage, id).and_then(|()| self.compress(storage, id)),
            Job::Settle(id) => self.settle(storage, id),
        };
        if let Err(error) = done
            && !storage.jobs.is_stopped()
        {
            let (Job::End { id, .. } | Job::Compress(id) | Job::Settle(id)) = job;
            let path = storage.directory(id.directory).join(id.name.text(Form::Plain));
            if error.kind() == io::ErrorKind::NotFound {
                tracing::debug!(path = %path.display(), "a file to compress is gone");
                storage.forget(id);
            } else {
                let now = Instant::now();
                if self.reported.is_none_or(|(kind, at)| kind != error.kind() || now - at >= REPORT_INTERVAL)
                {
                    self.reported = Some((error.kind(), now));
                    tracing::warn!(path = %path.display(), %error, "can't compress a file now, it is tried again");
                }
                storage.jobs.push_failed(job);
            }
        }
    }

    fn compress(&mut self, storage: &Storage, id: FileId) -> io::Result<()> {
        if self.encoder.is_none() || storage.index().state(id) != Some(FileState::Plain) {
            return Ok(());
        }
        let directory = storage.directory(id.directory);
        let [plain, compressed, unfinished] =
            [Form::Plain, Form::Compressed, Form::Unfinished].map(|form| id.name.text(form));
        let disk = storage.disk.as_ref();
        let source = disk.open_file(&directory, &plain)?;
        let len = source.len()?;
        remove_if_there(disk, &directory, &unfinished)?;
        let target = disk.create_file(&directory, &unfinished)?;
        let written = self.stream(storage, source.as_ref(), len, target.as_ref()).and_then(|written| {
            target.sync()?;
            Ok(written)
        });
        let renamed = written.and_then(|written| {
            // Nobody can remove the file between the look and the change of its name.
            let mut index = storage.index();
            if index.state(id) != Some(FileState::Plain) {
                return Err(io::Error::from(io::ErrorKind::NotFound));
            }
            disk.rename_file(&directory, &unfinished, &compressed)?;
            index.set(id, FileState::Compressed, written);
            Ok(written)
        });
        let written = match renamed {
            Ok(written) => written,
            Err(error) => {
                if let Err(error) = remove_if_there(disk, &directory, &unfinished) {
                    tracing::debug!(%error, "the next start removes an unfinished file");
                }
                return Err(error);
            }
        };
        storage.stats.compression_read_bytes.add(len);
        storage.stats.compression_written_bytes.add(written);
        let removed =
            disk.sync_directory(&directory).and_then(|()| remove_if_there(disk, &directory, &plain));
        if let Err(error) = removed {
            tracing::debug!(%error, "can't remove a file that was compressed yet");
            storage.jobs.push_failed(Job::Settle(id));
        }
        Ok(())
    }

    /// Compresses `len` bytes and says how many they became.
    fn stream(
        &mut self,
        storage: &Storage,
        source: &dyn DiskFile,
        len: u64,
        target: &dyn DiskFile,
    ) -> io::Result<u64> {
        let Some(encoder) = &mut self.encoder else { return Ok(0) };
        encoder.reinit()?;
        encoder.set_pledged_src_size(Some(len))?;
        let (mut read, mut written) = (0, 0);
        while read < len {
            if storage.jobs.is_stopped() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let piece = piece(&mut self.input, len - read);
            source.read_at(piece, read)?;
            read += piece.len() as u64;
            let mut input = InBuffer::around(piece);
            while input.pos() < input.src.len() {
                let mut output = OutBuffer::around(self.output.as_mut_slice());
                encoder.run(&mut input, &mut output)?;
                written += flush(target, output.as_slice())?;
            }
        }
        loop {
            let mut output = OutBuffer::around(self.output.as_mut_slice());
            let left = encoder.finish(&mut output, true)?;
            written += flush(target, output.as_slice())?;
            if left == 0 {
                return Ok(written);
            }
        }
    }

    /// Removes the one of a pair that is not needed: the source if what is compressed is whole, else the other.
    fn settle(&mut self, storage: &Storage, id: FileId) -> io::Result<()> {
        let directory = storage.directory(id.directory);
        let [plain, compressed] = [Form::Plain, Form::Compressed].map(|form| id.name.text(form));
        let disk = storage.disk.as_ref();
        let source = match disk.open_file(&directory, &plain) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let copy = disk.open_file(&directory, &compressed)?;
        let len = copy.len()?;
        if is_copy(storage, copy.as_ref(), source.as_ref())? {
            disk.sync_directory(&directory)?;
            storage.index().set(id, FileState::Compressed, len);
            return remove_if_there(disk, &directory, &plain);
        }
        tracing::warn!(path = %directory.join(&compressed).display(), "removed a compressed file that is not whole");
        storage.index().set(id, FileState::Plain, source.len()?);
        remove_if_there(disk, &directory, &compressed)?;
        complete(storage, id)?;
        self.compress(storage, id)
    }
}

/// An encoder whose every file carries a checksum.
fn encoder(level: i32) -> io::Result<Encoder<'static>> {
    let mut encoder = Encoder::new(level)?;
    encoder.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(encoder)
}

/// As much of a buffer as is needed for the `rest`.
fn piece(buffer: &mut [u8], rest: u64) -> &mut [u8] {
    let len = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
    buffer.split_at_mut(len).0
}

fn flush(target: &dyn DiskFile, bytes: &[u8]) -> io::Result<u64> {
    write_whole(target, bytes)?;
    Ok(bytes.len() as u64)
}

/// Gives a file of `len` bytes the end that it lacks. What is behind `len` is not to be kept.
fn end(storage: &Storage, id: FileId, len: u64) -> io::Result<()> {
    let (directory, name) = (storage.directory(id.directory), id.name.text(Form::Plain));
    if len == 0 {
        storage.disk.remove_file(&directory, &name)?;
        storage.forget(id);
        return Ok(());
    }
    let file = storage.disk.open_file(&directory, &name)?;
    file.truncate(len)?;
    write_whole(file.as_ref(), END_OF_FILE)?;
    // Its writer may have gone without waiting for the device.
    file.sync()?;
    storage.index().set(id, FileState::Plain, len + END_OF_FILE.len() as u64);
    Ok(())
}

/// Ends a file of an earlier process if it is not.
fn complete(storage: &Storage, id: FileId) -> io::Result<()> {
    let directory = storage.directory(id.directory);
    match recover::recover(storage.disk.as_ref(), &directory, &id.name.text(Form::Plain))? {
        Recovered::Closed => {}
        Recovered::Cut { len, .. } => storage.index().set(id, FileState::Plain, len),
        Recovered::Removed { .. } => storage.forget(id),
    }
    Ok(())
}

/// Whether what `compressed` holds is `source`.
fn is_copy(storage: &Storage, compressed: &dyn DiskFile, source: &dyn DiskFile) -> io::Result<bool> {
    let (len, source_len) = (compressed.len()?, source.len()?);
    let mut decoder = Decoder::new()?;
    let (mut data, mut text, mut expected) =
        (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    let (mut read, mut compared, mut left) = (0, 0, 1);
    while read < len {
        if storage.jobs.is_stopped() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let piece = piece(&mut data, len - read);
        compressed.read_at(piece, read)?;
        read += piece.len() as u64;
        let mut input = InBuffer::around(piece);
        loop {
            let mut output = OutBuffer::around(text.as_mut_slice());
            let Ok(more) = decoder.run(&mut input, &mut output) else { return Ok(false) };
            left = more;
            let text = output.as_slice();
            let Some(expected) = expected.get_mut(..text.len()) else { return Ok(false) };
            if compared + text.len() as u64 > source_len {
                return Ok(false);
            }
            source.read_at(expected, compared)?;
            if text != expected {
                return Ok(false);
            }
            compared += text.len() as u64;
            if input.pos() == input.src.len() && text.len() < BUFFER_BYTES {
                break;
            }
        }
    }
    Ok(left == 0 && compared == source_len)
}
