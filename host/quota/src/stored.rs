//! Bytes that a tenant has stored: as the database last summed them, and what came since.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use docmill_model::quota::Quota;

use crate::{Refusal, Tenant};

/// Nothing is filled again by itself: somebody has to be asked for more.
const COME_BACK: Duration = Duration::from_secs(3_600);

#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// 0: not limited.
    pub(crate) limit: AtomicU64,
    known: AtomicBool,
    /// As the database said.
    summed: AtomicU64,
    /// Kept since it was asked.
    kept: AtomicU64,
    /// Of runs in flight.
    reserved: AtomicU64,
}

/// Room for what a run may keep; given back when dropped, unless it was kept.
#[derive(Debug)]
pub struct Reserved {
    tenant: Arc<Tenant>,
    bytes: u64,
}

impl Stored {
    pub(crate) fn used(&self) -> u64 {
        let parts = [&self.summed, &self.kept, &self.reserved];
        parts.into_iter().map(|part| part.load(Ordering::Acquire)).sum()
    }

    pub(crate) fn known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    pub(crate) fn kept(&self) -> u64 {
        self.kept.load(Ordering::Acquire)
    }

    /// The database summed `bytes`, and [`Self::kept`] was `before` when it was asked.
    pub(crate) fn set(&self, bytes: u64, before: u64) {
        self.summed.store(bytes, Ordering::Release);
        self.kept.fetch_sub(before.min(self.kept()), Ordering::AcqRel);
        self.known.store(true, Ordering::Release);
    }
}

impl Tenant {
    /// Room for `bytes`.
    ///
    /// # Errors
    /// When there is not so much left.
    pub fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reserved, Refusal> {
        let limit = self.stored.limit.load(Ordering::Acquire);
        // Counted before it is looked at: two that come at once see each other.
        self.stored.reserved.fetch_add(bytes, Ordering::AcqRel);
        let reserved = Reserved {
            tenant: self.clone(),
            bytes,
        };
        if limit > 0 && bytes > 0 && self.stored.used() > limit {
            return Err(Refusal::new(Quota::StoredBytes, limit, COME_BACK));
        }
        Ok(reserved)
    }
}

impl Reserved {
    /// It was kept, and `more` bytes with it.
    pub fn kept(self, more: u64) {
        let stored = &self.tenant.stored;
        stored
            .kept
            .fetch_add(self.bytes.saturating_add(more), Ordering::AcqRel);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.tenant
            .stored
            .reserved
            .fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
