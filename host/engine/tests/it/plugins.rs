//! The plugins that ship, and the examples in JavaScript, as the host calls them: right results, and the same bytes
//! whatever the clock and the seed.

use std::sync::Arc;

use docmill_engine::{Call, Context, Invocation, Output, Plugin, Sink};
use docmill_model::chunk::{Chunk, Embeddings, Purpose};
use docmill_model::limits::Limits;
use docmill_model::llm::{Delta, Message, Part, Request, Role};
use docmill_model::reading::{Inputs, Reading, TextSpan};
use docmill_model::value::{Check, Field, Outcome, Value};

use crate::support::*;

const LETTER: &str = "Счёт на оплату № АБ-17/3 от «12» марта 2024 г.\r\n\
    Поставщик: ТОО «Альфа», БИН 980540000397\r\n\r\n\
    Наименование     Кол-во    Сумма\r\n\
    Бумага A4            10   25 000,00\r\n\
    Ручка                 5    1 250,00\r\n\r\n\
    Итого к оплате: 26 250,00 тг\r\n";

const PATTERNS: &str = r#"{"currency": "KZT", "fields": [
    {"name": "number", "type": "identifier", "labels": ["Счет на оплату №"]},
    {"name": "date", "type": "date", "labels": ["от"]},
    {"name": "seller.bin", "type": "identifier", "check": "bin", "labels": ["БИН"]},
    {"name": "total", "type": "money", "labels": ["Итого к оплате"]},
    {"name": "missing", "labels": ["Скидка"]}
], "tables": [{"name": "lines", "columns": {
    "description": ["Наименование"], "amount": {"headers": ["Сумма"], "type": "money"}
}}]}"#;

const RULES: &str = r#"{"locale": "ru", "rules": [
    {"code": "sum", "expression": "fields.total.value == sum(fields.lines.map(l, l.amount.value))"},
    {"code": "missing", "expression": "fields.missing.value == 'x'"}
]}"#;

/// A call, and the same on another day with another seed: nothing may differ.
async fn twice(plugin: &Plugin, call: impl Fn() -> Call) -> Invocation {
    let first = engine()
        .invoke(plugin, call(), &Limits::default(), &CONTEXT)
        .await;
    let other = Context {
        now: 4_000_000_000_000,
        seed: [77; 32],
        deadline: None,
    };
    let second = engine().invoke(plugin, call(), &Limits::default(), &other).await;
    assert_eq!(
        format!("{:?}{}", first.result, first.log),
        format!("{:?}{}", second.result, second.log)
    );
    // Neither the clock nor anything else outside its inputs: results of such calls can be reused.
    assert_eq!(first.usage.effects, Vec::<String>::new());
    first
}

async fn read(bytes: Vec<u8>) -> Reading {
    let text = plugin("docmill-text").await;
    let parsed = twice(&text, || Call::Parse {
        source: source("text/plain", "invoice.txt", bytes.clone()),
        config: "{}".into(),
    })
    .await;
    match parsed.result {
        Ok(Output::Reading(reading)) => Reading {
            key: "main".into(),
            ..reading
        },
        other => panic!("{other:?}"),
    }
}

/// One byte per character, as DOS wrote Russian.
fn cp866(text: &str) -> Vec<u8> {
    let byte = |c: char| match c {
        'А'..='п' => c as u32 - 0x410 + 0x80,
        'р'..='я' => c as u32 - 0x440 + 0xE0,
        'ё' => 0xF1,
        '№' => 0xFC,
        '«' | '»' => u32::from(b'"'),
        other => other as u32,
    };
    text.chars().map(|c| u8::try_from(byte(c)).unwrap()).collect()
}

async fn extract(inputs: &Arc<Inputs>) -> Vec<Field> {
    let patterns = plugin("docmill-patterns").await;
    let found = twice(&patterns, || Call::Extract {
        inputs: Arc::clone(inputs),
        config: PATTERNS.into(),
    })
    .await;
    fields(&found).to_vec()
}

async fn judge(plugin: &Plugin, inputs: &Arc<Inputs>, config: &'static str) -> Vec<Check> {
    let judged = twice(plugin, || Call::Validate {
        inputs: Arc::clone(inputs),
        config: config.into(),
    })
    .await;
    match judged.result {
        Ok(Output::Checks(checks)) => checks,
        other => panic!("{other:?}"),
    }
}

