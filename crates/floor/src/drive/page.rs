//! What a person takes in of a page: forms, links, rows, and whose record it shows.

use std::sync::LazyLock;

use http::StatusCode;
use scraper::{ElementRef, Html, Selector};
use url::Url;

/// What fills a masked value, wherever it is shown.
const MASK: char = '•';

/// An answer, as a person sees it.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    /// Where it came from, after redirects.
    pub(super) url: Url,
    pub(super) body: String,
    pub(super) forms: Vec<Form>,
    /// Where links lead.
    pub(super) links: Vec<String>,
    /// Where the buttons beside masked values lead.
    pub(super) asks: Vec<String>,
    /// The viewer's own tickets in the queue.
    pub(super) my_tickets: Vec<String>,
    /// The ids of customers in a list.
    pub(super) customers: Vec<String>,
    pub(super) record: Option<Record>,
}

/// A customer whose record is on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) customer: String,
    /// Whether any of their data can be read.
    pub(super) is_legible: bool,
}

/// A form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) is_post: bool,
    pub(super) action: String,
    /// What the page calls it: `data-action`.
    pub(super) marker: String,
    /// What would be sent as it stands.
    pub(super) values: Vec<(String, String)>,
    /// What may be chosen: options, radio buttons, check boxes and buttons that have a name.
    choices: Vec<(String, String)>,
}

impl Form {
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.iter().chain(&self.choices).any(|(n, _)| n == name)
    }

    /// What stands in a field.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// What may be chosen for a field, empty choices left out.
    pub(super) fn offers(&self, name: &str) -> Vec<String> {
        let named = self.choices.iter().filter(|(n, v)| n == name && !v.is_empty());
        named.map(|(_, v)| v.clone()).collect()
    }

    /// Fills a field, whether or not it stood there.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.retain(|(n, _)| n != name);
        self.values.push((name.to_owned(), value.into()));
    }

    /// Whether it asks why the customer is needed.
    pub(super) fn asks_why(&self) -> bool {
        self.has("purpose")
    }

    fn signs_in(&self) -> bool {
        self.has("staff") && self.action.contains("login")
    }
}

impl Page {
    pub(super) fn new(status: StatusCode, url: Url, is_html: bool, body: String) -> Self {
        let mut page = Self {
            status,
            url,
            body,
            forms: Vec::new(),
            links: Vec::new(),
            asks: Vec::new(),
            my_tickets: Vec::new(),
            customers: Vec::new(),
            record: None,
        };
        if is_html {
            page.take_in();
        }
        page
    }

    fn take_in(&mut self) {
        let html = Html::parse_document(&self.body);
        self.forms = html.select(&CSS.form).map(form).collect();
        self.links = attributes(&html, &CSS.link, "href");
        self.asks = attributes(&html, &CSS.ask, "href");
        self.customers = attributes(&html, &CSS.customer_row, "data-customer-id");
        self.my_tickets = attributes(&html, &CSS.my_ticket_row, "data-ticket-id");
        self.record = html.select(&CSS.record).next().and_then(|section| {
            let customer = section.attr("data-customer-id")?.to_owned();
            let mut values = section.select(&CSS.value).map(|value| value.text().collect::<String>());
            Some(Record { customer, is_legible: values.any(|v| is_legible(&v)) })
        });
    }

    /// The form that asks why the customer is needed, if the page is that question.
    pub(super) fn why_form(&self) -> Option<&Form> {
        self.forms.iter().find(|form| form.asks_why())
    }

    /// Whether whoever sees it has to sign in (again) first.
    pub(super) fn asks_to_sign_in(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
            || self.url.path().starts_with("/.sightline/login")
            || self.forms.iter().any(Form::signs_in)
    }

    /// Whether it says that the viewer may see nothing here. For pages that show nobody in particular.
    pub(super) fn shuts_out(&self) -> bool {
        self.asks_to_sign_in() || self.status == StatusCode::FORBIDDEN
    }

    /// Whether it says no. What is not there is not refused.
    pub(super) fn refuses(&self) -> bool {
        self.status.is_client_error()
            && self.status != StatusCode::UNAUTHORIZED
            && self.status != StatusCode::NOT_FOUND
    }

    /// Whether it says what whoever is contained is to do.
    pub(super) fn is_about_containment(&self) -> bool {
        self.url.path() == "/.sightline/contained"
    }

    /// The form that signs this person in, by staff id or by login.
    pub(super) fn sign_in_form(&self, staff: &str, login: &str) -> Option<Form> {
        self.forms.iter().filter(|form| form.signs_in()).find_map(|form| {
            let named = |who: &&str| {
                form.value("staff") == Some(*who) || form.offers("staff").iter().any(|o| o == who)
            };
            let who = [staff, login].into_iter().find(named)?;
            let mut form = form.clone();
            form.set("staff", who);
            Some(form)
        })
    }
}

/// Whether a value is there to be read: not empty, not masked.
pub(super) fn is_legible(value: &str) -> bool {
    !value.trim().is_empty() && !value.contains(MASK)
}

fn attributes(html: &Html, selector: &Selector, name: &str) -> Vec<String> {
    html.select(selector).filter_map(|e| e.attr(name)).map(str::to_owned).collect()
}

