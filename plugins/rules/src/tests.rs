#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use serde_json::json;

fn money(path: &str, amount: &str) -> Field {
    Field {
        confidence: Some(0.95),
        ..Field::found(path, Value::money(amount, Some("KZT")))
    }
}

fn fields() -> Vec<Field> {
    let reading = Reading::of_pages(["Итого: 0.30"]);
    let span = reading.find(0, "0.30", 0, 1).unwrap()[0];
    let mut total = money("total", "0.30");
    total.citations = vec![Citation::of(&reading, span).unwrap()];
    vec![
        total,
        money("lines[0].amount", "0.10"),
        money("lines[1].amount", "0.20"),
        Field::found("lines[0].quantity", Value::Decimal("3".to_owned())),
        Field::missing("lines[1].quantity"),
        Field::found("name", Value::Text("ИВАНОВ Пётр".to_owned())),
        Field::found("date", Value::Date("2024-02-28".to_owned())),
        Field::found("due", Value::Date("2024-03-01".to_owned())),
        Field::found("paid", Value::Boolean(false)),
        Field::found("dollars", Value::money("5", Some("USD"))),
        Field {
            confidence: Some(0.4),
            ..Field::found("weak", Value::Decimal("1".to_owned()))
        },
        Field::missing("discount"),
    ]
}

fn run(config: &serde_json::Value) -> Result<Vec<Check>, Error> {
    let inputs = Inputs::new()
        .with_fields(fields())
        .with_params(&json!({ "name": "Петр Иванов", "rate": 0.12, "limit": 2 }))
        .with_main(Reading::of_pages(["one", "two"]))
        .with_checks([Check {
            code: "earlier".to_owned(),
            outcome: Outcome::Fail,
            severity: Severity::Info,
            reason: String::new(),
            fields: vec![],
            citations: vec![],
        }]);
    Rules::validate(inputs, serde_json::from_value(config.clone()).unwrap())
}

fn one(rule: &serde_json::Value) -> Check {
    let mut rule = rule.clone();
    rule.as_object_mut()
        .unwrap()
        .entry("code")
        .or_insert(json!("rule"));
    run(&json!({ "rules": [rule] })).unwrap().remove(0)
}

fn outcome(expression: &str) -> Outcome {
    one(&json!({ "expression": expression })).outcome
}

#[test]
fn sums_are_exact() {
    for expression in [
        "sum(fields.lines.map(l, l.amount.value)) == fields.total.value",
        "fields.total.value == sum(fields.lines.map(l, l.amount.value))",
        "fields.lines[0].amount.value + fields.lines[1].amount.value == 0.3",
        "0.3 == fields.total.value",
        "fields.total.value.amount == decimal('0.30') && fields.total.value.currency == 'KZT'",
        "0 < fields.total.value && fields.total.value <= 1",
        "fields.total.value * 2 - 0.1 == 0.5",
        "fields.lines[0].amount.value * fields.lines[0].quantity.value == 0.3",
        "round(fields.total.value * params.rate, 2) == 0.04",
        "fields.lines.all(l, l.amount.value > 0)",
        "size(fields.lines) == 2 && size(fields.lines) == params.limit",
        "max(fields.lines.map(l, l.amount.value)) == 0.2",
        "fields.lines.filter(l, l.amount.value > 0.15).size() == 1",
        "fields.total.confidence >= 0.9",
        "sum([]) == 0",
        "abs(-5) == 5 && 1 + 2 == 3 && [1, 2][1] == 2",
    ] {
        assert_eq!(
            outcome(expression),
            Outcome::Pass,
            "{expression}: {}",
            one(&json!({"expression": expression})).reason
        );
    }
}

#[test]
fn other_types_and_functions() {
    for expression in [
        "same_text(fields.name.value, params.name)",
        "days_between(fields.date.value, fields.due.value) == 2",
        "fields.date.value < fields.due.value",
        "!fields.paid.value",
        "fields.name.value.matches('(?i)^иванов')",
        "document.pages == 2",
        "checks.exists(c, c.code == 'earlier' && c.outcome == 'fail')",
        "has(fields.total.value) && !has(fields.discount.value) && !has(fields.nobody.looked.value)",
        "fields.discount.value == null && fields.total.value != null",
        "'total' in fields",
        "string(fields.total.value) == '0.30'",
        "fields.paid.value == false ? true : false",
    ] {
        assert_eq!(
            outcome(expression),
            Outcome::Pass,
            "{expression}: {}",
            one(&json!({"expression": expression})).reason
        );
    }
    assert_eq!(outcome("fields.total.value > 1"), Outcome::Fail);
}

