#![expect(clippy::unwrap_used, reason = "test")]

use serde_json::{Value, json};

use super::*;

const PAGE: &str =
    "Счёт № 7 от 12 марта 2024 г.\nСтол 2 шт 1\u{2009}234,50\nИтого: 1\u{2009}234,50 KZT\nвсе дей-\nствия";

fn pages() -> Vec<PageText> {
    PageText::from_document(
        &json!({ "readings": [{ "id": "rd_1", "pages": [{ "number": 0, "text": PAGE }] }] }),
    )
}

fn citation(quote: &str) -> Value {
    let start = PAGE.find(quote).unwrap();
    json!({
        "reading": "main", "reading_id": "rd_1", "page": 0, "range": { "start": start, "end": start + quote.len() }, "quote": quote,
        "regions": [], "match": "exact",
    })
}

fn field(path: &str, kind: &str, value: Value, raw: &str, quote: &str) -> Value {
    json!({
        "path": path, "type": kind, "value": value, "raw": raw, "confidence": 0.95,
        "origin": { "kind": "plugin", "step": "fields", "plugin": "docmill/patterns@0.1.0" },
        "citations": [citation(quote)],
    })
}

fn run() -> Value {
    json!({
        "status": "succeeded",
        "verdict": "fail",
        "fields": [
            field("number", "text", json!("7"), "7", "Счёт № 7"),
            field("date", "date", json!("2024-03-12"), "12 марта 2024 г.", "12 марта 2024 г."),
            field("lines[0].amount", "money", json!({ "amount": "1234.5", "currency": "KZT" }), "1\u{2009}234,50",
                "1\u{2009}234,50"),
            { "path": "vat", "value": null, "citations": [] },
        ],
        "checks": [
            { "code": "date-is-present", "outcome": "pass", "severity": "error", "reason": "", "fields": ["date"] },
            { "code": "total-is-sum-of-lines", "outcome": "fail", "severity": "error", "reason": "1 ≠ 2", "fields": [] },
        ],
        "lookups": { "supplier": "ТОО «Алатау»" },
        "artifacts": [{ "name": "reply.md", "media_type": "text/markdown" }],
    })
}

fn truth() -> Value {
    json!({
        "document": "invoice.txt", "pipeline": "invoice", "params": {},
        "fields": {
            "number": { "type": "text", "value": "7", "quote": "7", "page": 0 },
            "date": { "type": "date", "value": "2024-03-12", "quote": "12 марта 2024", "page": 0 },
            "lines[0].amount": { "type": "money", "value": { "amount": "1234.50", "currency": "KZT" },
                "quote": "1 234,50", "page": 0 },
            "vat": { "type": "money", "value": null },
        },
        "verdict": "fail",
        "checks": { "date-is-present": "pass", "total-is-sum-of-lines": "fail" },
        "lookups": { "supplier": "ТОО «Алатау»" },
        "artifacts": ["reply.md"],
        "text_contains": ["Стол  2 шт", "все действия"],
    })
}

/// The differences after one place of a right result was changed.
fn tampered(pointer: &str, value: Value) -> Vec<String> {
    let mut run = run();
    *run.pointer_mut(pointer).unwrap() = value;
    verify(&run, &pages(), &truth())
}

fn finds(differences: &[String], part: &str) {
    assert!(
        differences.iter().any(|line| line.contains(part)),
        "«{part}» is not among {differences:#?}"
    );
}

#[test]
fn a_right_result_has_no_differences() {
    assert_eq!(verify(&run(), &pages(), &truth()), Vec::<String>::new());
}

#[test]
fn status_verdict_and_checks_are_compared() {
    finds(&tampered("/status", json!("failed")), "status is `failed`");
    finds(&tampered("/verdict", json!("pass")), "the verdict is `pass`");
    finds(&tampered("/verdict", Value::Null), "the verdict is ``");
    finds(
        &tampered("/checks/1/outcome", json!("pass")),
        "check `total-is-sum-of-lines` is pass and should be fail",
    );
    finds(
        &tampered("/checks/1/code", json!("other")),
        "check `total-is-sum-of-lines` is missing",
    );
    finds(
        &tampered("/checks/1/code", json!("other")),
        "check `other` is fail and was not expected",
    );
}

#[test]
fn a_rule_on_many_places_counts_by_its_worst_outcome() {
    let mut run = run();
    let failed = json!({ "code": "date-is-present", "outcome": "fail", "severity": "error", "reason": "" });
    run["checks"].as_array_mut().unwrap().push(failed);
    finds(
        &verify(&run, &pages(), &truth()),
        "check `date-is-present` is fail and should be pass",
    );
}

