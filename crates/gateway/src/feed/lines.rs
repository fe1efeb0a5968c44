//! Sightline's own feed: JSON, or JSON Lines, in the words of the access log (kind `ticket`).

use access::{TicketActor, TicketEvent, TicketWhat};
use model::{CustomerId, StaffId, TicketId, Tier, Timestamp};
use serde::Deserialize;

use super::{Batch, FeedError, Reader};

#[derive(Deserialize)]
struct TicketsAnswer {
    events: Vec<Event>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    time: Timestamp,
    event: What,
    ticket: TicketId,
    customer: CustomerId,
    by: String,
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    Opened,
    Assigned,
    Transferred,
    Picked,
    Linked,
    Contact,
    Acted,
    Closed,
    Reopened,
}

#[derive(Deserialize)]
struct CustomersAnswer {
    customers: Vec<Customer>,
    /// How many customers there are in all.
    total: Option<u64>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Customer {
    customer: CustomerId,
    tier: Tier,
}

/// A line of a feed in JSON Lines: an event, or where to go on.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Event(Event),
    Cursor { cursor: String },
}

/// The next events.
pub(super) async fn read_tickets(reader: &Reader<'_>) -> Result<Batch, FeedError> {
    let after = reader.cursor.as_deref().unwrap_or_default();
    let body = reader.get(&target("/feed/tickets", after)).await?;
    let mut batch = parse(&body, |login| reader.staff(login))?;
    batch.more = !batch.events.is_empty() && batch.cursor.as_deref().is_some_and(|cursor| cursor != after);
    Ok(batch)
}

/// The tiers of customers that are new or have changed.
pub(super) async fn read_tiers(reader: &mut Reader<'_>) -> Result<(), FeedError> {
    loop {
        let after = reader.tiers.clone().unwrap_or_default();
        let body = reader.get(&target("/feed/customers", &after)).await?;
        let answer: CustomersAnswer = serde_json::from_slice(&body).map_err(super::unreadable)?;
        let tiers: Vec<_> = answer.customers.into_iter().map(|c| (c.customer, c.tier)).collect();
        let (tickets, app) = (reader.gate.access.tickets(), &reader.gate.settings.name);
        tickets.set_tiers(app, &tiers)?;
        if let Some(total) = answer.total {
            tickets.set_total(app, total)?;
        }
        match answer.cursor {
            Some(cursor) if cursor != after => reader.tiers = Some(cursor),
            _ => return Ok(()),
        }
        if tiers.is_empty() {
            return Ok(());
        }
    }
}

/// Reads an answer, or what the app sent by itself. A line of JSON Lines that is no event is left out, and
/// said so with its number.
pub(super) fn parse(body: &[u8], staff: impl Fn(&str) -> StaffId) -> Result<Batch, FeedError> {
    if let Ok(answer) = serde_json::from_slice::<TicketsAnswer>(body) {
        let events = answer.events.into_iter().map(|event| event.of(&staff)).collect();
        return Ok(Batch { events, cursor: answer.cursor, more: false });
    }
    let mut batch = Batch::default();
    let (mut read, mut unread) = (0, 0);
    for (number, line) in body.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(Line::Event(event)) => batch.events.push(event.of(&staff)),
            Ok(Line::Cursor { cursor }) => batch.cursor = Some(cursor),
            Err(_) => {
                tracing::warn!(line = number + 1, "a line of the feed is no event and was left out");
                unread += 1;
                continue;
            }
        }
        read += 1;
    }
    if read == 0 && unread > 0 {
        return Err(FeedError::Unreadable("no line of it is an event".to_owned()));
    }
    Ok(batch)
}

impl Event {
    fn of(self, staff: impl Fn(&str) -> StaffId) -> TicketEvent {
        TicketEvent {
            time: self.time,
            what: match self.event {
                What::Opened => TicketWhat::Opened,
                What::Assigned => TicketWhat::Assigned,
                What::Transferred => TicketWhat::Transferred,
                What::Picked => TicketWhat::Picked,
                What::Linked => TicketWhat::Linked,
                What::Contact => TicketWhat::Contact,
                What::Acted => TicketWhat::Acted,
                What::Closed => TicketWhat::Closed,
                What::Reopened => TicketWhat::Reopened,
            },
            ticket: self.ticket,
            customer: self.customer,
            by: match self.by.as_str() {
                "customer" => TicketActor::Customer,
                "router" => TicketActor::Router,
                login => TicketActor::Staff(staff(login)),
            },
            to: self.to.as_deref().map(staff),
        }
    }
}

fn target(path: &str, after: &str) -> String {
    let after: String = url::form_urlencoded::byte_serialize(after.as_bytes()).collect();
    format!("{path}?after={after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"kind":"ticket","time":"2026-01-01T08:00:00Z","event":"assigned","ticket":"k-5","customer":"c-9","by":"router","to":"ann"}"#;

    fn staff(login: &str) -> StaffId {
        StaffId::new(format!("s-{login}"))
    }

    #[test]
    fn json_and_json_lines_say_the_same() {
        let json = format!(r#"{{"events":[{EVENT}],"cursor":"7","else":1}}"#);
        let lines = format!("{EVENT}\n\n{{\"cursor\":\"7\"}}\n");
        let batch = parse(json.as_bytes(), staff).unwrap();
        assert_eq!(batch, parse(lines.as_bytes(), staff).unwrap());
        assert_eq!(batch.cursor.as_deref(), Some("7"));
        assert_eq!(batch.events[0].to, Some(StaffId::new("s-ann")));
        assert_eq!(batch.events[0].by, TicketActor::Router);
    }

    #[test]
    fn a_line_that_is_no_event_is_left_out_and_the_rest_goes_on() {
        let lines = format!("{EVENT}\n{{\"kind\":\"ticket\"}}\nnonsense\n{EVENT}");
        assert_eq!(parse(lines.as_bytes(), staff).unwrap().events.len(), 2);
        assert!(parse(b"<html>", staff).is_err());
        assert!(parse(b"", staff).unwrap().events.is_empty());
    }
}
