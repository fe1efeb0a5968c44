//! How busy a team is today: what its people have done so far, against what is usual for them in a shift.

/// Customers that count as usual for everybody together, so that one busy colleague is no busy day.
const WEIGHT: f64 = 60.0;
/// A day is not held to be busier than this.
const MOST: f64 = 2.5;

/// Customers of the shifts that began today, of several people or of one.
#[derive(Debug, Clone, Copy, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Load {
    #[n(0)]
    pub(crate) seen: f64,
    /// What is usual for the whole of these shifts.
    #[n(1)]
    pub(crate) usual: f64,
}

impl Load {
    pub(crate) fn add(&mut self, other: Load, times: f64) {
        self.seen = (self.seen + times * other.seen).max(0.0);
        self.usual = (self.usual + times * other.usual).max(0.0);
    }

    /// How many times busier than usual everybody but `own` is; at least 1. While shifts are still running it is too
    /// low, and excuses nobody; how many customers are too many shows late in a shift, and so does this.
    pub(crate) fn factor(mut self, own: Load) -> f64 {
        self.add(own, -1.0);
        ((self.seen + WEIGHT) / (self.usual + WEIGHT)).clamp(1.0, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_day_of_many_is_one_and_ones_own_is_not() {
        let own = Load { seen: 90.0, usual: 20.0 };
        let mut team = Load { seen: 9.0 * 36.0, usual: 9.0 * 20.0 };
        team.add(own, 1.0);
        assert!((1.5..1.7).contains(&team.factor(own)), "{}", team.factor(own));
        let mut quiet = Load { seen: 9.0 * 20.0, usual: 9.0 * 20.0 };
        quiet.add(own, 1.0);
        assert_eq!(quiet.factor(own), 1.0);
    }
}
