//! The fold: lines in, findings and days out.

use std::collections::{HashMap, HashSet, VecDeque};

use model::entry::Action;
use model::ticket::{TicketActor, TicketWhat};
use model::{ClassSet, Role, StaffId, Timestamp};

use crate::baseline::{FIELDS, Null, Outcome, Tally};
use crate::book::{Book, Fact, GRACE};
use crate::cell::Cell;
use crate::clock::{DAY, MINUTE, WEEK};
use crate::detector::{DETECTORS, Detector, Ratios, Settled};
use crate::finding::{Finding, Output, StaffDay, Weighty};
use crate::ladder::{Ladder, Level};
use crate::line::{AccessLine, CustomerLine, Line, StaffLine, TicketLine};
use crate::names::Names;
use crate::person::{DaySoFar, Errand, Person};
use crate::team::Teams;

/// A look after which nothing is done for so long is idle.
const FOLLOW_UP: u64 = 15 * MINUTE;
/// Shifts whose score reached this part of a nudge teach nothing.
const LEARN_BELOW: f64 = 0.6;
/// A look that follows so soon puts a wrong one right.
const AT_ONCE: u64 = MINUTE;
/// Two weak looks of different people at one customer meet within this time.
const MEETING: u64 = 30 * DAY;
/// Shifts of others in a role before its people's strange shifts teach it nothing.
const ROLE_LEARNS: f64 = 40.0;
/// A clock that jumps forward by more than this is not believed.
const LONGEST_GAP: u64 = 400 * DAY;

/// How to watch.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Where the rungs stand.
    pub ladder: Ladder,
    /// The budget of weak looks a shift.
    pub weak_per_shift: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { ladder: Ladder::default(), weak_per_shift: model::Budgets::default().weak_per_shift }
    }
}

/// A line that was understood and is odd.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Odd {
    /// A line about somebody of whom no line of kind `staff` has told.
    #[error("staff member {0:?} was not introduced; taken for an agent without a team")]
    UnknownStaff(String),
    /// A line older than the one before it.
    #[error("{0} before the line in front of it; taken as if it had happened with it")]
    OutOfOrder(Timestamp),
    /// A line far in the future of the one before it.
    #[error("{0} is more than a year after the line in front of it; left out")]
    ClockJump(Timestamp),
}

/// Watches a stream of lines in time order.
#[derive(Debug, Clone)]
pub struct Watch {
    pub(crate) options: Options,
    pub(crate) state: State,
}

/// Everything that the next line depends on.
#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
pub(crate) struct State {
    #[n(0)]
    now: Timestamp,
    #[n(1)]
    pub(crate) staff_names: Names,
    #[n(2)]
    pub(crate) customer_names: Names,
    #[n(3)]
    ticket_names: Names,
    #[n(4)]
    team_names: Names,
    #[n(5)]
    pub(crate) people: HashMap<u32, Person>,
    #[n(6)]
    roles: [Tally; Role::ALL.len()],
    #[n(7)]
    teams: Teams,
    #[n(8)]
    book: Book,
    #[n(9)]
    pub(crate) high_value: HashSet<u32>,
    #[n(10)]
    pub(crate) canaries: HashSet<u32>,
    /// Who looked at a customer for a weak reason last, and when.
    #[n(11)]
    touched: HashMap<u32, (u32, Timestamp)>,
    /// Looks of which it is not known yet what became of them, in time order.
    #[n(12)]
    open: VecDeque<OpenLook>,
    /// The number of the first of these.
    #[n(13)]
    first_open: u64,
    /// For each person and customer the number of the open look.
    #[n(14)]
    open_of: HashMap<(u32, u32), u64>,
    /// People with looks today.
    #[n(15)]
    at_work: Vec<u32>,
    #[n(16)]
    pub(crate) lines: u64,
}

