//! Events as ArcSight Common Event Format, version 0: a header of seven fields, then `key=value` pairs.
//! The keys are those of the CEF dictionary ("Implementing ArcSight Common Event Format", version 26).

use model::Timestamp;
use serde_json::Value;

use crate::ocsf::{Identity, PRODUCT, VERSION};
use crate::told::{Control, Told};

/// Writes an event as one line, without a line end.
pub(crate) fn event(
    told: &Told,
    identity: &Identity<'_>,
    kind: &str,
    time: Timestamp,
    said: &Value,
) -> String {
    let class = told.class.uid() * 100 + told.activity.0;
    let name = format!("{}: {}", told.class.name(), told.activity.1);
    let mut line = format!(
        "CEF:0|{PRODUCT}|{PRODUCT}|{}|{class}|{}|{}|",
        header(VERSION),
        header(&name),
        told.severity.cef()
    );
    let mut pairs = Pairs { line: &mut line, first: true };
    pairs.put("rt", time.0);
    pairs.put("externalId", identity.uid(time));
    pairs.put("cat", kind);
    pairs.put("act", told.control.map_or(told.activity.1, |control| Control::action(control).1));
    pairs.put("outcome", told.status.ocsf().1);
    pairs.put_some("reason", told.reason);
    pairs.put_some("suid", told.who.as_ref());
    pairs.put_some("duid", told.to.as_ref());
    pairs.put_some("destinationServiceName", told.app.as_ref());
    pairs.put("msg", &told.message);
    pairs.labelled("cs1", "fieldClasses", text(said, "classes"));
    pairs.labelled("cs2", "evidence", text(said, "evidence"));
    pairs.labelled("cs3", "customerCommitment", text(said, "subject").or(text(said, "subjects")));
    pairs.labelled("cs4", "grant", text(said, "grant"));
    pairs.labelled("cs5", "session", told.session.map(|session| session.to_string()));
    pairs.labelled("cs6", "leafHash", identity.entry.map(|(_, leaf)| leaf.to_string()));
    pairs.labelled("flexString1", "reference", text(said, "response"));
    pairs.labelled("cn1", "entry", identity.entry.map(|(index, _)| index.to_string()));
    pairs.labelled("cn2", "rows", text(said, "rows"));
    line
}

/// A word, a number or a list of words.
fn text(said: &Value, name: &str) -> Option<String> {
    match said.get(name)? {
        Value::String(word) => Some(word.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(words) => Some(words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
        _ => None,
    }
}

struct Pairs<'a> {
    line: &'a mut String,
    first: bool,
}

impl Pairs<'_> {
    fn put(&mut self, key: &str, value: impl ToString) {
        if !std::mem::take(&mut self.first) {
            self.line.push(' ');
        }
        self.line.push_str(key);
        self.line.push('=');
        self.line.push_str(&extension(&value.to_string()));
    }

    fn put_some(&mut self, key: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn labelled(&mut self, key: &str, label: &str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.put(&format!("{key}Label"), label);
            self.put(key, value);
        }
    }
}

/// In the header `\` and `|` are escaped, and a line end cannot stand.
fn header(text: &str) -> String {
    escape(text, |c| match c {
        '\\' => Some(r"\\"),
        '|' => Some(r"\|"),
        '\n' | '\r' => Some(" "),
        _ => None,
    })
}

/// In a value `\`, `=` and line ends are escaped; `|` is not.
fn extension(text: &str) -> String {
    escape(text, |c| match c {
        '\\' => Some(r"\\"),
        '=' => Some(r"\="),
        '\n' => Some(r"\n"),
        '\r' => Some(r"\r"),
        _ => None,
    })
}

fn escape(text: &str, of: impl Fn(char) -> Option<&'static str>) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match of(c) {
            Some(escaped) => out.push_str(escaped),
            None => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// Reads the pairs of an extension as a SIEM does: a key is what stands between a space and an unescaped `=`.
    fn read(extension: &str) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let (mut word, mut chars) = (String::new(), extension.chars());
        while let Some(c) = chars.next() {
            match c {
                '\\' => word.push(match chars.next().unwrap() {
                    'n' => '\n',
                    'r' => '\r',
                    other => other,
                }),
                '=' => {
                    let (before, key) = word.rsplit_once(' ').unwrap_or(("", &word));
                    if let Some(last) = pairs.last_mut() {
                        last.1 = before.to_owned();
                    }
                    pairs.push((key.to_owned(), String::new()));
                    word.clear();
                }
                c => word.push(c),
            }
        }
        pairs.last_mut().unwrap().1 = word;
        pairs
    }

    proptest! {
        #[test]
        fn any_value_reads_back_from_its_pair(a: String, b: String) {
            let mut line = String::new();
            let mut pairs = Pairs { line: &mut line, first: true };
            pairs.put("msg", &a);
            pairs.put("suid", &b);
            prop_assert!(!line.contains(['\n', '\r']));
            prop_assert_eq!(read(&line), [("msg".to_owned(), a), ("suid".to_owned(), b)]);
        }

        #[test]
        fn no_text_ends_a_field_of_the_header(text: String) {
            let field = header(&text);
            prop_assert!(!field.contains(['\n', '\r']));
            let bars = field.replace(r"\\", "").replace(r"\|", "");
            prop_assert!(!bars.contains('|'));
        }
    }
}
