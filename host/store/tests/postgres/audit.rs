//! The chain of the audit log: sealed in order by any number of hosts, and every way to tamper with it is named.

use std::collections::HashSet;

use docmill_harness::{Database, database};
use docmill_model::digest::Digest;
use docmill_model::id::{AuditId, KeyId, RequestId, RunId, TenantId};
use docmill_store::StoreError;
use docmill_store::audit::{AuditFilter, Fault, Head, NewEntry, Verified};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use crate::sample;

/// Of an afternoon in November 2026.
const AT: i64 = 1_795_229_591_120;

fn entry(subject: &str) -> NewEntry {
    NewEntry {
        id: AuditId::new(),
        at: AT,
        action: "document.read",
        subject: subject.to_owned(),
        key: Some(KeyId::new()),
        client_ip: Some("2001:db8::7".parse().unwrap()),
        request: Some(RequestId::new()),
        detail: Some(
            serde_json::json!({"filters": ["q", "since"], "имя\u{0}": "\"\\ж\u{1f600}", "n": [1.50, null]}),
        ),
    }
}

/// An entry with nothing that can be left out.
fn bare(subject: &str) -> NewEntry {
    NewEntry {
        key: None,
        client_ip: None,
        request: None,
        detail: None,
        ..entry(subject)
    }
}

/// Seals whatever waits.
async fn seal(db: &Database) -> u64 {
    let mut all = 0;
    loop {
        let sealed = db.store.seal_audit().await.unwrap();
        all += sealed.entries.unwrap_or_default();
        if !sealed.more && sealed.entries.is_some() {
            return all;
        }
    }
}

/// A database with `count` sealed entries of its tenant.
async fn sealed(count: usize) -> Database {
    let db = database().await.unwrap();
    let entries: Vec<NewEntry> = (0..count)
        .map(|n| {
            if n % 3 == 0 {
                bare(&format!("предмет {n}"))
            } else {
                entry(&n.to_string())
            }
        })
        .collect();
    for some in entries.chunks(500) {
        db.store.audit_all(db.tenant, some).await.unwrap();
    }
    assert_eq!(seal(&db).await, count as u64);
    db
}

async fn verify(db: &Database, known: Option<Head>) -> Verified {
    db.store
        .verify_audit(db.tenant, Head::START, known)
        .await
        .unwrap()
}

/// As somebody who may do everything: superuser, owner of the tables.
async fn tamper(db: &Database, sql: &str) {
    let mut owner = PgConnection::connect(&db.url).await.unwrap();
    let changed = sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut owner)
        .await
        .unwrap();
    assert!(changed.rows_affected() > 0, "{sql}");
}

/// What is found after tampering, as fault, place and whether the words name it.
async fn found(db: &Database) -> (Fault, i64) {
    let verified = verify(db, None).await;
    let broken = verified.broken.expect("the chain is broken");
    assert!(
        verified.complete && broken.said.contains(&broken.seq.to_string()) || broken.fault == Fault::CutOff
    );
    (broken.fault, broken.seq)
}

#[tokio::test]
async fn entries_are_sealed_in_order_and_the_chain_is_the_one_that_rust_computes() -> anyhow::Result<()> {
    let db = database().await?;
    let none = verify(&db, None).await;
    assert_eq!(
        (none.checked, none.head, none.complete, none.broken),
        (0, Head::START, true, None)
    );

    // Runs write their own line; a retry of what was written already writes nothing.
    let sample = sample::run("text");
    db.store.commit_run(db.tenant, &sample.commit()).await?;
    let entries = [entry("doc_1"), bare(""), bare(&"ж".repeat(3_000))];
    db.store.audit_all(db.tenant, &entries).await?;
    db.store.audit_all(db.tenant, &entries).await?;
    assert_eq!(seal(&db).await, 4);
    assert_eq!(seal(&db).await, 0);
    let first = verify(&db, None).await;
    assert_eq!(
        (first.checked, first.complete, first.broken.clone()),
        (4, true, None)
    );
    assert_eq!(first.head.seq, 4);

    // What is committed late, with an older id, gets a later place.
    let mut late = entry("late");
    late.id = Uuid::from_u128(entries[0].id.uuid().as_u128() - (1_u128 << 100)).into();
    db.store.audit_all(db.tenant, &[late]).await?;
    assert_eq!(seal(&db).await, 1);
    let second = verify(&db, Some(first.head)).await;
    assert_eq!((second.checked, second.head.seq, second.broken), (5, 5, None));
    // From where it was left, one is new.
    let rest = db.store.verify_audit(db.tenant, first.head, None).await?;
    assert_eq!((rest.checked, rest.head, rest.broken), (1, second.head, None));
    assert_eq!(db.store.audit_lag().waiting, 0);
    Ok(())
}

