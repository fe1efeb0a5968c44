//! A browser as far as a person at work needs one: cookies, redirects, forms.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use url::{Url, form_urlencoded};

use super::page::{Form, Page};

/// As much of an answer as is read: the export of all customers is about two mebibytes.
const MOST_BYTES: usize = 16 << 20;
const MOST_REDIRECTS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// The connections that all browsers share.
pub(super) fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("no connection to {0}")]
    Unreachable(String, #[source] hyper_util::client::legacy::Error),
    #[error("{0} took longer than {limit} s", limit = PATIENCE.as_secs())]
    TooSlow(String),
    #[error("the answer of {0} broke off or was too long")]
    BrokenOff(String),
    #[error("{0} failed with {1}")]
    Failed(String, StatusCode),
    #[error("{0} redirects without end")]
    RedirectsWithoutEnd(String),
    #[error("{0} cannot be asked for")]
    BadAddress(String),
}

/// One person's browser, open at one door.
#[derive(Debug, Clone)]
pub(super) struct Browser {
    client: HttpClient,
    door: Url,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(super) fn new(client: HttpClient, door: Url) -> Self {
        Self { client, door, cookies: BTreeMap::new() }
    }

    /// Opens a page of this door.
    pub(super) async fn get(&mut self, target: &str) -> Result<Page, NoAnswer> {
        let url = self.address(&self.door, target)?;
        self.follow(Method::GET, url, None).await
    }

    /// Sends a form of a page.
    pub(super) async fn submit(&mut self, page: &Page, form: &Form) -> Result<Page, NoAnswer> {
        let sent = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.values).finish();
        let mut url = self.address(&page.url, &form.action)?;
        if form.is_post {
            return self.follow(Method::POST, url, Some(sent)).await;
        }
        url.set_query(Some(&sent));
        self.follow(Method::GET, url, None).await
    }

    /// Posts to this door what no form on a page asked for.
    pub(super) async fn post(&mut self, target: &str, values: &[(&str, &str)]) -> Result<Page, NoAnswer> {
        let sent = form_urlencoded::Serializer::new(String::new()).extend_pairs(values).finish();
        let url = self.address(&self.door, target)?;
        self.follow(Method::POST, url, Some(sent)).await
    }

    /// Signs in as one of the personas, by the form on the login page that has them; without such a
    /// form, the login page is as far as it goes.
    pub(super) async fn sign_in(&mut self, staff: &str, login: &str) -> Result<Page, NoAnswer> {
        let page = self.get("/.sightline/login?next=/").await?;
        match page.sign_in_form(staff, login) {
            Some(form) => self.submit(&page, &form).await,
            None => Ok(page),
        }
    }

    fn address(&self, base: &Url, target: &str) -> Result<Url, NoAnswer> {
        base.join(target)
            .ok()
            .filter(|url| url.origin() == self.door.origin())
            .ok_or_else(|| NoAnswer::BadAddress(path_of(target)))
    }

    async fn follow(&mut self, method: Method, url: Url, form: Option<String>) -> Result<Page, NoAnswer> {
        let (mut method, mut url, mut form) = (method, url, form);
        for _ in 0..MOST_REDIRECTS {
            let (status, headers, body) = self.exchange(&method, &url, form.as_deref()).await?;
            self.keep_cookies(&headers);
            if status.is_server_error() {
                return Err(NoAnswer::Failed(path_of(url.as_str()), status));
            }
            let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
            let location = text(header::LOCATION).filter(|_| status.is_redirection());
            // Whatever leads to another place than this door is where a person at work stops.
            let Some(next) = location.and_then(|to| self.address(&url, to).ok()) else {
                let is_html = text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
                return Ok(Page::new(status, url, is_html, String::from_utf8_lossy(&body).into_owned()));
            };
            if !matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
                (method, form) = (Method::GET, None);
            }
            url = next;
        }
        Err(NoAnswer::RedirectsWithoutEnd(path_of(url.as_str())))
    }

    async fn exchange(
        &self,
        method: &Method,
        url: &Url,
        form: Option<&str>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), NoAnswer> {
        let request = self.request(method, url, form)?;
        let where_to = || path_of(url.as_str());
        let asked = async {
            let answer = self.client.request(request).await;
            let (head, body) = answer.map_err(|e| NoAnswer::Unreachable(where_to(), e))?.into_parts();
            let body = Limited::new(body, MOST_BYTES).collect().await;
            let body = body.map_err(|_| NoAnswer::BrokenOff(where_to()))?.to_bytes();
            Ok((head.status, head.headers, body))
        };
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(NoAnswer::TooSlow(where_to())))
    }

    fn request(
        &self,
        method: &Method,
        url: &Url,
        form: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, NoAnswer> {
        let host = url.host_str().unwrap_or_default();
        // As browsers do: names under `localhost` are this machine, whatever the resolver says (RFC 6761).
        let is_local = host == "localhost" || host.ends_with(".localhost");
        let port = url.port_or_known_default().unwrap_or(80);
        let place = if is_local { "127.0.0.1" } else { host };
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];

        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{place}:{port}{target}"))
            .header(header::HOST, authority)
            .header(header::USER_AGENT, "Mozilla/5.0 (floor)")
            .header(header::ACCEPT, "text/html,application/json;q=0.9,*/*;q=0.8")
            .header("sec-fetch-site", "same-origin");
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if form.is_some() {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::ORIGIN, self.door.origin().ascii_serialization());
        }
        let body = Full::new(Bytes::from(form.unwrap_or_default().to_owned()));
        request.body(body).map_err(|_| NoAnswer::BadAddress(path_of(url.as_str())))
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE).iter().filter_map(|v| v.to_str().ok()) {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            let is_over = attributes.split(';').any(|a| a.trim().eq_ignore_ascii_case("max-age=0"));
            if is_over || value.trim().is_empty() {
                self.cookies.remove(name.trim());
            } else {
                self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }
}

