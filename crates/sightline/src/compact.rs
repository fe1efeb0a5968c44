//! `sightline compact`: what the server does by itself in the background, at once, while it does not run.

use clap::Args;
use ledger::{Compaction, Ledger, LedgerError};

use crate::cli::{Form, Place};
use crate::operate::{self, Site};

/// Options of `sightline compact`.
#[derive(Args)]
pub(crate) struct Compact {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

/// Compacts the ledger's journal and what it publishes. Needs the ledger for itself; may be interrupted at any time.
pub(crate) fn compact(options: &Compact) -> Result<(), String> {
    let Site { data, options: settings } = operate::site(&options.place)?;
    let dir = crate::house::Layout::of(&data).ledger;
    if settings.database.is_some() {
        return Err("the journal is in a database, which is not compacted: only one in files is".into());
    }
    let ledger =
        Ledger::open(&dir, &settings, access::SharedState::default()).map_err(|error| match error {
            LedgerError::Locked { .. } => {
                format!("{error}. A server that runs compacts by itself, in the background")
            }
            error => error.to_string(),
        })?;
    let bar = crate::progress::bar("compacting", "entries");
    let done = ledger.compact(|done, of| {
        bar.set_length(of);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    runtime.block_on(ledger.close());
    let done = done.map_err(|e| e.to_string())?;
    if options.form.json {
        let json = serde_json::to_string(&done).map_err(|e| e.to_string())?;
        return operate::out(&format!("{json}\n"));
    }
    operate::out(&said(&done))
}

fn said(done: &Compaction) -> String {
    if done.segments == 0 {
        return "there is nothing to compact: the newest entries never are, and the rest is\n".into();
    }
    let each = |bytes: u64| bytes as f64 / done.entries as f64;
    format!(
        "{} entries in {} segments were compacted: {:.1} bytes an entry before, {:.1} now\n\
         journal: {} bytes before, {} now\nbundles and tiles: {} bytes before, {} now\n",
        done.entries,
        done.segments,
        each(done.bytes_before()),
        each(done.bytes_after()),
        done.journal_bytes_before,
        done.journal_bytes_after,
        done.tile_bytes_before,
        done.tile_bytes_after
    )
}
