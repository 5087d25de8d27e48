//! What the files say about families: `# HELP`, `# TYPE` and `# UNIT`, once per file.

use std::collections::HashMap;
use std::io::{self, Write};

use memchr::memmem;

/// Families beyond this many are not remembered; their samples come without metadata.
const MAX_FAMILIES: usize = 1 << 16;
/// The keywords, in the order in which they are written.
const KEYWORDS: [&str; 3] = ["HELP", "TYPE", "UNIT"];
/// What the names of samples may have behind that of their family (OpenMetrics 1.0, "suffixes").
const SUFFIXES: [&str; 8] = ["_total", "_bucket", "_count", "_sum", "_created", "_info", "_gcount", "_gsum"];

/// Families by name.
#[derive(Debug, Default)]
pub(in crate::scrape_log) struct Metadata(HashMap<String, Family>);

/// What was said last about a family: what stands behind its name after each of [`KEYWORDS`].
#[derive(Debug, Default)]
struct Family([Option<String>; 3]);

impl Metadata {
    /// Remembers what some lines say. The program's own notes and what is damaged are passed over.
    pub(super) fn learn(&mut self, text: &[u8]) {
        if text.starts_with(b"# ") {
            self.learn_line(text);
        }
        for at in memmem::find_iter(text, b"\n# ") {
            self.learn_line(text.get(at + 1..).unwrap_or_default());
        }
    }

    fn learn_line(&mut self, text: &[u8]) {
        let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let Some((keyword, name, said)) = str::from_utf8(line).ok().and_then(cut) else { return };
        let known = self.0.contains_key(name);
        if !known && (self.0.len() >= MAX_FAMILIES || name.starts_with("scrapelog_")) {
            return;
        }
        let family = self.0.entry(name.to_owned()).or_default();
        if let Some(slot) = family.0.get_mut(keyword) {
            *slot = Some(said.to_owned());
        }
    }

    /// The name of the family that a sample belongs to, if anything is known about it.
    pub(in crate::scrape_log) fn family<'a>(&self, sample: &'a str) -> Option<&'a str> {
        let stems = SUFFIXES.iter().filter_map(|suffix| sample.strip_suffix(suffix));
        std::iter::once(sample).chain(stems).find(|name| self.0.contains_key(*name))
    }

    /// Writes the family's lines.
    ///
    /// # Errors
    /// Those of `out`.
    pub(in crate::scrape_log) fn write(&self, family: &str, out: &mut dyn Write) -> io::Result<()> {
        let Some(Family(said)) = self.0.get(family) else { return Ok(()) };
        for (keyword, said) in KEYWORDS.iter().zip(said) {
            if let Some(said) = said {
                writeln!(out, "# {keyword} {family} {said}")?;
            }
        }
        Ok(())
    }
}

/// The index of the keyword, the name and the rest of a comment line.
fn cut(line: &str) -> Option<(usize, &str, &str)> {
    let mut words = line.strip_prefix("# ")?.splitn(3, ' ');
    let (keyword, name, said) = (words.next()?, words.next()?, words.next()?);
    let keyword = KEYWORDS.iter().position(|known| *known == keyword)?;
    let sound = crate::exposition::is_metric_name(name) && !said.chars().any(char::is_control);
    sound.then_some((keyword, name, said))
}
