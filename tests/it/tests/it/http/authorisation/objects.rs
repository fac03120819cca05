//! Real objects of a tenant, and requests that act on them.

use std::time::Duration;

use docmill_model::id::UserId;
use docmill_store::who::{NewKey, NewSession};
use serde_json::json;

use crate::http::{NOTE, TEXT};
use crate::support::client::Call;
use crate::support::{Host, component};

const PRESET: &str = "{ name: short, use: docmill/template@0.1, with: { template: short } }";

const GRANT: &str = r#"{"hosts": ["api.example.org"]}"#;
const MODEL: &str = r#"{"use": "docmill/openai@0.1", "model": "gpt-x"}"#;
const SECRET: &str = r#"{"value": "not much of one", "hosts": ["api.example.org"]}"#;
/// A signing key, not revoked. There may be few in all, revoked ones too, so one serves until it is.
async fn trusted(host: &Host) -> String {
    let keys = host.get("/v1/signing-keys").send().await.ok(200);
    let mut keys = keys["items"].as_array().unwrap().iter();
    if let Some(key) = keys.find(|key| key["revoked_at"].is_null() && key["name"] != "another") {
        return key["name"].as_str().unwrap().to_owned();
    }
    let name = format!("k{}", UserId::new().to_string().replace('_', "-"));
    let digest = docmill_model::digest::Digest::of(name.as_bytes());
    let body = json!({ "name": name, "public_key": digest.to_string() });
    let post = host.call("POST", "/v1/signing-keys");
    post.body("application/json", body.to_string())
        .send()
        .await
        .ok(201);
    name
}

/// A public key that bundles are verified with.
const COSIGN: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwr\nkBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==\n-----END PUBLIC KEY-----\n";

/// An identity whose bundles are trusted, as [`trusted`].
async fn identity(host: &Host) -> String {
    let identities = host.get("/v1/signing-identities").send().await.ok(200);
    let mut identities = identities["items"].as_array().unwrap().iter();
    if let Some(one) = identities.find(|one| one["revoked_at"].is_null() && one["name"] != "another") {
        return one["name"].as_str().unwrap().to_owned();
    }
    let name = format!("i{}", UserId::new().to_string().replace('_', "-"));
    let body = json!({ "name": name, "public_key": COSIGN });
    let post = host.call("POST", "/v1/signing-identities");
    post.body("application/json", body.to_string())
        .send()
        .await
        .ok(201);
    name
}

/// One of each kind, of the host's first tenant.
#[derive(Clone)]
pub struct Objects {
    pub run: String,
    pub artifact: String,
    pub document: String,
    pub key: String,
    pub user: String,
    pub session: String,
    pub pipeline: String,
    pub preset: String,
    pub secret: String,
    pub model: String,
    pub plugin: (String, String),
    pub version: String,
    pub signing_key: String,
    pub signing_identity: String,
    pub definition: String,
}

impl Objects {
    pub async fn new(host: &Host) -> Self {
        let definition = NOTE.replace("name: note", "name: letter").replace(
            "output:",
            "  - { id: letter, use: docmill/template@0.1, with: { template: \"{{ fields.number.value }}\", name: letter.md } }\noutput:",
        );
        host.save(&definition).await;
        let put = host.call("PUT", "/v1/presets/short");
        let saved = put.body("application/yaml", PRESET).send().await;
        assert!(saved.status < 300, "{}", saved.text());
        for (path, body) in [
            ("/v1/plugins/docmill/patterns/grants/http", GRANT),
            ("/v1/secrets/upstream", SECRET),
            ("/v1/models/cheap", MODEL),
        ] {
            let put = host.call("PUT", path).body("application/json", body).send().await;
            assert!(put.status < 300, "{}", put.text());
        }
        let run = host.run("letter").body("text/plain", TEXT).send().await.ok(200);
        let (key, _) = host
            .database
            .store
            .create_key(host.database.tenant, &NewKey::of_owner("one"))
            .await
            .unwrap();
        let body = json!({ "email": format!("{key}@example.org"), "name": "Anna", "role": "developer" });
        let post = host.call("POST", "/v1/users");
        let user = post
            .body("application/json", body.to_string())
            .send()
            .await
            .ok(201);
        let user: UserId = user["id"].as_str().unwrap().parse().unwrap();
        let own = NewKey {
            user: Some(user),
            ..NewKey::of_owner("own")
        };
        let own = host.database.store.create_key(host.database.tenant, &own).await;
        let new = NewSession {
            user,
            key: own.unwrap().0,
            client_ip: None,
            user_agent: None,
            lasts: Duration::from_secs(3_600),
        };
        let store = &host.database.store;
        let (session, ..) = store.create_session(host.database.tenant, &new).await.unwrap();
        let plugin = host.get("/v1/plugins/docmill/patterns").send().await.ok(200);
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let signing_key = trusted(host).await;
        let signing_identity = identity(host).await;
        let version = text(&plugin["versions"][0]["version"]);
        let body = json!({ "version": version });
        let put = host.call("PUT", "/v1/plugins/docmill/patterns/channels/stable");
        put.body("application/json", body.to_string())
            .send()
            .await
            .ok(200);
        Self {
            run: text(&run["id"]),
            artifact: text(&run["artifacts"][0]["id"]),
            document: text(&run["documents"][0]["id"]),
            key: key.to_string(),
            user: user.to_string(),
            session: session.to_string(),
            pipeline: "letter".into(),
            preset: "short".into(),
            secret: "upstream".into(),
            model: "cheap".into(),
            plugin: ("docmill".into(), "patterns".into()),
            version,
            signing_key,
            signing_identity,
            definition,
        }
    }

