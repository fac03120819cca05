//! Grants and secrets from end to end: refused without a grant, run with it, stopped when it is withdrawn; and a canary that
//! is looked for everywhere.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use docmill_egress::{Egress, Settings};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::TEXT;
use crate::support::Host;
use crate::support::client::Reply;
use crate::support::host::{Setup, component};

const CANARY: &str = "canary-9b41/+\"z\" &q";
const GRANTS: &str = "/v1/plugins/test/hostile-http/grants";

/// A host whose way out takes `upstream.example` for this machine, with the plugin that asks for HTTP.
async fn online() -> Host {
    let mut setup = Setup::new().await;
    let settings = Settings {
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..Settings::default()
    };
    let resolver: docmill_egress::Resolver = Arc::new(|name| {
        let loopback: IpAddr = [127, 0, 0, 1].into();
        Box::pin(async move {
            if name == "upstream.example" {
                Ok(vec![loopback])
            } else {
                Ok(vec![])
            }
        })
    });
    setup.engine.egress = Some(Egress::with_resolver(settings, resolver).unwrap());
    let host = setup.start().await;
    host.install(&["text"]).await;
    let put = host.call("PUT", "/v1/plugins/test/hostile-http/versions/0.1.0");
    put.body("application/wasm", component("hostile_http"))
        .send()
        .await
        .ok(201);
    host
}

fn pipeline(requests: &Json, retain: &str) -> String {
    format!(
        "name: out\nretain: {retain}\nsteps:\n  - {{ id: parse, use: docmill/text@0.1 }}\n  - {{ id: ask, use: test/hostile-http@0.1, \
         with: {} }}\n",
        json!({ "attack": "fetch", "requests": requests })
    )
}

async fn save(host: &Host, text: &str) -> Reply {
    let call = host.call("PUT", "/v1/pipelines/out");
    call.body("application/yaml", text).send().await
}

async fn grant(host: &Host, bounds: Json) -> Reply {
    let call = host.call("PUT", &format!("{GRANTS}/http"));
    call.body("application/json", bounds.to_string()).send().await
}

async fn run(host: &Host) -> Reply {
    host.run("out").body("text/plain", TEXT).send().await
}

