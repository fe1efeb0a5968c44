//! The fold: lines in, findings and days out.

use model::ticket::{TicketActor, TicketWhat};
use model::{StaffId, Timestamp};

use crate::baseline::Tally;
use crate::book::{Fact, Taken};
use crate::clock::{DAY, WEEK};
use crate::finding::{Output, StaffDay};
use crate::ladder::Ladder;
use crate::line::{CustomerLine, Line, StaffLine, TicketLine};
use crate::load::Load;
use crate::look::{FOLLOW_UP, MEETING};
use crate::numbers::NumberSet;
use crate::person::{DaySoFar, Person};
use crate::state::State;
use crate::team::Recent;

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
    /// An event of a ticket that was told before.
    #[error("the same event of ticket {0:?} once more; left out")]
    Duplicate(String),
    /// A ticket that was opened before.
    #[error("ticket {0:?} was opened before; what explains a look is the first opening")]
    OpenedBefore(String),
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

impl Watch {
    /// Nothing seen yet.
    pub fn new(options: Options) -> Self {
        Self { options, state: State::default() }
    }

    pub(crate) fn from_state(options: Options, state: State) -> Self {
        Self { options, state }
    }

    /// Puts the rungs elsewhere, from the next line on.
    pub fn set_ladder(&mut self, ladder: Ladder) {
        self.options.ladder = ladder;
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
                let odd = self.ticket(time, line);
                odd.and(in_order(time, line.time))
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
        let person = state.people.or_insert_with(number, || Person::new(line.role, team));
        if person.role != line.role || person.team != team {
            let place = person.place();
            person.recent = Recent::default();
            state.teams.worked(place, std::mem::take(&mut person.load), Load::default());
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

    fn ticket(&mut self, time: Timestamp, line: &TicketLine<'_>) -> Result<(), Odd> {
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
                if let Some(look) = state.open.of(staff, customer) {
                    look.acted = true;
                }
            }
        }
        match state.book.take(fact) {
            Taken::New => Ok(()),
            Taken::Known => Err(Odd::Duplicate(line.ticket.to_string())),
            Taken::OpenedBefore => Err(Odd::OpenedBefore(line.ticket.to_string())),
        }
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

    fn end_day(&mut self, out: &mut Vec<Output>) {
        let state = &mut self.state;
        let day = Timestamp(Person::day_of(state.now) * DAY);
        for staff in std::mem::take(&mut state.at_work) {
            let Some(person) = state.people.get_mut(staff) else { continue };
            let DaySoFar { before, highest, looks, .. } = person.day;
            let (score, role) = (person.score(), person.role);
            let staff = StaffId::new(state.staff_names.name(staff));
            out.push(Output::Day(StaffDay { day, staff, role, before, highest, score, looks }));
            person.day = DaySoFar::default();
            person.load = Load::default();
        }
        state.teams.end_day();
        state.count_spreads();
    }

    fn end_week(&mut self, now: Timestamp) {
        let state = &mut self.state;
        for person in state.people.iter_mut() {
            let mut spread = state.spreads[person.role as usize];
            spread.add(&person.spread, -1.0);
            person.end_week(&state.roles[person.role as usize], &spread);
        }
        state.roles.iter_mut().for_each(Tally::fade);
        state.teams.fade();
        state.ticket_names.free(state.book.forget(now));
        state.touched.retain(|_, (_, when)| now.0.saturating_sub(when.0) < MEETING);
    }
}

fn in_order(time: Timestamp, said: Timestamp) -> Result<(), Odd> {
    if said < time { Err(Odd::OutOfOrder(said)) } else { Ok(()) }
}

fn set(set: &mut NumberSet, number: u32, is_in: bool) {
    if is_in {
        set.insert(number);
    } else {
        set.remove(&number);
    }
}
