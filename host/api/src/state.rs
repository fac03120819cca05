//! What every handler can reach, and the settings of the HTTP side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use docmill_blob::Blobs;
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::TenantId;
use docmill_model::size::ByteSize;
use docmill_oidc::Verifier;
use docmill_quota::Tenant;
use docmill_registry::Registry;
use docmill_runs::Runs;
use docmill_runs::remembered::Remembered;
use docmill_store::Store;
use docmill_store::who;
use docmill_traces::Traces;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::audit::Journal;
use crate::body::Memory;
use crate::metrics::Metrics;

/// Questions at once that look at much: sums over the ledger, the whole audit log.
const HEAVY: usize = 3;
/// Answers that wait for a run at once: each asks the database twice a second. More are answered without waiting.
const WAITS: usize = 256;
/// How long one waits for its turn.
const HEAVY_QUEUE: Duration = Duration::from_secs(5);

/// Settings of the HTTP side. Behind each stands its name on the page of settings, or why it is fixed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Largest body of a request. `body_max`
    pub body: ByteSize,
    /// Largest component. Fixed: the engine looks at no larger one, and the compiler's limits are made for it.
    pub component: ByteSize,
    /// Memory for the bodies of all requests together; beyond it requests are shed. `body_memory`
    pub body_memory: ByteSize,
    /// Longest time without a byte of a body. `body_idle`
    pub body_idle: Duration,
    /// Longest time for a whole body. `body_timeout`
    pub body_total: Duration,
    /// Longest time for a request's head. `head_timeout`
    pub head: Duration,
    /// Most parts of a form. Fixed: a pipeline has far fewer inputs and params, and each part costs more than its bytes.
    pub parts: usize,
    /// Most connections at once; more wait to be accepted. `connections_max`
    pub connections: usize,
    /// Whether requests are answered beside probes. `roles`
    pub serves: bool,
    /// Who vouches for people beside docmill's own keys. `oidc_issuer`, `oidc_audience`, `oidc_tenant`
    pub sign_on: Option<SignOn>,
    /// Where traces go. `otlp_endpoint`, `otlp_headers`, `otlp_sample`
    pub traces: Traces,
    /// How long a key is taken as valid before the store is asked again: the longest time that a revoked key still works on
    /// other hosts. Fixed: what revoking promises is the same everywhere, and a question every 5 s for each key costs nothing.
    pub caller_age: Duration,
    /// The same while the store does not answer. Fixed, and the same as that of plans (`docmill_runs::Settings::grace`):
    /// one without the other serves nobody.
    pub caller_grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            body: ByteSize::mib(64),
            component: ByteSize::mib(64),
            body_memory: ByteSize::mib(512),
            body_idle: Duration::from_secs(10),
            body_total: Duration::from_secs(60),
            head: Duration::from_secs(10),
            parts: 256,
            connections: 4096,
            serves: true,
            sign_on: None,
            traces: Traces::off(),
            caller_age: Duration::from_secs(5),
            caller_grace: Duration::from_secs(600),
        }
    }
}

/// An issuer of tokens, and the organisation whose users it vouches for.
#[derive(Debug, Clone)]
pub struct SignOn {
    /// Of its tokens.
    pub verifier: Verifier,
    /// The organisation's name.
    pub tenant: String,
}

/// Who calls, and what their tenant may use.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) who: Arc<who::Caller>,
    pub(crate) tenant: Arc<Tenant>,
}

/// What every handler can reach; cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Parts>);

struct Parts {
    store: Store,
    blobs: Blobs,
    registry: Registry,
    runs: Runs,
    settings: Settings,
    callers: Remembered<Digest, Seen>,
    heavy: Semaphore,
    waits: Semaphore,
    body_memory: Memory,
    metrics: Metrics,
    readiness: Readiness,
    journal: Journal,
}

impl ApiState {
    /// The HTTP side over what the server wired; not ready yet. Must be called inside a Tokio runtime.
    pub fn new(store: Store, blobs: Blobs, registry: Registry, runs: Runs, settings: Settings) -> Self {
        Self(Arc::new(Parts {
            journal: Journal::new(store.clone()),
            store,
            blobs,
            registry,
            callers: Remembered::new(settings.caller_age, settings.caller_grace, runs.health().clone()),
            runs,
            heavy: Semaphore::new(HEAVY),
            waits: Semaphore::new(WAITS),
            body_memory: Memory::new(settings.body_memory),
            settings,
            metrics: Metrics::default(),
            readiness: Readiness::default(),
        }))
    }

    /// PostgreSQL.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Bytes by digest.
    pub fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    /// The control plane.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The data plane.
    pub fn runs(&self) -> &Runs {
        &self.0.runs
    }

    /// Settings of the HTTP side.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Figures of the HTTP side.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Whether this host wants requests.
    pub fn readiness(&self) -> &Readiness {
        &self.0.readiness
    }

    /// Reads on their way into the audit log.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    pub(crate) fn callers(&self) -> &Remembered<Digest, Seen> {
        &self.0.callers
    }

    /// Whoever calls for this tenant is asked for again before the next request.
    pub(crate) fn doubt_callers_of(&self, tenant: TenantId) {
        self.0.callers.doubt_answers(|seen| seen.who.tenant == tenant);
    }

    /// A place for a question that looks at much: they must not take all connections to the database.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when none came free in time.
    pub(crate) async fn heavy_place(&self) -> Result<SemaphorePermit<'_>, Failure> {
        if let Ok(Ok(place)) = timeout(HEAVY_QUEUE, self.0.heavy.acquire()).await {
            return Ok(place);
        }
        let said = "others ask for sums or verify their audit log on this host; try again soon";
        let mut failure = Failure::new(Code::Overloaded, said);
        failure.retry_after_ms = Some(2_000);
        Err(failure)
    }

    /// A place for an answer that waits for a run; none: too many do, and it is given as it is now.
    pub(crate) fn wait_place(&self) -> Option<SemaphorePermit<'_>> {
        self.0.waits.try_acquire().ok()
    }

    pub(crate) fn body_memory(&self) -> &Memory {
        &self.0.body_memory
    }
}

/// Whether this host wants requests: not before it is set up, and not once it was told to stop.
#[derive(Debug, Default)]
pub struct Readiness(AtomicBool);

impl Readiness {
    /// Says so to `/readyz`.
    pub fn set_ready(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    /// What `/readyz` says.
    pub fn ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
