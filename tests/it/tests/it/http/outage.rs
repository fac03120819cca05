//! PostgreSQL goes away and comes back.

use std::time::{Duration, Instant};

use docmill_store::Store;
use serde_json::json;

use super::{NOTE, TEXT};
use crate::support::proxy::Door;
use crate::support::{Host, Setup};

/// A host behind a door, with a pipeline that keeps its runs and one that does not.
async fn behind_a_door() -> (Host, Door) {
    let mut setup = Setup::new().await;
    let door = Door::before(&setup.database.url).await;
    let url = door.through(&setup.database.url);
    setup.store = Store::connect(&docmill_store::Settings::new(url)).unwrap();
    // Nothing is fresh for long, so that every request meets the outage.
    setup.runs.plan_age = Duration::from_millis(1);
    setup.runs.commit = Duration::from_secs(1);
    setup.api.caller_age = Duration::from_millis(1);
    let host = setup.start().await;
    host.install(&["text", "patterns"]).await;
    host.save(NOTE).await;
    host.save(&NOTE.replace("name: note\n", "name: fleeting\nretain: none\n"))
        .await;
    host.run("note").body("text/plain", TEXT).send().await.ok(200);
    host.run("fleeting").body("text/plain", TEXT).send().await.ok(200);
    (host, door)
}

/// Posts until it works again.
async fn recovered(host: &Host) {
    let started = Instant::now();
    while host.run("note").body("text/plain", TEXT).send().await.status != 200 {
        assert!(started.elapsed() < Duration::from_secs(10), "it does not recover");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Each run that is there is there whole.
async fn assert_whole(host: &Host) -> usize {
    let (mut seen, mut cursor) = (0, String::new());
    loop {
        let page = host
            .get(&format!("/v1/runs?limit=200{cursor}"))
            .send()
            .await
            .ok(200);
        for item in page["items"].as_array().unwrap() {
            let run = host
                .get(&format!("/v1/runs/{}", item["id"].as_str().unwrap()))
                .send()
                .await
                .ok(200);
            assert_eq!(run["status"], "succeeded");
            let sizes =
                ["fields", "documents", "readings", "steps"].map(|part| run[part].as_array().unwrap().len());
            assert_eq!(sizes, [2, 1, 1, 2], "{run}");
            seen += 1;
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return seen,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgresql_runs_are_refused_within_a_second_and_unkept_ones_are_served() {
    let (host, door) = behind_a_door().await;
    door.close();
    for round in 0..3 {
        let started = Instant::now();
        let reply = host.run("note").body("text/plain", TEXT).send().await;
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "{round}: {:?}",
            started.elapsed()
        );
        reply.problem(503, "store-unavailable");
        assert!(reply.header("retry-after").is_some());
        let started = Instant::now();
        let reply = host.run("fleeting").body("text/plain", TEXT).send().await;
        assert_eq!(reply.ok(200)["status"], "succeeded");
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "{round}: {:?}",
            started.elapsed()
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    host.get("/v1/runs")
        .send()
        .await
        .problem(503, "store-unavailable");
    assert_eq!(host.anonymous("GET", "/healthz").send().await.status, 200);
    let ready = host.anonymous("GET", "/readyz").send().await.ok(200);
    assert_eq!(ready, json!({"ready": true, "store": "unavailable"}));

    door.open();
    recovered(&host).await;
    assert_eq!(assert_whole(&host).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_is_away_as_well() {
    let (host, door) = behind_a_door().await;
    door.stall();
    let started = Instant::now();
    host.run("note")
        .body("text/plain", TEXT)
        .send()
        .await
        .problem(503, "store-unavailable");
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(
        host.run("fleeting").body("text/plain", TEXT).send().await.ok(200)["status"],
        "succeeded"
    );
    assert_eq!(host.anonymous("GET", "/healthz").send().await.status, 200);
    door.open();
    recovered(&host).await;
    assert_whole(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_answered_is_there_however_often_postgresql_goes_away() {
    let (host, door) = behind_a_door().await;
    let until = Instant::now() + Duration::from_secs(6);
    let clients: Vec<_> = (0..6)
        .map(|client| {
            let call = host.run("note");
            tokio::spawn(async move {
                let (mut kept, mut refused) = (Vec::new(), 0);
                for number in 0.. {
                    if Instant::now() > until {
                        break;
                    }
                    let text = format!("Invoice No: A-{client}-{number}\nTotal due: 1,00 KZT\n");
                    let reply = call.clone().body("text/plain", text).send().await;
                    match reply.status {
                        200 => kept.push(reply.header("location").unwrap().to_owned()),
                        503 => refused += 1,
                        _ => panic!("{}", reply.text()),
                    }
                }
                (kept, refused)
            })
        })
        .collect();
    // A short absence may be bridged by waiting for a connection; the long one cannot.
    for away in [250, 250, 2_000, 250] {
        tokio::time::sleep(Duration::from_millis(500)).await;
        door.close();
        tokio::time::sleep(Duration::from_millis(away)).await;
        door.open();
    }
    let (mut answered, mut refusals) = (Vec::new(), 0);
    for client in clients {
        let (kept, refused) = client.await.unwrap();
        answered.extend(kept);
        refusals += refused;
    }
    recovered(&host).await;
    println!("{} runs were answered, {refusals} were refused", answered.len());
    assert!(answered.len() > 10 && refusals > 0);
    for location in &answered {
        host.get(location).send().await.ok(200);
    }
    assert!(assert_whole(&host).await >= answered.len());
}
