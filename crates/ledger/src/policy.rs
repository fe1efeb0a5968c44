//! Trust policies (C2SP tlog-policy): which logs, which witnesses, and how many of them must have cosigned a
//! checkpoint before it is believed.

mod read;

use std::fmt::Write as _;

use crate::checkpoint::Checkpoint;
use crate::cosignature::{Cosignature, WitnessKey};
use crate::error::CheckpointError;
use crate::note::{Note, NoteError, VerifierKey};
use crate::receipt::LogVerifier;

pub use read::{NotAPolicy, Wrong};

/// A trust policy. Every name in it is defined, every public key stands in it once, and every threshold can be
/// reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    /// `None`: no cosignatures are needed.
    quorum: Option<Member>,
}

/// A log whose checkpoints are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its key; the key's name is the log's origin.
    pub key: VerifierKey,
    /// Where it is published.
    pub url: Option<String>,
}

/// A witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// What the policy calls it.
    pub name: String,
    /// Its key.
    pub key: WitnessKey,
    /// Where it takes checkpoints: its submission prefix.
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    threshold: usize,
    members: Vec<Member>,
}

/// A witness or a group, by its place in the policy. Groups hold only what stands in front of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// A checkpoint that a policy accepts, and who cosigned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The names of the witnesses that cosigned it, and when (seconds since the Unix epoch), in the order of the
    /// policy. Also those that the quorum did not need.
    pub cosigned: Vec<(String, u64)>,
}

/// Why a policy does not accept a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// It is not signed by the log that it names, or that log is not in the policy.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A line that names a witness of the policy is not that witness's.
    #[error(transparent)]
    Cosignature(#[from] NoteError),
    /// Too few have cosigned it.
    #[error("{} cosigned it, which the quorum {quorum:?} of the policy does not accept", list(cosigned))]
    Quorum {
        /// Who has.
        cosigned: Vec<String>,
        /// What the policy calls its quorum.
        quorum: String,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "no witness has".to_owned() } else { format!("only {}", names.join(", ")) }
}

impl Policy {
    /// The policy that wants `threshold` of these witnesses for this log; 0 wants none. An error if the threshold
    /// cannot be reached, or if names or keys are there twice.
    pub fn k_of_n(
        log: PolicyLog,
        witnesses: Vec<PolicyWitness>,
        threshold: usize,
    ) -> Result<Self, NotAPolicy> {
        let group = match threshold {
            0 => String::new(),
            k => witnesses.iter().fold(format!("group witnesses {k}"), |line, w| line + " " + &w.name) + "\n",
        };
        let quorum = if threshold == 0 { "none" } else { "witnesses" };
        let all = Self { logs: vec![log], witnesses, groups: Vec::new(), quorum: None };
        // Reading it again checks names and keys in the one place where that is done.
        Self::parse(format!("{}{group}quorum {quorum}\n", all.definitions()).as_bytes())
    }

    /// Its logs.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// Its witnesses.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// What it calls its quorum.
    pub fn quorum(&self) -> &str {
        self.quorum.map_or("none", |member| self.name(member))
    }

    /// The least number of witnesses whose cosignatures can make a quorum.
    pub fn smallest_quorum(&self) -> usize {
        self.quorum.map_or(0, |member| self.smallest(member))
    }

    fn smallest(&self, member: Member) -> usize {
        match member {
            Member::Witness(_) => 1,
            Member::Group(at) => {
                let group = &self.groups[at];
                let mut needed: Vec<_> = group.members.iter().map(|m| self.smallest(*m)).collect();
                needed.sort_unstable();
                needed.iter().take(group.threshold).sum()
            }
        }
    }

    /// Whether a checkpoint is to be believed: signed by one of the logs and cosigned by a quorum.
    pub fn check(&self, note: &str) -> Result<Accepted, NotAccepted> {
        let read = Note::parse(note).map_err(CheckpointError::from)?;
        let origin = read.unverified_text().split('\n').next().unwrap_or_default();
        let log = self.logs.iter().find(|log| log.key.name() == origin);
        let log = log.ok_or_else(|| CheckpointError::from(NoteError::Unsigned(origin.to_owned())))?;
        let checkpoint = LogVerifier::new(log.key.clone()).checkpoint(note)?;
        let cosignatures = self.cosignatures(note)?;
        let cosigned = self.witnesses.iter().zip(&cosignatures);
        let cosigned: Vec<_> =
            cosigned.filter_map(|(w, c)| Some((w.name.clone(), c.as_ref()?.time))).collect();
        if !self.is_quorum(&cosignatures) {
            let cosigned = cosigned.into_iter().map(|(name, _)| name).collect();
            return Err(NotAccepted::Quorum { cosigned, quorum: self.quorum().to_owned() });
        }
        Ok(Accepted { checkpoint, cosigned })
    }

    /// The cosignature of each witness, in the order of the policy, where the note carries one. Lines of other
    /// keys are ignored.
    pub fn cosignatures(&self, note: &str) -> Result<Vec<Option<Cosignature>>, NoteError> {
        let note = Note::parse(note)?;
        let of = |witness: &PolicyWitness| match witness.key.verify(&note) {
            Ok(cosignature) => Ok(Some(cosignature)),
            Err(NoteError::Unsigned(_)) => Ok(None),
            Err(error) => Err(error),
        };
        self.witnesses.iter().map(of).collect()
    }

    /// Whether these cosignatures, one place for each witness, make a quorum.
    pub fn is_quorum(&self, cosignatures: &[Option<Cosignature>]) -> bool {
        self.quorum.is_none() || self.quorum_time(cosignatures).is_some()
    }

    /// The time since when a quorum stands behind the checkpoint: the latest for which the cosignatures that are
    /// not older make one. `None` without a quorum, and where none is needed.
    pub fn quorum_time(&self, cosignatures: &[Option<Cosignature>]) -> Option<u64> {
        self.time(self.quorum?, cosignatures)
    }

    fn time(&self, member: Member, cosignatures: &[Option<Cosignature>]) -> Option<u64> {
        match member {
            Member::Witness(at) => Some(cosignatures.get(at)?.as_ref()?.time),
            Member::Group(at) => {
                let group = &self.groups[at];
                let times = group.members.iter().filter_map(|m| self.time(*m, cosignatures));
                let mut times: Vec<_> = times.collect();
                times.sort_unstable_by(|a, b| b.cmp(a));
                times.get(group.threshold - 1).copied()
            }
        }
    }

    fn name(&self, member: Member) -> &str {
        match member {
            Member::Witness(at) => &self.witnesses[at].name,
            Member::Group(at) => &self.groups[at].name,
        }
    }

    fn definitions(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let url = |url: &Option<String>| url.as_ref().map(|url| format!(" {url}")).unwrap_or_default();
        for log in &self.logs {
            let _ = writeln!(text, "log {}{}", log.key, url(&log.url));
        }
        for witness in &self.witnesses {
            let _ = writeln!(text, "witness {} {}{}", witness.name, witness.key, url(&witness.url));
        }
        text
    }

    /// The file that says this policy.
    pub fn to_text(&self) -> String {
        let mut text = self.definitions();
        for group in &self.groups {
            let members: Vec<_> = group.members.iter().map(|member| self.name(*member)).collect();
            let _ = writeln!(text, "group {} {} {}", group.name, group.threshold, members.join(" "));
        }
        let _ = writeln!(text, "quorum {}", self.quorum());
        text
    }
}
