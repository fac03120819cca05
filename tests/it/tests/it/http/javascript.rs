//! The examples in JavaScript, one plugin of every kind, as one pipeline over HTTP.

use std::path::Path;

use docmill_samples::verify::{PageText, verify_quotes};
use serde_json::{Value as Json, json};

use crate::support::client::Part;
use crate::support::{Host, component};

const PIPELINE: &str = "
name: addresses
inputs: { file: { accept: [text/vtt] } }
steps:
  - { id: parse,   use: example/js-subtitles@0.1 }
  - { id: emails,  use: example/js-emails@0.1, with: { limit: 5 } }
  - { id: domains, use: example/js-domains@0.1, with: { domains: [example.org] } }
  - { id: csv,     use: example/js-csv@0.1, with: { name: addresses.csv } }
  - { id: lines,   use: example/js-lines@0.1, with: { lines: 1 } }
  - { id: letters, use: example/js-letters@0.1 }
";

const SUBTITLES: &str = "WEBVTT\n\n00:01.000 --> 00:02.000\n😀 Жазыңыз: info@пример.рф\n\n\
    00:03.000 --> 00:04.000\nor <b>ann@example.org</b>, once more info@пример.рф.\n";

/// The example's component. None if it was not built, which is a failure where somebody says that it was.
fn example(kind: &str) -> Option<Vec<u8>> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist/examples");
    let bytes = std::fs::read(dist.join(format!("js-{kind}.wasm"))).ok();
    if bytes.is_none() {
        let required = std::env::var_os("DOCMILL_REQUIRE_EXAMPLES").is_some();
        assert!(!required, "js-{kind}.wasm was not built");
        println!("skipped: js-{kind}.wasm is not built (cargo xtask examples)");
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_of_plugins_in_javascript() {
    let host = Host::with(&[]).await;
    for (name, kind) in [
        ("js-subtitles", "parser"),
        ("js-emails", "extractor"),
        ("js-domains", "validator"),
        ("js-csv", "transformer"),
        ("js-lines", "chunker"),
        ("js-letters", "embedder"),
    ] {
        let Some(component) = example(kind) else { return };
        let put = host.call("PUT", &format!("/v1/plugins/example/{name}/versions/0.1.0"));
        let published = put.body("application/wasm", component).send().await.ok(201);
        assert_eq!(published["kind"], kind);
    }
    host.save(PIPELINE).await;
    let file = Part {
        media_type: Some("text/vtt"),
        ..Part::file("file", "talk.vtt", SUBTITLES.as_bytes())
    };
    let run = host.run("addresses").form(&[file]).send().await.ok(200);

    let found: Vec<(&Json, &Json)> = run["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (&field["path"], &field["value"]))
        .collect();
    assert_eq!(
        found,
        [
            (&json!("emails[0]"), &json!("info@пример.рф")),
            (&json!("emails[1]"), &json!("ann@example.org"))
        ]
    );
    assert_eq!(run["fields"][0]["citations"].as_array().unwrap().len(), 2);
    let document = format!("/v1/documents/{}", run["documents"][0]["id"].as_str().unwrap());
    let document = host.get(&document).send().await.ok(200);
    let pages = PageText::from_document(&document);
    assert_eq!(
        pages[0].text.trim_end(),
        "😀 Жазыңыз: info@пример.рф\nor ann@example.org, once more info@пример.рф."
    );
    assert_eq!(verify_quotes(&run, &pages), Vec::<String>::new());

    let check = &run["checks"][0];
    assert_eq!(
        (&check["outcome"], &check["fields"], &run["verdict"]),
        (&json!("fail"), &json!(["emails[0]"]), &json!("fail"))
    );
    let csv = host
        .get(run["artifacts"][0]["href"].as_str().unwrap())
        .send()
        .await;
    assert_eq!(run["artifacts"][0]["name"], "addresses.csv");
    assert!(
        csv.text()
            .starts_with("path,value,raw,confidence\r\nemails[0],info@пример.рф,"),
        "{}",
        csv.text()
    );

    let texts: Vec<&str> = run["chunks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts.join("\n"), pages[0].text.trim_end());
    assert_eq!(run["chunks"][1]["metadata"], json!({"line": 1}));
    let letters = &run["embeddings"][0];
    assert_eq!(letters["model"], "example/letters-58@1");
    assert_eq!(letters["vectors"][1]["of"], "lines/1");
    assert_eq!(letters["vectors"][1]["vector"].as_array().unwrap().len(), 58);

    // What a plugin throws is its error, with the code that it chose.
    let dumb = Part {
        bytes: b"WEBVTT\n\nno cue",
        ..file
    };
    let problem = host.run("addresses").form(&[dumb]).send().await;
    assert_eq!(problem.problem(422, "invalid-input")["reason"], "no-cues");
}

/// An adapter in JavaScript stands behind a model, and a plugin asks it.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_through_an_adapter_in_javascript() {
    let Some(adapter) = example("llm-adapter") else {
        return;
    };
    let host = Host::with(&["text"]).await;
    for (name, component) in [
        ("example/js-parrot", adapter),
        ("test/hostile-llm", component("hostile_llm").to_vec()),
    ] {
        let put = host.call("PUT", &format!("/v1/plugins/{name}/versions/0.1.0"));
        put.body("application/wasm", component).send().await.ok(201);
    }
    for (path, body) in [
        (
            "/v1/models/default",
            json!({ "use": "example/js-parrot@0.1", "model": "parrot-1", "with": { "prefix": "> " } }),
        ),
        (
            "/v1/plugins/test/hostile-llm/grants/llm",
            json!({ "models": ["default"], "cost": "0 USD" }),
        ),
    ] {
        let put = host.call("PUT", path).body("application/json", body.to_string());
        let done = put.send().await;
        assert!(done.status < 300, "{}", done.text());
    }
    let text = "name: ask\nsteps:\n  - { id: parse, use: docmill/text@0.1 }\n  - { id: ask, use: test/hostile-llm@0.1, \
                with: { asks: [{ prompt: document }] } }\n";
    host.save(text).await;
    let run = host.run("ask").body("text/plain", "Сәлем, әлем 😀");
    let run = run.send().await.ok(200);
    let found: Vec<&str> = run["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["value"].as_str().unwrap())
        .collect();
    assert_eq!(found, ["> Сәлем, әлем 😀", "3 0 4 0", "parrot-1"]);
}
