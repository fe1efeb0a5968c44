//! Who publishes, and what everybody has been shown: what stands between an open ledger and the outside.

use std::fmt::{self, Debug, Display};

use model::IncidentKind;

use crate::books::Published;
use crate::error::LedgerError;
use crate::public::StoreStatus;

/// The right to publish, and what was published so far by whichever node had it.
///
/// A checkpoint goes this way, and no step begins before the one above it has ended well:
///
/// 1. every tile that it needs is in the own directory, where readers find it;
/// 2. the own head store has it, so that a journal that is set back behind it is noticed;
/// 3. [`announce`](Self::announce): whoever publishes from here on, publishes nothing smaller;
/// 4. only now may anybody outside see it; witnesses are asked;
/// 5. [`give_out`](Self::give_out): with the cosignatures that came, it is what every node gives out from here on;
/// 6. it replaces the file `checkpoint` in the own directory; and in the public store, once its tiles are there.
///
/// What is announced, and what is given out, only ever grows. Two nodes that publish at once do no harm: the tiles of one
/// tree are the same bytes, and whoever's right has ended announces and gives out nothing. A crash between two steps
/// leaves more published than is known of, never less.
pub(crate) trait Publication: Send + Sync + Debug + Display {
    /// Asks for the right to publish, or to keep it; and says what was published. An error if the place where that is
    /// decided has fewer entries than the `known` ones: it was set back.
    fn begin(&self, known: u64) -> Result<Turn, LedgerError>;

    /// Remembers a checkpoint for everybody, durably. `false`: the right has ended, or more was announced already.
    fn announce(&self, checkpoint: &Published) -> Result<bool, LedgerError>;

    /// Remembers for everybody, durably, that an announced checkpoint is given out like this. `false`: the right has
    /// ended, or a later one is given out already.
    fn give_out(&self, checkpoint: &Published) -> Result<bool, LedgerError>;

    /// Tells everybody that a witness has proved that this is not the history that was shown before.
    fn contradict(&self, what: IncidentKind) -> Result<(), LedgerError>;

    /// Whether this node has the right, as far as is known here and now, without asking.
    fn is_ours(&self) -> bool;

    /// Who has the right, where that may be several.
    fn lease(&self) -> Option<Lease>;

    /// Gives the right up. The last call.
    fn end(&self);
}

/// What asking for the right to publish has come to.
#[derive(Debug)]
pub(crate) enum Turn {
    /// The log is this node's alone.
    Own,
    /// Several nodes write it.
    Shared {
        /// Whether this one publishes.
        is_ours: bool,
        /// What was announced last.
        announced: Option<Published>,
        /// What is given out.
        given: Option<Published>,
    },
}

/// Who publishes, of several nodes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Lease {
    /// Its name; absent while nobody does.
    pub node: Option<String>,
    /// How often the right has changed hands.
    pub epoch: u64,
    /// Whether it is this node.
    pub is_ours: bool,
    /// The name of this node.
    pub this_node: String,
    /// What a witness has proved to whoever publishes.
    pub contradicted: Option<IncidentKind>,
}

/// How a log is published.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Publishing {
    /// Who publishes; absent where this node is the only one.
    pub lease: Option<Lease>,
    /// Where tiles and checkpoint go besides the nodes' own directories.
    pub store: Option<StoreStatus>,
    /// Why the last round of this node came to nothing.
    pub trouble: Option<String>,
}

/// The publication of a log that has one node.
#[derive(Debug)]
pub(crate) struct Alone;

impl Publication for Alone {
    fn begin(&self, _: u64) -> Result<Turn, LedgerError> {
        Ok(Turn::Own)
    }

    /// The head store has it already.
    fn announce(&self, _: &Published) -> Result<bool, LedgerError> {
        Ok(true)
    }

    fn give_out(&self, _: &Published) -> Result<bool, LedgerError> {
        Ok(true)
    }

    fn contradict(&self, _: IncidentKind) -> Result<(), LedgerError> {
        Ok(())
    }

    fn is_ours(&self) -> bool {
        true
    }

    fn lease(&self) -> Option<Lease> {
        None
    }

    fn end(&self) {}
}

impl Display for Alone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this node")
    }
}
