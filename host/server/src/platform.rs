//! The platform put together: database, blobs, engine, pipelines, runs, HTTP. Started in this order, stopped in the
//! other.

mod files;
mod upkeep;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use docmill_api::ApiState;
use docmill_blob::Blobs;
use docmill_engine::Engine;
use docmill_model::definition::{Definition, Problem};
use docmill_model::id::TenantId;
use docmill_registry::Registry;
use docmill_runs::Runs;
use docmill_store::Store;
use docmill_store::embedded::PrivateServer;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::assets;
use crate::config::{BlobConfig, Config};

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// As the setting says.
    Setting,
    /// Any free loopback port: for a command that talks to itself.
    AnyPort,
}

/// A running platform.
pub struct Platform {
    pub store: Store,
    pub registry: Registry,
    pub runs: Runs,
    pub tenant: TenantId,
    /// The first key, if this start made it.
    pub new_key: Option<String>,
    engine: Engine,
    state: ApiState,
    address: SocketAddr,
    key: String,
    drain: Duration,
    database: Option<PrivateServer>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<std::io::Result<()>>,
    upkeep: JoinHandle<()>,
}

/// The organisation that the first start makes.
const FIRST_TENANT: &str = "main";

impl Platform {
    /// Everything in this process and its data directory, unless settings say otherwise; first-party plugins and example
    /// pipelines are installed.
    ///
    /// # Errors
    /// What could not be started, and what to do about it.
    pub async fn embedded(config: Config, listen: Listen) -> Result<Self> {
        Self::start(config, listen).await
    }

    /// Puts the platform together and serves.
    ///
    /// # Errors
    /// What could not be started, and what to do about it.
    pub async fn start(config: Config, listen: Listen) -> Result<Self> {
        let data = files::DataDir::open(&config.data_dir)?;
        let platform_key = match config.platform_key {
            Some(key) => key,
            None => data.platform_key()?,
        };
        // The port first: if it is taken, nothing else need be started.
        let address = if listen == Listen::AnyPort {
            SocketAddr::from(([127, 0, 0, 1], 0))
        } else {
            config.listen
        };
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} (setting: listen)"))?;
        let address = listener.local_addr()?;

        let (database, url) = open_database(&config, &data).await?;
        let direct = config.database_direct_url.clone().unwrap_or_else(|| url.clone());
        docmill_store::migrate(&direct)
            .await
            .context("cannot bring the database's schema up to date")?;
        let mut settings = docmill_store::Settings::new(url);
        settings.pool = config.database_pool;
        let store = Store::connect(&settings).context("cannot open the database")?;

        let blobs = match &config.blobs {
            BlobConfig::Directory => Blobs::directory(data.path("blobs")),
            BlobConfig::S3(s3) => Blobs::s3(s3.clone()),
        }
        .context("cannot open the blob store")?;

        let mut settings = docmill_engine::Settings::new(data.path("code"), platform_key);
        settings.guests = config.guests;
        settings.ceiling.memory = config.step_memory_max;
        settings.ceiling.timeout = config.step_timeout_max;
        settings.ceiling.cpu = config.step_cpu_max;
        settings.pool_memory = config.guest_memory;
        settings.pool_instances = config.instances_max;
        settings.compile.memory = config.compile_memory;
        settings.compile.timeout = config.compile_timeout;
        settings.compile.cpu = config.compile_timeout;
        settings.compile.children = config.compiling_max;
        let engine = Engine::new(settings).context("cannot start the engine")?;

        let cache = open_cache(&config).await?;
        let loader = docmill_pipeline::Loader::new(engine.clone(), blobs.clone());
        let executor = docmill_pipeline::Executor::new(engine.clone(), loader, cache, platform_key);
        let registry = Registry::new(engine.clone(), store.clone(), blobs.clone());
        let settings = docmill_runs::Settings {
            in_flight: config.in_flight_max,
            per_tenant: config.in_flight_max_per_tenant,
            concurrent: config.running_max,
            queue: config.queue_wait,
            timeout: config.run_timeout,
            longest: config.run_timeout_max,
            inline: config.inline_max,
            ..Default::default()
        };
        let runs = Runs::new(store.clone(), blobs.clone(), executor, settings);

