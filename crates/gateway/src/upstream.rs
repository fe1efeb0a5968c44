//! The app: asking it as a staff member, and reading what it answers within limits.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode, Uri, response};
use http_body_util::{BodyDataStream, BodyExt};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use model::entry::Why;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use crate::headers::{Kind, Translation};
use crate::origin::Origin;
use crate::secret::{Secret, SecretError};
use crate::settings::{AppSettings, Limits, SignIn, Timeouts};

type HttpClient = Client<HttpsConnector<HttpConnector>, Body>;

/// The app behind the gateway.
pub(crate) struct Upstream {
    client: HttpClient,
    translation: Translation,
    sign_in: Option<(SignIn, Secret)>,
    timeouts: Timeouts,
    limits: Limits,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({})", self.translation.app)
    }
}

/// An answer of which only the head has come.
#[derive(Debug)]
pub(crate) struct Answering {
    head: response::Parts,
    body: Incoming,
    kind: Kind,
}

/// An answer that has come.
pub(crate) enum Answered {
    /// The whole of it.
    Whole(response::Parts, Bytes),
    /// More than the limit: the head, and a body that is what was read so far with the rest behind it.
    TooLarge(response::Parts, Body),
}

impl Upstream {
    pub(crate) fn new(settings: &AppSettings) -> Result<Self, UpstreamError> {
        let sign_in = settings
            .sign_in
            .clone()
            .map(|sign_in| Secret::read(&sign_in.secret_file).map(|secret| (sign_in, secret)))
            .transpose()?;
        let mut reserved = Vec::new();
        if let Some((sign_in, _)) = &sign_in {
            // A token that the browser brings along would make the app see somebody else.
            reserved.extend([sign_in.header.clone(), sign_in.secret_header.clone(), header::AUTHORIZATION]);
        }
        Ok(Self {
            client: client(&settings.upstream, settings.timeouts.connect())?,
            translation: Translation {
                public: settings.public_url.clone(),
                app: settings.upstream.clone(),
                reserved,
            },
            sign_in,
            timeouts: settings.timeouts,
            limits: settings.limits,
        })
    }

    /// Where browsers find the app.
    pub(crate) fn public(&self) -> &Origin {
        &self.translation.public
    }

    /// Passes a request on to the app in the name of `login`, and waits for the head of its answer.
    pub(crate) async fn ask(
        &self,
        asked: &Parts,
        body: Bytes,
        login: &str,
        kind: Kind,
    ) -> Result<Answering, Why> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = self.uri(asked.uri.path_and_query().map_or("/", |target| target.as_str()))?;
        *request.headers_mut() = self.translation.to_app(&asked.headers, kind);
        self.sign(&mut request, login)?;

