//! Evidence against "this person works as always", as numbers that a person can check.
//!
//! A look whose probability is p under the null and q under an alternative is worth the likelihood ratio
//! q/p. Somebody who misuses their access also works honestly, so a share eps of looks is taken to follow
//! the alternative: 1 - eps + eps q/p. Its products over time are e-processes; restarted whenever they
//! fall below 1 they are e-detectors in CUSUM form, for which the mean time to a false alarm at level M
//! is at least M looks where p is right (Shin, Ramdas, Rinaldo 2022). Averages over alternatives, shares
//! and detectors keep that property whatever the dependence between them. p is never quite right:
//! thresholds are calibrated (`calibrate`), and the bound is not relied on.

/// No single look weighs more than this, in nats.
const HEAVIEST: f64 = 6.0;
/// No process grows beyond this: e^60.
const MOST: f64 = 1.142e26;

/// What a shift leaves of the evidence, as an exponent.
const FADING: f64 = 0.98;

/// A mixture e-CUSUM over shares of looks.
#[derive(Debug, Clone, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Process(#[n(0)] [f64; SHARES.len()]);

/// What share of looks follows the alternative.
const SHARES: [f64; 4] = [0.9, 0.3, 0.1, 0.03];

impl Default for Process {
    fn default() -> Self {
        Self([1.0; SHARES.len()])
    }
}

impl Process {
    /// A look with this likelihood ratio.
    pub(crate) fn see(&mut self, ratio: f64) {
        let ratio = cap(ratio);
        for (r, share) in self.0.iter_mut().zip(SHARES) {
            *r = (r.max(1.0) * (1.0 - share + share * ratio)).min(MOST);
        }
    }

    /// Looks with these likelihood ratios, each so many times, in an order that is not known any more.
    pub(crate) fn see_all(&mut self, looks: &[(f64, f64)]) {
        for (r, share) in self.0.iter_mut().zip(SHARES) {
            let nats: f64 =
                looks.iter().map(|(ratio, times)| times * (1.0 - share + share * cap(*ratio)).ln()).sum();
            *r = (r.max(1.0) * nats.exp()).min(MOST);
        }
    }

    /// What became of a look that was [seen](Self::see) with `first`; `second` is the ratio of that, given
    /// the look. Together as if both had been known at once.
    pub(crate) fn settle(&mut self, first: f64, second: f64) {
        let (first, second) = (cap(first), cap(second));
        for (r, share) in self.0.iter_mut().zip(SHARES) {
            let before = 1.0 - share + share * first;
            *r = (r.max(1.0) * (1.0 - share + share * first * second) / before).min(MOST);
        }
    }

    /// A shift has passed: old evidence counts less. A power below 1 of an e-value is one.
    pub(crate) fn fade(&mut self) {
        self.0.iter_mut().filter(|r| **r > 1.0).for_each(|r| *r = r.powf(FADING));
    }

    /// The mean over the shares.
    pub(crate) fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / SHARES.len() as f64
    }
}

fn cap(ratio: f64) -> f64 {
    if ratio.is_finite() { ratio.clamp(1e-9, HEAVIEST.exp()) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_few_looks_among_many_honest_ones_are_enough() {
        // One in 24 looks has a ratio of 100, the others of 0.9.
        let mut process = Process::default();
        let mut days = 0;
        while process.mean().ln() < 6.0 {
            process.see(100.0);
            (0..23).for_each(|_| process.see(0.9));
            days += 1;
            assert!(days < 20, "{process:?}");
        }
        assert!(days > 1, "one look decides nothing");
    }

    #[test]
    fn the_mean_time_to_a_false_alarm_is_at_least_the_level() {
        // A coin of probability 0.1 under the null, 0.5 under the alternative; the null is true.
        let (mut state, mut flips, mut alarms) = (1u64, 0u64, 0u64);
        let mut process = Process::default();
        while alarms < 200 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let heads = (state >> 33) % 10 == 0;
            process.see(if heads { 5.0 } else { 0.5 / 0.9 });
            flips += 1;
            if process.mean() >= 20.0 {
                alarms += 1;
                process = Process::default();
            }
        }
        assert!(flips / alarms >= 20, "{flips} flips, {alarms} alarms");
    }

    proptest! {
        #[test]
        fn settling_is_as_if_both_had_been_known_at_once(first in 0.1f64..10.0, second in 0.1f64..10.0) {
            let (mut in_two, mut at_once) = (Process([5.0; SHARES.len()]), Process([5.0; SHARES.len()]));
            in_two.see(first);
            prop_assume!(in_two.0.iter().all(|r| *r > 1.0));
            in_two.settle(first, second);
            at_once.see(first * second);
            prop_assert!((in_two.mean() / at_once.mean() - 1.0).abs() < 1e-9);
        }

        #[test]
        fn whatever_is_seen_a_process_stays_a_finite_number(ratios in proptest::collection::vec(proptest::num::f64::ANY, 0..50)) {
            let mut process = Process::default();
            ratios.iter().for_each(|r| { process.see(*r); process.settle(*r, 1.0 / *r); });
            prop_assert!(process.mean().is_finite() && process.mean() >= 0.0);
        }
    }
}