    /// Their ids: nobody else has objects that are called so.
    pub fn ids_alone(&self) -> Vec<String> {
        [
            &self.run,
            &self.artifact,
            &self.document,
            &self.key,
            &self.user,
            &self.session,
        ]
        .map(Clone::clone)
        .into()
    }

    /// How these objects may be called in an answer.
    pub fn ids(&self) -> Vec<String> {
        let (namespace, name) = &self.plugin;
        let mut ids = self.ids_alone();
        ids.extend([
            self.pipeline.clone(),
            self.preset.clone(),
            self.secret.clone(),
            self.model.clone(),
            format!("{namespace}/{name}"),
        ]);
        ids
    }

    /// A request that the owner may send, for this operation on these objects; without credentials.
    pub fn call(&self, host: &Host, method: &str, path: &str) -> Call {
        let operation = format!("{method} {path}");
        let call = host.anonymous(method, &self.path(path));
        match operation.as_str() {
            "POST /v1/pipelines/{name}/runs" => call.body("text/plain", TEXT),
            "PUT /v1/pipelines/{name}" | "POST /v1/pipelines:validate" => {
                call.body("application/yaml", &self.definition)
            }
            // The namespace is the operator's, whoever asks: registry.rs uploads others.
            "PUT /v1/plugins/{namespace}/{name}/versions/{version}" | "POST /v1/plugins:check" => {
                call.body("application/wasm", component("patterns"))
            }
            "PUT /v1/plugins/{namespace}/{name}/grants/{capability}" => call.body("application/json", GRANT),
            "PUT /v1/secrets/{name}" => call.body("application/json", SECRET),
            "PUT /v1/models/{alias}" => call.body("application/json", MODEL),
            "PATCH /v1/plugins/{namespace}/{name}/versions/{version}" => {
                call.body("application/json", r#"{"state": "published"}"#)
            }
            "PUT /v1/plugins/{namespace}/{name}/channels/{channel}" => {
                let version = serde_json::json!({ "version": self.version });
                call.body("application/json", version.to_string())
            }
            "POST /v1/signing-keys" => {
                let key = json!({ "name": "another", "public_key": "b".repeat(64) });
                call.body("application/json", key.to_string())
            }
            "POST /v1/signing-identities" => {
                let identity = json!({ "name": "another", "public_key": COSIGN });
                call.body("application/json", identity.to_string())
            }
            "PUT /v1/presets/{name}" => call.body("application/yaml", PRESET),
            "PATCH /v1/presets/{name}" => call.body("application/json", r#"{"active": true}"#),
            "POST /v1/keys" => call.body("application/json", r#"{"name": "another"}"#),
            "PATCH /v1/tenant" => call.body("application/merge-patch+json", r#"{"timezone": "UTC"}"#),
            "POST /v1/users" => call.body(
                "application/json",
                r#"{"email": "new@example.org", "name": "New", "role": "viewer"}"#,
            ),
            "PATCH /v1/users/{id}" => call.body("application/json", r#"{"role": "viewer"}"#),
            "PATCH /v1/documents/{id}" => call.body("application/json", r#"{"tier": "D"}"#),
            "PATCH /v1/me" => call.body("application/json", r#"{"name": "Me"}"#),
            "POST /v1/keys/{id}/rotate" => call.body("application/json", "{}"),
            "POST /v1/sessions"
            | "POST /v1/runs/{id}/cancel"
            | "POST /v1/runs/{id}/redrive"
            | "POST /v1/queue/pause"
            | "POST /v1/queue/resume"
            | "POST /v1/pipelines/{name}/pause"
            | "POST /v1/pipelines/{name}/resume" => call,
            _ if method == "GET" || method == "DELETE" => call,
            _ => panic!("{operation} is new: say here what body its owner sends"),
        }
    }

    /// The path with these objects in the place of its parameters.
    fn path(&self, template: &str) -> String {
        let id = match template.split('/').nth(2) {
            Some("runs") => &self.run,
            Some("documents") => &self.document,
            Some("keys") => &self.key,
            Some("users") => &self.user,
            Some("sessions") => &self.session,
            _ => "",
        };
        let name = match template.split('/').nth(2) {
            Some("pipelines") => &self.pipeline,
            Some("presets") => &self.preset,
            Some("secrets") => &self.secret,
            Some("plugins") => &self.plugin.1,
            Some("signing-keys") => &self.signing_key,
            Some("signing-identities") => &self.signing_identity,
            _ => "",
        };
        let mut path = template.to_owned();
        for (parameter, value) in [
            ("{id}", id),
            ("{name}", name),
            ("{artifact}", &self.artifact),
            ("{namespace}", &self.plugin.0),
            ("{version}", &self.version),
            ("{file}", "component"),
            ("{capability}", "http"),
            ("{channel}", "stable"),
            ("{alias}", &self.model),
            ("{code}", "not-found"),
        ] {
            assert!(
                !path.contains(parameter) || !value.is_empty(),
                "{template} is new: say here what {parameter} is"
            );
            path = path.replace(parameter, value);
        }
        assert!(
            !path.contains('{'),
            "{template} is new: say here what its parameters are"
        );
        path
    }
}
