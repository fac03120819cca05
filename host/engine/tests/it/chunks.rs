//! Chunks and vectors that break a rule of the contract, or a limit: each with the code and the rule that it must earn.

use std::sync::Arc;

use docmill_engine::{Call, Invocation, Output};
use docmill_model::chunk::Purpose;
use docmill_model::failure::Code;
use docmill_model::limits::{
    Limits, MAX_CHUNK_SPANS, MAX_CHUNKS, MAX_DIMENSIONS, MAX_HEADING_BYTES, MAX_HEADINGS, MAX_MODEL_BYTES,
};
use docmill_model::size::ByteSize;
use serde_json::{Value as Json, json};

use crate::support::*;

/// "Жил" has six bytes, so the first three end within a letter.
const TEXT: &str = "Жил-был пёс";

async fn split(config: Json, change: impl FnOnce(&mut Limits)) -> Invocation {
    let plugin = plugin("docmill-hostile-chunker").await;
    let mut limits = tight();
    change(&mut limits);
    let call = Call::Split {
        reading: Arc::new(reading(TEXT)),
        config: config.to_string().into(),
    };
    engine().invoke(&plugin, call, &limits, &CONTEXT).await
}

async fn embed(config: Json, change: impl FnOnce(&mut Limits)) -> Invocation {
    let plugin = plugin("docmill-hostile-embedder").await;
    let mut limits = tight();
    change(&mut limits);
    let call = Call::Embed {
        texts: Arc::new(["one".into(), "two".into()]),
        purpose: Purpose::Document,
        config: config.to_string().into(),
    };
    engine().invoke(&plugin, call, &limits, &CONTEXT).await
}

