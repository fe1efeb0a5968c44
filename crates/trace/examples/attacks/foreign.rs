//! Frames that hold no issued mark: not marked at all, under another key, or under a mark that nobody issued. Nobody may be
//! named, and no score may be beyond what chance gives.

use std::path::Path;

use sightline_trace::tile::Tile;
use sightline_trace::{Grey, Investigation, Issued, Layout, MarkKey, Verdict};

use crate::camera::{Camera, Dice, crop, jpeg};
use crate::{CANDIDATES, HARD, MILD, id, pages, phone, scaled};

/// What is not in the list of issued marks.
#[derive(Clone, Copy, PartialEq)]
enum What {
    Unmarked,
    OtherKey,
    NotIssued,
}

const ALL: [(What, &str); 3] =
    [(What::Unmarked, "not marked"), (What::OtherKey, "another key"), (What::NotIssued, "not issued")];

/// Tries `frames` frames, and says what the best scores were.
pub(crate) fn run(key: &MarkKey, frames: usize, dir: &Path) {
    let other = MarkKey::new([43; 32]);
    let mut dice = Dice(99);
    let mut shown: Vec<(What, Grey)> = Vec::new();
    for page in pages::all() {
        for (what, _) in ALL {
            let key = if what == What::OtherKey { &other } else { key };
            let tile = Tile::new(key, &Layout::new(key), &id(9_000_000 + dice.below(1_000_000) as u32)).png();
            let tile = (what != What::Unmarked).then_some(&tile[..]);
            shown.push((what, pages::render(&page, tile, 1, dir).expect("a page")));
        }
    }
    let mut best: Vec<(What, f32)> = Vec::new();
    let mut named = 0;
    for n in 0..frames {
        let (what, page) = &shown[n % shown.len()];
        let frame = damaged(page, &mut dice);
        let issued =
            (0..CANDIDATES).map(|n| Issued { mark: id(n), session: None, staff: None, from: None }).collect();
        let mut investigation = Investigation::new(key, issued);
        investigation.look(n.to_string(), &frame);
        let answer = investigation.answer();
        named += usize::from(answer.verdict == Verdict::Named);
        best.push((*what, answer.z));
        if n % 50 == 49 {
            println!("{} frames, {named} named", n + 1);
        }
    }
    println!("{frames} frames without an issued mark, {CANDIDATES} marks tried with each: {named} named");
    for (what, name) in ALL {
        let mut z: Vec<f32> = best.iter().filter(|(w, _)| *w == what).map(|(_, z)| *z).collect();
        z.sort_by(f32::total_cmp);
        let at = |part: f32| z.get((z.len() as f32 * part) as usize).copied().unwrap_or_default();
        println!(
            "{name:<12} {:>5} frames: best z, median {:.2}, 99 % {:.2}, largest {:.2}",
            z.len(),
            at(0.5),
            at(0.99),
            at(0.9999)
        );
    }
    // The largest of 100,000 normal scores: 4.26 in the middle, above 5.6 once in a thousand.
    let beyond = best.iter().filter(|(_, z)| *z > 5.6).count();
    println!("above 5.6: {beyond} of {frames} (chance alone: {:.1})", frames as f32 * 1e-3);
}

/// Something that happens to pictures.
fn damaged(page: &Grey, dice: &mut Dice) -> Grey {
    match dice.below(6) {
        0 => jpeg(page, 40 + dice.below(50) as u8),
        1 => scaled(page, 0.35 + 0.6 * dice.next()),
        2 | 3 => {
            let side = 0.3 + 0.4 * dice.next();
            let size = [(page.width as f32 * side) as usize, (page.height as f32 * side) as usize];
            crop(page, [dice.below(page.width - size[0]), dice.below(page.height - size[1])], size)
        }
        4 => {
            let roll = 20.0 * (dice.next() - 0.5);
            Camera { roll, size: [1280, 720], ..Camera::STRAIGHT }.takes(page)
        }
        _ => {
            let camera = if dice.below(2) == 0 { MILD } else { HARD };
            phone(page, Camera { size: [1280, 720], ..camera }, 4.0, dice)
        }
    }
}
