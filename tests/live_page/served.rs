//! What comes over the wire.

use std::io::Read;
use std::path::Path;

use crate::common::http::{self, Response};
use crate::common::policy;
use crate::common::servers::{Server, scrape_log_with, vitals_exporter};
use crate::fleet::Fleet;

/// Both programs with their pages, and the folder of the recorder.
struct Both {
    servers: Vec<(Server, Response)>,
    _folder: tempfile::TempDir,
}

fn both() -> Both {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("prometheus.yml");
    Fleet::start(1).write_config(&config);
    let recorder = scrape_log_with(&config, &folder.path().join("storage"), &[] as &[&Path]);
    let servers = [vitals_exporter(&[] as &[&str]), recorder].map(|server| {
        let page = http::get(server.address, "/").unwrap();
        (server, page)
    });
    Both { servers: servers.into(), _folder: folder }
}

#[test]
fn the_page_is_one_small_file_that_needs_nothing_else() {
    let both = both();
    for (server, page) in &both.servers {
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(page.body.len() <= 60_000, "{} bytes", page.body.len());
        policy::assert_holds_for(page, "src/web/live/mod.rs");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("connect-src 'self'; ") && !policy.contains('*'), "{policy}");
        // The name of a namespace is no place.
        let text = page.text().replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("://") && !text.contains("src=\"") && !text.contains("@import"));
        assert!(!text.contains("innerHTML") && !text.contains("eval("));
        // Links hold behind a proxy's path too, and lead to something.
        let links: Vec<&str> =
            text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(links.len() > 2, "{links:?}");
        for link in links.iter().filter(|link| !link.starts_with("data:")) {
            assert!(!link.starts_with('/'), "{link}");
            let path = format!("/{}", link.trim_start_matches("./").replace("&amp;", "&"));
            assert_eq!(http::get(server.address, &path).unwrap().status, 200, "{link}");
        }
        let packed = http::request(server.address, "GET", "/", "Accept-Encoding: gzip\r\n", b"").unwrap();
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut unpacked).unwrap();
        assert!(unpacked == page.text() && packed.body.len() * 2 < page.body.len(), "{}", packed.body.len());
    }
}

#[test]
fn without_scripts_the_page_says_where_the_numbers_are() {
    let both = both();
    for (_, page) in &both.servers {
        let (_, rest) = page.text().split_once("<noscript>").unwrap();
        assert!(rest.split_once("</noscript>").unwrap().0.contains("href=\"api/v1/vitals\""));
    }
}

#[test]
fn the_exporters_page_leads_to_what_its_users_know() {
    let exporter = vitals_exporter(&["--web.telemetry-path=/m"]);
    let page = http::get_ok(exporter.address, "/");
    for want in ["href=\"./m\"", "href=\"./-/healthy\"", "href=\"./m?collect[]=cpu\""] {
        assert!(page.contains(want), "{want}");
    }
    let metrics = vitals_exporter(&["--web.telemetry-path=/"]);
    assert!(http::get_ok(metrics.address, "/").contains("\nnode_load1 "));
}