#[test]
fn values_are_compared_by_type() {
    finds(
        &tampered("/fields/1/value", json!("2024-12-03")),
        "field `date` is \"2024-12-03\"",
    );
    finds(
        &tampered("/fields/1/type", json!("text")),
        "field `date` is of type `text`",
    );
    finds(
        &tampered("/fields/2/value/amount", json!("1234.51")),
        "field `lines[0].amount` is",
    );
    finds(
        &tampered("/fields/2/value/currency", json!("RUB")),
        "field `lines[0].amount` is",
    );
    finds(
        &tampered("/fields/2/value/currency", Value::Null),
        "field `lines[0].amount` is",
    );
    finds(
        &tampered("/fields/0/value", Value::Null),
        "field `number` has no value",
    );
    finds(
        &tampered("/fields/0/path", json!("no")),
        "field `number` is missing",
    );
    finds(&tampered("/fields/3/value", json!("1")), "field `vat` is");
}

#[test]
fn numbers_are_equal_by_what_they_count() {
    assert!(value::same("decimal", &json!("-01.50"), &json!("-1.5")));
    assert!(value::same("decimal", &json!("-0.0"), &json!("0")));
    assert!(!value::same("decimal", &json!("1.5"), &json!("-1.5")));
    assert!(!value::same("decimal", &json!("10"), &json!("1")));
    assert!(
        !value::same("decimal", &json!("1,5"), &json!("1,5")),
        "not a decimal number"
    );
    assert!(
        !value::same("decimal", &json!(1.5), &json!("1.5")),
        "numbers are strings"
    );
    assert!(value::same("text", &json!("ТОО\u{a0}«А»"), &json!("ТОО «А»")));
    assert!(!value::same("boolean", &json!("true"), &json!(true)));
}

#[test]
fn fields_twice_and_elements_beyond_the_list_are_found() {
    let mut twice = run();
    let field = twice["fields"][0].clone();
    twice["fields"].as_array_mut().unwrap().push(field);
    finds(
        &verify(&twice, &pages(), &truth()),
        "field `number` stands 2 times",
    );

    let mut longer = run();
    let mut field = longer["fields"][2].clone();
    field["path"] = json!("lines[1].amount");
    longer["fields"].as_array_mut().unwrap().push(field);
    finds(&verify(&longer, &pages(), &truth()), "field `lines[1].amount` is");
}

#[test]
fn every_quote_is_the_text_at_its_range() {
    finds(
        &tampered("/fields/0/citations/0/quote", json!("Счёт № 8")),
        "the quote is «Счёт № 8»",
    );
    finds(
        &tampered("/fields/0/citations/0/range/start", json!(1)),
        "inside a character",
    );
    finds(
        &tampered("/fields/0/citations/0/range/end", json!(100_000)),
        "outside its text",
    );
    finds(
        &tampered("/fields/0/citations/0/range", Value::Null),
        "has no range",
    );
    finds(
        &tampered("/fields/0/citations/0/page", json!(1)),
        "has no page Some(1)",
    );
    finds(
        &tampered("/fields/0/citations/0/reading_id", json!("rd_2")),
        "of reading `rd_2`",
    );
    finds(
        &tampered("/fields/0/citations/0/match", json!("unmatched")),
        "has a range and is `unmatched`",
    );
    let check = json!([{ "page": 0, "range": { "start": 0, "end": 8 }, "quote": "Чек", "match": "exact" }]);
    let mut run = run();
    run["checks"][0]["citations"] = check;
    finds(
        &verify(&run, &pages(), &truth()),
        "check `date-is-present`: the quote is «Чек»",
    );
}

#[test]
fn the_quote_contains_the_value() {
    finds(&tampered("/fields/0/raw", json!("8")), "contains «8»");
    finds(
        &tampered("/fields/0/raw", Value::Null),
        "not the text that it was read from",
    );
    finds(
        &tampered("/fields/0/citations", json!([])),
        "no citation that says where it stands",
    );
    finds(
        &tampered("/fields/1/citations/0", citation("Счёт № 7")),
        "no citation quotes «12 марта 2024»",
    );
}

#[test]
fn the_page_is_compared() {
    let mut truth = truth();
    truth["fields"]["date"]["page"] = json!(1);
    finds(
        &verify(&run(), &pages(), &truth),
        "field `date` was read on page 0 and stands on page 1",
    );
}

#[test]
fn lookups_artifacts_and_texts_are_compared() {
    finds(
        &tampered("/lookups/supplier", json!("ТОО «Жетысу»")),
        "look-up `supplier` is",
    );
    finds(&tampered("/lookups", json!({})), "look-up `supplier` is missing");
    finds(
        &tampered("/artifacts", json!([])),
        "artifact `reply.md` is missing",
    );
    let mut truth = truth();
    truth["text_contains"] = json!(["Стул"]);
    finds(
        &verify(&run(), &pages(), &truth),
        "no page contains the text «Стул»",
    );
}

#[test]
fn an_answer_that_is_no_result_is_a_difference_and_no_panic() {
    for answer in [
        json!(null),
        json!([]),
        json!({ "fields": 7, "checks": "x" }),
        json!({ "fields": [1, null] }),
    ] {
        assert!(!verify(&answer, &[], &truth()).is_empty());
    }
    assert!(!verify(&run(), &pages(), &json!({})).is_empty());
}
