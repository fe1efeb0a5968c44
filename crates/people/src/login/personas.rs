//! Login by a click, for demonstrations: on loopback only.

use std::net::SocketAddr;

use askama::Template;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use model::{AppId, Role, StaffRecord, StaffStatus, Timestamp};
use pages::{Html, Page};
use subtle::ConstantTimeEq;
use url::{Host, Url};

use super::attempt::{self, Attempt};
use super::{Entrance, Identity, NoLogin, Peer, field, with_cookie};
use crate::next::Next;
use crate::settings::{Door, Persona, PersonasSettings};
use crate::{Directory, Person, RememberError, cookie};

/// Why personas cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum PersonasError {
    /// Everybody on the network could be anybody.
    #[error("door {door} listens on {listen}; personas need every door on loopback (127.0.0.1 or [::1])")]
    NotLoopback {
        /// Which door.
        door: AppId,
        /// Where it listens.
        listen: SocketAddr,
    },
    /// Nobody to be.
    #[error("there is nobody to choose from")]
    Nobody,
}

/// Those whom a demonstration lets one be. Can only be made where every door is on loopback.
#[derive(Debug)]
pub struct Personas(Vec<Persona>);

impl Personas {
    /// Takes the personas, if every door is on loopback.
    pub fn open(settings: &PersonasSettings, doors: &[Door]) -> Result<Self, PersonasError> {
        if settings.staff.is_empty() {
            return Err(PersonasError::Nobody);
        }
        match doors.iter().find(|door| !door.listen.ip().is_loopback()) {
            Some(door) => Err(PersonasError::NotLoopback { door: door.name.clone(), listen: door.listen }),
            None => Ok(Self(settings.staff.clone())),
        }
    }

    /// Enters everybody in the directory.
    pub(crate) fn introduce(&self, directory: &Directory) -> Result<(), RememberError> {
        self.0.iter().try_for_each(|p| directory.remember(&p.staff, &person(p), |_| false))
    }

    /// The page to choose from.
    pub(super) async fn list(
        &self,
        at: &Entrance,
        peer: Peer,
        headers: &HeaderMap,
        next: &Next,
        fresh: bool,
    ) -> Result<Response, NoLogin> {
        only_local(peer, headers)?;
        let parts = &at.people.0.parts;
        let key = parts.directory.key();
        // One attempt for all tabs of a browser: where it leads stands in each tab's form.
        let attempt = self
            .attempt(at, headers)
            .unwrap_or_else(|| Attempt::begin(&*parts.entropy, parts.clock.now(), Next::home()));
        let now = at.people.identify(headers, &at.door).await.ok().flatten();
        let page = List {
            door: &at.door,
            groups: self.by_role(),
            token: attempt.state(key),
            next: next.as_str(),
            fresh,
            now: now.as_ref().map(|seated| seated.name.as_str()),
        };
        let response = Page::small("Who are you?", Html::of(&page)).respond(StatusCode::OK);
        let bound = cookie::set(
            &cookie::attempt_name(&at.door),
            &attempt.seal(key, &at.door),
            Some(attempt::PATIENCE),
        );
        Ok(with_cookie(response, bound))
    }

    /// Who was clicked.
    pub(super) fn chosen(
        &self,
        at: &Entrance,
        peer: Peer,
        headers: &HeaderMap,
        form: &[u8],
    ) -> Result<(Identity, Next, Option<Timestamp>), NoLogin> {
        only_local(peer, headers)?;
        let attempt = self.attempt(at, headers).ok_or(NoLogin::Stale)?;
        let token = field(form, "token").unwrap_or_default();
        let expected = attempt.state(at.people.0.parts.directory.key());
        if !bool::from(expected.as_bytes().ct_eq(token.as_bytes())) {
            return Err(NoLogin::Stale);
        }
        let wanted = field(form, "staff").unwrap_or_default();
        let persona = self.0.iter().find(|p| p.staff.as_str() == wanted).ok_or(NoLogin::Stale)?;
        let next = field(form, "next").and_then(|next| Next::parse(&next)).unwrap_or_else(Next::home);
        // Here a click is all the proof there is, and it was just made.
        let asked = field(form, "fresh").map(|_| at.people.0.parts.clock.now());
        Ok((Identity { record: record(persona), person: person(persona) }, next, asked))
    }

    fn attempt(&self, at: &Entrance, headers: &HeaderMap) -> Option<Attempt> {
        let parts = &at.people.0.parts;
        let value = cookie::read(headers, &cookie::attempt_name(&at.door))?;
        Attempt::open(parts.directory.key(), &at.door, value, parts.clock.now())
    }

    fn by_role(&self) -> Vec<(Role, Vec<&Persona>)> {
        let of = |role: Role| self.0.iter().filter(move |p| p.role == role).collect::<Vec<_>>();
        Role::ALL.iter().map(|role| (*role, of(*role))).filter(|(_, staff)| !staff.is_empty()).collect()
    }
}

#[derive(Template)]
#[template(path = "personas.html")]
struct List<'a> {
    door: &'a AppId,
    groups: Vec<(Role, Vec<&'a Persona>)>,
    token: String,
    next: &'a str,
    fresh: bool,
    now: Option<&'a str>,
}

/// A role as a heading.
fn title(role: &Role) -> &'static str {
    match role {
        Role::Agent => "Agents",
        Role::Lead => "Team leads",
        Role::Qa => "Quality reviewers",
        Role::Fraud => "Fraud investigators",
        Role::Approver => "Approvers",
        Role::Analyst => "Analysts",
        Role::Auditor => "Auditors",
        Role::Admin => "Administrators",
    }
}

/// What the role is there to do.
fn what(role: &Role) -> &'static str {
    match role {
        Role::Agent => "answer customers",
        Role::Lead => "lead a team of agents and assign tickets",
        Role::Qa => "review colleagues' work",
        Role::Fraud => "investigate fraud",
        Role::Approver => "approve requests of others",
        Role::Analyst => "work on findings, and can take access away",
        Role::Auditor => "read everything and change nothing",
        Role::Admin => "run Sightline",
    }
}

fn person(persona: &Persona) -> Person {
    Person {
        issuer: "persona".to_owned(),
        subject: persona.staff.to_string(),
        name: persona.name.clone(),
        login: persona.login.clone(),
    }
}

fn record(persona: &Persona) -> StaffRecord {
    StaffRecord {
        staff: persona.staff.clone(),
        role: persona.role,
        team: persona.team.clone(),
        employer: persona.employer.clone(),
        site: persona.site.clone(),
        status: StaffStatus::Active,
        cleared_until: persona.cleared_until,
    }
}

/// The request came from this machine, not through a proxy on it, and was meant for this machine: a page
/// elsewhere whose name was made to resolve to loopback says so in `Host`.
fn only_local(peer: Peer, headers: &HeaderMap) -> Result<(), NoLogin> {
    let here = peer.is_some_and(|axum::Extension(axum::extract::ConnectInfo(peer))| peer.ip().is_loopback());
    let direct =
        ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().all(|name| !headers.contains_key(*name));
    // HTTP/2 has no Host header; browsers speak it over TLS only, where the certificate says the name.
    let meant = headers.get(header::HOST).is_none_or(|host| host.to_str().is_ok_and(is_loopback_name));
    if here && direct && meant { Ok(()) } else { Err(NoLogin::NotLocal) }
}

fn is_loopback_name(host: &str) -> bool {
    let url = Url::parse(&format!("http://{host}/"));
    match url.as_ref().ok().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
