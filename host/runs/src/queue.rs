//! Runs that are accepted now and worked on later.
//!
//! ```text
//! accept: checked like any other → documents → one commit (run, job, key) → 202
//! worker: beat ─ claim ─┬─ plan thawed → inputs loaded → turn → execute → blobs → one commit under the fence
//!                       └─ transient failure: handed back, later again
//! ```
//!
//! - [`accept`]: into the queue.
//! - [`worker`]: one per host; says that it is there, claims, lets go of what is not its own any more, gives up others that are
//!   silent.
//! - `work`: one claimed run, from its plan to its end.
//! - `checkpoints`: what steps came to, for whoever takes a run over.
//! - `recent`: bytes that came a moment ago, so that the host that accepted a run need not fetch them again.

pub mod accept;
mod checkpoints;
mod lease;
mod recent;
mod work;
pub mod worker;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use docmill_store::queue::Depth;
use tokio::sync::Notify;

pub use accept::{Accepted, Later};
pub use worker::{Worker, WorkerSettings};

/// What accepting and working share on one host.
pub(crate) struct Queue {
    /// Something was accepted here: who works here need not wait for its next look.
    pub(crate) wake: Arc<Notify>,
    pub(crate) recent: recent::Recent,
    pub(crate) lease: lease::LeaseClock,
    /// As it was seen last.
    depth: Mutex<Depth>,
    counts: Counts,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            wake: Arc::default(),
            recent: recent::Recent::new(),
            lease: lease::LeaseClock::default(),
            depth: Mutex::default(),
            counts: Counts::default(),
        }
    }
}

#[derive(Default)]
struct Counts {
    accepted: AtomicU64,
    claimed: AtomicU64,
    ended: AtomicU64,
    retried: AtomicU64,
    lost: AtomicU64,
    taken_over: AtomicU64,
    resumed_steps: AtomicU64,
}

/// Figures of the queue on this host, since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Runs accepted.
    pub accepted: u64,
    /// Jobs claimed.
    pub claimed: u64,
    /// Runs ended, however.
    pub ended: u64,
    /// Jobs handed back for a later attempt.
    pub retried: u64,
    /// Jobs that were not this host's any more: cancelled, or taken over.
    pub lost: u64,
    /// Jobs of workers that this host gave up.
    pub taken_over: u64,
    /// Steps that were not executed again.
    pub resumed_steps: u64,
}

impl Queue {
    pub(crate) fn depth(&self) -> Depth {
        *self.depth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see(&self, depth: Depth) {
        *self.depth.lock().unwrap_or_else(PoisonError::into_inner) = depth;
    }

    pub(crate) fn figures(&self) -> Figures {
        let counts = &self.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Figures {
            accepted: of(&counts.accepted),
            claimed: of(&counts.claimed),
            ended: of(&counts.ended),
            retried: of(&counts.retried),
            lost: of(&counts.lost),
            taken_over: of(&counts.taken_over),
            resumed_steps: of(&counts.resumed_steps),
        }
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}
