//! Which sessions are open?

use model::Timestamp;
use rusqlite::{Row, named_params};

use super::{WEAK, post, rows};
use crate::columns::{get, number};
use crate::page::{Cursor, Page, Paged};
use crate::words::{Ended, EndedHow, SessionRow};
use crate::{Views, ViewsError};

impl Views {
    /// Sessions, the newest first; only those open at `now`, or all.
    pub async fn sessions(
        &self,
        open_only: bool,
        now: Timestamp,
        page: Page,
    ) -> Result<Paged<SessionRow>, ViewsError> {
        self.ask(move |tx| {
            let sql = format!(
                "WITH page AS (
                   SELECT *, ended IS NULL AND expires > :now AS open FROM sessions
                    WHERE idx < :before AND (open OR NOT :open_only) ORDER BY idx DESC LIMIT :limit)
                 SELECT p.*, s.staff AS name, r.role, r.team, r.employer,
                        coalesce(sum(e.kind = 'revealed'), 0) AS looks,
                        coalesce(sum(e.kind = 'revealed' AND e.{WEAK}), 0) AS weak,
                        coalesce(sum(e.kind = 'refused'), 0) AS refused,
                        coalesce(max(e.time), p.opened) AS last_seen
                   FROM page p
                   JOIN staff s ON s.no = p.staff
                   LEFT JOIN staff_records r ON r.idx = s.record
                   LEFT JOIN entries e ON e.session = p.session
                         AND e.kind IN ('session_opened', 'revealed', 'listed', 'written', 'refused')
                  GROUP BY p.idx ORDER BY p.idx DESC"
            );
            let params = named_params! {
                ":now": number(now.0),
                ":before": page.after.map_or(i64::MAX, |cursor| cursor.key),
                ":open_only": open_only,
                ":limit": page.fetch(),
            };
            let found = rows(tx, &sql, params, |row| {
                let session = session(row)?;
                Ok((Cursor::at(session.index), session))
            })?;
            Ok(Paged::cut(found, page))
        })
        .await
    }
}

fn session(row: &Row<'_>) -> Result<SessionRow, ViewsError> {
    Ok(SessionRow {
        session: get(row, "session")?,
        index: get(row, "idx")?,
        staff: get(row, "name")?,
        post: post(row)?,
        door: get(row, "door")?,
        opened: get(row, "opened")?,
        expires: get(row, "expires")?,
        ended: ended(row)?,
        open: row.get("open")?,
        looks: get(row, "looks")?,
        weak: get(row, "weak")?,
        refused: get(row, "refused")?,
        last_seen: get(row, "last_seen")?,
    })
}

fn ended(row: &Row<'_>) -> Result<Option<Ended>, ViewsError> {
    let how = match get::<Option<String>>(row, "ended_how")?.as_deref() {
        None => return Ok(None),
        Some("closed") => EndedHow::Closed(get(row, "ended_why")?),
        Some("revoked") => EndedHow::Revoked(get(row, "ended_why")?),
        Some("inactive") => EndedHow::Inactive(get(row, "ended_why")?),
        Some(other) => return Err(ViewsError::Corrupt(format!("a session that ended as {other:?}"))),
    };
    Ok(Some(Ended { index: get(row, "ended_idx")?, time: get(row, "ended")?, how }))
}
