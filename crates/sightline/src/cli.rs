//! The command line: what may be asked, and which module answers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use model::entry::RevokeReason;
use model::{CustomerId, GrantId, SessionId, StaffId, Timestamp};

use crate::command::{Between, Command as Ask, From, Of, Print};
use crate::{operate, witnesses};

#[derive(Parser)]
#[command(
    name = "sightline",
    version,
    about = "Stands between support staff and customers' records: every look needed, allowed, recorded before it \
             is shown, bounded, traceable, and answerable to the customer.",
    after_help = "Without a command, `sightline` runs the demo.\nStart with: sightline demo, then sightline init."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// See it work: a small support desk behind the gateway, thirty staff, one insider.
    Demo(Demo),
    /// Write a commented configuration and keys into a directory, and say what to do next.
    Init(Init),
    /// Run the gateway and the console.
    Serve(Serve),
    /// Work with adapters, which teach Sightline an app's routes.
    #[command(subcommand)]
    Adapter(Adapter),
    /// Reports.
    #[command(subcommand)]
    Report(Report),
    /// Who saw this customer, when, and why? Asking is recorded.
    WhoSaw(WhoSaw),
    /// Whom could this staff member (or session) have shown to somebody? Asking is recorded.
    BlastRadius(BlastRadius),
    /// From a leak back to one session: pictures, videos, or the ids that it shows.
    Trace(crate::trace::Trace),
    /// Draw one mark as a tile to lay over a page, and note that it was issued.
    Mark(crate::trace::Mark),
    /// Take access away, at once.
    Revoke(Revoke),
    /// Staff records.
    #[command(subcommand)]
    Staff(Staff),
    /// Propose to erase a customer; two administrators confirm it in the console.
    Erase(crate::erase::Erase),
    /// What waits for the decision of two administrators.
    Decisions(crate::erase::Decisions),
    /// Read the ledger.
    #[command(subcommand)]
    Log(Log),
    /// Check a ledger, a published log or a receipt, offline, and say in numbers what was checked.
    Verify(crate::verify::Verify),
    /// Run a witness: on somebody else's machine, it cosigns only growth of the ledgers that it knows.
    Witness(crate::witness::WitnessOptions),
    /// Events for other people's systems: how exports are doing, test them, send again.
    #[command(subcommand)]
    Export(crate::exports::Export),
    /// Decoy customers, to whom no ticket leads: plant, list and rotate them; who was shown one that turned up.
    #[command(subcommand)]
    Canary(crate::canaries::CanaryCommand),
    /// Sigma rules: list, check and test them, and how they are doing.
    #[command(subcommand)]
    Rules(crate::rules::RulesCommand),
    /// Make the tables of the journal's database, or bring them up to this version.
    Migrate(crate::journal::Migrate),
    /// Derive the published tiles and the views again from the ledger's journal.
    Rebuild(Place),
    /// Make old entries take less of the disk, at once; a server does so by itself.
    Compact(crate::compact::Compact),
    /// What the watch would have said about a log that there is already: nothing deployed, findings within the hour.
    Replay(crate::replay::Replay),
    /// Exports and logs of other systems (Zendesk, Salesforce, nginx, OCSF) as an access log for `replay`.
    Import(crate::import::Import),
    /// Detection: its thresholds.
    #[command(subcommand)]
    Watch(crate::watching::WatchCommand),
    /// A simulated floor's past as an access log, with or without insiders.
    Floor(crate::past::Past),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Options of `sightline demo`.
#[derive(Args, Clone)]
pub(crate) struct Demo {
    /// Which customers, staff and days are generated.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many times faster than life the staff work.
    #[arg(long, default_value_t = 60.0, value_parser = speed)]
    pub(crate) speed: f64,
    /// The console listens here, the desk on the next port.
    #[arg(long, default_value_t = 8700)]
    pub(crate) port: u16,
    /// Where the ledger is written: a directory that is empty or does not exist [default: a new one
    /// under the system's temporary directory].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Print the URLs and the end, and nothing in between.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Contain by itself: what a finding reaches is put in force at once, from a fresh login to a pause. The watch first
    /// learns what is usual, so a demo of some minutes tells no finding.
    #[arg(long)]
    pub(crate) contain: bool,
}

impl Default for Demo {
    fn default() -> Self {
        Self { seed: 1, speed: 60.0, port: 8700, data: None, quiet: false, contain: false }
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && (0.1..=10_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.1 to 10000".into()),
    }
}

/// Options of `sightline init`.
#[derive(Args)]
pub(crate) struct Init {
    /// Where to write `sightline.toml` and `secrets/`.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The app to stand in front of.
    #[arg(long, value_enum, default_value_t = Known::Rt5)]
    pub(crate) app: Known,
}

/// Apps that `init` can write a configuration for.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Known {
    /// Request Tracker 5.
    Rt5,
    /// The demo's own desk; a start for your own adapter.
    Desk,
}

