//! The ledger: its entries, a receipt for each, and the public end points of the log.

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledger::{Publishing, Record};
use model::entry::Event;
use model::{Digest, Timestamp};
use pages::{Html, Icon};

use crate::fault::Fault;
use crate::guard::Visitor;
use crate::witnesses::Witnesses;

const ROWS: u64 = 50;

/// The query: entries before this number, the newest first.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    before: Option<u64>,
    /// Where the form "go to entry" leads.
    entry: Option<u64>,
}

#[derive(Template)]
#[template(path = "ledger.html")]
struct EntriesTemplate {
    now: Timestamp,
    size: u64,
    records: Vec<Record>,
    pager: Html,
    checkpoint: String,
    vkey: String,
    publishing: Publishing,
    witnesses: Witnesses,
}

/// `GET /ledger`
pub(crate) async fn entries(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    if let Some(index) = asked.entry {
        return Ok(axum::response::Redirect::to(&format!("/ledger/{index}")).into_response());
    }
    let size = console.ledger.size();
    let before = asked.before.unwrap_or(size).min(size);
    let from = before.saturating_sub(ROWS);
    let wanted = usize::try_from(before - from).unwrap_or(0);
    let mut records = console.enquiry.entries(&visitor.asker(), from, wanted).await?.answer;
    records.reverse();
    let older = (from > 0).then(|| format!("/ledger?before={from}"));
    let newer = (before < size).then(|| format!("/ledger?before={}", (before + ROWS).min(size)));
    let body = EntriesTemplate {
        now: console.clock.now(),
        size,
        records,
        pager: crate::show::pager(
            newer.as_deref().map(|href| ("Newer", href)),
            older.as_deref().map(|href| ("Older", href)),
        ),
        checkpoint: console.ledger.checkpoint(),
        vkey: console.ledger.verifier().vkey(),
        publishing: console.ledger.publishing(),
        witnesses: Witnesses::of(&console),
    };
    Ok(crate::shell::page(&visitor, "/ledger", "Ledger", &body))
}

#[derive(Template)]
#[template(path = "entry.html")]
struct EntryTemplate<'a> {
    now: Timestamp,
    record: &'a Record,
    size: u64,
    bytes: usize,
    digest: Digest,
    json: String,
    proof: String,
    vkey: String,
    opened: usize,
}

/// `GET /ledger/{index}`
pub(crate) async fn entry(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Path(index): Path<u64>,
) -> Result<Response, Fault> {
    let size = console.ledger.size();
    if index >= size {
        return Err(Fault::Unknown("entry"));
    }
    let records = console.enquiry.entries(&visitor.asker(), index, 1).await?.answer;
    let record = records.first().ok_or(Fault::Unknown("entry"))?;
    let bytes = record.entry.encode();
    let body = EntryTemplate {
        now: console.clock.now(),
        record,
        size,
        bytes: bytes.len(),
        digest: Digest::of(&bytes),
        json: serde_json::to_string_pretty(&record.entry).map_err(|e| crate::fault::broken(&e))?,
        proof: console.enquiry.receipt(&visitor.asker(), index).await?.answer,
        vkey: console.ledger.verifier().vkey(),
        opened: record.openings.iter().flatten().count(),
    };
    Ok(crate::shell::page(&visitor, "/ledger", &format!("Entry {index}"), &body))
}

/// `GET /ledger/{index}/proof`: the receipt, to save.
pub(crate) async fn proof(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Path(index): Path<u64>,
) -> Result<Response, Fault> {
    if index >= console.ledger.size() {
        return Err(Fault::Unknown("entry"));
    }
    let proof = console.enquiry.receipt(&visitor.asker(), index).await?.answer;
    let name = format!("entry-{index}.tlog-proof");
    Ok(crate::reach::attachment("text/plain; charset=utf-8", &name, proof.into_bytes()))
}

/// `GET /checkpoint` (c2sp.org/tlog-tiles): open to anybody, because anybody may check the log (P5).
pub(crate) async fn checkpoint(axum::extract::State(console): crate::State) -> Response {
    public("text/plain; charset=utf-8", "no-cache", console.ledger.checkpoint().into_bytes())
}

/// `GET /pruning-policy`: what the log keeps for ever, and what beside it is forgotten. Open to anybody.
pub(crate) async fn pruning_policy(axum::extract::State(console): crate::State) -> Response {
    let policy = console.erasure.retention.pruning_policy();
    public("text/plain; charset=utf-8", "no-cache", policy.into_bytes())
}

/// `GET /trust-policy` (c2sp.org/tlog-policy): open to anybody. Whoever checks the log should have it from elsewhere.
pub(crate) async fn trust_policy(axum::extract::State(console): crate::State) -> Response {
    public("text/plain; charset=utf-8", "no-cache", console.trust_policy.clone().into_bytes())
}

/// `GET /tile/…` (c2sp.org/tlog-tiles): open to anybody. Tiles never change. They hold hashes and
/// entries; entries hold pseudonyms and commitments, and no values (P6).
pub(crate) async fn tile(
    axum::extract::State(console): crate::State,
    Path(path): Path<String>,
) -> Result<Response, Fault> {
    let tile = tokio::task::spawn_blocking(move || console.ledger.tile(&format!("tile/{path}"))).await;
    match tile.map_err(|e| crate::fault::broken(&e))?? {
        Some(bytes) => Ok(public("application/octet-stream", "public, max-age=31536000, immutable", bytes)),
        None => Ok(StatusCode::NOT_FOUND.into_response()),
    }
}

fn public(content_type: &'static str, caching: &'static str, content: Vec<u8>) -> Response {
    let mut response = content.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, caching),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
