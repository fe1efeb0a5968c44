//! `sightline mark` and `sightline trace`: from a tile over a page to a leak, and back to one session.

#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Answer, Running, entries, sightline};
use floor::Population;
use serde_json::Value;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn mark(&self, staff: &str, out: &str) -> Answer {
        let (key, out, issued) = (self.file("mark-key"), self.file(out), self.file("issued.csv"));
        let issued = text(&issued).to_owned();
        sightline(["mark", "--key", text(&key), "--staff", staff, "--out", text(&out), "--issued", &issued])
    }

    fn trace(&self, leak: &str) -> Answer {
        let (key, leak, issued) = (self.file("mark-key"), self.file(leak), self.file("issued.csv"));
        sightline(["trace", text(&leak), "--key", text(&key), "--candidates", text(&issued), "--json"])
    }

    /// A page with a few words, with a tile over it as a browser lays it, or without.
    fn page(&self, tile: Option<&str>, out: &str) {
        let tile = tile.map(|name| image::open(self.file(name)).unwrap().to_rgba8());
        let page = image::GrayImage::from_fn(1200, 800, |x, y| {
            let word = x % 90 < 60 && y % 26 < 9 && (x * 7 + y * 3) % 5 < 2 && x > 200;
            let ground: f32 = if word { 40.0 } else { 250.0 };
            let shown = tile.as_ref().map_or(ground, |tile| {
                let over = tile.get_pixel(x % tile.width(), y % tile.height());
                let alpha = f32::from(over[3]) / 255.0;
                ground * (1.0 - alpha) + f32::from(over[0]) * alpha
            });
            image::Luma([shown.round() as u8])
        });
        page.save(self.file(out)).unwrap();
    }
}

#[test]
fn a_picture_of_a_marked_page_leads_back_to_the_session_and_a_bare_one_to_nobody() {
    let desk = Desk::new();
    for (staff, tile) in [("s-1", "one.png"), ("s-2", "two.png"), ("s-3", "three.png")] {
        desk.mark(staff, tile).good();
    }
    let again = desk.mark("s-4", "one.png");
    assert!(again.code == Some(1) && again.err.contains("exists already"), "{again:?}");
    assert_eq!(fs::read_to_string(desk.file("issued.csv")).unwrap().lines().count(), 4);

    desk.page(Some("two.png"), "leak.jpg");
    let traced: Value = serde_json::from_str(&desk.trace("leak.jpg").good()).unwrap();
    assert_eq!(traced["mark"]["verdict"], "named", "{traced}");
    assert_eq!(traced["mark"]["named"]["staff"], "s-2");
    assert!(traced["mark"]["log10_wrong"].as_f64().unwrap() < -9.0);

    desk.page(None, "bare.png");
    let bare = desk.trace("bare.png");
    assert_eq!(bare.code, Some(2), "{bare:?}");
    assert!(!bare.out.contains("s-1") && !bare.out.contains("s-2"), "no name below the bar: {}", bare.out);

    fs::write(desk.file("broken.png"), b"\x89PNG\r\n\x1a\nno picture").unwrap();
    let broken = desk.trace("broken.png");
    assert_ne!(broken.code, Some(0));
    assert!(format!("{}{}", broken.out, broken.err).contains("broken.png"), "{broken:?}");
}

