//! What tests need around them: a real PostgreSQL, one database per test.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let database = docmill_harness::database().await?;
//! database.store.list_pipelines(database.tenant, None, 0).await?;
//! # Ok(()) }
//! ```
//!
//! Each test process starts a private server of its own under `target/test-postgres`, and stops it with itself. With
//! `DOCMILL_TEST_POSTGRES` set to the address of a superuser, that server is used instead.

pub mod collector;
pub mod issuer;

use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use docmill_model::id::TenantId;
use docmill_store::embedded::PrivateServer;
use docmill_store::who::{NewKey, Secret};
use docmill_store::{Settings, Store, migrate};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::OnceCell;

/// A migrated database of its own, with a tenant and a key.
#[derive(Debug, Clone)]
pub struct Database {
    /// As a host reaches it.
    pub store: Store,
    /// As its owner reaches it: a superuser, for looking behind the store's back.
    pub url: String,
    /// The tenant of the first start.
    pub tenant: TenantId,
    /// Its key.
    pub secret: Secret,
}

impl Database {
    /// Another tenant with a key: a first start makes one only.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn another_tenant(&self, name: &str) -> Result<(TenantId, Secret)> {
        let tenant = TenantId::new();
        let mut owner = PgConnection::connect(&self.url).await?;
        sqlx::query("insert into docmill.tenant (tenant_id, name) values ($1, $2)")
            .bind(tenant.uuid())
            .bind(name)
            .execute(&mut owner)
            .await?;
        owner.close().await?;
        let (_, secret) = self.store.create_key(tenant, &NewKey::of_owner("first")).await?;
        Ok((tenant, secret))
    }

    /// Every row of every table as text, with its table.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn dump(&self) -> Result<Vec<(String, String)>> {
        let mut owner = PgConnection::connect(&self.url).await?;
        let tables: Vec<String> = sqlx::query_scalar(
            "select relname::text from pg_class where relnamespace = 'docmill'::regnamespace and relkind in ('r', 'p')",
        )
        .fetch_all(&mut owner)
        .await?;
        let mut all = Vec::new();
        for table in tables {
            let rows = format!("select t::text from docmill.\"{table}\" t");
            let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(rows))
                .fetch_all(&mut owner)
                .await?;
            all.extend(rows.into_iter().map(|row| (table.clone(), row)));
        }
        Ok(all)
    }

    /// What the audit log tells of this action, oldest first, as JSON.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audited(&self, action: &str) -> Result<Vec<String>> {
        let mut owner = PgConnection::connect(&self.url).await?;
        let lines =
            sqlx::query_scalar("select detail::text from docmill.audit_entry where action = $1 order by id")
                .bind(action)
                .fetch_all(&mut owner)
                .await?;
        Ok(lines)
    }
}

/// A fresh database on this process's server.
///
/// # Errors
/// When there is no PostgreSQL to start.
pub async fn database() -> Result<Database> {
    database_with(|settings| settings).await
}

/// The same with other settings than a host's defaults.
///
/// # Errors
/// When there is no PostgreSQL to start.
pub async fn database_with(change: impl FnOnce(Settings) -> Settings) -> Result<Database> {
    let url = server().await?.create(TEMPLATE).await?;
    let store = Store::connect(&change(Settings::new(&url)))?;
    let first = store
        .bootstrap("main")
        .await?
        .context("the database is not fresh")?;
    Ok(Database {
        store,
        url,
        tenant: first.tenant,
        secret: first.secret,
    })
}

/// The address of a fresh database without a schema.
///
/// # Errors
/// When there is no PostgreSQL to start.
pub async fn empty_database() -> Result<String> {
    server().await?.create("template1").await
}

/// The migrated database that others are copied from.
const TEMPLATE: &str = "docmill_template";

struct Server {
    url: String,
    created: AtomicU32,
    _running: Option<PrivateServer>,
}

/// The server of this process; started by the first test that asks.
async fn server() -> Result<&'static Server> {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER.get_or_try_init(Server::start).await
}

impl Server {
    async fn start() -> Result<Self> {
        let given = std::env::var("DOCMILL_TEST_POSTGRES").ok();
        let (url, running) = match given {
            Some(url) => (url, None),
            None => {
                let server = PrivateServer::start(&directory()?, |what| println!("{what}")).await?;
                (server.url().to_owned(), Some(server))
            }
        };
        let server = Self {
            url,
            created: AtomicU32::new(0),
            _running: running,
        };
        server
            .run(&format!("drop database if exists {TEMPLATE} with (force)"))
            .await?;
        server.run(&format!("create database {TEMPLATE}")).await?;
        migrate(&server.url_of(TEMPLATE)).await?;
        Ok(server)
    }

    async fn create(&self, template: &str) -> Result<String> {
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", process::id());
        self.run(&format!("drop database if exists {name} with (force)"))
            .await?;
        self.run(&format!("create database {name} template {template}"))
            .await?;
        Ok(self.url_of(&name))
    }

    /// The same server, another database.
    fn url_of(&self, database: &str) -> String {
        let (base, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let base = base.rsplit_once('/').map_or(base, |(host, _)| host);
        format!("{base}/{database}?{query}")
    }

    async fn run(&self, statement: &str) -> Result<()> {
        let mut connection = PgConnection::connect(&self.url).await?;
        // Names made above, of letters, digits and `_`.
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .with_context(|| statement.to_owned())?;
        connection.close().await?;
        Ok(())
    }
}

/// A directory for this process's server. Those of processes that are gone are removed.
fn directory() -> Result<PathBuf> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-postgres");
    std::fs::create_dir_all(&base)?;
    let base = base.canonicalize()?;
    for old in std::fs::read_dir(&base)?.flatten() {
        let running = Path::new("/proc").join(old.file_name()).exists();
        if !running && Path::new("/proc/self").exists() {
            std::fs::remove_dir_all(old.path()).ok();
        }
    }
    Ok(base.join(process::id().to_string()))
}
