//! A real PostgreSQL: a primary, and if wanted a standby that it waits for (synchronous replication).

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::StartError;

const REMEDY: &str = "run `cargo xtask test`, which installs it, or `apt-get install postgresql`";
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. Ends when dropped, without ceremony.
#[derive(Debug)]
pub struct Server {
    bin: PathBuf,
    dir: PathBuf,
    /// Its port on the loopback address.
    pub port: u16,
    /// Whether it syncs. Tests do not need it: they kill processes, and the machine keeps its power.
    is_durable: bool,
    /// Holds everything until the last server of it is gone.
    _root: std::sync::Arc<tempfile::TempDir>,
}

/// Where Debian puts the programs, in the newest version that is there.
fn programs() -> Result<PathBuf, StartError> {
    let root = Path::new("/usr/lib/postgresql");
    let versions = std::fs::read_dir(root).into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|dir| Some((dir.file_name().to_str()?.parse::<u32>().ok()?, dir.path().join("bin"))))
        .filter(|(_, bin)| bin.join("postgres").is_file())
        .max_by_key(|(version, _)| *version);
    let missing = || StartError::Missing { what: "PostgreSQL", looked_for: root.to_owned(), remedy: REMEDY };
    newest.map(|(_, bin)| bin).ok_or_else(missing)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}