#[test]
fn what_is_missing_leaves_a_rule_undecided() {
    let check = one(&json!({ "expression": "fields.discount.value > 0" }));
    assert_eq!(
        (check.outcome, check.reason.as_str()),
        (
            Outcome::Undecided,
            "Cannot be decided: fields.discount is missing."
        )
    );
    let check = one(&json!({ "expression": "sum(fields.lines.map(l, l.quantity.value)) > 0" }));
    assert_eq!(
        check.reason,
        "Cannot be decided: fields.lines[1].quantity is missing."
    );
    for expression in [
        "fields.lines[7].amount.value > 0",
        "params.nothing == 1",
        "fields.total.value == fields.discount.value",
    ] {
        assert_eq!(outcome(expression), Outcome::Undecided, "{expression}");
    }
    let mixed = one(&json!({ "expression": "fields.total.value + fields.dollars.value > 0" }));
    assert_eq!(
        (mixed.outcome, mixed.reason.as_str()),
        (
            Outcome::Undecided,
            "Cannot be decided: `+`: the currencies KZT and USD differ."
        )
    );
    assert_eq!(
        outcome("fields.total.value == fields.dollars.value"),
        Outcome::Fail
    );
    assert_eq!(outcome("fields.total.value / 0 > 1"), Outcome::Undecided);
    assert_eq!(outcome("fields.total.value > 'x'"), Outcome::Undecided);
    assert_eq!(
        outcome("fields.discount.value > 0 || fields.total.value > 0"),
        Outcome::Pass,
        "one side is enough"
    );
}

#[test]
fn rules_that_do_not_apply_give_no_check() {
    let rules = json!({ "rules": [
        { "code": "a", "when": "fields.paid.value", "expression": "false" },
        { "code": "b", "when": "!fields.paid.value", "expression": "false" },
        { "code": "c", "when": "fields.discount.value > 0", "expression": "false" }
    ] });
    let checks: Vec<_> = run(&rules)
        .unwrap()
        .into_iter()
        .map(|check| (check.code, check.outcome))
        .collect();
    assert_eq!(
        checks,
        [
            ("b".to_owned(), Outcome::Fail),
            ("c".to_owned(), Outcome::Undecided)
        ]
    );
}

#[test]
fn tolerance_and_confidence() {
    let near = |tolerance: serde_json::Value| {
        one(&json!({ "expression": "fields.total.value == 0.32", "tolerance": tolerance })).outcome
    };
    assert_eq!(
        (near(json!(0.02)), near(json!("0.02")), near(json!(0.01))),
        (Outcome::Pass, Outcome::Pass, Outcome::Fail)
    );
    assert_eq!(
        one(&json!({ "expression": "fields.total.value != 0.32", "tolerance": 1 })).outcome,
        Outcome::Fail
    );
    assert_eq!(
        one(&json!({ "expression": "fields.name.value == 'x'", "tolerance": 1 })).outcome,
        Outcome::Fail
    );
    let weak = run(&json!({ "min_confidence": 0.5, "locale": "ru", "rules": [
        { "code": "a", "expression": "fields.weak.value == 1" },
        { "code": "b", "expression": "fields.weak.value == 1", "min_confidence": 0.3 }
    ] }))
    .unwrap();
    assert_eq!(
        (weak[0].outcome, weak[1].outcome),
        (Outcome::Undecided, Outcome::Pass)
    );
    assert_eq!(
        weak[0].reason,
        "Нельзя решить: значение weak ненадёжно (уверенность 0.4)."
    );
}

