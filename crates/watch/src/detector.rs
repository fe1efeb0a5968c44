//! The detectors of one person, each an e-process, and their average.
//!
//! Nothing here is fitted to an attack. The alternatives say in which direction misuse differs from work:
//! less that others vouch for, less done afterwards, more of high value.

use crate::alternative::{ALTERNATIVE, ALTERNATIVES};
use crate::baseline::{FIELDS, NegBin, Null, OUTCOMES, Outcome, Sign, Tally};
use crate::cell::Cell;
use crate::process::Process;

/// What raises a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Detector {
    /// Looks without a purpose that others vouch for.
    #[n(0)]
    Purpose,
    /// More customers a shift than usual.
    #[n(1)]
    Volume,
    /// More customers of high value than usual.
    #[n(2)]
    HighValue,
    /// Tickets that one colleague passes on, and with which nothing is done.
    #[n(3)]
    Pair,
    /// Customers at whom others looked without a reason too.
    #[n(4)]
    Convergence,
    /// A decoy that no ticket leads to.
    #[n(5)]
    Canary,
    /// Two devices at once, or a new one at a strange hour.
    #[n(6)]
    Session,
    /// More field classes than the work needs.
    #[n(7)]
    Fields,
    /// Rows of customers to whom no ticket leads.
    #[n(8)]
    Listing,
    /// Day after day just what the budget allows.
    #[n(9)]
    Budget,
}

/// How many detectors there are.
pub(crate) const DETECTORS: usize = 10;

impl Detector {
    pub(crate) const ALL: [Detector; DETECTORS] = [
        Detector::Purpose,
        Detector::Volume,
        Detector::HighValue,
        Detector::Pair,
        Detector::Convergence,
        Detector::Canary,
        Detector::Session,
        Detector::Fields,
        Detector::Listing,
        Detector::Budget,
    ];

    /// Weights of the average. They sum to one, so that it is an e-process again.
    const WEIGHTS: [f64; DETECTORS] = [0.54, 0.05, 0.06, 0.06, 0.06, 0.01, 0.04, 0.08, 0.06, 0.04];

    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Detector::Purpose => "purpose",
            Detector::Volume => "volume",
            Detector::HighValue => "high_value",
            Detector::Pair => "pair",
            Detector::Convergence => "convergence",
            Detector::Canary => "canary",
            Detector::Session => "session",
            Detector::Fields => "fields",
            Detector::Listing => "listing",
            Detector::Budget => "budget",
        }
    }

    /// What it looks at, for the line "against what".
    pub fn sentence(self) -> &'static str {
        match self {
            Detector::Purpose => "looks without a purpose that others vouch for",
            Detector::Volume => "how many customers were looked at in a shift",
            Detector::HighValue => "how many of the customers are of high value",
            Detector::Pair => "tickets that one colleague passes on, and with which nothing is done",
            Detector::Convergence => "customers at whom others looked without a reason too",
            Detector::Canary => "a decoy customer, to whom no ticket can lead",
            Detector::Session => "two devices in turn, or a new address at an unusual hour",
            Detector::Fields => "which kinds of fields were shown",
            Detector::Listing => "rows in lists of customers to whom no ticket leads",
            Detector::Budget => "shifts that end exactly at the budget of unexplained looks",
        }
    }

    /// What would make it innocent.
    pub fn innocent_if(self) -> &'static str {
        match self {
            Detector::Purpose => {
                "a task from outside the ticket system (an incident, a colleague's call for help), or tickets that \
                 did not reach the log"
            }
            Detector::Volume => "a busy day, or an incident with many customers",
            Detector::HighValue => "a queue or a task for customers of high value",
            Detector::Pair => "an agreed way of working between the two, or a speciality of one of them",
            Detector::Convergence => {
                "an incident that concerns these customers, or a list that several work through"
            }
            Detector::Canary => {
                "a mistyped search; a decoy's number stands beside those of real customers. Ask what was searched for"
            }
            Detector::Session => "a change of device or network, travel, or a shift that was swapped",
            Detector::Fields => "a new task that needs these fields",
            Detector::Listing => "a search for a common name, or a new way of finding one's tickets",
            Detector::Budget => "a task that by its nature brings so many unexplained looks a day",
        }
    }
}

impl serde::Serialize for Detector {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.word())
    }
}

/// What an opened decoy is worth, in nats.
const CANARY: f64 = 19.0;

/// The likelihood ratios of a look, for each alternative.
pub(crate) type Ratios = [f64; ALTERNATIVES];

