//! People whom an OpenID Connect issuer vouches for.

use docmill_api::SignOn;
use docmill_harness::issuer::{Issuer, Key, key, now, token};
use docmill_oidc::{Settings, Times, Verifier};
use serde_json::{Value as Json, json};

use crate::support::client::Reply;
use crate::support::{Host, Setup};

async fn host(issuer: &Issuer) -> Host {
    let mut setup = Setup::new().await;
    setup.api.sign_on = Some(SignOn {
        verifier: Verifier::new(Settings {
            issuer: issuer.name.clone(),
            audience: "docmill".into(),
            times: Times::default(),
        })
        .unwrap(),
        tenant: "main".into(),
    });
    setup.start().await
}

async fn add(host: &Host, email: &str, role: &str) -> String {
    let body = json!({ "email": email, "name": "Anna", "role": role }).to_string();
    let added = host
        .call("POST", "/v1/users")
        .body("application/json", body)
        .send()
        .await
        .ok(201);
    added["id"].as_str().unwrap().to_owned()
}

async fn ask(host: &Host, path: &str, token: &str) -> Reply {
    host.anonymous("GET", path).key(token).send().await
}

fn claims(issuer: &Issuer, name: &str, value: Json, key: &Key) -> String {
    let mut claims = issuer.claims();
    claims[name] = value;
    token(key, &claims)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_comes_with_a_token_and_may_what_their_role_may() {
    let key = key("a");
    let issuer = Issuer::start(&[&key]).await;
    let host = host(&issuer).await;
    let user = add(&host, "anna@example.org", "viewer").await;
    // As its holder writes it: the address is in another case.
    let good = token(&key, &issuer.claims());
    let me = ask(&host, "/v1/me", &good).await.ok(200);
    assert_eq!(
        (&me["user"]["id"], &me["key"]),
        (&json!(user), &Json::Null),
        "{me}"
    );
    ask(&host, "/v1/runs", &good).await.ok(200);
    let body = json!({ "name": "x" }).to_string();
    let post = host.anonymous("POST", "/v1/keys").body("application/json", body);
    post.key(&good).send().await.problem(403, "forbidden");

    // What they looked at is written down under their name.
    let reads = host.get("/v1/audit?action=run.list").send().await.ok(200);
    assert_eq!(
        (&reads["items"][0]["detail"]["by_user"], &reads["items"][0]["key"]),
        (&json!(user), &Json::Null),
        "{reads}"
    );

    // Suspended here, whatever the issuer says.
    let patch = host.call("PATCH", &format!("/v1/users/{user}"));
    patch
        .body("application/json", r#"{"status": "suspended"}"#)
        .send()
        .await
        .ok(200);
    let refused = ask(&host, "/v1/me", &good).await.problem(401, "unauthenticated");
    assert!(
        refused["detail"].as_str().unwrap().contains("suspended"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_count_is_nobodys() {
    let (mine, foreign) = (key("a"), key("a"));
    let issuer = Issuer::start(&[&mine]).await;
    let host = host(&issuer).await;
    add(&host, "anna@example.org", "owner").await;
    for (bad, said) in [
        (token(&foreign, &issuer.claims()), "Signature"),
        (claims(&issuer, "exp", json!(now() - 120), &mine), "Expired"),
        (claims(&issuer, "aud", json!("other"), &mine), "Audience"),
        (
            claims(&issuer, "email", json!("eve@example.org"), &mine),
            "no user eve@example.org",
        ),
        (claims(&issuer, "email_verified", json!(false), &mine), "verified"),
        ("a.b.c".into(), "cannot be read"),
        (format!("{}.b.c", "x".repeat(8_200)), "not of the form"),
    ] {
        let refused = ask(&host, "/v1/me", &bad).await.problem(401, "unauthenticated");
        assert!(
            refused["detail"].as_str().unwrap().contains(said),
            "{said}: {refused}"
        );
    }
    // Keys go on as ever, and a session is not begun with a token.
    host.get("/v1/me").send().await.ok(200);
    let good = token(&mine, &issuer.claims());
    let begun = host.anonymous("POST", "/v1/sessions").key(&good).send().await;
    assert!((400..500).contains(&begun.status), "{}", begun.text());

    // A host without an issuer takes no token at all.
    drop(host);
    let other = Host::with(&[]).await;
    ask(&other, "/v1/me", &good).await.problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_hangs_is_told_as_such() {
    let key = key("a");
    let issuer = Issuer::start(&[&key]).await;
    issuer.state.lock().unwrap().hangs = true;
    let host = host(&issuer).await;
    add(&host, "anna@example.org", "viewer").await;
    let reply = ask(&host, "/v1/me", &token(&key, &issuer.claims())).await;
    reply.problem(503, "identity-unavailable");
    assert!(reply.header("retry-after").is_some());
    host.get("/v1/me").send().await.ok(200);
}