async fn write(plugin: &Plugin, inputs: &Arc<Inputs>, config: &'static str) -> String {
    let written = twice(plugin, || Call::Transform {
        inputs: Arc::clone(inputs),
        config: config.into(),
    })
    .await;
    match written.result {
        Ok(Output::Artifact(artifact)) => String::from_utf8(artifact.content.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn shown(field: &Field) -> (String, String) {
    let value = field.value.as_ref().map_or("-".to_owned(), |v| match v {
        Value::Money(money) => format!("{} {}", money.amount, money.currency.as_deref().unwrap_or("")),
        other => other.plain().as_str().unwrap_or_default().to_owned(),
    });
    (field.path.clone(), value)
}

#[tokio::test(flavor = "multi_thread")]
async fn from_bytes_to_a_letter() {
    let reading = Arc::new(read(cp866(LETTER)).await);
    assert!(
        reading
            .metadata
            .contains(&("encoding".to_owned(), "IBM866".to_owned()))
    );
    let inputs = Arc::new(Inputs {
        main: Some(Arc::clone(&reading)),
        ..Inputs::default()
    });
    let found = extract(&inputs).await;
    let expected = [
        ("number", "АБ-17/3"),
        ("date", "2024-03-12"),
        ("seller.bin", "980540000397"),
        ("total", "26250.00 KZT"),
        ("missing", "-"),
        ("lines[0].amount", "25000.00 KZT"),
        ("lines[0].description", "Бумага A4"),
        ("lines[1].amount", "1250.00 KZT"),
        ("lines[1].description", "Ручка"),
    ];
    assert_eq!(
        found.iter().map(shown).collect::<Vec<_>>(),
        expected.map(|(path, value)| (path.to_owned(), value.to_owned()))
    );
    for citation in found.iter().flat_map(|field| &field.citations) {
        let range = citation.range.unwrap();
        let span = TextSpan {
            page: citation.page,
            range,
        };
        assert_eq!(reading.slice(span), Some(citation.quote.as_str()));
    }
    let inputs = Arc::new(Inputs {
        fields: found.into(),
        main: Some(reading),
        ..Inputs::default()
    });
    let checks = judge(&plugin("docmill-rules").await, &inputs, RULES).await;
    assert_eq!(
        checks.iter().map(|c| c.outcome).collect::<Vec<_>>(),
        [Outcome::Pass, Outcome::Undecided]
    );
    assert_eq!(checks[1].reason, "Нельзя решить: нет значения fields.missing.");
    let config = r#"{"locale": "ru", "template": "Сумма {{ fields.total.value | money }}", "media_type": "text/plain"}"#;
    let letter = write(&plugin("docmill-template").await, &inputs, config).await;
    assert_eq!(letter, "Сумма 26\u{a0}250,00\u{a0}₸");
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_configurations_are_errors_and_not_traps() {
    let rules = plugin("docmill-rules").await;
    let patterns = plugin("docmill-patterns").await;
    let template = plugin("docmill-template").await;
    let rule =
        |expression: String| serde_json::json!({ "rules": [{ "code": "a", "expression": expression }] });
    let chain = format!("{}1 > 0", "1 + ".repeat(150));
    let parens = format!("{}true{}", "(".repeat(40), ")".repeat(40));
    let cases = [
        (&rules, rule(chain), None),
        (&rules, rule(parens), None),
        (&rules, rule("1 + ".repeat(1000) + "1"), Some("invalid-config")),
        (
            &rules,
            rule("(".repeat(2000) + "1" + &")".repeat(2000)),
            Some("invalid-config"),
        ),
        (&rules, rule("!".repeat(4000) + "true"), None),
        (
            &patterns,
            serde_json::json!({ "fields": [{ "name": "a", "regex": "(".repeat(900) + "a" + &")".repeat(900) }] }),
            Some("invalid-config"),
        ),
        (
            &template,
            serde_json::json!({ "template": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}" }),
            Some("plugin-failed"),
        ),
        (
            &template,
            serde_json::json!({ "template": format!("{{{{ {}1{} }}}}", "(".repeat(9000), ")".repeat(9000)) }),
            Some("invalid-config"),
        ),
    ];
    for (plugin, config, refused) in cases {
        let inputs = inputs("x");
        let config: Arc<str> = config.to_string().into();
        let call = match plugin.kind() {
            docmill_model::plugin::Kind::Validator => Call::Validate { inputs, config },
            docmill_model::plugin::Kind::Transformer => Call::Transform { inputs, config },
            _ => Call::Extract { inputs, config },
        };
        let invocation = engine().invoke(plugin, call, &Limits::default(), &CONTEXT).await;
        let code = invocation
            .result
            .as_ref()
            .err()
            .map(|failure| failure.code.as_str());
        assert_eq!(code, refused, "{invocation:?}");
    }
    let text = plugin("docmill-text").await;
    for nested in ["> ".repeat(20_000), "- ".repeat(5_000), "[".repeat(50_000)] {
        let call = Call::Parse {
            source: source("text/markdown", "deep.md", nested + "x"),
            config: "{}".into(),
        };
        let invocation = engine().invoke(&text, call, &Limits::default(), &CONTEXT).await;
        assert!(invocation.result.is_ok(), "{:?}", invocation.result);
    }
}

/// The pieces of a reading, each held against the text that it cites.
async fn split(plugin: &Plugin, reading: &Arc<Reading>, config: &'static str) -> Vec<Chunk> {
    let split = twice(plugin, || Call::Split {
        reading: Arc::clone(reading),
        config: config.into(),
    })
    .await;
    let chunks = match split.result {
        Ok(Output::Chunks(chunks)) => chunks,
        other => panic!("{other:?}"),
    };
    for citation in chunks.iter().flat_map(|chunk| &chunk.citations) {
        let span = TextSpan {
            page: citation.page,
            range: citation.range.unwrap(),
        };
        assert_eq!(reading.slice(span), Some(citation.quote.as_str()));
    }
    chunks
}

async fn embed(plugin: &Plugin, chunks: &[Chunk], config: &'static str) -> Embeddings {
    let texts: Arc<[Arc<str>]> = chunks.iter().map(|chunk| chunk.text.as_str().into()).collect();
    let embedded = twice(plugin, || Call::Embed {
        texts: Arc::clone(&texts),
        purpose: Purpose::Document,
        config: config.into(),
    })
    .await;
    match embedded.result {
        Ok(Output::Embeddings(embeddings)) => embeddings,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_bytes_to_vectors() {
    let reading = Arc::new(read(cp866(LETTER)).await);
    let chunks = plugin("docmill-chunks").await;
    let config = r#"{"max_chars": 120, "overlap_chars": 40}"#;
    let pieces = split(&chunks, &reading, config).await;
    assert!(pieces.len() > 1, "{pieces:?}");
    assert!(pieces.iter().all(|chunk| chunk.text.chars().count() <= 120));
    let ngrams = plugin("docmill-hashed-ngrams").await;
    let embeddings = embed(&ngrams, &pieces, "{}").await;
    assert_eq!(embeddings.vectors.len(), pieces.len());
}

async fn example(kind: &str) -> Option<Plugin> {
    let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/dist/examples");
    let Ok(bytes) = std::fs::read(format!("{dist}/js-{kind}.wasm")) else {
        assert!(
            std::env::var_os("DOCMILL_REQUIRE_EXAMPLES").is_none(),
            "js-{kind}.wasm was not built"
        );
        println!("skipped: js-{kind}.wasm is not built (cargo xtask examples)");
        return None;
    };
    Some(load(engine(), bytes.into()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_in_javascript() {
    let (Some(parser), Some(extractor)) = (example("parser").await, example("extractor").await) else {
        return;
    };
    let (Some(validator), Some(transformer)) = (example("validator").await, example("transformer").await)
    else {
        return;
    };
    for plugin in [&parser, &extractor, &validator, &transformer] {
        let manifest = engine().describe(plugin).await.unwrap().unwrap();
        assert!(manifest.name.to_string().starts_with("example/js-"));
    }
    let subtitles = "1\r\n00:00:01,000 --> 00:00:02,000\r\n😀 Жазыңыз: info@пример.рф\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nor ann@example.org.\r\n";
    let parsed = twice(&parser, || Call::Parse {
        source: source("text/plain", "talk.srt", subtitles),
        config: "{}".into(),
    })
    .await;
    let Ok(Output::Reading(reading)) = parsed.result else {
        panic!("{:?}", parsed.result)
    };
    let reading = Arc::new(Reading {
        key: "main".into(),
        ..reading
    });
    assert_eq!(
        reading.whole_text().trim_end(),
        "😀 Жазыңыз: info@пример.рф\nor ann@example.org."
    );
    let inputs = Arc::new(Inputs {
        main: Some(Arc::clone(&reading)),
        ..Inputs::default()
    });
    let found = twice(&extractor, || Call::Extract {
        inputs: Arc::clone(&inputs),
        config: r#"{"limit": 5}"#.into(),
    })
    .await;
    let found = fields(&found).to_vec();
    assert_eq!(
        found.iter().map(shown).collect::<Vec<_>>(),
        [("emails[0]", "info@пример.рф"), ("emails[1]", "ann@example.org")]
            .map(|(path, value)| (path.to_owned(), value.to_owned()))
    );
    let first = &found[0].citations[0];
    let span = TextSpan {
        page: 0,
        range: first.range.unwrap(),
    };
    assert_eq!(reading.slice(span), Some("info@пример.рф"));
    let inputs = Arc::new(Inputs {
        fields: found.into(),
        main: Some(reading),
        ..Inputs::default()
    });
    let checks = judge(&validator, &inputs, r#"{"domains": ["example.org"]}"#).await;
    assert_eq!(checks[0].outcome, Outcome::Fail);
    assert_eq!(checks[0].citations[0].quote, "info@пример.рф");
    let csv = write(&transformer, &inputs, "{}").await;
    assert!(
        csv.starts_with("path,value,raw,confidence\r\nemails[0],info@пример.рф,info@пример.рф,0.99"),
        "{csv}"
    );
    let (Some(chunker), Some(embedder)) = (example("chunker").await, example("embedder").await) else {
        return;
    };
    let reading = inputs.main.clone().unwrap();
    let chunks = split(&chunker, &reading, r#"{"lines": 1}"#).await;
    let texts: Vec<&str> = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
    assert_eq!(texts, ["😀 Жазыңыз: info@пример.рф", "or ann@example.org."]);
    assert_eq!(chunks[1].metadata, Some(serde_json::json!({"line": 1})));
    let embeddings = embed(&embedder, &chunks, "{}").await;
    assert_eq!((embeddings.vectors.len(), embeddings.vectors[0].len()), (2, 58));
    let Some(adapter) = example("llm-adapter").await else {
        return;
    };
    let asked = |text: &str, sink| Call::Complete {
        request: Arc::new(Request {
            model: Some("parrot".to_owned()),
            messages: vec![Message {
                role: Role::User,
                content: vec![Part::Text(text.to_owned())],
            }],
            ..Request::default()
        }),
        sink,
        config: r#"{"prefix": "> "}"#.into(),
    };
    let (sink, mut deltas) = Sink::new();
    let answered = tokio::spawn({
        let (adapter, call) = (adapter.clone(), asked("Сәлем,  әлем 😀", Some(sink)));
        async move {
            engine()
                .invoke(&adapter, call, &Limits::default(), &CONTEXT)
                .await
        }
    });
    let mut pieces = Vec::new();
    while let Some(Delta::Text(piece)) = deltas.next().await {
        pieces.push(piece);
    }
    assert_eq!(pieces, ["> ", "Сәлем,  ", "әлем ", "😀"]);
    let answered = answered.await.unwrap();
    let Ok(Output::Completion(response)) = &answered.result else {
        panic!("{:?}", answered.result)
    };
    assert_eq!(response.only_text().as_deref(), Some("> Сәлем,  әлем 😀"));
    assert_eq!((response.model.as_str(), response.usage.output), ("parrot", 4));
    twice(&adapter, || asked("again", None)).await;
    // A reader that leaves ends it.
    let (sink, deltas) = Sink::new();
    drop(deltas);
    let left = engine()
        .invoke(&adapter, asked("a b", Some(sink)), &Limits::default(), &CONTEXT)
        .await;
    assert_eq!(code(&left).as_str(), "interrupted");
    let damaged = Call::Parse {
        source: source("text/plain", "talk.srt", "no cues here"),
        config: "{}".into(),
    };
    let refused = engine()
        .invoke(&parser, damaged, &Limits::default(), &CONTEXT)
        .await;
    assert_eq!(code(&refused).as_str(), "invalid-input");
}
