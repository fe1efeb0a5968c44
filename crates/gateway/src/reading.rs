//! What an answer really shows: one pass over it that masks what may not be shown and notes the rest.

use std::collections::HashMap;

use access::{Look, Verdicts};
use adapter::{Answer, Found, Part, Read, Treatment, Verdict};
use axum::body::Body;
use bytes::Bytes;
use http::{header, response};
use ledger::Draft;
use model::entry::{Action, Listed, Why};
use model::{ClassSet, CustomerId, Event, FieldClass, GrantId, Mode, Opening, Subject};

use crate::decide::Permit;
use crate::headers::Kind;
use crate::mark::Over;
use crate::refuse::Refusal;
use crate::seal::{Listing, Sealed, Shows};
use crate::token::Use;
use crate::way::Way;

/// An answer that was read: sealed, with what must still be recorded before it may be opened.
pub(crate) struct Reading {
    pub(crate) sealed: Sealed,
    pub(crate) drafts: Vec<Draft>,
    /// The customers whose record it shows, and the grant that each rests on.
    pub(crate) granted: Vec<(CustomerId, GrantId)>,
    /// Whether it shows something of customers, and which classes of somebody.
    pub(crate) shows: bool,
    pub(crate) classes: ClassSet,
    /// The mark that lies over it.
    pub(crate) over: Option<Over>,
}

impl Way<'_> {
    /// Reads and masks an answer. `None`: it cannot be read in the way that the adapter says.
    pub(crate) fn read(
        &self,
        read: &Read,
        permit: Option<Permit>,
        head: &response::Parts,
        body: &Bytes,
    ) -> Result<Option<Reading>, Refusal> {
        // The body of a redirect says nothing that its `Location` does not.
        if body.is_empty() || head.status.is_redirection() {
            return Ok(Some(Reading {
                sealed: self.seal(head, Body::empty(), Shows::nothing()),
                drafts: Vec::new(),
                granted: Vec::new(),
                shows: false,
                classes: ClassSet::EMPTY,
                over: None,
            }));
        }
        let text =
            |name| head.headers.get(name).map(|value: &header::HeaderValue| value.to_str().unwrap_or("?"));
        if text(header::CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            tracing::warn!(app = %self.viewer.app, route = read.route, "the app compressed its answer, though asked not to");
            return Ok(None);
        }

        let answer = Answer { status: head.status.as_u16(), content_type: text(header::CONTENT_TYPE), body };
        let mut cast = Cast::new(self, read, permit, !is_data(answer.content_type));
        let masked = match self.gate.adapter.mask(read, &answer, &mut cast) {
            Ok(masked) => masked,
            Err(error) => {
                tracing::warn!(app = %self.viewer.app, %error, "an answer cannot be read");
                return Ok(None);
            }
        };
        for gap in &masked.gaps {
            tracing::warn!(app = %self.viewer.app, route = read.route, kind = gap.kind, place = gap.place,
                "the adapter has a gap: personal data outside declared fields");
        }
        let Account { mut shows, drafts, granted } = cast.account(&masked.shown)?;
        let is_page = answer.content_type.is_some_and(|of| of.to_ascii_lowercase().starts_with("text/html"));
        let page = if is_page && !masked.masked.is_empty() { styled(masked.body) } else { masked.body };
        let (is_something, classes) = (shows.is_something(), shows.classes());
        let mut answer = self.gate.upstream.for_browser(head, Kind::Recorded, Body::empty());
        let over = self.lay_mark(head.status, answer.headers_mut(), is_something);
        let page = match &over {
            Some(over) => {
                shows.mark(over.mark());
                over.page(page)
            }
            None => page,
        };
        let sealed = Sealed::new(self.response, self.viewer.clone(), shows, answer.map(|_| page.into()));
        Ok(Some(Reading { sealed, drafts, granted, shows: is_something, classes, over }))
    }

    fn seal(&self, head: &response::Parts, body: Body, shows: Shows) -> Sealed {
        let answer = self.gate.upstream.for_browser(head, Kind::Recorded, body);
        Sealed::new(self.response, self.viewer.clone(), shows, answer)
    }
}

/// The customers of one answer, and what may be shown of each.
///
/// One of them may be the customer that the page is about: the one whom the request names, or else the
/// first whose record the answer holds. Others show their record only under a live grant; everybody else
/// is a row, also where the app sent the whole record (a page that prefetches other customers).
struct Cast<'w> {
    way: &'w Way<'w>,
    read: &'w Read,
    mode: Mode,
    /// Who is in the answer; with a permit for those whose record is shown, without for rows.
    customers: HashMap<CustomerId, Option<Permit>>,
    /// Whether it is known whom the page is about.
    settled: bool,
    /// What a row may show.
    row: Verdicts,
    /// Whether something is shown that belongs to nobody whom the adapter could name.
    unread: bool,
    /// Why the page cannot be shown at all.
    refusal: Option<Refusal>,
    /// Whether the answer can carry buttons; JSON and CSV cannot.
    buttons: bool,
    /// Links that ask for a class of a customer: made once, however often the class appears.
    questions: HashMap<(CustomerId, FieldClass), String>,
}

