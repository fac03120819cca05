//! The tenants that a host serves, and the way of a request through their quotas.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use docmill_model::id::TenantId;
use docmill_model::quota::{Allowance, Quota};

use crate::lease::{InvalidRedisUrl, Shared, Spent};
use crate::peers::Peers;
use crate::turns::Turns;
use crate::{At, Clock, DayCount, Refusal, Tenant, nanos};

/// A tenant of which nothing was heard for so long is forgotten, unless somebody holds it.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// A tenant of which something was heard within this time is looked after each second.
const IN_USE: Duration = Duration::from_secs(60);
/// How often a request asks Redis whose portions others spend, before it is refused.
const LOOKS: usize = 16;

/// What the limiter is told. Behind each stands its name on the page of settings.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What tenants may have that say nothing else: `tenant_…`
    pub defaults: Allowance,
    /// Keys that are nobody's, of one address in a minute; 0: not limited. `failed_keys_per_minute`
    pub failed_keys: u64,
}

/// What the database knows of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Its own settings.
    pub allowance: Allowance,
    /// IANA name.
    pub timezone: String,
}

/// Figures since the host started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests and runs that were refused, by quota.
    pub refused: Vec<(Quota, u64)>,
    /// Requests to Redis that failed or came too late.
    pub shared_errors: u64,
    /// Tenants that are held in memory.
    pub tenants: usize,
}

/// The quotas of one host; cheap to clone.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    clock: Clock,
    defaults: Allowance,
    tenants: RwLock<HashMap<TenantId, Arc<Tenant>>>,
    turns: Turns,
    shared: Option<Shared>,
    peers: Peers,
    refused: [AtomicU64; Quota::ALL.len()],
}

impl Limiter {
    /// Of a host on which `turns` runs may work at once, and which shares its counts with others through `redis_url`.
    ///
    /// # Errors
    /// When the URL of Redis cannot be read. Whether it is there is seen later.
    pub fn new(settings: &Settings, redis_url: Option<&str>, turns: usize) -> Result<Self, InvalidRedisUrl> {
        let clock = Clock::new();
        Ok(Self(Arc::new(Inner {
            clock,
            defaults: settings.defaults.clone(),
            tenants: RwLock::default(),
            turns: Turns::new(clock, turns),
            shared: redis_url.map(Shared::open).transpose()?,
            peers: Peers::new(settings.failed_keys),
            refused: Default::default(),
        })))
    }

    pub(crate) fn shared(&self) -> Option<&Shared> {
        self.0.shared.as_ref()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// This moment.
    pub fn at(&self) -> At {
        self.0.clock.at()
    }

    /// What tenants may have that say nothing else.
    pub fn defaults(&self) -> &Allowance {
        &self.0.defaults
    }

    /// Who may work next.
    pub fn turns(&self) -> &Turns {
        &self.0.turns
    }

    /// The tenant, if its limits were read within the last `fresh`.
    pub fn get(&self, id: TenantId, fresh: Duration) -> Option<Arc<Tenant>> {
        let tenants = self.0.tenants.read().unwrap_or_else(PoisonError::into_inner);
        let tenant = tenants.get(&id)?;
        let age = self
            .0
            .clock
            .ticks()
            .saturating_sub(tenant.read_at.load(Ordering::Acquire));
        (age < nanos(fresh)).then(|| tenant.clone())
    }

    /// A tenant's limits were read: from now on they hold, also for who waits.
    pub fn know(&self, id: TenantId, known: &Known) -> Arc<Tenant> {
        let at = self.at();
        let tenant = {
            let mut tenants = self.0.tenants.write().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Tenant::new(id, &known.timezone, at));
            tenants.entry(id).or_insert_with(new).clone()
        };
        tenant.set(known.allowance.or(&self.0.defaults), &known.timezone, at);
        tenant.read_at.store(at.ticks, Ordering::Release);
        tenant
    }

    /// What is to be written, and of whom the limits are to be read again. Those of whom nothing was heard for long are forgotten.
    pub fn looked_after(&self) -> Vec<(Arc<Tenant>, Vec<DayCount>)> {
        let at = self.at();
        let mut tenants = self.0.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let age = |tenant: &Tenant| at.ticks.saturating_sub(tenant.used_at.load(Ordering::Acquire));
        tenants.retain(|_, tenant| {
            Arc::strong_count(tenant) > 1
                || age(tenant) < nanos(FORGOTTEN_AFTER)
                || tenant.counts(at).iter().any(|count| count.own > 0)
        });
        let in_use = tenants.values().filter(|tenant| {
            age(tenant) < nanos(IN_USE)
                || tenant.running.load(Ordering::Acquire) > 0
                || tenant.counts(at).iter().any(|c| c.own > 0)
        });
        in_use.map(|tenant| (tenant.clone(), tenant.counts(at))).collect()
    }