#[test]
fn unsure_members_of_lists_leave_a_rule_undecided() {
    let with = |expression: &str| {
        let unsure = |path: &str, value| Field {
            confidence: Some(0.4),
            ..Field::found(path, value)
        };
        let ten = || Value::Decimal("10".to_owned());
        let inputs = Inputs::new().with_params(&json!({ "at": 1 })).with_fields([
            Field::found("total", ten()),
            Field::found("lines[0].amount", ten()),
            unsure("lines[0].note", Value::Text("x".to_owned())),
            unsure("groups[1].lines[0].amount", ten()),
            Field::found("rates[0]", ten()),
            unsure("rates[1]", ten()),
        ]);
        let config = json!({ "min_confidence": 0.5, "rules": [{ "code": "a", "expression": expression }] });
        let check = Rules::validate(inputs, serde_json::from_value(config).unwrap())
            .unwrap()
            .remove(0);
        (check.outcome, check.reason)
    };
    for expression in [
        "fields.total.value == sum(fields.lines.map(l, l.amount.value))",
        "fields.lines.exists(l, has(l.amount))",
        "fields.rates[0].value == 10",
        "size(fields.rates) == 2",
    ] {
        assert_eq!(
            with(expression).0,
            Outcome::Pass,
            "{expression}: {}",
            with(expression).1
        );
    }
    for (expression, unsure) in [
        ("fields.lines.all(l, l.note.value == 'x')", "lines[0].note"),
        (
            "fields.lines.filter(l, l.amount.value > 1).all(l, l.note.value == 'x')",
            "lines[0].note",
        ),
        (
            "fields.lines.map(l, l.note).all(n, n.value == 'x')",
            "lines[0].note",
        ),
        (
            "sum(fields.groups.map(g, sum(g.lines.map(l, l.amount.value)))) == 10",
            "groups[1].lines[0].amount",
        ),
        ("fields.rates.all(r, r.value == 10)", "rates[1]"),
        ("fields.rates[params.at].value == 10", "rates[1]"),
    ] {
        let expected = format!("Cannot be decided: {unsure} is unsure (confidence 0.4).");
        assert_eq!(with(expression), (Outcome::Undecided, expected), "{expression}");
    }
}

#[test]
fn small_tolerances_count_and_wrong_ones_are_refused() {
    let rule = |tolerance: serde_json::Value| {
        run(
            &json!({ "rules": [{ "code": "a", "expression": "fields.total.value == 0.30000001", "tolerance": tolerance }] }),
        )
    };
    for tolerance in [json!(0.0000001), json!(1e-7), json!("0.0000001"), json!(1)] {
        assert_eq!(
            rule(tolerance.clone()).unwrap()[0].outcome,
            Outcome::Pass,
            "{tolerance}"
        );
    }
    assert_eq!(rule(json!(1e-9)).unwrap()[0].outcome, Outcome::Fail);
    for tolerance in [json!(-0.1), json!(1e-40), json!(1e40), json!("a cent")] {
        let error = rule(tolerance.clone()).unwrap_err();
        assert_eq!(
            (error.kind, error.code.as_str()),
            (ErrorKind::InvalidConfig, "tolerance"),
            "{tolerance}"
        );
    }
}

#[test]
fn reasons_evidence_and_fields() {
    let message = json!({
        "en": "Total {fields.total.value} is not {sum(fields.lines.map(l, l.amount.value)) * 12345678} {{sic}}",
        "ru": "Сумма {fields.total.value} не равна {decimal('1234567.5')}; скидка {fields.discount.value}"
    });
    let rule = json!({ "code": "total-is-sum", "severity": "warning", "message": message,
        "expression": "fields.total.value == fields.lines[0].amount.value" });
    let check = run(&json!({ "rules": [rule] })).unwrap().remove(0);
    assert_eq!(
        check.reason,
        "Total 0.30\u{A0}KZT is not 3,703,703.40\u{A0}KZT {sic}"
    );
    assert_eq!(
        (check.outcome, check.severity, check.code.as_str()),
        (Outcome::Fail, Severity::Warning, "total-is-sum")
    );
    assert_eq!(check.fields, ["total", "lines[0].amount"]);
    assert_eq!(check.citations[0].quote, "0.30");
    let russian = run(&json!({ "locale": "ru", "rules": [rule] }))
        .unwrap()
        .remove(0);
    assert_eq!(
        russian.reason,
        "Сумма 0,30\u{A0}KZT не равна 1\u{A0}234\u{A0}567,5; скидка —"
    );
    let kazakh = run(&json!({ "locale": "kk", "rules": [{ "code": "a", "expression": "true" }] }))
        .unwrap()
        .remove(0);
    assert_eq!(kazakh.reason, "Ереже орындалды.");
    let lists = one(&json!({ "expression": "fields.lines.all(l, l.amount.value > 0)" }));
    assert_eq!(lists.fields, ["lines"]);
    let given = one(&json!({ "expression": "true", "fields": ["total"] }));
    assert_eq!(
        (given.fields, given.citations.len()),
        (vec!["total".to_owned()], 1)
    );
}

