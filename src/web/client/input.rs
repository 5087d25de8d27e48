//! Values of the configuration that may stand in files, and what is made of them.

use std::fmt::Display;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{Secret, SetupError};
use crate::base::watched::{self, Stamp};

/// More than any bundle of certificates.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// A value with the key that it has in the configuration.
pub(super) struct Input {
    key: &'static str,
    secret: Secret,
}

impl Input {
    /// `key` is the one for the value itself; the one for a file ends in `_file`.
    pub(super) fn new(key: &'static str, secret: &Secret) -> Self {
        Self { key, secret: secret.clone() }
    }

    /// The value as a text, without the blanks and line ends around it if it comes from a file.
    ///
    /// # Errors
    /// The file can't be read, is empty or is not text.
    pub(super) fn text(&self) -> Result<String, SetupError> {
        let path = match &self.secret {
            Secret::Text(text) => return Ok(text.clone()),
            Secret::File(path) => path,
        };
        let bytes = self.read(path)?;
        let text = str::from_utf8(&bytes).map_err(|_| self.error("it is not text in UTF-8"))?.trim();
        if text.is_empty() {
            return Err(self.error("the file is empty: write the value into it"));
        }
        Ok(text.to_owned())
    }

    /// The value byte by byte.
    ///
    /// # Errors
    /// The file can't be read.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, SetupError> {
        match &self.secret {
            Secret::Text(text) => Ok(text.clone().into_bytes()),
            Secret::File(path) => self.read(path),
        }
    }

    /// The error that names this value's key and file.
    pub(super) fn error(&self, problem: impl Display) -> SetupError {
        let key = self.key;
        SetupError(match &self.secret {
            Secret::Text(_) => format!("{key}: {problem}"),
            Secret::File(path) => format!("{key}_file {}: {problem}", path.display()),
        })
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, SetupError> {
        watched::read(path, MAX_FILE_BYTES).map_err(|error| self.error(error))
    }

    /// What is known about the value without reading it; `None` if it is no file.
    fn stamp(&self) -> Result<Option<Stamp>, SetupError> {
        match &self.secret {
            Secret::Text(_) => Ok(None),
            Secret::File(path) => Stamp::of(path).map(Some).map_err(|error| self.error(error)),
        }
    }
}

/// What is made of some inputs, and made again when one of their files has changed.
pub(super) struct Derived<T> {
    inputs: Vec<Input>,
    made: Mutex<Option<Made<T>>>,
}

struct Made<T> {
    /// Of each input, from before it was read.
    stamps: Vec<Option<Stamp>>,
    value: T,
}

impl<T: Clone> Derived<T> {
    pub(super) fn new(inputs: Vec<Input>) -> Self {
        Self { inputs, made: Mutex::new(None) }
    }

    /// What `make` makes of the inputs as they are now. While nothing changes, this costs a look at each file.
    ///
    /// # Errors
    /// A file is not there, or `make` says so. Nothing old is given then: the file's owner has to see it.
    pub(super) fn get(&self, make: impl FnOnce(&[Input]) -> Result<T, SetupError>) -> Result<T, SetupError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Made { stamps, value }) = &*made {
            let mut same = stamps.len() == self.inputs.len();
            for (input, stamp) in self.inputs.iter().zip(stamps) {
                same &= input.stamp()? == *stamp;
            }
            if same {
                return Ok(value.clone());
            }
        }
        *made = None;
        let mut stamps = self.inputs.iter().map(Input::stamp).collect::<Result<Vec<_>, _>>()?;
        let value = make(&self.inputs)?;
        if !stamps.iter().flatten().all(Stamp::is_settled) {
            stamps.clear();
        }
        Ok(made.insert(Made { stamps, value }).value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::fs;

    #[test]
    fn a_value_is_made_again_when_its_file_changed_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        fs::write(&path, "one\n").unwrap();
        let derived = Derived::new(vec![
            Input::new("basic_auth.username", &Secret::Text("me".to_owned())),
            Input::new("basic_auth.password", &Secret::File(path.clone())),
        ]);
        let get = || derived.get(|inputs| Ok(format!("{}:{}", inputs[0].text()?, inputs[1].text()?)));
        assert_eq!(get().unwrap(), "me:one");
        // Of the same length and at the same moment: nothing but the content differs.
        fs::write(&path, " two").unwrap();
        assert_eq!(get().unwrap(), "me:two");
        fs::remove_file(&path).unwrap();
        let error = get().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("basic_auth.password_file {}: No such file", path.display())),
            "{error}"
        );
        fs::write(&path, "four").unwrap();
        assert_eq!(get().unwrap(), "me:four");
    }

    #[test]
    fn a_file_that_was_left_alone_for_a_while_is_read_once() {
        // Any that nobody has just written.
        let settled = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert!(Stamp::of(&settled).unwrap().is_settled());
        let derived = Derived::new(vec![Input::new("k", &Secret::File(settled))]);
        let count = Cell::new(0);
        for _ in 0..3 {
            let made = derived.get(|inputs| {
                count.set(count.get() + 1);
                inputs[0].text()
            });
            assert!(made.unwrap().contains("[package]"));
        }
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn files_that_can_not_be_a_value() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str, content: &[u8]| {
            let path = directory.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        for (path, want) in [
            (path("empty", b" \n"), "is empty"),
            (path("binary", b"\xff\xfe"), "UTF-8"),
            (directory.path().to_owned(), "regular file"),
            (path("large", &vec![b'x'; (4 << 20) + 1]), "larger"),
        ] {
            let error = Input::new("k", &Secret::File(path.clone())).text().unwrap_err().to_string();
            assert!(error.starts_with(&format!("k_file {}: ", path.display())), "{error}");
            assert!(error.contains(want), "{error}");
        }
        assert_eq!(Input::new("k", &Secret::Text(" x ".to_owned())).text().unwrap(), " x ");
    }
}
