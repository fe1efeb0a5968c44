//! WCAG 2.2 AA over the tokens of the style, in light and dark: 4.5:1 for words, 3:1 for what is drawn.

#![allow(clippy::unwrap_used)] // helpers of tests: a panic is how a test fails

use std::collections::HashMap;

const CSS: &str = include_str!("../assets/sightline.css");

type Tokens = HashMap<String, [f64; 3]>;

fn colours(block: &str) -> Tokens {
    block
        .lines()
        .filter_map(|line| {
            let (name, value) = line.trim().strip_prefix("--")?.split_once(": #")?;
            let hex = value.strip_suffix(';')?;
            let channel =
                |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).map(|c| f64::from(c) / 255.0).ok();
            Some((name.to_owned(), [channel(0)?, channel(2)?, channel(4)?]))
        })
        .collect()
}

/// Light, and dark with what it leaves as it is in light.
fn themes() -> [(&'static str, Tokens); 2] {
    let (light, rest) = CSS.split_once("@media screen and (prefers-color-scheme: dark)").unwrap();
    let dark = rest.split_once("\n}").unwrap().0;
    let light = colours(light);
    let mut both = light.clone();
    both.extend(colours(dark));
    [("light", light), ("dark", both)]
}

fn luminance(rgb: [f64; 3]) -> f64 {
    let [r, g, b] = rgb.map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[track_caller]
fn each_at_least(least: f64, pairs: &[(&str, &[&str])]) {
    let mut weak = Vec::new();
    for (theme, tokens) in themes() {
        for (front, grounds) in pairs {
            for ground in *grounds {
                let got = contrast(tokens[*front], tokens[*ground]);
                if got < least {
                    weak.push(format!("{theme}: {front} on {ground} is {got:.2}:1"));
                }
            }
        }
    }
    assert!(weak.is_empty(), "below {least}:1\n{}", weak.join("\n"));
}

#[test]
fn words_stand_out_from_every_ground_they_are_set_on() {
    let plain = ["ground", "surface", "sunken", "hover"];
    let soft = ["ground", "surface", "sunken", "hover", "accent-soft", "good-soft", "warn-soft", "bad-soft"];
    each_at_least(
        4.5,
        &[
            ("text", &soft),
            ("text", &["chip"]),
            ("muted", &plain),
            ("muted", &["accent-soft"]),
            ("accent", &plain),
            ("accent", &["accent-soft"]),
            ("accent-strong", &["surface", "hover", "accent-soft"]),
            ("good", &["ground", "surface", "good-soft"]),
            ("warn", &["ground", "surface", "warn-soft"]),
            ("bad", &["ground", "surface", "hover", "bad-soft"]),
            ("on-accent", &["accent", "accent-strong"]),
            ("on-bad", &["bad"]),
        ],
    );
}

#[test]
fn what_is_drawn_stands_out_from_the_ground_behind_it() {
    each_at_least(
        3.0,
        &[
            ("line-strong", &["ground", "surface", "sunken"]),
            ("ev-a", &["surface"]),
            ("ev-b", &["surface"]),
            ("ev-c", &["surface"]),
            ("ev-d", &["surface"]),
            ("ev-e", &["surface"]),
            ("ev-f", &["surface"]),
            ("ev-g", &["surface"]),
            ("accent", &["line"]),
            ("ev-f", &["line"]),
            ("ev-g", &["line"]),
        ],
    );
}

#[test]
fn the_measure_itself_is_right() {
    assert!((contrast([0.0; 3], [1.0; 3]) - 21.0).abs() < 1e-9);
    assert!((contrast([119.0 / 255.0; 3], [1.0; 3]) - 4.478).abs() < 1e-3, "#777 on white is known to fail");
}
