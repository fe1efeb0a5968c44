//! What an operator can ask of an installation, and the answers. Runs in the process that has the
//! ledger open: see `control.rs`.

use std::path::PathBuf;

use incident::{Asker, EnquiryError};
use ledger::{AppendError, Draft};
use model::decision::{Act, Proposed};
use model::entry::{Actor, Event, RevokeReason, Revoked, StaffRecorded, Target};
use model::{CustomerId, GrantId, OsEntropy, ProposalId, SessionId, StaffId, StaffStatus, Timestamp};
use serde::{Deserialize, Serialize};
use views::{Page, Span, Whom, Whose};

use crate::erase;
use crate::house::Rooms;

/// A command.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Command {
    WhoSaw {
        customer: CustomerId,
        span: Between,
    },
    BlastRadius {
        of: Of,
        span: Between,
    },
    /// The same into a new directory, with a receipt for every look.
    ExportBlastRadius {
        of: Of,
        span: Between,
        dir: PathBuf,
    },
    FirstLook {
        span: Between,
    },
    /// The marks that were on show in a span, as JSON.
    IssuedMarks {
        span: Between,
    },
    /// Whose looks cover the customers of a leak, as JSON.
    Covers {
        ids: Vec<String>,
        span: Between,
    },
    Revoke {
        what: Of,
        reason: RevokeReason,
    },
    Reinstate {
        staff: StaffId,
    },
    Entries {
        from: From,
        limit: usize,
    },
    Receipt {
        index: u64,
    },
    Erase {
        customer: CustomerId,
        unknown: bool,
    },
    Decisions,
    LogStatus,
    /// Proposes it.
    AllowUnwitnessed {
        until: Timestamp,
    },
    ExportStatus,
    ExportReplay {
        name: String,
        from: u64,
    },
    RulesStatus,
    CanaryPlant {
        count: u32,
    },
    CanaryRotate,
    CanaryList,
    CanaryUsed {
        what: String,
    },
}

/// From when to when; open ends reach to the beginning and to now.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Between {
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
}

impl std::convert::From<Between> for Span {
    fn from(between: Between) -> Self {
        Span { from: between.from, to: between.to }
    }
}

/// Whom or what a command is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Of {
    Staff(StaffId),
    Session(SessionId),
    Grant(GrantId),
}

/// Which entries.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum From {
    /// From this number on.
    Number(u64),
    /// The last ones.
    End,
}

/// How the terminal wants it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Form {
    pub(crate) print: Print,
    /// Columns of the terminal.
    pub(crate) width: usize,
}

/// As what an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Print {
    Text,
    Json,
    Csv,
}

/// The answer, ready to print or to write.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// What goes to standard output.
    pub(crate) text: String,
    /// The number of the next entry, for whoever follows the log.
    pub(crate) next: Option<u64>,
}

impl Outcome {
    pub(crate) fn text(text: String) -> Self {
        Self { text, ..Self::default() }
    }

    pub(crate) fn json<T: Serialize>(answer: &T) -> Result<Self, Failure> {
        Ok(Self::text(serde_json::to_string_pretty(answer)? + "\n"))
    }
}

/// Why a command failed: one sentence for the terminal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Enquiry(#[from] EnquiryError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("the answer cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the answer cannot be written: {0}")]
    Csv(String),
    #[error("{0}")]
    Caller(String),
}

