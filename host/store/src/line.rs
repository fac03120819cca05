//! A connection on loan. PostgreSQL may fall silent while every connection stands: its host hangs, or a network in between
//! drops what it should carry. Nobody waits for that longer than [`Settings::answer_timeout`](crate::Settings); what is merely
//! slow (a large commit, a search over everything) is waited for all the same.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{
    AssertSqlSafe, Connection as _, Describe, Either, Execute, Executor, PgConnection, PgPool, Postgres,
    SqlStr,
};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::health::Health;
use crate::tenant::Sight;

/// The pool, and the watch over its connections; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    pub(crate) pool: PgPool,
    watch: Watch,
}

impl Lines {
    pub(crate) fn new(pool: PgPool, watch: Watch) -> Self {
        Self { pool, watch }
    }

    pub(crate) fn health(&self) -> &Health {
        &self.watch.0.health
    }

    /// A connection, on loan until it is dropped.
    pub(crate) async fn open(&self) -> Result<Line, sqlx::Error> {
        let connection = self.pool.acquire().await.inspect_err(|_| {
            // That all are in use tells nothing of PostgreSQL.
            let open = usize::try_from(self.pool.size()).unwrap_or(usize::MAX);
            let most = usize::try_from(self.pool.options().get_max_connections()).unwrap_or(usize::MAX);
            if open < most || self.pool.num_idle() > 0 {
                self.health().failed();
            }
        })?;
        Ok(Line {
            connection: Some(connection),
            watch: self.watch.clone(),
            silent: false,
            in_transaction: false,
        })
    }
}

/// A connection on loan. Statements on it end when PostgreSQL is found to be silent; it is closed then and not used again.
#[derive(Debug)]
pub(crate) struct Line {
    /// None only while it is dropped.
    connection: Option<PoolConnection<Postgres>>,
    watch: Watch,
    silent: bool,
    in_transaction: bool,
}

impl Line {
    /// Begins a transaction that sees so much: one round trip.
    pub(crate) async fn begin(&mut self, sight: Sight) -> Result<(), sqlx::Error> {
        // Said before: whoever is interrupted here does not know whether it has begun.
        self.in_transaction = true;
        // An id has digits and dashes, a clearance is a letter.
        let begin = format!(
            "begin; select set_config('app.tenant_id', '{}', true), set_config('app.clearance', '{}', true)",
            sight.tenant.uuid(),
            sight.clearance
        );
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(self).await?;
        Ok(())
    }

    /// Makes the transaction last.
    pub(crate) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("commit").execute(&mut *self).await?;
        self.in_transaction = false;
        Ok(())
    }
}

impl Drop for Line {
    /// Gives the connection back, without a transaction that was left open. In a task, as the pool does it by itself; but a
    /// connection on which nothing comes back is not waited for.
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let handle = match Handle::try_current() {
            Ok(handle) if !self.silent => handle,
            Ok(_) => return connection.close_on_drop(),
            Err(_) => return drop(connection.detach()),
        };
        let (watch, in_transaction) = (self.watch.clone(), self.in_transaction);
        handle.spawn(async move {
            let give_back = async {
                if in_transaction && sqlx::raw_sql("rollback").execute(&mut *connection).await.is_err() {
                    connection.close_on_drop();
                    return;
                }
                connection.return_to_pool().await;
            };
            if watch.over(give_back).await.is_none() {
                connection.close_on_drop();
            }
        });
    }
}

impl<'c> Executor<'c> for &'c mut Line {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Line {
            connection: Some(connection),
            watch,
            silent,
            ..
        } = self
        else {
            return stream::once(ready(Err(sqlx::Error::PoolClosed))).boxed();
        };
        let rows = connection.fetch_many(query);
        stream::unfold(Some((rows, watch, silent)), |state| async move {
            let (mut rows, watch, silent) = state?;
            match watch.over(rows.next()).await {
                Some(row) => Some((watch.heard(row?), Some((rows, watch, silent)))),
                None => {
                    *silent = true;
                    Some((Err(silence()), None))
                }
            }
        })
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.watched(|connection| connection.fetch_optional(query))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        self.watched(|connection| connection.prepare_with(sql, parameters))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        self.watched(|connection| connection.describe(sql))
    }
}

