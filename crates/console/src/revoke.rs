//! Taking access away: a page that says what will happen, and one that says what did.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::Query;
use axum::response::Response;
use model::entry::{RevokeReason, Target};
use model::{GrantId, SessionId, StaffId, Timestamp};
use pages::{Html, Icon};
use people::Registered;

use crate::Console;
use crate::fault::Fault;
use crate::guard::Visitor;
use crate::happening::{revoke_reason, target};
use crate::show::segment;

/// What a revocation is aimed at, as addresses and forms have it: exactly one of these.
#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct Aim {
    staff: Option<StaffId>,
    session: Option<SessionId>,
    grant: Option<GrantId>,
}

impl Aim {
    fn target(self) -> Result<Target, Fault> {
        match (self.staff, self.session, self.grant) {
            (Some(staff), None, None) => Ok(Target::Staff(staff)),
            (None, Some(session), None) => Ok(Target::Session(session)),
            (None, None, Some(grant)) => Ok(Target::Grant(grant)),
            _ => Err(Fault::Unreadable),
        }
    }
}

/// An open session that the revocation would end.
struct Ends {
    id: SessionId,
    door: String,
    opened: Timestamp,
}

/// What the state knows of a target.
struct Aimed {
    /// Whose access it is; a grant does not say.
    staff: Option<StaffId>,
    ends: Vec<Ends>,
}

impl Aimed {
    /// Refuses a target that the state does not know. Grants are looked up by admission.
    fn find(console: &Arc<Console>, at: &Target, now: Timestamp) -> Result<Self, Fault> {
        let mut found = Err(Fault::Unknown("staff member or session"));
        console.access.state().with_register(&mut |register| {
            let staff = match at {
                Target::Staff(staff) => register.staff.contains_key(staff).then(|| Some(staff.clone())),
                Target::Session(session) => register.sessions.get(session).map(|s| Some(s.staff.clone())),
                Target::Grant(_) => Some(None),
            };
            let Some(staff) = staff else { return };
            let hit = |id: &SessionId| match at {
                Target::Staff(staff) => register.sessions[id].staff == *staff,
                Target::Session(session) => id == session,
                Target::Grant(_) => false,
            };
            let open = |id: &SessionId| register.may_act(*id, now).is_ok();
            let mut ends: Vec<_> = register
                .sessions
                .iter()
                .filter(|(id, _)| hit(id) && open(id))
                .map(|(id, s)| Ends { id: *id, door: s.door.to_string(), opened: s.opened })
                .collect();
            ends.sort_by_key(|e| (std::cmp::Reverse(e.opened), e.id));
            found = Ok(Self { staff, ends });
        });
        found
    }
}

#[derive(Template)]
#[template(path = "revoke.html")]
struct ConfirmTemplate<'a> {
    now: Timestamp,
    csrf: &'a str,
    target: &'a Target,
    aimed: Aimed,
    back: String,
    own: bool,
    chosen: RevokeReason,
}

impl ConfirmTemplate<'_> {
    fn own_access(&self) -> Html {
        Html::text("This is your own access. You will be logged out.")
    }

    fn field(&self) -> (&'static str, String) {
        match self.target {
            Target::Staff(staff) => ("staff", staff.to_string()),
            Target::Session(session) => ("session", session.to_string()),
            Target::Grant(grant) => ("grant", grant.to_string()),
        }
    }
}

/// `GET /revoke`: asks whether one is sure, and why.
pub(crate) async fn confirm(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Query(aim): Query<Aim>,
) -> Result<Response, Fault> {
    visitor.check_may_revoke(&console).await?;
    let (at, now) = (aim.target()?, console.clock.now());
    let aimed = Aimed::find(&console, &at, now)?;
    let body = ConfirmTemplate {
        now,
        csrf: &visitor.seated.csrf,
        target: &at,
        back: back(&aimed),
        own: aimed.staff.as_ref() == Some(&visitor.seated.record.staff),
        aimed,
        chosen: match at {
            Target::Grant(_) => RevokeReason::NoLongerNeeded,
            Target::Staff(_) | Target::Session(_) => RevokeReason::UnexplainedLooks,
        },
    };
    Ok(crate::shell::page(&visitor, "/staff", "Revoke access", &body))
}

fn back(aimed: &Aimed) -> String {
    aimed.staff.as_ref().map_or_else(|| "/sessions".to_owned(), |s| format!("/staff/{}", segment(s.as_str())))
}

/// The form. (Flattening `Aim` would read numbers as text, so its fields are here again.)
#[derive(serde::Deserialize)]
pub(crate) struct Sure {
    csrf: String,
    reason: RevokeReason,
    staff: Option<StaffId>,
    session: Option<SessionId>,
    grant: Option<GrantId>,
}

#[derive(Template)]
#[template(path = "revoked.html")]
struct DoneTemplate {
    now: Timestamp,
    what: String,
    reason: &'static str,
    index: u64,
    ended: Vec<Ends>,
    suspended: bool,
    staff: Option<StaffId>,
    back: String,
}

/// `POST /revoke`: does it, and says what it did.
pub(crate) async fn carry_out(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Form(sure): Form<Sure>,
) -> Result<Response, Fault> {
    visitor.check_form(&console, &sure.csrf).await?;
    visitor.check_may_revoke(&console).await?;
    let reason = sure.reason;
    let at = Aim { staff: sure.staff, session: sure.session, grant: sure.grant }.target()?;
    let now = console.clock.now();
    let before = Aimed::find(&console, &at, now)?;
    let receipt = console.ledger.append(access::revocation(at.clone(), visitor.actor(), reason)).await?;
    let still_open = Aimed::find(&console, &at, now)?.ends;
    let body = DoneTemplate {
        now,
        what: target(&at),
        reason: revoke_reason(reason),
        index: receipt.index(),
        suspended: matches!(at, Target::Staff(_)),
        back: back(&before),
        staff: before.staff,
        ended: before.ends.into_iter().filter(|e| still_open.iter().all(|s| s.id != e.id)).collect(),
    };
    Ok(crate::shell::page(&visitor, "/staff", "Access revoked", &body))
}
