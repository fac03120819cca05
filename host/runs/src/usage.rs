//! What runs used that are not kept (`retain: none`). It is added up in memory, by tenant, key, pipeline, plugin and minute,
//! and written to the ledger a second later; while the database is away it waits. A host that crashes loses what waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use docmill_model::failure::{Code, Failure};
use docmill_model::id::{KeyId, RunId, TenantId};
use docmill_model::run::{Millis, RunHead, RunOutcome};
use docmill_model::usage::{Amounts, of_run};
use docmill_store::usage::UsageEntry;
use docmill_store::{Store, StoreError};
use tokio::time::{sleep, timeout};

/// How long it is added up before it is written: what a crash may lose.
const EVERY: Duration = Duration::from_secs(1);
/// What may wait of one tenant, in entries of about 200 bytes; then its runs are refused. Ten minutes without a database, which
/// is as long as runs go on, bring so many only if a thousand pipelines, keys and plugins meet in every one of them.
const MAX_WAITING: usize = 10_000;
const MINUTE: Millis = 60_000;

/// What waits to be written.
pub(crate) struct Unwritten {
    store: Store,
    state: Mutex<State>,
    /// One writes for all.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    tenants: HashMap<TenantId, Waiting>,
    /// Somebody will write it.
    scheduled: bool,
}

#[derive(Default)]
struct Waiting {
    open: HashMap<Place, Amounts>,
    /// Given to the database, which did not say that it wrote it: it is given the same again until it does.
    batch: Option<Arc<Batch>>,
}

/// What is added up together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    key: Option<KeyId>,
    minute: Millis,
    pipeline: String,
    plugin: Option<String>,
}

struct Batch {
    id: RunId,
    entries: Vec<UsageEntry>,
}

impl Unwritten {
    pub(crate) fn new(store: Store) -> Arc<Self> {
        Arc::new(Self {
            store,
            state: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        })
    }

    /// Whether the tenant's next run may begin: what it uses could be written down.
    ///
    /// # Errors
    /// [`Code::StoreUnavailable`] when too much waits.
    pub(crate) fn check(&self, tenant: TenantId) -> Result<(), Failure> {
        let waiting = self.state().tenants.get(&tenant).map_or(0, Waiting::len);
        if waiting < MAX_WAITING {
            return Ok(());
        }
        let said = "what earlier runs used could not be written for long, and no more of it can be remembered; try again soon";
        let mut failure = Failure::new(Code::StoreUnavailable, said);
        failure.retry_after_ms = Some(1_000);
        Err(failure)
    }

    /// Adds what a run used.
    pub(crate) fn add(self: &Arc<Self>, tenant: TenantId, head: &RunHead, outcome: &RunOutcome) {
        let (own, plugins) = of_run(head, outcome);
        let place = |plugin: Option<&str>| Place {
            key: head.key,
            minute: head.created_at - head.created_at.rem_euclid(MINUTE),
            pipeline: head.pipeline_name.clone(),
            plugin: plugin.map(str::to_owned),
        };
        let mut state = self.state();
        let waiting = state.tenants.entry(tenant).or_default();
        waiting.open.entry(place(None)).or_default().add(&own);
        for (plugin, amounts) in plugins {
            waiting.open.entry(place(Some(plugin))).or_default().add(&amounts);
        }
        if !state.scheduled {
            state.scheduled = true;
            tokio::spawn(self.clone().work_off());
        }
    }

    /// Writes until nothing waits.
    async fn work_off(self: Arc<Self>) {
        let mut failing = false;
        loop {
            sleep(EVERY).await;
            let written = self.write().await;
            if let (Err(error), false) = (&written, failing) {
                tracing::warn!(%error, "what runs used waits to be written; a crash would lose it");
            }
            failing = written.is_err();
            let mut state = self.state();
            if state.tenants.is_empty() {
                state.scheduled = false;
                return;
            }
        }
    }

    /// Writes what waits now.
    async fn write(&self) -> Result<(), StoreError> {
        let _alone = self.writing.lock().await;
        let mut refused = Ok(());
        for (tenant, batch) in self.batches() {
            match self.store.record_usage(tenant, batch.id, &batch.entries).await {
                Ok(()) => self.written(tenant),
                // The others' would find out the same.
                Err(error @ (StoreError::Unavailable { .. } | StoreError::Unanswered { .. })) => {
                    return Err(error);
                }
                Err(error) => refused = Err(error),
            }
        }
        refused
    }

    /// Of every tenant what is to be written now.
    fn batches(&self) -> Vec<(TenantId, Arc<Batch>)> {
        let mut state = self.state();
        let tenants = state.tenants.iter_mut();
        tenants
            .map(|(tenant, waiting)| (*tenant, waiting.batch()))
            .collect()
    }

    fn written(&self, tenant: TenantId) {
        let mut state = self.state();
        if let Some(waiting) = state.tenants.get_mut(&tenant) {
            waiting.batch = None;
            if waiting.open.is_empty() {
                state.tenants.remove(&tenant);
            }
        }
    }