/// The server refuses to run as root, so there it runs as the user that the Debian package made.
fn command(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn done(mut command: Command) -> Result<Output, StartError> {
    let program = format!("{command:?}");
    let output = command.output().map_err(|source| StartError::Spawn { program: program.clone(), source })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [output.stdout, output.stderr].concat();
    Err(StartError::Failed { program, said: String::from_utf8_lossy(&said).into_owned() })
}

impl Server {
    /// Starts a primary with an empty database `sightline`.
    pub fn start() -> Result<Self, StartError> {
        Self::start_in(&std::env::temp_dir(), false)
    }

    /// The same with its data below a directory, and with every commit synced: for whoever measures.
    pub fn start_durable(below: &Path) -> Result<Self, StartError> {
        Self::start_in(below, true)
    }

    fn start_in(below: &Path, is_durable: bool) -> Result<Self, StartError> {
        let bin = programs()?;
        let failed = |source| StartError::Spawn { program: "a directory for PostgreSQL".to_owned(), source };
        let root = tempfile::tempdir_in(below).map_err(failed)?;
        // The other user makes its directories in there.
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o777)).map_err(failed)?;
        let dir = root.path().join("primary");
        let mut initdb = command(&bin.join("initdb"));
        initdb.args(["--username=sightline", "--auth=trust", "--encoding=UTF8", "--no-sync", "-D"]).arg(&dir);
        done(initdb)?;
        let server = Self { bin, dir, port: free_port(), is_durable, _root: std::sync::Arc::new(root) };
        server.launch()?;
        server.sql("postgres", "CREATE DATABASE sightline")?;
        Ok(server)
    }

    /// Adds a standby, and from now on waits for it at every commit.
    pub fn standby(&self) -> Result<Self, StartError> {
        let dir = self.dir.with_file_name("standby");
        let from = format!("host=127.0.0.1 port={} user=sightline application_name=standby", self.port);
        let mut copy = command(&self.bin.join("pg_basebackup"));
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-d", &from, "-D"]).arg(&dir);
        done(copy)?;
        let (bin, is_durable) = (self.bin.clone(), self.is_durable);
        let standby = Self { bin, dir, port: free_port(), is_durable, _root: self._root.clone() };
        standby.launch()?;
        self.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'standby'")?;
        self.sql("postgres", "SELECT pg_reload_conf()")?;
        let started = Instant::now();
        while self.sql("postgres", "SELECT sync_state FROM pg_stat_replication")?.trim() != "sync" {
            if started.elapsed() > PATIENCE {
                return Err(self.silent("a synchronous standby"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(standby)
    }

    /// Starts it, or starts it again.
    pub fn launch(&self) -> Result<(), StartError> {
        let mut start = command(&self.bin.join("pg_ctl"));
        let sync = if self.is_durable { "on" } else { "off" };
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=60 -c fsync={sync}",
            self.port
        );
        start.args(["--silent", "--wait", "start", "-o", &options, "-l"]).arg(self.dir.join("log"));
        start.arg("-D").arg(&self.dir);
        // Its output would otherwise be waited for as long as the server runs.
        start.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        start.stderr(std::process::Stdio::null());
        let program = "pg_ctl start".to_owned();
        let status =
            start.status().map_err(|source| StartError::Spawn { program: program.clone(), source })?;
        if status.success() {
            return Ok(());
        }
        let said = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        Err(StartError::Failed { program, said })
    }

    /// Kills every process of it, as a power cut does.
    pub fn kill(&self) {
        self.signal("-KILL");
        while self.pid().is_some() {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Until somebody has collected the dead process, its number would keep the next one from starting.
        let _ = std::fs::remove_file(self.dir.join("postmaster.pid"));
    }

    /// Stops every process of it where it is.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets them go on.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Makes a standby the primary.
    pub fn promote(&self) -> Result<(), StartError> {
        let mut promote = command(&self.bin.join("pg_ctl"));
        promote.args(["--silent", "--wait", "promote", "-D"]).arg(&self.dir);
        done(promote).map(drop)
    }

    /// What a statement answers, without headings.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String, StartError> {
        let mut psql = Command::new(self.bin.join("psql"));
        let port = self.port.to_string();
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &port]);
        psql.args(["-U", "sightline", "-d", database, "-c", statement]);
        Ok(String::from_utf8_lossy(&done(psql)?.stdout).into_owned())
    }

    /// Has it do TLS with this certificate and key (PEM), from now on.
    pub fn use_tls(&self, certificate: &str, key: &str) -> Result<(), StartError> {
        let failed =
            |source| StartError::Spawn { program: "a certificate for PostgreSQL".to_owned(), source };
        for (name, pem) in [("server.crt", certificate), ("server.key", key)] {
            let file = self.dir.join(name);
            std::fs::write(&file, pem).map_err(failed)?;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
            let mut own = Command::new("chown");
            own.arg("--reference").arg(&self.dir).arg(&file);
            done(own)?;
        }
        self.sql("postgres", "ALTER SYSTEM SET ssl = on")?;
        self.sql("postgres", "SELECT pg_reload_conf()")?;
        // The next connection may still come before the server has read it.
        std::thread::sleep(Duration::from_millis(300));
        Ok(())
    }

    /// A copy of everything as it is, made while it is stopped.
    pub fn backup(&self) -> Result<PathBuf, StartError> {
        self.stop()?;
        let copy = self.dir.with_extension("backup");
        let mut cp = command(Path::new("cp"));
        cp.arg("-a").arg(&self.dir).arg(&copy);
        done(cp)?;
        self.launch()?;
        Ok(copy)
    }

    /// Puts a backup in the place of what is there.
    pub fn restore(&self, copy: &Path) -> Result<(), StartError> {
        self.kill();
        let mut rm = command(Path::new("rm"));
        rm.arg("-rf").arg(&self.dir);
        done(rm)?;
        let mut mv = command(Path::new("mv"));
        mv.arg(copy).arg(&self.dir);
        done(mv)?;
        self.launch()
    }

    fn stop(&self) -> Result<(), StartError> {
        let mut stop = command(&self.bin.join("pg_ctl"));
        stop.args(["--silent", "--wait", "--mode=fast", "stop", "-D"]).arg(&self.dir);
        done(stop).map(drop)
    }

    /// The number of its first process, while that runs: the file stays when it is killed.
    fn pid(&self) -> Option<String> {
        let file = std::fs::read_to_string(self.dir.join("postmaster.pid")).ok()?;
        let pid = file.lines().next()?.trim().to_owned();
        let program = std::fs::read_link(Path::new("/proc").join(&pid).join("exe")).ok()?;
        program.ends_with("postgres").then_some(pid)
    }

    /// The number of its first process, and of those that it started.
    fn pids(&self) -> Vec<String> {
        let Some(pid) = self.pid() else { return Vec::new() };
        let children = Command::new("pgrep").args(["-P", &pid]).output();
        let children =
            children.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
        std::iter::once(pid).chain(children.split_whitespace().map(str::to_owned)).collect()
    }

    fn signal(&self, signal: &str) {
        let pids = self.pids();
        if !pids.is_empty() {
            // Some may have ended by themselves.
            let _ = Command::new("kill").arg(signal).args(pids).output();
        }
    }

    fn silent(&self, program: &str) -> StartError {
        let said = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        StartError::Silent { program: program.to_owned(), seconds: PATIENCE.as_secs(), said }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody has at the moment; somebody else may take it before the server does.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_or(0, |address| address.port())
}
