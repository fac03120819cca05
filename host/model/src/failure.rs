//! Failures: every stable code on one page, with its HTTP status and whether a retry can help.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::MAX_MESSAGE_BYTES;
use crate::quota::Exceeded;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal;)*) => {
        /// A stable code. Its page (`/errors/{code}`) tells cause and fix.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The HTTP status (RFC 9110) with which it is answered.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                }
            }
        }
    };
}

codes! {
    // Requests.
    /// No credentials, or not valid ones.
    Unauthenticated = "unauthenticated", 401;
    /// The key or session is valid, but not for this.
    Forbidden = "forbidden", 403;
    /// Not there, or not for the caller.
    NotFound = "not-found", 404;
    /// The path is there, the method is not.
    MethodNotAllowed = "method-not-allowed", 405;
    /// The request cannot be read.
    MalformedRequest = "malformed-request", 400;
    /// The body is empty.
    EmptyBody = "empty-body", 400;
    /// The body ended before it was whole.
    TruncatedBody = "truncated-body", 400;
    /// The body is larger than allowed.
    BodyTooLarge = "body-too-large", 413;
    /// The request's own media type is not one that the route reads.
    UnsupportedMediaType = "unsupported-media-type", 415;
    /// The body comes too slowly.
    SlowBody = "slow-body", 408;
    /// The same thing exists with other content.
    Conflict = "conflict", 409;
    /// The first request with this idempotency key is still at work.
    KeyInUse = "key-in-use", 409;
    /// The idempotency key came with another request before.
    KeyReused = "key-reused", 422;
    /// The run is over, or nobody queued it.
    NotQueued = "not-queued", 409;
    /// Nothing is kept of the pipeline's runs, and what was asked needs a run that is.
    KeepsNothing = "keeps-nothing", 422;
    /// Nobody would be left who can let others in.
    LastOwner = "last-owner", 409;
    /// The thing is not the version that the client names.
    PreconditionFailed = "precondition-failed", 412;
    /// Too many requests at once.
    Overloaded = "overloaded", 503;
    /// A quota of the organisation is used up; which one, its value and unit stand beside it.
    QuotaExceeded = "quota-exceeded", 429;
    /// The request took longer than it may.
    RequestTimeout = "request-timeout", 504;

    // Inputs of a run.
    /// No pipeline of that name.
    UnknownPipeline = "unknown-pipeline", 404;
    /// The pipeline does not take documents of this media type.
    InputNotAccepted = "input-not-accepted", 415;
    /// A role that the pipeline needs has no input.
    MissingInput = "missing-input", 422;
    /// More inputs for one role than the pipeline takes.
    DuplicateInput = "duplicate-input", 422;
    /// A role that the pipeline does not have.
    UnknownInput = "unknown-input", 422;
    /// The params do not fit the pipeline's schema.
    InvalidParams = "invalid-params", 422;

    // Definitions and plugins.
    /// The definition breaks a rule; each problem is listed with step and fix.
    InvalidDefinition = "invalid-definition", 422;
    /// No such plugin or no version that fits.
    UnknownPlugin = "unknown-plugin", 422;
    /// The organisation may not use the plugin.
    PluginNotAllowed = "plugin-not-allowed", 403;
    /// The bytes are no component that docmill can run.
    InvalidComponent = "invalid-component", 422;
    /// The component does not compile within its limits.
    CompileFailed = "compile-failed", 422;
    /// The version exists with other bytes; versions never change.
    VersionExists = "version-exists", 409;
    /// The bytes are not those of the digest that came with them.
    DigestMismatch = "digest-mismatch", 400;
    /// The namespace is the operator's.
    ReservedNamespace = "reserved-namespace", 403;
    /// The version takes away what an earlier one promised, and its number does not say so.
    BreakingChange = "breaking-change", 422;
    /// A golden sample did not come out as its author says it should.
    SampleFailed = "sample-failed", 422;
    /// The version is not signed by a key that the organisation trusts; `reason` says how.
    SignatureRefused = "signature-refused", 403;
    /// The version was yanked: nothing new may use it.
    VersionYanked = "version-yanked", 409;

    // What a plugin said.
    /// The plugin does not handle this kind of input.
    Unsupported = "unsupported-input", 422;
    /// The input is broken, encrypted or empty.
    InvalidInput = "invalid-input", 422;
    /// The step's configuration is wrong.
    InvalidConfig = "invalid-config", 422;
    /// Something that the plugin needs is away for now.
    PluginUnavailable = "plugin-unavailable", 503;
    /// The host refused a capability.
    Denied = "denied", 403;
    /// The input is larger than the plugin takes; sending it again changes nothing.
    InputTooLarge = "input-too-large", 413;
    /// Another bound of the plugin's own: depth, parts, steps of work. The same input meets it again.
    PluginBound = "plugin-bound", 422;
    /// A budget or quota is spent that is filled again.
    Exhausted = "exhausted", 429;
    /// A fault of the plugin that it reported itself.
    PluginFailed = "plugin-failed", 502;

    // What became of a plugin.
    /// The plugin trapped: a panic, an unreachable instruction, an access outside its memory.
    Trap = "trap", 502;
    /// The wall time of the step or the run is over.
    Timeout = "timeout", 504;
    /// The guest used more CPU time than it may.
    CpuLimit = "cpu-limit", 502;
    /// The guest asked for more memory than it may have.
    MemoryLimit = "memory-limit", 502;
    /// The guest asked for larger tables than it may have.
    TableLimit = "table-limit", 502;
    /// The component has more instances, memories or tables than it may.
    InstanceLimit = "instance-limit", 502;
    /// The guest's stack is full: endless recursion, most often.
    StackOverflow = "stack-overflow", 502;
    /// The host memory held for the guest is at its limit.
    HostMemoryLimit = "host-memory-limit", 502;
    /// The output is larger than it may be.
    OutputLimit = "output-limit", 502;
    /// The guest holds more handles than it may.
    HandleLimit = "handle-limit", 502;
    /// The guest made more host calls, or moved more bytes by them, than it may.
    HostCallLimit = "host-call-limit", 502;
    /// The output breaks a rule of the contract.
    InvalidOutput = "invalid-output", 502;
    /// An expression of the definition failed on these values.
    ExpressionFailed = "expression-failed", 422;
    /// A step was left out because one that it needs failed.
    Cancelled = "cancelled", 409;
    /// The host was told to stop before the run was done.
    Interrupted = "interrupted", 503;

    // The platform's own.
    /// PostgreSQL does not answer.
    StoreUnavailable = "store-unavailable", 503;
    /// Whoever vouches for people does not answer.
    IdentityUnavailable = "identity-unavailable", 503;
    /// The blob store does not answer.
    BlobUnavailable = "blob-unavailable", 503;
    /// No space is left for blobs.
    StorageFull = "storage-full", 507;
    /// A fault of docmill.
    Internal = "internal", 500;
}

