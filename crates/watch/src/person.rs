//! What is known of one person.

use std::collections::{HashMap, HashSet};

use model::{Role, Timestamp};

use crate::baseline::{GROWTH, HEADROOM, Null, Sign, Tally, role_shares};
use crate::cell::CELLS;
use crate::clock::{DAY, HOUR, MINUTE};
use crate::detector::{DETECTORS, Detector, Detectors, weighted};
use crate::finding::Weighty;
use crate::ladder::Level;
use crate::team::{Place, Recent};

/// After so long without a look a new shift begins…
const REST: u64 = 5 * HOUR;
/// …and in any case after so long.
const LONGEST_SHIFT: u64 = 14 * HOUR;
/// Contributions that are kept.
const MOST_WEIGHTY: usize = 12;
/// Below this score nothing is going on.
const QUIET: f64 = 0.5;
/// Addresses that are remembered.
const MOST_ADDRESSES: usize = 32;
/// Shifts before hours and addresses count as known.
const KNOWN_AFTER: f64 = 10.0;

/// One person.
#[derive(Debug, Clone, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Person {
    #[n(0)]
    pub(crate) role: Role,
    #[n(1)]
    pub(crate) team: u32,
    #[n(2)]
    pub(crate) detectors: Detectors,
    #[n(3)]
    pub(crate) null: Option<Null>,
    /// What this person is measured by.
    #[n(4)]
    pub(crate) own: Tally,
    /// What of theirs is in the role's tally.
    #[n(5)]
    pub(crate) given: Tally,
    /// The running shift.
    #[n(6)]
    pub(crate) shift: Tally,
    #[n(7)]
    pub(crate) began: Timestamp,
    #[n(8)]
    pub(crate) last: Timestamp,
    #[n(9)]
    pub(crate) shift_number: u32,
    /// Every customer seen, and in which shift last.
    #[n(10)]
    pub(crate) seen: HashMap<u32, u32>,
    #[n(11)]
    pub(crate) listed: HashSet<u32>,
    /// How far shares may have grown.
    #[n(12)]
    pub(crate) limits: Option<[f64; CELLS]>,
    #[n(13)]
    pub(crate) level: Option<Level>,
    #[n(14)]
    pub(crate) weighty: Vec<Weighty>,
    #[n(15)]
    pub(crate) exposed: HashSet<u32>,
    /// The highest score of the shift, which decides whether the shift is learned from.
    #[n(16)]
    pub(crate) highest: f64,
    #[n(17)]
    pub(crate) hours: [f64; 24],
    #[n(18)]
    pub(crate) addresses: Vec<(u64, u32)>,
    /// The two newest sessions: session, address, time.
    #[n(19)]
    pub(crate) sessions: [(u64, u64, Timestamp); 2],
    #[n(20)]
    pub(crate) day: DaySoFar,
    /// Customers of the shift with classes F and G, after the grace.
    #[n(21)]
    pub(crate) weak_in_shift: u32,
    #[n(22)]
    pub(crate) customers_in_shift: u32,
    /// How many customers this person has looked at in the shift on which errand.
    #[n(23)]
    pub(crate) errands: Vec<(Errand, u32)>,
    /// The number of the last look whose outcome is open.
    #[n(24)]
    pub(crate) last_look: u64,
    /// What of theirs counts in what their colleagues do just now.
    #[n(25)]
    pub(crate) recent: Recent,
}

/// One reason for several looks, which are no evidence each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub(crate) enum Errand {
    /// Customers of one colleague.
    #[n(0)]
    For(#[n(0)] u32),
    /// Accounts that others linked to one case.
    #[n(1)]
    Case(#[n(0)] u32),
}

/// The day so far.
#[derive(Debug, Clone, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct DaySoFar {
    #[n(0)]
    pub(crate) looks: u32,
    #[n(1)]
    pub(crate) before: f64,
    #[n(2)]
    pub(crate) highest: f64,
}