#[tokio::test]
async fn every_changed_column_is_named() -> anyhow::Result<()> {
    let db = sealed(8).await;
    for (place, change) in [
        (2, "at = at + interval '1 microsecond'"),
        (2, "action = 'document.list'"),
        (2, "subject = subject || ' '"),
        (2, "key_id = null"),
        (2, "key_id = gen_random_uuid()"),
        (2, "client_ip = '2001:db8::8'"),
        (2, "client_ip = set_masklen(client_ip, 64)"),
        (2, "request_id = null"),
        (2, "detail = detail || '{\"n\": 2}'"),
        (2, "detail = null"),
        (4, "client_ip = '127.0.0.1'"),
        (8, "hash = sha256(hash)"),
        (1, "id = gen_random_uuid()"),
    ] {
        tamper(
            &db,
            "create table docmill_kept as select * from docmill.audit_entry",
        )
        .await;
        tamper(
            &db,
            &format!("update docmill.audit_entry set {change} where seq = {place}"),
        )
        .await;
        assert_eq!(found(&db).await, (Fault::Changed, place), "{change}");
        tamper(
            &db,
            "delete from docmill.audit_entry; insert into docmill.audit_entry select * from docmill_kept; drop table docmill_kept",
        )
        .await;
        assert_eq!(verify(&db, None).await.broken, None, "{change}");
    }
    Ok(())
}

#[tokio::test]
async fn missing_doubled_and_moved_entries_are_named() -> anyhow::Result<()> {
    let db = sealed(9).await;
    let known = verify(&db, None).await.head;
    tamper(
        &db,
        "update docmill.audit_entry set seq = 11 - seq where seq in (5, 6)",
    )
    .await;
    assert_eq!(found(&db).await, (Fault::Reordered, 5));
    tamper(
        &db,
        "update docmill.audit_entry set seq = 11 - seq where seq in (5, 6)",
    )
    .await;
    // The hashes stay where they are, and the entries change places.
    tamper(
        &db,
        "update docmill.audit_entry a set seq = b.seq, hash = b.hash from docmill.audit_entry b
         where a.seq in (2, 7) and b.seq = 9 - a.seq",
    )
    .await;
    assert_eq!(found(&db).await, (Fault::Reordered, 2));
    tamper(
        &db,
        "update docmill.audit_entry a set seq = b.seq, hash = b.hash from docmill.audit_entry b
         where a.seq in (2, 7) and b.seq = 9 - a.seq",
    )
    .await;
    assert_eq!(verify(&db, Some(known)).await.broken, None);

    tamper(&db, "update docmill.audit_entry set seq = 3 where seq = 4").await;
    assert_eq!(found(&db).await, (Fault::Doubled, 3));
    tamper(&db, "update docmill.audit_entry set seq = 4 where seq = 3 and subject = '3' or seq = 3 and subject like '% 3'").await;
    assert_eq!(verify(&db, Some(known)).await.broken, None);

    tamper(&db, "delete from docmill.audit_entry where seq in (4, 5)").await;
    let broken = verify(&db, None).await.broken.unwrap();
    assert_eq!((broken.fault, broken.seq), (Fault::Missing, 4));
    assert!(
        broken.said.contains("2 entries are missing from 4 on"),
        "{}",
        broken.said
    );
    tamper(&db, "delete from docmill.audit_entry where seq < 9").await;
    assert_eq!(found(&db).await, (Fault::Missing, 1));
    tamper(&db, "delete from docmill.audit_entry").await;
    assert_eq!(found(&db).await, (Fault::CutOff, 1));
    Ok(())
}

