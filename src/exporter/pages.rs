//! The page for people at `/`.

use std::fmt::Write;

use crate::web::html::Text;

/// A plain page that says what this is and where the metrics are.
pub(super) fn landing(telemetry_path: &str, collectors: &[&str]) -> String {
    let path = Text(telemetry_path);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>vitals-exporter</title>\n<style>\n\
         :root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}\n\
         body {{ max-width: 42rem; margin: 3rem auto; padding: 0 1rem; }}\n\
         h1 {{ font-size: 1.5rem; margin: 0 0 .25rem; }}\n\
         p.about {{ margin: 0 0 1.5rem; opacity: .75; }}\n\
         code {{ font: .9em/1.4 ui-monospace, monospace; }}\n\
         li {{ margin: .25rem 0; }}\n\
         .names a {{ margin-right: .75rem; white-space: nowrap; }}\n\
         </style>\n</head>\n<body>\n<h1>vitals-exporter</h1>\n\
         <p class=\"about\">Host metrics for Prometheus, version {}.</p>\n\
         <ul>\n<li><a href=\"{path}\">Metrics</a></li>\n\
         <li><a href=\"/-/healthy\">Health</a></li>\n</ul>\n\
         <p>Collectors, each alone: <span class=\"names\">",
        env!("CARGO_PKG_VERSION"),
    );
    for name in collectors {
        let _infallible = write!(page, "<a href=\"{path}?collect[]={name}\">{name}</a> ");
    }
    page.push_str("</span></p>\n</body>\n</html>\n");
    page
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_hostile_path_stays_text() {
        let page = super::landing("/\"><script>", &["cpu"]);
        assert!(!page.contains("<script>") && page.contains("collect[]=cpu"));
    }
}
