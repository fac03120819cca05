//! One claimed run, from its plan to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use docmill_faults::point;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::TenantId;
use docmill_model::reading::Source;
use docmill_model::retry::next_attempt;
use docmill_model::run::{ArtifactRecord, InputContent, RunHead, RunOutcome, Status};
use docmill_model::size::ByteSize;
use docmill_pipeline::{FileInput, RunContext, RunInputs, execute_from, weigh_json};
use docmill_store::queue::{Claimed, Returned};
use docmill_store::run::RunCommit;
use docmill_store::{Sight, StoreError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};

use super::add;
use super::checkpoints::Checkpoints;
use super::worker::Phase;
use crate::invoke::{allowed, cpu_us, failed};
use crate::plans::Thawed;
use crate::{Parts, now};

/// Between two tries to write down what a run came to, while the database is away.
const AGAIN: Duration = Duration::from_millis(200);
/// The same when it goes on.
const AGAIN_LATER: Duration = Duration::from_secs(2);
/// How long a run waits that could not begin here for want of room.
const ELSEWHERE: Duration = Duration::from_millis(500);

/// What became of a claimed run on this host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It is over.
    Ended,
    /// It is in the queue again.
    Returned,
    /// It was not this worker's any more.
    Lost,
}

/// Why a run goes back into the queue.
struct Back {
    failure: Failure,
    delay: Duration,
    /// Whether it was an attempt.
    spent: bool,
}

/// Works on a claimed run. Dropped on the way, its guests are stopped and nothing is kept.
pub(crate) async fn work(parts: Arc<Parts>, claimed: Arc<Claimed>, attempts: u32, phase: Phase) -> End {
    let worked = carry_out(&parts, &claimed, attempts).await;
    // From here on it goes to its end: what it came to is kept if the run is still this worker's.
    if !phase.keeps() {
        return End::Lost;
    }
    match worked {
        Ok((outcome, artifacts)) => keep(&parts, &claimed, attempts, outcome, artifacts).await,
        Err(back) => give_back(&parts, &claimed, back).await,
    }
}

/// What the run came to; or why it goes back.
async fn carry_out(
    parts: &Arc<Parts>,
    claimed: &Arc<Claimed>,
    attempts: u32,
) -> Result<(RunOutcome, Vec<(ArtifactRecord, Bytes)>), Back> {
    match begin(parts, claimed).await {
        Ok(begun) => {
            let (outcome, artifacts) = execute(parts, claimed, begun).await?;
            let error = outcome.error.as_ref();
            let again = error.and_then(|failure| {
                let wait = next_attempt(failure, claimed.attempt, attempts, claimed.head.id)?;
                Some((failure.clone(), wait))
            });
            match again {
                Some((failure, delay)) => Err(Back {
                    failure,
                    delay,
                    spent: true,
                }),
                None => Ok((outcome, artifacts)),
            }
        }
        Err(NotBegun::NoRoom(failure)) => Err(Back {
            delay: ELSEWHERE.max(Duration::from_millis(failure.retry_after_ms.unwrap_or(0).into())),
            failure,
            spent: false,
        }),
        Err(NotBegun::Failed(failure)) => {
            match next_attempt(&failure, claimed.attempt, attempts, claimed.head.id) {
                Some(delay) => Err(Back {
                    failure,
                    delay,
                    spent: true,
                }),
                None => Ok((failed(failure), Vec::new())),
            }
        }
    }
}

/// Why work did not begin.
enum NotBegun {
    /// Not here, not now: that is no attempt.
    NoRoom(Failure),
    Failed(Failure),
}

struct Begun {
    thawed: Arc<Thawed>,
    inputs: RunInputs,
    loaded: Option<OwnedSemaphorePermit>,
    turn: docmill_quota::Turn,
    progress: Arc<Checkpoints>,
    deadline: Instant,
    memory: Option<ByteSize>,
}

