//! The operator's commands: carried out by the running process, or here if none runs.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use access::SharedState;
use ledger::{Archive, Ledger};

use crate::cli::Place;
use crate::command::{Command, Form, From, Outcome, Print, carry_out};
use crate::config::Config;
use crate::control;
use crate::house::{Layout, Rooms};

/// How often `log tail --follow` looks again.
const AGAIN: Duration = Duration::from_millis(500);

/// Carries the command out and prints the answer.
pub(crate) fn print(place: &Place, command: Command, print: Print) -> Result<(), String> {
    let outcome = Desk::open(place)?.ask(&command, form(print))?;
    out(&outcome.text)
}

/// Prints the last `lines` entries and, if asked, what comes after them.
pub(crate) fn tail(place: &Place, lines: usize, follow: bool, print: Print) -> Result<(), String> {
    let desk = Desk::open(place)?;
    let mut from = From::End;
    loop {
        let outcome = desk.ask(&Command::Entries { from, limit: lines }, form(print))?;
        out(&outcome.text)?;
        if !follow {
            return Ok(());
        }
        from = From::Number(outcome.next.unwrap_or_default());
        std::thread::sleep(AGAIN);
    }
}

/// Derives tiles and views again. Needs the ledger for itself. Whenever it is interrupted, what it has not come to yet is
/// as it was, or is derived at the next start.
pub(crate) fn rebuild(place: &Place) -> Result<(), String> {
    let Site { data, options } = site(place)?;
    let layout = Layout::of(&data);
    let ledger = Ledger::open(&layout.ledger, &options, SharedState::default()).map_err(|e| e.to_string())?;
    let bar = crate::progress::bar("hashing", "entries");
    let written = ledger.rebuild_tiles(|done, of| {
        bar.set_length(of);
        bar.set_position(done);
    });
    let written = written.map_err(|e| e.to_string())?;
    bar.finish_and_clear();
    let bar = crate::progress::bar("comparing", "entries");
    let brought = ledger.rebuild_store(|done, of| {
        bar.set_length(of);
        bar.set_position(done);
    });
    let brought = brought.map_err(|e| e.to_string())?;
    bar.finish_and_clear();
    let bar = crate::progress::bar("folding", "entries");
    views::rebuild(&layout.views, &ledger, |progress| {
        bar.set_length(progress.of);
        bar.set_position(progress.done);
    })
    .map_err(|e| e.to_string())?;
    bar.finish_and_clear();
    let brought = ledger.publishing().store.zip(brought);
    let brought = brought.map_or(String::new(), |(store, brought)| {
        let store = store.place;
        format!("{store}: compared; {brought} files were missing or differed, and were written\n")
    });
    out(&format!(
        "{tiles}: derived again from {entries} entries; {written} tiles were missing or differed, and were written\n\
         {brought}{views}: derived again from {entries} entries\n",
        tiles = layout.ledger.join("public").display(),
        views = layout.views.display(),
        entries = ledger.size()
    ))
}

/// Whoever names an installation's folder means the data directory in it.
fn no_ledger(data: &Path) -> String {
    let inside = data.join("data");
    if Layout::of(&inside).ledger.exists() {
        return format!("{} holds no ledger; did you mean --data {}?", data.display(), inside.display());
    }
    format!("{} holds no ledger; `sightline serve` makes one", data.display())
}

/// Where commands are put: a running process, or the installation opened here.
pub(crate) struct Desk {
    runtime: tokio::runtime::Runtime,
    site: Site,
    rooms: std::cell::OnceCell<Rooms>,
}

impl Desk {
    pub(crate) fn open(place: &Place) -> Result<Self, String> {
        let site = site(place)?;
        if !Layout::of(&site.data).ledger.exists() {
            return Err(no_ledger(&site.data));
        }
        let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
        Ok(Self { runtime, site, rooms: std::cell::OnceCell::new() })
    }

    pub(crate) fn ask(&self, command: &Command, form: Form) -> Result<Outcome, String> {
        let socket = Layout::of(&self.site.data).socket;
        let running = self.runtime.block_on(control::ask(&socket, command, form));
        match running.map_err(|e| format!("{}: {e}", socket.display()))? {
            Some(answer) => answer,
            None => self.runtime.block_on(async {
                let rooms = self.rooms()?;
                carry_out(rooms, command.clone(), form).await.map_err(|e| e.to_string())
            }),
        }
    }

    fn rooms(&self) -> Result<&Rooms, String> {
        if self.rooms.get().is_none() {
            let (rooms, follow) = Rooms::open(&self.site.data, &self.site.options)?;
            tokio::spawn(follow);
            // Set once, two lines above it was empty.
            let _ = self.rooms.set(rooms);
        }
        self.rooms.get().ok_or_else(|| "the ledger did not open".into())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(rooms) = self.rooms.get() {
            self.runtime.block_on(rooms.ledger.close());
        }
    }
}

/// The records of an installation, to read beside whatever runs.
pub(crate) fn archive(place: &Place) -> Result<Archive, String> {
    let Site { data, options } = site(place)?;
    Archive::open(&Layout::of(&data).ledger, &options).map_err(|e| e.to_string())
}

/// Where an installation lies, and how its ledger is opened.
pub(crate) struct Site {
    pub(crate) data: PathBuf,
    pub(crate) options: ledger::Options,
}

pub(crate) fn site(place: &Place) -> Result<Site, String> {
    match &place.data {
        Some(dir) => Ok(Site { options: Layout::of(dir).ledger_options(), data: dir.clone() }),
        None => {
            let settings = Config::load(&place.config).map_err(|e| e.to_string())?.settings;
            let options = settings.log.options(&Layout::of(&settings.data))?;
            Ok(Site { options, data: settings.data })
        }
    }
}

pub(crate) fn form(print: Print) -> Form {
    let width = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let width = width.unwrap_or(if std::io::stdout().is_terminal() { 100 } else { 120 });
    Form { print, width }
}

/// Prints; a reader that has gone away (`| head`) is no error.
pub(crate) fn out(text: &str) -> Result<(), String> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}
