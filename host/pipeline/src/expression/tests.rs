use std::sync::Arc;
use std::time::{Duration, Instant};

use docmill_model::reading::{Page, PageInfo, Reading, TextOrigin};
use docmill_model::run::StepStatus;
use docmill_model::value::{Field, Money, Value};
use serde_json::{Value as Json, json};

use super::*;

fn field(path: &str, value: Option<Value>) -> Field {
    Field {
        path: path.into(),
        value,
        raw: None,
        confidence: Some(0.5),
        origin: None,
        citations: vec![],
    }
}

fn reading(pages: usize, text: &str) -> Reading {
    let info = PageInfo {
        label: None,
        size: None,
        origin: TextOrigin::Digital,
        warnings: vec![],
    };
    Reading {
        key: "main".into(),
        source_media_type: "application/pdf".into(),
        language: Some("ru".into()),
        metadata: vec![("title".into(), "Счёт".into())],
        pages: (0..pages)
            .map(|_| Page::new(info.clone(), text.to_owned(), vec![]))
            .collect(),
        images: vec![],
        attachments: vec![],
    }
}

fn scope_over(reading: Reading) -> Scope {
    let known = Known {
        params: Arc::new(json!({ "currency": "KZT", "limit": 3, "tags": ["b", "a"] })),
        inputs: Arc::new(json!({ "file": { "media_type": "application/pdf", "name": "a.pdf" } })),
        reading: Some(Arc::new(reading)),
        fields: Arc::new(vec![
            field(
                "total",
                Some(Value::Money(Money {
                    amount: "1234.50".into(),
                    currency: Some("KZT".into()),
                })),
            ),
            field("seller.tax_id", Some(Value::Text("123".into()))),
            field("lines[0].amount", Some(Value::Decimal("10".into()))),
            field("lines[1].amount", Some(Value::Decimal("20".into()))),
            field("due", None),
        ]),
        steps: vec![StepView {
            id: "tpl".into(),
            status: StepStatus::Succeeded,
            several: false,
            outputs: vec![Arc::new(json!({ "subject": "Hello" }))],
            artifacts: Arc::new(json!([])),
            error: None,
        }],
        ..Known::default()
    };
    Scope::new(known, Some(Arc::new(json!({ "media_type": "application/pdf" }))))
}

fn scope() -> Scope {
    scope_over(reading(2, "Итого 1 234,50"))
}

fn eval(source: &str) -> Result<Json, Trouble> {
    let expression =
        Expression::compile(source, Variables::STEP).unwrap_or_else(|e| panic!("{source}: {e:?}"));
    expression.evaluate(&scope())
}

fn mistakes(source: &str) -> Vec<Mistake> {
    Expression::compile(source, Variables::STEP)
        .err()
        .unwrap_or_default()
}

#[test]
fn values_are_reached_as_documented() {
    for (source, expected) in [
        ("fields.total.value.amount", json!("1234.50")),
        ("double(fields.total.value.amount) > 1000.0", json!(true)),
        ("fields[\"seller.tax_id\"].value", json!("123")),
        ("fields.seller.tax_id.value", json!("123")),
        ("fields.lines[1].amount.value", json!("20")),
        ("fields.lines.map(l, int(l.amount.value))", json!([10, 20])),
        ("fields['lines[0].amount'].path", json!("lines[0].amount")),
        ("reading.pages[0].text.contains('Итого')", json!(true)),
        ("reading.pages.size()", json!(2)),
        ("reading.metadata.title", json!("Счёт")),
        ("inputs.file.media_type", json!("application/pdf")),
        ("input.media_type == 'application/pdf'", json!(true)),
        ("steps.tpl.status", json!("succeeded")),
        ("steps.tpl.output", json!({ "subject": "Hello" })),
        ("params.limit + 1", json!(4)),
        ("has(fields.nothing)", json!(false)),
        ("has(fields.due)", json!(true)),
        ("has(fields.due.value)", json!(false)),
        ("fields.?nothing.?value.orValue('-')", json!("-")),
        (
            "{'b': 1, 'a': [1.5, true, null]}",
            json!({ "a": [1.5, true, null], "b": 1 }),
        ),
        ("params.map(k, k)", json!(["currency", "limit", "tags"])),
        ("{'z': 1, 'y': 2, 'x': 3}.map(k, k)", json!(["x", "y", "z"])),
        (
            "reading.pages.exists(p, p.text.matches('[0-9] [0-9]{3},[0-9]{2}'))",
            json!(true),
        ),
        ("matches('abc', 'b')", json!(true)),
        ("'  Алматы '.trim().lower() == 'алматы'", json!(true)),
        ("'a,b,c'.split(',').join('+')", json!("a+b+c")),
        ("[1, 2, 3].filter(x, x > 1).map(y, y * 2)", json!([4, 6])),
        ("[[1, 2], [3]].map(x, x.map(y, y + 1))", json!([[2, 3], [4]])),
        ("[1, 2, 2].exists_one(x, x == 2)", json!(false)),
        ("[1, 2].all(x, x > 0) && type(1) == int", json!(true)),
        ("optional.of(1).orValue(2)", json!(1)),
        ("'b' in params.tags", json!(true)),
    ] {
        assert_eq!(eval(source), Ok(expected), "{source}");
    }
}

