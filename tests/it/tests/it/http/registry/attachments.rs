//! What comes with a version beside its component, and how it is had again.

use docmill_model::digest::Digest;
use serde_json::{Value as Json, json};

use super::{NAME, lines, put, text_plugin, upload};
use crate::support::Host;
use crate::support::client::{Part, Reply};

fn provenance(component: &[u8]) -> Vec<u8> {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1", "predicate": {},
        "subject": [{ "name": "text.wasm", "digest": { "sha256": Digest::of(component) } }],
    });
    statement.to_string().into_bytes()
}

async fn with(host: &Host, version: &str, parts: &[Part<'_>]) -> Reply {
    let bytes = text_plugin(version, &[]);
    let mut all = vec![Part::file("component", "a.wasm", &bytes)];
    all.extend_from_slice(parts);
    put(host, version).form(&all).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_with_a_version_is_had_again_byte_by_byte() {
    let host = Host::with(&[]).await;
    let component = text_plugin("1.2.3", &[]);
    let sbom = br#"{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}"#;
    let provenance = provenance(&component);
    let sample = json!({ "document": "note.txt", "expect": { "pages": ["Total due: 12"] } }).to_string();
    let parts = [
        Part::file("sbom", "bom.json", sbom),
        Part::file("provenance", "p.json", &provenance),
        Part::file("sample", "note", sample.as_bytes()),
        Part::file("file", "note.txt", b"Total due: 12"),
        Part::file("file", "unused.txt", b"no sample names it"),
    ];
    let created = with(&host, "1.2.3", &parts).await.ok(201);
    assert_eq!(
        lines(&created["report"], "sbom"),
        [(true, "CycloneDX 1.6".to_owned())]
    );
    let predicate = "https://slsa.dev/provenance/v1".to_owned();
    assert_eq!(lines(&created["report"], "provenance"), [(true, predicate)]);

    let shown = host.get(&format!("/v1/plugins/{NAME}")).send().await.ok(200);
    let attachments = shown["versions"][0]["attachments"].as_array().unwrap();
    let kinds: Vec<&Json> = attachments.iter().map(|a| &a["kind"]).collect();
    assert_eq!(kinds, ["document", "provenance", "sample", "sbom"]);
    for (attachment, bytes) in
        attachments
            .iter()
            .zip([&b"Total due: 12"[..], &provenance, sample.as_bytes(), sbom])
    {
        assert_eq!(attachment["size"], bytes.len());
        let reply = host.get(attachment["href"].as_str().unwrap()).send().await;
        assert_eq!((reply.status, &reply.body[..]), (200, bytes), "{attachment}");
        assert_eq!(reply.header("content-type"), attachment["media_type"].as_str());
        assert!(
            reply
                .header("content-disposition")
                .unwrap()
                .starts_with("attachment")
        );
    }
    let base = format!("/v1/plugins/{NAME}/versions/1.2.3");
    let whole = host.get(&format!("{base}/component")).send().await;
    assert_eq!((whole.status, whole.body), (200, component));
    assert_eq!(
        whole.headers.iter().find(|(n, _)| n == "content-type").unwrap().1,
        "application/wasm"
    );
    // Nothing else that the organisation keeps can be had by its digest here.
    let unused = Digest::of(b"no sample names it");
    for none in [
        format!("{base}/{unused}"),
        format!("{base}/sample"),
        format!("{base}/x"),
        base.replace("1.2.3", "9.9.9") + "/sbom",
    ] {
        host.get(&none).send().await.problem(404, "not-found");
    }
    assert!(
        !host
            .state
            .blobs()
            .exists(host.database.tenant, unused)
            .await
            .unwrap()
    );
    upload(&host, "1.2.4", &[]).await.ok(201);
    let other = base.replace("1.2.3", "1.2.4");
    host.get(&format!("{other}/sbom"))
        .send()
        .await
        .problem(404, "not-found");
    let digest = attachments[0]["digest"].as_str().unwrap();
    host.get(&format!("{other}/{digest}"))
        .send()
        .await
        .problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_are_none_or_about_something_else_are_refused() {
    let host = Host::with(&[]).await;
    let other = provenance(b"other");
    let refused = with(&host, "1.2.3", &[Part::file("provenance", "p", &other)]).await;
    refused.problem(400, "digest-mismatch");
    let large = vec![b' '; (4 << 20) + 1];
    for name in ["sbom", "provenance"] {
        let send = async |bytes: &[u8]| with(&host, "1.2.3", &[Part::file(name, "a", bytes)]).await;
        for bad in [&b""[..], b"{}", b"\xff", b"<bom/>", b"[[[["] {
            send(bad).await.problem(400, "malformed-request");
        }
        send("[".repeat(1 << 20).as_bytes())
            .await
            .problem(400, "malformed-request");
        send(&large).await.problem(413, "body-too-large");
        let twice = [Part::file(name, "a", b"{}"), Part::file(name, "b", b"{}")];
        with(&host, "1.2.3", &twice)
            .await
            .problem(400, "malformed-request");
    }
    let samples = [Part::file("sample", "a", b"{}"), Part::file("sample", "a", b"{}")];
    with(&host, "1.2.3", &samples)
        .await
        .problem(400, "malformed-request");
    assert_eq!(host.get("/v1/plugins").send().await.ok(200)["items"], json!([]));
    assert_eq!(host.state.blobs().list(host.database.tenant).await.unwrap(), []);
}