/// An address for a message: without the query, and without ids, which may be of customers.
fn path_of(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let words =
        path.split('/').map(|word| match word.bytes().any(|b| b.is_ascii_digit()) && !word.contains(':') {
            true => "…",
            false => word,
        });
    words.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browser() -> Browser {
        Browser::new(client(), Url::parse("http://desk.localhost:8080/").unwrap())
    }

    #[test]
    fn cookies_are_kept_replaced_and_dropped() {
        let mut browser = browser();
        let mut answer = |cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::SET_COOKIE, cookie.parse().unwrap());
            browser.keep_cookies(&headers);
            browser.cookies.clone().into_iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>()
        };
        assert_eq!(
            answer("__Host-sightline-desk=abc; Path=/; Secure; HttpOnly"),
            ["__Host-sightline-desk=abc"]
        );
        assert_eq!(answer("__Host-sightline-desk=def; Path=/"), ["__Host-sightline-desk=def"]);
        assert_eq!(answer("nonsense"), ["__Host-sightline-desk=def"]);
        assert!(answer("__Host-sightline-desk=; Max-Age=0; Path=/").is_empty());
    }

    #[test]
    fn a_name_under_localhost_is_this_machine_and_keeps_its_name() {
        let url = Url::parse("http://desk.localhost:8080/customers?sort=balance#x").unwrap();
        let request = browser().request(&Method::GET, &url, None).unwrap();
        assert_eq!(request.uri(), "http://127.0.0.1:8080/customers?sort=balance");
        assert_eq!(request.headers()[header::HOST], "desk.localhost:8080");
    }

    #[test]
    fn no_browser_leaves_its_door() {
        let browser = browser();
        assert!(browser.address(&browser.door, "/tickets").is_ok());
        for elsewhere in ["http://127.0.0.1:8080/", "//example.com/", "https://desk.localhost:8080/"] {
            assert!(browser.address(&browser.door, elsewhere).is_err(), "{elsewhere}");
        }
    }

    #[test]
    fn messages_name_no_customer() {
        assert_eq!(
            path_of("http://desk.localhost:8080/customers/c-00345?q=x"),
            "http://desk.localhost:8080/customers/…"
        );
    }
}
