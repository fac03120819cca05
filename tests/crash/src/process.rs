//! One docmill process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// What its first line of log says where it listens.
const LISTENS: &str = "docmill listens on ";
/// The first start compiles the plugins of the release.
const STARTS_WITHIN: Duration = Duration::from_secs(300);

/// A host that can be killed and started again.
pub struct Host {
    pub name: String,
    pub role: &'static str,
    docmill: PathBuf,
    directory: PathBuf,
    environment: Vec<(String, String)>,
    child: Option<Child>,
    log: PathBuf,
    starts: u32,
}

impl Host {
    pub fn new(
        docmill: &Path,
        directory: PathBuf,
        name: &str,
        role: &'static str,
        environment: Vec<(String, String)>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            role,
            docmill: docmill.to_owned(),
            log: directory.join("log"),
            directory,
            environment,
            child: None,
            starts: 0,
        }
    }

    /// Starts it, without waiting until it answers.
    pub fn start(&mut self) -> Result<()> {
        self.starts += 1;
        self.log = self.directory.join(format!("log-{}", self.starts));
        let log = fs::File::create(&self.log)?;
        let mut command = Command::new(&self.docmill);
        command
            .args([
                "--data-dir",
                &self.directory.to_string_lossy(),
                "serve",
                "--role",
                self.role,
                "--listen",
                "127.0.0.1:0",
            ])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.child = Some(
            command
                .spawn()
                .with_context(|| format!("cannot start {}", self.docmill.display()))?,
        );
        Ok(())
    }

    /// Where it answers; waits until it does.
    pub async fn address(&mut self) -> Result<String> {
        let begun = Instant::now();
        loop {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(address) = log.lines().find_map(|line| line.strip_prefix(LISTENS)) {
                return Ok(address.trim().to_owned());
            }
            if self.has_ended() || begun.elapsed() > STARTS_WITHIN {
                bail!("{} does not start:\n{log}", self.name);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub fn has_ended(&mut self) -> bool {
        self.child
            .as_mut()
            .is_none_or(|child| matches!(child.try_wait(), Ok(Some(_)) | Err(_)))
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self
            .pid()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, signal).ok();
        }
    }

    /// Ends it, whatever it does.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        if let Some(mut child) = self.child.take() {
            child.wait().ok();
        }
    }

    /// The log of its last start, for somebody who looks for what went wrong.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
    }
}
