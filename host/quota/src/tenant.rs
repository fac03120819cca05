//! What one tenant may use of this host, and has used.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use docmill_model::id::TenantId;
use docmill_model::quota::{Allowance, Quota};

use crate::day::{DayCount, Days};
use crate::lease::{Ask, Lease};
use crate::owners::Owners;
use crate::rate::Rate;
use crate::stored::Stored;
use crate::{At, Refusal};

/// What a tenant may use, and has used.
#[derive(Debug)]
pub struct Tenant {
    /// Whose it is.
    pub id: TenantId,
    allowance: RwLock<Arc<Allowance>>,
    /// As `RateLimit-Policy` says it.
    policy: RwLock<Option<Arc<str>>>,
    pub(crate) second: Rate,
    /// In microseconds.
    pub(crate) cpu: Rate,
    /// 0: not limited.
    pub(crate) per_day: AtomicU64,
    days: Mutex<Days>,
    pub(crate) concurrent: AtomicUsize,
    /// Runs at work; changed under the lock of turns.
    pub(crate) running: AtomicUsize,
    pub(crate) stored: Stored,
    pub(crate) lease: Lease,
    /// End users, by the names that the tenant has for them.
    pub(crate) subjects: Owners<Box<str>>,
    /// In ticks.
    pub(crate) used_at: AtomicU64,
    /// When its limits were last read, in ticks.
    pub(crate) read_at: AtomicU64,
}

impl Tenant {
    pub(crate) fn new(id: TenantId, timezone: &str, at: At) -> Self {
        Self {
            id,
            allowance: RwLock::default(),
            policy: RwLock::default(),
            second: Rate::new(Duration::from_secs(1)),
            cpu: Rate::new(Duration::from_secs(60)),
            per_day: AtomicU64::new(0),
            days: Mutex::new(Days::new(timezone, at.wall)),
            concurrent: AtomicUsize::new(usize::MAX),
            running: AtomicUsize::new(0),
            stored: Stored::default(),
            lease: Lease::default(),
            subjects: Owners::default(),
            used_at: AtomicU64::new(at.ticks),
            read_at: AtomicU64::new(0),
        }
    }

    /// What holds for it now: its own settings, and the host's where it has none.
    pub fn allowance(&self) -> Arc<Allowance> {
        self.allowance
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What `RateLimit-Policy` says; none if requests are not limited.
    pub fn policy(&self) -> Option<Arc<str>> {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn days(&self) -> MutexGuard<'_, Days> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its requests are limited at all.
    pub(crate) fn is_limited(&self) -> bool {
        self.second.per() > 0 || self.per_day.load(Ordering::Acquire) > 0
    }

    /// From now on this holds.
    pub(crate) fn set(&self, whole: Allowance, timezone: &str, at: At) {
        self.days().set_zone(timezone, at.wall);
        if *self.allowance() == whole {
            return;
        }
        let rate = whole.requests_per_second.unwrap_or(0);
        self.second.set(at.ticks, rate, whole.burst().unwrap_or(0));
        let cpu = whole.cpu_ms_per_minute.unwrap_or(0).saturating_mul(1_000);
        self.cpu.set(at.ticks, cpu, cpu);
        self.per_day
            .store(whole.requests_per_day.unwrap_or(0), Ordering::Release);
        let runs = whole
            .concurrent_runs
            .map(|runs| usize::try_from(runs).unwrap_or(usize::MAX));
        self.concurrent
            .store(runs.unwrap_or(usize::MAX), Ordering::Release);
        self.stored
            .limit
            .store(whole.stored_bytes.unwrap_or(0), Ordering::Release);
        self.lease.doubt();
        let mut policies = Vec::new();
        if let Some(rate) = whole.requests_per_second {
            policies.push(format!("\"{}\";q={rate};w=1", Quota::RequestsPerSecond));
        }
        if let Some(limit) = whole.requests_per_day {
            policies.push(format!("\"{}\";q={limit};w=86400", Quota::RequestsPerDay));
        }
        let policy = (!policies.is_empty()).then(|| policies.join(", ").into());
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
        *self.allowance.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(whole);
    }

    /// Counts a request against the rate of this host alone.
    pub(crate) fn take_second(&self, at: At) -> Result<(), Refusal> {
        let refused = |wait| Refusal::new(Quota::RequestsPerSecond, self.second.per(), wait);
        self.second.take(at.ticks).map_err(refused)
    }

    /// Counts it in the day. Last of all: what is counted is told to other hosts, and is not taken back.
    pub(crate) fn take_day(&self, at: At) -> Result<(), Refusal> {
        let limit = self.per_day.load(Ordering::Acquire);
        if limit == 0 {
            return Ok(());
        }
        let refused = |rest| Refusal::new(Quota::RequestsPerDay, limit, rest);
        self.days().take(at.wall, limit).map_err(refused)
    }

    /// What all hosts denied.
    pub(crate) fn denied(&self, quota: Quota, wait: Duration, at: At) -> Refusal {
        match quota {
            Quota::RequestsPerDay => {
                let rest = self.days().rest(at.wall);
                Refusal::new(quota, self.per_day.load(Ordering::Acquire), rest)
            }
            _ => Refusal::new(quota, self.second.per(), wait),
        }
    }

    /// What Redis is asked for.
    pub(crate) fn ask(&self, at: At) -> Ask {
        let per_day = self.per_day.load(Ordering::Acquire);
        let (used, date) = if per_day > 0 {
            self.days().used(at.wall)
        } else {
            (0, String::new())
        };
        Ask {
            per_second: self.second.per(),
            burst: self.second.burst(),
            per_day,
            used,
            date,
        }
    }

    /// What is to be written of its days.
    pub(crate) fn counts(&self, at: At) -> Vec<DayCount> {
        if self.per_day.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        self.days().counts(at.wall)
    }

    /// Whether a run of it may begin to work.
    pub(crate) fn may_begin(&self, ticks: u64) -> bool {
        self.running.load(Ordering::Acquire) < self.concurrent.load(Ordering::Acquire)
            && self.cpu.wait(ticks).is_zero()
    }
}
