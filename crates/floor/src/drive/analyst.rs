//! The analyst on duty: hears of refusals, opens the console, and takes the access away.

use std::collections::VecDeque;

use model::StaffId;
use tokio::sync::watch;

use super::browser::{Browser, NoAnswer};
use super::happening::{Happening, Reports};
use super::page::{Form, Page};
use super::{Pace, Persona};

/// As many pages of the console as are opened in search of the form.
const MOST_PAGES: usize = 12;

/// Watches until the day is over.
pub(super) async fn watch(
    persona: Persona,
    mut browser: Browser,
    mut pace: Pace,
    reports: Reports,
    mut alarms: watch::Receiver<Option<StaffId>>,
) {
    while alarms.changed().await.is_ok() {
        let Some(staff) = alarms.borrow_and_update().clone() else { continue };
        pace.take(120.0).await;
        match revoke(&persona, &mut browser, &staff).await {
            Ok(()) => {
                let at = reports.now();
                reports.count().harvest.revoked.get_or_insert(at);
                reports.tell(Happening::Revoked { staff, by: persona.staff.clone(), at }).await;
                // Alarms that came in meanwhile were about the same person.
                alarms.mark_unchanged();
            }
            Err(why) => reports.tell(Happening::NotRevoked(staff, why.to_string())).await,
        }
    }
}

/// Why an access was not revoked.
#[derive(Debug, thiserror::Error)]
enum NotDone {
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("the console did not let the analyst in")]
    NotLetIn,
    #[error("the console shows no form to revoke it with")]
    NoForm,
    #[error("the console answered {0}")]
    Refused(http::StatusCode),
}

/// Finds the form that revokes this person's access, sends it, and opens the list of whom they saw.
async fn revoke(persona: &Persona, browser: &mut Browser, staff: &StaffId) -> Result<(), NotDone> {
    if browser.get("/").await?.asks_to_sign_in() {
        let page = browser.sign_in(persona.staff.as_str(), &persona.login).await?;
        if page.shuts_out() {
            return Err(NotDone::NotLetIn);
        }
    }
    let (page, form) = find_form(browser, staff).await?.ok_or(NotDone::NoForm)?;
    let answer = browser.submit(&page, &form).await?;
    if !answer.status.is_success() || answer.asks_to_sign_in() {
        return Err(NotDone::Refused(answer.status));
    }
    // It is done; that the list of whom they could have seen does not open does not undo it.
    if let Some(reach) = answer.links.iter().find(|link| link.ends_with("/reach") && names(link, staff)) {
        let _list = browser.get(reach).await;
    }
    Ok(())
}

/// Looks on the person's own page, on the overviews, and wherever those lead that names the person.
async fn find_form(browser: &mut Browser, staff: &StaffId) -> Result<Option<(Page, Form)>, NoAnswer> {
    let mut places = VecDeque::from([
        format!("/staff/{staff}"),
        "/".to_owned(),
        "/staff".to_owned(),
        "/sessions".to_owned(),
    ]);
    for _ in 0..MOST_PAGES {
        let Some(place) = places.pop_front() else { break };
        // A link that leads out of the console is none of the analyst's.
        let page = match browser.get(&place).await {
            Err(NoAnswer::BadAddress(_)) => continue,
            answer => answer?,
        };
        let form = page.forms.iter().find(|form| form.is_post && revokes(form, staff));
        if let Some(form) = form {
            let form = filled(form);
            return Ok(Some((page, form)));
        }
        let (near, far): (Vec<_>, Vec<_>) = page
            .links
            .into_iter()
            .filter(|link| names(link, staff))
            .partition(|link| link.contains("revoke"));
        near.into_iter().for_each(|link| places.push_front(link));
        places.extend(far);
    }
    Ok(None)
}

/// Whether a form takes away all access of this person, and not a session or a grant alone.
fn revokes(form: &Form, staff: &StaffId) -> bool {
    let is_about_revoking = form.marker == "revoke" || form.action.ends_with("/revoke");
    is_about_revoking
        && (names(&form.action, staff) || form.values.iter().any(|(_, value)| value == staff.as_str()))
}

/// Whether an address has this person as one of its words.
fn names(address: &str, staff: &StaffId) -> bool {
    address.split(['/', '?', '&', '=', '#']).any(|word| word == staff.as_str())
}

/// The form with whatever it leaves open decided: the first that it offers, or a sentence.
fn filled(form: &Form) -> Form {
    let mut done = form.clone();
    for name in ["reason", "why", "note"] {
        if !form.has(name) || form.value(name).is_some_and(|value| !value.is_empty()) {
            continue;
        }
        let offered = form.offers(name).into_iter().next();
        let sentence =
            || "Opened customers whom no ticket leads to, and went on after the budget was used up.";
        done.set(name, offered.unwrap_or_else(|| sentence().to_owned()));
    }
    done
}
