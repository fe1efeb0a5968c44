//! What the desk knows: customers, tickets, and the journal of what happened to tickets.

use std::collections::HashMap;
use std::time::Duration;

use model::{CustomerId, Role, TicketId, Tier, Timestamp};
use serde::{Deserialize, Serialize};

use crate::population::{Customer, Population};

/// As many open tickets as the router gives to one agent; beyond that, tickets wait.
const MOST_OPEN: usize = 6;

/// The desk's memory.
#[derive(Debug)]
pub(crate) struct Store {
    customers: Vec<Customer>,
    tickets_of: HashMap<CustomerId, Vec<usize>>,
    staff: Vec<Colleague>,
    tickets: Vec<Ticket>,
    journal: Vec<TicketEvent>,
    began: Timestamp,
}

/// A staff member, as the desk knows them.
#[derive(Debug, Clone)]
pub(crate) struct Colleague {
    pub(crate) login: String,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) team: String,
}

/// A ticket.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) id: TicketId,
    pub(crate) customer: CustomerId,
    pub(crate) subject: String,
    pub(crate) team: Option<String>,
    pub(crate) status: Status,
    /// The login of whoever works on it.
    pub(crate) assignee: Option<String>,
    pub(crate) opened: Timestamp,
    pub(crate) messages: Vec<Message>,
}

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Nobody works on it yet.
    New,
    /// Somebody works on it.
    Open,
    /// The customer is to answer.
    Waiting,
    /// Done.
    Closed,
}

impl Status {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Status::New => "new",
            Status::Open => "open",
            Status::Waiting => "waiting",
            Status::Closed => "closed",
        }
    }
}

/// A message of a conversation.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) from: Author,
    pub(crate) text: String,
    pub(crate) at: Timestamp,
}

/// Who does something on a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Author {
    Customer,
    Router,
    /// A staff member, by login.
    Staff(String),
}

impl Author {
    pub(crate) fn word(&self) -> &str {
        match self {
            Author::Customer => "customer",
            Author::Router => "router",
            Author::Staff(login) => login,
        }
    }
}

impl Serialize for Author {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.word())
    }
}

/// Something that happened to a ticket, as the feed tells it.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename = "ticket")]
pub(crate) struct TicketEvent {
    pub(crate) time: Timestamp,
    pub(crate) event: What,
    pub(crate) ticket: TicketId,
    pub(crate) customer: CustomerId,
    pub(crate) by: Author,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
}

/// What happened to a ticket; DESIGN section 6, kind `ticket`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    Opened,
    Assigned,
    Picked,
    Acted,
    Closed,
    Reopened,
}

/// What may be changed of a customer.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    address: Option<String>,
}

/// A new customer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TakenIn {
    name: String,
    email: String,
    phone: String,
    address: String,
    #[serde(default)]
    tier: Option<Tier>,
}

/// Why the store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is no such customer")]
    NoSuchCustomer,
    #[error("there is no such ticket")]
    NoSuchTicket,
    #[error("the ticket is closed")]
    Closed,
    #[error("somebody else works on this ticket already")]
    Taken,
    #[error("{0} must not be empty")]
    Empty(&'static str),
}

impl Store {
    pub(crate) fn new(population: Population, began: Timestamp) -> Self {
        let staff = population.staff.into_iter().map(|s| Colleague {
            login: s.login,
            name: s.name,
            role: s.record.role,
            team: s.record.team,
        });
        Self {
            customers: population.customers,
            tickets_of: HashMap::new(),
            staff: staff.collect(),
            tickets: Vec::new(),
            journal: Vec::new(),
            began,
        }
    }

    pub(crate) fn colleague(&self, login: &str) -> Option<&Colleague> {
        self.staff.iter().find(|s| s.login == login)
    }

    /// The logins of all agents.
    pub(crate) fn agents(&self) -> Vec<String> {
        self.staff.iter().filter(|s| s.role == Role::Agent).map(|s| s.login.clone()).collect()
    }

    pub(crate) fn customers(&self) -> &[Customer] {
        &self.customers
    }

    pub(crate) fn customer(&self, id: &CustomerId) -> Option<&Customer> {
        self.customers.get(self.place(id)?)
    }

    pub(crate) fn tickets(&self) -> &[Ticket] {
        &self.tickets
    }

    pub(crate) fn ticket(&self, id: &TicketId) -> Option<&Ticket> {
        self.tickets.get(self.ticket_place(id)?)
    }