#[test]
fn absence_and_failure_are_told_apart_and_quote_no_value() {
    for absent in [
        "fields.nothing.value",
        "params.other",
        "fields.due.value.amount",
        "fields.lines[7].amount",
        "reading.pages[9].text",
        "optional.none()",
    ] {
        assert!(
            matches!(eval(absent), Err(Trouble::Absent(_))),
            "{absent}: {:?}",
            eval(absent)
        );
    }
    for failed in [
        "fields.total.value.amount > 5",
        "fields.total.value + 1",
        "reading.pages[0].text + reading.pages",
        "int(reading.pages[0].text)",
        "1 / (params.limit - 3)",
        "double('1e999') * 0.0",
        "reading.pages[0].text.matches('(')",
        "'x'.split('')",
        "b'abc'",
        "type(1)",
        "9223372036854775807 + params.limit",
    ] {
        let Err(Trouble::Failed(message)) = eval(failed) else {
            panic!("{failed}: {:?}", eval(failed));
        };
        assert!(
            !message.contains("1234") && !message.contains("Итого"),
            "{failed}: {message}"
        );
    }
    let hint = eval("fields.total.value.amount > 5").unwrap_err().to_string();
    assert!(hint.contains("double("), "{hint}");
}

#[test]
fn mistakes_have_a_place_and_a_fix() {
    for (source, line, column, word) in [
        ("parms.currency", 1, 1, "did you mean 'params'"),
        (
            "true &&\n  feilds.total.value == '1'",
            2,
            3,
            "did you mean 'fields'",
        ),
        ("'Қазақ' + unknown_thing", 1, 11, "no variable 'unknown_thing'"),
        ("item.number", 1, 1, "for_each"),
        ("fields.total.value.lowr()", 1, 20, "did you mean 'lower'"),
        ("nothing(1)", 1, 1, "no function 'nothing'"),
        ("[1].map(x)", 1, 5, "list.map(item, value)"),
        ("size()", 1, 1, "takes 1"),
        ("contains('a', 'b')", 1, 1, "x.contains"),
        ("1 +", 1, 4, ""),
        ("fields.total.value ==== 1", 1, 22, ""),
        ("Thing{a: 1}", 1, 6, "not a type"),
        ("[1].map(a, [2].map(b, [3].map(c, c)))", 1, 27, "at most 2"),
        ("", 1, 1, "empty"),
        (".params.x", 1, 2, "no variable"),
        ("_f(1)", 1, 1, "no function"),
        (".size([1])", 1, 2, "no function"),
        ("x.map(x, x)", 1, 1, "no variable 'x'"),
    ] {
        let found = mistakes(source);
        assert!(
            found
                .iter()
                .any(|m| (m.line, m.column) == (line, column) && m.message.contains(word)),
            "{source}: {found:?}"
        );
    }
    assert!(
        mistakes(&format!("'{}'", "x".repeat(MAX_BYTES)))
            .iter()
            .any(|m| m.message.contains("longer"))
    );
}

