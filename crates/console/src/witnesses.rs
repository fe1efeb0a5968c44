//! What witnesses say of the ledger: a card on its page, and alarms where nobody can miss them.

use askama::Template;
use model::{IncidentOpened, Timestamp};
use pages::{Html, Icon};
use witness::Status;
use witness::standing::Closed;

use crate::Console;

/// What the ledger's page says of witnesses.
pub(crate) struct Witnesses {
    pub(crate) alarms: Html,
    pub(crate) card: Html,
}

impl Witnesses {
    pub(crate) fn of(console: &Console) -> Self {
        let now = console.clock.now();
        let card = Card { now, status: console.witnesses.status(&console.ledger, now) };
        Self { alarms: Html::of(&Alarms::of(console)), card: Html::of(&card) }
    }
}

#[derive(Template)]
#[template(path = "witnesses.html")]
struct Card {
    now: Timestamp,
    /// None: no witnesses are asked.
    status: Option<Status>,
}

/// What must be seen: incidents, and that nothing is shown.
#[derive(Template)]
#[template(path = "alarms.html")]
pub(crate) struct Alarms {
    now: Timestamp,
    closed: Option<Closed>,
    allowed_until: Option<Timestamp>,
    incidents: Vec<IncidentOpened>,
}

impl Alarms {
    pub(crate) fn of(console: &Console) -> Self {
        let now = console.clock.now();
        let state = console.access.state().read();
        Self {
            now,
            closed: console.witnesses.closed(&console.ledger, now),
            allowed_until: state.unwitnessed_until().filter(|until| now < *until),
            incidents: state.incidents().to_vec(),
        }
    }
}