/// What an answer shows, and what goes with it.
struct Account {
    shows: Shows,
    drafts: Vec<Draft>,
    granted: Vec<(CustomerId, GrantId)>,
}

impl<'w> Cast<'w> {
    fn new(way: &'w Way<'w>, read: &'w Read, permit: Option<Permit>, buttons: bool) -> Self {
        let now = way.gate.clock.now();
        let row = way.gate.access.decide_listing(&way.seated.record, &way.viewer.app, now);
        let masked = way.masked();
        Self {
            way,
            read,
            mode: way.mode(),
            settled: read.customer.is_some(),
            customers: permit.into_iter().map(|permit| (permit.customer.clone(), Some(permit))).collect(),
            row: Verdicts { show: row.show.without(masked), ask: row.ask.without(masked) },
            unread: false,
            refusal: None,
            buttons,
            questions: HashMap::new(),
        }
    }

    /// What may be shown and asked for of a customer's record; `None` if they are a row.
    fn permitted(&mut self, customer: &CustomerId, part: Part) -> Option<(ClassSet, ClassSet)> {
        if part == Part::Record && !self.settled {
            self.settled = true;
            self.decide_about(customer);
        }
        if !self.customers.contains_key(customer) {
            let permit = self.under_live_grant(customer);
            self.customers.insert(customer.clone(), permit);
        }
        let permit = self.customers.get(customer)?.as_ref()?;
        Some((permit.show, permit.ask))
    }

    /// The page turns out to be about this customer.
    fn decide_about(&mut self, customer: &CustomerId) {
        if matches!(self.customers.get(customer), Some(Some(_))) {
            return;
        }
        match self.way.decide(self.read, customer, self.read.ticket.as_ref()) {
            Ok(permit) => {
                self.customers.insert(customer.clone(), Some(permit));
            }
            Err(refusal) => self.refusal = Some(refusal),
        }
    }

    fn under_live_grant(&self, customer: &CustomerId) -> Option<Permit> {
        if self.mode == Mode::Observe {
            return None;
        }
        let (viewer, now) = (&self.way.viewer, self.way.gate.clock.now());
        let state = self.way.gate.access.state();
        if state.read().live_grants(&viewer.staff, &viewer.app, customer, now).is_empty() {
            return None;
        }
        let permit = self.way.decide(self.read, customer, None).ok()?;
        (!permit.issues_grant()).then_some(permit)
    }

    fn row_verdict(&mut self, customer: &CustomerId, class: FieldClass) -> Verdict {
        if self.row.show.contains(class) {
            Verdict::Show
        } else if self.row.ask.contains(class) {
            self.ask(customer, class)
        } else {
            Verdict::Mask
        }
    }

    /// Masked, with a button that asks for it where there can be one: a link is sealed, which costs more than
    /// masking a record does.
    fn ask(&mut self, customer: &CustomerId, class: FieldClass) -> Verdict {
        if !self.buttons {
            return Verdict::Mask;
        }
        let way = self.way;
        let link = self
            .questions
            .entry((customer.clone(), class))
            .or_insert_with(|| way.question(customer, None, class.into()));
        Verdict::Ask(link.clone())
    }

    /// What the answer shows, and what must still be recorded for it.
    fn account(mut self, shown: &[Found]) -> Result<Account, Refusal> {
        for found in shown {
            self.permitted(&found.customer, found.part);
        }
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let (mut shows, mut drafts, mut granted) = (Shows::nothing(), Vec::new(), Vec::new());
        let mut charged = 0;
        for found in each_once(shown) {
            match self.customers.get_mut(&found.customer) {
                Some(Some(permit)) => {
                    drafts.extend(permit.take_drafts());
                    granted.push((found.customer, permit.grant));
                    shows.record(permit.opening.clone(), found.classes);
                }
                Some(None) | None => {
                    charged += u32::from(self.charges_row(&found));
                    let subject = Subject { customer: found.customer, ticket: found.ticket, note: None };
                    shows.row(Opening::fresh(&*self.way.gate.entropy, subject), found.classes);
                }
            }
        }
        if let Some(listing) = shows.listing() {
            drafts.push(Draft { event: self.listed(&listing, charged), openings: shows.row_openings() });
        }
        if self.unread {
            shows.and_unread();
            drafts.push(self.way.gate.note(
                self.way.response,
                Some(&self.way.viewer),
                Why::UnreadableAnswer,
                None,
            ));
        }
        Ok(Account { shows, drafts, granted })
    }

