//! Frames of a leak: pictures, directories of pictures, and videos by the system's `ffmpeg`. What comes from a forum is
//! hostile until shown otherwise: everything here has a limit.

use std::ffi::OsStr;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use image::ImageDecoder;

use crate::raster::Grey;

/// What is read at the most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one file.
    pub bytes: u64,
    /// Pixels of one picture or frame.
    pub pixels: u64,
    /// Frames of a video, pictures of a directory; what comes after is not looked at.
    pub frames: usize,
    /// Frames a second that are taken from a video.
    pub rate: f32,
    /// How long `ffmpeg` may take.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 4 << 30, pixels: 60_000_000, frames: 240, rate: 2.0, time: Duration::from_secs(300) }
    }
}

/// Why frames cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The file cannot be opened or read.
    #[error("{path}: {why}", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// More bytes than the limit.
    #[error("{path}: {bytes} bytes, and at most {limit} are read; cut or shrink it first", path = path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// How many it has.
        bytes: u64,
        /// How many it may have.
        limit: u64,
    },
    /// More pixels than the limit.
    #[error("{path}: {width} × {height} pixels, and at most {limit} are read; shrink it first", path = path.display())]
    TooManyPixels {
        /// Which.
        path: PathBuf,
        /// As its header says.
        width: u32,
        /// As its header says.
        height: u32,
        /// How many it may have.
        limit: u64,
    },
    /// Broken, or of a kind that is not read.
    #[error("{path}: not a readable picture: {why}", path = path.display())]
    Broken {
        /// Which.
        path: PathBuf,
        /// What the decoder says.
        why: image::ImageError,
    },
    /// A directory without pictures, a video without frames.
    #[error("{path}: no picture in it (PNG and JPEG are read; videos need ffmpeg)", path = .0.display())]
    Empty(PathBuf),
    /// No `ffmpeg`.
    #[error("{path}: videos need ffmpeg, and it does not start: {why}; on Debian: apt-get install ffmpeg", path = path.display())]
    NoFfmpeg {
        /// For which file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// `ffmpeg` gave up.
    #[error("{path}: ffmpeg cannot read it: {said}", path = path.display())]
    Ffmpeg {
        /// Which.
        path: PathBuf,
        /// Its last words.
        said: String,
    },
    /// `ffmpeg` took too long.
    #[error("{path}: ffmpeg was ended after {seconds} seconds", path = path.display())]
    TimedOut {
        /// Which.
        path: PathBuf,
        /// The limit.
        seconds: u64,
    },
}

/// Frames, one after the other. A broken picture of a directory is an error of its own, and the rest goes on.
pub struct Frames {
    source: Source,
    limits: Limits,
    given: usize,
}

enum Source {
    Pictures(std::vec::IntoIter<PathBuf>),
    Video(Box<Video>),
    Done,
}

impl Frames {
    /// Opens a picture, a directory or a video.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, MediaError> {
        let unreadable = |why| MediaError::Unreadable { path: path.to_owned(), why };
        let about = std::fs::metadata(path).map_err(unreadable)?;
        let source = if about.is_dir() {
            let mut inside = Vec::new();
            for entry in std::fs::read_dir(path).map_err(unreadable)? {
                let file = entry.map_err(unreadable)?.path();
                if is_picture(&file) {
                    inside.push(file);
                }
            }
            if inside.is_empty() {
                return Err(MediaError::Empty(path.to_owned()));
            }
            inside.sort();
            inside.truncate(limits.frames);
            Source::Pictures(inside.into_iter())
        } else if about.len() > limits.bytes {
            return Err(MediaError::TooLarge {
                path: path.to_owned(),
                bytes: about.len(),
                limit: limits.bytes,
            });
        } else if looks_like_a_picture(path).map_err(unreadable)? {
            Source::Pictures(vec![path.to_owned()].into_iter())
        } else {
            Source::Video(Box::new(Video::open(path, &limits)?))
        };
        Ok(Self { source, limits, given: 0 })
    }

    /// How many frames there are, where that is known before.
    pub fn expected(&self) -> Option<usize> {
        match &self.source {
            Source::Pictures(left) => Some(self.given + left.len()),
            Source::Video(_) | Source::Done => None,
        }
    }
}

