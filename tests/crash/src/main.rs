//! The crash suite: workers, the host that accepts, and PostgreSQL are stopped in the middle of what they do, at named points in
//! the code, while runs are queued and worked on. Afterwards nothing may be lost, nothing committed twice, no kept step executed
//! again, and the usage must be what the steps used.
//!
//! `cargo xtask crash [--faults N] [--runs N] [--seed S] [--json FILE]`: the same seed orders the same faults in the same order.
#![forbid(unsafe_code)]

mod cluster;
mod judge;
mod load;
mod plan;
mod process;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use cluster::Cluster;
use plan::{Kind, Plan};
use serde_json::json;

/// How long a worker is taken to be there without a word.
pub const LEASE: Duration = Duration::from_secs(3);
/// After the last fault, everything is over within the lease and this.
const SETTLES: Duration = Duration::from_secs(20);
/// How long a point may take to be come to before another one is tried.
const REACHED: Duration = Duration::from_secs(8);

#[derive(Debug, Parser)]
struct Arguments {
    /// The program under test.
    #[arg(long)]
    docmill: PathBuf,
    /// Faults to inject.
    #[arg(long, default_value_t = 200)]
    faults: usize,
    /// Runs of five steps.
    #[arg(long, default_value_t = 2000)]
    runs: usize,
    /// Of the order of faults.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the report goes as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool> {
    let seed = arguments.seed.unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(1, |since| {
            u64::try_from(since.as_nanos() & 0xffff_ffff).unwrap_or(1)
        })
    });
    println!(
        "seed {seed}: {} runs, {} faults; again with `cargo xtask crash --seed {seed} --faults {} --runs {}`",
        arguments.runs, arguments.faults, arguments.faults, arguments.runs
    );
    let mut cluster = Cluster::start(&arguments.docmill).await?;
    judge::watch(&cluster.url())
        .await
        .context("the database is not watched")?;
    let load = load::Load::start(&cluster, arguments.runs);
    let mut plan = Plan::new(seed);
    let begun = Instant::now();
    let mut injected = 0;
    // A point that nobody comes to must not keep the suite for ever; the report names it.
    let most = Duration::from_secs(120) + Duration::from_secs(20) * u32::try_from(arguments.faults)?;
    while injected < arguments.faults && begun.elapsed() < most {
        let fault = plan.next_fault();
        // Work must not run out before the faults do.
        let done = load.ended();
        if fault.kind != Kind::Nothing && cluster.inject(&fault, REACHED).await? {
            plan.hit(&fault);
            injected += 1;
            println!(
                "{:>4} {:<18} {:<8} {:>6.1} s, {} of {} runs accepted, {} over",
                injected,
                fault.point,
                fault.kind.name(),
                begun.elapsed().as_secs_f64(),
                load.accepted(),
                arguments.runs,
                done
            );
        } else {
            plan.missed_now(&fault);
        }
        cluster.revive().await?;
    }
    let last = Instant::now();
    load.finish().await?;
    let settled = judge::settled(&cluster.url(), LEASE + SETTLES).await;
    let took = last.elapsed();
    let verdict = judge::judge(&cluster, &load).await?;
    if !settled || !verdict.is_good() {
        eprintln!("{}", cluster.logs());
    }
    cluster.stop().await;
    let missed: Vec<&str> = plan.missed();
    let good = settled && missed.is_empty() && injected == arguments.faults && verdict.is_good();
    let report = json!({
        "seed": seed,
        "faults": injected,
        "runs": verdict.runs,
        "lost": verdict.lost,
        "committed_twice": verdict.committed_twice,
        "reexecuted_steps": verdict.reexecuted_steps,
        "points": plan.hits(),
        "points_never_hit": missed,
        "kinds": plan.kinds(),
        "failed_runs": verdict.failed,
        "usage_differs": verdict.usage_differs,
        "left_over": verdict.left_over,
        "settled": settled,
        "settled_after_s": took.as_secs_f64(),
        "good": good,
    });
    println!("{}", serde_json::to_string_pretty(&report)?);
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&report)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!(
        "{}",
        if good {
            "✓ nothing was lost, nothing was committed twice, no kept step was executed again"
        } else {
            "✗ a promise was broken; the report says which"
        }
    );
    Ok(good)
}
