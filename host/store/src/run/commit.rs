//! Group commit: runs of one tenant that finish while another commit is under way are written together. A lone run waits for
//! nobody; the more there are, the more share one round trip, one plan and one flush of the log.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use docmill_model::id::{TenantId, WorkerId};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgBindIterExt as _;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Committed;
use super::rows::Rows;
use super::shared::Shared;
use crate::connect::again_if_cut;
use crate::error::StoreError;
use crate::line::{Line, Lines};
use crate::queue::passing;

/// Commits of one tenant that may be under way at once. The second and later ones are for when a large run holds up small
/// ones: as a rule, there is one, because the larger the groups, the less each run costs.
const LANES: usize = 4;
/// How long a run waits behind the commit under way before it has another lane opened.
const PATIENCE: Duration = Duration::from_millis(25);
/// A commit takes no further run when it is this large.
const MAX_BYTES: usize = 4 << 20;

/// What the database says of an accepted run that is finished already, or never was accepted.
const NOT_RUNNING: &str = "DM001";
/// What it says of a queued run that is another worker's, or nobody's any more.
const NOT_OURS: &str = "DM002";
/// What it says of an idempotency key that was used for another run.
const KEY_USED: &str = "DM003";
/// What is done with runs; those of one tenant are written together with their like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// They are new, and whole.
    Whole,
    /// They are new, and nothing was done yet.
    Accept,
    /// They were accepted and are finished by who accepted them.
    Finish,
    /// They were queued and are finished by this worker.
    End(WorkerId),
}

type Answer = oneshot::Sender<Result<Committed, StoreError>>;

/// Finished runs on their way to the database.
#[derive(Debug, Clone)]
pub(crate) struct Committer {
    lines: Lines,
    /// Most runs in one commit.
    most: usize,
    queues: Arc<Mutex<HashMap<(TenantId, Way), Queue>>>,
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

