//! Customers' keys in the database, where every node finds them.
//!
//! A node makes keys only while it has the turn, and stores them before the batch that needs them. If that batch is
//! lost the keys stay, and serve the next one.

use std::sync::Arc;

use model::Month;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::reader::Reader;
use crate::error::{DatabaseError, LedgerError};
use crate::keys::{Found, KeyId, KeyRow, KeyStore, Who};

/// How many keys one statement stores: it has four parameters for each, and the protocol allows 65,535.
const AT_ONCE: usize = 1000;

/// The store of keys in a database.
#[derive(Debug)]
pub(crate) struct DatabaseKeys(pub(crate) Arc<Reader>);

impl DatabaseKeys {
    fn select<const N: usize, const M: usize>(
        &self,
        sql: &'static str,
        name: &[u8; N],
    ) -> Result<Found<M>, LedgerError> {
        let name = *name;
        let found = self.0.ask("look for a customer's key", async move |client| {
            let rows = client.query_typed(sql, &[(&name.as_slice(), Type::BYTEA)]).await?;
            let row =
                |row: &tokio_postgres::Row| Ok::<_, Error>((row.try_get::<_, Vec<u8>>(0)?, row.try_get(1)?));
            rows.first().map(row).transpose()
        })?;
        let Some((other, wrapped)) = found else { return Ok(None) };
        let what = "the name of a customer's key has another length";
        let other = other.try_into().map_err(|_| DatabaseError::Damaged { entry: 0, what })?;
        Ok(Some((other, wrapped)))
    }
}

impl KeyStore for DatabaseKeys {
    fn find(&mut self, who: &Who) -> Result<Found<16>, LedgerError> {
        self.select("SELECT id, wrapped FROM sightline.customer_key WHERE who = $1", who)
    }

    fn find_by_id(&mut self, id: &KeyId) -> Result<Found<32>, LedgerError> {
        self.select("SELECT who, wrapped FROM sightline.customer_key WHERE id = $1", id)
    }

    /// A key that stands there already is either this one, stored before its answer was lost, or another node's: in
    /// both cases the batch is decided again, and finds it.
    fn store(&mut self, fresh: &[KeyRow]) -> Result<(), LedgerError> {
        let rows: Vec<KeyRow> = fresh.to_vec();
        let stored = self.0.ask("store customers' keys", async move |client| store(client, &rows).await)?;
        if stored == fresh.len() as u64 {
            return Ok(());
        }
        let (at, why) = (self.0.database().to_string(), "there is one already".to_owned());
        Err(DatabaseError::Unreachable { at, doing: "store a customer's key", why }.into())
    }

    fn months(&mut self) -> Result<Vec<Month>, LedgerError> {
        self.0.ask("look which months have keys", async |client| {
            let rows = client.query_typed("SELECT DISTINCT month FROM sightline.customer_key", &[]).await?;
            rows.iter().map(|row| Ok(Month::from_number(row.try_get::<_, i32>(0)? as u32))).collect()
        })
    }

    fn delete(&mut self, theirs: &[Who]) -> Result<(), LedgerError> {
        for who in theirs {
            let who = *who;
            self.0.ask("destroy a customer's key", async move |client| {
                let sql = "DELETE FROM sightline.customer_key WHERE who = $1";
                client.execute_typed(sql, &[(&who.as_slice(), Type::BYTEA)]).await
            })?;
        }
        Ok(())
    }

    fn delete_before(&mut self, month: Month) -> Result<(), LedgerError> {
        let month = month.number() as i32;
        self.0.ask("destroy the keys of old months", async move |client| {
            let sql = "DELETE FROM sightline.customer_key WHERE month < $1";
            client.execute_typed(sql, &[(&month, Type::INT4)]).await
        })?;
        Ok(())
    }
}

async fn store(client: &Client, rows: &[KeyRow]) -> Result<u64, Error> {
    client.batch_execute("BEGIN").await?;
    let mut stored = 0;
    for rows in rows.chunks(AT_ONCE) {
        let place = |at| format!("(${}, ${}, ${}, ${})", 4 * at + 1, 4 * at + 2, 4 * at + 3, 4 * at + 4);
        let places: Vec<String> = (0..rows.len()).map(place).collect();
        let sql = format!(
            "INSERT INTO sightline.customer_key (who, month, id, wrapped) VALUES {} ON CONFLICT DO NOTHING",
            places.join(", ")
        );
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                (row.who.as_slice(), row.month.number() as i32, row.id.as_slice(), row.wrapped.as_slice())
            })
            .collect();
        let mut values: Vec<(&(dyn ToSql + Sync), Type)> = Vec::with_capacity(4 * rows.len());
        for (who, month, id, wrapped) in &rows {
            values.extend([(who as _, Type::BYTEA), (month as _, Type::INT4)]);
            values.extend([(id as _, Type::BYTEA), (wrapped as _, Type::BYTEA)]);
        }
        stored += client.execute_typed(&sql, &values).await?;
    }
    client.batch_execute("COMMIT").await?;
    Ok(stored)
}
