//! Bad input: each gets a typed problem that names cause and fix, never a 500 and never a hang.

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::{NOTE, TEXT};
use crate::support::client::{self, Part};
use crate::support::{Host, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn empty_bodies() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    host.run("note").send().await.problem(400, "empty-body");
    host.run("note")
        .body("text/plain", "")
        .send()
        .await
        .problem(400, "empty-body");
    host.run("note").form(&[]).send().await.problem(400, "empty-body");
    host.run("note")
        .form(&[Part::file("file", "a.txt", b"")])
        .send()
        .await
        .problem(400, "empty-body");
    host.call("PUT", "/v1/pipelines/x")
        .body("application/yaml", " \n")
        .send()
        .await
        .problem(400, "empty-body");
    let plugin = host
        .call("PUT", "/v1/plugins/a/b/versions/1.0.0")
        .body("application/wasm", "");
    plugin.send().await.problem(400, "empty-body");
    host.call("POST", "/v1/keys")
        .send()
        .await
        .problem(400, "empty-body");
}

#[tokio::test(flavor = "multi_thread")]
async fn lying_media_types() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    // The bytes decide, whatever the client says …
    let problem = host
        .run("note")
        .body("text/plain", "%PDF-1.7\n%\u{e2}\n1 0 obj")
        .send()
        .await;
    let detail = problem.problem(415, "input-not-accepted")["detail"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(detail.contains("application/pdf"), "{detail}");
    let run = host
        .run("note")
        .body("application/pdf", TEXT)
        .send()
        .await
        .ok(200);
    assert_eq!(run["documents"][0]["media_type"], "text/plain");
    // … and its word counts where they do not tell.
    let run = host
        .run("note")
        .body("text/csv; charset=utf-8", "a;b\n1;2\n")
        .send()
        .await
        .ok(200);
    assert_eq!(run["documents"][0]["media_type"], "text/csv");
    let part = Part {
        media_type: Some("application/pdf"),
        ..Part::file("file", "t.md", b"# Title\n\nText")
    };
    let run = host.run("note").form(&[part]).send().await.ok(200);
    assert_eq!(run["documents"][0]["media_type"], "text/markdown");
    // What curl --data-binary says means nothing.
    let run = host
        .run("note")
        .body("application/x-www-form-urlencoded", TEXT)
        .send()
        .await
        .ok(200);
    assert_eq!(run["documents"][0]["media_type"], "text/plain");
    host.run("note")
        .body("multipart/mixed; boundary=a", "--a--")
        .send()
        .await
        .problem(415, "unsupported-media-type");
    host.run("note")
        .body("multipart/form-data", "x")
        .send()
        .await
        .problem(400, "malformed-request");
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_that_do_not_fit_the_pipeline() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let file = Part::file("file", "a.txt", TEXT.as_bytes());
    host.run("nothing")
        .body("text/plain", TEXT)
        .send()
        .await
        .problem(404, "unknown-pipeline");
    host.run("Not%20a%20name%00")
        .body("text/plain", TEXT)
        .send()
        .await
        .problem(404, "unknown-pipeline");
    host.run("note")
        .form(&[file, file])
        .send()
        .await
        .problem(422, "duplicate-input");
    host.run("note")
        .form(&[Part::param("fio", "A")])
        .send()
        .await
        .problem(422, "missing-input");
    let unknown = Part::file("contract", "a.txt", b"x");
    let problem = host
        .run("note")
        .form(&[file, unknown])
        .send()
        .await
        .problem(422, "unknown-input");
    assert!(problem["detail"].as_str().unwrap().contains("file"), "{problem}");
    let role = host
        .call("POST", "/v1/pipelines/note/runs?role=contract")
        .body("text/plain", TEXT);
    role.send().await.problem(422, "unknown-input");
    for param in [
        Part::param("copies", "two"),
        Part::param("colour", "red"),
        Part::param("params", "[1]"),
        Part::param("params", "{"),
    ] {
        host.run("note")
            .form(&[file, param])
            .send()
            .await
            .problem(422, "invalid-params");
    }
    host.run("note")
        .form(&[file, Part::param("fio", "a"), Part::param("fio", "b")])
        .send()
        .await
        .problem(422, "invalid-params");
    let query = host
        .call("POST", "/v1/pipelines/note/runs?param.copies=x")
        .body("text/plain", TEXT);
    query.send().await.problem(422, "invalid-params");
    // The same params, right, by each of the three ways.
    for call in [
        host.run("note").form(&[file, Part::param("copies", "3")]),
        host.run("note")
            .form(&[file, Part::param("params", r#"{"copies": 3}"#)]),
        host.call("POST", "/v1/pipelines/note/runs?param.copies=3")
            .body("text/plain", TEXT),
    ] {
        assert_eq!(call.send().await.ok(200)["params"], json!({"copies": 3}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_that_are_broken() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let file = Part::file("file", "a.txt", TEXT.as_bytes());
    let nameless = Part { name: None, ..file };
    host.run("note")
        .form(&[nameless])
        .send()
        .await
        .problem(400, "malformed-request");
    let many = vec![Part::param("fio", "x"); 300];
    let problem = host.run("note").form(&many).send().await;
    assert!(matches!(problem.status, 400 | 422), "{}", problem.text());
    // Ends before its last boundary.
    let cut = "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhalf a fi";
    let reply = host
        .run("note")
        .body("multipart/form-data; boundary=XyZ", cut)
        .send()
        .await;
    reply.problem(400, "truncated-body");
    let reply = host
        .run("note")
        .body("multipart/form-data; boundary=XyZ", "no boundary at all")
        .send()
        .await;
    assert!(matches!(reply.status, 400), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn nul_and_invalid_utf_8_never_reach_postgresql() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let file = Part::file("file", "a.txt", TEXT.as_bytes());
    host.run("note")
        .form(&[file, Part::param("fio", "a\0b")])
        .send()
        .await
        .problem(422, "invalid-params");
    let json = Part::param("params", r#"{"fio": "a\u0000b"}"#);
    host.run("note")
        .form(&[file, json])
        .send()
        .await
        .problem(422, "invalid-params");
    let bytes = Part {
        name: Some("fio"),
        bytes: b"\xff\xfe",
        ..Part::default()
    };
    host.run("note")
        .form(&[file, bytes])
        .send()
        .await
        .problem(422, "invalid-params");
    for query in ["param.fio=%00", "param.fio=%FF"] {
        let call = host
            .call("POST", &format!("/v1/pipelines/note/runs?{query}"))
            .body("text/plain", TEXT);
        let reply = call.send().await;
        assert!(matches!(reply.status, 400 | 422), "{}", reply.text());
    }
    for path in [
        "/v1/runs?pipeline=%00",
        "/v1/runs?lookup.fio=%FF",
        "/v1/documents?q=%00",
        "/v1/runs?cursor=run_%00",
    ] {
        host.get(path).send().await.problem(400, "malformed-request");
    }
    for path in [
        "/v1/runs/%00",
        "/v1/documents/doc_%FF",
        "/v1/pipelines/%00",
        "/v1/plugins/a/%00",
    ] {
        let reply = host.get(path).send().await;
        assert!(matches!(reply.status, 400 | 404), "{path}: {}", reply.text());
    }
    // File names and documents may hold anything; what is kept is clean.
    let tricky = Part::file("file", "..\\x/\u{202e}a.txt", b"Invoice No: A-1\n\0\x01 \xff");
    let reply = host.run("note").form(&[tricky]).send().await;
    assert!(matches!(reply.status, 200 | 415 | 422), "{}", reply.text());
    let reply = host
        .run("note")
        .form(&[Part {
            file: Some("..\\x/\u{202e}a.txt"),
            ..file
        }])
        .send()
        .await;
    assert_eq!(reply.ok(200)["documents"][0]["name"], "a.txt");
    let reply = host
        .run("note")
        .header("X-Request-Id", b"\xff\xfe")
        .body("text/plain", TEXT)
        .send()
        .await;
    reply.ok(200);
    let key = host
        .call("POST", "/v1/keys")
        .body("application/json", r#"{"name": "a\u0000"}"#);
    key.send().await.problem(400, "malformed-request");
    host.anonymous("GET", "/v1/me")
        .header("Authorization", b"Bearer \xff")
        .send()
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large() {
    let mut setup = Setup::new().await;
    setup.api.body = docmill_model::size::ByteSize::mib(1);
    let host = setup.start().await;
    host.install(&["text", "patterns"]).await;
    host.save(NOTE).await;
    // Announced: refused before a byte of it is read.
    let head = "Content-Type: text/plain\r\nContent-Length: 1073741824\r\n";
    let mut stream = host.run("note").begin(head).await;
    client::read(&mut stream).await.problem(413, "body-too-large");
    // Not announced: refused while it streams, and the answer is read although the client still sends.
    let mut stream = host
        .run("note")
        .begin("Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n")
        .await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..32 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    client::read(&mut stream).await.problem(413, "body-too-large");
    let large = vec![b'x'; 2 << 20];
    host.run("note")
        .form(&[Part::file("file", "a", &large)])
        .send()
        .await
        .problem(413, "body-too-large");
    assert_eq!(host.run("note").body("text/plain", TEXT).send().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_break_off() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    for head in ["Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut stream = host
            .run("note")
            .begin(&format!("Content-Type: text/plain\r\n{head}"))
            .await;
        stream.write_all(b"5\r\nhello\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
        client::read(&mut stream).await.problem(400, "truncated-body");
    }
    let list = host.get("/v1/runs").send().await.ok(200);
    assert_eq!(list["items"], json!([]), "nothing is kept of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_come_too_slowly() {
    let mut setup = Setup::new().await;
    setup.api.body_idle = std::time::Duration::from_millis(200);
    setup.api.body_total = std::time::Duration::from_millis(600);
    let host = setup.start().await;
    host.install(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let head = "Content-Type: text/plain\r\nContent-Length: 1000\r\n";
    // Nothing at all.
    let mut stream = host.run("note").begin(head).await;
    client::read(&mut stream).await.problem(408, "slow-body");
    // A byte now and then.
    let mut stream = host.run("note").begin(head).await;
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        if stream.write_all(b"x").await.is_err() {
            break;
        }
    }
    client::read(&mut stream).await.problem(408, "slow-body");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_broken_fail_their_run_and_are_kept() {
    let host = Host::with(&["pdf", "office"]).await;
    host.save("{name: pdf, steps: [{id: parse, use: docmill/pdf@0.1}]}")
        .await;
    host.save("{name: office, steps: [{id: parse, use: docmill/office@0.1}]}")
        .await;
    let broken = host
        .run("pdf")
        .body("application/pdf", "%PDF-1.7\n\u{1}\u{2}garbage")
        .send()
        .await;
    let problem = broken.problem(422, "invalid-input");
    assert_eq!(problem["step"], "parse");
    assert!(problem["plugin"].as_str().unwrap().starts_with("docmill/pdf@"));
    let run = host
        .get(&format!("/v1/runs/{}", problem["run"].as_str().unwrap()))
        .send()
        .await
        .ok(200);
    assert_eq!(
        (&run["status"], &run["error"]["code"]),
        (&json!("failed"), &json!("invalid-input"))
    );
    let found = host
        .get("/v1/runs?status=failed&error=invalid-input")
        .send()
        .await
        .ok(200);
    assert_eq!(found["items"][0]["id"], run["id"]);
    // A zip that says it is a Word document and is none.
    let hollow = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x11\0\0\0word/document.xml";
    host.run("office")
        .body("application/zip", hollow)
        .send()
        .await
        .problem(422, "invalid-input");
}
