//! The ledger: whatever becomes of a run, what it used is in it once, and adds up to what the runs say themselves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use docmill_harness::{Database, database, empty_database};
use docmill_model::definition::Durability;
use docmill_model::failure::Code;
use docmill_model::id::{KeyId, RunId, TenantId};
use docmill_model::run::{Millis, RunHead, RunOutcome};
use docmill_model::usage::{Amounts, of_run};
use docmill_store::StoreError;
use docmill_store::usage::{MAX_GROUPS, UsageEntry, UsageGroup, UsageQuestion};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::sample::{self, Sample};

const DAY: Millis = 24 * 60 * 60 * 1_000;
/// When samples are admitted, give or take what a test adds.
const AT: Millis = 1_795_000_000_123;

fn all() -> UsageQuestion {
    UsageQuestion {
        since: AT - DAY,
        until: AT + 100 * DAY,
        ..UsageQuestion::default()
    }
}

async fn total(db: &Database, asked: &UsageQuestion) -> Amounts {
    let mut total = Amounts::default();
    for group in db.store.usage(db.tenant, asked).await.unwrap() {
        total.add(&group.amounts);
    }
    total
}

/// What the kept runs of a database say themselves, without the ledger.
async fn own_figures(url: &str) -> Amounts {
    let mut owner = PgConnection::connect(url).await.unwrap();
    let mut sum = async |sql: &str| -> u64 {
        let sum: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select coalesce(({sql}), 0)::bigint")))
            .fetch_one(&mut owner)
            .await
            .unwrap();
        u64::try_from(sum).unwrap()
    };
    Amounts {
        runs: sum("select count(*) from docmill.run where status <> 'running'").await,
        runs_failed: sum("select count(*) from docmill.run where status = 'failed'").await,
        calls: sum("select count(*) from docmill.attempt").await,
        calls_reused: sum("select count(*) from docmill.attempt where reused").await,
        cpu_us: sum("select sum(cpu_us) from docmill.attempt").await,
        input_bytes: sum(
            "select sum(coalesce(size, octet_length(text), octet_length(record::text))) from docmill.run_input
             join docmill.run r on r.id = run_id where r.status <> 'running'",
        )
        .await,
        host_call_bytes: sum("select sum(host_call_bytes) from docmill.attempt").await,
        pages: sum(
            "select sum(r.page_count) from docmill.run_reading n join docmill.reading r on r.id = n.reading_id",
        )
        .await,
    }
}

/// Runs of three pipelines and keys: ones that passed and failed, with retries and reused calls, large and small.
fn samples() -> Vec<Sample> {
    let keys = [None, Some(KeyId::new()), Some(KeyId::new())];
    let varied = (0..60_usize).map(|n| {
        let mut sample = sample::run(&"слово ".repeat(n + 1));
        ["a", "b", "c"][n % 3].clone_into(&mut sample.head.pipeline_name);
        sample.head.key = keys[n % 4 % 3];
        sample.head.created_at = AT + (n as Millis) * DAY / 7;
        // Entries are looked for by it, whenever the test runs.
        sample.head.id = batch_at(sample.head.created_at);
        sample.outcome.started_at = sample.head.created_at + 1;
        sample.outcome.finished_at = sample.head.created_at + 2;
        for (place, step) in sample.outcome.steps.iter_mut().enumerate() {
            for (number, attempt) in step.attempts.iter_mut().enumerate() {
                attempt.plugin.clone_from(&step.plugin);
                attempt.usage.cpu_us = (n * 1_000 + place * 100 + number) as u64;
                attempt.usage.host_call_bytes = (n * place) as u64;
                attempt.reused = n % 5 == 0 && number == 0;
            }
        }
        match n % 6 {
            4 => sample.failed(Code::Trap),
            // Refused before any step: no call, no reading.
            5 => {
                sample.outcome.steps.clear();
                sample.outcome.readings.clear();
                sample.outcome.fields.clear();
                sample.outcome.conflicts.clear();
                sample.outcome.checks.clear();
                sample.failed(Code::ExpressionFailed)
            }
            _ => sample,
        }
    });
    varied.collect()
}

/// Kept, every other one accepted first; together, so that several share a commit.
async fn keep(db: &Database, samples: &[Sample]) {
    let kept = samples.iter().enumerate().map(|(n, sample)| {
        let (store, tenant, mut sample) = (db.store.clone(), db.tenant, sample.clone());
        tokio::spawn(async move {
            if n % 2 == 0 {
                return store.commit_run(tenant, &sample.commit()).await.unwrap();
            }
            sample.head.durability = Durability::Accepted;
            let accepted = store
                .accept_run(tenant, &sample.head, &sample.documents, None)
                .await;
            accepted.unwrap();
            store.finish_accepted_run(tenant, &sample.commit()).await.unwrap()
        })
    });
    for kept in kept.collect::<Vec<_>>() {
        kept.await.unwrap();
    }
}

