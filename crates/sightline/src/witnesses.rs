//! `[witnesses]`: whom the log asks to cosign, the policy for auditors that follows from it, and what is recorded
//! when a witness contradicts the ledger.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::SharedState;
use clap::Args;
use ledger::cosignature::WitnessKey;
use ledger::disk::{OsDisk, Readers, replace};
use ledger::note::VerifierKey;
use ledger::policy::{Policy, PolicyLog, PolicyWitness};
use ledger::{Draft, Lease, Ledger, Publishing, StoreStatus};
use model::entry::Actor;
use model::{Entropy, Event, IncidentId, IncidentOpened, OsEntropy, SystemClock, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use witness::{Asker, Finding, Standing, Status};

use crate::cli::{Form, Place};
use crate::config::Config;
use crate::house::{Layout, Rooms};

/// `[witnesses]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WitnessSettings {
    /// How many of them must cosign.
    pub(crate) quorum: usize,
    /// How old the first entry without a quorum may be before nothing more is shown.
    #[serde(default = "default_age")]
    pub(crate) max_age_minutes: u32,
    /// The witnesses.
    pub(crate) witness: Vec<WitnessAt>,
}

/// One witness.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WitnessAt {
    /// Its verification key, of type 4.
    pub(crate) vkey: String,
    /// Where it takes checkpoints.
    pub(crate) url: String,
}

fn default_age() -> u32 {
    15
}

impl WitnessSettings {
    /// What can be checked without the log's key.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.quorum == 0 || self.quorum > self.witness.len() {
            let n = self.witness.len();
            return Err(format!("[witnesses] quorum: from 1 to the number of witnesses, which is {n}"));
        }
        if self.max_age_minutes == 0 {
            return Err("[witnesses] max_age_minutes must be at least 1".into());
        }
        for witness in &self.witness {
            let wrong = |why: String| format!("[witnesses] {}: {why}", witness.vkey);
            WitnessKey::parse(&witness.vkey).map_err(|e| wrong(e.to_string()))?;
            let url = url::Url::parse(&witness.url).map_err(|e| wrong(format!("url: {e}")))?;
            if !matches!(url.scheme(), "https" | "http") {
                return Err(wrong("url: a witness is asked over https or http".into()));
            }
        }
        Ok(())
    }

    fn max_age(&self) -> Duration {
        Duration::from_secs(60 * u64::from(self.max_age_minutes))
    }
}

/// The trust policy of this installation, for auditors and for the asking itself.
pub(crate) fn policy(config: &Config, log: VerifierKey) -> Result<Policy, String> {
    let settings = config.settings.witnesses.as_ref();
    let witness = |at: &WitnessAt| {
        let key = WitnessKey::parse(&at.vkey).map_err(|e| e.to_string())?;
        Ok(PolicyWitness { name: key.name().to_owned(), key, url: Some(at.url.clone()) })
    };
    let witnesses = settings.iter().flat_map(|s| &s.witness).map(witness).collect::<Result<_, String>>()?;
    let log = PolicyLog { key: log, url: Some(config.settings.console.public_url.to_string()) };
    let quorum = settings.map_or(0, |settings| settings.quorum);
    Policy::k_of_n(log, witnesses, quorum).map_err(|e| format!("[witnesses]: {}", e.what))
}

/// Writes the policy where commands find it that run without the configuration.
pub(crate) fn write_policy(layout: &Layout, policy: &Policy) -> Result<(), String> {
    let file = &layout.trust_policy;
    replace(&OsDisk, file, policy.to_text().as_bytes(), Readers::All)
        .map_err(|e| format!("{}: {e}", file.display()))
}

/// Whether witnesses are asked for the ledger below `data`, as the last `serve` has left it.
pub(crate) fn are_asked(layout: &Layout) -> bool {
    let policy = std::fs::read(&layout.trust_policy).ok().and_then(|file| Policy::parse(&file).ok());
    policy.is_some_and(|policy| policy.smallest_quorum() > 0)
}

type Asking = (Standing, Option<(Asker, mpsc::Receiver<Finding>)>);

/// Sets the asking up, where witnesses are configured.
pub(crate) fn asking(config: &Config, ledger: &Ledger, policy: &Policy) -> Result<Asking, String> {
    let Some(settings) = &config.settings.witnesses else { return Ok((Standing::without_witnesses(), None)) };
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(OsEntropy));
    let (asker, standing, findings) =
        Asker::new(ledger.clone(), policy.clone(), settings.max_age(), clock, entropy)
            .map_err(|e| format!("[witnesses]: {e}"))?;
    Ok((standing, Some((asker, findings))))
}

/// Records what witnesses find, each thing once.
pub(crate) async fn record(mut findings: mpsc::Receiver<Finding>, ledger: Ledger, state: SharedState) {
    while let Some(Finding { what, witness, size, seen, proved }) = findings.recv().await {
        let known = |known: &IncidentOpened| {
            (known.what, known.witness.as_deref(), known.seen, known.proved)
                == (what, Some(witness.as_str()), seen, proved)
        };
        if state.read().incidents().iter().any(known) {
            continue;
        }
        let incident = IncidentId::fresh(&OsEntropy as &dyn Entropy);
        let by = Actor::System;
        let opened = IncidentOpened { incident, what, by, size, witness: Some(witness), seen, proved };
        tracing::error!(%incident, %what, "an incident is opened: see docs/witnesses.md for what to do");
        if let Err(error) = ledger.append(Draft::plain(Event::IncidentOpened(opened))).await {
            tracing::error!(%error, "the incident could not be recorded");
        }
    }
}

