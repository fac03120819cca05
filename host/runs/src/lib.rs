//! The data plane: accept a run, execute its plan, keep the result once, answer.
//!
//! ```text
//! plan snapshot → admit → inputs checked → (accept) → turn → execute → blobs → one commit → answer
//! ```
//!
//! - [`remembered`]: what is asked of the store before every run is kept in memory, and outlives the store's absence.
//! - [`plans`]: pipelines with every plugin pinned, looked at again every second.
//! - [`admit`]: how many runs may be in flight (more are shed) and at work (more queue).
//! - [`queue`]: runs that are accepted now and worked on later, by whichever host claims them.
//! - [`quotas`]: what tenants may use, kept in step with the database.
//! - [`invoke`]: the walk of one run.
//! - `usage`: what runs used of which nothing else is kept.
//!
//! What must hold: an answer leaves only after the run is durable; a run is never kept in halves; a pipeline with
//! `retain: none` needs neither PostgreSQL nor blobs once its plan is in memory.
#![forbid(unsafe_code)]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on panics"))]

pub mod admit;
pub mod invoke;
pub mod plans;
pub mod queue;
pub mod quotas;
pub mod remembered;

mod documents;
mod usage;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use docmill_blob::Blobs;
use docmill_model::duration::Span;
use docmill_model::failure::Failure;
use docmill_model::id::TenantId;
use docmill_model::run::Millis;
use docmill_model::size::ByteSize;
use docmill_pipeline::Executor;
use docmill_quota::{Limiter, Tenant};
use docmill_store::{Health, Store, StoreError};

pub use admit::Admission;
pub use invoke::{Acting, Answer, Refused, Request, Upload};
pub use plans::Snapshot;
pub use quotas::Quotas;

/// What runs may take of a host. Behind each stands its name on the page of settings, or why it is fixed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Runs in flight, those that upload or wait included; more are shed at once. `in_flight_max`
    pub in_flight: usize,
    /// Runs in flight of one tenant; more are shed at once, so that one cannot take the whole host.
    /// `in_flight_max_per_tenant`
    pub per_tenant: usize,
    /// Runs at work; more wait for their turn. To be told to the limiter. `running_max`
    pub concurrent: usize,
    /// Longest wait for a turn. `queue_wait`
    pub queue: Duration,
    /// Wall time of a run whose pipeline states none, queueing included. `run_timeout`
    pub timeout: Span,
    /// Longest wall time that a pipeline may state. The same on every host of a database: by it they take each other's runs
    /// for lost. `run_timeout_max`
    pub longest: Span,
    /// Sources up to this size are kept in the row; larger ones in the blob store. `inline_max`
    pub inline: ByteSize,
    /// Longest wait for a commit that the database is at work on; it may still carry it out afterwards. Fixed: that the database
    /// says nothing any more is found out by the store, within a second.
    pub commit: Duration,
    /// How long a plan is taken as it is before the store is asked again. Fixed: hosts take up what another one saved within
    /// a second, and one question a second for each pipeline costs nothing.
    pub plan_age: Duration,
    /// How long a plan is served while the store does not answer. Fixed: long enough for a fail-over or a restart; after it
    /// nobody knows any more what was saved meanwhile.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            in_flight: 512,
            per_tenant: 256,
            concurrent: 128,
            queue: Duration::from_secs(10),
            timeout: Span::seconds(60),
            longest: Span::seconds(600),
            inline: ByteSize::kib(32),
            commit: Duration::from_secs(30),
            plan_age: Duration::from_secs(1),
            grace: Duration::from_secs(600),
        }
    }
}

/// The data plane of one host; cheap to clone.
#[derive(Clone)]
pub struct Runs(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) executor: Executor,
    pub(crate) settings: Settings,
    pub(crate) plans: plans::Plans,
    pub(crate) gate: admit::Gate,
    pub(crate) health: Health,
    pub(crate) unwritten: Arc<usage::Unwritten>,
    pub(crate) quotas: quotas::Quotas,
    pub(crate) queue: queue::Queue,
    /// When it was put together.
    started: Millis,
}

/// How long after the longest wall time a run may still be at work: what it came to is being kept.
pub(crate) const KEEPING: Duration = Duration::from_secs(30);
/// How long after the longest wall time a run that is still not finished is lost: [`KEEPING`], and as much for clocks of hosts
/// that differ.
const LOST_AFTER: Duration = Duration::from_secs(60);

impl Runs {
    /// A data plane over what the server wired. Must be called inside a Tokio runtime.
    pub fn new(store: Store, blobs: Blobs, executor: Executor, limiter: Limiter, settings: Settings) -> Self {
        let health = store.health().clone();
        let plans = plans::Plans::new(store.clone(), settings.plan_age, settings.grace, health.clone());
        let gate = admit::Gate::new(&settings, limiter.clone());
        let quotas = quotas::Quotas::new(store.clone(), limiter);
        let unwritten = usage::Unwritten::new(store.clone());
        Self(Arc::new(Parts {
            store,
            blobs,
            executor,
            settings,
            plans,
            health,
            unwritten,
            quotas,
            queue: queue::Queue::default(),
            gate,
            started: now(),
        }))
    }

    /// The figures of admission, for `/metrics`.
    pub fn figures(&self) -> admit::Figures {
        self.0.gate.figures()
    }

    /// Whether the store answered lately; to be shared with others who ask it.
    pub fn health(&self) -> &Health {
        &self.0.health
    }

    /// What tenants may use.
    pub fn quotas(&self) -> &Quotas {
        &self.0.quotas
    }

    /// What executes plans.
    pub fn executor(&self) -> &Executor {
        &self.0.executor
    }

    /// Does work of a tenant that is no run and calls plugins: when it is its turn, within its quotas, charged with the CPU time
    /// that the work says it took.
    ///
    /// # Errors
    /// [`Code::Overloaded`](docmill_model::failure::Code::Overloaded), [`Code::QuotaExceeded`](docmill_model::failure::Code::QuotaExceeded).
    pub async fn at_work<T>(
        &self,
        tenant: &Arc<Tenant>,
        work: impl Future<Output = (T, u64)>,
    ) -> Result<T, Failure> {
        let admission = self.admit(tenant)?;
        let deadline = admission.since + self.0.settings.longest.0;
        let mut turn = self.0.gate.turn(tenant, deadline).await?;
        turn.begin();
        let (result, cpu_us) = work.await;
        turn.end(cpu_us);
        Ok(result)
    }

    /// This host published a plugin or saved a pipeline of `tenant`: plans made before are looked at again.
    pub fn changed(&self, tenant: TenantId) {
        self.0.plans.changed(tenant);
    }

    /// Writes what runs used that are not kept, and counts of requests, as far as they wait to be written; when the host ends, and nothing runs any more.
    pub async fn settle_usage(&self, within: Duration) {
        tokio::join!(self.0.unwritten.settle(within), async {
            let _ = tokio::time::timeout(within, self.0.quotas.settle()).await;
        });
    }

    /// Fails accepted runs that a host left unfinished: their time, and a minute, is over. Never one that is at work, on this
    /// host or another, so every host may call it whenever it likes. With `alone` (no other host serves this database) also
    /// all that were there before this host began. The number of them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_lost(&self, alone: bool) -> Result<u64, StoreError> {
        let age = self.0.settings.longest.0 + LOST_AFTER;
        let over = now().saturating_sub(Millis::try_from(age.as_millis()).unwrap_or(Millis::MAX));
        let before = if alone { self.0.started.max(over) } else { over };
        self.0.store.mark_lost_runs(before).await
    }
}

/// The time.
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
