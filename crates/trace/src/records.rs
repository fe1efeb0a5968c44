//! The record set: which customers, in which order, are visible in a leak, and whose looks cover them?
//!
//! This channel needs no mark. Under the hypothesis that somebody has nothing to do with the leak, the customers in it
//! are a draw without replacement from all customers that anybody saw; how many of them this person saw too has a
//! hypergeometric tail, and the order of their looks is a random order. Both tails are exact, and corrected for
//! everybody (every pair, every three) that is tried.
//!
//! What the tail does not know: people who work the same queue share customers. Therefore the answer always has the
//! runners-up beside it, and [`Ranking::lead`] is a name only where nobody else comes close.

mod ids;
pub(crate) mod tail;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{CustomerId, Timestamp};

pub use ids::{Matched, match_ids};
pub use tail::{log10_hypergeometric_tail, log10_inversions_tail};

use crate::score::LOG10_BAR;

/// The best rows that an answer holds.
const ROWS: usize = 20;
/// Groups are made of the best this many; the correction counts every group that could have been made.
const GROUPED: usize = 40;
/// Orders of magnitude by which a lead must beat the next one that does not contain it.
pub(crate) const CLEAR: f64 = 6.0;

/// One look, by whoever is ranked: a staff member or a session.
#[derive(Debug, Clone)]
pub struct Look<W> {
    /// Who.
    pub who: W,
    /// At whom.
    pub customer: CustomerId,
    /// When.
    pub time: Timestamp,
}

/// One candidate's, or one group's, standing.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Standing<W> {
    /// One, or two or three together.
    pub who: Vec<W>,
    /// Customers of the leak that they saw.
    pub covered: usize,
    /// Customers that they saw in all.
    pub seen: usize,
    /// Decimal logarithm of the chance that a fixed innocent one covers so many, in such an order.
    pub log10_p: f64,
    /// The same for any innocent one: times everybody, or every group of this size.
    pub log10_wrong: f64,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Ranking<W> {
    /// Distinct customers of the leak that somebody saw.
    pub customers: usize,
    /// Distinct customers that anybody saw: what the tails are drawn from.
    pub population: usize,
    /// How many are ranked.
    pub candidates: usize,
    /// The best, first.
    pub single: Vec<Standing<W>>,
    /// Pairs and threes that explain the leak better than each of their parts: collusion, if anything.
    pub groups: Vec<Standing<W>>,
}

impl<W: Clone + PartialEq> Ranking<W> {
    /// The one, or the group, that the bar lets name: a family-wise chance of at most 1e-9, and nobody else within six
    /// orders of magnitude. `None`: inconclusive.
    pub fn lead(&self) -> Option<&Standing<W>> {
        let best =
            self.single.iter().chain(&self.groups).min_by(|a, b| a.log10_wrong.total_cmp(&b.log10_wrong))?;
        let apart = |other: &&Standing<W>| !other.who.iter().any(|w| best.who.contains(w));
        let next = self.single.iter().filter(apart).map(|s| s.log10_wrong).fold(0.0, f64::min);
        (best.log10_wrong <= LOG10_BAR && best.log10_wrong + CLEAR <= next).then_some(best)
    }
}

/// What one candidate saw: the first look at each customer.
struct Seen<W> {
    who: W,
    first: HashMap<CustomerId, Timestamp>,
    covered: BTreeSet<usize>,
}

