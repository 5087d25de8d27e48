//! The keys about HTTP that a scrape configuration and `http_sd_configs` share.

use super::fields::Fields;
use super::yaml::At;
use crate::web::client::{Credentials, HttpSettings, Secret, TlsSettings};

/// Takes the keys about HTTP out of `fields`.
pub(super) fn read(fields: &mut Fields<'_>) -> HttpSettings {
    let default = HttpSettings::default();
    fields.pass_over(&["enable_http2"]);
    fields.refuse(
        &["proxy_url", "proxy_from_environment", "proxy_connect_header", "no_proxy"],
        "leave it out, or scrape the target where it can be reached without a proxy",
    );
    fields.refuse(
        &["oauth2", "sigv4", "azuread", "google_iam"],
        "use basic_auth, or authorization with a credentials_file that another program keeps fresh",
    );
    fields.refuse(&["http_headers"], "use basic_auth or authorization, other headers can't be sent");
    HttpSettings {
        credentials: credentials(fields),
        tls: fields.section("tls_config").map(|section| tls(section.with_secrets())).unwrap_or_default(),
        follow_redirects: fields.flag("follow_redirects").map_or(default.follow_redirects, |flag| flag.value),
        compression: default.compression,
    }
}

fn credentials(fields: &mut Fields<'_>) -> Option<Credentials> {
    let basic = fields.section("basic_auth").map(|section| {
        let at = section.at;
        At { at, value: basic_auth(section.with_secrets()) }
    });
    let authorization = fields.section("authorization").map(|section| {
        let at = section.at;
        At { at, value: authorization(section.with_secrets()) }
    });
    let bearer = fields.secret("bearer_token", "bearer_token_file").map(|secret| {
        secret.map(|credentials| Credentials::Authorization { kind: "Bearer".to_owned(), credentials })
    });
    let mut given = [basic, authorization, bearer].into_iter().flatten();
    let first = given.next()?;
    if let Some(second) = given.next() {
        fields.report().problem_with_secret(
            second.at,
            "expected one of basic_auth, authorization and bearer_token, found several",
        );
    }
    Some(first.value)
}

fn basic_auth(mut fields: Fields<'_>) -> Credentials {
    let empty = || Secret::Text(String::new());
    let username = fields.secret("username", "username_file").map_or_else(empty, |secret| secret.value);
    let password = fields.secret("password", "password_file").map_or_else(empty, |secret| secret.value);
    fields.refuse(&["username_ref", "password_ref"], "use password or password_file");
    fields.finish();
    Credentials::Basic { username, password }
}

fn authorization(mut fields: Fields<'_>) -> Credentials {
    let kind = fields.text("type");
    if let Some(kind) = &kind {
        if kind.value.trim().eq_ignore_ascii_case("basic") {
            fields.problem(kind.at, "type can't be Basic: use basic_auth instead of authorization");
        } else if !kind.value.bytes().all(|byte| byte.is_ascii_graphic()) {
            fields.problem(kind.at, "type has to be a word such as Bearer");
        }
    }
    let credentials = fields.secret("credentials", "credentials_file");
    if credentials.is_none() {
        let message = "authorization without credentials sends none: give credentials or credentials_file";
        fields.report().warning(Some(fields.at), message);
    }
    fields.refuse(&["credentials_ref"], "use credentials or credentials_file");
    fields.finish();
    let kind = kind.map(|kind| kind.value.trim().to_owned()).filter(|kind| !kind.is_empty());
    Credentials::Authorization {
        kind: kind.unwrap_or_else(|| "Bearer".to_owned()),
        credentials: credentials.map_or(Secret::Text(String::new()), |secret| secret.value),
    }
}

fn tls(mut fields: Fields<'_>) -> TlsSettings {
    let ca = fields.secret("ca", "ca_file");
    let certificate = fields.secret("cert", "cert_file");
    let key = fields.secret("key", "key_file");
    match (&certificate, &key) {
        (Some(certificate), None) => {
            fields.problem(certificate.at, "a client certificate needs its key too: give key or key_file");
        }
        (None, Some(key)) => {
            fields.problem(key.at, "the key belongs to a client certificate: give cert or cert_file");
        }
        _ => {}
    }
    let server_name = fields.text("server_name").map(|name| name.value).filter(|name| !name.is_empty());
    let insecure_skip_verify = fields.flag("insecure_skip_verify").is_some_and(|flag| flag.value);
    // Nothing below TLS 1.2 is ever spoken.
    for (name, accepted) in [("min_version", &["TLS10", "TLS11", "TLS12"][..]), ("max_version", &["TLS13"])] {
        let version = fields.text(name);
        if let Some(version) = version.filter(|version| !accepted.contains(&version.value.as_str())) {
            let message = format!(
                "{name} {:?} is not supported, expected {}: TLS 1.2 and 1.3 are spoken",
                version.value,
                accepted.join(", ")
            );
            fields.problem(version.at, message);
        }
    }
    fields.refuse(&["ca_ref", "cert_ref", "key_ref"], "use the keys that end with _file");
    fields.finish();
    TlsSettings {
        ca: ca.map(|secret| secret.value),
        certificate: certificate.map(|secret| secret.value),
        key: key.map(|secret| secret.value),
        server_name,
        insecure_skip_verify,
    }
}
