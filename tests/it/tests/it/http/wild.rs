//! Plugins that misbehave fail their own run with a code, and nothing else.

use std::time::{Duration, Instant};

use crate::support::Host;

const TIGHT: &str = "timeout: 1s, memory: 32MiB";

/// A pipeline in which a plugin attacks its host.
fn attack(attack: &str, limits: &str) -> String {
    format!(
        "{{name: attack, retain: debug, steps: [{{id: parse, use: docmill/text@0.1}}, {{id: a, use: test/hostile@0.1, \
         with: {{attack: {attack}}}, limits: {{{limits}}}}}]}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attack_has_its_code() {
    let host = Host::with(&["text", "hostile"]).await;
    for (name, limits, status, code) in [
        ("panic", TIGHT, 502, "trap"),
        ("spin", TIGHT, 504, "timeout"),
        ("allocate", TIGHT, 502, "memory-limit"),
        ("recurse", TIGHT, 502, "stack-overflow"),
        // A gigabyte that does not fit into the guest, and one that does and is too much for an answer.
        ("output, size: 1000000000", TIGHT, 502, "memory-limit"),
        (
            "output, size: 1000000000",
            "timeout: 20s, memory: 1GiB",
            502,
            "output-limit",
        ),
        (
            "output, size: 8000000",
            "timeout: 1s, memory: 32MiB, output: 1MiB",
            502,
            "output-limit",
        ),
        ("handles", TIGHT, 502, "handle-limit"),
    ] {
        host.save(&attack(name, limits)).await;
        let started = Instant::now();
        let reply = host.run("attack").body("text/plain", "x").send().await;
        let problem = reply.problem(status, code);
        assert_eq!(problem["step"], "a");
        assert!(
            started.elapsed() < Duration::from_secs(8),
            "{name}: {:?}",
            started.elapsed()
        );
        let run = host
            .get(&format!("/v1/runs/{}", problem["run"].as_str().unwrap()))
            .send()
            .await
            .ok(200);
        assert_eq!(run["error"]["code"], code);
    }
    // A flood of log lines is cut, not fatal.
    host.save(&attack("log, size: 10000", "timeout: 20s, memory: 32MiB"))
        .await;
    let run = host.run("attack").body("text/plain", "x").send().await.ok(200);
    let attempt = &run["steps"][1]["attempts"][0];
    assert!(
        attempt["usage"]["log_dropped_bytes"].as_u64().unwrap() > 1_000_000,
        "{attempt}"
    );
    assert!(attempt["log"].as_str().unwrap().len() <= 64 * 1024 + 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_stops_its_guests() {
    let host = Host::with(&["text", "hostile"]).await;
    let spin = attack("spin", TIGHT).replace("timeout: 1s", "timeout: 30s");
    for durability in ["result", "accepted"] {
        host.save(&spin.replace(
            "retain: debug",
            &format!("retain: debug, durability: {durability}"),
        ))
        .await;
        let call = host.run("attack").body("text/plain", "x");
        let before = host.state.runs().figures().abandoned;
        let waiting = tokio::spawn(async move { call.send().await });
        until("the guest runs", || host.engine.stats().running == 1).await;
        waiting.abort();
        until("the guest is stopped", || host.engine.stats().running == 0).await;
        until("it is counted", || {
            host.state.runs().figures().abandoned == before + 1
        })
        .await;
    }
    assert_eq!(host.state.runs().figures().in_flight, 0);
    // Of the two, the accepted one is kept, as interrupted.
    for _ in 0..100 {
        let list = host.get("/v1/runs").send().await.ok(200);
        let items = list["items"].as_array().unwrap();
        assert!(items.len() == 1, "{list}");
        if items[0]["status"] == "failed" {
            assert_eq!(items[0]["error"]["code"], "interrupted");
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the accepted run stays unfinished");
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(10), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
