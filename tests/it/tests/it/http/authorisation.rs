//! Who may do what: every operation of the OpenAPI document with every kind of credentials, against `authorisation.tsv`.
//!
//! A line of that file is an operation, whose credentials, the status and the code of the answer (`-`: no problem). To write it
//! anew, run these tests with `DOCMILL_GOLDEN=write`, and look at what changed. What a key narrowed by scopes may: principals.rs.

pub mod objects;

use std::collections::BTreeMap;
use std::path::PathBuf;

use docmill_model::access::Role;
use docmill_model::id::{ArtifactId, DocumentId, KeyId, RunId, SessionId, UserId};
use docmill_store::who::{NewKey, Secret};
use serde_json::Value as Json;

use crate::support::Host;
use crate::support::client::{Call, Reply};
use objects::Objects;

/// What a request carries to say who sends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Credentials {
    None,
    /// Not like a key at all.
    Malformed,
    /// Another scheme than Bearer.
    Basic,
    /// Like a key, but nobody's.
    Unknown,
    /// A good key with more behind it.
    OverLong,
    /// A good key in the address: it would stand in logs and histories.
    InQuery,
    /// Two headers, the first of them good.
    Doubled,
    Revoked,
    /// Its time is over.
    Expired,
    /// Another tenant's key, which is good for that tenant.
    Foreign,
    /// Keys of the tenant whose objects they are, with this role.
    Viewer,
    Invoker,
    Developer,
    /// The same; may do everything.
    Owner,
}

impl Credentials {
    const ALL: &[(Self, &str)] = &[
        (Self::None, "none"),
        (Self::Malformed, "malformed"),
        (Self::Basic, "basic"),
        (Self::Unknown, "unknown"),
        (Self::OverLong, "over-long"),
        (Self::InQuery, "in-query"),
        (Self::Doubled, "doubled"),
        (Self::Revoked, "revoked"),
        (Self::Expired, "expired"),
        (Self::Foreign, "foreign"),
        (Self::Viewer, "viewer"),
        (Self::Invoker, "invoker"),
        (Self::Developer, "developer"),
        (Self::Owner, "owner"),
    ];

    /// Whether they name somebody.
    fn known(self) -> bool {
        self == Self::Foreign || self.own()
    }

    /// Whether they name somebody of the tenant whose objects they are.
    fn own(self) -> bool {
        matches!(self, Self::Viewer | Self::Invoker | Self::Developer | Self::Owner)
    }
}

/// `GET /v1/runs/{id}`, with whether it asks for a key.
struct Operation {
    method: String,
    path: String,
    secured: bool,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

fn operations() -> Vec<Operation> {
    let document: Json = serde_json::from_str(docmill_api::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(|(method, operation)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            secured: operation["security"].is_array(),
        })
    });
    operations.collect()
}

/// Keys of every kind.
struct Keys {
    valid: String,
    revoked: String,
    expired: String,
    viewer: String,
    invoker: String,
    developer: String,
}

impl Keys {
    async fn new(host: &Host) -> Self {
        let (id, revoked) = make(host, &NewKey::of_owner("revoked")).await;
        // The host has seen it work, and remembers it.
        host.anonymous("GET", "/v1/me").key(&revoked).send().await.ok(200);
        let ended = host.call("DELETE", &format!("/v1/keys/{id}")).send().await;
        assert_eq!(ended.status, 204, "{}", ended.text());
        Self {
            valid: host.key.clone(),
            revoked,
            expired: make(
                host,
                &NewKey {
                    expires_at: Some(1),
                    ..NewKey::of_owner("expired")
                },
            )
            .await
            .1,
            viewer: of_role(host, Role::Viewer).await,
            invoker: of_role(host, Role::Invoker).await,
            developer: of_role(host, Role::Developer).await,
        }
    }

