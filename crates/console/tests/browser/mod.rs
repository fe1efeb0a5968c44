//! As much of a browser as the console needs: one cookie, forms, and the links of a page.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

pub(crate) struct Browser {
    router: Router,
    cookie: Option<String>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The values of this attribute in the page.
    pub(crate) fn attributes(&self, name: &str) -> Vec<&str> {
        let start = format!(" {name}=\"");
        let values = self.body.split(&start).skip(1);
        values.filter_map(|rest| rest.split_once('"').map(|(value, _)| value)).collect()
    }

    /// The value of the hidden field of this name.
    pub(crate) fn hidden(&self, name: &str) -> &str {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split_once('"').unwrap().0
    }

    pub(crate) fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }
}

impl Browser {
    pub(crate) fn new(router: Router) -> Self {
        Self { router, cookie: None }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        form: Option<&str>,
        accept: &str,
    ) -> axum::response::Response {
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, accept);
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if form.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let peer = SocketAddr::from(([127, 0, 0, 1], 50_000));
        let body = form.map_or_else(Body::empty, |form| Body::from(form.to_owned()));
        let request = request.header(header::HOST, "127.0.0.1:8790").extension(ConnectInfo(peer)).body(body);
        TowerToHyperService::new(self.router.clone()).call(request.unwrap()).await.unwrap()
    }

    async fn read(response: axum::response::Response) -> Answer {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Self::read(self.send(Method::GET, path, None, "text/html").await).await
    }

    /// What a program gets.
    pub(crate) async fn get_json(&self, path: &str) -> Answer {
        Self::read(self.send(Method::GET, path, None, "application/json").await).await
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        Self::read(self.send(Method::POST, path, Some(form), "text/html").await).await
    }

    /// Logs in as this persona.
    pub(crate) async fn log_in(mut self, staff: &str) -> Self {
        let page = self.get("/.sightline/login").await;
        self.cookie = Some(cookie(&page));
        let form = format!("token={}&next=%2F&staff={staff}", page.hidden("token"));
        let done = self.post("/.sightline/login", &form).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
        self.cookie = Some(cookie(&done));
        self
    }
}

/// The cookies that an answer sets, as they are sent back; those that it forgets are left out.
fn cookie(answer: &Answer) -> String {
    let set = answer.headers.get_all(header::SET_COOKIE).iter().map(|v| v.to_str().unwrap());
    let pairs: Vec<_> = set.filter_map(|v| v.split(';').next()).filter(|pair| !pair.ends_with('=')).collect();
    pairs.join("; ")
}
