//! 64 guests that never return, on all cores: each is stopped in time, and HTTP stays responsive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use docmill_engine::{Call, Context, Engine};
use docmill_model::duration::Span;
use docmill_model::limits::Limits;

use crate::clients::Load;
use crate::invoke::{load, settings};
use crate::report::Figure;
use crate::server::{call, docmill, save_pipeline};
use crate::{component, percentile, runtime};

const GUESTS: usize = 64;
const PIPELINE: &str = "\
name: spin
retain: none
steps:
  - { id: parse, use: docmill/text@* }
  - { id: spin, use: test/hostile@*, with: { attack: spin }, limits: { timeout: 4s } }
";
const DEADLINE: Duration = Duration::from_millis(1_000);

/// In the engine alone (how late each guest is stopped), then over HTTP (`/healthz` meanwhile).
pub fn measure() -> Result<Vec<Figure>> {
    let late = lateness()?;
    let data = tempfile::Builder::new()
        .prefix("docmill-bench")
        .tempdir_in(crate::root().join("target"))?;
    // As many runs at once as there are guests: each spins, none waits for its turn.
    let server = docmill(data.path(), None, &[("DOCMILL_RUNNING_MAX", "64")])?;
    let hostile = component("hostile")?;
    call(
        &server,
        reqwest::Method::PUT,
        "/v1/plugins/test/hostile/versions/0.1.0",
        "application/wasm",
        hostile,
    )?;
    save_pipeline(&server, PIPELINE)?;
    let spinning: Vec<_> = (0..GUESTS)
        .map(|_| {
            let (address, key) = (server.address.clone(), server.key.clone());
            std::thread::spawn(move || spin(&address, &key))
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let load = Load {
        address: &server.address,
        method: "GET",
        path: "/healthz",
        key: "",
        connections: 1,
        seconds: 3.0,
    };
    let health = load.run()?;
    for thread in spinning {
        thread
            .join()
            .map_err(|_| anyhow::anyhow!("a spinning client failed"))??;
    }
    Ok(vec![
        Figure::bounded(
            "64 spinning guests: stopped after the deadline by, worst",
            late,
            "ms",
            "≤ 20 ms",
            |ms| ms <= 20.0,
        ),
        Figure::bounded("  /healthz p99 meanwhile", health.p99, "ms", "≤ 20 ms", |ms| {
            ms <= 20.0
        }),
    ])
}

fn lateness() -> Result<f64> {
    let bytes = component("hostile")?;
    let code = tempfile::tempdir()?;
    let mut settings = settings(code.path())?;
    settings.guests = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    runtime()?.block_on(async {
        let engine = Engine::new(settings)?;
        let plugin = load(&engine, &bytes).await?;
        let limits = Limits {
            timeout: Span(DEADLINE),
            cpu: Span::seconds(60),
            ..Limits::default()
        };
        let calls: Vec<_> = (0..GUESTS)
            .map(|_| {
                let (engine, plugin) = (engine.clone(), plugin.clone());
                tokio::spawn(async move {
                    let call = Call::Extract {
                        inputs: Arc::default(),
                        config: r#"{"attack":"spin"}"#.into(),
                    };
                    let context = Context {
                        now: 0,
                        seed: [0; 32],
                        deadline: None,
                    };
                    let started = Instant::now();
                    let ended = engine.invoke(&plugin, call, &limits, &context).await;
                    let failure = ended.result.err();
                    ensure!(
                        failure.is_some_and(|f| f.code.as_str() == "timeout"),
                        "a spinning guest ends by its deadline"
                    );
                    Ok((started.elapsed().as_secs_f64() - DEADLINE.as_secs_f64()) * 1000.0)
                })
            })
            .collect();
        let mut late = Vec::new();
        for call in calls {
            late.push(call.await??);
        }
        anyhow::Ok(percentile(late, 1.0))
    })
}

/// One request whose guest spins until its deadline.
fn spin(address: &str, key: &str) -> Result<()> {
    use std::io::{Read as _, Write as _};
    let mut socket = std::net::TcpStream::connect(address)?;
    let request = format!(
        "POST /v1/pipelines/spin/runs HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\ncontent-type: text/plain\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx"
    );
    socket.write_all(request.as_bytes())?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    ensure!(
        answer.starts_with("HTTP/1.1 504") || answer.starts_with("HTTP/1.1 503"),
        "a spinning run is refused: {}",
        answer.lines().next().unwrap_or_default()
    );
    Ok(())
}