    /// What is to be written of one tenant's days.
    pub fn counts(&self, tenant: &Tenant) -> Vec<DayCount> {
        tenant.counts(self.at())
    }

    /// A tenant's count was written, and this is what all hosts counted of that day.
    pub fn written(&self, tenant: &Tenant, count: &DayCount, all: u64) {
        tenant.days().written(count, all);
    }

    /// Whether it is to be found out what the tenant has stored: it is limited, and unknown or `again` wanted.
    pub fn wants_stored(&self, tenant: &Tenant, again: bool) -> bool {
        tenant.stored.limit.load(Ordering::Acquire) > 0 && (again || !tenant.stored.known())
    }

    /// What of the stored bytes this host counted itself; to be given back to [`Self::stored`].
    pub fn kept(&self, tenant: &Tenant) -> u64 {
        tenant.stored.kept()
    }

    /// The tenant has stored `bytes`, as the database says; it was asked when [`Self::kept`] was `before`.
    pub fn stored(&self, tenant: &Tenant, bytes: u64, before: u64) {
        tenant.stored.set(bytes, before);
    }

    /// Counts a request.
    ///
    /// # Errors
    /// When a quota of requests is used up.
    pub async fn request(&self, tenant: &Tenant) -> Result<(), Refusal> {
        let at = self.at();
        tenant.used_at.store(at.ticks, Ordering::Release);
        if !tenant.is_limited() {
            return Ok(());
        }
        // What this host may give alone is never more than what all may, so it comes first.
        tenant.take_second(at).map_err(|refusal| self.refuse(refusal))?;
        let shared = match &self.0.shared {
            Some(shared) => self.spend(shared, tenant, at).await,
            None => Ok(()),
        };
        shared.and_then(|()| tenant.take_day(at)).map_err(|refusal| {
            tenant.second.give_back();
            self.refuse(refusal)
        })
    }

    async fn spend(&self, shared: &Shared, tenant: &Tenant, at: At) -> Result<(), Refusal> {
        let denied = |quota, wait| Err(tenant.denied(quota, wait, at));
        match tenant.lease.spend(at.ticks) {
            Spent::Yes => return Ok(()),
            Spent::Denied(quota, wait) => return denied(quota, wait),
            Spent::Empty if shared.rests(at.ticks) => return Ok(()),
            Spent::Empty => {}
        }
        let _alone = tenant.lease.asking.lock().await;
        // Whoever had the lock before may have brought a portion; and others, who need no lock for it, may spend this one.
        for _ in 0..LOOKS {
            let now = self.0.clock.ticks();
            match tenant.lease.spend(now) {
                Spent::Yes => return Ok(()),
                Spent::Denied(quota, wait) => return denied(quota, wait),
                Spent::Empty if shared.rests(now) => return Ok(()),
                Spent::Empty => {
                    let ask = tenant.ask(at);
                    shared.refill(tenant.id, &tenant.lease, &ask, &self.0.clock).await;
                }
            }
        }
        let quota = match tenant.second.per() {
            0 => Quota::RequestsPerDay,
            _ => Quota::RequestsPerSecond,
        };
        denied(quota, Duration::from_millis(50))
    }

    /// Whether the address may try another key.
    ///
    /// # Errors
    /// When it tried too many that are nobody's.
    pub fn may_try(&self, peer: IpAddr) -> Result<(), Refusal> {
        let checked = self.0.peers.check(peer, self.0.clock.ticks());
        checked.map_err(|refusal| self.refuse(refusal))
    }

    /// The address tried a key that is nobody's.
    pub fn tried(&self, peer: IpAddr) {
        self.0.peers.failed(peer, self.0.clock.ticks());
    }

