//! What a guest may return, what it may reach, and how it may fail.

use std::sync::Arc;

use docmill_engine::Engine;
use docmill_model::failure::Code;
use docmill_model::reading::Inputs;
use docmill_model::value::{Check, Field, Outcome, Severity, Value};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn broken_rules_are_invalid_output_and_named() {
    for (attack, rule) in [
        (r#"{"attack":"bad-path"}"#, "field-path"),
        (r#"{"attack":"bad-json"}"#, "json"),
        (r#"{"attack":"deep-json","size":100000}"#, "json"),
        (r#"{"attack":"bad-decimal"}"#, "decimal"),
        (r#"{"attack":"bad-confidence"}"#, "confidence"),
        (r#"{"attack":"wrong-quote"}"#, "citation-quote"),
        (r#"{"attack":"wrong-range"}"#, "citation-range"),
        (r#"{"attack":"wrong-reading"}"#, "citation-reading"),
        (r#"{"attack":"broken-page"}"#, "confidence"),
        (r#"{"attack":"bad-utf8"}"#, "cannot be read"),
    ] {
        let invocation = hostile(attack, |_| {}).await;
        assert_eq!(code(&invocation), Code::InvalidOutput, "{attack}");
        let failure = invocation.result.unwrap_err();
        assert!(failure.message.contains(rule), "{attack}: {failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_that_is_not_there_is_kept_and_marked() {
    let invocation = hostile(r#"{"attack":"quote","text":"four"}"#, |_| {}).await;
    let citation = &fields(&invocation)[0].citations[0];
    assert_eq!(citation.class, docmill_model::value::MatchClass::Unmatched);
    assert_eq!((citation.quote.as_str(), citation.range), ("four", None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_reports_keeps_its_kind_and_its_code() {
    for (kind, expected) in [
        ("unsupported", Code::Unsupported),
        ("invalid-input", Code::InvalidInput),
        ("invalid-config", Code::InvalidConfig),
        ("unavailable", Code::PluginUnavailable),
        ("denied", Code::Denied),
        ("exhausted", Code::Exhausted),
        ("failed", Code::PluginFailed),
    ] {
        let invocation = hostile(&format!(r#"{{"attack":"report","text":"{kind}"}}"#), |_| {}).await;
        assert_eq!(code(&invocation), expected);
        let failure = invocation.result.unwrap_err();
        assert_eq!(failure.reason.as_deref(), Some("own-code"));
        assert_eq!(
            (failure.message.as_str(), failure.retry_after_ms),
            ("as asked to report", Some(7))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traps_are_told_apart_from_everything_else() {
    let panicked = hostile("panic", |_| {}).await;
    assert_eq!(code(&panicked), Code::Trap);
    assert!(panicked.log.contains("as asked"), "{}", panicked.log);
    assert_eq!(code(&hostile("exit", |_| {}).await), Code::Trap);
    assert_eq!(code(&hostile("forged-handle", |_| {}).await), Code::Trap);
    assert_eq!(text(&hostile("nothing", |_| {}).await), "yes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_reaches_nothing() {
    let invocation = hostile("escape", |_| {}).await;
    assert_eq!(
        text(&invocation),
        "file: false, write: false, dir: false, env: 0, args: 0, tcp: PermissionDenied, listen: false, udp: false, \
         name: false, stdin: 0"
    );
    assert!(!std::path::Path::new("/tmp/docmill-hostile").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_cleaned() {
    let invocation = hostile("log-escape", |_| {}).await;
    assert_eq!(invocation.log, "\u{fffd}[31mred\u{fffd}\u{fffd}\n");
}

/// `wasi:logging` is a draft that toolchains use; it is the log too.
#[tokio::test(flavor = "multi_thread")]
async fn the_logging_draft_is_the_log() {
    let logs = wat::parse_str(
        r#"(component
            (import "wasi:logging/logging@0.1.0-draft" (instance $logging
                (type $level (enum "trace" "debug" "info" "warn" "error" "critical"))
                (export "level" (type $l (eq $level)))
                (export "log" (func (param "level" $l) (param "context" string) (param "message" string)))))
            (core module $memory (memory (export "memory") 1) (data (i32.const 0) "ctxhello"))
            (core instance $memory (instantiate $memory))
            (core func $log (canon lower (func $logging "log") (memory (core memory $memory "memory"))))
            (core module $m
                (import "" "log" (func $log (param i32 i32 i32 i32 i32)))
                (func $start (call $log (i32.const 3) (i32.const 0) (i32.const 3) (i32.const 3) (i32.const 5)))
                (func (export "f"))
                (start $start))
            (core instance $i (instantiate $m (with "" (instance (export "log" (func $log))))))
            (func $f (canon lift (core func $i "f")))
            (instance $e (export "extract" (func $f)) (export "describe" (func $f)))
            (export "docmill:plugin/extractor@0.1.0" (instance $e))
            (export "docmill:plugin/manifest@0.1.0" (instance $e)))"#,
    );
    let plugin = load(engine(), logs.unwrap().into()).await;
    let invocation = engine()
        .invoke(&plugin, attack("nothing"), &tight(), &CONTEXT)
        .await;
    assert_eq!(
        code(&invocation),
        Code::InvalidComponent,
        "its function has no type of ours"
    );
    assert_eq!(invocation.log, "warn: ctx: hello\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_questions_get_errors_and_do_no_harm() {
    // "one two\nthree" has 13 bytes.
    let invocation = hostile(r#"{"attack":"slice","size":13}"#, |_| {}).await;
    assert_eq!(
        invocation.result.unwrap_err().reason.as_deref(),
        Some("bad-range")
    );
    let invocation = hostile("wrong-page", |_| {}).await;
    assert_eq!(
        invocation.result.unwrap_err().reason.as_deref(),
        Some("no-such-page")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_a_step_is_given_arrives() {
    let field = Field {
        path: "total".into(),
        value: Some(Value::Decimal("1.5".into())),
        raw: None,
        confidence: None,
        origin: None,
        citations: vec![],
    };
    let check = Check {
        code: "c".into(),
        outcome: Outcome::Pass,
        severity: Severity::Info,
        reason: "r".into(),
        fields: vec![],
        origin: None,
        citations: vec![],
    };
    let inputs = Inputs {
        params: Arc::new(serde_json::json!({"p": [1, null]})),
        main: Some(Arc::new(reading("Жил-был пёс"))),
        readings: [(
            "others".into(),
            vec![Arc::new(reading("a")), Arc::new(reading("b"))],
        )]
        .into(),
        texts: [("notes".into(), vec!["x".into(), "ы".into()])].into(),
        records: [("rows".into(), vec![Arc::new(serde_json::json!({"n": 1}))])].into(),
        fields: Arc::new(vec![field]),
        checks: Arc::new(vec![check]),
    };
    let plugin = plugin("docmill-hostile").await;
    let call = attack_on(r#"{"attack":"everything","text":"ПЁС"}"#, Arc::new(inputs));
    let invocation = engine().invoke(&plugin, call, &tight(), &CONTEXT).await;
    assert_eq!(
        text(&invocation),
        r#"main|text/plain|None|[]|1|low-resolution|1|{"p":[1,null]}|x+ы|{"n":1}|2|1|1|0|пёс|0|0"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_export_is_listed_and_never_called() {
    let inspection = Engine::inspect(&component("docmill-hostile")).unwrap();
    assert!(
        inspection.exports.contains(&"foreign".to_owned()),
        "{:?}",
        inspection.exports
    );
    assert_eq!(text(&hostile("nothing", |_| {}).await), "yes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_source_and_a_big_reading_survive_the_boundary() {
    let text = "Слово за словом. ".repeat(60_000);
    let plugin = plugin("docmill-text").await;
    let call = docmill_engine::Call::Parse {
        source: source("text/plain", "big.txt", text.clone()),
        config: "{}".into(),
    };
    let invocation = engine()
        .invoke(&plugin, call, &docmill_model::limits::Limits::default(), &CONTEXT)
        .await;
    match invocation.result.unwrap() {
        docmill_engine::Output::Reading(reading) => {
            assert_eq!(reading.whole_text().trim_end(), text.trim_end())
        }
        other => panic!("{other:?}"),
    }
}
