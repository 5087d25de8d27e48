//! The page at `/` of both programs: how all hosts are, kept up to date from `api/v1/vitals`, which has to be served beside
//! it.
//!
//! It is one file without anything from elsewhere, and the same for all who ask. What hosts are called and what is wrong
//! with them only its script sees, which is here in parts: `words`, `elements`, `plots`, `row`, `page`.

use std::fmt::Write;

use super::html::{ILL_ICON, Text, WELL_ICON};

const STYLE: &str = include_str!("page.css");
const BODY: &str = include_str!("page.html");
const SCRIPT: &str = concat!(
    include_str!("words.js"),
    include_str!("elements.js"),
    include_str!("plots.js"),
    include_str!("row.js"),
    include_str!("page.js"),
);

/// What the page may do in a browser: have the style and run the script whose SHA-256 these are, and ask the program
/// that it came from. `tests/live_page/` says what they have to be.
pub const POLICY: &str = "default-src 'none'; \
     style-src 'sha256-ROMM1zHYyXJqnugGCSLCmR5BDFd/McOOWqZWFFZT1zw='; \
     img-src data:; \
     script-src 'sha256-LQvqgvUnbwrLPZql3dZYIyEJo3Eesl+cJfR01gk7780='; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What differs from program to program.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The program's name.
    pub program: &'a str,
    /// The name of the machine that it runs on.
    pub host: &'a str,
    /// Other pages: what they are called, and where they are as seen from this one.
    pub links: &'a [(&'a str, &'a str)],
    /// More for the foot of the page, as HTML.
    pub foot: &'a str,
}

impl Page<'_> {
    /// The page.
    pub fn render(&self) -> String {
        let (program, host, version) = (Text(self.program), Text(self.host), env!("CARGO_PKG_VERSION"));
        let mut links = String::new();
        for (title, path) in self.links {
            // Writing to a String can't fail.
            let _infallible = write!(links, "<a href=\"{}\">{}</a> ", Text(path), Text(title));
        }
        let counts: String = ["up", "unknown", "down", "stale", "critical", "warning", "info"]
            .map(|level| format!("<button type=\"button\" data-level=\"{level}\" hidden></button>"))
            .concat();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <link rel=\"icon\" href=\"{WELL_ICON}\">\n\
             <title>{program} on {host}</title>\n<style>{STYLE}</style>\n</head>\n\
             <body data-program=\"{program}\" data-well=\"{WELL_ICON}\" data-ill=\"{ILL_ICON}\">\n\
             <header>\n<h1>{program} <span class=\"soft\">on {host}</span></h1>\n\
             <div id=\"counts\">{counts}</div>\n\
             <span class=\"soft\">as of <time id=\"updated\">–</time></span>\n\
             <nav>{links}</nav>\n</header>\n<main>\n\
             <noscript><p>This page needs JavaScript to show how the hosts are. The same is at \
             <a href=\"api/v1/vitals\">api/v1/vitals</a> as JSON.</p></noscript>\n\
             {BODY}</main>\n<footer>{foot}<p>{program} {version}</p></footer>\n\
             <script>{SCRIPT}</script>\n</body>\n</html>\n",
            foot = self.foot,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text() {
        let evil = "\"'><script>alert(1)</script>&";
        let page = Page { program: "scrape-log", host: evil, links: &[(evil, evil)], foot: "" }.render();
        assert_eq!(page.matches("<script>").count(), 1, "our own");
        assert!(!page.contains(evil) && page.contains("&lt;script&gt;alert(1)"));
    }
}
