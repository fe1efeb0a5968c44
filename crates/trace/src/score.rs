//! Correlation of what was read from frames with the chips of every candidate, and the bound on being wrong.

use crate::chips::{CHIP_BYTES, Chips};

/// What was read: a value for each chip, with the chip's sign if the chip is in it. Between readings of the same mark,
/// values add up.
#[derive(Debug, Clone)]
pub struct Reading(Vec<f32>);

impl Reading {
    /// A value for each chip, in the layout's order. At most `8 · CHIP_BYTES` count.
    pub fn new(mut values: Vec<f32>) -> Self {
        values.resize(8 * CHIP_BYTES, 0.0);
        Self(values)
    }

    /// The value for each chip.
    pub(crate) fn values(&self) -> &[f32] {
        &self.0
    }

    /// Adds another reading of what may be the same mark.
    pub fn add(&mut self, other: &Reading) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a += b);
    }
}

/// Scores candidates against one reading.
pub struct Scorer {
    /// For each byte of chips, the partial sum of each of its 256 values: eight products for one look-up.
    partial: Vec<[f32; 256]>,
    norm: f32,
}

impl Scorer {
    /// Prepares a reading.
    pub fn new(reading: &Reading) -> Self {
        let partial = reading.0.as_chunks::<8>().0.iter().map(partial_sums).collect();
        let norm = reading.0.iter().map(|x| x * x).sum::<f32>().sqrt();
        Self { partial, norm }
    }

    /// The score z of one candidate: the correlation over its norm. Of a mark that is not in the reading it is a sum of
    /// independent random signs with weights of norm one: mean 0, variance 1, whatever the page and the camera did.
    pub fn z(&self, chips: &Chips) -> f32 {
        if self.norm <= f32::MIN_POSITIVE {
            return 0.0;
        }
        let bytes = chips.bytes().iter().zip(&self.partial);
        bytes.map(|(byte, sums)| sums[usize::from(*byte)]).sum::<f32>() / self.norm
    }
}

fn partial_sums(eight: &[f32; 8]) -> [f32; 256] {
    let mut sums = [0.0; 256];
    sums[0] = -eight.iter().sum::<f32>();
    for byte in 1usize..256 {
        let rest = byte & (byte - 1);
        sums[byte] = sums[rest] + 2.0 * eight[byte.trailing_zeros() as usize];
    }
    sums
}

/// The common logarithm of an upper bound of the probability that any innocent candidate scores `z` or more anywhere:
/// Hoeffding's inequality for weighted random signs, P ≤ exp(−z²/2), times how often the dice were thrown (candidates ×
/// readings tried). No assumption about page, camera or noise goes in; that chips cannot be told from fair coins does.
pub fn log10_wrong(z: f32, throws: u64) -> f64 {
    if z <= 0.0 {
        return 0.0;
    }
    let z = f64::from(z);
    (-z * z / 2.0 / std::f64::consts::LN_10 + (throws.max(1) as f64).log10()).min(0.0)
}

/// The bar for naming somebody: a family-wise probability of 1e-9.
pub const LOG10_BAR: f64 = -9.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::MarkKey;
    use model::MarkId;

    fn id(n: u32) -> MarkId {
        let mut bytes = [0; 10];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        MarkId::from_bytes(bytes)
    }

    #[test]
    fn table_scores_agree_with_plain_sums() {
        let key = MarkKey::new([5; 32]);
        let values: Vec<f32> = (0..8 * CHIP_BYTES).map(|i| ((i * i) as f32).sin()).collect();
        let norm = values.iter().map(|x| x * x).sum::<f32>().sqrt();
        let scorer = Scorer::new(&Reading::new(values.clone()));
        for n in 0..50 {
            let chips = Chips::of(&key, &id(n));
            let plain: f32 = values.iter().enumerate().map(|(i, x)| x * chips.sign(i)).sum();
            assert!((plain / norm - scorer.z(&chips)).abs() < 1e-3);
        }
    }

    #[test]
    fn the_own_mark_scores_the_root_of_the_number_of_chips() {
        let key = MarkKey::new([5; 32]);
        let chips = Chips::of(&key, &id(7));
        let reading = Reading::new((0..1_600).map(|i| chips.sign(i) * 3.0).collect());
        assert!((Scorer::new(&reading).z(&chips) - 40.0).abs() < 0.01);
    }

    /// The calibration that the bound rests on, on readings as lopsided as a page can make them.
    #[test]
    fn wrong_ids_score_with_variance_one_and_stay_under_the_bound() {
        let key = MarkKey::new([6; 32]);
        let even: Vec<f32> = (0..1_600).map(|i| (i as f32 * 0.7).cos()).collect();
        let lopsided: Vec<f32> = (0..1_600).map(|i| if i < 6 { 40.0 } else { 0.3 }).collect();
        let chips: Vec<Chips> = (0..100_000).map(|n| Chips::of(&key, &id(n))).collect();
        for values in [even, lopsided] {
            let scorer = Scorer::new(&Reading::new(values));
            let scores: Vec<f64> = chips.iter().map(|c| f64::from(scorer.z(c))).collect();
            let n = scores.len() as f64;
            let mean = scores.iter().sum::<f64>() / n;
            let variance = scores.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / n;
            assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
            for level in [2.0, 3.0, 4.0] {
                let above = scores.iter().filter(|z| **z >= level).count() as f64;
                assert!(above <= n * (-level * level / 2.0).exp(), "{above} above {level}");
            }
        }
    }

    #[test]
    fn an_empty_reading_names_nobody() {
        let chips = Chips::of(&MarkKey::new([1; 32]), &id(1));
        assert_eq!(Scorer::new(&Reading::new(vec![])).z(&chips), 0.0);
        assert_eq!(log10_wrong(0.0, 1), 0.0);
        assert!(log10_wrong(8.5, 100_000 * 20) < LOG10_BAR);
        assert!(log10_wrong(7.0, 100_000 * 20) > LOG10_BAR);
    }
}
