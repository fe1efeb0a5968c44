//! A program that runs beside a test and ends with it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::StartError;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running program. Ends when dropped, with everything that it started in its process group.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts `command` and waits for a line of its output in which `ready` finds what it looks for.
    pub(crate) fn start<T>(
        mut command: Command,
        ready: impl Fn(&str) -> Option<T>,
    ) -> Result<(Self, T), StartError> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let child =
            command.spawn().map_err(|source| StartError::Spawn { program: program.clone(), source })?;
        let mut process = Self(child);
        let lines = process.lines();
        let deadline = Instant::now() + PATIENCE;
        let mut said = String::new();
        while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if let Some(found) = ready(&line) {
                return Ok((process, found));
            }
            said.push_str(&line);
            said.push('\n');
        }
        Err(StartError::Silent { program, seconds: PATIENCE.as_secs(), said })
    }

    /// What the program writes, line by line, for as long as somebody listens; read to the end in any
    /// case, lest it blocks on a full pipe.
    fn lines(&mut self) -> mpsc::Receiver<String> {
        let (to, lines) = mpsc::channel();
        let outputs: [Option<Box<dyn std::io::Read + Send>>; 2] = [
            self.0.stdout.take().map(|out| Box::new(out) as _),
            self.0.stderr.take().map(|out| Box::new(out) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let to = to.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    // Nobody listens any more once it is up.
                    let _ = to.send(line);
                }
            });
        }
        lines
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either may have ended already.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a program lies in `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(program)).find(|file| file.is_file())
}