async fn begin(parts: &Arc<Parts>, claimed: &Arc<Claimed>) -> Result<Begun, NotBegun> {
    point("begin.before").await;
    let no_room = |failure: Failure| match failure.code {
        Code::StoreUnavailable | Code::Overloaded | Code::QuotaExceeded => NotBegun::NoRoom(failure),
        _ => NotBegun::Failed(failure),
    };
    let tenant = parts.quotas.tenant(claimed.tenant).await.map_err(no_room)?;
    let thawed = parts
        .plans
        .thaw(claimed.tenant, claimed.plan)
        .await
        .map_err(no_room)?;
    let allowance = tenant.allowance();
    allowed(&claimed.head.plugins, &allowance).map_err(NotBegun::Failed)?;
    let (inputs, loaded) = inputs(parts, claimed.tenant, &claimed.head)
        .await
        .map_err(no_room)?;
    let progress = Checkpoints::of(parts, claimed).await.map_err(no_room)?;
    let stated = thawed
        .plan
        .definition
        .limits
        .timeout
        .unwrap_or(parts.settings.timeout);
    let span = stated.min(parts.settings.longest).0;
    let turn = parts
        .gate
        .turn(&tenant, Instant::now() + span)
        .await
        .map_err(no_room)?;
    Ok(Begun {
        thawed,
        inputs,
        loaded,
        turn,
        progress: Arc::new(progress),
        deadline: Instant::now() + span,
        memory: allowance.memory.map(ByteSize),
    })
}

async fn execute(
    parts: &Arc<Parts>,
    claimed: &Claimed,
    begun: Begun,
) -> Result<(RunOutcome, Vec<(ArtifactRecord, Bytes)>), Back> {
    let head = &claimed.head;
    let context = RunContext {
        run: head.id,
        started_at: now(),
        deadline: Some(begun.deadline),
        memory: begun.memory,
        // As it is now: it may have been raised since it was accepted.
        reuse: Some(claimed.tier).filter(|tier| claimed.clearance.sees(*tier)),
    };
    let mut turn = begun.turn;
    turn.begin();
    let (outcome, artifacts) = execute_from(
        &parts.executor,
        claimed.tenant,
        &begun.thawed.plan,
        begun.inputs,
        context,
        Some(begun.progress.clone()),
    )
    .await;
    turn.end(cpu_us(&outcome));
    point("executed").await;
    parts.gate.ended(&outcome);
    drop(begun.loaded);
    let interrupted = outcome
        .error
        .as_ref()
        .filter(|failure| failure.code == Code::Interrupted);
    match interrupted {
        // The host stops, or the run was taken over: neither is the run's fault.
        Some(failure) => Err(Back {
            failure: failure.clone(),
            delay: ELSEWHERE,
            spent: false,
        }),
        None => Ok((outcome, artifacts)),
    }
}

/// The inputs of a run as its plan takes them.
pub(super) async fn inputs(
    parts: &Parts,
    tenant: TenantId,
    head: &RunHead,
) -> Result<(RunInputs, Option<OwnedSemaphorePermit>), Failure> {
    let mut inputs = RunInputs {
        params: head.params.clone(),
        ..RunInputs::default()
    };
    let mut loaded = None;
    let mut files: BTreeMap<String, Vec<FileInput>> = BTreeMap::new();
    for input in &head.inputs {
        let role = input.role.clone();
        match &input.content {
            InputContent::File {
                document,
                source,
                name,
                media_type,
                size,
                digest,
            } => {
                parts.gate.load(*size, &mut loaded)?;
                let bytes = match parts.queue.recent.take(*source) {
                    Some(recent) => recent,
                    None => {
                        let kept = parts.store.source_bytes(tenant, *source).await;
                        let bytes = match kept.map_err(|e| e.failure())? {
                            Some(inline) => inline,
                            None => parts.blobs.get(tenant, *digest).await.map_err(|e| e.failure())?,
                        };
                        Arc::new(Source {
                            media_type: media_type.clone(),
                            name: name.clone(),
                            digest: *digest,
                            bytes,
                        })
                    }
                };
                files.entry(role).or_default().push(FileInput {
                    document: *document,
                    source: *source,
                    bytes,
                });
            }
            InputContent::Text { text } => {
                parts.gate.load(text.len() as u64, &mut loaded)?;
                inputs
                    .texts
                    .entry(role)
                    .or_default()
                    .push(Arc::from(text.as_str()));
            }
            InputContent::Record { record } => {
                parts.gate.load(weigh_json(record) as u64, &mut loaded)?;
                inputs
                    .records
                    .entry(role)
                    .or_default()
                    .push(Arc::new(record.clone()));
            }
        }
    }
    inputs.files = files;
    Ok((inputs, loaded))
}