/// A look of which it is not known yet what became of it.
#[derive(Debug, Clone, minicbor::Encode, minicbor::Decode)]
struct OpenLook {
    #[n(0)]
    time: Timestamp,
    #[n(1)]
    staff: u32,
    #[n(2)]
    customer: u32,
    #[n(3)]
    cell: Cell,
    #[n(4)]
    high_value: bool,
    #[n(5)]
    ratios: Ratios,
    #[n(6)]
    fields: u32,
    #[n(7)]
    acted: bool,
    #[n(8)]
    line: u64,
    #[n(9)]
    corrected: bool,
    /// What part of its weight it has.
    #[n(10)]
    share: f64,
    /// How much likelier such looks were for everybody when it happened.
    #[n(11)]
    common: f64,
}

impl Watch {
    /// Nothing seen yet.
    pub fn new(options: Options) -> Self {
        Self { options, state: State::default() }
    }

    pub(crate) fn from_state(options: Options, state: State) -> Self {
        Self { options, state }
    }

    /// How many lines were taken in, over all files.
    pub fn lines(&self) -> u64 {
        self.state.lines
    }

    /// Takes a line in. What is odd about it is no reason to stop.
    pub fn line(&mut self, line: &Line<'_>, out: &mut Vec<Output>) -> Result<(), Odd> {
        self.state.lines += 1;
        match line {
            Line::Staff(line) => {
                self.staff(line);
                Ok(())
            }
            Line::Customer(line) => {
                self.customer(line);
                Ok(())
            }
            Line::Ticket(line) => {
                let time = self.advance(line.time, out)?;
                self.ticket(time, line);
                in_order(time, line.time)
            }
            Line::Access(line) => {
                let time = self.advance(line.time, out)?;
                let odd = self.access(time, line, out);
                odd.and(in_order(time, line.time))
            }
        }
    }

    /// The log has ended: what became of the last looks is judged as if nothing came any more. A log that
    /// goes on elsewhere is saved instead.
    pub fn finish(&mut self, out: &mut Vec<Output>) {
        let end = Timestamp(self.state.now.0 + FOLLOW_UP);
        self.settle_until(end, out);
        self.end_day(out);
    }

    fn staff(&mut self, line: &StaffLine<'_>) {
        let number = self.state.staff_names.number(&line.staff);
        let team = self.state.team_names.number(&line.team);
        let state = &mut self.state;
        let person = state.people.entry(number).or_insert_with(|| Person::new(line.role, team));
        if person.role != line.role || person.team != team {
            let place = person.place();
            state.teams.leave(state.now, place, &mut person.recent);
        }
        if person.role != line.role {
            // A new role is measured by its own people; what was usual in the old one says nothing.
            state.roles[person.role as usize].add(&person.given, -1.0);
            *person = Person { seen: std::mem::take(&mut person.seen), ..Person::new(line.role, team) };
        }
        person.team = team;
    }

    fn customer(&mut self, line: &CustomerLine<'_>) {
        let number = self.state.customer_names.number(&line.customer);
        set(&mut self.state.high_value, number, line.tier.is_high_value());
        set(&mut self.state.canaries, number, line.canary);
    }

    fn ticket(&mut self, time: Timestamp, line: &TicketLine<'_>) {
        let state = &mut self.state;
        let by = match &*line.by {
            "customer" => TicketActor::Customer,
            "router" => TicketActor::Router,
            staff => TicketActor::Staff(state.staff_names.number(staff)),
        };
        let fact = Fact {
            time,
            what: line.what,
            ticket: state.ticket_names.number(&line.ticket),
            customer: state.customer_names.number(&line.customer),
            by,
            to: line.to.as_deref().map(|to| state.staff_names.number(to)),
        };
        let does_something =
            !matches!(line.what, TicketWhat::Opened | TicketWhat::Picked | TicketWhat::Linked);
        if let TicketActor::Staff(staff) = by
            && does_something
        {
            let about = state.book.customer_of(fact.ticket);
            for customer in [Some(fact.customer), about].into_iter().flatten() {
                let open = state.open_of.get(&(staff, customer));
                if let Some(look) = open.and_then(|n| state.open.get_mut((n - state.first_open) as usize)) {
                    look.acted = true;
                }
            }
        }
        state.book.take(fact);
    }

