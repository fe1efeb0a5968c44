//! How entries become rows.

use ledger::{Ledger, Record};
use model::entry::{
    Event, GrantIssued, Listed, Questioned, Refused, Revealed, Revoked, SessionClosed, SessionOpened,
    StaffRecorded, Target, Viewer, Written,
};
use model::{AppId, Digest, GrantId, Opening, ProposalId, SessionId, StaffId, StaffStatus, Tier};
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, TransactionBehavior, named_params};
use tokio::sync::watch;

use crate::ViewsError;
use crate::columns::{get, number};
use crate::forget;
use crate::schema::Position;
use crate::words::CustomerRef;

/// How many records are folded in one transaction.
const BATCH: usize = 4096;

/// How long to wait for a ledger that cannot be read for now.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// The half of a view that writes; there is one. Dropping it leaves the view as it is.
#[derive(Debug)]
pub struct Fold {
    connection: Connection,
    position: Position,
    folded: watch::Sender<u64>,
    /// Whether the write-ahead log may hold what was erased. So it may after a crash.
    to_truncate: bool,
}

/// How far a fold has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Entries folded.
    pub done: u64,
    /// Entries in the ledger.
    pub of: u64,
}

impl Fold {
    pub(crate) fn new(connection: Connection, position: Position) -> (Self, watch::Receiver<u64>) {
        let (folded, receiver) = watch::channel(position.next);
        (Self { connection, position, folded, to_truncate: true }, receiver)
    }

    pub(crate) fn position(&self) -> &Position {
        &self.position
    }

    /// Takes the next records in, all of them or none. Records that follow on one another fold to the
    /// same view in whatever portions they come.
    pub fn fold(&mut self, records: &[Record]) -> Result<(), ViewsError> {
        let Some(newest) = records.last() else { return Ok(()) };
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (record, expected) in records.iter().zip(self.position.next..) {
            if record.index != expected {
                return Err(ViewsError::OutOfOrder { expected, given: record.index });
            }
            absorb(&tx, record)?;
        }
        let (next, last) = (newest.index + 1, Digest::of(&newest.entry.encode()));
        tx.execute("UPDATE position SET next = ?1, last = ?2", (number(next), last.0))?;
        tx.commit()?;
        (self.position.next, self.position.last) = (next, last);
        self.to_truncate |= records.iter().any(|record| matches!(record.entry.event, Event::Erased(_)));
        if self.to_truncate {
            self.to_truncate = !forget::truncate(&self.connection)?;
        }
        self.folded.send_replace(next);
        Ok(())
    }

    /// Folds everything that the ledger holds now.
    pub fn catch_up(
        &mut self,
        ledger: &Ledger,
        mut progress: impl FnMut(Progress),
    ) -> Result<(), ViewsError> {
        let of = ledger.size();
        while self.position.next < of {
            self.fold(&ledger.read(self.position.next, BATCH)?)?;
            progress(Progress { done: self.position.next.min(of), of });
        }
        Ok(())
    }

    /// Keeps up with the ledger. Ends only if it fails; drop it to stop, which leaves the view whole.
    pub async fn follow(self, ledger: Ledger) -> Result<(), ViewsError> {
        let mut growth = ledger.growth();
        let mut fold = self;
        loop {
            let size = *growth.borrow_and_update();
            if fold.position.next < size {
                let ledger = ledger.clone();
                let caught_up = tokio::task::spawn_blocking(move || {
                    let result = fold.catch_up(&ledger, |_| ());
                    (fold, result)
                });
                let result;
                // A task that cannot be joined was ended with the runtime.
                (fold, result) = caught_up.await.map_err(|_| ViewsError::Stopped)?;
                match result {
                    Err(ViewsError::Ledger(error)) if error.is_passing() => {
                        tracing::warn!(%error, "the views wait for the ledger's database");
                        tokio::time::sleep(AGAIN).await;
                    }
                    result => result?,
                }
            } else if growth.changed().await.is_err() {
                return Ok(());
            }
        }
    }
}