        let answer = self.send(request).await?;
        let (head, body) = answer.into_parts();
        match head.status {
            StatusCode::SWITCHING_PROTOCOLS => Err(Why::UnreadableAnswer),
            // Nobody asked whether something had changed: the browser would show what it kept.
            StatusCode::NOT_MODIFIED if kind == Kind::Recorded => Err(Why::UnreadableAnswer),
            _ => Ok(Answering { head, body, kind }),
        }
    }

    /// Asks the app for something of our own, signed in as `login` or not at all.
    pub(crate) async fn fetch(
        &self,
        target: &str,
        authorization: Option<&HeaderValue>,
        login: Option<&str>,
    ) -> Result<(StatusCode, Bytes), Why> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = self.uri(target)?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host()?);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, application/jsonl;q=0.9"));
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        if let Some(login) = login {
            self.sign(&mut request, login)?;
        }
        let (head, body) = self.send(request).await?.into_parts();
        let answering = Answering { head, body, kind: Kind::Recorded };
        match self.read(answering).await? {
            Answered::Whole(head, body) => Ok((head.status, body)),
            Answered::TooLarge(..) => Err(Why::AnswerTooLarge),
        }
    }

    /// Whether the app takes connections.
    pub(crate) async fn is_reachable(&self) -> bool {
        let Ok(uri) = self.uri("/") else { return false };
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::HEAD;
        *request.uri_mut() = uri;
        self.send(request).await.is_ok()
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Why> {
        match timeout(self.timeouts.head(), self.client.request(request)).await {
            Err(_) => Err(Why::AppTimeout),
            Ok(Err(error)) => {
                let timed_out = error.is_connect() && caused_by_timeout(&error);
                tracing::warn!(app = %self.translation.app, error = %causes(&error), "the app does not answer");
                Err(if timed_out { Why::AppTimeout } else { Why::AppUnreachable })
            }
            Ok(Ok(answer)) => Ok(answer),
        }
    }

    /// Reads the body of an answer, as far as the limit and the time allow.
    pub(crate) async fn read(&self, answering: Answering) -> Result<Answered, Why> {
        let Answering { head, mut body, .. } = answering;
        let limit = self.limits.answer_bytes;
        let mut whole = Vec::new();
        let reading = async {
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame?.into_data() else { continue };
                whole.extend_from_slice(&data);
                if whole.len() > limit {
                    return Ok::<_, hyper::Error>(false);
                }
            }
            Ok(true)
        };
        let complete = match timeout(self.timeouts.body(), reading).await {
            Err(_) => return Err(Why::AppTimeout),
            Ok(Err(error)) => {
                tracing::warn!(app = %self.translation.app, error = %causes(&error), "the app broke off its answer");
                return Err(Why::AppUnreachable);
            }
            Ok(Ok(complete)) => complete,
        };
        if complete {
            return Ok(Answered::Whole(head, whole.into()));
        }
        let start = stream::once(async move { Ok::<_, hyper::Error>(Bytes::from(whole)) });
        Ok(Answered::TooLarge(head, Body::from_stream(start.chain(BodyDataStream::new(body)))))
    }

    /// An answer as the browser is to see it, with `body` in the place of its own.
    pub(crate) fn for_browser(&self, head: &response::Parts, kind: Kind, body: Body) -> Response<Body> {
        let mut answer = Response::new(body);
        *answer.status_mut() = head.status;
        *answer.headers_mut() = self.translation.to_browser(&head.headers, kind);
        answer
    }

    /// An answer that nobody reads on its way, passed on as it comes.
    pub(crate) fn pass(&self, answering: Answering) -> Response<Body> {
        let Answering { head, body, kind } = answering;
        self.for_browser(&head, kind, Body::new(body))
    }

    fn uri(&self, target: &str) -> Result<Uri, Why> {
        let app = &self.translation.app;
        Uri::builder()
            .scheme(app.scheme().clone())
            .authority(app.authority().clone())
            .path_and_query(target)
            .build()
            .map_err(|_| Why::BadRequest)
    }

    fn host(&self) -> Result<HeaderValue, Why> {
        HeaderValue::from_str(self.translation.app.authority().as_str()).map_err(|_| Why::BadRequest)
    }

    /// Tells the app who is looking, where it takes that from the gateway.
    fn sign(&self, request: &mut Request<Body>, login: &str) -> Result<(), Why> {
        let Some((sign_in, secret)) = &self.sign_in else { return Ok(()) };
        // A login that no header can carry cannot be signed in as; it must not be cut or escaped into another.
        let login = HeaderValue::from_str(login).map_err(|_| Why::BadRequest)?;
        request.headers_mut().insert(sign_in.header.clone(), login);
        request.headers_mut().insert(sign_in.secret_header.clone(), secret.header_value());
        Ok(())
    }
}

fn client(app: &Origin, connect: Duration) -> Result<HttpClient, UpstreamError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls(app)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).build(https))
}

/// The machine's certificate authorities, which only an app that is reached by https needs.
fn tls(app: &Origin) -> Result<ClientConfig, UpstreamError> {
    let ring = rustls::crypto::ring::default_provider();
    let builder = ClientConfig::builder_with_provider(ring.into()).with_safe_default_protocol_versions()?;
    let builder = if *app.scheme() == Scheme::HTTPS {
        builder.with_native_roots().map_err(UpstreamError::NoAuthorities)?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}

fn caused_by_timeout(error: &(dyn Error + 'static)) -> bool {
    chain(error)
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == std::io::ErrorKind::TimedOut)
}

/// An error and what caused it, on one line.
fn causes(error: &(dyn Error + 'static)) -> String {
    chain(error).fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

/// Why the way to the app cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// A secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The TLS library refuses its settings.
    #[error("TLS towards the app cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The app is reached by https, and the machine knows no certificate authority.
    #[error("the app is reached by https, but this machine's certificate authorities cannot be read")]
    NoAuthorities(#[source] std::io::Error),
}
