//! The `Authorization` header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

use super::input::{Derived, Input};
use super::{Credentials, SetupError};

/// Makes the header of the credentials as they are now.
pub(super) struct Authorization {
    /// The type of `authorization`, such as `Bearer`; `None` with `basic_auth`.
    kind: Option<String>,
    header: Derived<HeaderValue>,
}

impl Authorization {
    pub(super) fn new(credentials: &Credentials) -> Self {
        let (kind, inputs) = match credentials {
            Credentials::Basic { username, password } => {
                let username = Input::new("basic_auth.username", username);
                (None, vec![username, Input::new("basic_auth.password", password)])
            }
            Credentials::Authorization { kind, credentials } => {
                (Some(kind.clone()), vec![Input::new("authorization.credentials", credentials)])
            }
        };
        Self { kind, header: Derived::new(inputs) }
    }

    /// The value of `Authorization`.
    ///
    /// # Errors
    /// A file can't be read, or the text can't be sent.
    pub(super) fn header(&self) -> Result<HeaderValue, SetupError> {
        self.header.get(|inputs| {
            let (text, last) = match (&self.kind, inputs) {
                (None, [username, password]) => (basic(username, password)?, password),
                (Some(kind), [credentials]) => (format!("{kind} {}", credentials.text()?), credentials),
                _ => return Err(SetupError("credentials: they are not whole".to_owned())),
            };
            let mut value = HeaderValue::try_from(text)
                .map_err(|_| last.error("a line end or control character in it can't be sent"))?;
            value.set_sensitive(true);
            Ok(value)
        })
    }
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
        Authorization::new(credentials).header()
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
