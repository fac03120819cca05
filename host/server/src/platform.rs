//! The platform put together: database, blobs, engine, pipelines, runs, HTTP. Started in this order, stopped in the
//! other.

mod database;
mod files;
mod sealer;
mod upkeep;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use docmill_api::{ApiState, SignOn};
use docmill_blob::Blobs;
use docmill_egress::Egress;
use docmill_engine::Engine;
use docmill_model::definition::{Definition, Problem};
use docmill_model::digest::Digest;
use docmill_model::id::TenantId;
use docmill_oidc::Verifier;
use docmill_quota::Limiter;
use docmill_registry::Registry;
use docmill_runs::Runs;
use docmill_runs::queue::Worker;
use docmill_store::Store;
use docmill_store::who::{AuditEntry, Bootstrap, NewKey, Secret};
use docmill_traces::Traces;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::assets;
use crate::config::{BlobConfig, Config};
use crate::exit::ConfigError;
use database::Database;

/// How a command wants the platform.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// Listen as the setting says; otherwise on any free loopback port, for a command that talks to itself.
    pub public: bool,
    /// The command needs an API key of this machine's owner: one is made if there is none.
    pub with_key: bool,
    /// Work on queued runs, if the settings say so.
    pub works: bool,
    /// Hears what takes long.
    pub progress: Progress,
}

impl Start {
    /// For a command that talks to itself and to a person at a terminal.
    pub fn for_command() -> Self {
        Self {
            public: false,
            with_key: true,
            works: true,
            progress: told,
        }
    }

    /// The same for one that only looks.
    pub fn to_look() -> Self {
        Self {
            works: false,
            ..Self::for_command()
        }
    }
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
    key: Option<String>,
    key_file: PathBuf,
    blob_dir: PathBuf,
    platform_key: [u8; 32],
    drain: Duration,
    database: Database,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<std::io::Result<()>>,
    upkeep: [JoinHandle<()>; 2],
    worker: Option<Worker>,
    traces: Traces,
}

/// Whose definition is saved.
#[derive(Debug, Clone, Copy)]
enum Author {
    /// An example that comes with this release.
    Docmill,
    /// Whoever runs this platform.
    Somebody,
}

/// Hears what takes long.
pub type Progress = fn(&str);

/// Progress as log lines, of a server.
pub fn logged(what: &str) {
    info!("{what}");
}

/// Progress for a person at a terminal.
pub fn told(what: &str) {
    eprintln!("{what} …");
}

/// How long runs whose guests were interrupted may take to be kept and answered.
const AFTER_INTERRUPTION: Duration = Duration::from_secs(3);
/// How long reads may take to get into the audit log at the end.
const LAST_READS: Duration = Duration::from_secs(3);
/// How long it may take to write down what runs used that are not kept.
const SETTLING: Duration = Duration::from_secs(3);
/// How long the last traces may take to be sent.
const LAST_TRACES: Duration = Duration::from_secs(3);
/// The organisation that the first start makes.
const FIRST_TENANT: &str = "main";

impl Platform {
    /// Puts the platform together and serves: in this process and its data directory, unless settings say otherwise.
    /// First-party plugins and example pipelines are installed.
    ///
    /// # Errors
    /// What could not be started, and what to do about it.
    pub async fn start(config: Config, start: Start) -> Result<Self> {
        // Before anything is started that would have to be stopped again.
        let traces = traces(&config)?;
        let data = files::DataDir::open(&config.data_dir)?;
        let platform_key = match config.platform_key {
            Some(key) => key,
            None => data.platform_key()?,
        };
        // The port first: if it is taken, nothing else need be started.
        let address = if start.public {
            config.listen
        } else {
            SocketAddr::from(([127, 0, 0, 1], 0))
        };
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} (setting: listen)"))?;
        let address = listener.local_addr()?;

        let database = Database::open(&config, data.path("postgres"), start.progress).await?;
        let store = database.store(&config).await?;

        let blobs = match &config.blobs {
            BlobConfig::Directory => {
                Blobs::directory(config.blob_dir.clone().unwrap_or_else(|| data.path("blobs")))
            }
            BlobConfig::S3(s3) => Blobs::s3(s3.clone()),
        }
        .context("cannot open the blob store")?;

        let mut settings = config.engine(data.path("code"), platform_key);
        settings.egress = Some(way_out(&config)?);
        let engine = Engine::new(settings).context("cannot start the engine")?;

