//! Who may work next. Runs of one tenant wait in the order of arrival; turns go round the tenants that wait, so that nobody waits
//! behind all that another one has sent. A tenant that has as many runs at work as it may, or used up its CPU time, is passed over.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use docmill_model::id::TenantId;
use docmill_model::quota::Quota;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::{Clock, Refusal, Tenant, nanos};

/// How soon to come back when as many runs are at work as may be: one of them ends soon.
const COME_BACK: Duration = Duration::from_secs(1);

/// Turns of one host; cheap to clone.
#[derive(Clone)]
pub struct Turns(Arc<Inner>);

struct Inner {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    all: usize,
    free: usize,
    waiting: usize,
    number: u64,
    lines: HashMap<TenantId, Line>,
    /// Tenants with a line, whose turn it is next first.
    round: VecDeque<TenantId>,
}

/// Those of one tenant who wait, numbered upwards.
struct Line {
    tenant: Arc<Tenant>,
    waiting: VecDeque<(u64, oneshot::Sender<Turn>)>,
}

/// Why there is no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTurn {
    /// The tenant has no more of it.
    Quota(Refusal),
    /// Everybody's runs are in the way.
    Busy,
}

/// The right to work; given back when dropped.
pub struct Turn {
    turns: Option<Turns>,
    tenant: Arc<Tenant>,
    began: Option<Instant>,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn")
            .field("tenant", &self.tenant.id)
            .finish_non_exhaustive()
    }
}

impl Turn {
    /// Guests begin to work. If what they used is never told, the time until the turn is given back counts: who hangs up
    /// does not work for nothing.
    pub fn begin(&mut self) {
        self.began = Some(Instant::now());
    }

    /// The work is done and used so much CPU time, in microseconds.
    pub fn end(mut self, cpu_us: u64) {
        self.began = None;
        self.charge(cpu_us);
    }

