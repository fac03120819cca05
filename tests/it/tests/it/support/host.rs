//! A host as the server wires it.

use std::any::Any;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use docmill_api::ApiState;
use docmill_blob::Blobs;
use docmill_cache::Cache;
use docmill_engine::Engine;
use docmill_harness::Database;
use docmill_model::size::ByteSize;
use docmill_pipeline::{Codes, Executor, Loader};
use docmill_quota::Limiter;
use docmill_registry::Registry;
use docmill_runs::Runs;
use docmill_store::Store;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::RwLock;

use super::client::Call;

/// Tests share the machine, but for those that measure time, which have it to themselves. A test has one host: for a second
/// one it would wait behind somebody who waits for the first.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// What a test may change before the host starts.
pub struct Setup {
    pub database: Database,
    /// The store that the host uses; the database's own unless a test puts something in between.
    pub store: Store,
    pub blobs: Blobs,
    pub engine: docmill_engine::Settings,
    pub runs: docmill_runs::Settings,
    pub api: docmill_api::Settings,
    pub quotas: docmill_quota::Settings,
    pub redis_url: Option<String>,
    directory: TempDir,
    machine: Box<dyn Any + Send + Sync>,
}

/// A running host; it ends with the test's runtime.
pub struct Host {
    pub address: SocketAddr,
    pub key: String,
    pub database: Database,
    pub state: ApiState,
    pub engine: Engine,
    _directory: TempDir,
    _machine: Box<dyn Any + Send + Sync>,
}

impl Setup {
    pub async fn new() -> Self {
        Self::with(Box::new(MACHINE.read().await)).await
    }

    /// While no other host of these tests runs.
    pub async fn alone() -> Self {
        Self::with(Box::new(MACHINE.write().await)).await
    }

    async fn with(machine: Box<dyn Any + Send + Sync>) -> Self {
        let database = docmill_harness::database().await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        // Compiled code outlives the tests, so that each component is compiled once.
        let code = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("code");
        let engine = engine_settings(code);
        Self {
            store: database.store.clone(),
            blobs: Blobs::directory(directory.path().join("blobs")).unwrap(),
            database,
            engine,
            runs: docmill_runs::Settings::default(),
            api: docmill_api::Settings::default(),
            quotas: docmill_quota::Settings::default(),
            redis_url: None,
            directory,
            machine,
        }
    }

    pub async fn start(self) -> Host {
        let engine = Engine::new(self.engine.clone()).unwrap();
        let (address, state) = Wiring {
            store: self.store,
            blobs: self.blobs,
            engine: engine.clone(),
            platform_key: self.engine.platform_key,
            runs: self.runs,
            api: self.api,
            quotas: self.quotas,
            redis_url: self.redis_url,
        }
        .serve()
        .await;
        Host {
            address,
            key: self.database.secret.expose().to_owned(),
            database: self.database,
            state,
            engine,
            _directory: self.directory,
            _machine: self.machine,
        }
    }
}

/// An engine that keeps compiled code there.
pub fn engine_settings(code_dir: PathBuf) -> docmill_engine::Settings {
    let mut settings = docmill_engine::Settings::new(code_dir, [7; 32]);
    settings.compiler = Some(vec![env!("CARGO_BIN_EXE_docmill-it-compile").into()]);
    settings
}

/// Parts of a host.
struct Wiring {
    store: Store,
    blobs: Blobs,
    engine: Engine,
    platform_key: [u8; 32],
    runs: docmill_runs::Settings,
    api: docmill_api::Settings,
    quotas: docmill_quota::Settings,
    redis_url: Option<String>,
}

