//! What was used: the ledger over HTTP, held against what the runs say themselves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use docmill_store::Store;
use serde_json::{Value as Json, json};

use super::{NOTE, TEXT};
use crate::support::client::{Call, Part};
use crate::support::proxy::Door;
use crate::support::{Host, Setup};

/// A plugin that traps, is tried again, and is given up; the run goes on.
const SKIPS: &str = "{name: skips, steps: [{id: parse, use: docmill/text@0.1}, \
     {id: a, use: test/hostile@0.1, with: {attack: panic}, retry: {attempts: 3, backoff: 1ms, any_failure: true}, \
      on_error: skip}]}";
/// One that traps twice and takes the run with it.
const FAILS: &str = "{name: fails, durability: accepted, steps: [{id: parse, use: docmill/text@0.1}, \
     {id: a, use: test/hostile@0.1, with: {attack: panic}, retry: {attempts: 2, backoff: 1ms, any_failure: true}}]}";
/// A text, a record and no file.
const SAID: &str = "{name: said, inputs: {note: {kind: text}, data: {kind: record}}, steps: [{id: a, \
     use: docmill/template@0.1, with: {template: hello, name: a.txt}}]}";

const MEMBERS: [&str; 8] = [
    "runs",
    "runs_failed",
    "calls",
    "calls_reused",
    "cpu_us",
    "input_bytes",
    "host_call_bytes",
    "pages",
];

type Amounts = BTreeMap<&'static str, u64>;

/// The figures of a group of the answer.
fn amounts(group: &Json) -> Amounts {
    MEMBERS
        .into_iter()
        .map(|member| {
            let number = group[member].as_u64();
            (member, number.unwrap_or_else(|| panic!("{member}: {group}")))
        })
        .collect()
}

/// The same figures of a run, by what it and its attempts say. Texts and records are not in it: `more` bytes of them.
fn own(run: &Json, more: u64) -> Amounts {
    let list = |of: &Json, name: &str| of[name].as_array().unwrap().clone();
    let attempts: Vec<Json> = list(run, "steps")
        .iter()
        .flat_map(|s| list(s, "attempts"))
        .collect();
    let used = |member: &str| {
        attempts
            .iter()
            .map(|a| a["usage"][member].as_u64().unwrap())
            .sum()
    };
    let sum = |name: &str, member: &str| -> u64 {
        list(run, name)
            .iter()
            .map(|one| one[member].as_u64().unwrap())
            .sum()
    };
    BTreeMap::from([
        ("runs", 1),
        ("runs_failed", u64::from(run["status"] == "failed")),
        ("calls", attempts.len() as u64),
        (
            "calls_reused",
            attempts.iter().filter(|a| a["reused"] == true).count() as u64,
        ),
        ("cpu_us", used("cpu_us")),
        ("input_bytes", sum("documents", "size") + more),
        ("host_call_bytes", used("host_call_bytes")),
        ("pages", sum("readings", "pages")),
    ])
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (member, number) in more {
        *sum.entry(member).or_default() += number;
    }
}

fn none() -> Amounts {
    MEMBERS.into_iter().map(|member| (member, 0)).collect()
}

async fn usage(host: &Host, query: &str) -> Json {
    host.get(&format!("/v1/usage?{query}")).send().await.ok(200)
}

