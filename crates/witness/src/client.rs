//! One witness, asked over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::request::{AddCheckpoint, MAX_BYTES, SIZE_TYPE, decimal, log_id};

/// Why a witness gave no answer that means anything.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// This machine trusts no certificates.
    #[error("no trusted certificates on this machine: {0}")]
    Roots(std::io::Error),
    /// The address is none.
    #[error("not an address: {0}")]
    Address(#[from] http::Error),
    /// No connection, or it broke off.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("did not answer within {} s", .0.as_secs())]
    Late(Duration),
    /// An answer that breaks off, or is too long.
    #[error("its answer is cut off or too long")]
    Body,
    /// A status that says neither yes nor no.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// An answer that is not what the specification asks for.
    #[error("it answered what no witness should: {0}")]
    Nonsense(&'static str),
}

/// What a witness says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Signature lines. Not verified.
    Lines(String),
    /// It has another size than the request says.
    Size(u64),
    /// It has another root for this size, or does not accept the proof.
    Contradicts(StatusCode),
}

/// Asks witnesses over HTTP, and keeps connections open between requests. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    patience: Duration,
}

impl Client {
    /// A client that waits so long for each answer.
    pub(crate) fn new(patience: Duration) -> Result<Self, ClientError> {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(ClientError::Roots)?
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .build();
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, patience })
    }

    /// `POST <submission prefix>/add-checkpoint`.
    pub(crate) async fn add_checkpoint(
        &self,
        url: &str,
        request: &AddCheckpoint,
    ) -> Result<Answer, ClientError> {
        let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let (head, body) = self.send(Method::POST, &url, request.to_text()).await?;
        let is_size = head.headers.get(header::CONTENT_TYPE).is_some_and(|value| value == SIZE_TYPE);
        match head.status {
            StatusCode::OK => Ok(Answer::Lines(body)),
            StatusCode::CONFLICT if is_size => {
                let size = body.strip_suffix('\n').and_then(decimal);
                size.map(Answer::Size).ok_or(ClientError::Nonsense("a size that is no decimal number"))
            }
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => Ok(Answer::Contradicts(head.status)),
            status => Err(ClientError::Status(status)),
        }
    }

    /// The last checkpoint that the witness cosigned of the log with this origin; `None` if it has none, or does
    /// not say.
    pub(crate) async fn last(&self, url: &str, origin: &str) -> Result<Option<String>, ClientError> {
        let url = format!("{}/{}/checkpoint", url.trim_end_matches('/'), log_id(origin));
        let (head, body) = self.send(Method::GET, &url, String::new()).await?;
        match head.status {
            StatusCode::OK => Ok(Some(body)),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(ClientError::Status(status)),
        }
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        body: String,
    ) -> Result<(http::response::Parts, String), ClientError> {
        let request = Request::builder().method(method).uri(url).body(Full::from(body))?;
        let sent = async {
            let answer = self.http.request(request).await;
            let (head, body) = answer.map_err(|e| ClientError::Unreachable(chain(&e)))?.into_parts();
            let body = Limited::new(body, MAX_BYTES).collect().await.map_err(|_| ClientError::Body)?;
            let body = String::from_utf8(body.to_bytes().into()).map_err(|_| ClientError::Body)?;
            Ok((head, body))
        };
        tokio::time::timeout(self.patience, sent).await.map_err(|_| ClientError::Late(self.patience))?
    }
}

/// An error with what caused it: "client error (Connect)" alone helps nobody.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.last().map_or_else(|| error.to_string(), ToString::to_string)
}
