//! What the gateway logs, at its most talkative, holds nothing of any customer.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};

use common::app::{App, Rude, rude, values_of};
use common::{Plan, Site};
use model::Mode;
use tracing_subscriber::filter::EnvFilter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_line_names_a_customer_or_holds_a_value() {
    let lines = Lines::default();
    let writer = lines.clone();
    // Our own crates at their most talkative; the HTTP library's wire traces are not for production.
    let levels = "info,sightline_gateway=trace,sightline_access=trace,sightline_adapter=trace,sightline_people=trace,sightline_ledger=trace";
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(levels))
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();

    let app = App::start().await;
    for mode in [Mode::Enforce, Mode::Observe] {
        let settings = "limits = { answer_bytes = 100000 }";
        let site = Site::planned(app.address, Plan { mode, settings, ..Plan::default() }).await;
        site.route_ticket("k-1", "c-1", "s-1");
        let ann = site.browser("s-1").await;
        for target in [
            "/customers/c-1",
            "/customers/c-1?prefetch=1",
            "/customers/c-2",
            "/customers",
            "/tickets/k-1",
            "/edit/c-1",
            "/broken/c-1",
            "/zipped/c-1",
            "/huge/c-1",
            "/mislabelled/c-1",
            "/unchanged/c-1",
            "/unknown",
            "/static/%2e%2e/c-1",
        ] {
            ann.open(target).await;
            ann.fetch(target).await;
        }
        ann.submit("/save/c-1", &[("name", "Jane c-1 Example"), ("email", "j•••@•••.example")]).await;
        site.ledger.close().await;
        ann.open("/customers/c-1").await;
    }
    for rudeness in [Rude::Reset, Rude::SayAndClose("HTTP/1.1 200 OK\r\nx: Jane c-1 Example\r\nbroken")] {
        let site = Site::open(rude(rudeness).await).await;
        site.route_ticket("k-1", "c-1", "s-1");
        site.browser("s-1").await.open("/customers/c-1").await;
    }

    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("refused") && logged.contains("the app does not answer"), "{logged}");
    for customer in ["c-1", "c-2", "c-77", "c-100"] {
        assert!(!logged.contains(customer), "{logged}");
        for value in values_of(customer) {
            assert!(!logged.contains(&value), "{logged}");
        }
    }
}
