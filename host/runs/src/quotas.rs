//! What tenants may use, between the database that knows it and the limiter that holds it. Once a second a host tells what it
//! counted and reads back what all counted, with limits that somebody changed meanwhile: they hold within that second, also for
//! who waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use docmill_model::failure::{Code, Failure};
use docmill_model::id::TenantId;
use docmill_quota::{DayCount, Known, Limiter, Tenant};
use docmill_store::who::Counted;
use docmill_store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::remembered::away;

/// How often a host tells what it counted: what a crash forgets, and how late hosts hear of each other without Redis.
const EVERY: Duration = Duration::from_secs(1);
/// How often stored bytes are summed anew, in those: it looks at every document, and the host counts on meanwhile.
const STORED_EVERY: u32 = 15;
/// Limits that were read within this time are taken as they are.
const FRESH: Duration = Duration::from_secs(2);
/// Most tenants of one statement.
const AT_ONCE: usize = 1_000;
/// Longest wait for the database, by who asks for a tenant.
const PATIENCE: Duration = Duration::from_millis(900);

/// The quotas of one host; cheap to clone.
#[derive(Clone)]
pub struct Quotas(Arc<Parts>);

struct Parts {
    store: Store,
    limiter: Limiter,
    /// The host ends: what is still to be told was told.
    closed: AtomicBool,
    /// One tells for all: nothing is told twice.
    telling: Mutex<()>,
}

impl Quotas {
    pub(crate) fn new(store: Store, limiter: Limiter) -> Self {
        let parts = Arc::new(Parts {
            store,
            limiter,
            closed: AtomicBool::new(false),
            telling: Mutex::default(),
        });
        tokio::spawn(look_after(Arc::downgrade(&parts)));
        Self(parts)
    }

    /// What holds the quotas.
    pub fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    /// The tenant with its limits, which were read a moment ago; while the database is away, those of before.
    ///
    /// # Errors
    /// [`Code::StoreUnavailable`] when they were never read.
    pub async fn tenant(&self, id: TenantId) -> Result<Arc<Tenant>, Failure> {
        let limiter = &self.0.limiter;
        if let Some(tenant) = limiter.get(id, FRESH) {
            return Ok(tenant);
        }
        let read = timeout(PATIENCE, self.0.read(id))
            .await
            .unwrap_or_else(|_| Err(away()));
        match (read, limiter.get(id, Duration::MAX)) {
            (Err(failure), Some(tenant)) if failure.code == Code::StoreUnavailable => Ok(tenant),
            (read, _) => read,
        }
    }

    /// Tells what was counted, for the last time: the database is closed next.
    pub(crate) async fn settle(&self) {
        self.0.closed.store(true, Ordering::Relaxed);
        if let Err(error) = self.0.tell(false).await {
            tracing::warn!(%error, "the last requests of this host are not counted");
        }
    }
}

async fn look_after(parts: Weak<Parts>) {
    let (mut turn, mut failing) = (0_u32, false);
    loop {
        sleep(EVERY).await;
        let Some(parts) = parts.upgrade() else {
            return;
        };
        turn = turn.wrapping_add(1);
        let told = parts.tell(turn % STORED_EVERY == 0).await;
        if parts.closed.load(Ordering::Relaxed) {
            return;
        }
        if let (Err(error), false) = (&told, failing) {
            tracing::warn!(%error, "requests of a day wait to be counted; until then this host holds the quotas by itself");
        }
        failing = told.is_err();
    }
}

impl Parts {
    /// Reads one tenant; adds nothing.
    async fn read(&self, id: TenantId) -> Result<Arc<Tenant>, Failure> {
        let none = Counted {
            tenant: id,
            day: None,
            requests: 0,
        };
        let mut found = self
            .store
            .count_requests(&[none])
            .await
            .map_err(|e| e.failure())?;
        let Some(limited) = found.pop() else {
            tracing::error!(tenant.id = %id, "a tenant has no limits");
            return Err(Failure::new(
                Code::Internal,
                "your organisation's limits cannot be read; the log tells more",
            ));
        };
        let known = Known {
            allowance: limited.limits,
            timezone: limited.timezone,
        };
        let limiter = &self.limiter;
        let tenant = limiter.know(id, &known);
        // Which day it is there was not known before.
        let counts = limiter.counts(&tenant);
        let asked: Vec<Counted> = counts.iter().map(|count| counted(id, Some(count), 0)).collect();
        if !asked.is_empty() {
            for limited in self.store.count_requests(&asked).await.map_err(|e| e.failure())? {
                if let Some(count) = counts.get(limited.place) {
                    let nothing = DayCount {
                        own: 0,
                        ..count.clone()
                    };
                    limiter.written(&tenant, &nothing, limited.requests);
                }
            }
        }
        self.sum_stored(&tenant, false).await.map_err(|e| e.failure())?;
        limiter.turns().pump();
        Ok(tenant)
    }

    /// Tells what was counted of every tenant that is in use, and reads back what holds.
    async fn tell(&self, stored: bool) -> Result<(), StoreError> {
        let _alone = self.telling.lock().await;
        let limiter = &self.limiter;
        let in_use = limiter.looked_after();
        let mut asked: Vec<(&Arc<Tenant>, Option<&DayCount>)> = Vec::with_capacity(in_use.len());
        for (tenant, counts) in &in_use {
            asked.extend(counts.iter().map(|count| (tenant, Some(count))));
            if counts.is_empty() {
                asked.push((tenant, None));
            }
        }
        for some in asked.chunks(AT_ONCE) {
            let given: Vec<Counted> = some
                .iter()
                .map(|(tenant, count)| counted(tenant.id, *count, count.map_or(0, |c| c.own)))
                .collect();
            for limited in self.store.count_requests(&given).await? {
                let Some((tenant, count)) = some.get(limited.place) else {
                    continue;
                };
                if let Some(count) = count {
                    limiter.written(tenant, count, limited.requests);
                }
                let known = Known {
                    allowance: limited.limits,
                    timezone: limited.timezone,
                };
                limiter.know(tenant.id, &known);
            }
        }
        limiter.turns().pump();
        for (tenant, _) in &in_use {
            self.sum_stored(tenant, stored).await?;
        }
        Ok(())
    }

    async fn sum_stored(&self, tenant: &Tenant, again: bool) -> Result<(), StoreError> {
        let limiter = &self.limiter;
        if limiter.wants_stored(tenant, again) {
            let before = limiter.kept(tenant);
            let bytes = self.store.stored_bytes(tenant.id).await?;
            limiter.stored(tenant, bytes, before);
        }
        Ok(())
    }
}

fn counted(tenant: TenantId, count: Option<&DayCount>, requests: u64) -> Counted {
    Counted {
        tenant,
        day: count.map(|count| count.date.clone()),
        requests,
    }
}
