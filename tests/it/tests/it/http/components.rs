//! Components, good and bad, and those that docmill brings.

use serde_json::json;

use crate::support::{Host, component};

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_plugin() {
    let host = Host::with(&[]).await;
    let good = component("text");
    let mut flipped = good.to_vec();
    flipped.iter_mut().skip(9).step_by(97).for_each(|b| *b ^= 0x55);
    for (what, bytes) in [
        ("text", b"hello".to_vec()),
        ("half a component", good[..good.len() / 2].to_vec()),
        ("a corrupt component", flipped),
        ("a core module", wat("(module)")),
        ("an empty component", wat("(component)")),
        (
            "a component of another world",
            wat(r#"(component (import "acme:other/thing@1.0.0" (instance)))"#),
        ),
    ] {
        let reply = host
            .call("PUT", "/v1/plugins/a/b/versions/1.0.0")
            .body("application/wasm", &bytes)
            .send()
            .await;
        let problem = reply.problem(422, "invalid-component");
        assert_eq!(problem["report"]["ok"], json!(false), "{what}: {problem}");
        let check = host
            .call("POST", "/v1/plugins:check")
            .body("application/wasm", &bytes)
            .send()
            .await
            .ok(200);
        let lines = check["lines"].as_array().unwrap();
        assert!(lines.iter().any(|l| l["pass"] == json!(false)), "{what}: {check}");
        println!("{what}: {}", problem["detail"]);
    }
    assert_eq!(host.get("/v1/plugins").send().await.ok(200)["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn installing_again_does_nothing() {
    let host = Host::with(&["text", "patterns"]).await;
    let started = std::time::Instant::now();
    let components = [component("text"), component("patterns")];
    let installed = host
        .state
        .registry()
        .install_first_party(host.database.tenant, &components)
        .await
        .unwrap();
    assert!(installed.iter().all(|i| !i.new), "{installed:?}");
    assert!(
        started.elapsed() < std::time::Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_development_build_replaces_the_last_one() {
    let host = Host::with(&["patterns"]).await;
    let registry = host.state.registry();
    let tenant = host.database.tenant;
    let first = registry
        .publish_development(tenant, component("text"))
        .await
        .unwrap();
    assert!(
        first.created && first.plugin.version.build.as_str().starts_with("dev."),
        "{:?}",
        first.plugin
    );
    assert!(
        !registry
            .publish_development(tenant, component("text"))
            .await
            .unwrap()
            .created
    );
    let mut changed = component("text").to_vec();
    changed.extend_from_slice(b"\0\x05\x04note");
    let second = registry
        .publish_development(tenant, changed.into())
        .await
        .unwrap();
    assert!(second.created && second.plugin.version > first.plugin.version);
    host.state.runs().changed(tenant);
    host.save(super::NOTE).await;
    let run = host
        .run("note")
        .body("text/plain", super::TEXT)
        .send()
        .await
        .ok(200);
    assert_eq!(run["steps"][0]["plugin"], second.plugin.to_string());
}
