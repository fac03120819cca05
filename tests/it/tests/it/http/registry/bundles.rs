//! Sigstore bundles: of whom, over what, and what becomes of a version whose signer is trusted no more. Nothing here asks a network.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use docmill_model::digest::Digest;
use docmill_model::signature::{PublicKey, Signature, SignatureBytes, Statement};
use rcgen::KeyPair;
use serde_json::{Value as Json, json};

use super::{NAME, lines, put, text_plugin, upload};
use crate::support::Host;
use crate::support::client::{Part, Reply};
use crate::support::sigstore::{Signing, Sigstore, public_pem};

const WORKFLOW: Signing = Signing {
    subject: "https://github.com/acme/plugins/.github/workflows/release.yml@refs/tags/v1",
    issuer: "https://token.actions.githubusercontent.com",
    after: 60,
    predicate: Some("https://slsa.dev/provenance/v1"),
};

async fn trust(host: &Host, key: &str, body: Json) -> Reply {
    let call = host.anonymous("POST", "/v1/signing-identities").key(key);
    call.body("application/json", body.to_string()).send().await
}

fn anna(name: &str, sigstore: &Sigstore) -> Json {
    let who = Signing::default();
    json!({ "name": name, "subject": who.subject, "issuer": who.issuer, "trusted_root": sigstore.root() })
}

async fn require(host: &Host) {
    let call = host.call("PATCH", "/v1/tenant");
    let body = json!({ "require_signatures": true }).to_string();
    call.body("application/merge-patch+json", body)
        .send()
        .await
        .ok(200);
}

