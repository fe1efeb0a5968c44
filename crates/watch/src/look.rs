//! A look, from its line to what became of it.

use model::entry::Action;
use model::{ClassSet, Role, StaffId, Timestamp};

use crate::baseline::{FIELDS, Null, Outcome};
use crate::book::GRACE;
use crate::cell::Cell;
use crate::clock::{DAY, MINUTE};
use crate::detector::{Detector, Settled};
use crate::finding::{Finding, Output, Weighty};
use crate::ladder::Level;
use crate::line::AccessLine;
use crate::load::Load;
use crate::outage::Told;
use crate::person::{Errand, Person};
use crate::state::{OpenLook, Unexplained};
use crate::team::Teams;
use crate::watch::{Odd, Watch};

/// A look after which nothing is done for so long is idle.
pub(crate) const FOLLOW_UP: u64 = 15 * MINUTE;
/// A look that nothing explains is weighed once more after so long, by what colleagues have done since.
const HINDSIGHT: u64 = 120 * MINUTE;
/// A look that follows so soon puts a wrong one right.
const AT_ONCE: u64 = MINUTE;
/// Two weak looks of different people at one customer meet within this time.
pub(crate) const MEETING: u64 = 30 * DAY;
/// Shifts of others in a role before anything is held against its people.
const ROLE_KNOWN: f64 = 40.0;