/// Asks until so many runs are in the ledger: those that are not kept come a second late.
async fn settled(host: &Host, runs: u64) -> Json {
    let begun = Instant::now();
    loop {
        let found = usage(host, "by=pipeline").await;
        if found["total"]["runs"].as_u64().unwrap() >= runs {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "{found}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Every run that is kept, whole.
async fn kept(host: &Host) -> Vec<Json> {
    let list = host.get("/v1/runs?limit=200").send().await.ok(200);
    assert!(list.get("next").is_none());
    let mut runs = Vec::new();
    for item in list["items"].as_array().unwrap() {
        let path = format!("/v1/runs/{}", item["id"].as_str().unwrap());
        runs.push(host.get(&path).send().await.ok(200));
    }
    runs
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_what_the_runs_say_themselves() {
    let host = Host::with(&["text", "patterns", "template", "hostile"]).await;
    let fleeting = NOTE.replace("name: note\n", "name: fleeting\nretain: none\n");
    let lost = FAILS.replace(
        "name: fails, durability: accepted",
        "name: fleeting-fails, retain: none",
    );
    for pipeline in [NOTE, SKIPS, FAILS, SAID, &fleeting, &lost] {
        host.save(pipeline).await;
    }
    let second = host
        .call("POST", "/v1/keys")
        .body("application/json", r#"{"name": "second"}"#);
    let second = second.send().await.ok(201);
    let with_second = |pipeline: &str| {
        let key = second["key"].as_str().unwrap();
        host.anonymous("POST", &format!("/v1/pipelines/{pipeline}/runs"))
            .key(key)
    };
    // So long that reading it is worth remembering: from the second on, it is.
    let long = format!("{TEXT}{}", "and so on, and so on\n".repeat(40_000));

    let mut by_pipeline: BTreeMap<String, Amounts> = BTreeMap::new();
    let mut calls: Vec<(&str, Call)> = Vec::new();
    for n in 0..6 {
        let text = format!("{TEXT}{}", "x\n".repeat(n * 100));
        let file = |call: Call, text: &str| call.body("text/plain", text);
        calls.push(("note", file(host.run("note"), &text)));
        calls.push(("note", file(with_second("note"), &long)));
        calls.push(("skips", file(host.run("skips"), &text)));
        calls.push(("fails", file(with_second("fails"), &text)));
        calls.push(("fleeting", file(host.run("fleeting"), &text)));
        calls.push(("fleeting", file(with_second("fleeting"), &long)));
        calls.push(("fleeting-fails", file(host.run("fleeting-fails"), &text)));
        let said = [Part::param("note", "слово"), Part::param("data", r#"{"a": 1}"#)];
        calls.push(("said", host.run("said").form(&said)));
    }
    let number = calls.len() as u64;
    let sent: Vec<_> = calls
        .into_iter()
        .map(|(pipeline, call)| (pipeline, tokio::spawn(call.send())))
        .collect();
    for (pipeline, reply) in sent {
        let reply = reply.await.unwrap();
        match pipeline {
            "fails" | "fleeting-fails" => drop(reply.problem(502, "trap")),
            "fleeting" => {
                let sum = by_pipeline.entry(pipeline.to_owned()).or_insert_with(none);
                add(sum, &own(&reply.ok(200), 0));
            }
            _ => drop(reply.ok(200)),
        }
    }
    for run in kept(&host).await {
        let pipeline = run["pipeline"].as_str().unwrap();
        // "слово" and {"a":1}
        let more = if pipeline == "said" { 10 + 7 } else { 0 };
        let sum = by_pipeline.entry(pipeline.to_owned()).or_insert_with(none);
        add(sum, &own(&run, more));
    }

    let found = settled(&host, number).await;
    let items = found["items"].as_array().unwrap();
    assert_eq!(items.len(), 6, "{found}");
    for item in items {
        let (pipeline, found) = (item["pipeline"].as_str().unwrap(), amounts(item));
        match by_pipeline.get(pipeline) {
            Some(wanted) => assert_eq!(&found, wanted, "{pipeline}"),
            None => {
                // Nobody can be asked but the ledger; each is tried twice, after a parser.
                assert_eq!(pipeline, "fleeting-fails");
                let told = ["runs", "runs_failed", "calls", "pages"].map(|member| found[member]);
                assert_eq!(told, [6, 6, 18, 6]);
                assert!(found["cpu_us"] > 0 && found["input_bytes"] > 6 * TEXT.len() as u64);
            }
        }
    }
    assert_eq!(by_pipeline["skips"]["calls"], 6 * 4, "a parser and three traps");
    assert!(by_pipeline["note"]["calls_reused"] > 0, "{by_pipeline:?}");
    assert_eq!(found["total"]["runs"], number);

    // Whatever it is grouped by, it is the same together.
    for by in ["day", "plugin", "key", "plugin,key", "key,pipeline,day,plugin"] {
        let grouped = usage(&host, &format!("by={by}")).await;
        let mut sum = none();
        for item in grouped["items"].as_array().unwrap() {
            add(&mut sum, &amounts(item));
            for member in ["day", "pipeline", "plugin", "key"] {
                assert_eq!(
                    item.get(member).is_some(),
                    by.split(',').any(|b| b == member),
                    "{by}: {item}"
                );
            }
        }
        assert_eq!(sum, amounts(&grouped["total"]), "{by}");
        assert_eq!(grouped["total"], found["total"], "{by}");
    }
    let alone = usage(&host, "").await;
    assert_eq!((&alone["total"], &alone["items"]), (&found["total"], &json!([])));

    let keys = usage(&host, "by=key").await;
    let names: Vec<&Json> = keys["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| &i["key_name"])
        .collect();
    assert_eq!(names, ["bootstrap", "second"]);
    let of_second = usage(&host, &format!("key={}", second["id"].as_str().unwrap())).await;
    assert_eq!(amounts(&of_second["total"]), amounts(&keys["items"][1]));
    assert_eq!(of_second["total"]["runs"], 18);
    let plugins = usage(&host, "by=plugin&plugin=test/hostile").await;
    assert_eq!(plugins["items"].as_array().unwrap().len(), 1);
    let hostile = &plugins["items"][0];
    assert!(
        hostile["plugin"]
            .as_str()
            .unwrap()
            .starts_with("test/hostile@0.1"),
        "{hostile}"
    );
    assert_eq!(
        (&hostile["calls"], &hostile["runs"]),
        (&json!(6 * (3 + 2 + 2)), &json!(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_those_of_the_tenants_time_zone() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    host.run("note").body("text/plain", TEXT).send().await.ok(200);
    // The zones differ by 26 hours: whenever this runs, they have another date.
    for zone in ["Pacific/Kiritimati", "Etc/GMT+12"] {
        let patch = format!("{{\"timezone\": \"{zone}\"}}");
        host.call("PATCH", "/v1/tenant")
            .body("application/merge-patch+json", patch)
            .send()
            .await
            .ok(200);
        // Days that nothing was used on are not told.
        let found = usage(&host, "by=day&since=2026-01-01&until=2026-01-01T00:00:01").await;
        assert_eq!((&found["items"], &found["timezone"]), (&json!([]), &json!(zone)));
    }
    let date = async |zone: &str| {
        let patch = format!("{{\"timezone\": \"{zone}\"}}");
        host.call("PATCH", "/v1/tenant")
            .body("application/merge-patch+json", patch)
            .send()
            .await
            .ok(200);
        let run = host.get("/v1/runs").send().await.ok(200)["items"][0]["created_at"].clone();
        let found = usage(&host, &format!("by=day&since={}", run.as_str().unwrap())).await;
        let [item] = found["items"].as_array().unwrap().as_slice() else {
            panic!("{found}")
        };
        assert_eq!(item["runs"], 1);
        (
            item["day"].as_str().unwrap().to_owned(),
            run.as_str().unwrap()[..10].to_owned(),
        )
    };
    let (utc, of_run) = date("UTC").await;
    assert_eq!(utc, of_run);
    let (east, west) = (date("Pacific/Kiritimati").await.0, date("Etc/GMT+12").await.0);
    assert!(west < east && west <= utc && utc <= east, "{west} {utc} {east}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_makes_no_sense_is_refused() {
    let host = Host::with(&[]).await;
    for bad in [
        "by=month",
        "by=",
        "by=day,",
        "by=day&by=key",
        "since=2026-02-30",
        "since=2026-02-01&until=2026-02-01",
        "since=9999-12-31",
        "since=2020-01-01&until=2026-01-01",
        "key=run_1",
        "key=",
        "plugin=%00",
        "limit=5",
    ] {
        let reply = host.get(&format!("/v1/usage?{bad}")).send().await;
        let problem = reply.problem(400, "malformed-request");
        assert!(problem["detail"].as_str().unwrap().len() > 20, "{bad}: {problem}");
    }
    for nothing in [
        "since=-009990-01-01&until=-009990-01-02&by=day",
        "since=1969-12-31&until=1970-01-02&by=day,plugin,key,pipeline",
        "since=9998-12-31&until=9999-01-01&by=day",
        "pipeline=nobody&plugin=a%27b@%25",
        "plugin=@",
    ] {
        let found = usage(&host, nothing).await;
        assert_eq!(
            (&found["items"], &found["total"]["runs"]),
            (&json!([]), &json!(0)),
            "{nothing}"
        );
    }
    host.anonymous("GET", "/v1/usage")
        .send()
        .await
        .problem(401, "unauthenticated");
    host.call("POST", "/v1/usage")
        .send()
        .await
        .problem(405, "method-not-allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_are_not_kept_are_counted_once_however_often_postgresql_goes_away() {
    let mut setup = Setup::new().await;
    let door = Door::before(&setup.database.url).await;
    let url = door.through(&setup.database.url);
    setup.store = Store::connect(&docmill_store::Settings::new(url)).unwrap();
    let host = setup.start().await;
    host.install(&["text", "patterns"]).await;
    host.save(&NOTE.replace("name: note\n", "name: note\nretain: none\n"))
        .await;
    host.run("note").body("text/plain", TEXT).send().await.ok(200);

    let until = Instant::now() + Duration::from_secs(6);
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let call = host.run("note").body("text/plain", TEXT);
            tokio::spawn(async move {
                let mut sum = none();
                while Instant::now() < until {
                    add(&mut sum, &own(&call.clone().send().await.ok(200), 0));
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                sum
            })
        })
        .collect();
    // Cut off while it writes, and while it waits.
    for away in [50, 900, 20, 1_500, 50] {
        tokio::time::sleep(Duration::from_millis(600)).await;
        door.close();
        tokio::time::sleep(Duration::from_millis(away)).await;
        door.open();
    }
    let mut sum = none();
    for client in clients {
        add(&mut sum, &client.await.unwrap());
    }
    assert!(sum["runs"] > 100, "{sum:?}");
    // As at the end of the host: nothing waits afterwards.
    host.state.runs().settle_usage(Duration::from_secs(10)).await;
    let found = usage(&host, "").await;
    let first = found["total"]["runs"].as_u64().unwrap() - sum["runs"];
    assert_eq!(first, 1, "{found}");
    let calls = found["total"]["calls"].as_u64().unwrap();
    assert_eq!(calls, sum["calls"] + 2);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(
        usage(&host, "").await["total"],
        found["total"],
        "nothing comes twice"
    );
}