#[test]
fn mentions_know_the_path_and_the_variables_of_loops_are_nobodys() {
    let source = "steps.parse.status == 'failed' || fields[\"a.b\"].value == '' || \
                  params.list.exists(steps, steps.x) || fields.lines[params.n].amount.raw == ''";
    let expression = Expression::compile(source, Variables::STEP).unwrap_or_else(|e| panic!("{e:?}"));
    let found: Vec<_> = expression
        .mentions()
        .iter()
        .map(|m| (m.variable.name(), m.path.join("/")))
        .collect();
    for expected in [
        ("steps", "parse/status"),
        ("fields", "a.b/value"),
        ("params", "list"),
        ("params", "n"),
        ("fields", "lines"),
    ] {
        assert!(
            found.contains(&(expected.0, expected.1.to_owned())),
            "{expected:?}: {found:?}"
        );
    }
    assert_eq!(found.len(), 5, "{found:?}");
}

/// Compiles and evaluates on a thread with the stack of a runtime's threads; gives the time that it took.
fn on_a_small_stack(source: String, reading: Reading) -> (Duration, String) {
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || {
            let begun = Instant::now();
            let outcome = match Expression::compile(&source, Variables::STEP) {
                Err(mistakes) => format!("refused: {:?}", mistakes.first().map(|m| m.message.clone())),
                Ok(expression) => match expression.evaluate(&scope_over(reading)) {
                    Ok(json) => format!("value of {} bytes", json.to_string().len()),
                    Err(trouble) => format!("{trouble:?}"),
                },
            };
            (begun.elapsed(), outcome)
        })
        .and_then(|thread| thread.join().map_err(|_| std::io::Error::other("it panicked")))
        .unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn hostile_expressions_end_soon() {
    let list = "reading.pages[0].text.split(' ')";
    let few = format!("[{}]", vec!["1"; 100].join(","));
    let deep = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    for source in [
        deep("(", ")", 2000),
        deep("(", ")", 290),
        deep("[", "]", 290),
        deep("{1:", "}", 190),
        format!("1{}", "+1".repeat(590)),
        format!("true{}", "&&true".repeat(290)),
        format!("true{}", "||true".repeat(290)),
        format!("params{}", ".a".repeat(590)),
        format!("params{}", "[1]".repeat(290)),
        format!("{}true", "!".repeat(590)),
        format!("{}1", "- ".repeat(590)),
        format!("1{}", "?1:1".repeat(290)),
        format!("true{}", "?true:(true".repeat(150)),
        format!("[1]{}", ".map(x,x)".repeat(110)),
        format!("{}1{}", "size(".repeat(290), ")".repeat(290)),
        "?".repeat(590),
        "?:".repeat(290),
        "in ".repeat(1300),
        "a ".repeat(2000),
        "1 ".repeat(2000),
        "a".repeat(4000),
        "{".repeat(590),
        "'".repeat(590),
        "\\".repeat(590),
        "\u{feff}\u{202e}`a`".to_owned(),
        "\u{0}\u{0}".to_owned(),
        "'".to_owned(),
        // Loops over loops.
        format!("{list}.map(a, {list}.map(b, a * b)).size()"),
        format!("{list}.all(a, {list}.all(b, a == b))"),
        format!("{list}.exists(a, {list}.exists(b, b == 2 || a > b)) || true"),
        format!("{few}.map(a, {few}.map(b, {few}.size()))"),
        // Loops that swallow every error.
        format!("{list}.exists(a, {list}.exists(b, 1 / 0 == 1))"),
        format!("{list}.exists(a, a.split(' ').exists(b, 1 / 0 == 1))"),
        // Memory.
        "reading.pages.map(p, reading.pages)".to_owned(),
        "reading.pages.map(p, reading.pages.map(q, p.text + q.text))".to_owned(),
        "reading.pages.map(p, reading.pages.map(q, p.text)).map(x, x).map(x, x)".to_owned(),
        format!("reading{}", ".pages.map(p, reading)[0]".repeat(20)),
        format!("reading.pages[0].text{}", " + reading.pages[0].text".repeat(150)),
        "reading.pages.map(p, p.text).join(reading.pages[0].text)".to_owned(),
        "reading.pages.map(p, p.text.split(' ')).map(x, x.join('  ')).size()".to_owned(),
        // Searches.
        "reading.pages.all(p, p.text.matches('(a|aa)+b'))".to_owned(),
        "reading.pages.all(p, p.text.matches('(\\\\w{1,500}){1,500}x'))".to_owned(),
        "reading.pages.exists(p, reading.pages.exists(q, p.text.contains(q.text + 'x')))".to_owned(),
        "reading.pages.exists(p, reading.pages.exists(q, 'x' in reading.pages))".to_owned(),
        "reading.pages.exists(p, reading.pages.exists(q, reading.pages == reading.pages && false))"
            .to_owned(),
        "reading.pages.all(p, p.text.matches(p.text))".to_owned(),
    ] {
        let (took, outcome) = on_a_small_stack(source.clone(), reading(200, &"слово aaa ".repeat(1000)));
        let shown: String = source.chars().take(60).collect();
        eprintln!("{:>6} ms  {shown}  →  {outcome}", took.as_millis());
        assert!(took < Duration::from_secs(3), "{shown} took {took:?}");
        assert!(outcome.len() < 1_000);
    }
}