    fn charge(&self, cpu_us: u64) {
        if let Some(turns) = &self.turns {
            self.tenant.cpu.charge(turns.0.clock.ticks(), cpu_us);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(began) = self.began {
            self.charge(nanos(began.elapsed()) / 1_000);
        }
        if let Some(turns) = self.turns.take() {
            self.tenant.running.fetch_sub(1, Ordering::AcqRel);
            let mut state = turns.state();
            state.free += 1;
            turns.hand_out(&mut state);
        }
    }
}

impl Turns {
    pub(crate) fn new(clock: Clock, all: usize) -> Self {
        let state = State {
            all,
            free: all,
            ..State::default()
        };
        Self(Arc::new(Inner {
            clock,
            state: Mutex::new(state),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs that wait, and runs at work.
    pub fn figures(&self) -> (usize, usize) {
        let state = self.state();
        (state.waiting, state.all.saturating_sub(state.free))
    }

    /// Waits for a turn: no longer than `queue`, but until `deadline` for CPU time that comes before it.
    ///
    /// # Errors
    /// When no turn came in time; and at once if the CPU time would come too late.
    pub async fn turn(
        &self,
        tenant: &Arc<Tenant>,
        queue: Instant,
        deadline: Instant,
    ) -> Result<Turn, NoTurn> {
        let clock = &self.0.clock;
        let cpu = tenant.cpu.wait(clock.ticks());
        if !cpu.is_zero() && Instant::now() + cpu > deadline {
            return Err(NoTurn::Quota(self.no_cpu(tenant)));
        }
        let (number, mut given) = {
            let mut state = self.state();
            let first = !state.lines.contains_key(&tenant.id);
            if first && state.free > 0 && tenant.may_begin(clock.ticks()) {
                return Ok(self.give(&mut state, tenant));
            }
            state.join(tenant)
        };
        let _line = InLine {
            turns: self,
            tenant: tenant.id,
            number,
        };
        loop {
            let cpu = tenant.cpu.wait(clock.ticks());
            let until = if cpu.is_zero() {
                queue.min(deadline)
            } else {
                deadline
            };
            let wake = if cpu.is_zero() {
                until
            } else {
                until.min(Instant::now() + cpu)
            };
            tokio::select! {
                biased;
                Ok(turn) = &mut given => return Ok(turn),
                () = sleep_until(wake) => {}
            }
            self.pump();
            if Instant::now() >= until {
                break;
            }
        }
        // It may have come at this very moment.
        if let Ok(turn) = given.try_recv() {
            return Ok(turn);
        }
        if !tenant.cpu.wait(clock.ticks()).is_zero() {
            return Err(NoTurn::Quota(self.no_cpu(tenant)));
        }
        let most = tenant.concurrent.load(Ordering::Acquire);
        if tenant.running.load(Ordering::Acquire) >= most {
            let most = u64::try_from(most).unwrap_or(u64::MAX);
            return Err(NoTurn::Quota(Refusal::new(
                Quota::ConcurrentRuns,
                most,
                COME_BACK,
            )));
        }
        Err(NoTurn::Busy)
    }

    fn no_cpu(&self, tenant: &Tenant) -> Refusal {
        let wait = tenant.cpu.wait(self.0.clock.ticks());
        Refusal::new(Quota::CpuMsPerMinute, tenant.cpu.per() / 1_000, wait)
    }

    /// Gives turns to who waits for something that came back, or for limits that changed.
    pub fn pump(&self) {
        self.hand_out(&mut self.state());
    }

    fn give(&self, state: &mut State, tenant: &Arc<Tenant>) -> Turn {
        state.free -= 1;
        tenant.running.fetch_add(1, Ordering::AcqRel);
        Turn {
            turns: Some(self.clone()),
            tenant: tenant.clone(),
            began: None,
        }
    }

    fn hand_out(&self, state: &mut State) {
        let ticks = self.0.clock.ticks();
        let mut passed_over = 0;
        while state.free > 0 && passed_over < state.round.len() {
            let Some(id) = state.round.pop_front() else {
                return;
            };
            let Some(line) = state.lines.get_mut(&id) else {
                continue;
            };
            let tenant = line.tenant.clone();
            if !tenant.may_begin(ticks) {
                state.round.push_back(id);
                passed_over += 1;
                continue;
            }
            passed_over = 0;
            let next = line.waiting.pop_front();
            if line.waiting.is_empty() {
                state.lines.remove(&id);
            } else {
                state.round.push_back(id);
            }
            let Some((_, to)) = next else {
                continue;
            };
            state.waiting -= 1;
            let turn = self.give(state, &tenant);
            if let Err(mut turn) = to.send(turn) {
                // Who waited is gone. Not given back by itself: that would wait for the lock that is held here.
                turn.turns = None;
                state.free += 1;
                tenant.running.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
}

impl State {
    fn join(&mut self, tenant: &Arc<Tenant>) -> (u64, oneshot::Receiver<Turn>) {
        let (to, given) = oneshot::channel();
        self.number += 1;
        self.waiting += 1;
        let round = &mut self.round;
        let line = self.lines.entry(tenant.id).or_insert_with(|| {
            round.push_back(tenant.id);
            Line {
                tenant: tenant.clone(),
                waiting: VecDeque::new(),
            }
        });
        line.waiting.push_back((self.number, to));
        (self.number, given)
    }

    fn leave(&mut self, tenant: TenantId, number: u64) {
        let Some(line) = self.lines.get_mut(&tenant) else {
            return;
        };
        let Ok(place) = line.waiting.binary_search_by_key(&number, |(number, _)| *number) else {
            return;
        };
        line.waiting.remove(place);
        self.waiting -= 1;
        if line.waiting.is_empty() {
            self.lines.remove(&tenant);
            self.round.retain(|one| *one != tenant);
        }
    }
}

/// A place in a line; left when dropped.
struct InLine<'a> {
    turns: &'a Turns,
    tenant: TenantId,
    number: u64,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.turns.state().leave(self.tenant, self.number);
    }
}

#[cfg(test)]
mod tests {
    use docmill_model::quota::Allowance;
    use tokio::task::JoinHandle;

    use super::*;

    fn turns(all: usize) -> Turns {
        Turns::new(Clock::new(), all)
    }

    fn tenant(turns: &Turns, settings: &[(&str, &str)]) -> Arc<Tenant> {
        let at = turns.0.clock.at();
        let tenant = Arc::new(Tenant::new(TenantId::new(), "UTC", at));
        set(turns, &tenant, settings);
        tenant
    }

    fn set(turns: &Turns, tenant: &Tenant, settings: &[(&str, &str)]) {
        let mut allowance = Allowance::default();
        for (name, value) in settings {
            allowance.set(name, value).unwrap();
        }
        tenant.set(allowance, "UTC", turns.0.clock.at());
        turns.pump();
    }

    fn in_secs(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    async fn now(turns: &Turns, tenant: &Arc<Tenant>) -> Turn {
        turns.turn(tenant, in_secs(10), in_secs(60)).await.unwrap()
    }

    /// Waits, then tells its name and goes on.
    fn waits(
        turns: &Turns,
        tenant: &Arc<Tenant>,
        name: &str,
        told: &Arc<Mutex<Vec<String>>>,
    ) -> JoinHandle<Result<(), NoTurn>> {
        let (turns, tenant, name, told) = (turns.clone(), tenant.clone(), name.to_owned(), told.clone());
        tokio::spawn(async move {
            let turn = turns.turn(&tenant, in_secs(10), in_secs(60)).await?;
            told.lock().unwrap().push(name);
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(turn);
            Ok(())
        })
    }

    #[tokio::test(start_paused = true)]
    async fn turns_go_round_the_tenants() {
        let turns = turns(1);
        let (greedy, modest) = (tenant(&turns, &[]), tenant(&turns, &[]));
        let first = now(&turns, &greedy).await;
        let told = Arc::default();
        let mut all = Vec::new();
        for n in 0..100 {
            all.push(waits(&turns, &greedy, &format!("g{n}"), &told));
        }
        tokio::task::yield_now().await;
        all.push(waits(&turns, &modest, "m0", &told));
        all.push(waits(&turns, &modest, "m1", &told));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(turns.figures(), (102, 1));
        drop(first);
        for one in all {
            one.await.unwrap().unwrap();
        }
        let told = told.lock().unwrap().clone();
        assert_eq!(told[..6], ["g0", "m0", "g1", "m1", "g2", "g3"]);
        assert_eq!(turns.figures(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_at_its_limit_is_passed_over_then_refused() {
        let turns = turns(3);
        let (small, other) = (tenant(&turns, &[("concurrent_runs", "1")]), tenant(&turns, &[]));
        let held = now(&turns, &small).await;
        let began = Instant::now();
        let _free = now(&turns, &other).await;
        let _last = now(&turns, &other).await;
        let refused = turns.turn(&small, in_secs(10), in_secs(60)).await.unwrap_err();
        let said = Refusal::new(Quota::ConcurrentRuns, 1, COME_BACK);
        assert_eq!((refused, began.elapsed().as_secs()), (NoTurn::Quota(said), 10));
        // With the whole host full, it is nobody's quota.
        let refused = turns.turn(&other, in_secs(10), in_secs(60)).await.unwrap_err();
        assert_eq!(refused, NoTurn::Busy);
        drop(held);
        drop(now(&turns, &small).await);
        assert_eq!(turns.figures(), (0, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_that_changes_reaches_a_thousand_that_wait() {
        let turns = turns(2_000);
        let tenant = tenant(&turns, &[("concurrent_runs", "1")]);
        let held = now(&turns, &tenant).await;
        let told = Arc::default();
        let all: Vec<_> = (0..1_000)
            .map(|n| waits(&turns, &tenant, &format!("{n}"), &told))
            .collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(turns.figures(), (1_000, 1));
        set(&turns, &tenant, &[("concurrent_runs", "11")]);
        assert_eq!(turns.figures(), (990, 11));
        set(&turns, &tenant, &[]);
        assert_eq!(turns.figures(), (0, 1_001));
        for one in all {
            one.await.unwrap().unwrap();
        }
        drop(held);
        assert_eq!(
            (turns.figures(), tenant.running.load(Ordering::Relaxed)),
            ((0, 0), 0)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn cpu_time_that_is_used_up_delays_what_comes() {
        let turns = turns(2);
        let settings = [("cpu_ms_per_minute", "1000")];
        let tenant = tenant(&turns, &settings);
        now(&turns, &tenant).await.end(1_500_000);
        // Half a second more than there is: half a minute.
        let began = Instant::now();
        drop(turns.turn(&tenant, in_secs(1), in_secs(60)).await.unwrap());
        assert!(
            (29..=31).contains(&began.elapsed().as_secs()),
            "{:?}",
            began.elapsed()
        );
        now(&turns, &tenant).await.end(3_000_000);
        let refused = turns.turn(&tenant, in_secs(1), in_secs(60)).await.unwrap_err();
        let NoTurn::Quota(refusal) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(
            (refusal.exceeded.quota, refusal.exceeded.value),
            (Quota::CpuMsPerMinute, 1_000)
        );
        assert!(refusal.retry_after > Duration::from_secs(60));
        // More of it, and who waits goes on.
        let told = Arc::default();
        let mut late = tokio::spawn({
            let (turns, tenant) = (turns.clone(), tenant.clone());
            async move { turns.turn(&tenant, in_secs(1), in_secs(600)).await.map(drop) }
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!late.is_finished());
        set(&turns, &tenant, &[("cpu_ms_per_minute", "100000")]);
        (&mut late).await.unwrap().unwrap();
        waits(&turns, &tenant, "next", &told).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_up_pays_for_the_time_and_leaves_the_line() {
        let turns = turns(1);
        let tenant = tenant(&turns, &[("cpu_ms_per_minute", "1000")]);
        let mut turn = now(&turns, &tenant).await;
        turn.begin();
        let gone = turns.turn(&tenant, in_secs(10), in_secs(60));
        assert!(tokio::time::timeout(Duration::from_secs(2), gone).await.is_err());
        assert_eq!(turns.figures(), (0, 1), "nobody is in line any more");
        drop(turn);
        assert_eq!(turns.figures(), (0, 0));
        assert!(tenant.cpu.wait(turns.0.clock.ticks()) > Duration::from_secs(50));
    }
}
