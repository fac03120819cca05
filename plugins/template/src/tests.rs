#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use serde_json::{Value as Json, json};

fn inputs() -> Inputs {
    Inputs::new()
        .with_params(&json!({ "name": "<b>Ann</b>" }))
        .with_fields([
            Field::found("number", Value::Text("АБ/17".to_owned())),
            Field::found("date", Value::Date("2024-03-02".to_owned())),
            Field::found("total", Value::money("1234567.5", Some("KZT"))),
            Field::found("lines[0].amount", Value::money("1.005", None)),
            Field::found("lines[1].amount", Value::Decimal("-2".to_owned())),
            Field::missing("discount"),
        ])
        .with_checks([Check {
            code: "sum".to_owned(),
            outcome: Outcome::Fail,
            severity: Severity::Error,
            reason: "it's 5 < 6".to_owned(),
            fields: vec!["total".to_owned()],
            citations: vec![],
        }])
        .with_record("people", &json!({ "name": "Bob" }))
        .with_text("notes", "Hello")
        .with_main(Reading::of_pages(["x"]))
}

fn run(config: &Json) -> Result<Output, Error> {
    Template::transform(inputs(), serde_json::from_value(config.clone()).unwrap())
}

fn text(config: &Json) -> String {
    match run(config).unwrap() {
        Output::Artifact(artifact) => String::from_utf8(artifact.content).unwrap(),
        Output::Json(json) => json.to_string(),
    }
}

fn refused(config: &Json) -> (ErrorKind, String, String) {
    let error = run(config).unwrap_err();
    (error.kind, error.code, error.message)
}

#[test]
fn a_letter_in_three_languages() {
    let letter = |locale: &str| {
        text(&json!({ "locale": locale, "template":
            "{{ fields.date.value | date('long') }} / {{ fields.date.value | date }} / {{ fields.total.value | money }}{% for line in fields.lines %} / {{ line.amount.value | money }}{% endfor %}" }))
    };
    assert_eq!(
        letter("ru"),
        "2 марта 2024 г. / 02.03.2024 / 1\u{A0}234\u{A0}567,50\u{A0}₸ / 1,01 / -2,00"
    );
    assert_eq!(
        letter("kk"),
        "2024 жылғы 2 наурыз / 02.03.2024 / 1\u{A0}234\u{A0}567,50\u{A0}₸ / 1,01 / -2,00"
    );
    assert_eq!(
        letter("en"),
        "2 March 2024 / 2024-03-02 / KZT\u{A0}1,234,567.50 / 1.01 / -2.00"
    );
}

#[test]
fn everything_that_a_run_has() {
    let template = "{{ params.name }}|{{ checks[0].code }} {{ checks[0].outcome }}|{{ records.people[0].name }}|{{ texts.notes[0] }}|{{ document.pages }}{{ document.language | default('?') }}|{{ fields.total.value.amount }}";
    let config = json!({ "template": template, "records": ["people"], "texts": ["notes"], "media_type": "text/plain" });
    assert_eq!(text(&config), "<b>Ann</b>|sum fail|Bob|Hello|1?|1234567.5");
}

#[test]
fn html_is_escaped_and_markdown_can_be() {
    let html = text(
        &json!({ "template": "<p>{{ params.name }}{{ checks[0].reason }}</p>", "media_type": "text/html" }),
    );
    assert_eq!(html, "<p>&lt;b&gt;Ann&lt;&#x2f;b&gt;it&#x27;s 5 &lt; 6</p>");
    assert_eq!(
        text(&json!({ "template": "{{ params.name | md }}" })),
        "\\<b\\>Ann\\</b\\>"
    );
}

#[test]
fn data_is_json() {
    let template = r#"{"name": {{ params.name }}, "total": {{ fields.total.value }}, "lines": {{ fields.lines | length }}}"#;
    let expected =
        json!({ "name": "<b>Ann</b>", "total": { "amount": "1234567.5", "currency": "KZT" }, "lines": 2 });
    assert_eq!(
        run(&json!({ "template": template, "output": "json" })),
        Ok(Output::Json(expected))
    );
    assert_eq!(
        refused(&json!({ "template": "{", "output": "json" })).1,
        "not-json"
    );
}

#[test]
fn names_are_file_names() {
    let name = |name: &str, media_type: &str| match run(
        &json!({ "template": "x", "name": name, "media_type": media_type }),
    )
    .unwrap()
    {
        Output::Artifact(artifact) => artifact.name,
        Output::Json(_) => String::new(),
    };
    assert_eq!(
        name("Счёт {{ fields.number.value }}.html", "text/html"),
        "Счёт АБ_17.html"
    );
    assert_eq!(name("../../etc/passwd", "text/plain"), "_.._etc_passwd");
    let Output::Artifact(artifact) = run(&json!({ "template": "x" })).unwrap() else {
        unreachable!()
    };
    assert_eq!(
        (artifact.name.as_str(), artifact.media_type.as_str()),
        ("output.md", "text/markdown")
    );
}

#[test]
fn missing_values_fail_or_are_blank() {
    for expression in ["fields.discount.value", "fields.nobody.value", "params.x.y"] {
        let template = format!("one\n{{{{ {expression} }}}}");
        let (kind, code, message) = refused(&json!({ "template": template }));
        assert_eq!(
            (kind, code.as_str()),
            (ErrorKind::InvalidInput, "missing-value"),
            "{message}"
        );
        assert!(message.contains("line 2"), "{message}");
        assert_eq!(
            text(&json!({ "template": template, "missing": "blank" })),
            "one\n"
        );
    }
    assert_eq!(
        text(&json!({ "template": "{{ fields.discount.value | default('—') }}" })),
        "—"
    );
}

#[test]
fn bad_templates_name_their_line() {
    for template in [
        "a\n{% if %}",
        "a\n{{ x | nofilter }}",
        "a\n{% include 'other' %}",
        "a\n{{ nofunction() }}",
    ] {
        let (kind, code, message) = refused(&json!({ "template": template }));
        assert_eq!(
            (kind, code.as_str()),
            (ErrorKind::InvalidConfig, "template"),
            "{message}"
        );
        assert!(message.contains("line 2"), "{message}");
    }
    let (kind, _, message) = refused(&json!({ "template": "{{ fields.number.value | date }}" }));
    assert!(
        kind == ErrorKind::Failed && message.contains("2024-03-12"),
        "{message}"
    );
}

#[test]
fn includes_and_macros() {
    let config = json!({
        "template": "{% extends 'base' %}{% block body %}{% include 'part' %}{% endblock %}",
        "templates": { "base": "[{% block body %}{% endblock %}]", "part": "{{ fields.number.value }}" }
    });
    assert_eq!(text(&config), "[АБ/17]");
}

#[test]
fn endless_templates_end() {
    let loops = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";
    assert_eq!(refused(&json!({ "template": loops })).1, "fuel");
    let big = "{% for a in range(100000) %}{{ 'abcdefghij' * 100 }}{% endfor %}";
    assert_eq!(refused(&json!({ "template": big })).1, "output-size");
    let recursive = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
    assert_eq!(refused(&json!({ "template": recursive })).0, ErrorKind::Failed);
    let nested = format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(refused(&json!({ "template": nested })).1, "template");
}

#[test]
fn twice_the_same() {
    let config = json!({ "template": "{{ fields }}{{ checks }}" });
    assert_eq!(run(&config), run(&config));
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
    let written = Template::transform(inputs(), steps[0].with.clone()).unwrap_err();
    assert_eq!(written.code, "missing-value", "these lines have no description");
}
