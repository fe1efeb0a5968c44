//! Sessions: who sent a request, and the beginning and end of each session.

use std::fmt;
use std::sync::{MutexGuard, PoisonError};

use ledger::{AppendError, Draft};
use model::entry::{Actor, SessionClosed, SessionEnd, SessionOpened, StaffRecorded, Why};
use model::{AppId, Event, Reauthenticated, SessionId, StaffId, StaffRecord, Timestamp};
use subtle::ConstantTimeEq;

use crate::secret::Token;
use crate::{People, Register, Session, cookie, cookie_name};

/// Whoever sent a request.
#[derive(Clone)]
pub struct Seated {
    /// The session.
    pub session: SessionId,
    /// What the ledger knows of this person.
    pub record: StaffRecord,
    /// The name to show; from the directory.
    pub name: String,
    /// The name under which the apps know this person (what goes into the sign-in header).
    pub login: String,
    /// What the forms of our pages carry: bound to the session.
    pub csrf: String,
}

/// Prints the session and the pseudonym: the rest is personal or secret.
impl fmt::Debug for Seated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seated")
            .field("session", &self.session)
            .field("staff", &self.record.staff)
            .finish_non_exhaustive()
    }
}

/// How a session stands at a moment.
enum Standing {
    Open(StaffRecord),
    Over(Why),
    /// Over by its limits, which the ledger has not heard of yet.
    Due(SessionEnd),
}

impl People {
    /// Who sent a request with these headers through this door. `Ok(None)`: nobody logged in. `Err`: the
    /// session was there and is over, with the reason for the page. Also notes activity and ends idle
    /// sessions.
    pub async fn identify(&self, headers: &http::HeaderMap, door: &AppId) -> Result<Option<Seated>, Why> {
        let Some(id) = self.session_of(headers, door)? else { return Ok(None) };
        let now = self.0.parts.clock.now();
        match self.standing(id, now)? {
            Standing::Over(why) => Err(why),
            Standing::Due(end) => {
                self.close(id, end).await;
                Err(Why::SessionEnded)
            }
            Standing::Open(record) => {
                // Without a name for the apps nobody can be signed in: a login fills the directory again.
                let Some((name, login)) = self.0.parts.directory.name_and_login(&record.staff) else {
                    return Ok(None);
                };
                self.active().insert(id, now);
                Ok(Some(Seated { session: id, record, name, login, csrf: self.csrf(id) }))
            }
        }
    }

    /// Whose session the cookie for this door names, open or over.
    pub fn owner(&self, headers: &http::HeaderMap, door: &AppId) -> Option<(StaffId, SessionId)> {
        let id = self.session_of(headers, door).ok()??;
        let staff = self.ask(|register| register.sessions.get(&id).map(|session| session.staff.clone()));
        Some((staff.ok()??, id))
    }

    /// Whether a form's token is that of the session.
    pub fn csrf_ok(&self, seated: &Seated, token: &str) -> bool {
        self.csrf(seated.session).as_bytes().ct_eq(token.as_bytes()).into()
    }

    fn csrf(&self, session: SessionId) -> String {
        self.0.parts.directory.key().tag("form", &[session.to_string().as_bytes()])
    }

    /// The session of the cookie for this door, whatever its standing.
    fn session_of(&self, headers: &http::HeaderMap, door: &AppId) -> Result<Option<SessionId>, Why> {
        let Some(token) = cookie::read(headers, &cookie_name(door)).and_then(Token::parse) else {
            return Ok(None);
        };
        let digest = token.digest();
        self.ask(|register| {
            let id = register.session_with_token(&digest)?;
            register.sessions.get(&id).filter(|session| session.door == *door).map(|_| id)
        })
    }

    fn standing(&self, id: SessionId, now: Timestamp) -> Result<Standing, Why> {
        let seen = self.active().get(&id).copied();
        self.ask(|register| match (register.sessions.get(&id), register.may_act(id, now)) {
            (Some(session), _) if session.ended.is_none() && session.expires <= now => {
                Standing::Due(SessionEnd::Expired)
            }
            (Some(session), Ok(_)) if self.is_idle(session, seen, now) => Standing::Due(SessionEnd::Idle),
            (_, Ok((_, record))) => Standing::Open(record.clone()),
            (_, Err(why)) => Standing::Over(why),
        })
    }

    fn is_idle(&self, session: &Session, seen: Option<Timestamp>, now: Timestamp) -> bool {
        let since = seen.unwrap_or(session.opened.max(self.0.started));
        now.since(since) > self.0.parts.limits.idle()
    }

    /// Opens a session for somebody who has just logged in, and ends the one that this browser had at
    /// this door. `asked`: when they were asked to do so afresh. Gives the cookie's value.
    pub(crate) async fn open_session(
        &self,
        door: &AppId,
        record: StaffRecord,
        headers: &http::HeaderMap,
        asked: Option<Timestamp>,
    ) -> Result<String, AppendError> {
        let parts = &self.0.parts;
        let replaced = self.session_of(headers, door).map_err(AppendError::Refused)?;
        let token = Token::fresh(&*parts.entropy);
        let opened = SessionOpened {
            session: SessionId::fresh(&*parts.entropy),
            staff: record.staff.clone(),
            door: door.clone(),
            token: token.digest(),
            expires: parts.clock.now().plus(parts.limits.absolute()),
        };
        let afresh = asked.map(|asked| {
            let (session, staff) = (opened.session, record.staff.clone());
            Event::Reauthenticated(Reauthenticated { session, staff, asked })
        });
        let known = self
            .ask(|register| register.staff.get(&record.staff) == Some(&record))
            .map_err(AppendError::Refused)?;
        let news = (!known).then_some(Event::StaffRecorded(StaffRecorded { record, by: Actor::System }));
        let events = news.into_iter().chain([Event::SessionOpened(opened)]).chain(afresh);
        parts.ledger.append_all(events.map(Draft::plain).collect()).await?;
        if let Some(replaced) = replaced {
            self.close(replaced, SessionEnd::Replaced).await;
        }
        Ok(token.text())
    }

    /// Ends the session of these headers at the wish of its owner. Whether the ledger took it.
    pub(crate) async fn log_out(&self, seated: &Seated) -> bool {
        self.close(seated.session, SessionEnd::Logout).await
    }

    /// Records the end of a session. One that is over already is as well as closed.
    async fn close(&self, session: SessionId, why: SessionEnd) -> bool {
        let closed = Event::SessionClosed(SessionClosed { session, why });
        match self.0.parts.ledger.append(Draft::plain(closed)).await {
            Ok(_) | Err(AppendError::Refused(_)) => {
                self.active().remove(&session);
                true
            }
            Err(error) => {
                tracing::warn!(%session, %why, %error, "the end of a session could not be recorded");
                false
            }
        }
    }

    /// Asks the register. A register that does not answer lets nobody in.
    pub(crate) fn ask<T>(&self, question: impl Fn(&Register) -> T) -> Result<T, Why> {
        let mut answer = Err(Why::LedgerUnavailable);
        self.0.parts.registered.with_register(&mut |register| answer = Ok(question(register)));
        answer
    }

    fn active(&self) -> MutexGuard<'_, std::collections::HashMap<SessionId, Timestamp>> {
        self.0.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
