//! The second tier. Every request is bounded in time, every error is a miss, and a Redis that fails several times in a
//! row is left alone for a while, so that it costs nothing when it is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use docmill_model::digest::{Digest, Hasher};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::{OnceCell, Semaphore};

/// The longest that a look-up waits.
const PATIENCE: Duration = Duration::from_millis(50);
/// The longest that a write in the background takes.
const WRITE_PATIENCE: Duration = Duration::from_secs(1);
/// Failures in a row after which Redis is left alone…
const FAILURES: u32 = 3;
/// …for this long.
const REST: Duration = Duration::from_secs(5);
/// The largest value that travels: more does not arrive within the patience.
const VALUE_BYTES: usize = 4 << 20;
/// Writes at once; the next ones are dropped.
const WRITES: usize = 8;
/// How long Redis keeps a value, in milliseconds.
const AGE_MS: u64 = 24 * 3_600_000;
/// Bytes of the check sum before the value.
const SUM_BYTES: usize = 32;

/// The URL of the Redis server cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the Redis URL cannot be read; write it as in redis://host:6379/0")]
pub struct InvalidRedisUrl(#[source] redis::RedisError);

#[derive(Clone)]
pub(crate) struct Remote(Arc<Inner>);

struct Inner {
    client: redis::Client,
    connection: OnceCell<ConnectionManager>,
    breaker: Breaker,
    writes: Arc<Semaphore>,
    errors: AtomicU64,
}

/// Counts failures in a row; after [`FAILURES`] of them it is open: nobody asks for [`REST`], then one try decides.
struct Breaker {
    start: Instant,
    failures: AtomicU32,
    /// Milliseconds after `start`.
    open_until: AtomicU64,
}

impl Breaker {
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lets_through(&self) -> bool {
        self.now() >= self.open_until.load(Ordering::Relaxed)
    }

    fn note(&self, success: bool) {
        if success {
            self.failures.store(0, Ordering::Relaxed);
        } else if self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= FAILURES {
            let rest = u64::try_from(REST.as_millis()).unwrap_or(u64::MAX);
            self.open_until
                .store(self.now().saturating_add(rest), Ordering::Relaxed);
        }
    }
}

impl Remote {
    pub(crate) fn open(url: &str) -> Result<Self, InvalidRedisUrl> {
        Ok(Self(Arc::new(Inner {
            client: redis::Client::open(url).map_err(InvalidRedisUrl)?,
            connection: OnceCell::new(),
            breaker: Breaker {
                start: Instant::now(),
                failures: AtomicU32::new(0),
                open_until: AtomicU64::new(0),
            },
            writes: Arc::new(Semaphore::new(WRITES)),
            errors: AtomicU64::new(0),
        })))
    }

    pub(crate) fn errors(&self) -> u64 {
        self.0.errors.load(Ordering::Relaxed)
    }

    pub(crate) async fn get(&self, space: &str, key: Digest) -> Option<Vec<u8>> {
        let name = name(space, key);
        let ask = async {
            let mut connection = self.connection().await?;
            redis::cmd("GET")
                .arg(&name)
                .query_async::<Option<Vec<u8>>>(&mut connection)
                .await
        };
        let stored = self.bounded(PATIENCE, ask).await??;
        let (sum, value) = stored.split_at_checked(SUM_BYTES)?;
        (value.len() <= VALUE_BYTES && sum == check_sum(&name, value).as_bytes()).then(|| value.to_vec())
    }

    /// Writes in the background, unless too many writes are under way.
    pub(crate) fn put(
        &self,
        space: &str,
        key: Digest,
        encode: impl FnOnce() -> Option<Vec<u8>> + Send + 'static,
    ) {
        if !self.0.breaker.lets_through() {
            return;
        }
        let Ok(permit) = Arc::clone(&self.0.writes).try_acquire_owned() else {
            return;
        };
        let (remote, name) = (self.clone(), name(space, key));
        tokio::spawn(async move {
            let _permit = permit;
            // A large value takes milliseconds to write down: not on the async threads.
            let Ok(Some(value)) = tokio::task::spawn_blocking(encode).await else {
                return;
            };
            if value.len() > VALUE_BYTES {
                return;
            }
            let mut stored = check_sum(&name, &value).as_bytes().to_vec();
            stored.extend_from_slice(&value);
            let write = async {
                let mut connection = remote.connection().await?;
                redis::cmd("SET")
                    .arg(&name)
                    .arg(stored)
                    .arg("PX")
                    .arg(AGE_MS)
                    .query_async::<()>(&mut connection)
                    .await
            };
            let _ = remote.bounded(WRITE_PATIENCE, write).await;
        });
    }

    async fn connection(&self) -> redis::RedisResult<ConnectionManager> {
        let manager = self
            .0
            .connection
            .get_or_try_init(|| async {
                let config = ConnectionManagerConfig::new()
                    .set_number_of_retries(1)
                    .set_connection_timeout(Some(WRITE_PATIENCE))
                    .set_response_timeout(Some(WRITE_PATIENCE));
                ConnectionManager::new_lazy_with_config(self.0.client.clone(), config)
            })
            .await?;
        Ok(manager.clone())
    }

    /// The answer, if there is one in time.
    async fn bounded<T>(
        &self,
        patience: Duration,
        request: impl Future<Output = redis::RedisResult<T>>,
    ) -> Option<T> {
        if !self.0.breaker.lets_through() {
            return None;
        }
        let outcome = tokio::time::timeout(patience, request).await;
        let answer = match outcome {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                tracing::debug!(error = %error, "redis failed");
                None
            }
            Err(_) => {
                tracing::debug!(patience_ms = patience.as_millis(), "redis did not answer in time");
                None
            }
        };
        self.0.breaker.note(answer.is_some());
        if answer.is_none() {
            self.0.errors.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }
}

fn name(space: &str, key: Digest) -> String {
    format!("docmill:1:{space}:{key}")
}

/// Over the name too, so that a value that somebody copied to another name is a miss.
fn check_sum(name: &str, value: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(name.as_bytes());
    hasher.update(&[0]);
    hasher.update(value);
    hasher.finish()
}