impl Person {
    pub(crate) fn new(role: Role, team: u32) -> Self {
        Self {
            role,
            team,
            detectors: Detectors::default(),
            null: None,
            own: Tally::default(),
            given: Tally::default(),
            shift: Tally::default(),
            began: Timestamp(0),
            last: Timestamp(0),
            shift_number: 0,
            seen: HashMap::new(),
            listed: HashSet::new(),
            limits: None,
            level: None,
            weighty: Vec::new(),
            exposed: HashSet::new(),
            highest: 0.0,
            hours: [0.0; 24],
            addresses: Vec::new(),
            sessions: [(0, 0, Timestamp(0)); 2],
            day: DaySoFar::default(),
            weak_in_shift: 0,
            customers_in_shift: 0,
            errands: Vec::new(),
            last_look: u64::MAX,
            recent: Recent::default(),
        }
    }

    /// Where this person works.
    pub(crate) fn place(&self) -> Place {
        Place { team: self.team, role: self.role }
    }

    /// Whether a look at `now` begins a new shift.
    pub(crate) fn is_new_shift(&self, now: Timestamp) -> bool {
        self.null.is_none() || now.0 >= self.last.0 + REST || now.0 >= self.began.0 + LONGEST_SHIFT
    }

    /// Ends the shift that was running. `learn_above`: shifts whose score reached this teach nothing. True if
    /// the shift may be learned from.
    pub(crate) fn end_shift(&mut self, budget: u32, learn_below: f64) -> bool {
        let Some(null) = self.null.take() else { return false };
        if self.weak_in_shift == budget {
            self.detectors.sign(Sign::AtBudget);
        }
        for sign in Sign::ALL {
            self.shift.signs[sign as usize] = f64::from(u8::from(self.detectors.has_sign(sign)));
        }
        let (customers, strangers) = (f64::from(self.customers_in_shift), self.listed.len() as f64);
        self.detectors.end_shift(&null, customers, strangers);
        self.shift.shifts = 1.0;
        self.shift.volume = customers;
        self.shift.volume_squared = customers * customers;
        self.shift.strangers = strangers;
        self.highest < learn_below && self.level.is_none()
    }

    /// Begins a shift, measured by what has been learned.
    pub(crate) fn begin_shift(&mut self, now: Timestamp, role: &Tally) {
        let mut others = role.clone();
        others.add(&self.given, -1.0);
        self.null = Some(Null::of(self.role, &self.own, &others, self.limits.as_ref()));
        self.shift = Tally::default();
        (self.began, self.last) = (now, now);
        self.shift_number += 1;
        self.listed.clear();
        self.errands.clear();
        (self.weak_in_shift, self.customers_in_shift) = (0, 0);
        self.highest = self.score();
    }

    /// A week has passed: old weeks count less, and limits move towards what is usual now.
    pub(crate) fn end_week(&mut self, role: &Tally) {
        let mut others = role.clone();
        others.add(&self.given, -1.0);
        let of_role = role_shares(self.role, &others);
        if self.own.shifts >= KNOWN_AFTER || self.limits.is_some() {
            let now = self.own.shares(&of_role, 100.0);
            let before = self.limits;
            self.limits = Some(std::array::from_fn(|i| match before {
                None => now[i].min(HEADROOM * of_role[i]).max(of_role[i]),
                Some(before) => now[i].min(GROWTH * before[i].max(of_role[i])).max(of_role[i]),
            }));
        }
        self.own.fade();
        self.given.fade();
        self.hours.iter_mut().for_each(|h| *h *= 0.92);
    }

