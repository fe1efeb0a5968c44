//! A support desk that a test scripts: polite by default, rude where it is told to be.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// What the app was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: Method,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The app, while it runs.
pub struct App {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// The app waits for this before it answers a path that ends with `-slow`.
    pub go_on: Arc<Notify>,
    /// Told when somebody waits for `go_on`.
    pub waiting: Arc<Notify>,
}

/// Personal data of a customer, as it would look on a page. Nothing of it may ever leave by another way.
pub fn values_of(customer: &str) -> [String; 5] {
    [
        format!("Jane {customer} Example"),
        format!("jane.{customer}@mail.example"),
        format!("9{}77.31", customer.trim_start_matches("c-")),
        format!("the {customer} transfer is late"),
        format!("hunter2-{customer}"),
    ]
}

fn record(customer: &str) -> Value {
    let [name, email, balance, history, password] = values_of(customer);
    json!({ "id": customer, "name": name, "email": email, "balance": balance, "history": history, "password": password })
}

fn row(customer: &str) -> Value {
    let [name, email, ..] = values_of(customer);
    json!({ "id": customer, "name": name, "email": email })
}

impl App {
    pub async fn start() -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (go_on, waiting) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let state = (asked.clone(), go_on.clone(), waiting.clone());
        let answer = move |parts: Parts, body: Bytes| {
            let (asked, go_on, waiting) = state.clone();
            async move {
                asked.lock().unwrap().push(Asked {
                    method: parts.method.clone(),
                    target: parts.uri.to_string(),
                    headers: parts.headers.clone(),
                    body: body.clone(),
                });
                if parts.uri.path().ends_with("-slow") {
                    waiting.notify_one();
                    go_on.notified().await;
                }
                answer(&parts, &body)
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { address, asked, go_on, waiting }
    }

    /// Everything it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(parts: &Parts, _body: &Bytes) -> Response {
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (&parts.method, &*segments) {
        (&Method::GET, ["customers", customer]) if query.contains("prefetch") => {
            let others: Vec<_> = (100..125).map(|n| record(&format!("c-{n}"))).collect();
            with_etag(parts, json!({ "customer": record(customer), "others": others }))
        }
        (&Method::GET, ["customers", customer]) => with_etag(parts, record(customer)),
        (&Method::GET, ["customers"]) => {
            let rows: Vec<_> = (0..20).map(|n| row(&format!("c-{n}"))).collect();
            with_etag(parts, json!({ "customers": rows }))
        }
        (&Method::GET, ["tickets", ticket]) => {
            let customer = ticket.replace("k-", "c-");
            with_etag(parts, json!({ "id": ticket, "customer": record(&customer) }))
        }
        (&Method::GET, ["tickets", ticket, "conversation"]) => {
            let history = &record(&ticket.replace("k-", "c-"))["history"];
            axum::Json(json!({ "history": history })).into_response()
        }
        (&Method::GET, ["edit", customer]) => {
            let [name, email, ..] = values_of(customer);
            let page = format!(
                "<!doctype html><html><head><title>Edit</title></head><body data-customer=\"{customer}\">\
                 <form method=\"post\" action=\"/save/{customer}\">\
                 <input name=\"name\" value=\"{name}\"><input name=\"email\" value=\"{email}\">\
                 <button>Save</button></form></body></html>"
            );
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
        }
        (&Method::GET, ["pages", "menu"]) => {
            let policy = "default-src 'self'; script-src 'nonce-app' 'strict-dynamic'; img-src 'none'";
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CONTENT_SECURITY_POLICY, policy),
                (header::ETAG, "\"v1\""),
            ];
            (headers, "<!doctype html><html><head><title>Menu</title></head><body>Menu</body></html>")
                .into_response()
        }
        (&Method::GET, ["pages", "download"]) => {
            let headers = [
                (header::CONTENT_TYPE, "text/html"),
                (header::CONTENT_DISPOSITION, "attachment; filename=x"),
            ];
            (headers, "<p>kept</p>").into_response()
        }
        (&Method::POST, ["save", customer]) => {
            let location = format!("http://{}/edit/{customer}", parts.headers["host"].to_str().unwrap());
            (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
        }
        (&Method::GET, ["mislabelled", customer]) => {
            ([(header::CONTENT_TYPE, "text/html")], record(customer).to_string()).into_response()
        }
        (&Method::GET, ["broken", customer]) => {
            let half = record(customer).to_string();
            ([(header::CONTENT_TYPE, "application/json")], half[..half.len() / 2].to_owned()).into_response()
        }
        (&Method::GET, ["zipped", customer]) => (
            [(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")],
            record(customer).to_string(),
        )
            .into_response(),
        (&Method::GET, ["huge", _]) => {
            ([(header::CONTENT_TYPE, "application/json")], format!("{{\"id\":\"{}\"}}", "x".repeat(200_000)))
                .into_response()
        }
        (&Method::GET, ["loop", _]) => (StatusCode::FOUND, [(header::LOCATION, path)]).into_response(),
        (&Method::GET, ["unchanged", _]) => StatusCode::NOT_MODIFIED.into_response(),
        (&Method::GET, ["static", _]) => with_etag(parts, json!({ "logo": true })),
        (&Method::GET, ["unknown"]) => axum::Json(record("c-77")).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// As real tools do: 304 for whoever has it already.
fn with_etag(parts: &Parts, value: Value) -> Response {
    const ETAG: &str = "\"v1\"";
    if parts.headers.get(header::IF_NONE_MATCH).is_some_and(|given| given == ETAG) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let headers = [
        (header::ETAG, ETAG),
        (header::CACHE_CONTROL, "max-age=600"),
        (header::LAST_MODIFIED, "Thu, 01 Jan 2026 00:00:00 GMT"),
    ];
    (headers, axum::Json(value)).into_response()
}

/// What a rude app does with a request, byte by byte.
#[derive(Debug, Clone, Copy)]
pub enum Rude {
    /// Says nothing.
    Hang,
    /// Says this, and then nothing.
    SayAndHang(&'static str),
    /// Says this, and closes.
    SayAndClose(&'static str),
    /// Breaks the connection.
    Reset,
}

/// An app that does `how` with every request.
pub async fn rude(how: Rude) -> SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = connection.read(&mut head).await;
            match how {
                Rude::Hang => kept.push(connection),
                Rude::SayAndHang(text) => {
                    let _ = connection.write_all(text.as_bytes()).await;
                    kept.push(connection);
                }
                Rude::SayAndClose(text) => {
                    let _ = connection.write_all(text.as_bytes()).await;
                    let _ = connection.shutdown().await;
                }
                Rude::Reset => {
                    let socket = connection.into_std().unwrap();
                    let _ = socket.shutdown(std::net::Shutdown::Both);
                }
            }
        }
    });
    address
}
