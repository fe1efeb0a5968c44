//! An adapter tried out on a recording: what it makes of every request and answer in a HAR file (HTTP Archive
//! 1.2, as every browser's network panel saves one).

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use model::{ClassSet, FieldClass};
use serde::{Deserialize, Serialize};

use crate::{Adapter, Answer, Part, Read, Recognised, Request};

/// What an adapter makes of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HarReport {
    /// Each request, in order.
    pub entries: Vec<HarEntry>,
    /// How many requests came to each route; `open` and `unknown` are counted too.
    pub routes: BTreeMap<String, u32>,
    /// Method and path of what the adapter does not know, each once.
    pub unknown: Vec<String>,
    /// How many answers could not be read as the adapter says.
    pub unreadable: u32,
    /// How often the safety net saw something outside declared fields.
    pub gaps: u32,
    /// How many answers held fields that the adapter does not declare.
    pub undeclared: u32,
}

impl HarReport {
    /// Whether the adapter knows and reads all of it.
    pub fn is_clean(&self) -> bool {
        self.unknown.is_empty() && self.unreadable == 0 && self.gaps == 0 && self.undeclared == 0
    }
}

/// One request of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HarEntry {
    /// Its method.
    pub method: String,
    /// Its path, without what may hold data after it.
    pub path: String,
    /// Its status.
    pub status: u16,
    /// The route, or `open`, or `unknown`.
    pub route: String,
    /// How many customers' records it shows.
    pub records: usize,
    /// How many customers it lists.
    pub rows: usize,
    /// Which classes it shows.
    pub classes: ClassSet,
    /// What the safety net saw, and where.
    pub gaps: Vec<String>,
    /// Why it cannot be read.
    pub unreadable: Option<String>,
}

/// A recording that cannot be read. Says where, not what.
#[derive(Debug, thiserror::Error)]
#[error("no HAR file: line {line}, column {column}")]
pub struct BadHar {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Tries `adapter` on the text of a HAR file.
pub fn check_har(adapter: &Adapter, text: &str) -> Result<HarReport, BadHar> {
    let har: Har =
        serde_json::from_str(text).map_err(|bad| BadHar { line: bad.line(), column: bad.column() })?;
    let mut report = HarReport::default();
    for entry in &har.log.entries {
        let checked = check(adapter, entry);
        *report.routes.entry(checked.route.clone()).or_default() += 1;
        let name = format!("{} {}", checked.method, checked.path);
        if checked.route == UNKNOWN && !report.unknown.contains(&name) {
            report.unknown.push(name);
        }
        report.unreadable += u32::from(checked.unreadable.is_some());
        report.gaps += checked.gaps.len() as u32;
        report.undeclared += u32::from(checked.classes.contains(FieldClass::Undeclared));
        report.entries.push(checked);
    }
    Ok(report)
}

const OPEN: &str = "open";
const UNKNOWN: &str = "unknown";

fn check(adapter: &Adapter, entry: &Entry) -> HarEntry {
    let target = target(&entry.request.url);
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let posted = entry.request.post_data.as_ref();
    let recognised = match entry.request.method.parse::<Method>() {
        Ok(method) => adapter.recognise(&Request {
            method: &method,
            target,
            content_type: posted.map(|posted| posted.mime_type.as_str()),
            body: posted.map(|posted| posted.text.as_bytes()).unwrap_or_default(),
        }),
        Err(_) => Recognised::Unknown,
    };
    let mut checked = HarEntry {
        method: entry.request.method.clone(),
        path,
        status: entry.response.status,
        route: UNKNOWN.to_owned(),
        records: 0,
        rows: 0,
        classes: ClassSet::EMPTY,
        gaps: Vec::new(),
        unreadable: None,
    };
    match recognised {
        Recognised::Unknown => {}
        Recognised::Open => checked.route = OPEN.to_owned(),
        Recognised::Read(read) | Recognised::Write(read) => read_answer(adapter, &read, entry, &mut checked),
    }
    checked
}

fn read_answer(adapter: &Adapter, read: &Read, entry: &Entry, checked: &mut HarEntry) {
    checked.route = read.route.clone();
    let content = &entry.response.content;
    let Some(body) = content.body() else {
        checked.unreadable = Some("the recording holds no body".to_owned());
        return;
    };
    let answer =
        Answer { status: entry.response.status, content_type: content.mime_type.as_deref(), body: &body };
    match adapter.read(read, &answer) {
        Ok(reading) => {
            checked.records = reading.found.iter().filter(|found| found.part == Part::Record).count();
            checked.rows = reading.found.len() - checked.records;
            checked.classes = reading.classes;
            checked.gaps = reading.gaps.iter().map(|gap| format!("{} at {}", gap.kind, gap.place)).collect();
        }
        Err(unreadable) => checked.unreadable = Some(unreadable.why),
    }
}

/// Path and query of a URL.
fn target(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.find('/').map_or("/", |at| &after_scheme[at..]);
    path.split('#').next().unwrap_or(path)
}

#[derive(Deserialize)]
struct Har {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: HarRequest,
    response: HarResponse,
}

#[derive(Deserialize)]
struct HarRequest {
    method: String,
    url: String,
    #[serde(rename = "postData")]
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct PostData {
    #[serde(rename = "mimeType", default)]
    mime_type: String,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct HarResponse {
    status: u16,
    content: Content,
}

#[derive(Deserialize)]
struct Content {
    #[serde(rename = "mimeType")]
    mime_type: Option<String>,
    text: Option<String>,
    encoding: Option<String>,
    #[serde(default)]
    size: i64,
}

impl Content {
    /// The body; none if the recording left it out or spoiled it.
    fn body(&self) -> Option<Cow<'_, [u8]>> {
        match (&self.text, self.encoding.as_deref()) {
            (Some(text), Some("base64")) => STANDARD.decode(text).ok().map(Cow::Owned),
            (Some(text), _) => Some(Cow::Borrowed(text.as_bytes())),
            (None, _) => (self.size <= 0).then_some(Cow::Borrowed(&[])),
        }
    }
}
