//! Group commit: runs of one tenant that finish while another commit is under way are written together. A lone run waits for
//! nobody; the more there are, the more share one round trip, one plan and one flush of the log.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use docmill_model::id::TenantId;
use sqlx::PgPool;
use sqlx::postgres::PgBindIterExt as _;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Committed;
use super::rows::Rows;
use crate::connect::again_if_cut;
use crate::error::StoreError;

/// Commits of one tenant that may be under way at once. The second and later ones are for when a large run holds up small
/// ones: as a rule, there is one, because the larger the groups, the less each run costs.
const LANES: usize = 4;
/// How long a run waits behind the commit under way before it has another lane opened.
const PATIENCE: Duration = Duration::from_millis(25);
/// Most runs in one commit.
const MAX_RUNS: usize = 64;
/// A commit takes no further run when it is this large.
const MAX_BYTES: usize = 4 << 20;

type Answer = oneshot::Sender<Result<Committed, StoreError>>;

/// Finished runs on their way to the database.
#[derive(Debug, Clone)]
pub(crate) struct Committer {
    pool: PgPool,
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
    pub(crate) fn new(pool: PgPool) -> Self {
        Self {
            pool,
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
            if queue.lanes == 0 {
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

    fn open_lane(&self, tenant: TenantId, queue: &mut Queue) {
        queue.lanes += 1;
        let committer = self.clone();
        tokio::spawn(async move { committer.work_off(tenant).await });
    }

    /// Commits group after group until nobody of the tenant waits.
    async fn work_off(&self, tenant: TenantId) {
        while let Some(group) = self.next_group(tenant) {
            let rows: Vec<&Rows> = group.iter().map(|w| &w.rows).collect();
            let mut sent = 0;
            match write_maybe_again(&self.pool, tenant, false, &rows, &mut sent).await {
                Ok(committed) => answer_all(group, || Ok(committed.clone())),
                Err(StoreError::Unavailable { reason }) => {
                    let away = || {
                        Err(StoreError::Unavailable {
                            reason: reason.clone(),
                        })
                    };
                    answer_all(group, away);
                    // Who waits behind would only find out the same, one acquire time-out later.
                    answer_all(self.take_all(tenant), away);
                }
                // One of them is wrong, or was there already: it must not take its neighbours along.
                Err(_) if group.len() > 1 => {
                    let sent_before = sent - 1;
                    for waiting in group {
                        let mut sent = sent_before;
                        let rows = [&waiting.rows];
                        let result = write_maybe_again(&self.pool, tenant, false, &rows, &mut sent).await;
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
        while group.len() < MAX_RUNS && bytes < MAX_BYTES {
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

    fn take_all(&self, tenant: TenantId) -> Vec<Waiting> {
        let mut queues = self.queues();
        queues
            .get_mut(&tenant)
            .map(|queue| std::mem::take(&mut queue.waiting))
            .unwrap_or_default()
            .into()
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

/// Writes runs of one tenant: one statement, one round trip, one commit. `accepted`: they are there and running, and are
/// finished now.
pub(crate) async fn write(
    pool: &PgPool,
    tenant: TenantId,
    accepted: bool,
    runs: &[&Rows],
) -> Result<Committed, StoreError> {
    write_maybe_again(pool, tenant, accepted, runs, &mut 0).await
}

/// The same; counts in `sent` how often it was sent. What was sent and not answered may have been written.
async fn write_maybe_again(
    pool: &PgPool,
    tenant: TenantId,
    accepted: bool,
    runs: &[&Rows],
    sent: &mut u32,
) -> Result<Committed, StoreError> {
    let counted = || {
        *sent += 1;
        send(pool, tenant, accepted, runs)
    };
    match again_if_cut(counted).await {
        Ok(replaced) => Ok(Committed {
            replaced: replaced.into(),
        }),
        // It was written the first time; only the answer was lost. (Of several, one may have been there before.)
        Err(error) if *sent > 1 && runs.len() == 1 && !accepted && is_there(&error) => {
            Ok(Committed::default())
        }
        Err(error) => Err(refused(error)),
    }
}

async fn send(
    pool: &PgPool,
    tenant: TenantId,
    accepted: bool,
    runs: &[&Rows],
) -> Result<Vec<(Uuid, Uuid)>, sqlx::Error> {
    // Not a checked macro: those take slices and would have every group copied into one.
    sqlx::query_as(
        "select given, instead from docmill.commit_runs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(tenant.uuid())
    .bind(accepted)
    .bind(runs.iter().flat_map(|r| &r.runs).bind_iter())
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
    .bind(runs.iter().flat_map(|r| &r.usage).bind_iter())
    .fetch_all(pool)
    .await
}

/// Whether a run is refused because one of its id is there.
fn is_there(error: &sqlx::Error) -> bool {
    let Some(cause) = error
        .as_database_error()
        .filter(|cause| cause.is_unique_violation())
    else {
        return false;
    };
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
        Some("DM001") => StoreError::Conflict {
            what: cause.message().to_owned(),
        },
        Some("23505") => StoreError::Conflict {
            what: "the run, or a document or reading of it, is there already".to_owned(),
        },
        _ => error.into(),
    }
}
