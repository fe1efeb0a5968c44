//! From a leak back to one session: the mark that the gateway lays over a page, and its detector.
//!
//! Start with [`mark`]: what is laid over the page, and which signs stand for which [`model::MarkId`]. Then [`detect`]:
//! whiten ([`whiten`]), find the view ([`search`]), lock ([`mod@lock`]), fold ([`fold`]), and score ([`score`]).

pub mod answer;
mod chips;
pub mod crew;
pub mod detect;
mod fft;
mod fold;
mod lock;
pub mod mark;
pub mod media;
pub mod ocr;
mod pose;
pub mod raster;
pub mod records;
mod rectify;
pub mod score;
mod search;
mod spectra;
mod surface;
pub mod tile;
pub mod together;
mod whiten;

pub use answer::{Answer, Investigation, Issued, Outcome, Standing, Verdict};
pub use chips::{CHIP_BYTES, Chips};
pub use detect::{Detector, Sight};
pub use mark::{Layout, MarkKey};
pub use raster::Grey;
pub use surface::Surface;
