//! What steps came to, for whoever takes a run over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use docmill_faults::told;
use docmill_model::definition::Durability;
use docmill_model::failure::{Code, Failure};
use docmill_pipeline::Progress;
use docmill_store::StoreError;
use docmill_store::queue::Claimed;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::Parts;

/// How long a step waits to be kept while the database is away.
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(250);

/// The steps of one claimed run.
pub(crate) struct Checkpoints {
    parts: Arc<Parts>,
    claimed: Arc<Claimed>,
    before: Vec<(u32, Vec<u8>)>,
    /// The run is not this worker's any more.
    lost: AtomicBool,
}

impl Checkpoints {
    /// With what was kept before.
    ///
    /// # Errors
    /// [`Code::StoreUnavailable`].
    pub(crate) async fn of(parts: &Arc<Parts>, claimed: &Arc<Claimed>) -> Result<Self, Failure> {
        let before = if claimed.checkpoints {
            let read = parts.store.checkpoints(claimed.tenant, claimed.head.id).await;
            read.map_err(|e| e.failure())?
        } else {
            Vec::new()
        };
        super::add(&parts.queue.counts.resumed_steps, before.len() as u64);
        Ok(Self {
            parts: parts.clone(),
            claimed: claimed.clone(),
            before,
            lost: AtomicBool::new(false),
        })
    }

    pub(crate) fn lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Goes on trying while the database is away: the step had effects, and would have them again.
    async fn write(&self, step: u32, body: Vec<u8>) -> Result<(), Failure> {
        let claimed = &self.claimed;
        let store = &self.parts.store;
        let until = Instant::now() + PATIENCE;
        loop {
            let kept = store
                .keep_checkpoint(claimed.tenant, claimed.lease, claimed.head.id, step, &body)
                .await;
            match kept {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    self.lost.store(true, Ordering::Relaxed);
                    return Err(Failure::new(
                        Code::Interrupted,
                        "another worker has taken the run over",
                    ));
                }
                Err(StoreError::Unavailable { .. } | StoreError::Unanswered { .. })
                    if Instant::now() < until =>
                {
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => return Err(error.failure()),
            }
        }
    }
}

impl Progress for Checkpoints {
    fn before(&self) -> &[(u32, Vec<u8>)] {
        &self.before
    }

    fn every_step(&self) -> bool {
        self.claimed.head.durability == Durability::Steps
    }

    fn begin(&self, step: u32) -> Result<(), Failure> {
        if self.lost() || !self.parts.queue.lease.holds() {
            let said = "the worker's lease is over: whatever is left of the run is done by another one";
            return Err(Failure::new(Code::Interrupted, said));
        }
        told(|| format!("begins {} {step}", self.claimed.head.id.uuid()));
        Ok(())
    }

    fn keep(&self, step: u32, body: Vec<u8>) -> BoxFuture<'_, Result<(), Failure>> {
        self.write(step, body).boxed()
    }
}
