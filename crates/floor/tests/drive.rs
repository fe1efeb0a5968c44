//! A floor at work before a door that does, in the small, what the gateway does: personas,
//! a question why, two customers without a ticket and no more, and a page to revoke with.

#![allow(clippy::unwrap_used)] // a test stops where its set-up fails

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Form, Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, body};
use http::{HeaderValue, StatusCode, header};
use model::{Role, SystemClock};
use sightline_floor::Population;
use sightline_floor::desk::{Desk, Secrets};
use sightline_floor::drive::{self, DriveSettings, Happening, Tally};
use tokio::sync::mpsc;
use url::Url;

const SECRET: &str = "the desk's sign-in secret";
const BUDGET: usize = 2;

/// The door. Staff go by their logins in it, and a cookie is simply a login.
#[derive(Clone)]
struct Door {
    population: Arc<Population>,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    revoked: BTreeSet<String>,
    /// Customers to whom a ticket or a reason leads, by login.
    may_see: BTreeSet<(String, String)>,
    weak: BTreeMap<String, usize>,
}

impl Door {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    fn login_of(&self, staff: &str) -> String {
        self.population.staff.iter().find(|s| s.record.staff.as_str() == staff).unwrap().login.clone()
    }
}

async fn personas(State(door): State<Door>) -> Html<String> {
    let mut page = String::from(r#"<form method="post" action="/.sightline/login">"#);
    for staff in &door.population.staff {
        write!(page, r#"<button name="staff" value="{}">{}</button>"#, staff.record.staff, staff.name)
            .unwrap();
    }
    Html(page + r#"<input type="hidden" name="next" value="/"></form>"#)
}

async fn persona(State(door): State<Door>, Form(form): Form<BTreeMap<String, String>>) -> Response {
    let login = door.login_of(&form["staff"]);
    if door.kept().revoked.contains(&login) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let cookie = format!("__Host-sightline-desk={login}; Path=/; Secure; HttpOnly");
    ([(header::SET_COOKIE, cookie)], Redirect::to(&form["next"])).into_response()
}

async fn why(State(door): State<Door>, Form(form): Form<BTreeMap<String, String>>) -> Response {
    assert_eq!(form["purpose"], "customer_support");
    let mut kept = door.kept();
    let used = kept.weak.entry(form["login"].clone()).or_default();
    if *used >= BUDGET {
        return StatusCode::FORBIDDEN.into_response();
    }
    *used += 1;
    kept.may_see.insert((form["login"].clone(), form["customer"].clone()));
    Redirect::to(&format!("/customers/{}", form["customer"])).into_response()
}

async fn staff_page(Path(staff): Path<String>) -> Html<String> {
    Html(format!(r#"<a href="/staff/{staff}/reach">Reach</a> <a href="/revoke?staff={staff}">Revoke</a>"#))
}

async fn ask_to_revoke(Query(aim): Query<BTreeMap<String, String>>) -> Html<String> {
    let staff = &aim["staff"];
    Html(format!(
        r#"<form method="post" action="/revoke"><input type="hidden" name="session" value="ses-1"></form>
           <form method="post" action="/revoke"><input type="hidden" name="staff" value="{staff}">
           <select name="reason"><option value="">Choose</option><option value="finding">A finding</option></select>
           </form>"#
    ))
}

async fn revoke(State(door): State<Door>, Form(form): Form<BTreeMap<String, String>>) -> Redirect {
    assert_eq!(form["reason"], "finding");
    let login = door.login_of(&form["staff"]);
    door.kept().revoked.insert(login);
    Redirect::to(&format!("/staff/{}", form["staff"]))
}

async fn guard(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let cookie = request.headers().get(header::COOKIE).and_then(|c| c.to_str().ok()).unwrap_or_default();
    let login = cookie.trim_start_matches("__Host-sightline-desk=").to_owned();
    if login.is_empty() || door.kept().revoked.contains(&login) {
        return Redirect::to("/.sightline/login").into_response();
    }
    request.headers_mut().insert("x-remote-user", HeaderValue::from_str(&login).unwrap());
    request.headers_mut().insert("x-desk-secret", HeaderValue::from_static(SECRET));
    let path = request.uri().path().to_owned();
    if path.starts_with("/api/") || path.starts_with("/export/") {
        return StatusCode::FORBIDDEN.into_response();
    }
    if let Some(customer) = path.strip_prefix("/customers/")
        && !door.kept().may_see.contains(&(login.clone(), customer.to_owned()))
    {
        return Html(format!(
            r#"<form method="post" action="/.sightline/why">
               <input type="hidden" name="login" value="{login}"><input type="hidden" name="customer" value="{customer}">
               <input type="radio" name="purpose" value="escalation">
               <input type="radio" name="purpose" value="customer_support"><textarea name="note"></textarea></form>"#
        ))
        .into_response();
    }
    let answer = next.run(request).await;
    if !path.starts_with("/tickets/") {
        return answer;
    }
    // The ticket leads to its customer.
    let (head, content) = answer.into_parts();
    let content = body::to_bytes(content, 1 << 20).await.unwrap();
    let text = String::from_utf8(content.to_vec()).unwrap();
    if let Some((_, rest)) = text.split_once(r#"data-customer-id=""#) {
        let customer = rest.split('"').next().unwrap().to_owned();
        door.kept().may_see.insert((login, customer));
    }
    Response::from_parts(head, content.into())
}

/// A desk behind the door, with customers who write; and where the door is.
async fn open_door(population: &Population, speed: f64) -> Url {
    let secrets = Secrets { sign_in: SECRET.to_owned(), feed: "unused here".to_owned() };
    let desk = Desk::new(population.clone(), secrets, Arc::new(SystemClock));
    let door = Door { population: Arc::new(population.clone()), kept: Arc::default() };
    let router = Router::new()
        .route("/.sightline/login", get(personas).post(persona))
        .route("/.sightline/why", post(why))
        .route("/staff/{staff}", get(staff_page))
        .route("/revoke", get(ask_to_revoke).post(revoke))
        .with_state(door.clone())
        .fallback_service(desk.router().layer(middleware::from_fn_with_state(door, guard)));
    tokio::spawn(async move { desk.arrivals(speed).await });
    serve(router).await
}

async fn serve(router: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Url::parse(&format!("http://desk.localhost:{}/", address.port())).unwrap()
}

fn settings(population: &Population, door: &Url, speed: f64) -> DriveSettings {
    let clock = Arc::new(SystemClock);
    DriveSettings { speed, ..DriveSettings::for_population(population, door.clone(), door.clone(), clock) }
}

/// Runs until `is_last` happens, and gives what happened before and what came of it.
async fn run_until(
    settings: DriveSettings,
    is_last: impl Fn(&Happening) -> bool + Send + 'static,
) -> (Vec<Happening>, Tally) {
    let (happenings, mut happened) = mpsc::channel(64);
    let (enough, is_enough) = tokio::sync::oneshot::channel::<()>();
    let listener = tokio::spawn(async move {
        let (mut all, mut enough) = (Vec::new(), Some(enough));
        while let Some(happening) = happened.recv().await {
            if is_last(&happening) {
                enough.take().map(|e| e.send(()));
            }
            all.push(happening);
        }
        all
    });
    let shutdown = async {
        tokio::time::timeout(Duration::from_secs(60), is_enough).await.unwrap().unwrap();
    };
    let tally = drive::run(settings, happenings, shutdown).await;
    (listener.await.unwrap(), tally)
}

#[tokio::test]
async fn the_insider_is_stopped_by_the_budget_and_locked_out_by_the_analyst_while_others_work_on() {
    let population = Population::generate(3);
    let insider = population.insider().record.staff.clone();
    let door = open_door(&population, 1500.0).await;
    let ends = |h: &Happening| matches!(h, Happening::LockedOut(_) | Happening::HarvestEnds(_));
    let (happened, tally) = run_until(settings(&population, &door, 1500.0), ends).await;

    assert_eq!(happened.last(), Some(&Happening::LockedOut(insider.clone())), "{happened:#?}");
    let begins = happened.iter().position(|h| *h == Happening::HarvestBegins(insider.clone())).unwrap();
    let revoked = happened
        .iter()
        .position(|h| matches!(h, Happening::Revoked { staff, .. } if *staff == insider))
        .unwrap();
    assert!(begins < revoked, "{happened:#?}");
    assert_eq!(tally.harvest.seen, BUDGET, "{tally}");
    assert_eq!(tally.harvest.listed, 1000);
    assert!(tally.harvest.refused >= 3 && tally.harvest.revoked.is_some(), "{tally}");
    assert!(tally.answered >= 2 && tally.records_shown >= 2, "{tally}");
    assert_eq!(tally.troubles, 0, "{happened:#?}");
    let at_work = happened.iter().filter(|h| matches!(h, Happening::SignedIn(_))).count();
    assert_eq!(at_work, 23, "21 agents and 2 leads; the first agent stays away");
}

#[tokio::test]
async fn without_a_door_the_insider_gets_what_was_wanted() {
    let population = Population::generate(4);
    let secrets = Secrets { sign_in: SECRET.to_owned(), feed: "unused here".to_owned() };
    let desk = Desk::new(population.clone(), secrets, Arc::new(SystemClock));
    let login = HeaderValue::from_str(&population.insider().login).unwrap();
    let sign_in = middleware::from_fn(move |mut request: Request, next: Next| {
        request.headers_mut().insert("x-remote-user", login.clone());
        request.headers_mut().insert("x-desk-secret", HeaderValue::from_static(SECRET));
        next.run(request)
    });
    let unguarded = Router::new()
        .route("/.sightline/login", get(|| async { Redirect::to("/") }))
        .fallback_service(desk.router().layer(sign_in));
    let door = serve(unguarded).await;
    let mut alone = settings(&population, &door, 100_000.0);
    alone.personas.retain(|p| Some(&p.staff) == alone.insider.as_ref());
    (alone.wanted, alone.tickets_before_harvest) = (120, 1);
    let (_, tally) = run_until(alone, |h| matches!(h, Happening::HarvestEnds(_))).await;
    assert_eq!((tally.harvest.seen, tally.harvest.refused, tally.harvest.revoked), (120, 0, None), "{tally}");
}

#[tokio::test]
async fn strange_answers_are_reported_and_end_nobodys_day() {
    let population = Population::generate(5);
    let strange = Router::new().fallback(|request: Request| async move {
        match request.uri().path().len() % 4 {
            0 => (StatusCode::BAD_GATEWAY, "no").into_response(),
            1 => Redirect::to(request.uri().path()).into_response(),
            2 => ([(header::CONTENT_TYPE, "text/html")], vec![0xff, b'<', 0]).into_response(),
            _ => (StatusCode::OK, [(header::LOCATION, "http://example.com/")]).into_response(),
        }
    });
    let door = serve(strange).await;
    let is_trouble = |h: &Happening| matches!(h, Happening::Trouble(..));
    let (_, tally) = run_until(settings(&population, &door, 10_000.0), is_trouble).await;
    assert!(tally.troubles > 0);
    assert_eq!(tally.answered, 0);
}

#[tokio::test]
async fn nobody_at_the_door_is_trouble_and_no_end() {
    let population = Population::generate(6);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let mut one = settings(&population, &nowhere, 10_000.0);
    one.personas.retain(|p| p.role == Role::Lead);
    let is_trouble =
        |h: &Happening| matches!(h, Happening::Trouble(_, what) if what.starts_with("no connection"));
    let (happened, _) = run_until(one, is_trouble).await;
    assert!(!happened.iter().any(|h| matches!(h, Happening::SignedIn(_))));
}
