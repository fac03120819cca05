//! Signatures: of whom, over what, for whom; and what becomes of a version whose key is trusted no more.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use docmill_model::digest::Digest;
use docmill_model::id::TenantId;
use docmill_model::signature::{PublicKey, Signature, SignatureBytes, Statement};
use serde_json::{Value as Json, json};

use super::{NAME, lines, put, text_plugin, upload};
use crate::support::Host;
use crate::support::client::{Part, Reply};

fn public(pair: &Ed25519KeyPair) -> PublicKey {
    PublicKey::from_bytes(pair.public_key().as_ref().try_into().unwrap())
}

fn statement(tenant: TenantId, version: &str, bytes: &[u8]) -> Statement {
    Statement {
        tenant,
        plugin: NAME.parse().unwrap(),
        version: version.parse().unwrap(),
        digest: Digest::of(bytes),
    }
}

fn sign(pair: &Ed25519KeyPair, statement: &Statement) -> Signature {
    let bytes = pair.sign(&statement.bytes());
    Signature {
        key: public(pair),
        tenant: statement.tenant,
        plugin: statement.plugin.clone(),
        version: statement.version.clone(),
        digest: statement.digest,
        signature: SignatureBytes::from_bytes(bytes.as_ref().try_into().unwrap()),
    }
}

async fn trust(host: &Host, name: &str, pair: &Ed25519KeyPair, more: Json) -> Reply {
    let mut body = json!({ "name": name, "public_key": public(pair) });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    let call = host.call("POST", "/v1/signing-keys");
    call.body("application/json", body.to_string()).send().await
}

async fn signed(host: &Host, version: &str, signature: &Signature) -> Reply {
    let bytes = text_plugin(version, &[]);
    let signature = serde_json::to_vec(signature).unwrap();
    let parts = [
        Part::file("component", "a.wasm", &bytes),
        Part::file("signature", "a.sig", &signature),
    ];
    put(host, version).form(&parts).send().await
}

