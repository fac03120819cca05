//! Registries that answer whatever they like.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use docmill_model::digest::Digest;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::artifact::{extras_tag, manifest_of};
use super::error::OciError;
use super::read::Pulled;
use super::*;

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 not much of one";
const MOST: u64 = 1 << 20;

/// What the registry answers.
#[derive(Clone)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// What the header says; none: until the connection ends.
    length: Option<u64>,
    /// The body again and again.
    endless: bool,
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    let body = body.into();
    Answer {
        status,
        headers: Vec::new(),
        length: Some(body.len() as u64),
        body,
        endless: false,
    }
}

fn ok(body: impl Into<Vec<u8>>) -> Answer {
    answer(200, body)
}

fn endless(status: u16) -> Answer {
    Answer {
        length: None,
        endless: true,
        ..answer(status, vec![b' '; 64 * 1024])
    }
}

impl Answer {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

struct Registry {
    address: String,
    /// Requests, as they came.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    async fn start(answers: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, answers) = (Arc::clone(&asked), Arc::new(answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
                tokio::spawn(async move { converse(stream, &seen, &*answers).await });
            }
        });
        Self { address, asked }
    }

    /// One that has this manifest under every tag, and these blobs.
    async fn having(manifest: Bytes, blobs: Vec<Bytes>) -> Self {
        Self::start(move |path, _| {
            if path == "/v2/" {
                return ok("{}");
            }
            if path.contains(".docmill") {
                return answer(404, "{}");
            }
            if path.contains("/manifests/") {
                return ok(manifest.to_vec());
            }
            let found = blobs
                .iter()
                .find(|blob| path.ends_with(&Digest::of(blob).to_string()));
            found.map_or_else(|| answer(404, "{}"), |blob| ok(blob.to_vec()))
        })
        .await
    }

    fn target(&self, rest: &str) -> Target {
        Target::parse(&format!("oci://{}/acme/x{rest}", self.address), false).unwrap()
    }

    async fn pull(&self, rest: &str) -> Result<Pulled, OciError> {
        pull(&self.target(rest), &Credentials::Nobody, MOST).await
    }

    fn was_asked(&self, words: &str) -> bool {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .any(|request| request.contains(words))
    }
}

async fn converse(
    mut stream: TcpStream,
    seen: &Mutex<Vec<String>>,
    answers: &(dyn Fn(&str, &str) -> Answer + Send + Sync),
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().unwrap().push(head.clone());
    let answer = answers(&path, &head);
    let mut out = format!("HTTP/1.1 {} Whatever\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(length) = answer.length {
        out.push_str(&format!("content-length: {length}\r\n"));
    }
    out.push_str("\r\n");
    stream.write_all(out.as_bytes()).await.ok();
    while stream.write_all(&answer.body).await.is_ok() && answer.endless {}
}

fn artifact(extras: Vec<Extra>) -> Artifact {
    Artifact {
        described: Described {
            name: "acme/x".into(),
            version: "1.0.0".into(),
            created: "2026-11-28T00:00:00Z".into(),
            ..Described::default()
        },
        component: Bytes::from_static(COMPONENT),
        extras,
    }
}

fn layer(media_type: &str, bytes: &[u8]) -> Json {
    json!({ "mediaType": media_type, "digest": format!("sha256:{}", Digest::of(bytes)), "size": bytes.len() })
}

fn manifest(layers: Json) -> Bytes {
    let config = layer("application/vnd.wasm.config.v0+json", b"{}");
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
    manifest.to_string().into()
}

