//! A log read from the URL where it is published.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ledger::verify::Source;

/// A full bundle holds 256 entries of at most 64 KiB.
const LARGEST: usize = 17 << 20;
/// One answer may take so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is published below a URL.
pub(crate) struct Published {
    base: String,
    runtime: tokio::runtime::Runtime,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Published {
    /// Below this URL are `checkpoint` and `tile/`.
    pub(crate) fn at(url: &str) -> Result<Self, String> {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|e| format!("no trusted certificates on this machine: {e}"))?
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .build();
        Ok(Self {
            base: url.trim_end_matches('/').to_owned(),
            runtime: tokio::runtime::Runtime::new().map_err(|e| e.to_string())?,
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        let answer = self.client.get(format!("{}/{path}", self.base).parse()?).await?;
        match answer.status() {
            StatusCode::OK => {
                let body = Limited::new(answer.into_body(), LARGEST).collect().await?;
                Ok(Some(body.to_bytes().into()))
            }
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(format!("the server answered {status}").into()),
        }
    }
}

impl Source for Published {
    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, self.get(path))
                .await
                .map_err(|_| "the server did not answer in time")?
        })
    }
}