        let cache = open_cache(&config).await?;
        let codes = docmill_pipeline::Codes::new(store.clone(), blobs.clone());
        let loader = docmill_pipeline::Loader::new(engine.clone(), blobs.clone()).sharing(codes);
        let executor = {
            let vault = docmill_pipeline::Vault::new(store.clone(), platform_key);
            docmill_pipeline::Executor::with_vault(engine.clone(), loader, cache, platform_key, Some(vault))
        };
        let registry = Registry::new(executor.clone(), store.clone(), blobs.clone());
        let limiter = Limiter::new(&config.quotas(), config.redis_url.as_deref(), config.running_max)
            .context("redis_url")?;
        let runs = Runs::new(store.clone(), blobs.clone(), executor, limiter, config.runs());

        let api = docmill_api::Settings {
            sign_on: sign_on(&config)?,
            traces: traces.clone(),
            ..config.api()
        };
        let (tenant, key, new_key) = open_tenant(&store, &data, start.with_key).await?;
        let state = ApiState::new(store.clone(), blobs, registry.clone(), runs.clone(), api);
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(docmill_api::serve(
            listener,
            state.clone(),
            async { stopped.await.unwrap_or(()) },
            config.drain_timeout,
        ));
        let upkeep = [
            tokio::spawn(upkeep::run(store.clone(), runs.clone())),
            tokio::spawn(sealer::run(store.clone())),
        ];
        let mut platform = Self {
            store,
            registry,
            runs,
            tenant,
            new_key,
            engine,
            state,
            address,
            key,
            key_file: data.path(files::API_KEY),
            blob_dir: config.blob_dir.clone().unwrap_or_else(|| data.path("blobs")),
            platform_key,
            drain: config.drain_timeout,
            database,
            stop: Some(stop),
            server,
            upkeep,
            worker: None,
            traces,
        };
        platform.install(start.progress).await?;
        // Plugins first: a run that waits may need one of this release.
        let worker = config.worker().filter(|_| start.works);
        platform.worker = worker.map(|settings| platform.runs.work(settings));
        platform.state.readiness().set_ready(true);
        Ok(platform)
    }

    /// Seals the secrets of every tenant anew; how many there were.
    pub async fn rotate_secrets(&self) -> Result<usize> {
        let vault = self
            .runs
            .executor()
            .vault()
            .context("this host keeps no secrets")?;
        let mut sealed = 0;
        for (tenant, name) in self.store.tenants().await? {
            let rotated = vault.rotate(tenant).await;
            sealed +=
                rotated.with_context(|| format!("the secrets of {name}; those before are sealed anew"))?;
        }
        Ok(sealed)
    }

    /// What this release brings, for every tenant that does not have it yet; quick when all do.
    async fn install(&self, progress: Progress) -> Result<()> {
        // The first one gets new example pipelines, too, when no plugin changed.
        self.install_for(self.tenant, progress).await?;
        let digests: Vec<Digest> = assets::FIRST_PARTY
            .iter()
            .map(|(_, bytes)| Digest::of(bytes))
            .collect();
        for tenant in self.store.tenants_without(&digests).await? {
            // What one organisation did under docmill's names must not keep the others from being served.
            if let Err(error) = self.install_for(tenant, progress).await {
                tracing::error!(tenant.id = %tenant, error = format!("{error:#}"), "an organisation does not have this release's plugins");
            }
        }
        self.runs
            .mark_lost(self.database.is_own())
            .await
            .context("cannot look for runs that an earlier host lost")?;
        Ok(())
    }

    /// Makes a tenant with a key, which cannot be had again. None if there is one of that name. Its plugins are still to be
    /// installed, by [`Platform::equip`] or by the next host that starts.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn create_tenant(&self, name: &str) -> Result<Option<Bootstrap>> {
        Ok(self.store.create_tenant(name).await?)
    }

    /// Installs first-party plugins and example pipelines for a tenant.
    ///
    /// # Errors
    /// When the database does not answer, or a plugin cannot be installed.
    pub async fn equip(&self, tenant: TenantId) -> Result<()> {
        self.install_for(tenant, told).await
    }

    /// Ids and names of all tenants, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenants(&self) -> Result<Vec<(TenantId, String)>> {
        Ok(self.store.tenants().await?)
    }

    /// A key for an hour of another organisation of this private database, which is made and equipped if it is not there. None
    /// on a database of somebody's own: nothing is added there that nobody asked for.
    ///
    /// # Errors
    /// When the database does not answer, or a plugin cannot be installed.
    pub async fn neighbour(&self, name: &str) -> Result<Option<Secret>> {
        if !self.database.is_own() {
            return Ok(None);
        }
        let tenants = self.store.tenants().await?;
        let known = tenants.into_iter().find(|(_, known)| known == name);
        let tenant = match known {
            Some((tenant, _)) => tenant,
            None => {
                let made = self.store.create_tenant(name).await?;
                made.context("another process makes the same organisation")?
                    .tenant
            }
        };
        self.equip(tenant).await?;
        let key = NewKey {
            expires_at: Some(docmill_runs::now() + 60 * 60 * 1_000),
            ..NewKey::of_owner("demo")
        };
        let (_, secret) = self.store.create_key(tenant, &key).await?;
        Ok(Some(secret))
    }

    /// First-party plugins and example pipelines of one tenant.
    async fn install_for(&self, tenant: TenantId, progress: Progress) -> Result<()> {
        let components: Vec<Bytes> = assets::FIRST_PARTY
            .iter()
            .map(|(_, bytes)| Bytes::from_static(bytes))
            .collect();
        let known: HashSet<Digest> = self
            .store
            .catalog(tenant)
            .await?
            .iter()
            .map(|entry| entry.plugin.digest)
            .collect();
        let missing = components
            .iter()
            .filter(|component| !known.contains(&Digest::of(component)))
            .count();
        if missing > 0 {
            progress(&format!(
                "compiling {missing} plugins of this release for this machine; once"
            ));
        }
        self.registry
            .install_first_party(tenant, &components)
            .await
            .context("cannot install the first-party plugins")?;
        for (file, text) in assets::PIPELINES {
            // A pipeline that somebody changed under its name stays as it is.
            if let Err(problems) = self
                .keep(tenant, std::str::from_utf8(text)?, Author::Docmill)
                .await?
            {
                let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                warn!(
                    file,
                    problems = problems.join("; "),
                    "an example pipeline is not installed"
                );
            }
        }
        Ok(())
    }

    /// Checks a definition against the plugins that are there and saves it; gives name, version and whether it is new.
    ///
    /// # Errors
    /// When the database does not answer. What is wrong with the definition is the inner error.
    pub async fn apply(&self, text: &str) -> Result<Result<(String, i32, bool), Vec<Problem>>> {
        self.keep(self.tenant, text, Author::Somebody).await
    }

    async fn keep(
        &self,
        tenant: TenantId,
        text: &str,
        by: Author,
    ) -> Result<Result<(String, i32, bool), Vec<Problem>>> {
        let definition = match Definition::parse(text) {
            Ok(definition) => definition,
            Err(problems) => return Ok(Err(problems)),
        };
        let written_out = match docmill_pipeline::write_out(&self.store, tenant, definition.clone()).await? {
            Ok(written_out) => written_out,
            Err(problems) => return Ok(Err(problems)),
        };
        let catalog = docmill_pipeline::Catalog::of(&self.store, tenant, &written_out).await?;
        if let Err(problems) = docmill_pipeline::plan(&written_out, &catalog) {
            return Ok(Err(problems));
        }
        let store = &self.store;
        let saved = match by {
            Author::Somebody => store.save_pipeline(tenant, &definition, text, None).await?,
            Author::Docmill => store.ship_pipeline(tenant, &definition, text).await?,
        };
        if saved.created {
            self.runs.changed(tenant);
        }
        Ok(Ok((definition.name, saved.number, saved.created)))
    }

    /// What another process needs to be a host of this database.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DOCMILL_DATABASE_URL", self.database.url.clone()),
            (
                "DOCMILL_PLATFORM_KEY",
                Digest::from_bytes(self.platform_key).to_string(),
            ),
            ("DOCMILL_BLOB_DIR", self.blob_dir.to_string_lossy().into_owned()),
        ]
    }

    /// `http://…`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A key of the first tenant, for commands of this machine's owner; there is one if [`Start::with_key`] was asked for.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The file that holds [`Platform::key`], which only this machine's owner can read.
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }

    /// Ends in order: not ready → no new connections → running work may end → guests are interrupted → the last reads
    /// are in the audit log → the database.
    pub async fn stop(mut self) {
        self.state.readiness().set_ready(false);
        for upkeep in &self.upkeep {
            upkeep.abort();
        }
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
        let worker = self.worker.take();
        let worked = async {
            if let Some(worker) = worker {
                worker.drain(self.drain).await;
            }
        };
        let served = tokio::time::timeout(self.drain + Duration::from_secs(1), &mut self.server);
        let (_, ()) = tokio::join!(served, worked);
        self.interrupt().await;
        self.state.journal().close(LAST_READS).await;
        self.runs.settle_usage(SETTLING).await;
        let traces = self.traces.clone();
        tokio::task::spawn_blocking(move || traces.close(LAST_TRACES))
            .await
            .ok();
        self.store.close().await;
        self.database.stop().await;
        info!("stopped");
    }

    /// Stops guests that are still running, and gives their runs a moment to be kept and answered.
    async fn interrupt(&self) {
        let until = tokio::time::Instant::now() + AFTER_INTERRUPTION;
        let open = || self.state.metrics().connections.load(Ordering::Relaxed);
        if open() > 0 {
            warn!("requests were still running after the drain time; their guests are interrupted");
        }
        while open() > 0 && tokio::time::Instant::now() < until {
            // Again and again: a run may have gone on to its next step.
            self.engine.interrupt_all();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Where traces go, if the settings name a collector.
fn traces(config: &Config) -> Result<Traces> {
    let Some(endpoint) = &config.otlp_endpoint else {
        return Ok(Traces::off());
    };
    let settings = docmill_traces::Settings {
        endpoint: endpoint.clone(),
        headers: config.otlp_headers.clone(),
        sample: config.otlp_sample,
        version: env!("CARGO_PKG_VERSION"),
    };
    // The message names the setting.
    Ok(Traces::start(&settings).map_err(|error| ConfigError(error.to_string()))?)
}

/// How plugins with a grant reach the internet, and what of the premises.
fn way_out(config: &Config) -> Result<Egress> {
    let roots = match &config.egress_roots {
        None => Vec::new(),
        Some(file) => docmill_egress::read_roots(file).with_context(|| {
            format!(
                "cannot take certificates from {} (setting: egress_roots)",
                file.display()
            )
        })?,
    };
    let settings = docmill_egress::Settings {
        networks: config.egress_networks.clone(),
        roots,
        ..docmill_egress::Settings::default()
    };
    Egress::new(settings).context("cannot set TLS up for plugins' requests (setting: egress_roots)")
}

/// Who vouches for people, if the settings name somebody.
fn sign_on(config: &Config) -> Result<Option<SignOn>> {
    let Some(issuer) = &config.oidc_issuer else {
        return Ok(None);
    };
    let settings = docmill_oidc::Settings {
        issuer: issuer.clone(),
        audience: config.oidc_audience.clone(),
        times: docmill_oidc::Times::default(),
    };
    Ok(Some(SignOn {
        verifier: Verifier::new(settings).context("oidc_issuer")?,
        tenant: config.oidc_tenant.clone(),
    }))
}

async fn open_cache(config: &Config) -> Result<docmill_cache::Cache> {
    docmill_cache::Cache::open(config.cache_bytes, config.redis_url.as_deref())
        .await
        .context("redis_url")
}

/// The first tenant and a key for this machine's owner; the very first start makes both.
async fn open_tenant(
    store: &Store,
    data: &files::DataDir,
    with_key: bool,
) -> Result<(TenantId, Option<String>, Option<String>)> {
    if let Some(made) = store
        .bootstrap(FIRST_TENANT)
        .await
        .context("cannot make the first tenant")?
    {
        let secret = made.secret.expose().to_owned();
        data.keep_key(&secret)?;
        return Ok((made.tenant, Some(secret.clone()), Some(secret)));
    }
    if let Some(secret) = data.key()?
        && let Some(caller) = store.authenticate(&secret).await?.valid()
    {
        return Ok((caller.tenant, Some(secret), None));
    }
    let (tenant, _) = store
        .tenants()
        .await?
        .into_iter()
        .next()
        .context("the database has no tenant")?;
    if !with_key {
        return Ok((tenant, None, None));
    }
    // The data directory is new or the key was revoked: whoever may start the platform on its database may have a key.
    let (key, secret) = store
        .create_key(tenant, &NewKey::of_owner("local command line"))
        .await?;
    let entry = AuditEntry {
        action: "key.create",
        subject: &key.to_string(),
        key: None,
        client_ip: None,
        request: None,
        detail: serde_json::json!({ "for": "the command line on this machine" }),
    };
    store.audit(tenant, &entry).await?;
    data.keep_key(secret.expose())?;
    Ok((tenant, Some(secret.expose().to_owned()), None))
}
