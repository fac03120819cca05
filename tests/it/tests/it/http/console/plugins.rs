//! Plugins in the browser: uploading one, what was refused and why, what it may do, moving versions and channels.

use docmill_model::access::Role;
use docmill_store::who::NewKey;
use serde_json::json;

use super::{Browser, origin};
use crate::http::registry::{NAME, text_plugin};
use crate::support::client::{Part, Reply};
use crate::support::{Host, component};

/// What a browser sends: file fields that were left alone come without a name and empty.
async fn upload(browser: &Browser<'_>, token: &str, bytes: &[u8], more: &[Part<'_>]) -> Reply {
    let mut parts = vec![
        Part::param("csrf", token),
        Part::file("component", "text.wasm", bytes),
        Part::file("signature", "", b""),
        Part::file("sample", "", b""),
        Part::file("file", "", b""),
    ];
    parts.extend(more.iter().copied());
    let post = browser.call("POST", "/console/plugins");
    post.header("Origin", origin(browser.host))
        .form(&parts)
        .send()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_uploaded_and_moved() {
    let host = Host::with(&[]).await;
    let browser = Browser::signed_in(&host, &host.key).await;
    let empty = browser.page("/console/plugins").await;
    assert!(
        empty.contains("There is no plugin yet") && empty.contains("type=\"file\""),
        "{empty}"
    );
    let token = super::token_in(&empty);
    let bytes = text_plugin("1.2.3", &[]);
    let hold = Part::param("hold", "1");
    let made = upload(&browser, &token, &bytes, &[hold]).await;
    assert_eq!(made.status, 303, "{}", made.text());
    let address = made.header("location").unwrap().to_owned();
    assert_eq!(address, format!("/console/plugins/{NAME}/versions/1.2.3"));
    let page = browser.page(&address).await;
    for piece in [
        "admitted",
        "compile",
        "describe",
        "holds",
        "docmill&#39;s own",
        "wasi:",
    ] {
        let plain = piece.replace("&#39;", "'");
        assert!(page.contains(piece) || page.contains(&plain), "{piece} in {page}");
    }
    // Not one of the two others a version may go to from here.
    assert!(
        page.contains("value=\"published\"") && !page.contains("value=\"deprecated\""),
        "{page}"
    );
    let moved = browser
        .form(&format!("{address}/state"), "state=published&note=")
        .await;
    assert_eq!(moved.status, 303, "{}", moved.text());
    let note = "state=deprecated&note=%3Cscript%3Euse+2.0";
    let moved = browser.form(&format!("{address}/state"), note).await;
    assert_eq!(moved.header("location"), Some(address.as_str()));
    let page = browser.page(&address).await;
    assert!(
        page.contains("&lt;script&gt;use 2.0") && !page.contains("<script"),
        "{page}"
    );
    for (fields, status) in [
        ("state=admitted", 409),
        ("state=gone", 400),
        ("state=", 400),
        ("state=yanked&more=1", 400),
    ] {
        let refused = browser.form(&format!("{address}/state"), fields).await;
        assert_eq!(refused.status, status, "{fields}: {}", refused.text());
    }

    let plugin = format!("/console/plugins/{NAME}");
    let page = browser.page(&plugin).await;
    assert!(page.contains("<option value=\"1.2.3\" selected>"), "{page}");
    let set = browser
        .form(&format!("{plugin}/channels"), "channel=beta&version=1.2.3")
        .await;
    assert_eq!(set.header("location"), Some(plugin.as_str()), "{}", set.text());
    let page = browser.page(&plugin).await;
    assert!(
        page.contains("beta") && page.contains("1.2.3") && page.contains("deprecated"),
        "{page}"
    );
    let shown = host.get(&format!("/v1/plugins/{NAME}")).send().await.ok(200);
    assert_eq!(shown["channels"][0]["version"], "1.2.3");
    assert_eq!(
        browser
            .form(&format!("{plugin}/channels"), "channel=beta&version=")
            .await
            .status,
        303
    );
    let shown = host.get(&format!("/v1/plugins/{NAME}")).send().await.ok(200);
    assert_eq!(shown["channels"][0]["version"], json!(null));
    // Found by what the list is asked, and by nothing else.
    for (query, found) in [
        ("q=&kind=parser&state=deprecated", true),
        ("q=acmeinc&kind=&state=", true),
        ("kind=validator", false),
    ] {
        let page = browser.page(&format!("/console/plugins?{query}")).await;
        assert_eq!(page.contains(&plugin), found, "{query}: {page}");
    }
    // Everything that was done is in the log, under the names of the API.
    let audit = host.get("/v1/audit").send().await.ok(200).to_string();
    for action in ["plugin.publish", "plugin.state", "plugin.channel"] {
        assert!(audit.contains(action), "{action} in {audit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_shown_with_its_report() {
    let host = Host::with(&[]).await;
    let browser = Browser::signed_in(&host, &host.key).await;
    let token = browser.token().await;
    let refused = upload(&browser, &token, b"\0asm\x0d\0\x01\0 and then nothing", &[]).await;
    let text = refused.text();
    assert!(
        (400..500).contains(&refused.status) && text.contains("does not") && text.contains("refused"),
        "{text}"
    );
    assert!(refused.header("content-type").unwrap().starts_with("text/html"));
    // The operator's namespace is nobody's.
    let reserved = upload(&browser, &token, &component("text"), &[]).await;
    assert_eq!(reserved.status, 403, "{}", reserved.text());
    for (given, parts) in [
        (
            "another token",
            vec![
                Part::param("csrf", "dead"),
                Part::file("component", "a.wasm", b"x"),
            ],
        ),
        ("no token", vec![Part::file("component", "a.wasm", b"x")]),
        (
            "the token too late",
            vec![
                Part::file("component", "a.wasm", b"x"),
                Part::param("csrf", &token),
            ],
        ),
    ] {
        let post = browser
            .call("POST", "/console/plugins")
            .header("Origin", origin(&host));
        let reply = post.form(&parts).send().await;
        assert_eq!(reply.status, 403, "{given}: {}", reply.text());
    }
    let none = upload(&browser, &token, b"", &[]).await;
    assert_eq!(none.status, 400, "{}", none.text());
    assert_eq!(host.get("/v1/plugins").send().await.ok(200)["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_are_one_sheet_and_viewers_change_nothing() {
    let host = Host::with(&[]).await;
    let put = host.call("PUT", "/v1/plugins/test/hostile-http/versions/0.1.0");
    put.body("application/wasm", component("hostile_http"))
        .send()
        .await
        .ok(201);
    let browser = Browser::signed_in(&host, &host.key).await;
    let address = "/console/plugins/test/hostile-http";
    let page = browser.page(address).await;
    assert!(
        page.contains("not granted") && page.contains("docmill plugin grant"),
        "{page}"
    );
    let grant = host.call("PUT", "/v1/plugins/test/hostile-http/grants/http");
    let bounds = json!({ "hosts": ["api.example.org"] }).to_string();
    grant.body("application/json", bounds).send().await.ok(200);
    let page = browser.page(address).await;
    assert!(
        page.contains("api.example.org") && !page.contains("not granted"),
        "{page}"
    );

    let new = NewKey {
        role: Role::Viewer,
        ..NewKey::of_owner("looks")
    };
    let made = host.database.store.create_key(host.database.tenant, &new).await;
    let viewer = Browser::signed_in(&host, made.unwrap().1.expose()).await;
    for path in ["/console/plugins", address, &format!("{address}/versions/0.1.0")] {
        let page = viewer.page(path).await;
        let forms = page.matches("method=\"post\"").count();
        // Signing out alone.
        assert_eq!(forms, 1, "{path}: {page}");
    }
    for missing in [
        "/console/plugins/test/absent",
        "/console/plugins/test/hostile-http/versions/9.0.0",
        "/console/plugins/test/hostile-http/versions/one",
    ] {
        assert_eq!(viewer.get(missing).await.status, 404, "{missing}");
    }
}
