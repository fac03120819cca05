//! The walk of a document: posted, read, kept, found again.

use serde_json::{Value as Json, json};

use super::{NOTE, TEXT};
use crate::support::Host;
use crate::support::client::Part;

/// The field of that path.
fn field<'a>(run: &'a Json, path: &str) -> &'a Json {
    let fields = run["fields"].as_array().unwrap();
    fields
        .iter()
        .find(|f| f["path"] == path)
        .unwrap_or_else(|| panic!("no {path} in {run}"))
}

/// For every citation: the text at its range, on the page that the document shows, is its quote.
fn assert_quotes(run: &Json, document: &Json) {
    let mut seen = 0;
    for citation in run["fields"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|f| f["citations"].as_array().unwrap())
    {
        let readings = document["readings"].as_array().unwrap();
        let reading = readings
            .iter()
            .find(|r| r["id"] == citation["reading_id"])
            .expect("the reading");
        let page = &reading["pages"][citation["page"].as_u64().unwrap() as usize];
        let at = |end: &str| citation["range"][end].as_u64().unwrap() as usize;
        let text = page["text"].as_str().unwrap();
        assert_eq!(&text[at("start")..at("end")], citation["quote"].as_str().unwrap());
        seen += 1;
    }
    assert!(seen > 0, "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_becomes_a_durable_run() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let form = [
        Part::file("file", "счёт.txt", TEXT.as_bytes()),
        Part::param("fio", "Семёнов Пётр Ильич"),
        Part::param("copies", "2"),
    ];
    let reply = host.run("note").form(&form).send().await;
    let run = reply.ok(200);
    assert_eq!(run["status"], "succeeded");
    assert_eq!(field(&run, "number")["value"], "A-17");
    assert_eq!(
        field(&run, "total")["value"],
        json!({"amount": "1234.56", "currency": "KZT"})
    );
    assert_eq!(run["params"], json!({"fio": "Семёнов Пётр Ильич", "copies": 2}));
    assert_eq!(run["documents"][0]["name"], "счёт.txt");
    assert_eq!(run["documents"][0]["media_type"], "text/plain");
    assert_eq!(
        reply.header("location").unwrap(),
        format!("/v1/runs/{}", run["id"].as_str().unwrap())
    );
    assert!(run["created_at"].as_str().unwrap().ends_with('Z'));
    assert!(run["timing"]["total_us"].as_u64().unwrap() > 0);
    assert_eq!(run["steps"].as_array().unwrap().len(), 2);
    assert!(
        run["steps"][0]["attempts"][0]["usage"]["cpu_us"]
            .as_u64()
            .is_some()
    );

    // Kept: the same under its id.
    let kept = host.get(reply.header("location").unwrap()).send().await.ok(200);
    for part in [
        "id",
        "pipeline",
        "version",
        "status",
        "verdict",
        "fields",
        "checks",
        "output",
        "documents",
        "params",
    ] {
        assert_eq!(kept[part], run[part], "{part}");
    }

    // The document, its page, its bytes, its runs.
    let document = run["documents"][0]["id"].as_str().unwrap();
    let shown = host
        .get(&format!("/v1/documents/{document}"))
        .send()
        .await
        .ok(200);
    assert_eq!(shown["runs"][0]["id"], run["id"]);
    assert!(
        shown["readings"][0]["pages"][0]["text"]
            .as_str()
            .unwrap()
            .contains("A-17")
    );
    assert_quotes(&kept, &shown);
    assert_quotes(&run, &shown);
    let source = host.get(&format!("/v1/documents/{document}/source")).send().await;
    assert_eq!((source.status, source.text().as_str()), (200, TEXT));
    assert_eq!(
        source.header("content-security-policy"),
        Some("default-src 'none'; sandbox")
    );

    // Found by its look-up: order, case and ё do not matter.
    for (query, count) in [
        ("lookup.fio=ПЕТР+семенов", 1),
        ("lookup.fio=Сидоров", 0),
        ("pipeline=note", 1),
        ("status=failed", 0),
    ] {
        let query: String = query
            .chars()
            .map(|c| if c.is_ascii() { c.to_string() } else { escaped(c) })
            .collect();
        let list = host.get(&format!("/v1/runs?{query}")).send().await.ok(200);
        assert_eq!(list["items"].as_array().unwrap().len(), count, "{query}: {list}");
    }

    // A changed byte changes the result.
    let other = TEXT.replace("1 234,56", "1 234,57");
    let run = host.run("note").body("text/plain", &other).send().await.ok(200);
    assert_eq!(field(&run, "total")["value"]["amount"], "1234.57");
}

