//! How the model's words are kept in columns.

use std::str::FromStr;

use model::entry::{Action, RevokeReason, SessionEnd, Why};
use model::{
    AppId, ClassSet, CustomerId, Evidence, GrantId, Mode, Purpose, ResponseId, Role, SessionId, StaffId,
    StaffStatus, TicketId, Tier, Timestamp,
};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};

use crate::words::CustomerRef;

/// Something that a column holds.
pub(crate) trait Kept: Sized {
    fn kept(value: ValueRef<'_>) -> FromSqlResult<Self>;
}

/// The value of the column called `name`.
pub(crate) fn get<T: Kept>(row: &Row<'_>, name: &str) -> rusqlite::Result<T> {
    struct Read<T>(T);
    impl<T: Kept> FromSql for Read<T> {
        fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
            T::kept(value).map(Read)
        }
    }
    row.get::<_, Read<T>>(name).map(|read| read.0)
}

/// A time or number as SQLite keeps it; what lies beyond its range is as late as can be.
pub(crate) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl<T: Kept> Kept for Option<T> {
    fn kept(value: ValueRef<'_>) -> FromSqlResult<Self> {
        if value == ValueRef::Null { Ok(None) } else { T::kept(value).map(Some) }
    }
}

impl Kept for u64 {
    fn kept(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let n = value.as_i64()?;
        u64::try_from(n).map_err(|_| FromSqlError::OutOfRange(n))
    }
}

impl Kept for Timestamp {
    fn kept(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u64::kept(value).map(Timestamp)
    }
}

impl Kept for ClassSet {
    fn kept(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let n = value.as_i64()?;
        u32::try_from(n).map(ClassSet::from_bits).map_err(|_| FromSqlError::OutOfRange(n))
    }
}

impl Kept for CustomerRef {
    fn kept(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(CustomerRef)
    }
}

impl Kept for String {
    fn kept(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str().map(str::to_owned)
    }
}

macro_rules! names {
    ($($name:ident),+) => {$(
        impl Kept for $name {
            fn kept(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str().map($name::new)
            }
        }
    )+};
}
names!(AppId, CustomerId, StaffId, TicketId);

macro_rules! parsed {
    ($($name:ident),+) => {$(
        impl Kept for $name {
            fn kept(value: ValueRef<'_>) -> FromSqlResult<Self> {
                $name::from_str(value.as_str()?).map_err(FromSqlError::other)
            }
        }
    )+};
}
parsed!(
    Action,
    Evidence,
    GrantId,
    Mode,
    Purpose,
    ResponseId,
    RevokeReason,
    Role,
    SessionEnd,
    SessionId,
    StaffStatus,
    Tier,
    Why
);