    fn access(&mut self, time: Timestamp, line: &AccessLine<'_>, out: &mut Vec<Output>) -> Result<(), Odd> {
        let state = &mut self.state;
        let staff = state.staff_names.number(&line.staff);
        let mut odd = Ok(());
        if !state.people.contains_key(&staff) {
            let team = state.team_names.number("");
            state.people.insert(staff, Person::new(Role::Agent, team));
            odd = Err(Odd::UnknownStaff(line.staff.to_string()));
        }
        self.begin_shift(staff, time);
        let state = &mut self.state;
        // Made in the lines above, if it was not there.
        let Some(person) = state.people.get_mut(&staff) else { return odd };
        let before = person.parts();
        if person.day.looks == 0 && !state.at_work.contains(&staff) {
            person.new_day();
            state.at_work.push(staff);
        }
        let is_view = matches!(line.action, Action::View | Action::Export);
        person.device(time, hash(line.session.as_deref()), hash(line.ip.as_deref()), is_view);
        if let Some(customer) = &line.customer {
            let customer = state.customer_names.number(customer);
            if is_view {
                self.view(time, staff, customer, line.fields, &before, out);
            } else {
                self.listed(time, staff, customer, &before, out);
            }
        }
        odd
    }

    fn begin_shift(&mut self, staff: u32, time: Timestamp) {
        let state = &mut self.state;
        let Some(person) = state.people.get_mut(&staff).filter(|p| p.is_new_shift(time)) else { return };
        // Well below a nudge, so that nobody works their way up underneath it.
        let learn_below = LEARN_BELOW * self.options.ladder.rungs(person.role).nudge;
        let had_one = person.null.is_some();
        let is_usual = person.end_shift(self.options.weak_per_shift, learn_below);
        let role = &mut state.roles[person.role as usize];
        let others = role.shifts - person.given.shifts;
        if had_one {
            if is_usual {
                person.own.add(&person.shift, 1.0);
            }
            if is_usual || others < ROLE_LEARNS {
                role.add(&person.shift, 1.0);
                person.given.add(&person.shift, 1.0);
            }
            if others < ROLE_LEARNS {
                // What was odd by a baseline that was hardly there is not held against anybody.
                person.detectors = Default::default();
                person.level = None;
            }
        }
        person.begin_shift(time, role);
    }

    fn view(
        &mut self,
        time: Timestamp,
        staff: u32,
        customer: u32,
        fields: ClassSet,
        before: &[f64; DETECTORS],
        out: &mut Vec<Output>,
    ) {
        let state = &mut self.state;
        let Some(person) = state.people.get_mut(&staff) else { return };
        person.day.looks += 1;
        if let Some(number) = state.open_of.get(&(staff, customer)) {
            if let Some(look) = state.open.get_mut((number - state.first_open) as usize) {
                look.fields |= fields.bits();
            }
            return;
        }
        if person.seen.insert(customer, person.shift_number) == Some(person.shift_number) {
            return;
        }
        person.customers_in_shift += 1;
        let Some(null) = person.null.take() else { return };
        let high_value = state.high_value.contains(&customer);
        let (cell, ticket) = state.book.explain(staff, customer, time, time);
        let common = common(&state.teams, time, person, &null, cell);
        let share = match cell {
            // A colleague who needs help with five customers; a case to which a lead has linked a hundred.
            Cell::OthersCustomer => {
                state.book.holder(staff, customer).map_or(1.0, |holder| person.errand(Errand::For(holder)))
            }
            Cell::Linked => ticket.map_or(1.0, |ticket| person.errand(Errand::Case(ticket)).powi(2)),
            _ => 1.0,
        };
        let ratios = person.detectors.look(&null, cell, high_value, common, share);
        let previous = person.last_look.checked_sub(state.first_open);
        let previous = previous.and_then(|at| state.open.get_mut(at as usize));
        if let Some(previous) = previous.filter(|look| look.staff == staff && look.time.0 + AT_ONCE >= time.0)
        {
            previous.corrected = !cell.is_weak();
        }
        person.last_look = state.first_open + state.open.len() as u64;
        person.detectors.running(&null, f64::from(person.customers_in_shift), person.listed.len() as f64);
        if state.canaries.contains(&customer) {
            person.detectors.canary();
        }
        let tally = &mut person.shift;
        tally.cells[cell as usize] += 1.0;
        tally.high_value[cell as usize] += f64::from(u8::from(high_value));
        state.teams.looked(time, person.place(), &mut person.recent, cell, &null.cells);

        let line = state.lines;
        state.open_of.insert((staff, customer), state.first_open + state.open.len() as u64);
        let fields = fields.bits();
        state.open.push_back(OpenLook {
            time,
            staff,
            customer,
            cell,
            high_value,
            ratios,
            fields,
            acted: false,
            line,
            corrected: false,
            share,
            common,
        });
        let look = Weighty { line, time, nats: 0.0, detector: detector(), cell, high_value, idle: false };
        person.null = Some(null);
        person.weigh(look, customer, before);
        self.raise(staff, time, out);
    }