/// Blobs first, then the one commit under the fence. Goes on while the database is away: nobody else can have the run meanwhile.
async fn keep(
    parts: &Arc<Parts>,
    claimed: &Claimed,
    attempts: u32,
    mut outcome: RunOutcome,
    artifacts: Vec<(ArtifactRecord, Bytes)>,
) -> End {
    for (record, bytes) in artifacts {
        let Err(error) = parts.blobs.put(claimed.tenant, record.digest, bytes).await else {
            continue;
        };
        let failure = error.failure();
        match next_attempt(&failure, claimed.attempt, attempts, claimed.head.id) {
            Some(delay) => {
                let back = Back {
                    failure,
                    delay,
                    spent: true,
                };
                return give_back(parts, claimed, back).await;
            }
            None => outcome = failed(failure),
        }
        break;
    }
    let mut wait = AGAIN;
    loop {
        let commit = RunCommit {
            head: &claimed.head,
            outcome: &outcome,
            documents: &[],
        };
        match parts.store.end_job(claimed.tenant, claimed.lease, &commit).await {
            Ok(_) => return ended(parts),
            Err(StoreError::NotOurs) => return not_ours(parts, claimed).await,
            Err(error @ (StoreError::Unavailable { .. } | StoreError::Unanswered { .. })) => {
                tracing::debug!(run.id = %claimed.head.id, %error, "what a run came to waits for the database");
            }
            Err(error) if outcome.steps.is_empty() => {
                tracing::error!(run.id = %claimed.head.id, %error, "not even the failure of a queued run can be written as it is");
                let said = outcome.error.clone();
                let said = said
                    .unwrap_or_else(|| Failure::new(Code::Internal, "what the run came to cannot be kept"));
                let lease = (claimed.head.id, claimed.lease.fence);
                match parts.store.fail_jobs(claimed.lease.worker, &[lease], &said).await {
                    Ok(0) => return not_ours(parts, claimed).await,
                    Ok(_) => return ended(parts),
                    Err(error) => {
                        tracing::error!(run.id = %claimed.head.id, %error, "a queued run cannot be ended")
                    }
                }
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(run.id = %claimed.head.id, %error, cause, "what a run came to cannot be kept");
                let said = "what the run came to cannot be kept; the log tells more";
                outcome = failed(Failure::new(Code::Internal, said));
                continue;
            }
        }
        sleep(wait).await;
        wait = (wait * 2).min(AGAIN_LATER);
    }
}

fn ended(parts: &Parts) -> End {
    add(&parts.queue.counts.ended, 1);
    End::Ended
}

/// Somebody else's; or this worker ended it itself, and the answer was lost.
async fn not_ours(parts: &Parts, claimed: &Claimed) -> End {
    let run = claimed.head.id;
    let status = parts.store.run_status(Sight::whole(claimed.tenant), run).await;
    if let Ok(Some(Status::Succeeded | Status::Failed)) = status {
        tracing::debug!(run.id = %run, "a run is over, by this worker or another one");
        return ended(parts);
    }
    tracing::info!(run.id = %run, "a run was cancelled or taken over before this worker ended it");
    add(&parts.queue.counts.lost, 1);
    End::Lost
}

async fn give_back(parts: &Parts, claimed: &Claimed, back: Back) -> End {
    let returned = Returned {
        run: claimed.head.id,
        fence: claimed.lease.fence,
        delay: back.delay,
        spent: back.spent,
        error: Some(back.failure),
    };
    let mut wait = AGAIN;
    loop {
        match parts
            .store
            .return_jobs(claimed.lease.worker, std::slice::from_ref(&returned))
            .await
        {
            Ok(0) => return not_ours(parts, claimed).await,
            Ok(_) => {
                if returned.spent {
                    add(&parts.queue.counts.retried, 1);
                }
                return End::Returned;
            }
            Err(error) => {
                tracing::debug!(run.id = %claimed.head.id, %error, "a run waits to be handed back");
                sleep(wait).await;
                wait = (wait * 2).min(AGAIN_LATER);
            }
        }
    }
}
