//! What a caller may not see is not there: in what they read, list, search, post and change.

use docmill_model::access::Clearance;
use docmill_model::id::{ArtifactId, DocumentId, RunId};
use docmill_store::who::NewKey;
use serde_json::{Value as Json, json};

use super::{NOTE, TEXT};
use crate::support::client::{Part, Reply};
use crate::support::{Host, Setup};

/// A key that may do everything, and sees so much.
async fn cleared(host: &Host, clearance: Clearance) -> String {
    let key = NewKey {
        clearance,
        ..NewKey::of_owner("cleared")
    };
    let made = host.database.store.create_key(host.database.tenant, &key).await;
    made.unwrap().1.expose().to_owned()
}

async fn get(host: &Host, key: &str, path: &str) -> Reply {
    host.anonymous("GET", path).key(key).send().await
}

/// A pipeline of that tier with a file to fetch.
fn pipeline(tier: &str) -> String {
    let letter = "  - { id: letter, use: docmill/template@0.1, with: { template: \"{{ fields.number.value }}\", name: letter.md } }\noutput:";
    NOTE.replace(
        "name: note",
        &format!("name: note-{}\ntier: {tier}", tier.to_lowercase()),
    )
    .replace("output:", letter)
}

async fn host() -> Host {
    let host = Host::with(&["text", "patterns", "template"]).await;
    for tier in Clearance::ALL {
        host.save(&pipeline(tier.as_str())).await;
    }
    host
}

