//! The queue as a pure model: what may happen to a job, who holds it, whose turn it is. PostgreSQL carries it out
//! (`docmill.claim_jobs` and its neighbours); the store's tests hold both beside each other, and properties are tested here.
//!
//! Tenants take turns by start-time fair queueing (Goyal, Vin, Cheng 1996): each has a virtual time at which its next run may start,
//! which grows by `1 / weight` with every run; the smallest goes first. Virtual time is that of the run that started last, so that a
//! tenant that was idle neither saves turns up nor waits for those it did not take.

use std::collections::BTreeMap;

/// Milliseconds.
pub type Time = u64;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It may begin.
    Ready,
    /// Not before its time.
    Delayed,
    /// A worker has it.
    Leased(u32),
}

/// A run that is to be worked on, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Whose.
    pub tenant: u32,
    /// Which of its pipelines.
    pub pipeline: u32,
    /// Higher first, within its tenant.
    pub priority: i16,
    /// Since when it could begin: its place among others.
    pub ready_at: Time,
    /// Of a delayed one, when it may begin.
    pub not_before: Time,
    /// Where it stands.
    pub state: State,
    /// How often it was begun, but for times that it was handed back untouched.
    pub attempt: u32,
    /// Rises with every claim.
    pub fence: u64,
}

/// What a tenant has set, and its turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// The virtual time at which its next run may start.
    pub at: f64,
    /// Its share beside others.
    pub weight: f64,
    /// Most runs at work at once.
    pub most: Option<usize>,
    /// Nothing begins.
    pub paused: bool,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            at: 0.0,
            weight: 1.0,
            most: None,
            paused: false,
        }
    }
}

/// What one pipeline of a tenant may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lane {
    /// Most runs at work at once.
    pub most: Option<usize>,
    /// Nothing begins.
    pub paused: bool,
}

/// A job that was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Which run.
    pub run: u64,
    /// Under which it is held.
    pub fence: u64,
    /// How often it was begun, this time included.
    pub attempt: u32,
}

/// The queue of all tenants.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    /// By run.
    pub jobs: BTreeMap<u64, Job>,
    /// Until when each worker is taken to be there.
    pub workers: BTreeMap<u32, Time>,
    /// By tenant.
    pub turns: BTreeMap<u32, Turn>,
    /// By tenant and pipeline.
    pub lanes: BTreeMap<(u32, u32), Lane>,
    /// Virtual time.
    pub clock: f64,
}

impl Queue {
    /// A run is accepted.
    pub fn accept(&mut self, now: Time, run: u64, tenant: u32, pipeline: u32, priority: i16, delay: Time) {
        let job = Job {
            tenant,
            pipeline,
            priority,
            ready_at: now + delay,
            not_before: now + delay,
            state: if delay > 0 { State::Delayed } else { State::Ready },
            attempt: 0,
            fence: 0,
        };
        self.jobs.insert(run, job);
    }

    /// A worker says that it is there. False: it was given up before.
    pub fn beat(&mut self, now: Time, worker: u32, lease: Time, given_up: bool) -> bool {
        if !given_up {
            self.workers.insert(worker, now + lease);
        }
        !given_up
    }

    /// Claims up to `want` jobs: tenants in turn; within one by priority, then by age; no more at work than tenant and pipeline
    /// allow.
    pub fn claim(&mut self, now: Time, worker: u32, want: usize) -> Vec<Claim> {
        if self.workers.get(&worker).is_none_or(|until| *until <= now) {
            return Vec::new();
        }
        for job in self.jobs.values_mut() {
            if job.state == State::Delayed && job.not_before <= now {
                job.state = State::Ready;
            }
        }
        let mut chosen = self.candidates(want);
        chosen.sort_by(|a, b| {
            a.starts
                .total_cmp(&b.starts)
                .then((a.ready_at, a.run).cmp(&(b.ready_at, b.run)))
        });
        chosen.truncate(want);
        let mut claims = Vec::with_capacity(chosen.len());
        for next in chosen {
            let turn = self.turns.entry(next.tenant).or_default();
            turn.at = next.starts + 1.0 / turn.weight;
            self.clock = self.clock.max(next.starts);
            if let Some(job) = self.jobs.get_mut(&next.run) {
                job.state = State::Leased(worker);
                job.fence += 1;
                job.attempt += 1;
                claims.push(Claim {
                    run: next.run,
                    fence: job.fence,
                    attempt: job.attempt,
                });
            }
        }
        claims
    }

