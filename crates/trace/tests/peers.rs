//! The system's `ffmpeg` and `tesseract`: what they are given, and what they may not do.
#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sightline_trace::Grey;
use sightline_trace::media::{Frames, Limits, MediaError};
use sightline_trace::ocr;

fn film(dir: &Path, name: &str, seconds: u32, coder: &[&str]) -> PathBuf {
    let path = dir.join(name);
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin", "-threads", "1", "-f", "lavfi", "-i"])
        .arg(format!("testsrc=size=320x180:rate=10:duration={seconds}"))
        .args(["-pix_fmt", "yuv420p"])
        .args(coder)
        .arg(&path)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    path
}

const X264: &[&str] = &["-c:v", "libx264", "-preset", "ultrafast"];

fn limits() -> Limits {
    Limits { frames: 8, rate: 2.0, time: Duration::from_secs(60), ..Limits::default() }
}

#[test]
fn mp4_webm_and_mov_give_frames_at_the_rate_and_no_more_than_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let vp8: &[&str] = &["-c:v", "libvpx", "-deadline", "realtime"];
    for (name, coder) in [("a.mp4", X264), ("a.mov", X264), ("a.webm", vp8)] {
        let film = film(dir.path(), name, 3, coder);
        let seen: Vec<(String, Grey)> = Frames::open(&film, limits()).unwrap().map(|f| f.unwrap()).collect();
        assert!((5..=7).contains(&seen.len()), "{name}: {}", seen.len());
        assert!(seen.iter().all(|(_, f)| (f.width, f.height) == (320, 180)), "{name}");
        assert_eq!(seen[3].0, "0:01.5");
    }
    // As good as endless: two thousand seconds, of which eight frames are asked for.
    let long = film(dir.path(), "long.mp4", 2_000, X264);
    let started = Instant::now();
    assert_eq!(Frames::open(&long, limits()).unwrap().count(), 8);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn ffmpeg_that_takes_too_long_is_ended_and_the_frames_until_then_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let long = film(dir.path(), "long.mp4", 2_000, X264);
    let slow = Limits { frames: 20_000, rate: 10.0, time: Duration::from_millis(700), ..limits() };
    let started = Instant::now();
    let seen: Vec<_> = Frames::open(&long, slow).unwrap().collect();
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    let (frames, errors): (Vec<_>, Vec<_>) = seen.into_iter().partition(Result::is_ok);
    assert!(matches!(errors[..], [Err(MediaError::TimedOut { .. })]), "{} frames, {errors:?}", frames.len());
}

#[test]
fn a_video_may_name_no_other_file_and_no_address() {
    let dir = tempfile::tempdir().unwrap();
    let film = film(dir.path(), "a.mp4", 1, X264);
    let door = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    door.set_nonblocking(true).unwrap();
    let address = format!("http://{}/a.ts", door.local_addr().unwrap());
    let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n");
    let other = format!("ffconcat version 1.0\nfile '{}'\n", film.display());
    let sdp = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n";
    for (name, text) in
        [("a.m3u8", playlist.as_str()), ("a.mp4.txt", &other), ("a.ffconcat", &other), ("a.sdp", sdp)]
    {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let seen: Vec<_> = Frames::open(&path, limits()).unwrap().collect();
        assert!(seen.iter().all(Result::is_err) && seen.len() == 1, "{name}");
    }
    assert!(door.accept().is_err(), "somebody was called");
    // A name that looks like an address or an option is a file like any other.
    let odd = dir.path().join("-i concat:x.mp4");
    std::fs::copy(&film, &odd).unwrap();
    assert!(Frames::open(&odd, limits()).unwrap().all(|f| f.is_ok()));
}

#[test]
fn a_broken_video_is_an_error_with_ffmpegs_words() {
    let dir = tempfile::tempdir().unwrap();
    let film = film(dir.path(), "a.mp4", 2, X264);
    let mut bytes = std::fs::read(&film).unwrap();
    for at in (40..bytes.len()).step_by(97) {
        bytes[at] ^= 0x55;
    }
    let broken = dir.path().join("broken.mp4");
    std::fs::write(&broken, bytes).unwrap();
    let last = Frames::open(&broken, limits()).unwrap().last();
    if let Some(Err(why)) = last {
        assert!(why.to_string().contains("broken.mp4"), "{why}");
    }
}

#[test]
fn ids_on_a_page_are_read_line_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let shot = dir.path().join("page.png");
    let ids = ["C-100518", "C-204417", "C-377201", "C-490016"];
    let mut drawing = String::from("color=white:size=900x420,format=gray");
    for (i, id) in ids.iter().enumerate() {
        drawing +=
            &format!(",drawtext=text='Customer  {id}':fontsize=26:fontcolor=black:x=60:y={}", 60 + 80 * i);
    }
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin", "-f", "lavfi", "-i", &drawing, "-frames:v", "1"])
        .arg(&shot)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let page = sightline_trace::media::picture(&shot, &limits()).unwrap();
    assert_eq!(ocr::ids(&page).unwrap(), ids);
}
