//! Reading a policy file.

use std::collections::HashMap;

use super::{Group, Member, Policy, PolicyLog, PolicyWitness};
use crate::cosignature::WitnessKey;
use crate::note::{NoteError, VerifierKey};
use crate::tile::decimal;

/// Far more than 32 logs, 32 witnesses and 32 groups need.
const MAX_BYTES: usize = 256 * 1024;

/// Text that is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a trust policy: line {line}: {what}")]
pub struct NotAPolicy {
    /// Which line, from 1; 0 is about the file as a whole.
    pub line: usize,
    /// What is wrong with it.
    pub what: Wrong,
}

/// What is wrong with a line of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The whole file is too large.
    #[error("the file has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// A byte that no policy may hold.
    #[error("a control character other than tab and newline")]
    Control,
    /// A name or URL that is not UTF-8. Allowed by the specification, which recommends UTF-8; not read here.
    #[error("a name or URL that is not UTF-8")]
    NotUtf8,
    /// The last line has no newline: the file may be cut off.
    #[error("the last line has no end; is the file cut off?")]
    CutOff,
    /// A line that begins with no known word, or has too few or too many words.
    #[error(
        "expected `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|K NAME…` or `quorum NAME`"
    )]
    Line,
    /// A key that cannot be used.
    #[error(transparent)]
    Key(#[from] NoteError),
    /// A public key that stands there already.
    #[error("this public key is there already")]
    SameKey,
    /// A name that is taken.
    #[error("the name {0:?} is taken")]
    Taken(String),
    /// A name that nothing in front of the line has.
    #[error("nothing in front of this line is called {0:?}")]
    Unknown(String),
    /// A member of two groups, or twice of one.
    #[error("{0:?} is a member already; each may be in one group, once")]
    Member(String),
    /// A threshold that cannot be.
    #[error("the threshold must be from 1 to the number of members")]
    Threshold,
    /// A second quorum.
    #[error("a second quorum")]
    SecondQuorum,
    /// No quorum.
    #[error("no quorum line")]
    NoQuorum,
}

/// What has been read so far.
#[derive(Default)]
struct Reader<'a> {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Option<Option<Member>>,
    /// Each name, and whether it is a member of a group.
    names: HashMap<&'a str, (Member, bool)>,
}

impl Policy {
    /// Reads a policy file.
    pub fn parse(file: &[u8]) -> Result<Self, NotAPolicy> {
        let whole = |what| NotAPolicy { line: 0, what };
        if file.len() > MAX_BYTES {
            return Err(whole(Wrong::TooLarge));
        }
        let mut reader = Reader::default();
        let mut lines = file.split(|byte| *byte == b'\n').zip(1..).peekable();
        while let Some((line, number)) = lines.next() {
            let at = |what| NotAPolicy { line: number, what };
            if lines.peek().is_none() {
                // What stands behind the last newline.
                if !line.is_empty() {
                    return Err(at(Wrong::CutOff));
                }
                break;
            }
            reader.line(line).map_err(at)?;
        }
        let Reader { logs, witnesses, groups, quorum, .. } = reader;
        let quorum = quorum.ok_or(whole(Wrong::NoQuorum))?;
        Ok(Self { logs, witnesses, groups, quorum })
    }
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a [u8]) -> Result<(), Wrong> {
        if line.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            return Err(Wrong::Control);
        }
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(());
        }
        let line = std::str::from_utf8(line).map_err(|_| Wrong::NotUtf8)?;
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            ["log", vkey] => self.log(vkey, None),
            ["log", vkey, url] => self.log(vkey, Some(url)),
            ["witness", name, vkey] => self.witness(name, vkey, None),
            ["witness", name, vkey, url] => self.witness(name, vkey, Some(url)),
            ["group", name, threshold, members @ ..] => self.group(name, threshold, members),
            ["quorum", name] => self.set_quorum(name),
            _ => Err(Wrong::Line),
        }
    }

    fn log(&mut self, vkey: &str, url: Option<&&str>) -> Result<(), Wrong> {
        let key = VerifierKey::parse(vkey)?;
        if self.logs.iter().any(|log| log.key.0.key == key.0.key) {
            return Err(Wrong::SameKey);
        }
        self.logs.push(PolicyLog { key, url: url.map(|url| (*url).to_owned()) });
        Ok(())
    }

    fn witness(&mut self, name: &'a str, vkey: &str, url: Option<&&str>) -> Result<(), Wrong> {
        let key = WitnessKey::parse(vkey)?;
        if self.witnesses.iter().any(|witness| witness.key.0.key == key.0.key) {
            return Err(Wrong::SameKey);
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(PolicyWitness {
            name: name.to_owned(),
            key,
            url: url.map(|url| (*url).to_owned()),
        });
        Ok(())
    }

    fn group(&mut self, name: &'a str, threshold: &str, members: &[&'a str]) -> Result<(), Wrong> {
        let join = |member: &&'a str| {
            let (at, joined) =
                self.names.get_mut(member).ok_or_else(|| Wrong::Unknown((*member).to_owned()))?;
            if std::mem::replace(joined, true) { Err(Wrong::Member((*member).to_owned())) } else { Ok(*at) }
        };
        let members = members.iter().map(join).collect::<Result<Vec<_>, _>>()?;
        let threshold = match threshold {
            "any" => Some(1),
            "all" => Some(members.len()),
            number => decimal(number).and_then(|number| number.try_into().ok()),
        };
        let threshold = threshold.filter(|k| (1..=members.len()).contains(k)).ok_or(Wrong::Threshold)?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { name: name.to_owned(), threshold, members });
        Ok(())
    }

    fn set_quorum(&mut self, name: &str) -> Result<(), Wrong> {
        if self.quorum.is_some() {
            return Err(Wrong::SecondQuorum);
        }
        self.quorum = Some(match name {
            "none" => None,
            name => Some(self.names.get(name).ok_or_else(|| Wrong::Unknown(name.to_owned()))?.0),
        });
        Ok(())
    }

    fn define(&mut self, name: &'a str, member: Member) -> Result<(), Wrong> {
        if name == "none" || self.names.contains_key(name) {
            return Err(Wrong::Taken(name.to_owned()));
        }
        self.names.insert(name, (member, false));
        Ok(())
    }
}
