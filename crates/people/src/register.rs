//! The register: what the ledger says of who may act. A fold over entries and nothing else.

use std::time::Duration;

use model::entry::{Actor, Revoked, SessionClosed, SessionOpened, StaffRecorded, Target, Why};
use model::{
    AppId, Digest, Entry, Event, SessionId, StaffId, StaffRecord, StaffStatus, Timestamp, Turn, Undo, UndoMap,
};

/// How long a session is remembered after its time was over, so that its browser is still told why.
/// After that the register forgets it, which bounds the state.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Who is staff, and which sessions there are. Deterministic, and encodable for comparison byte for byte.
#[derive(Debug, Clone, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Register {
    /// The latest record of everybody who ever was staff.
    #[n(0)]
    pub staff: UndoMap<StaffId, StaffRecord>,
    /// The sessions, open ones and those that were over not long ago.
    #[n(1)]
    pub sessions: UndoMap<SessionId, Session>,
    #[n(2)]
    by_token: UndoMap<Digest, SessionId>,
}

/// A session as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Session {
    /// Whose.
    #[n(0)]
    pub staff: StaffId,
    /// Which door it opens: an app's name, or `console`.
    #[n(1)]
    pub door: AppId,
    /// When it was opened.
    #[n(2)]
    pub opened: Timestamp,
    /// It ends then, whatever happens.
    #[n(3)]
    pub expires: Timestamp,
    /// Why it ended before that, if it did.
    #[n(4)]
    pub ended: Option<Why>,
    /// SHA-256 of its cookie.
    #[n(5)]
    pub token: Digest,
}

impl Register {
    /// Absorbs staff records, sessions and revocations, or refuses and changes nothing. Other events pass.
    ///
    /// Revoking a person or a session that the register does not know is refused, so that a slip of
    /// the pen is noticed; revoking twice is not.
    pub fn admit(&mut self, entry: &Entry) -> Result<(), Why> {
        match &entry.event {
            Event::StaffRecorded(e) => self.record(e),
            Event::SessionOpened(e) => self.open(e, entry.time),
            Event::SessionClosed(e) => self.close(e),
            Event::Revoked(e) => self.revoke(e),
            Event::Started(_)
            | Event::SettingsInForce(_)
            | Event::PolicyInForce(_)
            | Event::GrantIssued(_)
            | Event::Revealed(_)
            | Event::Listed(_)
            | Event::Written(_)
            | Event::Refused(_)
            | Event::Questioned(_)
            | Event::Proposed(_)
            | Event::Decided(_)
            | Event::Erased(_)
            | Event::IncidentOpened(_)
            | Event::MarkIssued(_)
            | Event::MarkFault(_)
            | Event::MarkSound(_)
            | Event::Finding(_)
            | Event::Contained(_)
            | Event::Lifted(_)
            | Event::Triaged(_)
            | Event::WatchInForce(_)
            | Event::Reauthenticated(_)
            | Event::RuleMatched(_)
            | Event::CanariesPlanted(_) => Ok(()),
        }
    }

    /// Whether this session may act at `now`: not ended, not expired, its staff active.
    pub fn may_act(&self, session: SessionId, now: Timestamp) -> Result<(&Session, &StaffRecord), Why> {
        let session = self.sessions.get(&session).ok_or(Why::SessionEnded)?;
        match session.ended {
            Some(why) => Err(why),
            None if session.expires <= now => Err(Why::SessionEnded),
            None => Ok((session, self.active(&session.staff, now)?)),
        }
    }

    /// The record of a staff member who may work at `now`.
    pub fn active(&self, staff: &StaffId, now: Timestamp) -> Result<&StaffRecord, Why> {
        self.staff.get(staff).filter(|record| works(record, now)).ok_or(Why::StaffInactive)
    }

    /// Whether a session is remembered: it is for a while after its end too.
    pub fn knows(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// The session whose cookie has this hash.
    pub fn session_with_token(&self, token: &Digest) -> Option<SessionId> {
        self.by_token.get(token).copied()
    }

    /// A refreshed record from a login must not undo a suspension: only a person can.
    fn record(&mut self, StaffRecorded { record, by }: &StaffRecorded) -> Result<(), Why> {
        let before = self.staff.get(&record.staff).map_or(StaffStatus::Active, |r| r.status);
        if *by == Actor::System && before != StaffStatus::Active && record.status == StaffStatus::Active {
            return Err(Why::StaffInactive);
        }
        if record.status != StaffStatus::Active {
            self.end_sessions(&record.staff, Why::StaffInactive);
        }
        self.staff.insert(record.staff.clone(), record.clone());
        Ok(())
    }

    fn open(&mut self, e: &SessionOpened, now: Timestamp) -> Result<(), Why> {
        self.active(&e.staff, now)?;
        let taken = self.sessions.contains_key(&e.session) || self.by_token.contains_key(&e.token);
        if taken || e.expires <= now {
            return Err(Why::BadRequest);
        }
        self.forget_before(now.minus(REMEMBERED));
        let session = Session {
            staff: e.staff.clone(),
            door: e.door.clone(),
            opened: now,
            expires: e.expires,
            ended: None,
            token: e.token,
        };
        self.sessions.insert(e.session, session);
        self.by_token.insert(e.token, e.session);
        Ok(())
    }

    fn close(&mut self, e: &SessionClosed) -> Result<(), Why> {
        let session = self.sessions.get_mut(&e.session).ok_or(Why::SessionEnded)?;
        match session.ended {
            Some(why) => Err(why),
            None => {
                session.ended = Some(Why::SessionEnded);
                Ok(())
            }
        }
    }

    fn revoke(&mut self, e: &Revoked) -> Result<(), Why> {
        match &e.target {
            Target::Staff(staff) => {
                let record = self.staff.get_mut(staff).ok_or(Why::BadRequest)?;
                if record.status == StaffStatus::Active {
                    record.status = StaffStatus::Suspended;
                }
                self.end_sessions(staff, Why::SessionRevoked);
            }
            Target::Session(session) => {
                let session = self.sessions.get_mut(session).ok_or(Why::BadRequest)?;
                session.ended.get_or_insert(Why::SessionRevoked);
            }
            Target::Grant(_) => {}
        }
        Ok(())
    }

    fn end_sessions(&mut self, staff: &StaffId, why: Why) {
        let open = |session: &Session| session.staff == *staff && session.ended.is_none();
        self.sessions.change_where(open, |session| session.ended = Some(why));
    }

    fn forget_before(&mut self, then: Timestamp) {
        let sessions = &mut self.sessions;
        sessions.retain(|_, session| session.expires >= then);
        self.by_token.retain(|_, session| sessions.contains_key(session));
    }
}

impl Undo for Register {
    fn turn(&mut self, turn: Turn) {
        let Self { staff, sessions, by_token } = self;
        staff.turn(turn);
        sessions.turn(turn);
        by_token.turn(turn);
    }
}

fn works(record: &StaffRecord, now: Timestamp) -> bool {
    record.status == StaffStatus::Active && record.cleared_until.is_none_or(|until| now < until)
}

#[cfg(test)]
mod tests;
