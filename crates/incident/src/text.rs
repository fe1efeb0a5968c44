//! Answers as text for a terminal of a given width, without colours.
use crate::{Answer, Blast, CustomerTimeline};
use views::FirstLook;

/// The first-look report.
pub fn first_look(_report: &FirstLook, _width: usize) -> String {
    todo!()
}
/// Who saw a customer.
pub fn who_saw(_timeline: &CustomerTimeline, _width: usize) -> String {
    todo!()
}
/// A blast radius.
pub fn blast_radius(_blast: &Answer<Blast>, _width: usize) -> String {
    todo!()
}
