//! What a plugin may keep in the tenant's key-value store.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{MOST, bounded};
use crate::size::ByteSize;

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 512;
/// Longest prefix, in bytes: a grant is read by a person.
const MAX_PREFIX_BYTES: usize = 200;

/// What a plugin may read and keep, and how much of it. Each plugin has keys of its own in each tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct KeyValueGrant {
    /// What its keys begin with; never empty. The empty prefix is every key.
    prefixes: Vec<String>,
    /// Whether it may change anything.
    write: bool,
    #[serde(flatten)]
    budget: KeyValueBudget,
}

/// How much a plugin may keep, and how much it may do in one call of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValueBudget {
    /// Keys that are kept.
    pub keys: u32,
    /// Bytes of all keys and values that are kept.
    pub bytes: ByteSize,
    /// Bytes of one value.
    pub value_bytes: ByteSize,
    /// Requests in one call of the plugin; each key of a request for several counts as one.
    pub calls: u32,
}

impl KeyValueBudget {
    /// What holds if a grant says nothing.
    pub const DEFAULT: Self = Self {
        keys: 1_000,
        bytes: ByteSize::mib(1),
        value_bytes: ByteSize::kib(64),
        calls: 100,
    };

    /// What no grant passes.
    pub const CEILING: Self = Self {
        keys: 1_000_000,
        bytes: ByteSize::mib(1_024),
        value_bytes: ByteSize::mib(1),
        calls: 10_000,
    };
}

/// A grant as people write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    prefixes: Option<Vec<String>>,
    #[serde(default)]
    write: Option<bool>,
    #[serde(default)]
    keys: Option<u32>,
    #[serde(default)]
    bytes: Option<ByteSize>,
    #[serde(default)]
    value_bytes: Option<ByteSize>,
    #[serde(default)]
    calls: Option<u32>,
}

impl TryFrom<Written> for KeyValueGrant {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let prefixes = written.prefixes.unwrap_or_else(|| vec![String::new()]);
        if prefixes.is_empty() || prefixes.len() > MOST {
            let length = prefixes.len();
            return Err(format!("`prefixes` has 1 to {MOST} entries, not {length}"));
        }
        for prefix in &prefixes {
            if prefix.len() > MAX_PREFIX_BYTES || prefix.chars().any(char::is_control) {
                return Err(format!(
                    "a prefix has at most {MAX_PREFIX_BYTES} bytes and no control characters"
                ));
            }
        }
        let (usual, most) = (KeyValueBudget::DEFAULT, KeyValueBudget::CEILING);
        let one = ByteSize(1);
        Ok(Self {
            prefixes,
            write: written.write.unwrap_or(true),
            budget: KeyValueBudget {
                keys: bounded("keys", written.keys, usual.keys, 1, most.keys)?,
                bytes: bounded("bytes", written.bytes, usual.bytes, one, most.bytes)?,
                value_bytes: bounded(
                    "value_bytes",
                    written.value_bytes,
                    usual.value_bytes,
                    one,
                    most.value_bytes,
                )?,
                calls: bounded("calls", written.calls, usual.calls, 1, most.calls)?,
            },
        })
    }
}

/// Why something is not within a grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unkept {
    /// It begins with nothing that is granted.
    #[error("the grant does not name the key '{0}'")]
    Key(String),
    /// Too long, or no key at all.
    #[error("a key has 1 to {MAX_KEY_BYTES} bytes, not {0}")]
    KeyBytes(usize),
    /// It may only read.
    #[error("the grant does not allow to write (`write`)")]
    ReadOnly,
    /// One value is too large.
    #[error("a value of {size} bytes is more than the grant's {most} (`value_bytes`)")]
    ValueBytes {
        /// Of the value.
        size: usize,
        /// What is granted.
        most: ByteSize,
    },
}

impl KeyValueGrant {
    /// How much.
    pub const fn budget(&self) -> &KeyValueBudget {
        &self.budget
    }

    /// What keys begin with.
    pub fn prefixes(&self) -> &[String] {
        &self.prefixes
    }

