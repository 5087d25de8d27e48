//! Finding out which files there are: all of them at the start, and now and then whether that is still so.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::index::{FileId, FileState};
use super::jobs::Job;
use super::names::{FileName, Form, Kind};
use super::recover::{self, Recovered};
use super::{Storage, remove_if_there};

/// What a directory holds of one file.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    plain_bytes: Option<u64>,
    compressed_bytes: Option<u64>,
}

/// What a directory holds.
#[derive(Debug, Default)]
struct Listing {
    files: HashMap<FileName, Found>,
    /// The names of files whose compression was not finished.
    unfinished: Vec<String>,
}

/// Enters all files below the storage path into the index and closes those that were open when their writer died.
/// Of a target at most one was, the newest; should there be more, the compressor finds them.
///
/// # Errors
/// When the storage path can't be listed. A file that can't be closed is logged and left as it is.
pub(super) fn first(storage: &Storage) -> io::Result<()> {
    each_directory(storage, |directory_name, Listing { files: mut found, unfinished }| {
        let directory = storage.options.path.join(directory_name);
        for name in unfinished {
            if let Err(error) = remove_if_there(storage.disk.as_ref(), &directory, &name) {
                tracing::debug!(%error, "an unfinished file stays");
            }
        }
        let id = storage.index().directory(directory_name);
        let newest = found
            .iter()
            .filter(|(name, found)| name.kind() == Kind::Samples && found.plain_bytes.is_some())
            .map(|(&name, _)| name)
            .max();
        if let Some(name) = newest {
            match close(storage, &directory, name) {
                Ok(Recovered::Closed) => {}
                Ok(Recovered::Cut { len, .. }) => found.entry(name).or_default().plain_bytes = Some(len),
                Ok(Recovered::Removed { .. }) => found.entry(name).or_default().plain_bytes = None,
                Err(error) => {
                    let path = directory.join(name.text(Form::Plain));
                    tracing::warn!(path = %path.display(), %error, "can't close a file left open");
                }
            }
        }
        for (name, found) in found {
            enter(storage, FileId { name, directory: id }, found);
        }
    })
}

/// Compares the directories with the index: files may have been removed by hand or brought back.
pub(super) fn again(storage: &Storage) {
    let walked = each_directory(storage, |directory_name, listing| {
        let id = storage.index().directory(directory_name);
        for (&name, &found) in &listing.files {
            let file = FileId { name, directory: id };
            if storage.index().state(file).is_none() {
                enter(storage, file, found);
            }
        }
    });
    if let Err(error) = walked {
        tracing::warn!(path = %storage.options.path.display(), %error, "can't look for files");
    }
    let closed: Vec<FileId> = storage.index().closed().collect();
    for id in closed {
        let directory = storage.directory(id.directory);
        let is_gone = |form| {
            let path = directory.join(id.name.text(form));
            path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        // The compressed one is looked for first, and after it the one it is made of is gone.
        if is_gone(Form::Plain) && is_gone(Form::Compressed) {
            storage.forget(id);
        }
    }
}

/// Lists the directories and hands over what each holds of this program's files.
fn each_directory(storage: &Storage, mut with: impl FnMut(&str, Listing)) -> io::Result<()> {
    for entry in std::fs::read_dir(&storage.options.path)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !entry.file_type()?.is_dir() {
            continue;
        }
        match list(&entry.path()) {
            Ok(found) => with(&name, found),
            Err(error) => {
                tracing::warn!(path = %entry.path().display(), %error, "can't look for files in a directory");
            }
        }
    }
    Ok(())
}

/// The files of a directory. Files of other names are none of this program's business.
fn list(directory: &Path) -> io::Result<Listing> {
    let Listing { mut files, mut unfinished } = Listing::default();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(text) = entry.file_name().into_string() else { continue };
        let Some((name, form)) = FileName::parse(&text) else { continue };
        if !entry.file_type()?.is_file() {
            continue;
        }
        let bytes = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?.len(),
        };
        match form {
            Form::Plain => files.entry(name).or_default().plain_bytes = Some(bytes),
            Form::Compressed => files.entry(name).or_default().compressed_bytes = Some(bytes),
            Form::Unfinished => unfinished.push(text),
        }
    }
    Ok(Listing { files, unfinished })
}

/// Closes a file if it is not.
fn close(storage: &Storage, directory: &Path, name: FileName) -> io::Result<Recovered> {
    let text = name.text(Form::Plain);
    let path = directory.join(&text);
    let recovered = recover::recover(storage.disk.as_ref(), directory, &text)?;
    match recovered {
        Recovered::Closed => {}
        Recovered::Cut { cut_bytes, .. } => {
            tracing::info!(path = %path.display(), cut_bytes, "closed a file left open");
        }
        Recovered::Removed { bytes } => {
            tracing::info!(path = %path.display(), bytes, "removed a file without a whole scrape");
        }
    }
    Ok(recovered)
}

fn enter(storage: &Storage, id: FileId, found: Found) {
    match (found.plain_bytes, found.compressed_bytes) {
        (Some(bytes), compressed) => {
            storage.index().set(id, FileState::Plain, bytes);
            if id.name.kind() == Kind::Samples {
                let job = if compressed.is_some() { Job::Settle(id) } else { Job::Compress(id) };
                storage.jobs.push(job);
            }
        }
        (None, Some(bytes)) => storage.index().set(id, FileState::Compressed, bytes),
        (None, None) => {}
    }
}