    /// Writes a run together with others. Goes on to the end even if the caller goes away.
    pub(crate) async fn commit(
        &self,
        tenant: TenantId,
        way: Way,
        rows: Rows,
    ) -> Result<Committed, StoreError> {
        let alike = (tenant, way);
        let (answer, mut answered) = oneshot::channel();
        {
            let mut queues = self.queues();
            let queue = queues.entry(alike).or_default();
            queue.waiting.push_back(Waiting { rows, answer });
            // Of commits of one run, one need not wait for another.
            if queue.lanes == 0 || self.most == 1 {
                self.open_lane(alike, queue);
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
            if let Some(queue) = queues.get_mut(&alike).filter(held_up) {
                self.open_lane(alike, queue);
            }
        }
        answered.await.map_err(gone)?
    }

    /// Writes a run by itself.
    pub(crate) async fn alone(
        &self,
        tenant: TenantId,
        way: Way,
        rows: &Rows,
    ) -> Result<Committed, StoreError> {
        write(&self.lines, tenant, way, &[rows], &AtomicU32::new(0)).await
    }

    fn open_lane(&self, alike: (TenantId, Way), queue: &mut Queue) {
        queue.lanes += 1;
        let committer = self.clone();
        tokio::spawn(async move { committer.work_off(alike).await });
    }

    /// Commits group after group until nobody of the tenant waits.
    async fn work_off(&self, alike: (TenantId, Way)) {
        let (tenant, way) = alike;
        while let Some(group) = self.next_group(alike) {
            let rows: Vec<&Rows> = group.iter().map(|w| &w.rows).collect();
            let sent = AtomicU32::new(0);
            match write(&self.lines, tenant, way, &rows, &sent).await {
                Ok(committed) => answer_all(group, || Ok(committed.clone())),
                Err(StoreError::Unanswered { reason }) => {
                    answer_all(group, || {
                        Err(StoreError::Unanswered {
                            reason: reason.clone(),
                        })
                    });
                    self.give_up(alike, &reason);
                }
                Err(StoreError::Unavailable { reason }) => {
                    answer_all(group, || away(&reason));
                    self.give_up(alike, &reason);
                }
                // One of them is wrong, or was there already: it must not take its neighbours along.
                Err(_) if group.len() > 1 => {
                    let sent_before = sent.into_inner().saturating_sub(1);
                    let mut group = group.into_iter();
                    while let Some(waiting) = group.next() {
                        let (rows, sent) = ([&waiting.rows], AtomicU32::new(sent_before));
                        let result = write(&self.lines, tenant, way, &rows, &sent).await;
                        let away_now = match &result {
                            Err(StoreError::Unavailable { reason } | StoreError::Unanswered { reason }) => {
                                Some(reason.clone())
                            }
                            _ => None,
                        };
                        waiting.answer.send(result).ok();
                        // Each of the others would only find out the same, one time-out later.
                        if let Some(reason) = away_now {
                            answer_all(group.collect(), || away(&reason));
                            self.give_up(alike, &reason);
                            break;
                        }
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
    fn next_group(&self, alike: (TenantId, Way)) -> Option<Vec<Waiting>> {
        let mut queues = self.queues();
        let queue = queues.get_mut(&alike)?;
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
            queues.remove(&alike);
        }
        None
    }

    /// Who waits behind would only find out the same, one time-out later.
    fn give_up(&self, alike: (TenantId, Way), reason: &str) {
        let waiting = {
            let mut queues = self.queues();
            queues
                .get_mut(&alike)
                .map(|queue| std::mem::take(&mut queue.waiting))
        };
        answer_all(waiting.unwrap_or_default().into(), || away(reason));
    }

    /// Nothing panics while it holds the lock; if it did, the queues would still be whole.
    fn queues(&self) -> MutexGuard<'_, HashMap<(TenantId, Way), Queue>> {
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

/// Writes runs of one tenant: one statement, one round trip, one commit. Counts in `sent` how often they were sent: what was sent and not answered may have been written.
async fn write(
    lines: &Lines,
    tenant: TenantId,
    way: Way,
    runs: &[&Rows],
    sent: &AtomicU32,
) -> Result<Committed, StoreError> {
    let shared = Shared::of(runs)?;
    let counted = || async {
        let mut line = lines.open().await?;
        sent.fetch_add(1, Ordering::Relaxed);
        send(&mut line, tenant, way, runs, &shared).await
    };
    let written = again_if_cut(counted).await;
    let sent = sent.load(Ordering::Relaxed);
    match written {
        Ok(replaced) => Ok(Committed {
            replaced: replaced.into(),
        }),
        // It was written the first time; only the answer was lost. (Of several, one may have been there before.)
        Err(error) if sent > 1 && runs.len() == 1 && is_there(&error, way) => Ok(Committed::default()),
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

// Not checked macros: those take slices and would have every group copied into one.
const RUNS: &str =
    "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20";

/// The statement, and the number of its next parameter.
fn statement(way: Way, function: &str, further: usize) -> String {
    let first = 21;
    let mut arguments = RUNS.to_owned();
    for number in first..first + further {
        arguments.push_str(&format!(", ${number}"));
    }
    let Way::End(_) = way else {
        return format!("select given, instead from docmill.{function}({arguments})");
    };
    // The jobs are taken first: what is written depends on what that gives.
    let last = first + further;
    let arguments = arguments.replacen("$2", "taken.ok", 1);
    format!(
        "select w.given, w.instead
         from (select docmill.end_jobs($1, ${}, ${}, ${}) and $2 as ok offset 0) taken
         cross join lateral docmill.{function}({arguments}) w",
        last,
        last + 1,
        last + 2
    )
}

async fn send(
    line: &mut Line,
    tenant: TenantId,
    way: Way,
    runs: &[&Rows],
    shared: &Shared,
) -> Result<Vec<(Uuid, Uuid)>, sqlx::Error> {
    let asked = runs.iter().any(|r| !r.llm_calls.is_empty());
    let chunked = asked || runs.iter().any(|r| !r.chunks.is_empty());
    let queued = way == Way::Accept;
    let (function, further) = match (queued, asked, chunked) {
        (true, ..) => ("accept_runs", 3),
        (_, true, _) => ("write_runs_with_llm", 2),
        (_, false, true) => ("write_runs_with_chunks", 1),
        (_, false, false) => ("write_runs", 0),
    };
    let accepted = matches!(way, Way::Finish | Way::End(_));
    let query = sqlx::query_as(AssertSqlSafe(statement(way, function, further)))
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
    let query = if queued {
        query
            .bind(runs.iter().flat_map(|r| &r.jobs).bind_iter())
            .bind(runs.iter().flat_map(|r| &r.keys).bind_iter())
            .bind(passing())
    } else if chunked {
        query.bind(runs.iter().flat_map(|r| &r.chunks).bind_iter())
    } else {
        query
    };
    let query = if asked && !queued {
        query.bind(runs.iter().flat_map(|r| &r.llm_calls).bind_iter())
    } else {
        query
    };
    let query = match way {
        Way::End(worker) => {
            let ids = runs.iter().flat_map(|r| &r.runs).map(|run| run.id);
            query
                .bind(worker.uuid())
                .bind(ids.collect::<Vec<_>>())
                .bind(runs.iter().map(|r| r.fence).collect::<Vec<_>>())
        }
        _ => query,
    };
    query.fetch_all(line).await
}

/// Whether a run is refused because one of its id is there; if it was accepted, because it is finished. (Of one that was queued,
/// somebody else may have finished it: whoever asks looks at the run.)
fn is_there(error: &sqlx::Error, way: Way) -> bool {
    let Some(cause) = error.as_database_error() else {
        return false;
    };
    match way {
        Way::Finish => return cause.code().as_deref() == Some(NOT_RUNNING),
        Way::End(_) => return false,
        Way::Whole | Way::Accept => {}
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
        Some(KEY_USED) => StoreError::KeyUsed,
        Some(NOT_OURS) => StoreError::NotOurs,
        Some(NOT_RUNNING) => StoreError::Conflict {
            what: cause.message().to_owned(),
        },
        Some("23505") => StoreError::Conflict {
            what: "the run, or a document or reading of it, is there already".to_owned(),
        },
        _ => error.into(),
    }
}
