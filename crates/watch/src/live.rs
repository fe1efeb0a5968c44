//! The watch in the house: entries of the ledger and events of tickets in, findings as entries out.
//!
//! Pure, like [`Watch`]: the same entries and ticket events in the same order give the same findings, whatever restarts
//! lie between. Customers and tickets are known here by a keyed hash only, and are forgotten when the ledger says that
//! they were erased (P6).

mod look;
pub mod words;

use std::collections::HashMap;

use model::containment::{MOST_CONTRIBUTIONS, MOST_POINTS, Peers, Point, Usual};
use model::entry::{Act, Action, Erased, Viewer, Why};
use model::ticket::{TicketActor, TicketEvent, TicketWhat};
use model::{
    AppId, ClassSet, CustomerId, Digest, Entry, Event, FindingId, Level, Month, Opening, ProposalId,
    SessionId, StaffId, StaffRecord, TicketId, Tier, Timestamp,
};

use crate::finding::{Finding, Output};
use crate::line::{AccessLine, CustomerLine, Line, StaffLine, TicketLine};
use crate::saved::StateError;
use crate::watch::{Options, Watch};

/// What the bytes of a saved state begin with; the digit is the version.
const MAGIC: &[u8] = b"sightline-live 1\n";
/// A point of a curve is worth keeping when the score has moved so far, in hundredths of a nat.
const MOVED: i32 = 5;
/// Scores are drawn no lower than this.
const LOWEST: i32 = -500;

/// The watch over one ledger.
#[derive(Debug, Clone)]
pub struct Live {
    watch: Watch,
    state: State,
}

/// What it remembers besides the watch.
#[derive(Debug, Clone, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
struct State {
    /// The next entry.
    #[n(0)]
    next: u64,
    /// The last event of a ticket that was taken in, as the store numbers them.
    #[n(1)]
    ticket: i64,
    /// Names are hashed with it.
    #[n(2)]
    key: [u8; 32],
    #[n(3)]
    trails: HashMap<StaffId, Trail>,
    /// When each customer was last met.
    #[n(4)]
    met: HashMap<String, Month>,
    /// Whom proposals would erase.
    #[n(5)]
    erasing: HashMap<ProposalId, String>,
}

/// How a person's score went since it was quiet.
#[derive(Debug, Clone, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
struct Trail {
    /// The first entry since the score was quiet.
    #[n(0)]
    from: u64,
    #[n(1)]
    points: Vec<Point>,
}

impl Live {
    /// Nothing seen yet. `key`: random, kept in the saved state and nowhere else.
    pub fn new(options: Options, key: [u8; 32]) -> Self {
        Self { watch: Watch::new(options), state: State { key, ..State::default() } }
    }

    /// The next entry to take in.
    pub fn next(&self) -> u64 {
        self.state.next
    }

    /// The last event of a ticket that was taken in.
    pub fn ticket(&self) -> i64 {
        self.state.ticket
    }

    /// Everything, to go on from after a restart.
    #[allow(clippy::expect_used)]
    pub fn save(&self) -> Vec<u8> {
        let watch = self.watch.save();
        let mut bytes = MAGIC.to_vec();
        minicbor::encode((&self.state, minicbor::bytes::ByteVec::from(watch)), &mut bytes)
            .expect("a Vec takes every byte");
        bytes
    }

    /// From [saved](Self::save) bytes.
    pub fn load(options: Options, bytes: &[u8]) -> Result<Self, StateError> {
        let saved = bytes.strip_prefix(MAGIC).ok_or(StateError::Version)?;
        let (state, watch): (State, minicbor::bytes::ByteVec) = minicbor::decode(saved)?;
        Ok(Self { watch: Watch::load(options, &watch)?, state })
    }

    /// From here on a look at this customer has no innocent reason: it is a decoy.
    fn decoy(&mut self, customer: &CustomerId) {
        let customer = self.name(customer);
        let line = CustomerLine { customer: (&*customer).into(), tier: Tier::Standard, canary: true };
        // Such a line is never odd.
        let _ = self.watch.line(&Line::Customer(line), &mut Vec::new());
    }

    /// Events of tickets up to this number were taken in.
    pub fn tickets_taken(&mut self, number: i64) {
        self.state.ticket = self.state.ticket.max(number);
    }

    /// Takes an event of a ticket in, by the number that the store gives it.
    pub fn take_ticket(
        &mut self,
        number: i64,
        app: &AppId,
        event: &TicketEvent,
        out: &mut Vec<model::Finding>,
    ) {
        self.tickets_taken(number);
        let by = match &event.by {
            TicketActor::Customer => "customer",
            TicketActor::Router => "router",
            TicketActor::Staff(staff) => staff.as_str(),
        };
        self.ticket_line(
            event.time,
            event.what,
            (app, &event.ticket, &event.customer),
            by,
            event.to.as_ref(),
            out,
        );
    }

