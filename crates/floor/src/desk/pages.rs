//! The desk's pages.

use askama::Template;
use axum::Extension;
use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::{StatusCode, header};
use model::{CustomerId, TicketId};
use serde::Deserialize;

use super::Desk;
use super::api::status_of;
use super::store::{Author, Change, Colleague, Refused, Status, Ticket};
use super::view::{CustomerView, MessageView, Minute, TicketRow};
use crate::population::Customer;

/// As many rows as a page of a list has.
const PAGE: usize = 50;

/// As many tickets that wait for somebody as the queue shows: the oldest, which are next.
const WAITING: usize = 5;

type Page = Result<Html<String>, Wrong>;

/// What is around every page.
struct Frame {
    me: Colleague,
    here: &'static str,
    query: String,
}

impl Frame {
    fn new(me: Colleague, here: &'static str) -> Self {
        Self { me, here, query: String::new() }
    }
}

/// A request that the desk cannot serve, with the sentence for the page.
pub(super) struct Wrong {
    me: Colleague,
    status: StatusCode,
    why: String,
}

#[derive(Template)]
#[template(path = "wrong.html")]
struct WrongPage {
    frame: Frame,
    why: String,
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let page = WrongPage { frame: Frame::new(self.me, ""), why: self.why };
        // A page that cannot even say what is wrong leaves the status to say it.
        (self.status, Html(page.render().unwrap_or_default())).into_response()
    }
}

impl Wrong {
    fn refused(me: &Colleague, refused: &Refused) -> Self {
        let mut why = refused.to_string();
        why[..1].make_ascii_uppercase();
        Self { me: me.clone(), status: status_of(refused), why: why + "." }
    }
}

fn render(me: &Colleague, page: &impl Template) -> Page {
    page.render().map(Html).map_err(|_| Wrong {
        me: me.clone(),
        status: StatusCode::INTERNAL_SERVER_ERROR,
        why: "The page could not be written.".to_owned(),
    })
}

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    frame: Frame,
    mine: Vec<TicketRow>,
    waiting: Vec<TicketRow>,
}

pub(super) async fn queue(State(desk): State<Desk>, Extension(me): Extension<Colleague>) -> Page {
    let store = desk.read();
    let rows = |wanted: &dyn Fn(&Ticket) -> bool, most| {
        let tickets = store.tickets().iter().filter(|t| wanted(t));
        tickets.take(most).map(|t| TicketRow::of(t, &store)).collect()
    };
    let is_mine = |t: &Ticket| t.assignee.as_deref() == Some(&me.login) && t.status == Status::Open;
    let is_waiting = |t: &Ticket| t.status == Status::New;
    let page = QueuePage {
        frame: Frame::new(me.clone(), "queue"),
        mine: rows(&is_mine, PAGE),
        waiting: rows(&is_waiting, WAITING),
    };
    render(&me, &page)
}

#[derive(Debug, Deserialize)]
pub(super) struct Listing {
    #[serde(default)]
    sort: Sort,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    page: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Id,
    Name,
    Balance,
    Since,
}

/// Where a list stands, for the links below it.
struct Pager {
    page: usize,
    pages: usize,
}

impl Pager {
    fn new(page: usize, rows: usize) -> Self {
        let pages = rows.div_ceil(PAGE).max(1);
        Self { page: page.clamp(1, pages), pages }
    }

    fn skip(&self) -> usize {
        (self.page - 1) * PAGE
    }
}

#[derive(Template)]
#[template(path = "tickets.html")]
struct TicketsPage {
    frame: Frame,
    status: String,
    rows: Vec<TicketRow>,
    total: usize,
    pager: Pager,
}

pub(super) async fn tickets(
    State(desk): State<Desk>,
    Extension(me): Extension<Colleague>,
    Query(listing): Query<Listing>,
) -> Page {
    let store = desk.read();
    let status = listing.status.unwrap_or_default();
    let is_wanted = |t: &&Ticket| match status.as_str() {
        "" => t.status != Status::Closed,
        "all" => true,
        word => t.status.word() == word,
    };
    let wanted: Vec<&Ticket> = store.tickets().iter().rev().filter(is_wanted).collect();
    let pager = Pager::new(listing.page, wanted.len());
    let rows = wanted.iter().skip(pager.skip()).take(PAGE);
    let page = TicketsPage {
        frame: Frame::new(me.clone(), "tickets"),
        rows: rows.map(|t| TicketRow::of(t, &store)).collect(),
        total: wanted.len(),
        status,
        pager,
    };
    render(&me, &page)
}