/// A row of `entries`, as far as it differs from kind to kind.
#[derive(Default)]
struct Row<'a> {
    staff: Option<i64>,
    session: Option<SessionId>,
    app: Option<&'a AppId>,
    customer: Option<CustomerRef>,
    ticket: Option<&'a str>,
    purpose: Option<String>,
    response: Option<String>,
    grant: Option<GrantId>,
    proposal: Option<ProposalId>,
    action: Option<&'static str>,
    evidence: Option<&'static str>,
    tier: Option<&'static str>,
    classes: Option<u32>,
    rows: Option<u32>,
    mode: Option<&'static str>,
    would_mask: Option<u32>,
    would_refuse: Option<String>,
    why: Option<&'static str>,
}

fn absorb(tx: &Transaction<'_>, record: &Record) -> Result<(), ViewsError> {
    let row = match &record.entry.event {
        Event::Started(_) | Event::SettingsInForce(_) | Event::PolicyInForce(_) => Row::default(),
        Event::IncidentOpened(_) | Event::WatchInForce(_) => Row::default(),
        Event::Finding(_) => about_staff(tx, record, None)?,
        Event::Contained(e) => about_staff(tx, record, e.session)?,
        Event::Lifted(e) => about_staff(tx, record, Some(e.session))?,
        Event::Triaged(e) => about_staff(tx, record, Some(e.session))?,
        Event::Reauthenticated(e) => about_staff(tx, record, Some(e.session))?,
        Event::RuleMatched(_) => about_staff(tx, record, None)?,
        Event::CanariesPlanted(_) => Row::default(),
        Event::StaffRecorded(e) => staff_recorded(tx, record, e)?,
        Event::SessionOpened(e) => session_opened(tx, record, e)?,
        Event::SessionClosed(e) => session_closed(tx, record, e)?,
        Event::GrantIssued(e) => grant_issued(tx, record, e)?,
        Event::Revealed(e) => revealed(tx, record, e)?,
        Event::Listed(e) => listed(tx, e)?,
        Event::Written(e) => written(tx, record, e)?,
        Event::Refused(e) => refused(tx, record, e)?,
        Event::Revoked(e) => revoked(tx, record, e)?,
        Event::Questioned(e) => questioned(tx, record, e)?,
        Event::Proposed(e) => by_administrator(tx, record, e.proposal)?,
        Event::Decided(e) => by_administrator(tx, record, e.proposal)?,
        Event::Erased(_) => Row::default(),
        Event::MarkIssued(e) => by(tx, &e.by, Row::default())?,
        Event::MarkFault(e) => by(tx, &e.by, Row::default())?,
        Event::MarkSound(e) => by(tx, &e.by, Row::default())?,
    };
    insert(tx, record, row)?;
    match &record.entry.event {
        Event::Listed(e) => insert_listed(tx, record, e),
        Event::Erased(e) => forget::erased(tx, e),
        _ => Ok(()),
    }
}

fn insert(tx: &Transaction<'_>, record: &Record, row: Row<'_>) -> Result<(), ViewsError> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO entries VALUES (:idx, :time, :kind, :staff,
           (SELECT record FROM staff WHERE no = :staff),
           :session, :app, :customer, :ticket, :purpose, :response, :grant_id, :proposal, :action, :evidence, :tier,
           :classes, :rows, :mode, :would_mask, :would_refuse, :why, :entry)",
    )?;
    statement.execute(named_params! {
        ":idx": number(record.index),
        ":time": number(record.entry.time.0),
        ":kind": record.entry.event.kind(),
        ":staff": row.staff,
        ":session": row.session.map(|id| id.to_string()),
        ":app": row.app.map(AppId::as_str),
        ":customer": row.customer.map(|reference| reference.0),
        ":ticket": row.ticket,
        ":purpose": row.purpose,
        ":response": row.response,
        ":grant_id": row.grant.map(|id| id.to_string()),
        ":proposal": row.proposal.map(|id| id.to_string()),
        ":action": row.action,
        ":evidence": row.evidence,
        ":tier": row.tier,
        ":classes": row.classes,
        ":rows": row.rows,
        ":mode": row.mode,
        ":would_mask": row.would_mask,
        ":would_refuse": row.would_refuse,
        ":why": row.why,
        ":entry": record.entry.encode(),
    })?;
    Ok(())
}