    /// Takes the next entry in, with what is known of its openings.
    pub fn take(
        &mut self,
        index: u64,
        entry: &Entry,
        openings: &[Option<Opening>],
        out: &mut Vec<model::Finding>,
    ) {
        self.state.next = index + 1;
        let subject = |at: usize| openings.get(at).and_then(Option::as_ref).map(|opening| &opening.subject);
        match &entry.event {
            Event::StaffRecorded(e) => self.staff(&e.record),
            Event::Revealed(e) => {
                if let Some(subject) = subject(0) {
                    self.tier(&subject.customer, e.tier);
                    let what = (e.action, e.classes);
                    self.look(index, entry.time, &e.by, &subject.customer, what, out);
                }
            }
            Event::Listed(e) => {
                for subject in (0..openings.len()).filter_map(subject) {
                    let what = (e.action, e.classes);
                    self.look(index, entry.time, &e.by, &subject.customer, what, out);
                }
            }
            // The budget has kept it from being a look; that it was wanted weighs the same.
            Event::Refused(e) if matches!(e.why, Why::WeakBudget | Why::HighValueBudget) => {
                if let (Some(staff), Some(session), Some(app), Some(subject)) =
                    (&e.staff, e.session, &e.app, subject(0))
                {
                    let by = Viewer { staff: staff.clone(), session, app: app.clone() };
                    let what = (Action::View, ClassSet::EMPTY);
                    self.look(index, entry.time, &by, &subject.customer, what, out);
                }
            }
            Event::Written(e) => {
                if let Some(subject) = subject(0)
                    && let Some(ticket) = &subject.ticket
                {
                    let about = (&e.by.app, ticket, &subject.customer);
                    let by = e.by.staff.as_str();
                    self.ticket_line(entry.time, TicketWhat::Acted, about, by, None, out);
                }
            }
            // A retired one is watched on: nobody has a reason to look at it either.
            Event::CanariesPlanted(_) => {
                openings.iter().flatten().for_each(|opening| self.decoy(&opening.subject.customer));
            }
            Event::Proposed(e) => {
                if let (Act::Erase { .. }, Some(subject)) = (&e.act, subject(0)) {
                    let name = self.name(&subject.customer);
                    self.state.erasing.insert(e.proposal, name);
                }
            }
            Event::Erased(Erased::Customer { proposal, .. }) => {
                if let Some(name) = self.state.erasing.remove(proposal) {
                    self.forget(&name);
                }
            }
            Event::Erased(Erased::Before { month }) => {
                let old = self.state.met.iter().filter(|(_, met)| *met < month);
                let old: Vec<String> = old.map(|(name, _)| name.clone()).collect();
                old.iter().for_each(|name| self.forget(name));
            }
            _ => {}
        }
    }

    fn staff(&mut self, record: &StaffRecord) {
        let line = StaffLine {
            staff: record.staff.as_str().into(),
            team: record.team.as_str().into(),
            role: record.role,
            employer: record.employer.as_str().into(),
        };
        let _ = self.watch.line(&Line::Staff(line), &mut Vec::new());
    }

    fn tier(&mut self, customer: &CustomerId, tier: Tier) {
        let customer = self.name(customer);
        if self.watch.is_high_value(&customer) != tier.is_high_value() {
            let canary = self.watch.is_decoy(&customer);
            let line = CustomerLine { customer: (&*customer).into(), tier, canary };
            let _ = self.watch.line(&Line::Customer(line), &mut Vec::new());
        }
    }

    fn look(
        &mut self,
        index: u64,
        time: Timestamp,
        by: &Viewer,
        customer: &CustomerId,
        (action, fields): (Action, ClassSet),
        out: &mut Vec<model::Finding>,
    ) {
        let name = self.met(customer, time);
        let session = session_name(by.session);
        let line = AccessLine {
            time,
            staff: by.staff.as_str().into(),
            customer: Some((&*name).into()),
            action,
            fields,
            session: Some((&*session).into()),
            ip: None,
        };
        self.feed(index, &Line::Access(line), out);
        self.trace(index, time, &by.staff);
    }

    fn ticket_line(
        &mut self,
        time: Timestamp,
        what: TicketWhat,
        (app, ticket, customer): (&AppId, &TicketId, &CustomerId),
        by: &str,
        to: Option<&StaffId>,
        out: &mut Vec<model::Finding>,
    ) {
        let name = self.met(customer, time);
        let ticket = self.hashed(&[app.as_str().as_bytes(), ticket.as_str().as_bytes()]);
        let line = TicketLine {
            time,
            what,
            ticket: (&*ticket).into(),
            customer: (&*name).into(),
            by: by.into(),
            to: to.map(|to| to.as_str().into()),
        };
        self.feed(self.state.next.saturating_sub(1), &Line::Ticket(line), out);
    }

    /// Feeds a line of the entry `index` to the watch. What is odd about it is odd about the clock of an app, which is
    /// not ours to mend.
    fn feed(&mut self, index: u64, line: &Line<'_>, out: &mut Vec<model::Finding>) {
        let mut outputs = Vec::new();
        self.watch.number(index);
        if let Err(odd) = self.watch.line(line, &mut outputs) {
            drop(odd);
        }
        for output in outputs {
            if let Output::Finding(finding) = output {
                self.trace(index, finding.time, &finding.staff.clone());
                out.extend(self.told(index, &finding));
            }
        }
    }

