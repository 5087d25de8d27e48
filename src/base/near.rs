//! Names that are nearly the one that somebody wrote.

/// The one of `known` that is so near to `text`, or so clearly begins with it, that it may be meant.
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = 1 + text.chars().count() / 4;
    let near =
        |name: &'a str| Some((distance(text, name), name)).filter(|(distance, _)| *distance <= allowed);
    let known: Vec<&str> = known.into_iter().collect();
    let begun = known.iter().copied().find(|name| text.len() > 2 && name.starts_with(text));
    known.into_iter().filter_map(near).min().map(|(_, name)| name).or(begun)
}

/// How many characters have to be put in, taken out, changed or swapped with the next to make `a` of `b`
/// (Damerau-Levenshtein, each part of the text changed once at most).
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, left) in a.iter().enumerate() {
        let mut now = vec![row + 1];
        for (column, right) in b.iter().enumerate() {
            let change = last[column] + usize::from(left != right);
            let mut best = change.min(last[column + 1] + 1).min(now[column] + 1);
            if row > 0 && column > 0 && *left == b[column - 1] && a[row - 1] == *right {
                best = best.min(before_last[column - 1] + 1);
            }
            now.push(best);
        }
        before_last = std::mem::replace(&mut last, now);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, want) in [
            ("", "", 0),
            ("", "ab", 2),
            ("scrape_intervall", "scrape_interval", 1),
            ("jbo_name", "job_name", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (want, want), "{a} {b}");
        }
        let known = ["scrape_interval", "scrape_timeout", "job_name"];
        assert_eq!(nearest("scrape_timout", known), Some("scrape_timeout"));
        assert_eq!(nearest("scrape-interval", known), Some("scrape_interval"));
        assert_eq!(nearest("job", known), Some("job_name"));
        assert_eq!(nearest("rule_files", known), None);
        assert_eq!(nearest("x", known), None);
    }
}