fn form(element: ElementRef<'_>) -> Form {
    let attribute = |name| element.attr(name).unwrap_or_default().to_owned();
    let mut form = Form {
        is_post: attribute("method").eq_ignore_ascii_case("post"),
        action: attribute("action"),
        marker: attribute("data-action"),
        ..Form::default()
    };
    for control in element.select(&CSS.control) {
        let Some(name) = control.attr("name").map(str::to_owned) else { continue };
        let value = control.attr("value").unwrap_or_default().to_owned();
        match (control.value().name(), control.attr("type").unwrap_or_default()) {
            ("select", _) => select(&name, control, &mut form),
            ("textarea", _) => form.values.push((name, control.text().collect())),
            ("button", _) | ("input", "submit") => form.choices.push((name, value)),
            ("input", "radio" | "checkbox") => {
                if control.attr("checked").is_some() {
                    form.values.push((name.clone(), value.clone()));
                }
                form.choices.push((name, value));
            }
            _ => form.values.push((name, value)),
        }
    }
    form
}

fn select(name: &str, control: ElementRef<'_>, form: &mut Form) {
    let value = |option: ElementRef<'_>| match option.attr("value") {
        Some(value) => value.to_owned(),
        None => option.text().collect::<String>().trim().to_owned(),
    };
    let options: Vec<_> = control.select(&CSS.option).collect();
    let selected = options.iter().find(|o| o.attr("selected").is_some()).or(options.first());
    form.values.extend(selected.map(|option| (name.to_owned(), value(*option))));
    form.choices.extend(options.into_iter().map(|option| (name.to_owned(), value(option))));
}

struct Css {
    form: Selector,
    control: Selector,
    option: Selector,
    link: Selector,
    ask: Selector,
    my_ticket_row: Selector,
    customer_row: Selector,
    record: Selector,
    value: Selector,
}

static CSS: LazyLock<Css> = LazyLock::new(|| {
    #[allow(clippy::expect_used)] // constants, each of which every test of this module parses
    let css = |text| Selector::parse(text).expect("the selector is well-formed");
    Css {
        form: css("form"),
        control: css("input, select, textarea, button"),
        option: css("option"),
        link: css("a[href]"),
        ask: css("a.sightline-ask[href]"),
        my_ticket_row: css("#mine tr.ticket-row[data-ticket-id]"),
        customer_row: css("tr.customer-row[data-customer-id]"),
        record: css("section.customer[data-customer-id]"),
        value: css(
            "dd[data-field=name], dd[data-field=email], dd[data-field=phone], dd[data-field=address], \
             dd[data-field=account], dd[data-field=balance]",
        ),
    }
});

#[cfg(test)]
mod tests {
    use super::*;

    fn page(status: u16, body: &str) -> Page {
        let url = Url::parse("http://desk.localhost:8080/customers/c-00001").unwrap();
        Page::new(StatusCode::from_u16(status).unwrap(), url, true, body.to_owned())
    }

    #[test]
    fn a_form_is_read_with_what_it_would_send_and_what_it_offers() {
        let page = page(
            200,
            r#"<form method="post" action="/.sightline/why" data-action="why">
                <input type="hidden" name="csrf" value="a&amp;b">
                <input type="radio" name="purpose" value="escalation">
                <input type="radio" name="purpose" value="customer_support" checked>
                <select name="ticket"><option value="">none</option><option value="k-00001">k-00001</option></select>
                <textarea name="note"></textarea>
                <button name="go" value="yes">Go</button>
            </form>"#,
        );
        let form = page.why_form().unwrap();
        assert!(form.is_post);
        assert_eq!((form.action.as_str(), form.marker.as_str()), ("/.sightline/why", "why"));
        assert_eq!(form.value("csrf"), Some("a&b"));
        assert_eq!(form.value("purpose"), Some("customer_support"));
        assert_eq!(form.offers("purpose"), ["escalation", "customer_support"]);
        assert_eq!(form.offers("ticket"), ["k-00001"]);
        assert_eq!((form.value("ticket"), form.value("note"), form.value("go")), (Some(""), Some(""), None));
    }

    #[test]
    fn a_record_counts_as_seen_only_if_something_of_it_can_be_read() {
        let record = |email: &str| {
            let body = format!(
                r#"<section class="customer" data-customer-id="c-00001"><dl>
                   <dd data-field="name">J••• D•••</dd><dd data-field="email">{email}</dd>
                   <dd data-field="tier">standard</dd></dl></section>"#
            );
            page(200, &body).record.unwrap().is_legible
        };
        assert!(record("jane@example.com"));
        assert!(!record("j•••@•••.com"));
        assert!(!record(" "));
    }

    #[test]
    fn a_person_is_found_on_the_page_of_personas_by_id_or_by_login() {
        let page = page(
            200,
            r#"<form method="post" action="/.sightline/login">
                 <input type="hidden" name="next" value="/"><button name="staff" value="s-07">One</button>
                 <button name="staff" value="ada.moreau">Two</button></form>"#,
        );
        assert!(page.asks_to_sign_in());
        assert_eq!(page.sign_in_form("s-07", "x").unwrap().value("staff"), Some("s-07"));
        assert_eq!(page.sign_in_form("s-08", "ada.moreau").unwrap().value("staff"), Some("ada.moreau"));
        assert_eq!(page.sign_in_form("s-09", "nobody"), None);
    }

    #[test]
    fn whatever_is_no_page_is_taken_in_without_complaint() {
        for body in ["", "<", "<form><form></form>", "<tr class=ticket-row>", "\u{0}\u{fffd}"] {
            let page = page(500, body);
            assert!(page.record.is_none() && page.my_tickets.is_empty());
        }
    }
}
