//! A tenant's time zone and locale.

use super::NOTE;
use crate::support::Host;
use crate::support::client::Call;

const JUDGED: &str = "
  - { id: own, use: docmill/rules@0.1, with: { rules: [ { code: own, expression: fields.nothing.value == 1 } ] } }
  - { id: said, use: docmill/rules@0.1, with: { locale: en, rules: [ { code: said, expression: fields.nothing.value == 1 } ] } }
output: ";

fn patch(host: &Host, body: &str) -> Call {
    host.call("PATCH", "/v1/tenant")
        .body("application/merge-patch+json", body)
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_speak_the_tenants_language_unless_asked_otherwise() {
    let host = Host::with(&[]).await;
    let title = async |call: Call| {
        let reply = call.send().await;
        let problem = reply.problem(404, "not-found");
        let language = reply.header("content-language").map(str::to_owned);
        (problem["title"].as_str().unwrap().to_owned(), language.unwrap())
    };
    let absent = format!("/v1/runs/{}", docmill_model::id::RunId::new());
    let is = |title: &str, language: &str| (title.to_owned(), language.to_owned());
    assert_eq!(title(host.get(&absent)).await, is("Not found", "en"));

    patch(&host, r#"{"locale": "KK-kz"}"#).send().await.ok(200);
    // At once on this host, whatever it remembers of the key.
    assert_eq!(host.get("/v1/me").send().await.ok(200)["locale"], "kk-KZ");
    assert_eq!(title(host.get(&absent)).await, is("Табылмады", "kk"));
    for unusable in ["de", "*", "ru;q=0", ""] {
        let call = host.get(&absent).header("Accept-Language", unusable);
        assert_eq!(title(call).await, is("Табылмады", "kk"), "{unusable}");
    }
    let call = host.get(&absent).header("Accept-Language", "ru");
    assert_eq!(title(call).await, is("Не найдено", "ru"));
    let call = host.get(&absent).header("Accept-Language", "en");
    assert_eq!(title(call).await, is("Not found", "en"));

    // Who is not known has no tenant.
    for call in [
        host.anonymous("GET", &absent),
        host.anonymous("GET", &absent).key("dm_wrong"),
    ] {
        let reply = call.send().await;
        assert_eq!(reply.problem(401, "unauthenticated")["title"], "Who are you?");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_merged_judged_and_guarded() {
    let host = Host::with(&[]).await;
    let shown = host.get("/v1/tenant").send().await;
    assert_eq!(shown.header("etag"), Some("\"1\""));
    let shown = shown.ok(200);
    assert_eq!(
        (&shown["timezone"], &shown["locale"]),
        (&"UTC".into(), &"en".into())
    );
    assert!(shown["id"].as_str().unwrap().starts_with("ten_"));

    let changed = patch(&host, r#"{"timezone": "asia/almaty"}"#)
        .header("If-Match", "\"1\"")
        .send()
        .await;
    assert_eq!(changed.header("etag"), Some("\"2\""));
    let changed = changed.ok(200);
    assert_eq!(
        (&changed["timezone"], &changed["locale"]),
        (&"Asia/Almaty".into(), &"en".into())
    );
    patch(&host, r#"{"locale": "ru"}"#)
        .header("If-Match", "\"1\"")
        .send()
        .await
        .problem(412, "precondition-failed");
    let same = patch(&host, r#"{"timezone": "Asia/Almaty", "locale": "en"}"#)
        .send()
        .await;
    assert_eq!((same.status, same.header("etag")), (200, Some("\"2\"")));

    // A date is a date there.
    for since in ["2026-11-21", "2026-11-21T10:00", "2026-11-21T10:00:00Z"] {
        host.get(&format!("/v1/runs?since={since}")).send().await.ok(200);
    }
    for bad in [
        r#"{"timezone": "Almaty"}"#,
        r#"{"timezone": ""}"#,
        r#"{"locale": "de"}"#,
        r#"{"locale": "ru_RU"}"#,
        r#"{"locale": 7}"#,
        r#"{"name": "mine"}"#,
        r#"{"timezone": "UTC", "locale": "xx"}"#,
        "[]",
        "{",
    ] {
        patch(&host, bad).send().await.problem(400, "malformed-request");
    }
    patch(&host, "").send().await.problem(400, "empty-body");
    assert_eq!(
        host.get("/v1/tenant").send().await.ok(200),
        changed,
        "nothing in halves"
    );

    let back = patch(&host, r#"{"timezone": null}"#).send().await.ok(200);
    assert_eq!(back["timezone"], "UTC");
    // Both changes are in the audit log, and nothing else.
    let lines = host.database.audited("tenant.change").await.unwrap();
    assert_eq!(
        lines,
        [
            r#"{"version": 2, "settings": ["timezone"]}"#,
            r#"{"version": 3, "settings": ["timezone"]}"#
        ]
    );
    host.anonymous("PATCH", "/v1/tenant")
        .send()
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_that_write_for_people_do_so_in_the_tenants_language() {
    let host = Host::with(&["text", "patterns", "rules"]).await;
    host.save(&NOTE.replace("\noutput: ", JUDGED)).await;
    let reasons = async || {
        let run = host
            .run("note")
            .body("text/plain", "Invoice No: A-17\n")
            .send()
            .await
            .ok(200);
        let checks = run["checks"].as_array().unwrap().clone();
        assert_eq!(run["version"], 1);
        checks
            .iter()
            .map(|check| check["reason"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let english = "Cannot be decided: fields.nothing is missing.";
    assert_eq!(reasons().await, [english, english]);
    patch(&host, r#"{"locale": "ru-KZ"}"#).send().await.ok(200);
    assert_eq!(
        reasons().await,
        ["Нельзя решить: нет значения fields.nothing.", english]
    );
}