    fn candidates(&self, want: usize) -> Vec<Candidate> {
        let mut lanes: BTreeMap<u32, BTreeMap<u32, Vec<Waiting<'_>>>> = BTreeMap::new();
        for (run, job) in self.jobs.iter().filter(|(_, job)| job.state == State::Ready) {
            let tenant = lanes.entry(job.tenant).or_default();
            tenant.entry(job.pipeline).or_default().push((*run, job));
        }
        // Whoever may have none more at work holds nobody up.
        let mut tenants: Vec<(u32, Turn, Vec<Waiting<'_>>)> = Vec::new();
        for (tenant, lanes) in lanes {
            let mut turn = self.turns.get(&tenant).copied().unwrap_or_default();
            let room = self.room(want, turn.most, |job| job.tenant == tenant);
            if turn.paused || room == 0 {
                continue;
            }
            let mut next: Vec<Waiting<'_>> = Vec::new();
            for (pipeline, mut jobs) in lanes {
                let lane = self.lanes.get(&(tenant, pipeline)).copied().unwrap_or_default();
                if lane.paused {
                    continue;
                }
                let own = self.room(want, lane.most, |job| {
                    job.tenant == tenant && job.pipeline == pipeline
                });
                jobs.sort_by_key(order);
                next.extend(jobs.into_iter().take(own.min(room)));
            }
            next.sort_by_key(order);
            next.truncate(room);
            if !next.is_empty() {
                turn.at = turn.at.max(self.clock);
                tenants.push((tenant, turn, next));
            }
        }
        tenants.sort_by(|(a, one, _), (b, other, _)| one.at.total_cmp(&other.at).then(a.cmp(b)));
        tenants.truncate(want);
        let mut all = Vec::new();
        for (tenant, turn, next) in tenants {
            all.extend(next.into_iter().enumerate().map(|(place, (run, job))| Candidate {
                run,
                tenant,
                ready_at: job.ready_at,
                starts: turn.at + place as f64 / turn.weight,
            }));
        }
        all
    }

    /// How many more may be at work.
    fn room(&self, want: usize, most: Option<usize>, fits: impl Fn(&Job) -> bool) -> usize {
        let leased = |job: &&Job| matches!(job.state, State::Leased(_)) && fits(job);
        most.map_or(want, |most| {
            most.saturating_sub(self.jobs.values().filter(leased).count())
                .min(want)
        })
    }

    /// Ends a run, if it is this worker's under this fence; whether it was.
    pub fn end(&mut self, worker: u32, run: u64, fence: u64) -> bool {
        let held = self.holds(worker, run, fence);
        if held {
            self.jobs.remove(&run);
        }
        held
    }

    /// Whether a worker holds a job under a fence.
    pub fn holds(&self, worker: u32, run: u64, fence: u64) -> bool {
        let job = self.jobs.get(&run);
        job.is_some_and(|job| job.state == State::Leased(worker) && job.fence == fence)
    }

    /// Hands a job back; whether it was this worker's.
    pub fn give_back(
        &mut self,
        now: Time,
        worker: u32,
        run: u64,
        fence: u64,
        delay: Time,
        spent: bool,
    ) -> bool {
        if !self.holds(worker, run, fence) {
            return false;
        }
        if let Some(job) = self.jobs.get_mut(&run) {
            if delay > 0 {
                job.state = State::Delayed;
                job.not_before = now + delay;
            } else {
                job.state = State::Ready;
            }
            job.attempt -= u32::from(!spent);
        }
        true
    }

    /// Gives up workers that were not heard of in time; runs that failed for good, because they were begun `most` times.
    pub fn reap(&mut self, now: Time, most: u32) -> Vec<u64> {
        let gone: Vec<u32> = self
            .workers
            .iter()
            .filter(|(_, until)| **until < now)
            .map(|(worker, _)| *worker)
            .collect();
        let mut failed = Vec::new();
        self.workers.retain(|worker, _| !gone.contains(worker));
        self.jobs.retain(|run, job| {
            let State::Leased(worker) = job.state else {
                return true;
            };
            if !gone.contains(&worker) {
                return true;
            }
            job.state = State::Ready;
            let goes_on = job.attempt < most;
            if !goes_on {
                failed.push(*run);
            }
            goes_on
        });
        failed
    }

    /// Ends a run wherever it stands; whether it was there.
    pub fn cancel(&mut self, run: u64) -> bool {
        self.jobs.remove(&run).is_some()
    }
}

/// Higher priorities first, then older ones.
fn order((run, job): &Waiting<'_>) -> (std::cmp::Reverse<i16>, Time, u64) {
    (std::cmp::Reverse(job.priority), job.ready_at, *run)
}

/// A run and its job.
type Waiting<'a> = (u64, &'a Job);

struct Candidate {
    run: u64,
    tenant: u32,
    ready_at: Time,
    starts: f64,
}

#[cfg(test)]
mod tests;
