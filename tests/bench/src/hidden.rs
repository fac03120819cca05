//! What may not be seen answers as fast as what is not there: else a clock would tell of it.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use docmill_model::id::{DocumentId, RunId};
use docmill_store::embedded::PrivateServer;
use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::report::Figure;
use crate::server::{Server, call, docmill, save_pipeline};
use crate::{document, median, runtime};

const ROUNDS: usize = 2_000;
/// Runs that are there beside the one that is asked for, so that indexes have a depth.
const OTHERS: usize = 300;
const PIPELINE: &str = "name: high\ntier: S\nsteps:\n  - { id: parse, use: docmill/text@* }\n";

/// Medians of refusals that alternate: of what is too high, of what is another tenant's, and of what is nobody's.
pub fn measure() -> Result<Vec<Figure>> {
    let data = tempfile::Builder::new()
        .prefix("docmill-bench")
        .tempdir_in(crate::root().join("target"))?;
    let runtime = runtime()?;
    let database = runtime.block_on(PrivateServer::start(&data.path().join("bench-postgres"), |_| {}))?;
    let server = docmill(data.path(), Some(database.url()), &[])?;
    save_pipeline(&server, PIPELINE)?;
    let mut run = Json::Null;
    for _ in 0..OTHERS {
        run = call(
            &server,
            Method::POST,
            "/v1/pipelines/high/runs",
            "text/plain",
            document(),
        )?;
    }
    let low = json!({ "name": "low", "clearance": "D" })
        .to_string()
        .into_bytes();
    let low = call(&server, Method::POST, "/v1/keys", "application/json", low)?;
    let low = low["key"].as_str().context("a key is shown")?.to_owned();
    let stranger = another_tenant(data.path(), database.url())?;
    let id = |value: &Json| value.as_str().map(str::to_owned).context("an id");
    let mut figures = Vec::new();
    for (what, real, nobodys) in [
        ("runs", id(&run["id"])?, RunId::new().to_string()),
        (
            "documents",
            id(&run["documents"][0]["id"])?,
            DocumentId::new().to_string(),
        ),
    ] {
        let path = |id: &str| format!("/v1/{what}/{id}");
        let (there, absent) = (path(&real), path(&nobodys));
        let asked = [(&low, &there), (&stranger, &there), (&low, &absent)];
        let [hidden, foreign, nothing] = runtime.block_on(alternate(&server, asked))?;
        for (why, time) in [("too high", hidden), ("another tenant's", foreign)] {
            let name = format!("404 of /v1/{what}/{{id}}, {why}, beside one that is not there");
            figures.push(Figure::compared(
                &name,
                time,
                "µs",
                nothing,
                "0.9 to 1.1",
                |ratio| (0.9..=1.1).contains(&ratio),
            ));
        }
    }
    Ok(figures)
}

/// The medians in microseconds, over one connection each time.
async fn alternate<const N: usize>(server: &Server, asked: [(&String, &String); N]) -> Result<[f64; N]> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .pool_idle_timeout(Duration::from_secs(60))
        .build()?;
    let mut times = [const { Vec::new() }; N];
    for round in 0..ROUNDS {
        for step in 0..N {
            // Whoever comes first in a round is another one each time.
            let n = (round + step) % N;
            let (Some((key, path)), Some(times)) = (asked.get(n), times.get_mut(n)) else {
                continue;
            };
            let request = client
                .get(format!("http://{}{path}", server.address))
                .bearer_auth(key);
            let begun = Instant::now();
            let answer = request.send().await?;
            let status = answer.status();
            answer.bytes().await?;
            times.push(begun.elapsed().as_secs_f64() * 1e6);
            ensure!(status == 404, "{path} answered {status}");
        }
    }
    Ok(times.map(median))
}

/// The first key of a further organisation, made on the machine as an operator does.
fn another_tenant(data: &std::path::Path, database: &str) -> Result<String> {
    let output = Command::new(std::env::current_exe()?.with_file_name("docmill"))
        .args(["tenant", "create", "Other"])
        .env("DOCMILL_DATA_DIR", data)
        .env("DOCMILL_DATABASE_URL", database)
        .env_remove("DATABASE_URL")
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let key = printed.split_whitespace().find(|word| word.starts_with("dm_"));
    key.map(str::to_owned)
        .context("docmill tenant create prints a key")
}