fn staff_recorded(
    tx: &Transaction<'_>,
    record: &Record,
    e: &StaffRecorded,
) -> Result<Row<'static>, ViewsError> {
    let staff = staff_no(tx, &e.record.staff)?;
    tx.prepare_cached("INSERT INTO staff_records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?.execute((
        number(record.index),
        number(record.entry.time.0),
        staff,
        e.record.role.word(),
        &e.record.team,
        &e.record.employer,
        &e.record.site,
        e.record.status.word(),
        e.record.cleared_until.map(|t| number(t.0)),
    ))?;
    tx.prepare_cached("UPDATE staff SET record = ?2, status = ?3 WHERE no = ?1")?.execute((
        staff,
        number(record.index),
        e.record.status.word(),
    ))?;
    if e.record.status != StaffStatus::Active {
        end_sessions(tx, record, Of::Staff(staff), "inactive", e.record.status.word())?;
    }
    Ok(Row { staff: Some(staff), ..Row::default() })
}

fn session_opened<'a>(
    tx: &Transaction<'_>,
    record: &Record,
    e: &'a SessionOpened,
) -> Result<Row<'a>, ViewsError> {
    let staff = staff_no(tx, &e.staff)?;
    tx.prepare_cached(
        "INSERT INTO sessions (idx, session, staff, door, opened, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (session) DO NOTHING",
    )?
    .execute((
        number(record.index),
        e.session.to_string(),
        staff,
        e.door.as_str(),
        number(record.entry.time.0),
        number(e.expires.0),
    ))?;
    Ok(Row { staff: Some(staff), session: Some(e.session), app: Some(&e.door), ..Row::default() })
}

fn session_closed(
    tx: &Transaction<'_>,
    record: &Record,
    e: &SessionClosed,
) -> Result<Row<'static>, ViewsError> {
    end_sessions(tx, record, Of::Session(e.session), "closed", e.why.word())?;
    Ok(Row { staff: staff_of_session(tx, e.session)?, session: Some(e.session), ..Row::default() })
}

fn grant_issued<'a>(
    tx: &Transaction<'_>,
    record: &'a Record,
    e: &'a GrantIssued,
) -> Result<Row<'a>, ViewsError> {
    let about = about(tx, record, Some(&e.app), Some(e.tier))?;
    Ok(Row {
        staff: Some(staff_no(tx, &e.staff)?),
        app: Some(&e.app),
        purpose: Some(e.purpose.to_string()),
        grant: Some(e.grant),
        evidence: Some(e.evidence.word()),
        tier: Some(e.tier.word()),
        classes: Some(e.classes.bits()),
        would_refuse: e.would_refuse.map(|why| why.to_string()),
        ..about
    })
}

