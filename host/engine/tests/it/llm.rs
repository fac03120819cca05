//! Language models from inside guests: adapters that answer, right or wrong, in pieces, slowly; plugins that ask; and calls that
//! wait for other calls.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use docmill_egress::{Egress, Settings};
use docmill_engine::{Call, Engine, Granted, Invocation, Models, Output, Plugin, Sink};
use docmill_model::duration::Span;
use docmill_model::failure::{Code, Failure};
use docmill_model::limits::{Limits, MAX_MODEL_BYTES};
use docmill_model::llm::{Delta, Finish, Message, Part, Request, Response, Role, Usage};
use docmill_model::size::ByteSize;
use futures_util::future::BoxFuture;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::*;

fn question(text: &str) -> Request {
    Request {
        model: Some("model-1".to_owned()),
        messages: vec![Message {
            role: Role::User,
            content: vec![Part::Text(text.to_owned())],
        }],
        ..Request::default()
    }
}

fn complete(request: Request, config: &Json, sink: Option<Sink>) -> Call {
    Call::Complete {
        request: Arc::new(request),
        sink,
        config: config.to_string().into(),
    }
}

async fn adapter(config: Json, change: impl FnOnce(&mut Limits)) -> Invocation {
    let plugin = plugin("docmill-hostile-llm-adapter").await;
    let mut limits = tight();
    change(&mut limits);
    let call = complete(question("Сәлем"), &config, None);
    engine().invoke(&plugin, call, &limits, &CONTEXT).await
}

