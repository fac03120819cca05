//! What a tenant may use of a host, and what all hosts may give it together.
//!
//! ```text
//! request → rate → day → lease (with Redis)            a run → turn: concurrent runs, CPU time, fair between tenants
//! ```
//!
//! - [`Limiter`]: the tenants that this host serves, and the way of a request through their quotas.
//! - [`Tenant`]: what one of them may use and has used. Looked up once for each caller, then held.
//! - `rate`: so much per time, in one atomic number. `day`: so much per day of a time zone.
//! - `lease`: what all hosts may give together: Redis hands out requests in portions, which are spent here. Without it, or while
//!   it is away, each host gives the whole quota and never more.
//! - [`turns`]: who may work next.
//! - `subject`: runs on behalf of one end user. `peers`: guesses of keys, by address.
//!
//! What must hold: a quota is never open, whatever is away and however clocks jump, and never shut for longer than it is defined
//! over; a request within its quotas waits for nobody, but when a lease is fetched.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test that cannot go on panics"
    )
)]

mod day;
mod lease;
mod limiter;
mod owners;
mod peers;
mod rate;
mod standing;
mod stored;
mod subject;
mod tenant;
pub mod turns;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use docmill_model::failure::Failure;
use docmill_model::quota::{Exceeded, Quota};
use tokio::time::Instant;

pub use day::DayCount;
pub use lease::InvalidRedisUrl;
pub use limiter::{Figures, Known, Limiter, Settings};
pub use standing::Standing;
pub use stored::Reserved;
pub use tenant::Tenant;
pub use turns::Turn;

/// A moment, by a clock that only goes forward and by the one on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Nanoseconds since the host started.
    pub ticks: u64,
    /// Milliseconds since 1970.
    pub wall: i64,
}

/// Where the time comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    fn at(&self) -> At {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        At {
            ticks: self.ticks(),
            wall: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        }
    }

    fn ticks(&self) -> u64 {
        nanos(self.start.elapsed())
    }
}

pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// A quota that a request would pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Which, and how much there is of it.
    pub exceeded: Exceeded,
    /// Before that, trying again is in vain.
    pub retry_after: Duration,
}

impl Refusal {
    pub(crate) fn new(quota: Quota, value: u64, retry_after: Duration) -> Self {
        Self {
            exceeded: Exceeded { quota, value },
            retry_after,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::quota(refusal.exceeded, refusal.retry_after)
    }
}