/// Options of `sightline serve`.
#[derive(Args)]
pub(crate) struct Serve {
    /// The configuration.
    #[arg(long, short, default_value = "sightline.toml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Read the configuration, policy and adapters, say what is wrong with them, and end.
    #[arg(long)]
    pub(crate) check: bool,
}

/// Which installation a command is about.
#[derive(Args, Clone)]
pub(crate) struct Place {
    /// The configuration that names the data directory.
    #[arg(long, short, default_value = "sightline.toml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The data directory itself, for example that of a demo.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(crate) data: Option<PathBuf>,
}

/// How an answer is printed.
#[derive(Args, Clone, Copy)]
pub(crate) struct Form {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// From when to when.
#[derive(Args, Clone, Copy)]
pub(crate) struct Span {
    /// From this time on (RFC 3339, or a date) [default: the beginning].
    #[arg(long, value_parser = time)]
    pub(crate) from: Option<Timestamp>,
    /// Until this time [default: now].
    #[arg(long, value_parser = time)]
    pub(crate) to: Option<Timestamp>,
}

pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "expected a time like 2026-11-21T09:30:00Z, or a date".into())
}

#[derive(Subcommand)]
enum Adapter {
    /// Run an adapter over recorded traffic (a HAR file) and say what it would see.
    Check(AdapterCheck),
}

/// Options of `sightline adapter check`.
#[derive(Args)]
pub(crate) struct AdapterCheck {
    /// The adapter: a TOML file, or the name of one that ships (`desk`, `rt5`).
    pub(crate) adapter: String,
    /// The traffic: a HAR file, as browsers' developer tools save it. Without one, only the adapter is checked.
    pub(crate) har: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(Subcommand)]
enum Report {
    /// Looks without a reason: the most unexplained, by staff, team and employer; what enforcement
    /// would have masked or stopped.
    FirstLook(FirstLook),
}

/// Options of `sightline report first-look`.
#[derive(Args)]
pub(crate) struct FirstLook {
    #[command(flatten)]
    pub(crate) span: Span,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) form: Form,
}

/// Options of `sightline who-saw`.
#[derive(Args)]
pub(crate) struct WhoSaw {
    /// The customer, as the app calls them.
    pub(crate) customer: CustomerArg,
    #[command(flatten)]
    pub(crate) span: Span,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) form: Form,
}

/// A customer id from the command line.
#[derive(Clone)]
pub(crate) struct CustomerArg(pub(crate) CustomerId);

impl std::str::FromStr for CustomerArg {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        if s.is_empty() { Err("a customer id".into()) } else { Ok(Self(CustomerId::new(s))) }
    }
}

/// Options of `sightline blast-radius`.
#[derive(Args)]
pub(crate) struct BlastRadius {
    /// The staff member, by pseudonym.
    #[arg(long, value_parser = staff, required_unless_present = "session", conflicts_with = "session")]
    pub(crate) staff: Option<StaffId>,
    /// Only this session.
    #[arg(long)]
    pub(crate) session: Option<SessionId>,
    #[command(flatten)]
    pub(crate) span: Span,
    /// Print CSV.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Write an evidence bundle (the table, a receipt for every look, a signed manifest) into this directory or
    /// `.tar.zst` file, which must not exist.
    #[arg(long, value_name = "DIR|FILE.tar.zst")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) form: Form,
}

fn staff(text: &str) -> Result<StaffId, String> {
    if text.is_empty() { Err("a staff pseudonym, like s-17".into()) } else { Ok(StaffId::new(text)) }
}

/// Options of `sightline revoke`.
#[derive(Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    pub(crate) aim: Aim,
    /// Why: unexplained_looks, account_compromised, left_or_moved, no_longer_needed, drill, other.
    #[arg(long, default_value = "other")]
    pub(crate) reason: RevokeReason,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) form: Form,
}

/// What a revocation is aimed at: one of these.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Aim {
    /// Every session and grant of this staff member, who is suspended.
    #[arg(long, value_parser = staff)]
    pub(crate) staff: Option<StaffId>,
    /// One session.
    #[arg(long)]
    pub(crate) session: Option<SessionId>,
    /// One grant.
    #[arg(long)]
    pub(crate) grant: Option<GrantId>,
}

#[derive(Subcommand)]
enum Staff {
    /// Let a suspended staff member work again.
    Reinstate(Reinstate),
}

/// Options of `sightline staff reinstate`.
#[derive(Args)]
pub(crate) struct Reinstate {
    /// The staff member, by pseudonym.
    #[arg(value_parser = staff)]
    pub(crate) staff: StaffId,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(Subcommand)]
enum Log {
    /// The newest entries; with --follow, what comes after them too.
    Tail(LogTail),
    /// One entry, decoded, as JSON.
    Show(LogEntry),
    /// The receipt of one entry, as a `.tlog-proof`.
    Proof(LogEntry),
    /// How large it is, what its witnesses have cosigned, and whether looks are shown.
    Status(witnesses::StatusOptions),
    /// The trust policy for auditors (c2sp.org/tlog-policy): the log, its witnesses, and how many must cosign.
    Policy(witnesses::PolicyOptions),
    /// Propose that looks are shown without witnesses until a time; two administrators must confirm it.
    AllowUnwitnessed(witnesses::AllowOptions),
    /// Every entry as an event (OCSF, CEF) or as it is, one a line. Asking is recorded.
    Export(crate::exports::LogExport),
}

