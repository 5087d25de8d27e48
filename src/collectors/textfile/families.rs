//! Families put together from several texts.
//!
//! A family may be in more than one file. The first file says what its help and type are. All of its samples
//! get the same label names: those that a sample does not have are there with an empty value, as node_exporter
//! writes them. Of samples with the same labels the first is taken.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use super::part::{Part, Sample, part_of};
use crate::exposition::{Exposition, Kind};

/// Families in the order in which they first came.
#[derive(Debug, Default)]
pub(super) struct Families {
    families: Vec<Family>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug)]
struct Family {
    name: String,
    help: Option<String>,
    kind: Kind,
    label_names: BTreeSet<String>,
    samples: Vec<Sample>,
    seen: HashSet<(&'static str, Vec<(String, String)>)>,
    files: Vec<String>,
}

impl Families {
    /// Adds what a file has. Gives a sentence for each thing that does not fit what came before.
    pub(super) fn add(&mut self, file: &Path, parts: Vec<Part>, complaints: &mut Vec<String>) {
        let file = file.display().to_string();
        for part in parts {
            let Part { name, help, kind, samples } = part;
            let kind = kind.unwrap_or(Kind::Untyped);
            let known = self.by_name.get(&name).copied();
            let index = known.unwrap_or_else(|| {
                self.by_name.insert(name.clone(), self.families.len());
                self.families.push(Family::new(name, kind));
                self.families.len() - 1
            });
            self.families[index].add(&file, help, kind, samples, complaints);
        }
    }

    /// Writes all families but those that `taken` says yes to, or that `out` has already.
    pub(super) fn write(
        &self,
        out: &mut Exposition,
        taken: impl Fn(&str) -> bool,
        complaints: &mut Vec<String>,
    ) {
        // All names are looked up before the first family is written: none clashes with another of these.
        let (left_out, kept): (Vec<&Family>, Vec<&Family>) =
            self.families.iter().partition(|family| taken(&family.name) || out.contains(&family.name));
        for family in left_out {
            let files = family.files.join(", ");
            complaints.push(format!("{files}: {} comes from another collector, left out", family.name));
        }
        for family in kept {
            match self.whole_of(&family.name) {
                None => family.write(out),
                Some(whole) => {
                    let (files, name) = (family.files.join(", "), &family.name);
                    complaints.push(format!("{files}: {name} is a part of {}, left out", whole.name));
                }
            }
        }
    }

    /// The histogram or summary that samples called `name` belong to. Readers refuse a page that has both.
    fn whole_of(&self, name: &str) -> Option<&Family> {
        let (index, _) = part_of(name, &self.by_name, |index| Some(self.families[index].kind))?;
        Some(&self.families[index])
    }
}

impl Family {
    fn new(name: String, kind: Kind) -> Self {
        let (label_names, samples, seen, files) = Default::default();
        Self { name, help: None, kind, label_names, samples, seen, files }
    }

    fn add(
        &mut self,
        file: &str,
        help: Option<String>,
        kind: Kind,
        samples: Vec<Sample>,
        complaints: &mut Vec<String>,
    ) {
        let name = &self.name;
        if kind != self.kind {
            let first = self.files.join(", ");
            complaints.push(format!("{file}: {name} has another type than in {first}, left out"));
            return;
        }
        match (&self.help, help) {
            (Some(first), Some(help)) if *first != help => {
                let files = self.files.join(", ");
                complaints.push(format!("{file}: {name} has another help text than in {files}"));
            }
            (None, help) => self.help = help,
            _ => {}
        }
        self.files.push(file.to_owned());
        let mut repeated = false;
        for sample in samples {
            if !self.seen.insert((sample.suffix, sample.labels.clone())) {
                repeated = true;
                continue;
            }
            let shared = sample.labels.iter().filter(|(name, _)| !is_own_label(self.kind, name));
            self.label_names.extend(shared.map(|(name, _)| name.clone()));
            self.samples.push(sample);
        }
        if repeated {
            complaints.push(format!("{file}: {} has the same labels twice, the first is taken", self.name));
        }
    }

