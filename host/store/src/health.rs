//! Whether PostgreSQL answered lately, shared by all who ask it: what one found out, the others need not wait for.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

/// While PostgreSQL is away it is asked again no more often than this.
pub const RETRY: Duration = Duration::from_millis(250);

/// Whether PostgreSQL answered lately; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<RwLock<Option<Instant>>>);

impl Health {
    /// It did not answer.
    pub fn failed(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// It answered.
    pub fn answered(&self) {
        if self.0.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// It did not answer a moment ago: asking again would only cost time.
    pub fn just_failed(&self) -> bool {
        let failed = self.0.read().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < RETRY)
    }
}