/// Uploads a version with a bundle.
async fn bundled(host: &Host, version: &str, bundle: &[u8]) -> Reply {
    let component = text_plugin(version, &[]);
    let parts = [
        Part::file("component", "a.wasm", &component),
        Part::file("bundle", "a.json", bundle),
    ];
    put(host, version).form(&parts).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_somebody_who_is_trusted_is_as_good_as_a_signature() {
    let host = Host::with(&["text"]).await;
    let sigstore = Sigstore::new();
    trust(&host, &host.key, anna("anna", &sigstore)).await.ok(201);
    trust(&host, &host.key, anna("anna", &sigstore)).await.ok(200);
    require(&host).await;
    upload(&host, "1.2.3", &[])
        .await
        .problem(403, "signature-refused");
    let component = text_plugin("1.2.3", &[]);
    let bundle = sigstore.bundle(&component, &Signing::default()).to_string();
    let created = bundled(&host, "1.2.3", bundle.as_bytes()).await.ok(201);
    let line = lines(&created["report"], "signature");
    assert!(
        line[0].0 && line[0].1.contains("'anna'") && line[0].1.contains("anna@example.org"),
        "{line:?}"
    );
    // It is had again as it came.
    let shown = host.get(&format!("/v1/plugins/{NAME}")).send().await.ok(200);
    let attachment = &shown["versions"][0]["attachments"][0];
    assert_eq!(
        (&attachment["kind"], &attachment["size"]),
        (&json!("bundle"), &json!(bundle.len()))
    );
    let again = host.get(attachment["href"].as_str().unwrap()).send().await;
    assert_eq!(again.text(), bundle);

    // At load it is verified again, by what is trusted then.
    host.save(&format!("name: mine\nsteps: [{{ id: parse, use: {NAME}@1 }}]\n"))
        .await;
    let run = async || host.run("mine").body("text/plain", "a").send().await;
    run().await.ok(200);
    let revoke = host.call("DELETE", "/v1/signing-identities/anna");
    assert_eq!(revoke.clone().send().await.status, 204);
    assert_eq!(revoke.send().await.status, 204);
    let refused = run().await.problem(403, "signature-refused");
    assert!(
        refused["detail"].as_str().unwrap().contains("revoked"),
        "{refused}"
    );
    // A name that was used is not used again; another one is.
    trust(&host, &host.key, anna("anna", &sigstore))
        .await
        .problem(409, "conflict");
    trust(&host, &host.key, anna("anna-again", &sigstore))
        .await
        .ok(201);
    run().await.ok(200);
    let log = host
        .get("/v1/audit?action=signing-identity.revoke")
        .send()
        .await
        .ok(200);
    assert_eq!(log["items"].as_array().unwrap().len(), 1);

    // It says nothing of whom it is for: another organisation may take it, if it trusts the same people.
    let (_, secret) = host.database.another_tenant("bundles").await.unwrap();
    let other = secret.expose();
    let send = async || {
        let parts = [
            Part::file("component", "a.wasm", &component),
            Part::file("bundle", "a.json", bundle.as_bytes()),
        ];
        let call = host.anonymous("PUT", &format!("/v1/plugins/{NAME}/versions/1.2.3"));
        call.key(other).form(&parts).send().await
    };
    let refused = send().await.problem(403, "signature-refused");
    assert_eq!(refused["reason"], "unknown-identity", "{refused}");
    trust(&host, other, anna("anna", &sigstore)).await.ok(201);
    send().await.ok(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_is_not_quite_right_is_worth_nothing() {
    let host = Host::with(&[]).await;
    let (sigstore, stranger) = (Sigstore::new(), Sigstore::new());
    trust(&host, &host.key, anna("anna", &sigstore)).await.ok(201);
    let component = text_plugin("1.2.3", &[]);
    let of = |signing: Signing| sigstore.bundle(&component, &signing);
    let good = of(Signing::default());
    let entry = "/verificationMaterial/tlogEntries/0";
    let changed = |pointer: &str, value: Json| {
        let mut bundle = good.clone();
        *bundle.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        bundle
    };
    let at = |rest: &str| format!("{entry}{rest}");
    let other = of(Signing::default());
    let without = |pointer: &str, member: &str| {
        let mut bundle = good.clone();
        bundle
            .pointer_mut(pointer)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(member);
        bundle
    };
    let later = good
        .pointer(&at("/integratedTime"))
        .unwrap()
        .as_str()
        .unwrap()
        .parse::<i64>()
        .unwrap()
        + 1;
    let cases = [
        (
            "of other bytes",
            sigstore.bundle(b"other", &Signing::default()),
            "other-bytes",
        ),
        (
            "of somebody else",
            of(Signing {
                subject: "eve@example.org",
                ..Signing::default()
            }),
            "unknown-identity",
        ),
        (
            "by another issuer",
            of(Signing {
                issuer: "https://evil.example.org",
                ..Signing::default()
            }),
            "unknown-identity",
        ),
        (
            "of another Sigstore",
            stranger.bundle(&component, &Signing::default()),
            "bad-bundle",
        ),
        (
            "when the certificate was over",
            of(Signing {
                after: 11 * 60,
                ..Signing::default()
            }),
            "bad-bundle",
        ),
        (
            "before the certificate began",
            of(Signing {
                after: -60,
                ..Signing::default()
            }),
            "bad-bundle",
        ),
        (
            "in the future",
            of(Signing {
                after: 3 * 3_600,
                ..Signing::default()
            }),
            "bad-bundle",
        ),
        (
            "of a scan",
            of(Signing {
                predicate: Some("https://in-toto.io/attestation/vulns/v0.1"),
                ..Signing::default()
            }),
            "bad-bundle",
        ),
        (
            "with another time",
            changed(&at("/integratedTime"), json!(later.to_string())),
            "bad-bundle",
        ),
        (
            "with another entry",
            changed(
                &at("/canonicalizedBody"),
                other.pointer(&at("/canonicalizedBody")).unwrap().clone(),
            ),
            "bad-bundle",
        ),
        (
            "with another's entry",
            changed(entry, other.pointer(entry).unwrap().clone()),
            "bad-bundle",
        ),
        (
            "with another path",
            changed(
                &at("/inclusionProof/hashes/0"),
                json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ),
            "bad-bundle",
        ),
        (
            "with another place",
            changed(&at("/inclusionProof/logIndex"), json!("0")),
            "bad-bundle",
        ),
        (
            "with another head",
            changed(
                &at("/inclusionProof/checkpoint"),
                stranger
                    .bundle(&component, &Signing::default())
                    .pointer(&at("/inclusionProof/checkpoint"))
                    .unwrap()
                    .clone(),
            ),
            "bad-bundle",
        ),
        ("without a proof", without(entry, "inclusionProof"), "bad-bundle"),
        (
            "without a promise",
            without(entry, "inclusionPromise"),
            "bad-bundle",
        ),
        (
            "without an entry",
            changed("/verificationMaterial/tlogEntries", json!([])),
            "bad-bundle",
        ),
        (
            "with another signature",
            changed(
                "/messageSignature/signature",
                other.pointer("/messageSignature/signature").unwrap().clone(),
            ),
            "bad-bundle",
        ),
        (
            "with another certificate",
            changed(
                "/verificationMaterial/certificate",
                other
                    .pointer("/verificationMaterial/certificate")
                    .unwrap()
                    .clone(),
            ),
            "bad-bundle",
        ),
        (
            "of an older version",
            changed(
                "/mediaType",
                json!("application/vnd.dev.sigstore.bundle+json;version=0.2"),
            ),
            "bad-bundle",
        ),
        (
            "of a key",
            sigstore.bundle_of_key(&KeyPair::generate().unwrap(), &component, None),
            "unknown-identity",
        ),
    ];
    for (what, bundle, reason) in cases {
        let refused = bundled(&host, "1.2.3", bundle.to_string().as_bytes()).await;
        let refused = refused.problem(403, "signature-refused");
        assert_eq!(refused["reason"], reason, "{what}: {refused}");
        assert!(!lines(&refused["report"], "signature")[0].0, "{what}");
    }
    let nested = format!("{{\"mediaType\": {}1{}}}", "[".repeat(60_000), "]".repeat(60_000));
    for bad in [&b"{}"[..], b"[]", b"null", b"<html>", nested.as_bytes()] {
        let refused = bundled(&host, "1.2.3", bad)
            .await
            .problem(403, "signature-refused");
        assert_eq!(refused["reason"], "bad-bundle", "{refused}");
    }
    for none in [&b""[..], b"\xff\xfe", b"{\"a\": \"\0\"}"] {
        bundled(&host, "1.2.3", none)
            .await
            .problem(400, "malformed-request");
    }
    let large = vec![b' '; 128 * 1024 + 1];
    bundled(&host, "1.2.3", &large)
        .await
        .problem(413, "body-too-large");
    assert_eq!(host.get("/v1/plugins").send().await.ok(200)["items"], json!([]));
    // And the one that is right, is.
    bundled(&host, "1.2.3", good.to_string().as_bytes()).await.ok(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn attestations_of_workflows_and_keys_of_cosign_count_too() {
    let host = Host::with(&["text"]).await;
    let sigstore = Sigstore::new();
    let workflow = json!({
        "name": "releases", "subject_prefix": "https://github.com/acme/", "issuer": WORKFLOW.issuer, "trusted_root": sigstore.root(),
    });
    trust(&host, &host.key, workflow).await.ok(201);
    let key = KeyPair::generate().unwrap();
    trust(
        &host,
        &host.key,
        json!({ "name": "cosign", "public_key": public_pem(&key), "trusted_root": sigstore.root() }),
    )
    .await
    .ok(201);
    require(&host).await;
    let one = text_plugin("1.2.3", &[]);
    let neighbour = Signing {
        subject: "https://github.com/acme-evil/x/.github/workflows/release.yml@refs/tags/v1",
        ..WORKFLOW
    };
    let refused = bundled(
        &host,
        "1.2.3",
        sigstore.bundle(&one, &neighbour).to_string().as_bytes(),
    )
    .await;
    assert_eq!(
        refused.problem(403, "signature-refused")["reason"],
        "unknown-identity"
    );
    let created = bundled(
        &host,
        "1.2.3",
        sigstore.bundle(&one, &WORKFLOW).to_string().as_bytes(),
    )
    .await
    .ok(201);
    assert!(
        lines(&created["report"], "signature")[0]
            .1
            .contains("release.yml@refs/tags/v1"),
        "{created}"
    );

    for (version, predicate) in [
        ("1.2.4", None),
        ("1.2.5", Some("https://sigstore.dev/cosign/sign/v1")),
    ] {
        let component = text_plugin(version, &[]);
        for wrong in [
            sigstore.bundle_of_key(&KeyPair::generate().unwrap(), &component, predicate),
            sigstore.bundle_of_key(&key, b"other", predicate),
            sigstore.bundle_of_key(&key, &component, Some("https://example.org/scan")),
        ] {
            let refused = bundled(&host, version, wrong.to_string().as_bytes()).await;
            refused.problem(403, "signature-refused");
        }
        let good = sigstore.bundle_of_key(&key, &component, predicate);
        // A log has to have it, also of a key: who loses a key can tell when it was used.
        let mut unlogged = good.clone();
        unlogged["verificationMaterial"]["tlogEntries"] = json!([]);
        let refused = bundled(&host, version, unlogged.to_string().as_bytes()).await;
        assert_eq!(refused.problem(403, "signature-refused")["reason"], "bad-bundle");
        let good = good.to_string();
        bundled(&host, version, good.as_bytes()).await.ok(201);
    }
    host.save(&format!("name: mine\nsteps: [{{ id: parse, use: {NAME}@1 }}]\n"))
        .await;
    let run = async || host.run("mine").body("text/plain", "a").send().await;
    assert_eq!(
        run().await.ok(200)["steps"][0]["plugin"],
        json!(format!("{NAME}@1.2.5"))
    );

    // One of two is enough: of a version with both, either may go.
    let tenant = host.database.tenant;
    let pair = Ed25519KeyPair::generate().unwrap();
    let public = PublicKey::from_bytes(pair.public_key().as_ref().try_into().unwrap());
    let call = host.call("POST", "/v1/signing-keys");
    let body = json!({ "name": "release", "public_key": public }).to_string();
    call.body("application/json", body).send().await.ok(201);
    let component = text_plugin("1.2.6", &[]);
    let statement = Statement {
        tenant,
        plugin: NAME.parse().unwrap(),
        version: "1.2.6".parse().unwrap(),
        digest: Digest::of(&component),
    };
    let signature = Signature {
        key: public,
        tenant,
        plugin: statement.plugin.clone(),
        version: statement.version.clone(),
        digest: statement.digest,
        signature: SignatureBytes::from_bytes(pair.sign(&statement.bytes()).as_ref().try_into().unwrap()),
    };
    let (signature, bundle) = (
        json!(signature).to_string(),
        sigstore.bundle_of_key(&key, &component, None).to_string(),
    );
    let parts = [
        Part::file("component", "a.wasm", &component),
        Part::file("signature", "a.sig", signature.as_bytes()),
        Part::file("bundle", "a.json", bundle.as_bytes()),
    ];
    put(&host, "1.2.6").form(&parts).send().await.ok(201);
    run().await.ok(200);
    for (gone, status) in [
        ("/v1/signing-keys/release", 200),
        ("/v1/signing-identities/cosign", 403),
    ] {
        assert_eq!(host.call("DELETE", gone).send().await.status, 204);
        let reply = run().await;
        assert_eq!(reply.status, status, "{gone}: {}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_says_whom_it_means() {
    let host = Host::with(&[]).await;
    let sigstore = Sigstore::new();
    let key = public_pem(&KeyPair::generate().unwrap());
    let issuer = "https://accounts.example.org";
    let mut tampered = sigstore.root();
    tampered["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"] = json!("AAAA");
    let deep = format!(
        "{{\"name\": \"a\", \"public_key\": {}, \"trusted_root\": {}1{}}}",
        json!(key),
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    for bad in [
        json!({}),
        json!({ "name": "Bad Name", "public_key": key }),
        json!({ "name": "a" }),
        json!({ "name": "a", "subject": "anna@example.org" }),
        json!({ "name": "a", "issuer": issuer }),
        json!({ "name": "a", "subject": "anna@example.org", "issuer": "http://accounts.example.org" }),
        json!({ "name": "a", "subject": "", "issuer": issuer }),
        json!({ "name": "a", "subject": "anna@example.org", "subject_prefix": "https://x/y/", "issuer": issuer }),
        json!({ "name": "a", "subject_prefix": "https://github.com/acme", "issuer": issuer }),
        json!({ "name": "a", "subject_prefix": "anna@", "issuer": issuer }),
        json!({ "name": "a", "subject": "anna@example.org", "issuer": issuer, "public_key": key }),
        json!({ "name": "a", "public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n" }),
        json!({ "name": "a", "public_key": "no" }),
        json!({ "name": "a", "public_key": "x".repeat(9_000) }),
        json!({ "name": "a", "public_key": key, "expires_at": "2020-01-01" }),
        json!({ "name": "a", "public_key": key, "trusted_root": {} }),
        json!({ "name": "a", "public_key": key, "trusted_root": tampered }),
        json!({ "name": "a", "public_key": key, "more": 1 }),
    ] {
        trust(&host, &host.key, bad)
            .await
            .problem(400, "malformed-request");
    }
    let call = host
        .call("POST", "/v1/signing-identities")
        .body("application/json", deep);
    call.send().await.problem(400, "malformed-request");
    let made = trust(&host, &host.key, anna("anna", &sigstore)).await.ok(201);
    assert_eq!(
        (&made["subject"], &made["public_key"]),
        (&json!("anna@example.org"), &Json::Null)
    );
    // Without a root of one's own it is the public one, which is built in.
    let public = json!({ "name": "public", "subject": "anna@example.org", "issuer": issuer });
    assert_eq!(
        trust(&host, &host.key, public).await.ok(201)["trusted_root"],
        Json::Null
    );
    let component = text_plugin("1.2.3", &[]);
    let list = host.get("/v1/signing-identities").send().await.ok(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    host.call("DELETE", "/v1/signing-identities/anna").send().await;
    let bundle = sigstore.bundle(&component, &Signing::default()).to_string();
    let refused = bundled(&host, "1.2.3", bundle.as_bytes())
        .await
        .problem(403, "signature-refused");
    assert_eq!(refused["reason"], "revoked-identity", "{refused}");
    for none in ["nobody", "No%20Body"] {
        let call = host.call("DELETE", &format!("/v1/signing-identities/{none}"));
        call.send().await.problem(404, "not-found");
    }
}
