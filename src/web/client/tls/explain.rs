//! What an error of TLS means for the person who configured the target.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use super::verify::is_of_an_authority;
use crate::web::client::FetchError;

const NOT_TLS: &str = "check that this port speaks TLS 1.2 or later; if it speaks plain HTTP, set scheme: http, or give an http:// URL";
const CLIENT_CERTIFICATE: &str =
    "the server may want a certificate that it trusts: give tls_config cert_file and key_file";
const CA: &str = "give the certificate of the authority that signed it as tls_config ca_file";

/// The error of a handshake.
pub(in crate::web::client) fn explain(error: &io::Error) -> FetchError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => explain_tls(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => FetchError::Tls {
            problem: "the connection was closed during the handshake".to_owned(),
            remedy: NOT_TLS,
        },
        None => FetchError::Tls { problem: error.to_string(), remedy: NOT_TLS },
    }
}

/// The error of TLS behind an error of HTTP: with TLS 1.3 a server refuses a client after its handshake.
pub(in crate::web::client) fn explain_broken(error: &hyper::Error) -> Option<FetchError> {
    let source = error.source()?.downcast_ref::<io::Error>()?;
    source.get_ref()?.downcast_ref::<Error>().map(explain_tls)
}

fn explain_tls(error: &Error) -> FetchError {
    let (problem, remedy) = match error {
        Error::InvalidCertificate(problem) => return explain_certificate(problem, is_of_an_authority(error)),
        Error::InvalidMessage(_) => ("the answer is not TLS".to_owned(), NOT_TLS),
        Error::AlertReceived(alert) => {
            let remedy = match alert {
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::DecryptError
                | AlertDescription::AccessDenied => CLIENT_CERTIFICATE,
                AlertDescription::HandshakeFailure => {
                    "see the exporter's log: either it wants tls_config cert_file and key_file, or the two have no \
                     cipher in common"
                }
                AlertDescription::UnrecognisedName => {
                    "give the name that the server goes by as tls_config server_name"
                }
                _ => NOT_TLS,
            };
            (format!("the server refuses: {alert:?}"), remedy)
        }
        Error::PeerIncompatible(problem) => (format!("no version or cipher in common: {problem:?}"), NOT_TLS),
        other => (other.to_string(), NOT_TLS),
    };
    FetchError::Tls { problem, remedy }
}

fn explain_certificate(error: &CertificateError, of_an_authority: bool) -> FetchError {
    let certificate = "the server's certificate";
    let (problem, remedy) = match error {
        CertificateError::UnknownIssuer => {
            (format!("{certificate} is of an authority that is not trusted"), CA)
        }
        _ if of_an_authority => (format!("{certificate} is an authority's own, which is not trusted"), CA),
        CertificateError::BadSignature => {
            (format!("{certificate} is not signed by the authority that it names"), CA)
        }
        CertificateError::NotValidForName => (format!("{certificate} is for another name"), SERVER_NAME),
        CertificateError::NotValidForNameContext { expected, presented } => {
            // What the server shows is in nobody's hands but its own.
            let shown: Vec<String> =
                presented.iter().take(5).map(|name| name.chars().take(100).collect()).collect();
            let expected = expected.to_str();
            let shown = if shown.is_empty() { "no name".to_owned() } else { shown.join(", ") };
            (format!("{certificate} is for {shown:?}, not for {expected:?}"), SERVER_NAME)
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (format!("{certificate} has expired"), DATES)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (format!("{certificate} is not valid yet"), DATES)
        }
        CertificateError::Revoked => (format!("{certificate} is revoked"), DATES),
        other => (format!("{certificate} can't be used: {other}"), "give the exporter another certificate"),
    };
    FetchError::Tls { problem, remedy }
}

const SERVER_NAME: &str =
    "scrape the host by the name in its certificate, or give that name as tls_config server_name";
const DATES: &str = "give the exporter a new certificate, and check the clocks here and there";
