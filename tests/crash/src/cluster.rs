//! PostgreSQL, the host that accepts, and three workers; and what is done to them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use docmill_store::embedded::PrivateServer;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::LEASE;
use crate::plan::{Fault, Kind};
use crate::process::Host;

const WORKERS: usize = 3;
const LOOK: Duration = Duration::from_millis(5);
/// Five steps over a letter; each is kept when it is over.
const PIPELINE: &str = r#"
name: letters
durability: steps
params: { type: object, properties: { order: { type: string } } }
lookups: [ { name: order, value: "${ params.order }" } ]
steps:
  - { id: text, use: docmill/text@0.1 }
  - id: fields
    use: docmill/patterns@0.1
    with: { fields: [ { name: number, type: identifier, labels: [Order] }, { name: total, type: money, labels: [Total] } ] }
  - id: checks
    use: docmill/rules@0.1
    with: { rules: [ { code: total-is-there, expression: "fields.total.value.amount > 0" } ] }
  - id: reply
    use: docmill/template@0.1
    with: { template: "Order {{ fields.number.value }}" }
  - id: pieces
    use: docmill/chunks@0.1
output: { number: "${ fields.number.value }" }
"#;

/// Everything that can break.
pub struct Cluster {
    directory: TempDir,
    faults: PathBuf,
    server: Option<PrivateServer>,
    url: String,
    api: Host,
    workers: Vec<Host>,
    address: Arc<Mutex<String>>,
    key: String,
}

impl Cluster {
    pub async fn start(docmill: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("docmill-crash-").tempdir()?;
        let faults = directory.path().join("faults");
        let blobs = directory.path().join("blobs");
        fs::create_dir_all(&faults)?;
        fs::create_dir_all(&blobs)?;
        let server =
            PrivateServer::start(&directory.path().join("postgres"), |what| println!("{what}")).await?;
        let url = server.url().to_owned();
        let environment = |faults: &Path| {
            vec![
                ("DOCMILL_DATABASE_URL".to_owned(), url.clone()),
                // One store of blobs for all hosts, as S3 would be.
                (
                    "DOCMILL_BLOB_DIR".to_owned(),
                    blobs.to_string_lossy().into_owned(),
                ),
                ("DOCMILL_PLATFORM_KEY".to_owned(), "5a".repeat(32)),
                ("DOCMILL_WORKER_LEASE".to_owned(), format!("{}s", LEASE.as_secs())),
                ("DOCMILL_RUN_ATTEMPTS".to_owned(), "1000".to_owned()),
                ("DOCMILL_DRAIN_TIMEOUT".to_owned(), "1s".to_owned()),
                // More runs than may work at once: some are handed back.
                ("DOCMILL_WORKER_RUNS".to_owned(), "12".to_owned()),
                ("DOCMILL_RUNNING_MAX".to_owned(), "6".to_owned()),
                ("DOCMILL_QUEUE_WAIT".to_owned(), "20ms".to_owned()),
                ("DOCMILL_INSTANCES_MAX".to_owned(), "24".to_owned()),
                ("DOCMILL_GUEST_MEMORY".to_owned(), "1GiB".to_owned()),
                ("DOCMILL_FAULTS".to_owned(), faults.to_string_lossy().into_owned()),
                ("DOCMILL_LOG".to_owned(), "warn,docmill=info".to_owned()),
            ]
        };
        let host = |name: &str, role| {
            let data = directory.path().join(name);
            fs::create_dir_all(&data)?;
            anyhow::Ok(Host::new(docmill, data, name, role, environment(&faults)))
        };
        println!("starting a host that accepts, and {WORKERS} workers");
        let mut api = host("api", "api")?;
        api.start()?;
        let address = api.address().await?;
        let key =
            fs::read_to_string(directory.path().join("api").join("api.key")).context("the first key")?;
        let mut cluster = Self {
            faults,
            server: Some(server),
            url: url.clone(),
            api,
            workers: Vec::new(),
            address: Arc::new(Mutex::new(address)),
            key: key.trim().to_owned(),
            directory,
        };
        cluster.save_pipeline().await?;
        for number in 0..WORKERS {
            let mut worker = {
                let data = cluster.directory.path().join(format!("worker-{number}"));
                fs::create_dir_all(&data)?;
                Host::new(
                    docmill,
                    data,
                    &format!("worker-{number}"),
                    "worker",
                    environment(&cluster.faults),
                )
            };
            worker.start()?;
            cluster.workers.push(worker);
        }
        for worker in &mut cluster.workers {
            worker.address().await?;
        }
        Ok(cluster)
    }

