//! `docmill demo hostile`: a stranger uploads what attacks, each attack is refused or stopped with its exact code, and somebody
//! else's runs are timed meanwhile.

mod attacks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use docmill_model::failure::Failure;
use reqwest::Method;
use serde_json::{Value as Json, json};

use self::attacks::{ATTACKS, Attack, How};
use crate::cli::Arguments;
use crate::client::{Client, Upload};
use crate::commands::run::FILE;
use crate::platform::{Platform, Start};
use crate::show::{Style, list, say, text};
use crate::{assets, commands, exit};

/// The stranger's organisation.
const STRANGER: &str = "stranger";
const PLUGIN: &str = "/v1/plugins/test/hostile/versions/0.1.0";
const HTTP_PLUGIN: &str = "/v1/plugins/test/hostile-http";
/// The run that is timed.
const PIPELINE: &str = "name: live\nretain: none\nsteps:\n  - { id: parse, use: docmill/text@* }\n";
const DOCUMENT: &str = "Invoice 17\nTotal due: 12.50 EUR\n";
/// Between two of the timed runs.
const EVERY: Duration = Duration::from_millis(40);
/// How long they are timed before the stranger comes.
const QUIET: Duration = Duration::from_secs(3);

/// Attacks, and tells what came of each; the exit code is a failure if one got through, or if a timed run failed.
pub async fn demo(arguments: &Arguments) -> Result<u8> {
    let style = Style::stdout();
    let config = commands::load_config(arguments, &[])?;
    let platform = Platform::start(config, Start::for_command()).await?;
    let secret = platform.neighbour(STRANGER).await?;
    let secret = secret.context(
        "this demo adds an organisation, and does so in a private database alone: leave DATABASE_URL unset",
    )?;
    let client = Client::of(platform)?;
    let stranger = client.with_key(secret.expose())?;
    let shown = show(&client, &stranger, style).await;
    client.close().await;
    shown
}

async fn show(client: &Client, stranger: &Client, style: Style) -> Result<u8> {
    let own = client.platform().and_then(Platform::key);
    let own = client.with_key(own.context("there is no API key for this command")?)?;
    own.bytes(
        Method::PUT,
        "/v1/pipelines/live",
        "application/yaml",
        PIPELINE.into(),
    )
    .await?;
    arm(stranger).await?;
    say!(
        "\n{}",
        style.bold("Your runs go on, one every 40 ms, while the organisation 'stranger' attacks")
    );
    let over = Arc::new(AtomicBool::new(false));
    let timed = tokio::spawn(timed(own, Arc::clone(&over)));
    tokio::time::sleep(QUIET).await;
    let began = Instant::now();
    let mut through = 0;
    for attack in ATTACKS {
        let started = Instant::now();
        let came = attempt(stranger, attack).await?;
        let right = came == attack.expected;
        through += usize::from(!right);
        let (mark, instead) = if right {
            ("✓", String::new())
        } else {
            ("✗", format!(", and not {}", attack.expected))
        };
        say!(
            "  {mark} {:<58} {came}{instead} {}",
            attack.title,
            style.dim(&format!("{} ms", started.elapsed().as_millis()))
        );
    }
    over.store(true, Ordering::Relaxed);
    let times = timed.await.context("the timed runs ended")?;
    let (quiet, beside): (Vec<&Timed>, Vec<&Timed>) = times.iter().partition(|one| one.began < began);
    let failed = times.iter().filter(|one| !one.good).count();
    say!("\n{}", style.bold("Your runs meanwhile"));
    say!("  before    {}", told(&quiet));
    say!("  attacked  {}", told(&beside));
    say!(
        "\n{} of {} attacks had their exact code, {failed} of {} runs of yours failed",
        ATTACKS.len() - through,
        ATTACKS.len(),
        times.len()
    );
    ensure!(!quiet.is_empty() && !beside.is_empty(), "no run was timed");
    Ok(if through == 0 && failed == 0 {
        exit::OK
    } else {
        exit::FAILED
    })
}

/// Uploads the plugins that attack: there is nothing wrong with them until they run. The stranger owns its organisation, so it also
/// grants itself the way to every address that it would like to reach.
async fn arm(stranger: &Client) -> Result<()> {
    ensure!(
        assets::HOSTILE.len() == 2,
        "this docmill was built without the plugins that attack: cargo xtask plugins"
    );
    for ((_, component), path) in assets::HOSTILE
        .iter()
        .zip([PLUGIN.to_owned(), format!("{HTTP_PLUGIN}/versions/0.1.0")])
    {
        stranger
            .bytes(Method::PUT, &path, "application/wasm", component.to_vec())
            .await?;
    }
    // Until the attack that has no grant is over, there is none.
    match stranger.delete(&format!("{HTTP_PLUGIN}/grants/http")).await {
        Ok(_) => Ok(()),
        Err(error) if error.downcast_ref::<Failure>().is_some() => Ok(()),
        Err(error) => Err(error),
    }
}

