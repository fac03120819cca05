//! From what the database has to what Rust has. A value that does not fit was not written by docmill.

use std::fmt::Display;
use std::str::FromStr;

use docmill_model::digest::Digest;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::StoreError;

pub(crate) fn foreign(cause: impl Display) -> StoreError {
    StoreError::Internal(sqlx::Error::Decode(cause.to_string().into()))
}

/// A word with a meaning of its own: a version, a name.
pub(crate) fn word<T: FromStr<Err: Display>>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(foreign)
}

/// A word of an enumeration as JSON has it.
pub(crate) fn tag<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    typed(Value::String(text.to_owned()))
}

/// A JSON value of a known shape.
pub(crate) fn typed<T: DeserializeOwned>(value: Value) -> Result<T, StoreError> {
    serde_json::from_value(value).map_err(foreign)
}

/// A SHA-256.
pub(crate) fn digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    bytes.try_into().map_err(foreign)
}

/// A number of bytes from the database, which has no unsigned numbers; its columns are checked not to be negative.
pub(crate) fn size_in(size: i64) -> u64 {
    u64::try_from(size).unwrap_or_default()
}

/// A number for the database.
pub(crate) fn size_out(size: u64) -> Result<i64, StoreError> {
    i64::try_from(size).map_err(|_| StoreError::invalid(format!("{size} is more than can be kept")))
}

/// A position or count from the database.
pub(crate) fn count_in(count: i32) -> u32 {
    u32::try_from(count).unwrap_or_default()
}

/// A position or count for the database.
pub(crate) fn count_out<T: TryInto<i32> + Copy + Display>(count: T) -> Result<i32, StoreError> {
    count
        .try_into()
        .map_err(|_| StoreError::invalid(format!("{count} is more than can be kept")))
}
