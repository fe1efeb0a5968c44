//! What a record becomes.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use super::records::{Format, Record};
use super::time;

/// How one kind of foreign log is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// In one sentence, what it is for.
    pub about: String,
    /// How a file falls into records.
    pub format: Format,
    /// JSON: where the list of records is, for example `events`; none if the file is the list, or one record a line.
    pub records: Option<String>,
    /// Keys that are lists: a record becomes one record for each element, under the same key.
    #[serde(default)]
    pub each: Vec<String>,
    /// What later records need from an earlier one.
    pub remember: Option<Remember>,
    /// What each record becomes.
    pub line: Vec<LineRule>,
}

/// Something that one record says and others need, as the key `remembered`: whose ticket it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remember {
    /// Only from records of which each key has one of these values.
    #[serde(default)]
    when: BTreeMap<String, Vec<String>>,
    /// What it is remembered of, for example `{ticket_id}`.
    of: String,
    /// What is remembered.
    value: String,
}

/// What a mapping has remembered so far.
#[derive(Debug, Clone, Default)]
pub struct Memory(HashMap<String, String>);

/// One line that a record may become.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineRule {
    /// Only records of which each key has one of these values.
    #[serde(default)]
    pub when: BTreeMap<String, Vec<String>>,
    /// Only records of which this text has this form: `/customers/{customer}`; names become keys.
    pub url: Option<Url>,
    /// The keys of the line: `kind`, `time`, `staff` …, with text that may hold `{key}`.
    pub set: BTreeMap<String, String>,
    /// Keys of the line that are lists.
    #[serde(default)]
    pub lists: BTreeMap<String, Vec<String>>,
    /// Other words for values of the line, by its keys.
    #[serde(default)]
    pub words: BTreeMap<String, BTreeMap<String, String>>,
}

/// A URL and the forms it may have.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Url {
    /// The key that holds it.
    pub key: String,
    /// The forms; the first that fits counts. A part in braces is one segment, or the value of a query key.
    pub forms: Vec<String>,
}

impl Mapping {
    /// The lines that a record becomes, each with its time (none for staff and customers).
    pub fn lines(&self, record: &Record, memory: &mut Memory) -> Vec<(Option<u64>, String)> {
        let mut records = vec![record.clone()];
        for key in &self.each {
            records = records.iter().flat_map(|record| record.each(key)).collect();
        }
        if let Some(remember) = &self.remember {
            records.iter().for_each(|record| remember.take(record, memory));
        }
        let mut lines = Vec::new();
        for record in &records {
            let remembered = self.remember.as_ref().and_then(|r| r.recall(record, memory));
            lines.extend(self.line.iter().filter_map(|rule| rule.line(record, remembered.as_deref())));
        }
        lines
    }
}

impl Remember {
    fn take(&self, record: &Record, memory: &mut Memory) {
        let get = |key: &str| record.get(key);
        if applies(&self.when, &get)
            && let Some((Some(of), Some(value))) = fill(&self.of, &get).zip(fill(&self.value, &get))
        {
            memory.0.insert(of, value);
        }
    }

    fn recall(&self, record: &Record, memory: &Memory) -> Option<String> {
        let of = fill(&self.of, &|key: &str| record.get(key))??;
        memory.0.get(&of).cloned()
    }
}

fn applies(when: &BTreeMap<String, Vec<String>>, get: &impl Fn(&str) -> Option<String>) -> bool {
    when.iter().all(|(key, values)| get(key).is_some_and(|value| values.contains(&value)))
}

impl LineRule {
    fn line(&self, record: &Record, remembered: Option<&str>) -> Option<(Option<u64>, String)> {
        let mut parts = BTreeMap::new();
        if let Some(url) = &self.url {
            let text = record.get(&url.key)?;
            parts = url.forms.iter().find_map(|form| fit(form, &text))?;
        }
        let get = |key: &str| match key {
            "remembered" => remembered.map(str::to_owned),
            _ => parts.get(key).cloned().or_else(|| record.get(key)),
        };
        if !applies(&self.when, &get) {
            return None;
        }
        let mut line = serde_json::Map::new();
        let mut at = None;
        for (key, text) in &self.set {
            let Some(mut value) = fill(text, &get)? else { continue };
            if let Some(word) = self.words.get(key).and_then(|words| words.get(&value)) {
                value.clone_from(word);
            }
            if key == "time" || key == "from" {
                let time = time::read(&value)?;
                at = Some(time.0).filter(|_| key == "time");
                value = time.to_string();
            }
            let is_flag = key == "canary";
            line.insert(key.clone(), if is_flag { Value::Bool(value == "true") } else { value.into() });
        }
        for (key, texts) in &self.lists {
            let values: Option<Vec<Option<String>>> = texts.iter().map(|text| fill(text, &get)).collect();
            line.insert(key.clone(), values?.into_iter().flatten().map(Value::String).collect());
        }
        // Whoever does something to a ticket about themself is the customer.
        if line.get("by").is_some_and(|by| line.get("customer") == Some(by)) {
            line.insert("by".to_owned(), "customer".into());
        }
        serde_json::to_string(&line).ok().map(|text| (at, text))
    }
}

