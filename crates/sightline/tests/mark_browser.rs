//! From a picture of the demo's desk in a real browser back to the session: the ledger's issued marks are the
//! candidates, those of everybody else who works there among them.

#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common::{Running, entries};
use fantoccini::{Client, Locator};
use peers::chromium::{Chromium, Window, devtools};
use serde_json::{Value, json};
use trace::media::{Frames, Limits};
use trace::{Investigation, Issued, MarkKey, Verdict};

const AGENT: &str = "s-01";

/// What the ledger says was issued.
fn issued(demo: &Running) -> Vec<Issued> {
    let log = entries(demo.ask(&["log", "tail", "-n", "10000", "--json"]));
    let of_marks =
        log.into_iter().map(|entry| entry["event"].clone()).filter(|e| e["event"] == "mark_issued");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    of_marks
        .map(|event| Issued {
            mark: text(&event["mark"]).parse().unwrap(),
            session: Some(text(&event["by"]["session"]).parse().unwrap()),
            staff: Some(text(&event["by"]["staff"]).as_str().into()),
            from: None,
        })
        .collect()
}

fn key(demo: &Running) -> MarkKey {
    let text = std::fs::read_to_string(demo.data().join("mark.key")).unwrap();
    MarkKey::new(URL_SAFE_NO_PAD.decode(text.trim()).unwrap().try_into().unwrap())
}

async fn screenshot(browser: &Client) -> Vec<u8> {
    let answer = devtools(browser, "Page.captureScreenshot", json!({})).await.unwrap();
    STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_picture_of_the_desk_leads_back_to_its_session_at_every_pixel_ratio_light_and_dark() {
    let chromium = Chromium::start().unwrap_or_else(|error| panic!("{error}"));
    let demo = Running::demo(7, 20.0).await;
    let pictures = tempfile::tempdir().unwrap();
    let mut sessions = Vec::new();
    for dark in [false, true] {
        let browser = chromium.open(Window { dark, ..Window::default() }).await.unwrap();
        browser.goto(&demo.desk()).await.unwrap();
        let persona = format!("button[name=staff][value={AGENT}]");
        browser.wait().for_element(Locator::Css(&persona)).await.unwrap().click().await.unwrap();
        browser
            .wait()
            .for_element(Locator::Css("#mine tr.ticket-row td.id a"))
            .await
            .unwrap()
            .click()
            .await
            .unwrap();
        for (ratio, width, height) in [(1.0, 1280, 900), (2.0, 1280, 900), (3.0, 1000, 700), (1.5, 1280, 800)]
        {
            let screen =
                json!({ "width": width, "height": height, "deviceScaleFactor": ratio, "mobile": false });
            devtools(&browser, "Emulation.setDeviceMetricsOverride", screen).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1500)).await;
            let png = screenshot(&browser).await;
            let file = pictures.path().join(format!("{dark}-{ratio}.png"));
            std::fs::write(&file, png).unwrap();
            sessions.push((file, dark, ratio));
        }
        browser.close().await.unwrap();
    }

    let issued = issued(&demo);
    let mine: Vec<_> =
        issued.iter().filter(|i| i.staff.as_ref().is_some_and(|s| s.as_str() == AGENT)).collect();
    assert!(mine.len() >= 2 && issued.len() > mine.len(), "others work there too: {issued:?}");
    for (file, dark, ratio) in sessions {
        let mut investigation = Investigation::new(&key(&demo), issued.clone());
        for frame in Frames::open(&file, Limits::default()).unwrap() {
            let (name, grey) = frame.unwrap();
            investigation.look(name, &grey);
        }
        let answer = investigation.answer();
        let what = format!("dark: {dark}, pixel ratio {ratio}: {answer:?}");
        println!("dark: {dark}, pixel ratio {ratio}: z {:.1}, next {:.1}", answer.z, answer.next_z);
        assert_eq!(answer.verdict, Verdict::Named, "{what}");
        let named = answer.named.unwrap();
        assert_eq!(named.staff.unwrap().as_str(), AGENT, "{what}");
        // The light and the dark window are two sessions.
        let session = named.session.unwrap();
        let of_first = mine[0].session.unwrap();
        assert_eq!(session == of_first, !dark, "{what}");
    }
    assert_eq!(demo.interrupt().status.code(), Some(0));
}
