//! Who did what, reads included, and that nobody changes it unnoticed.

use serde_json::{Value as Json, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::io::AsyncReadExt as _;

use super::{NOTE, TEXT};
use crate::support::Host;

async fn entries(host: &Host, query: &str) -> Vec<Json> {
    let page = host.get(&format!("/v1/audit?{query}")).send().await.ok(200);
    page["items"].as_array().unwrap().clone()
}

/// Actions, oldest first.
async fn actions(host: &Host) -> Vec<String> {
    let all = entries(host, "limit=200").await;
    all.iter()
        .rev()
        .map(|entry| entry["action"].as_str().unwrap().to_owned())
        .collect()
}

/// An answer without its body shows that there is one.
async fn head(host: &Host, path: &str) {
    let mut answer = Vec::new();
    let mut stream = host.call("HEAD", path).begin("").await;
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

async fn owner(host: &Host, sql: &str) {
    let mut owner = PgConnection::connect(&host.database.url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut owner)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_documents_and_results_are_entries_that_name_filters_and_no_values() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let run = host.run("note").body("text/plain", TEXT).send().await.ok(200);
    let id = run["id"].as_str().unwrap();
    let document = host.get("/v1/documents").send().await.ok(200)["items"][0]["id"].clone();
    let document = document.as_str().unwrap();

    let shown = host.get(&format!("/v1/runs/{id}")).send().await;
    shown.ok(200);
    let shouted = id.replace("run_", "").to_ascii_uppercase();
    host.get(&format!("/v1/runs/run_{shouted}")).send().await.ok(200);
    host.get("/v1/runs?lookup.fio=%D0%98%D0%B2%D0%B0%D0%BD+Secret&status=succeeded&limit=7")
        .send()
        .await
        .ok(200);
    host.get(&format!("/v1/documents/{document}"))
        .send()
        .await
        .ok(200);
    head(&host, &format!("/v1/documents/{document}/source")).await;
    assert_eq!(
        host.get(&format!("/v1/documents/{document}/source"))
            .send()
            .await
            .status,
        200
    );
    host.get("/v1/documents?q=Total+due").send().await.ok(200);
    host.get("/v1/keys").send().await.ok(200);

    // What shows nothing is no read: refused, not found, not understood; nor is a probe or how the tenant is set up.
    let absent = docmill_model::id::RunId::new();
    host.get(&format!("/v1/runs/{absent}"))
        .send()
        .await
        .problem(404, "not-found");
    host.get("/v1/runs?colour=red")
        .send()
        .await
        .problem(400, "malformed-request");
    host.anonymous("GET", &format!("/v1/runs/{id}"))
        .send()
        .await
        .problem(401, "unauthenticated");
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/me",
        "/v1/pipelines",
        "/v1/plugins",
        "/v1/tenant",
    ] {
        assert_eq!(host.get(path).send().await.status, 200, "{path}");
    }

    let found = actions(&host).await;
    let mut expected = vec![
        "pipeline.save",
        "run.finish",
        "document.list",
        "run.read",
        "run.read",
        "run.list",
        "document.read",
        "source.read",
        "source.read",
        "document.list",
        "key.list",
    ];
    let (mut sorted, mut as_found) = (expected.clone(), found.clone());
    sorted.sort_unstable();
    as_found.sort_unstable();
    assert_eq!(as_found, sorted, "{found:?}");

    // The list itself is one from now on.
    expected.push("audit.list");
    assert_eq!(actions(&host).await.len(), expected.len());
    let whole = entries(&host, "limit=200").await;
    let text = Json::from(whole.clone()).to_string();
    for value in ["Secret", "Иван", "Total", "succeeded"] {
        assert!(!text.contains(value), "{value}");
    }
    let of = |action: &str| whole.iter().find(|entry| entry["action"] == action).unwrap();
    assert_eq!(of("run.list")["subject"], "runs");
    assert_eq!(
        of("run.list")["detail"],
        json!({"filters": ["lookup.fio", "status"]})
    );
    assert_eq!(of("document.read")["subject"], document);
    assert_eq!(of("document.read").get("detail"), None);
    assert_eq!(of("run.finish")["run"], id);
    let reads: Vec<&Json> = whole
        .iter()
        .filter(|entry| entry["action"] == "run.read")
        .collect();
    assert!(reads.iter().all(|read| read["subject"] == id), "{reads:?}");
    let read = reads
        .iter()
        .find(|read| read["request"].as_str() == shown.header("x-request-id"))
        .unwrap();
    let me = host.get("/v1/me").send().await.ok(200);
    assert_eq!(
        (&read["key"], &read["client_ip"]),
        (&me["key"], &json!("127.0.0.1"))
    );

    // Everything that was done to a run: read twice, finished once.
    let mut of_run: Vec<Json> = entries(&host, &format!("subject={id}"))
        .await
        .iter()
        .map(|e| e["action"].clone())
        .collect();
    of_run.sort_unstable_by_key(ToString::to_string);
    assert_eq!(of_run, ["run.finish", "run.read", "run.read"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_searched_in_pages_and_strictly() {
    let host = Host::with(&[]).await;
    for name in ["a", "b", "c"] {
        let key = host
            .call("POST", "/v1/keys")
            .body("application/json", format!("{{\"name\": \"{name}\"}}"));
        key.send().await.ok(201);
    }
    let me = host.get("/v1/me").send().await.ok(200);
    let key = me["key"].as_str().unwrap();
    let made = entries(&host, &format!("action=key.create&key={key}&since=2020-01-01")).await;
    assert_eq!(made.len(), 3);
    let page = host
        .get("/v1/audit?action=key.create&limit=2")
        .send()
        .await
        .ok(200);
    assert_eq!(page["items"].as_array().unwrap()[..], made[..2]);
    let next = page["next"].as_str().unwrap();
    let rest = host
        .get(&format!("/v1/audit?action=key.create&limit=2&cursor={next}"))
        .send()
        .await
        .ok(200);
    assert_eq!(
        (
            rest["items"].as_array().unwrap()[..] == made[2..],
            rest.get("next")
        ),
        (true, None)
    );
    assert_eq!(entries(&host, "until=2020-01-01").await, [] as [Json; 0]);
    assert_eq!(
        entries(&host, "key=key_00000000000000000000000000000000").await,
        [] as [Json; 0]
    );
    for bad in [
        "colour=red",
        "limit=0",
        "limit=201",
        "cursor=x",
        "key=dm_1",
        "since=yesterday",
        "until=%00",
        "action=a&action=b",
    ] {
        host.get(&format!("/v1/audit?{bad}"))
            .send()
            .await
            .problem(400, "malformed-request");
    }
    host.anonymous("GET", "/v1/audit")
        .send()
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_names_the_place_and_a_kept_head_tells_of_what_was_cut_off() {
    let host = Host::with(&[]).await;
    for _ in 0..3 {
        host.get("/v1/runs").send().await.ok(200);
    }
    let verify = async |query: &str| host.get(&format!("/v1/audit:verify{query}")).send().await.ok(200);
    let first = verify("").await;
    assert_eq!(
        (&first["intact"], &first["checked"], &first["complete"]),
        (&json!(true), &json!(3), &json!(true))
    );
    let head = first["head"].as_str().unwrap();
    assert!(head.starts_with("3:"), "{head}");
    let second = verify(&format!("?head={head}")).await;
    assert_eq!(
        (&second["intact"], &second["checked"]),
        (&json!(true), &json!(4)),
        "the first verification is one"
    );
    let rest = verify(&format!("?from={head}")).await;
    assert_eq!((&rest["intact"], &rest["checked"]), (&json!(true), &json!(1)));

    owner(
        &host,
        "update docmill.audit_entry set subject = 'documents' where seq = 2",
    )
    .await;
    let broken = verify("").await;
    assert_eq!(
        (
            &broken["intact"],
            &broken["checked"],
            &broken["broken"]["fault"],
            &broken["broken"]["seq"]
        ),
        (&json!(false), &json!(1), &json!("changed"), &json!(2))
    );
    assert!(broken["broken"]["entry"].as_str().unwrap().starts_with("aud_"));
    owner(
        &host,
        "update docmill.audit_entry set subject = 'runs' where seq = 2",
    )
    .await;

    // Cut off with its head, as only somebody with every right can: who kept a head sees it.
    owner(
        &host,
        "delete from docmill.audit_entry where seq > 2 or seq is null;
         update docmill.audit_head h set seq = e.seq, hash = e.hash from docmill.audit_entry e where e.seq = 2",
    )
    .await;
    let cut = verify(&format!("?head={head}")).await;
    assert_eq!(cut["intact"], false, "{cut}");
    let zeros = "0".repeat(64);
    for bad in [
        "?head=3",
        "?head=x",
        &format!("?head=-1:{zeros}"),
        "?from=1:00",
        "?colour=red",
    ] {
        host.get(&format!("/v1/audit:verify{bad}"))
            .send()
            .await
            .problem(400, "malformed-request");
    }
    host.anonymous("GET", "/v1/audit:verify")
        .send()
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_outlast_an_outage_of_the_database_and_are_written_once() {
    let host = Host::with(&[]).await;
    // The log alone is stuck; what is read is there.
    let mut blocker = PgConnection::connect(&host.database.url).await.unwrap();
    let mut held = blocker.begin().await.unwrap();
    sqlx::query("lock table docmill.audit_entry in exclusive mode")
        .execute(&mut *held)
        .await
        .unwrap();
    for _ in 0..20 {
        let begun = std::time::Instant::now();
        host.get("/v1/runs").send().await.ok(200);
        assert!(
            begun.elapsed().as_millis() < 1_500,
            "a read does not wait for the log"
        );
    }
    // The connection on which it is being written is cut, and the log is free again.
    let mut owner = PgConnection::connect(&host.database.url).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let cut: i64 = sqlx::query_scalar(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert!(cut > 0, "nobody was waiting for the lock");
    held.rollback().await.unwrap();
    let mut listed = Vec::new();
    for _ in 0..50 {
        listed = entries(&host, "action=run.list").await;
        if listed.len() >= 20 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(listed.len(), 20);
    let figures = host.state.journal().figures();
    assert_eq!((figures.refused, figures.lost), (0, 0), "{figures:?}");
    let metrics = host.anonymous("GET", "/metrics").send().await.text();
    for line in [
        "docmill_audit_unsealed ",
        "docmill_audit_unsealed_seconds ",
        "docmill_audit_reads_lost_total 0",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_refused_when_no_more_can_wait_and_told_by_the_log_at_the_end() {
    let host = Host::with(&[]).await;
    let mut blocker = PgConnection::connect(&host.database.url).await.unwrap();
    let mut held = blocker.begin().await.unwrap();
    sqlx::query("lock table docmill.audit_entry in exclusive mode")
        .execute(&mut *held)
        .await
        .unwrap();
    let (mut answered, mut refused) = (0, 0);
    let mut work = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let call = host.get("/v1/keys?limit=1");
        work.spawn(async move {
            let mut statuses = Vec::new();
            for _ in 0..340 {
                let reply = call.clone().send().await;
                statuses.push(reply.status);
                if reply.status == 503 {
                    reply.problem(503, "overloaded");
                    break;
                }
            }
            statuses
        });
    }
    for status in work.join_all().await.into_iter().flatten() {
        match status {
            200 => answered += 1,
            503 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!(refused > 0 && answered >= 4_096, "{answered} {refused}");
    assert_eq!(host.state.journal().figures().refused, refused);
    // As many as were answered are written in the end, not one more.
    held.rollback().await.unwrap();
    host.state
        .journal()
        .close(std::time::Duration::from_secs(30))
        .await;
    let figures = host.state.journal().figures();
    assert_eq!(
        (figures.waiting, figures.written, figures.lost),
        (0, answered, 0),
        "{figures:?}"
    );

    // At the end of a host whose database is gone, the log tells of each.
    host.get("/v1/keys").send().await.ok(200);
    host.state.store().close().await;
    host.state.journal().close(std::time::Duration::ZERO).await;
    let figures = host.state.journal().figures();
    assert_eq!(
        (figures.waiting, figures.written + figures.lost),
        (0, answered + 1),
        "{figures:?}"
    );
}