fn escaped(c: char) -> String {
    let mut buffer = [0; 4];
    c.encode_utf8(&mut buffer)
        .bytes()
        .map(|b| format!("%{b:02X}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_recognised() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let first = host.run("note").body("text/plain", TEXT).send().await.ok(200);
    let second = host.run("note").body("text/plain", TEXT).send().await.ok(200);
    assert_ne!(first["documents"][0]["id"], second["documents"][0]["id"]);
    assert_eq!(first["documents"][0]["duplicate_of"], Json::Null);
    assert_eq!(
        second["documents"][0]["duplicate_of"],
        first["documents"][0]["id"]
    );
    let kept = host
        .get(&format!("/v1/runs/{}", second["id"].as_str().unwrap()))
        .send()
        .await
        .ok(200);
    assert_eq!(kept["documents"][0]["duplicate_of"], first["documents"][0]["id"]);
    let list = host.get("/v1/documents").send().await.ok(200);
    assert_eq!(list["items"][0]["duplicate_of"], first["documents"][0]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_source_goes_to_the_blobs_and_comes_back() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let large = format!("{TEXT}{}", "Nothing of interest stands here.\n".repeat(4_000));
    let run = host.run("note").body("text/plain", &large).send().await.ok(200);
    let digest = run["documents"][0]["digest"].as_str().unwrap().parse().unwrap();
    assert!(
        host.state
            .blobs()
            .exists(host.database.tenant, digest)
            .await
            .unwrap()
    );
    let path = format!(
        "/v1/documents/{}/source",
        run["documents"][0]["id"].as_str().unwrap()
    );
    assert_eq!(host.get(&path).send().await.body, large.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_kept_and_fetched() {
    let host = Host::with(&["text", "patterns", "template"]).await;
    let letter = NOTE.replace("name: note", "name: letter").replace(
        "output:",
        "  - { id: letter, use: docmill/template@0.1, with: { template: \"Paid: {{ fields.number.value }}\", name: letter.md } }\noutput:",
    );
    host.save(&letter).await;
    let run = host.run("letter").body("text/plain", TEXT).send().await.ok(200);
    let artifact = &run["artifacts"][0];
    assert_eq!(artifact["name"], "letter.md");
    let file = host.get(artifact["href"].as_str().unwrap()).send().await;
    assert_eq!((file.status, file.text().as_str()), (200, "Paid: A-17"));
    assert_eq!(
        file.header("content-disposition"),
        Some("attachment; filename*=UTF-8''letter.md")
    );

    // Not kept: it is in the answer, and nowhere else.
    host.save(&format!("{letter}retain: none\n").replace("name: letter\n", "name: fleeting\n"))
        .await;
    let run = host.run("fleeting").body("text/plain", TEXT).send().await.ok(200);
    assert_eq!(run["artifacts"][0]["content_base64"], "UGFpZDogQS0xNw==");
    assert_eq!(run["artifacts"][0]["href"], Json::Null);
    host.get(&format!("/v1/runs/{}", run["id"].as_str().unwrap()))
        .send()
        .await
        .problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_run_is_kept_like_any_other() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(&format!("{NOTE}durability: accepted\n")).await;
    let run = host.run("note").body("text/plain", TEXT).send().await.ok(200);
    let kept = host
        .get(&format!("/v1/runs/{}", run["id"].as_str().unwrap()))
        .send()
        .await
        .ok(200);
    assert_eq!(
        (&kept["status"], &kept["fields"]),
        (&json!("succeeded"), &run["fields"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_lists_join_without_gap() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let mut made = Vec::new();
    for number in 0..5 {
        let text = format!("Invoice No: A-{number}\n");
        let run = host.run("note").body("text/plain", text).send().await.ok(200);
        made.push(run["id"].as_str().unwrap().to_owned());
    }
    made.reverse();
    for list in ["runs", "documents"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = host
                .get(&format!("/v1/{list}?limit=2{cursor}"))
                .send()
                .await
                .ok(200);
            seen.extend(
                page["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|r| r["id"].as_str().unwrap().to_owned()),
            );
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), 5, "{list}");
        if list == "runs" {
            assert_eq!(seen, made);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_of_a_pipeline_is_used_at_once() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    assert_eq!(
        host.run("note").body("text/plain", TEXT).send().await.ok(200)["version"],
        1
    );
    let changed = NOTE.replace("${ fields.total.value }", "${ fields.number.value }");
    host.save(&changed).await;
    let run = host.run("note").body("text/plain", TEXT).send().await.ok(200);
    assert_eq!(
        (&run["version"], &run["output"]),
        (&json!(2), &json!({"total": "A-17"}))
    );
    let versions = host.get("/v1/pipelines/note/versions").send().await.ok(200);
    assert_eq!(versions["items"].as_array().unwrap().len(), 2);
    let first = host.get("/v1/pipelines/note?version=1").send().await;
    assert_eq!(
        (first.header("etag"), &first.ok(200)["source"]),
        (Some("\"1\""), &json!(NOTE))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_open_and_revoked_keys_do_not() {
    let host = Host::with(&[]).await;
    assert_eq!(host.get("/v1/me").send().await.ok(200)["tenant_name"], "main");
    let made = host
        .call("POST", "/v1/keys")
        .body("application/json", r#"{"name": "second"}"#)
        .send()
        .await;
    let made = made.ok(201);
    let second = made["key"].as_str().unwrap();
    let me = || host.anonymous("GET", "/v1/me").key(second).send();
    assert_eq!(me().await.ok(200)["key_name"], "second");
    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    assert_eq!(host.call("DELETE", &path).send().await.status, 204);
    me().await.problem(401, "unauthenticated");
    let list = host.get("/v1/keys").send().await.ok(200);
    assert!(
        list["items"][0]["revoked_at"].is_string() && !list.to_string().contains(second),
        "{list}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_kept_runs_again_without_its_bytes() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let first = host.run("note").body("text/plain", TEXT).send().await.ok(200);
    let again = NOTE.replace("name: note\n", "name: again\n").replace(
        "{ file: { accept: [text/plain, text/markdown, text/csv] } }",
        "{ paper: { kind: document } }",
    );
    host.save(&again).await;
    let document = first["documents"][0]["id"].as_str().unwrap();
    let run = host
        .run("again")
        .form(&[Part::param("paper", document)])
        .send()
        .await
        .ok(200);
    assert_eq!(run["output"], first["output"]);
    assert_eq!(
        (&run["documents"][0]["id"], &run["documents"][0]["role"]),
        (&json!(document), &json!("paper"))
    );
    let shown = host
        .get(&format!("/v1/documents/{document}"))
        .send()
        .await
        .ok(200);
    assert_eq!(shown["runs"].as_array().unwrap().len(), 2);
    assert_eq!(
        shown["readings"].as_array().unwrap().len(),
        1,
        "the same reading serves both"
    );
    let absent = docmill_model::id::DocumentId::new().to_string();
    host.run("again")
        .form(&[Part::param("paper", &absent)])
        .send()
        .await
        .problem(404, "not-found");
    host.run("again")
        .form(&[Part::param("paper", "x")])
        .send()
        .await
        .problem(400, "malformed-request");
    host.run("again")
        .form(&[Part::param("fio", "x")])
        .send()
        .await
        .problem(422, "missing-input");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_without_files_takes_its_params_as_json_or_as_a_form() {
    let host = Host::with(&["template"]).await;
    host.save(
        "
name: greet
inputs: {}
params: { type: object, required: [who], properties: { who: { type: string }, times: { type: integer } } }
steps: [ { id: a, use: docmill/template@0.1, with: { template: \"Hello {{ params.who }} {{ params.times }}\", name: a.txt } } ]
retain: none
",
    )
    .await;
    for call in [
        host.run("greet")
            .body("application/json", r#"{"who": "Ann", "times": 2}"#),
        host.run("greet")
            .body("application/x-www-form-urlencoded", "who=Ann&times=2"),
        host.run("greet")
            .form(&[Part::param("who", "Ann"), Part::param("times", "2")]),
        host.call("POST", "/v1/pipelines/greet/runs?param.who=Ann&param.times=2"),
    ] {
        let run = call.send().await.ok(200);
        assert_eq!(run["artifacts"][0]["content_base64"], "SGVsbG8gQW5uIDI=");
    }
    host.run("greet").send().await.problem(422, "invalid-params");
    host.run("greet")
        .body("text/plain", "x")
        .send()
        .await
        .problem(415, "unsupported-media-type");
}