impl Watch {
    pub(crate) fn access(
        &mut self,
        time: Timestamp,
        line: &AccessLine<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(), Odd> {
        let state = &mut self.state;
        let staff = state.staff_names.number(&line.staff);
        let mut odd = Ok(());
        if state.people.get_mut(staff).is_none() {
            let team = state.team_names.number("");
            state.people.or_insert_with(staff, || Person::new(Role::Agent, team));
            odd = Err(Odd::UnknownStaff(line.staff.to_string()));
        }
        self.begin_shift(staff, time);
        let state = &mut self.state;
        // Made in the lines above, if it was not there.
        let Some(person) = state.people.get_mut(staff) else { return odd };
        if person.day.looks == 0 && !state.at_work.contains(&staff) {
            person.new_day();
            state.at_work.push(staff);
        }
        let is_view = matches!(line.action, Action::View | Action::Export);
        person.device(time, hash(line.session.as_deref()), hash(line.ip.as_deref()), is_view);
        if let Some(customer) = &line.customer {
            let customer = state.customer_names.number(customer);
            if is_view {
                self.view(time, staff, customer, line.fields, out);
            } else {
                self.listed(time, staff, customer, out);
            }
        }
        odd
    }

    fn begin_shift(&mut self, staff: u32, time: Timestamp) {
        let state = &mut self.state;
        let Some(person) = state.people.get_mut(staff).filter(|p| p.is_new_shift(time)) else { return };
        let nudge = self.options.ladder.rungs(person.role).nudge;
        let had_one = person.null.is_some();
        let teaches = person.end_shift(self.options.weak_per_shift, nudge);
        let role = &mut state.roles[person.role as usize];
        if had_one {
            person.learn(teaches);
            // Where nothing is known yet, everything is taken for usual.
            let teaches = if person.on_trial { 1.0 } else { teaches };
            role.add(&person.shift, teaches);
            person.given.add(&person.shift, teaches);
        }
        let others = role.shifts - person.given.shifts;
        let mut spread = state.spreads[person.role as usize];
        spread.add(&person.spread, -1.0);
        person.begin_shift(time, role, &spread, others < ROLE_KNOWN);
        let usual = person.null.as_ref().map_or(0.0, |null| null.volume.mean);
        let load = Load { seen: 0.0, usual };
        state.teams.worked(person.place(), std::mem::replace(&mut person.load, load), load);
    }

    fn view(&mut self, time: Timestamp, staff: u32, customer: u32, fields: ClassSet, out: &mut Vec<Output>) {
        let state = &mut self.state;
        let Some(person) = state.people.get_mut(staff) else { return };
        person.day.looks += 1;
        if let Some(look) = state.open.of(staff, customer) {
            look.fields |= fields.bits();
            return;
        }
        if person.seen.insert(customer, person.shift_number) == Some(person.shift_number) {
            return;
        }
        let Some(null) = person.null.take() else { return };
        let high_value = state.high_value.contains(&customer);
        let (cell, ticket) = state.book.explain(staff, customer, time, time);
        let common = common(&state.teams, time, person, &null, cell);
        let share = match cell {
            // A colleague who needs help with five customers; a case to which a lead has linked a hundred.
            Cell::OthersCustomer => match state.book.holder(staff, customer) {
                Some(holder) => person.errand(time, Errand::For(holder)).powi(2),
                None => 1.0,
            },
            Cell::Linked => ticket.map_or(1.0, |ticket| person.errand(time, Errand::Case(ticket)).powi(2)),
            Cell::Nothing => person.same_errand(time).powi(2),
            Cell::Routed
            | Cell::Assigned
            | Cell::ColleagueMade
            | Cell::Picked
            | Cell::Contact
            | Cell::SelfMade => 1.0,
        };
        let ratios = person.detectors.look(&null, cell, high_value, common, share);
        if let Some(previous) = state.open.numbered(person.last_look)
            && previous.staff == staff
            && previous.time.0 + AT_ONCE >= time.0
        {
            previous.corrected = !cell.is_weak();
        }
        person.customers_in_shift += share;
        if person.load.usual > 0.0 {
            let before = person.load;
            person.load.seen += share;
            state.teams.worked(person.place(), before, person.load);
        }
        person.busy = state.teams.load(person.place(), person.load);
        let strangers = person.listed.len() as f64;
        person.detectors.running(&null, person.busy, person.customers_in_shift, strangers);
        if state.canaries.contains(&customer) {
            person.detectors.canary();
        }
        let tally = &mut person.shift;
        tally.cells[cell as usize] += 1.0;
        tally.high_value[cell as usize] += f64::from(u8::from(high_value));
        state.teams.see(time, person.place(), &mut person.recent, Told::AtOnce, Some(cell), &null);

        let line = state.lines;
        let (acted, corrected, fields) = (false, false, fields.bits());
        person.last_look = state.open.push(OpenLook {
            time,
            staff,
            customer,
            cell,
            high_value,
            ratios,
            fields,
            acted,
            line,
            corrected,
            share,
            common,
        });
        let look = Weighty { line, time, nats: 0.0, detector: detector(), cell, high_value, idle: false };
        person.null = Some(null);
        person.weigh(look, customer);
        self.raise(staff, time, out);
    }

    fn listed(&mut self, time: Timestamp, staff: u32, customer: u32, out: &mut Vec<Output>) {
        let state = &mut self.state;
        let Some(person) = state.people.get_mut(staff) else { return };
        let Some(null) = &person.null else { return };
        if person.seen.get(&customer) == Some(&person.shift_number) || person.listed.contains(&customer) {
            return;
        }
        let cell = state.book.cell(staff, customer, time, time);
        if !cell.is_weak() {
            return;
        }
        person.listed.insert(customer);
        let strangers = person.listed.len() as f64;
        person.detectors.running(null, person.busy, person.customers_in_shift, strangers);
        let high_value = state.high_value.contains(&customer);
        let line = state.lines;
        let mut look = Weighty { line, time, nats: 0.0, detector: detector(), cell, high_value, idle: false };
        person.weigh(look.clone(), customer);
        if state.canaries.contains(&customer) {
            // A row is no look: a word, and no score.
            look.detector = Detector::Canary;
            let name = StaffId::new(state.staff_names.name(staff));
            out.push(Output::Finding(Box::new(Finding::listed_canary(time, name, person, &look))));
        }
        self.raise(staff, time, out);
    }

    pub(crate) fn settle_until(&mut self, time: Timestamp, out: &mut Vec<Output>) {
        if let Some(until) = time.0.checked_sub(FOLLOW_UP) {
            while let Some(look) = self.state.open.pop_until(Timestamp(until)) {
                self.settle(look, out);
            }
        }
        while self.state.unexplained.front().is_some_and(|look| look.time.0 + HINDSIGHT <= time.0) {
            if let Some(look) = self.state.unexplained.pop_front() {
                self.review(&look);
            }
        }
    }

    /// Colleagues who met the same outage later explain a look too: what it weighs too much is taken back.
    fn review(&mut self, look: &Unexplained) {
        let state = &mut self.state;
        let Some(person) = state.people.get_mut(look.staff) else { return };
        let now = Timestamp(look.time.0 + HINDSIGHT);
        let Some(null) = &person.null else { return };
        let common = state.teams.excess(now, person.place(), &person.recent, Told::Later, look.cell, null);
        if common > look.common {
            person.detectors.take_back(&look.ratios, (look.common / common).powf(look.share));
        }
    }

    /// What became of a look is known.
    fn settle(&mut self, look: OpenLook, out: &mut Vec<Output>) {
        let state = &mut self.state;
        let Some(person) = state.people.get_mut(look.staff) else { return };
        let Some(null) = person.null.take() else { return };
        let OpenLook { staff, customer, cell, .. } = look;
        let explained = match cell.is_weak() {
            true => state.book.cell(staff, customer, look.time, Timestamp(look.time.0 + GRACE)),
            false => cell,
        };
        let came = cell.is_weak() && !explained.is_weak();
        let idle = !look.acted;
        let outcome = Outcome { idle, came, corrected: cell.is_weak() && look.corrected };
        let (now, place) = (Timestamp(look.time.0 + FOLLOW_UP), person.place());
        let mut common = 1.0;
        if cell.is_weak() {
            let excess = |told| state.teams.excess(now, place, &person.recent, told, cell, &null);
            common = excess(Told::AtOnce).max(excess(Told::Later)).max(look.common);
        }
        let unexplained = (cell.is_weak() && !came).then_some(cell);
        state.teams.see(now, place, &mut person.recent, Told::Later, unexplained, &null);
        // The probability of cell and outcome together; a part of it was reckoned with at first sight.
        let more = null.common(cell, common) / null.common(cell, look.common);
        let (first, share) = (&look.ratios, look.share);
        let ratios =
            person.detectors.settle(&null, &Settled { first, cell, explained, outcome, common: more, share });
        if unexplained.is_some() {
            let OpenLook { time, staff, .. } = look;
            state.unexplained.push_back(Unexplained { time, staff, cell, ratios, common, share });
        }
        person.detectors.fields(&null, look.fields);
        if matches!(explained, Cell::Assigned | Cell::ColleagueMade)
            && let Some(giver) = state.book.giver(staff, customer)
        {
            let (team, givers) = (state.teams.givers(person.team), &person.givers);
            person
                .detectors
                .given(&null, explained, giver, idle, |from| givers.share(from, team.share(from)));
            person.givers_in_shift.push(giver);
            state.teams.gave(person.team, giver);
        }
        let tally = &mut person.shift;
        tally.after[cell as usize][outcome.index()] += 1.0;
        (0..FIELDS).filter(|i| look.fields & (1 << i) != 0).for_each(|i| tally.fields[i] += 1.0);
        if explained.is_weak() {
            person.weak_in_shift += 1;
            if explained != Cell::OthersCustomer {
                let touch = state.touched.insert(customer, (staff, look.time));
                let met = touch.is_some_and(|(who, when)| who != staff && look.time.0 - when.0 < MEETING);
                tally.weak += 1.0;
                tally.met += f64::from(u8::from(met));
                person.detectors.weak(&null, met);
            }
        }
        let weighty = Weighty {
            line: look.line,
            time: look.time,
            nats: 0.0,
            detector: detector(),
            cell: explained,
            high_value: look.high_value,
            idle,
        };
        person.null = Some(null);
        person.weigh(weighty, customer);
        self.raise(staff, Timestamp(look.time.0 + FOLLOW_UP), out);
    }

    /// Raises a finding if the score has reached a rung for the first time since it was quiet.
    fn raise(&mut self, staff: u32, time: Timestamp, out: &mut Vec<Output>) {
        let state = &mut self.state;
        let Some(person) = state.people.get_mut(staff) else { return };
        let score = person.score();
        let rungs = self.options.ladder.rungs(person.role);
        if score < rungs.nudge * 0.5 {
            person.level = None;
            return;
        }
        // One opened decoy is enough, wherever the rungs stand.
        let at_least = person.detectors.has_canary().then_some(Level::Suspend);
        let reached = rungs.reached(score).max(at_least);
        let Some(level) = reached.filter(|level| Some(*level) > person.level) else { return };
        person.level = Some(level);
        let name = StaffId::new(state.staff_names.name(staff));
        out.push(Output::Finding(Box::new(Finding::tell(time, name, level, person))));
    }
}

/// How much likelier looks of this cell are just now for this person's colleagues; 1 unless it is a weak one.
fn common(teams: &Teams, now: Timestamp, person: &Person, null: &Null, cell: Cell) -> f64 {
    if !cell.is_weak() {
        return 1.0;
    }
    teams.excess(now, person.place(), &person.recent, Told::AtOnce, cell, null)
}

/// FNV-1a; 0 for nothing. Sessions and addresses are only ever compared.
fn hash(text: Option<&str>) -> u64 {
    let fold = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
    text.filter(|t| !t.is_empty()).map_or(0, |t| t.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, fold).max(1))
}

/// Until it is weighed, a look belongs to the detector of purpose.
fn detector() -> Detector {
    Detector::Purpose
}
