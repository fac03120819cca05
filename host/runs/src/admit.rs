//! Admission: an in-flight cap that sheds at once, and turns to work for which the others wait, briefly; who is next and what a
//! tenant may have at work is the limiter's to say. Also the memory for documents that runs load.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use docmill_model::failure::{Code, Failure};
use docmill_model::id::TenantId;
use docmill_model::run::{RunOutcome, Status};
use docmill_quota::turns::NoTurn;
use docmill_quota::{Limiter, Tenant, Turn};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::Settings;

/// Memory for the kept documents that all runs in flight have loaded, in KiB; more are shed. Half of what bodies may take by
/// default: a document that comes is counted there, and few runs work on what is kept.
const LOADED_KIB: u32 = 256 * 1024;

/// What is in flight on this host.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Counts>);

struct Counts {
    most: usize,
    per_tenant: usize,
    queue: Duration,
    limiter: Limiter,
    loaded: Arc<Semaphore>,
    in_flight: AtomicUsize,
    tenants: Mutex<HashMap<TenantId, usize>>,
    shed: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    abandoned: AtomicU64,
    steps: AtomicU64,
}

/// Figures of admission and of runs since the host started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Runs in flight.
    pub in_flight: usize,
    /// Of these, runs that wait for their turn.
    pub queued: usize,
    /// Of these, runs at work.
    pub working: usize,
    /// Refused because too much was in flight, or because no turn came in time.
    pub shed: u64,
    /// Ended well.
    pub succeeded: u64,
    /// Ended with a failure.
    pub failed: u64,
    /// Whose client went away.
    pub abandoned: u64,
    /// Steps executed.
    pub steps: u64,
}

/// The right to be in flight; given back when dropped.
pub struct Admission {
    gate: Gate,
    /// Who was let in.
    pub(crate) tenant: Arc<Tenant>,
    /// When it was given: deadlines count from here.
    pub since: Instant,
}

impl Gate {
    pub(crate) fn new(settings: &Settings, limiter: Limiter) -> Self {
        Self(Arc::new(Counts {
            most: settings.in_flight,
            per_tenant: settings.per_tenant,
            queue: settings.queue,
            limiter,
            loaded: Arc::new(Semaphore::new(LOADED_KIB as usize)),
            in_flight: AtomicUsize::new(0),
            tenants: Mutex::default(),
            shed: AtomicU64::new(0),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            steps: AtomicU64::new(0),
        }))
    }

    /// Lets one more in, or sheds it.
    pub(crate) fn admit(&self, tenant: &Arc<Tenant>) -> Result<Admission, Failure> {
        let counts = &*self.0;
        if counts.in_flight.fetch_add(1, Ordering::AcqRel) >= counts.most {
            counts.in_flight.fetch_sub(1, Ordering::AcqRel);
            return Err(self.shed("the host has as many runs in flight as it may"));
        }
        let mut tenants = counts.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let own = tenants.entry(tenant.id).or_default();
        if *own >= counts.per_tenant {
            drop(tenants);
            counts.in_flight.fetch_sub(1, Ordering::AcqRel);
            return Err(self.shed("your organisation has as many runs in flight on this host as it may"));
        }
        *own += 1;
        drop(tenants);
        Ok(Admission {
            gate: self.clone(),
            tenant: tenant.clone(),
            since: Instant::now(),
        })
    }

    fn shed(&self, why: &str) -> Failure {
        self.0.shed.fetch_add(1, Ordering::Relaxed);
        let mut failure = Failure::new(Code::Overloaded, format!("{why}; try again shortly"));
        failure.retry_after_ms = Some(1_000);
        failure
    }

    /// Waits for a turn to work, no longer than the queue's time and the run's own deadline.
    pub(crate) async fn turn(&self, tenant: &Arc<Tenant>, deadline: Instant) -> Result<Turn, Failure> {
        let limiter = &self.0.limiter;
        let queue = Instant::now() + self.0.queue;
        match limiter.turns().turn(tenant, queue, deadline).await {
            Ok(turn) => Ok(turn),
            Err(NoTurn::Busy) => Err(self.shed("no turn came in time")),
            Err(NoTurn::Quota(refusal)) => Err(limiter.refuse(refusal).into()),
        }
    }

