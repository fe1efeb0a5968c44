//! `sightline verify`: everything checked offline, or from what a console publishes, and said in numbers.

mod bundle;
mod say;
mod state;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use access::SharedState;
use clap::Args;
use ledger::policy::Policy;
use ledger::verify::{BundleSummary, Damage, Directory, Known, Options, Source, check, check_bundle};
use ledger::{LogVerifier, Receipt};
use serde::Serialize;

use crate::cli::Form;
use crate::fetch::Published;
use crate::progress;
use state::{Keeper, State};

/// Options of `sightline verify`.
#[derive(Args)]
#[command(
    after_help = "Exit status: 0 good, 1 could not be checked, 2 damaged, forged, rolled back or forked.\n\
    docs/verify.md says what each answer means, and what it does not prove."
)]
pub(crate) struct Verify {
    /// A data directory, a ledger directory, a copy of what a log publishes, the URL of a console, a `.tlog-proof`
    /// file, or an evidence bundle (a directory or a `.tar.zst`).
    what: String,
    /// The log's verification key (a signed-note vkey), or a file that holds it. Known from elsewhere, it also
    /// shows that this is the log it claims to be [default: that of the policy, or the one that lies in the
    /// directory].
    #[arg(long, value_name = "VKEY|FILE")]
    vkey: Option<String>,
    /// A trust policy (C2SP tlog-policy): the checkpoint must be cosigned by its quorum of witnesses.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A checkpoint that you kept or were given: the log must have grown from it. May be given several times.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// Where the checkpoint that was verified last is kept, to compare with next time [default: a file for each
    /// log in your state directory].
    #[arg(long, value_name = "FILE", conflicts_with = "no_state")]
    state: Option<PathBuf>,
    /// Compare with nothing that was kept, and keep nothing: for a copy that is old on purpose.
    #[arg(long)]
    no_state: bool,
    /// Read everything again, also what was verified before [default for a directory].
    #[arg(long, conflicts_with = "incremental")]
    full: bool,
    /// Read only what is new since the checkpoint that was kept [default for a URL].
    #[arg(long)]
    incremental: bool,
    /// Also admit every entry again, as the gateway did: budgets, modes and all. Slower, and reads everything.
    #[arg(long, conflicts_with = "incremental")]
    replay: bool,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    form: Form,
}

/// Exit status 0: good. 1: could not be checked. 2: damaged.
pub(crate) fn run(options: &Verify) -> Result<ExitCode, String> {
    let policy = options.policy.as_deref().map(policy).transpose()?;
    let key = |lying: Option<&Path>| key(options.vkey.as_deref(), policy.as_ref(), lying);
    let what = &options.what;
    if what.starts_with("https://") || what.starts_with("http://") {
        let audit = Audit { options, policy: policy.as_ref(), log: key(None)?, only_new: !options.full };
        return audit.log(&Published::at(what)?);
    }
    let path = Path::new(what);
    let audit = |log| Audit { options, policy: policy.as_ref(), log, only_new: options.incremental };
    if let Some(files) = bundle::read(path)? {
        return audit(key(None)?).bundle(&files);
    }
    if path.is_file() {
        return audit(key(None)?).receipt(path);
    }
    let dir = ledger_dir(path)?;
    let log = key(Some(&dir.join("log.vkey")))?;
    let source = Directory::open(&dir).map_err(|e| e.to_string())?;
    audit(log).log(&source)
}

/// A ledger's own directory, or the ledger in a data directory, or that in the directory of a demo.
fn ledger_dir(path: &Path) -> Result<PathBuf, String> {
    if !path.is_dir() {
        return Err(format!("{}: no such directory, receipt or URL", path.display()));
    }
    let inside = [path.join("ledger"), path.join("data/ledger")];
    Ok(inside.into_iter().find(|dir| dir.is_dir()).unwrap_or_else(|| path.to_owned()))
}

/// The verification key: as given, from the file that was given, that of the policy, or the one that lies with
/// the log.
fn key(given: Option<&str>, policy: Option<&Policy>, lying: Option<&Path>) -> Result<LogVerifier, String> {
    let text = match (given, policy.map(Policy::logs), lying) {
        (Some(given), _, _) if Path::new(given).is_file() => read(Path::new(given))?,
        (Some(given), _, _) => given.to_owned(),
        (None, Some([log]), _) => return Ok(LogVerifier::new(log.key.clone())),
        (None, _, Some(file)) if file.is_file() => read(file)?,
        (None, ..) => {
            return Err(
                "name the log's verification key with --vkey (or a policy of one log with --policy); a key \
                        that comes from the same place as what is to be checked would prove nothing"
                    .into(),
            );
        }
    };
    LogVerifier::from_vkey(text.trim()).map_err(|e| e.to_string())
}

fn policy(file: &Path) -> Result<Policy, String> {
    let named = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    Policy::parse(&std::fs::read(file).map_err(|e| named(&e))?).map_err(|e| named(&e))
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
}

/// What is to be checked, and with what.
struct Audit<'a> {
    options: &'a Verify,
    policy: Option<&'a Policy>,
    log: LogVerifier,
    only_new: bool,
}

