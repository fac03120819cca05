//! What all hosts may give together. Redis hands out requests in portions, by one script, and its own clock; they are spent
//! here, so that few requests cost a way to it. A portion that is not spent within a second is void: of the rate it is lost, of
//! the day it is given back with the next question. While Redis is away nobody waits for it, and the host's own counts hold.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use docmill_model::digest::Digest;
use docmill_model::id::TenantId;
use docmill_model::quota::Quota;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::OnceCell;

use crate::{Clock, nanos};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long Redis is left alone when there was none.
const REST: Duration = Duration::from_secs(1);
/// How long a portion may be spent.
const LASTS: Duration = Duration::from_secs(1);
/// Longest wait for a new connection; beside it, requests wait for [`PATIENCE`] only.
const CONNECT: Duration = Duration::from_secs(1);
/// A portion is what comes in a twentieth of the time: several hosts get their share of a second, and none asks more often.
const PORTIONS: u64 = 20;
const MAX_PORTION: u64 = 1_000;
/// How long Redis keeps the count of a day, in milliseconds: longer than one lasts.
const DAY_KEPT_MS: u64 = 48 * 3_600_000;

/// Answers how many are granted; if none, for how many milliseconds, and whether for the rate (1) or the day (2).
const SCRIPT: &str = r"
local per, burst, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local granted, wait, why = tonumber(ARGV[5]), 0, 0
local now, paid, interval, most
if per > 0 then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000000 + tonumber(t[2])
  interval = 1000000 / per
  most = burst * interval
  paid = tonumber(redis.call('GET', KEYS[1]) or now) or now
  paid = math.max(now, math.min(paid, now + most))
  granted = math.min(granted, math.floor((now + most - paid) / interval + 0.000001))
  if granted <= 0 then
    granted, wait, why = 0, math.ceil((paid + interval - now - most) / 1000), 1
  end
end
if limit > 0 then
  local used = (tonumber(redis.call('GET', KEYS[2]) or 0) or 0) - tonumber(ARGV[6])
  used = math.max(used, tonumber(ARGV[4]))
  if granted > 0 and used >= limit then
    wait, why = 1000, 2
  end
  granted = math.max(0, math.min(granted, limit - used))
  redis.call('SET', KEYS[2], string.format('%.0f', used + granted), 'PX', ARGV[7])
end
if per > 0 and granted > 0 then
  paid = paid + granted * interval
  redis.call('SET', KEYS[1], string.format('%.3f', paid), 'PX', math.ceil((paid - now) / 1000) + 1000)
end
return {granted, wait, why}
";

/// The URL of the Redis server cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the Redis URL cannot be read; write it as in redis://host:6379/0")]
pub struct InvalidRedisUrl(#[source] redis::RedisError);

/// A tenant's portion.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    state: Mutex<State>,
    /// One asks for all.
    pub(crate) asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    left: u64,
    /// In ticks.
    until: u64,
    /// Until when there is none, and why.
    denied: Option<(u64, Quota)>,
}

/// What a request finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    Yes,
    /// All hosts together gave what there is.
    Denied(Quota, Duration),
    /// Redis has to be asked.
    Empty,
}

impl Lease {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spends one of the portion.
    pub(crate) fn spend(&self, now: u64) -> Spent {
        let mut state = self.state();
        if state.left > 0 && now < state.until {
            state.left -= 1;
            return Spent::Yes;
        }
        match state.denied {
            Some((until, quota)) if now < until => Spent::Denied(quota, Duration::from_nanos(until - now)),
            _ => Spent::Empty,
        }
    }

    /// What was not spent in time.
    fn void(&self) -> u64 {
        let mut state = self.state();
        std::mem::take(&mut state.left)
    }

    fn fill(&self, now: u64, granted: &Granted) {
        let mut state = self.state();
        state.left = granted.count;
        state.until = now.saturating_add(nanos(LASTS));
        state.denied = granted
            .denied
            .map(|(quota, wait)| (now.saturating_add(nanos(wait)), quota));
    }

    /// The limits changed: what was said under those of before counts no more.
    pub(crate) fn doubt(&self) {
        self.state().denied = None;
    }
}

/// What is asked of Redis.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) per_second: u64,
    pub(crate) burst: u64,
    /// 0: not limited.
    pub(crate) per_day: u64,
    /// What is known to be used of the day.
    pub(crate) used: u64,
    pub(crate) date: String,
}

#[derive(Debug)]
struct Granted {
    count: u64,
    denied: Option<(Quota, Duration)>,
}

/// The Redis that hosts share.
pub(crate) struct Shared {
    client: redis::Client,
    connection: OnceCell<ConnectionManager>,
    /// In ticks: nobody asks before.
    rests_until: AtomicU64,
    errors: AtomicU64,
}

impl Shared {
    pub(crate) fn open(url: &str) -> Result<Self, InvalidRedisUrl> {
        Ok(Self {
            client: redis::Client::open(url).map_err(InvalidRedisUrl)?,
            connection: OnceCell::new(),
            rests_until: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        })
    }

    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Whether Redis is left alone for now.
    pub(crate) fn rests(&self, now: u64) -> bool {
        now < self.rests_until.load(Ordering::Acquire)
    }

