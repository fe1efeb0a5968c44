//! Programs that a bench starts, and stops again by their process ids.

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::sh::Outcome;

/// A running program. Dropping it stops it.
pub(crate) struct Service {
    name: &'static str,
    child: Child,
}

impl Service {
    /// Starts it, and waits until something answers at `address`.
    pub(crate) fn start(name: &'static str, command: &mut Command, address: SocketAddr) -> Outcome<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| format!("{name} did not start: {e}"))?;
        let mut service = Self { name, child };
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
            if let Ok(Some(status)) = service.child.try_wait() {
                return Err(format!("{name} ended with {status}"));
            }
            if Instant::now() > patience {
                return Err(format!("{name} does not answer at {address}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(service)
    }

    /// Seconds of CPU that it and its children have used. Linux only, from `/proc`.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        processes(self.child.id()).into_iter().map(cpu_of).sum()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // nginx's master ends its workers on SIGTERM; a process that is gone already is fine.
        let term = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let patience = Instant::now() + Duration::from_secs(8);
        while Instant::now() < patience {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        eprintln!("{} did not end on SIGTERM ({term:?}); killed", self.name);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process and its direct children.
fn processes(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    std::iter::once(pid).chain(children.split_whitespace().filter_map(|p| p.parse().ok())).collect()
}

/// Fields 14 and 15 of `/proc/PID/stat` (proc(5)): user and system time, in ticks of 10 ms.
fn cpu_of(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}