#[derive(Template)]
#[template(path = "ticket.html")]
struct TicketPage {
    frame: Frame,
    ticket: TicketRow,
    customer: CustomerView,
    messages: Vec<MessageView>,
    others: Vec<TicketRow>,
}

pub(super) async fn ticket(
    State(desk): State<Desk>,
    Extension(me): Extension<Colleague>,
    Path(id): Path<String>,
) -> Page {
    let store = desk.read();
    let wrong = |refused| Wrong::refused(&me, &refused);
    let ticket = store.ticket(&TicketId::new(id)).ok_or(Refused::NoSuchTicket).map_err(wrong)?;
    let customer = store.customer(&ticket.customer).ok_or(Refused::NoSuchCustomer).map_err(wrong)?;
    let others = store.tickets_of(&customer.id).filter(|other| other.id != ticket.id).take(8);
    let page = TicketPage {
        frame: Frame::new(me.clone(), "tickets"),
        ticket: TicketRow::of(ticket, &store),
        customer: CustomerView::of(customer, &store),
        messages: ticket.messages.iter().map(|m| MessageView::of(m, &store)).collect(),
        others: others.map(|t| TicketRow::of(t, &store)).collect(),
    };
    render(&me, &page)
}

#[derive(Template)]
#[template(path = "customers.html")]
struct CustomersPage {
    frame: Frame,
    sort: Sort,
    rows: Vec<CustomerView>,
    total: usize,
    pager: Pager,
}

impl CustomersPage {
    fn sort_word(&self) -> &'static str {
        match self.sort {
            Sort::Id => "id",
            Sort::Name => "name",
            Sort::Balance => "balance",
            Sort::Since => "since",
        }
    }
}

pub(super) async fn customers(
    State(desk): State<Desk>,
    Extension(me): Extension<Colleague>,
    Query(listing): Query<Listing>,
) -> Page {
    let store = desk.read();
    let mut all: Vec<&Customer> = store.customers().iter().collect();
    match listing.sort {
        Sort::Id => {}
        Sort::Name => all.sort_by(|a, b| a.name.cmp(&b.name)),
        Sort::Balance => all.sort_by_key(|c| std::cmp::Reverse(c.balance)),
        Sort::Since => all.sort_by_key(|c| std::cmp::Reverse(c.since_days_ago)),
    }
    let pager = Pager::new(listing.page, all.len());
    let rows = all.iter().skip(pager.skip()).take(PAGE);
    let page = CustomersPage {
        frame: Frame::new(me.clone(), "customers"),
        sort: listing.sort,
        rows: rows.map(|c| CustomerView::of(c, &store)).collect(),
        total: all.len(),
        pager,
    };
    render(&me, &page)
}

#[derive(Debug, Deserialize)]
pub(super) struct Searching {
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    frame: Frame,
    rows: Vec<CustomerView>,
}

pub(super) async fn search(
    State(desk): State<Desk>,
    Extension(me): Extension<Colleague>,
    Query(searching): Query<Searching>,
) -> Page {
    let store = desk.read();
    let found = store.customers().iter().filter(|c| is_found(c, &searching.q)).take(PAGE);
    let page = SearchPage {
        rows: found.map(|c| CustomerView::of(c, &store)).collect(),
        frame: Frame { query: searching.q, ..Frame::new(me.clone(), "customers") },
    };
    render(&me, &page)
}

/// By any identifier as a whole, or by a part of the name.
fn is_found(customer: &Customer, query: &str) -> bool {
    let squeezed = |text: &str| text.replace(' ', "").to_lowercase();
    let wanted = squeezed(query);
    !wanted.is_empty()
        && (squeezed(&customer.name).contains(&wanted)
            || [customer.id.as_str(), &customer.email, &customer.phone, &customer.account]
                .iter()
                .any(|identifier| squeezed(identifier) == wanted))
}

/// A line of the activity table.
struct Happened {
    at: Minute,
    what: String,
    amount: String,
}

#[derive(Template)]
#[template(path = "customer.html")]
struct CustomerPage {
    frame: Frame,
    customer: CustomerView,
    tickets: Vec<TicketRow>,
    activity: Vec<Happened>,
    notes: Vec<String>,
}

