//! What a version promises, where it stands, and what channels make of it.

use serde_json::{Value as Json, json};

use super::{NAME, channel, lines, set, upload};
use crate::support::Host;
use crate::support::client::Reply;

const NARROWER: &[(&str, &str)] = &[("\"plain\", \"markdown\"", "\"plane\", \"markdown\"")];
const WIDER: &[(&str, &str)] = &[(
    "\"additionalProperties\": false",
    "\"additionalProperties\": true ",
)];

fn definition(name: &str, reference: &str) -> String {
    format!("name: {name}\nsteps: [{{ id: parse, use: {NAME}@{reference} }}]\n")
}

async fn save(host: &Host, name: &str, reference: &str) -> Reply {
    let call = host.call("PUT", &format!("/v1/pipelines/{name}"));
    call.body("application/yaml", definition(name, reference))
        .send()
        .await
}

/// Which version a run of the pipeline used.
async fn used(host: &Host, name: &str) -> Json {
    let run = host.run(name).body("text/plain", "a").send().await.ok(200);
    run["steps"][0]["plugin"].clone()
}

fn version(version: &str) -> Json {
    json!(format!("{NAME}@{version}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_keeps_what_the_one_before_promised() {
    let host = Host::with(&[]).await;
    upload(&host, "1.2.3", &[]).await.ok(201);
    let refused = upload(&host, "1.3.0", NARROWER)
        .await
        .problem(422, "breaking-change");
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains("\"plain\" is taken no more") && detail.contains("2.0.0"),
        "{detail}"
    );
    let found = lines(&refused["report"], "promises");
    assert!(
        !found[0].0 && found[0].1.contains("configuration.format"),
        "{found:?}"
    );
    // Nothing of it is kept, and its number is free.
    upload(&host, "1.3.0", WIDER).await.ok(201);
    upload(&host, "2.0.0", NARROWER).await.ok(201);
    // Below 2.0.0 it is held to 1.3.0, which takes more than 1.2.3 did.
    let refused = upload(&host, "1.4.0", &[]).await.problem(422, "breaking-change");
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("additionalProperties"),
        "{refused}"
    );
    // Not to what was yanked.
    set(&host, "1.3.0", json!({"state": "yanked"})).await.ok(200);
    upload(&host, "1.4.0", &[]).await.ok(201);
    // And what comes back is held to what came meanwhile.
    set(&host, "1.3.0", json!({"state": "published"})).await.ok(200);
    set(&host, "1.4.0", json!({"state": "yanked"})).await.ok(200);
    set(&host, "1.4.0", json!({"state": "published"}))
        .await
        .problem(422, "breaking-change");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yanked_version_stays_where_it_is_and_goes_nowhere_new() {
    let host = Host::with(&[]).await;
    upload(&host, "1.2.3", &[]).await.ok(201);
    let admitted = super::put(&host, "1.2.4").query("publish=false");
    let bytes = super::text_plugin("1.2.4", &[]);
    let admitted = admitted.body("application/wasm", &bytes).send().await.ok(201);
    assert_eq!(admitted["state"], "admitted");
    // What is admitted is in no plan.
    save(&host, "exact", "=1.2.4")
        .await
        .problem(422, "invalid-definition");
    save(&host, "ranged", "1").await.ok(201);
    assert_eq!(used(&host, "ranged").await, version("1.2.3"));
    set(&host, "1.2.4", json!({"state": "deprecated"}))
        .await
        .problem(409, "conflict");
    set(&host, "1.2.4", json!({"state": "published"})).await.ok(200);
    save(&host, "exact", "=1.2.4").await.ok(201);
    assert_eq!(used(&host, "ranged").await, version("1.2.4"));

    let body = json!({"state": "deprecated", "note": "use 2.0"});
    let shown = set(&host, "1.2.4", body).await.ok(200);
    assert_eq!(
        (&shown["state"], &shown["note"]),
        (&json!("deprecated"), &json!("use 2.0"))
    );
    let saved = save(&host, "warned", "=1.2.4").await.ok(201);
    assert_eq!(saved["warnings"][0]["at"], "steps.parse.use");
    assert!(
        saved["warnings"][0]["message"]
            .as_str()
            .unwrap()
            .contains("use 2.0"),
        "{saved}"
    );
    let validate = host.call("POST", "/v1/pipelines:validate");
    let valid = validate
        .body("application/yaml", definition("x", "1"))
        .send()
        .await
        .ok(200);
    assert_eq!(valid["warnings"].as_array().unwrap().len(), 1);
    assert_eq!(used(&host, "exact").await, version("1.2.4"));

    set(&host, "1.2.4", json!({"state": "yanked", "note": "loses lines"}))
        .await
        .ok(200);
    // Who had it keeps it, who had a choice gets another one, and nobody new takes it.
    assert_eq!(used(&host, "exact").await, version("1.2.4"));
    assert_eq!(used(&host, "ranged").await, version("1.2.3"));
    let refused = save(&host, "new", "=1.2.4").await.problem(409, "version-yanked");
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains("loses lines") && detail.contains("1.2.3"),
        "{detail}"
    );
    save(&host, "exact", "=1.2.4")
        .await
        .problem(409, "version-yanked");
    channel(&host, "stable", "1.2.4")
        .await
        .problem(409, "version-yanked");
    let listed = host.get("/v1/plugins").send().await.ok(200);
    assert_eq!(listed["items"][0]["latest"], "1.2.3");
    assert!(listed["items"][0]["calls_30d"].as_u64().unwrap() >= 4, "{listed}");
    for bad in [
        json!({"state": "admitted"}),
        json!({"state": "gone"}),
        json!({}),
        json!({"state": "yanked", "note": "x".repeat(501)}),
    ] {
        let reply = set(&host, "1.2.4", bad.clone()).await;
        assert!(matches!(reply.status, 400 | 409), "{bad}: {}", reply.text());
    }
    set(&host, "9.9.9", json!({"state": "yanked"}))
        .await
        .problem(404, "not-found");
    // All of it stands in the audit log.
    let log = host.get("/v1/audit?action=plugin.state").send().await.ok(200);
    let changes = log["items"].as_array().unwrap();
    assert_eq!(changes.len(), 3, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_follows_its_channel() {
    let host = Host::with(&[]).await;
    upload(&host, "1.2.3", &[]).await.ok(201);
    upload(&host, "1.2.4", &[]).await.ok(201);
    let refused = save(&host, "mine", "beta")
        .await
        .problem(422, "invalid-definition");
    assert!(
        refused["detail"].as_str().unwrap().contains("no channel beta"),
        "{refused}"
    );
    channel(&host, "beta", "1.2.3").await.ok(200);
    save(&host, "mine", "beta").await.ok(201);
    assert_eq!(used(&host, "mine").await, version("1.2.3"));
    channel(&host, "beta", "1.2.4").await.ok(200);
    assert_eq!(
        used(&host, "mine").await,
        version("1.2.4"),
        "at once on this host"
    );
    let path = format!("/v1/plugins/{NAME}/channels");
    let list = host.get(&path).send().await.ok(200);
    assert_eq!(
        (&list["items"][0]["name"], &list["items"][0]["version"]),
        (&json!("beta"), &json!("1.2.4"))
    );
    // Another host knows within a second.
    let (other, _) = host.another(None).await;
    channel(&host, "beta", "1.2.3").await.ok(200);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let call = crate::support::client::Call::new(other, "POST", "/v1/pipelines/mine/runs").key(&host.key);
    let run = call.body("text/plain", "a").send().await.ok(200);
    assert_eq!(run["steps"][0]["plugin"], version("1.2.3"));

    for (name, version) in [("x", "1.2.3"), ("Beta", "1.2.3"), ("1", "1.2.3")] {
        channel(&host, name, version)
            .await
            .problem(400, "malformed-request");
    }
    channel(&host, "beta", "7.0.0").await.problem(404, "not-found");
    let close = host.call("DELETE", &format!("{path}/beta"));
    assert_eq!(close.clone().send().await.status, 204);
    assert_eq!(close.send().await.status, 204, "closed already");
    host.call("DELETE", &format!("{path}/none"))
        .send()
        .await
        .problem(404, "not-found");
    let refused = host.run("mine").body("text/plain", "a").send().await;
    let refused = refused.problem(422, "invalid-definition");
    assert!(
        refused["detail"].as_str().unwrap().contains("closed"),
        "{refused}"
    );
    channel(&host, "beta", "1.2.4").await.ok(200);
    assert_eq!(used(&host, "mine").await, version("1.2.4"));
}