/// Carries a command out.
pub(crate) async fn carry_out(rooms: &Rooms, command: Command, form: Form) -> Result<Outcome, Failure> {
    let (operator, enquiry) = (Asker::Operator, &rooms.enquiry);
    match command {
        Command::WhoSaw { customer, span } => {
            let whom = Whom::Named { customer, app: None };
            let answer = enquiry.who_saw(&operator, whom, span.into(), Page::all()).await?;
            match form.print {
                Print::Text => Ok(Outcome::text(incident::text::who_saw(&answer, form.width))),
                Print::Json => Outcome::json(&answer),
                Print::Csv => csv(|out| incident::csv::who_saw(&answer.answer.exposures.rows, out)),
            }
        }
        Command::BlastRadius { of, span } => {
            let answer =
                enquiry.blast_radius(&operator, whose(of)?, span.into(), known_customers(rooms)).await?;
            match form.print {
                Print::Text => Ok(Outcome::text(incident::text::blast_radius(&answer, form.width))),
                Print::Json => Outcome::json(&answer),
                Print::Csv => csv(|out| incident::csv::blast_radius(&answer.answer.radius, out)),
            }
        }
        Command::ExportBlastRadius { of, span, dir } => {
            let answer =
                enquiry.blast_radius(&operator, whose(of)?, span.into(), known_customers(rooms)).await?;
            let policy = std::fs::read_to_string(&rooms.trust_policy).ok();
            let exported = incident::export::blast_radius(&answer, &rooms.ledger, policy.as_deref(), &dir)
                .await
                .map_err(|e| Failure::Caller(e.to_string()))?;
            Ok(Outcome::text(format!(
                "{}: the table, {} receipts, and {} of what they rest on, under a signed manifest\n\
                 Open README.html in it; check it with `sightline verify` or `tools/verify.py`.\n",
                dir.display(),
                exported.named,
                exported.context
            )))
        }
        Command::FirstLook { span } => {
            let answer = enquiry.first_look(&operator, span.into()).await?;
            match form.print {
                Print::Json => Outcome::json(&answer),
                _ => Ok(Outcome::text(incident::text::first_look(&answer, form.width))),
            }
        }
        Command::IssuedMarks { span } => Outcome::json(&enquiry.issued_marks(&operator, span.into()).await?),
        Command::Covers { ids, span } => Outcome::json(&enquiry.covers(&operator, ids, span.into()).await?),
        Command::Revoke { what, reason } => revoke(rooms, what, reason, form).await,
        Command::Reinstate { staff } => reinstate(rooms, staff, form).await,
        Command::LogStatus => match (form.print, crate::witnesses::status(rooms)) {
            (Print::Json, status) => Outcome::json(&status),
            (_, status) => Ok(Outcome::text(status.to_text())),
        },
        Command::AllowUnwitnessed { until } => allow_unwitnessed(rooms, until, form).await,
        Command::Entries { from, limit } => entries(rooms, from, limit, form).await,
        Command::Erase { customer, unknown } => erase::propose(rooms, customer, unknown, form).await,
        Command::Decisions => erase::waiting(rooms, form),
        Command::ExportStatus => crate::exports::report(&rooms.exports.status(rooms.ledger.size()), form),
        Command::ExportReplay { name, from } => {
            rooms.exports.replay(&name, from).map_err(|e| Failure::Caller(e.to_string()))?;
            Ok(Outcome::text(format!("{name}: sends the entries from {from} on again\n")))
        }
        Command::CanaryPlant { count } => {
            crate::canaries::plant(rooms.canaries.as_ref(), Some(count), form).await
        }
        Command::CanaryRotate => crate::canaries::plant(rooms.canaries.as_ref(), None, form).await,
        Command::CanaryList => crate::canaries::list(rooms.canaries.as_ref(), form),
        Command::CanaryUsed { what } => {
            crate::canaries::used(rooms.canaries.as_ref(), enquiry, &what, form).await
        }
        Command::RulesStatus => crate::rules::report(rooms.rules.as_ref(), rooms.ledger.size(), form),
        Command::Receipt { index } => Ok(Outcome::text(enquiry.receipt(&operator, index).await?.answer)),
    }
}

fn whose(of: Of) -> Result<Whose, Failure> {
    match of {
        Of::Staff(staff) => Ok(Whose::Staff(staff)),
        Of::Session(session) => Ok(Whose::Session(session)),
        Of::Grant(_) => {
            Err(Failure::Caller("a blast radius is that of a staff member or of a session".into()))
        }
    }
}

/// For "percent of all customers", where the app's feed says how many there are.
fn known_customers(rooms: &Rooms) -> Option<u64> {
    Some(rooms.tickets.customers()).filter(|n| *n > 0)
}

fn csv<E: std::fmt::Display>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Outcome, Failure> {
    let mut out = Vec::new();
    write(&mut out).map_err(|e| Failure::Csv(e.to_string()))?;
    String::from_utf8(out).map(Outcome::text).map_err(|e| Failure::Csv(e.to_string()))
}

/// What was taken away, as the command says it.
#[derive(Serialize)]
struct Taken {
    entry: u64,
    event: Event,
}

