//! Two tiers that may be empty and never lie: memory (moka, bounded in bytes and age) and, where there is one, Redis.
//!
//! A value is found under a digest of everything that made it, so it cannot be stale: it is right or it is not there.
//! Whatever goes wrong with Redis (away, slow, full, foreign bytes) is a miss. Concurrent look-ups of one key wait for
//! the first, which computes; if it has nothing to keep, each of the others computes for itself.
#![forbid(unsafe_code)]

mod cache;
mod flight;
mod remote;

pub use cache::{Cache, Codec, Figures, Lookup, Ticket};
pub use remote::InvalidRedisUrl;
