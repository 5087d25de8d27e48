//! TLS: whom a client trusts, and how it shows who it is.
//!
//! What the files of `tls_config` hold counts at the next new connection after they changed. No session is resumed: every
//! new connection checks the server's certificate as it is now.

mod explain;
mod verify;

pub(super) use explain::{explain, explain_broken};

use std::sync::{Arc, OnceLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};

use super::input::{Derived, Input};
use super::{SetupError, TlsSettings};
use verify::{AnyCertificate, Trusted};

/// Makes the settings of connections.
pub(super) struct Tls {
    /// The name that the endpoint's certificate has to be for, if it is not the host's.
    server_name: Option<ServerName<'static>>,
    configs: Derived<Configs>,
}

/// Which inputs there are, in this order.
#[derive(Clone, Copy)]
struct Layout {
    ca: bool,
    certificate: bool,
    any_certificate: bool,
}

#[derive(Clone)]
struct Configs {
    endpoint: Arc<ClientConfig>,
    /// Without the client's certificate.
    elsewhere: Arc<ClientConfig>,
}

impl Tls {
    /// Checks all that is configured. Blocks. The system's authorities are left until there is a connection to make.
    pub(super) fn new(settings: &TlsSettings) -> Result<Self, SetupError> {
        let TlsSettings { ca, certificate, key, server_name, insecure_skip_verify } = settings;
        let mut inputs = Vec::new();
        inputs.extend(ca.as_ref().map(|ca| Input::new("tls_config.ca", ca)));
        match (certificate, key) {
            (None, None) => {}
            (Some(certificate), Some(key)) => {
                inputs.push(Input::new("tls_config.cert", certificate));
                inputs.push(Input::new("tls_config.key", key));
            }
            (Some(_), None) => {
                return Err(SetupError(
                    "tls_config: the certificate has no key: give key_file too".to_owned(),
                ));
            }
            (None, Some(_)) => {
                return Err(SetupError(
                    "tls_config: the key has no certificate: give cert_file too".to_owned(),
                ));
            }
        }
        let server_name = server_name.as_ref().map(|name| match ServerName::try_from(name.clone()) {
            Ok(name) => Ok(name),
            Err(_) => Err(SetupError(format!(
                "tls_config.server_name: {name:?} is neither a host name nor an IP address"
            ))),
        });
        let layout = Layout {
            ca: ca.is_some(),
            certificate: certificate.is_some(),
            any_certificate: *insecure_skip_verify,
        };
        let (authorities, identity) = layout.split(&inputs);
        authorities.map(read_certificates).transpose()?;
        identity.map(|identity| read_identity(identity, &ring::default_provider())).transpose()?;
        let configs = Derived::new(inputs, move |inputs| layout.build(inputs));
        Ok(Self { server_name: server_name.transpose()?, configs })
    }

    /// The settings of a connection, and the name that the certificate of `host` has to be for. Only the `endpoint` is
    /// shown the client's certificate, and only there `server_name` counts.
    ///
    /// # Errors
    /// A file can't be read or does not hold what it should, or the system has no authorities.
    pub(super) async fn prepare(
        &self,
        host: &str,
        endpoint: bool,
    ) -> Result<(Arc<ClientConfig>, ServerName<'static>), SetupError> {
        let configs = self.configs.get().await?;
        let name = match &self.server_name {
            Some(name) if endpoint => name.clone(),
            _ => ServerName::try_from(host.to_owned())
                .map_err(|_| SetupError(format!("{host:?} can't be the name in a certificate")))?,
        };
        Ok((if endpoint { configs.endpoint } else { configs.elsewhere }, name))
    }
}

impl Layout {
    /// The authorities, and certificate and key.
    fn split(self, inputs: &[Input]) -> (Option<&Input>, Option<[&Input; 2]>) {
        let (authorities, rest) = inputs.split_at(usize::from(self.ca).min(inputs.len()));
        let identity = match rest {
            [certificate, key] if self.certificate => Some([certificate, key]),
            _ => None,
        };
        (authorities.first(), identity)
    }

    fn build(self, inputs: &[Input]) -> Result<Configs, SetupError> {
        let provider = Arc::new(ring::default_provider());
        let (authorities, identity) = self.split(inputs);
        let verifier: Arc<dyn ServerCertVerifier> = if self.any_certificate {
            Arc::new(AnyCertificate::new(&provider))
        } else {
            Arc::new(match authorities {
                Some(input) => {
                    let certificates = read_certificates(input)?;
                    let roots = Arc::new(store(input, &certificates)?);
                    Trusted::new(roots, certificates, &provider).map_err(|error| input.error(error))?
                }
                None => Trusted::new(system_roots()?, Vec::new(), &provider).map_err(no_roots)?,
            })
        };
        let config = |identity: Option<CertifiedKey>| {
            let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| SetupError(format!("tls_config: {error}")))?
                .dangerous()
                .with_custom_certificate_verifier(Arc::clone(&verifier));
            let mut config = match identity {
                Some(identity) => {
                    builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
                }
                None => builder.with_no_client_auth(),
            };
            config.resumption = rustls::client::Resumption::disabled();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok(Arc::new(config))
        };
        let elsewhere = config(None)?;
        let endpoint = match identity {
            Some(identity) => config(Some(read_identity(identity, &provider)?))?,
            None => Arc::clone(&elsewhere),
        };
        Ok(Configs { endpoint, elsewhere })
    }
}

fn read_certificates(input: &Input) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let pem = input.bytes()?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|_| input.error("it is broken PEM: write the file anew"))?;
    if certificates.is_empty() {
        return Err(input.error("it has no certificate: give PEM, which has -----BEGIN CERTIFICATE-----"));
    }
    Ok(certificates)
}

fn store(input: &Input, certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        roots.add(certificate.clone()).map_err(|error| {
            input.error(format_args!("certificate {} in it can't be used: {error}", index + 1))
        })?;
    }
    Ok(roots)
}

fn read_identity(
    [certificate, key]: [&Input; 2],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, SetupError> {
    let chain = read_certificates(certificate)?;
    // What is wrong with the PEM is not repeated, it may be the key.
    let der = PrivateKeyDer::from_pem_slice(&key.bytes()?).map_err(|_| {
        key.error(
            "it has no private key: give PEM, which has -----BEGIN PRIVATE KEY-----, without a passphrase",
        )
    })?;
    CertifiedKey::from_der(chain, der, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            key.error(certificate.error("is not the certificate of this key"))
        }
        other => key.error(format_args!("can't be used with its certificate: {other}")),
    })
}

/// The authorities that the system trusts, read once. Failing is tried again at the next connection.
fn system_roots() -> Result<Arc<RootCertStore>, SetupError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(Arc::clone(roots));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems have old authorities among theirs that can't be used any more.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(match found.errors.first() {
            Some(error) => no_roots(error),
            None => no_roots("it has none"),
        });
    }
    Ok(Arc::clone(ROOTS.get_or_init(|| Arc::new(roots))))
}

fn no_roots(problem: impl std::fmt::Display) -> SetupError {
    SetupError(format!(
        "the authorities that this system trusts: {problem}: install its package ca-certificates, or give \
         tls_config.ca_file"
    ))
}
