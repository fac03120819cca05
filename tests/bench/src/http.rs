//! Runs over HTTP beside a server that does nothing but the same call, and the same durable write.

use anyhow::{Context as _, Result};
use docmill_store::embedded::PrivateServer;
use sqlx::{Connection as _, PgConnection};

use crate::clients::{Load, Measured};
use crate::reference::INSERT;
use crate::report::Figure;
use crate::server::{Server, call, docmill, reference, save_pipeline};
use crate::{document, median, plain, runtime};

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const SECONDS: f64 = 4.0;
/// docmill's own default.
const DATABASE_POOL: &str = "16";

pub fn pipeline(retain: &str) -> String {
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
        let theirs = reference(&["ours", "text", "0", &url, &row, DATABASE_POOL])?;
        let [mine, plain_insert] = rounds([(&ours, &path), (&theirs, "/")])?;
        drop(ours);
        let each = docmill(data.path(), Some(&url), &[("DOCMILL_COMMIT_RUNS_MAX", "1")])?;
        let [alone, beside_alone] = rounds([(&each, &path), (&theirs, "/")])?;
        let facts = runtime.block_on(facts(&url))?;
        let mut figures = vec![
            compared(
                &format!("runs/s, durable, beside one INSERT of {row_bytes} bytes"),
                &mine,
                &plain_insert,
                "≥ 0.85",
                0.85,
            )
            .under(&format!(
                "both: 32 connections, pool of {DATABASE_POOL}, {facts}; INSERT: prepared `{INSERT}`, one row of {row_bytes} \
                 bytes, which is what docmill keeps of a run (its document and its answer); ours: several runs in one commit"
            )),
            compared("  the same, each run in a commit of its own", &alone, &beside_alone, "", 0.0).without_target(),
        ];
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
        let answer = call(&ours, reqwest::Method::POST, &path, "text/plain", document())?;
        let bytes = answer.to_string().len().to_string();
        let default_pool = reference(&["defaults", "text", "0"])?;
        let (number, whole) = (
            reference(&["ours", "text", "0"])?,
            reference(&["ours", "text", &bytes])?,
        );
        let [mine, defaults, beside_number, same] = rounds([
            (&ours, &path),
            (&default_pool, "/"),
            (&number, "/"),
            (&whole, "/"),
        ])?;
        drop(ours);
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
                &beside_number,
                "≥ 0.85",
                0.85,
            ),
            compared(
                &format!("  the same, both answer with {bytes} bytes"),
                &mine,
                &same,
                "",
                0.0,
            )
            .without_target(),
            plain(
                "  run without persistence, p50 at 32 connections",
                median(mine.iter().map(|m| m.p50).collect()),
                "ms",
            ),
        ]
    };
    runtime
        .block_on(database.stop())
        .context("stopping the private PostgreSQL")?;
    Ok(figures)
}

fn per_second(measured: &[Measured]) -> f64 {
    median(measured.iter().map(|m| m.per_second).collect())
}

/// What PostgreSQL promises of a commit.
async fn facts(url: &str) -> Result<String> {
    let mut connection = PgConnection::connect(url).await?;
    let mut told = Vec::new();
    for setting in [
        "server_version",
        "synchronous_commit",
        "fsync",
        "full_page_writes",
    ] {
        let (value,): (String,) = sqlx::query_as("select current_setting($1)")
            .bind(setting)
            .fetch_one(&mut connection)
            .await?;
        told.push(format!("{setting} {value}"));
    }
    connection.close().await?;
    Ok(told.join(", "))
}

pub fn compared(
    title: &str,
    mine: &[Measured],
    theirs: &[Measured],
    target: &'static str,
    least: f64,
) -> Figure {
    Figure::compared(
        title,
        per_second(mine),
        "runs/s",
        per_second(theirs),
        target,
        |ratio| ratio >= least,
    )
}

pub fn rounds<const N: usize>(servers: [(&Server, &str); N]) -> Result<[Vec<Measured>; N]> {
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
