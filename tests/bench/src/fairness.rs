//! One tenant works, another sends a hundred times what it may: how much later the first is answered, and how soon the other is
//! refused.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::clients::{Load, Measured};
use crate::report::Figure;
use crate::server::{docmill, save_pipeline};
use crate::{median, plain};

/// Requests a second that each tenant may send.
const SHARE: f64 = 20.0;
/// What the greedy one sends.
const FLOOD: f64 = 100.0 * SHARE;
const FLOOD_CONNECTIONS: usize = 64;
/// The modest one keeps within its share, or nearly: its latencies are of runs, not of refusals.
const MODEST: f64 = 0.9 * SHARE;
const ROUNDS: usize = 5;
const SECONDS: f64 = 8.0;
const PIPELINE: &str = "name: fair\nretain: none\nsteps:\n  - { id: parse, use: docmill/text@* }\n";

/// Alone and beside the flood in turns; durable answers would measure the disk.
pub fn measure() -> Result<Vec<Figure>> {
    let data = tempfile::Builder::new()
        .prefix("docmill-bench")
        .tempdir_in(crate::root().join("target"))?;
    let share = SHARE.to_string();
    let settings = [("DOCMILL_TENANT_REQUESTS_PER_SECOND", share.as_str())];
    let server = docmill(data.path(), None, &settings)?;
    save_pipeline(&server, PIPELINE)?;
    let greedy = another_tenant(data.path(), "greedy")?;
    let load = |key, connections, seconds| Load {
        address: &server.address,
        method: "POST",
        path: "/v1/pipelines/fair/runs",
        key,
        connections,
        seconds,
    };
    // The greedy one may not know the pipeline: `read` is every tenant's.
    let flood = Load {
        path: "/v1/pipelines/read/runs",
        ..load(&greedy, FLOOD_CONNECTIONS, SECONDS + 1.0)
    };
    let modest = load(&server.key, 2, SECONDS);
    load(&server.key, 2, 2.0).run_at(MODEST)?;
    let (mut alone, mut beside, mut flooding) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(modest.run_at(MODEST)?);
        let (quiet, greedy) = std::thread::scope(|scope| {
            let flood = scope.spawn(|| flood.run_at(FLOOD));
            std::thread::sleep(std::time::Duration::from_millis(500));
            let quiet = modest.run_at(MODEST);
            (quiet, flood.join())
        });
        beside.push(quiet?);
        flooding.push(greedy.map_err(|_| anyhow::anyhow!("the flood failed"))??);
    }
    let refused: f64 = beside.iter().map(|m| m.refused_per_second).sum();
    ensure!(refused == 0.0, "the modest tenant was refused");
    let of = |all: &[Measured], value: fn(&Measured) -> f64| median(all.iter().map(value).collect());
    Ok(vec![
        Figure::compared(
            "p95 of a tenant beside one at 100 times its share",
            of(&beside, |m| m.p95),
            "ms",
            of(&alone, |m| m.p95),
            "≤ 1.3",
            |ratio| ratio <= 1.3,
        )
        .under(&format!(
            "runs without persistence, {MODEST} a second, beside {FLOOD} a second of a tenant that may send {SHARE}"
        )),
        Figure::bounded(
            "  refusals (429) of the other, p99",
            of(&flooding, |m| m.refused_p99),
            "ms",
            "≤ 5 ms",
            |ms| ms <= 5.0,
        ),
        plain(
            "  refusals of the other",
            of(&flooding, |m| m.refused_per_second),
            "1/s",
        ),
        plain("  answers of the other", of(&flooding, |m| m.per_second), "1/s"),
    ])
}

/// Made on the machine itself, as an operator does; gives its key.
pub fn another_tenant(data: &Path, name: &str) -> Result<String> {
    let output = Command::new(std::env::current_exe()?.with_file_name("docmill"))
        .args(["tenant", "create", name])
        .env("DOCMILL_DATA_DIR", data)
        .env_remove("DATABASE_URL")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "docmill tenant create: {said}");
    let key = String::from_utf8(output.stdout)?;
    key.lines()
        .next()
        .map(str::to_owned)
        .context("it prints the tenant's key")
}