#[tokio::test]
async fn a_tail_that_was_cut_off_is_missed_even_by_whoever_wrote_the_rest_anew() -> anyhow::Result<()> {
    let db = sealed(6).await;
    let known = verify(&db, None).await.head;
    tamper(&db, "delete from docmill.audit_entry where seq > 4").await;
    assert_eq!(found(&db).await, (Fault::CutOff, 5), "the head tells");
    // Whoever cuts the head, too, is found out by who kept one elsewhere.
    tamper(
        &db,
        "update docmill.audit_head h set seq = e.seq, hash = e.hash from docmill.audit_entry e where e.seq = 4",
    )
    .await;
    assert_eq!(
        verify(&db, None).await.broken,
        None,
        "nobody can tell from inside"
    );
    let broken = verify(&db, Some(known)).await.broken.unwrap();
    assert_eq!((broken.fault, broken.seq), (Fault::CutOff, 5));
    // It goes on, and is as long as it was.
    db.store.audit_all(db.tenant, &[entry("5"), entry("6")]).await?;
    assert_eq!(seal(&db).await, 2);
    let broken = verify(&db, Some(known)).await.broken.unwrap();
    assert_eq!((broken.fault, broken.seq), (Fault::Rewritten, 6));
    for (from, fault) in [
        (known, Fault::Rewritten),
        (Head { seq: 7, ..known }, Fault::CutOff),
        (
            Head {
                seq: i64::MAX,
                ..known
            },
            Fault::CutOff,
        ),
        (Head { seq: 0, ..known }, Fault::Rewritten),
    ] {
        let broken = db
            .store
            .verify_audit(db.tenant, from, None)
            .await?
            .broken
            .unwrap();
        assert_eq!(broken.fault, fault, "{from}");
    }

    tamper(&db, "update docmill.audit_head set hash = sha256(hash)").await;
    assert_eq!(found(&db).await, (Fault::HeadChanged, 6));
    tamper(&db, "delete from docmill.audit_head").await;
    assert_eq!(found(&db).await, (Fault::HeadChanged, 6));
    Ok(())
}

#[tokio::test]
async fn a_chain_of_several_batches_is_verified_and_its_seams_are_no_blind_spots() -> anyhow::Result<()> {
    let db = sealed(2_001).await;
    let whole = verify(&db, None).await;
    assert_eq!(
        (whole.checked, whole.head.seq, whole.complete),
        (2_001, 2_001, true)
    );
    for place in [1_000, 1_001, 2_000, 2_001] {
        tamper(
            &db,
            &format!("update docmill.audit_entry set action = action || '!' where seq = {place}"),
        )
        .await;
        assert_eq!(found(&db).await, (Fault::Changed, place));
        tamper(
            &db,
            &format!("update docmill.audit_entry set action = rtrim(action, '!') where seq = {place}"),
        )
        .await;
    }
    tamper(&db, "update docmill.audit_entry set seq = 1000 where seq = 1001").await;
    assert_eq!(found(&db).await, (Fault::Doubled, 1_000));
    Ok(())
}

