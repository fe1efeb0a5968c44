//! The attack suite: marked pages, what happens to pictures on their way to a forum, and how many lead back.
//! `cargo xtask bench trace` builds and runs it.

// A measuring program answers on standard output; what it sets up itself does not fail.
#![allow(clippy::print_stdout, clippy::expect_used)]

mod camera;
mod film;
mod foreign;
mod pages;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use camera::{Camera, Dice, crop, inverted, jpeg, sensor, share};
use model::MarkId;
use sightline_trace::score::{Reading, Scorer};
use sightline_trace::tile::Tile;
use sightline_trace::{Chips, Detector, Grey, Investigation, Issued, Layout, MarkKey, Verdict};

/// Marks that every frame is tried against.
const CANDIDATES: u32 = 100_000;

fn id(n: u32) -> MarkId {
    let mut bytes = [0; 10];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    MarkId::from_bytes(bytes)
}

/// What happens to a picture. The device pixel ratio says how large a CSS pixel is in it.
type Attack = (&'static str, fn(&Grey, u32, &mut Dice, &Path) -> Vec<Grey>);

fn scaled(frame: &Grey, by: f32) -> Grey {
    let size = [(frame.width as f32 * by) as usize, (frame.height as f32 * by) as usize];
    Camera { size, ..Camera::STRAIGHT }.takes(frame)
}

fn phone(frame: &Grey, camera: Camera, noise: f32, dice: &mut Dice) -> Grey {
    jpeg(&sensor(&camera.takes(frame), 1.15, noise, dice), 60)
}

const MILD: Camera =
    Camera { yaw: 10.0, pitch: 5.0, roll: 2.0, fill: 0.92, blur: 1.0, barrel: 0.02, ..Camera::STRAIGHT };
const HARD: Camera =
    Camera { yaw: 22.0, pitch: 12.0, roll: -4.0, fill: 0.95, blur: 1.3, barrel: 0.03, ..Camera::STRAIGHT };
const STEEP: Camera =
    Camera { yaw: -30.0, pitch: 4.0, roll: 3.0, fill: 1.0, blur: 1.2, barrel: 0.02, ..Camera::STRAIGHT };
const SMALL: Camera =
    Camera { yaw: 8.0, pitch: -6.0, roll: 1.0, fill: 0.55, blur: 0.8, barrel: 0.02, ..Camera::STRAIGHT };

/// A longer lens from further away, and a wide one from close by.
const LONG: Camera = Camera { focal: 1.4, ..HARD };
const WIDE: Camera = Camera { focal: 0.6, ..HARD };
const STEEPEST: Camera =
    Camera { yaw: 40.0, pitch: -8.0, roll: 2.0, fill: 1.1, blur: 1.2, barrel: 0.02, ..Camera::STRAIGHT };

fn shaken(frame: &Grey, camera: Camera, frames: usize, dice: &mut Dice) -> Vec<Grey> {
    (0..frames)
        .map(|_| {
            let mut off = || dice.next() - 0.5;
            let moved = Camera {
                yaw: camera.yaw + 1.5 * off(),
                pitch: camera.pitch + 1.5 * off(),
                roll: camera.roll + 1.5 * off(),
                shift: [30.0 * off(), 30.0 * off()],
                ..camera
            };
            phone(frame, moved, 5.0, dice)
        })
        .collect()
}

/// Somebody's head in front of half the screen.
fn covered(frame: &Grey) -> Grey {
    let mut out = frame.clone();
    for (i, p) in out.pixels.iter_mut().enumerate() {
        let (x, y) = (i % frame.width, i / frame.width);
        if x > frame.width * 2 / 5 && x + y / 3 < frame.width * 9 / 10 {
            *p = 70.0 + (x * 7 % 13 + y * 3 % 11) as f32;
        }
    }
    out
}

fn h264(crf: &'static str) -> [&'static str; 6] {
    ["-c:v", "libx264", "-preset", "veryfast", "-crf", crf]
}

const ATTACKS: &[Attack] = &[
    ("none", |f, _, _, _| vec![f.clone()]),
    ("JPEG 50", |f, _, _, _| vec![jpeg(f, 50)]),
    ("scale 0.5", |f, _, _, _| vec![scaled(f, 0.5)]),
    ("scale 0.5, JPEG 50", |f, _, _, _| vec![jpeg(&scaled(f, 0.5), 50)]),
    ("messenger (1600 px, JPEG 70)", |f, _, _, _| vec![jpeg(&scaled(f, 1600.0 / f.width as f32), 70)]),
    ("crop to 50 %", |f, _, _, _| vec![share(f, 0.5)]),
    ("crop to 25 %", |f, _, _, _| vec![share(f, 0.25)]),
    ("crop to 10 %", |f, _, _, _| vec![share(f, 0.1)]),
    ("rotation 5°", |f, _, _, _| {
        vec![Camera { roll: 5.0, size: [1920, 1080], ..Camera::STRAIGHT }.takes(f)]
    }),
    ("perspective 20°", |f, _, _, _| vec![Camera { yaw: 20.0, ..Camera::STRAIGHT }.takes(f)]),
    ("inverted, mirrored", |f, _, _, _| vec![inverted(&f.mirrored())]),
    ("H.264 CRF 32 720p", |f, _, _, d| vec![pages::video(f, &h264("32"), "mp4", d).expect("ffmpeg")]),
    ("H.264 twice", |f, _, _, d| {
        let once = pages::video(f, &h264("30"), "mp4", d).expect("ffmpeg");
        vec![pages::video(&once, &h264("32"), "mp4", d).expect("ffmpeg")]
    }),
    ("VP9 CRF 40 720p", |f, _, _, d| {
        let vp9 =
            ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "40", "-b:v", "0"];
        vec![pages::video(f, &vp9, "webm", d).expect("ffmpeg")]
    }),
    ("phone, mild", |f, _, dice, _| vec![phone(f, MILD, 4.0, dice)]),
    ("phone, hard (22°, 12°)", |f, _, dice, _| vec![phone(f, HARD, 5.0, dice)]),
    ("phone, 30°", |f, _, dice, _| vec![phone(f, STEEP, 5.0, dice)]),
    ("phone, small", |f, _, dice, _| vec![phone(f, SMALL, 4.0, dice)]),
    ("phone, mild, moiré", |f, _, dice, _| vec![phone(f, Camera { moire: 0.03, ..MILD }, 4.0, dice)]),
    ("phone, hard, moiré", |f, _, dice, _| vec![phone(f, Camera { moire: 0.03, ..HARD }, 5.0, dice)]),
    ("phone, hard, long lens", |f, _, dice, _| vec![phone(f, LONG, 5.0, dice)]),
    ("phone, hard, wide lens", |f, _, dice, _| vec![phone(f, WIDE, 5.0, dice)]),
    ("phone, 40°", |f, _, dice, _| vec![phone(f, STEEPEST, 5.0, dice)]),
    ("phone, half covered", |f, _, dice, _| vec![covered(&phone(f, MILD, 4.0, dice))]),
    ("30 frames: phone, hard", |f, _, dice, _| shaken(f, Camera { moire: 0.03, ..HARD }, 30, dice)),
    ("30 frames: phone, 40°", |f, _, dice, _| shaken(f, STEEPEST, 30, dice)),
    ("30 frames: crop to 10 %", |f, _, dice, _| {
        let size = [(f.width as f32 * 0.316) as usize, (f.height as f32 * 0.316) as usize];
        (0..30)
            .map(|_| crop(f, [dice.below(f.width - size[0]), dice.below(f.height - size[1])], size))
            .collect()
    }),
];

