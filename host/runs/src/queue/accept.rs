//! Into the queue.

use std::time::Duration;

use docmill_model::definition::Retain;
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{RunId, TenantId};
use docmill_model::plan::Frozen;
use docmill_model::run::RunHead;
use docmill_store::StoreError;
use docmill_store::queue::JobSpec;
use docmill_store::run::Committed;
use tokio::time::{Instant, timeout_at};

use super::add;
use super::work::inputs;
use crate::documents;
use crate::invoke::{Acting, Refused, Request, allowed, blobs_too_slow, keeps_nothing, wait_for};
use crate::{Admission, Runs, Snapshot, now};

/// Priorities that a client may give, from the last to the first.
pub const PRIORITIES: std::ops::RangeInclusive<i16> = -100..=100;
/// Longest time that a start may be put off.
pub const LONGEST_DELAY: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// When a run is to be worked on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Later {
    /// Within its tenant; higher first. Within [`PRIORITIES`].
    pub priority: i16,
    /// Before it may begin; up to [`LONGEST_DELAY`].
    pub delay: Duration,
}

/// A run that waits for a worker.
#[derive(Debug)]
pub struct Accepted {
    /// What is known of it.
    pub head: RunHead,
    /// Documents whose bytes the tenant had before.
    pub committed: Committed,
}

impl Runs {
    /// Keeps a run that is worked on later, by whichever worker claims it. When this returns, it is durable: it ends whatever
    /// happens to this host. Its time limit counts from when work begins.
    ///
    /// # Errors
    /// What is wrong with the inputs; [`Code::KeepsNothing`], [`Code::Overloaded`], [`Code::QuotaExceeded`],
    /// [`Code::PluginNotAllowed`], [`Code::KeyInUse`]; what the store or the blobs say.
    pub async fn accept(
        &self,
        admission: Admission,
        snapshot: &Snapshot,
        acting: Acting,
        request: Request,
        later: Later,
    ) -> Result<Accepted, Refused> {
        if snapshot.definition().retain == Retain::None {
            return Err(keeps_nothing("respond-async", "can be fetched").into());
        }
        if !PRIORITIES.contains(&later.priority) || later.delay > LONGEST_DELAY {
            let said = "a priority is from -100 to 100, and a start is put off by 366 days at most";
            return Err(Failure::new(Code::MalformedRequest, said).into());
        }
        let clearance = acting.sight.clearance;
        let until = admission.since + self.0.settings.timeout.0;
        let ready = self.prepare(&admission, snapshot, acting, request).await?;
        let kept = self.frozen(ready.run.tenant, snapshot).await;
        let plan = kept.map_err(|error| ready.run.said(&error))?;
        let accepting = keep(
            ready.run,
            until,
            JobSpec {
                plan,
                priority: later.priority,
                delay: later.delay,
                clearance,
            },
        );
        // Whoever hangs up now has the run all the same; it is found by its key, or in the list.
        let kept = tokio::spawn(accepting).await.map_err(|error| {
            tracing::error!(%error, "keeping a queued run panicked");
            Failure::new(Code::Internal, "the run could not be kept; the log tells more")
        })?;
        drop((ready.loaded, admission));
        kept
    }

    /// Queues a run over the inputs of one that is over, with what its pipeline is now. The first stays as it is.
    ///
    /// # Errors
    /// As [`Self::accept`]; what does not fit the pipeline any more.
    pub async fn redrive(
        &self,
        admission: Admission,
        snapshot: &Snapshot,
        acting: Acting,
        before: &RunHead,
        later: Later,
    ) -> Result<Accepted, Refused> {
        let parts = &self.0;
        let definition = snapshot.definition();
        if definition.retain == Retain::None {
            return Err(keeps_nothing("a second attempt", "can be fetched").into());
        }
        allowed(&snapshot.plugins, &admission.tenant.allowance())?;
        let (tenant, clearance) = (acting.sight.tenant, acting.sight.clearance);
        let (inputs, loaded) = inputs(parts, tenant, before).await?;
        let (executor, plan) = (&parts.executor, &snapshot.plan);
        executor.check_inputs(plan, &inputs).await?;
        let head = RunHead {
            id: RunId::new(),
            pipeline: snapshot.pipeline,
            pipeline_name: definition.name.clone(),
            pipeline_version: snapshot.version_id,
            version_number: snapshot.number,
            durability: definition.durability,
            retain: definition.retain,
            created_at: now(),
            tier: definition.tier.raised_to(before.tier),
            key: acting.key,
            user: acting.user,
            subject: before.subject.clone(),
            client_ip: acting.client_ip,
            request: acting.request,
            params: executor.params(plan, &inputs.params).await?,
            lookups: executor.lookups(plan, &inputs).await?,
            inputs: before.inputs.clone(),
            plugins: snapshot.plugins.clone(),
        };
        drop(loaded);
        let plan = self.frozen(tenant, snapshot).await.map_err(|e| e.failure())?;
        let job = JobSpec {
            plan,
            priority: later.priority,
            delay: later.delay,
            clearance,
        };
        let queued = parts.store.queue_run(tenant, &head, &[], &job, None).await;
        let committed = queued.map_err(|e| e.failure())?;
        add(&parts.queue.counts.accepted, 1);
        parts.queue.wake.notify_one();
        Ok(Accepted { head, committed })
    }

    /// What the run executes, kept.
    async fn frozen(&self, tenant: TenantId, snapshot: &Snapshot) -> Result<Digest, StoreError> {
        let keep = || async {
            let frozen = Frozen::of(&snapshot.plan);
            self.0.store.keep_plan(tenant, &frozen).await
        };
        snapshot.frozen.get_or_try_init(keep).await.copied()
    }
}

async fn keep(mut run: crate::invoke::Run, until: Instant, job: JobSpec) -> Result<Accepted, Refused> {
    let parts = run.parts.clone();
    // The rows must never name bytes that are not there.
    let sources = timeout_at(until, wait_for(run.send_sources())).await;
    sources.unwrap_or_else(|_| Err(blobs_too_slow()))?;
    let rows = documents::rows(&run.new, None, parts.settings.inline).await;
    for file in &run.new {
        parts.queue.recent.keep(file.source, file.bytes.clone());
    }
    let queued = parts
        .store
        .queue_run(run.tenant, &run.head, &rows, &job, run.key.as_ref());
    let committed = match queued.await {
        Ok(committed) => committed,
        Err(error) => {
            for file in &run.new {
                parts.queue.recent.take(file.source);
            }
            return Err(run.said(&error));
        }
    };
    if let Some(reserved) = run.reserved.take() {
        reserved.kept(0);
    }
    add(&parts.queue.counts.accepted, 1);
    if job.delay.is_zero() {
        parts.queue.wake.notify_one();
    }
    Ok(Accepted {
        head: run.head,
        committed,
    })
}
