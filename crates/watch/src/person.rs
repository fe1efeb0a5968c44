//! What is known of one person.

use model::{Role, Timestamp};

use crate::baseline::{GROWTH, Null, Sign, Tally, role_shares};
use crate::cell::CELLS;
use crate::clock::{DAY, HOUR, MINUTE};
use crate::detector::{DETECTORS, Detector, Detectors, weighted};
use crate::finding::Weighty;
use crate::givers::Givers;
use crate::ladder::Level;
use crate::load::Load;
use crate::numbers::{NumberMap, NumberSet};
use crate::spread::Spread;
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
/// Looks that follow so soon belong to the same errand.
const ERRAND: u64 = 15 * MINUTE;

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
    pub(crate) seen: NumberMap<u32>,
    #[n(11)]
    pub(crate) listed: NumberSet,
    /// How far shares may have grown.
    #[n(12)]
    pub(crate) limits: Option<[f64; CELLS]>,
    #[n(13)]
    pub(crate) level: Option<Level>,
    #[n(14)]
    pub(crate) weighty: Vec<Weighty>,
    #[n(15)]
    pub(crate) exposed: NumberSet,
    /// The highest score of the shift, which decides how much the shift teaches.
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
    /// Customers of the shift; those of one errand count as little as they weigh.
    #[n(22)]
    pub(crate) customers_in_shift: f64,
    /// How many customers this person has looked at in the shift on which errand.
    #[n(23)]
    pub(crate) errands: Vec<(Errand, u32)>,
    /// The number of the last look whose outcome is open.
    #[n(24)]
    pub(crate) last_look: u64,
    /// What of theirs counts in what their colleagues do just now.
    #[n(25)]
    pub(crate) recent: Recent,
    /// The errand of the last look that had one, or of the last without any ticket, and when.
    #[n(26)]
    pub(crate) last_errand: Option<(Option<usize>, Timestamp)>,
    /// So little is known of the role that nothing is held against this person yet. Their looks are kept.
    #[n(27)]
    pub(crate) on_trial: bool,
    /// This person's part of the role's spread.
    #[n(28)]
    pub(crate) spread: Spread,
    /// Who has given this person work, and in the running shift.
    #[n(29)]
    pub(crate) givers: Givers,
    #[n(30)]
    pub(crate) givers_in_shift: Vec<u32>,
    /// Each detector's part of the e-value of all, when it was last weighed.
    #[n(31)]
    pub(crate) parts: [f64; DETECTORS],
    /// What this person's shift has come to, if it began today.
    #[n(32)]
    pub(crate) load: Load,
    /// How busy the others were when this person looked last.
    #[n(33)]
    pub(crate) busy: f64,
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
            seen: NumberMap::default(),
            listed: NumberSet::default(),
            limits: None,
            level: None,
            weighty: Vec::new(),
            exposed: NumberSet::default(),
            highest: 0.0,
            hours: [0.0; 24],
            addresses: Vec::new(),
            sessions: [(0, 0, Timestamp(0)); 2],
            day: DaySoFar::default(),
            weak_in_shift: 0,
            customers_in_shift: 0.0,
            errands: Vec::new(),
            last_look: u64::MAX,
            recent: Recent::default(),
            last_errand: None,
            on_trial: false,
            spread: Spread::default(),
            givers: Givers::default(),
            givers_in_shift: Vec::new(),
            parts: weighted([1.0; DETECTORS]),
            load: Load::default(),
            busy: 1.0,
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

    /// Ends the shift that was running. Says how much it teaches: all of it where the score stayed at 0, less the nearer it
    /// came to a nudge, and nothing from a nudge or a finding on.
    pub(crate) fn end_shift(&mut self, budget: u32, nudge: f64) -> f64 {
        let Some(null) = self.null.take() else { return 0.0 };
        if self.weak_in_shift == budget {
            self.detectors.sign(Sign::AtBudget);
        }
        for sign in Sign::ALL {
            self.shift.signs[sign as usize] = f64::from(u8::from(self.detectors.has_sign(sign)));
        }
        let (customers, strangers) = (self.customers_in_shift, self.listed.len() as f64);
        self.detectors.end_shift(&null, self.busy, customers, strangers);
        self.shift.shifts = 1.0;
        self.shift.volume = customers;
        self.shift.volume_squared = customers * customers;
        self.shift.strangers = strangers;
        if self.level.is_some() { 0.0 } else { (1.0 - self.highest / nudge).clamp(0.0, 1.0) }
    }

    /// Takes the shift that has ended into what is usual for this person, by this much.
    pub(crate) fn learn(&mut self, much: f64) {
        self.own.add(&self.shift, much);
        self.givers_in_shift.iter().for_each(|giver| self.givers.gave(*giver, much));
    }

    /// Begins a shift, measured by what has been learned. `on_trial`: too little is known of the role to hold anything
    /// against anybody. When it is known, what was seen until then is weighed by it.
    pub(crate) fn begin_shift(&mut self, now: Timestamp, role: &Tally, spread: &Spread, on_trial: bool) {
        let mut others = role.clone();
        others.add(&self.given, -1.0);
        let null = Null::of(self.role, &self.own, &others, spread, self.limits.as_ref());
        if self.on_trial {
            self.detectors = Detectors::default();
            if !on_trial {
                self.detectors.weigh_past(&null, &self.given);
            }
        }
        self.on_trial = on_trial;
        self.null = Some(null);
        self.shift = Tally::default();
        (self.began, self.last) = (now, now);
        self.shift_number += 1;
        self.listed.clear();
        self.errands.clear();
        self.givers_in_shift.clear();
        self.last_errand = None;
        (self.weak_in_shift, self.customers_in_shift, self.busy) = (0, 0.0, 1.0);
        self.reweigh();
        self.highest = self.score();
    }

    /// A week has passed: old weeks count less, and limits move towards what is usual now.
    pub(crate) fn end_week(&mut self, role: &Tally, spread: &Spread) {
        let mut others = role.clone();
        others.add(&self.given, -1.0);
        let of_role = role_shares(self.role, &others);
        let ceilings = spread.ceilings(&of_role);
        if self.own.shifts >= KNOWN_AFTER || self.limits.is_some() {
            let now = self.own.shares(&of_role, &[100.0; CELLS]);
            let before = self.limits;
            self.limits = Some(std::array::from_fn(|i| match before {
                None => now[i].min(ceilings[i]).max(of_role[i]),
                Some(before) => now[i].min(GROWTH * before[i].max(of_role[i])).max(of_role[i]),
            }));
        }
        self.own.fade();
        self.given.fade();
        self.givers.fade();
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
    pub(crate) fn errand(&mut self, now: Timestamp, errand: Errand) -> f64 {
        let known = self.errands.iter().position(|(of, _)| *of == errand);
        let at = known.unwrap_or_else(|| {
            // Of a colleague's customers one had no ticket, and came first.
            let begun = matches!(self.running_errand(now), Some(None));
            self.errands.push((errand, u32::from(begun)));
            self.errands.len() - 1
        });
        if matches!(errand, Errand::For(_)) {
            self.last_errand = Some((Some(at), now));
        }
        self.errands[at].1 += 1;
        1.0 / f64::from(self.errands[at].1)
    }

    /// The same for a look to which no ticket leads: soon after two for a colleague it is for the same colleague.
    pub(crate) fn same_errand(&mut self, now: Timestamp) -> f64 {
        let running = self.running_errand(now).flatten();
        let running = running.filter(|at| self.errands.get(*at).is_some_and(|(_, count)| *count >= 2));
        self.last_errand = Some((running, now));
        let Some((_, count)) = running.and_then(|at| self.errands.get_mut(at)) else { return 1.0 };
        *count += 1;
        1.0 / f64::from(*count)
    }

    fn running_errand(&self, now: Timestamp) -> Option<Option<usize>> {
        self.last_errand.filter(|(_, when)| when.0 + ERRAND >= now.0).map(|(at, _)| at)
    }

    fn reweigh(&mut self) {
        self.parts = match &self.null {
            Some(null) if !self.on_trial => weighted(self.detectors.values(null)),
            Some(_) if self.detectors.has_canary() => weighted(Detectors::only_canary()),
            Some(_) | None => weighted([1.0; DETECTORS]),
        };
    }

    /// ln of the averaged e-value.
    pub(crate) fn score(&self) -> f64 {
        self.parts.iter().sum::<f64>().ln()
    }

    /// Weighs anew, and puts down what a look has added.
    pub(crate) fn weigh(&mut self, look: Weighty, customer: u32) {
        let before = self.parts;
        self.reweigh();
        let after = self.parts;
        let score = self.score();
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
