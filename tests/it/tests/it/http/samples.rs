//! The samples through the example pipelines, read again by the verifier, which shares no code with the host.

use docmill_samples::Sample;
use docmill_samples::verify::{PageText, verify};
use serde_json::Value as Json;

use super::{INVOICE, LETTER};
use crate::support::Host;
use crate::support::client::Part;

/// What the verifier says of a run over these bytes, held against the sample's truth.
async fn differences(host: &Host, sample: &Sample, bytes: &[u8]) -> Vec<String> {
    let truth: Json = sample.truth().unwrap();
    let params = truth["params"].to_string();
    let form = [
        Part::file("file", sample.file_name, bytes),
        Part::param("params", &params),
    ];
    let pipeline = truth["pipeline"].as_str().unwrap();
    let run = host.run(pipeline).form(&form).send().await.ok(200);
    let document = format!("/v1/documents/{}", run["documents"][0]["id"].as_str().unwrap());
    let document = host.get(&document).send().await.ok(200);
    verify(&run, &PageText::from_document(&document), &truth)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_changed_byte_of_a_sample_changes_the_result() {
    let host = Host::with(&["pdf", "office", "html", "text", "patterns", "rules"]).await;
    host.save(INVOICE).await;
    let samples = docmill_samples::samples();
    let sample = samples
        .iter()
        .find(|s| s.file_name == "invoice-usd.html")
        .unwrap();
    assert_eq!(
        differences(&host, sample, sample.document).await,
        Vec::<String>::new()
    );

    let total = b"$19,944.50";
    let at = sample
        .document
        .windows(total.len())
        .position(|w| w == total)
        .unwrap();
    let mut changed = sample.document.to_vec();
    changed[at + 1] = b'7';
    let differences = differences(&host, sample, &changed).await;
    println!("{}", differences.join("\n"));
    for expected in [
        "the verdict is `fail`",
        "field `total` is {\"amount\":\"79944.50\"",
        "field `total`: no citation quotes",
        "check `total-is-sum-of-lines` is fail",
    ] {
        assert!(
            differences.iter().any(|d| d.starts_with(expected)),
            "{expected}: {differences:?}"
        );
    }
    assert_eq!(differences.len(), 4, "and nothing else: {differences:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_without_what_is_expected_of_letters_is_answered_all_the_same() {
    let host = Host::with(&["pdf", "office", "html", "text", "patterns", "rules", "template"]).await;
    host.save(LETTER).await;
    let run = host
        .run("letter")
        .body("text/plain", "Добрый день, пришлите прайс.\n")
        .send()
        .await
        .ok(200);
    assert_eq!(run["verdict"], "undecided", "{run}");
    let reply = host
        .get(run["artifacts"][0]["href"].as_str().unwrap())
        .send()
        .await
        .text();
    assert!(
        reply.starts_with("**На № —**") && reply.contains("Тема: —"),
        "{reply}"
    );
}