    fn write(&self, out: &mut Exposition) {
        let default_help;
        let help = match &self.help {
            Some(help) => help,
            None => {
                default_help = format!("Metric read from {}", self.files.join(", "));
                &default_help
            }
        };
        let mut family = out.family(&self.name, help, self.kind);
        let mut labels: Vec<(&str, &[u8])> = Vec::with_capacity(self.label_names.len() + 1);
        for sample in &self.samples {
            labels.clear();
            labels.extend(sample.labels.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
            let has = |name: &String| sample.labels.iter().any(|(given, _)| given == name);
            let missing = self.label_names.iter().filter(|name| !has(name));
            labels.extend(missing.map(|name| (name.as_str(), &b""[..])));
            labels.sort_unstable();
            match sample.suffix {
                "" => family.sample(&labels, sample.value),
                suffix => family.sample_with_suffix(suffix, &labels, sample.value),
            }
        }
    }
}

/// Whether a label belongs to single samples of a type, not to the family.
fn is_own_label(kind: Kind, name: &str) -> bool {
    match kind {
        Kind::Histogram => name == "le",
        Kind::Summary => name == "quantile",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collectors::textfile::part::parse;
    use crate::exposition::Format;

    fn page(files: &[(&str, &str)]) -> (String, Vec<String>) {
        let (mut families, mut complaints) = (Families::default(), Vec::new());
        for (name, text) in files {
            families.add(Path::new(name), parse(text).unwrap(), &mut complaints);
        }
        let mut out = Exposition::new();
        out.single("taken", "", Kind::Gauge, 1.0);
        out.family("free", "What this host has none of.", Kind::Gauge);
        families.write(&mut out, |name| name.starts_with("own_"), &mut complaints);
        let mut page = Vec::new();
        out.render(Format::Text, &mut page);
        (String::from_utf8(page).unwrap(), complaints)
    }

    #[test]
    fn labels_are_filled_up_over_all_files() {
        let (page, complaints) =
            page(&[("a.prom", "x{b=\"1\"} 1\nx 2\n"), ("b.prom", "x{a=\"q\\\"\",b=\"\"} 3\n")]);
        assert!(complaints.is_empty(), "{complaints:?}");
        assert!(
            page.ends_with(
                "# HELP x Metric read from a.prom, b.prom\n# TYPE x untyped\n\
                 x{a=\"\",b=\"1\"} 1\nx{a=\"\",b=\"\"} 2\nx{a=\"q\\\"\",b=\"\"} 3\n"
            ),
            "{page}"
        );
    }

    #[test]
    fn histograms_and_summaries_keep_their_names() {
        let text = "# HELP h A \\\\ b\\nc\n# TYPE h histogram\nh_bucket{le=\"1\",x=\"y\"} 1\n\
            h_bucket{le=\"+Inf\",x=\"y\"} 2\nh_sum{x=\"y\"} 3\nh_count{x=\"y\"} 2\nh_count 0\n\
            # TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 3\ns_bucket 4\n";
        let (page, complaints) = page(&[("a.prom", text)]);
        assert!(complaints.is_empty(), "{complaints:?}");
        for want in [
            "# HELP h A \\\\ b\\nc\n# TYPE h histogram\nh_bucket{le=\"1\",x=\"y\"} 1\n\
             h_bucket{le=\"+Inf\",x=\"y\"} 2\nh_sum{x=\"y\"} 3\nh_count{x=\"y\"} 2\nh_count{x=\"\"} 0\n",
            "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 3\n",
            "# TYPE s_bucket untyped\ns_bucket 4\n",
        ] {
            assert!(page.contains(want), "{want}\nin\n{page}");
        }
    }

    #[test]
    fn the_first_wins() {
        let (page, complaints) = page(&[
            (
                "a.prom",
                "# HELP x One.\n# TYPE x gauge\nx{l=\"1\"} 1\nx{l=\"1\"} 2\ntaken 5\nown_x 1\nfree 6\n",
            ),
            ("b.prom", "# HELP x Two.\n# TYPE x gauge\nx{l=\"2\"} 3\n"),
            ("c.prom", "# TYPE x counter\nx{l=\"3\"} 4\n"),
        ]);
        assert_eq!(
            complaints,
            [
                "a.prom: x has the same labels twice, the first is taken",
                "b.prom: x has another help text than in a.prom",
                "c.prom: x has another type than in a.prom, b.prom, left out",
                "a.prom: taken comes from another collector, left out",
                "a.prom: own_x comes from another collector, left out",
            ]
        );
        assert!(page.ends_with("# HELP x One.\n# TYPE x gauge\nx{l=\"1\"} 1\nx{l=\"2\"} 3\n"), "{page}");
        assert!(page.contains("# TYPE free untyped\nfree 6\n"), "{page}");
        assert!(page.contains("taken 1\n") && !page.contains("own_x"), "{page}");
    }

    #[test]
    fn parts_of_histograms_and_summaries_are_no_families() {
        let (page, complaints) = page(&[
            ("a.prom", "h_count 7\ns_bucket 1\n"),
            (
                "b.prom",
                "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 2\nh_count 2\n# TYPE s summary\ns_count 3\n",
            ),
        ]);
        assert_eq!(complaints, ["a.prom: h_count is a part of h, left out"]);
        assert!(page.contains("h_count 2\n") && page.contains("s_bucket 1\n"), "{page}");
        assert!(!page.contains("h_count 7"), "{page}");
    }
}