    /// The customer's tickets, the newest first.
    pub(crate) fn tickets_of(&self, id: &CustomerId) -> impl Iterator<Item = &Ticket> {
        self.tickets_of.get(id).into_iter().flatten().rev().map(|place| &self.tickets[*place])
    }

    /// The time of something that the population dates backwards from when the desk began.
    pub(crate) fn ago(&self, minutes: u32) -> Timestamp {
        self.began.minus(Duration::from_secs(u64::from(minutes) * 60))
    }

    /// What happened after this many events, at most `limit` of it; and how many events that makes.
    pub(crate) fn journal_after(&self, cursor: usize, limit: usize) -> (&[TicketEvent], usize) {
        let from = cursor.min(self.journal.len());
        let to = (from + limit).min(self.journal.len());
        (&self.journal[from..to], to)
    }

    /// Customers of other than the standard tier, in order, from this place on.
    pub(crate) fn special_after(&self, cursor: usize, limit: usize) -> (Vec<&Customer>, usize) {
        let rest = self.customers.iter().enumerate().skip(cursor);
        let found: Vec<_> = rest.filter(|(_, c)| c.tier != Tier::Standard).take(limit).collect();
        let to = found.last().map_or(cursor.min(self.customers.len()), |(place, _)| place + 1);
        (found.into_iter().map(|(_, customer)| customer).collect(), to)
    }

    pub(crate) fn change_customer(&mut self, id: &CustomerId, change: Change) -> Result<(), Refused> {
        let place = self.place(id).ok_or(Refused::NoSuchCustomer)?;
        let customer = &mut self.customers[place];
        let fields = [
            ("name", change.name, &mut customer.name),
            ("email", change.email, &mut customer.email),
            ("phone", change.phone, &mut customer.phone),
            ("address", change.address, &mut customer.address),
        ];
        for (what, value, _) in &fields {
            if value.as_ref().is_some_and(|v| v.trim().is_empty()) {
                return Err(Refused::Empty(what));
            }
        }
        for (_, value, field) in fields {
            if let Some(value) = value {
                *field = value.trim().to_owned();
            }
        }
        Ok(())
    }

    /// Takes a new customer in: an account like others of their tier, and nothing that happened yet.
    pub(crate) fn take_in(&mut self, new: TakenIn) -> Result<CustomerId, Refused> {
        for (what, value) in
            [("name", &new.name), ("email", &new.email), ("phone", &new.phone), ("address", &new.address)]
        {
            if value.trim().is_empty() {
                return Err(Refused::Empty(what));
            }
        }
        let customer = Customer::taken_in(
            self.customers.len() as u32,
            new.tier.unwrap_or(Tier::Standard),
            [new.name, new.email, new.phone, new.address],
        );
        let id = customer.id.clone();
        self.customers.push(customer);
        Ok(id)
    }

    /// Opens a ticket. What a customer opens is routed; what a colleague opens is theirs.
    pub(crate) fn open_ticket(
        &mut self,
        by: Author,
        customer: &CustomerId,
        team: Option<&str>,
        subject: &str,
        text: &str,
        at: Timestamp,
    ) -> Result<TicketId, Refused> {
        let customer = self.customer(customer).ok_or(Refused::NoSuchCustomer)?.id.clone();
        if subject.trim().is_empty() {
            return Err(Refused::Empty("subject"));
        }
        let place = self.tickets.len();
        let id = TicketId::new(format!("k-{:05}", place + 1));
        self.tickets.push(Ticket {
            id: id.clone(),
            customer: customer.clone(),
            subject: subject.trim().to_owned(),
            team: team.map(str::to_owned),
            status: Status::New,
            assignee: None,
            opened: at,
            messages: vec![Message { from: by.clone(), text: text.to_owned(), at }],
        });
        self.tickets_of.entry(customer).or_default().push(place);
        self.note(place, What::Opened, by.clone(), None, at);
        match by {
            Author::Staff(login) => {
                self.tickets[place].assignee = Some(login);
                self.tickets[place].status = Status::Open;
            }
            Author::Customer | Author::Router => self.route(place, at),
        }
        Ok(id)
    }