impl Code {
    /// Whether the same call can succeed later.
    pub const fn transient(self) -> bool {
        matches!(
            self,
            Self::PluginUnavailable
                | Self::Overloaded
                | Self::QuotaExceeded
                | Self::StoreUnavailable
                | Self::IdentityUnavailable
                | Self::BlobUnavailable
                | Self::RequestTimeout
                | Self::Interrupted
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|c| c.as_str() == text)
            .ok_or_else(|| format!("'{text}' is not a code"))
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What went wrong, for a program (`code`, `reason`) and for a person (`message`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Failure {
    /// The stable code.
    pub code: Code,
    /// The plugin's own code, where a plugin said so: `encrypted`, `damaged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is wrong and what to do about it; holds no document text and no secret.
    pub message: String,
    /// The step's id in the definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// `namespace/name@version`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Not before that many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u32>,
    /// The quota that was passed, of [`Code::QuotaExceeded`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Box<Exceeded>>,
}

impl Failure {
    /// A failure without step or plugin. A message of more than [`MAX_MESSAGE_BYTES`] is cut.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MAX_MESSAGE_BYTES {
            message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES - '…'.len_utf8()));
            message.push('…');
            message.shrink_to_fit();
        }
        Self {
            code,
            reason: None,
            message,
            step: None,
            plugin: None,
            retry_after_ms: None,
            quota: None,
        }
    }

    /// That a quota is passed, and when to come back.
    pub fn quota(exceeded: Exceeded, retry_after: std::time::Duration) -> Self {
        let Exceeded { quota, value } = exceeded;
        let ms = u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX).max(1);
        let mut failure = Self::new(
            Code::QuotaExceeded,
            format!(
                "the quota {quota} ({value} {}) is used up; come back in {} s",
                quota.unit(),
                ms.div_ceil(1_000)
            ),
        );
        failure.retry_after_ms = Some(ms);
        failure.quota = Some(Box::new(exceeded));
        failure
    }

    /// The same, of a step.
    #[must_use]
    pub fn in_step(mut self, step: &str) -> Self {
        self.step.get_or_insert_with(|| step.to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_between_characters() {
        let failure = Failure::new(Code::Internal, "ы".repeat(MAX_MESSAGE_BYTES));
        assert!((MAX_MESSAGE_BYTES - 4..=MAX_MESSAGE_BYTES).contains(&failure.message.len()));
        assert!(failure.message.ends_with("ы…"));
        let fits = "x".repeat(MAX_MESSAGE_BYTES);
        assert_eq!(Failure::new(Code::Internal, fits.clone()).message, fits);
    }
}
