//! What pages show: the run beside its document, quotes that lead to their places, and hostile words as words.

use serde_json::json;

use super::Browser;
use crate::http::{NOTE, TEXT};
use crate::support::Host;
use crate::support::client::Part;

/// Nothing that came from outside has become markup.
#[track_caller]
fn harmless(page: &str) {
    assert!(
        !page.contains("<script") && !page.contains("<img") && !page.contains("href=\"javascript"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leads_from_each_field_to_its_quote_and_back() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let browser = Browser::signed_in(&host, &host.key).await;
    let form = browser.page("/console/pipelines/note/run").await;
    for field in [
        "name=\"file\"",
        "type=\"file\"",
        "name=\"fio\"",
        "name=\"copies\"",
        "enctype=\"multipart/form-data\"",
    ] {
        assert!(form.contains(field), "{field} {form}");
    }
    let token = super::token_in(&form);
    let post = browser
        .call("POST", "/console/pipelines/note/runs")
        .header("Origin", super::origin(&host));
    // What a browser sends: fields that were left alone come empty.
    let ran = post
        .form(&[
            Part::param("csrf", &token),
            Part::file("file", "note.txt", TEXT.as_bytes()),
            Part::param("fio", "Anna"),
            Part::param("copies", ""),
        ])
        .send()
        .await;
    assert_eq!(ran.status, 303, "{}", ran.text());
    let address = ran.header("location").unwrap().to_owned();
    let id = address.rsplit('/').next().unwrap();
    let run = host.get(&format!("/v1/runs/{id}")).send().await.ok(200);
    assert_eq!(run["params"], json!({ "fio": "Anna" }));
    let page = browser.page(&address).await;
    for (n, field) in run["fields"].as_array().unwrap().iter().enumerate() {
        let n = n + 1;
        let quote = field["citations"][0]["quote"].as_str().unwrap();
        for piece in [
            format!("id=\"f{n}\""),
            format!("href=\"#q-f{n}-0\""),
            format!("<mark id=\"q-f{n}-0\">{quote}</mark>"),
            format!("href=\"#f{n}\""),
        ] {
            assert!(page.contains(&piece), "{piece} in {page}");
        }
    }
    assert!(page.contains("/console/documents/") && page.contains("note.txt") && page.contains("succeeded"));
    // Found again, by its look-up and by every filter.
    for query in [
        "lookup-name=fio&lookup-value=anna&pipeline=&status=&verdict=&since=&until=",
        "status=succeeded&pipeline=note",
        "since=2020-01-01",
    ] {
        assert!(
            browser.page(&format!("/console/runs?{query}")).await.contains(id),
            "{query}"
        );
    }
    assert!(!browser.page("/console/runs?status=failed").await.contains(id));
    assert_eq!(browser.get("/console/runs?status=odd").await.status, 400);
    assert_eq!(browser.get("/console/runs?nonsense=1").await.status, 400);
    // Its document, and the file as it came.
    let document = run["documents"][0]["id"].as_str().unwrap();
    let page = browser.page(&format!("/console/documents/{document}")).await;
    assert!(page.contains("Invoice No: A-17") && page.contains(id));
    assert!(
        browser
            .page(&format!("/console/documents/{document}?page=1"))
            .await
            .contains("Invoice No: A-17")
    );
    let file = browser
        .get(&format!("/console/documents/{document}/source"))
        .await;
    assert_eq!(file.text(), TEXT);
    assert!(
        file.header("content-disposition")
            .unwrap()
            .starts_with("attachment")
    );
    assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    assert!(
        file.header("content-security-policy")
            .unwrap()
            .contains("sandbox")
    );
    assert!(
        browser
            .page("/console/documents?q=invoice")
            .await
            .contains(document)
    );
    // The audit log names these reads as it does the API's.
    let list = host.get("/v1/audit?limit=200").send().await.ok(200);
    let read = |action: &str, subject: &str| {
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .any(|entry| entry["action"] == action && entry["subject"] == subject)
    };
    for (action, subject) in [
        ("run.read", id),
        ("document.read", document),
        ("source.read", document),
        ("run.list", "runs"),
        ("document.list", "documents"),
    ] {
        assert!(read(action, subject), "{action} {subject}: {list}");
    }
    // Figures, and the log itself.
    let usage = browser.page("/console/usage?by=pipeline").await;
    assert!(usage.contains("note") && usage.contains("<svg"), "{usage}");
    for by in ["plugin", "key"] {
        browser
            .page(&format!("/console/usage?by={by}&since=2026-01-01&until="))
            .await;
    }
    assert_eq!(browser.get("/console/usage?by=nonsense").await.status, 400);
    assert!(browser.page("/console/audit?action=run.read").await.contains(id));
    assert!(browser.page("/console/audit/verify").await.contains("intact"));
    let pipeline = browser.page("/console/pipelines/note").await;
    assert!(
        pipeline.contains("<svg") && pipeline.contains("docmill/patterns@0.1") && pipeline.contains(id),
        "{pipeline}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_documents_sees_no_pages() {
    use docmill_model::access::{Scope, Scopes};
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let run = host.run("note").body("text/plain", TEXT).send().await.ok(200);
    let key = super::narrowed(&host, Scopes::of(&[Scope::RunsRead])).await;
    let browser = Browser::signed_in(&host, &key).await;
    let page = browser
        .page(&format!("/console/runs/{}", run["id"].as_str().unwrap()))
        .await;
    assert!(
        page.contains("A-17") && !page.contains("Invoice No: A-17") && page.contains("documents:read"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_words_are_words() {
    let host = Host::with(&["text", "patterns"]).await;
    let evil = "<script>alert(1)</script><img src=x onerror=x>";
    let pipeline = NOTE
        .replace(
            "name: note",
            "name: evil\ndescription: \"<script>alert(2)</script>\"",
        )
        .replace(
            "use: docmill/patterns@0.1\n",
            "use: docmill/patterns@0.1\n    when: \"'<script>' != '\\\"><script>'\"\n",
        );
    host.save(&pipeline).await;
    let text = format!("Invoice No: {evil}\nTotal due: 1,00 KZT {evil}\n\"'><svg onload=x>\n");
    let call = host.run("evil").form(&[
        Part::file("file", "<script>name.txt", text.as_bytes()),
        Part::param("fio", "<script>fio</script>"),
    ]);
    let run = call.send().await.ok(200);
    let (id, document) = (
        run["id"].as_str().unwrap(),
        run["documents"][0]["id"].as_str().unwrap(),
    );
    let body = json!({ "name": "<script>key</script>" });
    host.call("POST", "/v1/keys")
        .body("application/json", body.to_string())
        .send()
        .await
        .ok(201);
    // A run that fails with words of the document or the client.
    let failed = host
        .run("evil")
        .body("application/pdf", "%PDF-1.4 <script>")
        .send()
        .await;
    assert!(failed.status >= 400, "{}", failed.text());
    let browser = Browser::signed_in(&host, &host.key).await;
    for path in [
        "/console/pipelines".to_owned(),
        "/console/pipelines/evil".to_owned(),
        "/console/pipelines/evil/run".to_owned(),
        "/console/runs".to_owned(),
        format!("/console/runs/{id}"),
        "/console/documents".to_owned(),
        "/console/documents?q=alert".to_owned(),
        format!("/console/documents/{document}"),
        "/console/keys".to_owned(),
        "/console/audit".to_owned(),
        "/console/usage".to_owned(),
    ] {
        harmless(&browser.page(&path).await);
    }
    for path in [
        "/console/pipelines/%3Cscript%3E",
        "/console/runs/%3Cscript%3E",
        "/console/%3Cscript%3Ealert(1)%3C/script%3E",
        "/console/runs?status=%3Cscript%3E",
        "/console/runs?%3Cscript%3E=1",
        "/console/sign-in?next=javascript:alert(1)",
        "/console/sign-in?next=%22%3E%3Cscript%3E",
    ] {
        harmless(&browser.get(path).await.text());
    }
    let shown = browser.page(&format!("/console/runs/{id}")).await;
    assert!(
        shown.contains("&lt;script&gt;name.txt") && shown.contains("&lt;script&gt;alert(1)"),
        "{shown}"
    );
}

/// A page of a megabyte is cut, and leads to the whole.
#[tokio::test(flavor = "multi_thread")]
async fn long_pages_are_cut() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let text = format!(
        "Invoice No: A-17\nTotal due: 1,00 KZT\n{}\nthe very last line\n",
        "много слов ".repeat(20_000)
    );
    let run = host.run("note").body("text/plain", &text).send().await.ok(200);
    let browser = Browser::signed_in(&host, &host.key).await;
    let page = browser
        .page(&format!("/console/runs/{}", run["id"].as_str().unwrap()))
        .await;
    assert!(
        page.len() < 100_000 && !page.contains("the very last line"),
        "{}",
        page.len()
    );
    assert!(page.contains("The whole page"));
    let document = run["documents"][0]["id"].as_str().unwrap();
    let whole = browser
        .page(&format!("/console/documents/{document}?page=1"))
        .await;
    assert!(whole.contains("the very last line"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_dressed() {
    let host = Host::with(&[]).await;
    let browser = Browser::signed_in(&host, &host.key).await;
    let landing = host
        .anonymous("GET", "/")
        .header("Accept", "text/html")
        .send()
        .await;
    assert!(landing.text().contains("href=/console"));
    for (path, status) in [
        ("/console", 303),
        ("/console/runs", 200),
        ("/console/nowhere", 404),
        ("/console/runs/run_1", 404),
        ("/console/sign-in", 200),
    ] {
        let reply = browser.get(path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        let policy = reply.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self';")
                && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{path}");
        }
    }
    let wrong = browser
        .call("DELETE", "/console/runs")
        .header("Origin", super::origin(&host))
        .send()
        .await;
    assert_eq!(
        (wrong.status, wrong.header("content-type")),
        (405, Some("text/html; charset=utf-8"))
    );
    assert!(wrong.header("allow").unwrap().contains("GET"));
    let style = host.anonymous("GET", "/console/style.css").send().await;
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    assert!(style.header("cache-control").unwrap().contains("immutable"));
}