/// The same figures from what was given, group by group.
fn expected<K: Ord>(samples: &[Sample], group: impl Fn(&RunHead, Option<&str>) -> K) -> BTreeMap<K, Amounts> {
    let mut groups: BTreeMap<K, Amounts> = BTreeMap::new();
    for Sample { head, outcome, .. } in samples {
        let (own, plugins) = of_run(head, outcome);
        groups.entry(group(head, None)).or_default().add(&own);
        for (plugin, amounts) in plugins {
            groups.entry(group(head, Some(plugin))).or_default().add(&amounts);
        }
    }
    groups
}

fn grouped<K: Ord>(groups: &[UsageGroup], key: impl Fn(&UsageGroup) -> K) -> BTreeMap<K, Amounts> {
    let map: BTreeMap<K, Amounts> = groups.iter().map(|g| (key(g), g.amounts)).collect();
    assert_eq!(map.len(), groups.len(), "a group stands twice");
    map
}

#[tokio::test]
async fn sums_are_the_runs_own_figures_whatever_they_are_grouped_by() -> anyhow::Result<()> {
    let db = database().await?;
    let samples = samples();
    keep(&db, &samples).await;

    let own = own_figures(&db.url).await;
    assert_eq!(own.runs, 60);
    assert!(own.runs_failed == 20 && own.calls == 150 && own.calls_reused > 0 && own.pages == 50);
    assert_eq!(total(&db, &all()).await, own);

    let ask = async |asked: UsageQuestion| db.store.usage(db.tenant, &asked).await.unwrap();
    let by = |pipeline, plugin, key| UsageQuestion {
        by_pipeline: pipeline,
        by_plugin: plugin,
        by_key: key,
        ..all()
    };
    let found = ask(by(true, false, false)).await;
    let wanted = expected(&samples, |head, _| head.pipeline_name.clone());
    assert_eq!(grouped(&found, |g| g.pipeline.clone().unwrap()), wanted);
    let found = ask(by(false, true, true)).await;
    let wanted = expected(&samples, |head, plugin| (plugin.map(str::to_owned), head.key));
    assert_eq!(grouped(&found, |g| (g.plugin.clone(), g.key)), wanted);
    assert_eq!(wanted.len(), 9);

    // By day, of which some have no run.
    let days: Vec<Millis> = (0..12).map(|day| AT - DAY + day * DAY).collect();
    let found = ask(UsageQuestion {
        days: days.clone(),
        ..all()
    })
    .await;
    let wanted = expected(&samples, |head, _| {
        Some(days.partition_point(|begins| *begins <= head.created_at) - 1)
    });
    assert_eq!(grouped(&found, |g| g.day), wanted);
    assert_eq!(wanted.len(), 9);
    Ok(())
}

#[tokio::test]
async fn a_question_is_answered_for_its_time_pipeline_plugin_and_key_alone() -> anyhow::Result<()> {
    let db = database().await?;
    let samples = samples();
    keep(&db, &samples).await;
    let of = |fits: &dyn Fn(&RunHead, Option<&str>) -> bool| -> Amounts {
        let mut total = Amounts::default();
        for ((head, plugin), amounts) in expected(&samples, |head, plugin| {
            (serde_json::to_string(head).unwrap(), plugin.map(str::to_owned))
        }) {
            let head: RunHead = serde_json::from_str(&head).unwrap();
            if fits(&head, plugin.as_deref()) {
                total.add(&amounts);
            }
        }
        total
    };
    let (since, until) = (samples[10].head.created_at, samples[20].head.created_at);
    let asked = UsageQuestion {
        since,
        until,
        ..all()
    };
    let found = total(&db, &asked).await;
    assert_eq!(
        found,
        of(&|head, _| (since..until).contains(&head.created_at)),
        "the first millisecond is in it, the last is not"
    );
    assert_eq!(found.runs, 10);
    let asked = UsageQuestion {
        pipeline: Some("b".into()),
        ..all()
    };
    assert_eq!(total(&db, &asked).await, of(&|head, _| head.pipeline_name == "b"));
    let key = samples[1].head.key;
    let asked = UsageQuestion { key, ..all() };
    assert_eq!(total(&db, &asked).await, of(&|head, _| head.key == key));
    for plugin in ["docmill/patterns", "docmill/patterns@0.1.0"] {
        let asked = UsageQuestion {
            plugin: Some(plugin.into()),
            ..all()
        };
        let found = total(&db, &asked).await;
        assert_eq!(
            found,
            of(&|_, called| called == Some("docmill/patterns@0.1.0")),
            "{plugin}"
        );
        assert!(found.calls == 100 && found.runs == 0);
    }
    for nothing in [
        UsageQuestion {
            plugin: Some("docmill/patterns@0.1".into()),
            ..all()
        },
        UsageQuestion {
            pipeline: Some("b\0".into()),
            ..all()
        },
        UsageQuestion {
            since: i64::MIN / 2,
            until: 0,
            ..all()
        },
    ] {
        assert_eq!(db.store.usage(db.tenant, &nothing).await?, []);
    }
    assert_eq!(db.store.usage(TenantId::new(), &all()).await?, []);
    Ok(())
}

