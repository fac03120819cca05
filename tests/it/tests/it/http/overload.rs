//! Too much at once is refused at once.

use std::time::Duration;

use super::{NOTE, TEXT};
use crate::support::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn more_runs_than_fit_are_shed_with_retry_after() {
    let mut setup = Setup::new().await;
    setup.runs.in_flight = 1;
    setup.api.body_idle = Duration::from_secs(5);
    let host = setup.start().await;
    host.install(&["text", "patterns"]).await;
    host.save(NOTE).await;
    // A client that takes its time with its body holds the one place.
    let slow = host
        .run("note")
        .begin("Content-Type: text/plain\r\nContent-Length: 10\r\n")
        .await;
    while host.state.runs().figures().in_flight == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let reply = host.run("note").body("text/plain", TEXT).send().await;
    reply.problem(503, "overloaded");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(host.anonymous("GET", "/healthz").send().await.text(), "ok\n");
    drop(slow);
    while host.state.runs().figures().in_flight > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    host.run("note").body("text/plain", TEXT).send().await.ok(200);
    assert_eq!(host.state.runs().figures().shed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_for_bodies_is_bounded_over_all_requests() {
    let mut setup = Setup::new().await;
    setup.api.body_memory = docmill_model::size::ByteSize::kib(512);
    let host = setup.start().await;
    host.install(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let large = "x".repeat(1 << 20);
    host.run("note")
        .body("text/plain", large)
        .send()
        .await
        .problem(503, "overloaded");
    // Given back: half of it fits, as often as you like.
    for _ in 0..3 {
        host.run("note")
            .body("text/plain", format!("{TEXT}{}", "x\n".repeat(100_000)))
            .send()
            .await
            .ok(200);
    }
}
