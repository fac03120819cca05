//! Chunkers and embedders: what they take, what their results are called, and who sees them.

use docmill_model::chunk::Purpose;
use docmill_model::run::EmbeddingsRecord;

use super::*;

fn chunks(outcome: &RunOutcome) -> Vec<String> {
    let chunks = outcome.chunks.iter();
    let shown = chunks.map(|chunk| {
        let citation = &chunk.citations[0];
        assert_eq!(citation.quote, chunk.text);
        assert_eq!(citation.class, MatchClass::Exact);
        let reading = citation.reading.as_deref().unwrap_or("-");
        format!("{} {} {reading} {}", chunk.id, chunk.text, citation.page)
    });
    shown.collect()
}

fn vectors(embeddings: &EmbeddingsRecord) -> Vec<(&str, f32)> {
    let vectors = embeddings.vectors.iter();
    vectors
        .map(|named| (named.of.as_str(), named.vector[0]))
        .collect()
}

fn two_roles() -> RunInputs {
    RunInputs {
        files: BTreeMap::from([
            ("a".to_owned(), vec![file("one two|three", "text/plain")]),
            (
                "b".to_owned(),
                vec![file("four", "text/plain"), file("five", "text/plain")],
            ),
        ]),
        texts: BTreeMap::from([
            ("ask".to_owned(), vec!["why".into(), "whereto".into()]),
            ("more".to_owned(), vec!["and".into()]),
        ]),
        ..RunInputs::default()
    }
}

#[tokio::test]
async fn chunks_and_vectors_are_a_result_and_seen_by_later_steps() {
    let (executor, asked) = executor().await;
    let definition = "
        name: p
        inputs: { a: { }, b: { max: 9 }, ask: { kind: text, max: 9 }, more: { kind: text } }
        steps:
          - { id: parse_a, use: t/parse@1, input: a }
          - { id: parse_b, use: t/parse@1, input: b }
          - { id: split, use: t/split@1 }
          - { id: embed, use: t/embed@1 }
          - { id: sees, use: t/transform@1, when: 'chunks.size() == 5', with: { json: '${ chunks.map(c, c.text) }' } }
          - { id: guest, use: t/transform@1 }
          - { id: each, use: t/transform@1, for_each: '${ chunks.filter(c, c.citations[0].page == 1) }' }
        output:
          ids: '${ steps.split.output.map(c, c.id) }'
          first: '${ chunks[0] }'
          vectors: '${ steps.embed.output }'
          seen: '${ steps.sees.output }'
          records: '${ steps.guest.output.records.split.map(c, c.text) }'
          each: '${ steps.each.output.map(o, o.item.text) }'
    ";
    let outcome = run(&executor, definition, two_roles()).await;
    assert_eq!(outcome.error, None);
    assert_eq!(
        chunks(&outcome),
        [
            "split/0 one - 0",
            "split/1 two - 0",
            "split/2 three - 1",
            "split/3 four b[0] 0",
            "split/4 five b[1] 0"
        ]
    );
    let of_split: Vec<String> = statuses(&outcome)
        .into_iter()
        .filter(|s| s.starts_with("split"))
        .collect();
    assert_eq!(
        of_split,
        [
            "split[0] succeeded ok",
            "split[1] succeeded ok",
            "split[2] succeeded ok"
        ]
    );
    let [embeddings] = outcome.embeddings.as_slice() else {
        panic!("{:?}", outcome.embeddings)
    };
    assert_eq!(
        (embeddings.step.as_str(), embeddings.purpose),
        ("embed", Purpose::Document)
    );
    assert_eq!(
        (embeddings.model.as_str(), embeddings.dimensions),
        ("t/document", 2)
    );
    assert_eq!(
        vectors(embeddings),
        [
            ("split/0", 3.0),
            ("split/1", 3.0),
            ("split/2", 5.0),
            ("split/3", 4.0),
            ("split/4", 4.0)
        ]
    );
    let output = outcome.output.unwrap();
    assert_eq!(
        output["ids"],
        json!(["split/0", "split/1", "split/2", "split/3", "split/4"])
    );
    assert_eq!(
        output["first"],
        json!({
            "id": "split/0", "text": "one", "headings": ["above"], "metadata": null, "step": "split",
            "citations": [{ "reading": null, "page": 0, "range": { "start": 0, "end": 3 } }],
        })
    );
    let vectors = json!({ "model": "t/document", "purpose": "document", "dimensions": 2, "count": 5 });
    assert_eq!(output["vectors"], vectors);
    for (part, expected) in [
        ("seen", json!(["one", "two", "three", "four", "five"])),
        ("records", json!(["one", "two", "three", "four", "five"])),
        ("each", json!(["three"])),
    ] {
        assert_eq!(output[part], expected, "{part}");
    }
    // What a guest sees as random depends on what it is given.
    let seeds = asked.requests.lock().unwrap().clone();
    let of_split: std::collections::BTreeSet<[u8; 32]> = seeds
        .iter()
        .filter(|(name, ..)| name == "t/split")
        .map(|(.., seed)| *seed)
        .collect();
    assert_eq!(of_split.len(), 3);
}

