//! How the desk writes down what it shows, for pages and API alike.

use std::fmt;

use model::{TicketId, Timestamp};
use serde::Serialize;

use super::store::{Author, Message, Store, Ticket};
use crate::population::Customer;

/// A customer's record.
#[derive(Debug, Clone, Serialize)]
pub(super) struct CustomerView {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) phone: String,
    pub(super) address: String,
    pub(super) account: String,
    pub(super) balance: String,
    pub(super) tier: &'static str,
    pub(super) since: String,
}

impl CustomerView {
    pub(super) fn of(customer: &Customer, store: &Store) -> Self {
        Self {
            id: customer.id.to_string(),
            name: customer.name.clone(),
            email: customer.email.clone(),
            phone: customer.phone.clone(),
            address: customer.address.clone(),
            account: customer.account.clone(),
            balance: customer.balance.to_string(),
            tier: customer.tier.word(),
            since: Day(store.ago(customer.since_days_ago * 24 * 60)).to_string(),
        }
    }
}

/// A line of a list of tickets.
#[derive(Debug)]
pub(super) struct TicketRow {
    pub(super) id: TicketId,
    pub(super) customer: String,
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) status: &'static str,
    pub(super) assignee: String,
    pub(super) opened: Minute,
}

impl TicketRow {
    pub(super) fn of(ticket: &Ticket, store: &Store) -> Self {
        Self {
            id: ticket.id.clone(),
            customer: ticket.customer.to_string(),
            name: store.customer(&ticket.customer).map(|c| c.name.clone()).unwrap_or_default(),
            subject: ticket.subject.clone(),
            status: ticket.status.word(),
            assignee: ticket.assignee.as_deref().map(|login| name_of(login, store)).unwrap_or_default(),
            opened: Minute(ticket.opened),
        }
    }
}

/// A message of a conversation.
#[derive(Debug)]
pub(super) struct MessageView {
    pub(super) from: String,
    pub(super) is_customer: bool,
    pub(super) text: String,
    pub(super) at: Minute,
}

impl MessageView {
    pub(super) fn of(message: &Message, store: &Store) -> Self {
        let (from, is_customer) = match &message.from {
            Author::Customer => ("Customer".to_owned(), true),
            Author::Router => ("Router".to_owned(), false),
            Author::Staff(login) => (name_of(login, store), false),
        };
        Self { from, is_customer, text: message.text.clone(), at: Minute(message.at) }
    }
}

fn name_of(login: &str, store: &Store) -> String {
    store.colleague(login).map_or(login, |c| &c.name).to_owned()
}

/// A time, to the minute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Minute(pub(super) Timestamp);

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        written(self.0, "%-d %b %Y, %H:%M", f)
    }
}

/// A day.
#[derive(Debug, Clone, Copy)]
struct Day(Timestamp);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        written(self.0, "%Y-%m-%d", f)
    }
}

fn written(at: Timestamp, format: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match i64::try_from(at.0).ok().and_then(chrono::DateTime::from_timestamp_millis) {
        Some(time) => write!(f, "{}", time.format(format)),
        None => write!(f, "{at}"),
    }
}