    /// Takes session and address of a look in, and the signs they give.
    pub(crate) fn device(&mut self, now: Timestamp, session: u64, address: u64, learned: bool) {
        if session != 0 && address != 0 {
            let [newest, older] = self.sessions;
            if session != newest.0 {
                let back_and_forth = session == older.0
                    && address != newest.1
                    && now.0.saturating_sub(older.2.0) < 15 * MINUTE
                    && now.0.saturating_sub(newest.2.0) < 15 * MINUTE;
                if back_and_forth {
                    self.detectors.sign(Sign::TwoDevices);
                }
                self.sessions = [(session, address, now), newest];
            } else {
                self.sessions[0] = (session, address, now);
            }
        }
        let hour = (now.0 / HOUR % 24) as usize;
        if address != 0 {
            let known = self.addresses.iter().position(|(a, _)| *a == address);
            match known {
                Some(at) => self.addresses[at].1 = self.shift_number,
                None => {
                    let around: f64 = (23..=25).map(|d| self.hours[(hour + d) % 24]).sum();
                    let total: f64 = self.hours.iter().sum();
                    if self.own.shifts >= KNOWN_AFTER && around < 0.02 * total {
                        self.detectors.sign(Sign::StrangeHour);
                    }
                    if self.addresses.len() >= MOST_ADDRESSES {
                        let oldest = (0..self.addresses.len()).min_by_key(|i| self.addresses[*i].1);
                        oldest.map(|at| self.addresses.swap_remove(at));
                    }
                    self.addresses.push((address, self.shift_number));
                }
            }
        }
        if learned {
            self.hours[hour] += 1.0;
        }
        self.last = now;
    }

    /// What part of its weight the next look on an errand has.
    pub(crate) fn errand(&mut self, errand: Errand) -> f64 {
        let known = self.errands.iter().position(|(of, _)| *of == errand);
        let at = known.unwrap_or_else(|| {
            self.errands.push((errand, 0));
            self.errands.len() - 1
        });
        self.errands[at].1 += 1;
        1.0 / f64::from(self.errands[at].1)
    }

    /// Each detector's part of the e-value of all.
    pub(crate) fn parts(&self) -> [f64; DETECTORS] {
        match &self.null {
            Some(null) => weighted(self.detectors.values(null)),
            None => [1.0 / DETECTORS as f64; DETECTORS],
        }
    }

    /// ln of the averaged e-value.
    pub(crate) fn score(&self) -> f64 {
        self.parts().iter().sum::<f64>().ln()
    }

    /// Puts down what a look has added. `before` are the parts before it.
    pub(crate) fn weigh(&mut self, look: Weighty, customer: u32, before: &[f64; DETECTORS]) {
        let after = self.parts();
        let score = after.iter().sum::<f64>().ln();
        self.highest = self.highest.max(score);
        self.day.highest = self.day.highest.max(score);
        if score < QUIET {
            self.weighty.clear();
            self.exposed.clear();
            return;
        }
        let nats = score - before.iter().sum::<f64>().ln();
        if nats <= 0.05 {
            return;
        }
        self.exposed.insert(customer);
        let most =
            (0..DETECTORS).max_by(|a, b| (after[*a] - before[*a]).total_cmp(&(after[*b] - before[*b])));
        let detector = Detector::ALL[most.unwrap_or_default()];
        if let Some(known) = self.weighty.iter_mut().find(|w| w.line == look.line) {
            *known = Weighty { nats: known.nats + nats, detector, ..look };
        } else {
            self.weighty.push(Weighty { nats, detector, ..look });
        }
        if self.weighty.len() > MOST_WEIGHTY {
            let least = (0..self.weighty.len())
                .min_by(|a, b| self.weighty[*a].nats.total_cmp(&self.weighty[*b].nats));
            least.map(|at| self.weighty.swap_remove(at));
        }
    }

    pub(crate) fn new_day(&mut self) {
        let score = self.score();
        self.day = DaySoFar { before: score, highest: score, ..DaySoFar::default() };
    }

    /// Which day a time is on.
    pub(crate) fn day_of(now: Timestamp) -> u64 {
        now.0 / DAY
    }
}
