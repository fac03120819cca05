//! Definitions that break a rule: the refusal names the place and the fix.

use super::NOTE;
use crate::support::Host;

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_rule_is_named_with_its_place() {
    let host = Host::with(&["text", "patterns", "rules"]).await;
    let step = |rest: &str| {
        format!("{{name: bad, steps: [{{id: parse, use: docmill/text@0.1}}, {{id: b, {rest}}}]}}")
    };
    for (definition, at) in [
        (step("use: docmill/patterns@0.1, needs: [b], with: {fields: []}"), "steps.b"),
        ("{name: bad, steps: [{id: x, use: docmill/text@0.1, needs: [y]}, {id: y, use: docmill/text@0.1}]}".into(), "steps.x.needs"),
        (step("use: acme/unheard-of@1"), "steps.b.use"),
        (step("use: docmill/patterns@7"), "steps.b.use"),
        (step("use: docmill/patterns@0.1, with: {feelds: []}"), "steps.b.with"),
        (step("use: docmill/patterns@0.1, with: {fields: []}, when: 'params.'"), "steps.b.when"),
        (step("use: docmill/patterns@0.1, with: {fields: []}, when: 'colour == 1'"), "steps.b.when"),
        (step("use: docmill/patterns@0.1, with: {fields: []}, when: 'frobnicate(1)'"), "steps.b.when"),
        ("name: [".into(), "definition"),
        ("{name: bad, stepz: []}".into(), "stepz"),
    ] {
        let reply = host.call("PUT", "/v1/pipelines/bad").body("application/yaml", &definition).send().await;
        let problem = reply.problem(422, "invalid-definition");
        let problems = problem["problems"].as_array().unwrap();
        assert!(
            problems.iter().any(|p| p["at"].as_str().unwrap().starts_with(at)),
            "{definition}\n{problem}"
        );
        let validated = host.call("POST", "/v1/pipelines:validate").body("application/yaml", &definition).send().await;
        validated.problem(422, "invalid-definition");
    }
    host.get("/v1/pipelines/bad")
        .send()
        .await
        .problem(404, "unknown-pipeline");
    // Expressions tell line and column.
    let definition = step("use: docmill/patterns@0.1, with: {fields: []}, when: '1 +'");
    let reply = host
        .call("PUT", "/v1/pipelines/bad")
        .body("application/yaml", &definition)
        .send()
        .await;
    let problem = reply.problem(422, "invalid-definition");
    assert!(problem["problems"][0]["column"].is_number(), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_is_guarded_by_etags() {
    let host = Host::with(&["text", "patterns"]).await;
    let put = |name: &str| host.call("PUT", &format!("/v1/pipelines/{name}"));
    let valid = host
        .call("POST", "/v1/pipelines:validate")
        .body("application/yaml", NOTE)
        .send()
        .await
        .ok(200);
    assert!(
        valid["plugins"][0]
            .as_str()
            .unwrap()
            .starts_with("docmill/text@0.1"),
        "{valid}"
    );
    put("other")
        .body("application/yaml", NOTE)
        .send()
        .await
        .problem(422, "invalid-definition");
    put("note")
        .header("If-Match", "\"1\"")
        .body("text/yaml", NOTE)
        .send()
        .await
        .problem(412, "precondition-failed");
    let created = put("note")
        .header("If-None-Match", "*")
        .body("application/yaml", NOTE)
        .send()
        .await;
    assert_eq!(
        (created.header("etag"), &created.ok(201)["created"]),
        (Some("\"1\""), &serde_json::json!(true))
    );
    put("note")
        .header("If-None-Match", "*")
        .body("application/yaml", NOTE)
        .send()
        .await
        .problem(412, "precondition-failed");
    // The same again is the same version.
    let again = put("note")
        .header("If-Match", "\"1\"")
        .body("application/yaml", NOTE)
        .send()
        .await;
    assert_eq!(
        (again.header("etag"), &again.ok(200)["version"]),
        (Some("\"1\""), &serde_json::json!(1))
    );
    let changed = NOTE.replace("Total due", "Total");
    put("note")
        .header("If-Match", "\"7\"")
        .body("application/yaml", &changed)
        .send()
        .await
        .problem(412, "precondition-failed");
    put("note")
        .header("If-Match", "nonsense")
        .body("application/yaml", &changed)
        .send()
        .await
        .problem(400, "malformed-request");
    let second = put("note")
        .header("If-Match", "\"1\"")
        .body("application/yaml", &changed)
        .send()
        .await;
    assert_eq!(second.ok(201)["version"], 2);
    // JSON will do as well as YAML.
    let json = host.get("/v1/pipelines/note").send().await.ok(200)["definition"].to_string();
    let same = put("note").body("application/json", json).send().await;
    assert!(matches!(same.status, 200 | 201), "{}", same.text());
    put("note")
        .body("multipart/form-data; boundary=a", "--a--")
        .send()
        .await
        .problem(415, "unsupported-media-type");
    put("note")
        .body("application/yaml", vec![b'#'; 1 << 20])
        .send()
        .await
        .problem(413, "body-too-large");
    put("note")
        .body("application/yaml", b"name: \xff")
        .send()
        .await
        .problem(400, "malformed-request");
}
