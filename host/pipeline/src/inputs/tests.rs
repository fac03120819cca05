use bytes::Bytes;
use docmill_model::digest::Digest;

use super::*;
use crate::expression::Known;
use crate::program::Program;

fn definition(text: &str) -> Definition {
    Definition::parse(text).unwrap_or_else(|p| panic!("{p:?}"))
}

fn file(media_type: &str) -> FileInput {
    FileInput {
        document: DocumentId::new(),
        source: SourceId::new(),
        bytes: Arc::new(Source {
            media_type: media_type.into(),
            name: Some("Счёт.pdf".into()),
            digest: Digest::of(b"x"),
            bytes: Bytes::from_static(b"x"),
        }),
    }
}

fn inputs(files: &[(&str, &str)], params: Json) -> RunInputs {
    let mut inputs = RunInputs {
        params,
        ..RunInputs::default()
    };
    for (role, media_type) in files {
        inputs
            .files
            .entry((*role).to_owned())
            .or_default()
            .push(file(media_type));
    }
    inputs
}

fn check_inputs(definition: &Definition, inputs: &RunInputs) -> Result<(), Failure> {
    check_roles(definition, inputs)?;
    check_size(&inputs.params)?;
    check_params(schema(definition).as_ref(), &inputs.params, Effort::WHOLE).unwrap()
}

fn evaluate_lookups(definition: &Definition, inputs: &RunInputs) -> Result<Vec<Lookup>, Failure> {
    let mut problems = Vec::new();
    let program = Program::compile(definition, &mut problems);
    assert_eq!(problems, []);
    let params = with_defaults(schema(definition).as_ref(), &inputs.params, Effort::WHOLE).unwrap();
    let known = Known {
        params: Arc::new(params),
        inputs: Arc::new(inputs.variable(definition)),
        ..Known::default()
    };
    let first = inputs.first().map(|file| Arc::new(RunInputs::describe(file)));
    lookups(&program.lookups, &Scope::new(known, first), &Stop::default())
}

fn schema(definition: &Definition) -> Option<Schema> {
    definition
        .params
        .as_ref()
        .map(|json| Schema::compile(json).unwrap())
}

