//! `wasi:http` from inside a guest, through the way out, to real sockets.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use docmill_egress::{Egress, Settings};
use docmill_engine::{Engine, Granted, Invocation, Plugin, Secret, SecretValue};
use docmill_model::duration::Span;
use docmill_model::failure::Code;
use docmill_model::limits::Limits;
use docmill_model::size::ByteSize;
use docmill_model::value::Value;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::*;

/// An engine whose way out takes every name for this machine, which it lets in.
pub fn online() -> &'static Engine {
    static ENGINE: OnceLock<(Engine, TempDir)> = OnceLock::new();
    &ENGINE
        .get_or_init(|| {
            let settings = Settings {
                networks: vec!["127.0.0.0/8".parse().unwrap()],
                ..Settings::default()
            };
            let loopback: IpAddr = "127.0.0.1".parse().unwrap();
            let resolver: docmill_egress::Resolver =
                Arc::new(move |_| Box::pin(async move { Ok(vec![loopback]) }));
            let egress = Egress::with_resolver(settings, resolver).unwrap();
            engine_with(|settings| settings.egress = Some(egress))
        })
        .0
}

async fn guest() -> Plugin {
    let bytes = tokio::task::spawn_blocking(|| component("docmill-hostile-http"))
        .await
        .unwrap();
    load(online(), bytes).await
}

fn granted(with: serde_json::Value, secrets: Vec<Secret>) -> Granted {
    let mut grant = json!({
        "hosts": ["fine.example"], "ports": ["1-65535"], "plaintext": true, "methods": ["GET", "POST"], "time": "5s",
    });
    grant
        .as_object_mut()
        .unwrap()
        .extend(with.as_object().unwrap().clone());
    Granted {
        http: Some((Arc::new(serde_json::from_value(grant).unwrap()), secrets)),
        ..Granted::default()
    }
}

async fn call(config: serde_json::Value, granted: Granted, change: impl FnOnce(&mut Limits)) -> Invocation {
    let mut limits = tight();
    change(&mut limits);
    let plugin = guest().await;
    online()
        .invoke_granted(&plugin, attack(&config.to_string()), &limits, &CONTEXT, granted)
        .await
}

fn one(port: u16) -> serde_json::Value {
    json!({ "scheme": "http", "authority": format!("fine.example:{port}"), "path": "/x" })
}

fn fetch(requests: &[serde_json::Value]) -> serde_json::Value {
    json!({ "attack": "fetch", "requests": requests })
}

