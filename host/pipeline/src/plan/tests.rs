use docmill_model::digest::Digest;
use docmill_model::plugin::{FieldSpec, Manifest};
use serde_json::json;

use super::*;

fn entry(name: &str, version: &str, kind: Kind) -> CatalogEntry {
    let rules = json!({
        "type": "object",
        "required": ["rules"],
        "additionalProperties": false,
        "properties": {
            "rules": { "type": "array", "items": { "type": "object", "properties": { "on": { "type": "boolean", "default": true } } } },
            "language": { "enum": ["ru", "kk", "en"], "default": "en" },
            "limit": { "type": "integer" },
            "either": { "oneOf": [{ "type": "integer" }, { "type": "object", "required": ["a"] }] }
        }
    });
    CatalogEntry {
        name: name.parse().unwrap(),
        version: version.parse().unwrap(),
        digest: Digest::of(format!("{name}{version}").as_bytes()),
        kind,
        manifest: Manifest {
            name: name.parse().unwrap(),
            version: version.parse().unwrap(),
            summary: String::new(),
            config_schema: if kind == Kind::Validator {
                rules
            } else {
                json!({ "type": "object" })
            },
            accepts: if name == "docmill/pdf" {
                vec!["application/pdf".into()]
            } else {
                vec![]
            },
            fields: if name == "acme/invoice" {
                let field = |name: &str| FieldSpec {
                    name: name.into(),
                    kind: "text".into(),
                    description: String::new(),
                };
                vec![field("total"), field("lines[0].amount")]
            } else {
                vec![]
            },
        },
        size: 1,
        signature: None,
        bundle: None,
    }
}

fn catalog() -> Catalog {
    Catalog::new(vec![
        entry("docmill/pdf", "1.0.0", Kind::Parser),
        entry("docmill/pdf", "1.4.2", Kind::Parser),
        entry("docmill/pdf", "1.4.2+dev.0000000000009", Kind::Parser),
        entry("docmill/pdf", "1.4.2+dev.0000000000010", Kind::Parser),
        entry("docmill/pdf", "2.0.0-beta.1", Kind::Parser),
        entry("docmill/text", "1.0.0", Kind::Parser),
        entry("docmill/patterns", "1.0.0", Kind::Extractor),
        entry("acme/invoice", "1.0.0", Kind::Extractor),
        entry("docmill/rules", "1.0.0", Kind::Validator),
        entry("docmill/template", "1.0.0", Kind::Transformer),
        entry("docmill/chunks", "1.0.0", Kind::Chunker),
        entry("docmill/ngrams", "1.0.0", Kind::Embedder),
        entry("docmill/openai", "1.0.0", Kind::LlmAdapter),
    ])
}

fn planned(text: &str) -> Result<Plan, Vec<Problem>> {
    let definition = Definition::parse(text).unwrap_or_else(|p| panic!("{text}: {p:?}"));
    plan(&definition, &catalog())
}

#[test]
fn the_newest_version_that_fits_is_pinned() {
    for (reference, version) in [
        ("docmill/pdf@1", "1.4.2+dev.0000000000010"),
        ("docmill/pdf@=1.0.0", "1.0.0"),
        ("docmill/pdf@~1.0", "1.0.0"),
        ("docmill/pdf@2.0.0-beta.1", "2.0.0-beta.1"),
    ] {
        let plan = planned(&format!("{{name: a, steps: [{{id: x, use: '{reference}'}}]}}")).unwrap();
        assert_eq!(plan.steps[0].plugin.version.to_string(), version, "{reference}");
        assert_eq!(
            plan.steps[0].plugin.digest,
            Digest::of(format!("docmill/pdf{version}").as_bytes())
        );
    }
}

