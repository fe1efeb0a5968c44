//! Request Tracker's REST 2.0: each transaction of a ticket, told as an event.
//!
//! Transactions have ascending numbers, so the number of the last one is the cursor. RT names users
//! by name in some places and by number in others; both are asked for once and remembered.

use std::collections::HashMap;

use access::{TicketActor, TicketEvent, TicketWhat};
use model::{CustomerId, TicketId, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded::byte_serialize;

use super::{Batch, FeedError, Reader};

/// RT gives at most so many at once.
const PAGE: usize = 100;

/// The types of transactions that say who works for whom.
const TYPES: &[&str] = &["Create", "SetWatcher", "Status", "Correspond", "Comment"];

/// RT's own users: whoever nobody is, and RT itself, which routes.
const NOBODY: &str = "Nobody";
const SYSTEM: &str = "RT_System";

/// The statuses of RT's lifecycles in which a ticket is done.
const CLOSED: &[&str] = &["resolved", "rejected", "deleted"];

/// What was asked of RT before.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Users by name and by number.
    users: HashMap<String, User>,
}

#[derive(Debug, Clone, Deserialize)]
struct User {
    id: Number,
    #[serde(rename = "Name")]
    name: String,
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Transaction {
    id: Number,
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Field")]
    field: Option<String>,
    #[serde(rename = "OldValue")]
    old: Option<Number>,
    #[serde(rename = "NewValue")]
    new: Option<Number>,
    #[serde(rename = "ObjectId")]
    ticket: Number,
    #[serde(rename = "Created")]
    created: Timestamp,
    #[serde(rename = "Creator")]
    creator: Reference,
}

#[derive(Deserialize)]
struct Ticket {
    #[serde(rename = "Requestor", default)]
    requestors: Vec<Reference>,
    #[serde(rename = "Owner")]
    owner: Option<Reference>,
}

/// How RT points to a record; a user by name.
#[derive(Debug, Clone, Deserialize)]
struct Reference {
    id: Number,
}

/// RT writes numbers now as numbers, now as text; and some "numbers" are names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "NumberOrText")]
struct Number(String);

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl From<NumberOrText> for Number {
    fn from(given: NumberOrText) -> Self {
        match given {
            NumberOrText::Number(number) => Self(number.to_string()),
            NumberOrText::Text(text) => Self(text),
        }
    }
}

/// Who stands in a ticket, by name and by number.
struct Cast {
    customers: Vec<User>,
    first_owner: Option<User>,
}

/// The events of the next transactions.
pub(super) async fn read_tickets(reader: &mut Reader<'_>) -> Result<Batch, FeedError> {
    let after: u64 = reader.cursor.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let transactions = next_transactions(reader, after).await?;
    let mut casts: HashMap<String, Cast> = HashMap::new();
    // A page may be short although there is more: RT leaves out what the account may not see.
    let mut batch = Batch { more: !transactions.is_empty(), ..Batch::default() };
    for transaction in &transactions {
        let ticket = &transaction.ticket.0;
        if !casts.contains_key(ticket) {
            let cast = read_cast(reader, ticket).await?;
            casts.insert(ticket.clone(), cast);
        }
        let creator = user(reader, &transaction.creator.id.0).await?;
        let new_owner = match (&*transaction.kind, transaction.field.as_deref(), &transaction.new) {
            ("SetWatcher", Some("Owner"), Some(new)) => Some(user(reader, &new.0).await?),
            _ => None,
        };
        batch.events.extend(told(reader, transaction, &casts[ticket], &creator, new_owner.as_ref()));
        batch.cursor = Some(transaction.id.0.clone());
    }
    Ok(batch)
}

/// What a transaction says, once for each customer of the ticket.
fn told(
    reader: &Reader<'_>,
    transaction: &Transaction,
    cast: &Cast,
    creator: &User,
    new_owner: Option<&User>,
) -> Vec<TicketEvent> {
    let by_customer = cast.customers.iter().any(|customer| customer.name == creator.name);
    let by = match (&*creator.name, by_customer) {
        (_, true) => TicketActor::Customer,
        (SYSTEM, false) => TicketActor::Router,
        (login, false) => TicketActor::Staff(reader.staff(login)),
    };
    // Who put whom in charge; nobody in charge of it says nothing.
    let in_charge = |owner: &User, was_somebodys: bool| {
        let what = match owner.name == creator.name {
            true => TicketWhat::Picked,
            false if was_somebodys => TicketWhat::Transferred,
            false => TicketWhat::Assigned,
        };
        // Whoever opens a ticket for themselves was put in charge by the rules of the queue.
        let by = if by == TicketActor::Customer { TicketActor::Router } else { by.clone() };
        (what, by, Some(reader.staff(&owner.name)))
    };
    let closed = |status: &Option<Number>| status.as_ref().is_some_and(|s| CLOSED.contains(&&*s.0));

    let mut said = Vec::new();
    match &*transaction.kind {
        "Create" => {
            said.push((TicketWhat::Opened, by.clone(), None));
            said.extend(cast.first_owner.as_ref().map(|owner| in_charge(owner, false)));
        }
        "SetWatcher" => {
            let somebody = new_owner.filter(|owner| owner.name != NOBODY);
            said.extend(somebody.map(|owner| in_charge(owner, !is_nobody(reader, transaction.old.as_ref()))));
        }
        "Status" if closed(&transaction.new) => said.push((TicketWhat::Closed, by.clone(), None)),
        "Status" if closed(&transaction.old) => said.push((TicketWhat::Reopened, by.clone(), None)),
        "Correspond" | "Comment" if matches!(by, TicketActor::Staff(_)) => {
            said.push((TicketWhat::Acted, by.clone(), None));
        }
        _ => {}
    }
    let tell = |customer: &User| {
        let customer = CustomerId::new(&customer.id.0);
        let ticket = TicketId::new(&transaction.ticket.0);
        said.clone().into_iter().map(move |(what, by, to)| TicketEvent {
            time: transaction.created,
            what,
            ticket: ticket.clone(),
            customer: customer.clone(),
            by,
            to,
        })
    };
    cast.customers.iter().flat_map(tell).collect()
}

fn is_nobody(reader: &Reader<'_>, number: Option<&Number>) -> bool {
    let known = number.and_then(|number| reader.rt.users.get(&number.0));
    known.is_none_or(|user| user.name == NOBODY)
}

async fn next_transactions(reader: &Reader<'_>, after: u64) -> Result<Vec<Transaction>, FeedError> {
    let types: Vec<_> = TYPES.iter().map(|kind| format!("Type = '{kind}'")).collect();
    let query = format!("ObjectType = 'RT::Ticket' AND id > {after} AND ({})", types.join(" OR "));
    find(reader, &query, PAGE).await
}

async fn find(reader: &Reader<'_>, query: &str, at_most: usize) -> Result<Vec<Transaction>, FeedError> {
    let query: String = byte_serialize(query.as_bytes()).collect();
    let fields = "Type,Field,OldValue,NewValue,ObjectId,Created,Creator";
    let target = format!(
        "/REST/2.0/transactions?query={query}&orderby=id&order=ASC&per_page={at_most}&fields={fields}"
    );
    Ok(get::<Page<Transaction>>(reader, &target).await?.items)
}

/// Who stands in a ticket. RT does not say who owned it at first, but what the first change of owner
/// changed: without one it is who owns it now.
async fn read_cast(reader: &mut Reader<'_>, ticket: &str) -> Result<Cast, FeedError> {
    let now: Ticket = get(reader, &format!("/REST/2.0/ticket/{ticket}")).await?;
    let mut customers = Vec::with_capacity(now.requestors.len());
    for requestor in &now.requestors {
        customers.push(user(reader, &requestor.id.0).await?);
    }
    let query = format!("TicketId = {ticket} AND Type = 'SetWatcher' AND Field = 'Owner'");
    let changed = find(reader, &query, 1).await?.into_iter().next();
    let first_owner = match changed {
        Some(change) => change.old,
        None => now.owner.map(|owner| owner.id),
    };
    let first_owner = match first_owner {
        Some(owner) => Some(user(reader, &owner.0).await?).filter(|owner| owner.name != NOBODY),
        None => None,
    };
    Ok(Cast { customers, first_owner })
}

/// A user, by name or number.
async fn user(reader: &mut Reader<'_>, called: &str) -> Result<User, FeedError> {
    if let Some(known) = reader.rt.users.get(called) {
        return Ok(known.clone());
    }
    let called_in_path: String = byte_serialize(called.as_bytes()).collect::<String>().replace('+', "%20");
    let found: User = get(reader, &format!("/REST/2.0/user/{called_in_path}")).await?;
    reader.rt.users.insert(found.id.0.clone(), found.clone());
    reader.rt.users.insert(found.name.clone(), found.clone());
    Ok(found)
}

async fn get<T: DeserializeOwned>(reader: &Reader<'_>, target: &str) -> Result<T, FeedError> {
    let body = reader.get(target).await?;
    serde_json::from_slice(&body).map_err(super::unreadable)
}