    async fn put(&self, host: &Host, call: Call, credentials: Credentials) -> Call {
        let valid = &self.valid;
        match credentials {
            Credentials::None => call,
            Credentials::Malformed => call.header("Authorization", "Bearer two words"),
            Credentials::Basic => call.header("Authorization", format!("Basic {valid}")),
            Credentials::Unknown => call.key(&format!("dm_{}", "0".repeat(64))),
            Credentials::OverLong => call.key(&format!("{valid}{}", "0".repeat(4_000))),
            Credentials::InQuery => call.query(&format!("key={valid}&access_token={valid}")),
            Credentials::Doubled => call.key(valid).key(valid),
            Credentials::Revoked => call.key(&self.revoked),
            Credentials::Foreign => call.key(stranger(host).await.expose()),
            Credentials::Expired => call.key(&self.expired),
            Credentials::Viewer => call.key(&self.viewer),
            Credentials::Invoker => call.key(&self.invoker),
            Credentials::Developer => call.key(&self.developer),
            Credentials::Owner => call.key(valid),
        }
    }
}

async fn make(host: &Host, new: &NewKey<'_>) -> (KeyId, String) {
    let made = host.database.store.create_key(host.database.tenant, new).await;
    let (id, secret) = made.unwrap();
    (id, secret.expose().to_owned())
}

async fn of_role(host: &Host, role: Role) -> String {
    let new = NewKey {
        role,
        ..NewKey::of_owner(role.as_str())
    };
    make(host, &new).await.1
}

/// The key of a tenant that has nothing: a new one for every request, so that none finds what another left.
async fn stranger(host: &Host) -> Secret {
    host.database.another_tenant("stranger").await.unwrap().1
}

fn golden_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/http/authorisation.tsv")
}

/// Operation and credentials → status and code.
fn golden() -> BTreeMap<(String, String), String> {
    let text = std::fs::read_to_string(golden_path()).unwrap_or_default();
    let lines = text.lines().skip(1).map(|line| {
        let [operation, credentials, status, code] =
            line.split('\t').collect::<Vec<_>>().try_into().expect(line);
        (
            (operation.to_owned(), credentials.to_owned()),
            format!("{status}\t{code}"),
        )
    });
    lines.collect()
}