#[test]
fn a_whole_definition_is_planned_with_defaults() {
    let plan = planned(
        r#"
        name: invoice
        inputs: { file: { accept: [application/pdf, image/*] }, note: { kind: text, min: 0 } }
        params: { type: object, properties: { currency: { type: string } }, additionalProperties: false }
        lookups: [ { name: currency, value: "${ params.currency }" }, { name: file, value: "${ input.name }" } ]
        steps:
          - { id: parse, use: docmill/pdf@1 }
          - { id: fields, use: acme/invoice@1, with: { c: "${ params.currency }" }, retry: { attempts: 3 } }
          - { id: pages, use: docmill/template@1, for_each: "${ reading.pages }", when: "reading.pages.size() > 1", with: { n: "${ item.number + index }" } }
          - id: checks
            use: docmill/rules@1
            with: { rules: [{}], limit: "${ size(params.currency) }", either: "${ {'a': 1} }" }
            on_error: { fallback: { use: docmill/rules@1, with: { rules: [] } } }
        output: { total: "${ fields.total.value }", all: "${ steps.pages.output }", seen: "${ has(fields.lines) }" }
        "#,
    )
    .unwrap_or_else(|p| panic!("{p:#?}"));
    assert_eq!(plan.steps.len(), 4);
    assert!(plan.steps[3].fallback.is_some());
    let written = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&written).unwrap(), plan);
}

#[test]
fn chunkers_and_embedders_are_planned() {
    for text in [
        "{name: a, steps: [{id: p, use: docmill/pdf@1}, {id: c, use: docmill/chunks@1}, {id: e, use: docmill/ngrams@1}], output: '${ chunks[0].text }'}",
        "{name: a, inputs: {f: {}, t: {kind: text}}, steps: [{id: p, use: docmill/pdf@1}, {id: c, use: docmill/chunks@1, input: f}, {id: e, use: docmill/ngrams@1, input: t, purpose: document}]}",
        "{name: a, inputs: {t: {kind: text}}, steps: [{id: e, use: docmill/ngrams@1, purpose: query}]}",
    ] {
        planned(text).unwrap_or_else(|p| panic!("{text}: {p:#?}"));
    }
}

#[test]
fn every_problem_names_its_place_and_the_fix() {
    let steps = |steps: &str| format!("{{name: a, steps: [{{id: p, use: docmill/pdf@1}}, {steps}]}}");
    for (text, at, word) in [
        ("{name: a, steps: [{id: x, use: docmil/pdf@1}]}".to_owned(), "steps.x.use", "did you mean docmill/pdf?"),
        ("{name: a, steps: [{id: x, use: zz/yy@1}]}".into(), "steps.x.use", "plugin push"),
        ("{name: a, steps: [{id: x, use: docmill/pdf@3}]}".into(), "steps.x.use", "there are 2.0.0-beta.1, 1.4.2+dev"),
        ("{name: a, steps: [{id: x, use: docmill/patterns@1}]}".into(), "steps.x.use", "put a parser first"),
        ("{name: a, steps: [{id: x, use: docmill/rules@1, with: {rules: []}}]}".into(), "steps.x.use", "put a parser first"),
        (steps("{id: x, use: docmill/patterns@1, needs: []}"), "steps.x.use", "name it in `needs`"),
        ("{name: a, inputs: {t: {kind: text}}, steps: [{id: x, use: docmill/pdf@1}]}".into(), "steps.x.use", "no input of kind `file`"),
        ("{name: a, inputs: {t: {kind: text}, f: {}}, steps: [{id: x, use: docmill/pdf@1, input: t}]}".into(), "steps.x.use", "no input of kind `file`"),
        ("{name: a, inputs: {f: {accept: [text/*]}}, steps: [{id: x, use: docmill/pdf@1}]}".into(), "steps.x.use", "takes only text/*"),
        ("{name: a, inputs: {f: {accept: [application/pdf/x]}}, steps: [{id: x, use: docmill/pdf@1}]}".into(), "inputs.f.accept", "application/pdf"),
        ("{name: a, inputs: {f: {accept: []}}, steps: [{id: x, use: docmill/pdf@1}]}".into(), "inputs.f.accept", "takes nothing"),
        ("{name: a, params: {type: 7}, steps: [{id: x, use: docmill/pdf@1}]}".into(), "params", "the schema is wrong"),
        ("{name: a, params: {type: array}, steps: [{id: x, use: docmill/pdf@1}]}".into(), "params.type", "type: object"),
        ("{name: a, params: {$ref: 'https://example.org/s'}, steps: [{id: x, use: docmill/pdf@1}]}".into(), "params", "only parts of the same schema"),
        (steps("{id: x, use: docmill/template@1, input: file}"), "steps.x.input", "only parsers"),
        ("{name: a, steps: [{id: x, use: docmill/pdf@1, for_each: '[1]'}]}".into(), "steps.x.for_each", "reads every file"),
        ("{name: a, steps: [{id: x, use: docmill/chunks@1}]}".into(), "steps.x.use", "put a parser first"),
        (steps("{id: x, use: docmill/chunks@1, needs: []}"), "steps.x.use", "name it in `needs`"),
        (steps("{id: x, use: docmill/chunks@1, for_each: '[1]'}"), "steps.x.for_each", "splits every reading"),
        (steps("{id: x, use: docmill/chunks@1, purpose: query}"), "steps.x.purpose", "only embedders"),
        ("{name: a, inputs: {f: {}, t: {kind: text}}, steps: [{id: p, use: docmill/pdf@1}, {id: x, use: docmill/chunks@1, input: t}]}".into(), "steps.x.input", "no file or document"),
        (steps("{id: x, use: docmill/ngrams@1}"), "steps.x.use", "put a chunker first"),
        (steps("{id: x, use: docmill/openai@1}"), "steps.x.use", "docmill model set"),
        (steps("{id: x, use: docmill/openai@1, for_each: '[1]'}"), "steps.x.use", "docmill model set"),
        (steps("{id: x, use: docmill/patterns@1, on_error: {fallback: docmill/openai@1}}"), "steps.x.on_error.fallback", "a fallback does the same"),
        (steps("{id: c, use: docmill/chunks@1}, {id: x, use: docmill/ngrams@1, needs: [p]}"), "steps.x.use", "name it in `needs`"),
        (steps("{id: c, use: docmill/chunks@1}, {id: x, use: docmill/ngrams@1, input: file}"), "steps.x.input", "is no text"),
        (steps("{id: c, use: docmill/chunks@1}, {id: x, use: docmill/ngrams@1, for_each: chunks}"), "steps.x.for_each", "at once"),
        (steps("{id: x, use: docmill/chunks@1, on_error: {fallback: docmill/ngrams@1}}"), "steps.x.on_error.fallback", "a fallback does the same"),
        ("{name: a, lookups: [{name: l, value: '${ chunks[0].text }'}], steps: [{id: p, use: docmill/pdf@1}]}".into(), "lookups.l", "not known yet"),
        (steps("{id: x, use: docmill/patterns@1, on_error: {fallback: docmill/rules@1}}"), "steps.x.on_error.fallback", "a fallback does the same"),
        (steps("{id: x, use: docmill/patterns@1, on_error: {fallback: docmill/patern@1}}"), "steps.x.on_error.fallback", "did you mean docmill/patterns?"),
        (steps("{id: x, use: docmill/rules@1}"), "steps.x.with", "\"rules\" is a required property"),
        (steps("{id: x, use: docmill/rules@1, with: {rules: [{on: 3}]}}"), "steps.x.with.rules.0.on", "boolean"),
        (steps("{id: x, use: docmill/rules@1, with: {rules: [], lang: ru}}"), "steps.x.with", "lang"),
        (steps("{id: x, use: docmill/rules@1, with: {rules: '${ params.r }', limit: no}}"), "steps.x.with.limit", "integer"),
        (steps("{id: x, use: docmill/rules@1, with: {rules: []}, on_error: {fallback: {use: docmill/rules@1}}}"), "steps.x.on_error.fallback.with", "required"),
        (steps("{id: x, use: docmill/template@1, with: {a: '${ parms.x }'}}"), "steps.x.with.a", "did you mean 'params'"),
        (steps("{id: x, use: docmill/template@1, with: {a: [{b: '${ item }'}]}}"), "steps.x.with.a[0].b", "for_each"),
        (steps("{id: x, use: docmill/template@1, when: 'steps.y.status == 1'}"), "steps.x.when", "no step 'y'"),
        (steps("{id: x, use: docmill/template@1, when: 'steps.x.status == 1'}"), "steps.x.when", "name it in `needs`"),
        (steps("{id: x, use: docmill/template@1, needs: [], for_each: 'steps.p.output'}"), "steps.x.for_each", "name it in `needs`"),
        (steps("{id: x, use: docmill/template@1, when: 'inputs.fil.size > 3'}"), "steps.x.when", "did you mean 'file'"),
        ("{name: a, steps: [{id: p, use: docmill/pdf@1}, {id: x, use: acme/invoice@1}], output: '${ fields.totl.value }'}".into(), "output", "did you mean 'total'"),
        ("{name: a, params: {properties: {fio: {}}, additionalProperties: false}, lookups: [{name: fio, value: '${ params.foi }'}], steps: [{id: p, use: docmill/pdf@1}]}".into(), "lookups.fio", "did you mean 'fio'"),
        ("{name: a, lookups: [{name: fio, value: '${ fields.fio.value }'}], steps: [{id: p, use: docmill/pdf@1}]}".into(), "lookups.fio", "not known yet"),
        ("{name: a, steps: [{id: p, use: docmill/pdf@1}], output: {a: '${ 1 + }'}}".into(), "output.a", ""),
    ] {
        let problems = planned(&text).err().unwrap_or_else(|| panic!("{text}"));
        assert!(
            problems.iter().any(|p| p.at == at && p.message.contains(word)),
            "{text}\nwanted {at}: {word}\n{problems:#?}"
        );
    }
}

#[test]
fn all_problems_are_told_at_once_with_line_and_column() {
    let problems = planned(
        "{name: a, inputs: {f: {accept: [x/]}}, steps: [
            {id: a, use: no/such@1, with: {x: '${ nope }'}},
            {id: b, use: docmill/rules@9, when: 'nope('},
            {id: c, use: docmill/pdf@1, with: {y: \"a ${\\n  feilds.x }\"}}]}",
    )
    .unwrap_err();
    let places: Vec<&str> = problems.iter().map(|p| p.at.as_str()).collect();
    for place in [
        "inputs.f.accept",
        "steps.a.use",
        "steps.a.with.x",
        "steps.b.use",
        "steps.b.when",
        "steps.c.with.y",
    ] {
        assert!(places.contains(&place), "{place}: {places:?}");
    }
    let last = problems.iter().find(|p| p.at == "steps.c.with.y").unwrap();
    assert_eq!((last.line, last.column), (Some(2), Some(3)));
}

#[test]
fn problems_are_counted_and_list_a_few_names() {
    let roles: Vec<String> = (0..2_000)
        .map(|n| format!("{}{n}: {{min: 0}}", "r".repeat(50)))
        .collect();
    let bad: Vec<String> = (0..300).map(|n| format!("'${{ inputs.zzzzz{n} }}'")).collect();
    let text = format!(
        "{{name: a, inputs: {{{}}}, steps: [{{id: x, use: docmill/pdf@1}}], output: [{}]}}",
        roles.join(", "),
        bad.join(", ")
    );
    let problems = planned(&text).unwrap_err();
    assert_eq!(problems.len(), 51);
    assert!(
        problems[50].message.contains("there are more"),
        "{:?}",
        problems[50]
    );
    assert!(
        problems.iter().all(|p| p.message.len() < 1_000),
        "{:?}",
        problems[0]
    );
}

#[test]
fn a_definition_has_so_many_expressions_and_no_more() {
    let with = |n: usize| vec!["'${ 1 }'"; n].join(", ");
    let steps: Vec<String> = (0..4)
        .map(|n| {
            format!(
                "{{id: s{n}, use: docmill/template@1, with: {{a: [{}]}}}}",
                with(900)
            )
        })
        .collect();
    let problems = planned(&format!(
        "{{name: a, inputs: {{}}, steps: [{}]}}",
        steps.join(", ")
    ))
    .unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].at, "steps.s2.with");
    assert!(problems[0].message.contains("2000 expressions"), "{problems:?}");
    let lookup = format!("{{name: l, value: \"{}\"}}", "${ 1 }".repeat(9));
    let text = format!(
        "{{name: a, inputs: {{}}, lookups: [{lookup}], steps: [{{id: x, use: docmill/template@1}}]}}"
    );
    let problems = planned(&text).unwrap_err();
    assert!(
        problems[0].message.contains("at most 8 expressions"),
        "{problems:?}"
    );
}

#[test]
fn steps_that_use_one_plugin_share_its_schema() {
    let step = |id: &str| format!("{{id: {id}, use: docmill/template@1}}");
    let plan = planned(&format!(
        "{{name: a, inputs: {{}}, steps: [{}, {}]}}",
        step("x"),
        step("y")
    ))
    .unwrap();
    assert!(Arc::ptr_eq(
        &plan.steps[0].config_schema,
        &plan.steps[1].config_schema
    ));
}
