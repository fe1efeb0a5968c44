//! `sightline export …` and `sightline log export`.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use export::{ExportParts, ExportSettings, Exporter, Exports, Format, Pace, Status, Writer};
use ledger::disk::OsDisk;
use ledger::{Archive, Ledger};
use model::{OsEntropy, SystemClock};

use crate::cli::{Form, Place};
use crate::command::{self, Command, Failure, From, Outcome, Print};
use crate::config::Config;
use crate::house::Layout;
use crate::{control, operate};

/// How many records `log export` holds at a time.
const STRIDE: usize = 1000;

#[derive(Subcommand)]
pub(crate) enum Export {
    /// How far each export has come, and what stands in its way.
    Status(ExportStatus),
    /// Send one event that is marked as a test, and wait until the receiver has taken it.
    Test(ExportTest),
    /// Send entries again: the cursor goes back, never forward.
    Replay(ExportReplay),
}

/// Options of `sightline export status`.
#[derive(Args)]
pub(crate) struct ExportStatus {
    #[command(flatten)]
    site: Site,
    #[command(flatten)]
    form: Form,
}

/// Options of `sightline export test`.
#[derive(Args)]
pub(crate) struct ExportTest {
    /// The export.
    name: String,
    #[command(flatten)]
    site: Site,
}

/// Options of `sightline export replay`.
#[derive(Args)]
pub(crate) struct ExportReplay {
    /// The export.
    name: String,
    /// The number of the first entry to send again.
    #[arg(long, value_name = "NUMBER")]
    from: u64,
    #[command(flatten)]
    site: Site,
}

/// Exports stand in the configuration.
#[derive(Args)]
struct Site {
    /// The configuration.
    #[arg(long, short, default_value = "sightline.toml", value_name = "FILE")]
    config: PathBuf,
}

/// Options of `sightline log export`.
#[derive(Args)]
pub(crate) struct LogExport {
    /// As what each entry is written: ocsf, cef or jsonl.
    #[arg(long, default_value = "ocsf")]
    format: Format,
    /// The number of the first entry.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    from: u64,
    #[command(flatten)]
    place: Place,
}

/// Opens the exports of a configuration over an open ledger.
pub(crate) fn open(
    config: &Config,
    layout: &Layout,
    ledger: &Ledger,
) -> Result<(Exports, Vec<Exporter>), String> {
    let parts = ExportParts {
        dir: layout.exports.clone(),
        host: host(),
        pace: Pace::default(),
        disk: Arc::new(OsDisk),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy),
    };
    Exports::open(&config.settings.exports, ledger, &parts).map_err(|e| e.to_string())
}

pub(crate) fn run(command: &Export) -> Result<(), String> {
    match command {
        Export::Status(options) => status(&options.site, options.form.print()),
        Export::Test(options) => test(&options.site, &options.name),
        Export::Replay(options) => replay(&options.site, &options.name, options.from),
    }
}

fn status(site: &Site, print: Print) -> Result<(), String> {
    let config = site.load()?;
    let form = operate::form(print);
    let outcome = match ask(&config, Command::ExportStatus, form)? {
        Some(outcome) => outcome,
        None => {
            let layout = Layout::of(&config.settings.data);
            // Before the first start there is no ledger, and nothing to send.
            let size = if layout.ledger.exists() { archive(&config)?.size() } else { 0 };
            let stopped = export::stopped(&config.settings.exports, &OsDisk, &layout.exports, size);
            report(&stopped.map_err(|e| e.to_string())?, form).map_err(|e| e.to_string())?
        }
    };
    operate::out(&outcome.text)
}

fn test(site: &Site, name: &str) -> Result<(), String> {
    let config = site.load()?;
    let export = find(&config, name)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    let origin = &config.settings.log.origin;
    let sent =
        runtime.block_on(export::test(export, origin, &host(), &SystemClock)).map_err(|e| e.to_string())?;
    operate::out(&format!("{name}: {} has taken this test event:\n{sent}\n", export.target()))
}

