//! `sightline erase` proposes to erase a customer, and `sightline decisions` says what waits for administrators.

use std::fmt::Write;
use std::io::Read;

use clap::Args;
use incident::Asker;
use model::entry::{Act, Actor};
use model::{CustomerId, ProposalId, Role, StaffId, StaffStatus, Timestamp};
use serde::Serialize;
use views::{Page, Span, Whom};

use crate::cli::{Form as HowPrinted, Place};
use crate::command::{Command, Failure, Form, Outcome, Print};
use crate::house::Rooms;
use crate::operate;

/// Options of `sightline erase`.
#[derive(Args)]
pub(crate) struct Erase {
    /// The customer, as the app calls them; `-` reads it from the standard input, past the shell's history.
    #[arg(long, short = 'C', value_name = "CUSTOMER")]
    customer: String,
    /// Propose it even though no entry and no ticket names this customer.
    #[arg(long)]
    unknown: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: HowPrinted,
}

/// Options of `sightline decisions`.
#[derive(Args)]
pub(crate) struct Decisions {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: HowPrinted,
}

/// Has the erasure proposed.
pub(crate) fn run(options: Erase) -> Result<(), String> {
    let mut customer = options.customer;
    if customer == "-" {
        customer.clear();
        let read = std::io::stdin().take(4096).read_to_string(&mut customer);
        read.map_err(|e| format!("the standard input: {e}"))?;
    }
    let customer = match customer.trim() {
        "" => return Err("name the customer: --customer CUSTOMER, as the app calls them".into()),
        customer => CustomerId::new(customer),
    };
    let command = Command::Erase { customer, unknown: options.unknown };
    operate::print(&options.place, command, options.form.print())
}

/// Has the open proposals listed.
pub(crate) fn decisions(options: &Decisions) -> Result<(), String> {
    operate::print(&options.place, Command::Decisions, options.form.print())
}

/// A proposal that was made.
#[derive(Serialize)]
struct Made {
    proposal: ProposalId,
    entry: u64,
    /// It must be decided before that.
    expires: Timestamp,
    /// What nobody can be told any more.
    lost: Lost,
    /// Whoever can confirm it; it takes two.
    administrators: Vec<StaffId>,
}