fn refused(invocation: &Invocation, expected: Code, rule: &str) {
    assert_eq!(code(invocation), expected, "{rule}: {:?}", invocation.result);
    let message = invocation.result.as_ref().unwrap_err().message.clone();
    assert!(message.contains(rule), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_break_a_rule_are_refused() {
    for (config, rule) in [
        (json!({"spans": []}), "chunk-spans"),
        (json!({"spans": [[0, 0, 6], [0, 0, 6]]}), "chunk-spans"),
        (json!({"spans": [[0, 7, 13], [0, 0, 6]]}), "chunk-spans"),
        (
            json!({"spans": [[0, 0, 6]], "repeat": MAX_CHUNK_SPANS + 1}),
            "chunk-spans",
        ),
        (json!({"spans": [[0, 0, 3]]}), "chunk-span"),
        (json!({"spans": [[0, 6, 0]]}), "chunk-span"),
        (json!({"spans": [[0, 0, 1_000]]}), "chunk-span"),
        (json!({"spans": [[1, 0, 6]]}), "chunk-span"),
        (json!({"spans": [[u32::MAX, 0, u32::MAX]]}), "chunk-span"),
        (json!({"spans": [[0, 0, 6]], "text": "жил"}), "chunk-text"),
        (
            json!({"spans": [[0, 0, 6], [0, 7, 13]], "text": "Жил-был"}),
            "chunk-text",
        ),
        (json!({"spans": [[0, 0, 6]], "metadata": "{"}), "json"),
        (json!({"spans": [[0, 0, 6]], "metadata": "[1]"}), "chunk-metadata"),
        (
            json!({"spans": [[0, 0, 6]], "count": MAX_CHUNKS + 1}),
            "chunk-count",
        ),
    ] {
        refused(&split(config, |_| {}).await, Code::InvalidOutput, rule);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_within_the_rules_are_cited_and_bounded() {
    let config = json!({
        "spans": [[0, 0, 6], [0, 7, 13]], "text": "Жил\nбыл", "headings": 1_000, "heading_bytes": 2_000,
        "metadata": "{\"a\": \"\\u0000\"}",
    });
    let invocation = split(config, |_| {}).await;
    let Ok(Output::Chunks(chunks)) = &invocation.result else {
        panic!("{:?}", invocation.result)
    };
    assert_eq!(chunks[0].text, "Жил\nбыл");
    assert_eq!(chunks[0].metadata, Some(json!({"a": "\u{fffd}"})));
    assert_eq!(chunks[0].headings.len(), MAX_HEADINGS);
    assert!(chunks[0].headings.iter().all(|h| h.len() == MAX_HEADING_BYTES));
    let none = split(json!({"count": 0}), |_| {}).await;
    assert!(matches!(&none.result, Ok(Output::Chunks(chunks)) if chunks.is_empty()));
    let most = split(json!({"count": MAX_CHUNKS, "spans": [[0, 0, 6]]}), |_| {}).await;
    assert!(matches!(&most.result, Ok(Output::Chunks(chunks)) if chunks.len() == MAX_CHUNKS));
}

/// What the host fills in for a chunk without a text is weighed like what the guest wrote.
#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_weighed_as_what_they_become() {
    let output = |limits: &mut Limits| limits.output = ByteSize(3_000);
    for config in [
        json!({"spans": [[0, 0, 20]], "count": 60}),
        json!({"spans": [[0, 0, 6]], "headings": 2, "heading_bytes": 2_000}),
        json!({"spans": [[0, 0, 6]], "text": "x".repeat(4_000)}),
        json!({"spans": [[0, 0, 6]], "metadata": format!("{{\"a\": \"{}\"}}", "x".repeat(4_000))}),
    ] {
        assert_eq!(code(&split(config, output).await), Code::OutputLimit);
    }
    let host_memory = |limits: &mut Limits| limits.host_memory = ByteSize::mib(1);
    let metadata = format!("{{\"a\": [{}0]}}", "0,".repeat(100_000));
    let config = json!({"spans": [[0, 0, 6]], "metadata": metadata});
    assert_eq!(code(&split(config, host_memory).await), Code::HostMemoryLimit);
    // Values that would take more host memory than the call may hold are not even lifted.
    let config = json!({"spans": [[0, 0, 6]], "count": 10_000, "headings": 10, "heading_bytes": 100});
    assert_eq!(code(&split(config, host_memory).await), Code::OutputLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_that_break_a_rule_are_refused() {
    for (config, rule) in [
        (json!({"model": ""}), "model"),
        (json!({"model": "a\u{1b}[31m"}), "model"),
        (json!({"model": "m".repeat(MAX_MODEL_BYTES + 1)}), "model"),
        (json!({"more": 1}), "vector-count"),
        (json!({"less": 1}), "vector-count"),
        (json!({"less": 2}), "vector-count"),
        (json!({"dimensions": 0}), "vector-length"),
        (json!({"dimensions": MAX_DIMENSIONS + 1}), "vector-length"),
        (json!({"last": 2}), "vector-length"),
        (json!({"last": 4}), "vector-length"),
        (json!({"number": "nan"}), "vector-number"),
        (json!({"number": "infinite"}), "vector-number"),
    ] {
        refused(&embed(config, |_| {}).await, Code::InvalidOutput, rule);
    }
    let largest = embed(
        json!({"dimensions": MAX_DIMENSIONS, "number": "-1.5e-38"}),
        |_| {},
    )
    .await;
    let Ok(Output::Embeddings(embeddings)) = &largest.result else {
        panic!("{:?}", largest.result)
    };
    assert_eq!(
        (embeddings.vectors.len(), embeddings.vectors[1][0]),
        (2, -1.5e-38)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_weighed() {
    let output = |limits: &mut Limits| limits.output = ByteSize(10_000);
    assert_eq!(
        code(&embed(json!({"dimensions": 2_000}), output).await),
        Code::OutputLimit
    );
    let host_memory = |limits: &mut Limits| limits.host_memory = ByteSize::mib(1);
    let many = json!({"dimensions": 1_000, "more": 1_000});
    assert_eq!(code(&embed(many, host_memory).await), Code::OutputLimit);
}