#[tokio::test]
async fn a_lost_run_is_in_the_ledger_once() -> anyhow::Result<()> {
    let db = database().await?;
    let mut sample = sample::run("text");
    sample.head.durability = Durability::Accepted;
    db.store
        .accept_run(db.tenant, &sample.head, &sample.documents, None)
        .await?;
    assert_eq!(total(&db, &all()).await, Amounts::default(), "it is at work");
    for lost in [1, 0] {
        assert_eq!(db.store.mark_lost_runs(AT + DAY).await?, lost);
    }
    let late = db.store.finish_accepted_run(db.tenant, &sample.commit()).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    let own = own_figures(&db.url).await;
    assert_eq!((own.runs, own.runs_failed, own.calls), (1, 1, 0));
    assert!(own.input_bytes > 0);
    assert_eq!(total(&db, &all()).await, own);
    Ok(())
}

fn entry(n: u64) -> UsageEntry {
    UsageEntry {
        key: None,
        at: AT,
        pipeline: format!("p{n:05}"),
        plugin: Some("a/b@1.0.0".into()),
        amounts: Amounts {
            calls: n,
            cpu_us: 1 << 40,
            ..Amounts::default()
        },
    }
}

/// A batch that belongs to a run's place in time.
fn batch_at(at: Millis) -> RunId {
    let millis = u128::try_from(at).unwrap();
    uuid::Uuid::from_u128((millis << 80) | 0x7000_8000_0000_0000_0000).into()
}