impl Wiring {
    async fn serve(self) -> (SocketAddr, ApiState) {
        let codes = Codes::new(self.store.clone(), self.blobs.clone());
        let loader = Loader::new(self.engine.clone(), self.blobs.clone()).sharing(codes);
        let cache = Cache::open(ByteSize::mib(16), None).await.unwrap();
        let vault = docmill_pipeline::Vault::new(self.store.clone(), self.platform_key);
        let executor =
            Executor::with_vault(self.engine.clone(), loader, cache, self.platform_key, Some(vault));
        let limiter = Limiter::new(&self.quotas, self.redis_url.as_deref(), self.runs.concurrent).unwrap();
        let (store, blobs) = (self.store, self.blobs);
        let registry = Registry::new(executor.clone(), store.clone(), blobs.clone());
        let runs = Runs::new(store.clone(), blobs.clone(), executor, limiter, self.runs);
        let state = ApiState::new(store, blobs, registry, runs, self.api);
        state.readiness().set_ready(true);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = docmill_api::serve(
            listener,
            state.clone(),
            std::future::pending(),
            Default::default(),
        );
        tokio::spawn(serving);
        (address, state)
    }
}

/// Another host of a database, as on another machine, over connections of its own.
pub async fn another_on(store: Store, blobs: Blobs, engine: Engine) -> ApiState {
    let wiring = Wiring {
        store,
        blobs,
        engine,
        platform_key: [7; 32],
        runs: docmill_runs::Settings::default(),
        api: docmill_api::Settings::default(),
        quotas: docmill_quota::Settings::default(),
        redis_url: None,
    };
    wiring.serve().await.1
}

impl Host {
    /// A host with these first-party plugins.
    pub async fn with(plugins: &[&str]) -> Self {
        let host = Setup::new().await.start().await;
        host.install(plugins).await;
        host
    }

    /// Another host of the same database, as on another machine or after a restart: it remembers nothing of this one.
    pub async fn another(&self, redis_url: Option<String>) -> (SocketAddr, ApiState) {
        self.another_with(self.engine.clone(), redis_url).await
    }

    /// The same with an engine of its own.
    pub async fn another_with(&self, engine: Engine, redis_url: Option<String>) -> (SocketAddr, ApiState) {
        let wiring = Wiring {
            store: self.database.store.clone(),
            blobs: self.state.blobs().clone(),
            engine,
            platform_key: [7; 32],
            runs: docmill_runs::Settings::default(),
            api: docmill_api::Settings::default(),
            quotas: docmill_quota::Settings::default(),
            redis_url,
        };
        wiring.serve().await
    }

    pub async fn install(&self, plugins: &[&str]) {
        let components: Vec<Bytes> = plugins.iter().map(|name| component(name)).collect();
        let installed = self
            .state
            .registry()
            .install_first_party(self.database.tenant, &components)
            .await;
        assert_eq!(installed.unwrap().len(), plugins.len());
    }

    /// A request with the key.
    pub fn call(&self, method: &str, path: &str) -> Call {
        self.anonymous(method, path).key(&self.key)
    }

    /// A request without it.
    pub fn anonymous(&self, method: &str, path: &str) -> Call {
        Call::new(self.address, method, path)
    }

    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    /// A run of a pipeline, without its body.
    pub fn run(&self, pipeline: &str) -> Call {
        self.call("POST", &format!("/v1/pipelines/{pipeline}/runs"))
    }

    /// Saves a definition; its name is in it.
    #[track_caller]
    pub fn save(&self, yaml: &str) -> impl Future<Output = ()> + use<'_> {
        let name = yaml
            .split("name: ")
            .nth(1)
            .unwrap()
            .split(['\n', ',', '}'])
            .next()
            .unwrap()
            .trim();
        let call = self
            .call("PUT", &format!("/v1/pipelines/{name}"))
            .body("application/yaml", yaml);
        async move {
            let reply = call.send().await;
            assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
        }
    }
}

/// The bytes of a component that `cargo xtask plugins` built.
pub fn component(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../plugins/dist")
        .join(format!("{name}.wasm"));
    let bytes = std::fs::read(&path);
    bytes
        .unwrap_or_else(|error| panic!("{error}: {} (run `cargo xtask plugins`)", path.display()))
        .into()
}
