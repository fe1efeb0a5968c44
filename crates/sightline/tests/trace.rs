//! `sightline mark` and `sightline trace`: from a tile over a page to a leak, and back to one session.

#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Answer, sightline};
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
