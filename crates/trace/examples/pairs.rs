//! Pairs of pictures for a blind look: the same screen twice, one of them with the mark, in an order that only a key
//! tells. Whoever is asked opens `index.html` and says which; by guessing half are right.
//!
//!     cargo run --release -p sightline-trace --example pairs -- OUT SCREEN.png…

#![allow(clippy::expect_used, reason = "a tool for developers, which ends where it cannot go on")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use image::RgbImage;
use model::clock::random;
use model::{MarkId, OsEntropy};
use sightline_trace::tile::{LEVELS, Tile};
use sightline_trace::{Layout, MarkKey};

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let out = arguments.next().expect("the directory to write to, then screenshots without a mark");
    assert!(!out.exists(), "{} exists already; nothing was written", out.display());
    std::fs::create_dir_all(&out).expect("the directory can be made");
    let key = MarkKey::new(random(&OsEntropy));
    let layout = Layout::new(&key);
    let (mut pairs, mut solution) = (String::new(), String::new());
    for (n, screen) in arguments.enumerate() {
        let plain = image::open(&screen).expect("a picture").to_rgb8();
        let marked = lay(&plain, &Tile::new(&key, &layout, &MarkId::fresh(&OsEntropy)));
        let [coin] = random::<1>(&OsEntropy);
        let marked_first = coin % 2 == 0;
        let (left, right) = if marked_first { (&marked, &plain) } else { (&plain, &marked) };
        save(left, &out.join(format!("{n}-left.png")));
        save(right, &out.join(format!("{n}-right.png")));
        let _ = writeln!(
            pairs,
            "<section><h2>Pair {}</h2><img src=\"{n}-left.png\" alt=\"left\"><img src=\"{n}-right.png\" alt=\"right\"></section>",
            n + 1
        );
        let _ = writeln!(solution, "{}: {}", n + 1, if marked_first { "left" } else { "right" });
    }
    std::fs::write(out.join("index.html"), page(&pairs)).expect("the page can be written");
    std::fs::write(out.join("key.txt"), solution).expect("the key can be written");
}

/// The picture under the mark, as a browser composes it at a device pixel ratio of 1.
fn lay(page: &RgbImage, tile: &Tile) -> RgbImage {
    let opacity = 2.0 * f32::from(LEVELS) / 255.0;
    let mut marked = page.clone();
    for (x, y, pixel) in marked.enumerate_pixels_mut() {
        let shade = (f32::from(LEVELS) * (1.0 + tile.at(x as usize, y as usize))).round() * 255.0
            / (2.0 * f32::from(LEVELS));
        for channel in &mut pixel.0 {
            *channel = (f32::from(*channel) * (1.0 - opacity) + shade * opacity).round() as u8;
        }
    }
    marked
}

fn save(picture: &RgbImage, to: &Path) {
    picture.save(to).expect("the picture can be written");
}

fn page(pairs: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Which one has the mark?</title>\n\
         <style>body {{ font: 16px/1.5 system-ui; margin: 2rem; background: #777; color: #fff }} \
         section {{ margin-bottom: 3rem }} img {{ margin-right: 1rem; vertical-align: top }}</style></head>\n<body>\
         <h1>Which one has the mark?</h1>\n<p>One picture of each pair has a mark over it. Write down left or right for each, at your \
         usual distance, without magnifying, and compare with <code>key.txt</code> afterwards. By guessing half are right.</p>\n\
         {pairs}</body></html>\n"
    )
}