fn answered(reply: &Reply) -> String {
    let code = if reply.header("content-type") == Some("application/problem+json") {
        reply.json()["code"].as_str().unwrap().to_owned()
    } else {
        "-".to_owned()
    };
    format!("{}\t{code}", reply.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_answers_every_caller_as_the_table_says() {
    let host = Host::with(&["text", "patterns", "template", "openai"]).await;
    let keys = Keys::new(&host).await;
    let golden = golden();
    let mut text = "operation\tcredentials\tstatus\tcode\n".to_owned();
    let mut wrong = Vec::new();
    let mut lines = 0;
    for operation in operations() {
        let name = operation.name();
        for (credentials, word) in Credentials::ALL {
            // New ones each time: some are gone afterwards.
            let objects = Objects::new(&host).await;
            let call = objects.call(&host, &operation.method, &operation.path);
            let reply = keys.put(&host, call, *credentials).await.send().await;
            let answer = answered(&reply);
            // Whatever the table says: who is not known gets nothing, and is told that alone.
            if *credentials == Credentials::Doubled {
                reply.problem(400, "malformed-request");
            } else if operation.secured && !credentials.known() {
                reply.problem(401, "unauthenticated");
                assert!(reply.header("www-authenticate").is_some(), "{name} {word}");
            }
            assert!(
                operation.secured || operation.method == "GET",
                "{name} changes something without a key"
            );
            assert!(
                reply.status < 500 && !reply.text().contains(&host.key),
                "{name} {word}: {}",
                reply.text()
            );
            // Nor does anybody but the owner get to see what is the owner's.
            let shown = objects.ids_alone().iter().any(|id| reply.text().contains(id));
            assert!(
                credentials.own() || reply.status >= 300 || !shown,
                "{name} {word}: {}",
                reply.text()
            );
            text.push_str(&format!("{name}\t{word}\t{answer}\n"));
            lines += 1;
            let expected = golden.get(&(name.clone(), (*word).to_owned()));
            if expected != Some(&answer) {
                let (answer, expected) = (answer.replace('\t', " "), expected.map(|e| e.replace('\t', " ")));
                wrong.push(match expected {
                    None => format!("{name} with `{word}` has no line; the host answers {answer}"),
                    Some(expected) => format!("{name} with `{word}` is answered {answer}, not {expected}"),
                });
            }
        }
    }
    if golden.len() != lines && wrong.is_empty() {
        wrong.push(format!(
            "the table has {} lines for {lines} answers: some are of no operation any more",
            golden.len()
        ));
    }
    if std::env::var_os("DOCMILL_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(golden_path(), text).unwrap();
        return;
    }
    assert!(
        wrong.is_empty(),
        "{}\n\nIf that is meant: DOCMILL_GOLDEN=write cargo test -p docmill-it --test it authorisation, then read what changed \
         in tests/it/tests/it/http/authorisation.tsv. A new route without a key, or one that answers strangers, is a hole.",
        wrong.join("\n")
    );
}

/// Status, names of headers and body, without what every answer has of its own and without the id that was asked for.
fn shape(reply: &Reply, ids: &[String]) -> (u16, Vec<String>, String) {
    let mut headers: Vec<String> = reply
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    headers.sort();
    let mut body = reply.text();
    let request = reply.header("x-request-id").unwrap_or_default();
    for own in ids
        .iter()
        .map(String::as_str)
        .chain([request])
        .filter(|own| !own.is_empty())
    {
        body = body.replace(own, "…");
    }
    (reply.status, headers, body)
}

/// Asked for by another tenant, an object answers like one that never was.
#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_object_answers_like_one_that_is_not_there() {
    let host = Host::with(&["text", "patterns", "template", "openai"]).await;
    let objects = Objects::new(&host).await;
    let nothing = Objects {
        run: RunId::new().to_string(),
        artifact: ArtifactId::new().to_string(),
        document: DocumentId::new().to_string(),
        key: KeyId::new().to_string(),
        user: UserId::new().to_string(),
        session: SessionId::new().to_string(),
        // As long as the real ones.
        pipeline: "absent".into(),
        preset: "never".into(),
        secret: "vanished".into(),
        model: "other".into(),
        plugin: ("docmill".into(), "nothings".into()),
        signing_key: "k".repeat(objects.signing_key.len()),
        signing_identity: "i".repeat(objects.signing_identity.len()),
        ..objects.clone()
    };
    let compared = [
        ("GET", "/v1/runs/{id}"),
        ("GET", "/v1/runs/{id}/artifacts/{artifact}"),
        ("POST", "/v1/runs/{id}/cancel"),
        ("POST", "/v1/runs/{id}/redrive"),
        ("GET", "/v1/documents/{id}"),
        ("GET", "/v1/documents/{id}/source"),
        ("PATCH", "/v1/documents/{id}"),
        ("GET", "/v1/pipelines/{name}"),
        ("GET", "/v1/pipelines/{name}/versions"),
        ("POST", "/v1/pipelines/{name}/runs"),
        ("POST", "/v1/pipelines/{name}/pause"),
        ("POST", "/v1/pipelines/{name}/resume"),
        ("GET", "/v1/presets/{name}"),
        ("PATCH", "/v1/presets/{name}"),
        ("GET", "/v1/presets/{name}/versions"),
        ("GET", "/v1/plugins/{namespace}/{name}"),
        ("GET", "/v1/plugins/{namespace}/{name}/grants"),
        ("DELETE", "/v1/plugins/{namespace}/{name}/grants/{capability}"),
        ("GET", "/v1/plugins/{namespace}/{name}/values"),
        ("DELETE", "/v1/plugins/{namespace}/{name}/values"),
        ("DELETE", "/v1/secrets/{name}"),
        ("GET", "/v1/models/{alias}"),
        ("DELETE", "/v1/models/{alias}"),
        ("GET", "/v1/plugins/{namespace}/{name}/versions/{version}/report"),
        ("GET", "/v1/plugins/{namespace}/{name}/versions/{version}/{file}"),
        ("PATCH", "/v1/plugins/{namespace}/{name}/versions/{version}"),
        ("GET", "/v1/plugins/{namespace}/{name}/channels"),
        ("PUT", "/v1/plugins/{namespace}/{name}/channels/{channel}"),
        ("DELETE", "/v1/plugins/{namespace}/{name}/channels/{channel}"),
        ("DELETE", "/v1/signing-identities/{name}"),
        ("DELETE", "/v1/signing-keys/{name}"),
        ("POST", "/v1/keys/{id}/rotate"),
        ("DELETE", "/v1/keys/{id}"),
        ("GET", "/v1/users/{id}"),
        ("PATCH", "/v1/users/{id}"),
        ("DELETE", "/v1/sessions/{id}"),
        ("DELETE", "/v1/users/{id}"),
    ];
    for (method, path) in compared {
        let (key, ids) = (stranger(&host).await, [objects.ids(), nothing.ids()].concat());
        let there = objects.call(&host, method, path).key(key.expose()).send().await;
        let absent = nothing.call(&host, method, path).key(key.expose()).send().await;
        assert_eq!(there.status, 404, "{method} {path}: {}", there.text());
        assert_eq!(shape(&there, &ids), shape(&absent, &ids), "{method} {path}");
        // It is the owner's, and there.
        let owners = objects.call(&host, method, path).key(&host.key).send().await;
        // Its run is over: there is nothing to cancel, and the owner is told so.
        let good = owners.status < 300 || (path.ends_with("/cancel") && owners.status == 409);
        assert!(good, "{method} {path}: {}", owners.text());
    }
    // Every operation on an object is compared above, or makes the caller's own.
    let makes = [
        "/v1/pipelines/{name}",
        "/v1/presets/{name}",
        "/v1/plugins/{namespace}/{name}/grants/{capability}",
        "/v1/secrets/{name}",
        "/v1/models/{alias}",
        "/v1/plugins/{namespace}/{name}/versions/{version}",
    ];
    for operation in operations()
        .iter()
        .filter(|operation| operation.secured && operation.path.contains('{'))
    {
        let pair = (operation.method.as_str(), operation.path.as_str());
        assert!(
            compared.contains(&pair) || (pair.0 == "PUT" && makes.contains(&pair.1)),
            "{} acts on an object: compare it here with one that is not there",
            operation.name()
        );
    }
    // In lists and filters, neither.
    let key = stranger(&host).await;
    for (there, absent) in [
        (
            format!("/v1/runs?document={}", objects.document),
            format!("/v1/runs?document={}", nothing.document),
        ),
        (
            format!("/v1/runs?pipeline={}", objects.pipeline),
            format!("/v1/runs?pipeline={}", nothing.pipeline),
        ),
        (
            format!("/v1/runs?cursor={}", objects.run),
            format!("/v1/runs?cursor={}", nothing.run),
        ),
        (
            format!("/v1/documents?cursor={}", objects.document),
            format!("/v1/documents?cursor={}", nothing.document),
        ),
        (
            "/v1/documents?q=invoice".to_owned(),
            "/v1/documents?q=nosuchword".to_owned(),
        ),
        (
            "/v1/runs?lookup.fio=ann".to_owned(),
            "/v1/runs?lookup.fio=nobody".to_owned(),
        ),
        (
            format!("/v1/keys?cursor={}", objects.key),
            format!("/v1/keys?cursor={}", nothing.key),
        ),
    ] {
        let get = async |path: &str| host.anonymous("GET", path).key(key.expose()).send().await;
        let (there, absent) = (get(&there).await, get(&absent).await);
        assert_eq!(
            there.ok(200),
            serde_json::json!({ "items": [] }),
            "{}",
            there.text()
        );
        assert_eq!(shape(&there, &[]), shape(&absent, &[]));
    }
}

/// A credential that was sent twice, in any mixture, names nobody: a proxy in between may have looked at the other one.
#[tokio::test(flavor = "multi_thread")]
async fn doubled_credentials_are_refused_whichever_is_good() {
    let host = Host::with(&[]).await;
    let other = stranger(&host).await;
    let good = format!("Bearer {}", host.key);
    for pair in [
        [good.as_str(), good.as_str()],
        [good.as_str(), "Bearer x"],
        ["Bearer x", good.as_str()],
        ["", good.as_str()],
        [good.as_str(), "Basic eDp5"],
        [good.as_str(), &format!("Bearer {}", other.expose())],
        [&format!("Bearer {}", other.expose()), good.as_str()],
    ] {
        let mut call = host.anonymous("GET", "/v1/me");
        for header in pair {
            call = call.header("Authorization", header);
        }
        call.send().await.problem(400, "malformed-request");
    }
    let joined = host
        .anonymous("GET", "/v1/me")
        .header("Authorization", format!("{good}, {good}"));
    joined.send().await.problem(401, "unauthenticated");
    host.get("/v1/me").send().await.ok(200);
}