impl Audit<'_> {
    fn log(&self, source: &dyn Source) -> Result<ExitCode, String> {
        let options = self.options;
        let keeper = Keeper::new(options.state.clone(), options.no_state, &self.log);
        let kept = keeper.load(&self.log)?;
        let read_known = |file: &PathBuf| Ok(Known { name: file.display().to_string(), note: read(file)? });
        let known = options.checkpoint.iter().map(read_known).collect::<Result<Vec<_>, String>>()?;
        let mut replay = options.replay.then(SharedState::default);
        let bar = if options.quiet {
            indicatif::ProgressBar::hidden()
        } else {
            progress::bar("checking", "entries")
        };
        let how = Options {
            kept: kept.as_ref(),
            only_new: self.only_new,
            known: &known,
            policy: self.policy,
            replay: replay.as_mut().map(|state| state as &mut dyn ledger::Admission),
            ..Options::default()
        };
        let checked = check(source, &self.log, how, &mut |done, of| {
            bar.set_length(of);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        match checked {
            Ok(checked) => {
                let state = keeper.keep(checked.checkpoint.to_string(), checked.fold)?;
                let summary = Some(checked.summary);
                self.say(say::Verdict { good: true, damage: None, inconclusive: false, summary, state })
            }
            Err(damage) => {
                let (said, inconclusive) = (say::damage(&damage), damage.is_inconclusive());
                let state = State::Unchanged;
                let damage = Some(said);
                self.say(say::Verdict { good: false, damage, inconclusive, summary: None, state })
            }
        }
    }

    fn say(&self, verdict: say::Verdict) -> Result<ExitCode, String> {
        let code = verdict.code();
        if self.options.form.json {
            return print_json(&verdict, code);
        }
        match (&verdict.summary, &verdict.damage) {
            (Some(summary), _) => print!("{}", say::summary(summary, &verdict.state)),
            (None, damage) => {
                let verdict = if verdict.inconclusive { "NOT CHECKED" } else { "DAMAGED" };
                eprintln!(
                    "sightline: {}: {verdict}: {}",
                    self.options.what,
                    damage.as_deref().unwrap_or_default()
                );
            }
        }
        Ok(ExitCode::from(code))
    }

    fn bundle(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<ExitCode, String> {
        let json = self.options.form.json;
        match check_bundle(files, &self.log, self.policy) {
            Ok(summary) if json => print_json(&Bundled { good: true, summary }, 0),
            Ok(summary) => {
                print!("{}", say::bundle(&summary));
                Ok(ExitCode::SUCCESS)
            }
            Err(damage) if json => print_json(&Refuted { good: false, damage: damage.to_string() }, 2),
            Err(damage) => {
                eprintln!("sightline: {}: NOT GOOD: {damage}", self.options.what);
                Ok(ExitCode::from(2))
            }
        }
    }

    fn receipt(&self, file: &Path) -> Result<ExitCode, String> {
        let proved = Receipt::from_tlog_proof(&read(file)?).map_err(|e| e.to_string());
        let proved = proved.and_then(|receipt| {
            let verified = receipt.verify(&self.log).map_err(|e| e.to_string())?;
            let accepted = self.policy.map(|policy| policy.check(receipt.checkpoint())).transpose();
            Ok((verified, accepted.map_err(|e| e.to_string())?.map(|accepted| accepted.cosigned)))
        });
        let json = self.options.form.json;
        match proved {
            Ok((verified, cosigned)) if json => print_json(
                &Proved { good: true, index: verified.index(), cosigned, entry: verified.entry() },
                0,
            ),
            Ok((verified, cosigned)) => {
                println!("{}: good; entry {} of {}:", file.display(), verified.index(), self.log.origin());
                print!("{}", crate::entry_line::entry_line(verified.index(), verified.entry()));
                if let Some(cosigned) = cosigned {
                    print!("{}", say::cosigned(&cosigned));
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(damage) if json => print_json(&Refuted { good: false, damage }, 2),
            Err(error) => {
                eprintln!("sightline: {}: NOT GOOD: {error}", file.display());
                Ok(ExitCode::from(2))
            }
        }
    }
}

/// What `--json` prints of a receipt.
#[derive(Serialize)]
struct Proved<'a> {
    good: bool,
    index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cosigned: Option<Vec<(String, u64)>>,
    #[serde(flatten)]
    entry: &'a model::Entry,
}

/// What `--json` prints of an evidence bundle.
#[derive(Serialize)]
struct Bundled {
    good: bool,
    #[serde(flatten)]
    summary: BundleSummary,
}

/// What `--json` prints of a receipt or a bundle that does not hold.
#[derive(Serialize)]
struct Refuted {
    good: bool,
    damage: String,
}

fn print_json<T: Serialize>(value: &T, code: u8) -> Result<ExitCode, String> {
    println!("{}", serde_json::to_string_pretty(value).map_err(|e| e.to_string())?);
    Ok(ExitCode::from(code))
}

/// What to do about it, where that is not plain.
fn advice(damage: &Damage) -> &'static str {
    match damage {
        Damage::RolledBack { .. } => {
            ". If this copy is old on purpose, say so with --no-state; otherwise entries were removed"
        }
        Damage::Forked { .. } => ". Keep both checkpoints: together they prove it",
        Damage::Missing { path } if path.starts_with("tile/") => {
            ". If it was pruned, the log's pruning policy must say so"
        }
        _ => "",
    }
}
