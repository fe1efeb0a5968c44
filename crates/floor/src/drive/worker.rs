//! Somebody who answers tickets.

use std::collections::{BTreeSet, VecDeque};

use model::StaffId;

use super::browser::{Browser, NoAnswer};
use super::happening::{Happening, Reports};
use super::page::{Form, Page};
use super::{Pace, Persona};

/// What people write back.
const REPLIES: [&str; 5] = [
    "Hello, thank you for writing to us. I have looked into this and put it right; please allow until tomorrow for it to show in the app.",
    "Hello, thanks for your patience. I can see what happened here and have corrected it. You do not need to do anything else.",
    "Hello, I have passed this to the team that handles it and will write again as soon as they answer, at the latest tomorrow.",
    "Hello, could you tell me the date and the amount of the payment as you see it in the app? Then I can find it at once.",
    "Hello, that is sorted now. If it happens again, please reply here and the message will reach me directly.",
];

/// How often a ticket is done with the first answer.
const FIRST_CONTACT_RESOLUTION: f64 = 0.71;

/// A person with a browser who works at the desk.
#[derive(Debug)]
pub(super) struct Worker {
    persona: Persona,
    pub(super) browser: Browser,
    pub(super) pace: Pace,
    pub(super) reports: Reports,
    /// Tickets of their own, as the queue showed them.
    to_do: VecDeque<String>,
    /// Customers whom those showed.
    pub(super) met_at_work: BTreeSet<String>,
}

/// What came of trying to look at something.
#[derive(Debug)]
pub(super) enum Look {
    /// A record that can be read.
    Shown(Page),
    /// A page without a record that can be read: masked, or about something else.
    Nothing(Page),
    Refused,
    SignedOut,
}

impl Worker {
    pub(super) fn new(persona: Persona, browser: Browser, pace: Pace, reports: Reports) -> Self {
        Self { persona, browser, pace, reports, to_do: VecDeque::new(), met_at_work: BTreeSet::new() }
    }

    pub(super) fn staff(&self) -> &StaffId {
        &self.persona.staff
    }

    /// Works until the day is over, or the account is.
    pub(super) async fn work(mut self) {
        self.pace.take(90.0).await;
        while self.come_to_work().await {
            while self.answer_next().await != Progress::SignedOut {}
        }
        self.reports.tell(Happening::LockedOut(self.persona.staff)).await;
    }

    /// Signs in; tries again where nothing answers. False: not let in.
    pub(super) async fn come_to_work(&mut self) -> bool {
        loop {
            match self.browser.sign_in(self.persona.staff.as_str(), &self.persona.login).await {
                Ok(page) if page.shuts_out() => return false,
                Ok(_) => {
                    self.reports.tell(Happening::SignedIn(self.persona.staff.clone())).await;
                    return true;
                }
                Err(trouble) => self.reports.trouble(&self.persona.staff, trouble).await,
            }
            self.pace.take(120.0).await;
        }
    }

    /// Answers one ticket, if one is there; reports trouble and goes on.
    pub(super) async fn answer_next(&mut self) -> Progress {
        match self.try_next().await {
            Ok(progress) => progress,
            Err(trouble) => {
                self.reports.trouble(&self.persona.staff, trouble).await;
                self.pace.take(120.0).await;
                Progress::Nothing
            }
        }
    }

    async fn try_next(&mut self) -> Result<Progress, NoAnswer> {
        self.pace.take(150.0).await;
        let Some(ticket) = self.to_do.pop_front() else { return self.see_queue().await };
        let path = format!("/tickets/{ticket}");
        let page = match self.look(&path, Some(&ticket)).await? {
            Look::SignedOut => return Ok(Progress::SignedOut),
            Look::Refused => {
                self.reports.count().refused_at_work += 1;
                return Ok(Progress::Nothing);
            }
            Look::Shown(page) => {
                self.reports.count().records_shown += 1;
                self.met_at_work.extend(page.record.iter().map(|record| record.customer.clone()));
                page
            }
            Look::Nothing(page) => page,
        };
        self.pace.take(120.0).await;
        if self.pace.dice.chance(0.3) {
            self.ask_for_a_field(&page, &ticket).await?;
        }
        if let Some(record) = page.record.as_ref().filter(|_| self.pace.dice.chance(0.5)) {
            self.look_at_customer(&record.customer, &ticket).await?;
        }
        self.pace.take(380.0).await;
        self.finish(&page, &path).await
    }

    /// Notes what there is to do. Sometimes, when that is nothing, takes a ticket that waits for somebody.
    async fn see_queue(&mut self) -> Result<Progress, NoAnswer> {
        let queue = self.browser.get("/").await?;
        let queue = self.answer_containment(queue).await?;
        if queue.shuts_out() {
            return Ok(Progress::SignedOut);
        }
        self.to_do = queue.my_tickets.iter().cloned().collect();
        if !self.to_do.is_empty() {
            return Ok(Progress::Nothing);
        }
        let takes: Vec<&Form> = queue.forms.iter().filter(|form| form.action.ends_with("/pick")).collect();
        match self.pace.dice.choose(&takes).copied() {
            Some(take) if self.pace.dice.chance(0.5) => {
                let queue = self.browser.submit(&queue, take).await?;
                self.to_do = queue.my_tickets.into();
            }
            _ => self.pace.take(400.0).await,
        }
        Ok(Progress::Nothing)
    }