#[tokio::test]
async fn a_batch_is_written_once_however_often_it_is_sent() -> anyhow::Result<()> {
    let db = database().await?;
    let (first, second) = (batch_at(AT), batch_at(AT + 1));
    let entries = [entry(1), entry(2)];
    for batch in [first, first, second, first] {
        db.store.record_usage(db.tenant, batch, &entries).await?;
    }
    db.store.record_usage(db.tenant, batch_at(AT + 2), &[]).await?;
    let found = total(&db, &all()).await;
    assert_eq!((found.calls, found.cpu_us), (6, 4 << 40));
    let mut absurd = entry(1);
    absurd.amounts.pages = u64::MAX;
    let refused = db.store.record_usage(db.tenant, RunId::new(), &[absurd]).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn an_answer_of_too_many_groups_is_refused() -> anyhow::Result<()> {
    let db = database().await?;
    let asked = UsageQuestion {
        by_pipeline: true,
        ..all()
    };
    let most = MAX_GROUPS as u64;
    let entries: Vec<UsageEntry> = (0..most).map(entry).collect();
    db.store.record_usage(db.tenant, batch_at(AT), &entries).await?;
    let found = db.store.usage(db.tenant, &asked).await?;
    assert_eq!(found.len(), MAX_GROUPS);
    assert!(found.is_sorted_by_key(|group| group.pipeline.clone()));
    db.store
        .record_usage(db.tenant, batch_at(AT + 1), &[entry(most)])
        .await?;
    let refused = db.store.usage(db.tenant, &asked).await;
    assert!(
        matches!(&refused, Err(StoreError::Invalid { what }) if what.contains("10000") && what.contains("shorter")),
        "{refused:?}"
    );
    assert_eq!(total(&db, &all()).await.calls, (0..=most).sum::<u64>());
    Ok(())
}

/// Twenty days of a month of 10^5 runs, one among three, are added up without a look at the other months.
#[tokio::test]
async fn a_busy_month_is_added_up_quickly_and_alone() -> anyhow::Result<()> {
    let db = database().await?;
    let mut owner = PgConnection::connect(&db.url).await?;
    // From this month on there are partitions. A run has two entries: its own, and one of a plugin.
    let fill = "insert into docmill.usage_entry (tenant_id, run_id, ordinal, at, pipeline, plugin, runs, calls, cpu_us)
        select $1, (lpad(to_hex(docmill.millis(m.at)), 12, '0') || '70008' || lpad(to_hex(m.n), 15, '0'))::uuid, o, m.at,
            'p' || m.n % 20, case o when 1 then 'a/b@1.0.' || m.n % 5 end, 1 - o, o, 700 * o
        from (
            select n, month + interval '1 day' + n * interval '25 seconds' as at
            from generate_series(0, 99999) n,
                generate_series(date_trunc('month', now(), 'UTC'), now() + interval '2 months', interval '1 month') month
        ) m, generate_series(0, 1) o";
    sqlx::query(fill)
        .bind(db.tenant.uuid())
        .execute(&mut owner)
        .await?;
    sqlx::raw_sql("vacuum analyze docmill.usage_entry")
        .execute(&mut owner)
        .await?;
    let since: i64 = sqlx::query_scalar(
        "select docmill.millis(date_trunc('month', now(), 'UTC') + interval '1 month 1 day')",
    )
    .fetch_one(&mut owner)
    .await?;
    let asked = UsageQuestion {
        since,
        until: since + 20 * DAY,
        days: (0..20).map(|day| since + day * DAY).collect(),
        by_pipeline: true,
        by_plugin: true,
        ..UsageQuestion::default()
    };
    let read = async |owner: &mut PgConnection| -> Vec<String> {
        let sql = "select relname::text from pg_stat_user_tables where schemaname = 'docmill'
            and relname like 'usage_entry_2%' and coalesce(idx_scan, 0) + seq_scan > 0 order by relname";
        sqlx::query_scalar(sql).fetch_all(owner).await.unwrap()
    };
    sqlx::raw_sql("select pg_stat_reset()")
        .execute(&mut owner)
        .await?;
    let begun = Instant::now();
    let groups = db.store.usage(db.tenant, &asked).await?;
    let took = begun.elapsed();
    let mut sum = Amounts::default();
    for group in &groups {
        sum.add(&group.amounts);
    }
    assert_eq!((sum.runs, sum.calls, sum.cpu_us), (69_120, 69_120, 48_384_000));
    assert_eq!(groups.len(), 20 * 20 * 2);
    println!("69120 runs, {} groups: {took:?}", groups.len());
    assert!(took < Duration::from_secs(5), "{took:?}");
    // A backend tells what it did when it goes on to something else, at most once a second.
    let until = Instant::now() + Duration::from_secs(5);
    let mut touched = Vec::new();
    while touched.is_empty() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(200)).await;
        db.store.ping().await?;
        touched = read(&mut owner).await;
    }
    assert_eq!(touched.len(), 1, "of three months one was read: {touched:?}");
    Ok(())
}

/// A database as the release before left it: its ledger knew less, and is made anew from the runs.
#[tokio::test]
async fn the_ledger_of_before_is_made_anew_and_hosts_of_before_go_on_writing() -> anyhow::Result<()> {
    const THIS: &str = include_str!("../../../../migrations/0012_usage.sql");
    let db = database().await?;
    let samples = samples();
    keep(&db, &samples).await;
    let own = own_figures(&db.url).await;
    let mut owner = PgConnection::connect(&db.url).await?;

    // Entries of the old form for all, and as many runs as there are are without any.
    let filling = &THIS[THIS.find("create policy moving").unwrap()..];
    assert!(filling.contains("delete from docmill.usage_entry"));
    let old = "delete from docmill.usage_entry;
        insert into docmill.usage_entry (tenant_id, run_id, ordinal, attempt_id, meter, quantity, at)
        select tenant_id, run_id, 10 * step_ordinal + ordinal, id, 'cpu_us', cpu_us, now() from docmill.attempt";
    sqlx::raw_sql(old).execute(&mut owner).await?;
    assert_eq!(
        total(&db, &all()).await,
        Amounts::default(),
        "they tell too little"
    );
    sqlx::raw_sql("set role docmill_owner")
        .execute(&mut owner)
        .await?;
    sqlx::raw_sql(AssertSqlSafe(filling)).execute(&mut owner).await?;
    sqlx::raw_sql("reset role").execute(&mut owner).await?;
    assert_eq!(total(&db, &all()).await, own);
    let policies: i64 = sqlx::query_scalar("select count(*) from pg_policies where policyname = 'moving'")
        .fetch_one(&mut owner)
        .await?;
    assert_eq!(policies, 0);

    // A host of before hands over entries of its own; what is written is the same.
    let run = RunId::new().uuid();
    let call = "select from docmill.commit_runs($1, false,
        array[row($2, $2, 'old', $2, 1, 'result', 'result', 'failed', null, 'trap', '{}', null, '{}', '{}', null, null, $2,
            1795000000123, 1795000000124, 1795000000125)::docmill.new_run], '{}', '{}', '{}', '{}', '{}', '{}',
        array[row($2, 0, 0, $2, 'a/b@1.0.0', null, 9, 7, 0, 0, 5, 0, '{}', null, false)::docmill.new_attempt],
        '{}', '{}', '{}', '{}', array[row($2, 0, $2, null, 'cpu_us', 7, 1795000000125)::docmill.new_usage])";
    sqlx::query(call)
        .bind(db.tenant.uuid())
        .bind(run)
        .execute(&mut owner)
        .await?;
    assert_eq!(total(&db, &all()).await, own_figures(&db.url).await);
    let asked = UsageQuestion {
        pipeline: Some("old".into()),
        ..all()
    };
    let found = total(&db, &asked).await;
    assert_eq!(
        (
            found.runs,
            found.runs_failed,
            found.calls,
            found.cpu_us,
            found.host_call_bytes
        ),
        (1, 1, 1, 7, 5)
    );
    Ok(())
}

