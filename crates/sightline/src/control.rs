//! Commands to a running Sightline, over a Unix socket in its data directory that only its own user
//! can open. Where nothing runs, the command opens the ledger itself and does the same.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::command::{Command, Form, Outcome, carry_out};
use crate::house::Rooms;
use crate::listen::over;

/// The longest command that is read.
const LIMIT: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Request {
    command: Command,
    form: Form,
}

/// Takes commands until `ending` turns true. One command a connection: JSON, then the end of the stream;
/// the answer likewise.
pub(crate) async fn serve(socket: &Path, rooms: Rooms, mut ending: watch::Receiver<bool>) -> io::Result<()> {
    // The ledger's lock says that no other process is here: a socket that lies about is a dead one's.
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    loop {
        let stream = tokio::select! {
            () = over(&mut ending) => break,
            accepted = listener.accept() => accepted?.0,
        };
        let rooms = rooms.clone();
        tokio::spawn(async move {
            if let Err(error) = answer(stream, &rooms).await {
                tracing::debug!(%error, "a command broke off");
            }
        });
    }
    std::fs::remove_file(socket)
}

async fn answer(mut stream: UnixStream, rooms: &Rooms) -> io::Result<()> {
    let mut text = Vec::new();
    (&mut stream).take(LIMIT).read_to_end(&mut text).await?;
    let outcome = match serde_json::from_slice::<Request>(&text) {
        Ok(request) => carry_out(rooms, request.command, request.form).await.map_err(|e| e.to_string()),
        Err(_) => {
            Err("this Sightline does not know the command: the running one is of another version".into())
        }
    };
    stream.write_all(&serde_json::to_vec(&outcome)?).await?;
    stream.shutdown().await
}

/// Has the running process carry the command out; `None` if none runs.
pub(crate) async fn ask(
    socket: &Path,
    command: &Command,
    form: Form,
) -> io::Result<Option<Result<Outcome, String>>> {
    let mut stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let request = Request { command: command.clone(), form };
    stream.write_all(&serde_json::to_vec(&request)?).await?;
    stream.shutdown().await?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await?;
    Ok(Some(serde_json::from_slice(&text)?))
}