/// A look of which it is known what became of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled<'a> {
    /// What it was worth at first sight.
    pub(crate) first: &'a Ratios,
    /// What explained it at first sight.
    pub(crate) cell: Cell,
    /// What explains it after the grace.
    pub(crate) explained: Cell,
    pub(crate) outcome: Outcome,
    /// How much likelier cell and outcome are just now for everybody than was reckoned with at first sight.
    pub(crate) common: f64,
    /// What part of its weight it has.
    pub(crate) share: f64,
}

/// A pair of colleagues, by the one who gives.
#[derive(Debug, Clone, PartialEq, minicbor::Encode, minicbor::Decode)]
struct Pair {
    #[n(0)]
    giver: u32,
    #[n(1)]
    process: Process,
}

/// Pairs that are kept for a person.
const MOST_PAIRS: usize = 24;

/// Every process of a person.
#[derive(Debug, Clone, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Detectors {
    #[n(0)]
    purpose: [Process; ALTERNATIVES],
    #[n(1)]
    high_value: Process,
    #[n(2)]
    fields: [Process; FIELDS],
    #[n(3)]
    convergence: Process,
    #[n(4)]
    pairs: Vec<Pair>,
    #[n(5)]
    signs: [Process; Sign::ALL.len()],
    /// Over finished shifts.
    #[n(6)]
    volume: Process,
    #[n(7)]
    listing: Process,
    /// What the running shift adds, as a ratio.
    #[n(8)]
    volume_now: f64,
    #[n(9)]
    listing_now: f64,
    #[n(10)]
    signs_now: [bool; Sign::ALL.len()],
    #[n(11)]
    canary: bool,
}

impl Detectors {
    /// A look as it is seen at once. `common` is how much likelier looks of this cell are just now for everybody. `share`
    /// is below 1 for the next looks of one errand, which are no new evidence: a power below 1 of an e-value is one.
    pub(crate) fn look(
        &mut self,
        null: &Null,
        cell: Cell,
        high_value: bool,
        common: f64,
        share: f64,
    ) -> Ratios {
        let usual = null.common(cell, common);
        let hv = null.high_value[cell as usize];
        let of_tier = |share: f64| if high_value { share } else { 1.0 - share };
        let ratios = std::array::from_fn(|i| {
            let alternative = &ALTERNATIVE[i];
            let tier = alternative.high_value.map_or(1.0, |share| of_tier(share) / of_tier(hv));
            // The errand is one; whose accounts are worth most is not of its making.
            let ratio = alternative.cells[cell as usize] / usual;
            tier * if share < 1.0 { ratio.powf(share) } else { ratio }
        });
        self.purpose.iter_mut().zip(ratios).for_each(|(process, ratio)| process.see(ratio));
        if cell != Cell::Routed {
            self.high_value.see(of_tier(0.5) / of_tier(hv.min(0.5)));
        }
        ratios
    }

    /// Weighs looks that were seen before anything was known to weigh them by. Those to which a ticket came say nothing.
    pub(crate) fn weigh_past(&mut self, null: &Null, past: &Tally) {
        for (alternative, process) in ALTERNATIVE.iter().zip(&mut self.purpose) {
            let mut looks = Vec::new();
            for cell in Cell::ALL {
                let first = alternative.cells[cell as usize] / null.cells[cell as usize];
                for (index, count) in past.after[cell as usize].iter().enumerate() {
                    let outcome = Outcome::of(index);
                    if *count > 0.0 && !outcome.came {
                        looks.push((first * alternative.outcome(null, cell, outcome), *count));
                    }
                }
            }
            process.see_all(&looks);
        }
    }

    /// What became of a look. If a ticket came, the look is worth what it would have been worth with the ticket
    /// from the first: `explained` takes the place of `cell`, and the charge is refunded.
    /// Returns what the look is worth now.
    pub(crate) fn settle(&mut self, null: &Null, look: &Settled<'_>) -> Ratios {
        let Settled { first, cell, explained, outcome, common, share } = *look;
        let mut ratios = *first;
        for ((process, ratio), alternative) in self.purpose.iter_mut().zip(&mut ratios).zip(&ALTERNATIVE) {
            let first = *ratio;
            let second = if outcome.came {
                let with_ticket = alternative.cells[explained as usize] / null.cells[explained as usize];
                with_ticket / first
            } else if cell.is_weak() {
                alternative.outcome(null, cell, outcome) / common
            } else {
                alternative.outcome(null, cell, outcome)
            };
            let second = if share < 1.0 { second.powf(share) } else { second };
            process.settle(first, second);
            *ratio = first * second;
        }
        ratios
    }

