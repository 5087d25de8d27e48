//! `--format openmetrics`: what `promtool tsdb create-blocks-from openmetrics` takes.
//!
//! It wants `# EOF` at the end and the samples of each series in the order of time; how the series are mixed and
//! where the metadata stands does not matter to it, as long as what is said about a family comes once.

use std::collections::HashSet;
use std::io::{self, Write};

use super::Sink;
use crate::scrape_log::files::{Metadata, Sample};

pub(in crate::scrape_log::tools::export) struct OpenMetrics<'a> {
    out: &'a mut dyn Write,
    /// The sample before, which most often has the same name.
    last_name: Vec<u8>,
    /// Names of samples and of families whose metadata is written.
    samples: HashSet<Vec<u8>>,
    families: HashSet<String>,
}

impl<'a> OpenMetrics<'a> {
    pub(in crate::scrape_log::tools::export) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, last_name: Vec::new(), samples: HashSet::new(), families: HashSet::new() }
    }

    fn introduce(&mut self, name: &[u8], metadata: &Metadata) -> io::Result<()> {
        name.clone_into(&mut self.last_name);
        if self.samples.contains(name) {
            return Ok(());
        }
        self.samples.insert(name.to_owned());
        let family = str::from_utf8(name).ok().and_then(|name| metadata.family(name));
        if let Some(family) = family.filter(|family| !self.families.contains(*family)) {
            self.families.insert(family.to_owned());
            metadata.write(family, self.out)?;
        }
        Ok(())
    }
}

impl Sink for OpenMetrics<'_> {
    fn sample(&mut self, _time: i64, sample: &Sample<'_>, metadata: &Metadata) -> io::Result<()> {
        if sample.name() != self.last_name {
            self.introduce(sample.name(), metadata)?;
        }
        for part in [sample.series, b" ", sample.value, b" ", sample.timestamp, b"\n"] {
            self.out.write_all(part)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.write_all(b"# EOF\n")
    }
}
