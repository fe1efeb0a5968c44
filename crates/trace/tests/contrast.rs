//! WCAG 2.2 AA under the mark: what its darkest and lightest shade do to text and ground, chosen apart from each other.

#![allow(clippy::unwrap_used)] // helpers of tests: a panic is how a test fails

use std::collections::HashMap;

use sightline_trace::tile::LEVELS;

const AA: f64 = 4.5;
/// Words that stand out this much from their ground without the mark do so by AA with it, whatever the colours.
const ENOUGH: f64 = 5.2;
const DESK: &str = include_str!("../../floor/static/desk.css");

type Rgb = [u8; 3];

fn luminance(rgb: Rgb) -> f64 {
    let [r, g, b] = rgb.map(|c| {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// A colour of the page under a shade of the mark, 0 to 1, as a browser composes it.
fn under(rgb: Rgb, shade: f64) -> Rgb {
    let opacity = f64::from(2 * LEVELS) / 255.0;
    rgb.map(|c| (f64::from(c) * (1.0 - opacity) + 255.0 * shade * opacity).round() as u8)
}

/// The least contrast of the two under any shades of the mark.
fn worst(text: Rgb, ground: Rgb) -> f64 {
    let shades = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)];
    let each = shades.map(|(on_text, on_ground)| contrast(under(text, on_text), under(ground, on_ground)));
    each.into_iter().fold(f64::INFINITY, f64::min)
}

fn tokens(css: &str) -> HashMap<String, Rgb> {
    css.split([';', '{'])
        .filter_map(|declaration| {
            let (name, value) = declaration.trim().strip_prefix("--")?.split_once(": #")?;
            let channel = |i: usize| u8::from_str_radix(value.get(i..i + 2)?, 16).ok();
            Some((name.to_owned(), [channel(0)?, channel(2)?, channel(4)?]))
        })
        .collect()
}

#[test]
fn words_with_a_little_more_than_aa_keep_aa_whatever_their_colours() {
    // A grid over all colours, against all greys: the mark moves every channel alike.
    let steps: Vec<u8> = (0..=255).step_by(17).collect();
    let mut least = f64::INFINITY;
    for r in &steps {
        for g in &steps {
            for b in &steps {
                for grey in 0..=255 {
                    let (text, ground) = ([*r, *g, *b], [grey; 3]);
                    if contrast(text, ground) >= ENOUGH {
                        least = least.min(worst(text, ground));
                    }
                }
            }
        }
    }
    assert!(least >= AA, "{least}");
}

#[test]
fn every_word_of_the_demo_desk_keeps_aa_in_light_and_dark() {
    let (light, rest) = DESK.split_once("prefers-color-scheme: dark").unwrap();
    let dark = rest.split_once("\n  }").unwrap().0;
    let light = tokens(light);
    let mut both = light.clone();
    both.extend(tokens(dark));
    let pairs = [
        ("ink", "ground"),
        ("ink", "card"),
        ("dim", "ground"),
        ("dim", "card"),
        ("copper", "card"),
        ("bar-ink", "bar"),
        ("bar-dim", "bar"),
        ("new", "new-soft"),
        ("open", "open-soft"),
        ("waiting", "waiting-soft"),
        ("closed", "closed-soft"),
    ];
    for (theme, tokens) in [("light", light), ("dark", both)] {
        for (text, ground) in pairs {
            let got = worst(tokens[text], tokens[ground]);
            assert!(got >= AA, "{theme}: {text} on {ground} is {got:.2}:1 under the mark");
        }
    }
}

#[test]
fn a_pair_at_the_limit_is_what_the_mark_takes_below_it() {
    let (text, ground) = ([0x76; 3], [0xff; 3]);
    assert!(contrast(text, ground) >= AA && worst(text, ground) < AA, "so that the test can fail");
}