/// What is known of the customer and will not be.
#[derive(Serialize)]
struct Lost {
    looks: u64,
    staff: u64,
    rows_in_lists: u64,
    refusals: u64,
    questions: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// Proposes it, and says what will be lost, what remains, and who must confirm it where.
pub(crate) async fn propose(
    rooms: &Rooms,
    customer: CustomerId,
    unknown: bool,
    form: Form,
) -> Result<Outcome, Failure> {
    let whom = Whom::Named { customer: customer.clone(), app: None };
    let answer = rooms.enquiry.who_saw(&Asker::Operator, whom, Span::ALWAYS, Page::first(1)).await?;
    let summary = answer.answer.summary;
    let known = !summary.customers.is_empty() || rooms.tickets.knows(&customer).map_err(|e| failure(&e))?;
    if !known && !unknown {
        return Err(Failure::Caller(
            "no entry and no ticket names this customer, or they are erased already: compare the number with \
             the app's; --unknown proposes it all the same"
                .into(),
        ));
    }
    let lost = Lost {
        looks: summary.looks,
        staff: summary.staff,
        rows_in_lists: summary.listed,
        refusals: summary.refused,
        // Not the one that this command asked.
        questions: summary.questions.saturating_sub(1),
        first: summary.first,
        last: summary.last,
    };
    let erasure = rooms.erasure(incident::Retention::default());
    let made = erasure.propose(customer, Actor::Operator, None).await.map_err(|e| failure(&e))?;
    let made = {
        let state = rooms.state.read();
        let (proposal, entry) = made;
        let now = Timestamp(0);
        let expires = state.open_proposals(now).find(|p| p.id == proposal).map_or(now, |p| p.expires);
        Made { proposal, entry, expires, lost, administrators: administrators(&state) }
    };
    match form.print {
        Print::Json => Outcome::json(&made),
        _ => Ok(Outcome::text(say(&made))),
    }
}

fn failure(error: &dyn std::error::Error) -> Failure {
    Failure::Caller(error.to_string())
}

fn administrators(state: &access::State) -> Vec<StaffId> {
    let active = |r: &&model::StaffRecord| r.role == Role::Admin && r.status == StaffStatus::Active;
    state.people.staff.values().filter(active).map(|r| r.staff.clone()).collect()
}

fn say(made: &Made) -> String {
    let Made { proposal, entry, expires, lost, administrators } = made;
    let between = match (lost.first, lost.last) {
        (Some(first), Some(last)) => format!(", from {first} to {last}"),
        _ => String::new(),
    };
    let mut text = format!(
        "{proposal}: proposed, as entry {entry}. Nothing is erased yet.\n\n\
         What will be lost, for good:\n  \
         who saw this customer: {looks} looks by {staff} staff, {rows} rows in lists, {refusals} refusals, \
         {questions} questions about them{between}\n  \
         their tickets and tier, as the apps reported them here\n\n\
         What remains:\n  \
         every entry, without the customer: who looked, when, at which kinds of fields, with which reason\n  \
         every receipt and proof; `sightline verify` says the same as before\n  \
         what the apps themselves hold, and copies of this directory that were made before: see docs/privacy.md\n\n\
         Two administrators confirm it in the console, on the page Decisions (/decisions), each in a session of \
         their own\nand with the customer's number before them, until {expires}; one can reject it.\n",
        looks = lost.looks,
        staff = lost.staff,
        rows = lost.rows_in_lists,
        refusals = lost.refusals,
        questions = lost.questions,
    );
    let names: Vec<_> = administrators.iter().map(StaffId::as_str).collect();
    // Writing to a String cannot fail.
    let _ = match names.len() {
        0 | 1 => writeln!(
            text,
            "Administrators known so far: {}. It takes two: give another person the role, and have them log in.",
            if names.is_empty() { "none" } else { names[0] }
        ),
        _ => writeln!(text, "Administrators known so far: {}.", names.join(", ")),
    };
    text
}

/// A proposal that waits.
#[derive(Serialize)]
struct Waiting {
    proposal: ProposalId,
    act: Act,
    by: Actor,
    entry: u64,
    proposed: Timestamp,
    expires: Timestamp,
    confirmed_by: Vec<StaffId>,
    /// Whether two have confirmed it, and it is being carried out.
    confirmed: bool,
}

impl Waiting {
    fn of(proposal: &access::Proposal, confirmed: bool) -> Self {
        Self {
            proposal: proposal.id,
            act: proposal.act.clone(),
            by: proposal.by.clone(),
            entry: proposal.index,
            proposed: proposal.proposed,
            expires: proposal.expires,
            confirmed_by: proposal.confirmed_by.clone(),
            confirmed,
        }
    }
}

/// Lists what waits for administrators.
pub(crate) fn waiting(rooms: &Rooms, form: Form) -> Result<Outcome, Failure> {
    let now = model::Clock::now(&model::SystemClock);
    let waiting: Vec<Waiting> = {
        let state = rooms.state.read();
        let open = state.open_proposals(now).map(|p| Waiting::of(p, false));
        open.chain(state.confirmed_proposals().map(|p| Waiting::of(p, true))).collect()
    };
    if form.print == Print::Json {
        return Outcome::json(&waiting);
    }
    if waiting.is_empty() {
        return Ok(Outcome::text("Nothing waits for a decision.\n".into()));
    }
    let mut text = String::new();
    for w in &waiting {
        let names: Vec<_> = w.confirmed_by.iter().map(StaffId::as_str).collect();
        let by = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        let state = if w.confirmed { "being carried out".to_owned() } else { format!("until {}", w.expires) };
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "{}  {}  entry {}, confirmed by {by}, {state}", w.proposal, w.act.kind(), w.entry);
    }
    Ok(Outcome::text(text))
}
