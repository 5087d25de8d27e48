//! Values of the configuration that may stand in files, and what is made of them.

use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::{JoinHandle, spawn_blocking};

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

    fn is_file(&self) -> bool {
        matches!(self.secret, Secret::File(_))
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
///
/// A filesystem may hang, for example that of a server that is away. The files are looked at on a blocking thread, by
/// one look at a time, and only who needs what is in them waits.
pub(super) struct Derived<T> {
    source: Arc<Source<T>>,
    /// The look that is under way. One that nobody waits for any more is waited for by the next who comes.
    look: tokio::sync::Mutex<Option<JoinHandle<Result<T, SetupError>>>>,
}

impl<T: Clone + Send + 'static> Derived<T> {
    /// Nothing is looked at yet.
    pub(super) fn new(
        inputs: Vec<Input>,
        make: impl Fn(&[Input]) -> Result<T, SetupError> + Send + Sync + 'static,
    ) -> Self {
        let source = Source { inputs, make: Box::new(make), made: Mutex::new(None) };
        Self { source: Arc::new(source), look: tokio::sync::Mutex::default() }
    }

    /// What is made of the inputs as they are now. Blocks.
    ///
    /// # Errors
    /// As [`Derived::get`].
    pub(super) fn get_blocking(&self) -> Result<T, SetupError> {
        self.source.get()
    }

    /// What is made of the inputs as they are now. While nothing changes, this costs a look at each file.
    ///
    /// # Errors
    /// A file is not there, or what is in it can't be used. Nothing old is given then: the file's owner has to see it.
    pub(super) async fn get(&self) -> Result<T, SetupError> {
        if let Some(value) = self.source.unchanging() {
            return Ok(value);
        }
        let mut look = self.look.lock().await;
        let running = look.get_or_insert_with(|| {
            let source = Arc::clone(&self.source);
            spawn_blocking(move || source.get())
        });
        let found = running.await;
        *look = None;
        found.unwrap_or_else(|error| Err(SetupError(format!("please report this: {error}"))))
    }
}

type Make<T> = dyn Fn(&[Input]) -> Result<T, SetupError> + Send + Sync;

struct Source<T> {
    inputs: Vec<Input>,
    make: Box<Make<T>>,
    made: Mutex<Option<Made<T>>>,
}

struct Made<T> {
    /// Of each input, from before it was read.
    stamps: Vec<Option<Stamp>>,
    value: T,
}

impl<T: Clone> Source<T> {
    /// What was made, if there are no files.
    fn unchanging(&self) -> Option<T> {
        if self.inputs.iter().any(Input::is_file) {
            return None;
        }
        self.made().as_ref().map(|made| made.value.clone())
    }

    fn get(&self) -> Result<T, SetupError> {
        let mut made = self.made();
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
        let value = (self.make)(&self.inputs)?;
        if !stamps.iter().flatten().all(Stamp::is_settled) {
            stamps.clear();
        }
        Ok(made.insert(Made { stamps, value }).value.clone())
    }

    fn made(&self) -> MutexGuard<'_, Option<Made<T>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::time::timeout;

    #[test]
    fn a_value_is_made_again_when_its_file_changed_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        fs::write(&path, "one\n").unwrap();
        let inputs = vec![
            Input::new("basic_auth.username", &Secret::Text("me".to_owned())),
            Input::new("basic_auth.password", &Secret::File(path.clone())),
        ];
        let derived =
            Derived::new(inputs, |inputs| Ok(format!("{}:{}", inputs[0].text()?, inputs[1].text()?)));
        let get = || derived.get_blocking();
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
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let derived = Derived::new(vec![Input::new("k", &Secret::File(settled))], move |inputs| {
            counter.fetch_add(1, Ordering::SeqCst);
            inputs[0].text()
        });
        for _ in 0..3 {
            assert!(derived.get_blocking().unwrap().contains("[package]"));
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_file_that_hangs_holds_up_only_those_who_need_it() {
        const NOW: Duration = Duration::ZERO;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        fs::write(&path, "one").unwrap();
        let (release, hanging) = std::sync::mpsc::channel();
        let hanging = Mutex::new(hanging);
        let looks = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&looks);
        let derived = Derived::new(vec![Input::new("k", &Secret::File(path))], move |inputs| {
            counter.fetch_add(1, Ordering::SeqCst);
            hanging.lock().unwrap().recv().unwrap();
            inputs[0].text()
        });
        for _ in 0..3 {
            // On the only thread of this runtime a look that blocked would be the end.
            assert!(timeout(NOW, derived.get()).await.is_err());
        }
        let other =
            Derived::new(vec![Input::new("k", &Secret::Text("two".to_owned()))], |inputs| inputs[0].text());
        assert_eq!(other.get().await.unwrap(), "two");
        assert_eq!(timeout(NOW, other.get()).await.unwrap().unwrap(), "two", "it has no files");
        release.send(()).unwrap();
        assert_eq!(derived.get().await.unwrap(), "one");
        assert_eq!(looks.load(Ordering::SeqCst), 1, "one thread for all who waited");
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