    /// Writes what waits, before the host ends; says so if it cannot.
    pub(crate) async fn settle(&self, within: Duration) {
        let settled = timeout(within, async {
            while !self.state().tenants.is_empty() {
                if self.write().await.is_err() {
                    sleep(Duration::from_millis(100)).await;
                }
            }
        });
        if settled.await.is_err() {
            let lost: usize = self.state().tenants.values().map(Waiting::len).sum();
            tracing::error!(
                usage.entries = lost,
                "what runs used that are not kept could not be written before the end, and is lost"
            );
        }
    }

    /// Nothing panics while it holds the lock; if it did, every sum would still be one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn len(&self) -> usize {
        self.open.len() + self.batch.as_ref().map_or(0, |batch| batch.entries.len())
    }

    fn batch(&mut self) -> Arc<Batch> {
        if let Some(batch) = &self.batch {
            return batch.clone();
        }
        let open = std::mem::take(&mut self.open).into_iter();
        let entries = open.map(|(place, amounts)| UsageEntry {
            key: place.key,
            at: place.minute,
            pipeline: place.pipeline,
            plugin: place.plugin,
            amounts,
        });
        let entries = entries.collect();
        let id = RunId::new();
        let batch = Arc::new(Batch { id, entries });
        self.batch = Some(batch.clone());
        batch
    }
}

#[cfg(test)]
mod tests {
    use docmill_model::access::Clearance;
    use docmill_model::definition::{Durability, Retain};
    use docmill_model::id::{PipelineId, PipelineVersionId, RequestId};
    use docmill_model::run::Status;
    use docmill_store::Settings;
    use tokio::time::Instant;

    use super::*;

    fn run(pipeline: String, created_at: Millis) -> (RunHead, RunOutcome) {
        let head = RunHead {
            id: RunId::new(),
            pipeline: PipelineId::new(),
            pipeline_name: pipeline,
            pipeline_version: PipelineVersionId::new(),
            version_number: 1,
            durability: Durability::Result,
            retain: Retain::None,
            created_at,
            tier: Clearance::D,
            key: None,
            user: None,
            subject: None,
            client_ip: None,
            request: RequestId::new(),
            params: serde_json::Value::Null,
            lookups: Vec::new(),
            inputs: Vec::new(),
            plugins: Vec::new(),
        };
        let outcome = RunOutcome {
            status: Status::Succeeded,
            verdict: None,
            error: None,
            output: None,
            fields: Vec::new(),
            conflicts: Vec::new(),
            checks: Vec::new(),
            chunks: Vec::new(),
            embeddings: Vec::new(),
            steps: Vec::new(),
            artifacts: Vec::new(),
            readings: Vec::new(),
            started_at: created_at,
            finished_at: created_at,
        };
        (head, outcome)
    }

    /// Over a database that is away for good.
    fn unwritten() -> Arc<Unwritten> {
        let store = Store::connect(&Settings::new("postgres://nobody@127.0.0.1:1/nothing"));
        Unwritten::new(store.unwrap())
    }

    #[tokio::test]
    async fn runs_of_a_minute_are_one_entry_and_one_tenant_does_not_take_anothers_room() {
        let unwritten = unwritten();
        let (greedy, other) = (TenantId::new(), TenantId::new());
        for second in 0..120 {
            let (head, outcome) = run("p".into(), second * 1_000);
            unwritten.add(other, &head, &outcome);
        }
        assert_eq!(unwritten.state().tenants.get(&other).unwrap().len(), 2);
        for n in 0..MAX_WAITING {
            unwritten.check(greedy).unwrap();
            let (head, outcome) = run(format!("p{n}"), 0);
            unwritten.add(greedy, &head, &outcome);
        }
        let refused = unwritten.check(greedy).unwrap_err();
        assert_eq!(refused.code, Code::StoreUnavailable);
        assert!(refused.retry_after_ms.is_some());
        unwritten.check(other).unwrap();
    }

    #[tokio::test]
    async fn what_cannot_be_written_stays_and_does_not_hold_up_the_end() {
        let unwritten = unwritten();
        let tenant = TenantId::new();
        let (head, outcome) = run("p".into(), 0);
        unwritten.add(tenant, &head, &outcome);
        let began = Instant::now();
        unwritten.settle(Duration::from_millis(300)).await;
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        // Given to the database in vain; it is the same batch the next time, and what comes after it waits for its own.
        let first = unwritten.batches();
        unwritten.add(tenant, &head, &outcome);
        let again = unwritten.batches();
        assert_eq!((first.len(), again.len()), (1, 1));
        let (first, again) = (&first.first().unwrap().1, &again.first().unwrap().1);
        assert!(Arc::ptr_eq(first, again));
        let runs: Vec<u64> = first.entries.iter().map(|entry| entry.amounts.runs).collect();
        assert_eq!(runs, [1]);
        unwritten.written(tenant);
        let next = unwritten.batches();
        assert_ne!(next.first().unwrap().1.id, first.id);
        unwritten.written(tenant);
        assert!(unwritten.batches().is_empty());
    }
}
