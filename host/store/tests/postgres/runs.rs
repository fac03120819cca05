//! Writing runs and reading them back.

use docmill_harness::database;
use docmill_model::definition::{Durability, Retain};
use docmill_model::failure::Code;
use docmill_model::id::{RunId, TenantId};
use docmill_model::run::{RunHead, RunOutcome, Status};
use docmill_model::value::Verdict;
use docmill_store::Sight;
use docmill_store::StoreError;
use docmill_store::run::{RunFilter, RunSummary};
use serde_json::Value;

use crate::sample;

/// The head as JSON, for comparing.
fn head(head: &RunHead) -> Value {
    serde_json::to_value(head).unwrap()
}

/// The outcome as JSON without what is not given back with a run: the readings.
fn outcome(outcome: &RunOutcome) -> Value {
    let mut json = serde_json::to_value(outcome).unwrap();
    json.as_object_mut().unwrap().remove("readings");
    json
}

#[tokio::test]
async fn a_run_comes_back_as_it_was() -> anyhow::Result<()> {
    let db = database().await?;
    let mut sample = sample::run("Счёт на оплату № 15").with_chunks();
    sample.head.retain = Retain::Debug;
    db.store.commit_run(db.tenant, &sample.commit()).await?;
    let stored = db
        .store
        .get_run(Sight::whole(db.tenant), sample.head.id)
        .await?
        .unwrap();
    assert_eq!(head(&stored.head), head(&sample.head));
    // The order of the keys too.
    assert_eq!(stored.head.params.to_string(), r#"{"z":1,"a":{"later":true}}"#);
    assert_eq!(
        outcome(stored.outcome.as_ref().unwrap()),
        outcome(&sample.outcome)
    );
    let [reading] = stored.readings.as_slice() else {
        panic!("{:?}", stored.readings)
    };
    assert_eq!((reading.key.as_str(), reading.pages), ("main", 1));
    assert_eq!(reading.id, sample.outcome.readings[0].id);
    let artifact = &sample.outcome.artifacts[0];
    let found = db
        .store
        .get_artifact(Sight::whole(db.tenant), sample.head.id, artifact.id)
        .await?
        .unwrap();
    assert_eq!(
        (found.name, found.digest),
        (artifact.name.clone(), artifact.digest)
    );
    assert!(
        db.store
            .get_artifact(Sight::whole(db.tenant), RunId::new(), artifact.id)
            .await?
            .is_none()
    );
    assert!(
        db.store
            .get_run(Sight::whole(db.tenant), RunId::new())
            .await?
            .is_none()
    );
    Ok(())
}

#[tokio::test]
async fn retain_result_keeps_logs_of_failed_attempts_only_and_no_outputs() -> anyhow::Result<()> {
    let db = database().await?;
    let sample = sample::run("text");
    db.store.commit_run(db.tenant, &sample.commit()).await?;
    let stored = db
        .store
        .get_run(Sight::whole(db.tenant), sample.head.id)
        .await?
        .unwrap();
    let steps = stored.outcome.unwrap().steps;
    assert!(steps.iter().all(|step| step.output.is_none()));
    let logs: Vec<Option<&str>> = steps
        .iter()
        .flat_map(|s| &s.attempts)
        .map(|a| a.log.as_deref())
        .collect();
    assert_eq!(logs, [None, Some("before the trap"), None]);
    let mut none = sample::run("text");
    none.head.retain = Retain::None;
    let refused = db.store.commit_run(db.tenant, &none.commit()).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn a_run_is_written_once() -> anyhow::Result<()> {
    let db = database().await?;
    let sample = sample::run("text");
    db.store.commit_run(db.tenant, &sample.commit()).await?;
    let again = db.store.commit_run(db.tenant, &sample.commit()).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_run_does_not_take_its_neighbours_along() -> anyhow::Result<()> {
    let db = database().await?;
    let samples: Vec<_> = (0..40).map(|n| sample::run(&format!("text {n}"))).collect();
    db.store.commit_run(db.tenant, &samples[7].commit()).await?;
    let commits = samples.iter().map(|s| {
        let (store, sample) = (db.store.clone(), s.clone());
        tokio::spawn(async move { store.commit_run(db.tenant, &sample.commit()).await })
    });
    for (n, commit) in commits.collect::<Vec<_>>().into_iter().enumerate() {
        let result = commit.await?;
        assert_eq!(result.is_err(), n == 7, "{n}: {result:?}");
    }
    let filter = RunFilter {
        limit: 100,
        ..RunFilter::default()
    };
    assert_eq!(
        db.store
            .list_runs(Sight::whole(db.tenant), &filter)
            .await?
            .items
            .len(),
        40
    );
    Ok(())
}

#[tokio::test]
async fn nul_is_replaced_everywhere() -> anyhow::Result<()> {
    let db = database().await?;
    let mut sample = sample::run("a\0b page").with_chunks();
    sample.head.params = serde_json::json!({"k\0": ["v\0"]});
    sample.head.retain = Retain::Debug;
    sample.outcome.output = Some(serde_json::json!("\0"));
    sample.outcome.fields[0].raw = Some("\0".into());
    sample.outcome.fields[1].value = Some(docmill_model::value::Value::Json(serde_json::json!({"\0": "\0"})));
    sample.outcome.fields[0].citations[0].quote = "a\0b".into();
    sample.outcome.checks[0].reason = "no\0".into();
    sample.outcome.steps[0].attempts[0].log = Some("log\0".into());
    sample.documents[0].name = Some("n\0.txt".into());
    db.store.commit_run(db.tenant, &sample.commit()).await?;
    let stored = db
        .store
        .get_run(Sight::whole(db.tenant), sample.head.id)
        .await?
        .unwrap();
    assert_eq!(
        stored.head.params,
        serde_json::json!({"k\u{fffd}": ["v\u{fffd}"]})
    );
    let found = stored.outcome.unwrap();
    assert_eq!(found.output, Some(serde_json::json!("\u{fffd}")));
    assert_eq!(found.steps[0].attempts[0].log.as_deref(), Some("log\u{fffd}"));
    assert_eq!(found.chunks[0].text, "a\u{fffd}b");
    Ok(())
}

#[tokio::test]
async fn accepted_runs_are_finished_once() -> anyhow::Result<()> {
    let db = database().await?;
    let mut sample = sample::run("text");
    sample.head.durability = Durability::Accepted;
    let early = db.store.finish_accepted_run(db.tenant, &sample.commit()).await;
    assert!(matches!(early, Err(StoreError::Conflict { .. })), "{early:?}");
    db.store
        .accept_run(db.tenant, &sample.head, &sample.documents, None)
        .await?;
    let stored = db
        .store
        .get_run(Sight::whole(db.tenant), sample.head.id)
        .await?
        .unwrap();
    assert!(stored.outcome.is_none());
    assert_eq!(head(&stored.head), head(&sample.head));
    // Nobody else's document comes with the finish.
    db.store.finish_accepted_run(db.tenant, &sample.commit()).await?;
    let stored = db
        .store
        .get_run(Sight::whole(db.tenant), sample.head.id)
        .await?
        .unwrap();
    assert_eq!(stored.outcome.unwrap().fields.len(), 3);
    let again = db.store.finish_accepted_run(db.tenant, &sample.commit()).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
    Ok(())
}

#[tokio::test]
async fn an_accepted_run_keeps_outputs_and_chunks_too() -> anyhow::Result<()> {
    let db = database().await?;
    let mut sample = sample::run("text").with_chunks();
    sample.head.durability = Durability::Accepted;
    sample.head.retain = Retain::Debug;
    db.store
        .accept_run(db.tenant, &sample.head, &sample.documents, None)
        .await?;
    db.store.finish_accepted_run(db.tenant, &sample.commit()).await?;
    let stored = db
        .store
        .get_run(Sight::whole(db.tenant), sample.head.id)
        .await?
        .unwrap();
    let outcome = stored.outcome.clone().unwrap();
    assert_eq!(outcome.chunks, sample.outcome.chunks);
    assert_eq!(outcome.embeddings, sample.outcome.embeddings);
    let outputs: Vec<_> = stored
        .outcome
        .unwrap()
        .steps
        .into_iter()
        .map(|s| s.output)
        .collect();
    let given: Vec<_> = sample.outcome.steps.into_iter().map(|s| s.output).collect();
    assert_eq!(outputs, given);
    assert!(given.iter().all(Option::is_some));
    Ok(())
}

#[tokio::test]
async fn lost_runs_are_failed_and_cannot_be_finished() -> anyhow::Result<()> {
    let db = database().await?;
    let mut sample = sample::run("text");
    sample.head.durability = Durability::Accepted;
    db.store
        .accept_run(db.tenant, &sample.head, &sample.documents, None)
        .await?;
    let admitted = sample.head.created_at;
    assert_eq!(db.store.mark_lost_runs(admitted).await?, 0, "not before its time");
    assert_eq!(db.store.mark_lost_runs(admitted + 1).await?, 1);
    assert_eq!(db.store.mark_lost_runs(admitted + 1).await?, 0);
    let stored = db
        .store
        .get_run(Sight::whole(db.tenant), sample.head.id)
        .await?
        .unwrap()
        .outcome
        .unwrap();
    assert_eq!(
        (stored.status, stored.error.unwrap().code),
        (Status::Failed, Code::Interrupted)
    );
    let late = db.store.finish_accepted_run(db.tenant, &sample.commit()).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    Ok(())
}

#[tokio::test]
async fn runs_are_found_by_what_they_were_about() -> anyhow::Result<()> {
    let db = database().await?;
    let invoice = db
        .store
        .save_pipeline(db.tenant, &definition("invoice"), "text", None)
        .await?
        .pipeline;
    let letter = db
        .store
        .save_pipeline(db.tenant, &definition("letter"), "text", None)
        .await?
        .pipeline;
    let mut samples = [
        sample::run("one")
            .of_pipeline(invoice, "invoice")
            .found_by("fio", "Семёнов Пётр Ильич"),
        sample::run("two")
            .of_pipeline(invoice, "invoice")
            .found_by("fio", "Петров Семён"),
        sample::run("three")
            .of_pipeline(letter, "letter")
            .failed(Code::Trap)
            .found_by("number", "Семёнов"),
        sample::run("four")
            .of_pipeline(letter, "letter")
            .found_by("fio", "Жұмабаев Қанат"),
    ];
    samples[1].outcome.verdict = Some(Verdict::Fail);
    for (n, sample) in samples.iter_mut().enumerate() {
        sample.head.created_at += i64::try_from(n)? * 1_000;
        sample.outcome.started_at = sample.head.created_at;
        sample.outcome.finished_at = sample.head.created_at;
        db.store.commit_run(db.tenant, &sample.commit()).await?;
    }
    let ids: Vec<RunId> = samples.iter().map(|s| s.head.id).collect();
    let find = async |filter: RunFilter| -> Vec<usize> {
        let page = db
            .store
            .list_runs(Sight::whole(db.tenant), &filter)
            .await
            .unwrap();
        page.items
            .iter()
            .map(|r: &RunSummary| ids.iter().position(|id| *id == r.id).unwrap())
            .collect()
    };
    let lookup = |name: &str, value: &str| RunFilter {
        lookups: vec![(name.to_owned(), value.to_owned())],
        ..RunFilter::default()
    };
    assert_eq!(find(RunFilter::default()).await, [3, 2, 1, 0]);
    assert_eq!(find(lookup("fio", "ПЕТР  семенов")).await, [0]);
    assert_eq!(find(lookup("fio", "семенов")).await, [0]);
    assert_eq!(find(lookup("fio", "қанат")).await, [3]);
    assert_eq!(find(lookup("fio", "никто")).await, [] as [usize; 0]);
    assert_eq!(
        find(RunFilter {
            pipeline: Some("invoice".into()),
            ..RunFilter::default()
        })
        .await,
        [1, 0]
    );
    assert_eq!(
        find(RunFilter {
            pipeline: Some("nobody".into()),
            ..RunFilter::default()
        })
        .await,
        [] as [usize; 0]
    );
    assert_eq!(
        find(RunFilter {
            status: Some(Status::Failed),
            ..RunFilter::default()
        })
        .await,
        [2]
    );
    assert_eq!(
        find(RunFilter {
            status: Some(Status::Succeeded),
            ..RunFilter::default()
        })
        .await,
        [3, 1, 0]
    );
    assert_eq!(
        find(RunFilter {
            verdict: Some(Verdict::Fail),
            ..RunFilter::default()
        })
        .await,
        [1]
    );
    assert_eq!(
        find(RunFilter {
            error: Some(Code::Trap),
            ..RunFilter::default()
        })
        .await,
        [2]
    );
    let document = samples[1].documents[0].document;
    assert_eq!(
        find(RunFilter {
            document: Some(document),
            ..RunFilter::default()
        })
        .await,
        [1]
    );
    let since = samples[1].head.created_at;
    let until = samples[3].head.created_at;
    assert_eq!(
        find(RunFilter {
            since: Some(since),
            until: Some(until),
            ..RunFilter::default()
        })
        .await,
        [2, 1]
    );

    let first = db
        .store
        .list_runs(
            Sight::whole(db.tenant),
            &RunFilter {
                limit: 3,
                ..RunFilter::default()
            },
        )
        .await?;
    assert_eq!((first.items.len(), first.next), (3, Some(ids[1])));
    let rest = db
        .store
        .list_runs(
            Sight::whole(db.tenant),
            &RunFilter {
                limit: 3,
                cursor: first.next,
                ..RunFilter::default()
            },
        )
        .await?;
    assert_eq!((rest.items.len(), rest.next), (1, None));
    assert_eq!(rest.items[0].lookups[0].value, "Семёнов Пётр Ильич");
    assert_eq!(rest.items[0].documents, [samples[0].documents[0].document]);

    let empty = db
        .store
        .list_runs(Sight::whole(db.tenant), &lookup("fio", " -, "))
        .await;
    assert!(matches!(empty, Err(StoreError::Invalid { .. })), "{empty:?}");
    let hostile = find(RunFilter {
        pipeline: Some("' or 1=1 --\0".into()),
        ..lookup("'; drop table docmill.run; --", "x")
    });
    assert_eq!(hostile.await, [] as [usize; 0]);
    assert_eq!(
        db.store
            .list_runs(Sight::whole(TenantId::new()), &RunFilter::default())
            .await?
            .items
            .len(),
        0
    );
    Ok(())
}

fn definition(name: &str) -> docmill_model::definition::Definition {
    docmill_model::definition::Definition::parse(&format!(
        "name: {name}\nsteps:\n  - {{ id: parse, use: docmill/text@0.1 }}\n"
    ))
    .unwrap()
}
