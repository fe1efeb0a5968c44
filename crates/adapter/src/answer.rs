//! From an answer to the engine that reads it. The body decides, not what the app calls it: some apps send
//! JSON as `text/html`.

use crate::form::{essence, parameter};
use crate::html::{self, HtmlPlan};
use crate::judge::{Judge, Owners, WHOLE};
use crate::mask::mask as looks;
use crate::route::Route;
use crate::{Answer, Masked, Read, Treatment, Unreadable, Verdict, json, page, sheet};

/// Masks an answer to a request that matched `route`.
pub(crate) fn mask(
    route: &Route,
    read: &Read,
    answer: &Answer<'_>,
    treatment: &mut dyn Treatment,
) -> Result<Masked, Unreadable> {
    // The browser goes where `Location` says and shows nothing of the body.
    if answer.body.is_empty() || matches!(answer.status, 300..=399) {
        return Ok(Masked::default());
    }
    if let Some(class) = route.whole {
        let mut judge = Judge::new(Owners::new(read, None, answer.body.len()), treatment);
        let body = match judge.verdict(WHOLE, class) {
            Verdict::Show => answer.body.to_vec(),
            Verdict::Mask | Verdict::Ask(_) => looks(class, "").into_bytes(),
        };
        let (shown, masked) = judge.finish();
        return Ok(Masked { body, shown, masked, gaps: Vec::new() });
    }
    let unreadable = |why: String| Unreadable { route: route.name.clone(), why };
    let text = text(answer).map_err(&unreadable)?;
    let kind = answer.content_type.map(essence).unwrap_or_default().to_ascii_lowercase();
    let looks_like_json =
        text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with(['{', '[']);
    if kind == "application/json" || kind.ends_with("+json") || looks_like_json {
        if !route.json_used {
            return Err(unreadable("the adapter declares nothing of its JSON".to_owned()));
        }
        return json::mask(&route.json, read, text, treatment).map_err(|bad| unreadable(bad.to_string()));
    }
    match (kind.as_str(), &route.html, &route.csv) {
        ("text/html" | "application/xhtml+xml" | "", Some(plan), _) => {
            mask_html(plan, read, text, treatment, answer).map_err(unreadable)
        }
        ("text/csv", _, Some(plan)) => {
            // What `csv` says may quote a line of the body.
            sheet::mask(plan, read, text, treatment).map_err(|_| unreadable("no valid CSV".to_owned()))
        }
        _ => Err(unreadable(format!("the adapter declares nothing of its {kind:?}"))),
    }
}

fn mask_html(
    plan: &HtmlPlan,
    read: &Read,
    text: &str,
    treatment: &mut dyn Treatment,
    answer: &Answer<'_>,
) -> Result<Masked, String> {
    let declared = answer.content_type.and_then(|header| parameter(header, "charset"));
    if declared.is_none() && !text.is_ascii() && !meta_is_utf8(text) {
        return Err("it says in its head that it is not UTF-8".to_owned());
    }
    let page = html::scan(plan, read, text)?;
    Ok(page::mask(page, text, treatment))
}

/// The body as text. Only UTF-8: another encoding could hide values from a reader of bytes.
fn text<'a>(answer: &Answer<'a>) -> Result<&'a str, String> {
    let charset = answer.content_type.and_then(|header| parameter(header, "charset"));
    let utf8 = charset.as_deref().is_none_or(|name| {
        ["utf-8", "utf8", "us-ascii"].iter().any(|known| name.eq_ignore_ascii_case(known))
    });
    if !utf8 && !answer.body.is_ascii() {
        return Err(format!("the character set {:?} is not supported", charset.unwrap_or_default()));
    }
    std::str::from_utf8(answer.body).map_err(|bad| format!("no valid UTF-8 at byte {}", bad.valid_up_to()))
}

/// Whether the page itself does not contradict UTF-8 in the part where browsers look for it.
fn meta_is_utf8(text: &str) -> bool {
    let head = &text.as_bytes()[..text.len().min(1024)];
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    head.match_indices("charset=")
        .all(|(at, found)| head[at + found.len()..].trim_start_matches(['"', '\'', ' ']).starts_with("utf-8"))
}
