//! The floor under every durable figure: what one `fdatasync` costs on this disk in this minute.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::sh::Outcome;

/// How many syncs are timed.
const SYNCS: usize = 200;

/// Median milliseconds of a 4 KiB append followed by `fdatasync`, in `dir`.
pub(crate) fn fdatasync_ms(dir: &Path) -> Outcome<f64> {
    let path = dir.join("fsync-floor");
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = OpenOptions::new().create_new(true).append(true).open(&path).map_err(failed)?;
    let page = [0u8; 4096];
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&page).and_then(|()| file.sync_data()).map_err(failed)?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    std::fs::remove_file(&path).map_err(failed)?;
    Ok(super::median(times))
}
