//! The worker of a host: one task that says that it is there, claims runs while it has places, lets go of runs that are not its own
//! any more, and gives up workers that are silent. Beats and claims follow each other, so that what the database says it holds can
//! be compared with what it knows.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use docmill_model::failure::{Code, Failure};
use docmill_model::id::{PipelineId, RunId, TenantId, WorkerId};
use docmill_store::StoreError;
use docmill_store::queue::{Beat, Claimed, Depth, Returned};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout};

use super::add;
use super::work::work;
use crate::{Parts, Runs};

/// What a worker is told.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Runs at once. `worker_runs`
    pub places: usize,
    /// How long a worker is taken to be there without a word. `worker_lease`
    pub lease: Duration,
    /// How often a run is begun before it fails for good. `run_attempts`
    pub attempts: u32,
    /// Longest time between two looks at the queue when nothing is said of it. Fixed: what another host accepted waits so long.
    pub poll: Duration,
    /// Where it runs, for people.
    pub host: String,
    /// Of docmill.
    pub release: String,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            places: 16,
            lease: Duration::from_secs(10),
            attempts: 5,
            poll: Duration::from_millis(100),
            host: "localhost".to_owned(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Most jobs of one claim.
const MOST: usize = 64;
/// Longest wait for the answer to a claim or a beat; what a late one brings is found by the next beat. No longer than an eighth of the
/// lease, if that is not shorter than half a second: what is asked in between must not make the worker late.
const PATIENCE: Duration = Duration::from_secs(3);
const LEAST_PATIENCE: Duration = Duration::from_millis(500);
/// Longest wait for the last words of a worker.
const GOODBYE: Duration = Duration::from_secs(3);
/// How long a run waits on which this host panicked, or that it cannot read.
const AFTER_PANIC: Duration = Duration::from_secs(5);
/// After an error of the database.
const AFTER_ERROR: Duration = Duration::from_millis(250);

/// A running worker.
pub struct Worker {
    drain: watch::Sender<Option<Duration>>,
    task: JoinHandle<()>,
}

impl Worker {
    /// Takes nothing new, lets what is at work end within this time, hands the rest back, and says goodbye.
    pub async fn drain(self, within: Duration) {
        self.drain.send(Some(within)).ok();
        let most = within + GOODBYE + GOODBYE + GOODBYE;
        if timeout(most, self.task).await.is_err() {
            tracing::warn!("the worker did not end in time; its runs are taken over when its lease is over");
        }
    }
}

impl Runs {
    /// Works on queued runs from now on.
    pub fn work(&self, settings: WorkerSettings) -> Worker {
        let (drain, told) = watch::channel(None);
        let control = Control::new(self.0.clone(), settings, told);
        let task = tokio::spawn(control.run());
        Worker { drain, task }
    }

    /// How full the queue of all hosts is, as the worker of this one saw it last.
    pub fn queue_depth(&self) -> Depth {
        self.0.queue.depth()
    }

    /// Figures of the queue on this host.
    pub fn queue_figures(&self) -> super::Figures {
        self.0.queue.figures()
    }
}

/// Whether a run may still be dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Phase(Arc<AtomicU8>);

const AT_WORK: u8 = 0;
const KEEPING: u8 = 1;
const DROPPED: u8 = 2;

impl Phase {
    /// From now on it goes to its end; not, if it was dropped.
    pub(crate) fn keeps(&self) -> bool {
        self.0
            .compare_exchange(AT_WORK, KEEPING, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Drops it, unless it goes to its end.
    fn dropped(&self) -> bool {
        self.0
            .compare_exchange(AT_WORK, DROPPED, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// As if it had never been claimed.
fn untouched(run: RunId, fence: i64) -> Returned {
    Returned {
        run,
        fence,
        delay: Duration::ZERO,
        spent: false,
        error: None,
    }
}

/// A run that this host cannot work on, through no fault of what it was given.
struct Broken {
    run: RunId,
    fence: i64,
    attempt: u32,
}

impl Broken {
    /// For another attempt, perhaps of another host; after the last one it has failed.
    async fn give_back(self, parts: Arc<Parts>, worker: WorkerId, attempts: u32, failure: Failure) {
        let done = if self.attempt >= attempts {
            parts
                .store
                .fail_jobs(worker, &[(self.run, self.fence)], &failure)
                .await
        } else {
            let back = Returned {
                run: self.run,
                fence: self.fence,
                delay: AFTER_PANIC,
                spent: true,
                error: Some(failure),
            };
            parts.store.return_jobs(worker, &[back]).await
        };
        if let Err(error) = done {
            tracing::warn!(run.id = %self.run, %error, "a run that cannot be worked on could not be handed back");
        }
    }
}

/// A run that this worker has.
struct Flight {
    fence: i64,
    tenant: TenantId,
    pipeline: PipelineId,
    since: Instant,
    phase: Phase,
    task: AbortHandle,
}

struct Control {
    parts: Arc<Parts>,
    settings: WorkerSettings,
    id: WorkerId,
    flights: HashMap<RunId, Flight>,
    ended: mpsc::UnboundedReceiver<(RunId, i64)>,
    ends: mpsc::UnboundedSender<(RunId, i64)>,
    told: watch::Receiver<Option<Duration>>,
    /// When it was last heard of, and since when without a gap.
    heard: Option<Instant>,
    heard_since: Instant,
    beat_at: Instant,
    claim_at: Instant,
    reap_at: Instant,
    /// The last claim brought as many as it asked for.
    more: bool,
}

impl Control {
    fn new(parts: Arc<Parts>, settings: WorkerSettings, told: watch::Receiver<Option<Duration>>) -> Self {
        let (ends, ended) = mpsc::unbounded_channel();
        let now = Instant::now();
        Self {
            parts,
            settings,
            id: WorkerId::new(),
            flights: HashMap::new(),
            ended,
            ends,
            told,
            heard: None,
            heard_since: now,
            beat_at: now,
            claim_at: now,
            reap_at: now,
            more: false,
        }
    }

    async fn run(mut self) {
        let wake = self.parts.queue.wake.clone();
        loop {
            if self.told.borrow().is_some() {
                return self.leave().await;
            }
            // One thing at a time, and the most urgent first: whoever waited for one may be late with another.
            let now = Instant::now();
            if now >= self.beat_at {
                self.beat(false).await;
                continue;
            }
            if now >= self.claim_at && self.heard.is_some() && self.has_room() {
                self.claim().await;
                continue;
            }
            if now >= self.reap_at {
                self.reap().await;
                continue;
            }
            let mut at = self.beat_at.min(self.reap_at);
            if self.heard.is_some() && self.has_room() {
                at = at.min(self.claim_at);
            }
            tokio::select! {
                ended = self.ended.recv() => self.forget(ended),
                () = wake.notified() => self.claim_at = Instant::now(),
                () = sleep_until(at) => {}
                told = self.told.changed() => {
                    if told.is_err() {
                        // Nobody holds the worker any more.
                        return self.leave().await;
                    }
                }
            }
            while let Ok(ended) = self.ended.try_recv() {
                self.forget(Some(ended));
            }
        }
    }

    fn patience(&self) -> Duration {
        (self.settings.lease / 8).clamp(LEAST_PATIENCE, PATIENCE)
    }

    /// Places are filled several at a time, if there is more to do: each claim costs the database as much as several runs.
    fn has_room(&self) -> bool {
        let free = self.settings.places.saturating_sub(self.flights.len());
        free > 0 && (!self.more || free >= (self.settings.places / 4).max(1))
    }

    fn forget(&mut self, ended: Option<(RunId, i64)>) {
        let Some((run, fence)) = ended else {
            return;
        };
        // Another claim of the same run may have come since.
        if self.flights.get(&run).is_some_and(|flight| flight.fence == fence) {
            self.flights.remove(&run);
        }
        if self.more {
            self.claim_at = Instant::now();
        }
    }

    /// Says that it is there, and compares what it holds with what it knows.
    async fn beat(&mut self, draining: bool) {
        self.beat_at = Instant::now() + self.settings.lease / 8;
        let doing: Vec<_> = self
            .flights
            .iter()
            .map(|(run, flight)| {
                json!({
                    "run": run,
                    "tenant": flight.tenant,
                    "pipeline": flight.pipeline,
                    "for_ms": u64::try_from(flight.since.elapsed().as_millis()).unwrap_or(u64::MAX),
                })
            })
            .collect();
        let doing = json!(doing);
        let beat = Beat {
            worker: self.id,
            host: &self.settings.host,
            release: &self.settings.release,
            lease: self.settings.lease,
            draining,
            doing: &doing,
        };
        let begun = Instant::now();
        let said = timeout(self.patience(), self.parts.store.beat(&beat)).await;
        match said {
            Ok(Ok(Some(held))) => {
                if self
                    .heard
                    .is_none_or(|last| begun - last > self.settings.lease / 2)
                {
                    self.heard_since = begun;
                }
                self.heard = Some(begun);
                self.parts.queue.lease.heard(begun, self.settings.lease);
                self.compare(held).await;
            }
            Ok(Ok(None)) => self.start_anew(),
            Ok(Err(error)) => self.unheard(&error.to_string()),
            Err(_) => self.unheard("no answer"),
        }
    }

    /// Without a word for a whole lease, others may have taken what it holds.
    fn unheard(&mut self, why: &str) {
        tracing::debug!(worker.id = %self.id, why, "the database does not hear this worker");
        self.beat_at = Instant::now() + AFTER_ERROR;
        if self
            .heard
            .is_some_and(|last| last.elapsed() > self.settings.lease)
        {
            tracing::warn!(worker.id = %self.id, why, "the worker's lease is over: what it has not done yet is left to others");
            self.heard = None;
            self.drop_flights(|_, _| true);
        }
    }

    /// It was given up: what it had is somebody else's.
    fn start_anew(&mut self) {
        tracing::warn!(worker.id = %self.id, runs = self.flights.len(), "the worker was given up; it goes on as another one");
        self.drop_flights(|_, _| true);
        self.id = WorkerId::new();
        self.heard = None;
        self.parts.queue.lease.over();
        self.beat_at = Instant::now();
    }

    fn drop_flights(&mut self, which: impl Fn(&RunId, &Flight) -> bool) {
        self.flights.retain(|run, flight| {
            let gone = which(run, flight) && flight.phase.dropped();
            if gone {
                flight.task.abort();
            }
            !gone
        });
    }

    async fn compare(&mut self, held: Vec<(RunId, i64)>) {
        let held: HashMap<RunId, i64> = held.into_iter().collect();
        let before = self.flights.len();
        self.drop_flights(|run, flight| held.get(run) != Some(&flight.fence));
        let dropped = before - self.flights.len();
        add(&self.parts.queue.counts.lost, dropped as u64);
        // Claimed by a claim whose answer was lost.
        let unknown: Vec<Returned> = held
            .iter()
            .filter(|(run, _)| !self.flights.contains_key(run))
            .map(|(run, fence)| untouched(*run, *fence))
            .collect();
        if !unknown.is_empty() {
            // A run that ended just now is among them, and is none of this worker's any more: nothing happens to it.
            match timeout(self.patience(), self.parts.store.return_jobs(self.id, &unknown)).await {
                Ok(Ok(0)) => {}
                Ok(Ok(returned)) => {
                    tracing::info!(returned, "runs of a claim without an answer were handed back")
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "runs of a claim without an answer wait to be handed back")
                }
                Err(_) => tracing::debug!("runs of a claim without an answer wait to be handed back"),
            }
        }
    }

    async fn claim(&mut self) {
        let free = self.settings.places.saturating_sub(self.flights.len()).min(MOST);
        let want = u32::try_from(free).unwrap_or(u32::MAX);
        let claimed = timeout(self.patience(), self.parts.store.claim_jobs(self.id, want)).await;
        let claimed = claimed.unwrap_or_else(|_| {
            Err(StoreError::Unavailable {
                reason: "a claim was not answered".to_owned(),
            })
        });
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::debug!(%error, "claiming runs is put off");
                self.claim_at = Instant::now() + AFTER_ERROR;
                return;
            }
        };
        self.more = claimed.len() >= free;
        self.claim_at = Instant::now()
            + if self.more {
                Duration::ZERO
            } else {
                self.settings.poll
            };
        add(&self.parts.queue.counts.claimed, claimed.len() as u64);
        let beyond: Vec<Returned> = claimed
            .beyond
            .iter()
            .map(|(run, fence)| untouched(*run, *fence))
            .collect();
        if !beyond.is_empty() {
            // If it is not answered, the next beat finds them.
            timeout(self.patience(), self.parts.store.return_jobs(self.id, &beyond))
                .await
                .ok();
        }
        for job in claimed.unreadable {
            tracing::error!(run.id = %job.run, why = job.why, "this release cannot read a queued run");
            let failure = Failure::new(
                Code::Internal,
                "the queued run was written by another release of docmill, and this one cannot read it",
            );
            let broken = Broken {
                run: job.run,
                fence: job.fence,
                attempt: job.attempt,
            };
            tokio::spawn(broken.give_back(self.parts.clone(), self.id, self.settings.attempts, failure));
        }
        for job in claimed.jobs {
            self.begin(job);
        }
    }

    fn begin(&mut self, job: Claimed) {
        let (run, fence, phase) = (job.head.id, job.lease.fence, Phase::default());
        let broken = Broken {
            run,
            fence,
            attempt: job.attempt,
        };
        let (tenant, pipeline) = (job.tenant, job.head.pipeline);
        let attempts = self.settings.attempts;
        let task = tokio::spawn(work(self.parts.clone(), Arc::new(job), attempts, phase.clone()));
        let flight = Flight {
            fence,
            tenant,
            pipeline,
            since: Instant::now(),
            phase,
            task: task.abort_handle(),
        };
        // A claim that a crash of the database forgot may come again while its run is still at work here.
        if let Some(before) = self.flights.insert(run, flight)
            && before.phase.dropped()
        {
            before.task.abort();
        }
        let (ends, parts, worker) = (self.ends.clone(), self.parts.clone(), self.id);
        tokio::spawn(async move {
            if task.await.is_err_and(|error| error.is_panic()) {
                tracing::error!(run.id = %run, "working on a queued run panicked");
                let said = "a fault of docmill ended the work on the run; the log tells more";
                broken
                    .give_back(parts, worker, attempts, Failure::new(Code::Internal, said))
                    .await;
            }
            ends.send((run, fence)).ok();
        });
    }

    /// Gives up silent workers. Not before it was itself heard for a whole lease: after an outage of the database nobody was.
    async fn reap(&mut self) {
        self.reap_at = Instant::now() + self.settings.lease / 4;
        if let Ok(Ok(depth)) = timeout(self.patience(), self.parts.store.queue_depth()).await {
            self.parts.queue.see(depth);
        }
        let heard = self
            .heard
            .is_some_and(|last| last.elapsed() < self.settings.lease / 2);
        if !heard || self.heard_since.elapsed() < self.settings.lease {
            return;
        }
        let reaped = timeout(
            self.patience(),
            self.parts.store.reap_workers(None, self.settings.attempts),
        )
        .await;
        if let Ok(Ok(reaped)) = reaped
            && reaped.workers > 0
        {
            add(&self.parts.queue.counts.taken_over, reaped.jobs);
            tracing::warn!(
                workers = reaped.workers,
                runs = reaped.jobs,
                failed = reaped.failed,
                "workers were not heard of for their lease and were given up"
            );
            self.claim_at = Instant::now();
        }
    }

    async fn leave(mut self) {
        let within = self.told.borrow().unwrap_or_default();
        let until = Instant::now() + within;
        while !self.flights.is_empty() && Instant::now() < until {
            if Instant::now() >= self.beat_at {
                self.beat(true).await;
            }
            let at = until.min(self.beat_at);
            tokio::select! {
                ended = self.ended.recv() => self.forget(ended),
                () = sleep_until(at) => {}
            }
        }
        self.drop_flights(|_, _| true);
        let keeping = Instant::now() + GOODBYE;
        while !self.flights.is_empty() && Instant::now() < keeping {
            tokio::select! {
                ended = self.ended.recv() => self.forget(ended),
                () = sleep_until(keeping) => {}
            }
        }
        // Goodbye: what is left is ready for others at once.
        let goodbye = self
            .parts
            .store
            .reap_workers(Some(self.id), self.settings.attempts);
        match timeout(GOODBYE, goodbye).await {
            Ok(Ok(reaped)) => {
                tracing::info!(worker.id = %self.id, returned = reaped.jobs, "the worker ended")
            }
            Ok(Err(error)) => tracing::warn!(%error, "the worker could not say goodbye"),
            Err(_) => tracing::warn!("the worker could not say goodbye in time"),
        }
    }
}
