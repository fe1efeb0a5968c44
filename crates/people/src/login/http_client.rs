//! HTTP towards the identity provider: no redirects, small answers, not for long, and TLS except on
//! loopback.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use url::{Host, Url};

const MAX_ANSWER_BYTES: usize = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a request to the provider failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("{0} is neither https nor on loopback")]
    Plain(Uri),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Timeout,
    #[error(transparent)]
    Transport(#[from] hyper_util::client::legacy::Error),
    #[error("the answer broke off or is too large: {0}")]
    Body(Box<dyn Error + Send + Sync>),
}

/// A client for one provider.
#[derive(Debug)]
pub(crate) struct HttpClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl HttpClient {
    /// Trusts what the system trusts. A system without certificates can still ask a provider on loopback.
    pub(crate) fn new(issuer: &Url) -> Result<Self, std::io::Error> {
        let ring = || rustls::crypto::ring::default_provider();
        let builder = match HttpsConnectorBuilder::new().with_provider_and_native_roots(ring()) {
            Ok(builder) => builder,
            Err(_) if issuer.scheme() == "http" => HttpsConnectorBuilder::new().with_tls_config(
                rustls::ClientConfig::builder_with_provider(ring().into())
                    .with_safe_default_protocol_versions()
                    .map_err(std::io::Error::other)?
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth(),
            ),
            Err(error) => return Err(error),
        };
        let connector = builder.https_or_http().enable_http1().enable_http2().build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let uri = request.uri().clone();
        if !Url::parse(&uri.to_string()).is_ok_and(|url| is_protected(&url)) {
            return Err(HttpError::Plain(uri));
        }
        let ask = async {
            let (head, body) = self.0.request(request.map(|body| Full::new(body.into()))).await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(HttpError::Body)?;
            Ok(HttpResponse::from_parts(head, body.to_bytes().to_vec()))
        };
        tokio::time::timeout(PATIENCE, ask).await.unwrap_or(Err(HttpError::Timeout))
    }
}

impl<'c> AsyncHttpClient<'c> for HttpClient {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// Whether what goes to this URL cannot be read on the way: HTTPS, or this machine.
pub(crate) fn is_protected(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_goes_without_tls() {
        for url in ["https://id.example", "http://127.0.0.1:3000", "http://[::1]/", "http://localhost:1/x"] {
            assert!(is_protected(&url.parse().unwrap()), "{url}");
        }
        for url in [
            "http://id.example",
            "http://10.0.0.1",
            "http://localhost.example",
            "ftp://127.0.0.1",
            "file:///x",
        ] {
            assert!(!is_protected(&url.parse().unwrap()), "{url}");
        }
    }
}
