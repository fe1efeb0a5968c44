//! What a watch remembers: everything that the next line depends on.

use std::collections::VecDeque;

use model::{Role, Timestamp};

use crate::baseline::Tally;
use crate::book::Book;
use crate::cell::Cell;
use crate::detector::Ratios;
use crate::names::Names;
use crate::numbers::{NumberMap, NumberSet, PairMap, pair};
use crate::person::Person;
use crate::spread::{Spread, Spreads};
use crate::team::Teams;

/// Everything.
#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
pub(crate) struct State {
    #[n(0)]
    pub(crate) now: Timestamp,
    #[n(1)]
    pub(crate) staff_names: Names,
    #[n(2)]
    pub(crate) customer_names: Names,
    #[n(3)]
    pub(crate) ticket_names: Names,
    #[n(4)]
    pub(crate) team_names: Names,
    #[n(5)]
    pub(crate) people: People,
    #[n(6)]
    pub(crate) roles: [Tally; Role::ALL.len()],
    #[n(7)]
    pub(crate) teams: Teams,
    #[n(8)]
    pub(crate) book: Book,
    #[n(9)]
    pub(crate) high_value: NumberSet,
    #[n(10)]
    pub(crate) canaries: NumberSet,
    /// Who looked at a customer for a weak reason last, and when.
    #[n(11)]
    pub(crate) touched: NumberMap<(u32, Timestamp)>,
    #[n(12)]
    pub(crate) open: OpenLooks,
    /// People with looks today.
    #[n(13)]
    pub(crate) at_work: Vec<u32>,
    #[n(14)]
    pub(crate) lines: u64,
    #[n(15)]
    pub(crate) spreads: Spreads,
    /// Looks that nothing has explained, in time order, until they are weighed once more.
    #[n(16)]
    pub(crate) unexplained: VecDeque<Unexplained>,
}

/// A look that nothing has explained.
#[derive(Debug, Clone, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Unexplained {
    #[n(0)]
    pub(crate) time: Timestamp,
    #[n(1)]
    pub(crate) staff: u32,
    #[n(2)]
    pub(crate) cell: Cell,
    /// What it was worth when it was settled.
    #[n(3)]
    pub(crate) ratios: Ratios,
    /// How much likelier such looks were for everybody by then.
    #[n(4)]
    pub(crate) common: f64,
    #[n(5)]
    pub(crate) share: f64,
}

impl State {
    /// How people differ is counted anew, in the order of their numbers: sums of the same numbers in another order
    /// would differ in their last digits, and with them a run from its restart.
    pub(crate) fn count_spreads(&mut self) {
        self.spreads = Spreads::default();
        for person in self.people.iter_mut() {
            person.spread = Spread::of(&person.own.cells);
            self.spreads[person.role as usize].add(&person.spread, 1.0);
        }
    }
}

/// People by number.
#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
pub(crate) struct People(#[n(0)] Vec<Option<Person>>);

impl People {
    pub(crate) fn get(&self, number: u32) -> Option<&Person> {
        self.0.get(number as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Person> {
        self.0.get_mut(number as usize)?.as_mut()
    }

    pub(crate) fn or_insert_with(&mut self, number: u32, new: impl FnOnce() -> Person) -> &mut Person {
        let at = number as usize;
        if at >= self.0.len() {
            self.0.resize_with(at + 1, || None);
        }
        self.0[at].get_or_insert_with(new)
    }

    /// Each with their number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Person)> {
        (0..).zip(&self.0).filter_map(|(number, person)| Some((number, person.as_ref()?)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Person> {
        self.0.iter_mut().flatten()
    }
}

/// Looks of which it is not known yet what became of them, in time order.
#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
pub(crate) struct OpenLooks {
    #[n(0)]
    looks: VecDeque<OpenLook>,
    /// The number of the first of these.
    #[n(1)]
    first: u64,
    /// For each person and customer the number of the open look.
    #[n(2)]
    of: PairMap<u64>,
}

impl OpenLooks {
    pub(crate) fn of(&mut self, staff: u32, customer: u32) -> Option<&mut OpenLook> {
        let number = *self.of.get(&pair(staff, customer))?;
        self.numbered(number)
    }

    pub(crate) fn numbered(&mut self, number: u64) -> Option<&mut OpenLook> {
        self.looks.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Adds a look, and says its number.
    pub(crate) fn push(&mut self, look: OpenLook) -> u64 {
        let number = self.first + self.looks.len() as u64;
        self.of.insert(pair(look.staff, look.customer), number);
        self.looks.push_back(look);
        number
    }

    /// The oldest look, if it was before `time`.
    pub(crate) fn pop_until(&mut self, time: Timestamp) -> Option<OpenLook> {
        if self.looks.front()?.time > time {
            return None;
        }
        let look = self.looks.pop_front()?;
        self.first += 1;
        self.of.remove(&pair(look.staff, look.customer));
        Some(look)
    }
}

/// A look of which it is not known yet what became of it.
#[derive(Debug, Clone, minicbor::Encode, minicbor::Decode)]
pub(crate) struct OpenLook {
    #[n(0)]
    pub(crate) time: Timestamp,
    #[n(1)]
    pub(crate) staff: u32,
    #[n(2)]
    pub(crate) customer: u32,
    #[n(3)]
    pub(crate) cell: Cell,
    #[n(4)]
    pub(crate) high_value: bool,
    #[n(5)]
    pub(crate) ratios: Ratios,
    #[n(6)]
    pub(crate) fields: u32,
    #[n(7)]
    pub(crate) acted: bool,
    #[n(8)]
    pub(crate) line: u64,
    #[n(9)]
    pub(crate) corrected: bool,
    /// What part of its weight it has.
    #[n(10)]
    pub(crate) share: f64,
    /// How much likelier such looks were for everybody when it happened.
    #[n(11)]
    pub(crate) common: f64,
}
