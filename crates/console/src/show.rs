//! The pieces of [`pages`] for templates, which hand over fields by reference and results by value.

use std::borrow::Borrow;

use model::{ClassSet, Evidence, StaffId, StaffStatus, Tier, Timestamp};
use pages::{Html, Icon};

pub(crate) fn time(at: &Timestamp, now: &Timestamp) -> Html {
    pages::time(*at, *now)
}

pub(crate) fn evidence(evidence: &Evidence) -> Html {
    pages::evidence(*evidence)
}

pub(crate) fn classes(classes: &ClassSet) -> Html {
    pages::classes(*classes)
}

pub(crate) fn tier(tier: &Option<Tier>) -> Html {
    tier.map(pages::tier).unwrap_or_default()
}

pub(crate) fn count(n: impl Borrow<u64>) -> String {
    pages::count(*n.borrow())
}

pub(crate) fn share(part: &u64, whole: &u64) -> String {
    pages::share(*part, *whole)
}

/// What stands where there is nothing: what that means, and what to do next.
pub(crate) fn empty(icon: Icon, title: &str, what_next: &str) -> Html {
    pages::empty(icon, title, what_next, Html::default())
}

/// The links below a list that is longer than a page: back to its beginning, and on. Nothing if the
/// page is all there is.
pub(crate) fn pager(back: Option<(&str, &str)>, on: Option<(&str, &str)>) -> Html {
    let link = |(label, href): (&str, &str), rel: &str| {
        format!(r#"<a class="button small"{rel} href="{}">{}</a>"#, Html::text(href), Html::text(label))
    };
    let links = back.map(|l| link(l, "")).into_iter().chain(on.map(|l| link(l, r#" rel="next""#)));
    let links: String = links.collect();
    match links.as_str() {
        "" => Html::default(),
        links => Html::trusted(format!(r#"<div class="pages"><nav aria-label="Pages">{links}</nav></div>"#)),
    }
}

/// A count in a table: nothing is a dash, so that what is something stands out.
pub(crate) fn cell(n: impl Borrow<u64>) -> Html {
    match *n.borrow() {
        0 => Html::trusted(r#"<span class="muted">–</span>"#),
        n => Html::text(pages::count(n)),
    }
}

/// A count of what deserves a look: coloured if there is any.
pub(crate) fn weak(n: impl Borrow<u64>) -> Html {
    match *n.borrow() {
        0 => cell(0),
        n => Html::trusted(format!(r#"<span class="chip warn">{}</span>"#, pages::count(n))),
    }
}

/// A staff member's pseudonym, leading to their timeline.
pub(crate) fn staff(staff: &StaffId) -> Html {
    Html::trusted(format!(
        r#"<a class="id" href="/staff/{}">{}</a>"#,
        Html::text(segment(staff.as_str())),
        Html::text(staff)
    ))
}

/// Whether somebody may work, where that is worth saying.
pub(crate) fn status(status: &Option<StaffStatus>) -> Html {
    Html::trusted(match status {
        None | Some(StaffStatus::Active) => "",
        Some(StaffStatus::Suspended) => r#"<span class="chip bad">suspended</span>"#,
        Some(StaffStatus::Left) => r#"<span class="chip">left</span>"#,
    })
}

/// The number of an entry, leading to it.
pub(crate) fn entry(index: &u64) -> Html {
    Html::trusted(format!(
        r#"<a class="id" href="/ledger/{index}" title="Entry {index} of the ledger, with its receipt">#{index}</a>"#
    ))
}

/// A word with underscores as people write it.
pub(crate) fn word(word: &str) -> String {
    word.replace('_', " ")
}

/// Words as a sentence of their own: with a capital.
pub(crate) fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Text as one segment of a path or one value of a query.
pub(crate) fn segment(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, b| {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_cannot_leave_its_segment_or_its_tag() {
        let html = staff(&StaffId::new("s/1\"><?#")).into_string();
        assert!(html.contains(r#"href="/staff/s%2F1%22%3E%3C%3F%23""#));
        assert!(html.contains("s/1&#34;&#62;&#60;?#"));
    }
}
