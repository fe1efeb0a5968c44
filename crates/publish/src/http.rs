//! HTTP for the object store: ours, with the TLS that everything else here uses.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long one request may take, with its answer. Every file is small.
const PATIENCE: Duration = Duration::from_secs(4);
/// A full bundle holds 256 entries of at most 64 KiB.
const LARGEST: usize = 17 << 20;

/// Makes the client.
#[derive(Debug)]
pub(crate) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut tcp = Tcp::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.enforce_http(false);
        let roots = HttpsConnectorBuilder::new().with_native_roots();
        let roots =
            roots.map_err(|error| object_store::Error::Generic { store: "S3", source: error.into() })?;
        // Plain HTTP was refused before, where it is not for this machine.
        let connector = roots.https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(HttpClient::new(Http { client }))
    }
}

#[derive(Debug)]
struct Http {
    client: Client<HttpsConnector<Tcp>, HttpRequestBody>,
}

/// An error with what caused it: "client error (Connect)" alone helps nobody.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Cause(String);

fn cause(mut error: &dyn Error) -> Cause {
    while let Some(source) = error.source() {
        error = source;
    }
    Cause(error.to_string())
}

fn unreachable(error: &ClientError) -> HttpError {
    let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Interrupted };
    HttpError::new(kind, cause(error))
}

#[async_trait]
impl HttpService for Http {
    /// Returns once the whole answer is there: an answer that stops in the middle must not hold up anybody.
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = async {
            let answer = self.client.request(request).await.map_err(|error| unreachable(&error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, LARGEST).collect().await;
            let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, cause(&*error)))?;
            let body: Bytes = body.to_bytes();
            Ok(HttpResponse::from_parts(head, HttpResponseBody::from(body)))
        };
        let late = |_| {
            let why = format!("no answer within {} s", PATIENCE.as_secs());
            HttpError::new(HttpErrorKind::Timeout, Cause(why))
        };
        tokio::time::timeout(PATIENCE, answer).await.map_err(late)?
    }
}
