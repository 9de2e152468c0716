//! Durations that were measured, and where in their order one stands.

use std::time::Duration;

#[derive(Debug, Default, Clone)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }
    pub(crate) fn extend(&mut self, other: Times) {
        self.0.extend(other.0);
    }
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that `share` of all do not exceed (0.5: the median), in milliseconds. `None` if there are none.
    pub(crate) fn at(&mut self, share: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        let place = ((self.0.len() as f64 * share).ceil() as usize).saturating_sub(1).min(last);
        let (_, found, _) = self.0.select_nth_unstable(place);
        Some(found.as_secs_f64() * 1e3)
    }
    pub(crate) fn p50(&mut self) -> Option<f64> {
        self.at(0.5)
    }
    pub(crate) fn p99(&mut self) -> Option<f64> {
        self.at(0.99)
    }
    pub(crate) fn max(&mut self) -> Option<f64> {
        self.at(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_sorted_list() {
        let mut times = Times::default();
        assert_eq!(times.p50(), None);
        (1..=100).rev().for_each(|ms| times.push(Duration::from_millis(ms)));
        assert_eq!((times.p50(), times.p99(), times.max()), (Some(50.0), Some(99.0), Some(100.0)));
        let mut one = Times::default();
        one.push(Duration::from_millis(7));
        assert_eq!((one.p50(), one.p99()), (Some(7.0), Some(7.0)));
    }
}