pub(super) async fn customer(
    State(desk): State<Desk>,
    Extension(me): Extension<Colleague>,
    Path(id): Path<String>,
) -> Page {
    let store = desk.read();
    let customer = store
        .customer(&CustomerId::new(id))
        .ok_or(Refused::NoSuchCustomer)
        .map_err(|refused| Wrong::refused(&me, &refused))?;
    let activity = customer.activity.iter().map(|a| Happened {
        at: Minute(store.ago(a.minutes_ago)),
        what: a.what.clone(),
        amount: a.amount.map(|cents| cents.to_string()).unwrap_or_default(),
    });
    let page = CustomerPage {
        frame: Frame::new(me.clone(), "customers"),
        customer: CustomerView::of(customer, &store),
        tickets: store.tickets_of(&customer.id).take(PAGE).map(|t| TicketRow::of(t, &store)).collect(),
        activity: activity.collect(),
        notes: customer.notes.clone(),
    };
    render(&me, &page)
}

#[derive(Template)]
#[template(path = "edit.html")]
struct EditPage {
    frame: Frame,
    customer: CustomerView,
}

pub(super) async fn edit_customer(
    State(desk): State<Desk>,
    Extension(me): Extension<Colleague>,
    Path(id): Path<String>,
) -> Page {
    let store = desk.read();
    let customer = store
        .customer(&CustomerId::new(id))
        .ok_or(Refused::NoSuchCustomer)
        .map_err(|refused| Wrong::refused(&me, &refused))?;
    let page =
        EditPage { frame: Frame::new(me.clone(), "customers"), customer: CustomerView::of(customer, &store) };
    render(&me, &page)
}

pub(super) async fn save_customer(
    State(desk): State<Desk>,
    Extension(me): Extension<Colleague>,
    Path(id): Path<String>,
    Form(change): Form<Change>,
) -> Result<Redirect, Wrong> {
    let changed = desk.write().change_customer(&CustomerId::new(&id), change);
    changed.map_err(|refused| Wrong::refused(&me, &refused))?;
    Ok(Redirect::to(&format!("/customers/{id}")))
}

#[derive(Debug, Deserialize)]
pub(super) struct NewTicket {
    customer: String,
    subject: String,
    text: String,
}

pub(super) async fn open_ticket(
    State(desk): State<Desk>,
    Extension(me): Extension<Colleague>,
    Form(new): Form<NewTicket>,
) -> Result<Redirect, Wrong> {
    let by = Author::Staff(me.login.clone());
    let customer = CustomerId::new(new.customer);
    let opened = desk.write().open_ticket(by, &customer, Some(&me.team), &new.subject, &new.text, desk.now());
    let id = opened.map_err(|refused| Wrong::refused(&me, &refused))?;
    Ok(Redirect::to(&format!("/tickets/{id}")))
}

#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    text: String,
}

pub(super) async fn reply(
    State(desk): State<Desk>,
    Extension(me): Extension<Colleague>,
    Path(id): Path<String>,
    Form(reply): Form<Reply>,
) -> Result<Redirect, Wrong> {
    let replied = desk.write().reply(&TicketId::new(&id), &me.login, &reply.text, desk.now());
    replied.map_err(|refused| Wrong::refused(&me, &refused))?;
    Ok(Redirect::to(&format!("/tickets/{id}")))
}

pub(super) async fn pick(
    State(desk): State<Desk>,
    Extension(me): Extension<Colleague>,
    Path(id): Path<String>,
) -> Result<Redirect, Wrong> {
    let picked = desk.write().pick(&TicketId::new(&id), &me.login, desk.now());
    picked.map_err(|refused| Wrong::refused(&me, &refused))?;
    Ok(Redirect::to("/"))
}

pub(super) async fn close(
    State(desk): State<Desk>,
    Extension(me): Extension<Colleague>,
    Path(id): Path<String>,
) -> Result<Redirect, Wrong> {
    let closed = desk.write().close(&TicketId::new(&id), &me.login, desk.now());
    closed.map_err(|refused| Wrong::refused(&me, &refused))?;
    Ok(Redirect::to(&format!("/tickets/{id}")))
}

pub(super) async fn asset(Extension(me): Extension<Colleague>, Path(file): Path<String>) -> Response {
    let (kind, content) = match file.as_str() {
        "desk.css" => ("text/css; charset=utf-8", include_str!("../../static/desk.css")),
        "mark.svg" => ("image/svg+xml", include_str!("../../static/mark.svg")),
        _ => return nothing_here(Extension(me)).await.into_response(),
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "private, max-age=300")], content).into_response()
}

pub(super) async fn nothing_here(Extension(me): Extension<Colleague>) -> Wrong {
    Wrong { me, status: StatusCode::NOT_FOUND, why: "There is no such page.".to_owned() }
}
