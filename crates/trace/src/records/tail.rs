//! Exact tails, as decimal logarithms.

use model::Timestamp;

/// P(X ≥ `k`) for X hypergeometric: `drawn` without replacement from `population`, of which `marked` count.
pub fn log10_hypergeometric_tail(population: usize, marked: usize, drawn: usize, k: usize) -> f64 {
    let (marked, drawn) = (marked.min(population), drawn.min(population));
    let least = (marked + drawn).saturating_sub(population);
    if k <= least {
        return 0.0;
    }
    let most = marked.min(drawn);
    if k > most {
        return f64::NEG_INFINITY;
    }
    let ln_all = ln_choose(population, drawn);
    let ln_mass = |x: usize| ln_choose(marked, x) + ln_choose(population - marked, drawn - x) - ln_all;
    let masses: Vec<f64> = (k..=most).map(ln_mass).collect();
    let largest = masses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = masses.iter().map(|m| (m - largest).exp()).sum();
    ((largest + sum.ln()) / std::f64::consts::LN_10).min(0.0)
}

/// P(a random order has as few inversions, or as few the other way round, as this one): are the times in the order of
/// the leak, or against it? Exact, by the Mahonian numbers; only the first 60 times count.
pub fn log10_inversions_tail(times: &[Timestamp]) -> f64 {
    let times = &times[..times.len().min(60)];
    let n = times.len();
    if n < 2 {
        return 0.0;
    }
    let pairs = n * (n - 1) / 2;
    let inversions =
        (0..n).map(|i| times[i + 1..].iter().filter(|later| **later < times[i]).count()).sum::<usize>();
    // Equal times count as in order one way and as inverted the other: never towards a smaller tail.
    let equal =
        (0..n).map(|i| times[i + 1..].iter().filter(|later| **later == times[i]).count()).sum::<usize>();
    let few = (inversions + equal).min(pairs - inversions);
    // The share of orders of m things with i inversions, from that of m − 1.
    let mut share = vec![1.0];
    for m in 2..=n {
        let mut next = vec![0.0; m * (m - 1) / 2 + 1];
        for (i, s) in share.iter().enumerate() {
            for more in 0..m {
                next[i + more] += s / m as f64;
            }
        }
        share = next;
    }
    let one_way: f64 = share[..=few.min(pairs)].iter().sum();
    (2.0 * one_way).min(1.0).log10()
}

/// Fisher's combination of two independent tails: P(product ≤ pq) = pq·(1 − ln pq).
pub(crate) fn fisher(log10_p: f64, log10_q: f64) -> f64 {
    let ln = (log10_p + log10_q) * std::f64::consts::LN_10;
    if ln == f64::NEG_INFINITY { ln } else { ((ln + (1.0 - ln).ln()) / std::f64::consts::LN_10).min(0.0) }
}

fn ln_choose(n: usize, k: usize) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// Summed below 256; Stirling's series above, where its next term is under 1e-15.
fn ln_factorial(n: usize) -> f64 {
    let x = n as f64;
    if n < 256 {
        return (2..=n).map(|i| (i as f64).ln()).sum();
    }
    x * x.ln() - x + 0.5 * (std::f64::consts::TAU * x).ln() + 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn choose(n: u64, k: u64) -> f64 {
        if k > n { 0.0 } else { (0..k).map(|i| (n - i) as f64 / (k - i) as f64).product() }
    }

    proptest! {
        #[test]
        fn the_hypergeometric_tail_is_the_sum_of_its_counts(
            population in 1u64..30, marked in 0u64..30, drawn in 0u64..30, k in 0u64..30,
        ) {
            let (marked, drawn) = (marked.min(population), drawn.min(population));
            let plain: f64 = (k..=marked.min(drawn))
                .filter(|x| drawn - x <= population - marked)
                .map(|x| choose(marked, x) * choose(population - marked, drawn - x))
                .sum::<f64>() / choose(population, drawn);
            let n = |v: u64| v as usize;
            let tail = 10f64.powf(log10_hypergeometric_tail(n(population), n(marked), n(drawn), n(k)));
            prop_assert!((plain.min(1.0) - tail).abs() < 1e-9, "{plain} {tail}");
        }

        #[test]
        fn the_larger_the_overlap_the_smaller_the_tail(k in 0usize..50) {
            let tail = |k| log10_hypergeometric_tail(20_000, 300, 50, k);
            prop_assert!(tail(k + 1) <= tail(k));
        }
    }

    #[test]
    fn the_tail_of_orders_is_the_share_of_orders() {
        let t = |n: u64| Timestamp(n);
        // Of the six orders of three, one has no inversion and one has all.
        assert!((log10_inversions_tail(&[t(1), t(2), t(3)]) - (2.0f64 / 6.0).log10()).abs() < 1e-12);
        assert!((log10_inversions_tail(&[t(3), t(2), t(1)]) - (2.0f64 / 6.0).log10()).abs() < 1e-12);
        assert_eq!(log10_inversions_tail(&[t(1), t(1), t(1)]), 0.0);
        assert_eq!(log10_inversions_tail(&[]), 0.0);
    }

    #[test]
    fn factorials_agree_where_the_two_ways_meet() {
        let summed: f64 = (2..=300).map(|i| f64::from(i).ln()).sum();
        assert!((ln_factorial(300) - summed).abs() < 1e-9);
    }
}