#[tokio::test]
async fn hosts_that_seal_at_once_make_one_chain_for_each_tenant() -> anyhow::Result<()> {
    let db = database().await?;
    let other = TenantId::new();
    tamper(
        &db,
        &format!(
            "insert into docmill.tenant (tenant_id, name) values ('{}', 'other')",
            other.uuid()
        ),
    )
    .await;
    let mut work = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (store, tenant) = (db.store.clone(), if n % 4 == 0 { other } else { db.tenant });
        work.spawn(async move {
            for _ in 0..10 {
                let entries: Vec<NewEntry> = (0..5).map(|_| entry("x")).collect();
                store.audit_all(tenant, &entries).await.unwrap();
            }
            0
        });
    }
    for _ in 0..4 {
        let store = db.store.clone();
        work.spawn(async move {
            let mut sealed = 0;
            for _ in 0..40 {
                sealed += store.seal_audit().await.unwrap().entries.unwrap_or_default();
                tokio::task::yield_now().await;
            }
            sealed
        });
    }
    let during: u64 = work.join_all().await.into_iter().sum();
    let after = seal(&db).await;
    assert_eq!(during + after, 2_000, "each is sealed once");
    for (tenant, count) in [(db.tenant, 1_500), (other, 500)] {
        let verified = db.store.verify_audit(tenant, Head::START, None).await?;
        assert_eq!((verified.checked, verified.broken), (count, None));
    }
    // What one does moves nobody else's chain.
    let before = db.store.verify_audit(other, Head::START, None).await?.head;
    db.store.audit_all(db.tenant, &[entry("y")]).await?;
    seal(&db).await;
    tamper(
        &db,
        &format!(
            "delete from docmill.audit_entry where tenant_id = '{}' and seq = 1",
            db.tenant.uuid()
        ),
    )
    .await;
    let verified = db.store.verify_audit(other, Head::START, Some(before)).await?;
    assert_eq!((verified.head, verified.broken), (before, None));
    assert_eq!(found(&db).await, (Fault::Missing, 1));
    Ok(())
}

#[tokio::test]
async fn a_chain_leads_across_months() -> anyhow::Result<()> {
    let db = database().await?;
    let month = 31 * 24 * 60 * 60 * 1_000_u128;
    // Of this month, of the next, and of one that has no partition.
    for (n, ahead) in [(0, 0), (1, month), (2, 0), (3, month * 24), (4, month)] {
        let mut entry = entry(&n.to_string());
        entry.id = Uuid::from_u128(entry.id.uuid().as_u128() + (ahead << 80)).into();
        db.store.audit_all(db.tenant, &[entry]).await?;
        assert_eq!(seal(&db).await, 1);
    }
    let mut owner = PgConnection::connect(&db.url).await?;
    let parts: i64 = sqlx::query_scalar("select count(distinct tableoid) from docmill.audit_entry")
        .fetch_one(&mut owner)
        .await?;
    assert_eq!(parts, 3);
    let verified = verify(&db, None).await;
    assert_eq!((verified.checked, verified.broken), (5, None));
    tamper(
        &db,
        "update docmill.audit_entry set subject = 'another' where seq = 2",
    )
    .await;
    assert_eq!(found(&db).await, (Fault::Changed, 2));
    Ok(())
}

#[tokio::test]
async fn the_application_can_neither_change_nor_seal_by_itself() -> anyhow::Result<()> {
    let db = sealed(2).await;
    let mut app = PgConnection::connect(&db.url).await?;
    sqlx::query("set role docmill_app").execute(&mut app).await?;
    sqlx::query("select set_config('app.tenant_id', $1, false)")
        .bind(db.tenant.uuid().to_string())
        .execute(&mut app)
        .await?;
    let tenant = db.tenant.uuid();
    let insert = "insert into docmill.audit_entry (tenant_id, id, at, action, subject";
    for sql in [
        "update docmill.audit_entry set subject = 'x'".to_owned(),
        "update docmill.audit_entry set seq = null, hash = null".to_owned(),
        "delete from docmill.audit_entry".to_owned(),
        "truncate docmill.audit_entry".to_owned(),
        "delete from docmill.audit_entry_default".to_owned(),
        "update docmill.audit_head set seq = 1".to_owned(),
        "delete from docmill.audit_head".to_owned(),
        format!("insert into docmill.audit_head values ('{tenant}', 9, sha256(''), now())"),
        format!(
            "{insert}, seq, hash) values ('{tenant}', gen_random_uuid(), now(), 'x', 'x', 3, sha256(''))"
        ),
        format!("{insert}, seq) values ('{tenant}', gen_random_uuid(), now(), 'x', 'x', 3)"),
        "insert into docmill.audit_entry select * from docmill.audit_entry".to_owned(),
    ] {
        let refused = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut app).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("permission denied"), "{sql}: {refused}");
    }
    // What could not be sealed does not get in, whoever writes it.
    for values in [
        "'infinity', 'x', 'x', null",
        "now(), '', 'x', null",
        "now(), repeat('x', 201), 'x', null",
        "now(), 'x', repeat('x', 2001), null",
        "now(), 'x', 'x', to_jsonb(repeat('x', 70000))",
    ] {
        let sql = format!("{insert}, detail) select '{tenant}', gen_random_uuid(), {values}");
        let refused = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut app).await;
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("audit_entry_can_be_sealed"),
            "{values}: {refused}"
        );
    }
    let long = NewEntry {
        detail: Some(serde_json::json!("x".repeat(70_000))),
        ..entry("x")
    };
    let refused = db.store.audit_all(db.tenant, &[entry("y"), long]).await;
    assert!(matches!(refused, Err(StoreError::Internal(_))), "{refused:?}");
    assert_eq!(seal(&db).await, 0, "all or none");
    assert_eq!(verify(&db, None).await.checked, 2);
    Ok(())
}