/// Ranks everybody who looked at anybody. `leak` is the customers in the order in which the leak shows them, as
/// [`match_ids`] gives them.
pub fn rank<W: Clone + Ord>(leak: &[CustomerId], looks: &[Look<W>]) -> Ranking<W> {
    let population: BTreeSet<&CustomerId> = looks.iter().map(|l| &l.customer).collect();
    let mut order: Vec<&CustomerId> = Vec::new();
    for customer in leak {
        if population.contains(customer) && !order.contains(&customer) {
            order.push(customer);
        }
    }
    let all = seen_by_each(&order, looks);
    let draw = Draw { population: population.len(), leak: order.len() };
    let mut single: Vec<Standing<W>> = all.iter().map(|s| draw.single(s, &order, all.len())).collect();
    single.sort_by(|a, b| a.log10_p.total_cmp(&b.log10_p));
    let groups = draw.groups(&all, &single);
    single.truncate(ROWS);
    Ranking { customers: order.len(), population: population.len(), candidates: all.len(), single, groups }
}

fn seen_by_each<W: Clone + Ord>(order: &[&CustomerId], looks: &[Look<W>]) -> Vec<Seen<W>> {
    let mut each: BTreeMap<&W, HashMap<CustomerId, Timestamp>> = BTreeMap::new();
    for look in looks {
        let first = each.entry(&look.who).or_default().entry(look.customer.clone()).or_insert(look.time);
        *first = (*first).min(look.time);
    }
    each.into_iter()
        .map(|(who, first)| {
            let covered = (0..order.len()).filter(|i| first.contains_key(order[*i])).collect();
            Seen { who: who.clone(), first, covered }
        })
        .collect()
}

/// What the tails are drawn from.
struct Draw {
    population: usize,
    leak: usize,
}

impl Draw {
    fn single<W: Clone>(&self, seen: &Seen<W>, order: &[&CustomerId], candidates: usize) -> Standing<W> {
        let covered = seen.covered.len();
        let overlap = log10_hypergeometric_tail(self.population, seen.first.len(), self.leak, covered);
        let times: Vec<Timestamp> =
            seen.covered.iter().filter_map(|i| seen.first.get(order[*i]).copied()).collect();
        let log10_p = tail::fisher(overlap, log10_inversions_tail(&times));
        let log10_wrong = (log10_p + (candidates as f64).log10()).min(0.0);
        Standing { who: vec![seen.who.clone()], covered, seen: seen.first.len(), log10_p, log10_wrong }
    }

    /// Pairs and threes of the best, where each member adds at least two customers of the leak to the others'.
    fn groups<W: Clone + Ord>(&self, all: &[Seen<W>], single: &[Standing<W>]) -> Vec<Standing<W>> {
        let best: Vec<&Seen<W>> = single
            .iter()
            .take(GROUPED)
            .filter_map(|s| all.iter().find(|a| Some(&a.who) == s.who.first()))
            .collect();
        let mut found = Vec::new();
        for (i, a) in best.iter().enumerate() {
            for (j, b) in best.iter().enumerate().skip(i + 1) {
                found.extend(self.group(&[a, b], all.len()));
                for c in best.iter().skip(j + 1) {
                    found.extend(self.group(&[a, b, c], all.len()));
                }
            }
        }
        let alone = |w: &W| single.iter().find(|s| s.who.first() == Some(w)).map_or(0.0, |s| s.log10_wrong);
        found.retain(|g| g.who.iter().all(|w| g.log10_wrong < alone(w)));
        found.sort_by(|a, b| a.log10_wrong.total_cmp(&b.log10_wrong));
        found.truncate(ROWS);
        found
    }

