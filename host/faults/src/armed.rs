//! What the suite ordered, carried out.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Signal, getpid, kill_process};

/// Between two looks whether a waiting task may go on.
const LOOK: Duration = Duration::from_millis(5);

fn directory() -> Option<&'static PathBuf> {
    static DIRECTORY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let named = || std::env::var_os("DOCMILL_FAULTS").map(PathBuf::from);
    DIRECTORY.get_or_init(named).as_ref()
}

fn file(extension: &str) -> Option<PathBuf> {
    Some(directory()?.join(format!("{}.{extension}", getpid().as_raw_nonzero())))
}

pub(crate) async fn point(name: &str) {
    let (Some(order), Some(hit), Some(go)) = (file("armed"), file("hit"), file("go")) else {
        return;
    };
    let Ok(text) = fs::read_to_string(&order) else {
        return;
    };
    let mut words = text.split_whitespace();
    let (Some(wanted), Some(kind)) = (words.next(), words.next()) else {
        return;
    };
    // Of several that come at once, one carries it out.
    if wanted != name || fs::rename(&order, &hit).is_err() {
        return;
    }
    match kind {
        "kill" => {
            kill_process(getpid(), Signal::KILL).ok();
        }
        "stop" => {
            kill_process(getpid(), Signal::STOP).ok();
        }
        _ => {
            while !go.exists() {
                tokio::time::sleep(LOOK).await;
            }
            fs::remove_file(&go).ok();
        }
    }
}

pub(crate) fn told(what: impl FnOnce() -> String) {
    let Some(log) = file("log") else {
        return;
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let line = format!("{} {}\n", since.as_micros(), what());
    let opened = fs::OpenOptions::new().create(true).append(true).open(log);
    // One write: lines of several tasks do not mix, and none is cut in half by a kill.
    if let Ok(mut log) = opened {
        log.write_all(line.as_bytes()).ok();
    }
}