fn revealed<'a>(tx: &Transaction<'_>, record: &'a Record, e: &'a Revealed) -> Result<Row<'a>, ViewsError> {
    let about = about(tx, record, Some(&e.by.app), Some(e.tier))?;
    let grant = tx
        .prepare_cached(
            "SELECT purpose, would_refuse FROM entries WHERE kind = 'grant_issued' AND grant_id = ?1",
        )?
        .query_row([e.grant.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (purpose, would_refuse) = grant.unwrap_or_default();
    Ok(Row {
        purpose,
        would_refuse,
        response: Some(e.response.to_string()),
        grant: Some(e.grant),
        action: Some(e.action.word()),
        evidence: Some(e.evidence.word()),
        tier: Some(e.tier.word()),
        classes: Some(e.classes.bits()),
        mode: Some(e.mode.word()),
        would_mask: Some(e.would_mask.bits()),
        ..by(tx, &e.by, about)?
    })
}

fn listed<'a>(tx: &Transaction<'_>, e: &'a Listed) -> Result<Row<'a>, ViewsError> {
    Ok(Row {
        response: Some(e.response.to_string()),
        action: Some(e.action.word()),
        classes: Some(e.classes.bits()),
        rows: Some(e.rows),
        mode: Some(e.mode.word()),
        would_mask: Some(e.would_mask.bits()),
        would_refuse: e.would_refuse.map(|why| why.to_string()),
        ..by(tx, &e.by, Row::default())?
    })
}

fn insert_listed(tx: &Transaction<'_>, record: &Record, e: &Listed) -> Result<(), ViewsError> {
    let mut statement = tx.prepare_cached("INSERT INTO listed VALUES (?1, ?2, ?3)")?;
    for (row, opening) in record.openings.iter().enumerate() {
        let place = CustomerRef::named_at(record.index, row);
        let customer = customer_no(tx, place, opening.as_ref(), Some(&e.by.app), None)?;
        statement.execute((number(record.index), number(row as u64), customer.map(|r| r.0)))?;
    }
    Ok(())
}

fn written<'a>(tx: &Transaction<'_>, record: &'a Record, e: &'a Written) -> Result<Row<'a>, ViewsError> {
    let about = about(tx, record, Some(&e.by.app), None)?;
    Ok(Row { response: Some(e.response.to_string()), ..by(tx, &e.by, about)? })
}

fn refused<'a>(tx: &Transaction<'_>, record: &'a Record, e: &'a Refused) -> Result<Row<'a>, ViewsError> {
    Ok(Row {
        staff: e.staff.as_ref().map(|staff| staff_no(tx, staff)).transpose()?,
        session: e.session,
        app: e.app.as_ref(),
        response: Some(e.response.to_string()),
        why: Some(e.why.word()),
        ..about(tx, record, e.app.as_ref(), None)?
    })
}

fn revoked(tx: &Transaction<'_>, record: &Record, e: &Revoked) -> Result<Row<'static>, ViewsError> {
    Ok(match &e.target {
        Target::Staff(staff) => {
            let staff = staff_no(tx, staff)?;
            end_sessions(tx, record, Of::Staff(staff), "revoked", e.reason.word())?;
            // Who has left stays so.
            tx.prepare_cached("UPDATE staff SET status = ?2 WHERE no = ?1 AND status IS NOT ?3")?
                .execute((staff, StaffStatus::Suspended.word(), StaffStatus::Left.word()))?;
            Row { staff: Some(staff), ..Row::default() }
        }
        Target::Session(session) => {
            end_sessions(tx, record, Of::Session(*session), "revoked", e.reason.word())?;
            Row { staff: staff_of_session(tx, *session)?, session: Some(*session), ..Row::default() }
        }
        Target::Grant(grant) => {
            let staff = tx
                .prepare_cached("SELECT staff FROM entries WHERE kind = 'grant_issued' AND grant_id = ?1")?
                .query_row([grant.to_string()], |row| row.get(0))
                .optional()?;
            Row { staff, grant: Some(*grant), ..Row::default() }
        }
    })
}

fn questioned<'a>(tx: &Transaction<'_>, record: &'a Record, _: &Questioned) -> Result<Row<'a>, ViewsError> {
    let asker = record.entry.event.staff();
    Ok(Row { staff: asker.map(|staff| staff_no(tx, staff)).transpose()?, ..about(tx, record, None, None)? })
}

/// What is about a staff member, or done by one, and about no customer.
fn about_staff(
    tx: &Transaction<'_>,
    record: &Record,
    session: Option<SessionId>,
) -> Result<Row<'static>, ViewsError> {
    let staff = record.entry.event.staff().map(|staff| staff_no(tx, staff)).transpose()?;
    Ok(Row { staff, session, ..Row::default() })
}

