//! Runs that are queued while everything breaks. Whoever sends them does not know what became of a request that was not answered,
//! and sends it again with the same key.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::cluster::Cluster;

/// Runs that are accepted and not over: so many that work never runs out.
const OPEN: usize = 60;
const SENDERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(50);

struct Shared {
    address: Arc<Mutex<String>>,
    key: String,
    /// Next order to send.
    next: AtomicUsize,
    accepted: AtomicUsize,
    over: AtomicUsize,
    /// At least so many are sent.
    wanted: usize,
    /// No more than are wanted.
    ends: AtomicBool,
}

/// The senders.
pub struct Load {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    counts: JoinHandle<()>,
}

impl Load {
    pub fn start(cluster: &Cluster, wanted: usize) -> Self {
        let shared = Arc::new(Shared {
            address: cluster.shared_address(),
            key: cluster.key().to_owned(),
            next: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            over: AtomicUsize::new(0),
            wanted,
            ends: AtomicBool::new(false),
        });
        let senders = (0..SENDERS).map(|_| tokio::spawn(send(shared.clone())));
        Self {
            tasks: senders.collect(),
            counts: tokio::spawn(count(cluster.url(), shared.clone())),
            shared,
        }
    }

    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    pub fn ended(&self) -> usize {
        self.shared.over.load(Ordering::Relaxed)
    }

    /// Sends what is left of those that are wanted.
    pub async fn finish(&self) -> Result<()> {
        self.shared.ends.store(true, Ordering::Relaxed);
        for _ in 0..12_000 {
            if self.tasks.iter().all(JoinHandle::is_finished) {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("runs are still not accepted ten minutes after the last fault")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.counts.abort();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn send(shared: Arc<Shared>) {
    let client = reqwest::Client::new();
    loop {
        let ends = shared.ends.load(Ordering::Relaxed);
        let accepted = shared.accepted.load(Ordering::Relaxed);
        if !ends && accepted.saturating_sub(shared.over.load(Ordering::Relaxed)) >= OPEN {
            sleep(AGAIN).await;
            continue;
        }
        let order = shared.next.fetch_add(1, Ordering::Relaxed);
        if ends && order >= shared.wanted {
            return;
        }
        while !sent(&client, &shared, order).await {
            sleep(AGAIN).await;
        }
        shared.accepted.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether the run is known to be accepted.
async fn sent(client: &reqwest::Client, shared: &Shared, order: usize) -> bool {
    let address = shared
        .address
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let request = client
        .post(format!(
            "{address}/v1/pipelines/letters/runs?param.order=order-{order}"
        ))
        .bearer_auth(&shared.key)
        .header("prefer", "respond-async")
        .header("idempotency-key", format!("order {order}"))
        .header("content-type", "text/plain")
        .body(format!("Order: A-{order}\nTotal: {} KZT\n", 100 + order));
    match timeout(PATIENCE, request.send()).await {
        Ok(Ok(answer)) => matches!(answer.status().as_u16(), 200 | 202),
        Ok(Err(_)) | Err(_) => false,
    }
}

/// Counts what is over, as far as the database tells.
async fn count(url: String, shared: Arc<Shared>) {
    loop {
        if let Ok(mut owner) = PgConnection::connect(&url).await {
            while let Ok(Ok(over)) = timeout(
                Duration::from_secs(5),
                sqlx::query_scalar::<_, i64>(
                    "select count(*) from docmill.run where status not in ('queued', 'running')",
                )
                .fetch_one(&mut owner),
            )
            .await
            {
                shared
                    .over
                    .store(usize::try_from(over).unwrap_or(0), Ordering::Relaxed);
                sleep(Duration::from_millis(100)).await;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}
