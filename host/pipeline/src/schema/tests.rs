use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

fn schema(json: &Json) -> Schema {
    Schema::compile(json).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn defaults_are_filled_in_where_something_is_left_out() {
    let schema = schema(&json!({
        "type": "object",
        "$defs": { "mode": { "type": "string", "default": "fast" } },
        "properties": {
            "mode": { "$ref": "#/$defs/mode" },
            "limits": { "type": "object", "default": {}, "properties": { "pages": { "default": 10 } } },
            "rules": { "type": "array", "items": { "type": "object", "properties": { "on": { "default": true } } } },
            "name": { "type": "string" }
        }
    }));
    let mut value = json!({ "rules": [{}, { "on": false }] });
    schema.fill(&mut value, Effort::WHOLE).unwrap();
    let expected = json!({
        "rules": [{ "on": true }, { "on": false }], "mode": "fast", "limits": { "pages": 10 }
    });
    assert_eq!(value, expected);
    assert_eq!(schema.misfits(&value, Effort::WHOLE), Ok(vec![]));
}

#[test]
fn misfits_have_a_pointer_and_quote_nothing() {
    let schema =
        schema(&json!({ "properties": { "a": { "items": { "type": "integer" } } }, "required": ["b"] }));
    let found = schema
        .misfits(&json!({ "a": [1, "secret"] }), Effort::WHOLE)
        .unwrap();
    assert_eq!(found.len(), 2);
    assert!(
        found.iter().any(|m| m.pointer == "/a/1" && m.keyword == "type"),
        "{found:?}"
    );
    assert!(!told(&found).contains("secret"), "{}", told(&found));
}

fn names(count: usize) -> Json {
    (0..count)
        .map(|n| (format!("a{n}"), json!({})))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn a_pattern_alone_may_be_larger_than_one_of_many() {
    assert!(Schema::compile(&json!({ "pattern": "\\p{L}{10}" })).is_ok());
}

#[test]
fn defaults_cannot_multiply_without_end() {
    let big = schema(&json!({ "items": { "properties": { "x": { "default": "x".repeat(200_000) } } } }));
    let mut value = json!(vec![json!({}); 100_000]);
    assert_eq!(big.fill(&mut value, Effort::WHOLE), Err(TooMuch));
    let filled = value
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item.get("x").is_some())
        .count();
    assert!(filled < 50, "{filled}");
    // Nothing to fill in, and much to look for.
    let wide = schema(&json!({ "items": { "properties": names(5_000) } }));
    assert_eq!(
        wide.fill(&mut json!(vec![json!({}); 1_000]), Effort::WHOLE),
        Err(TooMuch)
    );
}

#[test]
fn values_times_schema_is_bounded_before_the_validator_looks() {
    let branches = |n: usize| (0..n).map(|i| json!({ "const": i })).collect::<Vec<_>>();
    let numbers = |n: usize| json!(vec![json!(-1); n]);
    let any = schema(&json!({ "items": { "anyOf": branches(4_000) } }));
    assert!(any.misfits(&numbers(10), Effort::WHOLE).is_ok());
    assert_eq!(any.misfits(&numbers(10), Effort::SMALL), Err(TooMuch));
    assert_eq!(any.misfits(&numbers(1_000), Effort::WHOLE), Err(TooMuch));
    let referred = schema(&json!({
        "$defs": { "a": { "anyOf": branches(3_000) } },
        "properties": { "x": { "additionalProperties": { "$ref": "#/$defs/a" } } }
    }));
    assert_eq!(
        referred.misfits(&json!({ "x": names(1_000) }), Effort::WHOLE),
        Err(TooMuch)
    );
    let options = schema(&json!({ "items": { "enum": (0..9_000).collect::<Vec<_>>() } }));
    assert_eq!(options.misfits(&numbers(1_000), Effort::WHOLE), Err(TooMuch));
    let large = schema(&json!({ "pattern": "(a{20}x){20}y" }));
    assert_eq!(
        large.misfits(&json!("a".repeat(1 << 20)), Effort::WHOLE),
        Err(TooMuch)
    );
    // What people send fits.
    let row = json!({ "name": "Болт М8", "amount": 12, "code": "AB0123456789" });
    let table = schema(&json!({ "items": {
        "type": "object", "required": ["name"], "additionalProperties": false,
        "properties": { "name": { "type": "string" }, "amount": { "type": "number" },
                        "code": { "pattern": "^[A-Z]{2}\\d{10}$" } }
    } }));
    assert_eq!(
        table.misfits(&json!(vec![row; 20_000]), Effort::WHOLE),
        Ok(vec![])
    );
}

#[test]
fn hostile_schemas_are_refused_or_end_soon() {
    let mut ladder = serde_json::Map::new();
    for n in 0..18 {
        let next = format!("#/$defs/s{}", n + 1);
        ladder.insert(
            format!("s{n}"),
            json!({ "anyOf": [{ "$ref": next }, { "$ref": next }] }),
        );
    }
    ladder.insert("s18".into(), json!({ "type": "string" }));
    let mut deep = json!({});
    for _ in 0..200 {
        deep = json!({ "not": deep });
    }
    for (schema, word) in [
        (json!({ "$ref": "#" }), "refers to itself"),
        (json!({ "allOf": [{ "$ref": "#" }] }), "refers to itself"),
        (
            json!({ "properties": { "a": { "$ref": "#" } } }),
            "refers to itself",
        ),
        (
            json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" }),
            "refers to itself",
        ),
        (
            json!({ "$ref": "https://example.org/schema.json" }),
            "only parts of the same schema",
        ),
        (
            json!({ "$ref": "file:///etc/passwd" }),
            "only parts of the same schema",
        ),
        (json!({ "$dynamicRef": "#x" }), "$dynamicRef"),
        (json!({ "$defs": ladder, "$ref": "#/$defs/s0" }), "unfolded"),
        (deep, "deep"),
        (json!({ "type": "strnig" }), "wrong at"),
        (json!({ "pattern": "(" }), "wrong at"),
        (json!({ "pattern": "(\\w{1000}){1000}" }), "wrong at"),
        (json!({ "pattern": "(?=a)b" }), "wrong at"),
        (
            json!({ "anyOf": vec![json!({ "pattern": "a" }); 65] }),
            "65 patterns, at most 64",
        ),
        (
            json!({ "$defs": { "unused": { "patternProperties": names(65) } } }),
            "65 patterns, at most 64",
        ),
        // One alone may be this large, fifty of them may not.
        (
            json!({ "anyOf": vec![json!({ "pattern": "\\p{L}{10}" }); 50] }),
            "wrong at",
        ),
        (json!({ "$schema": "https://example.org/my-meta" }), ""),
    ] {
        let begun = Instant::now();
        let error = Schema::compile(&schema)
            .err()
            .unwrap_or_else(|| panic!("accepted: {schema}"));
        assert!(error.contains(word), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{word}");
    }
    let slow = Schema::compile(&json!({ "pattern": "^(a+)+$" })).unwrap_or_else(|e| panic!("{e}"));
    let begun = Instant::now();
    let text = json!(format!("{}b", "a".repeat(100_000)));
    assert_eq!(slow.misfits(&text, Effort::WHOLE).unwrap().len(), 1);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}
