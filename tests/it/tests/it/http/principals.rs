//! Users, sessions, keys: who may do what, and for how long.

use std::time::Duration;

use docmill_model::id::{KeyId, SessionId, UserId};
use serde_json::{Value as Json, json};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::io::AsyncWriteExt as _;

use super::{NOTE, TEXT};
use crate::support::client::{Part, Reply};
use crate::support::{Host, Setup};

async fn send(host: &Host, key: &str, method: &str, path: &str, body: Option<Json>) -> Reply {
    let call = host.anonymous(method, path).key(key);
    let call = match body {
        Some(body) => call.body("application/json", body.to_string()),
        None => call,
    };
    call.send().await
}

async fn make_key(host: &Host, by: &str, body: Json) -> (String, String) {
    let made = send(host, by, "POST", "/v1/keys", Some(body)).await.ok(201);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

async fn make_user(host: &Host, email: &str, role: &str, clearance: &str) -> String {
    let body = json!({ "email": email, "name": "Анна", "role": role, "clearance": clearance });
    let made = send(host, &host.key, "POST", "/v1/users", Some(body))
        .await
        .ok(201);
    made["id"].as_str().unwrap().to_owned()
}

/// Behind the API's back, as nothing in docmill can.
async fn as_superuser(host: &Host, sql: String) {
    let mut owner = sqlx::PgConnection::connect(&host.database.url).await.unwrap();
    sqlx::query(AssertSqlSafe(sql)).execute(&mut owner).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_takes_the_scope_that_its_description_names() {
    let host = Host::with(&[]).await;
    let described: Json = serde_json::from_str(docmill_api::openapi()).unwrap();
    let mut scoped = 0;
    let mut unscoped = Vec::new();
    let scopes: Vec<&str> = docmill_model::access::Scope::ALL
        .iter()
        .map(|s| s.as_str())
        .collect();
    let (_, all) = make_key(&host, &host.key, json!({ "name": "all" })).await;
    for (path, item) in described["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["security"].is_null() {
                continue;
            }
            let concrete = path
                .replace("{id}", "x")
                .replace("{name}", "x")
                .replace("{namespace}", "x")
                .replace("{version}", "1.0.0")
                .replace("{artifact}", "x");
            let method = method.to_uppercase();
            let Some(scope) = operation["security"][0]["key"][0].as_str() else {
                unscoped.push(format!("{method} {path}"));
                continue;
            };
            scoped += 1;
            assert!(scopes.contains(&scope), "{method} {path}: {scope}");
            let others: Vec<&&str> = scopes.iter().filter(|other| **other != scope).collect();
            let (_, without) = make_key(&host, &all, json!({ "name": "without", "scopes": others })).await;
            let (_, only) = make_key(&host, &all, json!({ "name": "only", "scopes": [scope] })).await;
            let refused = send(&host, &without, &method, &concrete, None).await;
            let detail = refused.problem(403, "forbidden")["detail"].to_string();
            assert!(detail.contains(scope), "{method} {path}: {detail}");
            let reached = send(&host, &only, &method, &concrete, None).await;
            assert!(
                ![401, 403].contains(&reached.status),
                "{method} {path}: {}",
                reached.text()
            );
        }
    }
    assert!(scoped > 20, "{scoped}");
    // These tell callers of themselves, or judge by who asks.
    assert_eq!(
        unscoped,
        [
            "GET /v1/me",
            "PATCH /v1/me",
            "GET /v1/sessions",
            "POST /v1/sessions",
            "DELETE /v1/sessions/{id}",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_more_than_they_have() {
    let host = Host::with(&[]).await;
    let scopes = json!([
        "keys:write",
        "keys:read",
        "users:write",
        "runs:read",
        "documents:read"
    ]);
    let body = json!({ "name": "clerk", "scopes": scopes, "clearance": "B" });
    let (_, clerk) = make_key(&host, &host.key, body).await;
    let refused = async |path: &str, body: Json| {
        let reply = send(&host, &clerk, "POST", path, Some(body.clone())).await;
        reply.problem(403, "forbidden")["detail"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let said = refused("/v1/keys", json!({ "name": "x", "role": "developer" })).await;
    assert!(said.contains("more scopes"), "{said}");
    refused("/v1/keys", json!({ "name": "x", "scopes": ["runs:invoke"] })).await;
    let said = refused(
        "/v1/keys",
        json!({ "name": "x", "scopes": ["runs:read"], "clearance": "A" }),
    )
    .await;
    assert!(said.contains("cleared"), "{said}");
    refused(
        "/v1/users",
        json!({ "email": "a@b", "name": "A", "role": "owner" }),
    )
    .await;
    // Left out, it is what the maker has, and no more.
    let (_, like) = make_key(&host, &clerk, json!({ "name": "like" })).await;
    let me = send(&host, &like, "GET", "/v1/me", None).await.ok(200);
    assert_eq!(
        (&me["scopes"], &me["clearance"], &me["role"]),
        (
            &json!([
                "runs:read",
                "documents:read",
                "users:write",
                "keys:read",
                "keys:write"
            ]),
            &json!("B"),
            &json!("owner")
        )
    );
    // Nor do they decide about those who have more.
    let owner = make_user(&host, "owner@example.org", "owner", "S").await;
    let path = format!("/v1/users/{owner}");
    for patch in [json!({ "status": "suspended" }), json!({ "name": "X" })] {
        send(&host, &clerk, "PATCH", &path, Some(patch))
            .await
            .problem(403, "forbidden");
    }
    send(&host, &clerk, "DELETE", &path, None)
        .await
        .problem(403, "forbidden");
    // Nor does rotating hand out what the caller does not have.
    let (strong, _) = make_key(&host, &host.key, json!({ "name": "strong" })).await;
    let path = format!("/v1/keys/{strong}/rotate");
    let reply = send(&host, &clerk, "POST", &path, Some(json!({}))).await;
    reply.problem(403, "forbidden");
    let path = format!("/v1/keys/{strong}");
    send(&host, &clerk, "DELETE", &path, None)
        .await
        .problem(403, "forbidden");
    // Nor do they make what outlives them.
    let end = "2027-01-01T00:00:00.000Z";
    let body = json!({ "name": "guest", "expires_at": end });
    let (guest_id, guest) = make_key(&host, &host.key, body).await;
    let longer = json!({ "name": "x", "expires_at": "2028-01-01" });
    send(&host, &guest, "POST", "/v1/keys", Some(longer))
        .await
        .problem(403, "forbidden");
    let (_, heir) = make_key(&host, &guest, json!({ "name": "heir" })).await;
    let path = format!("/v1/keys/{guest_id}/rotate");
    let rotated = send(&host, &guest, "POST", &path, Some(json!({}))).await.ok(201);
    for key in [heir.as_str(), rotated["key"].as_str().unwrap()] {
        let me = send(&host, key, "GET", "/v1/me", None).await.ok(200);
        assert!(me["expires_at"].as_str().unwrap() <= end, "{me}");
    }

    for (body, said) in [
        (json!({ "name": "x", "scopes": [] }), "empty"),
        (
            json!({ "name": "x", "role": "viewer", "scopes": ["keys:write"] }),
            "has not all",
        ),
        (json!({ "name": "x", "role": "root" }), "unknown variant"),
        (
            json!({ "name": "x", "scopes": ["everything"] }),
            "unknown variant",
        ),
        (json!({ "name": "x", "expires_at": "2020-01-01" }), "future"),
        (json!({ "name": "x", "expires_at": "2099-01-01" }), "ten years"),
        (json!({ "name": "x", "user": "run_1" }), "usr_"),
        (json!([]), "no JSON object"),
    ] {
        let reply = send(&host, &host.key, "POST", "/v1/keys", Some(body.clone())).await;
        let detail = reply.problem(400, "malformed-request")["detail"].to_string();
        assert!(detail.contains(said), "{body}: {detail}");
    }
    let body = json!({ "name": "x", "user": UserId::new().to_string() });
    send(&host, &host.key, "POST", "/v1/keys", Some(body))
        .await
        .problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_s_keys_and_sessions_act_for_them_and_end_with_them() {
    let host = Host::with(&[]).await;
    let user = make_user(&host, "Anna@Example.org", "developer", "B").await;
    let again = json!({ "email": "anna@example.ORG", "name": "B", "role": "viewer" });
    let reply = send(&host, &host.key, "POST", "/v1/users", Some(again)).await;
    reply.problem(409, "conflict");

    // A key may more than its user: the lesser of the two counts.
    let body = json!({ "name": "laptop", "user": user, "role": "owner", "clearance": "S" });
    let (_, strong) = make_key(&host, &host.key, body).await;
    let me = send(&host, &strong, "GET", "/v1/me", None).await.ok(200);
    assert_eq!(
        (&me["user"]["email"], &me["clearance"]),
        (&json!("anna@example.org"), &json!("B"))
    );
    assert!(!me["scopes"].to_string().contains("keys:write"), "{me}");
    send(&host, &strong, "POST", "/v1/keys", Some(json!({ "name": "x" })))
        .await
        .problem(403, "forbidden");

    let body = json!({ "name": "phone", "user": user, "role": "developer", "clearance": "B" });
    let (_, key) = make_key(&host, &host.key, body).await;
    let begun = send(&host, &key, "POST", "/v1/sessions", None).await.ok(201);
    let session = begun["session"].as_str().unwrap();
    assert!(session.starts_with("dms_"));
    let me = send(&host, session, "GET", "/v1/me", None).await.ok(200);
    assert_eq!(
        (&me["session"], &me["key"], &me["role"]),
        (&begun["id"], &Json::Null, &json!("developer"))
    );
    // Neither a session nor a service's key begins one.
    send(&host, session, "POST", "/v1/sessions", None)
        .await
        .problem(403, "forbidden");
    send(&host, &host.key, "POST", "/v1/sessions", None)
        .await
        .problem(403, "forbidden");
    // One that a narrowed key began may what the key may, and ends with it.
    let body = json!({ "name": "narrow", "user": user, "role": "developer", "scopes": ["runs:read"], "clearance": "B" });
    let (narrow_id, narrow) = make_key(&host, &host.key, body).await;
    let begun_by = send(&host, &narrow, "POST", "/v1/sessions", None).await.ok(201);
    let short = begun_by["session"].as_str().unwrap();
    let me = send(&host, short, "GET", "/v1/me", None).await.ok(200);
    assert_eq!(me["scopes"], json!(["runs:read"]));
    let path = format!("/v1/keys/{narrow_id}");
    assert_eq!(send(&host, &host.key, "DELETE", &path, None).await.status, 204);
    let reply = send(&host, short, "GET", "/v1/me", None).await;
    assert!(
        reply.problem(401, "unauthenticated")["detail"]
            .to_string()
            .contains("revoked")
    );

    // People change what is their own.
    let patch = json!({ "name": "Анна П.", "preferences": { "page": 20 } });
    let me = send(&host, session, "PATCH", "/v1/me", Some(patch)).await.ok(200);
    assert_eq!(
        (&me["user"]["name"], &me["user"]["preferences"]["page"]),
        (&json!("Анна П."), &json!(20))
    );
    let list = send(&host, session, "GET", "/v1/sessions", None).await.ok(200);
    assert_eq!(
        (&list["items"][0]["id"], &list["items"][1]["id"]),
        (&begun_by["id"], &begun["id"])
    );

    // Suspended: nothing of theirs works, at once on this host.
    let path = format!("/v1/users/{user}");
    let patch = json!({ "status": "suspended" });
    send(&host, &host.key, "PATCH", &path, Some(patch)).await.ok(200);
    for credential in [&strong, &key] {
        let reply = send(&host, credential, "GET", "/v1/me", None).await;
        let detail = reply.problem(401, "unauthenticated")["detail"].to_string();
        assert!(detail.contains("suspended"), "{detail}");
    }
    send(&host, session, "GET", "/v1/me", None)
        .await
        .problem(401, "unauthenticated");
    send(
        &host,
        &host.key,
        "PATCH",
        &path,
        Some(json!({ "status": "active" })),
    )
    .await
    .ok(200);
    send(&host, &key, "GET", "/v1/me", None).await.ok(200);
    let reply = send(&host, session, "GET", "/v1/me", None).await;
    assert!(
        reply.problem(401, "unauthenticated")["detail"]
            .to_string()
            .contains("revoked")
    );

    // Removed: for good, and the address is free.
    let reply = send(&host, &host.key, "DELETE", &path, None).await;
    assert_eq!(reply.status, 204);
    send(&host, &key, "GET", "/v1/me", None)
        .await
        .problem(401, "unauthenticated");
    let patch = json!({ "status": "active" });
    send(&host, &host.key, "PATCH", &path, Some(patch))
        .await
        .problem(409, "conflict");
    assert_ne!(make_user(&host, "anna@example.org", "viewer", "D").await, user);
    let audited = host.database.audited("user.change").await.unwrap();
    assert!(
        audited.iter().any(|line| line.contains("suspended")),
        "{audited:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_always_remains_who_can_let_others_in() {
    let host = Host::with(&[]).await;
    let keys = host.get("/v1/keys").send().await.ok(200);
    let first = format!("/v1/keys/{}", keys["items"][0]["id"].as_str().unwrap());
    send(&host, &host.key, "DELETE", &first, None)
        .await
        .problem(409, "last-owner");

    // An owner without a key that lasts and may everything is none.
    let anna = make_user(&host, "anna@example.org", "owner", "S").await;
    let weak = json!({ "name": "weak", "user": anna, "role": "viewer" });
    make_key(&host, &host.key, weak).await;
    let short = json!({ "name": "short", "user": anna, "expires_at": "2027-01-01" });
    make_key(&host, &host.key, short).await;
    send(&host, &host.key, "DELETE", &first, None)
        .await
        .problem(409, "last-owner");
    let (_, annas) = make_key(&host, &host.key, json!({ "name": "anna", "user": anna })).await;
    let bolat = make_user(&host, "bolat@example.org", "owner", "S").await;
    let (_, bolats) = make_key(&host, &host.key, json!({ "name": "bolat", "user": bolat })).await;
    assert_eq!(send(&host, &annas, "DELETE", &first, None).await.status, 204);
    host.get("/v1/me").send().await.problem(401, "unauthenticated");

    // Each removes the other at the same moment: one of them stays.
    let (path_a, path_b) = (format!("/v1/users/{anna}"), format!("/v1/users/{bolat}"));
    let (a, b) = tokio::join!(
        send(&host, &annas, "DELETE", &path_b, None),
        send(&host, &bolats, "DELETE", &path_a, None)
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert!(statuses == [204, 409] || statuses == [204, 401], "{statuses:?}");
    let (left, own) = if a.status == 204 {
        (&annas, &path_a)
    } else {
        (&bolats, &path_b)
    };
    send(&host, left, "DELETE", own, None)
        .await
        .problem(409, "last-owner");
    for patch in [json!({ "role": "developer" }), json!({ "status": "suspended" })] {
        send(&host, left, "PATCH", own, Some(patch))
            .await
            .problem(409, "last-owner");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_expire_and_are_rotated_with_an_overlap() {
    let mut setup = Setup::new().await;
    setup.api.caller_age = Duration::from_millis(1);
    let host = setup.start().await;
    let soon = "2027-01-01";
    let body = json!({ "name": "batch", "role": "invoker", "expires_at": soon });
    let (id, old) = make_key(&host, &host.key, body).await;
    send(&host, &old, "GET", "/v1/me", None).await.ok(200);

    let rotate = format!("/v1/keys/{id}/rotate");
    let body = Some(json!({ "overlap_seconds": 3600 }));
    let made = send(&host, &host.key, "POST", &rotate, body.clone())
        .await
        .ok(201);
    let new = made["key"].as_str().unwrap();
    for key in [&old, new] {
        let me = send(&host, key, "GET", "/v1/me", None).await.ok(200);
        assert_eq!(
            (&me["role"], &me["key_name"]),
            (&json!("invoker"), &json!("batch"))
        );
    }
    send(&host, &host.key, "POST", &rotate, body)
        .await
        .problem(409, "conflict");
    let list = host.get("/v1/keys").send().await.ok(200);
    let row = |id: &str| {
        let rows = list["items"].as_array().unwrap();
        rows.iter().find(|row| row["id"] == id).unwrap().clone()
    };
    assert_eq!(row(&id)["rotated_to"], made["id"]);
    assert!(
        row(&id)["expires_at"].as_str().unwrap()
            < row(made["id"].as_str().unwrap())["expires_at"].as_str().unwrap()
    );
    assert!(row(&id)["last_used_at"].is_string(), "{list}");

    // The overlap is over: what this host remembers of the key does not outlive it.
    let sql = format!(
        "update docmill.api_key set expires_at = now() where prefix = '{}'",
        &old[..11]
    );
    as_superuser(&host, sql).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let reply = send(&host, &old, "GET", "/v1/me", None).await;
    assert!(
        reply.problem(401, "unauthenticated")["detail"]
            .to_string()
            .contains("expired")
    );
    send(&host, new, "GET", "/v1/me", None).await.ok(200);
    for (body, said) in [
        (json!({ "overlap_seconds": 99_999_999 }), "30 days"),
        (json!({ "overlap_seconds": -1 }), "invalid"),
    ] {
        let reply = send(&host, &host.key, "POST", &rotate, Some(body)).await;
        let detail = reply.problem(400, "malformed-request")["detail"].to_string();
        assert!(detail.contains(said), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_credentials_are_told_apart_only_to_who_has_the_secret() {
    let host = Host::with(&[]).await;
    let refused = async |key: &str| {
        let reply = host.anonymous("GET", "/v1/me").key(key).send().await;
        reply.problem(401, "unauthenticated")["detail"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for unknown in [
        "dm_",
        "dms_",
        "dm_00",
        &format!("dm_{}", "0".repeat(64)),
        &format!("dms_{}", "f".repeat(64)),
        &host.key[..host.key.len() - 1],
        "x",
    ] {
        assert!(refused(unknown).await.contains("nobody has"), "{unknown}");
    }
    let long = refused(&"d".repeat(201)).await;
    assert!(long.contains("not of the form"), "{long}");
    let in_address = host
        .anonymous("GET", &format!("/v1/me?key={}", host.key))
        .send()
        .await;
    let detail = in_address.problem(401, "unauthenticated")["detail"].to_string();
    assert!(
        detail.contains("rotate it") && !detail.contains(&host.key),
        "{detail}"
    );
    for path in [
        format!("/v1/keys/{}", KeyId::new()),
        format!("/v1/users/{}", UserId::new()),
        format!("/v1/sessions/{}", SessionId::new()),
    ] {
        send(&host, &host.key, "DELETE", &path, None)
            .await
            .problem(404, "not-found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_document_is_run_only_by_who_may_read_it() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let again = NOTE.replace("name: note\n", "name: again\n").replace(
        "{ file: { accept: [text/plain, text/markdown, text/csv] } }",
        "{ paper: { kind: document } }",
    );
    host.save(&again).await;
    let run = host.run("note").body("text/plain", TEXT).send().await.ok(200);
    let document = run["documents"][0]["id"].as_str().unwrap();
    let again = async |scopes: Json| {
        let (_, key) = make_key(&host, &host.key, json!({ "name": "x", "scopes": scopes })).await;
        let call = host.anonymous("POST", "/v1/pipelines/again/runs").key(&key);
        call.form(&[Part::param("paper", document)]).send().await
    };
    let refused = again(json!(["runs:invoke"])).await;
    let detail = refused.problem(403, "forbidden")["detail"].to_string();
    assert!(detail.contains("documents:read"), "{detail}");
    again(json!(["runs:invoke", "documents:read"])).await.ok(200);
}

/// Whoever hangs up in the middle must not leave a change without its entry in the audit log, nor stop it half-way.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_done_and_written_down_although_the_client_is_gone() {
    let host = Host::with(&[]).await;
    let user = make_user(&host, "anna@example.org", "viewer", "D").await;
    // Holds up every change of who may what.
    let mut owner = sqlx::PgConnection::connect(&host.database.url).await.unwrap();
    let lock = "hashtextextended('docmill principals ' || (select tenant_id from docmill.tenant)::text, 0)";
    let mut sql = async |sql: String| {
        let found: Option<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut owner)
            .await
            .unwrap();
        found
    };
    sql(format!(
        "select 1::bigint from (select pg_advisory_lock({lock})) l"
    ))
    .await;
    let body = r#"{"role": "invoker"}"#;
    let call = host.call("PATCH", &format!("/v1/users/{user}"));
    let mut client = call.begin(&format!("Content-Length: {}\r\n", body.len())).await;
    client.write_all(body.as_bytes()).await.unwrap();
    let waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
    while sql(waits.to_owned()).await != Some(1) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(client);
    tokio::time::sleep(Duration::from_millis(300)).await;
    sql(format!(
        "select 1::bigint from (select pg_advisory_unlock({lock})) l"
    ))
    .await;
    for _ in 0..200 {
        if !host.database.audited("user.change").await.unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let audited = host.database.audited("user.change").await.unwrap();
    assert!(
        audited.len() == 1 && audited[0].contains("invoker"),
        "{audited:?}"
    );
    let path = format!("/v1/users/{user}");
    assert_eq!(host.get(&path).send().await.ok(200)["role"], "invoker");
}
