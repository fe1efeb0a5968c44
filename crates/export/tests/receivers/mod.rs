//! Receivers on loopback: polite by default, rude where a test tells them to be.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test binary uses its part")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a receiver does with one connection or request.
#[derive(Debug, Clone, Copy)]
pub enum Rude {
    /// Breaks off before it has read anything.
    Slam,
    /// Breaks off after so many bytes.
    Cut(usize),
    /// Reads everything and breaks off without an end in order, as when it is killed.
    Vanish,
    /// Reads everything, says it is busy.
    Answer(u16, Option<u64>),
}

/// A certificate for `localhost` that signs itself.
pub struct Certificate {
    pub pem: PathBuf,
    pub key: PathBuf,
    acceptor: TlsAcceptor,
}

impl Certificate {
    pub fn new(dir: &Path) -> Self {
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let pem = dir.join("receiver.pem");
        std::fs::write(&pem, made.cert.pem()).unwrap();
        let key_pem = dir.join("receiver.key");
        std::fs::write(&key_pem, made.signing_key.serialize_pem()).unwrap();
        let key = rustls_pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        Self { pem, key: key_pem, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

/// What came in: the messages in the order of arrival, also those of deliveries that broke off.
#[derive(Debug, Clone, Default)]
pub struct Inbox(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    messages: Vec<String>,
    requests: Vec<(HeaderMap, Bytes)>,
    rude: VecDeque<Rude>,
}

impl Inbox {
    pub fn be_rude(&self, rude: impl IntoIterator<Item = Rude>) {
        self.0.lock().unwrap().rude.extend(rude);
    }

    fn next_rude(&self) -> Option<Rude> {
        self.0.lock().unwrap().rude.pop_front()
    }

    pub fn messages(&self) -> Vec<String> {
        self.0.lock().unwrap().messages.clone()
    }

    pub fn requests(&self) -> Vec<(HeaderMap, Bytes)> {
        self.0.lock().unwrap().requests.clone()
    }

    /// The entries' numbers, in the order in which they first arrived.
    pub fn first_arrivals(&self) -> Vec<u64> {
        let mut numbers = Vec::new();
        for message in self.messages() {
            let number = number(&message);
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        numbers
    }

    /// Waits until so many different entries have come.
    pub async fn until(&self, entries: u64) {
        let come = async {
            while (self.first_arrivals().len() as u64) < entries {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let patience = Duration::from_secs(60);
        let come = tokio::time::timeout(patience, come).await;
        come.unwrap_or_else(|_| panic!("only {} of {entries} have come", self.first_arrivals().len()));
    }
}

/// The entry's number in an OCSF message, bare or behind a syslog header.
pub fn number(message: &str) -> u64 {
    let json = &message[message.find('{').unwrap()..];
    let event: Value = serde_json::from_str(json).unwrap();
    event["unmapped"]["ledger"]["entry"].as_u64().unwrap()
}

/// A syslog receiver with octet counting.
pub async fn syslog(tls: Option<&Certificate>) -> (SocketAddr, Inbox) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, inbox) = (listener.local_addr().unwrap(), Inbox::default());
    let (acceptor, into) = (tls.map(|certificate| certificate.acceptor.clone()), inbox.clone());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, into) = (acceptor.clone(), into.clone());
            let rude = into.next_rude();
            tokio::spawn(async move {
                if let Some(Rude::Slam) = rude {
                    return reset(&stream);
                }
                match acceptor {
                    None => take(stream, &into, rude, reset).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            take(stream, &into, rude, |stream| reset(stream.get_ref().0)).await;
                        }
                    }
                }
            });
        }
    });
    (address, inbox)
}

/// With this the end of the connection is a reset, as when a process is killed with bytes unread.
#[allow(deprecated, reason = "the test wants the reset, and no wait")]
fn reset(stream: &TcpStream) {
    stream.set_linger(Some(Duration::ZERO)).unwrap();
}

async fn take<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    inbox: &Inbox,
    rude: Option<Rude>,
    reset: impl Fn(&S),
) {
    let mut bytes = Vec::new();
    match rude {
        Some(Rude::Cut(longest)) => {
            let _ = (&mut stream).take(longest as u64).read_to_end(&mut bytes).await;
            reset(&stream);
        }
        rude => {
            if stream.read_to_end(&mut bytes).await.is_err() {
                return;
            }
            if rude.is_some() {
                reset(&stream);
            } else {
                let _ = stream.shutdown().await;
            }
        }
    }
    inbox.0.lock().unwrap().messages.extend(frames(&bytes));
}

/// The whole frames; a torn one at the end is dropped, as receivers do.
fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut frames = Vec::new();
    while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let Some(frame) = bytes.get(space + 1..space + 1 + length) else { break };
        frames.push(String::from_utf8(frame.to_vec()).unwrap());
        bytes = &bytes[space + 1 + length..];
    }
    frames
}

/// A webhook over HTTPS.
pub async fn webhook(certificate: &Certificate) -> (SocketAddr, Inbox) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, inbox) = (tcp.local_addr().unwrap(), Inbox::default());
    let router = axum::Router::new().route("/in", axum::routing::post(post)).with_state(inbox.clone());
    let listener = Https { tcp, acceptor: certificate.acceptor.clone(), inbox: inbox.clone() };
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, inbox)
}

async fn post(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> (StatusCode, HeaderMap) {
    let rude = {
        let mut inner = inbox.0.lock().unwrap();
        match inner.rude.front() {
            Some(Rude::Answer(..)) => inner.rude.pop_front(),
            _ => None,
        }
    };
    let mut answer = HeaderMap::new();
    if let Some(Rude::Answer(status, retry_after)) = rude {
        if let Some(seconds) = retry_after {
            answer.insert(http::header::RETRY_AFTER, seconds.into());
        }
        return (StatusCode::from_u16(status).unwrap(), answer);
    }
    let batch: Value = serde_json::from_slice(&body).unwrap();
    let events = batch["events"].as_array().unwrap().iter().map(Value::to_string);
    let mut inner = inbox.0.lock().unwrap();
    inner.messages.extend(events);
    inner.requests.push((headers, body));
    (StatusCode::NO_CONTENT, answer)
}

struct Https {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    inbox: Inbox,
}

impl axum::serve::Listener for Https {
    type Io = tokio_rustls::server::TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, peer) = self.tcp.accept().await.unwrap();
            let slam = {
                let mut inner = self.inbox.0.lock().unwrap();
                matches!(inner.rude.front(), Some(Rude::Slam)) && inner.rude.pop_front().is_some()
            };
            if slam {
                reset(&stream);
                continue;
            }
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