    async fn save_pipeline(&self) -> Result<()> {
        let client = reqwest::Client::new();
        let saved = client
            .put(format!("{}/v1/pipelines/letters", self.address()))
            .bearer_auth(&self.key)
            .header("content-type", "application/yaml")
            .body(PIPELINE)
            .send()
            .await?;
        if !saved.status().is_success() {
            bail!("the pipeline is refused: {}", saved.text().await?);
        }
        Ok(())
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn faults(&self) -> &Path {
        &self.faults
    }

    /// Where runs are accepted; changes with every start.
    pub fn address(&self) -> String {
        self.address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub fn shared_address(&self) -> Arc<Mutex<String>> {
        self.address.clone()
    }

    /// Orders a fault and waits until it happened; whether it did in time.
    pub async fn inject(&mut self, fault: &Fault, within: Duration) -> Result<bool> {
        let of_api = fault.point.starts_with("accept.");
        let victim = if of_api {
            None
        } else {
            Some(fault.victim % self.workers.len())
        };
        let Some(pid) = self.host(victim).and_then(|host| host.pid()) else {
            return Ok(false);
        };
        let file = |extension: &str| self.faults.join(format!("{pid}.{extension}"));
        let (armed, hit, go) = (file("armed"), file("hit"), file("go"));
        let order = match fault.kind {
            Kind::Kill => "kill",
            Kind::Stop => "stop",
            Kind::Drain | Kind::Crash | Kind::Restart | Kind::Cut => "wait",
            Kind::Nothing => return Ok(false),
        };
        fs::write(&armed, format!("{} {order}", fault.point))?;
        self.provoke(fault.point, victim);
        let begun = Instant::now();
        while !hit.exists() {
            if begun.elapsed() > within {
                // Taken back; if it was come to in this moment, it counts.
                if fs::remove_file(&armed).is_ok() {
                    return Ok(false);
                }
            }
            sleep(LOOK).await;
        }
        fs::remove_file(&hit).ok();
        match fault.kind {
            Kind::Kill => self.start_again(victim).await?,
            Kind::Stop => {
                sleep(LEASE + Duration::from_millis(1500)).await;
                if let Some(host) = self.host(victim) {
                    host.signal(Signal::CONT);
                }
            }
            Kind::Drain => {
                if let Some(host) = self.host(victim) {
                    host.signal(Signal::TERM);
                }
                fs::write(&go, "")?;
                self.gone(victim).await;
                self.start_again(victim).await?;
            }
            Kind::Crash => {
                let server = self.server.as_ref().and_then(PrivateServer::pid);
                let pid = server
                    .and_then(|pid| i32::try_from(pid).ok())
                    .and_then(Pid::from_raw);
                if let Some(pid) = pid {
                    // The immediate shutdown: nothing is written any more, and what was not flushed is lost.
                    kill_process(pid, Signal::QUIT).ok();
                }
                self.server_again().await?;
                fs::write(&go, "")?;
            }
            Kind::Restart => {
                self.restart_postgres().await?;
                fs::write(&go, "")?;
            }
            Kind::Cut => {
                self.cut().await?;
                fs::write(&go, "")?;
            }
            Kind::Nothing => {}
        }
        Ok(true)
    }

    /// What is seldom come to by itself is brought about: somebody has to be given up.
    fn provoke(&mut self, point: &str, victim: Option<usize>) {
        let others = |count: usize| (0..count).find(|other| Some(*other) != victim);
        if point.starts_with("reap.")
            && let Some(other) = others(self.workers.len())
            && let Some(host) = self.workers.get_mut(other)
        {
            host.kill();
            host.start().ok();
        }
    }

    fn host(&mut self, victim: Option<usize>) -> Option<&mut Host> {
        match victim {
            None => Some(&mut self.api),
            Some(number) => self.workers.get_mut(number),
        }
    }

    async fn start_again(&mut self, victim: Option<usize>) -> Result<()> {
        let Some(host) = self.host(victim) else {
            return Ok(());
        };
        host.kill();
        host.start()?;
        if victim.is_none() {
            let address = self.api.address().await?;
            *self.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
        }
        Ok(())
    }

    /// Whoever ended by itself is started again.
    pub async fn revive(&mut self) -> Result<()> {
        for number in 0..self.workers.len() {
            if self.workers.get_mut(number).is_some_and(Host::has_ended) {
                self.start_again(Some(number)).await?;
            }
        }
        if self.api.has_ended() {
            self.start_again(None).await?;
        }
        Ok(())
    }

    /// Waits until it has ended by itself.
    async fn gone(&mut self, victim: Option<usize>) {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && self.host(victim).is_some_and(|host| !host.has_ended()) {
            sleep(LOOK).await;
        }
    }

    /// PostgreSQL was killed: waits until it is gone, and starts it.
    async fn server_again(&mut self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && self.server.as_ref().is_some_and(|server| !server.has_ended()) {
            sleep(LOOK).await;
        }
        drop(self.server.take());
        self.server = Some(PrivateServer::start(&self.directory.path().join("postgres"), |_| {}).await?);
        Ok(())
    }

    async fn restart_postgres(&mut self) -> Result<()> {
        if let Some(server) = self.server.take() {
            server.stop().await?;
        }
        self.server = Some(PrivateServer::start(&self.directory.path().join("postgres"), |_| {}).await?);
        Ok(())
    }

    async fn cut(&self) -> Result<()> {
        let mut owner = PgConnection::connect(&self.url).await?;
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'docmill'",
        )
        .execute(&mut owner)
        .await?;
        owner.close().await?;
        Ok(())
    }

    pub fn logs(&self) -> String {
        let hosts = self.workers.iter().chain([&self.api]);
        hosts
            .map(|host| format!("--- {}\n{}\n", host.name, host.log()))
            .collect()
    }

    pub async fn stop(mut self) {
        for host in self.workers.iter_mut().chain([&mut self.api]) {
            host.kill();
        }
        if let Some(server) = self.server.take() {
            server.stop().await.ok();
        }
    }
}
