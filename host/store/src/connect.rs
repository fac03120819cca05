//! Connecting: one pool, short time-outs, an application role without rights over the schema.

use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection};

use crate::audit::Sealing;
use crate::error::StoreError;
use crate::health::Health;
use crate::line::{Line, Lines, Watch};
use crate::run::Committer;

/// How to reach PostgreSQL.
#[derive(Clone)]
pub struct Settings {
    /// `postgres://user:password@host:port/database`, or with `?host=/directory/of/the/socket`. May lead through a pooler.
    pub url: String,
    /// Most connections at once. `database_pool` on the page of settings; the times are fixed.
    pub pool: u32,
    /// Most runs of one tenant that are written by one commit; 1: each by itself. `commit_runs_max`
    pub commit_runs: usize,
    /// Longest wait for a connection, a new one included: who asks while PostgreSQL is away is told within a second.
    pub acquire_timeout: Duration,
    /// Longest time that one statement may take: the slowest, a search through a large tenant, takes far less.
    pub statement_timeout: Duration,
    /// Longest time without a sign of life from PostgreSQL. When an answer is late, it is asked over another connection
    /// whether it is there: if it is, it may take its time, up to `statement_timeout`.
    pub answer_timeout: Duration,
}

impl Settings {
    /// Settings with 16 connections, 800 ms to get one, 30 s for a statement and 800 ms of silence.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            pool: 16,
            commit_runs: 64,
            acquire_timeout: Duration::from_millis(800),
            statement_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_millis(800),
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        f.debug_struct("Settings")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// The role that [`Store`]'s connections act as. The user of the address must be a member of it.
pub const APP_ROLE: &str = "docmill_app";
/// The role that owns the schema.
const OWNER_ROLE: &str = "docmill_owner";
/// PostgreSQL 15 is the oldest that is tested.
pub const MIN_VERSION: u32 = 15;

/// A pool of connections; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    lines: Lines,
    pub(crate) committer: Committer,
    pub(crate) sealing: Sealing,
}

impl Store {
    /// A store over a pool that connects when it is first needed, and again after PostgreSQL was away. Must be called
    /// inside a Tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when the address cannot be read.
    pub fn connect(settings: &Settings) -> Result<Self, StoreError> {
        let options = address(&settings.url)?.options([
            ("role", APP_ROLE.to_owned()),
            // Every name is written with its schema: nothing that somebody puts elsewhere is ever found.
            ("search_path", "pg_catalog".to_owned()),
            (
                "statement_timeout",
                settings.statement_timeout.as_millis().to_string(),
            ),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.pool)
            .acquire_timeout(settings.acquire_timeout)
            // Asking before each use would cost a round trip. A connection that was idle for longer than a moment is asked:
            // PostgreSQL may have gone and come back meanwhile.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > ASKED_AFTER {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options.clone());
        let watch = Watch::new(options, settings.answer_timeout, settings.statement_timeout);
        let lines = Lines::new(pool, watch);
        Ok(Self {
            committer: Committer::new(lines.clone(), settings.commit_runs),
            lines,
            sealing: Sealing::default(),
        })
    }

    /// Whether PostgreSQL answered lately; to be shared with others who ask it. While it did not, what only reads is refused
    /// at once.
    pub fn health(&self) -> &Health {
        self.lines.health()
    }

    /// A connection.
    pub(crate) async fn line(&self) -> Result<Line, sqlx::Error> {
        self.lines.open().await
    }

    /// Whether PostgreSQL answers and has the schema that this release needs.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::NotMigrated`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        let needed = migrator().iter().map(|m| m.version).max().unwrap_or_default();
        let present = sqlx::query_scalar!("select max(version) from docmill._sqlx_migrations where success")
            .fetch_one(&mut self.line().await?)
            .await?
            .unwrap_or_default();
        if present < needed {
            let reason =
                format!("its schema is at {present}, this release needs {needed}; run `docmill migrate`");
            return Err(StoreError::NotMigrated { reason });
        }
        Ok(())
    }

    /// Makes the partitions of the coming months; to be called once a day. Any number of hosts may call it at once.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn maintain(&self) -> Result<(), StoreError> {
        let made = sqlx::query_scalar!(
            r#"select docmill.add_partitions($1) as "made!""#,
            PARTITIONS_AHEAD
        )
        .fetch_one(&mut self.line().await?)
        .await?;
        if made > 0 {
            tracing::info!(
                store.partitions_made = made,
                "partitions are there for the coming months"
            );
        }
        Ok(())
    }

    /// Connections that are open, and how many of them have nothing to do.
    pub fn connections(&self) -> (usize, usize) {
        let open = usize::try_from(self.lines.pool.size()).unwrap_or(usize::MAX);
        (open, self.lines.pool.num_idle())
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.lines.pool.close().await;
    }
}

