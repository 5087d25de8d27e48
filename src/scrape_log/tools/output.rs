//! Where the exported samples go.

use std::fs::{self, File};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 256 << 10;

/// What `-o` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Stdout,
    File(PathBuf),
    /// A file for each unit of work.
    Directory(PathBuf),
}

impl Destination {
    /// A path that ends in `/` or is a directory is one, `-` is standard output.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        match path {
            None => Self::Stdout,
            Some(path) if path.as_os_str() == "-" => Self::Stdout,
            Some(path) if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                Self::Directory(path)
            }
            Some(path) => Self::File(path),
        }
    }

    /// The file for the unit of this name; `None` for standard output.
    pub(super) fn path(&self, unit: &str) -> Option<PathBuf> {
        match self {
            Self::Stdout => None,
            Self::File(path) => Some(path.clone()),
            Self::Directory(path) => Some(path.join(unit)),
        }
    }
}

/// An output that is being written. A file has a temporary name until [`Output::finish`], and goes away without it.
pub(super) enum Output {
    Stdout(BufWriter<StdoutLock<'static>>),
    File { draft: Draft, file: BufWriter<File> },
}

/// The temporary name of a file.
pub(super) struct Draft {
    temporary: PathBuf,
    path: PathBuf,
}

impl Output {
    pub(super) fn create(path: Option<PathBuf>) -> io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::Stdout(BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock())));
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
        let temporary = parent.join(format!(".{name}.{}.tmp", std::process::id()));
        let file = File::create(&temporary)?;
        let draft = Draft { temporary, path };
        Ok(Self::File { draft, file: BufWriter::with_capacity(BUFFER_BYTES, file) })
    }

    /// Has everything where it belongs when it returns.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush(),
            Self::File { draft, file } => {
                file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
                fs::rename(&draft.temporary, &draft.path)
            }
        }
    }

    pub(super) fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Stdout(out) => out,
            Self::File { file, .. } => file,
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After the renaming there is none.
        if let Err(error) = fs::remove_file(&self.temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!(path = %self.temporary.display(), %error, "can't remove a temporary file");
        }
    }
}
