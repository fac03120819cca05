//! Values that a plugin keeps between its calls: refused without a grant, held to it with one, its own and nobody else's.

use serde_json::{Value as Json, json};

use super::TEXT;
use crate::support::Host;
use crate::support::client::{Call, Reply};
use crate::support::host::{Setup, component};

const PLUGIN: &str = "/v1/plugins/test/hostile-keyvalue";

async fn upload(host: &Host, key: &str) {
    let put = Call::new(host.address, "PUT", &format!("{PLUGIN}/versions/0.1.0")).key(key);
    put.body("application/wasm", component("hostile_keyvalue"))
        .send()
        .await
        .ok(201);
}

async fn start() -> Host {
    let host = Setup::new().await.start().await;
    host.install(&["text"]).await;
    upload(&host, &host.key).await;
    host
}

fn definition(config: &Json) -> String {
    format!(
        "name: keep\nretain: debug\nsteps:\n  - {{ id: parse, use: docmill/text@0.1 }}\n  - {{ id: ask, use: test/hostile-keyvalue@0.1, \
         with: {config} }}\n"
    )
}

async fn save(host: &Host, config: &Json) -> Reply {
    let call = host.call("PUT", "/v1/pipelines/keep");
    call.body("application/yaml", definition(config)).send().await
}

async fn saved(host: &Host, config: &Json) {
    let reply = save(host, config).await;
    assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
}

async fn grant(host: &Host, bounds: Json) {
    let call = host.call("PUT", &format!("{PLUGIN}/grants/keyvalue"));
    call.body("application/json", bounds.to_string())
        .send()
        .await
        .ok(200);
}

async fn run(host: &Host) -> Reply {
    host.run("keep").body("text/plain", TEXT).send().await
}

/// What a list of questions is answered with.
async fn ask(host: &Host, questions: Json) -> Vec<String> {
    saved(host, &json!({ "ask": questions })).await;
    let reply = run(host).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    answers(&reply.json())
}