#[tokio::test]
async fn one_role_alone_is_split_and_texts_are_embedded_for_searching() {
    let (executor, _) = executor().await;
    let definition = "
        name: p
        inputs: { a: { }, b: { max: 9 }, ask: { kind: text, max: 9 }, more: { kind: text } }
        steps:
          - { id: parse_a, use: t/parse@1, input: a, needs: [] }
          - { id: parse_b, use: t/parse@1, input: b, needs: [] }
          - { id: split, use: t/split@1, input: b, needs: [parse_a, parse_b] }
          - { id: again, use: t/split@1, input: a, needs: [parse_a] }
          - { id: texts, use: t/embed@1, needs: [] }
          - { id: role, use: t/embed@1, input: ask, purpose: document, needs: [split] }
          - { id: both, use: t/embed@1, purpose: query, needs: [again, split] }
    ";
    let outcome = run(&executor, definition, two_roles()).await;
    assert_eq!(outcome.error, None);
    assert_eq!(
        chunks(&outcome),
        [
            "split/0 four b[0] 0",
            "split/1 five b[1] 0",
            "again/0 one - 0",
            "again/1 two - 0",
            "again/2 three - 1"
        ]
    );
    let shown: Vec<(Purpose, Vec<(&str, f32)>)> = outcome
        .embeddings
        .iter()
        .map(|made| (made.purpose, vectors(made)))
        .collect();
    assert_eq!(
        shown,
        [
            (
                Purpose::Query,
                vec![("ask[0]", 3.0), ("ask[1]", 7.0), ("more[0]", 3.0)]
            ),
            (Purpose::Document, vec![("ask[0]", 3.0), ("ask[1]", 7.0)]),
            (
                Purpose::Query,
                vec![
                    ("split/0", 4.0),
                    ("split/1", 4.0),
                    ("again/0", 3.0),
                    ("again/1", 3.0),
                    ("again/2", 5.0)
                ]
            ),
        ]
    );
}

#[tokio::test]
async fn nothing_to_split_or_to_embed_skips_the_step() {
    let (executor, asked) = executor().await;
    let definition = "
        name: p
        steps:
          - { id: parse, use: t/parse@1, with: { fail: unsupported-input }, on_error: skip }
          - { id: split, use: t/split@1 }
          - { id: embed, use: t/embed@1 }
        output: '${ [chunks.size(), steps.split.output.size(), has(steps.embed.output)] }'
    ";
    let outcome = run(&executor, definition, one_file("text")).await;
    assert_eq!(status(&outcome, "split"), Some(StepStatus::Skipped));
    assert_eq!(status(&outcome, "embed"), Some(StepStatus::Skipped));
    assert_eq!(outcome.output, Some(json!([0, 0, false])));
    assert!(outcome.chunks.is_empty() && outcome.embeddings.is_empty());
    let asked = asked.requests.lock().unwrap();
    assert!(asked.iter().all(|(name, ..)| name == "t/parse"));
}

/// Parsers that run beside each other name the first document's reading when all are over; chunks follow.
#[tokio::test]
async fn chunks_name_the_main_reading_as_the_run_does() {
    let (executor, _) = executor().await;
    let definition = "
        name: p
        steps:
          - { id: one, use: t/parse@1, with: { fail: unsupported-input }, needs: [], on_error: skip }
          - { id: two, use: t/parse-2@1, needs: [] }
          - { id: split, use: t/split@1, needs: [two] }
    ";
    let outcome = run(&executor, definition, one_file("text")).await;
    assert_eq!(chunks(&outcome), ["split/0 text - 0"]);
    assert_eq!(outcome.readings[0].reading.key, "main");
}

#[tokio::test]
async fn a_fallback_takes_the_same_reading() {
    let (executor, _) = executor().await;
    let definition = "
        name: p
        steps:
          - { id: parse, use: t/parse@1 }
          - { id: split, use: t/split@1, with: { fail: trap, times: 1 }, on_error: { fallback: { use: t/split-2@1 } } }
          - { id: embed, use: t/embed@1, with: { fail: plugin-unavailable, times: 1 }, retry: { attempts: 2, backoff: 1ms } }
    ";
    let outcome = run(&executor, definition, one_file("one two")).await;
    assert_eq!(
        statuses(&outcome),
        [
            "parse succeeded ok",
            "split fell_back trap,ok",
            "embed succeeded plugin-unavailable,ok"
        ]
    );
    assert_eq!(chunks(&outcome), ["split/0 one - 0", "split/1 two - 0"]);
    assert_eq!(outcome.embeddings[0].vectors.len(), 2);
}
