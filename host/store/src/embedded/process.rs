//! The server as a child process. It dies with this process, whatever happens to it: on Linux the kernel sends SIGINT (a
//! fast and clean shutdown) when the thread that started it ends, so that thread does nothing but wait for the child. Where
//! there is no such signal (macOS), a server whose parent was killed goes on and is adopted by the next start.

use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

/// A child process and the thread that keeps it.
#[derive(Debug)]
pub(super) struct Kept {
    pid: u32,
    /// Becomes true when the child has ended.
    ended: watch::Receiver<bool>,
}

impl Kept {
    /// Starts a command.
    pub(super) fn spawn(mut command: Command) -> std::io::Result<Self> {
        // A group of its own: Ctrl-C at the terminal is for docmill, which stops the server when it has finished with it.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        dies_with_its_parent(&mut command);
        let (started, start) = mpsc::sync_channel(1);
        let (end, ended) = watch::channel(false);
        thread::Builder::new().name("postgres".to_owned()).spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    started.send(Err(error)).ok();
                    return;
                }
            };
            started.send(Ok(child.id())).ok();
            let status = wait(&mut child);
            tracing::debug!(store.server_pid = child.id(), store.server_status = %status, "the private PostgreSQL has ended");
            end.send(true).ok();
        })?;
        let pid = start
            .recv()
            .unwrap_or_else(|_| Err(std::io::Error::other("the thread of the server ended")))?;
        Ok(Self { pid, ended })
    }

    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn has_ended(&self) -> bool {
        *self.ended.borrow() || self.ended.has_changed().is_err()
    }

    /// Asks it to end: clients are disconnected, everything is written, then it ends.
    pub(super) fn interrupt(&self) {
        if !self.has_ended()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            kill_process(pid, Signal::INT).ok();
        }
    }

    /// Waits until it has ended; false if that takes too long.
    pub(super) async fn wait(&mut self, at_most: Duration) -> bool {
        tokio::time::timeout(at_most, self.ended.wait_for(|ended| *ended))
            .await
            .is_ok()
    }

    /// The same on an ordinary thread.
    pub(super) fn wait_blocking(&self, at_most: Duration) {
        let step = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        while !self.has_ended() && waited < at_most {
            thread::sleep(step);
            waited += step;
        }
    }
}

fn wait(child: &mut Child) -> String {
    child
        .wait()
        .map_or_else(|error| error.to_string(), |status: ExitStatus| status.to_string())
}

#[cfg(target_os = "linux")]
fn dies_with_its_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    let parent = rustix::process::getpid();
    let before_exec = move || {
        // After the change of user, which would clear it.
        rustix::process::set_parent_process_death_signal(Some(Signal::INT))?;
        // The parent may have died before that line.
        if rustix::process::getppid() == Some(parent) {
            Ok(())
        } else {
            Err(std::io::Error::from(rustix::io::Errno::SRCH))
        }
    };
    #[expect(
        unsafe_code,
        reason = "runs between fork and exec: two system calls, no allocation, no lock"
    )]
    // SAFETY: the closure is async-signal-safe: prctl and getppid, and an error made of a number.
    unsafe {
        command.pre_exec(before_exec);
    }
}

#[cfg(not(target_os = "linux"))]
fn dies_with_its_parent(_: &mut Command) {}
