//! Marked pages, rendered by Chromium at several device pixel ratios.

use std::path::{Path, PathBuf};
use std::process::Command;

use sightline_trace::Grey;
use sightline_trace::media::{Limits, picture};

use crate::camera::Dice;

const WORDS: &[&str] = &[
    "account",
    "transfer",
    "balance",
    "please",
    "confirm",
    "ticket",
    "customer",
    "withdrawal",
    "pending",
    "address",
    "verified",
    "support",
    "deposit",
    "card",
    "limit",
    "reset",
    "device",
    "login",
    "yesterday",
    "bank",
    "reference",
    "wallet",
    "email",
    "phone",
    "update",
];

/// A page, by name, as HTML without its overlay.
pub(crate) struct Page {
    pub(crate) name: &'static str,
    html: String,
}

/// Light and dark, sparse and dense; and Request Tracker's ticket page (its structure, without its style sheet).
pub(crate) fn all() -> Vec<Page> {
    vec![
        Page { name: "conversation, light", html: conversation(false) },
        Page { name: "conversation, dark", html: conversation(true) },
        Page { name: "table, light", html: table(false) },
        Page { name: "table, dark", html: table(true) },
        Page {
            name: "request tracker",
            html: include_str!("../../../adapter/tests/rt/ticket.html").to_owned(),
        },
    ]
}

fn colours(dark: bool) -> [&'static str; 3] {
    if dark { ["#16181d", "#d7dae0", "#20242c"] } else { ["#fff", "#222", "#f3f5f8"] }
}

fn words(dice: &mut Dice, n: usize) -> String {
    let picked: Vec<&str> = (0..n).map(|_| WORDS[dice.below(WORDS.len())]).collect();
    picked.join(" ") + "."
}

fn conversation(dark: bool) -> String {
    let [ground, ink, panel] = colours(dark);
    let mut dice = Dice(4);
    let messages: String = (0..12)
        .map(|i| {
            let (who, shade) = if i % 2 == 0 { ("Agent", ground) } else { ("Customer", panel) };
            let n = 8 + dice.below(52);
            let text = words(&mut dice, n);
            format!(
                "<div style='margin:14px 0;padding:14px;border-radius:8px;background:{shade};border:1px solid {panel}'>\
                 <b>{who}</b> <small>12:{i:02}</small><p>{text}</p></div>"
            )
        })
        .collect();
    let side: String = (0..14)
        .map(|i| format!("<div>{}: <b>{}</b></div>", WORDS[i], 1_000 + dice.below(9_000_000)))
        .collect();
    let menu: String = WORDS[..12].iter().map(|w| format!("<p>{w}</p>")).collect();
    format!(
        "<body style='margin:0;background:{ground};color:{ink};font:15px/1.5 sans-serif'><div style='display:flex'>\
         <nav style='width:220px;background:{panel};padding:20px;height:1400px'>{menu}</nav>\
         <main style='padding:24px;flex:1;max-width:1000px'>{messages}</main>\
         <aside style='width:320px;padding:24px'>{side}</aside></div>"
    )
}

fn table(dark: bool) -> String {
    let [ground, ink, panel] = colours(dark);
    let mut dice = Dice(5);
    let rows: String = (0..60)
        .map(|i| {
            let shade = if i % 2 == 0 { ground } else { panel };
            let cells: String = (0..11)
                .map(|_| {
                    let text = words(&mut dice, 2);
                    format!("<td style='padding:2px 8px'>{text} {}</td>", 100 + dice.below(99_000))
                })
                .collect();
            format!("<tr style='background:{shade}'>{cells}</tr>")
        })
        .collect();
    format!(
        "<body style='margin:0;background:{ground};color:{ink};font:13px/1.35 sans-serif'>\
         <table style='border-collapse:collapse;width:100%'>{rows}</table>"
    )
}

/// Renders a page at 1920 × 1080 CSS pixels under a tile, or bare.
pub(crate) fn render(page: &Page, tile: Option<&[u8]>, ratio: u32, dir: &Path) -> Result<Grey, String> {
    let overlay = match tile {
        None => String::new(),
        Some(png) => {
            std::fs::write(dir.join("tile.png"), png).map_err(|e| e.to_string())?;
            "<div style='position:fixed;inset:0;pointer-events:none;z-index:2147483647;\
             background:url(tile.png) 0 0/384px 384px'></div>"
                .into()
        }
    };
    let (html, shot) = (dir.join("page.html"), dir.join("page.png"));
    std::fs::write(&html, page.html.clone() + &overlay).map_err(|e| e.to_string())?;
    let out = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--hide-scrollbars",
        ])
        .args([format!("--force-device-scale-factor={ratio}"), "--window-size=1920,1080".into()])
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .arg(format!("--screenshot={}", shot.display()))
        .arg(format!("file://{}", html.display()))
        .output()
        .map_err(|e| format!("chromium: {e}"))?;
    if !out.status.success() {
        return Err(format!("chromium: {}", String::from_utf8_lossy(&out.stderr)));
    }
    picture(&shot, &Limits::default()).map_err(|e| e.to_string())
}

/// A frame through a video encoder: a second of it at 720p, and what a player shows half a second in.
pub(crate) fn video(frame: &Grey, coder: &[&str], kind: &str, dir: &Path) -> Result<Grey, String> {
    let (from, film, to) = (dir.join("still.png"), dir.join(format!("film.{kind}")), dir.join("frame.png"));
    save(frame, &from)?;
    let ffmpeg = |args: &mut Command| {
        let out = args.output().map_err(|e| format!("ffmpeg: {e}"))?;
        if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
    };
    let quiet = ["-v", "error", "-y", "-nostdin", "-threads", "1"];
    ffmpeg(
        Command::new("ffmpeg")
            .args(quiet)
            .args(["-loop", "1", "-t", "1", "-r", "10", "-i"])
            .arg(&from)
            .args(["-vf", "scale=-2:720", "-pix_fmt", "yuv420p"])
            .args(coder)
            .arg(&film),
    )?;
    ffmpeg(
        Command::new("ffmpeg")
            .args(quiet)
            .args(["-ss", "0.5", "-i"])
            .arg(&film)
            .args(["-frames:v", "1"])
            .arg(&to),
    )?;
    picture(&to, &Limits::default()).map_err(|e| e.to_string())
}

fn save(frame: &Grey, to: &PathBuf) -> Result<(), String> {
    let raw = frame.pixels.iter().map(|p| p.round().clamp(0.0, 255.0) as u8).collect();
    let image =
        image::GrayImage::from_raw(frame.width as u32, frame.height as u32, raw).ok_or("a picture's size")?;
    image.save(to).map_err(|e| e.to_string())
}
