//! Signing in and out: no fixation, no forged forms, nothing of the key in a page.

use std::collections::BTreeSet;

use docmill_api::console::{Needs, routes};
use docmill_model::access::{Role, Scope, Scopes};
use docmill_store::who::NewKey;
use serde_json::json;

use super::{Browser, FORM, narrowed, origin, sign_in};
use crate::http::authorisation::objects::Objects;
use crate::http::registry::text_plugin;
use crate::http::{NOTE, TEXT};
use crate::support::Host;
use crate::support::client::{Call, Part};

/// A key of a person, and who that is.
async fn of_a_person(host: &Host) -> (String, String) {
    let body = json!({ "email": "anna@example.org", "name": "Anna", "role": "owner" });
    let post = host.call("POST", "/v1/users");
    let user = post
        .body("application/json", body.to_string())
        .send()
        .await
        .ok(201);
    let user = user["id"].as_str().unwrap().to_owned();
    let body = json!({ "name": "laptop", "user": user });
    let post = host.call("POST", "/v1/keys");
    let key = post
        .body("application/json", body.to_string())
        .send()
        .await
        .ok(201);
    (key["key"].as_str().unwrap().to_owned(), user)
}

/// What the audit log has, newest first: action and subject.
async fn entries(host: &Host) -> Vec<(String, String)> {
    let list = host.get("/v1/audit?limit=200").send().await.ok(200);
    let text = |entry: &serde_json::Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|entry| (text(entry, "action"), text(entry, "subject")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_services_sign_in_and_out() {
    let host = Host::with(&[]).await;
    let (person, user) = of_a_person(&host).await;
    for (key, session) in [(host.key.clone(), "key_"), (person.clone(), "ses_")] {
        let reply = sign_in(&host, &key).send().await;
        assert_eq!(reply.status, 303, "{}", reply.text());
        let cookie = reply.header("set-cookie").unwrap();
        assert!(cookie.starts_with("docmill=dm"), "{cookie}");
        for part in ["Path=/console", "HttpOnly", "SameSite=Lax", "Max-Age=86400"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Secure"), "{cookie}");
        assert!(
            !format!("{:?} {}", reply.headers, reply.text()).contains(&key),
            "the key itself is not kept"
        );
        let browser = Browser::signed_in(&host, &key).await;
        let page = browser.page("/console/pipelines").await;
        assert!(
            !page.contains(&key) && !page.contains("dm_") && !page.contains("dms_"),
            "{page}"
        );
        let (action, subject) = entries(&host).await.remove(0);
        assert_eq!(action, "session.begin");
        assert!(subject.starts_with(session), "{subject}");
        // The secret is one of a session, and begins no other.
        let secret = browser.cookie.split('=').nth(1).unwrap();
        let again = sign_in(&host, secret).send().await;
        assert_eq!(again.status, 403, "{}", again.text());
        // Signed out: on the server, not only in the browser.
        let out = browser.form("/console/sign-out", "").await;
        assert_eq!(
            (out.status, out.header("location")),
            (303, Some("/console/sign-in"))
        );
        assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
        let after = browser.get("/console/pipelines").await;
        assert_eq!(after.status, 303, "{}", after.text());
        assert_eq!(
            after.header("location"),
            Some("/console/sign-in?next=%2Fconsole%2Fpipelines")
        );
        let ended = host.anonymous("GET", "/v1/me").key(secret).send().await;
        ended.problem(401, "unauthenticated");
        assert_eq!(
            entries(&host).await.remove(0),
            ("session.end".to_owned(), subject)
        );
        let newest = host
            .get("/v1/audit?action=session.end&limit=1")
            .send()
            .await
            .ok(200);
        assert_eq!(
            newest["items"][0]["detail"]["by_session"],
            newest["items"][0]["subject"]
        );
        // The key goes on working.
        host.anonymous("GET", "/v1/me").key(&key).send().await.ok(200);
    }
    assert!(user.starts_with("usr_"));
}

/// What a service's session does, it does in the name of its key, and no longer than that works.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_its_keys_and_ends_with_it() {
    let host = Host::with(&[]).await;
    let body = json!({ "name": "nightly", "role": "developer" });
    let post = host.call("POST", "/v1/keys");
    let made = post
        .body("application/json", body.to_string())
        .send()
        .await
        .ok(201);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let browser = Browser::signed_in(&host, key).await;
    let secret = browser.cookie.split('=').nth(1).unwrap();
    let me = host.anonymous("GET", "/v1/me").key(secret).send().await.ok(200);
    assert_eq!(
        (&me["key"], &me["key_name"], &me["role"]),
        (&json!(id), &json!("nightly"), &json!("developer"))
    );
    assert!(me["expires_at"].is_string());
    // No other key can be called like one, and one of them cannot be made to last.
    let body = json!({ "name": format!("console:{id}") });
    let post = host.call("POST", "/v1/keys");
    let posed = post.body("application/json", body.to_string()).send().await;
    posed.problem(400, "malformed-request");
    let keys = host.get("/v1/keys").send().await.ok(200);
    let session = keys["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|k| k["name"] == format!("console:{id}"));
    let session = session.unwrap()["id"].as_str().unwrap();
    let rotate = host.call("POST", &format!("/v1/keys/{session}/rotate"));
    rotate
        .body("application/json", "{}")
        .send()
        .await
        .problem(409, "conflict");
    assert_eq!(browser.get("/console/runs").await.status, 200);
    assert_eq!(
        host.call("DELETE", &format!("/v1/keys/{id}")).send().await.status,
        204
    );
    assert_eq!(browser.get("/console/runs").await.status, 303);
    host.anonymous("GET", "/v1/me")
        .key(secret)
        .send()
        .await
        .problem(401, "unauthenticated");
}

/// Who only ever signs in does not fill the table of keys with working ones.
#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_of_many_sessions_ends() {
    let host = Host::with(&[]).await;
    let mut browsers = Vec::new();
    for _ in 0..21 {
        browsers.push(Browser::signed_in(&host, &host.key).await);
    }
    assert_eq!(browsers[0].get("/console/runs").await.status, 303);
    for browser in &browsers[1..] {
        assert_eq!(browser.get("/console/runs").await.status, 200);
    }
    // A session ends with its key's own time.
    let new = NewKey {
        expires_at: Some(docmill_runs::now() + 3_600_000),
        ..NewKey::of_owner("short")
    };
    let made = host.database.store.create_key(host.database.tenant, &new).await;
    let short = Browser::signed_in(&host, made.unwrap().1.expose()).await;
    let secret = short.cookie.split('=').nth(1).unwrap();
    let me = host.anonymous("GET", "/v1/me").key(secret).send().await.ok(200);
    let listed = host.get("/v1/keys?limit=2").send().await.ok(200);
    assert_eq!(listed["items"][0]["expires_at"], listed["items"][1]["expires_at"]);
    assert_eq!(me["expires_at"], listed["items"][1]["expires_at"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_key_gets_nobody_in() {
    let host = Host::with(&[]).await;
    let (revoked, _) = of_a_person(&host).await;
    let me = host.anonymous("GET", "/v1/me").key(&revoked).send().await.ok(200);
    host.call("DELETE", &format!("/v1/keys/{}", me["key"].as_str().unwrap()))
        .send()
        .await;
    let long = "x".repeat(15_000);
    for key in [
        "",
        "nonsense",
        "%3Cscript%3Ealert(1)%3C/script%3E",
        &format!("dm_{}", "0".repeat(64)),
        &revoked,
        &long,
    ] {
        let reply = sign_in(&host, key).send().await;
        assert_eq!(reply.status, 401, "{key}: {}", reply.text());
        assert_eq!(reply.header("set-cookie"), None);
        assert!(
            reply.text().contains("role=\"alert\"") && reply.text().contains("name=\"key\""),
            "{}",
            reply.text()
        );
        assert!(!reply.text().contains("<script>"));
    }
    // Larger than any key: refused before it is looked at.
    let reply = sign_in(&host, &"x".repeat(50_000)).send().await;
    assert_eq!(reply.status, 413, "{}", reply.text());
    // A key in the address counts for nothing.
    let reply = host
        .anonymous("GET", &format!("/console/runs?key={}", host.key))
        .send()
        .await;
    assert_eq!(reply.status, 303);
    // Nor does a header that pages of browsers never have.
    assert_eq!(host.get("/console/runs").send().await.status, 303);
}

/// A cookie that was there before is never taken over, and two of them count for none.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_cannot_be_fixed_from_outside() {
    let host = Host::with(&[]).await;
    let attacker = Browser::signed_in(&host, &host.key).await;
    let reply = sign_in(&host, &host.key)
        .header("Cookie", &attacker.cookie)
        .send()
        .await;
    let fresh = reply.header("set-cookie").unwrap().split(';').next().unwrap();
    assert_ne!(fresh, attacker.cookie);
    // What was there before is over.
    assert_eq!(attacker.get("/console/runs").await.status, 303);
    let invented = sign_in(&host, &host.key)
        .header("Cookie", "docmill=chosen-by-somebody")
        .send()
        .await;
    assert!(!invented.header("set-cookie").unwrap().contains("chosen"));
    let mine = Browser::signed_in(&host, &host.key).await;
    let other = Browser::signed_in(&host, &host.key).await;
    let both = format!("{}; {}", mine.cookie, other.cookie);
    let doubled = host
        .anonymous("GET", "/console/runs")
        .header("Cookie", both)
        .send()
        .await;
    assert_eq!(doubled.status, 303);
    // Over TLS the cookie is the browser's to protect.
    let secure = host
        .anonymous("POST", "/console/sign-in")
        .header("Host", "docmill.example")
        .header("Origin", "https://docmill.example")
        .body(FORM, format!("key={}&next=%2Fconsole%2Fkeys", host.key))
        .send()
        .await;
    let cookie = secure.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Secure-docmill=") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    assert_eq!(secure.header("location"), Some("/console/keys"));
    // And nobody is sent elsewhere afterwards.
    for next in [
        "https%3A%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "%2Fconsole%2F%2Fevil.example",
        "%2Fv1%2Fme",
    ] {
        let call = host
            .anonymous("POST", "/console/sign-in")
            .header("Origin", origin(&host));
        let reply = call
            .body(FORM, format!("key={}&next={next}", host.key))
            .send()
            .await;
        assert_eq!(reply.header("location"), Some("/console"), "{next}");
    }
}

/// Every form that changes something: without the token, with another session's, from another site.
#[tokio::test(flavor = "multi_thread")]
async fn forms_of_others_change_nothing() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let browser = Browser::signed_in(&host, &host.key).await;
    let foreign = Browser::signed_in(&host, &host.key).await.token().await;
    let own = browser.token().await;
    let made = host
        .call("POST", "/v1/keys")
        .body("application/json", r#"{"name": "victim"}"#)
        .send()
        .await
        .ok(201);
    let victim = format!("/console/keys/{}/revoke", made["id"].as_str().unwrap());
    let fields = |token: Option<&str>, more: &str| match token {
        Some(token) => format!("csrf={token}&{more}"),
        None => more.to_owned(),
    };
    let here = origin(&host);
    let parts = |token: Option<&str>, call: Call| {
        let token = token.map(|token| Part::param("csrf", token));
        let file = Part::file("file", "a.txt", TEXT.as_bytes());
        call.form(&token.into_iter().chain([file]).collect::<Vec<_>>())
    };
    for path in [
        "/console/keys",
        &victim,
        "/console/sign-out",
        "/console/pipelines/note/runs",
    ] {
        let filled = |token: Option<&str>, call: Call| {
            let more = if path == "/console/keys" { "name=mine" } else { "" };
            if path.ends_with("/runs") {
                parts(token, call)
            } else {
                call.body(FORM, fields(token, more))
            }
        };
        let from = |origin: &str| browser.call("POST", path).header("Origin", origin);
        for (what, call) in [
            ("no token", filled(None, from(&here))),
            ("an empty token", filled(Some(""), from(&here))),
            ("another session's token", filled(Some(&foreign), from(&here))),
            ("another site", filled(Some(&own), from("https://evil.example"))),
            ("no site", filled(Some(&own), from("null"))),
            (
                "another site, by Sec-Fetch-Site",
                filled(Some(&own), from(&here)).header("Sec-Fetch-Site", "cross-site"),
            ),
            ("neither header", filled(Some(&own), browser.call("POST", path))),
        ] {
            let reply = call.send().await;
            assert_eq!(reply.status, 403, "{path} with {what}: {}", reply.text());
            assert!(reply.header("content-type").unwrap().starts_with("text/html"));
        }
    }
    // A form with files that hides its token behind them, or is none.
    let late = browser
        .call("POST", "/console/pipelines/note/runs")
        .header("Origin", &here);
    let late = late.form(&[
        Part::file("file", "a.txt", TEXT.as_bytes()),
        Part::param("csrf", &own),
    ]);
    assert_eq!(late.send().await.status, 403);
    let raw = browser
        .call("POST", "/console/pipelines/note/runs")
        .header("Origin", &here);
    assert_eq!(raw.body("text/plain", TEXT).send().await.status, 403);
    let empty = browser
        .call("POST", "/console/pipelines/note/runs")
        .header("Origin", &here);
    assert_eq!(empty.form(&[]).send().await.status, 403);
    assert_eq!(
        sign_in(&host, &host.key)
            .header("Sec-Fetch-Site", "cross-site")
            .send()
            .await
            .status,
        403
    );
    // Nothing happened of all that.
    let keys = host.get("/v1/keys").send().await.ok(200);
    assert!(
        keys["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|key| key["name"] != "mine")
    );
    host.anonymous("GET", "/v1/me")
        .key(made["key"].as_str().unwrap())
        .send()
        .await
        .ok(200);
    assert_eq!(host.get("/v1/runs").send().await.ok(200)["items"], json!([]));
    // As the pages send it, it happens.
    assert_eq!(browser.form(&victim, "").await.status, 303);
    host.anonymous("GET", "/v1/me")
        .key(made["key"].as_str().unwrap())
        .send()
        .await
        .problem(401, "unauthenticated");
    let created = browser
        .form("/console/keys", "name=mine&role=viewer&clearance=&expires_at=")
        .await;
    assert_eq!(created.status, 200, "{}", created.text());
    let text = created.text();
    let secret = text
        .split("value=\"dm_")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let me = host
        .anonymous("GET", "/v1/me")
        .key(&format!("dm_{secret}"))
        .send()
        .await
        .ok(200);
    assert_eq!(
        (&me["role"], &me["expires_at"]),
        (&json!("viewer"), &json!(null)),
        "it outlives the session"
    );
    assert!(
        !browser.page("/console/keys").await.contains(secret),
        "shown once"
    );
}

fn path_of(objects: &Objects, path: &str) -> String {
    let id = if path.contains("/runs/") {
        &objects.run
    } else if path.contains("/documents/") {
        &objects.document
    } else {
        &objects.key
    };
    let name = if path.contains("/plugins/") {
        &objects.plugin.1
    } else {
        &objects.pipeline
    };
    path.replace("{id}", id)
        .replace("{namespace}", &objects.plugin.0)
        .replace("{version}", &objects.version)
        .replace("{artifact}", &objects.artifact)
        .replace("{file}", "component")
        .replace("{name}", name)
        .replace("{*rest}", "nowhere")
}

/// A page that asks for nothing and shows something would be a hole.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_asks_for_what_the_list_says() {
    let host = Host::with(&["text", "patterns", "template", "openai"]).await;
    let stranger = host.database.another_tenant("stranger").await.unwrap().1;
    let stranger = Browser::signed_in(&host, stranger.expose()).await;
    let mut open = BTreeSet::new();
    for (method, path, needs) in routes() {
        let objects = Objects::new(&host).await;
        let at = path_of(&objects, path);
        let send = async |browser: Option<&Browser<'_>>| {
            let call = match browser {
                None => host.anonymous(method, &at),
                Some(browser) => browser.call(method, &at),
            };
            let call = call.header("Origin", origin(&host));
            let token = match browser {
                Some(browser) if method == "POST" => {
                    // Any page of the session has it; which one there is depends on what the key may.
                    let page = browser.get("/console/nowhere").await.text();
                    if page.contains("csrf") {
                        super::token_in(&page)
                    } else {
                        String::new()
                    }
                }
                _ => String::new(),
            };
            let call = match (method, path) {
                ("POST", "/console/pipelines/{name}/runs") => call.form(&[
                    Part::param("csrf", &token),
                    Part::file("file", "a.txt", TEXT.as_bytes()),
                ]),
                ("POST", "/console/plugins") => call.form(&[
                    Part::param("csrf", &token),
                    Part::file("component", "text.wasm", &text_plugin("1.2.3", &[])),
                ]),
                ("POST", "/console/plugins/{namespace}/{name}/channels") => {
                    let fields = format!("csrf={token}&channel=beta&version={}", objects.version);
                    call.body(FORM, fields)
                }
                ("POST", "/console/plugins/{namespace}/{name}/versions/{version}/state") => {
                    call.body(FORM, format!("csrf={token}&state=deprecated&note="))
                }
                ("POST", "/console/keys") => call.body(FORM, format!("csrf={token}&name=x")),
                ("POST", _) => call.body(FORM, format!("csrf={token}")),
                _ => call,
            };
            call.send().await
        };
        let nobody = send(None).await;
        match needs {
            Needs::Nothing => {
                open.insert((method, path));
                continue;
            }
            Needs::Session | Needs::Scope(_) => {
                assert_eq!(nobody.status, 303, "{method} {path}: {}", nobody.text());
                assert!(nobody.header("location").unwrap().starts_with("/console/sign-in"));
            }
        }
        let Needs::Scope(scope) = needs else { continue };
        let others: Vec<Scope> = Scope::ALL.iter().copied().filter(|one| *one != scope).collect();
        let without = Browser::signed_in(&host, &narrowed(&host, Scopes::of(&others)).await).await;
        let reply = send(Some(&without)).await;
        assert_eq!(
            reply.status,
            403,
            "{method} {path} without {scope}: {}",
            reply.text()
        );
        assert!(
            reply.text().contains(scope.as_str())
                && reply.header("content-type").unwrap().starts_with("text/html")
        );
        assert!(
            objects.ids_alone().iter().all(|id| !reply.text().contains(id)),
            "{method} {path}"
        );
        let with = Browser::signed_in(&host, &narrowed(&host, Scopes::of(&[scope])).await).await;
        let reply = send(Some(&with)).await;
        let refused_for_less = path.ends_with("/revoke") && method == "POST" && reply.status == 403;
        assert!(
            matches!(reply.status, 200 | 303) || refused_for_less,
            "{method} {path} with {scope} alone: {} {}",
            reply.status,
            reply.text()
        );
        // Of another organisation, nothing is there.
        if path.contains('{') {
            let reply = send(Some(&stranger)).await;
            assert_eq!(reply.status, 404, "{method} {path}: {}", reply.text());
        }
    }
    let expected = [
        ("GET", "/console/sign-in"),
        ("POST", "/console/sign-in"),
        ("GET", "/console/style.css"),
        ("GET", "/console/icon.svg"),
        ("GET", "/console/{*rest}"),
    ];
    assert_eq!(
        open,
        BTreeSet::from(expected),
        "a page that asks for nothing shows nothing of anybody"
    );
}

/// The navigation has what the key may see, and a page that it may not see says why.
#[tokio::test(flavor = "multi_thread")]
async fn the_navigation_is_what_the_role_may() {
    let host = Host::with(&[]).await;
    for (role, seen, unseen) in [
        (
            Role::Viewer,
            &["pipelines", "runs", "documents", "plugins", "usage"][..],
            &["keys", "audit"][..],
        ),
        (
            Role::Invoker,
            &["pipelines", "runs", "documents", "plugins"],
            &["usage", "keys", "audit"],
        ),
        (
            Role::Owner,
            &["pipelines", "runs", "documents", "usage", "keys", "audit"],
            &[],
        ),
    ] {
        let new = NewKey {
            role,
            ..NewKey::of_owner("one")
        };
        let made = host.database.store.create_key(host.database.tenant, &new).await;
        let browser = Browser::signed_in(&host, made.unwrap().1.expose()).await;
        let page = browser.page("/console/pipelines").await;
        for section in seen {
            assert!(
                page.contains(&format!("href=\"/console/{section}\"")),
                "{role} {section}"
            );
            browser.page(&format!("/console/{section}")).await;
        }
        for section in unseen {
            assert!(
                !page.contains(&format!("href=\"/console/{section}\"")),
                "{role} {section}"
            );
            assert_eq!(browser.get(&format!("/console/{section}")).await.status, 403);
        }
    }
}