fn answers(run: &Json) -> Vec<String> {
    let fields = run["fields"].as_array().unwrap();
    let answer = |n: usize| {
        let path = format!("answer_{n}");
        let field = fields.iter().find(|field| field["path"] == path.as_str());
        field.unwrap()["value"].as_str().unwrap().to_owned()
    };
    (0..fields.len()).map(answer).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_keeps_values_if_it_may() {
    let host = start().await;
    let questions = json!([["set", "a", "one"], ["get", "a"]]);
    let refused = save(&host, &json!({ "ask": questions })).await;
    let refused = refused.problem(422, "invalid-definition").to_string();
    assert!(
        refused.contains("docmill plugin grant test/hostile-keyvalue keyvalue"),
        "{refused}"
    );

    grant(&host, json!({})).await;
    assert_eq!(ask(&host, questions).await, ["set", "one"]);
    // Later calls find it, in both drafts.
    let asked = json!([
        ["get", "a"],
        ["second.get", "a"],
        ["exists", "a"],
        ["exists", "b"],
        ["get", "b"],
        ["second.get", "b"],
        ["set-many", "b", "two", "ключ\u{0}", "три", "b", "2"],
        ["get-many", "b", "nothing", "ключ\u{0}", "b"],
        ["second.get-many", "b", "nothing"],
        ["list"],
        ["second.list"],
        ["delete", "b"],
        ["delete", "b"],
        ["get", "b"],
        ["delete-many", "ключ\u{0}", "nothing"],
        ["list"]
    ]);
    assert_eq!(
        ask(&host, asked).await,
        [
            "one",
            "one",
            "true",
            "false",
            "none",
            "none",
            "set",
            "b=2 none ключ\u{0}=три b=2",
            "b=2 nothing=none",
            "3: a b ключ\u{0}",
            "3: a b ключ\u{0}",
            "deleted",
            "deleted",
            "none",
            "deleted",
            "1: a"
        ]
        .map(|it| it.replace('\0', "\u{fffd}"))
    );

    // What it did stands in the record of the attempt; what is kept is counted.
    let reply = run(&host).await.json();
    let record = host
        .get(&format!("/v1/runs/{}", reply["id"].as_str().unwrap()))
        .send()
        .await;
    assert!(record.text().contains("keyvalue read="), "{}", record.text());
    let held = host.get(&format!("{PLUGIN}/values")).send().await.ok(200);
    assert_eq!(held, json!({ "keys": 1, "bytes": 4 }));

    // Withdrawn, nothing runs; granted again, everything is there; cleared, nothing is.
    let revoke = host.call("DELETE", &format!("{PLUGIN}/grants/keyvalue"));
    assert_eq!(revoke.send().await.status, 204);
    run(&host).await.problem(422, "invalid-definition");
    grant(&host, json!({})).await;
    assert_eq!(ask(&host, json!([["get", "a"]])).await, ["one"]);
    let cleared = host
        .call("DELETE", &format!("{PLUGIN}/values"))
        .send()
        .await
        .ok(200);
    assert_eq!(cleared, json!({ "keys": 1, "bytes": 4 }));
    assert_eq!(ask(&host, json!([["get", "a"], ["list"]])).await, ["none", "0: "]);
    assert_eq!(host.database.audited("plugin.clear").await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_held_to_its_grant() {
    let host = start().await;
    grant(
        &host,
        json!({ "prefixes": ["a/"], "keys": 3, "bytes": 100, "value_bytes": 40, "calls": 12 }),
    )
    .await;
    let asked = json!([
        ["set", "b", "1"], ["get", "b"], ["get-many", "a/1", "b"], ["set", "", "1"], ["set", "x".repeat(600), "1"],
        ["set", "a/1", { "x": 41 }], ["set", "a/1", { "x": 40 }], ["set-many", "a/2", { "x": 40 }, "a/3", { "x": 40 }],
        ["get", "a/2"]
    ]);
    let said = ask(&host, asked).await;
    assert_eq!(said[0], "error: access-denied");
    assert_eq!(said[1], "error: access-denied");
    assert_eq!(said[2], "error: access-denied");
    assert!(said[3].contains("1 to 512 bytes"), "{said:?}");
    assert!(said[4].contains("1 to 512 bytes"), "{said:?}");
    assert!(said[5].contains("`value_bytes`"), "{said:?}");
    assert_eq!(said[6], "set");
    // 86 bytes more would be 129: none of the two is written.
    assert!(
        said[7].contains("129 bytes") && said[7].contains("`bytes`"),
        "{said:?}"
    );
    assert_eq!(said[8], "none");

    let asked = json!([
        ["set", "a/2", "2"],
        ["set", "a/3", "3"],
        ["set", "a/4", "4"],
        ["set", "a/1", "smaller"],
        ["delete", "a/2"],
        ["set", "a/4", "4"],
        ["list"]
    ]);
    let said = ask(&host, asked).await;
    assert_eq!(said[..2], ["set", "set"]);
    assert!(
        said[2].contains("4 keys") && said[2].contains("`keys`"),
        "{said:?}"
    );
    assert_eq!(said[3..], ["set", "deleted", "set", "3: a/1 a/3 a/4"]);

    // So many requests in one call, whatever they are.
    let many: Vec<Json> = (0..14).map(|_| json!(["exists", "a/1"])).collect();
    let said = ask(&host, many.into()).await;
    assert_eq!(said[11], "true");
    assert_eq!(said[12..], ["error: access-denied", "error: access-denied"]);

    // A narrower grant holds for what is there: it can be read if it is small enough, be made smaller and be removed.
    grant(
        &host,
        json!({ "prefixes": ["a/"], "keys": 1, "bytes": 10, "value_bytes": 5 }),
    )
    .await;
    let asked = json!([
        ["get", "a/1"],
        ["get", "a/3"],
        ["set", "a/1", "12345"],
        ["set", "a/3", "33"],
        ["delete", "a/3"],
        ["get", "a/1"]
    ]);
    let said = ask(&host, asked).await;
    assert!(said[0].contains("larger than the grant's 5 bytes"), "{said:?}");
    assert_eq!(said[1..3], ["3", "set"]);
    assert!(said[3].contains("`bytes`"), "{said:?}");
    assert_eq!(said[4..], ["deleted", "12345"]);

    grant(&host, json!({ "write": false })).await;
    let asked = json!([
        ["get", "a/1"],
        ["set", "a/1", "x"],
        ["delete", "a/1"],
        ["increment", "n", 1],
        ["second.swap", "a/1", "x"]
    ]);
    let denied = "error: access-denied";
    assert_eq!(ask(&host, asked).await, ["12345", denied, denied, denied, denied]);

    // There is one bucket.
    saved(&host, &json!({ "bucket": "default", "ask": [["get", "a/1"]] })).await;
    assert_eq!(answers(&run(&host).await.json()), ["12345"]);
    saved(&host, &json!({ "bucket": "../other", "ask": [["get", "a/1"]] })).await;
    assert_eq!(answers(&run(&host).await.json()), ["error: no-such-store"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_between() {
    let host = start().await;
    grant(&host, json!({})).await;
    let asked = json!([
        ["increment", "n", 5],
        ["second.increment", "n", -7],
        ["increment", "n", 1],
        ["second.get", "n"],
        ["set", "w", "word"],
        ["increment", "w", 1],
        ["set", "max", "9223372036854775807"],
        ["increment", "max", 1],
        ["second.swap", "s", "first"],
        ["second.swap", "s", "second", "between"],
        ["get", "s"],
        ["second.swap", "s", "third"]
    ]);
    let said = ask(&host, asked).await;
    assert_eq!(said[..2], ["5", "-2"]);
    assert!(said[2].contains("negative"), "{said:?}");
    // It was added all the same: the first draft has no word for what it came to.
    assert_eq!(said[3], "-1");
    assert!(said[5].contains("no number"), "{said:?}");
    assert!(said[7].contains("no number"), "{said:?}");
    assert_eq!(
        said[8..],
        [
            "swapped none",
            "saw first, there is between",
            "between",
            "swapped between"
        ]
    );

    // Forty runs at once on one number and on one counted quota.
    saved(
        &host,
        &json!({ "ask": [["increment", "total", 1], ["second.increment", "total", 2]] }),
    )
    .await;
    let runs = futures_util::future::join_all((0..40).map(|_| run(&host))).await;
    assert!(runs.iter().all(|reply| reply.status == 200));
    assert_eq!(ask(&host, json!([["get", "total"]])).await, ["120"]);
    let held = host.get(&format!("{PLUGIN}/values")).send().await.ok(200);
    let bytes = [
        "n",
        "-1",
        "w",
        "word",
        "max",
        "9223372036854775807",
        "s",
        "third",
        "total",
        "120",
    ];
    assert_eq!(held, json!({ "keys": 5, "bytes": bytes.concat().len() }));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys_come_in_pages() {
    let host = start().await;
    grant(
        &host,
        json!({ "keys": 5_000, "calls": 10_000, "prefixes": ["k", "m"] }),
    )
    .await;
    let mut question = vec![json!("set-many")];
    for n in 0..2_300 {
        question.extend([json!(format!("k{n:04}")), json!("v")]);
    }
    let asked = json!([question, ["list"], ["second.list"], ["list-beyond"]]);
    assert_eq!(ask(&host, asked).await, ["set", "2300", "2300", "0"]);
    // What is not granted is not listed.
    grant(&host, json!({ "keys": 5_000, "prefixes": ["k229", "m"] })).await;
    let ten = (0..10).map(|n| format!("k229{n}")).collect::<Vec<_>>().join(" ");
    assert_eq!(ask(&host, json!([["list"]])).await, [format!("10: {ten}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_one_plugin_s_of_one_tenant() {
    let host = start().await;
    grant(&host, json!({})).await;
    assert_eq!(ask(&host, json!([["set", "a", "mine"]])).await, ["set"]);

    let (tenant, secret) = host.database.another_tenant("elsewhere").await.unwrap();
    let key = secret.expose();
    upload(&host, key).await;
    let other = |method: &str, path: &str| Call::new(host.address, method, path).key(key);
    let registry = host.state.registry();
    registry
        .install_first_party(tenant, &[component("text")])
        .await
        .unwrap();
    let granted = other("PUT", &format!("{PLUGIN}/grants/keyvalue"));
    granted.body("application/json", "{}").send().await.ok(200);
    let saved = other("PUT", "/v1/pipelines/keep");
    let asked = json!({ "ask": [["get", "a"], ["list"], ["second.list"], ["set", "a", "theirs"]] });
    saved
        .body("application/yaml", definition(&asked))
        .send()
        .await
        .ok(201);
    let reply = other("POST", "/v1/pipelines/keep/runs");
    let reply = reply.body("text/plain", TEXT).send().await.ok(200);
    assert_eq!(answers(&reply), ["none", "0: ", "0: ", "set"]);
    other("DELETE", &format!("{PLUGIN}/values")).send().await.ok(200);
    assert_eq!(ask(&host, json!([["get", "a"]])).await, ["mine"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_without_end_is_stopped() {
    let host = start().await;
    grant(&host, json!({})).await;
    for question in [
        json!(["get", "a"]),
        json!(["set", "a", { "x": 60_000 }]),
        json!(["open", 1_000_000]),
    ] {
        save(&host, &json!({ "times": 100_000_000_u64, "ask": [question] })).await;
        let reply = run(&host).await;
        let code = reply.json()["code"].as_str().unwrap_or_default().to_owned();
        assert!(
            ["host-call-limit", "handle-limit", "cpu-limit", "timeout"].contains(&code.as_str()),
            "{question}: {}",
            reply.text()
        );
    }
    let held = host.get(&format!("{PLUGIN}/values")).send().await.ok(200);
    assert_eq!(held["keys"], 1);
}