/// `{key}` replaced. None: a key is missing; inner none: a key that may be missing is, and so the text is.
fn fill(text: &str, get: &impl Fn(&str) -> Option<String>) -> Option<Option<String>> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (key, after) = after.split_once('}')?;
        filled += before;
        let (key, may_miss) = key.strip_suffix('?').map_or((key, false), |key| (key, true));
        match get(key).filter(|value| !value.is_empty()) {
            Some(value) => filled += &value,
            None if may_miss => return Some(None),
            None => return None,
        }
        rest = after;
    }
    filled += rest;
    Some(Some(filled))
}

/// The named parts of a URL that has this form; none if it has not.
fn fit(form: &str, url: &str) -> Option<BTreeMap<String, String>> {
    let url = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    let url = url.split('#').next().unwrap_or_default();
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let (form_path, form_query) = form.split_once('?').unwrap_or((form, ""));
    let (mut parts, mut segments) = (BTreeMap::new(), path.trim_end_matches('/').split('/'));
    for wanted in form_path.trim_end_matches('/').split('/') {
        let segment = segments.next()?;
        match wanted.strip_prefix('{').and_then(|w| w.split_once('}')) {
            // A suffix after the brace is literal: `{customer}.json`.
            Some((name, suffix)) => {
                let value = segment.strip_suffix(suffix).filter(|v| !v.is_empty())?;
                parts.insert(name.to_owned(), value.to_owned());
            }
            None if wanted == segment => {}
            None => return None,
        }
    }
    if segments.next().is_some() {
        return None;
    }
    for wanted in form_query.split('&').filter(|w| !w.is_empty()) {
        let (key, value) = wanted.split_once('=')?;
        let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(k, _)| *k == key)?.1;
        match value.strip_prefix('{').and_then(|v| v.strip_suffix('}')) {
            Some(name) => drop(parts.insert(name.to_owned(), found.to_owned())),
            None if value == found => {}
            None => return None,
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_by_their_form() {
        let parts = |form, url| fit(form, url).map(|p| p.into_iter().collect::<Vec<_>>());
        let one = |k: &str, v: &str| Some(vec![(k.to_owned(), v.to_owned())]);
        assert_eq!(parts("/customers/{customer}", "/customers/c-9?tab=1"), one("customer", "c-9"));
        assert_eq!(
            parts("/customers/{customer}", "https://desk.example/customers/c-9/"),
            one("customer", "c-9")
        );
        assert_eq!(parts("/c/{customer}.json", "/c/9.json"), one("customer", "9"));
        assert_eq!(parts("/t?user={customer}", "/t?x=1&user=9"), one("customer", "9"));
        assert_eq!(parts("/customers/{customer}", "/customers"), None);
        assert_eq!(parts("/customers/{customer}", "/customers/9/edit"), None);
        assert_eq!(parts("/t?user={customer}", "/t?x=1"), None);
    }

    #[test]
    fn a_missing_key_leaves_the_line_out_and_one_that_may_miss_leaves_the_key_out() {
        let rule: LineRule = toml::from_str(
            "set = { kind = 'access', time = '{t}', staff = 's-{who}', customer = '{c}', ip = '{ip?}' }",
        )
        .unwrap();
        let record = |json: &str| Record::from(serde_json::from_str::<Value>(json).unwrap());
        let (at, line) =
            rule.line(&record(r#"{"t":"2026-03-02T10:00:00+01:00","who":17,"c":"c-9"}"#), None).unwrap();
        assert_eq!(at, Some(1_772_442_000_000));
        assert_eq!(
            line,
            r#"{"customer":"c-9","kind":"access","staff":"s-17","time":"2026-03-02T09:00:00.000Z"}"#
        );
        assert!(rule.line(&record(r#"{"t":"2026-03-02T10:00:00Z","c":"c-9"}"#), None).is_none());
    }
}