/// Options of `sightline log tail`.
#[derive(Args)]
pub(crate) struct LogTail {
    /// How many.
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) lines: u32,
    /// Go on as the ledger grows; Ctrl-C ends it.
    #[arg(long, short)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) form: Form,
}

/// Options of `sightline log show` and `log proof`.
#[derive(Args)]
pub(crate) struct LogEntry {
    /// The entry's number, from 0.
    pub(crate) index: u64,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Reads the command line, runs what it asks for, and says what went wrong in one sentence.
pub(crate) fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sightline: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, String> {
    match cli.command.unwrap_or(Command::Demo(Demo::default())) {
        Command::Demo(options) => crate::demo::run(&options),
        Command::Init(options) => crate::init::run(&options),
        Command::Serve(options) => crate::serve::run(&options),
        Command::Adapter(Adapter::Check(options)) => return crate::adapters::check(&options),
        Command::Verify(options) => return crate::verify::run(&options),
        Command::Erase(options) => crate::erase::run(options),
        Command::Decisions(options) => crate::erase::decisions(&options),
        Command::Witness(options) => crate::witness::run(options),
        Command::Trace(options) => return crate::trace::trace(&options),
        Command::Mark(options) => crate::trace::mark(&options),
        Command::Migrate(options) => crate::journal::migrate(&options),
        Command::Rebuild(place) => operate::rebuild(&place),
        Command::Compact(options) => crate::compact::compact(&options),
        Command::Replay(options) => crate::replay::run(&options),
        Command::Import(options) => crate::import::run(&options),
        Command::Watch(command) => crate::watching::run(&command),
        Command::Floor(options) => crate::past::run(&options),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "sightline", &mut std::io::stdout());
            Ok(())
        }
        Command::Report(Report::FirstLook(options)) => {
            let command = Ask::FirstLook { span: options.span.into() };
            operate::print(&options.place, command, options.form.print())
        }
        Command::WhoSaw(options) => {
            let command = Ask::WhoSaw { customer: options.customer.0, span: options.span.into() };
            operate::print(&options.place, command, options.form.print())
        }
        Command::BlastRadius(options) => blast_radius(options),
        Command::Revoke(options) => {
            let staff = options.aim.staff.map(Of::Staff);
            let what = staff.or(options.aim.session.map(Of::Session)).or(options.aim.grant.map(Of::Grant));
            let what = what.ok_or("name --staff, --session or --grant")?;
            let command = Ask::Revoke { what, reason: options.reason };
            operate::print(&options.place, command, options.form.print())
        }
        Command::Staff(Staff::Reinstate(options)) => {
            let command = Ask::Reinstate { staff: options.staff };
            operate::print(&options.place, command, options.form.print())
        }
        Command::Export(command) => crate::exports::run(&command),
        Command::Canary(command) => crate::canaries::run(command),
        Command::Rules(command) => return crate::rules::run(&command),
        Command::Log(Log::Export(options)) => crate::exports::log_export(&options),
        Command::Log(Log::Tail(options)) => {
            operate::tail(&options.place, options.lines as usize, options.follow, options.form.print())
        }
        Command::Log(Log::Show(options)) => {
            let command = Ask::Entries { from: From::Number(options.index), limit: 1 };
            operate::print(&options.place, command, Print::Json)
        }
        Command::Log(Log::Proof(options)) => {
            operate::print(&options.place, Ask::Receipt { index: options.index }, Print::Text)
        }
        Command::Log(Log::Status(options)) => {
            operate::print(&options.place, Ask::LogStatus, options.form.print())
        }
        Command::Log(Log::Policy(options)) => witnesses::print_policy(&options),
        Command::Log(Log::AllowUnwitnessed(options)) => {
            let command = Ask::AllowUnwitnessed { until: options.until };
            operate::print(&options.place, command, options.form.print())
        }
    }
    .map(|()| ExitCode::SUCCESS)
}

fn blast_radius(options: BlastRadius) -> Result<(), String> {
    let of = options.staff.map(Of::Staff).or(options.session.map(Of::Session));
    let of = of.ok_or("name --staff or --session")?;
    let span = options.span.into();
    let Some(dir) = options.out else {
        let print = if options.csv { Print::Csv } else { options.form.print() };
        return operate::print(&options.place, Ask::BlastRadius { of, span }, print);
    };
    // The process that has the ledger open writes the files, and it may have another working directory.
    let dir = std::path::absolute(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    operate::print(&options.place, Ask::ExportBlastRadius { of, span, dir }, Print::Text)
}

impl Form {
    pub(crate) fn print(self) -> Print {
        if self.json { Print::Json } else { Print::Text }
    }
}

impl std::convert::From<Span> for Between {
    fn from(span: Span) -> Self {
        Between { from: span.from, to: span.to }
    }
}
