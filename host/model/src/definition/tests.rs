use super::*;

fn places(text: &str) -> Vec<String> {
    Definition::parse(text)
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|p| format!("{}: {}", p.at, p.message))
        .collect()
}

#[test]
fn reads_the_design_example() {
    let text = r#"
name: invoice
inputs: { file: { accept: [application/pdf, image/png] } }
params: { type: object, properties: { supplier: { type: string } } }
lookups: [ { name: supplier, value: "${ params.supplier }" } ]
durability: result
steps:
  - { id: parse, use: docmill/pdf@1 }
  - { id: fields, use: acme/invoice-fields@^2.1, with: { currency: "${ params.currency }" }, retry: { attempts: 3, backoff: 500ms } }
  - { id: lines, use: acme/line-items@1, for_each: "${ reading.pages }", when: "reading.pages.size() > 1" }
  - { id: checks, use: docmill/rules@1, with: {}, on_error: { fallback: docmill/rules-lite@1 } }
limits: { timeout: 30s, memory: 256MiB }
output: { total: "${ fields.total.value }" }
"#;
    let definition = Definition::parse(text).unwrap_or_else(|p| panic!("{p:?}"));
    assert_eq!(definition.needs(3), ["lines"]);
    let json = serde_json::to_string(&definition).unwrap_or_default();
    assert_eq!(Definition::parse(&json), Ok(definition));
}

#[test]
fn a_cycle_is_named() {
    let text =
        "{name: a, steps: [{id: x, use: a/b@1, needs: [z]}, {id: y, use: a/b@1}, {id: z, use: a/b@1}]}";
    let found = places(text);
    assert!(found.iter().any(|p| p.contains("x → z → y → x")), "{found:?}");
    assert!(
        places("{name: a, steps: [{id: x, use: a/b@1, needs: [x]}]}")
            .iter()
            .any(|p| p.contains("x → x"))
    );
}

#[test]
fn refusals_name_the_place() {
    for (text, at) in [
        ("{name: A, steps: [{id: x, use: a/b@1}]}", "name"),
        ("{name: a, steps: []}", "steps"),
        (
            "{name: a, steps: [{id: x, use: a/b@1, needs: [q]}]}",
            "steps.x.needs",
        ),
        (
            "{name: a, steps: [{id: x, use: a/b@1}, {id: x, use: a/b@1}]}",
            "steps.x",
        ),
        (
            "{name: a, steps: [{id: x, use: a/b@1, input: q}]}",
            "steps.x.input",
        ),
        (
            "{name: a, steps: [{id: x, use: a/b@1, retry: {attempts: 0}}]}",
            "steps.x.retry.attempts",
        ),
        ("{name: a, steps: [{id: x, use: a/b}]}", "steps[0].use"),
        ("{name: a, stepz: []}", "stepz"),
        ("{name: a, steps: [{id: x, use: a/b@1, with: 3}]}", "steps.x.with"),
        ("name: [", "definition"),
        ("name: \u{0}", "definition"),
    ] {
        assert!(
            places(text).iter().any(|p| p.starts_with(&format!("{at}: "))),
            "{text}: {:?}",
            places(text)
        );
    }
    // An alias bomb is refused by the reader, not expanded.
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (before, name) in ('a'..='y').zip('b'..='z') {
        bomb.push_str(&format!(
            "{name}: &{name} [*{before},*{before},*{before},*{before},*{before},*{before}]\n"
        ));
    }
    assert!(!places(&bomb).is_empty());
}