    fn charges_row(&self, row: &Found) -> bool {
        let Way { gate, seated, viewer, .. } = self.way;
        gate.access.charges_row(&Look {
            viewer: &seated.record,
            app: &viewer.app,
            customer: &row.customer,
            ticket: row.ticket.as_ref(),
            now: gate.clock.now(),
        })
    }

    fn listed(&self, listing: &Listing, charged: u32) -> Event {
        let Way { gate, seated, viewer, response, .. } = self.way;
        let shadow = match self.mode {
            Mode::Enforce => None,
            Mode::Observe => {
                let now = gate.clock.now();
                Some(gate.access.listing_shadow(&seated.record, &viewer.app, charged, now))
            }
        };
        Event::Listed(Listed {
            response: *response,
            by: viewer.clone(),
            action: if self.read.action == Action::View { Action::List } else { self.read.action },
            rows: listing.rows,
            subjects: listing.subjects,
            classes: listing.classes,
            mode: self.mode,
            would_mask: shadow
                .map_or(ClassSet::EMPTY, |shadow| shadow.would_mask.intersection(listing.classes)),
            would_refuse: shadow.and_then(|shadow| shadow.would_refuse),
            charged,
        })
    }
}

impl Treatment for Cast<'_> {
    fn verdict(&mut self, customer: Option<&CustomerId>, part: Part, class: FieldClass) -> Verdict {
        if class.is_secret() {
            return Verdict::Mask;
        }
        let Some(customer) = customer else {
            return match self.mode {
                Mode::Enforce => Verdict::Mask,
                Mode::Observe => {
                    self.unread |= class != FieldClass::Undeclared;
                    Verdict::Show
                }
            };
        };
        match self.permitted(customer, part) {
            Some((show, _)) if show.contains(class) => Verdict::Show,
            Some((_, ask)) if ask.contains(class) => self.ask(customer, class),
            Some(_) => Verdict::Mask,
            None => self.row_verdict(customer, class),
        }
    }

    fn seal(&mut self, field_name: &str, original: &str) -> String {
        let gate = self.way.gate;
        gate.tokens.seal(&*gate.entropy, self.way.viewer.session, Use::Field(field_name), original.as_bytes())
    }
}

/// Whether the app says that it is JSON or CSV, which the adapter then never reads as a page.
fn is_data(content_type: Option<&str>) -> bool {
    let kind =
        content_type.and_then(|of| of.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json") || kind == "text/csv"
}

/// A page with the style of what is masked in it. A part of a page, without a head, comes into one that has it.
fn styled(mut page: Vec<u8>) -> Vec<u8> {
    const END_OF_HEAD: &[u8] = b"</head";
    let end = page.windows(END_OF_HEAD.len()).position(|part| part.eq_ignore_ascii_case(END_OF_HEAD));
    if let Some(end) = end {
        let link = format!(r#"<link rel="stylesheet" href="{}">"#, pages::asset_url("masked.css"));
        page.splice(end..end, link.into_bytes());
    }
    page
}

/// Each customer once, in order of appearance, with everything that is shown of them.
fn each_once(shown: &[Found]) -> Vec<Found> {
    let mut places: HashMap<&CustomerId, usize> = HashMap::with_capacity(shown.len());
    let mut once: Vec<Found> = Vec::with_capacity(shown.len());
    for found in shown {
        match places.get(&found.customer) {
            Some(&place) => once[place].classes = once[place].classes.union(found.classes),
            None => {
                places.insert(&found.customer, once.len());
                once.push(found.clone());
            }
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapter::Part;

    #[test]
    fn a_customer_who_plays_two_parts_counts_once_with_everything_shown() {
        let found = |customer: &str, part, class: FieldClass| Found {
            customer: CustomerId::new(customer),
            ticket: None,
            part,
            classes: class.into(),
        };
        let once = each_once(&[
            found("c-1", Part::Record, FieldClass::IdentityName),
            found("c-2", Part::Row, FieldClass::IdentityName),
            found("c-1", Part::Row, FieldClass::ContactEmail),
        ]);
        assert_eq!(once.iter().map(|f| f.customer.as_str()).collect::<Vec<_>>(), ["c-1", "c-2"]);
        assert_eq!(once[0].classes.len(), 2);
    }

    #[test]
    fn only_a_page_with_a_head_gets_the_style() {
        let page = String::from_utf8(styled(b"<HEAD><title>x</title></HEAD><p>".to_vec())).unwrap();
        assert!(
            page.starts_with(
                "<HEAD><title>x</title><link rel=\"stylesheet\" href=\"/.sightline/assets/masked."
            )
        );
        assert_eq!(styled(b"<p>part".to_vec()), b"<p>part");
    }
}