/// How the log stands, as `sightline log status` says it.
#[derive(Debug, Serialize)]
pub(crate) struct LogStatus {
    origin: String,
    /// How many entries are durable.
    size: u64,
    /// How many entries the checkpoint is about that is given out.
    given_out: u64,
    /// Who publishes, where to, and what keeps it from being published.
    publishing: Publishing,
    /// Absent if no witnesses are asked, or no process runs that could ask them.
    witnesses: Option<Status>,
    /// Two administrators let looks be shown without witnesses until then.
    unwitnessed_until: Option<Timestamp>,
    incidents: Vec<IncidentOpened>,
}

/// What is known here and now.
pub(crate) fn status(rooms: &Rooms) -> LogStatus {
    let (ledger, state) = (&rooms.ledger, rooms.state.read());
    let given_out = ledger.verifier().checkpoint(&ledger.checkpoint()).map_or(0, |given| given.size);
    LogStatus {
        origin: ledger.verifier().origin().to_owned(),
        size: ledger.size(),
        given_out,
        publishing: ledger.publishing(),
        witnesses: rooms.witnesses.status(ledger, model::Clock::now(&SystemClock)),
        unwitnessed_until: state.unwitnessed_until(),
        incidents: state.incidents().to_vec(),
    }
}

impl LogStatus {
    /// For the terminal.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!(
            "{}: {} entries; the checkpoint that is given out has {}\n",
            self.origin, self.size, self.given_out
        );
        text += &publishing(&self.publishing);
        match &self.witnesses {
            None => text += "witnesses: none are asked here\n",
            Some(status) => text += &witnesses(status),
        }
        if let Some(until) = self.unwitnessed_until {
            text += &format!("two administrators let looks be shown without witnesses until {until}\n");
        }
        for e in &self.incidents {
            let proved = if e.proved { ", proved" } else { "" };
            let witness = e.witness.as_deref().unwrap_or("-");
            text += &format!("INCIDENT {}: {} by {witness}{proved}\n", e.incident, e.what);
        }
        text
    }
}

fn publishing(publishing: &Publishing) -> String {
    let Publishing { lease, store, trouble } = publishing;
    let mut text = match lease {
        None => String::new(),
        Some(Lease { is_ours: true, this_node, epoch, .. }) => {
            format!("published by this gateway, {this_node} (epoch {epoch})\n")
        }
        Some(Lease { node: Some(node), this_node, epoch, .. }) => {
            format!("published by {node} (epoch {epoch}), not by this gateway, {this_node}\n")
        }
        Some(Lease { node: None, .. }) => "published by nobody for now\n".to_owned(),
    };
    if let Some(why) = trouble {
        text += &format!("NOT PUBLISHED: {why}\n");
    }
    if let Some(StoreStatus { place, trouble }) = store {
        text += &format!("tiles and checkpoint go to {place}\n");
        if let Some(why) = trouble {
            text += &format!("THAT IS BEHIND: {why}\n");
        }
    }
    text
}

fn witnesses(status: &Status) -> String {
    use witness::standing::Closed;
    let n = status.witnesses.len();
    let mut text = format!("witnesses: {} of {n} must cosign; ", status.needed);
    text += &match status.quorum {
        Some(quorum) => format!("they have cosigned {} entries, at {}\n", quorum.size, quorum.time),
        None => "they have cosigned nothing yet\n".to_owned(),
    };
    for witness in &status.witnesses {
        let cosigned = witness.cosigned.map_or("nothing yet".to_owned(), |c| format!("{} entries", c.size));
        let error = witness.error.as_ref().map(|e| format!("; {e}")).unwrap_or_default();
        text += &format!("  {}: {cosigned}{error}\n", witness.name);
    }
    match &status.closed {
        None => {}
        Some(Closed::Overdue { since }) => {
            text += &format!("CLOSED: what was recorded since {since} is not cosigned; nothing is shown\n");
        }
        Some(Closed::Contradicted { what }) => {
            text += &format!("CLOSED: a witness has proved a {what}; nothing is shown\n");
        }
    }
    text
}

/// Options of `sightline log status`.
#[derive(Args)]
pub(crate) struct StatusOptions {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) form: Form,
}

/// Options of `sightline log policy`.
#[derive(Args)]
pub(crate) struct PolicyOptions {
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Options of `sightline log allow-unwitnessed`.
#[derive(Args)]
pub(crate) struct AllowOptions {
    /// Until when (RFC 3339).
    #[arg(long, value_parser = crate::cli::time)]
    pub(crate) until: Timestamp,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) form: Form,
}

/// Prints the trust policy (c2sp.org/tlog-policy): of a configuration, or as the last `serve` has left it.
pub(crate) fn print_policy(options: &PolicyOptions) -> Result<(), String> {
    let read = |file: &Path| std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()));
    let text = match &options.place.data {
        Some(data) => read(&Layout::of(data).trust_policy)?,
        None => {
            let config = Config::load(&options.place.config).map_err(|e| e.to_string())?;
            let vkey = read(&Layout::of(&config.settings.data).ledger.join("log.vkey"))?;
            policy(&config, VerifierKey::parse(&vkey).map_err(|e| e.to_string())?)?.to_text()
        }
    };
    print!("{text}");
    Ok(())
}