    /// A look that was worth `ratios` is worth only `part` of it.
    pub(crate) fn take_back(&mut self, ratios: &Ratios, part: f64) {
        self.purpose.iter_mut().zip(ratios).for_each(|(process, ratio)| process.settle(*ratio, part));
    }

    /// A look by a ticket that `giver` passed on; `share` of what this team is given comes from them.
    pub(crate) fn given(
        &mut self,
        null: &Null,
        cell: Cell,
        giver: u32,
        idle: bool,
        share: impl Fn(u32) -> f64,
    ) {
        if !self.pairs.iter().any(|p| p.giver == giver) {
            if self.pairs.len() >= MOST_PAIRS {
                let least = (0..self.pairs.len())
                    .min_by(|a, b| self.pairs[*a].process.mean().total_cmp(&self.pairs[*b].process.mean()));
                least.map(|at| self.pairs.swap_remove(at));
            }
            self.pairs.push(Pair { giver, process: Process::default() });
        }
        let after: &[f64; OUTCOMES] = &null.after[cell as usize];
        let usually_idle = after.iter().skip(1).step_by(2).sum::<f64>().clamp(0.02, 0.98);
        for pair in &mut self.pairs {
            let usual = share(pair.giver).clamp(0.01, 0.95);
            let theirs = usual.max(0.6);
            let ratio = if pair.giver == giver {
                let (q, p) = if idle { (0.8, usually_idle) } else { (0.2, 1.0 - usually_idle) };
                theirs / usual * q / p
            } else {
                (1.0 - theirs) / (1.0 - usual)
            };
            pair.process.see(ratio);
        }
    }

    /// The field classes that a look showed.
    pub(crate) fn fields(&mut self, null: &Null, shown: u32) {
        for (i, process) in self.fields.iter_mut().enumerate() {
            let usual = null.fields[i];
            let more = usual.max(0.7);
            process.see(if shown & (1 << i) != 0 { more / usual } else { (1.0 - more) / (1.0 - usual) });
        }
    }

    /// A weak look, and whether somebody else had looked at the same customer for a weak reason.
    pub(crate) fn weak(&mut self, null: &Null, met: bool) {
        let more = null.met.max(0.25);
        self.convergence.see(if met { more / null.met } else { (1.0 - more) / (1.0 - null.met) });
    }

    /// How many customers, and how many rows of strangers, the shift has come to, on a day that is `busy` times as busy
    /// as usual for the others.
    pub(crate) fn running(&mut self, null: &Null, busy: f64, customers: f64, strangers: f64) {
        // The counts only grow, and so do the ratios where they speak against the usual.
        self.volume_now = volume_ratio(null, busy, customers);
        self.listing_now = listing_ratio(null, strangers);
    }

    /// A sign that the running shift has.
    pub(crate) fn sign(&mut self, sign: Sign) {
        self.signs_now[sign as usize] = true;
    }

    pub(crate) fn has_sign(&self, sign: Sign) -> bool {
        self.signs_now[sign as usize]
    }

    /// A decoy was opened.
    pub(crate) fn canary(&mut self) {
        self.canary = true;
    }

    /// Whether a decoy was opened in the running shift.
    pub(crate) fn has_canary(&self) -> bool {
        self.canary
    }

    /// The shift is over.
    pub(crate) fn end_shift(&mut self, null: &Null, busy: f64, customers: f64, strangers: f64) {
        self.volume.see(volume_ratio(null, busy, customers));
        self.listing.see(listing_ratio(null, strangers));
        for (i, process) in self.signs.iter_mut().enumerate() {
            process.see(sign_ratio(null, i, self.signs_now[i]));
        }
        self.processes().for_each(Process::fade);
        self.signs_now = Default::default();
        self.canary = false;
        (self.volume_now, self.listing_now) = (1.0, 1.0);
    }

    fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        let single = [&mut self.high_value, &mut self.convergence, &mut self.volume, &mut self.listing];
        let pairs = self.pairs.iter_mut().map(|pair| &mut pair.process);
        let rows = self.purpose.iter_mut().chain(&mut self.fields).chain(&mut self.signs);
        rows.chain(pairs).chain(single)
    }

    /// The e-values of somebody of whom nothing is known but that they opened a decoy.
    pub(crate) fn only_canary() -> [f64; DETECTORS] {
        let mut values = [1.0; DETECTORS];
        values[Detector::Canary as usize] = CANARY.exp();
        values
    }

    /// The e-value of each detector.
    pub(crate) fn values(&self, null: &Null) -> [f64; DETECTORS] {
        let mean = |of: &[Process]| of.iter().map(Process::mean).sum::<f64>() / of.len() as f64;
        let with = |process: &Process, now: f64| process.mean().max(1.0) * now.max(1.0);
        let sign = |sign: Sign| {
            let now = if self.has_sign(sign) { sign_ratio(null, sign as usize, true) } else { 1.0 };
            with(&self.signs[sign as usize], now)
        };
        let pairs: f64 = self.pairs.iter().map(|p| p.process.mean()).sum();
        let mut values = [1.0; DETECTORS];
        values[Detector::Purpose as usize] =
            self.purpose.iter().zip(&ALTERNATIVE).map(|(process, of)| of.weight * process.mean()).sum();
        values[Detector::Volume as usize] = with(&self.volume, self.volume_now);
        values[Detector::HighValue as usize] = self.high_value.mean();
        values[Detector::Pair as usize] = pairs / self.pairs.len().max(4) as f64;
        values[Detector::Convergence as usize] = self.convergence.mean();
        values[Detector::Canary as usize] = if self.canary { CANARY.exp() } else { 1.0 };
        // Devices and addresses ask for a fresh login; by themselves they take nobody's access away.
        values[Detector::Session as usize] =
            (0.5 * (sign(Sign::TwoDevices) + sign(Sign::StrangeHour))).min(10.5f64.exp());
        values[Detector::Fields as usize] = mean(&self.fields);
        values[Detector::Listing as usize] = with(&self.listing, self.listing_now);
        values[Detector::Budget as usize] = sign(Sign::AtBudget);
        values
    }
}

/// Each value with its weight: the sum is the e-value of all.
pub(crate) fn weighted(values: [f64; DETECTORS]) -> [f64; DETECTORS] {
    std::array::from_fn(|i| values[i] * Detector::WEIGHTS[i])
}

fn volume_ratio(null: &Null, busy: f64, customers: f64) -> f64 {
    let usual = NegBin { mean: null.volume.mean * busy, ..null.volume };
    (0.5 * (usual.ratio(2.0, customers).exp() + usual.ratio(4.0, customers).exp())).min(1e12)
}

fn listing_ratio(null: &Null, strangers: f64) -> f64 {
    (0.5 * (null.strangers.ratio(4.0, strangers).exp() + null.strangers.ratio(15.0, strangers).exp()))
        .min(1e12)
}

fn sign_ratio(null: &Null, sign: usize, has: bool) -> f64 {
    let usual = null.signs[sign];
    let more = usual.max(0.6);
    if has { more / usual } else { (1.0 - more) / (1.0 - usual) }
}

#[cfg(test)]
mod tests {
    use model::Role;

    use super::*;
    use crate::cell::CELLS;
    use crate::spread::Spread;

    #[test]
    fn weights_and_alternatives_sum_to_one() {
        assert!((Detector::WEIGHTS.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((ALTERNATIVE.iter().map(|a| a.weight).sum::<f64>() - 1.0).abs() < 1e-12);
        for alternative in &ALTERNATIVE {
            assert!((alternative.cells.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn every_ratio_has_mean_one_at_the_most_under_the_null() {
        let null = Null::of(Role::Agent, &Tally::default(), &Tally::default(), &Spread::default(), None);
        let total: f64 = null.cells.iter().sum();
        for alternative in &ALTERNATIVE {
            let mean: f64 =
                (0..CELLS).map(|i| null.cells[i] / total * alternative.cells[i] / null.cells[i]).sum();
            assert!(mean <= 1.0 + 1e-9, "{mean}");
        }
        for sign in 0..3 {
            let p = null.signs[sign];
            let mean = p * sign_ratio(&null, sign, true) + (1.0 - p) * sign_ratio(&null, sign, false);
            assert!((mean - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn devices_alone_take_nobodys_access_away() {
        let null = Null::of(Role::Agent, &Tally::default(), &Tally::default(), &Spread::default(), None);
        let mut person = Detectors::default();
        for _ in 0..50 {
            Sign::ALL[1..].iter().for_each(|s| person.sign(*s));
            person.end_shift(&null, 1.0, 20.0, 0.0);
        }
        let score = weighted(person.values(&null))[Detector::Session as usize].ln();
        assert!(score < 8.0, "{score}");
    }
}
