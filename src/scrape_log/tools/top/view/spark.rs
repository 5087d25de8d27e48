//! Small plots of the last quarter of an hour.

/// Eighths of a cell, from below.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Eighths of a cell, from the left.
const LEFT_EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// The values of a plot, a column of the terminal each; `None` is a gap. Each is the highest of its stretch of time.
pub(super) fn columns(
    times: &[i64],
    values: &[Option<f32>],
    (start, end): (i64, i64),
    width: usize,
) -> Vec<Option<f64>> {
    let mut columns = vec![None; width];
    let span = end.saturating_sub(start).max(1) as f64;
    let place = |time: i64| {
        let share = time.saturating_sub(start) as f64 / span;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the width")]
        let column = (share * width as f64).ceil().clamp(0.0, width as f64) as usize;
        column.saturating_sub(1)
    };
    // A value is true until the next one comes, unless that is late.
    let mut steps: Vec<i64> =
        times.iter().zip(times.iter().skip(1)).map(|(one, other)| other.saturating_sub(*one)).collect();
    steps.sort_unstable();
    let patience = steps.get(steps.len() / 2).map_or(0, |step| step.saturating_mul(5) / 2);
    let mut last: Option<i64> = None;
    for (time, value) in times.iter().zip(values) {
        if !(start..=end).contains(time) {
            continue;
        }
        let at = place(*time);
        let value = value.map(f64::from).filter(|value| value.is_finite());
        let from = last
            .filter(|last| time.saturating_sub(*last) <= patience)
            .map_or(at, |last| (place(last) + 1).min(at));
        for column in columns.get_mut(from..=at).unwrap_or_default() {
            *column = match (*column, value) {
                (Some(known), Some(value)) => Some(f64::max(known, value)),
                (known, value) => value.or(known),
            };
        }
        last = Some(*time);
    }
    columns
}

/// The lines of a plot between `low` and `high`, the topmost first.
pub(super) fn lines(columns: &[Option<f64>], (low, high): (f64, f64), height: usize) -> Vec<String> {
    let eighths: Vec<Option<usize>> = columns
        .iter()
        .map(|value| {
            let share = (((*value)? - low) / (high - low)).clamp(0.0, 1.0);
            let all = height * 8;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of the height"
            )]
            let eighths = (share * all as f64).round() as usize;
            // What is known is seen, also where it is nothing.
            Some(eighths.clamp(1, all))
        })
        .collect();
    let line = |row: usize| {
        let below = (height - 1 - row) * 8;
        let cell = |eighths: &Option<usize>| {
            let filled = eighths.unwrap_or(0).saturating_sub(below).min(8);
            EIGHTHS.get(filled).copied().unwrap_or(' ')
        };
        eighths.iter().map(cell).collect()
    };
    (0..height).map(line).collect()
}

/// A bar of a share of a whole.
pub(super) fn bar(ratio: f64, width: usize) -> String {
    let share = if ratio.is_nan() { 0.0 } else { ratio.clamp(0.0, 1.0) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the width")]
    let filled = (share * (width * 8) as f64).round() as usize;
    (0..width)
        .map(|cell| LEFT_EIGHTHS.get(filled.saturating_sub(cell * 8).min(8)).copied().unwrap_or(' '))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_last_until_the_next_and_gaps_are_gaps() {
        let times = [0, 10, 20, 30, 70, 80];
        let values = [Some(1.0), Some(2.0), None, Some(4.0), Some(7.0), Some(f32::NAN)];
        let shown = columns(&times, &values, (0, 80), 8);
        let want = [Some(2.0), None, Some(4.0), None, None, None, Some(7.0), None];
        assert_eq!(shown, want, "the first two share a column");
        let wide = columns(&[0, 40, 80], &[Some(1.0), Some(2.0), Some(3.0)], (0, 80), 8);
        assert!(wide.iter().all(Option::is_some), "{wide:?}");
        assert_eq!(columns(&[], &[], (0, 80), 3), [None; 3]);
        assert_eq!(columns(&[5], &[Some(1.0)], (0, 80), 0), []);
        assert_eq!(columns(&[i64::MIN, i64::MAX], &[Some(1.0); 2], (0, 80), 1), [None]);
    }

    #[test]
    fn plots_have_eighths() {
        let values = [Some(0.0), Some(0.5), Some(1.0), None, Some(9.0)];
        assert_eq!(lines(&values, (0.0, 1.0), 1), ["▁▄█ █"]);
        assert_eq!(lines(&values, (0.0, 1.0), 2), ["  █ █", "▁██ █"]);
        assert_eq!(lines(&[Some(1.0)], (1.0, 1.0), 1), ["▁"], "no range");
        assert_eq!(
            [0.0, 0.5, 0.3, 1.0, 7.0, f64::NAN].map(|ratio| bar(ratio, 2)),
            ["  ", "█ ", "▋ ", "██", "██", "  "]
        );
    }
}
