//! What people and machines read beside the API.

use std::collections::BTreeSet;

use docmill_model::failure::Code;

use crate::support::Host;

#[tokio::test(flavor = "multi_thread")]
async fn every_code_has_a_page_in_three_languages() {
    let host = Host::with(&[]).await;
    let mut titles = BTreeSet::new();
    for code in Code::ALL {
        for language in ["en", "ru", "kk"] {
            let page = host
                .anonymous("GET", &format!("/errors/{code}"))
                .header("Accept-Language", language);
            let json = page
                .clone()
                .header("Accept", "application/json")
                .send()
                .await
                .ok(200);
            assert!(json["cause"].as_str().unwrap().len() > 10 && json["fix"].as_str().unwrap().len() > 10);
            assert!(
                titles.insert(json["title"].as_str().unwrap().to_owned()),
                "{json}"
            );
            let html = page.send().await;
            assert_eq!(html.header("content-language"), Some(language));
            assert!(html.header("content-type").unwrap().starts_with("text/html"));
            assert!(html.text().contains(code.as_str()), "{}", html.text());
        }
    }
    host.anonymous("GET", "/errors/no-such-code")
        .send()
        .await
        .problem(404, "not-found");
    let index = host
        .anonymous("GET", "/errors")
        .header("Accept", "application/json")
        .send()
        .await
        .ok(200);
    assert_eq!(index["items"].as_array().unwrap().len(), Code::ALL.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_speak_the_clients_language_and_carry_its_id() {
    let host = Host::with(&[]).await;
    let id = docmill_model::id::RequestId::new();
    let call = host.get("/v1/nothing").header("X-Request-Id", id.to_string());
    let problem = call
        .clone()
        .header("Accept-Language", "ru-RU,en;q=0.5")
        .send()
        .await
        .problem(404, "not-found");
    assert_eq!(problem["title"], "Не найдено");
    assert_eq!(problem["request_id"], id.to_string());
    assert_eq!(
        call.header("Accept-Language", "kk")
            .send()
            .await
            .problem(404, "not-found")["title"],
        "Табылмады"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_figures_and_the_open_api_document() {
    let host = Host::with(&["text"]).await;
    assert_eq!(host.anonymous("GET", "/healthz").send().await.text(), "ok\n");
    let ready = || host.anonymous("GET", "/readyz").send();
    assert_eq!(ready().await.ok(200)["store"], "ok");
    host.state.readiness().set_ready(false);
    assert_eq!(ready().await.ok(503)["ready"], false);
    host.get("/v1/runs?limit=1000")
        .send()
        .await
        .problem(400, "malformed-request");
    let figures = host.anonymous("GET", "/metrics").send().await.text();
    for expected in [
        "docmill_http_requests_total{method=\"GET\",route=\"/readyz\",status=\"503\"} 1",
        "docmill_problems_total{code=\"malformed-request\"} 1",
        "docmill_guests{doing=\"running\"} 0",
        "docmill_runs_shed_total 0",
        "docmill_cache_lookups_total{found=\"local\"} ",
        "docmill_ready 0",
    ] {
        assert!(figures.contains(expected), "{expected}\n{figures}");
    }
    for line in figures.lines().filter(|l| !l.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    let document = host.anonymous("GET", "/v1/openapi.json").send().await.ok(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert!(document["paths"]["/v1/pipelines/{name}/runs"]["post"].is_object());
    let landing = host.anonymous("GET", "/").send().await.text();
    assert!(
        landing.contains("curl") && landing.contains("/v1/pipelines/{name}/runs"),
        "{landing}"
    );
    let html = host
        .anonymous("GET", "/")
        .header("Accept", "text/html,*/*")
        .send()
        .await
        .text();
    assert!(html.starts_with("<!doctype html>"), "{html}");
}
