//! `sightline witness`: a witness of our own, on the machine of a regulator or an auditor.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use ledger::disk::OsDisk;
use ledger::note::VerifierKey;
use model::{OsEntropy, SystemClock};
use tokio::sync::watch;
use witness::Witness;

use crate::cli::Form;
use crate::{listen, serve};

/// Options of `sightline witness`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct WitnessOptions {
    #[command(subcommand)]
    command: Option<WitnessCommand>,
    #[command(flatten)]
    run: Option<Run>,
}

#[derive(Subcommand)]
enum WitnessCommand {
    /// Make a witness: a key of its own in a directory of its own.
    Init(Init),
    /// Make a log known to a witness that does not run just now.
    AddLog(AddLog),
}

#[derive(Args)]
struct Run {
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", required = true)]
    listen: Option<SocketAddr>,
    /// The directory that `sightline witness init` made. Never restore it from a backup.
    #[arg(long, value_name = "DIR", required = true)]
    data: Option<PathBuf>,
    /// The key of a log to know, or a file that holds it; may be given several times.
    #[arg(long = "log", value_name = "VKEY|FILE")]
    logs: Vec<String>,
    /// A certificate chain (PEM), where nothing in front of the witness does TLS.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

#[derive(Args)]
struct Init {
    /// An empty directory, or one that does not exist.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The name of the witness, for ever: like a URL without its scheme, such as witness.example.org/sightline.
    #[arg(long)]
    name: String,
    /// The key of a log to know, or a file that holds it; may be given several times.
    #[arg(long = "log", value_name = "VKEY|FILE")]
    logs: Vec<String>,
    #[command(flatten)]
    form: Form,
}

#[derive(Args)]
struct AddLog {
    /// The directory of the witness.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The key of the log, or a file that holds it.
    #[arg(value_name = "VKEY|FILE")]
    log: String,
}

/// Runs what is asked for.
pub(crate) fn run(options: WitnessOptions) -> Result<(), String> {
    match (options.command, options.run) {
        (Some(WitnessCommand::Init(options)), _) => init(&options),
        (Some(WitnessCommand::AddLog(options)), _) => {
            let added = know(&open(&options.data)?, std::slice::from_ref(&options.log))?;
            println!(
                "{}",
                if added == 1 { "The witness knows the log." } else { "The witness knew the log." }
            );
            Ok(())
        }
        (None, Some(run)) => stand(&run),
        (None, None) => Err("name --listen and --data, or say `sightline witness init`".into()),
    }
}

fn init(options: &Init) -> Result<(), String> {
    let keys = options.logs.iter().map(|log| log_key(log)).collect::<Result<Vec<_>, _>>()?;
    let key =
        Witness::create(&options.data, &options.name, &OsDisk, &OsEntropy).map_err(|e| e.to_string())?;
    let witness = open(&options.data)?;
    for key in &keys {
        witness.add_log(key).map_err(|e| e.to_string())?;
    }
    if options.form.json {
        let said = serde_json::json!({ "vkey": key.to_string(), "logs": witness.logs() });
        println!("{said:#}");
        return Ok(());
    }
    println!(
        "Made a witness in {dir}. Its verification key, for whoever runs the log and for auditors:\n    {key}\n\n\
         Next:\n  1. sightline witness --listen 0.0.0.0:8790 --data {dir} --log LOG-VKEY\n  \
         2. In the log's sightline.toml:\n     [witnesses]\n     quorum = 1\n     witness = [{{ vkey = \"{key}\", url = \
         \"https://THIS-MACHINE:8790\" }}]\n\n\
         Never restore {dir} from a backup: a witness that forgets can be shown two histories.",
        dir = options.data.display()
    );
    Ok(())
}

fn open(data: &Path) -> Result<Witness, String> {
    Witness::open(data, Arc::new(OsDisk), Arc::new(SystemClock)).map_err(|e| e.to_string())
}

/// Makes logs known; how many of them were not known before.
fn know(witness: &Witness, logs: &[String]) -> Result<usize, String> {
    let mut added = 0;
    for log in logs {
        added += usize::from(witness.add_log(&log_key(log)?).map_err(|e| e.to_string())?);
    }
    Ok(added)
}

fn log_key(log: &str) -> Result<VerifierKey, String> {
    let text = match std::fs::read_to_string(log) {
        Ok(text) => text,
        Err(_) => log.to_owned(),
    };
    VerifierKey::parse(text.trim()).map_err(|e| format!("--log {log}: {e}"))
}

/// Answers until SIGINT or SIGTERM.
fn stand(options: &Run) -> Result<(), String> {
    let missing = "name --listen and --data";
    let (address, data) = (options.listen.ok_or(missing)?, options.data.as_deref().ok_or(missing)?);
    serve::logging();
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let witness = open(data)?;
        know(&witness, &options.logs)?;
        if witness.logs().is_empty() {
            return Err("the witness knows no log: name one with --log VKEY".into());
        }
        let listener =
            listen::bind(address, "choose another with --listen").await.map_err(|e| e.to_string())?;
        let tls = match (&options.certificate, &options.key) {
            (Some(certificate), Some(key)) => Some(listen::tls(certificate, key).map_err(|e| e.to_string())?),
            _ => None,
        };
        let at = listener.local_addr().map_err(|e| e.to_string())?;
        tracing::info!(witness = %witness.key(), logs = witness.logs().len(), listen = %at, "open");
        let (end, ending) = watch::channel(false);
        tokio::spawn(async move {
            serve::signal().await;
            // Nobody listens any more only when everything has ended already.
            let _ = end.send(true);
        });
        listen::serve(listener, tls, witness::service::router(Arc::new(witness)), ending).await;
        Ok(())
    })
}
