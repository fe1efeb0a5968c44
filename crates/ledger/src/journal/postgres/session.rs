//! A connection to the database that is made again when it is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Connection, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::database::Database;
use crate::error::{DatabaseError, LedgerError};

/// How long the database may take to answer before the connection is given up.
const ANSWER: Duration = Duration::from_secs(6);

/// What every connection says first. A commit is durable where the database's own settings want it, and never less
/// than on its disk; who stops in the middle of a turn loses it, and who waits for one does not wait for ever.
const HELLO: &str = "
SELECT set_config('synchronous_commit', 'on', false)
  WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');
SET idle_in_transaction_session_timeout = '3s';
SET lock_timeout = '4s';
";

/// Something went wrong on a connection, which is given up.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whether the server itself refused, so that nothing was done.
    pub(super) is_refusal: bool,
    pub(super) error: DatabaseError,
}

impl From<Failure> for LedgerError {
    fn from(failure: Failure) -> Self {
        failure.error.into()
    }
}

/// Does something on a thread of its own and waits for it: callers may be asynchronous tasks, whose threads must not
/// wait for a [`Session`].
pub(crate) fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A connection that is made when it is needed. For a thread of its own: it must not be used on one that runs
/// asynchronous tasks.
pub(crate) struct Session {
    database: Database,
    runtime: Runtime,
    client: Option<Client>,
    warned: Arc<AtomicBool>,
}

impl Session {
    /// A session that is not connected yet.
    pub(crate) fn new(database: Database) -> Result<Self, LedgerError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(LedgerError::Thread)?;
        Ok(Self { database, runtime, client: None, warned: Arc::default() })
    }

    /// Does something on the connection, making one first if there is none. After a failure there is none.
    pub(super) fn run<T>(
        &mut self,
        doing: &'static str,
        work: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        let Self { database, runtime, client, warned } = self;
        runtime.block_on(async {
            let connected = match client.take() {
                Some(connected) if !connected.is_closed() => connected,
                // A connection that is refused has done nothing.
                _ => connect(database, warned)
                    .await
                    .map_err(|error| failure(database, "connect", &error, true))?,
            };
            warned.store(false, Ordering::SeqCst);
            match tokio::time::timeout(ANSWER, work(&connected)).await {
                Ok(Ok(answer)) => {
                    *client = Some(connected);
                    Ok(answer)
                }
                Ok(Err(error)) => Err(failure(database, doing, &error, refuses(&error))),
                Err(_) => Err(Failure { is_refusal: false, error: silent(database, doing) }),
            }
        })
    }

    /// Whether the server warned of something during the last [`run`](Self::run).
    pub(super) fn was_warned(&self) -> bool {
        self.warned.load(Ordering::SeqCst)
    }

    /// Gives up the connection, and with it whatever was not committed.
    pub(super) fn hang_up(&mut self) {
        self.client = None;
    }

    /// The database.
    pub(super) fn database(&self) -> &Database {
        &self.database
    }
}

async fn connect(database: &Database, warned: &Arc<AtomicBool>) -> Result<Client, Error> {
    let client = match &database.tls {
        None => {
            let (client, connection) = database.config.connect(NoTls).await?;
            listen(connection, warned.clone());
            client
        }
        Some(tls) => {
            let (client, connection) =
                database.config.connect(MakeRustlsConnect::new((**tls).clone())).await?;
            listen(connection, warned.clone());
            client
        }
    };
    client.batch_execute(HELLO).await?;
    Ok(client)
}

/// Moves the connection's bytes, and notes warnings. It ends by itself when the client is dropped or the connection
/// is lost, which the client notices.
fn listen<S>(mut connection: Connection<Socket, S>, warned: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notice(notice) = message
                && notice.code().code().starts_with("01")
                && notice.severity() != "NOTICE"
            {
                tracing::warn!(message = notice.message(), "the database warns");
                warned.store(true, Ordering::SeqCst);
            }
        }
    });
}

/// Whether the server says that it did not do what it was asked. What it says while it goes down, or about a
/// statement whose end it does not know itself, is no such answer.
fn refuses(error: &Error) -> bool {
    error.as_db_error().is_some_and(|db| {
        let code = db.code();
        let class = code.code().get(..2).unwrap_or_default();
        !matches!(class, "08" | "57" | "58" | "XX") && *code != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN
    })
}

fn failure(database: &Database, doing: &'static str, error: &Error, is_refusal: bool) -> Failure {
    let why = match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    };
    Failure { is_refusal, error: DatabaseError::Unreachable { at: database.to_string(), doing, why } }
}

fn silent(database: &Database, doing: &'static str) -> DatabaseError {
    let why = format!("no answer within {} s", ANSWER.as_secs());
    DatabaseError::Unreachable { at: database.to_string(), doing, why }
}
