//! The database: a server that the settings name, or a private one, which is kept running.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use docmill_store::embedded::PrivateServer;
use docmill_store::{Settings, Store};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::Progress;
use crate::config::Config;

/// How soon a private server that has ended is brought back.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where the database is.
pub struct Database {
    pub url: String,
    private: Option<Private>,
}

struct Private {
    server: Arc<Mutex<Option<PrivateServer>>>,
    keeper: JoinHandle<()>,
    adopted: bool,
}

impl Database {
    /// Starts or adopts the private server, unless the settings name another.
    pub async fn open(config: &Config, directory: PathBuf, progress: Progress) -> Result<Self> {
        if let Some(url) = &config.database_url {
            return Ok(Self {
                url: url.clone(),
                private: None,
            });
        }
        let server = PrivateServer::start(&directory, progress)
            .await
            .context("cannot start the private PostgreSQL (or set DATABASE_URL to a server of your own)")?;
        let (url, adopted) = (server.url().to_owned(), server.is_adopted());
        let server = Arc::new(Mutex::new(Some(server)));
        let keeper = tokio::spawn(keep(server.clone(), directory));
        Ok(Self {
            url,
            private: Some(Private {
                server,
                keeper,
                adopted,
            }),
        })
    }

    /// Whether nobody else can be using it: it is private, and this process has started it.
    pub fn is_own(&self) -> bool {
        self.private.as_ref().is_some_and(|p| !p.adopted)
    }

    /// A store on it, its schema brought up to date. A host's user may be unable to do that on a server of others: then the
    /// schema must be up to date already.
    pub async fn store(&self, config: &Config) -> Result<Store> {
        let mut settings = Settings::new(self.url.clone());
        settings.pool = config.database_pool;
        settings.commit_runs = config.commit_runs_max;
        let store = Store::connect(&settings).context("cannot open the database")?;
        if let Err(error) = store.ping().await {
            tracing::debug!(%error, "the schema is brought up to date");
            let direct = config.database_direct_url.as_ref().unwrap_or(&self.url);
            docmill_store::migrate(direct)
                .await
                .context("cannot bring the database's schema up to date")?;
        }
        Ok(store)
    }

    /// Stops the private server, if this process has started it.
    pub async fn stop(self) {
        let Some(private) = self.private else {
            return;
        };
        private.keeper.abort();
        if let Some(server) = private.server.lock().await.take()
            && let Err(error) = server.stop().await
        {
            warn!(%error, "the private PostgreSQL did not stop cleanly; it recovers at the next start");
        }
    }
}

/// Brings the private server back when it has ended: it crashed, or another command had started it and is done.
async fn keep(server: Arc<Mutex<Option<PrivateServer>>>, directory: PathBuf) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let mut held = server.lock().await;
        if !held.as_ref().is_none_or(PrivateServer::has_ended) {
            continue;
        }
        drop(held.take());
        match PrivateServer::start(&directory, super::logged).await {
            Ok(started) => {
                info!("the private PostgreSQL had ended; it runs again");
                *held = Some(started);
            }
            Err(error) => warn!(%error, "the private PostgreSQL has ended and does not start; trying again"),
        }
    }
}
