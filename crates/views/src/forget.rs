//! Erasure in a view: afterwards it is the view that a rebuild would give, in which what the ledger can no
//! longer open was never known.

use model::entry::Erased;
use model::{Month, ProposalId};
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::ViewsError;
use crate::columns::number;
use crate::words::CustomerRef;

/// Forgets what the keys that were destroyed had opened.
pub(crate) fn erased(tx: &Transaction<'_>, e: &Erased) -> Result<(), ViewsError> {
    match e {
        Erased::Customer { proposal, .. } => customer(tx, *proposal),
        Erased::Before { month } => before(tx, *month),
    }
}

/// Takes the bytes out of the file that hold what was deleted. Whether it worked: not while somebody reads.
/// (`secure_delete` overwrites what is deleted; until then the write-ahead log holds the pages as they were.)
pub(crate) fn truncate(connection: &Connection) -> Result<bool, ViewsError> {
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(!busy)
}

/// The customer of the proposal, in all apps. Where the view was folded without their key it knows of none.
fn customer(tx: &Transaction<'_>, proposal: ProposalId) -> Result<(), ViewsError> {
    let named = "SELECT c.customer FROM entries e JOIN customers c ON c.no = e.customer
                  WHERE e.kind = 'proposed' AND e.proposal = ?1";
    let named: Option<String> =
        tx.prepare_cached(named)?.query_row([proposal.to_string()], |row| row.get(0)).optional()?;
    let Some(named) = named else { return Ok(()) };
    for sql in [
        "UPDATE entries SET customer = NULL, ticket = NULL
          WHERE customer IN (SELECT no FROM customers WHERE customer = ?1)",
        "UPDATE listed SET customer = NULL WHERE customer IN (SELECT no FROM customers WHERE customer = ?1)",
        "DELETE FROM customers WHERE customer = ?1",
    ] {
        tx.prepare_cached(sql)?.execute([&named])?;
    }
    Ok(())
}

/// Everybody, in the entries before this month.
fn before(tx: &Transaction<'_>, month: Month) -> Result<(), ViewsError> {
    let first =
        "SELECT coalesce((SELECT min(idx) FROM entries WHERE time >= ?1), (SELECT next FROM position))";
    let first: i64 = tx.prepare_cached(first)?.query_row([number(month.start().0)], |row| row.get(0))?;
    for sql in [
        "UPDATE entries SET customer = NULL, ticket = NULL WHERE idx < ?1 AND customer IS NOT NULL",
        "UPDATE listed SET customer = NULL WHERE idx < ?1 AND customer IS NOT NULL",
    ] {
        tx.prepare_cached(sql)?.execute([first])?;
    }
    // Customers are called by the place that names them first. For some that is another place now.
    tx.pragma_update(None, "defer_foreign_keys", true)?;
    let moved = "SELECT no FROM customers WHERE no < ?1";
    let moved: Vec<i64> = tx
        .prepare_cached(moved)?
        .query_map([CustomerRef::named_at(first.unsigned_abs(), 0).0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    moved.into_iter().try_for_each(|no| name_again(tx, no))
}

fn name_again(tx: &Transaction<'_>, no: i64) -> Result<(), ViewsError> {
    let first = "SELECT idx, row FROM (SELECT idx, 0 AS row FROM entries WHERE customer = ?1
                  UNION ALL SELECT idx, row FROM listed WHERE customer = ?1) ORDER BY idx, row LIMIT 1";
    let place =
        |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, u32>(1)? as usize));
    let Some((index, row)) = tx.prepare_cached(first)?.query_row([no], place).optional()? else {
        tx.prepare_cached("DELETE FROM customers WHERE no = ?1")?.execute([no])?;
        return Ok(());
    };
    let name = CustomerRef::named_at(index, row).0;
    for sql in [
        "UPDATE customers SET no = ?2, tier = (SELECT tier FROM entries
            WHERE customer = ?1 AND tier IS NOT NULL ORDER BY idx DESC LIMIT 1) WHERE no = ?1",
        "UPDATE entries SET customer = ?2 WHERE customer = ?1",
        "UPDATE listed SET customer = ?2 WHERE customer = ?1",
    ] {
        tx.prepare_cached(sql)?.execute([no, name])?;
    }
    Ok(())
}