    /// Memory for a kept document that a run loads; it goes to what the run holds already.
    pub(crate) fn load(&self, bytes: u64, held: &mut Option<OwnedSemaphorePermit>) -> Result<(), Failure> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let before = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if before.saturating_add(kib as usize) > LOADED_KIB as usize {
            let said = format!("the run's kept documents are larger than {LOADED_KIB} KiB together");
            return Err(Failure::new(Code::BodyTooLarge, said));
        }
        let Ok(permit) = self.0.loaded.clone().try_acquire_many_owned(kib) else {
            return Err(self.shed("the memory for kept documents is used up by other runs"));
        };
        match held {
            Some(held) => held.merge(permit),
            None => *held = Some(permit),
        }
        Ok(())
    }

    pub(crate) fn ended(&self, outcome: &RunOutcome) {
        let counter = match outcome.status {
            Status::Succeeded | Status::Queued | Status::Running => &self.0.succeeded,
            Status::Failed | Status::Cancelled => &self.0.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.0
            .steps
            .fetch_add(outcome.steps.len() as u64, Ordering::Relaxed);
    }

    pub(crate) fn abandoned(&self) {
        self.0.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn figures(&self) -> Figures {
        let counts = &*self.0;
        let (queued, working) = counts.limiter.turns().figures();
        Figures {
            in_flight: counts.in_flight.load(Ordering::Relaxed),
            queued,
            working,
            shed: counts.shed.load(Ordering::Relaxed),
            succeeded: counts.succeeded.load(Ordering::Relaxed),
            failed: counts.failed.load(Ordering::Relaxed),
            abandoned: counts.abandoned.load(Ordering::Relaxed),
            steps: counts.steps.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let counts = &*self.gate.0;
        counts.in_flight.fetch_sub(1, Ordering::AcqRel);
        let mut tenants = counts.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = tenants.get_mut(&self.tenant.id) {
            *own -= 1;
            if *own == 0 {
                tenants.remove(&self.tenant.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(in_flight: usize, per_tenant: usize, concurrent: usize) -> Gate {
        let settings = Settings {
            in_flight,
            per_tenant,
            concurrent,
            queue: Duration::from_millis(50),
            ..Settings::default()
        };
        let limiter = Limiter::new(&docmill_quota::Settings::default(), None, concurrent).unwrap();
        Gate::new(&settings, limiter)
    }

    fn tenant(gate: &Gate) -> Arc<Tenant> {
        gate.0
            .limiter
            .know(TenantId::new(), &docmill_quota::Known::default())
    }

    #[test]
    fn caps_shed_and_are_given_back() {
        let gate = gate(3, 2, 1);
        let (one, other) = (&tenant(&gate), &tenant(&gate));
        let first = gate.admit(one).unwrap();
        let _second = gate.admit(one).unwrap();
        let refused = gate.admit(one).err().unwrap();
        assert_eq!(
            (refused.code, refused.retry_after_ms),
            (Code::Overloaded, Some(1_000))
        );
        let _third = gate.admit(other).unwrap();
        assert!(gate.admit(other).is_err(), "the host is full");
        drop(first);
        let _again = gate.admit(one).unwrap();
        assert_eq!((gate.figures().in_flight, gate.figures().shed), (3, 2));
    }

    #[test]
    fn loaded_documents_are_counted_over_all_runs() {
        let gate = gate(9, 9, 1);
        let (mut one, mut other) = (None, None);
        let half = u64::from(LOADED_KIB) * 512;
        gate.load(half, &mut one).unwrap();
        gate.load(half, &mut one).unwrap();
        let refused = gate.load(1, &mut other).unwrap_err();
        assert_eq!(refused.code, Code::Overloaded);
        let refused = gate.load(1, &mut one).unwrap_err();
        assert_eq!(refused.code, Code::BodyTooLarge, "no other run is to blame");
        drop(one);
        gate.load(half, &mut other).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn turns_queue_and_time_out() {
        let gate = gate(9, 9, 1);
        let tenant = tenant(&gate);
        let far = Instant::now() + Duration::from_secs(60);
        let turn = gate.turn(&tenant, far).await.unwrap();
        assert_eq!(gate.figures().working, 1);
        assert_eq!(
            gate.turn(&tenant, far).await.err().unwrap().code,
            Code::Overloaded
        );
        let waits = tokio::spawn({
            let (gate, tenant) = (gate.clone(), tenant.clone());
            async move { gate.turn(&tenant, far).await.map(drop) }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(gate.figures().queued, 1);
        drop(turn);
        waits.await.unwrap().unwrap();
        assert_eq!((gate.figures().queued, gate.figures().working), (0, 0));
    }
}
