//! `docmill demo crash`: documents are queued, workers are killed while they work on them, and in the end every document was worked
//! on exactly once.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use docmill_model::id::RequestId;
use reqwest::Method;
use serde_json::Value as Json;

use crate::cli::Arguments;
use crate::client::Client;
use crate::platform::{Platform, Start};
use crate::show::{Style, list, say, text};
use crate::{commands, exit};

const PIPELINE: &str = r#"
name: crash
durability: steps
params: { type: object, properties: { number: { type: integer }, demo: { type: string } } }
lookups: [ { name: number, value: "${ string(params.number) }" }, { name: demo, value: "${ params.demo }" } ]
steps:
  - { id: text, use: docmill/text@* }
  - id: fields
    use: docmill/patterns@*
    with: { fields: [ { name: number, type: identifier, labels: [Invoice] }, { name: total, type: money, labels: [Total due] } ] }
  - id: checks
    use: docmill/rules@*
    with: { rules: [ { code: total-is-there, expression: "fields.total.value.amount > 0" } ] }
output: { number: "${ fields.number.value }" }
"#;
const WORKERS: usize = 3;
const SENDERS: usize = 8;
const LEASE: &str = "3s";
/// Between two kills.
const EVERY: Duration = Duration::from_millis(1500);
/// After the last document was accepted, everything is over within the lease and this.
const SETTLES: Duration = Duration::from_secs(120);

/// Queues, kills and counts; the exit code is a failure if a document was lost or worked on twice.
pub async fn demo(arguments: &Arguments, documents: usize) -> Result<u8> {
    let style = Style::stdout();
    let config = commands::load_config(arguments, &[])?;
    let platform = Platform::start(config.clone(), Start::to_look()).await?;
    let workers = Workers {
        config: arguments.config.clone(),
        data_dir: config.data_dir.clone(),
        environment: platform.environment(),
        running: VecDeque::new(),
        killed: 0,
    };
    let client = Client::of(platform)?;
    let shown = show(&client, workers, documents, style).await;
    client.close().await;
    shown
}

async fn show(client: &Client, mut workers: Workers, documents: usize, style: Style) -> Result<u8> {
    let own = client.platform().and_then(Platform::key);
    let own = Arc::new(client.with_key(own.context("there is no API key for this command")?)?);
    own.bytes(
        Method::PUT,
        "/v1/pipelines/crash",
        "application/yaml",
        PIPELINE.into(),
    )
    .await?;
    // Runs of an earlier demo are not counted.
    let demo = RequestId::new().to_string();
    say!(
        "\n{}",
        style.bold(&format!(
            "{documents} documents for {WORKERS} workers, one of which is killed (kill -9) every {} s",
            EVERY.as_secs_f64()
        ))
    );
    for number in 0..WORKERS {
        workers.start(number)?;
    }
    let accepted = Arc::new(AtomicUsize::new(0));
    let next = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (own, accepted, next, demo) = (own.clone(), accepted.clone(), next.clone(), demo.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= documents {
                        return anyhow::Ok(());
                    }
                    let body = format!("Invoice {number}\nTotal due: {}.50 EUR\n", 10 + number);
                    let path = format!("/v1/pipelines/crash/runs?param.number={number}&param.demo={demo}");
                    let key = format!("{demo} {number}");
                    own.queue(&path, &key, "text/plain", body.into_bytes()).await?;
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let begun = Instant::now();
    let mut kill_at = begun + EVERY;
    let mut all_accepted = None;
    let open = loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let done = accepted.load(Ordering::Relaxed);
        let depth = client
            .platform()
            .context("the platform runs here")?
            .store
            .queue_depth()
            .await?;
        let open = depth.ready + depth.delayed + depth.leased;
        say!(
            "  {:>5.1} s  accepted {done:>6}   waiting {:>6}   at work {:>3}   workers killed {:>3}",
            begun.elapsed().as_secs_f64(),
            depth.ready + depth.delayed,
            depth.leased,
            workers.killed
        );
        if done == documents {
            let since = *all_accepted.get_or_insert_with(Instant::now);
            if open == 0 || since.elapsed() > SETTLES {
                break open;
            }
        }
        if Instant::now() >= kill_at {
            workers.kill_one()?;
            kill_at = Instant::now() + EVERY;
        }
        if senders.iter().all(tokio::task::JoinHandle::is_finished) && done < documents {
            break open;
        }
    };
    for sender in senders {
        sender.await.context("a sender ended")??;
    }
    let killed = workers.killed;
    drop(workers);
    let (succeeded, others, twice) = outcomes(&own, &demo).await?;
    say!(
        "\n{succeeded} of {documents} documents were worked on, {twice} twice; {others} failed, {open} are still queued; {killed} workers were killed in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    let good = succeeded == documents && others == 0 && twice == 0 && open == 0;
    say!(
        "{}",
        if good {
            "✓ nothing was lost, and nothing was committed twice"
        } else {
            "✗ a promise was broken"
        }
    );
    Ok(if good { exit::OK } else { exit::FAILED })
}

/// Documents with a run that succeeded, runs that did not, and documents with more than one.
async fn outcomes(client: &Client, demo: &str) -> Result<(usize, usize, usize)> {
    let mut seen = BTreeSet::new();
    let (mut others, mut twice) = (0, 0);
    let runs = client.list(&format!("/v1/runs?lookup.demo={demo}")).await?;
    for run in list(&runs, "items") {
        if text(run, "status") != "succeeded" {
            others += 1;
            continue;
        }
        let number = run.pointer("/lookups/number").map(Json::to_string);
        twice += usize::from(!seen.insert(number.unwrap_or_default()));
    }
    Ok((seen.len(), others, twice))
}

/// Worker processes of this demo; they end with this value.
struct Workers {
    config: Option<PathBuf>,
    data_dir: PathBuf,
    environment: Vec<(&'static str, String)>,
    /// Each with its number, the oldest first.
    running: VecDeque<(usize, Child)>,
    killed: usize,
}

impl Workers {
    fn start(&mut self, number: usize) -> Result<()> {
        let program = std::env::current_exe().context("where this program is")?;
        let own = self.data_dir.join(format!("demo-worker-{number}"));
        let mut command = Command::new(program);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command
            .arg("--data-dir")
            .arg(own)
            .args(["serve", "--role", "worker", "--listen", "127.0.0.1:0"])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("DOCMILL_WORKER_LEASE", LEASE)
            .env("DOCMILL_WORKER_RUNS", "8")
            .env("DOCMILL_INSTANCES_MAX", "24")
            .env("DOCMILL_GUEST_MEMORY", "1GiB")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().context("cannot start a worker")?;
        self.running.push_back((number, child));
        Ok(())
    }

    /// The one that has lived longest, and another one in its place.
    fn kill_one(&mut self) -> Result<()> {
        let Some((number, mut oldest)) = self.running.pop_front() else {
            return Ok(());
        };
        oldest.kill().ok();
        oldest.wait().ok();
        self.killed += 1;
        self.start(number)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for (number, worker) in &mut self.running {
            worker.kill().ok();
            worker.wait().ok();
            std::fs::remove_dir_all(self.data_dir.join(format!("demo-worker-{number}"))).ok();
        }
    }
}