    /// Counts a refusal.
    pub fn refuse(&self, refusal: Refusal) -> Refusal {
        let place = Quota::ALL
            .iter()
            .position(|quota| *quota == refusal.exceeded.quota);
        if let Some(count) = place.and_then(|place| self.0.refused.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        refusal
    }

    /// Figures since the host started.
    pub fn figures(&self) -> Figures {
        let counts = self.0.refused.iter().map(|count| count.load(Ordering::Relaxed));
        let tenants = self.0.tenants.read().unwrap_or_else(PoisonError::into_inner);
        Figures {
            refused: Quota::ALL.into_iter().zip(counts).collect(),
            shared_errors: self.0.shared.as_ref().map_or(0, Shared::errors),
            tenants: tenants.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(settings: &[(&str, &str)]) -> Known {
        let mut known = Known {
            timezone: "UTC".to_owned(),
            ..Known::default()
        };
        for (name, value) in settings {
            known.allowance.set(name, value).unwrap();
        }
        known
    }

    async fn taken(limiter: &Limiter, tenant: &Tenant) -> usize {
        let mut taken = 0;
        while taken < 1_000 && limiter.request(tenant).await.is_ok() {
            taken += 1;
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_passes_the_rate_and_the_day() {
        let limiter = Limiter::new(&Settings::default(), None, 1).unwrap();
        let id = TenantId::new();
        let tenant = limiter.know(id, &known(&[]));
        assert_eq!(taken(&limiter, &tenant).await, 1_000, "not limited");
        limiter.know(
            id,
            &known(&[("requests_per_second", "10"), ("requests_per_day", "15")]),
        );
        assert_eq!(taken(&limiter, &tenant).await, 10);
        let refusal = limiter.request(&tenant).await.unwrap_err();
        assert_eq!(refusal.exceeded.quota, Quota::RequestsPerSecond);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(taken(&limiter, &tenant).await, 5);
        let refusal = limiter.request(&tenant).await.unwrap_err();
        assert_eq!(
            (refusal.exceeded.quota, refusal.exceeded.value),
            (Quota::RequestsPerDay, 15)
        );
        // Refused by the day: what it took of the second was given back.
        let standing = tenant.standing(limiter.at());
        assert_eq!((standing[0].remaining, standing[1].remaining), (Some(5), Some(0)));
        let said = tenant.rate_limit(limiter.at()).unwrap();
        assert!(
            said.starts_with("\"requests_per_second\";r=5;t=1, \"requests_per_day\";r=0;t="),
            "{said}"
        );
        let policy = "\"requests_per_second\";q=10;w=1, \"requests_per_day\";q=15;w=86400";
        assert_eq!(tenant.policy().as_deref(), Some(policy));
        limiter.know(id, &known(&[]));
        assert_eq!(taken(&limiter, &tenant).await, 1_000);
        let refused = limiter.figures().refused;
        assert!(
            refused.contains(&(Quota::RequestsPerSecond, 2)) && refused.contains(&(Quota::RequestsPerDay, 2))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_counted_is_written_once_and_read_back() {
        let limiter = Limiter::new(&Settings::default(), None, 1).unwrap();
        let id = TenantId::new();
        let limits = known(&[("requests_per_day", "100")]);
        let tenant = limiter.know(id, &limits);
        for _ in 0..30 {
            limiter.request(&tenant).await.unwrap();
        }
        let after = limiter.looked_after();
        let (_, counts) = &after[0];
        assert_eq!(counts[0].own, 30);
        limiter.written(&tenant, &counts[0], 90);
        assert_eq!(limiter.looked_after()[0].1[0].own, 0);
        assert_eq!(taken(&limiter, &tenant).await, 10);
        // Forgotten only when nothing of it waits to be written, and nobody holds it.
        drop((after, tenant));
        tokio::time::advance(FORGOTTEN_AFTER * 2).await;
        let after = limiter.looked_after();
        let (tenant, counts) = &after[0];
        limiter.written(tenant, &counts[0], 100);
        drop(after);
        assert!(limiter.looked_after().is_empty());
        assert_eq!(limiter.figures().tenants, 0);
    }

    #[tokio::test]
    async fn stored_bytes_are_reserved_before_they_are_kept() {
        let limiter = Limiter::new(&Settings::default(), None, 1).unwrap();
        let id = TenantId::new();
        let tenant = limiter.know(id, &known(&[("stored_bytes", "100")]));
        assert!(limiter.wants_stored(&tenant, false));
        limiter.stored(&tenant, 50, 0);
        assert!(!limiter.wants_stored(&tenant, false));
        let one = tenant.reserve(30).unwrap();
        let refused = tenant.reserve(21).unwrap_err();
        assert_eq!(
            (refused.exceeded.quota, refused.exceeded.value),
            (Quota::StoredBytes, 100)
        );
        drop(one);
        tenant.reserve(50).unwrap().kept(0);
        assert!(tenant.reserve(1).is_err());
        tenant.reserve(0).unwrap();
        // It was summed while something was kept: that is not counted twice, and not forgotten.
        let before = limiter.kept(&tenant);
        limiter.stored(&tenant, 80, before);
        assert!(tenant.reserve(21).is_err() && tenant.reserve(20).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn without_redis_the_hosts_own_counts_hold() {
        // Nobody listens there.
        let limiter = Limiter::new(&Settings::default(), Some("redis://127.0.0.1:1/"), 1).unwrap();
        let tenant = limiter.know(TenantId::new(), &known(&[("requests_per_second", "5")]));
        assert_eq!(taken(&limiter, &tenant).await, 5);
        assert!(limiter.figures().shared_errors > 0);
    }
}
