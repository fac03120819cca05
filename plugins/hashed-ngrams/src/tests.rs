#![expect(clippy::panic, clippy::indexing_slicing, reason = "tests")]

use docmill_plugin::prelude::*;

use crate::{Config, HashedNgrams};

fn embed(texts: &[&str], json: serde_json::Value) -> Embeddings {
    let config: Config = serde_json::from_value(json).unwrap_or_else(|error| panic!("{error}"));
    let texts = texts.iter().map(|text| (*text).to_owned()).collect();
    HashedNgrams::embed(texts, Purpose::Document, config).unwrap_or_else(|e| panic!("{e:?}"))
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn vectors_have_length_one_and_are_the_same_each_time() {
    let texts = ["Счёт на оплату № 17", "invoice", "e\u{301}te\u{301}", "合同编号"];
    let first = embed(&texts, serde_json::json!({}));
    assert_eq!(first, embed(&texts, serde_json::json!({})));
    assert_eq!(first.model, "docmill/hashed-ngrams v1 d256 words2 chars3-5");
    for vector in &first.vectors {
        assert_eq!(vector.len(), 256);
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5);
    }
    // Of another shape, of another name.
    let small = embed(
        &texts,
        serde_json::json!({"dimensions": 8, "words": 1, "max_chars": 0}),
    );
    assert_eq!(small.model, "docmill/hashed-ngrams v1 d8 words1 charsnone");
}

/// These numbers are what is kept in collections: they change only together with the algorithm's number.
#[test]
fn the_first_algorithm_does_not_change() {
    let vectors = embed(
        &["Жеті есеп, жеті шот. Invoice 17"],
        serde_json::json!({"dimensions": 8}),
    )
    .vectors;
    let rounded: Vec<i32> = vectors
        .concat()
        .iter()
        .map(|n| (n * 1e4).round() as i32)
        .collect();
    assert_eq!(rounded, ALGORITHM_1, "{rounded:?}");
}

const ALGORITHM_1: [i32; 8] = [1215, -7732, -3645, -2577, -356, 2933, -2933, -1215];

#[test]
fn what_is_alike_is_near() {
    let texts = [
        "Поставщик обязуется передать товар покупателю в срок",
        "поставщики обязались передавать ТОВАРЫ покупателям в сроки",
        "The weather in Almaty is sunny today",
        "Ёлка",
        "елка",
    ];
    let vectors = embed(&texts, serde_json::json!({"dimensions": 1024})).vectors;
    let near = |a: usize, b: usize| cosine(&vectors[a], &vectors[b]);
    assert!(near(0, 1) > 0.35, "{}", near(0, 1));
    assert!(near(0, 2).abs() < 0.15, "{}", near(0, 2));
    assert!(near(3, 4) > 0.999, "{}", near(3, 4));
}

#[test]
fn a_text_without_words_is_zeros_and_the_order_stays() {
    let vectors = embed(&["", "— № !", "слово"], serde_json::json!({})).vectors;
    assert_eq!(vectors.len(), 3);
    assert!(vectors[..2].iter().flatten().all(|number| *number == 0.0));
    assert!(vectors[2].iter().any(|number| *number != 0.0));
}

#[test]
fn what_cannot_be_is_a_typed_error() {
    let refused = |text: &str, json| {
        let config: Config = serde_json::from_value(json).unwrap_or_else(|error| panic!("{error}"));
        let embedded = HashedNgrams::embed(vec![text.to_owned()], Purpose::Query, config);
        embedded.err().map(|error| error.code)
    };
    for json in [
        serde_json::json!({"words": 0, "max_chars": 0}),
        serde_json::json!({"min_chars": 5, "max_chars": 3}),
        serde_json::json!({"min_chars": 0}),
        serde_json::json!({"dimensions": 0}),
        serde_json::json!({"dimensions": 1_000_000}),
    ] {
        assert_eq!(refused("a", json), Some("features".to_owned()));
    }
    let large = "a ".repeat(600_000);
    assert_eq!(
        refused(&large, serde_json::json!({})),
        Some("too-large".to_owned())
    );
}
