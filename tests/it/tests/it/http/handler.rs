//! A plain `wasi:http` component from end to end: admitted under its address, granted, a step of a pipeline.

use docmill_registry::{Author, Upload};
use serde_json::{Value as Json, json};

use crate::support::{Host, component};

fn lines(report: &Json, check: &str) -> String {
    let lines = report["lines"].as_array().unwrap();
    let line = lines.iter().find(|line| line["check"] == check);
    line.unwrap_or_else(|| panic!("no line {check}: {report:#}"))["detail"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn put(host: &Host, path: &str) -> crate::support::client::Reply {
    let put = host.call("PUT", path);
    put.body("application/wasm", component("hostile_handler"))
        .send()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn its_name_and_version_are_those_of_its_address() {
    let host = Host::with(&[]).await;
    let check = host.call("POST", "/v1/plugins:check");
    let checked = check
        .body("application/wasm", component("hostile_handler"))
        .send()
        .await
        .ok(200);
    assert_eq!(
        (&checked["ok"], &checked["manifest"]),
        (&json!(true), &Json::Null),
        "{checked:#}"
    );
    assert!(lines(&checked, "describe").contains("says nothing of itself"));

    for (name, version) in [("acme/plain", "1.0.0"), ("acme/other", "7.1.0-rc.1")] {
        let published = put(&host, &format!("/v1/plugins/{name}/versions/{version}"))
            .await
            .ok(201);
        assert_eq!(published["kind"], "transformer");
        let report = &published["report"];
        assert!(
            lines(report, "contract").starts_with("wasi:http/incoming-handler@0.2."),
            "{report:#}"
        );
        let said = lines(report, "describe");
        assert!(
            said.contains("taken from the address") && said.contains(&format!("{name}@{version}")),
            "{said}"
        );
        assert!(lines(report, "version").contains("taken from the address"));
        assert!(lines(report, "imports").contains("asks for wasi:http/outgoing-handler"));
        let again = put(&host, &format!("/v1/plugins/{name}/versions/{version}"))
            .await
            .ok(200);
        assert_eq!(again["created"], false);
    }
    let shown = host.get("/v1/plugins/acme/plain").send().await.ok(200);
    assert_eq!(
        shown["versions"][0]["manifest"]["config_schema"],
        json!({"type": "object"})
    );
    // Nothing was promised but that it takes any object, so a patch may follow; docmill's own name stays docmill's.
    put(&host, "/v1/plugins/acme/plain/versions/1.0.1").await.ok(201);
    put(&host, "/v1/plugins/docmill/plain/versions/1.0.0")
        .await
        .problem(403, "reserved-namespace");

    // Where there is no address, there is no name.
    let registry = host.state.registry();
    let author = Author::operator(host.database.tenant);
    let upload = Upload::bare(component("hostile_handler"));
    let refused = registry.publish_by_itself(&author, upload).await.unwrap_err();
    assert!(
        refused.failure.message.contains("--as NAMESPACE/NAME@VERSION"),
        "{refused:?}"
    );
    assert!(!refused.report.ok && refused.report.lines.iter().any(|line| !line.pass));
    let developed = registry
        .publish_development(host.database.tenant, component("hostile_handler"))
        .await
        .unwrap_err();
    assert!(
        !developed.report.ok && developed.failure.message.contains("no name"),
        "{developed:?}"
    );
}

fn pipeline(with: &Json, more: &str) -> String {
    format!(
        "name: plain\nsteps:\n  - {{ id: parse, use: docmill/text@0.1 }}\n  - {{ id: ask, use: acme/plain@1, with: {with}{more} }}\n\
         output: {{ answer: \"${{ steps.ask.output }}\" }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_step_of_a_pipeline() {
    let host = Host::with(&["text"]).await;
    put(&host, "/v1/plugins/acme/plain/versions/1.0.0").await.ok(201);
    let echo = pipeline(&json!({"answer": "echo", "shout": true}), "");
    let save = |text: String| {
        host.call("PUT", "/v1/pipelines/plain")
            .body("application/yaml", text)
            .send()
    };
    let refused = save(echo.clone())
        .await
        .problem(422, "invalid-definition")
        .to_string();
    assert!(
        refused.contains("docmill plugin grant acme/plain http"),
        "{refused}"
    );
    let bounds = json!({ "hosts": ["nowhere.example"] });
    host.call("PUT", "/v1/plugins/acme/plain/grants/http")
        .body("application/json", bounds.to_string())
        .send()
        .await
        .ok(200);

    save(echo).await.ok(201);
    let text = "Order: 42\nСәлем";
    let run = host.run("plain").body("text/plain", text).send().await.ok(200);
    let posted = &run["output"]["answer"]["posted"];
    assert_eq!(posted["form"], "docmill.step/1", "{run:#}");
    assert_eq!(posted["config"]["shout"], true);
    assert_eq!(posted["readings"][0]["pages"][0]["text"], text);
    assert_eq!(posted["readings"][0]["roles"], json!(["file"]));
    assert_eq!(
        run["steps"][1]["attempts"][0]["usage"]["effects"],
        json!([]),
        "{run:#}"
    );

    let given = |status: u16, headers: Json, body: &str| json!({"answer": "given", "status": status, "headers": headers, "body": body});
    let html =
        json!({"content-type": "text/html", "content-disposition": "attachment; filename=\"letter.html\""});
    save(pipeline(&given(200, html, "<p>Dear"), "")).await.ok(201);
    let run = host.run("plain").body("text/plain", text).send().await.ok(200);
    let file = &run["artifacts"][0];
    assert_eq!(
        (&file["name"], &file["media_type"]),
        (&json!("letter.html"), &json!("text/html"))
    );
    let letter = host.get(file["href"].as_str().unwrap()).send().await;
    assert_eq!(letter.text(), "<p>Dear");

    save(pipeline(&given(422, json!({}), "The order has no date."), ""))
        .await
        .ok(201);
    let failed = host.run("plain").body("text/plain", text).send().await;
    let problem = failed.problem(422, "invalid-input");
    assert_eq!(
        (&problem["reason"], &problem["step"]),
        (&json!("http-422"), &json!("ask"))
    );
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .ends_with(": The order has no date."),
        "{problem}"
    );

    // What may be tried again is tried again.
    let busy = given(503, json!({"retry-after": "0"}), "busy");
    save(pipeline(&busy, ", retry: { attempts: 2, backoff: 1ms }"))
        .await
        .ok(201);
    let failed = host.run("plain").body("text/plain", text).send().await;
    let problem = failed.problem(503, "plugin-unavailable");
    let run = format!("/v1/runs/{}", problem["run"].as_str().unwrap());
    let run = host.get(&run).send().await.ok(200);
    assert_eq!(
        run["steps"][1]["attempts"].as_array().unwrap().len(),
        2,
        "{run:#}"
    );
}