    /// The finding as an entry.
    fn told(&self, at: u64, finding: &Finding) -> Option<model::Finding> {
        let trail = self.state.trails.get(&finding.staff);
        // A decoy in a list is told by itself, whatever the score.
        let alone = finding.exposed == 0;
        let from = if alone { at } else { trail.map_or(at, |trail| trail.from.min(at)) };
        let mut weighty = self.watch.weighty(&finding.staff);
        if weighty.is_empty() || alone {
            weighty = finding.contributions.iter().map(look::of).collect();
        }
        weighty.retain(|look| look.entry <= at);
        weighty.truncate(MOST_CONTRIBUTIONS);
        let usual = self.watch.usual(&finding.staff, weighty.first());
        Some(model::Finding {
            finding: id(finding, at),
            staff: finding.staff.clone(),
            role: finding.role,
            detector: finding.detector.word().to_owned(),
            level: finding.level,
            score: hundredths(finding.score),
            from,
            at,
            exposed: finding.exposed,
            seen: finding.seen,
            contributions: weighty,
            usual,
            curve: trail.map(|trail| trail.points.clone()).unwrap_or_default(),
            rungs: self.watch.rungs(finding.role),
            peers: self.watch.peers(&finding.staff, finding.role),
        })
    }

    /// Notes a person's score after an entry.
    fn trace(&mut self, index: u64, time: Timestamp, staff: &StaffId) {
        let Some((score, is_quiet)) = self.watch.standing(staff) else { return };
        let trail = self.state.trails.entry(staff.clone()).or_default();
        let point = Point { entry: index, time, score: hundredths(score).max(LOWEST) };
        match trail.points.last_mut() {
            Some(last) if last.entry == index => *last = point,
            Some(last) if (last.score - point.score).abs() < MOVED => {}
            _ => trail.points.push(point),
        }
        if trail.points.len() > MOST_POINTS {
            // Of what is long ago every second point, so that the curve reaches far back.
            let half = MOST_POINTS / 2;
            let mut at = 0;
            trail.points.retain(|_| {
                at += 1;
                at > half || at % 2 == 1
            });
        }
        if is_quiet {
            trail.from = index + 1;
        }
    }

    fn met(&mut self, customer: &CustomerId, time: Timestamp) -> String {
        let name = self.name(customer);
        self.state.met.insert(name.clone(), Month::of(time));
        name
    }

    fn forget(&mut self, name: &str) {
        self.watch.forget_customer(name);
        self.state.met.remove(name);
        self.state.erasing.retain(|_, theirs| theirs != name);
    }

    fn name(&self, customer: &CustomerId) -> String {
        self.hashed(&[customer.as_str().as_bytes()])
    }

    fn hashed(&self, parts: &[&[u8]]) -> String {
        let mut bytes = self.state.key.to_vec();
        for part in parts {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(*part);
        }
        let mut text = Digest::of(&bytes).to_string();
        text.truncate(24);
        text
    }
}

fn session_name(session: SessionId) -> String {
    session.to_string()
}

/// The same for every node that sees the same.
fn id(finding: &Finding, at: u64) -> FindingId {
    let text = format!("{} {} {} {at}", finding.staff, finding.detector.word(), finding.level);
    let mut id = [0; 10];
    id.copy_from_slice(&Digest::of(text.as_bytes()).0[..10]);
    FindingId::from_bytes(id)
}

/// Nats as hundredths.
pub(crate) fn hundredths(nats: f64) -> i32 {
    // A float that is no number becomes 0, and one that is too large the largest.
    (nats * 100.0).round() as i32
}

impl Watch {
    /// The next line counts as this entry's: contributions name it.
    fn number(&mut self, entry: u64) {
        self.set_lines(entry.saturating_sub(1));
    }

    fn peers(&self, staff: &StaffId, role: model::Role) -> Peers {
        let mut scores: Vec<i32> = self.scores_of(staff, role).into_iter().map(hundredths).collect();
        scores.sort_unstable();
        let at = |share: usize| scores.get((scores.len() * share / 100).min(scores.len().saturating_sub(1)));
        let of = |share| at(share).copied().unwrap_or_default();
        Peers {
            people: scores.len() as u32,
            median: of(50),
            p90: of(90),
            highest: scores.last().copied().unwrap_or_default(),
        }
    }

    fn rungs(&self, role: model::Role) -> Vec<i32> {
        let rungs = self.options().ladder.rungs(role);
        Level::ALL.iter().map(|level| hundredths(rungs.at(*level))).collect()
    }

    fn usual(&self, staff: &StaffId, heaviest: Option<&model::containment::Contribution>) -> Usual {
        self.measured_by(staff, heaviest).unwrap_or(Usual { shifts: 0, one_in: None, customers: 0, rows: 0 })
    }
}

#[cfg(test)]
mod tests;
