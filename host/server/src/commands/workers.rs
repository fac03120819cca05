//! `docmill workers`

use anyhow::Result;
use docmill_store::queue::{Depth, WorkerRow};
use serde_json::json;

use crate::cli::Arguments;
use crate::commands::load_config;
use crate::exit;
use crate::platform::{Platform, Start};
use crate::show::{Style, say, table};

/// Shows who works on queued runs, and how full the queue is.
pub async fn workers(arguments: &Arguments, as_json: bool) -> Result<u8> {
    let config = load_config(arguments, &[])?;
    let platform = Platform::start(config, Start::to_look()).await?;
    let told = async {
        let workers = platform.store.workers().await?;
        anyhow::Ok((workers, platform.store.queue_depth().await?))
    };
    let told = told.await;
    platform.stop().await;
    let (workers, depth) = told?;
    if as_json {
        say!(
            "{}",
            serde_json::to_string_pretty(&json!({ "workers": workers, "queue": depth }))?
        );
    } else {
        say!("{}", shown(&workers, depth).trim_end());
    }
    Ok(exit::OK)
}

fn shown(workers: &[WorkerRow], depth: Depth) -> String {
    let state = |worker: &WorkerRow| match (worker.ended_at, worker.late, worker.draining) {
        (Some(_), ..) => "gone",
        (None, true, _) => "late",
        (None, false, true) => "draining",
        (None, false, false) => "works",
    };
    let rows: Vec<[String; 6]> = workers
        .iter()
        .map(|worker| {
            let doing = worker.doing.as_array().map(Vec::as_slice).unwrap_or_default();
            let longest = doing.iter().filter_map(|run| run["for_ms"].as_u64()).max();
            [
                worker.id.to_string(),
                worker.host.clone(),
                worker.release.clone(),
                state(worker).to_owned(),
                worker.leased.to_string(),
                longest.map_or_else(String::new, |ms| {
                    format!("{:.1} s", std::time::Duration::from_millis(ms).as_secs_f64())
                }),
            ]
        })
        .collect();
    let mut out = String::new();
    table(
        &mut out,
        ["worker", "host", "release", "state", "runs", "longest"],
        &rows,
        Style::stdout(),
    );
    out.push_str(&format!(
        "\nqueue: {} ready, {} later, {} at work; the oldest waits for {:.1} s\n",
        depth.ready,
        depth.delayed,
        depth.leased,
        std::time::Duration::from_millis(depth.oldest_ms).as_secs_f64()
    ));
    out
}
