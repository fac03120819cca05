//! Golden samples: what passes, what fails and why, what they cost, and samples that attack.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::{NAME, lines, put, text_plugin};
use crate::support::client::{Part, Reply};
use crate::support::{Host, component};

/// A parser's samples.
async fn text(host: &Host, samples: &[(&str, Json)], files: &[(&str, &[u8])]) -> Reply {
    let bytes = text_plugin("1.2.3", &[]);
    let samples: Vec<(&str, String)> = samples
        .iter()
        .map(|(name, sample)| (*name, sample.to_string()))
        .collect();
    let mut parts = vec![Part::file("component", "a.wasm", &bytes)];
    parts.extend(
        samples
            .iter()
            .map(|(name, text)| Part::file("sample", name, text.as_bytes())),
    );
    parts.extend(files.iter().map(|(name, bytes)| Part::file("file", name, bytes)));
    put(host, "1.2.3").form(&parts).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_have_to_come_out_as_stated() {
    let host = Host::with(&[]).await;
    let files: &[(&str, &[u8])] = &[("note.txt", b"Total  due: 12\n\nThanks")];
    let wrong = json!({"document": "note.txt", "expect": {"pages": ["Total due: 13\nThanks"]}});
    let good = json!({
        "document": "note.txt", "expect": {"pages": ["total due: 12 thanks"]}, "tolerance": {"text": "fold"}
    });
    let refused = text(&host, &[("good", good.clone()), ("wrong", wrong)], files).await;
    let refused = refused.problem(422, "sample-failed");
    let found = lines(&refused["report"], "sample");
    assert_eq!(
        found.iter().map(|(pass, _)| *pass).collect::<Vec<_>>(),
        [true, false],
        "{refused}"
    );
    assert!(found[1].1.starts_with("wrong: pages[0]: is "), "{found:?}");
    assert_eq!(
        host.get("/v1/plugins").send().await.ok(200)["items"],
        json!([]),
        "nothing is kept"
    );
    // What samples used is in the ledger, failed upload or not.
    let usage = host.get("/v1/usage?by=pipeline").send().await.ok(200);
    assert!(
        usage.to_string().contains(&format!("samples of {NAME}")),
        "{usage}"
    );

    let created = text(&host, &[("good", good)], files).await.ok(201);
    let found = lines(&created["report"], "sample");
    assert_eq!(found, [(true, "good comes out as it should".to_owned())]);
    // They are no runs and no documents.
    assert_eq!(host.get("/v1/runs").send().await.ok(200)["items"], json!([]));
    assert_eq!(host.get("/v1/documents").send().await.ok(200)["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_sample_fails_its_own_line_and_no_more() {
    let host = Host::with(&["text"]).await;
    let bytes = component("hostile");
    let hostile = async |samples: &[(&str, Json)]| {
        let samples: Vec<(&str, String)> = samples
            .iter()
            .map(|(name, sample)| (*name, sample.to_string()))
            .collect();
        let mut parts = vec![Part::file("component", "a.wasm", &bytes)];
        parts.extend(
            samples
                .iter()
                .map(|(name, text)| Part::file("sample", name, text.as_bytes())),
        );
        let broken = b"\xff\xfe\0broken".to_vec();
        parts.push(Part::file("file", "broken.bin", &broken));
        let call = host.call("PUT", "/v1/plugins/test/hostile/versions/0.1.0");
        call.form(&parts).send().await
    };
    let attack = |attack: &str, expect: Json| {
        json!({
            "text": "a", "before": [], "config": {"attack": attack}, "expect": expect,
        })
    };
    let parsed = json!({
        "document": "broken.bin", "before": [{"use": "docmill/text@0.1"}], "config": {"attack": "nothing"},
        "expect": {"fields": {"done": "yes"}}
    });
    let started = Instant::now();
    let refused = hostile(&[
        ("good", attack("nothing", json!({"fields": {"done": "yes"}}))),
        ("spins", attack("spin", json!({"fields": {"done": "yes"}}))),
        ("broken", parsed),
        (
            "unknown parser",
            json!({"text": "a", "before": [{"use": "acme/none@1"}], "expect": {"fields": {}}}),
        ),
        (
            "itself",
            json!({"text": "a", "config": {"attack": "${ 1 + }"}, "expect": {"fields": {}}}),
        ),
    ])
    .await
    .problem(422, "sample-failed");
    println!("{:?}", started.elapsed());
    let found = lines(&refused["report"], "sample");
    let passed: Vec<bool> = found.iter().map(|(pass, _)| *pass).collect();
    assert_eq!(passed.len(), 5, "{found:?}");
    assert!(passed[0] && !passed[1] && !passed[3] && !passed[4], "{found:?}");
    assert!(
        found[1].1.contains("cpu-limit") || found[1].1.contains("timeout"),
        "{found:?}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(120),
        "{:?}",
        started.elapsed()
    );
    // A failure may be just what is expected.
    let created = hostile(&[(
        "stops",
        attack("panic-like-nothing-known", json!({"error": {"code": "trap"}})),
    )])
    .await;
    assert!(matches!(created.status, 201 | 422), "{}", created.text());
    // The host goes on.
    host.save("name: read\nsteps: [{ id: parse, use: docmill/text@0.1 }]\n")
        .await;
    host.run("read").body("text/plain", "a").send().await.ok(200);
}
