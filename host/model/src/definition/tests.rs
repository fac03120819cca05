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
        (
            "{name: a, retain: none, durability: accepted, steps: [{id: x, use: a/b@1}]}",
            "durability",
        ),
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
}

#[test]
fn a_name_that_stands_twice_is_refused_with_its_line() {
    let found = Definition::parse("name: a\nsteps:\n  - { id: x, use: a/b@1, id: y }\n");
    let problem = found.err().unwrap_or_default().remove(0);
    assert!(problem.message.contains("`id` stands twice"), "{problem}");
    assert_eq!(problem.line, Some(3));
}

#[test]
fn aliases_are_written_out_up_to_a_bound() {
    let text = "{name: a, steps: [{id: x, use: a/b@1, with: &c {n: [1, 2]}}, {id: y, use: a/b@1, with: *c}]}";
    let definition = Definition::parse(text).unwrap_or_else(|p| panic!("{p:?}"));
    assert_eq!(definition.steps[1].with, serde_json::json!({ "n": [1, 2] }));

    let refused = |text: &str, why: &str| {
        let begun = std::time::Instant::now();
        let found = places(text);
        assert!(found.iter().any(|p| p.contains(why)), "{found:?}");
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
    };
    // 43 000 times the same long text, which would be 5 GiB; and 40 000 times a number of that length.
    let repeated = "*s,".repeat(43_000);
    refused(
        &format!("a: &s \"{}\"\nb: [{repeated}]", "x".repeat(120_000)),
        "too large when everything is written out",
    );
    refused(
        &format!("a: &s 0.{}1\nb: [{repeated}]", "0".repeat(120_000)),
        "more than 1000 digits",
    );
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (before, name) in ('a'..='y').zip('b'..='z') {
        bomb.push_str(&format!(
            "{name}: &{name} [*{before},*{before},*{before},*{before},*{before},*{before}]\n"
        ));
    }
    refused(&bomb, "");
    // Everything that can be written without aliases fits.
    let dense = format!(
        "{{name: a, x: {{{}}}}}",
        (0..40_000).map(|n| format!("k{n:x},")).collect::<String>()
    );
    assert!(dense.len() < MAX_DEFINITION_BYTES);
    refused(&dense, "unknown field `x`");
    refused(
        &format!("{{name: a, x: [{}]}}", "0,".repeat(130_000)),
        "unknown field `x`",
    );
}

#[test]
fn too_many_steps_are_not_looked_at() {
    let steps: String = (0..5_000)
        .rev()
        .map(|n| format!("{{id: s{n:04},use: a/b@1}},"))
        .collect();
    let begun = std::time::Instant::now();
    assert_eq!(
        places(&format!("{{name: A, steps: [{steps}]}}")),
        ["steps: a pipeline has 1 to 64 steps, this one has 5000"]
    );
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn records_and_results_have_names_of_their_own() {
    let with =
        |inputs: &str, steps: &str| places(&format!("{{name: a, inputs: {{{inputs}}}, steps: [{steps}]}}"));
    let step = "{id: rows, use: a/b@1}";
    assert_eq!(with("rows: {kind: record}", step).len(), 1);
    assert_eq!(with("rows: {kind: file}", step), [""; 0]);
    let each = "{id: x, use: a/b@1, for_each: reading.pages}";
    assert!(with("item: {kind: record}", each)[0].starts_with("inputs.item: "));
    assert_eq!(with("item: {kind: record}", step), [""; 0]);
    assert!(with("", "{id: item, use: a/b@1, for_each: reading.pages}")[0].starts_with("steps.item: "));
}
