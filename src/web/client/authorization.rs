//! The `Authorization` header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

use super::input::{Derived, Input};
use super::{Credentials, SetupError};

/// Makes the header of the credentials as they are now.
pub(super) struct Authorization(Derived<HeaderValue>);

impl Authorization {
    /// Reads and checks the credentials. Blocks.
    ///
    /// # Errors
    /// As [`Authorization::header`].
    pub(super) fn new(credentials: &Credentials) -> Result<Self, SetupError> {
        let header = match credentials {
            Credentials::Basic { username, password } => {
                let username = Input::new("basic_auth.username", username);
                Derived::new(vec![username, Input::new("basic_auth.password", password)], |inputs| {
                    match inputs {
                        [username, password] => header(basic(username, password)?, password),
                        _ => Err(not_whole()),
                    }
                })
            }
            Credentials::Authorization { kind, credentials } => {
                let kind = kind.clone();
                Derived::new(vec![Input::new("authorization.credentials", credentials)], move |inputs| {
                    match inputs {
                        [credentials] => header(format!("{kind} {}", credentials.text()?), credentials),
                        _ => Err(not_whole()),
                    }
                })
            }
        };
        header.get_blocking()?;
        Ok(Self(header))
    }

    /// The value of `Authorization`.
    ///
    /// # Errors
    /// A file can't be read, or the text can't be sent.
    pub(super) async fn header(&self) -> Result<HeaderValue, SetupError> {
        self.0.get().await
    }
}

fn not_whole() -> SetupError {
    SetupError("credentials: they are not whole".to_owned())
}

/// `last` is named if the text can't be sent.
fn header(text: String, last: &Input) -> Result<HeaderValue, SetupError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| last.error("a line end or control character in it can't be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 7617.
fn basic(username: &Input, password: &Input) -> Result<String, SetupError> {
    let name = username.text()?;
    if name.contains(':') {
        return Err(username.error("a user's name with a colon can't be sent: what follows is the password"));
    }
    Ok(format!("Basic {}", STANDARD.encode(format!("{name}:{}", password.text()?))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::client::Secret;

    fn text(text: &str) -> Secret {
        Secret::Text(text.to_owned())
    }

    fn header(credentials: &Credentials) -> Result<HeaderValue, SetupError> {
        Authorization::new(credentials)?.0.get_blocking()
    }

    #[test]
    fn headers() {
        // The example of RFC 7617, 2.
        let basic = Credentials::Basic { username: text("Aladdin"), password: text("open sesame") };
        assert_eq!(header(&basic).unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let bearer = Credentials::Authorization { kind: "Bearer".to_owned(), credentials: text("abc.def") };
        let value = header(&bearer).unwrap();
        assert_eq!(value, "Bearer abc.def");
        assert!(!format!("{value:?}{bearer:?}{basic:?}").contains("abc"));
        assert!(!format!("{basic:?}").contains("sesame"));
    }

    #[test]
    fn what_can_not_be_sent_is_refused_without_repeating_it() {
        for credentials in [
            Credentials::Basic { username: text("a:hidden"), password: text("hidden") },
            Credentials::Authorization { kind: "Bearer".to_owned(), credentials: text("hidden\r\nHost: x") },
        ] {
            let error = header(&credentials).unwrap_err().to_string();
            assert!(error.contains("can't be sent") && !error.contains("hidden"), "{error}");
        }
    }
}
