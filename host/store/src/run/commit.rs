//! Group commit: runs of one tenant that finish while another commit is under way are written together. A lone run waits for
//! nobody; the more there are, the more share one round trip, one plan and one flush of the log.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use docmill_model::id::TenantId;
use sqlx::postgres::PgBindIterExt as _;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Committed;
use super::rows::Rows;
use super::shared::Shared;
use crate::connect::again_if_cut;
use crate::error::StoreError;
use crate::line::{Line, Lines};

/// Commits of one tenant that may be under way at once. The second and later ones are for when a large run holds up small
/// ones: as a rule, there is one, because the larger the groups, the less each run costs.
const LANES: usize = 4;
/// How long a run waits behind the commit under way before it has another lane opened.
const PATIENCE: Duration = Duration::from_millis(25);
/// A commit takes no further run when it is this large.
const MAX_BYTES: usize = 4 << 20;

/// What the database says of an accepted run that is finished already, or never was accepted.
const NOT_RUNNING: &str = "DM001";

type Answer = oneshot::Sender<Result<Committed, StoreError>>;

/// Finished runs on their way to the database.
#[derive(Debug, Clone)]
pub(crate) struct Committer {
    lines: Lines,
    /// Most runs in one commit.
    most: usize,
    queues: Arc<Mutex<HashMap<TenantId, Queue>>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    lanes: usize,
}

#[derive(Debug)]
struct Waiting {
    rows: Rows,
    answer: Answer,
}

impl Committer {
    /// Over a pool, with at most so many runs in one commit.
    pub(crate) fn new(lines: Lines, most: usize) -> Self {
        Self {
            lines,
            most: most.max(1),
            queues: Arc::default(),
        }
    }

    /// Writes a run that is not there yet. Goes on to the end even if the caller goes away.
    pub(crate) async fn commit(&self, tenant: TenantId, rows: Rows) -> Result<Committed, StoreError> {
        let (answer, mut answered) = oneshot::channel();
        {
            let mut queues = self.queues();
            let queue = queues.entry(tenant).or_default();
            queue.waiting.push_back(Waiting { rows, answer });
            // Of commits of one run, one need not wait for another.
            if queue.lanes == 0 || self.most == 1 {
                self.open_lane(tenant, queue);
            }
        }
        let gone = |_| StoreError::Unavailable {
            reason: "the host is shutting down".to_owned(),
        };
        if let Ok(result) = tokio::time::timeout(PATIENCE, &mut answered).await {
            return result.map_err(gone)?;
        }
        {
            let mut queues = self.queues();
            let held_up = |queue: &&mut Queue| !queue.waiting.is_empty() && queue.lanes < LANES;
            if let Some(queue) = queues.get_mut(&tenant).filter(held_up) {
                self.open_lane(tenant, queue);
            }
        }
        answered.await.map_err(gone)?
    }

    /// Finishes a run that was accepted.
    pub(crate) async fn finish(&self, tenant: TenantId, rows: Rows) -> Result<Committed, StoreError> {
        write(&self.lines, tenant, true, &[&rows], &AtomicU32::new(0)).await
    }

    fn open_lane(&self, tenant: TenantId, queue: &mut Queue) {
        queue.lanes += 1;
        let committer = self.clone();
        tokio::spawn(async move { committer.work_off(tenant).await });
    }

    /// Commits group after group until nobody of the tenant waits.
    async fn work_off(&self, tenant: TenantId) {
        while let Some(group) = self.next_group(tenant) {
            let rows: Vec<&Rows> = group.iter().map(|w| &w.rows).collect();
            let sent = AtomicU32::new(0);
            match write(&self.lines, tenant, false, &rows, &sent).await {
                Ok(committed) => answer_all(group, || Ok(committed.clone())),
                Err(StoreError::Unanswered { reason }) => {
                    answer_all(group, || {
                        Err(StoreError::Unanswered {
                            reason: reason.clone(),
                        })
                    });
                    self.give_up(tenant, &reason);
                }
                Err(StoreError::Unavailable { reason }) => {
                    answer_all(group, || away(&reason));
                    self.give_up(tenant, &reason);
                }
                // One of them is wrong, or was there already: it must not take its neighbours along.
                Err(_) if group.len() > 1 => {
                    let sent_before = sent.into_inner().saturating_sub(1);
                    for waiting in group {
                        let (rows, sent) = ([&waiting.rows], AtomicU32::new(sent_before));
                        let result = write(&self.lines, tenant, false, &rows, &sent).await;
                        waiting.answer.send(result).ok();
                    }
                }
                Err(error) => {
                    let mut error = Some(error);
                    answer_all(group, || {
                        error.take().map_or_else(|| Ok(Committed::default()), Err)
                    });
                }
            }
        }
    }

    /// The next runs to commit together; none: the lane is closed.
    fn next_group(&self, tenant: TenantId) -> Option<Vec<Waiting>> {
        let mut queues = self.queues();
        let queue = queues.get_mut(&tenant)?;
        let mut group = Vec::new();
        let mut bytes = 0;
        while group.len() < self.most && bytes < MAX_BYTES {
            let Some(next) = queue.waiting.pop_front() else {
                break;
            };
            bytes += next.rows.bytes();
            group.push(next);
        }
        if !group.is_empty() {
            return Some(group);
        }
        queue.lanes -= 1;
        if queue.lanes == 0 {
            queues.remove(&tenant);
        }
        None
    }

    /// Who waits behind would only find out the same, one time-out later.
    fn give_up(&self, tenant: TenantId, reason: &str) {
        let waiting = {
            let mut queues = self.queues();
            queues
                .get_mut(&tenant)
                .map(|queue| std::mem::take(&mut queue.waiting))
        };
        answer_all(waiting.unwrap_or_default().into(), || away(reason));
    }

