//! Named points at which the crash suite (`cargo xtask crash`) stops a process in the middle of what it does. In release builds
//! there is nothing of them; in others they do nothing but for a process that was started with `DOCMILL_FAULTS` naming a directory.
//!
//! There the suite puts `PID.armed`, which holds a point and what is to happen at it:
//!
//! - `kill`: the process is gone from one moment to the next (SIGKILL);
//! - `stop`: it sleeps (SIGSTOP) until somebody wakes it up;
//! - `wait`: the task that came to the point waits until `PID.go` is there, while the suite does something to others.
//!
//! Whoever comes to the point first renames the file to `PID.hit`.
#![forbid(unsafe_code)]

#[cfg(debug_assertions)]
mod armed;

/// Every point, for a report that none was missed.
pub const POINTS: &[&str] = &[
    "accept.before",
    "accept.after",
    "beat.before",
    "beat.after",
    "claim.before",
    "claim.after",
    "begin.before",
    "checkpoint.before",
    "checkpoint.after",
    "executed",
    "end.before",
    "end.after",
    "return.before",
    "return.after",
    "reap.before",
    "reap.after",
];

/// The process comes to a point.
#[cfg_attr(
    not(debug_assertions),
    expect(
        clippy::unused_async,
        reason = "there is nothing to wait for in release builds"
    )
)]
pub async fn point(name: &'static str) {
    #[cfg(debug_assertions)]
    armed::point(name).await;
    #[cfg(not(debug_assertions))]
    let _ = name;
}

/// Writes down what happened, for the suite to compare with what the database says: one line with the time in microseconds, in
/// `PID.log`.
pub fn told(what: impl FnOnce() -> String) {
    #[cfg(debug_assertions)]
    armed::told(what);
    #[cfg(not(debug_assertions))]
    drop(what);
}
