//! Straight lines through points.

/// A straight line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Its value at 0.
    pub level: f64,
    /// What the value grows by from one to the next.
    pub slope: f64,
}

impl Line {
    /// The line that is closest to the points by least squares. `None` where they do not tell a slope.
    pub fn through(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Self> {
        let (mut count, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
        for (x, y) in points.clone() {
            count += 1.0;
            sum_x += x;
            sum_y += y;
        }
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (mut covariance, mut variance) = (0.0, 0.0);
        for (x, y) in points {
            covariance += (x - mean_x) * (y - mean_y);
            variance += (x - mean_x) * (x - mean_x);
        }
        let slope = covariance / variance;
        slope.is_finite().then_some(Self { level: mean_y - slope * mean_x, slope })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_through_the_middle() {
        let line = Line::through([(1.0, 3.0), (2.0, 4.0), (3.0, 8.0)].into_iter());
        assert_eq!(line, Some(Line { level: 0.0, slope: 2.5 }));
        assert_eq!(Line::through([].into_iter()), None);
        assert_eq!(Line::through([(1.0, 1.0), (1.0, 2.0)].into_iter()), None);
    }
}
