//! The queue of runs: claimed by workers under leases, handed back, taken over, cancelled. Migration 0027 says how it works.
//!
//! Every change that a worker makes names itself and the fence of its claim, and changes nothing when the job is not its own any
//! more.

use std::collections::HashMap;
use std::time::Duration;

use docmill_faults::point;
use docmill_model::access::Clearance;
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{KeyId, PipelineId, RequestId, RunId, TenantId, WorkerId};
use docmill_model::run::{Millis, RunHead};
use serde::Serialize;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::clean::{json_text, text};
use crate::connect::Store;
use crate::convert::{count_in, digest, foreign, size_in, tag};
use crate::error::StoreError;
use crate::tenant::Sight;

mod pause;

pub use pause::{PipelineQueue, TenantQueue};

/// What a queued run needs beside its head.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// What it executes: see [`Store::keep_plan`].
    pub plan: Digest,
    /// Within its tenant; higher first.
    pub priority: i16,
    /// Before it may begin.
    pub delay: Duration,
    /// Of who asked for it.
    pub clearance: Clearance,
}

/// A key under which a client may send a request again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// As the client wrote it; 1 to 255 bytes.
    pub key: String,
    /// Of what was asked: the same key with another request is refused.
    pub request: Digest,
    /// How long the first answer stands.
    pub lasts: Duration,
}

/// The run that came with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedKey {
    /// Of what was asked.
    pub request: Digest,
    /// Which run it made.
    pub run: RunId,
}

/// Under which a worker holds a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Which worker.
    pub worker: WorkerId,
    /// Of its claim: higher than every claim before.
    pub fence: i64,
}

/// A job that a worker claimed.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Whose.
    pub tenant: TenantId,
    /// Under which it is held.
    pub lease: Lease,
    /// How often somebody began with it, this time included.
    pub attempt: u32,
    /// What to execute.
    pub plan: Digest,
    /// Of who asked for it.
    pub clearance: Clearance,
    /// How long it could have begun before.
    pub waited: Duration,
    /// What the run demands now of those who look at it: it may have been raised since it was accepted.
    pub tier: Clearance,
    /// Whether steps of it were kept.
    pub checkpoints: bool,
    /// The run.
    pub head: RunHead,
}

/// What a claim brought.
#[derive(Debug, Default)]
pub struct Claims {
    /// In their order.
    pub jobs: Vec<Claimed>,
    /// Jobs whose heads this release cannot read: another one wrote them, or somebody by hand.
    pub unreadable: Vec<Unreadable>,
    /// Jobs that were claimed and not read, because those before them are as large as one claim may be: to be handed back.
    pub beyond: Vec<(RunId, i64)>,
}

impl Claims {
    /// Jobs that were claimed.
    pub fn len(&self) -> usize {
        self.jobs.len() + self.unreadable.len() + self.beyond.len()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A job that was claimed and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Which run.
    pub run: RunId,
    /// Of the claim.
    pub fence: i64,
    /// How often somebody began with it.
    pub attempt: u32,
    /// What is wrong with it.
    pub why: String,
}

/// What the heads of one claim may hold together: texts and records that clients sent are in them.
const HEAD_BYTES: i64 = 64 << 20;

/// What is read of a claimed job after the claim.
struct Head {
    /// None: it was one too many.
    head: Option<Result<RunHead, String>>,
    tier: String,
    checkpoints: bool,
}

/// What a worker says of itself.
#[derive(Debug, Clone)]
pub struct Beat<'a> {
    /// Since it started.
    pub worker: WorkerId,
    /// Where it runs, for people.
    pub host: &'a str,
    /// Of docmill.
    pub release: &'a str,
    /// How long it is there without saying so again.
    pub lease: Duration,
    /// It takes nothing new.
    pub draining: bool,
    /// Runs at work: ids, pipelines, times; no values.
    pub doing: &'a Json,
}

/// A job that a worker hands back.
#[derive(Debug, Clone)]
pub struct Returned {
    /// Which run.
    pub run: RunId,
    /// Of the claim.
    pub fence: i64,
    /// When it may begin again.
    pub delay: Duration,
    /// Whether this was an attempt: not, if the worker was told to stop.
    pub spent: bool,
    /// Why.
    pub error: Option<Failure>,
}

/// What giving up workers came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Workers that were given up.
    pub workers: u64,
    /// Jobs that are ready again.
    pub jobs: u64,
    /// Runs whose attempts are used up.
    pub failed: u64,
}

