//! Ledger records as events for other people's systems (docs/export.md): OCSF 1.8.0, CEF or the entries
//! themselves; over syslog, to a webhook or into a file; at least once and in order.
//!
//! No event holds a customer's value: staff are pseudonyms, customers commitments, fields their classes (P6).
//!
//! Open first: [`Writer`] (a record becomes a message), `tell.rs` (what each kind of entry becomes), then
//! [`Exporter`] (a cursor that moves only after the receiver has acknowledged).

mod cef;
mod cursor;
mod exporter;
mod exports;
mod format;
mod lookup;
mod ocsf;
mod settings;
mod status;
mod target;
mod tell;
mod told;
mod watch;

pub use cursor::{Cursor, CursorError};
pub use exporter::{Exporter, Pace};
pub use exports::{ExportError, ExportParts, Exports, check, set_back, stopped, test};
pub use format::{Format, Message, Writer};
pub use lookup::Records;
pub use ocsf::OCSF_VERSION;
pub use settings::{Begin, ExportSettings, FileSettings, SyslogSettings, TargetSettings, WebhookSettings};
pub use status::{State, Status};
pub use target::TargetError;
