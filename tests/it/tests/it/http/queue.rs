//! Runs that are accepted now and worked on later.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use docmill_model::id::{RunId, WorkerId};
use docmill_model::run::{RunOutcome, Status};
use docmill_runs::queue::{Worker, WorkerSettings};
use docmill_store::queue::{Beat, Claimed};
use docmill_store::run::RunCommit;
use docmill_store::{Store, StoreError};
use serde_json::{Value as Json, json};
use sqlx::{Connection as _, PgConnection};

use super::{NOTE, TEXT};
use crate::support::client::Reply;
use crate::support::host::{another_on, engine_settings};
use crate::support::{Host, Setup};

/// A guest that spins until its time is over.
const SPIN: &str = "{name: spin, steps: [{id: parse, use: docmill/text@0.1}, \
     {id: a, use: test/hostile@0.1, with: {attack: spin}, limits: {timeout: 20s, cpu: 20s}}], limits: {timeout: 30s}}";

fn quick() -> WorkerSettings {
    WorkerSettings {
        places: 4,
        lease: Duration::from_secs(2),
        poll: Duration::from_millis(20),
        ..WorkerSettings::default()
    }
}

fn works(host: &Host) -> Worker {
    host.state.runs().work(quick())
}

async fn queued(host: &Host, pipeline: &str, text: &str) -> String {
    let call = host.run(pipeline).header("Prefer", "respond-async");
    let run = call.body("text/plain", text).send().await.ok(202);
    run["id"].as_str().unwrap().to_owned()
}

async fn ended(host: &Host, run: &str) -> Json {
    let run = host.get(&format!("/v1/runs/{run}?wait=30")).send().await.ok(200);
    assert!(
        ["succeeded", "failed", "cancelled"]
            .iter()
            .any(|over| run["status"] == *over),
        "{run}"
    );
    run
}

/// What a run found, whoever worked on it.
fn found(run: &Json) -> Json {
    let mut found = json!({ "fields": run["fields"], "checks": run["checks"], "verdict": run["verdict"], "output": run["output"] });
    strip(&mut found);
    found
}