async fn require(host: &Host, required: bool) {
    let call = host.call("PATCH", "/v1/tenant");
    let body = json!({ "require_signatures": required });
    let tenant = call.body("application/merge-patch+json", body.to_string());
    assert_eq!(tenant.send().await.ok(200)["require_signatures"], required);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_keys_signature_over_this_version_for_this_tenant_counts() {
    let host = Host::with(&["text"]).await;
    let tenant = host.database.tenant;
    let [release, stranger, short] = [(); 3].map(|()| Ed25519KeyPair::generate().unwrap());
    trust(&host, "release", &release, json!({})).await.ok(201);
    trust(&host, "release", &release, json!({})).await.ok(200);
    trust(&host, "other", &release, json!({}))
        .await
        .problem(409, "conflict");
    // Whatever is signed, anybody can sign for a point of small order, with its sign or without.
    for weak in [
        "0".repeat(64),
        format!("01{}80", "0".repeat(60)),
        format!("ec{}7f", "f".repeat(60)),
    ] {
        let body = json!({ "name": "weak", "public_key": weak }).to_string();
        let call = host
            .call("POST", "/v1/signing-keys")
            .body("application/json", body);
        call.send().await.problem(400, "malformed-request");
    }
    trust(&host, "past", &stranger, json!({"expires_at": "2020-01-01"}))
        .await
        .problem(400, "malformed-request");
    for (name, key) in [
        ("Bad Name", "aa".repeat(32)),
        ("short", "aa".repeat(31)),
        ("words", "zz".repeat(32)),
    ] {
        let call = host.call("POST", "/v1/signing-keys");
        let body = json!({ "name": name, "public_key": key });
        call.body("application/json", body.to_string())
            .send()
            .await
            .problem(400, "malformed-request");
    }
    require(&host, true).await;

    let bytes = text_plugin("1.2.3", &[]);
    let right = statement(tenant, "1.2.3", &bytes);
    let refused = upload(&host, "1.2.3", &[])
        .await
        .problem(403, "signature-refused");
    assert_eq!(refused["reason"], "unsigned", "{refused}");
    let mut other_tenant = statement(TenantId::new(), "1.2.3", &bytes);
    let replayed = sign(&release, &other_tenant);
    other_tenant.tenant = tenant;
    let passed_off = Signature {
        tenant,
        ..replayed.clone()
    };
    let mut forged = sign(&stranger, &right);
    forged.key = public(&release);
    for (what, signature, reason) in [
        ("another key's", sign(&stranger, &right), "unknown-key"),
        ("another tenant's", replayed, "other-tenant"),
        ("another tenant's, passed off", passed_off, "false-signature"),
        (
            "another version's",
            sign(&release, &statement(tenant, "1.2.4", &bytes)),
            "other-version",
        ),
        (
            "of other bytes",
            sign(&release, &statement(tenant, "1.2.3", b"other")),
            "other-bytes",
        ),
        ("under a trusted key's name", forged, "false-signature"),
    ] {
        let refused = signed(&host, "1.2.3", &signature)
            .await
            .problem(403, "signature-refused");
        assert_eq!(refused["reason"], reason, "{what}: {refused}");
        let line = lines(&refused["report"], "signature");
        assert!(!line[0].0, "{what}: {line:?}");
    }
    assert_eq!(
        host.get("/v1/plugins?q=acmeinc").send().await.ok(200)["items"],
        json!([])
    );
    let good = sign(&release, &right);
    let created = signed(&host, "1.2.3", &good).await.ok(201);
    assert!(
        lines(&created["report"], "signature")[0].1.contains("release"),
        "{created}"
    );
    let shown = host.get(&format!("/v1/plugins/{NAME}")).send().await.ok(200);
    assert_eq!(shown["versions"][0]["signed_by"], json!(public(&release)));

    // A key that expires: refused at its upload, and no more used by a plan after its end.
    trust(&host, "short", &short, json!({"expires_at": soon(3)}))
        .await
        .ok(201);
    let bytes = text_plugin("1.2.4", &[]);
    signed(&host, "1.2.4", &sign(&short, &statement(tenant, "1.2.4", &bytes)))
        .await
        .ok(201);
    host.save(&format!(
        "name: brief\nsteps: [{{ id: parse, use: {NAME}@=1.2.4 }}]\n"
    ))
    .await;
    host.run("brief").body("text/plain", "a").send().await.ok(200);
    tokio::time::sleep(std::time::Duration::from_millis(4_200)).await;
    let refused = host.run("brief").body("text/plain", "a").send().await;
    refused.problem(403, "signature-refused");
    let bytes = text_plugin("1.2.5", &[]);
    let late = signed(&host, "1.2.5", &sign(&short, &statement(tenant, "1.2.5", &bytes))).await;
    assert_eq!(late.problem(403, "signature-refused")["reason"], "expired-key");
}

/// That many seconds from now, in RFC 3339.
fn soon(seconds: u64) -> String {
    let at = std::time::SystemTime::now() + std::time::Duration::from_secs(seconds);
    let since = at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (days, rest) = (since / 86_400, since % 86_400);
    // Civil from days (H. Hinnant).
    let z = days as i64 + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (
        doy - (153 * mp + 2) / 5 + 1,
        if mp < 10 { mp + 3 } else { mp - 9 },
    );
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_takes_its_versions_along() {
    let host = Host::with(&["text"]).await;
    let tenant = host.database.tenant;
    let release = Ed25519KeyPair::generate().unwrap();
    trust(&host, "release", &release, json!({})).await.ok(201);
    let bytes = text_plugin("1.2.3", &[]);
    signed(
        &host,
        "1.2.3",
        &sign(&release, &statement(tenant, "1.2.3", &bytes)),
    )
    .await
    .ok(201);
    host.save(&format!("name: mine\nsteps: [{{ id: parse, use: {NAME}@1 }}]\n"))
        .await;
    host.save("name: own\nsteps: [{ id: parse, use: docmill/text@0.1 }]\n")
        .await;
    let run = async |name: &str| host.run(name).body("text/plain", "a").send().await;
    run("mine").await.ok(200);
    // Unsigned ones may be there while nobody asks, and run no more when somebody does.
    upload(&host, "1.2.4", &[]).await.ok(201);
    assert_eq!(
        run("mine").await.ok(200)["steps"][0]["plugin"],
        json!(format!("{NAME}@1.2.4"))
    );
    require(&host, true).await;
    run("mine").await.problem(403, "signature-refused");
    run("own").await.ok(200);
    host.save(&format!(
        "name: exact\nsteps: [{{ id: parse, use: {NAME}@=1.2.3 }}]\n"
    ))
    .await;
    run("exact").await.ok(200);
    let revoke = host.call("DELETE", "/v1/signing-keys/release");
    assert_eq!(revoke.clone().send().await.status, 204);
    assert_eq!(revoke.send().await.status, 204);
    let refused = run("exact").await.problem(403, "signature-refused");
    assert!(
        refused["detail"].as_str().unwrap().contains("revoked"),
        "{refused}"
    );
    run("own").await.ok(200);
    require(&host, false).await;
    run("exact").await.ok(200);
    host.call("DELETE", "/v1/signing-keys/nobody")
        .send()
        .await
        .problem(404, "not-found");
    let log = host
        .get("/v1/audit?action=signing-key.revoke")
        .send()
        .await
        .ok(200);
    assert_eq!(log["items"].as_array().unwrap().len(), 1);
}
