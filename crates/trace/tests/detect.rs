//! The detector on drawn pages: who is marked is found, and nobody else.

#[path = "../examples/attacks/camera.rs"]
#[allow(dead_code)]
mod camera;

use camera::{Camera, Dice, crop, inverted, jpeg, sensor, share};
use model::MarkId;
use sightline_trace::tile::{LEVELS, Tile};
use sightline_trace::{Answer, Grey, Investigation, Issued, Layout, MarkKey, Verdict};

const RIGHT: u32 = 77;

fn id(n: u32) -> MarkId {
    let mut bytes = [0; 10];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    MarkId::from_bytes(bytes)
}

fn key() -> MarkKey {
    MarkKey::new([42; 32])
}

/// A page of paragraphs: words are blocks of strokes, in a column beside a panel.
fn page(width: usize, height: usize, dark: bool, seed: u64) -> Grey {
    let (ground, panel, ink) = if dark { (24.0, 34.0, 215.0) } else { (255.0, 244.0, 34.0) };
    let mut dice = Dice(seed);
    let mut out = Grey { width, height, pixels: vec![ground; width * height] };
    for y in 0..height {
        out.pixels[y * width..][..width / 6].fill(panel);
    }
    for line in 0..height / 22 {
        let mut x = width / 5;
        let end = if dice.below(4) == 0 { width / 3 } else { width * 4 / 5 };
        if dice.below(5) == 0 {
            continue;
        }
        while x < end {
            for _ in 0..3 + dice.below(7) {
                let tall = 6 + dice.below(5);
                for y in line * 22 + 14 - tall..line * 22 + 14 {
                    let stroke = 1 + dice.below(2);
                    for dx in 0..stroke {
                        if x + dx < width {
                            out.pixels[y * width + x + dx] = ink;
                        }
                    }
                }
                x += 5 + dice.below(4);
            }
            x += 6;
        }
    }
    out
}

/// The page under a mark, as a browser composes it: rounded to whole levels.
fn marked(page: &Grey, tile: &Tile) -> Grey {
    let alpha = 2.0 * f32::from(LEVELS) / 255.0;
    let mut out = page.clone();
    for (i, p) in out.pixels.iter_mut().enumerate() {
        let shade = 255.0 * (1.0 + tile.at(i % page.width, i / page.width)) / 2.0;
        *p = (*p * (1.0 - alpha) + shade * alpha).round();
    }
    out
}

fn shown(dark: bool) -> Grey {
    let tile = Tile::new(&key(), &Layout::new(&key()), &id(RIGHT));
    marked(&page(1440, 900, dark, 5), &tile)
}

fn answer(frames: &[Grey]) -> Answer {
    let issued = (0..2_000).map(|n| Issued { mark: id(n), session: None, staff: None, from: None }).collect();
    let mut investigation = Investigation::new(&key(), issued);
    for (i, frame) in frames.iter().enumerate() {
        investigation.look(i.to_string(), frame);
    }
    investigation.answer()
}

fn assert_traced(what: &str, frame: Grey) {
    let answer = answer(&[frame]);
    assert_eq!(answer.verdict, Verdict::Named, "{what}: {answer:?}");
    assert_eq!(answer.named.as_ref().map(|i| i.mark), Some(id(RIGHT)), "{what}");
}

#[test]
fn a_screenshot_leads_back_also_halved_cropped_and_through_jpeg() {
    for dark in [false, true] {
        let shown = shown(dark);
        assert_traced("screenshot", shown.clone());
        assert_traced("jpeg 50", jpeg(&shown, 50));
        assert_traced("quarter", share(&shown, 0.25));
        let half = Camera { size: [720, 450], ..Camera::STRAIGHT };
        assert_traced("half", half.takes(&shown));
    }
}

#[test]
fn turned_mirrored_and_inverted_screens_lead_back() {
    let shown = shown(false);
    assert_traced("turned", Camera { roll: 5.0, size: [1440, 900], ..Camera::STRAIGHT }.takes(&shown));
    let other = inverted(&shown.mirrored());
    let answer = answer(&[other]);
    let placement = answer.best_frame.as_ref().unwrap().placement;
    assert!(placement.mirrored && placement.inverted, "{answer:?}");
    assert_eq!(answer.named.map(|i| i.mark), Some(id(RIGHT)));
}

#[test]
fn a_telephone_at_an_angle_leads_back() {
    let camera =
        Camera { yaw: 16.0, pitch: 8.0, roll: 3.0, fill: 0.95, blur: 1.0, barrel: 0.02, ..Camera::STRAIGHT };
    let frame = jpeg(&sensor(&camera.takes(&shown(false)), 1.1, 4.0, &mut Dice(9)), 70);
    assert_traced("telephone", frame);
}

#[test]
fn frames_that_are_not_ours_name_nobody() {
    let plain = page(1440, 900, false, 6);
    let other_key = MarkKey::new([43; 32]);
    let foreign = marked(&plain, &Tile::new(&other_key, &Layout::new(&other_key), &id(RIGHT)));
    let not_issued = marked(&plain, &Tile::new(&key(), &Layout::new(&key()), &id(9_999)));
    let flat = Grey { width: 400, height: 300, pixels: vec![255.0; 120_000] };
    let tiny = crop(&plain, [0, 0], [20, 20]);
    for (what, frame) in [
        ("unmarked", plain),
        ("foreign", foreign),
        ("not issued", not_issued),
        ("flat", flat),
        ("tiny", tiny),
    ] {
        let answer = answer(&[frame]);
        assert_eq!(answer.named, None, "{what}: {answer:?}");
    }
}
