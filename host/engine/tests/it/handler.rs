//! A plain `wasi:http` component as a transformer: what it is posted, what its answers become, and what it may not do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use docmill_engine::{Call, Engine, Granted, Invocation, Output, Purpose};
use docmill_model::duration::Span;
use docmill_model::failure::Code;
use docmill_model::limits::Limits;
use docmill_model::plugin::Kind;
use docmill_model::reading::Inputs;
use docmill_model::size::ByteSize;
use serde_json::{Value as Json, json};

use crate::http::{echo, online};
use crate::support::*;

const PACKAGE: &str = "docmill-hostile-handler";

fn transform(config: &Json, inputs: Arc<Inputs>) -> Call {
    Call::Transform {
        inputs,
        config: config.to_string().into(),
    }
}

async fn answered(config: Json, change: impl FnOnce(&mut Limits)) -> Invocation {
    let mut limits = tight();
    change(&mut limits);
    let plugin = plugin(PACKAGE).await;
    let call = transform(&config, inputs("one two\nthree"));
    engine().invoke(&plugin, call, &limits, &CONTEXT).await
}

fn json_of(invocation: &Invocation) -> &Json {
    match &invocation.result {
        Ok(Output::Json(json)) => json,
        other => panic!("no JSON: {other:?}; its log says {}", invocation.log),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_transformer_that_says_nothing_of_itself() {
    let bytes = component(PACKAGE);
    let inspection = Engine::inspect(&bytes).unwrap();
    assert_eq!(
        (inspection.kind, inspection.plain_http),
        (Kind::Transformer, true)
    );
    assert_eq!(inspection.contract, "wasi:http/incoming-handler@0.2.12");
    // Only what sends requests has to be granted.
    for (interface, purpose) in [
        ("types", Purpose::Wasi),
        ("outgoing-handler", Purpose::Capability),
    ] {
        let name = format!("wasi:http/{interface}@");
        let import = inspection
            .imports
            .iter()
            .find(|import| import.interface.starts_with(&name));
        assert_eq!(import.map(|import| import.purpose), Some(purpose), "{interface}");
    }
    let plugin = plugin(PACKAGE).await;
    assert_eq!(plugin.kind(), Kind::Transformer);
    assert_eq!(engine().describe(&plugin).await.unwrap(), None);
    // It is no extractor.
    let wrong = engine().invoke(&plugin, attack("{}"), &tight(), &CONTEXT).await;
    assert_eq!(code(&wrong), Code::Internal);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_posted_the_step_and_is_pure() {
    let config = json!({"answer": "echo", "locale": "kk"});
    let given = Arc::new(Inputs {
        texts: BTreeMap::from([("question".into(), vec!["почему?".into()])]),
        ..Inputs::clone(&inputs("one two\nthree"))
    });
    let plugin = plugin(PACKAGE).await;
    let mut answers = Vec::new();
    for now in [0, CONTEXT.now] {
        let context = docmill_engine::Context { now, ..CONTEXT };
        let call = transform(&config, Arc::clone(&given));
        let invocation = engine().invoke(&plugin, call, &tight(), &context).await;
        assert_eq!(invocation.usage.effects, Vec::<String>::new());
        answers.push(json_of(&invocation).clone());
    }
    assert_eq!(answers[0], answers[1]);
    let request = &answers[0]["request"];
    assert_eq!(
        (&request["method"], &request["path"]),
        (&json!("Method::Post"), &json!("/"))
    );
    assert_eq!(request["headers"]["content-type"], "application/json");
    let posted = &answers[0]["posted"];
    assert_eq!(posted["form"], "docmill.step/1");
    assert_eq!(posted["config"], config);
    assert_eq!(posted["main"], "main");
    assert_eq!(posted["readings"][0]["pages"][0]["text"], "one two\nthree");
    assert_eq!(posted["texts"]["question"][0], "почему?");
    assert_eq!(
        request["headers"]["host"],
        Json::Null,
        "headers of the connection are not there"
    );
    let names: Vec<&String> = request["headers"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["accept", "content-length", "content-type"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_answers_is_the_output_or_the_failure() {
    let given = |status: u16, headers: Json, body: &str| json!({"answer": "given", "status": status, "headers": headers, "body": body});
    let none = json_of(&answered(given(204, json!({}), ""), |_| {}).await).clone();
    assert_eq!(none, Json::Null);
    let headers =
        json!({"content-type": "text/csv", "content-disposition": "attachment; filename=\"../a.csv\""});
    match answered(given(200, headers, "a,b\r\n"), |_| {}).await.result {
        Ok(Output::Artifact(file)) => {
            assert_eq!(
                (file.name.as_str(), file.media_type.as_str()),
                ("a.csv", "text/csv")
            );
            assert_eq!(file.content, "a,b\r\n");
        }
        other => panic!("{other:?}"),
    }
    for (status, headers, code, retry_after_ms) in [
        (422, json!({}), Code::InvalidInput, None),
        (415, json!({}), Code::Unsupported, None),
        (429, json!({"retry-after": "7"}), Code::Exhausted, Some(7_000)),
        (
            503,
            json!({"retry-after": "1"}),
            Code::PluginUnavailable,
            Some(1_000),
        ),
        (500, json!({}), Code::PluginFailed, None),
        (301, json!({}), Code::PluginFailed, None),
    ] {
        let invocation = answered(given(status, headers, "why\u{7}"), |_| {}).await;
        let failure = invocation.result.unwrap_err();
        assert_eq!(
            (failure.code, failure.retry_after_ms),
            (code, retry_after_ms),
            "{failure}"
        );
        assert!(failure.message.ends_with(": why\u{fffd}"), "{failure}");
    }
    let broken = answered(
        given(200, json!({"content-type": "application/json"}), "{"),
        |_| {},
    )
    .await;
    assert_eq!(code(&broken), Code::InvalidOutput);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_break_the_rules_have_their_codes() {
    // Compiling the component is not what is timed below.
    answered(json!({"answer": "trailers"}), |_| {}).await;
    for (attack, expected, said) in [
        ("silent", Code::InvalidOutput, "without setting"),
        ("leak", Code::InvalidOutput, "before its answer was complete"),
        ("twice", Code::Trap, ""),
        (
            "unfinished",
            Code::InvalidOutput,
            "before its answer was complete",
        ),
        ("dropped", Code::InvalidOutput, "not whole"),
        ("short", Code::InvalidOutput, "not whole"),
        ("trap", Code::Trap, ""),
        ("error", Code::PluginFailed, "error of wasi:http"),
    ] {
        let begun = Instant::now();
        let invocation = answered(json!({"answer": attack}), |_| {}).await;
        assert_eq!(code(&invocation), expected, "{attack}");
        let message = invocation.result.unwrap_err().message;
        assert!(
            message.contains(said) && !message.contains(['\u{1b}', '\0']),
            "{attack}: {message}"
        );
        assert!(begun.elapsed() < Duration::from_secs(10), "{attack}");
    }
    assert_eq!(
        json_of(&answered(json!({"answer": "trailers"}), |_| {}).await),
        &json!({"with": "trailers"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_holds() {
    let mib = |n| ByteSize::mib(n);
    let endless = answered(json!({"answer": "endless"}), |limits| limits.output = mib(1)).await;
    assert_eq!(code(&endless), Code::OutputLimit);
    // It was stopped where it was, and did not write on.
    assert!(endless.usage.cpu_us < 5_000_000, "{:?}", endless.usage);
    let most = json!({"answer": "endless", "size": 2 << 20});
    let fits = answered(most.clone(), |limits| limits.output = mib(2)).await;
    assert_eq!(
        code(&fits),
        Code::InvalidOutput,
        "two MiB of x are no JSON, and are taken"
    );
    let over = answered(most, |limits| limits.output = ByteSize((2 << 20) - 1)).await;
    assert_eq!(code(&over), Code::OutputLimit);

    let headers = answered(json!({"answer": "headers", "size": 100_000}), |_| {}).await;
    assert_eq!(code(&headers), Code::HostMemoryLimit);
    let spin = answered(json!({"answer": "spin"}), |limits| {
        limits.timeout = Span::millis(300)
    })
    .await;
    assert_eq!(code(&spin), Code::Timeout);
    let no_handle = answered(json!({}), |limits| limits.handles = 1).await;
    assert_eq!(code(&no_handle), Code::HandleLimit);
    let calls = answered(json!({"answer": "endless"}), |limits| {
        limits.host_calls = 1_000;
        limits.output = mib(1_000);
    })
    .await;
    assert_eq!(code(&calls), Code::HostCallLimit);

    // What the step is given is held against the host's memory, and counted.
    let plugin = plugin(PACKAGE).await;
    let large = inputs(&"x".repeat(2 << 20));
    for (host_memory, host_call_bytes, expected) in [
        (mib(1), mib(100), Code::HostMemoryLimit),
        (mib(8), mib(1), Code::HostCallLimit),
    ] {
        let limits = Limits {
            host_memory,
            host_call_bytes,
            ..tight()
        };
        let call = transform(&json!({"answer": "given", "status": 204}), Arc::clone(&large));
        let invocation = engine().invoke(&plugin, call, &limits, &CONTEXT).await;
        assert_eq!(code(&invocation), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sees_no_files_no_environment_and_no_network_without_a_grant() {
    let invocation = answered(json!({"answer": "world"}), |_| {}).await;
    assert_eq!(json_of(&invocation), &json!({"files": false, "variables": 0}));
    assert!(
        invocation.log.contains("said on standard output"),
        "{}",
        invocation.log
    );

    let fetch = |authority: String| json!({"answer": "fetch", "authority": authority});
    let refused = answered(fetch("fine.example".to_owned()), |_| {}).await;
    assert_eq!(code(&refused), Code::Denied);
    assert_eq!(refused.usage.effects, ["http", "http refused=1 without a grant"]);

    let (port, came) = echo(Duration::ZERO).await;
    let bytes = component(PACKAGE);
    let plugin = load(online(), bytes).await;
    let grant =
        json!({"hosts": ["fine.example"], "ports": ["1-65535"], "plaintext": true, "methods": ["GET"]});
    let granted = Granted {
        http: Some((Arc::new(serde_json::from_value(grant).unwrap()), vec![])),
        ..Granted::default()
    };
    for (host, expected) in [("fine.example", None), ("other.example", Some(Code::Denied))] {
        let call = transform(&fetch(format!("{host}:{port}")), inputs(""));
        let invocation = online()
            .invoke_granted(&plugin, call, &tight(), &CONTEXT, granted.clone())
            .await;
        match expected {
            None => assert_eq!(json_of(&invocation), &json!({"status": 200})),
            Some(expected) => assert_eq!(code(&invocation), expected),
        }
        assert_eq!(invocation.usage.effects[0], "http");
    }
    assert_eq!(came.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[test]
fn other_worlds_are_refused_with_their_reason() {
    let exporting = |names: &[&str], imports: &str| {
        let exports: String = names
            .iter()
            .map(|name| format!("(export \"{name}\" (instance $i))"))
            .collect();
        let text = format!("(component {imports} (instance $i) {exports})");
        Engine::inspect(&wat::parse_str(text).unwrap())
    };
    for names in [
        &["wasi:http/incoming-handler@0.3.0"][..],
        &["wasi:http/incoming-handler@0.2.0-rc-2023-11-10"],
        &["wasi:cli/run@0.2.0"],
    ] {
        let refused = exporting(names, "").unwrap_err();
        assert!(
            refused.message.contains("wasi:http/incoming-handler@0.2"),
            "{refused}"
        );
    }
    // Whoever takes docmill's name keeps docmill's rules.
    let half = exporting(
        &[
            "docmill:plugin/manifest@0.1.0",
            "wasi:http/incoming-handler@0.2.0",
        ],
        "",
    );
    assert!(half.unwrap_err().message.contains("exports no"));
    let spin = r#"(import "fermyon:spin/llm@2.0.0" (instance))"#;
    let foreign = exporting(&["wasi:http/incoming-handler@0.2.0"], spin).unwrap_err();
    assert_eq!(foreign.reason.as_deref(), Some("imports"));
    let plain = exporting(&["wasi:http/incoming-handler@0.2.0"], "").unwrap();
    assert!(plain.plain_http);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_another_type_is_told_when_it_is_admitted() {
    let text = r#"(component
        (core module $m (func (export "f")))
        (core instance $m (instantiate $m))
        (func $f (canon lift (core func $m "f")))
        (instance $i (export "handle" (func $f)))
        (export "wasi:http/incoming-handler@0.2.0" (instance $i)))"#;
    let plugin = load(engine(), wat::parse_str(text).unwrap().into()).await;
    let refused = engine().describe(&plugin).await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidComponent, "{refused}");
}
