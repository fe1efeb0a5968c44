//! The half of a view that answers.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags, Transaction};
use tokio::sync::watch;

use crate::ViewsError;
use crate::schema::prepare;

/// Answers questions, each from one snapshot of the view. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Views(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    folded: watch::Receiver<u64>,
    /// Connections that no question is using. As many are opened as questions run at once.
    idle: Mutex<Vec<Connection>>,
}

impl Views {
    pub(crate) fn new(file: PathBuf, folded: watch::Receiver<u64>) -> Self {
        Self(Arc::new(Inner { file, folded, idle: Mutex::default() }))
    }

    /// How many entries of the ledger the answers rest on.
    pub fn caught_up_to(&self) -> u64 {
        *self.0.folded.borrow()
    }

    /// Waits until the first `size` entries of the ledger are folded, so that a question asked right
    /// after a look sees it.
    pub async fn wait_for(&self, size: u64) -> Result<(), ViewsError> {
        let mut folded = self.0.folded.clone();
        let waited = folded.wait_for(|folded| *folded >= size).await;
        waited.map(drop).map_err(|_| ViewsError::Stopped)
    }

    /// Runs a question on a thread where it may block, in a transaction of its own: whatever it reads
    /// is of one moment.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Transaction<'_>) -> Result<T, ViewsError> + Send + 'static,
    ) -> Result<T, ViewsError> {
        let inner = Arc::clone(&self.0);
        let answered = tokio::task::spawn_blocking(move || {
            let mut connection = inner.take()?;
            let answer = connection.transaction().map_err(ViewsError::from).and_then(|tx| question(&tx));
            inner.give_back(connection);
            answer
        });
        match answered.await {
            Ok(answer) => answer,
            Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
            // The runtime is being shut down.
            Err(_) => Err(ViewsError::Stopped),
        }
    }
}

impl Inner {
    fn take(&self) -> Result<Connection, ViewsError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        prepare(&connection)?;
        Ok(connection)
    }

    fn give_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}