impl Iterator for Frames {
    type Item = Result<(String, Grey), MediaError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.source {
            Source::Done => None,
            Source::Pictures(left) => left.next().map(|path| {
                let name = path.file_name().unwrap_or(OsStr::new("picture")).to_string_lossy().into_owned();
                Ok((name, picture(&path, &self.limits)?))
            }),
            Source::Video(video) => {
                let frame = video.next(self.given, &self.limits);
                if !matches!(frame, Some(Ok(_))) {
                    self.source = Source::Done;
                }
                frame.map(|f| f.map(|grey| (at(self.given, self.limits.rate), grey)))
            }
        };
        self.given += usize::from(next.is_some());
        next
    }
}

/// When in the video: minutes, seconds.
fn at(frame: usize, rate: f32) -> String {
    let tenths = (frame as f32 / rate * 10.0) as u64;
    format!("{}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    matches!(extension.as_str(), "png" | "jpg" | "jpeg")
}

fn looks_like_a_picture(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    std::fs::File::open(path)?.take(8).read_to_end(&mut head)?;
    Ok(head.starts_with(b"\x89PNG") || head.starts_with(b"\xff\xd8\xff"))
}

/// Reads a PNG or JPEG, the right way up.
pub fn picture(path: &Path, limits: &Limits) -> Result<Grey, MediaError> {
    let unreadable = |why| MediaError::Unreadable { path: path.to_owned(), why };
    let broken = |why| MediaError::Broken { path: path.to_owned(), why };
    let mut reader =
        image::ImageReader::open(path).map_err(unreadable)?.with_guessed_format().map_err(unreadable)?;
    let mut room = image::Limits::default();
    room.max_alloc = Some(limits.pixels.saturating_mul(8));
    reader.limits(room);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.pixels {
        return Err(MediaError::TooManyPixels { path: path.to_owned(), width, height, limit: limits.pixels });
    }
    let turn = decoder.orientation().map_err(broken)?;
    let mut image = image::DynamicImage::from_decoder(decoder).map_err(broken)?;
    image.apply_orientation(turn);
    Ok(Grey::from_image(&image))
}

/// A running `ffmpeg` that writes grey frames (PGM) to a pipe.
struct Video {
    path: PathBuf,
    child: Arc<Mutex<Child>>,
    frames: BufReader<ChildStdout>,
    /// Dropped when the frames are over; until then the guard counts the seconds.
    _ended: mpsc::Sender<()>,
    guard: Option<std::thread::JoinHandle<bool>>,
    words: Option<std::thread::JoinHandle<String>>,
}

/// Containers that hold a video and nothing else: no playlists, which would name other files.
const CONTAINERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,gif";

impl Video {
    fn open(path: &Path, limits: &Limits) -> Result<Self, MediaError> {
        let unreadable = |why| MediaError::Unreadable { path: path.to_owned(), why };
        let mut file = std::ffi::OsString::from("file:");
        file.push(std::path::absolute(path).map_err(unreadable)?);
        let filter = format!(
            "fps={},scale=w='min(1920,iw)':h='min(1920,ih)':force_original_aspect_ratio=decrease:flags=area",
            limits.rate
        );
        let mut child = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-threads", "1"])
            .args(["-protocol_whitelist", "file,pipe", "-format_whitelist", CONTAINERS])
            .args(["-max_pixels", &limits.pixels.to_string()])
            .arg("-i")
            .arg(file)
            .args(["-map", "0:v:0", "-vf", &filter, "-frames:v", &limits.frames.to_string()])
            .args(["-pix_fmt", "gray", "-c:v", "pgm", "-f", "image2pipe", "pipe:1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|why| MediaError::NoFfmpeg { path: path.to_owned(), why })?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(MediaError::Empty(path.to_owned()));
        };
        let words = std::thread::spawn(move || {
            let mut said = Vec::new();
            let _ = stderr.take(64 << 10).read_to_end(&mut said);
            String::from_utf8_lossy(&said).trim().chars().take(500).collect()
        });
        let child = Arc::new(Mutex::new(child));
        let (ended, over) = mpsc::channel();
        let (guarded, time) = (child.clone(), limits.time);
        let guard = std::thread::spawn(move || {
            let late = over.recv_timeout(time) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                let _ = guarded.lock().unwrap_or_else(PoisonError::into_inner).kill();
            }
            late
        });
        let frames = BufReader::new(stdout);
        Ok(Self {
            path: path.to_owned(),
            child,
            frames,
            _ended: ended,
            guard: Some(guard),
            words: Some(words),
        })
    }

    fn next(&mut self, given: usize, limits: &Limits) -> Option<Result<Grey, MediaError>> {
        if given >= limits.frames {
            return None;
        }
        match pgm(&mut self.frames, limits.pixels) {
            Ok(Some(frame)) => return Some(Ok(frame)),
            Ok(None) => {}
            // Not what was asked for; whatever still writes would wait for us for ever.
            Err(_) => self.kill(),
        }
        self.end(given, limits)
    }

    /// Why there are no more frames.
    fn end(&mut self, given: usize, limits: &Limits) -> Option<Result<Grey, MediaError>> {
        let path = self.path.clone();
        let well =
            self.child.lock().unwrap_or_else(PoisonError::into_inner).wait().is_ok_and(|s| s.success());
        self._ended = mpsc::channel().0;
        let late = self.guard.take().is_some_and(|g| g.join().unwrap_or(false));
        let said = self.words.take().and_then(|w| w.join().ok()).unwrap_or_default();
        if late {
            Some(Err(MediaError::TimedOut { path, seconds: limits.time.as_secs() }))
        } else if !well {
            Some(Err(MediaError::Ffmpeg { path, said }))
        } else if given == 0 {
            Some(Err(MediaError::Empty(path)))
        } else {
            None
        }
    }

    fn kill(&self) {
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }
}

/// One binary PGM of 8 bits (netpbm(5)), or the end.
fn pgm(from: &mut impl Read, most: u64) -> io::Result<Option<Grey>> {
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut magic = [0; 2];
    match from.read_exact(&mut magic) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    if &magic != b"P5" {
        return Err(bad("not a PGM"));
    }
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    let mut number = || -> io::Result<u64> {
        let (mut value, mut digits) = (0, 0);
        loop {
            from.read_exact(&mut byte)?;
            match byte[0] {
                digit @ b'0'..=b'9' if digits < 9 => {
                    value = value * 10 + u64::from(digit - b'0');
                    digits += 1;
                }
                white if white.is_ascii_whitespace() && digits > 0 => return Ok(value),
                _ => return Err(bad("not a PGM header")),
            }
        }
    };
    let (width, height, depth) = (number()?, number()?, number()?);
    if depth != 255 || width == 0 || height == 0 || width.saturating_mul(height) > most {
        return Err(bad("not an 8-bit PGM within the limits"));
    }
    let mut raw = vec![0; (width * height) as usize];
    from.read_exact(&mut raw)?;
    let pixels = raw.into_iter().map(f32::from).collect();
    Ok(Some(Grey { width: width as usize, height: height as usize, pixels }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut out = io::Cursor::new(Vec::new());
        let image = image::GrayImage::from_fn(width, height, |x, y| image::Luma([(x * 7 + y) as u8]));
        image.write_to(&mut out, image::ImageFormat::Png).unwrap();
        out.into_inner()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_bytes_make_the_frame_reader_panic(bytes: Vec<u8>) {
            let _ = pgm(&mut &bytes[..], 1_000);
            let _ = pgm(&mut &[b"P5\n3 2\n255\n", &bytes[..]].concat()[..], 1_000);
        }

        #[test]
        fn a_damaged_picture_is_an_error_or_a_picture(at in 0usize..400, value: u8, cut in 1usize..500) {
            let dir = tempfile::tempdir().unwrap();
            let mut bytes = png(40, 30);
            let n = bytes.len();
            bytes[at % n] = value;
            bytes.truncate(cut.min(n));
            let _ = picture(&write(&dir, "a.png", &bytes), &Limits::default());
        }
    }

    #[test]
    fn a_picture_that_says_it_is_huge_is_refused_before_it_is_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(&dir, "a.png", &png(300, 200));
        let limits = Limits { pixels: 50_000, ..Limits::default() };
        assert!(matches!(picture(&path, &limits), Err(MediaError::TooManyPixels { .. })));
        let limits = Limits { bytes: 10, ..Limits::default() };
        assert!(matches!(Frames::open(&path, limits), Err(MediaError::TooLarge { .. })));
    }

    #[test]
    fn a_directory_gives_its_pictures_in_order_and_goes_on_after_a_broken_one() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir, "b.png", b"\x89PNG nothing");
        write(&dir, "a.png", &png(40, 30));
        write(&dir, "c.PNG", &png(50, 30));
        write(&dir, "notes.txt", b"");
        let frames = Frames::open(dir.path(), Limits::default()).unwrap();
        assert_eq!(frames.expected(), Some(3));
        let seen: Vec<Option<usize>> = frames.map(|f| f.ok().map(|(_, g)| g.width)).collect();
        assert_eq!(seen, [Some(40), None, Some(50)]);
    }
}