/// A proposal, or a decision about one.
fn by_administrator<'a>(
    tx: &Transaction<'_>,
    record: &'a Record,
    proposal: ProposalId,
) -> Result<Row<'a>, ViewsError> {
    let staff = record.entry.event.staff().map(|staff| staff_no(tx, staff)).transpose()?;
    Ok(Row { staff, proposal: Some(proposal), ..about(tx, record, None, None)? })
}

/// Whose sessions end.
enum Of {
    Staff(i64),
    Session(SessionId),
}

/// Ends those sessions that have not ended before.
fn end_sessions(
    tx: &Transaction<'_>,
    record: &Record,
    of: Of,
    how: &str,
    why: &str,
) -> Result<(), ViewsError> {
    let (condition, of): (_, Box<dyn ToSql>) = match of {
        Of::Staff(no) => ("staff = ?1", Box::new(no)),
        Of::Session(session) => ("session = ?1", Box::new(session.to_string())),
    };
    let sql = format!(
        "UPDATE sessions SET ended_idx = ?2, ended = ?3, ended_how = ?4, ended_why = ?5
          WHERE {condition} AND ended IS NULL"
    );
    let end = (of, number(record.index), number(record.entry.time.0), how, why);
    tx.prepare_cached(&sql)?.execute(end)?;
    Ok(())
}

/// The row with its viewer.
fn by<'a>(tx: &Transaction<'_>, viewer: &'a Viewer, row: Row<'a>) -> Result<Row<'a>, ViewsError> {
    let staff = Some(staff_no(tx, &viewer.staff)?);
    Ok(Row { staff, session: Some(viewer.session), app: Some(&viewer.app), ..row })
}

/// A row that is about the one customer whom the record's opening names.
fn about<'a>(
    tx: &Transaction<'_>,
    record: &'a Record,
    app: Option<&AppId>,
    tier: Option<Tier>,
) -> Result<Row<'a>, ViewsError> {
    let opening = record.openings.first().and_then(Option::as_ref);
    let place = CustomerRef::named_at(record.index, 0);
    Ok(Row {
        customer: customer_no(tx, place, opening, app, tier)?,
        ticket: opening.and_then(|o| o.subject.ticket.as_ref()).map(|ticket| ticket.as_str()),
        ..Row::default()
    })
}

/// The customer whom the opening names, who is known from `place` on if not from before.
fn customer_no(
    tx: &Transaction<'_>,
    place: CustomerRef,
    opening: Option<&Opening>,
    app: Option<&AppId>,
    tier: Option<Tier>,
) -> Result<Option<CustomerRef>, ViewsError> {
    let Some(opening) = opening else { return Ok(None) };
    let mut statement = tx.prepare_cached(
        "INSERT INTO customers VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (customer, app) DO UPDATE SET tier = coalesce(excluded.tier, tier) RETURNING no",
    )?;
    let app = app.map_or("", AppId::as_str);
    let customer = opening.subject.customer.as_str();
    let no = statement.query_row((place.0, app, customer, tier.map(Tier::word)), |row| get(row, "no"))?;
    Ok(Some(no))
}

fn staff_no(tx: &Transaction<'_>, staff: &StaffId) -> Result<i64, ViewsError> {
    let known = tx
        .prepare_cached("SELECT no FROM staff WHERE staff = ?1")?
        .query_row([staff.as_str()], |row| row.get(0))
        .optional()?;
    if let Some(no) = known {
        return Ok(no);
    }
    tx.prepare_cached("INSERT INTO staff (staff) VALUES (?1)")?.execute([staff.as_str()])?;
    Ok(tx.last_insert_rowid())
}

fn staff_of_session(tx: &Transaction<'_>, session: SessionId) -> Result<Option<i64>, ViewsError> {
    let staff = tx
        .prepare_cached("SELECT staff FROM sessions WHERE session = ?1")?
        .query_row([session.to_string()], |row| row.get(0))
        .optional()?;
    Ok(staff)
}