    /// Nothing panics while it holds the lock; if it did, the queues would still be whole.
    fn queues(&self) -> MutexGuard<'_, HashMap<TenantId, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller that went away is told nothing.
fn answer_all(group: Vec<Waiting>, mut result: impl FnMut() -> Result<Committed, StoreError>) {
    for waiting in group {
        waiting.answer.send(result()).ok();
    }
}

fn away(reason: &str) -> Result<Committed, StoreError> {
    Err(StoreError::Unavailable {
        reason: reason.to_owned(),
    })
}

/// Writes runs of one tenant: one statement, one round trip, one commit. `accepted`: they are there and running, and are
/// finished now. Counts in `sent` how often they were sent: what was sent and not answered may have been written.
async fn write(
    lines: &Lines,
    tenant: TenantId,
    accepted: bool,
    runs: &[&Rows],
    sent: &AtomicU32,
) -> Result<Committed, StoreError> {
    let shared = Shared::of(runs)?;
    let counted = || async {
        let mut line = lines.open().await?;
        sent.fetch_add(1, Ordering::Relaxed);
        send(&mut line, tenant, accepted, runs, &shared).await
    };
    let written = again_if_cut(counted).await;
    let sent = sent.load(Ordering::Relaxed);
    match written {
        Ok(replaced) => Ok(Committed {
            replaced: replaced.into(),
        }),
        // It was written the first time; only the answer was lost. (Of several, one may have been there before.)
        Err(error) if sent > 1 && runs.len() == 1 && is_there(&error, accepted) => Ok(Committed::default()),
        Err(error) => {
            let said_no = sent == 1 && error.as_database_error().is_some();
            match refused(error) {
                StoreError::Unavailable { reason } if sent > 0 && !said_no => {
                    Err(StoreError::Unanswered { reason })
                }
                error => Err(error),
            }
        }
    }
}

// Not a checked macro: those take slices and would have every group copied into one.
const WRITE: &str = "select given, instead from docmill.write_runs(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)";
const WRITE_WITH_CHUNKS: &str = "select given, instead from docmill.write_runs_with_chunks(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";
const WRITE_WITH_LLM: &str = "select given, instead from docmill.write_runs_with_llm(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)";

async fn send(
    line: &mut Line,
    tenant: TenantId,
    accepted: bool,
    runs: &[&Rows],
    shared: &Shared,
) -> Result<Vec<(Uuid, Uuid)>, sqlx::Error> {
    let asked = runs.iter().any(|r| !r.llm_calls.is_empty());
    let chunked = asked || runs.iter().any(|r| !r.chunks.is_empty());
    let statement = match (asked, chunked) {
        (true, _) => WRITE_WITH_LLM,
        (false, true) => WRITE_WITH_CHUNKS,
        (false, false) => WRITE,
    };
    let query = sqlx::query_as(statement)
        .bind(tenant.uuid())
        .bind(accepted)
        .bind(runs.iter().flat_map(|r| &r.runs).bind_iter())
        .bind(&shared.ends)
        .bind(&shared.heirs)
        .bind(runs.iter().flat_map(|r| &r.inherited).bind_iter())
        .bind(runs.iter().flat_map(|r| &r.sources).bind_iter())
        .bind(runs.iter().flat_map(|r| &r.inputs).bind_iter())
        .bind(runs.iter().flat_map(|r| &r.lookups).bind_iter())
        .bind(runs.iter().flat_map(|r| &r.readings).bind_iter())
        .bind(runs.iter().flat_map(|r| &r.pages).bind_iter())
        .bind(runs.iter().flat_map(|r| &r.steps).bind_iter())
        .bind(runs.iter().flat_map(|r| &r.attempts).bind_iter())
        .bind(runs.iter().flat_map(|r| &r.fields).bind_iter())
        .bind(runs.iter().flat_map(|r| &r.checks).bind_iter())
        .bind(runs.iter().flat_map(|r| &r.citations).bind_iter())
        .bind(runs.iter().flat_map(|r| &r.artifacts).bind_iter())
        .bind(runs.iter().flat_map(|r| &r.outputs).bind_iter())
        .bind(shared.usage.iter().bind_iter())
        .bind(shared.audit.iter().bind_iter());
    let query = if chunked {
        query.bind(runs.iter().flat_map(|r| &r.chunks).bind_iter())
    } else {
        query
    };
    let query = if asked {
        query.bind(runs.iter().flat_map(|r| &r.llm_calls).bind_iter())
    } else {
        query
    };
    query.fetch_all(line).await
}

/// Whether a run is refused because one of its id is there; if it was accepted, because it is finished.
fn is_there(error: &sqlx::Error, accepted: bool) -> bool {
    let Some(cause) = error.as_database_error() else {
        return false;
    };
    if accepted {
        return cause.code().as_deref() == Some(NOT_RUNNING);
    }
    if !cause.is_unique_violation() {
        return false;
    }
    // `run` itself is written first, into one of its partitions.
    let part = cause
        .table()
        .and_then(|table| table.strip_prefix("run_"))
        .unwrap_or_default();
    part == "default" || part.starts_with(|c: char| c.is_ascii_digit())
}

fn refused(error: sqlx::Error) -> StoreError {
    let Some(cause) = error.as_database_error() else {
        return error.into();
    };
    match cause.code().as_deref() {
        Some(NOT_RUNNING) => StoreError::Conflict {
            what: cause.message().to_owned(),
        },
        Some("23505") => StoreError::Conflict {
            what: "the run, or a document or reading of it, is there already".to_owned(),
        },
        _ => error.into(),
    }
}