impl Line {
    fn watched<'e, 'c: 'e, T: Send + 'e>(
        &'c mut self,
        ask: impl FnOnce(&'c mut PgConnection) -> BoxFuture<'e, Result<T, sqlx::Error>>,
    ) -> BoxFuture<'e, Result<T, sqlx::Error>> {
        let Line {
            connection: Some(connection),
            watch,
            silent,
            ..
        } = self
        else {
            return ready(Err(sqlx::Error::PoolClosed)).boxed();
        };
        let answer = ask(connection);
        async move {
            match watch.over(answer).await {
                Some(answer) => watch.heard(answer),
                None => {
                    *silent = true;
                    Err(silence())
                }
            }
        }
        .boxed()
    }
}

/// What a statement ends with when nothing comes back.
fn silence() -> sqlx::Error {
    let said = "it says nothing, neither here nor on a new connection";
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, said))
}

/// Tells silence from slowness: PostgreSQL is asked over a connection of its own whether it is there at all.
#[derive(Debug, Clone)]
pub(crate) struct Watch(Arc<Watched>);

struct Watched {
    address: PgConnectOptions,
    /// After so long without an answer it is asked.
    late: Duration,
    /// And has so long to say something.
    patience: Duration,
    /// After so long it would have ended a statement by itself: the connection is dead, wherever PostgreSQL is.
    longest: Duration,
    health: Health,
    /// When it was asked last, and whether it was there. One asks for all.
    asked: Mutex<Option<(Instant, bool)>>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl Watch {
    /// A third of `answer_timeout` is for answers that need no explanation, the rest for asking.
    pub(crate) fn new(
        address: PgConnectOptions,
        answer_timeout: Duration,
        statement_timeout: Duration,
    ) -> Self {
        let late = answer_timeout / 3;
        Self(Arc::new(Watched {
            address,
            late,
            patience: answer_timeout - late,
            longest: statement_timeout + answer_timeout,
            health: Health::default(),
            asked: Mutex::default(),
        }))
    }

    /// Waits for `answer` for as long as PostgreSQL is there; none: it is silent.
    async fn over<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        let watched = &*self.0;
        let begun = Instant::now();
        let mut answer = pin!(answer);
        loop {
            if let Ok(answer) = timeout(watched.late, &mut answer).await {
                return Some(answer);
            }
            tokio::select! {
                biased;
                answer = &mut answer => return Some(answer),
                there = self.is_there() => if !there || begun.elapsed() > watched.longest {
                    watched.health.failed();
                    tracing::warn!(store.there = there, waited_ms = begun.elapsed().as_millis(), "PostgreSQL is silent");
                    return None;
                }
            }
        }
    }

    fn heard<T>(&self, answer: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        answer.inspect(|_| self.0.health.answered())
    }

    async fn is_there(&self) -> bool {
        let watched = &*self.0;
        let began = Instant::now();
        let mut asked = watched.asked.lock().await;
        if let Some((_, there)) = asked.filter(|(at, _)| *at >= began) {
            return there;
        }
        let ask = async {
            let mut connection = PgConnection::connect_with(&watched.address).await?;
            sqlx::raw_sql("select").execute(&mut connection).await?;
            connection.close().await
        };
        let there = match timeout(watched.patience, ask).await {
            // A refusal (it has no connection left, it is starting) comes from somebody who is there.
            Ok(Ok(()) | Err(sqlx::Error::Database(_))) => true,
            Ok(Err(_)) | Err(_) => false,
        };
        *asked = Some((Instant::now(), there));
        there
    }
}
