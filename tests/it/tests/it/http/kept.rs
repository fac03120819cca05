//! What is kept of a run, and from when on.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{NOTE, TEXT};
use crate::support::{Host, Setup};

/// A guest that spins until its time is over, in a run that is accepted first.
const SPIN: &str = "{name: spin, durability: accepted, steps: [{id: parse, use: docmill/text@0.1}, \
     {id: a, use: test/hostile@0.1, with: {attack: spin}, limits: {timeout: 3s}}]}";

/// Sends it and waits until its guest spins; its id is known from the list of what runs.
async fn spinning(host: &Host) -> (tokio::task::JoinHandle<crate::support::client::Reply>, String) {
    host.save(SPIN).await;
    let call = host.run("spin").body("text/plain", "x");
    let waiting = tokio::spawn(async move { call.send().await });
    let started = Instant::now();
    while host.engine.stats().running == 0 {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "the guest does not run"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let list = host.get("/v1/runs?status=running").send().await.ok(200);
    let [item] = list["items"].as_array().unwrap().as_slice() else {
        panic!("{list}")
    };
    (waiting, item["id"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_run_is_there_while_it_works_and_is_not_taken_for_lost() {
    let host = Host::with(&["text", "hostile"]).await;
    let (waiting, id) = spinning(&host).await;
    let run = host.get(&format!("/v1/runs/{id}")).send().await.ok(200);
    assert_eq!(
        (&run["status"], &run["durability"], &run["steps"]),
        (&json!("running"), &json!("accepted"), &json!([]))
    );
    let document = run["documents"][0]["id"].as_str().unwrap();
    let document = host
        .get(&format!("/v1/documents/{document}"))
        .send()
        .await
        .ok(200);
    assert_eq!(document["runs"][0]["status"], "running");
    for alone in [false, true] {
        assert_eq!(host.state.runs().mark_lost(alone).await.unwrap(), 0);
    }
    assert!(!waiting.is_finished());
    let problem = waiting.await.unwrap().problem(504, "timeout");
    assert_eq!(problem["run"], id.as_str());
    let run = host.get(&format!("/v1/runs/{id}")).send().await.ok(200);
    assert_eq!(
        (&run["status"], &run["error"]["code"]),
        (&json!("failed"), &json!("timeout"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_host_is_gone_is_found_when_its_time_is_over() {
    let setup = Setup::new().await;
    let longest = setup.runs.longest.0.as_secs();
    let host = setup.start().await;
    host.install(&["text", "patterns"]).await;
    host.save(&format!("{NOTE}durability: accepted\n")).await;
    let run = host.run("note").body("text/plain", TEXT).send().await.ok(200);
    let path = format!("/v1/runs/{}", run["id"].as_str().unwrap());
    let mut owner = PgConnection::connect(&host.database.url).await.unwrap();
    // As its host left it, so many seconds ago.
    let mut left = async |seconds: u64| {
        let sql = format!(
            "update docmill.run set status = 'running', verdict = null, started_at = null, finished_at = null,
             created_at = now() - interval '{seconds} seconds'; delete from docmill.audit_entry where action = 'run.finish'; delete from docmill.usage_entry"
        );
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut owner)
            .await
            .unwrap();
    };
    let runs = host.state.runs();
    left(longest + 50).await;
    assert_eq!(runs.mark_lost(false).await.unwrap(), 0);
    left(longest + 62).await;
    assert_eq!(runs.mark_lost(false).await.unwrap(), 1);
    assert_eq!(runs.mark_lost(false).await.unwrap(), 0, "once");
    let run = host.get(&path).send().await.ok(200);
    assert_eq!(
        (&run["status"], &run["error"]["code"]),
        (&json!("failed"), &json!("interrupted"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_alone_takes_what_was_there_before_it_for_lost() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(&format!("{NOTE}durability: accepted\n")).await;
    host.run("note").body("text/plain", TEXT).send().await.ok(200);
    let mut owner = PgConnection::connect(&host.database.url).await.unwrap();
    let left =
        "update docmill.run set status = 'running', verdict = null, started_at = null, finished_at = null;
        delete from docmill.audit_entry where action = 'run.finish'; delete from docmill.usage_entry";
    sqlx::raw_sql(left).execute(&mut owner).await.unwrap();
    let runs = host.state.runs();
    assert_eq!(runs.mark_lost(true).await.unwrap(), 0, "it is this host's own");
    let before = "update docmill.run set created_at = created_at - interval '1 minute'";
    sqlx::raw_sql(before).execute(&mut owner).await.unwrap();
    assert_eq!(
        runs.mark_lost(false).await.unwrap(),
        0,
        "it may be another host's"
    );
    assert_eq!(runs.mark_lost(true).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_which_nothing_is_kept_cannot_be_accepted() {
    let host = Host::with(&["text", "patterns"]).await;
    let both = format!("{NOTE}durability: accepted\nretain: none\n");
    let reply = host
        .call("PUT", "/v1/pipelines/note")
        .body("application/yaml", both)
        .send()
        .await;
    let problem = reply.problem(422, "invalid-definition");
    assert_eq!(problem["problems"][0]["at"], "durability");
    let said = problem["problems"][0]["message"].as_str().unwrap();
    assert!(said.contains("retain: result"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn debugging_keeps_what_steps_gave_and_logged() {
    let host = Host::with(&["text", "patterns", "template"]).await;
    let step = "  - { id: data, use: docmill/template@0.1, \
         with: { output: json, template: '{\"number\": {{ fields.number.value }}}' } }\noutput:";
    for (retain, output) in [("result", Json::Null), ("debug", json!({"number": "A-17"}))] {
        host.save(&format!("{}retain: {retain}\n", NOTE.replace("output:", step)))
            .await;
        let run = host.run("note").body("text/plain", TEXT).send().await.ok(200);
        let path = format!("/v1/runs/{}", run["id"].as_str().unwrap());
        let kept = host.get(&path).send().await.ok(200);
        for run in [run, kept] {
            let outputs: Vec<&Json> = run["steps"]
                .as_array()
                .unwrap()
                .iter()
                .map(|s| &s["output"])
                .collect();
            assert_eq!(outputs, [&Json::Null, &Json::Null, &output], "{retain}");
        }
    }
}
