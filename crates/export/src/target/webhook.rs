//! A webhook: batches as JSON, signed as the Standard Webhooks specification says
//! (<https://github.com/standard-webhooks/standard-webhooks>): `webhook-id`, `webhook-timestamp` and
//! `webhook-signature: v1,BASE64(HMAC-SHA256(secret, "ID.TIMESTAMP.BODY"))`.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{self, HeaderName};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use model::{Digest, Timestamp};
use sha2::Sha256;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{Batch, DeliveryError, Secret, TargetError, causes, tls};
use crate::format::Format;
use crate::ocsf::VERSION;
use crate::settings::WebhookSettings;

/// A batch is answered by then.
const PATIENCE: Duration = Duration::from_secs(30);
/// A receiver may ask for so much patience, and no more.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// The shortest key that a signature is worth something with.
const SHORTEST_KEY: usize = 24;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

pub(crate) struct Webhook {
    uri: Uri,
    name: String,
    format: Format,
    key: Zeroizing<Vec<u8>>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({})", self.name)
    }
}

impl Webhook {
    pub(super) fn open(to: &WebhookSettings, name: &str, format: Format) -> Result<Self, TargetError> {
        let wrong = |why: String| TargetError::Wrong { path: to.secret_file.clone(), why };
        let key = key(&Secret::read(&to.secret_file)?.0).map_err(wrong)?;
        let uri = Uri::try_from(to.url.as_str()).map_err(|e| TargetError::Wrong {
            path: to.url.host_str().unwrap_or_default().into(),
            why: e.to_string(),
        })?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(match to.url.scheme() {
                "https" => tls::config(to.ca.as_ref(), None)?,
                _ => loopback()?,
            })
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { uri, name: name.to_owned(), format, key, client })
    }

    pub(super) async fn deliver(&self, batch: &Batch, now: Timestamp) -> Result<(), DeliveryError> {
        let body = self.body(batch);
        let length = body.len();
        let (id, at) = (self.id(batch), (now.0 / 1000).to_string());
        let signature = sign(&self.key, &id, &at, &body);
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("sightline/", env!("CARGO_PKG_VERSION")))
            .header(ID, id)
            .header(TIMESTAMP, at)
            .header(SIGNATURE, signature)
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| DeliveryError::Connect(e.to_string()))?;
        let answer = timeout(PATIENCE, self.client.request(request))
            .await
            .map_err(|_| DeliveryError::Timeout("answer"))?
            .map_err(|e| {
                let why = causes(&e);
                if e.is_connect() { DeliveryError::Connect(why) } else { DeliveryError::Broken(why) }
            })?;
        judge(answer.status(), answer.headers(), length, now)
    }

    /// The same for the same batch, so that a receiver can tell that it has it already.
    fn id(&self, batch: &Batch) -> String {
        let test = batch.messages.iter().find(|message| message.index.is_none());
        let what = test.map_or_else(
            || format!("{}\n{}\n{}\n{}", batch.origin, self.name, batch.first, batch.next),
            |test| test.uid.clone(),
        );
        format!("msg_{}", &Digest::of(what.as_bytes()).to_string()[..32])
    }

    fn body(&self, batch: &Batch) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let events: Vec<String> = batch
            .messages
            .iter()
            .map(|message| if self.format.is_json() { message.body.clone() } else { quoted(&message.body) })
            .collect();
        format!(
            "{{\"origin\":{},\"export\":{},\"format\":\"{}\",\"version\":\"{VERSION}\",\"first\":{},\"next\":{},\"events\":[{}]}}",
            quoted(&batch.origin),
            quoted(&self.name),
            self.format.word(),
            batch.first,
            batch.next,
            events.join(",")
        )
    }
}

/// A connection in the clear trusts nobody, and needs to.
fn loopback() -> Result<rustls::ClientConfig, TargetError> {
    let ring = rustls::crypto::ring::default_provider();
    let builder =
        rustls::ClientConfig::builder_with_provider(ring.into()).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// `whsec_` and Base64, as receivers' libraries write keys; anything else is the key itself.
fn key(secret: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => BASE64.decode(encoded).map_err(|e| format!("no Base64 behind whsec_: {e}"))?,
        None => secret.as_bytes().to_vec(),
    };
    if key.len() < SHORTEST_KEY {
        return Err(format!(
            "a signing secret has at least {SHORTEST_KEY} bytes, this one has {}",
            key.len()
        ));
    }
    Ok(Zeroizing::new(key))
}

#[allow(clippy::expect_used)]
fn sign(key: &[u8], id: &str, at: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in [id, ".", at, ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
}

/// What an answer means. Redirects are not followed: they would carry the events elsewhere.
fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    length: usize,
    now: Timestamp,
) -> Result<(), DeliveryError> {
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::PAYLOAD_TOO_LARGE => Err(DeliveryError::TooLarge(length)),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(busy(status, headers, now))
        }
        status if status.is_server_error() => Err(busy(status, headers, now)),
        status => Err(DeliveryError::Refused(status.as_u16())),
    }
}

fn busy(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> DeliveryError {
    let value = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = value.and_then(|value| retry_after(value, now));
    DeliveryError::Busy { status: status.as_u16(), retry_after }
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let delay = match value.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = chrono::DateTime::parse_from_rfc2822(value.trim()).ok()?;
            Timestamp(u64::try_from(date.timestamp_millis()).ok()?).since(now)
        }
    };
    Some(delay.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Remedy;
    use super::*;

    /// The example of the Standard Webhooks specification and its libraries.
    #[test]
    fn a_signature_is_the_one_that_other_libraries_make() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_key_that_can_be_guessed_is_refused() {
        assert!(key("hunter2").is_err());
        assert!(key("whsec_c2hvcnQ=").is_err());
        assert!(key("whsec_?").is_err());
        assert!(key("a-secret-of-twenty-four-b").is_ok());
    }

    #[test]
    fn an_answer_means_go_on_wait_send_less_or_ask_somebody() {
        let now = Timestamp(784_111_777_000);
        let remedy = |status: u16, retry_after: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = retry_after {
                headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            }
            judge(status.try_into().unwrap(), &headers, 1, now).map_err(|e| e.remedy())
        };
        assert_eq!(remedy(204, None), Ok(()));
        assert_eq!(remedy(500, None), Err(Remedy::Again));
        assert_eq!(remedy(503, Some("7")), Err(Remedy::After(Duration::from_secs(7))));
        assert_eq!(
            remedy(429, Some("Sun, 06 Nov 1994 08:49:47 GMT")),
            Err(Remedy::After(Duration::from_secs(10)))
        );
        assert_eq!(remedy(429, Some("soon")), Err(Remedy::Again));
        assert_eq!(remedy(429, Some("99999999999")), Err(Remedy::After(LONGEST_WAIT)));
        assert_eq!(remedy(413, None), Err(Remedy::Fewer));
        for refused in [301, 302, 400, 401, 403, 404, 410, 422] {
            assert_eq!(remedy(refused, None), Err(Remedy::Operator));
        }
    }
}
