//! What the demo shows of organisations: one does not see what another has, and each has its own bill.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use docmill_model::failure::{Code, Failure};
use docmill_samples::Sample;
use serde_json::Value as Json;

use crate::client::{Client, segment};
use crate::commands::tenant::limit;
use crate::commands::usage::sheet;
use crate::show::{Style, list, text};

/// Requests a second that the neighbour is allowed.
const PER_SECOND: u32 = 2;
/// By then a quota holds.
const PATIENCE: Duration = Duration::from_secs(10);
/// The other organisation's name.
pub const NAME: &str = "neighbour";

/// Has the neighbour run a document of its own and ask for `run`, which is not its own.
///
/// # Errors
/// When it sees anything of the other organisation; when the server does not answer.
pub async fn apart(
    ours: &Client,
    theirs: &Client,
    sample: &Sample,
    run: &str,
    style: Style,
) -> Result<String> {
    let own = super::post(theirs, sample).await?;
    let own = text(&own, "id");
    let path = |run: &str| format!("/v1/runs/{}", segment(run));
    let refused = refusal(theirs, &path(run)).await?;
    let back = refusal(ours, &path(&own)).await?;
    ensure!(
        refused.code == Code::NotFound && back.code == Code::NotFound,
        "an organisation was not refused another's run, but told: {refused} and {back}"
    );
    let listed = theirs.get("/v1/runs?limit=200").await?;
    let listed = list(&listed, "items");
    ensure!(
        listed.iter().any(|item| text(item, "id") == own)
            && listed.iter().all(|item| text(item, "id") != run),
        "a list of runs is not that of its organisation"
    );
    let heading = style.bold(&format!("Two organisations on this host: yours and '{NAME}'"));
    let head = |run: &str| run.chars().take(16).collect::<String>();
    Ok(format!(
        "\n{heading}\n  {NAME} runs {} as {}…, and sees {} of its own in its list\n  ✓ it asks for your run {}… and is told: {refused}\n  ✓ you ask for its run {}… and are told the same\n",
        sample.file_name,
        head(&own),
        counted(listed.len()),
        head(run),
        head(&own),
    ))
}

/// Has the operator allow the neighbour two requests a second, and the neighbour send more.
///
/// # Errors
/// When it is not refused; when the server does not answer.
pub async fn limited(ours: &Client, theirs: &Client, style: Style) -> Result<String> {
    let platform = ours.platform().context("the platform is not in this process")?;
    limit(platform, NAME, &[format!("requests_per_second={PER_SECOND}")]).await?;
    let begun = Instant::now();
    let mut answered = 0_u32;
    // The host looks at limits about once a second.
    let refused = loop {
        match theirs.get("/v1/me").await {
            Ok(_) => answered += 1,
            Err(error) => break error.downcast::<Failure>()?,
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "a quota did not hold: {answered} requests were answered"
        );
    };
    limit(platform, NAME, &["requests_per_second=default".to_owned()]).await?;
    ensure!(
        refused.code == Code::QuotaExceeded,
        "instead of a quota, this was said: {refused}"
    );
    let heading = style.bold(&format!(
        "A quota: docmill tenant set {NAME} requests_per_second={PER_SECOND}"
    ));
    Ok(format!(
        "\n{heading}\n  ✓ {NAME} sends more and is told: {refused}\n"
    ))
}

/// What this organisation used today, pipeline by pipeline.
///
/// # Errors
/// When the server does not answer.
pub async fn bill(client: &Client, style: Style) -> Result<String> {
    let usage = client.get("/v1/usage?by=pipeline").await?;
    let heading = style.bold("What your organisation used this month (docmill usage --by pipeline)");
    Ok(format!("\n{heading}\n{}", sheet(&usage, "pipeline", style)))
}

async fn refusal(client: &Client, path: &str) -> Result<Failure> {
    let answer: Result<Json> = client.get(path).await;
    let error = answer.err().context("an organisation was shown another's run")?;
    error.downcast()
}

fn counted(runs: usize) -> String {
    match runs {
        1 => "1 run".to_owned(),
        more => format!("{more} runs"),
    }
}
