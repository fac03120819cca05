//! Constructors of typed errors. The code is stable, short, lower case with dashes (`encrypted`, `damaged`): pipelines
//! match on it. The message is for a person: what is wrong and what to do; never document text, never a secret.

use crate::{Error, ErrorKind};

impl Error {
    fn new(kind: ErrorKind, code: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.to_owned(),
            message: message.into(),
            retry_after_ms: None,
        }
    }

    /// The plugin does not handle this kind of input; a pipeline may fall back to another.
    pub fn unsupported(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, code, message)
    }

    /// The input is broken, encrypted, empty or contradictory.
    pub fn invalid_input(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, code, message)
    }

    /// The step's configuration is wrong.
    pub fn invalid_config(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidConfig, code, message)
    }

    /// Something is away for now; retried as the step allows, not before `retry_after_ms`.
    pub fn unavailable(code: &str, message: impl Into<String>, retry_after_ms: Option<u32>) -> Self {
        Self {
            retry_after_ms,
            ..Self::new(ErrorKind::Unavailable, code, message)
        }
    }

    /// The host refused.
    pub fn denied(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Denied, code, message)
    }

    /// A budget, a quota or a limit is spent. One that is filled again says when (`retry_after_ms`), and the client is told to
    /// come back; without it the same input meets the same bound again, and the client is told so for good: with the code
    /// `too-large` that the input is too large, else that it is too much for the plugin.
    pub fn exhausted(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Exhausted, code, message)
    }

    /// A fault of the plugin itself.
    pub fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, code, message)
    }
}