#[tokio::test]
async fn what_waits_is_counted_and_has_an_age() -> anyhow::Result<()> {
    let db = database().await?;
    let mut owner = PgConnection::connect(&db.url).await?;
    let mut sealing = owner.begin().await?;
    sqlx::query("select pg_advisory_xact_lock(hashtext('docmill audit'))")
        .execute(&mut *sealing)
        .await?;
    db.store.audit_all(db.tenant, &[entry("x"), entry("y")]).await?;
    let sealed = db.store.seal_audit().await?;
    assert_eq!(
        (sealed.entries, sealed.more),
        (None, false),
        "somebody else is at it"
    );
    let lag = db.store.audit_lag();
    let age: i64 = sqlx::query_scalar("select docmill.millis(now()) - $1")
        .bind(AT)
        .fetch_one(&mut *sealing)
        .await?;
    assert_eq!(lag.waiting, 2);
    assert!(
        lag.oldest.as_millis() as i64 >= age.max(0) && lag.failures == 0,
        "{lag:?} {age}"
    );
    sealing.rollback().await?;
    assert_eq!(seal(&db).await, 2);
    assert_eq!(
        (
            db.store.audit_lag().waiting,
            db.store.audit_lag().oldest.as_millis()
        ),
        (0, 0)
    );
    Ok(())
}

