//! Traces, as a collector gets them.

use std::time::{Duration, Instant};

use docmill_harness::collector::{Collector, Span};
use docmill_traces::{Settings, Traces};
use serde_json::Value as Json;

use super::{NOTE, TEXT};
use crate::support::{Host, Setup};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

async fn host(collector: &Collector, sample: f64) -> (Host, Traces) {
    let traces = Traces::start(&Settings {
        endpoint: collector.url.clone(),
        headers: vec![("x-vendor-key".into(), "hunter2".into())],
        sample,
        version: "0.0.0",
    })
    .unwrap();
    let mut setup = Setup::new().await;
    setup.api.traces = traces.clone();
    let host = setup.start().await;
    host.install(&["text", "patterns"]).await;
    host.save(NOTE).await;
    (host, traces)
}

/// All that was made so far.
async fn sent(collector: &Collector, traces: Traces) -> Vec<Span> {
    tokio::task::spawn_blocking(move || traces.close(Duration::from_secs(20)))
        .await
        .unwrap();
    collector.spans()
}

fn of<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let one = found.next().unwrap_or_else(|| {
        let names: Vec<&String> = spans.iter().map(|span| &span.name).collect();
        panic!("no {name} among {names:?}")
    });
    assert!(found.next().is_none(), "two of {name}");
    one
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_told_with_its_steps_and_calls() {
    let collector = Collector::start().await;
    let (host, traces) = host(&collector, 0.0).await;
    let run = host
        .call("POST", "/v1/pipelines/note/runs")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .body("text/plain", TEXT)
        .send()
        .await
        .ok(200);
    let spans = sent(&collector, traces).await;

    let request = of(&spans, "POST /v1/pipelines/{name}/runs");
    assert_eq!(
        (request.trace.as_str(), request.parent.as_str(), request.kind),
        (TRACE, CALLER, 2)
    );
    assert_eq!(request.attributes["http.response.status_code"], "200");
    assert_eq!(request.attributes["docmill.run.id"], run["id"].as_str().unwrap());
    // One under the other, each within the one above.
    for chain in [
        ["run note", "step parse", "call docmill/text@0.1.0"],
        ["run note", "step fields", "call docmill/patterns@0.1.0"],
    ] {
        let mut above = request;
        for name in chain {
            let span = of(&spans, name);
            assert_eq!((&span.parent, &span.trace), (&above.id, &above.trace), "{name}");
            assert!(
                above.start <= span.start && span.end <= above.end && span.start <= span.end,
                "{name}: {spans:#?}"
            );
            above = span;
        }
    }
    assert!(of(&spans, "step parse").end <= of(&spans, "step fields").start);
    assert_eq!(spans.len(), 6, "saving the pipeline was not sampled");

    // The figures are the run's own.
    let id = run["id"].as_str().unwrap();
    let kept = host.get(&format!("/v1/runs/{id}")).send().await.ok(200);
    let usage = &kept["steps"][1]["attempts"][0]["usage"];
    let call = of(&spans, "call docmill/patterns@0.1.0");
    for figure in ["cpu_us", "peak_memory_bytes", "host_calls", "host_call_bytes"] {
        assert_eq!(
            call.attributes[&format!("docmill.call.{figure}")],
            usage[figure].to_string(),
            "{kept}"
        );
    }
    // Nothing of the document, and the vendor's key went along.
    let all = format!("{spans:?}");
    for said in ["A-17", "234,56", "Total due"] {
        assert!(!all.contains(said), "{said}");
    }
    let heads = collector.heads().join("");
    assert!(heads.to_lowercase().contains("x-vendor-key: hunter2"), "{heads}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_says_so_and_what_nobody_samples_is_not_sent() {
    let collector = Collector::start().await;
    let (host, traces) = host(&collector, 1.0).await;
    let post = |parent: &str| {
        host.call("POST", "/v1/pipelines/note/runs")
            .header("traceparent", parent)
            .body("text/plain", TEXT)
    };
    // The caller has decided against it.
    post(&format!("00-{TRACE}-{CALLER}-00")).send().await.ok(200);
    // These are no parents at all: a trace of its own begins.
    let broken = ["", "junk", "00-0-0-01", "ff-00-00-00", &"0".repeat(5_000)];
    for parent in broken {
        post(parent).send().await.ok(200);
    }
    let missing = host
        .call("POST", "/v1/pipelines/none/runs")
        .body("text/plain", TEXT);
    missing.send().await.problem(404, "unknown-pipeline");
    let slow = "
name: slow
steps:
  - { id: parse, use: docmill/text@0.1 }
  - { id: fields, use: docmill/patterns@0.1, timeout: 1ms, with: { fields: [ { name: n, type: identifier, pattern: \"(a*)*b\" } ] } }
";
    host.save(slow).await;
    let failed = host
        .call("POST", "/v1/pipelines/slow/runs")
        .body("text/plain", "a".repeat(200_000))
        .send()
        .await;
    host.get("/healthz").send().await;
    let spans = sent(&collector, traces).await;

    assert!(spans.iter().all(|span| span.trace != TRACE), "{spans:#?}");
    let requests: Vec<&Span> = spans.iter().filter(|span| span.kind == 2).collect();
    let runs = |pipeline: &str| {
        spans
            .iter()
            .filter(|span| span.name == format!("run {pipeline}"))
            .count()
    };
    assert_eq!(runs("note"), broken.len());
    assert!(
        requests
            .iter()
            .all(|span| span.parent.is_empty() && !span.name.contains("healthz"))
    );
    let refused = requests
        .iter()
        .find(|span| span.attributes["http.response.status_code"] == "404");
    let refused = refused.unwrap();
    assert_eq!(
        (refused.attributes["error.type"].as_str(), refused.status),
        ("unknown-pipeline", 0)
    );

    let problem: Json = failed.json();
    let code = problem["code"].as_str().unwrap();
    assert!(failed.status >= 400, "{problem}");
    for name in ["run slow", "step fields", "call docmill/patterns@0.1.0"] {
        let found = spans.iter().find(|span| {
            span.name == name
                && span.status == 2
                && span.attributes.get("error.type").is_none_or(|t| t == code)
        });
        assert!(found.is_some(), "{name} {code}: {spans:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_or_is_away_delays_nobody() {
    let collector = Collector::start().await;
    collector.hang();
    let (host, traces) = host(&collector, 1.0).await;
    let begun = Instant::now();
    // More spans than may wait.
    let runs = (0..8).map(|_| async {
        for _ in 0..400 {
            host.call("POST", "/v1/pipelines/note/runs")
                .body("text/plain", TEXT)
                .send()
                .await
                .ok(200);
        }
    });
    futures_util::future::join_all(runs).await;
    let took = begun.elapsed();
    let closing = Instant::now();
    let closed = tokio::task::spawn_blocking(move || traces.close(Duration::from_secs(2)));
    closed.await.unwrap();
    assert!(
        closing.elapsed() < Duration::from_secs(15),
        "{:?}",
        closing.elapsed()
    );
    // Ten seconds is what each message waits for its collector: nobody waited with it.
    assert!(took < Duration::from_secs(60), "{took:?}");

    // Nobody listens there.
    let mut away = Collector::start().await;
    away.url = "http://127.0.0.1:1".into();
    let (host, traces) = self::host(&away, 1.0).await;
    let run = host
        .call("POST", "/v1/pipelines/note/runs")
        .body("text/plain", TEXT);
    run.send().await.ok(200);
    drop((host, traces));
}