/// Says back what it was sent, in several encodings, and keeps it.
async fn echo() -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let hears = Arc::clone(&hears);
            tokio::spawn(async move {
                let mut read = vec![0; 64 << 10];
                let mut n = stream.read(&mut read).await.unwrap_or(0);
                // A body is waited for: who answers before it has come hides that it was refused.
                while read.starts_with(b"POST") && !read[..n].ends_with(b"0\r\n\r\n") {
                    match stream.read(&mut read[n..]).await {
                        Ok(more) if more > 0 => n += more,
                        _ => return,
                    }
                }
                hears.lock().unwrap().extend_from_slice(&read[..n]);
                let head = String::from_utf8_lossy(&read[..n]).into_owned();
                let value = head
                    .lines()
                    .find_map(|line| line.strip_prefix("authorization: "))
                    .unwrap_or_default();
                let body = [
                    value.to_owned(),
                    STANDARD_NO_PAD.encode(value),
                    STANDARD_NO_PAD.encode(format!("x{value}")),
                    json!(value).to_string(),
                    value.bytes().map(|b| format!("%{b:02X}")).collect(),
                    value.bytes().map(|b| format!("{b:02x}")).collect(),
                ]
                .join("|");
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nx-echo: {value}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (port, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capability_is_refused_until_it_is_granted_and_again_when_it_is_withdrawn() {
    let host = online().await;
    let (port, heard) = echo().await;
    let requests =
        json!([{ "scheme": "http", "authority": format!("upstream.example:{port}"), "path": "/x" }]);
    let text = pipeline(&requests, "debug");

    // Not granted: the step, the capability and the fix are named.
    let refused = save(&host, &text).await.problem(422, "invalid-definition");
    let said = refused.to_string();
    for part in [
        "steps.ask.use",
        "capability http",
        "docmill plugin grant test/hostile-http http",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let none = host.get(GRANTS).send().await.ok(200);
    assert_eq!(none, json!({ "items": [] }));

    let bounds = json!({ "hosts": ["Upstream.Example."], "ports": [port], "plaintext": true, "calls": 2 });
    let granted = grant(&host, bounds.clone()).await.ok(200);
    assert_eq!(granted["bounds"]["hosts"], json!(["upstream.example"]));
    assert!(
        granted["said"]
            .as_str()
            .unwrap()
            .starts_with("GET, HEAD upstream.example port"),
        "{granted}"
    );
    save(&host, &text).await.ok(201);
    let ran = run(&host).await.ok(200);
    assert!(ran["fields"][0]["value"].to_string().contains("200 "), "{ran}");
    assert!(String::from_utf8_lossy(&heard.lock().unwrap()).starts_with("GET /x HTTP/1.1"));
    let run_of = host
        .get(&format!("/v1/runs/{}", ran["id"].as_str().unwrap()))
        .send()
        .await
        .ok(200);
    let line = format!("http http://upstream.example:{port} sent=1 refused=0");
    assert!(run_of.to_string().contains(&line), "{run_of}");

    // A narrower grant holds from the next run on, and what it does not allow is told in the record.
    let other = json!({ "hosts": ["other.example"], "plaintext": true });
    grant(&host, other).await.ok(200);
    let denied = run(&host).await.ok(200);
    assert!(
        denied["fields"][0]["value"]
            .to_string()
            .contains("HttpRequestDenied"),
        "{denied}"
    );
    let run_of = host
        .get(&format!("/v1/runs/{}", denied["id"].as_str().unwrap()))
        .send()
        .await
        .ok(200);
    assert!(
        run_of
            .to_string()
            .contains("the grant does not name the host upstream.example"),
        "{run_of}"
    );

    // Withdrawn: no run begins, here at once, and on another host as soon as it looks.
    grant(&host, bounds).await.ok(200);
    run(&host).await.ok(200);
    let withdrawn = host.call("DELETE", &format!("{GRANTS}/http")).send().await;
    assert_eq!(withdrawn.status, 204, "{}", withdrawn.text());
    let stopped = run(&host).await.problem(422, "invalid-definition").to_string();
    assert!(
        stopped.contains("capability http") && stopped.contains("docmill plugin grant"),
        "{stopped}"
    );
    host.call("DELETE", &format!("{GRANTS}/http"))
        .send()
        .await
        .problem(404, "not-found");
    for (action, times) in [("plugin.grant", 3), ("plugin.revoke", 1)] {
        assert_eq!(
            host.database.audited(action).await.unwrap().len(),
            times,
            "{action}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_and_secrets_are_refused_with_the_reason() {
    let host = online().await;
    for (bounds, said) in [
        (json!({ "hosts": [] }), "1 to 64"),
        (json!({ "hosts": ["*"] }), "asterisk"),
        (json!({ "hosts": ["*.org"] }), "two labels"),
        (json!({ "hosts": ["https://a.org"] }), "scheme"),
        (json!({ "hosts": ["127.1"] }), "write 127.0.0.1"),
        (json!({ "hosts": ["a.org"], "ports": ["9-1"] }), "no port"),
        (
            json!({ "hosts": ["a.org"], "methods": ["CONNECT"] }),
            "cannot be granted",
        ),
        (json!({ "hosts": ["a.org"], "budget": 1 }), "unknown field"),
    ] {
        let refused = grant(&host, bounds.clone())
            .await
            .problem(400, "malformed-request");
        assert!(refused.to_string().contains(said), "{bounds}: {refused}");
    }
    let put = host.call("PUT", "/v1/plugins/test/hostile-http/grants/telepathy");
    put.body("application/json", r#"{"hosts": ["a.org"]}"#)
        .send()
        .await
        .problem(404, "not-found");
    let idn = grant(&host, json!({ "hosts": ["*.пример.рф"], "ports": ["8000-8099"] }))
        .await
        .ok(200);
    assert_eq!(idn["bounds"]["hosts"], json!(["*.xn--e1afmkfd.xn--p1ai"]));
    // Also before there is any version, but only for a name that a plugin can have.
    let early = host.call("PUT", "/v1/plugins/acme/later/grants/http");
    early
        .body("application/json", r#"{"hosts": ["a.org"]}"#)
        .send()
        .await
        .ok(200);
    host.get("/v1/plugins/acme/later/grants").send().await.ok(200);
    host.get("/v1/plugins/acme/never/grants")
        .send()
        .await
        .problem(404, "not-found");

    let secret = async |name: &str, body: Json| {
        let put = host.call("PUT", &format!("/v1/secrets/{name}"));
        put.body("application/json", body.to_string()).send().await
    };
    for (name, body) in [
        (
            "key",
            json!({ "value": "line\nX-Injected: 1", "hosts": ["a.org"] }),
        ),
        ("key", json!({ "value": "nul\u{0}nul-nul", "hosts": ["a.org"] })),
        ("key", json!({ "value": "short", "hosts": ["a.org"] })),
        ("key", json!({ "value": "long enough", "hosts": [] })),
        ("key", json!({ "value": "long enough", "hosts": ["*"] })),
        ("key", json!({ "value": 12_345_678_901_u64, "hosts": ["a.org"] })),
        ("0key", json!({ "value": "long enough", "hosts": ["a.org"] })),
        ("a%7Db", json!({ "value": "long enough", "hosts": ["a.org"] })),
    ] {
        let refused = secret(name, body.clone())
            .await
            .problem(400, "malformed-request")
            .to_string();
        assert!(
            !refused.contains("X-Injected") && !refused.contains("12345678901"),
            "{refused}"
        );
    }
    secret("key", json!({ "value": "long enough", "hosts": ["A.org."] }))
        .await
        .ok(201);
    secret("key", json!({ "value": "long enough too", "hosts": ["a.org"] }))
        .await
        .ok(200);
    let listed = host.get("/v1/secrets").send().await;
    assert!(!listed.text().contains("long enough"), "{}", listed.text());
    assert_eq!(listed.ok(200)["items"][0]["hosts"], json!(["a.org"]));
    assert_eq!(host.call("DELETE", "/v1/secrets/key").send().await.status, 204);
    host.call("DELETE", "/v1/secrets/key")
        .send()
        .await
        .problem(404, "not-found");
    assert_eq!(
        host.get("/v1/secrets").send().await.ok(200),
        json!({ "items": [] })
    );
}

/// Every way in which a text with the canary in it could have been written down.
fn spellings() -> BTreeSet<Vec<u8>> {
    let middle = "canary-9b41";
    let mut all: BTreeSet<Vec<u8>> = [CANARY, middle].map(|text| text.as_bytes().to_vec()).into();
    for text in [CANARY, middle] {
        all.insert(
            text.bytes()
                .map(|b| format!("{b:02x}"))
                .collect::<String>()
                .into_bytes(),
        );
        all.insert(
            text.bytes()
                .map(|b| format!("{b:02X}"))
                .collect::<String>()
                .into_bytes(),
        );
        all.insert(
            text.bytes()
                .map(|b| format!("%{b:02X}"))
                .collect::<String>()
                .into_bytes(),
        );
        for before in 0..3 {
            let encoded = STANDARD_NO_PAD.encode([&vec![b'x'; before], text.as_bytes()].concat());
            all.insert(encoded.as_bytes()[4..encoded.len() - 2].to_vec());
        }
    }
    all
}

fn has_canary(text: &[u8]) -> bool {
    spellings()
        .iter()
        .any(|spelling| text.windows(spelling.len()).any(|part| part == spelling))
}

/// Everything that this process logs, down to traces; only whether the canary was in it is kept.
#[derive(Clone)]
struct Listener(Arc<AtomicBool>, Arc<AtomicBool>);

impl Write for Listener {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.1.store(true, Ordering::Relaxed);
        if line.windows(6).any(|part| part == b"canary") || has_canary(line) {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_nowhere_but_in_the_request_that_it_was_for() {
    let logged = Listener(Arc::default(), Arc::default());
    let writer = logged.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("trace")
        .with_writer(move || writer.clone());
    // Another test of this process may listen already; then this one hears nothing, and says so.
    let listening = subscriber.try_init().is_ok();
    let host = online().await;
    let (port, heard) = echo().await;
    let authority = format!("upstream.example:{port}");
    let fine = json!([["authorization", "Bearer {{secret:upstream}}"]]);
    let requests = json!([
        { "scheme": "http", "authority": authority, "headers": fine },
        { "scheme": "http", "authority": authority, "headers": [["x-other", "{{secret:upstream}}"]] },
        { "scheme": "http", "authority": authority, "method": "POST", "body": "{{secret:upstream}}" },
        { "scheme": "http", "authority": authority, "path": "/%7B%7Bsecret:upstream%7D%7D" },
        { "scheme": "http", "authority": "elsewhere.example", "headers": fine },
    ]);
    let secrets = json!([{ "header": "Authorization", "secret": "upstream" }]);
    let bounds = json!({
        "hosts": ["upstream.example", "elsewhere.example"], "ports": ["1-65535"], "plaintext": true,
        "methods": ["GET", "POST"], "secrets": secrets,
    });
    grant(&host, bounds).await.ok(200);
    let put = host.call("PUT", "/v1/secrets/upstream");
    let body = json!({ "value": CANARY, "hosts": ["upstream.example"] });
    put.body("application/json", body.to_string())
        .send()
        .await
        .ok(201);
    save(&host, &pipeline(&requests, "debug")).await.ok(201);

    let ran = run(&host).await;
    let answered = ran.text();
    let ran = ran.ok(200);
    let said: Vec<String> = ran["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["value"].to_string())
        .collect();
    assert!(
        said[0].contains("200 ") && said[0].contains("Bearer ****"),
        "{said:?}"
    );
    for refused in &said[1..] {
        assert!(refused.contains("ErrorCode::"), "{said:?}");
    }
    // It arrived, once.
    let heard = heard.lock().unwrap().clone();
    let header = format!("authorization: Bearer {CANARY}\r\n");
    assert_eq!(
        heard
            .windows(header.len())
            .filter(|part| *part == header.as_bytes())
            .count(),
        1
    );

    // And is nowhere else: answers, the run's record, the audit log, metrics, the whole database.
    let record = host
        .get(&format!("/v1/runs/{}", ran["id"].as_str().unwrap()))
        .send()
        .await;
    let metrics = host.anonymous("GET", "/metrics").send().await;
    let audit = host.get("/v1/audit").send().await;
    for (what, text) in [
        ("answer", answered.as_str()),
        ("record", &record.text()),
        ("metrics", &metrics.text()),
        ("audit", &audit.text()),
    ] {
        assert!(!has_canary(text.as_bytes()), "{what}: {text}");
    }
    let dumped = host.database.dump().await.unwrap();
    for (table, row) in &dumped {
        assert!(!has_canary(row.as_bytes()), "{table}: {row}");
    }
    assert!(dumped.len() > 50, "{}", dumped.len());
    // Its use is in the audit log, with where it went.
    let used = host.database.audited("secret.use").await.unwrap();
    assert!(
        used.len() == 1 && used[0].contains("secrets=upstream"),
        "{used:?}"
    );
    assert_eq!(host.database.audited("secret.set").await.unwrap().len(), 1);

    // A new envelope key: sealed anew, and it still opens.
    let vault = host.state.runs().executor().vault().unwrap();
    assert_eq!(vault.rotate(host.database.tenant).await.unwrap(), 1);
    assert!(
        run(&host).await.ok(200)["fields"][0]["value"]
            .to_string()
            .contains("Bearer ****")
    );
    // Forgotten: the placeholder is refused from the next call on.
    assert_eq!(
        host.call("DELETE", "/v1/secrets/upstream").send().await.status,
        204
    );
    assert!(
        run(&host).await.ok(200)["fields"][0]["value"]
            .to_string()
            .contains("HttpRequestDenied")
    );
    assert!(!logged.0.load(Ordering::Relaxed), "it is in the log");
    assert!(
        listening && logged.1.load(Ordering::Relaxed),
        "nothing was heard of the log"
    );
}