/// A connection that was idle for longer is asked whether it is still one.
const ASKED_AFTER: Duration = Duration::from_millis(500);
/// Months for which there are partitions beside the present one.
const PARTITIONS_AHEAD: i32 = 3;

/// Brings the schema of the database at `url` to what this release needs; does nothing if it is there already. The address
/// must not lead through a pooler. Its user must be able to create roles (or the roles must be there) and a schema.
///
/// # Errors
/// When the database does not answer, or its user may not do this; the message says what to grant.
pub async fn migrate(url: &str) -> Result<(), StoreError> {
    let options = address(url)?.options([("client_min_messages", "warning")]);
    let connecting = tokio::time::timeout(Duration::from_secs(10), PgConnection::connect_with(&options));
    let mut connection = connecting.await.map_err(|_| StoreError::Unavailable {
        reason: "no connection within ten seconds".to_owned(),
    })??;
    let version = connection.server_version_num().unwrap_or_default() / 10_000;
    if version < MIN_VERSION {
        return Err(StoreError::NotMigrated {
            reason: format!("PostgreSQL {MIN_VERSION} or newer is needed; this is {version}"),
        });
    }
    sqlx::raw_sql(include_str!("../../../migrations/roles.sql"))
        .execute(&mut connection)
        .await
        .map_err(rights)?;
    // Whatever a migration makes belongs to the role that owns the schema, whoever runs it.
    sqlx::query("select set_config('role', $1, false)")
        .bind(OWNER_ROLE)
        .execute(&mut connection)
        .await
        .map_err(rights)?;
    migrator()
        .run_direct(None, &mut connection, false)
        .await
        .map_err(|error| match error {
            MigrateError::Execute(cause) => rights(cause),
            MigrateError::ExecuteMigration(cause, number) => {
                tracing::error!(store.migration = number, "a migration failed and was rolled back");
                rights(cause)
            }
            MigrateError::VersionMissing(number) => StoreError::NotMigrated {
                reason: format!(
                    "it has migration {number}, which this release does not know: a newer release was here"
                ),
            },
            other => StoreError::NotMigrated {
                reason: other.to_string(),
            },
        })?;
    sqlx::query("grant select on docmill._sqlx_migrations to docmill_app")
        .execute(&mut connection)
        .await?;
    sqlx::query("select docmill.add_partitions($1)")
        .bind(PARTITIONS_AHEAD)
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../../migrations");
    // Not in `public`: a user who may make a schema may be unable to make tables there.
    migrator.dangerous_set_table_name("docmill._sqlx_migrations");
    migrator
}

/// A refusal for want of rights, with its hint, is the administrator's matter; the rest is told as ever.
fn rights(error: sqlx::Error) -> StoreError {
    let hint = error
        .as_database_error()
        .filter(|cause| cause.code().as_deref() == Some("42501"))
        .map(|cause| {
            let hint = cause
                .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                .and_then(sqlx::postgres::PgDatabaseError::hint)
                .unwrap_or("let the database's owner run `docmill migrate`");
            format!("{}; {hint}", cause.message())
        });
    match hint {
        Some(reason) => StoreError::NotMigrated { reason },
        None => error.into(),
    }
}

/// How long it is tried again.
const AGAIN_FOR: Duration = Duration::from_millis(500);

/// Does `work` again with another connection when the one it was given had been cut: PostgreSQL was restarted, or a network in
/// between forgot it. Only for work that may be done twice.
pub(crate) async fn again_if_cut<T, F>(mut work: impl FnMut() -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let begun = Instant::now();
    loop {
        match work().await {
            Err(error) if is_cut(&error) && begun.elapsed() < AGAIN_FOR => {
                tracing::debug!(store.error = %error, "a connection to PostgreSQL had been cut");
            }
            result => return result,
        }
    }
}

/// An established connection that ended; not one that could not be made.
fn is_cut(error: &sqlx::Error) -> bool {
    use std::io::ErrorKind as K;
    match error {
        sqlx::Error::Io(cause) => {
            matches!(
                cause.kind(),
                K::BrokenPipe | K::ConnectionReset | K::ConnectionAborted | K::UnexpectedEof
            )
        }
        // Cut before the first answer, while it was asked whether the server speaks TLS.
        sqlx::Error::Protocol(said) => said.contains("SSLRequest"),
        // Ended by an administrator, by a crash, by a shutdown.
        sqlx::Error::Database(cause) => matches!(cause.code().as_deref(), Some("57P01" | "57P02" | "08006")),
        _ => false,
    }
}

pub(crate) fn address(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options: PgConnectOptions = url.parse().map_err(|_| {
        StoreError::invalid(
            "the address of PostgreSQL is not of the form postgres://user:password@host:port/database",
        )
    })?;
    Ok(options.application_name("docmill"))
}
