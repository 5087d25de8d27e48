//! Content-Security-Policies with hashes.

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::http::Response;

/// Fails unless the page may apply its style and run its script, and no others. `home` is the file that has the policy.
pub fn assert_holds_for(page: &Response, home: &str) {
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    for tag in ["style", "script"] {
        let (_, after) = page.text().split_once(&format!("<{tag}>")).unwrap();
        let (content, _) = after.split_once(&format!("</{tag}>")).unwrap();
        let want = format!("{tag}-src 'sha256-{}'", sha256(content));
        assert!(policy.contains(&want), "{home} has to say {want}");
    }
}

fn sha256(text: &str) -> String {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let digits = output.split(' ').next().unwrap().as_bytes().chunks(2);
    let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
    BASE64_STANDARD.encode(bytes.collect::<Vec<_>>())
}
