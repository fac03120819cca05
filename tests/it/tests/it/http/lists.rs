//! Lists come in pages.

use serde_json::{Value as Json, json};

use super::NOTE;
use crate::support::Host;

/// That member of every item, page by page, with two items on each.
async fn pages(host: &Host, path: &str, member: &str) -> Vec<Vec<Json>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = host.get(&format!("{path}?limit=2{cursor}")).send().await.ok(200);
        let items = page["items"].as_array().unwrap();
        pages.push(items.iter().map(|item| item[member].clone()).collect());
        match page.get("next") {
            Some(next) => cursor = format!("&cursor={}", next.as_str().unwrap()),
            None => return pages,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_comes_in_pages() {
    let host = Host::with(&["text", "patterns", "rules"]).await;
    for name in ["note", "a", "b"] {
        host.save(&NOTE.replace("name: note", &format!("name: {name}")))
            .await;
    }
    for total in ["number", "total"] {
        host.save(
            &NOTE
                .replace("fields.total", &format!("fields.{total}"))
                .replace("Total due", "Sum"),
        )
        .await;
    }
    for name in ["first", "second"] {
        let key = host
            .call("POST", "/v1/keys")
            .body("application/json", format!("{{\"name\": \"{name}\"}}"));
        key.send().await.ok(201);
    }
    for (path, member, expected) in [
        ("/v1/pipelines", "name", json!([["a", "b"], ["note"]])),
        ("/v1/pipelines/note/versions", "version", json!([[3, 2], [1]])),
        (
            "/v1/plugins",
            "name",
            json!([["docmill/patterns", "docmill/rules"], ["docmill/text"]]),
        ),
        ("/v1/keys", "name", json!([["second", "first"], ["bootstrap"]])),
    ] {
        assert_eq!(json!(pages(&host, path, member).await), expected, "{path}");
        let whole = host.get(path).send().await.ok(200);
        assert!(
            whole["items"].as_array().unwrap().len() == 3 && whole.get("next").is_none(),
            "{whole}"
        );
        for query in ["limit=0", "limit=201", "cursor=%00", "colour=red"] {
            let reply = host.get(&format!("{path}?{query}")).send().await;
            reply.problem(400, "malformed-request");
        }
    }
    for (path, cursor) in [
        ("/v1/pipelines/note/versions", "x"),
        ("/v1/plugins", "x"),
        ("/v1/keys", "x"),
    ] {
        let reply = host.get(&format!("{path}?cursor={cursor}")).send().await;
        reply.problem(400, "malformed-request");
    }
}