/// The migrations one after the other, on a database that has runs when this one comes.
#[tokio::test]
async fn a_database_with_runs_is_migrated() -> anyhow::Result<()> {
    let url = empty_database().await?;
    let mut owner = PgConnection::connect(&url).await?;
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
    let mut files: Vec<_> = std::fs::read_dir(directory)?
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "sql"))
        .collect();
    files.sort();
    let roles = files.pop().unwrap();
    assert!(roles.ends_with("roles.sql"));
    sqlx::raw_sql(AssertSqlSafe(std::fs::read_to_string(roles)?))
        .execute(&mut owner)
        .await?;
    sqlx::raw_sql("set role docmill_owner")
        .execute(&mut owner)
        .await?;
    let tenant = TenantId::new().uuid();
    for file in files {
        if file.ends_with("0012_usage.sql") {
            let run = RunId::new().uuid();
            let call = "select from docmill.commit_runs($1, false,
                array[row($2, $2, 'old', $2, 1, 'result', 'result', 'failed', null, 'trap', '{}', null, '{}', '{}', null,
                    null, $2, 1, 2, 3)::docmill.new_run], '{}',
                array[row($2, 0, 'note', 0, 'text', null, null, null, null, null, null, 'four', null)::docmill.new_input],
                '{}', '{}', '{}', '{}',
                array[row($2, 0, 0, $2, 'a/b@1.0.0', null, 9, 7, 0, 0, 5, 0, '{}', null, false)::docmill.new_attempt],
                '{}', '{}', '{}', '{}', array[row($2, 0, $2, null, 'cpu_us', 7, 3)::docmill.new_usage])";
            sqlx::query(call)
                .bind(tenant)
                .bind(run)
                .execute(&mut owner)
                .await?;
        }
        sqlx::raw_sql(AssertSqlSafe(std::fs::read_to_string(&file)?))
            .execute(&mut owner)
            .await
            .map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    }
    sqlx::raw_sql("reset role").execute(&mut owner).await?;
    let entries: Vec<String> = sqlx::query_scalar(
        "select concat_ws(' ', ordinal, pipeline, plugin, runs, runs_failed, input_bytes, calls, cpu_us)
         from docmill.usage_entry order by ordinal",
    )
    .fetch_all(&mut owner)
    .await?;
    assert_eq!(entries, ["0 old 1 1 4 0 0", "1 old a/b@1.0.0 0 0 0 1 7"]);
    Ok(())
}

/// What a host adds up by itself is what the database adds up.
#[test]
fn a_runs_own_figures_are_counted_alike() {
    let sample = sample::run("слово");
    let (head, outcome): (&RunHead, &RunOutcome) = (&sample.head, &sample.outcome);
    let (own, plugins) = of_run(head, outcome);
    // The file, and the text of the other input.
    assert_eq!((own.runs, own.input_bytes, own.pages, own.calls), (1, 16, 1, 0));
    let amounts = plugins.get("docmill/text@0.1.0").unwrap();
    assert_eq!(
        (
            amounts.calls,
            amounts.cpu_us,
            amounts.host_call_bytes,
            amounts.runs
        ),
        (3, 450, 6_144, 0)
    );
}
