//! Connecting: one pool, short time-outs, an application role without rights over the schema.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::error::StoreError;

/// How to reach PostgreSQL.
#[derive(Clone)]
pub struct Settings {
    /// `postgres://user:password@host:port/database`, or with `?host=/directory/of/the/socket`. May lead through a pooler.
    pub url: String,
    /// The same without a pooler, for migrations; none: `url`.
    pub direct_url: Option<String>,
    /// Most connections at once.
    pub pool: u32,
    /// Longest wait for a connection, a new one included.
    pub acquire_timeout: Duration,
    /// Longest time that one statement may take.
    pub statement_timeout: Duration,
}

impl Settings {
    /// Settings with 16 connections, 800 ms to get one and 30 s for a statement.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            direct_url: None,
            pool: 16,
            acquire_timeout: Duration::from_millis(800),
            statement_timeout: Duration::from_secs(30),
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The addresses may hold passwords.
        f.debug_struct("Settings")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// The role that [`Store`]'s connections act as.
pub const APP_ROLE: &str = "docmill_app";

/// A pool of connections; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) pool: PgPool,
}

impl Store {
    /// A store over a pool that connects when it is first needed, and again after PostgreSQL was away. Must be called
    /// inside a Tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when the address cannot be read.
    pub fn connect(settings: &Settings) -> Result<Self, StoreError> {
        let options = address(&settings.url)?
            .options([
                ("role", APP_ROLE.to_owned()),
                (
                    "statement_timeout",
                    settings.statement_timeout.as_millis().to_string(),
                ),
            ])
            .application_name("docmill");
        let pool = PgPoolOptions::new()
            .max_connections(settings.pool)
            .acquire_timeout(settings.acquire_timeout)
            .test_before_acquire(false)
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// Whether PostgreSQL answers and has the schema that this release needs.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::NotMigrated`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Brings the schema of the database at `url` to what this release needs; does nothing if it is there already. The user
/// must be able to create tables, and roles where they do not exist yet.
///
/// # Errors
/// When the database does not answer, or its user may not do this; the message says what to grant.
pub async fn migrate(url: &str) -> Result<(), StoreError> {
    let _ = url;
    todo!()
}

pub(crate) fn address(url: &str) -> Result<PgConnectOptions, StoreError> {
    url.parse().map_err(|_| {
        StoreError::invalid(
            "the address of PostgreSQL is not of the form postgres://user:password@host:port/database",
        )
    })
}