    fn listed(
        &mut self,
        time: Timestamp,
        staff: u32,
        customer: u32,
        before: &[f64; DETECTORS],
        out: &mut Vec<Output>,
    ) {
        let state = &mut self.state;
        let Some(person) = state.people.get_mut(&staff) else { return };
        let Some(null) = &person.null else { return };
        let cell = state.book.cell(staff, customer, time, time);
        if !cell.is_weak() || person.seen.get(&customer) == Some(&person.shift_number) {
            return;
        }
        if !person.listed.insert(customer) {
            return;
        }
        person.detectors.running(null, f64::from(person.customers_in_shift), person.listed.len() as f64);
        let high_value = state.high_value.contains(&customer);
        let line = state.lines;
        let mut look = Weighty { line, time, nats: 0.0, detector: detector(), cell, high_value, idle: false };
        person.weigh(look.clone(), customer, before);
        if state.canaries.contains(&customer) {
            // A row is no look: a word, and no score.
            look.detector = Detector::Canary;
            let name = StaffId::new(state.staff_names.name(staff));
            out.push(Output::Finding(Box::new(Finding::listed_canary(time, name, person, &look))));
        }
        self.raise(staff, time, out);
    }

    /// Moves the clock: what became of old looks is known, days and weeks end. The time to go by.
    fn advance(&mut self, time: Timestamp, out: &mut Vec<Output>) -> Result<Timestamp, Odd> {
        let now = self.state.now;
        if now.0 == 0 {
            self.state.now = time;
            return Ok(time);
        }
        if time.0 > now.0 + LONGEST_GAP {
            return Err(Odd::ClockJump(time));
        }
        let time = time.max(now);
        self.settle_until(time, out);
        if Person::day_of(time) != Person::day_of(now) {
            self.end_day(out);
            if time.0 / WEEK != now.0 / WEEK {
                self.end_week(time);
            }
        }
        self.state.now = time;
        Ok(time)
    }

    fn settle_until(&mut self, time: Timestamp, out: &mut Vec<Output>) {
        while self.state.open.front().is_some_and(|look| look.time.0 + FOLLOW_UP <= time.0) {
            let Some(look) = self.state.open.pop_front() else { return };
            self.state.first_open += 1;
            self.state.open_of.remove(&(look.staff, look.customer));
            self.settle(look, out);
        }
    }