/// What came of an attack: a code, or what else was seen.
async fn attempt(stranger: &Client, attack: &Attack) -> Result<String> {
    let outcome = match attack.how {
        How::Upload { path, component } => {
            let put = stranger.bytes(Method::PUT, path, "application/wasm", component());
            put.await
        }
        How::Save(step) => save(stranger, step).await,
        How::Run(step) => {
            save(stranger, step).await?;
            run(stranger).await
        }
        How::Reach(addresses) => {
            let bounds = json!({ "hosts": addresses, "ports": ["1-65535"], "plaintext": true });
            let path = format!("{HTTP_PLUGIN}/grants/http");
            let granted = stranger.bytes(Method::PUT, &path, "application/json", bounds.to_string().into());
            granted.await?;
            let port = stranger.url().rsplit(':').next().unwrap_or("80");
            let requests: Vec<Json> = addresses
                .iter()
                .map(|host| json!({ "scheme": "http", "authority": format!("{host}:{port}"), "path": "/healthz" }))
                .collect();
            let with = json!({ "attack": "fetch", "requests": requests });
            save(stranger, &format!("use: test/hostile-http@0.1, with: {with}")).await?;
            run(stranger).await
        }
    };
    match outcome {
        Ok(answer) => Ok((attack.seen)(&answer)),
        Err(error) => Ok(error.downcast::<Failure>()?.code.to_string()),
    }
}

async fn save(stranger: &Client, step: &str) -> Result<Json> {
    let pipeline = format!(
        "{{name: attack, retain: debug, steps: [{{id: parse, use: docmill/text@*}}, {{id: attack, {step}}}]}}"
    );
    let put = stranger.bytes(
        Method::PUT,
        "/v1/pipelines/attack",
        "application/yaml",
        pipeline.into(),
    );
    put.await
}

async fn run(client: &Client) -> Result<Json> {
    client.run("attack", vec![document()], &Json::Null).await
}

fn document() -> Upload {
    Upload {
        role: FILE.to_owned(),
        name: "note.txt".to_owned(),
        media_type: Some("text/plain".to_owned()),
        bytes: DOCUMENT.into(),
    }
}

/// A timed run.
struct Timed {
    began: Instant,
    took: Duration,
    good: bool,
}

async fn timed(client: Client, over: Arc<AtomicBool>) -> Vec<Timed> {
    let mut times = Vec::new();
    let mut next = tokio::time::interval(EVERY);
    next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    while !over.load(Ordering::Relaxed) {
        next.tick().await;
        let began = Instant::now();
        let answer = client.run("live", vec![document()], &Json::Null).await;
        times.push(Timed {
            began,
            took: began.elapsed(),
            good: answer.is_ok_and(|answer| text(&answer, "status") == "succeeded"),
        });
    }
    times
}

/// Median and 99th percentile of what was timed.
fn told(times: &[&Timed]) -> String {
    let mut sorted: Vec<f64> = times.iter().map(|one| one.took.as_secs_f64() * 1_000.0).collect();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (sorted.len() as f64 * share) as usize;
        let place = place.min(sorted.len().saturating_sub(1));
        sorted.get(place).copied().unwrap_or_default()
    };
    format!(
        "{:>5} runs, p50 {:.1} ms, p99 {:.1} ms",
        sorted.len(),
        at(0.5),
        at(0.99)
    )
}

/// Whether a flood of log lines was cut.
fn log_of(answer: &Json) -> String {
    let attempts = list(answer, "steps")
        .iter()
        .flat_map(|step| list(step, "attempts"));
    let dropped: u64 = attempts
        .filter_map(|attempt| attempt.get("usage")?.get("log_dropped_bytes")?.as_u64())
        .sum();
    if dropped > 0 { "log-cut" } else { "succeeded" }.to_owned()
}

/// Whether every address was refused.
fn reached(answer: &Json) -> String {
    let values = list(answer, "fields")
        .iter()
        .map(|field| field.get("value").map(Json::to_string).unwrap_or_default());
    let mut refused = 0;
    for value in values {
        if !value.contains("HttpRequestDenied") && !value.contains("DestinationIpProhibited") {
            return value;
        }
        refused += 1;
    }
    if refused > 0 {
        "address-refused"
    } else {
        "succeeded"
    }
    .to_owned()
}
