//! A network between a program and its database that cuts connections where a test wants it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where connections are cut. A message here is a statement: what the program expects an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// So many messages of the program still pass; the next is lost with its connection.
    Before(u64),
    /// So many messages of the program still pass; the answer to the last is lost with the connection.
    After(u64),
}

#[derive(Debug, Default)]
struct State {
    cut: Option<Cut>,
    /// No connection passes, old or new.
    is_down: bool,
    /// Connections stay, and nothing passes.
    is_paused: bool,
    open: Vec<TcpStream>,
    messages: u64,
}

/// The proxy. Ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Where the program connects to, on the loopback address.
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// Starts one in front of a port of this machine.
    pub fn start(to: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::downgrade(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Some(state) = shared.upgrade() else { return };
                if lock(&state).is_down {
                    continue;
                }
                if let Ok(server) = TcpStream::connect(("127.0.0.1", to)) {
                    // What cannot be copied is as good as cut.
                    let _ = carry(&state, client, server);
                }
            }
        });
        Ok(Self { port, state })
    }

    /// Cuts one connection there, once.
    pub fn cut(&self, cut: Cut) {
        lock(&self.state).cut = Some(cut);
    }

    /// Takes back a cut that is still to come. Whether there was one.
    pub fn disarm(&self) -> bool {
        lock(&self.state).cut.take().is_some()
    }

    /// Cuts every connection now, and lets new ones through or not.
    pub fn cut_all(&self, is_down: bool) {
        let mut state = lock(&self.state);
        state.is_down = is_down;
        close(&mut state);
    }

    /// Lets nothing through while connections stay, as if the program had been stopped where it is; or goes on.
    pub fn pause(&self, pause: bool) {
        lock(&self.state).is_paused = pause;
    }

    /// How many messages the program has sent.
    pub fn messages(&self) -> u64 {
        lock(&self.state).messages
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        (state.is_down, state.is_paused) = (true, false);
        close(&mut state);
        drop(state);
        // Wakes the listener, which then finds nobody.
        let state = std::mem::take(&mut self.state);
        drop(state);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn close(state: &mut State) {
    for stream in state.open.drain(..) {
        // It may be closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn carry(state: &Arc<Mutex<State>>, client: TcpStream, server: TcpStream) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    lock(state).open.extend([client.try_clone()?, server.try_clone()?]);
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let is_mute = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mute = is_mute.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read @ 1..) = from_server.read(&mut buffer) {
            if mute.load(std::sync::atomic::Ordering::SeqCst) {
                continue;
            }
            if to_client.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let state = state.clone();
    std::thread::spawn(move || {
        let (mut client, mut server) = (client, server);
        let mut is_first = true;
        while let Ok(message) = read_message(&mut client, is_first) {
            while lock(&state).is_paused {
                std::thread::sleep(Duration::from_millis(5));
            }
            let is_statement = !is_first && matches!(message.first(), Some(b'Q' | b'S'));
            let cut = if is_statement { judge(&mut lock(&state)) } else { None };
            is_first = false;
            if cut == Some(Cut::Before(0)) {
                break;
            }
            if cut.is_some() {
                is_mute.store(true, std::sync::atomic::Ordering::SeqCst);
            }
            if server.write_all(&message).is_err() {
                break;
            }
            if cut.is_some() {
                // Long enough for the server to do what it was told.
                std::thread::sleep(Duration::from_millis(60));
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
    });
    Ok(())
}

/// Counts a message, and says whether the connection is cut at it.
fn judge(state: &mut State) -> Option<Cut> {
    state.messages += 1;
    let (now, later) = match state.cut? {
        Cut::Before(0) => (Some(Cut::Before(0)), None),
        Cut::Before(n) => (None, Some(Cut::Before(n - 1))),
        Cut::After(0 | 1) => (Some(Cut::After(0)), None),
        Cut::After(n) => (None, Some(Cut::After(n - 1))),
    };
    state.cut = later;
    now
}

/// A message as PostgreSQL's protocol frames them (version 3, section "Message Formats"); the first has no type.
fn read_message(from: &mut TcpStream, is_first: bool) -> std::io::Result<Vec<u8>> {
    let head = if is_first { 4 } else { 5 };
    let mut message = vec![0; head];
    from.read_exact(&mut message)?;
    let length = message[head - 4..].iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
    let rest = length.saturating_sub(4);
    message.resize(head + rest, 0);
    from.read_exact(&mut message[head..])?;
    Ok(message)
}
