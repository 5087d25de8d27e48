//! The page for people at `/`.

use std::fmt::Write;

use crate::web::html::Text;
use crate::web::live::Page;

/// The live page, with links to the metrics, all and of each collector alone. They are relative, so that they lead to the
/// right place behind a proxy's path too.
pub(super) fn landing(telemetry_path: &str, collectors: &[&str]) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let metrics = format!("./{}", telemetry_path.trim_start_matches('/'));
    let path = Text(&metrics);
    let mut foot = format!(
        "<p>Host metrics for Prometheus: <a href=\"{path}\">Metrics</a> · <a href=\"./-/healthy\">Health</a></p>\n\
         <p>Collectors, each alone: <span class=\"names\">",
    );
    for name in collectors {
        let _infallible = write!(foot, "<a href=\"{path}?collect[]={name}\">{name}</a> ");
    }
    foot.push_str("</span></p>\n");
    let links = [("Metrics", metrics.as_str()), ("JSON", "api/v1/vitals")];
    Page { program: "vitals-exporter", host: &host, links: &links, foot: &foot }.render()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_hostile_path_stays_text() {
        let page = super::landing("//\"><script>alert(1)", &["cpu"]);
        assert!(!page.contains("<script>alert(1)") && page.contains("href=\"./&quot;&gt;&lt;script"));
        assert!(page.contains("alert(1)?collect[]=cpu\""));
    }
}
