//! A desk on a loopback port, and somebody who visits it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use model::clock::ManualClock;
use model::{Role, Timestamp};
use sightline_floor::Population;
use sightline_floor::desk::{Desk, Secrets};

pub(crate) const SECRET: &str = "the desk's sign-in secret";
pub(crate) const TOKEN: &str = "the feed's token";

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) population: Population,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(crate) async fn serve(seed: u64) -> Served {
    let population = Population::generate(seed);
    let clock = ManualClock::at(Timestamp::parse("2026-03-02T09:00:00Z").unwrap());
    let secrets = Secrets { sign_in: SECRET.to_owned(), feed: TOKEN.to_owned() };
    let desk = Desk::new(population.clone(), secrets, Arc::new(clock));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = desk.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Served { address, population }
}

impl Served {
    pub(crate) fn agent(&self) -> String {
        self.population.staff.iter().find(|s| s.record.role == Role::Agent).unwrap().login.clone()
    }

    /// As the first agent, properly signed in.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        let agent = self.agent();
        self.send(Method::GET, target, &[("x-remote-user", &agent), ("x-desk-secret", SECRET)], "").await
    }

    pub(crate) async fn post(&self, target: &str, form: &str) -> Answer {
        let agent = self.agent();
        let headers = [
            ("x-remote-user", agent.as_str()),
            ("x-desk-secret", SECRET),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        self.send(Method::POST, target, &headers, form).await
    }

    pub(crate) async fn feed(&self, target: &str) -> Answer {
        self.send(Method::GET, target, &[("authorization", &format!("Bearer {TOKEN}"))], "").await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("http://{}{target}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await.unwrap();
        let location = answer.headers().get("location").map(|v| v.to_str().unwrap().to_owned());
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Answer { status, location, body: String::from_utf8(body.to_vec()).unwrap() }
    }
}