async fn post(host: &Host, key: &str, tier: Clearance, text: &str) -> Reply {
    let path = format!(
        "/v1/pipelines/note-{}/runs?param.fio=Ivanov",
        tier.as_str().to_lowercase()
    );
    host.anonymous("POST", &path)
        .key(key)
        .body("text/plain", text)
        .send()
        .await
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// The answer without what differs between any two: the id that was asked for, and when and in which request.
fn bare(reply: &Reply, id: &str) -> (u16, Vec<(String, String)>, String) {
    let request = reply.header("x-request-id").unwrap();
    let body = reply.text().replace(request, "…").replace(id, "…");
    let headers = reply
        .headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
    (reply.status, headers.cloned().collect(), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_finds_what_they_are_cleared_for_and_nothing_above() {
    let host = host().await;
    let mut runs = Vec::new();
    for tier in Clearance::ALL {
        let run = post(&host, &host.key, *tier, &format!("{TEXT}capybara tier{tier}\n"))
            .await
            .ok(200);
        assert_eq!(run["tier"], tier.as_str());
        runs.push((*tier, run));
    }
    let (foreign, _) = {
        let (tenant, secret) = host.database.another_tenant("other").await.unwrap();
        (secret.expose().to_owned(), tenant)
    };
    let (no_run, no_document) = (RunId::new().to_string(), DocumentId::new().to_string());
    for clearance in Clearance::ALL.iter().copied() {
        let key = cleared(&host, clearance).await;
        let seen: Vec<String> = runs
            .iter()
            .rev()
            .filter(|(tier, _)| clearance.sees(*tier))
            .map(|(tier, _)| tier.to_string())
            .collect();
        for (tier, run) in &runs {
            let (id, document) = (text(&run["id"]), text(&run["documents"][0]["id"]));
            let artifact = text(&run["artifacts"][0]["id"]);
            for (path, id, other) in [
                (format!("/v1/runs/{id}"), &id, &no_run),
                (format!("/v1/runs/{id}/artifacts/{artifact}"), &id, &no_run),
                (format!("/v1/documents/{document}"), &document, &no_document),
                (
                    format!("/v1/documents/{document}/source"),
                    &document,
                    &no_document,
                ),
            ] {
                let reply = get(&host, &key, &path).await;
                if clearance.sees(*tier) {
                    assert_eq!(reply.status, 200, "{path} for {clearance}: {}", reply.text());
                    continue;
                }
                reply.problem(404, "not-found");
                // What is too high, what is another tenant's and what is nobody's.
                let hidden = bare(&reply, id);
                assert_eq!(hidden, bare(&get(&host, &foreign, &path).await, id), "{path}");
                let nothing = get(&host, &key, &path.replace(id.as_str(), other)).await;
                assert_eq!(hidden, bare(&nothing, other), "{path}");
            }
        }
        for list in [
            "/v1/runs",
            "/v1/runs?lookup.fio=ivanov",
            "/v1/documents",
            "/v1/documents?q=capybara",
        ] {
            let items = get(&host, &key, list).await.ok(200);
            let mut tiers: Vec<String> = items["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| text(&item["tier"]))
                .collect();
            tiers.sort_by_key(|tier| std::cmp::Reverse(tier.parse::<Clearance>().unwrap()));
            assert_eq!(tiers, seen, "{list} for {clearance}");
        }
        let highest = get(&host, &key, "/v1/documents?q=tierS").await.ok(200);
        let hits = highest["items"].as_array().unwrap().len();
        assert_eq!(hits, usize::from(clearance == Clearance::S));
        // A list is a page with a next one only if there is something on it for this caller.
        let page = get(&host, &key, &format!("/v1/runs?limit={}", seen.len()))
            .await
            .ok(200);
        assert!(page["next"].is_null(), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_posts_to_a_higher_pipeline_gets_the_answer_and_nothing_else() {
    let host = host().await;
    let low = cleared(&host, Clearance::D).await;
    // Somebody else had the same bytes.
    let first = post(&host, &host.key, Clearance::A, TEXT).await.ok(200);
    let reply = post(&host, &low, Clearance::A, TEXT).await;
    assert_eq!(reply.header("location"), None);
    let run = reply.ok(200);
    assert_eq!(
        (&run["tier"], &run["output"]["total"]["amount"]),
        (&json!("A"), &json!("1234.56"))
    );
    assert!(run["documents"][0]["duplicate_of"].is_null(), "{run}");
    assert_ne!(run["readings"][0]["id"], first["readings"][0]["id"]);
    assert!(run["artifacts"][0]["href"].is_null(), "{run}");
    assert!(
        !run.to_string().contains(&text(&first["documents"][0]["id"])),
        "{run}"
    );
    let path = format!("/v1/runs/{}", text(&run["id"]));
    get(&host, &low, &path).await.problem(404, "not-found");

    // Who sees it is told.
    let kept = get(&host, &host.key, &path).await.ok(200);
    assert_eq!(kept["documents"][0]["duplicate_of"], first["documents"][0]["id"]);
    assert_eq!(kept["readings"][0]["id"], first["readings"][0]["id"]);
    // In one's own tier the same bytes are new.
    let own = post(&host, &low, Clearance::D, TEXT).await;
    assert!(own.header("location").is_some());
    let own = own.ok(200);
    assert!(own["documents"][0]["duplicate_of"].is_null());
    assert!(own["artifacts"][0]["href"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_raises_a_run_and_never_lowers_it() {
    let host = host().await;
    let run = async |pipeline: Clearance, tier: &str| {
        let path = format!("/v1/pipelines/note-{}/runs", pipeline.as_str().to_lowercase());
        host.call("POST", &path)
            .header("Docmill-Tier", tier)
            .body("text/plain", TEXT)
            .send()
            .await
    };
    for (pipeline, asked, expected) in [
        (Clearance::D, "B", "B"),
        (Clearance::B, "D", "B"),
        (Clearance::S, "D", "S"),
        (Clearance::C, "C", "C"),
    ] {
        let made = run(pipeline, asked).await.ok(200);
        assert_eq!(made["tier"], expected);
        let document = text(&made["documents"][0]["id"]);
        let document = host
            .get(&format!("/v1/documents/{document}"))
            .send()
            .await
            .ok(200);
        assert_eq!(document["tier"], expected);
        assert_eq!(document["runs"][0]["tier"], expected);
    }
    for wrong in ["b", "", "E", "S, A"] {
        let said = run(Clearance::D, wrong).await.problem(400, "malformed-request");
        assert!(text(&said["detail"]).contains("S, A, B, C, D"), "{said}");
    }
    let accepted = pipeline("C").replace("name: note-c", "name: accepted") + "durability: accepted\n";
    host.save(&accepted).await;
    let made = host
        .run("accepted")
        .header("Docmill-Tier", "A")
        .body("text/plain", TEXT)
        .send()
        .await
        .ok(200);
    let low = cleared(&host, Clearance::B).await;
    get(&host, &low, &format!("/v1/runs/{}", text(&made["id"])))
        .await
        .problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_a_kept_document_demands_what_that_does() {
    let host = host().await;
    host.save("{name: again, inputs: {old: {kind: document}}, steps: [{id: parse, use: docmill/text@0.1}]}")
        .await;
    let high = post(&host, &host.key, Clearance::B, TEXT).await.ok(200);
    let document = text(&high["documents"][0]["id"]);
    let run = async |key: &str, document: &str| {
        let part = Part {
            name: Some("old"),
            file: None,
            media_type: None,
            bytes: document.as_bytes(),
        };
        host.anonymous("POST", "/v1/pipelines/again/runs")
            .key(key)
            .form(&[part])
            .send()
            .await
    };
    let low = cleared(&host, Clearance::C).await;
    let hidden = run(&low, &document).await;
    hidden.problem(404, "not-found");
    let nobodys = DocumentId::new().to_string();
    let nothing = run(&low, &nobodys).await;
    assert_eq!(bare(&hidden, &document), bare(&nothing, &nobodys));

    let middle = cleared(&host, Clearance::B).await;
    let made = run(&middle, &document).await.ok(200);
    assert_eq!(made["tier"], "B");
    get(&host, &low, &format!("/v1/runs/{}", text(&made["id"])))
        .await
        .problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_given_another_tier_by_who_sees_both() {
    let host = host().await;
    let made = post(&host, &host.key, Clearance::D, TEXT).await.ok(200);
    let (id, run) = (text(&made["documents"][0]["id"]), text(&made["id"]));
    let patch = async |key: &str, id: &str, body: &str| {
        let call = host.anonymous("PATCH", &format!("/v1/documents/{id}")).key(key);
        call.body("application/json", body).send().await
    };
    let (middle, low) = (
        cleared(&host, Clearance::B).await,
        cleared(&host, Clearance::D).await,
    );
    let beyond = patch(&middle, &id, r#"{"tier": "A"}"#)
        .await
        .problem(403, "forbidden");
    assert!(text(&beyond["detail"]).contains("cleared for B"), "{beyond}");
    let changed = patch(&middle, &id, r#"{"tier": "B"}"#).await.ok(200);
    assert_eq!(changed, json!({ "id": id, "tier": "B" }));
    patch(&middle, &id, r#"{"tier": "B"}"#).await.ok(200);

    let hidden = patch(&low, &id, r#"{"tier": "D"}"#).await;
    hidden.problem(404, "not-found");
    let nobodys = DocumentId::new().to_string();
    let nothing = patch(&low, &nobodys, r#"{"tier": "D"}"#).await;
    assert_eq!(bare(&hidden, &id), bare(&nothing, &nobodys));
    get(&host, &low, &format!("/v1/runs/{run}"))
        .await
        .problem(404, "not-found");
    for wrong in [
        r#"{"tier": "b"}"#,
        "{}",
        r#"{"tier": null}"#,
        r#"{"tier": "B", "name": "x"}"#,
        "[]",
    ] {
        let reply = patch(&host.key, &id, wrong).await;
        assert_eq!(reply.status, 400, "{wrong}: {}", reply.text());
    }
    // Once: what was so already, or was refused, is no change.
    let log = host
        .get(&format!("/v1/audit?subject={id}&action=document.tier"))
        .send()
        .await;
    let mut log = log.ok(200);
    for _ in 0..50 {
        if log["items"].as_array().is_some_and(|items| !items.is_empty()) {
            break;
        }
        host.database.store.seal_audit().await.unwrap();
        log = host
            .get(&format!("/v1/audit?subject={id}&action=document.tier"))
            .send()
            .await
            .ok(200);
    }
    let [entry] = log["items"].as_array().unwrap().as_slice() else {
        panic!("{log}")
    };
    assert_eq!(entry["detail"], json!({ "tier": "B", "before": "D" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_is_saved_by_who_sees_its_runs() {
    let host = host().await;
    let developer = cleared(&host, Clearance::B).await;
    let save = async |definition: &str, name: &str| {
        let call = host
            .anonymous("PUT", &format!("/v1/pipelines/{name}"))
            .key(&developer);
        call.body("application/yaml", definition).send().await
    };
    // Neither up nor down beyond oneself.
    let lowered = pipeline("A").replace("tier: A", "tier: D");
    save(&lowered, "note-a").await.problem(403, "forbidden");
    let raised = pipeline("D").replace("tier: D", "tier: S");
    save(&raised, "note-d").await.problem(403, "forbidden");
    let within = pipeline("B").replace("tier: B", "tier: C");
    save(&within, "note-b").await.ok(201);
    let wrong = save(&pipeline("D").replace("tier: D", "tier: public"), "note-d").await;
    let problem = wrong.problem(422, "invalid-definition");
    assert_eq!(problem["problems"][0]["at"], "tier");
    assert!(
        text(&problem["problems"][0]["message"]).contains("`S`, `A`, `B`, `C`, `D`"),
        "{problem}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_tells_on_whose_behalf_it_was_and_is_found_by_it() {
    let host = Setup::new().await.start().await;
    host.install(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let run = async |key: &str, subject: &str| {
        let call = host.anonymous("POST", "/v1/pipelines/note/runs").key(key);
        call.header("Docmill-Subject", subject)
            .body("text/plain", TEXT)
            .send()
            .await
    };
    let user = json!({ "email": "anna@example.org", "name": "Anna", "role": "invoker" });
    let user = host
        .call("POST", "/v1/users")
        .body("application/json", user.to_string())
        .send()
        .await
        .ok(201);
    let user = text(&user["id"]);
    let body = json!({ "name": "annas", "user": user, "role": "invoker" });
    let key = host
        .call("POST", "/v1/keys")
        .body("application/json", body.to_string())
        .send()
        .await
        .ok(201);
    let (key_id, key) = (text(&key["id"]), text(&key["key"]));

    let mine = run(&key, "клиент-17").await.ok(200);
    assert_eq!(
        (&mine["subject"], &mine["user"], &mine["key"]),
        (&json!("клиент-17"), &json!(user), &json!(key_id))
    );
    let others = run(&host.key, "client-18").await.ok(200);
    assert!(others["user"].is_null(), "{others}");
    let none = host.run("note").body("text/plain", TEXT).send().await.ok(200);
    assert!(none["subject"].is_null());
    let kept = host
        .get(&format!("/v1/runs/{}", text(&mine["id"])))
        .send()
        .await
        .ok(200);
    for name in ["subject", "user", "key", "tier"] {
        assert_eq!(kept[name], mine[name], "{name}");
    }
    // A person's session has no key, and the same user.
    let session = host
        .anonymous("POST", "/v1/sessions")
        .key(&key)
        .send()
        .await
        .ok(201);
    let session = run(&text(&session["session"]), "клиент-17").await.ok(200);
    assert_eq!((&session["user"], &session["key"]), (&json!(user), &Json::Null));

    let found = async |query: &str| -> Vec<String> {
        let list = host.get(&format!("/v1/runs?{query}")).send().await.ok(200);
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| text(&item["id"]))
            .collect()
    };
    let id = |run: &Json| text(&run["id"]);
    assert_eq!(
        found("subject=%D0%BA%D0%BB%D0%B8%D0%B5%D0%BD%D1%82-17").await,
        [id(&session), id(&mine)]
    );
    assert_eq!(found("subject=client-18").await, [id(&others)]);
    assert_eq!(found("subject=client").await, [] as [String; 0]);
    assert_eq!(found(&format!("user={user}")).await, [id(&session), id(&mine)]);
    assert_eq!(found(&format!("key={key_id}")).await, [id(&mine)]);
    assert_eq!(
        found(&format!("key={key_id}&subject=client-18")).await,
        [] as [String; 0]
    );
    for wrong in ["user=anna", "key=dm_x"] {
        host.get(&format!("/v1/runs?{wrong}"))
            .send()
            .await
            .problem(400, "malformed-request");
    }
    for wrong in ["a b", "", "\u{202E}x", &"x".repeat(201)] {
        run(&host.key, wrong).await.problem(400, "malformed-request");
    }
    let twice = host
        .run("note")
        .header("Docmill-Subject", "a")
        .header("Docmill-Subject", "a");
    twice
        .body("text/plain", TEXT)
        .send()
        .await
        .problem(400, "malformed-request");

    // In the log of who did what, too.
    let path = format!("/v1/audit?subject={}", id(&mine));
    let mut log = host.get(&path).send().await.ok(200);
    for _ in 0..50 {
        if log["items"]
            .as_array()
            .is_some_and(|items| items.iter().any(|item| item["action"] == "run.finish"))
        {
            break;
        }
        host.database.store.seal_audit().await.unwrap();
        log = host.get(&path).send().await.ok(200);
    }
    let ends = log["items"].as_array().unwrap().iter();
    let end = ends.clone().find(|item| item["action"] == "run.finish").unwrap();
    assert_eq!(
        end["detail"],
        json!({ "by_user": user, "on_behalf_of": "клиент-17" })
    );
}

/// An artifact's id with another run's leads nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_that_of_its_run() {
    let host = host().await;
    let high = post(&host, &host.key, Clearance::A, TEXT).await.ok(200);
    let low = post(&host, &host.key, Clearance::D, TEXT).await.ok(200);
    let key = cleared(&host, Clearance::D).await;
    let artifact = text(&high["artifacts"][0]["id"]);
    let path = |run: &Json, artifact: &str| format!("/v1/runs/{}/artifacts/{artifact}", text(&run["id"]));
    let nobodys = ArtifactId::new().to_string();
    let nothing = get(&host, &key, &path(&low, &nobodys)).await;
    for run in [&high, &low] {
        let reply = get(&host, &key, &path(run, &artifact)).await;
        assert_eq!(bare(&reply, &artifact), bare(&nothing, &nobodys));
    }
}
