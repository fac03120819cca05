//! `postmaster.pid`: PostgreSQL's own lock on a data directory. It does not start while the process named there exists, and a
//! zombie exists, as does a stranger who got the number after a restart of the machine.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Who is named in the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// Nobody: there is no lock, or its process is gone, which PostgreSQL finds out itself.
    Nobody,
    /// A server: it runs, starts or stops.
    Server(u32),
    /// Something that is no server on these data any more.
    Stale(u32),
}

/// Who holds the lock of a data directory.
pub(super) fn holder(data: &Path) -> Holder {
    let Some(pid) = fs::read_to_string(data.join("postmaster.pid"))
        .ok()
        .and_then(|text| text.lines().next()?.trim().parse::<u32>().ok())
    else {
        return Holder::Nobody;
    };
    judge(pid, data)
}

#[cfg(target_os = "linux")]
fn judge(pid: u32, data: &Path) -> Holder {
    let process = Path::new("/proc").join(pid.to_string());
    let Ok(stat) = fs::read_to_string(process.join("stat")) else {
        return Holder::Nobody;
    };
    // `pid (name) state …`; the name may hold anything, so from its end.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    if matches!(state, Some('Z' | 'X')) {
        return Holder::Stale(pid);
    }
    // A postmaster's working directory is its data directory.
    match (fs::read_link(process.join("cwd")), data.canonicalize()) {
        (Ok(cwd), Ok(data)) if cwd != data => Holder::Stale(pid),
        _ => Holder::Server(pid),
    }
}

#[cfg(not(target_os = "linux"))]
fn judge(pid: u32, _: &Path) -> Holder {
    let exists = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
    if exists {
        Holder::Server(pid)
    } else {
        Holder::Nobody
    }
}

/// Removes a lock whose holder is no server, after giving a zombie's parent two seconds to bury it.
pub(super) fn clear(data: &Path) {
    for _ in 0..20 {
        match holder(data) {
            Holder::Stale(_) => thread::sleep(Duration::from_millis(100)),
            Holder::Nobody | Holder::Server(_) => return,
        }
    }
    if let Holder::Stale(pid) = holder(data) {
        tracing::warn!(
            store.server_pid = pid,
            "removing the lock of a PostgreSQL that was killed"
        );
        fs::remove_file(data.join("postmaster.pid")).ok();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn tells_strangers_and_the_dead_from_servers() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(holder(data.path()), Holder::Nobody);
        let lock = data.path().join("postmaster.pid");
        // This process: alive, with another working directory.
        let own = std::process::id();
        fs::write(&lock, format!("{own}\n/data\n")).unwrap();
        assert_eq!(holder(data.path()), Holder::Stale(own));
        clear(data.path());
        assert!(!lock.exists());
        // A zombie: ended and not waited for.
        let mut child = std::process::Command::new("true")
            .current_dir(data.path())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(200));
        fs::write(&lock, format!("{}\n", child.id())).unwrap();
        assert_eq!(holder(data.path()), Holder::Stale(child.id()));
        child.wait().unwrap();
        assert_eq!(holder(data.path()), Holder::Nobody);
    }
}