fn replay(site: &Site, name: &str, from: u64) -> Result<(), String> {
    let config = site.load()?;
    let export = find(&config, name)?;
    let command = Command::ExportReplay { name: name.to_owned(), from };
    if let Some(outcome) = ask(&config, command, operate::form(Print::Text))? {
        return operate::out(&outcome.text);
    }
    let layout = Layout::of(&config.settings.data);
    let archive = archive(&config)?;
    if from > archive.size() {
        return Err(format!("the ledger has {} entries, so there is no number {from}", archive.size()));
    }
    let origin = archive.verifier().origin();
    export::set_back(export, Arc::new(OsDisk), &layout.exports, origin, from).map_err(|e| e.to_string())?;
    operate::out(&format!("{name}: sends the entries from {from} on again when Sightline runs\n"))
}

/// Every entry of a ledger, to standard output.
pub(crate) fn log_export(options: &LogExport) -> Result<(), String> {
    // Recorded first, like every question; this reads nothing.
    operate::print(&options.place, Command::Entries { from: From::Number(0), limit: 0 }, Print::Json)?;
    let archive = operate::archive(&options.place)?;
    let mut writer = Writer::new(archive.verifier().origin(), options.format);
    let bar = crate::progress::bar("writing", "entries");
    bar.set_length(archive.size().saturating_sub(options.from));
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    let mut from = options.from;
    while from < archive.size() {
        for record in archive.read(from, STRIDE).map_err(|e| e.to_string())? {
            let message = writer.write(&record, &archive).map_err(|e| e.to_string())?;
            match writeln!(stdout, "{}", message.body) {
                // A reader that has gone away (`| head`) is no error.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                done => done.map_err(|e| e.to_string())?,
            }
            from = record.index + 1;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    match stdout.flush() {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// What `export status` says.
pub(crate) fn report(statuses: &[Status], form: command::Form) -> Result<Outcome, Failure> {
    if form.print == Print::Json {
        return Outcome::json(&statuses);
    }
    if statuses.is_empty() {
        return Ok(Outcome::text("no [[export]] in the configuration; docs/export.md shows some\n".into()));
    }
    let mut text = String::new();
    for status in statuses {
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "{}: {}, {} behind, next {}. {} by {} → {}",
            status.name,
            status.state.word(),
            status.behind,
            status.next,
            status.format,
            status.kind,
            status.target
        );
        if let Some(oldest) = status.oldest_waiting {
            let _ = writeln!(text, "  waiting since: {oldest}");
        }
        if let Some(at) = status.delivered_at {
            let _ = writeln!(text, "  last delivery: {at}");
        }
        if let Some(error) = &status.error {
            let _ = writeln!(text, "  failures: {}, the last: {error}", status.failures);
        }
        if let Some(at) = status.retry_at {
            let _ = writeln!(text, "  tries again: {at}");
        }
    }
    Ok(Outcome::text(text))
}

impl Site {
    fn load(&self) -> Result<Config, String> {
        Config::load(&self.config).map_err(|e| e.to_string())
    }
}

/// Has the running process answer; none if none runs.
fn ask(config: &Config, command: Command, form: command::Form) -> Result<Option<Outcome>, String> {
    let socket = Layout::of(&config.settings.data).socket;
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    let answer = runtime.block_on(control::ask(&socket, &command, form));
    answer.map_err(|e| format!("{}: {e}", socket.display()))?.transpose()
}

fn find<'c>(config: &'c Config, name: &str) -> Result<&'c ExportSettings, String> {
    let exports = &config.settings.exports;
    exports.iter().find(|export| export.name == name).ok_or_else(|| {
        let known: Vec<&str> = exports.iter().map(|export| export.name.as_str()).collect();
        match known.is_empty() {
            true => "no [[export]] in the configuration; docs/export.md shows some".to_owned(),
            false => format!("there is no export {name:?}; there are: {}", known.join(", ")),
        }
    })
}

fn archive(config: &Config) -> Result<Archive, String> {
    let layout = Layout::of(&config.settings.data);
    let options = config.settings.log.options(&layout)?;
    Archive::open(&layout.ledger, &options).map_err(|e| e.to_string())
}

/// This machine's name, as messages say it and `node` in the configuration means it.
pub(crate) fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
