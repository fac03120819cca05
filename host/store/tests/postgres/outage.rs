//! PostgreSQL goes away and comes back.

use std::time::{Duration, Instant};

use docmill_model::failure::Code;
use docmill_store::Sight;
use docmill_store::embedded::PrivateServer;
use docmill_store::{Settings, Store, StoreError, migrate};

use crate::sample;

#[tokio::test]
async fn every_call_ends_within_a_second_and_works_again_afterwards() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let server = PrivateServer::start(&directory.path().join("pg"), |_| ()).await?;
    let url = server.url().to_owned();
    migrate(&url).await?;
    let store = Store::connect(&Settings::new(&url))?;
    let tenant = store.bootstrap("main").await?.unwrap().tenant;
    let before = sample::run("before");
    store.commit_run(tenant, &before.commit()).await?;

    server.stop().await?;
    for attempt in 0..3 {
        let begun = Instant::now();
        let sample = sample::run("while it is away");
        let (id, commit) = (sample.head.id, sample.commit());
        let (ping, read, write) = tokio::join!(
            store.ping(),
            store.get_run(Sight::whole(tenant), id),
            store.commit_run(tenant, &commit)
        );
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "attempt {attempt}: {:?}",
            begun.elapsed()
        );
        for error in [ping.unwrap_err(), read.unwrap_err(), write.unwrap_err()] {
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
            assert_eq!(error.failure().code, Code::StoreUnavailable);
        }
    }

    let server = PrivateServer::start(&directory.path().join("pg"), |_| ()).await?;
    assert_eq!(server.url(), url);
    store.ping().await?;
    assert!(
        store
            .get_run(Sight::whole(tenant), before.head.id)
            .await?
            .is_some()
    );
    let after = sample::run("after");
    store.commit_run(tenant, &after.commit()).await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_leaves_nothing_half_written() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let server = PrivateServer::start(&directory.path().join("pg"), |_| ()).await?;
    migrate(server.url()).await?;
    let store = Store::connect(&Settings::new(server.url()))?;
    let tenant = store.bootstrap("main").await?.unwrap().tenant;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut written = Vec::new();
                for n in 0.. {
                    let sample = sample::run(&format!("text {writer} {n}"));
                    match store.commit_run(tenant, &sample.commit()).await {
                        Ok(_) => written.push(sample.head.id),
                        Err(_) => break,
                    }
                }
                written
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let pid = i32::try_from(server.pid().unwrap())?;
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )?;
    let mut written = Vec::new();
    for writer in writers {
        written.extend(writer.await?);
    }
    assert!(written.len() > 8, "{}", written.len());
    drop(server);

    let server = PrivateServer::start(&directory.path().join("pg"), |_| ()).await?;
    // The server can be back before the pool asks its idle connections whether they live; until then one of them may answer
    // that the database is away, as it was.
    tokio::time::timeout(Duration::from_secs(5), async {
        let mut answered = 0;
        while answered < 20 {
            answered = if store.ping().await.is_ok() {
                answered + 1
            } else {
                0
            };
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await?;
    for run in &written {
        let stored = store
            .get_run(Sight::whole(tenant), *run)
            .await?
            .expect("what was answered is there");
        let outcome = stored.outcome.unwrap();
        assert_eq!(
            (outcome.fields.len(), outcome.steps.len(), stored.readings.len()),
            (3, 2, 1)
        );
    }
    // Whatever else is there (committed, not answered any more) is whole too.
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(server.url()).await?;
    let broken: i64 = sqlx::query_scalar(
        "select count(*) from docmill.run r where 3 <> (select count(*) from docmill.field f where f.run_id = r.id and not lost)
         or not exists (select from docmill.audit_entry a where a.id in (r.id, r.ended_in))",
    )
    .fetch_one(&mut connection)
    .await?;
    assert_eq!(broken, 0);
    Ok(())
}

#[tokio::test]
async fn connections_that_are_cut_cost_no_run() -> anyhow::Result<()> {
    let db = docmill_harness::database().await?;
    let mut owner = <sqlx::PgConnection as sqlx::Connection>::connect(&db.url).await?;
    let until = Instant::now() + Duration::from_millis(1_500);
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (store, tenant) = (db.store.clone(), db.tenant);
            tokio::spawn(async move {
                let mut written = Vec::new();
                while Instant::now() < until {
                    let sample = sample::run(&format!("text {writer} {}", written.len()));
                    store.commit_run(tenant, &sample.commit()).await.unwrap();
                    written.push(sample.head.id);
                }
                written
            })
        })
        .collect();
    let mut cut = 0;
    while Instant::now() < until {
        let ended: i64 = sqlx::query_scalar(
            "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and query like '%write_runs%' and pid <> pg_backend_pid()",
        )
        .fetch_one(&mut owner)
        .await?;
        cut += ended;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut written = Vec::new();
    for writer in writers {
        written.extend(writer.await?);
    }
    assert!(cut > 3, "{cut} connections were cut");
    let kept: i64 = sqlx::query_scalar("select count(*) from docmill.run")
        .fetch_one(&mut owner)
        .await?;
    assert_eq!(
        usize::try_from(kept)?,
        written.len(),
        "{cut} connections were cut"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_slow_is_waited_for_and_what_never_ends_is_not() -> anyhow::Result<()> {
    let db = docmill_harness::database_with(|settings| Settings {
        statement_timeout: Duration::from_secs(4),
        ..settings
    })
    .await?;
    let before = sample::run("before");
    db.store.commit_run(db.tenant, &before.commit()).await?;
    let mut owner = <sqlx::PgConnection as sqlx::Connection>::connect(&db.url).await?;
    let lock = "begin; lock table docmill.run in access exclusive mode";
    sqlx::raw_sql(lock).execute(&mut owner).await?;
    let read = |store: Store| async move { store.get_run(Sight::whole(db.tenant), before.head.id).await };
    let reading = tokio::spawn(read(db.store.clone()));
    let slow = sample::run("slow");
    let writing = tokio::spawn({
        let store = db.store.clone();
        async move { store.commit_run(db.tenant, &slow.commit()).await }
    });
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    assert!(!reading.is_finished() && !writing.is_finished());
    assert!(!db.store.health().just_failed());
    sqlx::raw_sql("commit").execute(&mut owner).await?;
    assert!(reading.await??.is_some());
    writing.await??;

    sqlx::raw_sql(lock).execute(&mut owner).await?;
    let begun = Instant::now();
    let refused = read(db.store.clone()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    sqlx::raw_sql("commit").execute(&mut owner).await?;
    assert!(read(db.store.clone()).await?.is_some());
    Ok(())
}

#[tokio::test]
async fn a_call_that_is_interrupted_leaves_no_transaction_behind() -> anyhow::Result<()> {
    let db = docmill_harness::database_with(|settings| Settings { pool: 1, ..settings }).await?;
    let mut owner = <sqlx::PgConnection as sqlx::Connection>::connect(&db.url).await?;
    for moments in (0..40).map(|n| n * n) {
        let list = db.store.list_keys(db.tenant, None, 0);
        let soon = async {
            for _ in 0..moments {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            _ = list => {}
            () = soon => {}
        }
        // The one connection there is: what is written on it must last.
        let sample = sample::run(&format!("after {moments}"));
        db.store.commit_run(db.tenant, &sample.commit()).await?;
        let there: bool = sqlx::query_scalar("select exists (select from docmill.run where id = $1)")
            .bind(sample.head.id.uuid())
            .fetch_one(&mut owner)
            .await?;
        assert!(there, "interrupted after {moments} moments");
    }
    Ok(())
}
