//! The examples in Python as one pipeline over HTTP: an extractor and a validator, CPython inside.

use std::path::Path;

use bytes::Bytes;
use docmill_model::digest::Digest;
use docmill_samples::verify::{PageText, verify_quotes};
use serde_json::json;

use crate::support::Host;

const PIPELINE: &str = "
name: accounts
inputs: { file: { accept: [text/plain] } }
steps:
  - { id: parse,  use: docmill/text@0.1 }
  - { id: ibans,  use: example/py-ibans@0.1, with: { limit: 2 } }
  - { id: digits, use: example/py-iban-digits@0.1 }
";

/// The example's component. None if it was not built, which is a failure where somebody says that it was.
fn example(kind: &str) -> Option<Vec<u8>> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist/examples");
    let bytes = std::fs::read(dist.join(format!("py-{kind}.wasm"))).ok();
    if bytes.is_none() {
        let required = std::env::var_os("DOCMILL_REQUIRE_EXAMPLES").is_some();
        assert!(!required, "py-{kind}.wasm was not built");
        println!("skipped: py-{kind}.wasm is not built (cargo xtask examples)");
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_of_plugins_in_python() {
    let (Some(extractor), Some(validator)) = (example("extractor"), example("validator")) else {
        return;
    };
    let host = Host::with(&["text"]).await;
    for (name, kind, component) in [
        ("py-ibans", "extractor", extractor),
        ("py-iban-digits", "validator", validator),
    ] {
        // Compiling eighteen megabytes takes longer on a busy machine than the tests' client waits; it is done once.
        let bytes = Bytes::from(component.clone());
        let digest = Digest::of(&bytes);
        let loaded = host.engine.load(digest, || async { Ok(bytes) });
        loaded.await.unwrap_or_else(|failure| panic!("{failure}"));
        let put = host.call("PUT", &format!("/v1/plugins/example/{name}/versions/0.1.0"));
        let published = put.body("application/wasm", component).send().await.ok(201);
        assert_eq!(published["kind"], kind);
    }
    host.save(PIPELINE).await;
    let text = "😀 Шот: KZ75 125K ZT20 6910 0100\nor GB82WEST12345698765433, or GB82WEST12345698765432";
    let run = host.run("accounts").body("text/plain", text).send().await.ok(200);
    let found: Vec<_> = run["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| &field["value"])
        .collect();
    assert_eq!(
        found,
        [&json!("KZ75125KZT2069100100"), &json!("GB82WEST12345698765433")]
    );
    assert_eq!(run["fields"][0]["raw"], "KZ75 125K ZT20 6910 0100");
    let document = format!("/v1/documents/{}", run["documents"][0]["id"].as_str().unwrap());
    let pages = PageText::from_document(&host.get(&document).send().await.ok(200));
    assert_eq!(verify_quotes(&run, &pages), Vec::<String>::new());
    let check = &run["checks"][0];
    assert_eq!(
        (&check["outcome"], &check["fields"], &run["verdict"]),
        (&json!("fail"), &json!(["ibans[1]"]), &json!("fail"))
    );
    assert_eq!(check["reason"], "1 of 2 account numbers have wrong check digits.");
    // Neither asked for anything but its inputs.
    for step in run["steps"].as_array().unwrap() {
        assert_eq!(step["attempts"][0]["usage"]["effects"], json!([]), "{step}");
    }
    let run = host
        .run("accounts")
        .body("text/plain", "none here")
        .send()
        .await
        .ok(200);
    assert_eq!(
        (&run["fields"], &run["verdict"]),
        (&json!([]), &json!("undecided"))
    );
}