/// A worker as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerRow {
    /// Since it started.
    pub id: WorkerId,
    /// Where it runs.
    pub host: String,
    /// Of docmill.
    pub release: String,
    /// When it began.
    pub started_at: Millis,
    /// When it was last heard of.
    pub beat_at: Millis,
    /// It should have been heard of since.
    pub late: bool,
    /// It takes nothing new.
    pub draining: bool,
    /// When it went, or was given up.
    pub ended_at: Option<Millis>,
    /// Jobs that it holds.
    pub leased: u64,
    /// Runs at work, as it said last.
    pub doing: Json,
}

/// How full the queue is, over all tenants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// May begin.
    pub ready: u64,
    /// Wait for their time.
    pub delayed: u64,
    /// At work.
    pub leased: u64,
    /// How long the oldest could have begun, in milliseconds.
    pub oldest_ms: u64,
}

/// Who cancels.
#[derive(Debug, Clone, Copy)]
pub struct Canceller {
    /// By which key.
    pub key: Option<KeyId>,
    /// In which request.
    pub request: RequestId,
}

impl Store {
    /// Keeps what runs execute; once for all runs of a plan. Its digest is that of the text that is kept.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keep_plan<T: Serialize + Sync>(
        &self,
        tenant: TenantId,
        plan: &T,
    ) -> Result<Digest, StoreError> {
        let body = json_text(plan)?;
        let digest = Digest::of(body.as_bytes());
        let mut tx = self.tenant(tenant).await?;
        sqlx::query!(
            "insert into docmill.plan (tenant_id, digest, body) values ($1, $2, $3::text::json)
             on conflict (tenant_id, digest) do nothing",
            tenant.uuid(),
            digest.as_bytes().as_slice(),
            body,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(digest)
    }

    /// The text of a plan that was kept.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; when the database does not answer.
    pub async fn kept_plan(&self, tenant: TenantId, plan: Digest) -> Result<String, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let body = sqlx::query_scalar!(
            r#"select body::text as "body!" from docmill.plan where tenant_id = $1 and digest = $2"#,
            tenant.uuid(),
            plan.as_bytes().as_slice(),
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.end().await?;
        body.ok_or_else(|| StoreError::not_found(format!("the plan {plan}")))
    }

    /// Which run a key made, while the key lasts; not a run that failed for a reason that passes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn used_key(&self, tenant: TenantId, key: &str) -> Result<Option<UsedKey>, StoreError> {
        let key = text(key);
        // Runs of every tier count.
        let mut tx = self.seeing(Sight::whole(tenant)).await?;
        let row = sqlx::query!(
            "select request, run_id from docmill.idempotency_key
             where tenant_id = $1 and key = $2 and expires_at >= now() and not exists (
                 select from docmill.run r
                 where r.tenant_id = $1 and r.id = run_id and r.error_code = any ($3))",
            tenant.uuid(),
            &*key,
            &passing() as &[String],
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.end().await?;
        row.map(|row| {
            Ok(UsedKey {
                request: digest(&row.request)?,
                run: row.run_id.into(),
            })
        })
        .transpose()
    }

    /// Says that a worker is there. Gives the runs that it holds, each with its fence; none at all if it was given up: whatever it
    /// holds is somebody else's, and it has to go on under another id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn beat(&self, beat: &Beat<'_>) -> Result<Option<Vec<(RunId, i64)>>, StoreError> {
        let (host, release) = (text(beat.host), text(beat.release));
        point("beat.before").await;
        let rows = sqlx::query!(
            "select run_id, fence from docmill.beat($1, $2, $3, $4, $5, $6::text::json)",
            beat.worker.uuid(),
            &*host,
            &*release,
            millis_out(beat.lease),
            beat.draining,
            json_text(beat.doing)?,
        )
        .fetch_all(&mut self.line().await?)
        .await?;
        point("beat.after").await;
        if rows.is_empty() {
            return Ok(None);
        }
        let held = rows.into_iter().filter_map(|row| row.run_id.zip(row.fence));
        Ok(Some(held.map(|(run, fence)| (run.into(), fence)).collect()))
    }

    /// Claims up to `want` jobs: tenants in turn. None if there are none, or if the worker is none any more.
    ///
    /// # Errors
    /// When the database does not answer: then jobs may have been claimed for a worker that does not know of it. It finds them
    /// with its next [`Self::beat`], and hands them back.
    pub async fn claim_jobs(&self, worker: WorkerId, want: u32) -> Result<Claims, StoreError> {
        point("claim.before").await;
        let rows = sqlx::query!(
            r#"select tenant_id as "tenant_id!", run_id as "run_id!", fence as "fence!", attempt as "attempt!",
                      plan as "plan!", clearance as "clearance!", waited_ms as "waited_ms!"
               from docmill.claim_jobs($1, $2)"#,
            worker.uuid(),
            i32::try_from(want).unwrap_or(i32::MAX),
        )
        .fetch_all(&mut self.line().await?)
        .await?;
        if rows.is_empty() {
            return Ok(Claims::default());
        }
        point("claim.after").await;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.run_id).collect();
        let mut heads = self.job_heads(worker, &ids).await?;
        let mut claims = Claims::default();
        for row in rows {
            let (run, fence, attempt) = (row.run_id.into(), row.fence, count_in(row.attempt));
            // None: it was cancelled meanwhile.
            let Some(found) = heads.remove(&(row.run_id, fence)) else {
                continue;
            };
            let head = match found.head {
                Some(Ok(head)) => head,
                None => {
                    claims.beyond.push((run, fence));
                    continue;
                }
                Some(Err(why)) => {
                    claims.unreadable.push(Unreadable {
                        run,
                        fence,
                        attempt,
                        why,
                    });
                    continue;
                }
            };
            claims.jobs.push(Claimed {
                tenant: row.tenant_id.into(),
                lease: Lease { worker, fence },
                attempt,
                plan: digest(&row.plan)?,
                clearance: tag(&row.clearance)?,
                waited: Duration::from_millis(size_in(row.waited_ms)),
                tier: tag(&found.tier)?,
                checkpoints: found.checkpoints,
                head,
            });
        }
        Ok(claims)
    }

    async fn job_heads(
        &self,
        worker: WorkerId,
        runs: &[Uuid],
    ) -> Result<HashMap<(Uuid, i64), Head>, StoreError> {
        let rows = sqlx::query!(
            r#"select run_id as "run_id!", fence as "fence!", head, tier as "tier!",
                      checkpoints as "checkpoints!"
               from docmill.job_heads($1, $2, $3)"#,
            worker.uuid(),
            runs,
            HEAD_BYTES,
        )
        .fetch_all(&mut self.line().await?)
        .await?;
        let heads = rows.into_iter().map(|row| {
            let head = Head {
                head: row
                    .head
                    .map(|head| serde_json::from_str(&head).map_err(|error| error.to_string())),
                tier: row.tier,
                checkpoints: row.checkpoints,
            };
            ((row.run_id, row.fence), head)
        });
        Ok(heads.collect())
    }

    /// Ends runs for good of which nothing but a failure can be written, if they are this worker's; the number of those that were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn fail_jobs(
        &self,
        worker: WorkerId,
        runs: &[(RunId, i64)],
        failure: &Failure,
    ) -> Result<u64, StoreError> {
        let failed = sqlx::query_scalar!(
            r#"select docmill.fail_jobs($1, $2, $3, $4::text::json) as "failed!""#,
            worker.uuid(),
            &runs.iter().map(|(run, _)| run.uuid()).collect::<Vec<Uuid>>(),
            &runs.iter().map(|(_, fence)| *fence).collect::<Vec<i64>>(),
            json_text(failure)?,
        )
        .fetch_one(&mut self.line().await?)
        .await?;
        Ok(size_in(failed))
    }

    /// Hands jobs back; the number of those that were still this worker's.
    ///
    /// # Errors
    /// When the database does not answer: they are taken over when the lease is over.
    pub async fn return_jobs(&self, worker: WorkerId, jobs: &[Returned]) -> Result<u64, StoreError> {
        let errors: Result<Vec<Option<String>>, StoreError> = jobs
            .iter()
            .map(|job| job.error.as_ref().map(json_text).transpose())
            .collect();
        point("return.before").await;
        let returned = sqlx::query_scalar!(
            r#"select docmill.return_jobs($1, $2, $3, $4, $5, $6) as "returned!""#,
            worker.uuid(),
            &jobs.iter().map(|job| job.run.uuid()).collect::<Vec<Uuid>>(),
            &jobs.iter().map(|job| job.fence).collect::<Vec<i64>>(),
            &jobs.iter().map(|job| millis_out(job.delay)).collect::<Vec<i64>>(),
            &jobs.iter().map(|job| job.spent).collect::<Vec<bool>>(),
            &errors? as &[Option<String>],
        )
        .fetch_one(&mut self.line().await?)
        .await?;
        point("return.after").await;
        Ok(size_in(returned))
    }

    /// Keeps what a step of a queued run came to; whether the run is still this worker's.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keep_checkpoint(
        &self,
        tenant: TenantId,
        lease: Lease,
        run: RunId,
        step: u32,
        body: &[u8],
    ) -> Result<bool, StoreError> {
        point("checkpoint.before").await;
        let kept = sqlx::query_scalar!(
            r#"select docmill.keep_checkpoint($1, $2, $3, $4, $5, $6) as "kept!""#,
            tenant.uuid(),
            lease.worker.uuid(),
            run.uuid(),
            lease.fence,
            i32::try_from(step).unwrap_or(i32::MAX),
            body,
        )
        .fetch_one(&mut self.line().await?)
        .await?;
        point("checkpoint.after").await;
        Ok(kept)
    }

    /// What was kept of a run's steps, by their place in the plan.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn checkpoints(&self, tenant: TenantId, run: RunId) -> Result<Vec<(u32, Vec<u8>)>, StoreError> {
        let mut tx = self.seeing(Sight::whole(tenant)).await?;
        let rows = sqlx::query!(
            "select step, body from docmill.checkpoint where tenant_id = $1 and run_id = $2 order by step",
            tenant.uuid(),
            run.uuid(),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        Ok(rows
            .into_iter()
            .map(|row| (count_in(row.step), row.body))
            .collect())
    }

    /// Gives up workers that were not heard of within their lease, and `leaving`, which says goodbye. What they held is ready
    /// again; a run that was begun `most` times and never ended fails for good.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reap_workers(&self, leaving: Option<WorkerId>, most: u32) -> Result<Reaped, StoreError> {
        let failure = Failure::new(
            Code::Interrupted,
            format!(
                "{most} workers that had the run went away before it was done; its input may be what ends them"
            ),
        );
        point("reap.before").await;
        let row = sqlx::query!(
            r#"select workers as "workers!", jobs as "jobs!", failed as "failed!"
               from docmill.reap_workers($1, $2, $3::text::json)"#,
            leaving.map(WorkerId::uuid),
            i32::try_from(most).unwrap_or(i32::MAX),
            json_text(&failure)?,
        )
        .fetch_one(&mut self.line().await?)
        .await?;
        if row.workers > 0 {
            point("reap.after").await;
        }
        Ok(Reaped {
            workers: size_in(row.workers),
            jobs: size_in(row.jobs),
            failed: size_in(row.failed),
        })
    }

    /// Workers that are there, and those that went within the last hour; the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn workers(&self) -> Result<Vec<WorkerRow>, StoreError> {
        let rows = sqlx::query!(
            r#"select id as "id!", host as "host!", release as "release!", started_ms as "started_ms!",
                      beat_ms as "beat_ms!", late as "late!", draining as "draining!", ended_ms, leased as "leased!",
                      doing as "doing!"
               from docmill.workers()"#
        )
        .fetch_all(&mut self.line().await?)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(WorkerRow {
                    id: row.id.into(),
                    host: row.host,
                    release: row.release,
                    started_at: row.started_ms,
                    beat_at: row.beat_ms,
                    late: row.late,
                    draining: row.draining,
                    ended_at: row.ended_ms,
                    leased: size_in(row.leased),
                    doing: serde_json::from_str(&row.doing).map_err(foreign)?,
                })
            })
            .collect()
    }

    /// How full the queue is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn queue_depth(&self) -> Result<Depth, StoreError> {
        let row = sqlx::query!(
            r#"select ready as "ready!", delayed as "delayed!", leased as "leased!", oldest_ms as "oldest_ms!"
               from docmill.queue_depth()"#
        )
        .fetch_one(&mut self.line().await?)
        .await?;
        Ok(Depth {
            ready: size_in(row.ready),
            delayed: size_in(row.delayed),
            leased: size_in(row.leased),
            oldest_ms: size_in(row.oldest_ms),
        })
    }

    /// Ends a queued run at once, whether it waits or is at work; whether it was queued, and may be seen.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn cancel_run(
        &self,
        sight: Sight,
        run: RunId,
        by: Canceller,
        who: &Json,
    ) -> Result<bool, StoreError> {
        let mut tx = self.seeing(sight).await?;
        let cancelled = sqlx::query_scalar!(
            r#"select docmill.cancel_run($1, $2, $3, $4, $5, $6::text::json) as "cancelled!""#,
            sight.tenant.uuid(),
            run.uuid(),
            docmill_model::id::AuditId::new().uuid(),
            by.key.map(KeyId::uuid),
            by.request.uuid(),
            json_text(who)?,
        )
        .fetch_one(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(cancelled)
    }

    /// Forgets workers that went long ago, and keys that are over.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sweep_queue(&self) -> Result<u64, StoreError> {
        let swept = sqlx::query_scalar!(r#"select docmill.sweep_queue() as "swept!""#)
            .fetch_one(&mut self.line().await?)
            .await?;
        Ok(size_in(swept))
    }
}

/// Codes of failures that pass: they free the key of a run.
pub(crate) fn passing() -> Vec<String> {
    let passing = [
        Code::PluginUnavailable,
        Code::Overloaded,
        Code::QuotaExceeded,
        Code::StoreUnavailable,
        Code::BlobUnavailable,
        Code::Interrupted,
    ];
    passing.iter().map(ToString::to_string).collect()
}

fn millis_out(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
