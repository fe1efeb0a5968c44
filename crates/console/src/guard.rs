//! Who may see and do what: the one place where that is decided.
//!
//! Leads, analysts, auditors and admins open the console; analysts and admins take access away, and admins
//! decide what takes two. A lead
//! opens the timeline and blast radius of their own team only. Figures over everybody are open to all
//! of them, by pseudonym.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use incident::Asker;
use ledger::Draft;
use model::entry::{Actor, Event, Refused, Why};
use model::{Level, ResponseId, Role, StaffId};
use people::{Registered, Seated};

use crate::Console;
use crate::fault::Fault;

/// Somebody who is logged in, in a role that uses the console. Handlers that take one are closed to
/// everybody else.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) seated: Seated,
}

impl FromRequestParts<Arc<Console>> for Visitor {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Fault> {
        let seated = match console.people.identify(&parts.headers, &console.door).await {
            Ok(Some(seated)) => seated,
            Ok(None) => return Err(Fault::NotLoggedIn),
            Err(why) => return Err(Fault::SessionOver(why)),
        };
        let visitor = Self { seated };
        if !visitor.role().uses_console() {
            return Err(Fault::NotForRole(visitor.refuse(console, Why::Policy).await?));
        }
        let staff = &visitor.seated.record.staff;
        let rung = console.access.state().read().contained(staff).map(|held| held.level);
        if rung >= Some(Level::Suspend) {
            return Err(Fault::Paused(visitor.refuse(console, Why::Suspended).await?));
        }
        Ok(visitor)
    }
}

impl Visitor {
    pub(crate) fn role(&self) -> Role {
        self.seated.record.role
    }

    pub(crate) fn may_revoke(&self) -> bool {
        self.role().may_revoke()
    }

    /// As whom questions are recorded.
    pub(crate) fn asker(&self) -> Asker {
        Asker::Console { staff: self.seated.record.staff.clone(), session: self.seated.session }
    }

    /// As whom deeds are recorded.
    pub(crate) fn actor(&self) -> Actor {
        Actor::Staff(self.seated.record.staff.clone())
    }

    /// Refuses a form that does not carry the session's token.
    pub(crate) async fn check_form(&self, console: &Console, token: &str) -> Result<(), Fault> {
        if console.people.csrf_ok(&self.seated, token) {
            return Ok(());
        }
        Err(Fault::ForgedForm(self.refuse(console, Why::ForgedForm).await?))
    }

    /// Refuses whoever may not take access away.
    pub(crate) async fn check_may_revoke(&self, console: &Console) -> Result<(), Fault> {
        if self.may_revoke() {
            return Ok(());
        }
        Err(Fault::NotToRevoke(self.refuse(console, Why::Policy).await?))
    }

    pub(crate) fn may_decide(&self) -> bool {
        self.role() == Role::Admin
    }

    /// Refuses whoever may not decide what takes two administrators.
    pub(crate) async fn check_may_decide(&self, console: &Console) -> Result<(), Fault> {
        if self.may_decide() {
            return Ok(());
        }
        Err(Fault::NotToDecide(self.refuse(console, Why::NotPermitted).await?))
    }

    /// Refuses a lead who asks about somebody of another team.
    pub(crate) async fn check_may_ask_about(&self, console: &Console, staff: &StaffId) -> Result<(), Fault> {
        if self.role() != Role::Lead || self.leads(console, staff) {
            return Ok(());
        }
        Err(Fault::OtherTeam(self.refuse(console, Why::Policy).await?))
    }

    fn leads(&self, console: &Console, staff: &StaffId) -> bool {
        let mut same_team = false;
        console.access.state().with_register(&mut |register| {
            same_team = register.staff.get(staff).is_some_and(|r| r.team == self.seated.record.team);
        });
        same_team
    }

    /// Records a refusal and gives the reference number for the page.
    pub(crate) async fn refuse(&self, console: &Console, why: Why) -> Result<ResponseId, Fault> {
        let response = ResponseId::fresh(&*console.entropy);
        let refused = Refused {
            response,
            app: Some(console.door.clone()),
            staff: Some(self.seated.record.staff.clone()),
            session: Some(self.seated.session),
            subject: None,
            why,
        };
        console.ledger.append(Draft::plain(Event::Refused(refused))).await?;
        Ok(response)
    }
}
