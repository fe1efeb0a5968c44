//! What the tests of this crate have in common.
#![allow(clippy::unwrap_used)] // helpers of tests: a panic is a failed test
#![allow(dead_code)] // each test file uses a part of it

use http::Method;
use model::entry::Action;
use model::{CustomerId, FieldClass};
use sightline_adapter::{Adapter, Answer, Part, Read, Recognised, Request, Treatment, Verdict};

pub(crate) fn desk() -> Adapter {
    Adapter::parse("adapters/desk.toml", include_str!("../../../../adapters/desk.toml")).unwrap()
}

pub(crate) fn read(route: &str) -> Read {
    Read { route: route.to_owned(), action: Action::View, customer: None, ticket: None }
}

pub(crate) fn answer<'a>(content_type: &'a str, body: &'a str) -> Answer<'a> {
    Answer { status: 200, content_type: Some(content_type), body: body.as_bytes() }
}

pub(crate) fn get(adapter: &Adapter, target: &str) -> Recognised {
    adapter.recognise(&Request { method: &Method::GET, target, content_type: None, body: b"" })
}

/// Masks everything.
pub(crate) struct DenyAll;

impl Treatment for DenyAll {
    fn verdict(&mut self, _: Option<&CustomerId>, _: Part, _: FieldClass) -> Verdict {
        Verdict::Mask
    }
    fn seal(&mut self, field: &str, original: &str) -> String {
        seal(field, original)
    }
}

/// A seal that hides nothing to people but everything to a search for the value.
pub(crate) fn seal(field: &str, original: &str) -> String {
    let hex: String = original.bytes().map(|b| format!("{b:02x}")).collect();
    format!("{field}:{hex}")
}

pub(crate) fn open(field: &str, sealed: &str) -> Option<String> {
    let hex = sealed.strip_prefix(field)?.strip_prefix(':')?;
    let bytes = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(hex.get(i..i + 2)?, 16).ok());
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}

/// Shows what the rule says.
pub(crate) fn rule<F: FnMut(Option<&str>, Part, FieldClass) -> bool>(rule: F) -> impl Treatment {
    Rule(rule)
}

struct Rule<F>(F);

impl<F: FnMut(Option<&str>, Part, FieldClass) -> bool> Treatment for Rule<F> {
    fn verdict(&mut self, customer: Option<&CustomerId>, part: Part, class: FieldClass) -> Verdict {
        match (self.0)(customer.map(CustomerId::as_str), part, class) {
            true => Verdict::Show,
            false => Verdict::Mask,
        }
    }
    fn seal(&mut self, field: &str, original: &str) -> String {
        seal(field, original)
    }
}

/// Offers to ask for one class; masks the rest.
pub(crate) struct AskFor(pub(crate) FieldClass);

impl Treatment for AskFor {
    fn verdict(&mut self, customer: Option<&CustomerId>, _: Part, class: FieldClass) -> Verdict {
        match customer.filter(|_| class == self.0) {
            Some(customer) => Verdict::Ask(format!("/ask?f={class}&c={customer}")),
            None => Verdict::Mask,
        }
    }
    fn seal(&mut self, field: &str, original: &str) -> String {
        seal(field, original)
    }
}