#[tokio::test]
async fn entries_are_found_by_what_is_known_of_them() -> anyhow::Result<()> {
    let db = database().await?;
    let sample = sample::run("text");
    db.store.commit_run(db.tenant, &sample.commit()).await?;
    let key = KeyId::new();
    let made = NewEntry {
        action: "key.create",
        key: Some(key),
        at: AT + 1_000,
        ..entry("key_1")
    };
    db.store
        .audit_all(db.tenant, &[entry("doc_1"), bare("doc_2"), made.clone()])
        .await?;
    let list = async |filter: AuditFilter| db.store.list_audit(db.tenant, &filter).await.unwrap();
    assert_eq!(list(AuditFilter::default()).await.items, [], "not sealed yet");
    seal(&db).await;

    let all = list(AuditFilter::default()).await.items;
    assert_eq!(all.iter().map(|row| row.seq).collect::<Vec<_>>(), [4, 3, 2, 1]);
    assert_eq!(all.iter().map(|row| row.id).collect::<HashSet<_>>().len(), 4);
    let row = all.iter().find(|row| row.id == made.id).unwrap();
    assert_eq!((row.at, row.key, row.request), (made.at, made.key, made.request));
    assert_eq!(
        (row.action.as_str(), row.client_ip.as_deref()),
        ("key.create", Some("2001:db8::7"))
    );
    let finish = all.iter().find(|row| row.action == "run.finish").unwrap();
    assert_eq!(finish.run, Some(sample.head.id));
    let head = verify(&db, None).await.head;
    assert_eq!((all[0].seq, all[0].hash), (head.seq, head.hash));

    let subjects = async |filter| {
        let found = list(filter).await.items;
        found.iter().map(|row| row.subject.clone()).collect::<Vec<_>>()
    };
    let by = AuditFilter::default;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        subjects(AuditFilter {
            action: text("key.create"),
            ..by()
        })
        .await,
        ["key_1"]
    );
    assert_eq!(
        subjects(AuditFilter {
            subject: text("doc_2"),
            ..by()
        })
        .await,
        ["doc_2"]
    );
    assert_eq!(
        subjects(AuditFilter {
            subject: text(&sample.head.id.to_string()),
            ..by()
        })
        .await,
        ["invoice"]
    );
    assert_eq!(
        subjects(AuditFilter {
            key: Some(key),
            ..by()
        })
        .await,
        ["key_1"]
    );
    assert_eq!(
        subjects(AuditFilter {
            since: Some(AT + 1_000),
            ..by()
        })
        .await,
        ["key_1"]
    );
    assert!(
        !subjects(AuditFilter {
            until: Some(AT + 1_000),
            ..by()
        })
        .await
        .contains(&"key_1".to_owned())
    );
    for nothing in [
        AuditFilter {
            action: text("\0"),
            ..by()
        },
        AuditFilter {
            subject: text(&"x".repeat(100_000)),
            ..by()
        },
        AuditFilter {
            subject: text(&RunId::new().to_string()),
            ..by()
        },
        AuditFilter {
            key: Some(KeyId::new()),
            ..by()
        },
        AuditFilter {
            since: Some(i64::MAX / 1_000_000),
            ..by()
        },
        AuditFilter {
            cursor: Some(i64::MIN),
            ..by()
        },
    ] {
        assert_eq!(list(nothing.clone()).await.items, [], "{nothing:?}");
    }
    let first = list(AuditFilter { limit: 3, ..by() }).await;
    assert_eq!((first.items.len(), first.next), (3, Some(2)));
    let last = list(AuditFilter {
        limit: 3,
        cursor: first.next,
        ..by()
    })
    .await;
    assert_eq!((&last.items[..], last.next), (&all[3..], None));
    let foreign = db.store.list_audit(TenantId::new(), &by()).await?;
    assert_eq!(foreign.items, []);
    assert_ne!(all[0].hash, Digest::from_bytes([0; 32]));
    Ok(())
}

#[tokio::test]
async fn each_of_many_runs_that_end_at_once_is_found_in_the_log() -> anyhow::Result<()> {
    let db = database().await?;
    let samples: Vec<_> = (0..40).map(|n| sample::run(&format!("text {n}"))).collect();
    // The first opens the way, the others wait for it and are written together.
    let kept = samples.iter().map(|sample| {
        let (store, tenant, sample) = (db.store.clone(), db.tenant, sample.clone());
        tokio::spawn(async move { store.commit_run(tenant, &sample.commit()).await.unwrap() })
    });
    for kept in kept.collect::<Vec<_>>() {
        kept.await?;
    }
    let entries = seal(&db).await;
    assert!(entries < 40, "none had an entry together");
    assert_eq!(verify(&db, None).await.broken, None);
    for sample in &samples {
        let (id, request) = (sample.head.id.to_string(), sample.head.request.to_string());
        let filter = AuditFilter {
            subject: Some(id.clone()),
            ..AuditFilter::default()
        };
        let found = db.store.list_audit(db.tenant, &filter).await?.items;
        let [end] = &found[..] else {
            panic!("{id}: {found:?}")
        };
        assert_eq!((end.action.as_str(), end.key), ("run.finish", sample.head.key));
        match &end.detail {
            None => assert_eq!(
                (end.run, end.request),
                (Some(sample.head.id), Some(sample.head.request))
            ),
            Some(detail) => {
                assert_eq!((end.run, end.request), (None, None));
                assert_eq!(detail["runs"][&id], request);
            }
        }
    }
    let foreign = AuditFilter {
        subject: Some(samples[39].head.id.to_string()),
        ..AuditFilter::default()
    };
    assert_eq!(db.store.list_audit(TenantId::new(), &foreign).await?.items, []);
    Ok(())
}