fn texts(invocation: &Invocation) -> Vec<&str> {
    fields(invocation)
        .iter()
        .map(|field| match &field.value {
            Some(Value::Text(text)) => text.as_str(),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Says back what it was sent; `wait` before that.
pub async fn echo(wait: Duration) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut read = vec![0; 64 << 10];
                let n = stream.read(&mut read).await.unwrap_or(0);
                tokio::time::sleep(wait).await;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {n}\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&read[..n]).await;
                while stream.read(&mut read).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    (port, came)
}

/// Begins to answer and never ends; counts how many it does so for at once, at most.
async fn unfinished() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (open, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let most = Arc::clone(&peak);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let open = Arc::clone(&open);
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut read = vec![0; 64 << 10];
                let _ = stream.read(&mut read).await;
                let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n0123456789";
                let _ = stream.write_all(begun).await;
                while stream.read(&mut read).await.is_ok_and(|n| n > 0) {}
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (port, peak)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_with_a_grant_fetches_and_its_call_is_not_pure() {
    let (port, came) = echo(Duration::ZERO).await;
    let invocation = call(fetch(&[one(port)]), granted(json!({}), vec![]), |_| {}).await;
    let said = texts(&invocation)[0];
    assert!(
        said.starts_with("200 GET /x HTTP/1.1\r\n") && said.contains(&format!("host: fine.example:{port}")),
        "{said}"
    );
    assert_eq!(came.load(Ordering::SeqCst), 1);
    let effects = &invocation.usage.effects;
    assert!(effects.contains(&"http".to_owned()), "{effects:?}");
    assert!(
        effects.contains(&format!("http http://fine.example:{port} sent=1 refused=0")),
        "{effects:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_or_without_a_way_out_every_request_is_denied_and_none_traps() {
    let (port, came) = echo(Duration::ZERO).await;
    let config = fetch(&[one(port), one(port)]);
    let none = call(config.clone(), Granted::default(), |_| {}).await;
    assert_eq!(texts(&none), ["ErrorCode::HttpRequestDenied"; 2]);
    assert_eq!(none.usage.effects, ["http", "http refused=2 without a grant"]);
    assert!(none.log.contains("no grant for http"), "{}", none.log);
    // A host that was set up without a way out.
    let bytes = tokio::task::spawn_blocking(|| component("docmill-hostile-http"))
        .await
        .unwrap();
    let plugin = load(engine(), bytes).await;
    let attack = attack(&config.to_string());
    let nowhere = engine()
        .invoke_granted(&plugin, attack, &tight(), &CONTEXT, granted(json!({}), vec![]))
        .await;
    assert_eq!(texts(&nowhere), ["ErrorCode::HttpRequestDenied"; 2]);
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_request_is_an_error_for_the_guest_and_a_line_of_the_record() {
    let (port, came) = echo(Duration::ZERO).await;
    let asked = |authority: String| json!({ "scheme": "http", "authority": authority });
    let forbidden = [
        (asked(format!("other.example:{port}")), "HttpRequestDenied"),
        (asked(format!("127.0.0.1:{port}")), "HttpRequestDenied"),
        (asked(format!("2130706433:{port}")), "HttpRequestDenied"),
        (asked(format!("[::1]:{port}")), "HttpRequestDenied"),
        (
            asked(format!("fine.example.evil.net:{port}")),
            "HttpRequestDenied",
        ),
        (
            asked(format!("user@fine.example:{port}")),
            "HttpRequestUriInvalid",
        ),
        (
            json!({ "scheme": "ftp", "authority": "fine.example" }),
            "HttpProtocolError",
        ),
        (
            json!({ "scheme": "http", "method": "DELETE", "authority": "fine.example" }),
            "HttpRequestDenied",
        ),
        (
            json!({ "scheme": "http", "method": "CONNECT", "authority": "fine.example" }),
            "HttpRequestDenied",
        ),
        (
            json!({ "scheme": "http", "authority": "fine.example", "headers": [["connection", "close"]] }),
            "header: HeaderError::Forbidden",
        ),
        (
            json!({ "scheme": "http", "authority": "fine.example", "path": "/{{secret:key}}" }),
            "HttpRequestDenied",
        ),
        (
            json!({ "scheme": "http", "authority": "fine.example", "path": "/%7B%7Bsecret:key" }),
            "HttpRequestDenied",
        ),
        (
            json!({ "scheme": "http", "authority": "fine.example", "headers": [["x", "{{secret:key}}"]] }),
            "HttpRequestDenied",
        ),
    ];
    let requests: Vec<_> = forbidden.iter().map(|(request, _)| request.clone()).collect();
    let invocation = call(fetch(&requests), granted(json!({}), vec![]), |_| {}).await;
    for (said, (request, expected)) in texts(&invocation).iter().zip(&forbidden) {
        assert!(said.contains(expected), "{request}: {said}");
    }
    assert_eq!(came.load(Ordering::SeqCst), 0);
    let effects = &invocation.usage.effects;
    let line =
        format!("http refused: http://other.example:{port}: the grant does not name the host other.example");
    assert!(effects.contains(&line), "{effects:?}");
    assert!(
        invocation.log.contains("the grant does not name the host"),
        "{}",
        invocation.log
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_on_the_internet_is_prohibited() {
    // As a host is without settings: this machine is not let in.
    let loopback: IpAddr = "127.0.0.1".parse().unwrap();
    let resolver: docmill_egress::Resolver = Arc::new(move |_| Box::pin(async move { Ok(vec![loopback]) }));
    let egress = Egress::with_resolver(Settings::default(), resolver).unwrap();
    let (engine, _dir) = engine_with(|settings| settings.egress = Some(egress));
    let bytes = tokio::task::spawn_blocking(|| component("docmill-hostile-http"))
        .await
        .unwrap();
    let plugin = load(&engine, bytes).await;
    let (port, came) = echo(Duration::ZERO).await;
    let attack = attack(&fetch(&[one(port)]).to_string());
    let invocation = engine
        .invoke_granted(&plugin, attack, &tight(), &CONTEXT, granted(json!({}), vec![]))
        .await;
    assert_eq!(texts(&invocation), ["ErrorCode::DestinationIpProhibited"]);
    assert!(!format!("{:?}{}", invocation.usage, invocation.log).contains("127.0.0.1"));
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_out_and_does_not_come_back() {
    const SECRET: &str = "canary-7d1e/+\"x";
    let (port, _) = echo(Duration::ZERO).await;
    let secret = Secret {
        name: "key".into(),
        hosts: vec!["fine.example".parse().unwrap()],
        value: SecretValue::new(SECRET.into()).unwrap(),
    };
    let mut request = one(port);
    request["headers"] = json!([["authorization", "Bearer {{secret:key}}"]]);
    let grant = granted(
        json!({"secrets": [{"header": "authorization", "secret": "key"}]}),
        vec![secret],
    );
    let invocation = call(fetch(&[request]), grant, |_| {}).await;
    let said = texts(&invocation)[0].to_owned();
    assert!(said.contains("authorization: Bearer ***************"), "{said}");
    let everything = format!("{invocation:?}");
    assert!(!everything.contains("canary"), "{everything}");
    let line = format!("http http://fine.example:{port} sent=1 refused=0 secrets=key");
    assert!(
        invocation.usage.effects.contains(&line),
        "{:?}",
        invocation.usage.effects
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_the_network_ends_with_the_call_and_is_no_cpu_time() {
    let (port, _) = echo(Duration::from_secs(60)).await;
    let began = Instant::now();
    let long = granted(json!({"time": "60s"}), vec![]);
    let invocation = call(fetch(&[one(port)]), long, |l| l.timeout = Span::millis(400)).await;
    assert_eq!(code(&invocation), Code::Timeout);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(invocation.usage.cpu_us < 200_000, "{:?}", invocation.usage);
    // The grant's own time is an error that the guest can go on after.
    let short = granted(json!({"time": "200ms"}), vec![]);
    let invocation = call(fetch(&[one(port)]), short, |_| {}).await;
    assert_eq!(texts(&invocation), ["ErrorCode::HttpResponseTimeout"]);
    assert!(
        invocation.usage.wall_us >= 200_000 && invocation.usage.cpu_us < 150_000,
        "{:?}",
        invocation.usage
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guests_own_patience_is_real_time_while_something_is_on_its_way() {
    let (port, _) = echo(Duration::from_millis(100)).await;
    let asked =
        |milliseconds: usize| json!({ "attack": "impatient", "requests": [one(port)], "size": milliseconds });
    let patient = call(asked(10_000), granted(json!({}), vec![]), |_| {}).await;
    assert_eq!(texts(&patient), ["answer"]);
    let impatient = call(asked(10), granted(json!({}), vec![]), |_| {}).await;
    assert_eq!(texts(&impatient), ["timer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_http_costs_the_host_is_bounded() {
    let (port, came) = echo(Duration::ZERO).await;
    let small = |l: &mut Limits| {
        l.handles = 200;
        l.host_memory = ByteSize::mib(16);
    };
    let asked =
        |attack: &str, size: usize| json!({ "attack": attack, "requests": [one(port)], "size": size });
    let free = || granted(json!({}), vec![]);

    // One set of headers stays small; so many sets as there can be stay within the limit of host memory.
    let some = call(asked("fields", 10), free(), small).await;
    assert_eq!(texts(&some), ["10"]);
    assert_eq!(
        code(&call(asked("fields", 0), free(), small).await),
        Code::HostMemoryLimit
    );
    let all = call(asked("all-fields", 0), free(), small).await;
    assert_eq!(code(&all), Code::HandleLimit);
    // A method is a word.
    assert_eq!(texts(&call(asked("method", 40), free(), small).await), ["true"]);
    assert_eq!(
        texts(&call(asked("method", 8 << 20), free(), small).await),
        ["false"]
    );
    // Requests that nobody waits for: handles end them, and the grant ends the sending.
    let before = came.load(Ordering::SeqCst);
    let flood = call(asked("requests", 0), granted(json!({"calls": 5}), vec![]), small).await;
    assert_eq!(code(&flood), Code::HandleLimit);
    assert!(came.load(Ordering::SeqCst) - before <= 5);
    // Answers that are hoarded: 16 are under way at once, however many are asked for.
    let (unfinished, peak) = unfinished().await;
    let hoard = json!({ "attack": "hoard", "requests": [one(unfinished)], "size": 20 });
    let hoard = call(
        hoard,
        granted(json!({"time": "300ms", "calls": 100}), vec![]),
        small,
    )
    .await;
    let kept: usize = texts(&hoard)[0].parse().unwrap();
    assert!((16..20).contains(&kept), "{:?}", texts(&hoard));
    assert_eq!(texts(&hoard)[1], "ErrorCode::HttpResponseTimeout");
    assert_eq!(peak.load(Ordering::SeqCst), 16);
    // A body without end.
    let body = json!({ "attack": "body", "requests": [{ "scheme": "http", "method": "POST", "authority": format!("fine.example:{port}") }] });
    let body = call(body, granted(json!({"request_bytes": "64KiB"}), vec![]), small).await;
    let (written, said) = (
        texts(&body)[0].parse::<usize>().unwrap(),
        texts(&body)[1].to_owned(),
    );
    assert!(
        written <= 64 && (said.contains("HttpRequestBodySize") || said == "answered"),
        "{written}: {said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_spins_beside_its_request_is_stopped_and_the_connection_closed() {
    let (port, _) = echo(Duration::from_secs(60)).await;
    let spin = json!({ "attack": "spin", "requests": [one(port)] });
    let invocation = call(spin, granted(json!({}), vec![]), |l| {
        l.timeout = Span::millis(300)
    })
    .await;
    assert_eq!(code(&invocation), Code::Timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_guests_wait_at_once_on_few_threads() {
    let (port, _) = echo(Duration::from_millis(300)).await;
    let began = Instant::now();
    let all = (0..12).map(|_| call(fetch(&[one(port)]), granted(json!({}), vec![]), |_| {}));
    for invocation in futures_util::future::join_all(all).await {
        assert!(texts(&invocation)[0].starts_with("200"), "{invocation:?}");
    }
    assert!(
        began.elapsed() < Duration::from_secs(12 * 300 / 1_000 + 6),
        "{:?}",
        began.elapsed()
    );
}