fn template(json: &Json) -> (Template, Vec<String>) {
    let mut problems = Vec::new();
    let template = Template::compile(json, Variables::STEP, "with", &mut problems);
    let problems = problems
        .iter()
        .map(|p| {
            format!(
                "{}:{}:{}: {}",
                p.at,
                p.line.unwrap_or(0),
                p.column.unwrap_or(0),
                p.message
            )
        })
        .collect();
    (template, problems)
}

#[test]
fn templates_keep_types_and_interpolate() {
    let (template, problems) = template(&json!({
        "whole": "${ params.limit }",
        "padded": " ${ params.limit }",
        "text": "Total: ${ fields.total.value.amount } ${fields.total.value.currency}.",
        "nothing": "[${ fields.nothing.value }]",
        "absent": "${ fields.nothing.value }",
        "literal": "$${ params.limit } costs $5 and ${ '}' }",
        "nested": [{ "a~b/c": "${ {'k': [1]}.k }" }, 7, true],
        "map": "${ {'a': {'b': 1}} }",
        "plain": "}{",
    }));
    assert_eq!(problems, Vec::<String>::new());
    let expected = json!({
        "whole": 3,
        "padded": " 3",
        "text": "Total: 1234.50 KZT.",
        "nothing": "[]",
        "absent": null,
        "literal": "${ params.limit } costs $5 and }",
        "nested": [{ "a~b/c": [1] }, 7, true],
        "map": { "a": { "b": 1 } },
        "plain": "}{",
    });
    assert_eq!(template.evaluate(&scope(), Absent::Null), Ok(expected.clone()));
    let mut without = expected;
    without.as_object_mut().map(|o| o.remove("absent"));
    assert_eq!(template.evaluate(&scope(), Absent::Omit), Ok(without));
    assert!(
        template.dynamic().contains(&"/nested/0/a~0b~1c".to_owned()),
        "{:?}",
        template.dynamic()
    );
    assert!(!template.dynamic().contains(&"/plain".to_owned()));
}

#[test]
fn templates_say_where_the_mistake_is() {
    for (json, expected) in [
        (
            json!({ "a": "ab ${ parms.x }" }),
            "with.a:1:7: there is no variable 'parms'",
        ),
        (
            json!({ "a": ["x\ny ${\n feilds.x }"] }),
            "with.a[0]:3:2: there is no variable 'feilds'",
        ),
        (json!("${ params.x"), "with:1:1: '${' has no closing"),
        (json!("${}"), "with:1:3: the expression is empty"),
    ] {
        let (_, problems) = template(&json);
        assert!(
            problems.iter().any(|p| p.starts_with(expected)),
            "{json}: {problems:?}"
        );
    }
}

#[test]
fn conditions_may_be_bare_or_wrapped() {
    for text in [
        "params.limit > 1",
        "${ params.limit > 1 }",
        " ${params.limit > 1} ",
    ] {
        let expression = strip(text, Variables::STEP).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(expression.evaluate(&scope()), Ok(json!(true)), "{text}");
    }
    assert!(strip("x ${ params.limit }", Variables::STEP).is_err());
    assert!(strip("${ params.limit } > ${ params.limit }", Variables::STEP).is_err());
}