    /// The customer writes on one of their tickets.
    pub(crate) fn customer_writes(
        &mut self,
        id: &TicketId,
        text: &str,
        at: Timestamp,
    ) -> Result<(), Refused> {
        let place = self.ticket_place(id).ok_or(Refused::NoSuchTicket)?;
        let ticket = &mut self.tickets[place];
        ticket.messages.push(Message { from: Author::Customer, text: text.to_owned(), at });
        match ticket.status {
            Status::New | Status::Open => {}
            Status::Waiting => ticket.status = Status::Open,
            Status::Closed => {
                ticket.status = if ticket.assignee.is_some() { Status::Open } else { Status::New };
                self.note(place, What::Reopened, Author::Customer, None, at);
            }
        }
        Ok(())
    }

    /// A colleague answers; whoever answers a ticket that nobody has, takes it.
    pub(crate) fn reply(
        &mut self,
        id: &TicketId,
        login: &str,
        text: &str,
        at: Timestamp,
    ) -> Result<(), Refused> {
        let place = self.ticket_place(id).ok_or(Refused::NoSuchTicket)?;
        if text.trim().is_empty() {
            return Err(Refused::Empty("the reply"));
        }
        if self.tickets[place].status == Status::Closed {
            return Err(Refused::Closed);
        }
        if self.tickets[place].assignee.is_none() {
            self.pick(id, login, at)?;
        }
        let from = Author::Staff(login.to_owned());
        let ticket = &mut self.tickets[place];
        ticket.messages.push(Message { from: from.clone(), text: text.trim().to_owned(), at });
        ticket.status = Status::Waiting;
        self.note(place, What::Acted, from, None, at);
        Ok(())
    }

    /// A colleague takes a ticket that waits for somebody.
    pub(crate) fn pick(&mut self, id: &TicketId, login: &str, at: Timestamp) -> Result<(), Refused> {
        let place = self.ticket_place(id).ok_or(Refused::NoSuchTicket)?;
        let ticket = &mut self.tickets[place];
        match (&ticket.assignee, ticket.status) {
            (_, Status::Closed) => Err(Refused::Closed),
            (Some(whose), _) if whose == login => Ok(()),
            (Some(_), _) => Err(Refused::Taken),
            (None, _) => {
                ticket.assignee = Some(login.to_owned());
                ticket.status = Status::Open;
                self.note(place, What::Picked, Author::Staff(login.to_owned()), Some(login.to_owned()), at);
                Ok(())
            }
        }
    }

    /// A colleague closes a ticket; the router then has room for one that waits.
    pub(crate) fn close(&mut self, id: &TicketId, login: &str, at: Timestamp) -> Result<(), Refused> {
        let place = self.ticket_place(id).ok_or(Refused::NoSuchTicket)?;
        if self.tickets[place].status == Status::Closed {
            return Err(Refused::Closed);
        }
        self.tickets[place].status = Status::Closed;
        self.note(place, What::Closed, Author::Staff(login.to_owned()), None, at);
        self.route_next(place, at);
        Ok(())
    }

    /// Gives a ticket to whoever of its team has the least to do, if anybody has room.
    fn route(&mut self, place: usize, at: Timestamp) {
        let Some(team) = self.tickets[place].team.as_deref() else { return };
        let at_work = self.staff.iter().filter(|s| s.role == Role::Agent && s.team == team);
        let least = at_work.map(|s| (self.open_with(&s.login), &s.login)).min();
        let Some((open, login)) = least else { return };
        if open >= MOST_OPEN {
            return;
        }
        let login = login.clone();
        self.tickets[place].assignee = Some(login.clone());
        self.tickets[place].status = Status::Open;
        self.note(place, What::Assigned, Author::Router, Some(login), at);
    }

    /// Routes the oldest ticket that waits for the team of the one at `place`.
    fn route_next(&mut self, place: usize, at: Timestamp) {
        let team = &self.tickets[place].team;
        let waits = |t: &Ticket| t.status == Status::New && team.is_some() && t.team == *team;
        if let Some(next) = self.tickets.iter().position(waits) {
            self.route(next, at);
        }
    }

    /// Puts the journal into the order of time. Only while nobody reads it: cursors count its events.
    pub(crate) fn order_journal(&mut self) {
        self.journal.sort_by_key(|event| event.time);
    }

    fn open_with(&self, login: &str) -> usize {
        let theirs = |t: &&Ticket| t.assignee.as_deref() == Some(login) && t.status == Status::Open;
        self.tickets.iter().filter(theirs).count()
    }

