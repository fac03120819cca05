//! The example in TypeScript over HTTP: a validator behind an extractor.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::support::Host;

const PIPELINE: &str = r#"
name: sellers
inputs: { file: { accept: [text/plain] } }
steps:
  - { id: parse, use: docmill/text@0.1 }
  - id: numbers
    use: docmill/patterns@0.1
    with:
      fields:
        - { name: seller.vat_id, type: text, labels: ["Seller:"] }
        - { name: buyer.vat_id, type: text, labels: ["Buyer:"] }
        - { name: broker.vat_id, type: text, labels: ["Broker:"] }
        - { name: total, type: decimal, labels: ["Total:"] }
  - { id: digits, use: example/ts-vat-ids@0.1 }
"#;

/// The example's component. None if it was not built, which is a failure where somebody says that it was.
fn example() -> Option<Vec<u8>> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist/examples");
    let bytes = std::fs::read(dist.join("ts-validator.wasm")).ok();
    if bytes.is_none() {
        let required = std::env::var_os("DOCMILL_REQUIRE_EXAMPLES").is_some();
        assert!(!required, "ts-validator.wasm was not built");
        println!("skipped: ts-validator.wasm is not built (cargo xtask examples)");
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_in_typescript() {
    let Some(component) = example() else { return };
    let host = Host::with(&["text", "patterns"]).await;
    let put = host.call("PUT", "/v1/plugins/example/ts-vat-ids/versions/0.1.0");
    let published = put.body("application/wasm", component).send().await.ok(201);
    assert_eq!(published["kind"], "validator");
    host.save(PIPELINE).await;

    let text = "Seller: DE 136 695 976\nBuyer: ATU13585628\nTotal: 12\n";
    let run = host.run("sellers").body("text/plain", text).send().await.ok(200);
    let judged: Vec<(&Json, &Json)> = run["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| (&check["fields"], &check["outcome"]))
        .collect();
    assert_eq!(
        judged,
        [
            (&json!(["seller.vat_id"]), &json!("pass")),
            (&json!(["buyer.vat_id"]), &json!("fail")),
            (&json!(["broker.vat_id"]), &json!("undecided")),
        ],
        "{run:#}"
    );
    assert_eq!(run["verdict"], "fail");
    assert_eq!(
        run["checks"][1]["reason"],
        "The check digits of ATU13585628 are wrong."
    );
    assert_eq!(run["checks"][1]["citations"][0]["quote"], "ATU13585628");
    assert_eq!(run["steps"][2]["attempts"][0]["usage"]["effects"], json!([]));
}
