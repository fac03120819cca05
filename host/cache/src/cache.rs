//! The cache as others use it.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use docmill_model::digest::Digest;
use docmill_model::size::ByteSize;

use crate::flight::{Boarding, Flight, Flights, landed};
use crate::remote::{InvalidRedisUrl, Remote};

/// How long a value stays in memory without being written again.
const LOCAL_AGE: Duration = Duration::from_secs(30 * 60);

/// How a kind of value is weighed and written down.
pub struct Codec<T> {
    /// Names the kind and the version of its encoding in Redis: `reading-1`. Change it whenever the encoding changes.
    pub space: &'static str,
    /// Bytes that the value occupies in memory.
    pub weigh: fn(&T) -> usize,
    /// The value as bytes; none: it cannot leave this process.
    pub encode: fn(&T) -> Option<Vec<u8>>,
    /// The value again; none: these bytes are not one.
    pub decode: fn(&[u8]) -> Option<T>,
}

#[derive(Clone)]
struct Held {
    value: Arc<dyn Any + Send + Sync>,
    weight: u32,
}

/// What was found under a key.
pub enum Lookup<T: 'static> {
    /// The value.
    Hit(Arc<T>),
    /// Nothing; compute it, and keep it by [`Ticket::keep`] if it may be kept.
    Miss(Ticket<T>),
}

/// The duty to compute a value. Dropping it without keeping anything lets those who wait compute for themselves.
pub struct Ticket<T: 'static> {
    cache: Cache,
    key: Digest,
    codec: &'static Codec<T>,
    flight: Option<Flight>,
}

/// Counted since the start, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Found in memory.
    pub local_hits: u64,
    /// Found in Redis.
    pub remote_hits: u64,
    /// Not found.
    pub misses: u64,
    /// Requests to Redis that failed or came too late.
    pub remote_errors: u64,
    /// Bytes held in memory, by the values' own account.
    pub local_bytes: u64,
    /// Values held in memory.
    pub local_values: u64,
}

#[derive(Default)]
struct Counters {
    local_hits: AtomicU64,
    remote_hits: AtomicU64,
    misses: AtomicU64,
}

/// The two tiers. Cloning it is cheap and gives the same cache.
#[derive(Clone)]
pub struct Cache {
    local: moka::future::Cache<Digest, Held>,
    capacity: u64,
    remote: Option<Remote>,
    flights: Flights,
    counters: Arc<Counters>,
}

impl Cache {
    /// A cache with at most `bytes` in memory, over Redis if there is a URL. Does not wait for Redis: one that is away
    /// is looked for again later.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub async fn open(bytes: ByteSize, redis_url: Option<&str>) -> Result<Self, InvalidRedisUrl> {
        let remote = redis_url.map(Remote::open).transpose()?;
        Ok(Self {
            local: moka::future::Cache::builder()
                .max_capacity(bytes.0)
                .weigher(|_: &Digest, held: &Held| held.weight)
                .time_to_live(LOCAL_AGE)
                .build(),
            capacity: bytes.0,
            remote,
            flights: Flights::default(),
            counters: Arc::default(),
        })
    }

    /// Looks for a value; if somebody computes it right now, waits for that, at most `patience`.
    pub async fn lookup<T: Send + Sync + 'static>(
        &self,
        key: Digest,
        codec: &'static Codec<T>,
        patience: Duration,
    ) -> Lookup<T> {
        if let Some(value) = self.local(key).await {
            return self.hit(value, &self.counters.local_hits);
        }
        let flight = match self.flights.board(key) {
            Boarding::Pilot(flight) => Some(flight),
            Boarding::Passenger(other) => {
                // An elapsed patience is no error: this caller computes too.
                let _ = tokio::time::timeout(patience, landed(other)).await;
                None
            }
        };
        // Between the first look and the boarding another one may have landed.
        if let Some(value) = self.local(key).await {
            return self.hit(value, &self.counters.local_hits);
        }
        if let (Some(_), Some(remote)) = (&flight, &self.remote)
            && let Some(bytes) = remote.get(codec.space, key).await
            && let Some(value) = (codec.decode)(&bytes)
        {
            let value = Arc::new(value);
            self.keep_local(key, &value, codec).await;
            return self.hit(value, &self.counters.remote_hits);
        }
        self.counters.misses.fetch_add(1, Ordering::Relaxed);
        Lookup::Miss(Ticket {
            cache: self.clone(),
            key,
            codec,
            flight,
        })
    }

    /// Counted since the start.
    pub fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            local_hits: read(&self.counters.local_hits),
            remote_hits: read(&self.counters.remote_hits),
            misses: read(&self.counters.misses),
            remote_errors: self.remote.as_ref().map_or(0, Remote::errors),
            local_bytes: self.local.weighted_size(),
            local_values: self.local.entry_count(),
        }
    }

    fn hit<T: 'static>(&self, value: Arc<T>, counter: &AtomicU64) -> Lookup<T> {
        counter.fetch_add(1, Ordering::Relaxed);
        Lookup::Hit(value)
    }

    async fn local<T: Send + Sync + 'static>(&self, key: Digest) -> Option<Arc<T>> {
        self.local.get(&key).await?.value.downcast().ok()
    }

    async fn keep_local<T: Send + Sync + 'static>(&self, key: Digest, value: &Arc<T>, codec: &Codec<T>) {
        let weight = (codec.weigh)(value);
        // One value never takes more than a quarter, or it would push out everything that is asked for often.
        if u64::try_from(weight).unwrap_or(u64::MAX) > self.capacity / 4 {
            return;
        }
        let weight = u32::try_from(weight).unwrap_or(u32::MAX).max(1);
        let held = Held {
            value: Arc::clone(value) as Arc<dyn Any + Send + Sync>,
            weight,
        };
        self.local.insert(key, held).await;
    }
}

impl<T: Send + Sync + 'static> Ticket<T> {
    /// Keeps the value under the key: in memory before this returns, in Redis a little later.
    pub async fn keep(self, value: Arc<T>) {
        self.cache.keep_local(self.key, &value, self.codec).await;
        // Only the pilot writes to Redis: those who computed beside it have the same value.
        if let (Some(flight), Some(remote)) = (self.flight, &self.cache.remote) {
            drop(flight);
            remote.put(self.codec.space, self.key, move || (self.codec.encode)(&value));
        }
    }
}
