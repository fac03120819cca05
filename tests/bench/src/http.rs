//! Runs over HTTP beside a server that does nothing but the same call, and the same durable write.

use anyhow::{Context as _, Result};
use docmill_store::embedded::PrivateServer;

use crate::clients::{Load, Measured};
use crate::report::Figure;
use crate::server::{Server, call, docmill, reference, save_pipeline};
use crate::{document, median, plain, runtime};

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const SECONDS: f64 = 4.0;
/// docmill's own default.
const DATABASE_POOL: &str = "16";

fn pipeline(retain: &str) -> String {
    format!("name: bench-{retain}\nretain: {retain}\nsteps:\n  - {{ id: parse, use: docmill/text@0 }}\n")
        .replace("@0", "@*")
}

/// Throughput as medians over rounds that alternate between the servers.
pub fn measure(durable: bool) -> Result<Vec<Figure>> {
    let data = tempfile::Builder::new()
        .prefix("docmill-bench")
        .tempdir_in(crate::root().join("target"))?;
    let runtime = runtime()?;
    let database = runtime.block_on(PrivateServer::start(&data.path().join("bench-postgres"), |_| {}))?;
    let url = database.url().to_owned();
    let ours = docmill(data.path(), Some(&url), &[])?;
    let retain = if durable { "result" } else { "none" };
    save_pipeline(&ours, &pipeline(retain))?;
    let path = format!("/v1/pipelines/bench-{retain}/runs");
    let figures = if durable {
        let kept = call(&ours, reqwest::Method::POST, &path, "text/plain", document())?;
        let row_bytes = kept.to_string().len() + document().len();
        let row = row_bytes.to_string();
        let theirs = reference(&["ours", "text", &url, &row, DATABASE_POOL])?;
        let [mine, plain_insert] = rounds([(&ours, &path), (&theirs, "/")])?;
        let title = format!("runs/s, durable, 32 connections; beside one INSERT of {row_bytes} bytes");
        let mut figures = vec![compared(&title, &mine, &plain_insert, "≥ 0.85", 0.85)];
        figures.push(plain(
            "  durable run, p50",
            median(mine.iter().map(|m| m.p50).collect()),
            "ms",
        ));
        figures.push(plain(
            "  durable run, p99",
            median(mine.iter().map(|m| m.p99).collect()),
            "ms",
        ));
        figures
    } else {
        let (default_pool, our_pool) = (reference(&["defaults", "text"])?, reference(&["ours", "text"])?);
        let [mine, defaults, same] = rounds([(&ours, &path), (&default_pool, "/"), (&our_pool, "/")])?;
        vec![
            compared(
                "runs/s, retain none; beside axum + bare wasmtime, default pool",
                &mine,
                &defaults,
                "≥ 1.5",
                1.5,
            ),
            compared(
                "runs/s, retain none; beside the same with our pool",
                &mine,
                &same,
                "≥ 0.85",
                0.85,
            ),
            plain(
                "  run without persistence, p50 at 32 connections",
                median(mine.iter().map(|m| m.p50).collect()),
                "ms",
            ),
        ]
    };
    drop(ours);
    runtime
        .block_on(database.stop())
        .context("stopping the private PostgreSQL")?;
    Ok(figures)
}

fn compared(title: &str, mine: &[Measured], theirs: &[Measured], target: &'static str, least: f64) -> Figure {
    let per_second = |m: &[Measured]| median(m.iter().map(|m| m.per_second).collect());
    Figure::compared(
        title,
        per_second(mine),
        "runs/s",
        per_second(theirs),
        target,
        |ratio| ratio >= least,
    )
}

fn rounds<const N: usize>(servers: [(&Server, &str); N]) -> Result<[Vec<Measured>; N]> {
    let mut measured: [Vec<Measured>; N] = std::array::from_fn(|_| Vec::new());
    for round in 0..=ROUNDS {
        for ((server, path), results) in servers.iter().zip(&mut measured) {
            let seconds = if round == 0 { 1.5 } else { SECONDS };
            let load = Load {
                address: &server.address,
                method: "POST",
                path,
                key: &server.key,
                connections: CONNECTIONS,
                seconds,
            };
            let result = load.run()?;
            // The first round warms both up.
            if round > 0 {
                results.push(result);
            }
        }
    }
    Ok(measured)
}