    /// What became of a look is known.
    fn settle(&mut self, look: OpenLook, out: &mut Vec<Output>) {
        let state = &mut self.state;
        let Some(person) = state.people.get_mut(&look.staff) else { return };
        let before = person.parts();
        let Some(null) = person.null.take() else { return };
        let OpenLook { staff, customer, cell, .. } = look;
        let explained = match cell.is_weak() {
            true => state.book.cell(staff, customer, look.time, Timestamp(look.time.0 + GRACE)),
            false => cell,
        };
        let came = cell.is_weak() && !explained.is_weak();
        let idle = !look.acted;
        let outcome = Outcome { idle, came, corrected: cell.is_weak() && look.corrected };
        let (mut kept_common, mut hindsight) = (1.0, 1.0);
        if cell.is_weak() {
            let now = Timestamp(look.time.0 + FOLLOW_UP);
            let since = common(&state.teams, now, person, &null, cell).max(look.common);
            hindsight = null.common(cell, look.common) / null.common(cell, since);
            let after = &null.after[cell as usize];
            let kept = after[0] + after[1] + after[4] + after[5];
            let place = person.place();
            kept_common = state.teams.colleagues(now, place, &person.recent).unexplained(cell, kept);
            state.teams.settled(now, place, &mut person.recent, cell, !came, kept);
        }
        let (first, share, common) = (&look.ratios, look.share, kept_common);
        person
            .detectors
            .settle(&null, &Settled { first, cell, explained, outcome, common, hindsight, share });
        person.detectors.fields(&null, look.fields);
        if matches!(explained, Cell::Assigned | Cell::ColleagueMade)
            && let Some(giver) = state.book.giver(staff, customer)
        {
            let teams = &state.teams;
            let team = person.team;
            person.detectors.given(&null, explained, giver, idle, |from| teams.share(team, from));
            state.teams.gave(team, giver);
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
        person.weigh(weighty, customer, &before);
        self.raise(staff, Timestamp(look.time.0 + FOLLOW_UP), out);
    }

    /// Raises a finding if the score has reached a rung for the first time since it was quiet.
    fn raise(&mut self, staff: u32, time: Timestamp, out: &mut Vec<Output>) {
        let state = &mut self.state;
        let Some(person) = state.people.get_mut(&staff) else { return };
        let parts = person.parts();
        let score = parts.iter().sum::<f64>().ln();
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
        let finding =
            Finding::tell(time, StaffId::new(state.staff_names.name(staff)), level, score, &parts, person);
        out.push(Output::Finding(Box::new(finding)));
    }

    fn end_day(&mut self, out: &mut Vec<Output>) {
        let state = &mut self.state;
        let day = Timestamp(Person::day_of(state.now) * DAY);
        for staff in std::mem::take(&mut state.at_work) {
            let Some(person) = state.people.get_mut(&staff) else { continue };
            let DaySoFar { before, highest, looks, .. } = person.day;
            let (score, role) = (person.score(), person.role);
            let staff = StaffId::new(state.staff_names.name(staff));
            out.push(Output::Day(StaffDay { day, staff, role, before, highest, score, looks }));
            person.day = DaySoFar::default();
        }
    }

    fn end_week(&mut self, now: Timestamp) {
        let state = &mut self.state;
        for person in state.people.values_mut() {
            person.end_week(&state.roles[person.role as usize]);
        }
        state.roles.iter_mut().for_each(Tally::fade);
        state.teams.fade();
        state.book.forget(now);
        state.touched.retain(|_, (_, when)| now.0.saturating_sub(when.0) < MEETING);
    }
}

/// How much likelier looks of this cell are just now for this person's colleagues; 1 unless it is a weak one.
fn common(teams: &Teams, now: Timestamp, person: &Person, null: &Null, cell: Cell) -> f64 {
    if !cell.is_weak() {
        return 1.0;
    }
    teams.colleagues(now, person.place(), &person.recent).weak(cell, null.cells[cell as usize])
}

fn in_order(time: Timestamp, said: Timestamp) -> Result<(), Odd> {
    if said < time { Err(Odd::OutOfOrder(said)) } else { Ok(()) }
}

fn set(set: &mut HashSet<u32>, number: u32, is_in: bool) {
    if is_in {
        set.insert(number);
    } else {
        set.remove(&number);
    }
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
