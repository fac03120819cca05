//! PostgreSQL falls silent: every connection stands, new ones are accepted, and nothing comes back. All settings are those
//! that a host has by default.

use std::time::{Duration, Instant};

use docmill_store::{Settings, Store};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::{NOTE, TEXT};
use crate::support::client::Call;
use crate::support::proxy::Door;
use crate::support::{Host, Setup};

/// A second for the silence to be noticed, the rest for the test's own machine.
const SOON: Duration = Duration::from_millis(1_200);

/// A host behind a door, with a pipeline of each kind.
async fn behind_a_door(change: impl FnOnce(Settings) -> Settings) -> (Host, Door) {
    let mut setup = Setup::new().await;
    let door = Door::before(&setup.database.url).await;
    let url = door.through(&setup.database.url);
    setup.store = Store::connect(&change(Settings::new(url))).unwrap();
    let host = setup.start().await;
    host.install(&["text", "patterns"]).await;
    for (name, more) in [
        ("note", ""),
        ("accepted", "durability: accepted\n"),
        ("fleeting", "retain: none\n"),
    ] {
        host.save(&NOTE.replace("name: note\n", &format!("name: {name}\n{more}")))
            .await;
        post(&host, name).send().await.ok(200);
    }
    (host, door)
}

fn post(host: &Host, pipeline: &str) -> Call {
    host.run(pipeline).body("text/plain", TEXT)
}

/// Asks until it works again.
async fn works_again(call: Call) {
    let started = Instant::now();
    while call.clone().send().await.status != 200 {
        assert!(started.elapsed() < Duration::from_secs(10), "it does not recover");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_it_is_refused_within_a_second_and_the_rest_is_served() {
    let (host, door) = behind_a_door(|settings| settings).await;
    let kept = post(&host, "note").send().await.ok(200);
    let document = kept["documents"][0]["id"].as_str().unwrap();
    for (what, call) in [
        ("a run", post(&host, "note")),
        ("an accepted run", post(&host, "accepted")),
        ("a list", host.get("/v1/runs")),
        ("a document", host.get(&format!("/v1/documents/{document}"))),
        ("pipelines", host.get("/v1/pipelines")),
    ] {
        // A moment ago everything was well: caller and plan are fresh, and the connection was just used.
        works_again(call.clone()).await;
        door.stall();
        let started = Instant::now();
        let problem = call.clone().send().await.problem(503, "store-unavailable");
        assert!(started.elapsed() < SOON, "{what}: {:?}", started.elapsed());
        if what.contains("run") {
            // It was sent: nobody knows.
            assert!(
                problem["detail"].as_str().unwrap().contains("may or may not"),
                "{problem}"
            );
            assert!(problem["run"].is_string(), "{problem}");
        }
        // Now it is known.
        for call in [call.clone(), post(&host, "note")] {
            let started = Instant::now();
            call.send().await.problem(503, "store-unavailable");
            assert!(
                started.elapsed() < Duration::from_millis(200),
                "{what}: {:?}",
                started.elapsed()
            );
        }
        // And stays so, whatever is asked again.
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let started = Instant::now();
            assert_eq!(
                post(&host, "fleeting").send().await.ok(200)["status"],
                "succeeded"
            );
            assert!(started.elapsed() < SOON, "{what}: {:?}", started.elapsed());
            let started = Instant::now();
            call.clone().send().await.problem(503, "store-unavailable");
            assert!(started.elapsed() < SOON, "{what}: {:?}", started.elapsed());
        }
        let ready = host.anonymous("GET", "/readyz").send().await.ok(200);
        assert_eq!(ready, json!({"ready": true, "store": "unavailable"}));
        door.open();
        works_again(call).await;
    }
    assert_eq!(host.state.runs().figures().in_flight, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_silent_is_not_used_again() {
    let (host, door) = behind_a_door(|settings| Settings { pool: 1, ..settings }).await;
    // The test's own connections are not meant.
    host.database.store.close().await;
    let mut owner = PgConnection::connect(&host.database.url).await.unwrap();
    let sessions =
        "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
         and backend_type = 'client backend'";
    let before: Vec<i32> = sqlx::query_scalar(sessions).fetch_all(&mut owner).await.unwrap();
    assert_eq!(before.len(), 1);
    door.stall();
    host.get("/v1/runs")
        .send()
        .await
        .problem(503, "store-unavailable");
    door.open();
    works_again(host.get("/v1/runs")).await;
    let started = Instant::now();
    loop {
        let now: Vec<i32> = sqlx::query_scalar(sessions).fetch_all(&mut owner).await.unwrap();
        if !now.contains(&before[0]) {
            assert!(now.len() <= 1, "{now:?}");
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "it is still open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_refused_together() {
    let (host, door) = behind_a_door(|settings| settings).await;
    for _ in 0..2 {
        works_again(post(&host, "note")).await;
        door.stall();
        let started = Instant::now();
        let calls: Vec<_> = (0..40)
            .map(|n| {
                let call = if n % 2 == 0 {
                    post(&host, "note")
                } else {
                    host.get("/v1/runs")
                };
                tokio::spawn(async move { call.send().await })
            })
            .collect();
        for call in calls {
            call.await.unwrap().problem(503, "store-unavailable");
        }
        let took = started.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
        door.open();
    }
    works_again(post(&host, "note")).await;
}