#[test]
fn a_reference_says_where_and_what() {
    let digest = Digest::of(b"a");
    let parse = |text: &str| Target::parse(text, false);
    let tagged = parse("oci://ghcr.io/acme/x:1.2").unwrap();
    assert_eq!(
        (tagged.registry().as_str(), tagged.tag(), tagged.plain),
        ("ghcr.io", Some("1.2"), false)
    );
    let pinned = parse(&format!("oci://127.0.0.1:5000/a/b/c:1@sha256:{digest}")).unwrap();
    assert_eq!(
        (pinned.digest(), pinned.tag(), pinned.plain),
        (Some(digest), None, true)
    );
    assert!(parse("oci://localhost/x:1").unwrap().plain);
    assert!(Target::parse("oci://ghcr.io/x:1", true).unwrap().plain);
    for bad in [
        "ghcr.io/acme/x:1",
        "https://ghcr.io/acme/x:1",
        "oci://x:1",
        "oci://acme/x:1",
        "oci://ghcr.io/acme/x",
        "oci://ghcr.io/Acme/x:1",
        "oci://ghcr.io/../x:1",
        "oci://ghcr.io/acme/x:",
        "oci://user:pass@ghcr.io/x:1",
        "oci://ghcr.io/x@sha256:abc",
        &format!("oci://ghcr.io/x@sha512:{digest}{digest}"),
        &format!("oci://ghcr.io/x@sha256:{}", digest.to_string().to_uppercase()),
        "oci://ghcr.io/x:1\n",
        &format!("oci://ghcr.io/{}:1", "x".repeat(300)),
    ] {
        assert!(matches!(parse(bad), Err(OciError::Reference { .. })), "{bad}");
    }
}

#[tokio::test]
async fn what_others_have_pushed_is_taken() {
    let blobs = vec![Bytes::from_static(COMPONENT), Bytes::from_static(b"{}")];
    let manifest = manifest(json!([layer("application/wasm", COMPONENT)]));
    let digest = Digest::of(&manifest);
    let registry = Registry::having(manifest, blobs).await;
    let pulled = registry.pull(":1").await.unwrap();
    assert_eq!(
        (&pulled.component[..], pulled.digest, pulled.extras.len()),
        (COMPONENT, digest, 0)
    );
    assert!(registry.pull(&format!("@sha256:{digest}")).await.is_ok());
    let other = registry.pull(&format!("@sha256:{}", Digest::of(b"other"))).await;
    assert!(matches!(other, Err(OciError::Digest { .. })), "{other:?}");
}

#[tokio::test]
async fn a_manifest_of_something_else_is_refused() {
    let wasm = layer("application/wasm", COMPONENT);
    let with = |name: &str, value: Json| {
        let mut layer = wasm.clone();
        layer[name] = value;
        manifest(json!([layer]))
    };
    let nested = format!(
        "{{\"schemaVersion\": 2, \"layers\": {}{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [] });
    let docker = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": layer("application/vnd.docker.container.image.v1+json", b"{}"), "layers": [],
    });
    let old = String::from_utf8_lossy(&manifest(json!([wasm])))
        .replace("\"schemaVersion\":2", "\"schemaVersion\":1");
    for (manifest, wanted) in [
        (Bytes::from(index.to_string()), "is an index"),
        (
            Bytes::from_static(b"{\"schemaVersion\":2,\"manifests\":[]}"),
            "is an index",
        ),
        (Bytes::from(docker.to_string()), "is no WebAssembly artifact"),
        (manifest(json!([])), "has no layer application/wasm"),
        (
            manifest(json!([layer("text/plain\u{1b}[31m", b"x")])),
            "first one is text/plain [31m",
        ),
        (manifest(json!([wasm, wasm])), "several layers"),
        (with("size", json!(-1)), "negative"),
        (with("size", json!(MOST + 1)), "more than 1048576 bytes"),
        (with("size", json!(1e30)), "cannot be read"),
        (with("digest", json!("sha512:00")), "no SHA-256"),
        (with("digest", json!("../../secret")), "no SHA-256"),
        (Bytes::from(nested), "cannot be read"),
        (Bytes::from(old), "schema version is 1"),
        (Bytes::from_static(b"<html>"), "cannot be read"),
        (Bytes::new(), "cannot be read"),
    ] {
        let registry = Registry::having(manifest.clone(), vec![]).await;
        let said = registry.pull(":1").await.unwrap_err().to_string();
        assert!(
            said.contains(wanted),
            "{said}\n{}",
            String::from_utf8_lossy(&manifest)
        );
        assert!(!registry.was_asked("/blobs/"), "{said}");
    }
}