fn answer(invocation: &Invocation) -> &Response {
    match &invocation.result {
        Ok(Output::Completion(response)) => response,
        other => panic!("no answer: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_is_asked_and_answers() {
    let invocation = adapter(json!({"calls": [["1", "look", "{\"at\": 1}"]]}), |_| {}).await;
    let response = answer(&invocation);
    assert_eq!(response.content[0], Part::Text("Сәлем".to_owned()));
    assert!(matches!(&response.content[1], Part::ToolCall(call) if call.name == "look"));
    assert_eq!(
        (response.model.as_str(), response.finish),
        ("model-1", Finish::Stop)
    );
    let usage = Usage {
        input: 10,
        cached_input: 4,
        output: 5,
        reasoning: 1,
    };
    assert_eq!(response.usage, usage);
    assert!(invocation.usage.effects.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_break_a_rule_are_refused() {
    for (config, rule) in [
        (json!({"part": "image"}), "llm-response-part"),
        (json!({"part": "tool-result"}), "llm-response-part"),
        (json!({"calls": [["1", "look", "{"]]}), "llm-json"),
        (json!({"calls": [["", "look", "{}"]]}), "llm-name"),
        (json!({"calls": vec![("1", "look", "{}"); 129]}), "llm-count"),
        (json!({"texts": vec!["a"; 1_001]}), "llm-parts"),
        (json!({"model": ""}), "model"),
        (json!({"model": "m".repeat(MAX_MODEL_BYTES + 1)}), "model"),
        (json!({"model": "a\u{1b}[31m"}), "model"),
        (json!({"usage": [1, 2, 0, 0]}), "llm-usage"),
        (json!({"usage": [0, 0, 1, 2]}), "llm-usage"),
    ] {
        let invocation = adapter(config, |_| {}).await;
        assert_eq!(code(&invocation), Code::InvalidOutput, "{rule}");
        let message = invocation.result.unwrap_err().message;
        assert!(message.contains(rule), "{message}");
    }
    let large = |limits: &mut Limits| limits.output = ByteSize::kib(100);
    assert_eq!(
        code(&adapter(json!({"filler": 200_000}), large).await),
        Code::OutputLimit
    );
    let most = adapter(
        json!({"texts": ["a\u{0}b"], "usage": [u32::MAX, u32::MAX, u32::MAX, u32::MAX]}),
        |_| {},
    )
    .await;
    assert_eq!(answer(&most).content[0], Part::Text("a\u{fffd}b".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_adapter_reports_keeps_its_kind_and_its_time() {
    let limited = adapter(json!({"fail": "exhausted", "retry_after_ms": 1_500}), |_| {}).await;
    let failure = limited.result.unwrap_err();
    assert_eq!(
        (failure.code, failure.retry_after_ms),
        (Code::Exhausted, Some(1_500))
    );
    for (config, expected) in [
        (json!({"fail": "unavailable"}), Code::PluginUnavailable),
        (json!({"fail": "denied"}), Code::Denied),
        (json!({"fail": "other"}), Code::PluginFailed),
        (json!({"trap": true}), Code::Trap),
        (json!({"nonsense": 1}), Code::InvalidConfig),
    ] {
        assert_eq!(code(&adapter(config.clone(), |_| {}).await), expected, "{config}");
    }
    let short = |limits: &mut Limits| limits.timeout = Span::millis(200);
    assert_eq!(code(&adapter(json!({"spin": true}), short).await), Code::Timeout);
}

async fn pushing(config: Json, sink: Sink, change: impl FnOnce(&mut Limits)) -> Invocation {
    let plugin = plugin("docmill-hostile-llm-adapter").await;
    let mut limits = tight();
    change(&mut limits);
    let call = complete(question("hello"), &config, Some(sink));
    engine().invoke(&plugin, call, &limits, &CONTEXT).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_arrive_in_order_and_wait_for_a_slow_reader() {
    let (sink, mut deltas) = Sink::new();
    let pushed = tokio::spawn(pushing(json!({"push": 200}), sink, |_| {}));
    // Nobody reads yet: the adapter waits, within what may wait.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!pushed.is_finished());
    let mut read = Vec::new();
    while let Some(delta) = deltas.next().await {
        let Delta::Text(text) = delta else {
            panic!("{delta:?}")
        };
        read.push(text);
        if read.len().is_multiple_of(50) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(read, (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
    answer(&pushed.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn large_pieces_come_in_parts_that_give_them_again() {
    let (sink, mut deltas) = Sink::new();
    let pushed = tokio::spawn(pushing(json!({"push": 2, "push_bytes": 200_000}), sink, |_| {}));
    let mut whole = String::new();
    while let Some(Delta::Text(text)) = deltas.next().await {
        assert!(text.len() <= 64 << 10);
        whole.push_str(&text);
    }
    assert_eq!(whole, format!("0{0}1{0}", "x".repeat(200_000)));
    answer(&pushed.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_is_told_to_the_adapter() {
    let (sink, mut deltas) = Sink::new();
    let pushed = tokio::spawn(pushing(json!({"push": 1_000_000}), sink, |_| {}));
    assert_eq!(deltas.next().await, Some(Delta::Text("0".to_owned())));
    drop(deltas);
    let invocation = pushed.await.unwrap();
    let failure = invocation.result.unwrap_err();
    assert_eq!(failure.code, Code::Interrupted, "{failure}");
    // Whoever does not care pushes into nothing.
    let (sink, deltas) = Sink::new();
    drop(deltas);
    let stubborn = pushing(json!({"push": 1_000, "stubborn": true}), sink, |_| {}).await;
    answer(&stubborn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_never_reads_does_not_outlast_the_deadline() {
    let (sink, deltas) = Sink::new();
    let begun = Instant::now();
    let short = |limits: &mut Limits| limits.timeout = Span::millis(300);
    let invocation = pushing(json!({"push": 1_000}), sink, short).await;
    assert_eq!(code(&invocation), Code::Timeout);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    drop(deltas);
    let (sink, mut deltas) = Sink::new();
    let few = |limits: &mut Limits| limits.host_calls = 100;
    let pushed = tokio::spawn(pushing(json!({"push": 1_000_000, "stubborn": true}), sink, few));
    while deltas.next().await.is_some() {}
    assert_eq!(code(&pushed.await.unwrap()), Code::HostCallLimit);
}

/// Answers by asking an adapter in an instance of its own, as the pipeline does.
struct Nested {
    engine: Engine,
    plugin: Plugin,
    config: Json,
    asked: AtomicUsize,
}

impl std::fmt::Debug for Nested {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nested")
    }
}

impl Models for Nested {
    fn complete(
        &self,
        mut request: Request,
        deadline: tokio::time::Instant,
    ) -> BoxFuture<'static, Result<Response, Failure>> {
        // An adapter is told the provider's own name, always.
        request.model.get_or_insert_with(|| "model-1".to_owned());
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (engine, plugin) = (self.engine.clone(), self.plugin.clone());
        let call = complete(request, &self.config, None);
        Box::pin(async move {
            let context = docmill_engine::Context {
                deadline: Some(deadline),
                ..CONTEXT
            };
            let granted = Granted::default();
            let invocation = engine
                .invoke_nested(&plugin, call, &tight(), &context, granted)
                .await;
            match invocation.result? {
                Output::Completion(response) => Ok(response),
                other => panic!("{other:?}"),
            }
        })
    }

    fn effects(&self) -> Vec<String> {
        vec![format!("llm asked={}", self.asked.load(Ordering::SeqCst))]
    }
}

async fn packages(engine: &Engine) -> (Plugin, Plugin) {
    let load = async |package: &'static str| {
        let bytes = tokio::task::spawn_blocking(move || component(package))
            .await
            .unwrap();
        load(engine, bytes).await
    };
    (
        load("docmill-hostile-llm").await,
        load("docmill-hostile-llm-adapter").await,
    )
}

fn models(engine: &Engine, adapter: &Plugin, config: Json) -> Arc<Nested> {
    Arc::new(Nested {
        engine: engine.clone(),
        plugin: adapter.clone(),
        config,
        asked: AtomicUsize::new(0),
    })
}

fn ask(asks: &Json) -> Call {
    attack(&json!({ "asks": asks }).to_string())
}

fn granted(models: &Arc<Nested>) -> Granted {
    Granted {
        models: Some(Arc::clone(models) as Arc<dyn Models>),
        ..Granted::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_without_a_grant_is_refused_and_told() {
    let (asking, _) = packages(engine()).await;
    let call = ask(&json!([{"prompt": "a"}, {"prompt": "b"}]));
    let invocation = engine().invoke(&asking, call, &tight(), &CONTEXT).await;
    assert_eq!(text(&invocation), "Denied not-granted");
    let expected = ["llm", "llm refused=2 without a grant"];
    assert_eq!(invocation.usage.effects, expected);
    assert!(
        invocation.log.contains("docmill plugin grant"),
        "{}",
        invocation.log
    );
    // Handed on, it is a refusal by the host.
    let strict = attack(r#"{"asks": [{}], "strict": true}"#);
    let invocation = engine().invoke(&asking, strict, &tight(), &CONTEXT).await;
    assert_eq!(code(&invocation), Code::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_asks_and_reads_answers_and_errors() {
    let (asking, adapter) = packages(engine()).await;
    let invoke = async |asks: Json, config: Json, limits: Limits| {
        let models = models(engine(), &adapter, config);
        let granted = granted(&models);
        engine()
            .invoke_granted(&asking, ask(&asks), &limits, &CONTEXT, granted)
            .await
    };
    let invocation = invoke(json!([{"prompt": "Сәлем", "model": "m"}]), json!({}), tight()).await;
    assert_eq!(text(&invocation), "Сәлем");
    assert_eq!(invocation.usage.effects, ["llm", "llm asked=1"]);
    // Wrong questions reach nobody.
    for (ask, rule) in [
        (json!({"schema": "{"}), "llm-json"),
        (json!({"extra": "[]"}), "llm-json"),
        (json!({"temperature": -1}), "llm-temperature"),
        (json!({"max_output_tokens": 0}), "llm-tokens"),
        (json!({"messages": 1_000}), "llm-messages"),
        (json!({"image": 0}), "llm-image"),
        (json!({"arguments": "nope"}), "llm-json"),
    ] {
        let invocation = invoke(json!([ask]), json!({}), tight()).await;
        assert_eq!(text(&invocation), "InvalidInput invalid-request", "{rule}");
        let said = fields(&invocation)[1].value.as_ref().unwrap().plain().to_string();
        assert!(said.contains(rule), "{said}");
        assert_eq!(invocation.usage.effects, ["llm", "llm asked=0"]);
    }
    // What an adapter says is what the plugin reads.
    for (config, read) in [
        (
            json!({"fail": "exhausted", "retry_after_ms": 7}),
            "Exhausted exhausted 7",
        ),
        (json!({"fail": "unavailable"}), "Unavailable unavailable"),
        (json!({"trap": true}), "Failed trap"),
        (json!({"part": "image"}), "Failed invalid-output"),
    ] {
        let invocation = invoke(json!([{}]), config, tight()).await;
        assert_eq!(text(&invocation), read);
    }
    // What crosses is weighed, in both directions.
    let narrow = Limits {
        host_call_bytes: ByteSize::kib(64),
        ..tight()
    };
    let invocation = invoke(json!([{"filler": 100_000}]), json!({}), narrow).await;
    assert_eq!(code(&invocation), Code::HostCallLimit);
    let invocation = invoke(json!([{}]), json!({"filler": 100_000}), narrow).await;
    assert_eq!(code(&invocation), Code::HostCallLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_an_answer_is_over_at_its_own_deadline() {
    let (asking, adapter) = packages(engine()).await;
    let models = models(engine(), &adapter, json!({"spin": true}));
    let limits = Limits {
        timeout: Span::millis(400),
        ..tight()
    };
    let begun = Instant::now();
    let invocation = engine()
        .invoke_granted(&asking, ask(&json!([{}])), &limits, &CONTEXT, granted(&models))
        .await;
    assert_eq!(code(&invocation), Code::Timeout);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    // The adapter's time is not its caller's.
    assert!(invocation.usage.cpu_us < 300_000, "{:?}", invocation.usage);
}

/// Every place is held by somebody who waits for an answer, and answers come all the same.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_wait_for_others_do_not_wait_for_each_other() {
    let (engine, _dir) = engine_with(|settings| {
        settings.pool_instances = 2;
        settings.pool_nested = 1;
    });
    let (asking, adapter) = packages(&engine).await;
    let calls: Vec<_> = (0..12)
        .map(|n| {
            let (engine, asking) = (engine.clone(), asking.clone());
            let models = models(&engine, &adapter, json!({}));
            tokio::spawn(async move {
                let call = ask(&json!([{"prompt": format!("{n}"), "times": 3}]));
                engine
                    .invoke_granted(&asking, call, &tight(), &CONTEXT, granted(&models))
                    .await
            })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(text(&call.await.unwrap()), n.to_string());
    }
    assert_eq!(engine.stats().running, 0);
    // Whom a nested call could ask is taken away: chains would wait for each other again.
    let models = models(&engine, &adapter, json!({}));
    let call = ask(&json!([{}]));
    let nested = engine
        .invoke_nested(&asking, call, &tight(), &CONTEXT, granted(&models))
        .await;
    assert_eq!(text(&nested), "Denied not-granted");
}

#[test]
fn an_adapter_that_asks_models_itself_is_refused() {
    let text = r#"(component
        (import "docmill:plugin/llm@0.1.0" (instance))
        (core module $f (func (export "f")))
        (core instance $f (instantiate $f))
        (func $lifted (canon lift (core func $f "f")))
        (instance $a (export "complete" (func $lifted)))
        (instance $m (export "describe" (func $lifted)))
        (export "docmill:plugin/KIND@0.1.0" (instance $a))
        (export "docmill:plugin/manifest@0.1.0" (instance $m)))"#;
    let refused = Engine::inspect(&wat::parse_str(text.replace("KIND", "llm-adapter")).unwrap()).unwrap_err();
    assert_eq!(refused.reason.as_deref(), Some("imports"));
    assert!(refused.message.contains("cannot ask"), "{refused}");
    let fine = Engine::inspect(&wat::parse_str(text.replace("KIND", "extractor")).unwrap()).unwrap();
    assert_eq!(fine.imports[0].purpose, docmill_engine::Purpose::Capability);
    let inspection = Engine::inspect(&component("docmill-openai")).unwrap();
    let unknown = inspection
        .imports
        .iter()
        .find(|it| it.purpose == docmill_engine::Purpose::Unknown);
    assert_eq!(unknown, None);
}

/// An engine whose way out takes every name for this machine.
fn online() -> (Engine, tempfile::TempDir) {
    let settings = Settings {
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..Settings::default()
    };
    let loopback: IpAddr = "127.0.0.1".parse().unwrap();
    let resolver: docmill_egress::Resolver = Arc::new(move |_| Box::pin(async move { Ok(vec![loopback]) }));
    let egress = Egress::with_resolver(settings, resolver).unwrap();
    engine_with(|settings| settings.egress = Some(egress))
}

/// A server that sends a stream piece by piece; keeps what it was asked, and counts what it sent.
async fn streaming(pieces: usize, pause: Duration) -> (u16, Arc<Mutex<Vec<u8>>>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, sent) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let (hears, counts) = (Arc::clone(&asked), Arc::clone(&sent));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (hears, counts) = (Arc::clone(&hears), Arc::clone(&counts));
            tokio::spawn(async move { drop(stream_one(stream, pieces, pause, &hears, &counts).await) });
        }
    });
    (port, asked, sent)
}

async fn stream_one(
    mut stream: TcpStream,
    pieces: usize,
    pause: Duration,
    hears: &Mutex<Vec<u8>>,
    counts: &AtomicUsize,
) -> std::io::Result<()> {
    let mut read = vec![0; 64 << 10];
    let mut n = 0;
    while !read[..n].ends_with(b"}") {
        n += stream.read(&mut read[n..]).await?;
    }
    hears.lock().unwrap().extend_from_slice(&read[..n]);
    stream
        .write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        )
        .await?;
    let mut events: Vec<String> = (0..pieces)
        .map(|n| json!({"model": "m-1", "choices": [{"delta": {"content": format!("{n} ")}}]}).to_string())
        .collect();
    events.push(json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}).to_string());
    events.push(json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).to_string());
    events.push("[DONE]".to_owned());
    for event in events {
        let event = format!("data: {event}\n\n");
        stream
            .write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
            .await?;
        counts.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(pause).await;
    }
    stream.write_all(b"0\r\n\r\n").await
}

async fn openai(engine: &Engine, port: u16, sink: Option<Sink>) -> Invocation {
    let bytes = tokio::task::spawn_blocking(|| component("docmill-openai"))
        .await
        .unwrap();
    let plugin = load(engine, bytes).await;
    let grant = json!({"hosts": ["api.example"], "ports": [port], "plaintext": true, "methods": ["POST"]});
    let granted = Granted {
        http: Some((Arc::new(serde_json::from_value(grant).unwrap()), vec![])),
        ..Granted::default()
    };
    let config = json!({"base_url": format!("http://api.example:{port}/v1")});
    let call = complete(question("count"), &config, sink);
    engine
        .invoke_granted(&plugin, call, &tight(), &CONTEXT, granted)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_arrives_while_it_is_written() {
    let (engine, _dir) = online();
    let (port, asked, sent) = streaming(20, Duration::from_millis(30)).await;
    let (sink, mut deltas) = Sink::new();
    let whole = async {
        let invocation = openai(&engine, port, Some(sink)).await;
        (invocation, sent.load(Ordering::SeqCst))
    };
    let reading = async {
        let mut read = Vec::new();
        let mut early = usize::MAX;
        while let Some(delta) = deltas.next().await {
            early = early.min(sent.load(Ordering::SeqCst));
            read.push(delta);
        }
        (read, early)
    };
    let ((invocation, _), (read, early)) = tokio::join!(whole, reading);
    let expected: Vec<Delta> = (0..20).map(|n| Delta::Text(format!("{n} "))).collect();
    assert_eq!(read, expected);
    assert!(early < 15, "the first piece came when {early} were sent");
    let response = answer(&invocation);
    assert_eq!((response.model.as_str(), response.usage.output), ("m-1", 2));
    let asked = String::from_utf8(asked.lock().unwrap().clone()).unwrap();
    assert!(
        asked.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(asked.contains("\"stream\":true"), "{asked}");
    assert!(
        invocation
            .usage
            .effects
            .iter()
            .any(|it| it.ends_with("sent=1 refused=0"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_ends_the_request() {
    let (engine, _dir) = online();
    let (port, _, sent) = streaming(10_000, Duration::from_millis(2)).await;
    let (sink, mut deltas) = Sink::new();
    let asked = tokio::spawn({
        let engine = engine.clone();
        async move { openai(&engine, port, Some(sink)).await }
    });
    for _ in 0..5 {
        deltas.next().await.unwrap();
    }
    drop(deltas);
    let invocation = asked.await.unwrap();
    assert_eq!(code(&invocation), Code::Interrupted);
    // The connection is closed with it: nothing more is paid for.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after = sent.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(sent.load(Ordering::SeqCst), after);
    assert!(after < 5_000, "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_no_server_is_asked() {
    let (engine, _dir) = online();
    let (port, asked, _) = streaming(1, Duration::ZERO).await;
    let bytes = tokio::task::spawn_blocking(|| component("docmill-openai"))
        .await
        .unwrap();
    let plugin = load(&engine, bytes).await;
    let config = json!({"base_url": format!("http://api.example:{port}/v1")});
    let call = complete(question("count"), &config, None);
    let invocation = engine.invoke(&plugin, call, &tight(), &CONTEXT).await;
    assert_eq!(code(&invocation), Code::Denied);
    assert_eq!(invocation.result.unwrap_err().reason.as_deref(), Some("egress"));
    assert!(asked.lock().unwrap().is_empty());
}