#[test]
fn small_expressions_are_cheap() {
    let scope = scope();
    for source in [
        "input.media_type == 'application/pdf'",
        "fields.total.value.amount",
        "reading.pages.size() > 1",
    ] {
        let begun = Instant::now();
        let expression = Expression::compile(source, Variables::STEP).unwrap_or_else(|e| panic!("{e:?}"));
        let compiled = begun.elapsed();
        let begun = Instant::now();
        for _ in 0..1000 {
            let _ = expression.evaluate(&scope);
        }
        let each = begun.elapsed() / 1000;
        eprintln!("{source}: compiled in {compiled:?}, evaluated in {each:?}");
        assert!(each < Duration::from_millis(1), "{each:?}");
    }
}

#[test]
fn the_tree_of_fields_has_no_more_room_than_its_fields_need() {
    let nodes = |fields: &[Field]| count(&scope::field_tree(fields));
    let hostile: Vec<Field> = (0..200)
        .map(|n| field(&format!("a{n}{}", "[9999]".repeat(30)), None))
        .collect();
    assert!(nodes(&hostile) < 20_000, "{}", nodes(&hostile));
    let deep: Vec<Field> = (0..2_000)
        .map(|n| field(&format!("a{n}{}", ".a".repeat(95)), None))
        .collect();
    assert!(nodes(&deep) < 60_000, "{}", nodes(&deep));
    assert!(
        scope::field_tree(&hostile).get(&hostile[150].path).is_some(),
        "the whole path always finds it"
    );
    // In whatever order a list of thousands comes.
    let mut paths: Vec<String> = (0..3_000).map(|n| format!("lines[{n}].a")).collect();
    paths.sort();
    let lines: Vec<Field> = paths.iter().map(|path| field(path, None)).collect();
    let tree = scope::field_tree(&lines);
    assert_eq!(tree["lines"].as_array().map(Vec::len), Some(3_000));
    assert_eq!(tree["lines"][2_999]["a"]["path"], json!("lines[2999].a"));
}

fn count(json: &Json) -> usize {
    1 + match json {
        Json::Array(items) => items.iter().map(count).sum(),
        Json::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

#[test]
fn the_expressions_of_a_template_share_an_allowance() {
    let one = "${ reading.pages.map(a, reading.pages.map(b, a.number * b.number)).size() }";
    let (template, problems) = template(&json!(vec![one; 300]));
    assert_eq!(problems, Vec::<String>::new());
    let scope = scope_over(reading(100, "x"));
    let mut allowance = Allowance::new(1, &Stop::default());
    let failed = template.evaluate_within(&scope, Absent::Null, &mut allowance);
    let failed = failed.err().unwrap_or_else(|| panic!("it had enough"));
    assert!(
        matches!(&failed.trouble, Trouble::Failed(why) if why.contains("beside it")),
        "{failed:?}"
    );
    let stop = Stop::default();
    stop.set();
    let stopped = template.evaluate_until(&scope, Absent::Null, &stop).unwrap_err();
    assert!(
        stopped.trouble.to_string().contains("nobody waits"),
        "{stopped:?}"
    );
}

#[test]
fn a_template_has_so_many_expressions_and_no_more() {
    let (_, problems) = template(&json!(vec!["${ 1 }"; 5_000]));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("more than 1000 expressions"), "{problems:?}");
    let name = "n".repeat(100_000);
    let (template, problems) = template(&json!({ name.as_str(): ["${ 1 }", "${ nope }"] }));
    assert_eq!(problems.len(), 2);
    assert!(
        problems
            .iter()
            .all(|p| p.len() < 300 && p.contains("bytes together")),
        "{problems:?}"
    );
    assert!(template.dynamic().is_empty());
}

#[test]
fn what_a_scope_holds_is_weighed_no_further_than_asked() {
    let known = Known {
        params: Arc::new(json!(vec![0; 1_000_000])),
        ..Known::default()
    };
    let scope = Scope::new(known, None);
    let begun = Instant::now();
    for _ in 0..1_000 {
        assert!(scope.exceeds(Variables::INPUTS, 32 * 1024));
        assert!(
            !scope.exceeds(Variables::NONE.with(Variable::Inputs), 32 * 1024),
            "only what is asked for"
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}
