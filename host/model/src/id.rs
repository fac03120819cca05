//! Ids: a UUIDv7 in the database, the same with a prefix as text (`run_0193…`), so that nobody mistakes one for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use uuid::fmt::Simple;

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not an id of the form {prefix}_<32 hexadecimal digits>")]
pub struct InvalidId {
    /// What was given, shortened.
    pub text: String,
    /// What it should have begun with.
    pub prefix: &'static str,
}

/// Bytes of an id as text: a prefix of three letters, `_`, 32 digits.
const TEXT_BYTES: usize = 36;

/// The id as text, written into `buffer`. An answer and its log line hold a dozen of them.
fn text<'a>(prefix: &str, uuid: Uuid, buffer: &'a mut [u8; TEXT_BYTES]) -> &'a str {
    let (head, digits) = buffer.split_at_mut(TEXT_BYTES - Simple::LENGTH);
    head.copy_from_slice(prefix.as_bytes());
    uuid.simple().encode_lower(digits);
    str::from_utf8(buffer).unwrap_or_default()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What the text form begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id whose first 48 bits are the present time in milliseconds (RFC 9562, UUIDv7).
            #[expect(clippy::new_without_default, reason = "two calls give two ids: there is no default one")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id as the database has it.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(text(concat!($prefix, "_"), self.0, &mut [0; TEXT_BYTES]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix)
                    .and_then(|rest| rest.strip_prefix('_'))
                    .filter(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
                    .and_then(|hex| Uuid::try_parse(hex).ok())
                    .map(Self)
                    .ok_or_else(|| InvalidId { text: text.chars().take(60).collect(), prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(text(concat!($prefix, "_"), self.0, &mut [0; TEXT_BYTES]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// An organisation; owns every row.
    TenantId = "ten";
    /// An API key.
    KeyId = "key";
    /// A person in an organisation.
    UserId = "usr";
    /// A person who is signed in.
    SessionId = "ses";
    /// What the tenant keeps.
    DocumentId = "doc";
    /// Bytes that came in: one version of a document.
    SourceId = "src";
    /// What one parser made of a source.
    ReadingId = "rdg";
    /// A plugin of a namespace.
    PluginId = "plg";
    /// An immutable version of a plugin.
    PluginVersionId = "plv";
    /// A pipeline.
    PipelineId = "ppl";
    /// A saved definition of a pipeline.
    PipelineVersionId = "plr";
    /// One execution of a plan.
    RunId = "run";
    /// One plugin use in a run (an item of a fan-out is one too).
    StepId = "stp";
    /// One try of a step.
    AttemptId = "att";
    /// A file that a run produced.
    ArtifactId = "art";
    /// A line of the audit log.
    AuditId = "aud";
    /// A host that works on queued runs, since it started.
    WorkerId = "wrk";
    /// An HTTP request.
    RequestId = "req";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_other_kinds_are_refused() {
        let id = RunId::new();
        assert_eq!(id.to_string().parse::<RunId>(), Ok(id));
        assert!(id.to_string().parse::<DocumentId>().is_err());
        for bad in ["", "run_", "run_zz", "run_0193\u{0}", &"run_1".repeat(500)] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }
}