        let (tenant, key, new_key) = open_tenant(&store, &data).await?;
        let state = ApiState::new(
            store.clone(),
            blobs,
            registry.clone(),
            runs.clone(),
            docmill_api::Settings {
                body: config.body_max,
                body_memory: config.body_memory,
                body_idle: config.body_idle,
                body_total: config.body_timeout,
                head: config.head_timeout,
                connections: config.connections_max,
                ..Default::default()
            },
        );
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(docmill_api::serve(
            listener,
            state.clone(),
            async { stopped.await.unwrap_or(()) },
            config.drain_timeout,
        ));
        let upkeep = tokio::spawn(upkeep::run(store.clone()));
        let platform = Self {
            store,
            registry,
            runs,
            tenant,
            new_key,
            engine,
            state,
            address,
            key,
            drain: config.drain_timeout,
            database,
            stop: Some(stop),
            server,
            upkeep,
        };
        platform.install().await?;
        platform.state.readiness().set_ready(true);
        Ok(platform)
    }

    /// First-party plugins and example pipelines; quick when they are there already.
    async fn install(&self) -> Result<()> {
        let components: Vec<Bytes> = assets::FIRST_PARTY
            .iter()
            .map(|(_, bytes)| Bytes::from_static(bytes))
            .collect();
        self.registry
            .install_first_party(self.tenant, &components)
            .await
            .context("cannot install the first-party plugins")?;
        for (file, text) in assets::PIPELINES {
            let text = std::str::from_utf8(text)?;
            // A pipeline that somebody changed under its name stays as it is.
            let name = Definition::parse(text).map(|d| d.name).unwrap_or_default();
            if self
                .store
                .get_pipeline(self.tenant, &name)
                .await
                .is_ok_and(|found| found.is_some_and(|p| p.number > 1))
            {
                continue;
            }
            if let Err(problems) = self.apply(text).await? {
                let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                warn!(
                    file,
                    problems = problems.join("; "),
                    "an example pipeline is not installed"
                );
            }
        }
        self.runs
            .mark_lost(self.database.is_some())
            .await
            .context("cannot look for runs that an earlier host lost")?;
        Ok(())
    }

    /// Checks a definition against the plugins that are there and saves it; gives name, version and whether it is new.
    ///
    /// # Errors
    /// When the database does not answer. What is wrong with the definition is the inner error.
    pub async fn apply(&self, text: &str) -> Result<Result<(String, i32, bool), Vec<Problem>>> {
        let definition = match Definition::parse(text) {
            Ok(definition) => definition,
            Err(problems) => return Ok(Err(problems)),
        };
        let catalog = docmill_pipeline::Catalog::new(self.store.catalog(self.tenant).await?);
        if let Err(problems) = docmill_pipeline::plan(&definition, &catalog) {
            return Ok(Err(problems));
        }
        let saved = self
            .store
            .save_pipeline(self.tenant, &definition, text, None)
            .await?;
        if saved.created {
            self.runs.changed(self.tenant);
        }
        Ok(Ok((definition.name, saved.number, saved.created)))
    }

    /// `http://…`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A key of the first tenant, for commands of this machine's owner.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Ends in order: not ready → no new connections → running work may end → guests are interrupted → the database.
    pub async fn stop(mut self) {
        self.state.readiness().set_ready(false);
        self.upkeep.abort();
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
        let waited = tokio::time::timeout(self.drain + Duration::from_secs(1), &mut self.server).await;
        self.engine.interrupt_all();
        if waited.is_err() {
            warn!("requests were still running after the drain time; their guests are interrupted");
            tokio::time::timeout(Duration::from_secs(2), &mut self.server)
                .await
                .ok();
        }
        self.store.close().await;
        if let Some(database) = self.database.take()
            && let Err(error) = database.stop().await
        {
            warn!(%error, "the private PostgreSQL did not stop cleanly; it recovers at the next start");
        }
        info!("stopped");
    }
}

async fn open_database(config: &Config, data: &files::DataDir) -> Result<(Option<PrivateServer>, String)> {
    if let Some(url) = &config.database_url {
        return Ok((None, url.clone()));
    }
    let server = PrivateServer::start(&data.path("postgres"), |what| info!("{what}"))
        .await
        .context("cannot start the private PostgreSQL (or set DATABASE_URL to a server of your own)")?;
    let url = server.url().to_owned();
    Ok((Some(server), url))
}

async fn open_cache(config: &Config) -> Result<docmill_cache::Cache> {
    docmill_cache::Cache::open(config.cache_bytes, config.redis_url.as_deref())
        .await
        .context("redis_url")
}

/// The first tenant and a key for this machine's owner; the very first start makes both.
async fn open_tenant(store: &Store, data: &files::DataDir) -> Result<(TenantId, String, Option<String>)> {
    if let Some(made) = store
        .bootstrap(FIRST_TENANT)
        .await
        .context("cannot make the first tenant")?
    {
        let secret = made.secret.expose().to_owned();
        data.keep_key(&secret)?;
        return Ok((made.tenant, secret.clone(), Some(secret)));
    }
    if let Some(secret) = data.key()?
        && let Some(caller) = store.authenticate(&secret).await?
    {
        return Ok((caller.tenant, secret, None));
    }
    // The data directory is new or the key was revoked: whoever may start the platform on its database may have a key.
    let (tenant, _) = store
        .tenants()
        .await?
        .into_iter()
        .next()
        .context("the database has no tenant")?;
    let (_, secret) = store.create_key(tenant, "local command line").await?;
    data.keep_key(secret.expose())?;
    Ok((tenant, secret.expose().to_owned(), None))
}