    /// Fetches a portion for `tenant`; without an answer in time, Redis rests.
    pub(crate) async fn refill(&self, tenant: TenantId, lease: &Lease, ask: &Ask, clock: &Clock) {
        let void = lease.void();
        match self.in_time(self.ask(tenant, ask, void), clock).await {
            Some(granted) => lease.fill(clock.ticks(), &granted),
            None => lease.doubt(),
        }
    }

    /// Counts one of `per_minute` of an end user; how long to wait, if all hosts together gave what there is. Without an
    /// answer in time nothing is denied, and Redis rests.
    pub(crate) async fn subject(
        &self,
        tenant: TenantId,
        subject: &str,
        per_minute: u64,
        clock: &Clock,
    ) -> Option<Duration> {
        if self.rests(clock.ticks()) {
            return None;
        }
        let one = self.one_of_subject(tenant, subject, per_minute);
        let (count, wait) = self.in_time(one, clock).await?;
        (count == 0).then(|| Duration::from_millis(wait.clamp(1, 60_000)))
    }

    /// The answer of Redis; none if there is none in time, and then it is left alone for a while.
    async fn in_time<T>(
        &self,
        asked: impl Future<Output = redis::RedisResult<T>>,
        clock: &Clock,
    ) -> Option<T> {
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => tracing::debug!(%error, "redis failed"),
            Err(_) => tracing::debug!(patience_ms = PATIENCE.as_millis(), "redis did not answer in time"),
        }
        let rested = !self.rests(clock.ticks());
        self.errors.fetch_add(1, Ordering::Relaxed);
        self.rests_until
            .store(clock.ticks().saturating_add(nanos(REST)), Ordering::Release);
        if rested {
            tracing::debug!("quotas are this host's own until redis answers");
        }
        None
    }

    async fn one_of_subject(
        &self,
        tenant: TenantId,
        subject: &str,
        per_minute: u64,
    ) -> redis::RedisResult<(u64, u64)> {
        let mut connection = self.connection().await?;
        // A digest: names of people do not belong into another store.
        let name = Digest::of(subject.as_bytes());
        let key = format!("docmill:1:quota:{{{tenant}}}:subject:{name}");
        let per_second = per_minute as f64 / 60.0;
        let (count, wait, _): (u64, u64, u8) = redis::cmd("EVAL")
            .arg(SCRIPT)
            .arg(2)
            .arg(&key)
            .arg(&key)
            .arg(per_second)
            .arg(per_minute)
            .arg(0)
            .arg(0)
            .arg(1)
            .arg(0)
            .arg(DAY_KEPT_MS)
            .query_async(&mut connection)
            .await?;
        Ok((count, wait))
    }

    async fn ask(&self, tenant: TenantId, ask: &Ask, void: u64) -> redis::RedisResult<Granted> {
        let mut connection = self.connection().await?;
        // In braces: a cluster keeps both at one place.
        let key = |of: &str| format!("docmill:1:quota:{{{tenant}}}:{of}");
        let wanted = match ask.per_second {
            0 => (ask.per_day.saturating_sub(ask.used) / PORTIONS).min(MAX_PORTION / 10),
            per => (per / PORTIONS).min(MAX_PORTION).min(ask.burst),
        };
        let (count, wait, why): (u64, u64, u8) = redis::cmd("EVAL")
            .arg(SCRIPT)
            .arg(2)
            .arg(key("second"))
            .arg(key(&ask.date))
            .arg(ask.per_second)
            .arg(ask.burst)
            .arg(ask.per_day)
            .arg(ask.used)
            .arg(wanted.max(1))
            .arg(void)
            .arg(DAY_KEPT_MS)
            .query_async(&mut connection)
            .await?;
        let quota = match why {
            1 => Some(Quota::RequestsPerSecond),
            2 => Some(Quota::RequestsPerDay),
            _ => None,
        };
        Ok(Granted {
            count,
            denied: quota.map(|quota| (quota, Duration::from_millis(wait.clamp(1, 1_000)))),
        })
    }

    async fn connection(&self) -> redis::RedisResult<ConnectionManager> {
        let manager = self
            .connection
            .get_or_try_init(|| async {
                let config = ConnectionManagerConfig::new()
                    .set_number_of_retries(1)
                    .set_connection_timeout(Some(CONNECT))
                    .set_response_timeout(Some(CONNECT));
                ConnectionManager::new_lazy_with_config(self.client.clone(), config)
            })
            .await?;
        Ok(manager.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_is_spent_or_void() {
        let lease = Lease::default();
        assert_eq!(lease.spend(0), Spent::Empty);
        lease.fill(
            0,
            &Granted {
                count: 2,
                denied: None,
            },
        );
        assert_eq!(lease.spend(1), Spent::Yes);
        assert_eq!(lease.spend(nanos(LASTS)), Spent::Empty, "too late");
        assert_eq!((lease.void(), lease.void()), (1, 0));
        let wait = Duration::from_millis(5);
        lease.fill(
            7,
            &Granted {
                count: 0,
                denied: Some((Quota::RequestsPerDay, wait)),
            },
        );
        assert_eq!(lease.spend(7), Spent::Denied(Quota::RequestsPerDay, wait));
        assert_eq!(lease.spend(7 + nanos(wait)), Spent::Empty);
        lease.fill(
            7,
            &Granted {
                count: 0,
                denied: Some((Quota::RequestsPerDay, wait)),
            },
        );
        lease.doubt();
        assert_eq!(lease.spend(7), Spent::Empty);
    }
}