#[test]
fn bad_rules_are_refused_with_their_place() {
    let refused = |rule: serde_json::Value| {
        let error = run(&json!({ "rules": [rule] })).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidConfig, "{error:?}");
        (error.code, error.message)
    };
    let (code, message) =
        refused(json!({ "code": "sum", "expression": "fields.total.value ==\n  totl.value" }));
    assert_eq!(code, "expression");
    assert!(
        message.starts_with("The rule `sum`: its expression, line 2, column 3: there is no `totl`"),
        "{message}"
    );
    let (_, message) = refused(json!({ "code": "sum", "expression": "1 +" }));
    assert!(message.contains("line 1, column "), "{message}");
    let (_, message) = refused(json!({ "code": "a", "expression": "true", "when": "now() > 1" }));
    assert!(
        message.contains("`when`, line 1, column 1") && message.contains("there is no function `now`"),
        "{message}"
    );
    assert_eq!(
        refused(json!({ "code": "a", "expression": "1 + 1" })).0,
        "not-boolean"
    );
    assert_eq!(
        refused(json!({ "code": "a", "expression": "true", "message": "{fields.total" })).0,
        "message"
    );
    assert_eq!(refused(json!({ "code": "A b", "expression": "true" })).0, "code");
    assert_eq!(
        refused(json!({ "code": "a", "expression": "(".repeat(2000) })).0,
        "expression"
    );
    assert_eq!(
        refused(json!({ "code": "a", "expression": "1 + ".repeat(500) + "1" })).0,
        "expression"
    );
    assert_eq!(
        refused(json!({ "code": "a", "expression": "Type{a: 1} == 1" })).0,
        "expression"
    );
    let twice = run(
        &json!({ "rules": [{ "code": "a", "expression": "true" }, { "code": "a", "expression": "true" }] }),
    );
    assert_eq!(twice.unwrap_err().code, "duplicate");
}

#[test]
fn nothing_found_at_all() {
    let config = json!({ "rules": [{ "code": "a", "expression": "fields.seller.name.value == 'x'" }] });
    let checks = Rules::validate(Inputs::new(), serde_json::from_value(config).unwrap()).unwrap();
    assert_eq!(
        checks[0].reason,
        "Cannot be decided: fields.seller.name is missing."
    );
}

#[test]
fn fields_that_collide_are_refused_whole() {
    let config = json!({ "rules": [{ "code": "a", "expression": "fields.a[0].value == 'x' || fields.nobody.value == 'x'" }] });
    let text = || Value::Text("x".to_owned());
    let inputs = Inputs::new().with_fields([Field::found("a[0]", text()), Field::found("a.b", text())]);
    let error = Rules::validate(inputs, serde_json::from_value(config).unwrap()).unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_str()),
        (ErrorKind::InvalidInput, "path")
    );
}

#[test]
fn twice_the_same() {
    let config =
        json!({ "rules": [{ "code": "a", "expression": "fields.exists(f, fields[f] == fields.total)" }] });
    assert_eq!(run(&config).unwrap(), run(&config).unwrap());
}

#[test]
fn the_example_of_the_readme_is_a_configuration() {
    #[derive(serde::Deserialize)]
    struct Step {
        with: Config,
    }
    let readme = include_str!("../README.md");
    let yaml = readme
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let steps: Vec<Step> = serde_norway::from_str(yaml).unwrap();
    let checks = Rules::validate(Inputs::new().with_fields(fields()), steps[0].with.clone()).unwrap();
    let outcomes: Vec<Outcome> = checks.iter().map(|check| check.outcome).collect();
    assert_eq!(
        outcomes,
        [Outcome::Pass, Outcome::Undecided, Outcome::Pass, Outcome::Fail]
    );
}