/// Seconds of processor time that this thread has used: what else runs on the machine does not count.
fn spent() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds: Option<f64> = text.split(' ').next().and_then(|n| n.parse().ok());
    nanoseconds.map_or(f64::NAN, |n| n / 1e9)
}

#[derive(Default)]
struct Row {
    tried: u32,
    traced: u32,
    wrong: u32,
    z: Vec<f32>,
    seconds: f64,
    frames: u32,
}

fn main() {
    let mut dir = None;
    let (mut ratios, mut only, mut only_page) = (vec![1], String::new(), String::new());
    let mut skip = None::<String>;
    let (mut foreign, mut shots, mut film) = (0, false, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().expect("a value behind the option");
        match arg.as_str() {
            "--ratios" => ratios = value().split(',').filter_map(|r| r.parse().ok()).collect(),
            "--film" => film = true,
            "--shots" => shots = true,
            "--only" => only = value(),
            "--skip" => skip = Some(value()),
            "--page" => only_page = value(),
            "--foreign" => foreign = value().parse().expect("a number of frames"),
            _ => dir = Some(PathBuf::from(arg)),
        }
    }
    let dir = dir.expect("a directory for pictures");
    const KEY: [u8; 32] = [42; 32];
    let key = MarkKey::new(KEY);
    if film {
        return film::run(&key, KEY, &only_page, &dir);
    }
    if shots {
        for page in pages::all().iter().filter(|p| p.name.contains(&only_page)) {
            pages::render(page, None, 1, &dir).expect("a page");
            let name = page.name.replace([',', ' '], "-") + ".shot.png";
            std::fs::rename(dir.join("page.png"), dir.join(name)).expect("a directory to write to");
        }
        return;
    }
    if foreign > 0 {
        return foreign::run(&key, foreign, &dir);
    }
    if only.is_empty() {
        speed(&key);
    }
    let wanted = |attack: &str| attack.contains(&only) && skip.as_ref().is_none_or(|s| !attack.contains(s));
    let mut rows: BTreeMap<(usize, &str), Row> = BTreeMap::new();
    let mut dice = Dice(7);
    for page in pages::all().into_iter().filter(|p| p.name.contains(&only_page)) {
        for ratio in &ratios {
            let right = id(dice.below(CANDIDATES as usize) as u32);
            let tile = Tile::new(&key, &Layout::new(&key), &right).png();
            let shown = pages::render(&page, Some(&tile), *ratio, &dir).expect("a page");
            for (i, (name, attack)) in ATTACKS.iter().enumerate().filter(|(_, (n, _))| wanted(n)) {
                let frames = attack(&shown, *ratio, &mut dice, &dir);
                let row = rows.entry((i, name)).or_default();
                measure(&key, &frames, right, row, &format!("{name:<30} {:<22} x{ratio}", page.name));
            }
        }
    }
    println!(
        "\n{:<30} {:>7} {:>8} {:>8} {:>6} {:>8}",
        "attack", "traced", "z least", "z median", "wrong", "s/frame"
    );
    for ((_, name), row) in &mut rows {
        row.z.sort_by(f32::total_cmp);
        println!(
            "{name:<30} {:>3}/{:<3} {:>8.1} {:>8.1} {:>6} {:>8.2}",
            row.traced,
            row.tried,
            row.z.first().copied().unwrap_or_default(),
            row.z.get(row.z.len() / 2).copied().unwrap_or_default(),
            row.wrong,
            row.seconds / f64::from(row.frames.max(1)),
        );
    }
}

