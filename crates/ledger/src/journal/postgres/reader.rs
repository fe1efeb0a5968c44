//! What other threads ask of the database: a thread with a connection of its own answers.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, Error};

use super::session::{Failure, Session};
use super::{MANY, PAUSE, Raw, batches, holder, parse};
use crate::database::Database;
use crate::error::LedgerError;
use crate::journal::{JournalReader, Visitor};

type Job = Box<dyn FnOnce(&mut Session) + Send>;

/// Asks the database on behalf of any thread, asynchronous ones included.
pub(crate) struct Reader {
    database: Database,
    jobs: Sender<Job>,
    /// How long to try while the database cannot be reached.
    patience: Duration,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({})", self.database)
    }
}

impl Reader {
    /// Starts the thread, which ends when the last handle is dropped.
    pub(crate) fn start(database: &Database, patience: Duration) -> Result<Arc<Self>, LedgerError> {
        let (jobs, queue) = channel::<Job>();
        let mut session = Session::new(database.clone())?;
        let work = move || queue.into_iter().for_each(|job| job(&mut session));
        std::thread::Builder::new()
            .name("ledger-database".to_owned())
            .spawn(work)
            .map_err(LedgerError::Thread)?;
        Ok(Arc::new(Self { database: database.clone(), jobs, patience }))
    }

    /// The database.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// How many entries the journal has.
    pub(crate) fn size(&self) -> Result<u64, LedgerError> {
        self.ask("ask how many entries there are", async |client| {
            let row = client.query_typed_one("SELECT size FROM sightline.head", &[]).await?;
            Ok(row.try_get::<_, i64>(0)? as u64)
        })
    }

    /// Asks, again and again while the database cannot be reached. What is asked may be done twice.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl AsyncFn(&Client) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (answer, answers) = channel();
        let patience = self.patience;
        let job = move |session: &mut Session| {
            let started = Instant::now();
            let found = loop {
                match session.run(doing, &work) {
                    Err(Failure { error, .. }) if started.elapsed() < patience => {
                        tracing::debug!(%error, "the database is asked again");
                        std::thread::sleep(PAUSE);
                    }
                    found => break found,
                }
            };
            // Whoever asked may have gone.
            let _ = answer.send(found);
        };
        self.jobs.send(Box::new(job)).map_err(|_| LedgerError::Stopped)?;
        Ok(answers.recv().map_err(|_| LedgerError::Stopped)??)
    }
}

impl JournalReader for Reader {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<(), LedgerError> {
        // The batch that holds `from` begins at it or before it.
        let first = self.ask("find a batch", async move |client| holder(client, from).await)?;
        let Some(mut at) = first else { return Ok(()) };
        loop {
            let rows: Vec<Raw> =
                self.ask("read batches", async move |client| batches(client, at, MANY).await)?;
            let found = rows.len() as i64;
            for batch in parse(rows)? {
                at = batch.end();
                if batch.end() > from
                    && let ControlFlow::Break(()) = visitor(&batch)?
                {
                    return Ok(());
                }
            }
            if found < MANY {
                return Ok(());
            }
        }
    }
}
