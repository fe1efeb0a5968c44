//! Whether somebody sits at the console.

use model::entry::Why;
use model::{AppId, SessionId, StaffId, StaffRecord, Timestamp};
use people::Register;

/// The record of whoever is in a live session of their own at the console.
pub(super) fn at_console<'a>(
    people: &'a Register,
    staff: &StaffId,
    session: SessionId,
    now: Timestamp,
) -> Result<&'a StaffRecord, Why> {
    let (session, record) = people.may_act(session, now)?;
    let theirs = session.staff == *staff && session.door.as_str() == AppId::CONSOLE;
    if theirs { Ok(record) } else { Err(Why::SessionEnded) }
}