fn measure(key: &MarkKey, frames: &[Grey], right: MarkId, row: &mut Row, what: &str) {
    let issued =
        (0..CANDIDATES).map(|n| Issued { mark: id(n), session: None, staff: None, from: None }).collect();
    let mut investigation = Investigation::new(key, issued);
    let started = spent();
    for (i, frame) in frames.iter().enumerate() {
        investigation.look(i.to_string(), frame);
    }
    row.seconds += spent() - started;
    row.frames += frames.len() as u32;
    let answer = investigation.answer();
    row.tried += 1;
    match &answer.named {
        Some(named) if named.mark == right => row.traced += 1,
        Some(_) => row.wrong += 1,
        None => {}
    }
    row.z.push(answer.z);
    let verdict = match answer.verdict {
        Verdict::Named => "named",
        Verdict::Consistent => "consistent",
        Verdict::Inconclusive => "inconclusive",
    };
    let pilots = answer.best_frame.as_ref().map_or(0.0, |f| f.pilots);
    println!("{what} {verdict:<12} z {:>5.1} next {:>4.1} pilots {pilots:>5.1}", answer.z, answer.next_z);
}

/// What one mark costs, and one frame of known pose against every candidate; and the tail of wrong ids.
fn speed(key: &MarkKey) {
    let layout = Layout::new(key);
    let started = spent();
    let mut bytes = 0;
    for n in 0..20 {
        bytes = Tile::new(key, &layout, &id(n)).png().len();
    }
    println!("tile: {:.2} ms, {bytes} bytes", (spent() - started) * 50.0);
    let reading = Reading::new((0..layout.chips()).map(|i| ((i * i) as f32).sin()).collect());
    let started = spent();
    let scorer = Scorer::new(&reading);
    let best = (0..CANDIDATES).map(|n| scorer.z(&Chips::of(key, &id(n)))).fold(0.0f32, f32::max);
    println!("score: {CANDIDATES} candidates in {:.3} s, the largest wrong z {best:.2}", spent() - started);
    let mut detector = Detector::new(key);
    let mut dice = Dice(3);
    let plain =
        Grey { width: 1920, height: 1080, pixels: (0..1920 * 1080).map(|_| 255.0 * dice.next()).collect() };
    let started = spent();
    let pilots = detector.read(&plain).map_or(0.0, |s| s.pilots);
    println!("noise, every step of the blind search: {:.2} s, pilots {pilots:.1}", spent() - started);
    tail(key);
}

/// Twenty million wrong ids against readings, next to the bound.
fn tail(key: &MarkKey) {
    const READINGS: u32 = 200;
    let mut above = [0u64; 7];
    let mut dice = Dice(11);
    let layout = Layout::new(key);
    let chips: Vec<Chips> = (0..CANDIDATES).map(|n| Chips::of(key, &id(1_000_000 + n))).collect();
    for _ in 0..READINGS {
        let values = (0..layout.chips()).map(|_| (dice.next() - 0.5) / (0.05 + dice.next())).collect();
        let scorer = Scorer::new(&Reading::new(values));
        for c in &chips {
            let z = scorer.z(c);
            above.iter_mut().enumerate().filter(|(level, _)| z >= *level as f32).for_each(|(_, n)| *n += 1);
        }
    }
    let all = u64::from(READINGS) * u64::from(CANDIDATES);
    println!("wrong ids: {all} scores; share above a level, and the bound exp(-z²/2):");
    for (level, n) in above.iter().enumerate() {
        println!(
            "  z >= {level}: {:>12.3e}  <= {:.3e}",
            *n as f64 / all as f64,
            (-((level * level) as f64) / 2.0).exp()
        );
    }
}