    /// Whether it allows to read a key.
    ///
    /// # Errors
    /// What it does not allow, first of all.
    pub fn permits(&self, key: &str) -> Result<(), Unkept> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(Unkept::KeyBytes(key.len()));
        }
        if !self.prefixes.iter().any(|prefix| key.starts_with(prefix)) {
            let shown = key.chars().filter(|c| !c.is_control()).take(60).collect();
            return Err(Unkept::Key(shown));
        }
        Ok(())
    }

    /// Whether it allows to write a value of so many bytes under a key; to delete it: none.
    ///
    /// # Errors
    /// What it does not allow, first of all.
    pub fn permits_writing(&self, key: &str, value: usize) -> Result<(), Unkept> {
        if !self.write {
            return Err(Unkept::ReadOnly);
        }
        self.permits(key)?;
        let most = self.budget.value_bytes;
        if value as u64 > most.0 {
            return Err(Unkept::ValueBytes { size: value, most });
        }
        Ok(())
    }
}

/// As a person reads it on a permission sheet.
impl fmt::Display for KeyValueGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.write { "read and write" } else { "read" })?;
        if self.prefixes.iter().any(String::is_empty) {
            f.write_str(" its own keys")?;
        } else {
            f.write_str(" its own keys that begin with ")?;
            for (n, prefix) in self.prefixes.iter().enumerate() {
                let comma = if n == 0 { "" } else { ", " };
                write!(f, "{comma}'{prefix}'")?;
            }
        }
        let b = &self.budget;
        write!(
            f,
            "; at most {} keys, {} in all, {} each; in one call at most {} requests",
            b.keys, b.bytes, b.value_bytes, b.calls
        )
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod tests {
    use super::*;
    use serde_json::json;

    fn grant(written: serde_json::Value) -> Result<KeyValueGrant, String> {
        serde_json::from_value(written).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_has_a_default_and_what_is_said_comes_back() {
        let usual = grant(json!({})).unwrap();
        assert_eq!(usual.budget, KeyValueBudget::DEFAULT);
        assert_eq!(
            usual.to_string(),
            "read and write its own keys; at most 1000 keys, 1MiB in all, 64KiB each; in one call at most 100 requests"
        );
        let narrow = json!({ "prefixes": ["rates/", "тариф/"], "write": false, "keys": 5, "bytes": "10KiB",
            "value_bytes": "1KiB", "calls": 7 });
        let narrow = grant(narrow).unwrap();
        let written = serde_json::to_value(&narrow).unwrap();
        assert_eq!(grant(written).unwrap(), narrow);
        assert!(
            narrow
                .to_string()
                .starts_with("read its own keys that begin with 'rates/', 'тариф/'; at most 5")
        );
    }

    #[test]
    fn nonsense_is_refused_with_what_to_write() {
        for (written, says) in [
            (json!({ "prefixes": [] }), "1 to 64"),
            (json!({ "prefixes": ["a\u{0}"] }), "control"),
            (json!({ "prefixes": ["x".repeat(201)] }), "200 bytes"),
            (json!({ "keys": 0 }), "from 1 to"),
            (json!({ "bytes": "2GiB" }), "`bytes`"),
            (json!({ "value_bytes": "2MiB" }), "`value_bytes`"),
            (json!({ "calls": 10_001 }), "`calls`"),
            (json!({ "hosts": ["a.example"] }), "unknown field"),
        ] {
            let refused = grant(written.clone()).unwrap_err();
            assert!(refused.contains(says), "{written}: {refused}");
        }
    }

    #[test]
    fn keys_and_values_are_held_to_it() {
        let it = grant(json!({ "prefixes": ["a/", "b/"], "value_bytes": 10 })).unwrap();
        assert_eq!(it.permits("a/1"), Ok(()));
        assert_eq!(it.permits("b/"), Ok(()));
        assert_eq!(it.permits("c/a/"), Err(Unkept::Key("c/a/".to_owned())));
        assert_eq!(it.permits(""), Err(Unkept::KeyBytes(0)));
        assert_eq!(it.permits(&"a/".repeat(300)), Err(Unkept::KeyBytes(600)));
        assert_eq!(it.permits_writing("a/1", 10), Ok(()));
        assert!(matches!(
            it.permits_writing("a/1", 11),
            Err(Unkept::ValueBytes { .. })
        ));
        assert!(matches!(it.permits_writing("c", 1), Err(Unkept::Key(_))));
        let reads = grant(json!({ "write": false })).unwrap();
        assert_eq!(reads.permits("anything"), Ok(()));
        assert_eq!(reads.permits_writing("anything", 0), Err(Unkept::ReadOnly));
    }
}
