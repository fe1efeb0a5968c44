//! From a leak back to one session: the mark that the gateway lays over a page, and its detector.
//!
//! Start with [`mark`]: what is laid over the page, and which signs stand for which [`model::MarkId`]. Then [`detect`]:
//! whiten ([`whiten`]), find the view ([`search`]), lock ([`mod@lock`]), fold ([`fold`]), and score ([`score`]).

pub mod answer;
mod chips;
pub mod detect;
mod fft;
mod fold;
mod lock;
pub mod mark;
pub mod media;
mod pose;
pub mod raster;
pub mod records;
pub mod score;
mod search;
mod spectra;
pub mod tile;
mod whiten;

pub use answer::{Answer, Investigation, Issued, Verdict};
pub use chips::{CHIP_BYTES, Chips};
pub use detect::{Detector, Sight};
pub use mark::{Layout, MarkKey};
pub use raster::Grey;