    fn group<W: Clone>(&self, members: &[&Seen<W>], candidates: usize) -> Option<Standing<W>> {
        let union: BTreeSet<usize> = members.iter().flat_map(|m| m.covered.iter().copied()).collect();
        let adds = |one: usize| {
            let others = members.iter().enumerate().filter(|(i, _)| *i != one);
            let theirs: BTreeSet<usize> = others.flat_map(|(_, m)| m.covered.iter().copied()).collect();
            union.len() - theirs.len()
        };
        if (0..members.len()).any(|one| adds(one) < 2) {
            return None;
        }
        let seen: BTreeSet<&CustomerId> = members.iter().flat_map(|m| m.first.keys()).collect();
        let log10_p = log10_hypergeometric_tail(self.population, seen.len(), self.leak, union.len());
        let (n, k) = (candidates as f64, members.len());
        let tried: f64 = (0..k).map(|i| ((n - i as f64) / (i + 1) as f64).log10()).sum();
        let who = members.iter().map(|m| m.who.clone()).collect();
        let log10_wrong = (log10_p + tried).min(0.0);
        Some(Standing { who, covered: union.len(), seen: seen.len(), log10_p, log10_wrong })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator, so that a failing floor can be looked at again.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % n
        }
    }

    fn customer(n: u64) -> CustomerId {
        CustomerId::new(format!("{}", 10_000_000 + n * 7_919))
    }

    /// A hundred staff, three hundred looks each at twenty thousand customers.
    fn floor(dice: &mut Dice) -> Vec<Look<u32>> {
        let mut looks = Vec::new();
        for who in 0..100 {
            for step in 0..300 {
                let customer = customer(dice.below(20_000));
                looks.push(Look { who, customer, time: Timestamp(step * 60_000) });
            }
        }
        looks
    }

    fn of(looks: &[Look<u32>], who: u32, from: usize, n: usize) -> Vec<CustomerId> {
        looks.iter().filter(|l| l.who == who).skip(from).take(n).map(|l| l.customer.clone()).collect()
    }

    fn misread(id: &CustomerId) -> String {
        id.as_str().replacen('0', "O", 1)
    }

    #[test]
    fn an_insider_is_found_through_misread_ids_and_strangers() {
        let looks = floor(&mut Dice(1));
        let mut shown: Vec<String> = of(&looks, 17, 40, 25).iter().map(misread).collect();
        shown.insert(3, "99999999".into());
        let known: BTreeSet<CustomerId> = looks.iter().map(|l| l.customer.clone()).collect();
        let matched = match_ids(&shown, &known);
        assert!(
            matched.customers.len() >= 22 && matched.unknown.contains(&"99999999".to_owned()),
            "{matched:?}"
        );
        let ranking = rank(&matched.customers, &looks);
        let lead = ranking.lead().expect("a lead");
        assert_eq!(lead.who, [17]);
        assert!(lead.log10_wrong < -20.0);
    }

    #[test]
    fn customers_drawn_at_random_lead_to_nobody() {
        let mut dice = Dice(2);
        let looks = floor(&mut dice);
        for _ in 0..100 {
            let leak: Vec<CustomerId> = (0..30).map(|_| customer(dice.below(20_000))).collect();
            assert_eq!(rank(&leak, &looks).lead(), None);
        }
    }

    #[test]
    fn two_who_share_a_leak_are_named_together() {
        let looks = floor(&mut Dice(3));
        let mut leak = of(&looks, 4, 10, 14);
        leak.extend(of(&looks, 70, 100, 14));
        let ranking = rank(&leak, &looks);
        let mut who = ranking.lead().expect("a lead").who.clone();
        who.sort_unstable();
        assert_eq!(who, [4, 70]);
    }

    #[test]
    fn two_who_saw_the_same_customers_are_not_told_apart() {
        let mut looks = floor(&mut Dice(4));
        let twin: Vec<Look<u32>> =
            looks.iter().filter(|l| l.who == 8).map(|l| Look { who: 200, ..l.clone() }).collect();
        looks.extend(twin);
        let leak = of(&looks, 8, 0, 25);
        let ranking = rank(&leak, &looks);
        assert!(ranking.single[0].log10_wrong < LOG10_BAR && ranking.single[1].log10_wrong < LOG10_BAR);
        assert_eq!(ranking.lead(), None, "a court must not hear a name that fits two people");
    }

    #[test]
    fn nothing_seen_is_nothing_said() {
        assert_eq!(rank::<u32>(&[customer(1)], &[]).lead(), None);
        assert_eq!(rank(&[], &floor(&mut Dice(5))).lead(), None);
    }
}
