//! Pictures that were made to do harm: every one is an error that says what is wrong, or a picture within the limits.
#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sightline_trace::Grey;
use sightline_trace::media::{Frames, Limits, MediaError, picture};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn png(width: u32, height: u32, kind: image::ExtendedColorType) -> Vec<u8> {
    let bytes = usize::from(kind.bits_per_pixel()).div_ceil(8) * (width * height) as usize;
    let raw: Vec<u8> = (0..bytes).map(|i| (i * 7 % 251) as u8).collect();
    let mut out = std::io::Cursor::new(Vec::new());
    image::ImageEncoder::write_image(
        image::codecs::png::PngEncoder::new(&mut out),
        &raw,
        width,
        height,
        kind,
    )
    .unwrap();
    out.into_inner()
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let raw: Vec<u8> = (0..width * height).map(|i| (i * 13 % 253) as u8).collect();
    let mut out = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, 80)
        .encode(&raw, width, height, image::ExtendedColorType::L8)
        .unwrap();
    out
}

/// CRC-32 as PNG has it (ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xEDB8_8320 } else { c >> 1 })
    })
}

/// Makes every chunk's checksum right again, as far as there are chunks: so that what was changed is really read.
fn with_right_checksums(mut png: Vec<u8>) -> Vec<u8> {
    let mut at = 8;
    while at + 12 <= png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        let end = at.saturating_add(8).saturating_add(length);
        if end.saturating_add(4) > png.len() {
            break;
        }
        let sum = crc(&png[at + 4..end]);
        png[end..end + 4].copy_from_slice(&sum.to_be_bytes());
        at = end + 4;
    }
    png
}

fn resized(mut png: Vec<u8>, width: u32, height: u32) -> Vec<u8> {
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    with_right_checksums(png)
}

const SMALL: Limits =
    Limits { bytes: 1 << 20, pixels: 100_000, frames: 3, rate: 1.0, time: Duration::from_secs(5) };

/// A picture within the limits, or an error with the file's name in it.
fn is_well_behaved(path: &Path) -> Result<(), TestCaseError> {
    match picture(path, &SMALL) {
        Ok(Grey { width, height, pixels }) => {
            prop_assert!(width * height <= 100_000 && pixels.len() == width * height);
        }
        Err(why) => prop_assert!(why.to_string().contains("leak."), "{why}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_png_with_changed_headers_and_right_checksums_is_an_error_or_a_picture(
        changes in prop::collection::vec((0usize..120, any::<u8>()), 1..5),
        rgba: bool,
    ) {
        let place = Place::new();
        let kind = if rgba { image::ExtendedColorType::Rgba16 } else { image::ExtendedColorType::L8 };
        let mut bytes = png(31, 17, kind);
        for (at, value) in changes {
            let n = bytes.len();
            bytes[8 + at % (n - 8)] = value;
        }
        is_well_behaved(&place.write("leak.png", &with_right_checksums(bytes)))?;
    }

    #[test]
    fn a_jpeg_with_changed_bytes_is_an_error_or_a_picture(
        changes in prop::collection::vec((2usize..700, any::<u8>()), 1..6),
        cut in 4usize..900,
    ) {
        let place = Place::new();
        let mut bytes = jpeg(37, 23);
        for (at, value) in changes {
            let n = bytes.len();
            bytes[2 + at % (n - 2)] = value;
        }
        bytes.truncate(cut.max(12));
        is_well_behaved(&place.write("leak.jpg", &bytes))?;
    }

    #[test]
    fn bytes_behind_a_pictures_magic_are_an_error_or_a_picture(tail: Vec<u8>, is_png: bool) {
        let place = Place::new();
        let head: &[u8] = if is_png { b"\x89PNG\r\n\x1a\n" } else { b"\xff\xd8\xff\xe0" };
        is_well_behaved(&place.write("leak.bin", &[head, &tail[..]].concat()))?;
    }
}

#[test]
fn a_hundred_megapixels_are_refused_by_the_header_and_the_message_says_what_to_do() {
    let place = Place::new();
    let huge = place.write("leak.png", &resized(png(40, 30, image::ExtendedColorType::L8), 12_500, 8_000));
    let started = Instant::now();
    let why = picture(&huge, &Limits::default()).unwrap_err();
    assert!(matches!(why, MediaError::TooManyPixels { width: 12_500, height: 8_000, .. }), "{why}");
    assert!(why.to_string().contains("shrink it first"));
    assert!(started.elapsed() < Duration::from_secs(1));
    let mut tall = jpeg(40, 30);
    let frame = tall.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    tall[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(
        picture(&place.write("leak.jpg", &tall), &Limits::default()),
        Err(MediaError::TooManyPixels { .. })
    ));
}

#[test]
fn a_small_picture_that_unpacks_to_much_more_than_it_says_stays_small() {
    // A picture of 4,000 × 4,000 zeros is a few kilobytes; its header now says 40 × 30.
    let place = Place::new();
    let mut bomb = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(4_000, 4_000).write_to(&mut bomb, image::ImageFormat::Png).unwrap();
    let bomb = resized(bomb.into_inner(), 40, 30);
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    match picture(&place.write("leak.png", &bomb), &SMALL) {
        Ok(seen) => assert_eq!((seen.width, seen.height), (40, 30)),
        Err(why) => assert!(why.to_string().contains("leak.png"), "{why}"),
    }
    // And one that says the truth, beyond the limit.
    let mut honest = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(4_000, 4_000).write_to(&mut honest, image::ImageFormat::Png).unwrap();
    let honest = place.write("leak.png", &honest.into_inner());
    assert!(matches!(picture(&honest, &SMALL), Err(MediaError::TooManyPixels { .. })));
}

#[test]
fn files_that_are_no_picture_and_no_video_are_errors() {
    let place = Place::new();
    for bytes in [
        &b""[..],
        b"\x89PNG",
        b"#EXTM3U\nhttp://192.0.2.1/a.ts\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
    ] {
        let path = place.write("leak.bin", bytes);
        let seen = Frames::open(&path, SMALL).map(|frames| frames.collect::<Vec<_>>());
        assert!(seen.is_err() || seen.unwrap().iter().all(Result::is_err), "{bytes:?}");
    }
    assert!(matches!(
        Frames::open(&place.0.path().join("nothing.mp4"), SMALL),
        Err(MediaError::Unreadable { .. })
    ));
    assert!(matches!(Frames::open(place.0.path(), SMALL), Err(MediaError::Empty(_))));
}