const PIPELINE: &str = "
    name: a
    inputs:
      main: { accept: [application/pdf, image/*] }
      extra: { min: 0, max: 2 }
      note: { kind: text, min: 0 }
      old: { kind: document, min: 0 }
    params: { type: object, required: [fio], properties: { fio: { type: string }, n: { type: array, items: { type: integer } }, lang: { default: ru } }, additionalProperties: false }
    lookups:
      - { name: fio, value: '${ params.fio }' }
      - { name: both, value: '${ params.fio } ${ params.lang }' }
      - { name: none, value: '${ params.n[3] }' }
      - { name: file, value: '${ inputs.main.name }' }
    steps: [ { id: x, use: a/b@1 } ]
";

#[test]
fn what_fits_is_taken() {
    let definition = definition(PIPELINE);
    let given = inputs(
        &[
            ("main", "Application/PDF; charset=x"),
            ("extra", "a/b"),
            ("extra", "c/d"),
            ("old", "e/f"),
        ],
        json!({ "fio": "Семёнов Пётр" }),
    );
    assert_eq!(check_inputs(&definition, &given), Ok(()));
    let found = evaluate_lookups(&definition, &given).unwrap();
    let shown: Vec<_> = found
        .iter()
        .map(|l| (l.name.as_str(), l.value.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("fio", "Семёнов Пётр"),
            ("both", "Семёнов Пётр ru"),
            ("file", "Счёт.pdf")
        ]
    );
    assert_eq!(found[0].tokens, ["петр", "семенов"]);
    let nothing = self::definition("{name: a, inputs: {}, steps: [{id: x, use: a/b@1}]}");
    assert_eq!(check_inputs(&nothing, &RunInputs::default()), Ok(()));
}

#[test]
fn what_does_not_fit_is_refused_with_the_fix() {
    let definition = definition(PIPELINE);
    let ok = json!({ "fio": "x" });
    let mut text = inputs(&[("main", "image/png")], ok.clone());
    text.texts.insert("extra".into(), vec![Arc::from("a")]);
    let mut record = inputs(&[("main", "image/png")], ok.clone());
    record.records.insert("note".into(), vec![Arc::new(json!({}))]);
    for (given, code, word) in [
        (inputs(&[], ok.clone()), Code::MissingInput, "'main' is missing"),
        (
            inputs(&[("main", "image/png"), ("main", "image/png")], ok.clone()),
            Code::DuplicateInput,
            "at most 1",
        ),
        (
            inputs(&[("main", "text/html")], ok.clone()),
            Code::InputNotAccepted,
            "application/pdf, image/*",
        ),
        (
            inputs(&[("main", "image/png"), ("mian", "image/png")], ok.clone()),
            Code::UnknownInput,
            "did you mean 'main'",
        ),
        (text, Code::UnknownInput, "'extra' takes a file"),
        (record, Code::UnknownInput, "'note' takes a text"),
        (
            inputs(&[("main", "image/png")], Json::Null),
            Code::InvalidParams,
            "fio",
        ),
        (
            inputs(&[("main", "image/png")], json!([1])),
            Code::InvalidParams,
            "object",
        ),
        (
            inputs(&[("main", "image/png")], json!({ "fio": 7 })),
            Code::InvalidParams,
            "/fio",
        ),
        (
            inputs(
                &[("main", "image/png")],
                json!({ "fio": "x", "n": [1, "secret"] }),
            ),
            Code::InvalidParams,
            "/n/1",
        ),
        (
            inputs(&[("main", "image/png")], json!({ "fio": "x", "foi": 1 })),
            Code::InvalidParams,
            "foi",
        ),
        (
            inputs(&[("main", "image/png")], json!({ "fio": "x".repeat(5 << 20) })),
            Code::InvalidParams,
            "larger than",
        ),
    ] {
        let failure = check_inputs(&definition, &given)
            .err()
            .unwrap_or_else(|| panic!("{word}"));
        assert_eq!(failure.code, code, "{failure}");
        assert!(
            failure.message.contains(word) && !failure.message.contains("secret"),
            "{failure}"
        );
    }
}

#[test]
fn lookups_that_fail_are_named() {
    for (value, word) in [
        ("${ 1 / 0 }", "divides by zero"),
        ("${ params }", "a text or a number"),
        ("${ params.a + 1 }", "double("),
    ] {
        let text = format!(
            "{{name: a, inputs: {{}}, lookups: [{{name: fio, value: '{value}'}}], steps: [{{id: x, use: a/b@1}}]}}"
        );
        let failure = evaluate_lookups(&definition(&text), &inputs(&[], json!({ "a": "text" })))
            .err()
            .unwrap_or_else(|| panic!("{value}"));
        assert_eq!(failure.code, Code::ExpressionFailed);
        assert!(
            failure.message.contains("'fio'") && failure.message.contains(word),
            "{failure}"
        );
    }
}

#[test]
fn all_look_ups_share_one_allowance() {
    let loops = "${ params.l.map(a, params.l.map(b, a)).size() }";
    let names: Vec<String> = (0..8)
        .map(|n| format!("{{name: l{n}, value: '{loops}{loops}{loops}'}}"))
        .collect();
    let text = format!(
        "{{name: a, inputs: {{}}, lookups: [{}], steps: [{{id: x, use: a/b@1}}]}}",
        names.join(", ")
    );
    let definition = definition(&text);
    let given = |n: usize| inputs(&[], json!({ "l": vec![1; n] }));
    assert_eq!(
        evaluate_lookups(&definition, &given(3)).map(|found| found.len()),
        Ok(8)
    );
    // Each of them alone would end in time.
    let failure = evaluate_lookups(&definition, &given(200)).unwrap_err();
    assert_eq!(failure.code, Code::ExpressionFailed);
    assert!(failure.message.contains("more work"), "{failure}");
}