#[tokio::test]
async fn nothing_is_read_without_end() {
    let good = manifest(json!([layer("application/wasm", COMPONENT)]));
    let announced = |length: u64| Answer {
        length: Some(length),
        ..ok("")
    };
    let cases: Vec<(&str, Answer, &str)> = vec![
        ("/manifests/1", endless(200), "more than 4194304 bytes"),
        ("/manifests/1", announced(1 << 30), "more than 4194304 bytes"),
        ("/manifests/1", endless(500), "answers 500"),
        ("/manifests/1", endless(404), "has no"),
        ("/manifests/1", answer(429, "slow\u{7}\ndown"), "answers 429 for"),
        (
            "/manifests/1",
            ok("{}").with("docker-content-digest", format!("sha256:{}", Digest::of(b"x"))),
            "not what its digest says",
        ),
        ("/blobs/", endless(200), "more than"),
        ("/blobs/", announced(1 << 30), "more than"),
        ("/blobs/", ok(&COMPONENT[1..]), "not what its digest says"),
        (
            "/blobs/",
            ok(vec![b'x'; COMPONENT.len()]),
            "not what its digest says",
        ),
        ("/blobs/", announced(5), "does not answer"),
        ("/blobs/", answer(403, ""), "refuses these credentials"),
        (".docmill", endless(200), "more than 4194304 bytes"),
        (".docmill", ok(good.to_vec()), "something else"),
        (".docmill", answer(502, "bad"), "answers 502"),
    ];
    for (place, given, wanted) in cases {
        let (good, given) = (good.clone(), given.clone());
        let registry = Registry::start(move |path, _| match path {
            "/v2/" => ok("{}"),
            path if path.contains(place) => given.clone(),
            path if path.ends_with("/manifests/1") => ok(good.to_vec()),
            path if path.contains("/blobs/") => ok(COMPONENT),
            _ => answer(404, ""),
        })
        .await;
        let said = registry.pull(":1").await.unwrap_err().to_string();
        assert!(said.contains(wanted), "{place}: {said}");
        assert!(said.len() < 600 && !said.contains(['\u{7}', '\n']), "{said}");
    }
}

#[tokio::test]
async fn credentials_stay_with_their_registry() {
    let storage = Registry::start(|_, _| ok(COMPONENT)).await;
    let elsewhere = storage.address.clone();
    let good = manifest(json!([layer("application/wasm", COMPONENT)]));
    let registry = Registry::start(move |path, head| {
        let known = head.contains(&format!(
            "authorization: Basic {}",
            STANDARD.encode("anna:pass:word")
        ));
        match path {
            _ if !known => answer(401, "").with("www-authenticate", "Basic realm=\"x\""),
            "/v2/" => ok("{}"),
            path if path.ends_with("/manifests/1") => ok(good.to_vec()),
            path if path.contains("/blobs/") => {
                answer(307, "").with("location", format!("http://{elsewhere}/blob"))
            }
            _ => answer(404, ""),
        }
    })
    .await;
    let refused = registry.pull(":1").await;
    assert!(
        matches!(refused, Err(OciError::Unauthorized { .. })),
        "{refused:?}"
    );
    let anna = Credentials::Basic("anna".into(), "pass:word".to_owned().into());
    assert!(!format!("{anna:?}").contains("pass:word"));
    let pulled = pull(&registry.target(":1"), &anna, MOST).await.unwrap();
    assert_eq!(&pulled.component[..], COMPONENT);
    assert!(storage.was_asked("GET /blob") && !storage.was_asked("authorization"));
    // Round and round.
    let round = Registry::start(|path, _| match path {
        "/v2/" => ok("{}"),
        path => answer(302, "").with("location", path.to_owned()),
    })
    .await;
    let said = round.pull(":1").await.unwrap_err();
    assert!(matches!(said, OciError::Redirect { .. }), "{said}");
}

