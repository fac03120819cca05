//! Hot questions are answered through the index that was made for them, once there are rows enough for it to matter.

use docmill_harness::database;
use docmill_model::access::Clearance;
use docmill_model::failure::Code;
use docmill_model::id::{AuditId, KeyId, PipelineId, UserId};
use docmill_model::run::Status;
use docmill_model::value::Verdict;
use docmill_store::Sight;
use docmill_store::audit::{AuditFilter, NewEntry};
use docmill_store::run::RunFilter;
use docmill_store::{Settings, Store};
use sqlx::{Connection as _, PgConnection};

use crate::sample;

/// How often indexes of this kind were used so far, over all partitions.
async fn scans(url: &str, columns: &str) -> i64 {
    let mut owner = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(
        "select coalesce(sum(idx_scan), 0)::bigint from pg_stat_user_indexes s
         join pg_indexes i on i.schemaname = s.schemaname and i.indexname = s.indexrelname
         where s.schemaname = 'docmill' and i.indexdef like '%' || $1 || '%'",
    )
    .bind(columns)
    .fetch_one(&mut owner)
    .await
    .unwrap()
}

/// Whether they were used since. A backend tells what it did when it goes on to something else, at most once a second.
async fn used_since(store: &Store, url: &str, columns: &str, before: i64) -> bool {
    for _ in 0..40 {
        if scans(url, columns).await > before {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        store.ping().await.unwrap();
    }
    false
}

#[tokio::test]
async fn runs_and_documents_are_found_through_indexes() -> anyhow::Result<()> {
    let db = database().await?;
    let definition = |name: &str| {
        let text = format!("name: {name}\nsteps: [{{ id: a, use: docmill/text@1 }}]\n");
        docmill_model::definition::Definition::parse(&text).unwrap()
    };
    let common = db
        .store
        .save_pipeline(db.tenant, &definition("common"), "", None)
        .await?
        .pipeline;
    let rare = db
        .store
        .save_pipeline(db.tenant, &definition("rare"), "", None)
        .await?
        .pipeline;
    let (usual, key, user) = (KeyId::new(), KeyId::new(), UserId::new());
    let mut commits = Vec::new();
    for n in 0..4_000_u32 {
        let of = |pipeline: PipelineId, name: &str| {
            let text = format!("документ номер {n} слово{}", n % 1_000);
            sample::run(&text)
                .of_pipeline(pipeline, name)
                .found_by("fio", &format!("Человек Номер{n}"))
        };
        let mut sample = if n == 7 {
            of(rare, "rare")
        } else {
            of(common, "common")
        };
        if n == 8 {
            sample = sample.failed(Code::StackOverflow);
        }
        // Most are of one key, and of nobody in particular.
        sample.head.key = Some(if n == 10 { key } else { usual });
        sample.head.user = (n == 11).then_some(user);
        sample.head.subject = (n == 12).then(|| "anna".to_owned());
        if n == 9 {
            sample.outcome.verdict = Some(Verdict::Undecided);
        }
        let store = db.store.clone();
        commits.push(tokio::spawn(async move {
            store.commit_run(db.tenant, &sample.commit()).await.unwrap();
            sample.documents[0].document
        }));
    }
    let mut document = None;
    for commit in commits {
        document = Some(commit.await?);
    }
    let mut owner = PgConnection::connect(&db.url).await?;
    sqlx::raw_sql("vacuum analyze").execute(&mut owner).await?;

    // One connection: the one that is asked on.
    let store = Store::connect(&Settings {
        pool: 1,
        ..Settings::new(&db.url)
    })?;
    let lookup = vec![("fio".to_owned(), "номер123 человек".to_owned())];
    let questions = [
        (
            "(tokens)",
            RunFilter {
                lookups: lookup,
                ..RunFilter::default()
            },
        ),
        (
            "(tenant_id, pipeline_id, id)",
            RunFilter {
                pipeline: Some("rare".into()),
                ..RunFilter::default()
            },
        ),
        (
            "(tenant_id, status, id)",
            RunFilter {
                status: Some(Status::Failed),
                ..RunFilter::default()
            },
        ),
        (
            "(tenant_id, verdict, id)",
            RunFilter {
                verdict: Some(Verdict::Undecided),
                ..RunFilter::default()
            },
        ),
        (
            "(tenant_id, error_code, id)",
            RunFilter {
                error: Some(Code::StackOverflow),
                ..RunFilter::default()
            },
        ),
        (
            "(tenant_id, document_id, run_id)",
            RunFilter {
                document,
                ..RunFilter::default()
            },
        ),
        (
            "(tenant_id, user_id, id)",
            RunFilter {
                user: Some(user),
                ..RunFilter::default()
            },
        ),
        (
            "(tenant_id, subject, id)",
            RunFilter {
                subject: Some("anna".into()),
                ..RunFilter::default()
            },
        ),
    ];
    // Whoever asks: who sees everything, and who sees what everybody sees, whom a policy asks about each row.
    for sight in [Sight::whole(db.tenant), Sight::of(db.tenant, Clearance::D)] {
        let before = scans(&db.url, "gin (words)").await;
        let found = store.list_documents(sight, None, 0, Some("слово123")).await?;
        assert_eq!(found.items.len(), 4);
        assert!(
            used_since(&store, &db.url, "gin (words)", before).await,
            "the words were not used, {sight:?}"
        );
        // Without an index of its own: 0017 says why.
        let of_key = RunFilter {
            key: Some(key),
            ..RunFilter::default()
        };
        assert_eq!(store.list_runs(sight, &of_key).await?.items.len(), 1);
        for (index, filter) in &questions {
            let before = scans(&db.url, index).await;
            assert_eq!(store.list_runs(sight, filter).await?.items.len(), 1, "{index}");
            assert!(
                used_since(&store, &db.url, index, before).await,
                "{index} was not used, {sight:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_audit_log_is_searched_through_indexes() -> anyhow::Result<()> {
    let db = database().await?;
    let rare = KeyId::new();
    let entry = |n: i64| NewEntry {
        id: AuditId::new(),
        at: 1_795_000_000_000 + n * 1_000,
        action: if n == 7 { "key.create" } else { "document.read" },
        subject: format!("subject {n}"),
        key: Some(if n == 8 { rare } else { KeyId::new() }),
        client_ip: None,
        request: None,
        detail: None,
    };
    for first in (0..10_000).step_by(500) {
        let entries: Vec<NewEntry> = (first..first + 500).map(entry).collect();
        db.store.audit_all(db.tenant, &entries).await?;
    }
    while db.store.seal_audit().await?.more {}
    let mut owner = PgConnection::connect(&db.url).await?;
    sqlx::raw_sql("vacuum analyze").execute(&mut owner).await?;
    let store = Store::connect(&Settings {
        pool: 1,
        ..Settings::new(&db.url)
    })?;
    let by = AuditFilter::default;
    let filters = [
        (
            "(tenant_id, action, seq)",
            AuditFilter {
                action: Some("key.create".into()),
                ..by()
            },
        ),
        (
            "(tenant_id, subject, seq)",
            AuditFilter {
                subject: Some("subject 9".into()),
                ..by()
            },
        ),
        (
            "(tenant_id, key_id, seq)",
            AuditFilter {
                key: Some(rare),
                ..by()
            },
        ),
        (
            "(tenant_id, at)",
            AuditFilter {
                since: Some(1_795_000_010_000),
                until: Some(1_795_000_011_000),
                ..by()
            },
        ),
    ];
    for (index, filter) in filters {
        let before = scans(&db.url, index).await;
        assert_eq!(
            store.list_audit(db.tenant, &filter).await?.items.len(),
            1,
            "{index}"
        );
        assert!(
            used_since(&store, &db.url, index, before).await,
            "{index} was not used"
        );
    }
    let before = scans(&db.url, "(tenant_id, seq)").await;
    assert_eq!(store.list_audit(db.tenant, &by()).await?.items.len(), 50);
    assert!(used_since(&store, &db.url, "(tenant_id, seq)", before).await);
    Ok(())
}
