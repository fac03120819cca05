//! Stands in for the crate `foldhash` in this workspace. That one seeds itself from the clock; the host would record
//! "has read the clock" for every page whose article is looked for, and could not reuse the result. The names that our
//! dependencies use are here, over the standard library's hasher with fixed keys.

use std::hash::{BuildHasherDefault, DefaultHasher};

/// Hashers without a seed of their own.
pub mod fast {
    /// Gives the same hash in every call.
    pub type RandomState = super::BuildHasherDefault<super::DefaultHasher>;
}

/// A map with such a hasher.
pub type HashMap<K, V, S = fast::RandomState> = std::collections::HashMap<K, V, S>;

/// A set with such a hasher.
pub type HashSet<T, S = fast::RandomState> = std::collections::HashSet<T, S>;