/// Ids differ from run to run.
fn strip(value: &mut Json) {
    match value {
        Json::Object(members) => {
            members.retain(|name, _| !matches!(name.as_str(), "reading_id" | "document"));
            members.values_mut().for_each(strip);
        }
        Json::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_kept_at_once_and_worked_on_later_with_the_same_result() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let now = host.run("note").body("text/plain", TEXT).send().await.ok(200);
    let call = host
        .run("note")
        .header("Prefer", "respond-async")
        .query("param.fio=Anna+Ivanova");
    let reply = call.body("text/plain", TEXT).send().await;
    let accepted = reply.ok(202);
    let id = accepted["id"].as_str().unwrap();
    assert_eq!(reply.header("location"), Some(format!("/v1/runs/{id}").as_str()));
    assert_eq!(reply.header("preference-applied"), Some("respond-async"));
    assert_eq!(
        (&accepted["status"], &accepted["queue"]["attempt"]),
        (&json!("queued"), &json!(0))
    );
    assert_eq!(accepted["lookups"]["fio"], "Anna Ivanova");
    // Nobody works: it waits, and is found.
    let waits = host.get(&format!("/v1/runs/{id}?wait=1")).send().await.ok(200);
    assert_eq!(waits["status"], "queued");
    let list = host
        .get("/v1/runs?status=queued&lookup.fio=ivanova")
        .send()
        .await
        .ok(200);
    assert_eq!(list["items"][0]["id"], id);

    let worker = works(&host);
    let run = ended(&host, id).await;
    assert_eq!(run["status"], "succeeded");
    assert_eq!(found(&run), found(&now));
    assert!(run.get("queue").is_none_or(Json::is_null), "{run}");
    assert_eq!(
        run["steps"].as_array().map(Vec::len),
        now["steps"].as_array().map(Vec::len)
    );
    // Its document says what it is like, as if it had been worked on at once.
    assert_eq!(run["documents"][0]["digest"], now["documents"][0]["digest"]);
    assert_eq!(run["documents"][0]["duplicate_of"], now["documents"][0]["id"]);
    let figures = host.state.runs().queue_figures();
    assert_eq!((figures.accepted, figures.claimed, figures.ended), (1, 1, 1));
    assert_eq!(
        host.database.store.queue_depth().await.unwrap(),
        Default::default()
    );
    // Nothing is left of it but the run.
    let call = host.run("note").header("Prefer", "respond-async, wait=30");
    let reply = call.body("text/plain", TEXT).send().await;
    assert_eq!(found(&reply.ok(200)), found(&now));
    worker.drain(Duration::from_secs(5)).await;
    let [gone] = host.database.store.workers().await.unwrap().try_into().unwrap();
    assert!(gone.ended_at.is_some() && gone.leased == 0, "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_queued_is_refused_before_anything_is_kept() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    host.save(&NOTE.replace("name: note", "name: fleeting\nretain: none"))
        .await;
    let later = |name: &str| {
        host.run(name)
            .header("Prefer", "respond-async")
            .body("text/plain", TEXT)
    };
    later("fleeting").send().await.problem(422, "keeps-nothing");
    let call = host
        .run("fleeting")
        .header("Idempotency-Key", "a")
        .body("text/plain", TEXT);
    call.send().await.problem(422, "keeps-nothing");
    later("nothing").send().await.problem(404, "unknown-pipeline");
    later("note")
        .header("Docmill-Priority", "999")
        .send()
        .await
        .problem(400, "malformed-request");
    later("note")
        .header("Docmill-Delay", "tomorrow")
        .send()
        .await
        .problem(400, "malformed-request");
    let call = host
        .run("note")
        .header("Docmill-Priority", "1")
        .body("text/plain", TEXT);
    call.send().await.problem(400, "malformed-request");
    later("note")
        .query("param.copies=many")
        .send()
        .await
        .problem(422, "invalid-params");
    host.get("/v1/runs/run_00000000000000000000000000000000?wait=x")
        .send()
        .await
        .problem(400, "malformed-request");
    assert_eq!(host.get("/v1/runs").send().await.ok(200)["items"], json!([]));
    assert_eq!(host.get("/v1/documents").send().await.ok(200)["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_makes_one_run_whoever_comes_first() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let worker = works(&host);
    let ids = |replies: &[Reply]| {
        let mut ids: Vec<String> = replies
            .iter()
            .map(|r| r.json()["id"].as_str().unwrap_or_default().to_owned())
            .collect();
        ids.sort();
        ids.dedup();
        ids
    };
    for prefer in ["respond-async", "handling=lenient"] {
        let call = |text: &str| {
            let call = host.run("note").header("Prefer", prefer);
            call.header("Idempotency-Key", format!("order 17 {prefer}"))
                .body("text/plain", text)
        };
        // Many at once: all are told of one run, or that it is at work.
        let all = futures_util::future::join_all((0..12).map(|_| call(TEXT).send())).await;
        let told: Vec<Reply> = all.into_iter().filter(|reply| reply.status != 409).collect();
        let runs = ids(&told);
        assert_eq!(runs.len(), 1, "{prefer}: {runs:?}");
        let first = ended(&host, &runs[0]).await;
        // Once it is over, its answer.
        let again = call(TEXT).send().await;
        let body = again.ok(200);
        assert_eq!(
            (again.header("idempotency-replayed"), &body["id"]),
            (Some("true"), &first["id"])
        );
        assert_eq!(found(&body), found(&first));
        call("something else").send().await.problem(422, "key-reused");
        let other = host.run("note").query("param.fio=x").header("Prefer", prefer);
        let other = other.header("Idempotency-Key", format!("order 17 {prefer}"));
        other
            .body("text/plain", TEXT)
            .send()
            .await
            .problem(422, "key-reused");
    }
    assert_eq!(
        host.get("/v1/runs").send().await.ok(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    // A failure that would come again is an answer, too.
    let failing = || {
        let call = host.run("note").header("Idempotency-Key", "fails");
        call.body("application/pdf", "%PDF-1.4")
    };
    failing().send().await.problem(415, "input-not-accepted");
    // On other routes a key would promise what nobody keeps.
    let call = host.call("POST", "/v1/keys").header("Idempotency-Key", "a");
    call.body("application/json", "{}")
        .send()
        .await
        .problem(400, "malformed-request");
    worker.drain(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_told_again_under_its_key_and_one_that_was_lost_frees_it() {
    let host = Host::with(&["text", "hostile"]).await;
    host.save("{name: traps, steps: [{id: parse, use: docmill/text@0.1}, {id: a, use: test/hostile@0.1, with: {attack: panic}}]}").await;
    let call = || {
        host.run("traps")
            .header("Idempotency-Key", "once")
            .body("text/plain", "x")
    };
    let first = call().send().await.problem(502, "trap");
    let again = call().send().await.problem(502, "trap");
    assert_eq!(first["run"], again["run"]);
    // As if its host had gone away in the middle.
    let run: RunId = first["run"].as_str().unwrap().parse().unwrap();
    let mut owner = PgConnection::connect(&host.database.url).await.unwrap();
    sqlx::query("update docmill.run set error_code = 'interrupted' where id = $1")
        .bind(run.uuid())
        .execute(&mut owner)
        .await
        .unwrap();
    let third = call().send().await.problem(502, "trap");
    assert_ne!(third["run"], first["run"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_wherever_it_stands() {
    let host = Host::with(&["text", "patterns", "hostile"]).await;
    host.save(NOTE).await;
    host.save(SPIN).await;
    let cancel = |run: &str| host.call("POST", &format!("/v1/runs/{run}/cancel")).send();
    let waiting = queued(&host, "note", TEXT).await;
    assert_eq!(cancel(&waiting).await.ok(200)["status"], "cancelled");
    assert_eq!(
        cancel(&waiting).await.ok(200)["status"],
        "cancelled",
        "twice is once"
    );
    let worker = works(&host);
    let done = queued(&host, "note", TEXT).await;
    assert_eq!(ended(&host, &done).await["status"], "succeeded");
    assert_eq!(
        ended(&host, &waiting).await["status"],
        "cancelled",
        "nobody took it up"
    );
    cancel(&done).await.problem(409, "not-queued");
    cancel("run_00000000000000000000000000000000")
        .await
        .problem(404, "not-found");

    let spins = queued(&host, "spin", "x").await;
    let started = Instant::now();
    while host.engine.stats().running == 0 {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "the guest does not run"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let run = host.get(&format!("/v1/runs/{spins}")).send().await.ok(200);
    assert_eq!(
        (&run["status"], &run["queue"]["attempt"]),
        (&json!("running"), &json!(1))
    );
    let list = host.get("/v1/runs?status=running").send().await.ok(200);
    assert_eq!(list["items"][0]["id"], spins.as_str());
    assert_eq!(cancel(&spins).await.ok(200)["status"], "cancelled");
    // Its guest is stopped with the worker's next word.
    let cancelled = Instant::now();
    while host.engine.stats().running > 0 {
        assert!(cancelled.elapsed() < Duration::from_secs(2), "the guest goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let run = host.get(&format!("/v1/runs/{spins}")).send().await.ok(200);
    assert_eq!((&run["status"], &run["steps"]), (&json!("cancelled"), &json!([])));
    assert_eq!(host.database.audited("run.cancel").await.unwrap().len(), 2);
    worker.drain(Duration::from_secs(5)).await;
}

/// A worker that claims and then says nothing more.
async fn claimed_by_somebody(host: &Host, lease: Duration) -> (WorkerId, Vec<Claimed>) {
    let worker = WorkerId::new();
    let beat = Beat {
        worker,
        host: "elsewhere",
        release: "0",
        lease,
        draining: false,
        doing: &json!([]),
    };
    let store = &host.database.store;
    assert_eq!(store.beat(&beat).await.unwrap(), Some(vec![]));
    (worker, store.claim_jobs(worker, 10).await.unwrap().jobs)
}

fn nothing(head: &docmill_model::run::RunHead) -> RunOutcome {
    RunOutcome {
        status: Status::Succeeded,
        verdict: None,
        error: None,
        output: Some(json!("from the grave")),
        fields: Vec::new(),
        conflicts: Vec::new(),
        checks: Vec::new(),
        chunks: Vec::new(),
        embeddings: Vec::new(),
        steps: Vec::new(),
        artifacts: Vec::new(),
        readings: Vec::new(),
        started_at: head.created_at,
        finished_at: head.created_at,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_workers_run_is_taken_over_and_it_changes_nothing_any_more() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let id = queued(&host, "note", TEXT).await;
    let (silent, jobs) = claimed_by_somebody(&host, Duration::from_secs(2)).await;
    let [job] = jobs.as_slice() else {
        panic!("{jobs:?}")
    };
    assert_eq!(job.attempt, 1);
    let begun = Instant::now();
    let worker = works(&host);
    let run = ended(&host, &id).await;
    assert!(
        begun.elapsed() > Duration::from_secs(1),
        "it was taken from a worker that had it"
    );
    assert_eq!(run["status"], "succeeded");
    // The silent one wakes up.
    let outcome = nothing(&job.head);
    let commit = RunCommit {
        head: &job.head,
        outcome: &outcome,
        documents: &[],
    };
    let store = &host.database.store;
    let late = store.end_job(host.database.tenant, job.lease, &commit).await;
    assert!(matches!(late, Err(StoreError::NotOurs)), "{late:?}");
    let kept = store
        .keep_checkpoint(host.database.tenant, job.lease, job.head.id, 0, b"{}")
        .await;
    assert!(!kept.unwrap());
    let beat = Beat {
        worker: silent,
        host: "elsewhere",
        release: "0",
        lease: Duration::from_secs(2),
        draining: false,
        doing: &json!([]),
    };
    assert_eq!(store.beat(&beat).await.unwrap(), None, "it was given up");
    assert_eq!(store.claim_jobs(silent, 10).await.unwrap().len(), 0);
    let again = host.get(&format!("/v1/runs/{id}")).send().await.ok(200);
    assert_eq!(again["output"], run["output"]);
    worker.drain(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_every_worker_fails_for_good() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let id = queued(&host, "note", TEXT).await;
    for attempt in 1..=3 {
        let (_, jobs) = claimed_by_somebody(&host, Duration::from_millis(300)).await;
        assert_eq!(jobs.first().map(|job| job.attempt), Some(attempt));
        tokio::time::sleep(Duration::from_millis(350)).await;
        let reaped = host.database.store.reap_workers(None, 3).await.unwrap();
        assert_eq!((reaped.workers, reaped.failed), (1, u64::from(attempt == 3)));
    }
    let run = ended(&host, &id).await;
    assert_eq!(
        (&run["status"], &run["error"]["code"]),
        (&json!("failed"), &json!("interrupted"))
    );
    let mut owner = PgConnection::connect(&host.database.url).await.unwrap();
    let told = sqlx::query_scalar("select count(*) from docmill.audit_entry where action = 'run.lost'");
    assert_eq!(told.fetch_one(&mut owner).await.ok(), Some(1_i64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_hands_its_runs_back_untouched() {
    let host = Host::with(&["text", "hostile"]).await;
    host.save(SPIN).await;
    let id = queued(&host, "spin", "x").await;
    let worker = works(&host);
    let started = Instant::now();
    while host.engine.stats().running == 0 {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "the guest does not run"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let told = Instant::now();
    worker.drain(Duration::from_millis(100)).await;
    assert!(told.elapsed() < Duration::from_secs(4), "{:?}", told.elapsed());
    let run = host.get(&format!("/v1/runs/{id}")).send().await.ok(200);
    assert_eq!(
        (&run["status"], &run["queue"]["attempt"]),
        (&json!("queued"), &json!(0)),
        "{run}"
    );
}

/// A host of the same database that is gone from one moment to the next: its threads are stopped wherever they stand.
struct Doomed(Option<tokio::runtime::Runtime>);

impl Doomed {
    fn work(host: &Host, settings: WorkerSettings) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let engine = docmill_engine::Engine::new(engine_settings(
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("code"),
        ));
        let (engine, url, blobs) = (
            engine.unwrap(),
            host.database.url.clone(),
            host.state.blobs().clone(),
        );
        runtime.spawn(async move {
            // Connections of its own: they end with it.
            let store = Store::connect(&docmill_store::Settings::new(url)).unwrap();
            let state = another_on(store, blobs, engine).await;
            let _worker = state.runs().work(settings);
            std::future::pending::<()>().await;
        });
        Self(Some(runtime))
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_a_run_over_goes_on_after_its_last_step() {
    let host = Host::with(&["text", "patterns", "hostile"]).await;
    host.save(
        "{name: long, durability: steps, steps: [{id: parse, use: docmill/text@0.1}, \
         {id: looks, use: test/hostile@0.1, with: {attack: clock}}, \
         {id: spins, use: test/hostile@0.1, with: {attack: spin}, limits: {timeout: 3s, cpu: 3s}, on_error: skip}, \
         {id: last, use: test/hostile@0.1, with: {attack: nothing}}]}",
    )
    .await;
    let id = queued(&host, "long", "x").await;
    let run: RunId = id.parse().unwrap();
    let doomed = Doomed::work(&host, quick());
    let store = &host.database.store;
    let begun = Instant::now();
    let kept = loop {
        let kept = store.checkpoints(host.database.tenant, run).await.unwrap();
        if kept.len() == 2 {
            break kept;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{} steps", kept.len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    drop(doomed);
    let worker = works(&host);
    let run = ended(&host, &id).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let figures = host.state.runs().queue_figures();
    assert_eq!((figures.taken_over, figures.resumed_steps), (1, 2));
    // The kept steps are the ones that were executed, with what they used; the others were executed here.
    let steps = run["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 4);
    for (step, body) in &kept {
        let body: Json = serde_json::from_slice(body).unwrap();
        assert_eq!(steps[*step as usize]["id"], body["records"][0]["id"]);
        assert_eq!(
            steps[*step as usize]["attempts"][0]["usage"],
            body["records"][0]["attempts"][0]["usage"]
        );
    }
    let statuses: Vec<&str> = steps.iter().filter_map(|step| step["status"].as_str()).collect();
    assert_eq!(statuses, ["succeeded", "succeeded", "failed", "succeeded"]);
    assert_eq!(
        store
            .checkpoints(host.database.tenant, id.parse().unwrap())
            .await
            .unwrap()
            .len(),
        0
    );
    worker.drain(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_tried_again_and_what_does_not_pass_is_not() {
    let host = Host::with(&["text", "hostile"]).await;
    let reports = |name: &str, kind: &str| {
        format!(
            "{{name: {name}, steps: [{{id: parse, use: docmill/text@0.1}}, \
             {{id: a, use: test/hostile@0.1, with: {{attack: report, text: {kind}}}}}]}}"
        )
    };
    host.save(&reports("away", "unavailable")).await;
    host.save(&reports("broken", "invalid-input")).await;
    let worker = host.state.runs().work(WorkerSettings {
        attempts: 2,
        ..quick()
    });
    let (away, broken) = (
        queued(&host, "away", "x").await,
        queued(&host, "broken", "x").await,
    );
    let run = ended(&host, &broken).await;
    assert_eq!(
        (&run["status"], &run["error"]["code"]),
        (&json!("failed"), &json!("invalid-input"))
    );
    let begun = Instant::now();
    let waits = loop {
        let run = host.get(&format!("/v1/runs/{away}")).send().await.ok(200);
        if run["queue"]["last_error"].is_object() && run["status"] == "queued" {
            break run;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{run}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(
        (&waits["queue"]["attempt"], &waits["queue"]["last_error"]["code"]),
        (&json!(1), &json!("plugin-unavailable"))
    );
    let run = ended(&host, &away).await;
    assert_eq!(
        (&run["status"], &run["error"]["code"]),
        (&json!("failed"), &json!("plugin-unavailable"))
    );
    assert_eq!(host.state.runs().queue_figures().retried, 1);
    worker.drain(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_run_again_and_what_is_held_waits() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let worker = works(&host);
    let post = |path: &str| host.call("POST", path).send();
    assert_eq!(
        post("/v1/pipelines/note/pause").await.ok(200)["pipelines"][0]["paused"],
        true
    );
    let held = queued(&host, "note", TEXT).await;
    let waits = host.get(&format!("/v1/runs/{held}?wait=1")).send().await.ok(200);
    assert_eq!(waits["status"], "queued");
    post(&format!("/v1/runs/{held}/redrive"))
        .await
        .problem(409, "conflict");
    let queue = host.get("/v1/queue").send().await.ok(200);
    assert_eq!(
        (&queue["paused"], &queue["pipelines"][0]["ready"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(
        post("/v1/pipelines/note/resume").await.ok(200)["pipelines"]
            .as_array()
            .map(|p| p.len() <= 1),
        Some(true)
    );
    let first = ended(&host, &held).await;
    assert_eq!(first["status"], "succeeded");
    // Another document with the same name changes nothing: the bytes are those of the first time.
    let again = post(&format!("/v1/runs/{held}/redrive")).await;
    assert!(matches!(again.status, 200 | 202), "{}", again.text());
    let again = again.json();
    assert_ne!(again["id"], first["id"]);
    let second = ended(&host, again["id"].as_str().unwrap()).await;
    assert_eq!(found(&second), found(&first));
    assert_eq!(second["documents"][0]["id"], first["documents"][0]["id"]);
    assert_eq!(host.database.audited("run.redrive").await.unwrap().len(), 1);
    assert_eq!(post("/v1/queue/pause").await.ok(200)["paused"], true);
    let held = queued(&host, "note", TEXT).await;
    assert_eq!(
        host.get(&format!("/v1/runs/{held}?wait=1")).send().await.ok(200)["status"],
        "queued"
    );
    assert_eq!(post("/v1/queue/resume").await.ok(200)["paused"], false);
    ended(&host, &held).await;
    post("/v1/pipelines/nothing/pause")
        .await
        .problem(404, "unknown-pipeline");
    post("/v1/runs/run_00000000000000000000000000000000/redrive")
        .await
        .problem(404, "not-found");
    worker.drain(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_the_role_answers_probes_alone() {
    let mut setup = Setup::new().await;
    setup.api.serves = false;
    let host = setup.start().await;
    assert_eq!(host.anonymous("GET", "/healthz").send().await.text(), "ok\n");
    assert_eq!(host.anonymous("GET", "/metrics").send().await.status, 200);
    host.get("/v1/runs").send().await.problem(404, "not-found");
    host.anonymous("GET", "/console")
        .send()
        .await
        .problem(404, "not-found");
}
