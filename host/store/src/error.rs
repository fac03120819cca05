//! What can go wrong with the store.

use docmill_model::failure::{Code, Failure};

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL does not answer, is starting, is full or shuts down. The same call can succeed later.
    #[error("PostgreSQL does not answer: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
    },
    /// PostgreSQL was told to make something last, and did not say whether it did: it may be there later, or not.
    #[error("PostgreSQL does not say whether it wrote what it was told to: {reason}")]
    Unanswered {
        /// What was seen.
        reason: String,
    },
    /// The database is not as this release of docmill needs it.
    #[error("the database is not ready: {reason}")]
    NotMigrated {
        /// What is missing and how to get it.
        reason: String,
    },
    /// It exists already with other content, or has changed since it was read.
    #[error("{what}")]
    Conflict {
        /// What exists, for a person.
        what: String,
    },
    /// A queued run is not this worker's any more: it was taken over, cancelled or finished.
    #[error("the run is not this worker's any more")]
    NotOurs,
    /// An idempotency key was used for another run.
    #[error("the key was used for another run")]
    KeyUsed,
    /// Nobody would be left who can let others in.
    #[error(
        "then no key would be left that lasts and may do everything: of a service, or of an owner cleared for S"
    )]
    LastOwner,
    /// The tenant has no such thing.
    #[error("{what} does not exist")]
    NotFound {
        /// What was looked for, for a person.
        what: String,
    },
    /// What was given cannot be stored or asked for.
    #[error("{what}")]
    Invalid {
        /// What is wrong, for a person.
        what: String,
    },
    /// A fault of docmill, or a database that somebody changed by hand.
    #[error("the database refused a statement")]
    Internal(#[source] sqlx::Error),
}

impl StoreError {
    /// The same as a failure for clients; the cause of an internal one stays in the log.
    pub fn failure(&self) -> Failure {
        let code = match self {
            Self::Unavailable { .. } | Self::Unanswered { .. } | Self::NotMigrated { .. } => {
                Code::StoreUnavailable
            }
            Self::Conflict { .. } | Self::NotOurs | Self::KeyUsed => Code::Conflict,
            Self::LastOwner => Code::LastOwner,
            Self::NotFound { .. } => Code::NotFound,
            Self::Invalid { .. } => Code::MalformedRequest,
            Self::Internal(_) => Code::Internal,
        };
        let message = match self {
            Self::Unavailable { .. } | Self::NotMigrated { .. } => {
                "the database does not answer; try again soon".to_owned()
            }
            Self::Unanswered { .. } => {
                "the database does not answer; what was to be written may or may not be there later"
                    .to_owned()
            }
            Self::Internal(_) => "a fault of docmill; the log tells more under the request's id".to_owned(),
            Self::Conflict { what } | Self::Invalid { what } => what.clone(),
            Self::NotOurs | Self::KeyUsed => self.to_string(),
            Self::LastOwner => format!("{self}; make another one first"),
            Self::NotFound { what } => format!("{what} does not exist"),
        };
        let mut failure = Failure::new(code, message);
        if code == Code::StoreUnavailable {
            failure.retry_after_ms = Some(1_000);
        }
        failure
    }

    /// The error of something that was sent to be written: whoever did not answer may have done it.
    pub(crate) fn sent(error: sqlx::Error) -> Self {
        match error {
            error @ sqlx::Error::Database(_) => error.into(),
            error => match error.into() {
                Self::Unavailable { reason } => Self::Unanswered { reason },
                other => other,
            },
        }
    }

    /// Something that the tenant does not have.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// Something that was given and is wrong.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            // A connection that breaks off while it is made, behind a proxy most often, is told as a breach of the protocol.
            E::Io(_)
            | E::Tls(_)
            | E::Protocol(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::BeginFailed => Self::Unavailable {
                reason: error.to_string(),
            },
            E::Database(ref cause) => match cause.code().as_deref().unwrap_or_default() {
                // connection exceptions; insufficient resources (disk full, too many connections); operator
                // intervention (shutdown, starting up, statement timeout); read-only transaction (a standby)
                // and who lost a deadlock, a serialisation or a wait for a lock
                code if ["08", "53", "57"].iter().any(|class| code.starts_with(class))
                    || matches!(code, "25006" | "40P01" | "40001" | "55P03") =>
                {
                    Self::Unavailable {
                        reason: cause.message().to_owned(),
                    }
                }
                // undefined table, function, column, schema, role; role that may not be set
                "42P01" | "42883" | "42703" | "3F000" | "42704" | "22023"
                    if cause.message().contains("role") =>
                {
                    Self::NotMigrated {
                        reason: format!("{}; run `docmill migrate`", cause.message()),
                    }
                }
                "42P01" | "42883" | "42703" | "3F000" => Self::NotMigrated {
                    reason: format!("{}; run `docmill migrate`", cause.message()),
                },
                _ => Self::Internal(error),
            },
            other => Self::Internal(other),
        }
    }
}