    fn note(&mut self, place: usize, event: What, by: Author, to: Option<String>, time: Timestamp) {
        let ticket = &self.tickets[place];
        let (ticket, customer) = (ticket.id.clone(), ticket.customer.clone());
        self.journal.push(TicketEvent { time, event, ticket, customer, by, to });
    }

    fn place(&self, id: &CustomerId) -> Option<usize> {
        place("c-", id.as_str()).filter(|place| *place < self.customers.len())
    }

    fn ticket_place(&self, id: &TicketId) -> Option<usize> {
        place("k-", id.as_str()).filter(|place| *place < self.tickets.len())
    }
}

/// Ids count from one, in five digits or more, and have one written form.
fn place(prefix: &str, id: &str) -> Option<usize> {
    let digits = id.strip_prefix(prefix)?;
    let number: usize = digits.parse().ok()?;
    (format!("{number:05}") == digits).then(|| number.checked_sub(1)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        Store::new(Population::generate(1), Timestamp(1_000_000_000_000))
    }

    fn open(store: &mut Store, team: Option<&str>) -> TicketId {
        let customer = CustomerId::from("c-00003");
        store.open_ticket(Author::Customer, &customer, team, "Help", "Please.", Timestamp(5)).unwrap()
    }

    #[test]
    fn an_id_has_one_written_form() {
        assert_eq!(place("c-", "c-00012"), Some(11));
        for wrong in ["c-12", "c-00000", "k-00012", "c-+0012", "c-000012", "c-", ""] {
            assert_eq!(place("c-", wrong), None, "{wrong}");
        }
        assert_eq!(place("k-", "k-123456"), Some(123_455));
    }

    #[test]
    fn the_router_spreads_tickets_over_a_team_and_leaves_the_rest_waiting() {
        let mut store = store();
        let ids: Vec<_> = (0..50).map(|_| open(&mut store, Some("cards"))).collect();
        let routed = ids.iter().filter(|id| store.ticket(id).unwrap().assignee.is_some()).count();
        assert_eq!(routed, 6 * MOST_OPEN, "six agents are in the team");

        let first = store.ticket(&ids[0]).unwrap().assignee.clone().unwrap();
        store.close(&ids[0], &first, Timestamp(6)).unwrap();
        assert_eq!(
            store.ticket(&ids[36]).unwrap().assignee,
            Some(first),
            "the one who has room gets the next"
        );
    }

    #[test]
    fn a_ticket_that_nobody_is_routed_to_can_be_picked_once() {
        let mut store = store();
        let id = open(&mut store, None);
        assert_eq!(store.ticket(&id).unwrap().status, Status::New);
        let (one, two) = (store.staff[0].login.clone(), store.staff[1].login.clone());
        assert_eq!(store.pick(&id, &one, Timestamp(6)), Ok(()));
        assert_eq!(store.pick(&id, &two, Timestamp(7)), Err(Refused::Taken));
        let what: Vec<_> = store.journal.iter().map(|e| e.event).collect();
        assert_eq!(what, [What::Opened, What::Picked]);
    }

    #[test]
    fn a_customer_who_writes_on_a_closed_ticket_reopens_it() {
        let mut store = store();
        let id = open(&mut store, Some("access"));
        let login = store.ticket(&id).unwrap().assignee.clone().unwrap();
        store.reply(&id, &login, "Done.", Timestamp(6)).unwrap();
        assert_eq!(store.ticket(&id).unwrap().status, Status::Waiting);
        store.close(&id, &login, Timestamp(7)).unwrap();
        assert_eq!(store.reply(&id, &login, "More.", Timestamp(8)), Err(Refused::Closed));
        store.customer_writes(&id, "Not quite.", Timestamp(9)).unwrap();
        assert_eq!(store.ticket(&id).unwrap().status, Status::Open);
        assert_eq!(store.journal.last().unwrap().event, What::Reopened);
    }

    #[test]
    fn a_change_with_an_empty_field_changes_nothing() {
        let mut store = store();
        let id = CustomerId::from("c-00007");
        let before = store.customer(&id).unwrap().clone();
        let change = Change {
            email: Some("new@example.com".to_owned()),
            phone: Some("  ".to_owned()),
            ..Change::default()
        };
        assert_eq!(store.change_customer(&id, change), Err(Refused::Empty("phone")));
        assert_eq!(store.customer(&id).unwrap(), &before);
    }
}
