//! The desk alone, signed in as one fixed person: for looking at its pages in a browser.
//!
//! `cargo run -p sightline-floor --example desk -- 8099 [LOGIN]`

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{self, Next};
use http::HeaderValue;
use model::SystemClock;
use sightline_floor::Population;
use sightline_floor::desk::{Desk, Secrets};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or("which port?")?.parse()?;
    let population = Population::generate(1);
    let login = arguments.next().unwrap_or_else(|| population.staff[0].login.clone());
    let user = HeaderValue::from_str(&login)?;

    let secrets = Secrets { sign_in: "example".to_owned(), feed: "example".to_owned() };
    let desk = Desk::new(population, secrets, Arc::new(SystemClock));
    let sign_in = middleware::from_fn(move |mut request: Request, next: Next| {
        request.headers_mut().insert("x-remote-user", user.clone());
        request.headers_mut().insert("x-desk-secret", HeaderValue::from_static("example"));
        next.run(request)
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    tokio::select! {
        served = axum::serve(listener, desk.router().layer(sign_in)) => served?,
        () = desk.arrivals(60.0) => {}
    }
    Ok(())
}