#[test]
fn a_list_of_ids_leads_back_to_whoever_looked_at_them() {
    let desk = Desk::new();
    let mut log = String::from("{\"kind\":\"customer\",\"customer\":\"c\",\"tier\":\"standard\"}\n");
    for staff in 0..30u32 {
        for look in 0..100u32 {
            let customer = 100_000 + (staff * 7_919 + look * 104_729 + staff * look * 31) % 800_000;
            let (hour, minute) = (8 + look / 60, look % 60);
            writeln!(
                log,
                r#"{{"kind":"access","time":"2026-11-20T{hour:02}:{minute:02}:00Z","staff":"s-{staff}","customer":"{customer}","action":"view"}}"#
            )
            .unwrap();
        }
    }
    fs::write(desk.file("log.jsonl"), &log).unwrap();
    let seen = log.lines().filter(|l| l.contains(r#""s-12""#)).skip(20).take(15);
    let ids: String = seen.map(|l| l.split("customer\":\"").nth(1).unwrap()[..6].to_owned() + "\n").collect();
    fs::write(desk.file("ids.txt"), ids).unwrap();
    let (ids, log) = (desk.file("ids.txt"), desk.file("log.jsonl"));
    let traced = sightline(["trace", "--ids", text(&ids), "--access-log", text(&log), "--json"]).good();
    let traced: Value = serde_json::from_str(&traced).unwrap();
    assert_eq!(traced["conclusion"]["staff"], serde_json::json!(["s-12"]), "{traced}");
    assert_eq!(traced["conclusion"]["ground"], "records");
    assert!(!traced.to_string().contains("\"s-13\""), "nobody else is in the answer: {traced}");
    let said = sightline(["trace", "--ids", text(&ids), "--access-log", text(&log)]).good();
    assert!(said.contains("s-12") && said.contains("by chance"), "{said}");
}

/// The demo's insider is stopped after a few customers: too few to name anybody by, which is the answer.
#[tokio::test]
async fn a_few_customers_name_nobody_and_the_question_to_the_running_ledger_is_an_entry() {
    const SEED: u64 = 7;
    let insider = Population::generate(SEED).insider().record.staff.to_string();
    let mut demo = Running::demo(SEED, 600.0).await;
    demo.says(&format!("{insider} is locked out")).await;
    let blast = demo.ask(&["blast-radius", "--staff", &insider, "--json"]).good();
    let blast: Value = serde_json::from_str(&blast).unwrap();
    let seen = blast["answer"]["seen"].as_array().unwrap();
    let ids: Vec<&str> = seen.iter().map(|s| s["customer"]["customer"].as_str().unwrap()).collect();
    let desk = Desk::new();
    fs::write(desk.file("ids.csv"), format!("customer\n{}\n", ids.join("\n"))).unwrap();
    let (ids, report) = (desk.file("ids.csv"), desk.file("report.html"));

    let asked = demo.ask(&["trace", "--ids", text(&ids), "--report", text(&report)]);
    assert_eq!(asked.code, Some(2), "{asked:?}");
    let page = fs::read_to_string(&report).unwrap();
    for said in [&asked.out, &page] {
        assert!(said.contains("Nobody is named") && !said.contains(&insider), "{said}");
    }
    assert!(page.contains("asked as entry"), "{page}");
    let again = demo.ask(&["trace", "--ids", text(&ids), "--report", text(&report)]);
    assert!(again.err.contains("exists already"), "{again:?}");

    let case: Value =
        serde_json::from_str(&demo.ask(&["trace", "--ids", text(&ids), "--case", "--json"]).out).unwrap();
    assert_eq!(case["records"]["staff"]["single"][0]["who"], serde_json::json!([insider]), "{case}");
    assert_eq!(case["records"]["staff"]["customers"], seen.len());
    let log = entries(demo.ask(&["log", "tail", "-n", "50", "--json"]));
    assert!(log.iter().any(|e| e["event"]["question"] == "leak"), "asking is an entry");
}

#[test]
fn ctrl_c_answers_with_what_was_seen_until_then() {
    let desk = Desk::new();
    desk.mark("s-1", "one.png").good();
    desk.page(None, "bare.png");
    fs::create_dir(desk.file("frames")).unwrap();
    for n in 0..400 {
        fs::hard_link(desk.file("bare.png"), desk.file(&format!("frames/{n:03}.png"))).unwrap();
    }
    let [key, frames, issued] = ["mark-key", "frames", "issued.csv"].map(|f| desk.file(f));
    let child = Command::new(env!("CARGO_BIN_EXE_sightline"))
        .args(["trace", text(&frames), "--frames", "400", "--json"])
        .args(["--key", text(&key), "--candidates", text(&issued)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert!(Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap().success());
    let ended = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap());
    assert!(err.contains("answering with what was seen so far"), "{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    let seen = answer["mark"]["frames"].as_u64().unwrap();
    assert!(answer["interrupted"] == true && (1..400).contains(&seen), "{answer}");
    assert_eq!(ended.status.code(), Some(2));
}
