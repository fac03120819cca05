//! What the host offers a guest of `wasi:keyvalue`. The engine holds each request to the grant; where values are is not known
//! here.

use std::fmt::Debug;
use std::sync::Arc;

use docmill_model::grant::KeyValueGrant;
use futures_util::future::BoxFuture;

/// Why a request to the store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyValueError {
    /// What the plugin keeps would pass what it may keep.
    #[error(
        "{keys} keys and {bytes} bytes would be kept; the grant allows {most_keys} and {most_bytes} (`keys`, `bytes`)"
    )]
    Full {
        /// Keys that would be kept.
        keys: u64,
        /// Bytes that would be kept.
        bytes: u64,
        /// What is granted.
        most_keys: u64,
        /// What is granted.
        most_bytes: u64,
    },
    /// A value that was kept when the grant allowed more.
    #[error("the value of '{key}' is larger than the grant's {most} bytes (`value_bytes`)")]
    TooLarge {
        /// Whose value.
        key: String,
        /// What is granted.
        most: u64,
    },
    /// A value that is to be counted up is no number, or the sum is too large.
    #[error("the value is no number that this can be added to")]
    NoNumber,
    /// The store does not answer.
    #[error("the store does not answer; try again")]
    Unavailable,
}

/// What came of a request.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, KeyValueError>>;

/// Where a page of keys begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Behind this key.
    After(String),
    /// Behind so many.
    Skip(u64),
}

/// The values of one plugin of one tenant. Futures are polled on the host's runtime, never on a guest's thread.
pub trait KeyValue: Send + Sync + Debug {
    /// The values of these keys, in their order.
    /// One that is larger than a value may be fails the whole request, so that a narrowed grant bounds what is read, too.
    fn get(&self, keys: Vec<String>) -> Answer<'_, Vec<Option<Vec<u8>>>>;

    /// Keeps these values, all or none; of a key that stands twice, the last one.
    fn set(&self, values: Vec<(String, Vec<u8>)>) -> Answer<'_, ()>;

    /// Forgets these keys.
    fn delete(&self, keys: Vec<String>) -> Answer<'_, ()>;

    /// Keys within the grant's prefixes, in the order of their bytes, and whether there are more behind them.
    fn list(&self, start: Start) -> Answer<'_, (Vec<String>, bool)>;

    /// Adds to a number, which is 0 if it is not there; the sum. Numbers are kept as decimal digits.
    fn increment(&self, key: String, delta: i64) -> Answer<'_, i64>;

    /// Puts a value in the place of one with this SHA-256, or of none; whether it was still there.
    fn swap(&self, key: String, seen: Option<[u8; 32]>, value: Vec<u8>) -> Answer<'_, bool>;
}

/// A grant, and the values that it is for.
pub type Granted = (Arc<KeyValueGrant>, Arc<dyn KeyValue>);
