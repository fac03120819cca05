//! PostgreSQL goes away and comes back.

use std::time::{Duration, Instant};

use docmill_store::Store;
use serde_json::json;

use super::{NOTE, TEXT};
use crate::support::Setup;
use crate::support::proxy::Door;

#[tokio::test(flavor = "multi_thread")]
async fn without_postgresql_runs_are_refused_within_a_second_and_unkept_ones_are_served() {
    let mut setup = Setup::new().await;
    let door = Door::before(&setup.database.url).await;
    let url = door.through(&setup.database.url);
    setup.store = Store::connect(&docmill_store::Settings::new(url)).unwrap();
    // Nothing is fresh for long, so that every request meets the outage.
    setup.runs.plan_age = Duration::from_millis(1);
    setup.api.caller_age = Duration::from_millis(1);
    let host = setup.start().await;
    host.install(&["text", "patterns"]).await;
    host.save(NOTE).await;
    host.save(&NOTE.replace("name: note\n", "name: fleeting\nretain: none\n"))
        .await;
    let kept = || host.run("note").body("text/plain", TEXT).send();
    let fleeting = || host.run("fleeting").body("text/plain", TEXT).send();
    kept().await.ok(200);
    fleeting().await.ok(200);

    door.close();
    for round in 0..3 {
        let started = Instant::now();
        let reply = kept().await;
        reply.problem(503, "store-unavailable");
        assert!(reply.header("retry-after").is_some());
        // Who calls, which plan and the commit are asked of it one after the other, but not one after the other in vain.
        let limit = if round == 0 { 3_000 } else { 1_500 };
        assert!(
            started.elapsed() < Duration::from_millis(limit),
            "{:?}",
            started.elapsed()
        );
        assert_eq!(fleeting().await.ok(200)["status"], "succeeded");
    }
    host.get("/v1/runs")
        .send()
        .await
        .problem(503, "store-unavailable");
    assert_eq!(host.anonymous("GET", "/healthz").send().await.status, 200);
    let ready = host.anonymous("GET", "/readyz").send().await.ok(200);
    assert_eq!(ready, json!({"ready": true, "store": "unavailable"}));

    door.open();
    let started = Instant::now();
    while kept().await.status != 200 {
        assert!(started.elapsed() < Duration::from_secs(5), "it does not recover");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Whole runs only: each that is there has its fields and its document.
    let list = host.get("/v1/runs").send().await.ok(200);
    for item in list["items"].as_array().unwrap() {
        let run = host
            .get(&format!("/v1/runs/{}", item["id"].as_str().unwrap()))
            .send()
            .await
            .ok(200);
        assert_eq!(run["status"], "succeeded");
        assert_eq!(
            (
                run["fields"].as_array().unwrap().len(),
                run["documents"].as_array().unwrap().len()
            ),
            (2, 1)
        );
    }
}
