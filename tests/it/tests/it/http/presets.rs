//! Presets: saved, used by steps with overrides, switched off and on.

use serde_json::{Value as Json, json};

use super::TEXT;
use crate::support::Host;
use crate::support::client::{Call, Reply};

const TOTALS: &str = "
# The sum of a note.
name: totals
description: The sum
use: docmill/patterns@0.1
with: { fields: [ { name: total, type: money, labels: [Total due] } ] }
";
const USER: &str = "
name: user
steps:
  - { id: parse, use: docmill/text@0.1 }
  - { id: fields, use: preset/totals@1, WITH }
";

fn put(host: &Host, name: &str, text: &str) -> Call {
    let call = host.call("PUT", &format!("/v1/presets/{name}"));
    call.body("application/yaml", text)
}

fn patch(host: &Host, name: &str, body: &str) -> Call {
    let call = host.call("PATCH", &format!("/v1/presets/{name}"));
    call.body("application/merge-patch+json", body)
}

async fn save(host: &Host, with: &str) -> Reply {
    let call = host.call("PUT", "/v1/pipelines/user");
    call.body("application/yaml", USER.replace("WITH", with))
        .send()
        .await
}

async fn fields(host: &Host) -> Vec<String> {
    let run = host.run("user").body("text/plain", TEXT).send().await.ok(200);
    let fields = run["fields"].as_array().unwrap().iter();
    fields
        .map(|field| field["path"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_is_used_by_its_version_with_overrides() {
    let host = Host::with(&["text", "patterns"]).await;
    let saved = put(&host, "totals", TOTALS).send().await.ok(201);
    assert_eq!(
        (&saved["reference"], &saved["active"]),
        (&json!("preset/totals@1"), &json!(true))
    );
    assert!(
        saved["plugin"]
            .as_str()
            .unwrap()
            .starts_with("docmill/patterns@0.1")
    );
    save(&host, "with: {}").await.ok(201);
    assert_eq!(fields(&host).await, ["total"]);

    // A new version changes no pipeline: each names its own.
    let newer = TOTALS.replace("name: total,", "name: sum,");
    assert_eq!(put(&host, "totals", &newer).send().await.ok(201)["version"], 2);
    assert_eq!(
        put(&host, "totals", &newer).send().await.ok(200)["created"],
        false
    );
    save(&host, "with: { }").await.ok(201);
    assert_eq!(fields(&host).await, ["total"]);
    let list = "with: { fields: [ { name: number, type: identifier, labels: [Invoice No] } ] }";
    save(&host, list).await.ok(201);
    assert_eq!(fields(&host).await, ["number"], "a list is replaced as a whole");
    let second = USER.replace("totals@1", "totals@2").replace("WITH", "with: {}");
    host.save(&second).await;
    assert_eq!(fields(&host).await, ["sum"]);

    // The definition stays as it was written.
    let shown = host.get("/v1/pipelines/user").send().await.ok(200);
    assert_eq!(shown["definition"]["steps"][1]["use"], "preset/totals@2");
    let first = host.get("/v1/presets/totals?version=1").send().await;
    assert_eq!(first.header("etag"), Some("\"1\""));
    let first = first.ok(200);
    assert_eq!(
        (&first["source"], &first["preset"]["use"]),
        (&json!(TOTALS), &json!("docmill/patterns@0.1"))
    );
    let versions = host
        .get("/v1/presets/totals/versions?limit=1")
        .send()
        .await
        .ok(200);
    assert_eq!(
        (&versions["items"][0]["version"], &versions["next"]),
        (&json!(2), &json!("2"))
    );
    let listed = host.get("/v1/presets").send().await.ok(200);
    assert_eq!(listed["items"][0]["reference"], "preset/totals@2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_that_is_not_active_is_used_by_nobody() {
    let host = Host::with(&["text", "patterns"]).await;
    put(&host, "totals", TOTALS).send().await.ok(201);
    save(&host, "with: {}").await.ok(201);
    assert_eq!(fields(&host).await, ["total"]);
    assert_eq!(
        patch(&host, "totals", r#"{"active": false}"#)
            .send()
            .await
            .ok(200)["active"],
        false
    );
    patch(&host, "totals", r#"{"active": false}"#)
        .send()
        .await
        .ok(200);
    let refused = host.run("user").body("text/plain", TEXT).send().await;
    let problem = refused.problem(422, "invalid-definition");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("totals is not active"),
        "{problem}"
    );
    let refused = save(&host, "with: { }").await;
    assert_eq!(
        refused.problem(422, "invalid-definition")["problems"][0]["at"],
        "steps.fields.use"
    );
    patch(&host, "totals", r#"{"active": true}"#).send().await.ok(200);
    assert_eq!(fields(&host).await, ["total"]);

    let actions = host.get("/v1/audit?subject=totals").send().await.ok(200);
    let actions: Vec<&Json> = actions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["action"])
        .collect();
    assert_eq!(
        actions,
        ["preset.activate", "preset.deactivate", "preset.save"],
        "each once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_preset_is_named_with_its_place() {
    let host = Host::with(&["text", "patterns", "template"]).await;
    for (preset, at) in [
        ("{ name: totals }", "preset"),
        (
            "{ name: other, use: docmill/patterns@0.1, with: { fields: [] } }",
            "name",
        ),
        ("{ name: totals, use: preset/totals@1 }", "use"),
        ("{ name: totals, use: docmill/unheard-of@1 }", "use"),
        ("{ name: totals, use: docmill/patterns@9 }", "use"),
        (
            "{ name: totals, use: docmill/patterns@0.1, with: { feelds: [] } }",
            "with",
        ),
        (
            "{ name: totals, use: docmill/patterns@0.1, with: { fields: 3 } }",
            "with.fields",
        ),
        (
            "{ name: totals, use: docmill/patterns@0.1, with: { fields: \"${ 1 + }\" } }",
            "with.fields",
        ),
        ("{ name: totals, use: docmill/patterns@0.1, with: [] }", "with"),
        ("name: [", "preset"),
    ] {
        let problem = put(&host, "totals", preset)
            .send()
            .await
            .problem(422, "invalid-definition");
        let problems = problem["problems"].as_array().unwrap();
        let named = problems.iter().any(|p| p["at"].as_str().unwrap().starts_with(at));
        assert!(named, "{preset}\n{problem}");
    }
    put(&host, "totals", " ").send().await.problem(400, "empty-body");
    host.get("/v1/presets/totals")
        .send()
        .await
        .problem(404, "not-found");
    patch(&host, "totals", r#"{"active": true}"#)
        .send()
        .await
        .problem(404, "not-found");
    for wrong in [r#"{"active": "yes"}"#, "{}", r#"{"active": true, "name": "x"}"#] {
        patch(&host, "totals", wrong)
            .send()
            .await
            .problem(400, "malformed-request");
    }

    put(&host, "totals", TOTALS)
        .header("If-Match", "\"1\"")
        .send()
        .await
        .problem(412, "precondition-failed");
    put(&host, "totals", TOTALS)
        .header("If-None-Match", "*")
        .send()
        .await
        .ok(201);
    put(&host, "totals", TOTALS)
        .header("If-None-Match", "*")
        .send()
        .await
        .problem(412, "precondition-failed");

    // Steps: what is no version, one that is not there, and what does not fit after the override.
    for (reference, at) in [
        ("totals@^1", "use"),
        ("totals@2", "use"),
        ("nothing@1", "use"),
        ("totals@1", "with.fields"),
    ] {
        let text = USER
            .replace("totals@1", reference)
            .replace("WITH", "with: { fields: 3 }");
        let call = host
            .call("PUT", "/v1/pipelines/user")
            .body("application/yaml", text);
        let problem = call.send().await.problem(422, "invalid-definition");
        assert_eq!(
            problem["problems"][0]["at"],
            format!("steps.fields.{at}"),
            "{problem}"
        );
    }

    // One large preset, used by many steps, does not become a definition that is larger than one may be.
    let large = format!(
        "{{ name: large, use: docmill/template@0.1, with: {{ template: \"{}\" }} }}",
        "x".repeat(200_000)
    );
    put(&host, "large", &large).send().await.ok(201);
    let pipeline = |steps: usize| -> String {
        let steps = (0..steps).map(|n| format!("  - {{ id: s{n}, use: preset/large@1 }}\n"));
        format!("name: user\nsteps:\n{}", steps.collect::<String>())
    };
    let save = |steps| {
        host.call("PUT", "/v1/pipelines/user")
            .body("application/yaml", pipeline(steps))
    };
    save(5).send().await.ok(201);
    let problem = save(6).send().await.problem(422, "invalid-definition");
    assert_eq!(problem["problems"][0]["at"], "steps.s5.use", "{problem}");
}