/// A registry that gives tokens; `token` is what its other half answers.
async fn tokens(token: Answer, realm: Option<&'static str>) -> Registry {
    let good = manifest(json!([layer("application/wasm", COMPONENT)]));
    Registry::start(move |path, head| {
        let own = head
            .split("host: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next());
        let realm = realm.map_or_else(
            || format!("http://{}/token", own.unwrap_or_default()),
            str::to_owned,
        );
        let asks = format!("Bearer realm=\"{realm}\",service=\"registry\",scope=\"repository:other:pull\"");
        match path {
            path if path.starts_with("/token") => token.clone(),
            _ if !head.contains("authorization: Bearer t0ken") => {
                answer(401, "").with("www-authenticate", asks)
            }
            path if path.ends_with("/manifests/1") => ok(good.to_vec()),
            path if path.contains("/blobs/") => ok(COMPONENT),
            _ => answer(404, ""),
        }
    })
    .await
}

#[tokio::test]
async fn a_token_is_asked_for_and_looked_at() {
    let registry = tokens(ok(r#"{"token": "t0ken", "expires_in": 60}"#), None).await;
    registry.pull(":1").await.unwrap();
    assert!(registry.was_asked("scope=repository%3Aacme%2Fx%3Apull&service=registry"));
    for (token, wanted) in [
        (ok(r#"{"access_token": "wrong"}"#), "refuses these credentials"),
        (ok(r#"{"token": "a\r\nX-Other: b"}"#), "fits a header"),
        (ok("{}"), "fits a header"),
        (ok("<html>"), "cannot be read"),
        (answer(401, "no"), "refuses these credentials"),
        (endless(200), "more than 65536 bytes"),
        (endless(500), "answers 500"),
    ] {
        let said = tokens(token, None)
            .await
            .pull(":1")
            .await
            .unwrap_err()
            .to_string();
        assert!(said.contains(wanted), "{said}");
    }
    for realm in ["ftp://example.org/token", "file:///etc/passwd", "not a realm"] {
        let said = tokens(ok("{}"), Some(realm)).await.pull(":1").await.unwrap_err();
        assert!(matches!(said, OciError::Malformed { .. }), "{realm}: {said}");
    }
}

fn extra(kind: ExtraKind, name: &str, bytes: &'static [u8]) -> Extra {
    Extra {
        kind,
        name: name.to_owned(),
        bytes: Bytes::from_static(bytes),
    }
}

#[test]
fn an_artifact_is_laid_as_others_read_it() {
    let extras = vec![
        extra(ExtraKind::Sample, "one", b"{}"),
        extra(ExtraKind::Document, "a.txt", b"a"),
    ];
    let artifact = artifact(extras);
    let laid = artifact.component_laid();
    let read = manifest_of("it", &laid.manifest).unwrap();
    // What wkg and others insist on: one layer, and a configuration of this type that names it.
    assert_eq!(read.layers.len(), 1);
    assert_eq!(read.layers[0].media_type, "application/wasm");
    assert_eq!(read.config.media_type, "application/vnd.wasm.config.v0+json");
    assert_eq!(
        read.media_type.as_deref(),
        Some("application/vnd.oci.image.manifest.v1+json")
    );
    let config: Json = serde_json::from_slice(&laid.blobs[1].1).unwrap();
    assert_eq!(config["layerDigests"], json!([read.layers[0].digest]));
    assert_eq!(
        (&config["architecture"], &config["os"]),
        (&json!("wasm"), &json!("wasip2"))
    );
    assert!(config["component"]["exports"].is_array());
    // The same version is the same artifact.
    assert_eq!(artifact.component_laid().manifest, laid.manifest);
    let along = artifact.extras_laid(&laid.manifest).unwrap();
    let read = manifest_of("it", &along.manifest).unwrap();
    let subject = read.subject.as_ref().unwrap();
    assert_eq!(subject.digest, format!("sha256:{}", Digest::of(&laid.manifest)));
    assert!(
        super::tests::artifact(vec![])
            .extras_laid(&laid.manifest)
            .is_none()
    );
}

#[tokio::test]
async fn what_comes_along_belongs_to_the_component_or_is_refused() {
    let good = artifact(vec![
        extra(ExtraKind::Sample, "one", b"{}"),
        extra(ExtraKind::Document, "../../a.txt", b"a"),
    ]);
    let component = good.component_laid();
    let along = good.extras_laid(&component.manifest).unwrap();
    let foreign = good.extras_laid(&Bytes::from_static(b"other")).unwrap();
    let changed =
        |from: &str, to: &str| Bytes::from(String::from_utf8_lossy(&along.manifest).replace(from, to));
    let unknown = changed("vnd.docmill.plugin.document.v1", "vnd.docmill.plugin.later.v9");
    let huge = changed("\"size\":1,", "\"size\":17000000,");
    for (manifest, wanted) in [
        (along.manifest.clone(), Ok(2)),
        (unknown, Ok(1)),
        (foreign.manifest, Err("belongs to another artifact")),
        (huge, Err("more than 16777216 bytes")),
        (Bytes::from_static(b"[]"), Err("cannot be read")),
    ] {
        let (main, tag) = (
            component.manifest.clone(),
            extras_tag(Digest::of(&component.manifest)),
        );
        let blobs: Vec<Bytes> = [&component.blobs, &along.blobs]
            .into_iter()
            .flatten()
            .map(|(_, bytes)| bytes.clone())
            .collect();
        let registry = Registry::start(move |path, _| match path {
            "/v2/" => ok("{}"),
            path if path.ends_with(&tag) => ok(manifest.to_vec()),
            path if path.contains("/manifests/") => ok(main.to_vec()),
            path => {
                let found = blobs
                    .iter()
                    .find(|blob| path.ends_with(&Digest::of(blob).to_string()));
                found.map_or_else(|| answer(404, ""), |blob| ok(blob.to_vec()))
            }
        })
        .await;
        match (registry.pull(":1").await, wanted) {
            (Ok(pulled), Ok(count)) => assert_eq!(pulled.extras.len(), count),
            (Err(error), Err(wanted)) => assert!(error.to_string().contains(wanted), "{error}"),
            (found, wanted) => panic!("{found:?}, not {wanted:?}"),
        }
    }
}

#[tokio::test]
async fn a_push_that_is_answered_nonsense_fails_and_no_more() {
    for given in [
        answer(202, ""),
        answer(202, "").with("location", "http://["),
        answer(202, "").with("location", "nowhere:"),
        answer(201, ""),
        answer(401, ""),
        answer(500, "no \u{1b}[31m"),
        endless(418),
    ] {
        let registry = Registry::start(move |path, head| match path {
            "/v2/" => ok("{}"),
            _ if head.starts_with("HEAD") => answer(404, ""),
            _ => Answer {
                endless: false,
                ..given.clone()
            },
        })
        .await;
        let target = registry.target(":1");
        let said = push(&target, &Credentials::Nobody, artifact(vec![]))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            said.contains(&registry.address) && !said.contains('\u{1b}'),
            "{said}"
        );
    }
    let nobody = Target::parse("oci://127.0.0.1:1/x:1", false).unwrap();
    let said = push(&nobody, &Credentials::Nobody, artifact(vec![]))
        .await
        .unwrap_err();
    assert!(matches!(said, OciError::Unreachable { .. }), "{said}");
}