    /// Opens a page, and says why if asked.
    pub(super) async fn look(&mut self, path: &str, ticket: Option<&str>) -> Result<Look, NoAnswer> {
        let page = self.browser.get(path).await?;
        self.settle(page, ticket).await
    }

    /// Says why, if the page asks; and sees what it comes to.
    pub(super) async fn settle(&mut self, page: Page, ticket: Option<&str>) -> Result<Look, NoAnswer> {
        let mut page = self.answer_containment(page).await?;
        if let Some(form) = page.why_form() {
            let form = reason(form, ticket);
            self.pace.take(15.0).await;
            page = self.browser.submit(&page, &form).await?;
        }
        if page.asks_to_sign_in() {
            return Ok(Look::SignedOut);
        }
        // To be asked why once more is to be told that the reason did not do.
        if page.refuses() || page.why_form().is_some() {
            return Ok(Look::Refused);
        }
        match page.record.as_ref().is_some_and(|record| record.is_legible) {
            true => Ok(Look::Shown(page)),
            false => Ok(Look::Nothing(page)),
        }
    }

    /// Reads a word, or logs in afresh, if the page asks for it.
    async fn answer_containment(&mut self, page: Page) -> Result<Page, NoAnswer> {
        if !page.is_about_containment() {
            return Ok(page);
        }
        self.pace.take(20.0).await;
        if let Some(read) = page.forms.iter().find(|form| form.action == page.url.path() && !form.asks_why())
        {
            return self.browser.submit(&page, &read.clone()).await;
        }
        let login = page.links.iter().find(|link| link.starts_with("/.sightline/login")).cloned();
        let Some(login) = login else { return Ok(page) };
        let people = self.browser.get(&login).await?;
        match people.sign_in_form(self.persona.staff.as_str(), &self.persona.login) {
            Some(form) => {
                let seated = self.browser.submit(&people, &form).await?;
                self.reports.tell(Happening::LoggedInAfresh(self.persona.staff.clone())).await;
                match seated.why_form().map(|form| reason(form, None)) {
                    Some(form) => self.browser.submit(&seated, &form).await,
                    None => Ok(seated),
                }
            }
            None => Ok(people),
        }
    }

    async fn ask_for_a_field(&mut self, page: &Page, ticket: &str) -> Result<(), NoAnswer> {
        let Some(ask) = self.pace.dice.choose(&page.asks).cloned() else { return Ok(()) };
        self.reports.count().fields_asked += 1;
        self.look(&ask, Some(ticket)).await?;
        self.pace.take(60.0).await;
        Ok(())
    }

    async fn look_at_customer(&mut self, customer: &str, ticket: &str) -> Result<(), NoAnswer> {
        let shown = self.look(&format!("/customers/{customer}"), Some(ticket)).await?;
        match shown {
            Look::Shown(_) => self.reports.count().records_shown += 1,
            Look::Refused => self.reports.count().refused_at_work += 1,
            Look::Nothing(_) | Look::SignedOut => {}
        }
        self.pace.take(90.0).await;
        Ok(())
    }

    /// Replies, and mostly closes the ticket.
    async fn finish(&mut self, page: &Page, path: &str) -> Result<Progress, NoAnswer> {
        let form_to = |page: &Page, what: &str| {
            let action = format!("{path}/{what}");
            page.forms.iter().find(|form| form.action == action).cloned()
        };
        // Somebody else may have closed it meanwhile, or it may not be there to be seen.
        let Some(mut reply) = form_to(page, "reply") else { return Ok(Progress::Nothing) };
        reply.set("text", *self.pace.dice.pick(&REPLIES));
        let replied = self.browser.submit(page, &reply).await?;
        if replied.asks_to_sign_in() {
            return Ok(Progress::SignedOut);
        }
        if !replied.status.is_success() {
            return Ok(Progress::Nothing);
        }
        self.count_answered().await;
        self.pace.take(40.0).await;
        if self.pace.dice.chance(FIRST_CONTACT_RESOLUTION)
            && let Some(close) = form_to(&replied, "close")
        {
            self.browser.submit(&replied, &close).await?;
        }
        Ok(Progress::Answered)
    }

    async fn count_answered(&self) {
        let answered = {
            let mut tally = self.reports.count();
            tally.answered += 1;
            tally.answered
        };
        if answered.is_multiple_of(25) {
            self.reports.tell(Happening::Answered(answered)).await;
        }
    }
}

/// How far somebody got with a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Answered,
    Nothing,
    SignedOut,
}

/// The form, filled as somebody fills it who is asked why they need a customer.
fn reason(form: &Form, ticket: Option<&str>) -> Form {
    let mut form = form.clone();
    let choose = |form: &mut Form, name: &str, wanted: &str| {
        let offered = form.offers(name);
        let choice = offered.iter().find(|o| *o == wanted).or(offered.first());
        if let Some(choice) = choice {
            form.set(name, choice.clone());
        }
    };
    choose(&mut form, "purpose", "customer_support");
    choose(&mut form, "ticket", ticket.unwrap_or_default());
    if form.has("note") {
        form.set("note", "The customer asked for help with their account.");
    }
    form
}
