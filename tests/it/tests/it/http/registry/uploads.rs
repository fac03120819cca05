//! Uploading: once, again, at the same moment, cut off, with the wrong digest, under a name that is not one's own.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::{NAME, lines, put, sha256, text_plugin, upload};
use crate::support::client::{Part, read};
use crate::support::{Host, component};

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_uploaded_once() {
    let host = Host::with(&[]).await;
    let bytes = text_plugin("1.2.3", &[]);
    let check = host
        .call("POST", "/v1/plugins:check")
        .body("application/wasm", &bytes);
    let check = check.send().await.ok(200);
    assert_eq!(check["ok"], true, "{check}");
    let send = async |path: &str, bytes: &[u8]| {
        let call = host.call("PUT", path).body("application/wasm", bytes);
        call.send().await
    };
    let path = format!("/v1/plugins/{NAME}/versions/1.2.3");
    // Published as something else than it says.
    for other in [
        format!("/v1/plugins/{NAME}/versions/9.9.9"),
        "/v1/plugins/acme/text/versions/1.2.3".to_owned(),
    ] {
        let problem = send(&other, &bytes).await.problem(422, "invalid-component");
        assert!(
            problem["detail"].as_str().unwrap().contains("acmeinc/text@1.2.3"),
            "{problem}"
        );
        assert!(!lines(&problem["report"], "version")[0].0);
    }
    send("/v1/plugins/acmeinc/text/versions/one", &bytes)
        .await
        .problem(400, "malformed-request");
    assert_eq!(host.get("/v1/plugins").send().await.ok(200)["items"], json!([]));

    let created = send(&path, &bytes).await.ok(201);
    assert_eq!(
        (&created["kind"], &created["created"], &created["state"]),
        (&json!("parser"), &json!(true), &json!("published"))
    );
    let again = send(&path, &bytes).await.ok(200);
    assert_eq!(
        (&again["created"], &again["report"]),
        (&json!(false), &created["report"])
    );
    // The same version with other bytes: a custom section is enough.
    let mut other = bytes.clone();
    other.extend_from_slice(b"\0\x05\x04note");
    send(&path, &other).await.problem(409, "version-exists");

    let shown = host.get(&format!("/v1/plugins/{NAME}")).send().await.ok(200);
    assert_eq!(shown["versions"].as_array().unwrap().len(), 1);
    assert!(shown["versions"][0]["manifest"]["config_schema"].is_object());
    let list = host
        .get("/v1/plugins?q=PLAIN&kind=parser&state=published")
        .send()
        .await
        .ok(200);
    let item = &list["items"][0];
    assert_eq!(
        (&item["name"], &item["state"], &item["calls_30d"]),
        (&json!(NAME), &json!("published"), &json!(0))
    );
    assert_eq!(item["size"], bytes.len());
    for none in ["q=nothing-like-it", "kind=validator", "state=yanked"] {
        let list = host.get(&format!("/v1/plugins?{none}")).send().await.ok(200);
        assert_eq!(list["items"], json!([]), "{none}");
    }
    for bad in [
        "kind=thing",
        "state=gone",
        "state=",
        &format!("q={}", "x".repeat(201)),
    ] {
        host.get(&format!("/v1/plugins?{bad}"))
            .send()
            .await
            .problem(400, "malformed-request");
    }
    host.get("/v1/plugins/acmeinc/nothing")
        .send()
        .await
        .problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_has_a_line_for_every_rule_and_can_be_read_again() {
    let host = Host::with(&[]).await;
    upload(&host, "1.2.3", &[]).await.ok(201);
    let path = format!("/v1/plugins/{NAME}/versions/1.2.3/report");
    let shown = host.get(&path).send().await.ok(200);
    assert_eq!(
        (&shown["state"], &shown["report"]["ok"]),
        (&json!("published"), &json!(true))
    );
    let checks: Vec<&str> = shown["report"]["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["check"].as_str().unwrap())
        .collect();
    assert_eq!(
        checks,
        [
            "size",
            "component",
            "contract",
            "kind",
            "imports",
            "memory",
            "compile",
            "describe",
            "configuration",
            "media types",
            "version",
            "promises",
            "signature",
            "sample"
        ]
    );
    host.get(&path.replace("1.2.3", "1.2.4"))
        .send()
        .await
        .problem(404, "not-found");
    host.get(&path.replace("1.2.3", "x"))
        .send()
        .await
        .problem(404, "not-found");
    // Exports that are not docmill's are listed.
    let hostile = host
        .call("POST", "/v1/plugins:check")
        .body("application/wasm", component("hostile"));
    let report = hostile.send().await.ok(200);
    assert!(
        lines(&report, "kind")[0]
            .1
            .contains("exports that nobody calls: foreign"),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_namespace_is_nobodys_over_http() {
    let host = Host::with(&["text"]).await;
    for path in [
        "/v1/plugins/docmill/text/versions/0.1.0",
        "/v1/plugins/docmill/mine/versions/1.0.0",
    ] {
        let call = host.call("PUT", path).body("application/wasm", component("text"));
        call.send().await.problem(403, "reserved-namespace");
    }
    // The one that was installed is as it was, and its state is the tenant's to choose.
    let shown = host.get("/v1/plugins/docmill/text").send().await.ok(200);
    assert_eq!(shown["versions"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_changed_on_their_way_are_not_kept() {
    let host = Host::with(&[]).await;
    let bytes = text_plugin("1.2.3", &[]);
    let call = |digest: &str, header: &str| {
        put(&host, "1.2.3")
            .header(header, digest)
            .body("application/wasm", &bytes)
    };
    let wrong = sha256(b"something else");
    for header in ["Repr-Digest", "Content-Digest"] {
        call(&wrong, header).send().await.problem(400, "digest-mismatch");
        call("sha-256=:AAAA:", header)
            .send()
            .await
            .problem(400, "malformed-request");
    }
    assert_eq!(host.get("/v1/plugins").send().await.ok(200)["items"], json!([]));
    call(&sha256(&bytes), "Repr-Digest").send().await.ok(201);
    // Of a form it is the digest of the whole body, so a wrong one is told there too.
    let form = put(&host, "1.2.3").header("Content-Digest", &wrong);
    let form = form.form(&[Part::file("component", "a.wasm", &bytes)]);
    form.send().await.problem(400, "digest-mismatch");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let host = Host::with(&[]).await;
    let bytes = text_plugin("1.2.3", &[]);
    for (what, head, sent) in [
        (
            "a known length",
            format!(
                "Content-Type: application/wasm\r\nContent-Length: {}\r\n",
                bytes.len()
            ),
            bytes[..bytes.len() / 2].to_vec(),
        ),
        (
            "chunks",
            "Content-Type: application/wasm\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes[..1_000]].concat(),
        ),
    ] {
        let mut stream = put(&host, "1.2.3").begin(&head).await;
        stream.write_all(&sent).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // Whoever closes their side may still read what became of it, or be hung up on.
        let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer);
        tokio::time::timeout(Duration::from_secs(30), read)
            .await
            .unwrap()
            .ok();
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.contains("truncated-body"),
            "{what}: {answer}"
        );
    }
    // A form that ends before its last boundary.
    let whole = put(&host, "1.2.3").header("Content-Type", "multipart/form-data; boundary=XyZ");
    let body = b"--XyZ\r\nContent-Disposition: form-data; name=\"component\"; filename=\"a\"\r\n\r\n\0asm";
    let mut stream = whole.begin(&format!("Content-Length: {}\r\n", body.len())).await;
    stream.write_all(body).await.unwrap();
    read(&mut stream).await.problem(400, "truncated-body");
    assert_eq!(host.get("/v1/plugins").send().await.ok(200)["items"], json!([]));
    let blobs = host.state.blobs().list(host.database.tenant).await.unwrap();
    assert_eq!(blobs, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_upload_at_once_one_is_first() {
    let host = Host::with(&[]).await;
    let (one, two) = tokio::join!(upload(&host, "1.2.3", &[]), upload(&host, "1.2.3", &[]));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201], "{} {}", one.text(), two.text());
    assert_eq!(one.json()["digest"], two.json()["digest"]);

    let change: &[(&str, &str)] = &[(
        "\"additionalProperties\": false",
        "\"additionalProperties\": true ",
    )];
    let (one, two) = tokio::join!(upload(&host, "1.2.4", &[]), upload(&host, "1.2.4", change));
    let mut answers = [one, two];
    answers.sort_by_key(|reply| reply.status);
    answers[0].ok(201);
    answers[1].problem(409, "version-exists");
    let shown = host.get(&format!("/v1/plugins/{NAME}")).send().await.ok(200);
    assert_eq!(shown["versions"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_says_what_is_wrong_with_it() {
    let host = Host::with(&[]).await;
    let send = async |parts: &[Part<'_>]| put(&host, "1.2.3").form(parts).send().await;
    let wasm = Part::file("component", "a.wasm", b"\0asm");
    send(&[]).await.problem(400, "empty-body");
    send(&[Part::file("component", "a.wasm", b"")])
        .await
        .problem(400, "empty-body");
    send(&[Part::file("sample", "a", b"{}")])
        .await
        .problem(400, "empty-body");
    for parts in [
        &[wasm, wasm][..],
        &[wasm, Part::file("other", "a", b"x")],
        &[wasm, Part::file("signature", "a", b"{}")],
        &[wasm, Part::param("sample", "{}")],
        &[wasm, Part::file("sample", "a", b"{\"expect\": {}}")],
        &[
            wasm,
            Part::file("file", "a.txt", b"x"),
            Part::file("file", "dir/a.txt", b"y"),
        ],
    ] {
        send(parts).await.problem(400, "malformed-request");
    }
    let large = vec![b' '; (1 << 20) + 1];
    send(&[wasm, Part::file("sample", "a", &large)])
        .await
        .problem(413, "body-too-large");
    let many = vec![Part::file("sample", "a", b"{}"); 51];
    send(&many).await.problem(400, "malformed-request");
}