async fn revoke(rooms: &Rooms, what: Of, reason: RevokeReason, form: Form) -> Result<Outcome, Failure> {
    let (said, target) = match what {
        Of::Staff(staff) => {
            (format!("{staff}: suspended, every session and grant ended"), Target::Staff(staff))
        }
        Of::Session(session) => (format!("{session}: ended"), Target::Session(session)),
        Of::Grant(grant) => (format!("{grant}: ended"), Target::Grant(grant)),
    };
    known(rooms, &target)?;
    let event = Event::Revoked(Revoked { target, by: Actor::Operator, reason });
    let receipt = rooms.ledger.append(Draft::plain(event.clone())).await?;
    match form.print {
        Print::Json => Outcome::json(&Taken { entry: receipt.index(), event }),
        _ => Ok(Outcome::text(format!(
            "{said}.\nEntry {}: nothing with a later number is shown to them.\n",
            receipt.index()
        ))),
    }
}

/// A revocation that hits nothing is a typing error: better said than recorded.
fn known(rooms: &Rooms, target: &Target) -> Result<(), Failure> {
    let state = rooms.state.read();
    let missing = match target {
        Target::Staff(staff) if !state.people.staff.contains_key(staff) => format!("staff member {staff}"),
        Target::Session(session) if !state.people.sessions.contains_key(session) => {
            format!("session {session}")
        }
        _ => return Ok(()),
    };
    Err(Failure::Caller(format!("there is no {missing}; `sightline log tail` shows who is at work")))
}

async fn reinstate(rooms: &Rooms, staff: StaffId, form: Form) -> Result<Outcome, Failure> {
    let record = rooms.state.read().people.staff.get(&staff).cloned();
    let Some(mut record) = record else {
        return Err(Failure::Caller(format!("there is no staff member {staff}")));
    };
    if record.status == StaffStatus::Active {
        return Err(Failure::Caller(format!("{staff} is active already")));
    }
    record.status = StaffStatus::Active;
    let event = Event::StaffRecorded(StaffRecorded { record, by: Actor::Operator });
    let receipt = rooms.ledger.append(Draft::plain(event.clone())).await?;
    match form.print {
        Print::Json => Outcome::json(&Taken { entry: receipt.index(), event }),
        _ => Ok(Outcome::text(format!(
            "{staff} may work again, after a new login. Entry {}.\n",
            receipt.index()
        ))),
    }
}

async fn allow_unwitnessed(rooms: &Rooms, until: Timestamp, form: Form) -> Result<Outcome, Failure> {
    let now = model::Clock::now(&model::SystemClock);
    if until <= now {
        return Err(Failure::Caller(format!("{until} is over; name a time that is to come")));
    }
    let proposal = ProposalId::fresh(&OsEntropy);
    let act = Act::AllowUnwitnessed { until };
    let event = Event::Proposed(Proposed { proposal, act, by: Actor::Operator, session: None });
    let receipt = rooms.ledger.append(Draft::plain(event.clone())).await?;
    match form.print {
        Print::Json => Outcome::json(&Taken { entry: receipt.index(), event }),
        _ => Ok(Outcome::text(format!(
            "{proposal}: proposed that looks are shown without witnesses until {until}. Entry {}.\n\
             Nothing changes until two administrators have confirmed it, each in their own session of the console.\n",
            receipt.index()
        ))),
    }
}

/// An entry as `sightline log` prints it.
#[derive(Serialize)]
struct Line<'a> {
    index: u64,
    #[serde(flatten)]
    entry: &'a model::Entry,
}

async fn entries(rooms: &Rooms, from: From, limit: usize, form: Form) -> Result<Outcome, Failure> {
    let from = match from {
        From::Number(number) => number,
        From::End => rooms.ledger.size().saturating_sub(limit as u64),
    };
    let answer = rooms.enquiry.entries(&Asker::Operator, from, limit).await?;
    let mut text = String::new();
    for record in &answer.answer {
        match form.print {
            Print::Json => {
                text += &serde_json::to_string(&Line { index: record.index, entry: &record.entry })?;
                text.push('\n');
            }
            _ => text += &crate::entry_line::entry_line(record.index, &record.entry),
        }
    }
    let next = answer.answer.last().map_or(from, |last| last.index + 1);
    Ok(Outcome { text, next: Some(next) })
}
