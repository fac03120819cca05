//! Tiers are kept apart as tenants are: documents and runs of every tier stand in every table, and somebody who can say
//! anything that SQL can say looks for those above their clearance.

use docmill_harness::{Database, database};
use docmill_model::access::Clearance;
use docmill_model::definition::Retain;
use docmill_model::id::TenantId;
use docmill_store::run::RunFilter;
use docmill_store::{Sight, StoreError};
use futures_util::TryStreamExt as _;
use serde_json::Value as Json;
use sqlx::{Connection as _, PgConnection};

use super::world::{act_for, at_time, cleared_for, refusal, run, texts};
use crate::sample::{self, Sample};

/// What tells of runs without telling what they are about; see catalogue.rs.
const NO_TIER: [&str; 2] = ["audit_entry", "usage_entry"];

/// A document and its run of each tier, in this month's partitions and in the default ones.
struct Tiers {
    db: Database,
    samples: Vec<Sample>,
}

impl Tiers {
    async fn new() -> anyhow::Result<Self> {
        let db = database().await?;
        let mut samples = Vec::new();
        for tier in Clearance::ALL {
            let day_in_1997 = 870_000_000_000;
            for at in [None, Some(day_in_1997)] {
                let mut sample = of_tier(*tier, &format!("capybara tier{tier} {at:?}"));
                if let Some(at) = at {
                    sample.head.id = at_time(sample.head.id, at);
                }
                db.store.commit_run(db.tenant, &sample.commit()).await?;
                samples.push(sample);
            }
        }
        Ok(Self { db, samples })
    }

    async fn host(&self) -> anyhow::Result<PgConnection> {
        let mut host = PgConnection::connect(&self.db.url).await?;
        run(&mut host, "set role docmill_app").await?;
        act_for(&mut host, Some(self.db.tenant)).await;
        Ok(host)
    }

    /// The tiers of which something is told, from S down.
    fn told(&self, text: &str) -> Vec<Clearance> {
        let of = |tier: &Clearance| {
            let of_tier = self.samples.iter().filter(|sample| sample.head.tier == *tier);
            of_tier.flat_map(ids).any(|id| text.contains(&id))
        };
        Clearance::ALL.iter().copied().filter(of).collect()
    }

    /// Every table and view that tells of documents or runs.
    async fn relations(&self) -> anyhow::Result<Vec<String>> {
        let mut owner = PgConnection::connect(&self.db.url).await?;
        let all = "select relname::text from pg_class where relnamespace = 'docmill'::regnamespace
            and relkind not in ('i', 'I', 'S', 't', 'c') and not relispartition order by relname";
        let mut about = Vec::new();
        for relation in texts(&mut owner, all).await? {
            let rows = texts(
                &mut owner,
                &format!("select t::text from docmill.\"{relation}\" t"),
            )
            .await?;
            if !self.told(&rows.join(" ")).is_empty() && !NO_TIER.contains(&relation.as_str()) {
                about.push(relation);
            }
        }
        assert!(about.len() >= 14, "{about:?}");
        Ok(about)
    }
}

fn of_tier(tier: Clearance, text: &str) -> Sample {
    let mut sample = sample::run(text).found_by("animal", &format!("capybara {tier}"));
    sample.head.retain = Retain::Debug;
    sample.head.tier = tier;
    sample
}

/// Of everything that belongs to it, or of what that belongs to.
fn ids(sample: &Sample) -> Vec<String> {
    let document = &sample.documents[0];
    let reading = sample.outcome.readings[0].id;
    let ids = [
        sample.head.id.uuid(),
        document.document.uuid(),
        document.source.uuid(),
        reading.uuid(),
    ];
    ids.map(|id| id.to_string()).into()
}

/// The tiers that somebody sees.
fn below(clearance: Clearance) -> Vec<Clearance> {
    let all = Clearance::ALL.iter().copied();
    all.filter(|tier| clearance.sees(*tier)).collect()
}

const WAYS: &[&str] = &[
    "select t::text from docmill.{t} t",
    "select t::text from docmill.{t} t where tenant_id is not null or true",
    "select row_to_json(t)::text from docmill.{t} t",
    "with all_rows as materialized (select * from docmill.{t}) select a::text from all_rows a",
    "select l::text from (values (1)) v, lateral (select * from docmill.{t}) l",
    "select t::text from docmill.{t} t union select t::text from docmill.{t} t",
    "select table_to_xml('docmill.{t}', true, true, '')::text",
    "select t::text from docmill.{t} t tablesample bernoulli (100)",
];

#[tokio::test]
async fn everybody_sees_what_they_are_cleared_for_and_nothing_above_in_every_way() -> anyhow::Result<()> {
    let tiers = Tiers::new().await?;
    let mut host = tiers.host().await?;
    for relation in tiers.relations().await? {
        for clearance in Clearance::ALL {
            cleared_for(&mut host, *clearance).await;
            let mut ways: Vec<String> = WAYS
                .iter()
                .map(|way| way.replace("{t}", &format!("\"{relation}\"")))
                .collect();
            ways.push(format!(
                "explain (analyze, verbose, format json) select t from docmill.\"{relation}\" t"
            ));
            for way in &ways[..WAYS.len()] {
                let rows = texts(&mut host, way).await?.join(" ");
                assert_eq!(tiers.told(&rows), below(*clearance), "{way} for {clearance}");
            }
            let copy = format!("copy (select * from docmill.\"{relation}\") to stdout");
            let copied: Vec<_> = host.copy_out_raw(&copy).await?.try_collect().await?;
            let copied = String::from_utf8_lossy(&copied.concat()).into_owned();
            assert_eq!(tiers.told(&copied), below(*clearance), "{copy} for {clearance}");
            let plan: Json = sqlx::query_scalar(sqlx::AssertSqlSafe(ways[WAYS.len()].as_str()))
                .fetch_one(&mut host)
                .await?;
            let count = format!("select count(*)::text from docmill.\"{relation}\"");
            let count: f64 = texts(&mut host, &count).await?.concat().parse()?;
            assert_eq!(plan[0]["Plan"]["Actual Rows"].as_f64(), Some(count), "{plan}");
            assert!(tiers.told(&plan.to_string()).is_empty(), "{plan}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_clearance_that_nobody_named_is_the_lowest_and_one_that_is_none_sees_nothing() -> anyhow::Result<()>
{
    let tiers = Tiers::new().await?;
    let mut host = tiers.host().await?;
    let relations = tiers.relations().await?;
    let told = async |host: &mut PgConnection, relation: &str| {
        let rows = texts(host, &format!("select t::text from docmill.\"{relation}\" t")).await;
        rows.map(|rows| tiers.told(&rows.join(" ")))
    };
    let begin = format!(
        "begin; select set_config('app.tenant_id', '{}', true), set_config('app.clearance', 'S', true)",
        tiers.db.tenant.uuid()
    );
    for relation in &relations {
        assert_eq!(
            told(&mut host, relation).await?,
            [Clearance::D],
            "{relation}, unset"
        );
    }
    // What a transaction was cleared for ends with it, however it ends.
    for end in ["commit", "rollback", "select 1 / 0; commit"] {
        run(&mut host, &begin).await?;
        assert_eq!(told(&mut host, "run").await?.len(), 5);
        let failed = run(&mut host, end).await.is_err();
        assert_eq!(failed, end.contains('/'));
        if failed {
            run(&mut host, "rollback").await?;
        }
        for relation in &relations {
            assert_eq!(
                told(&mut host, relation).await?,
                [Clearance::D],
                "{relation}, {end}"
            );
        }
    }
    // A plan that was made for S does not serve others.
    for mode in ["force_generic_plan", "force_custom_plan"] {
        run(
            &mut host,
            &format!("set plan_cache_mode = {mode}; set app.clearance = 'S'"),
        )
        .await?;
        for relation in &relations {
            let prepare = format!("prepare p_{relation} as select t::text from docmill.\"{relation}\" t");
            run(&mut host, &prepare).await?;
            let rows = texts(&mut host, &format!("execute p_{relation}")).await?;
            assert_eq!(tiers.told(&rows.join(" ")).len(), 5, "{relation}");
        }
        cleared_for(&mut host, Clearance::C).await;
        for relation in &relations {
            let rows = texts(&mut host, &format!("execute p_{relation}")).await?;
            assert_eq!(
                tiers.told(&rows.join(" ")),
                [Clearance::C, Clearance::D],
                "{relation} {mode}"
            );
        }
        run(&mut host, "deallocate all; reset app.clearance").await?;
    }
    for nonsense in ["s", "SS", "0", "E", "S,A", " "] {
        run(&mut host, &format!("set app.clearance = '{nonsense}'")).await?;
        for relation in &relations {
            let (code, _) = refusal(told(&mut host, relation).await);
            assert_eq!(code, "22P02", "{relation} {nonsense}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn functions_that_search_as_the_owner_obey() -> anyhow::Result<()> {
    let tiers = Tiers::new().await?;
    let mut host = tiers.host().await?;
    for clearance in Clearance::ALL {
        cleared_for(&mut host, *clearance).await;
        for call in [
            "select r::text from docmill.runs_with('animal', '{capybara}') r",
            "select p::text from docmill.pages_with('capybara'::tsquery) p",
            "select p::text from docmill.pages_with('!nothing | capy:*'::tsquery) p",
        ] {
            let rows = texts(&mut host, call).await?.join(" ");
            assert_eq!(tiers.told(&rows), below(*clearance), "{call} for {clearance}");
        }
        for sample in &tiers.samples {
            let bytes = format!(
                "select docmill.source_bytes('{}')::text",
                sample.documents[0].source.uuid()
            );
            let seen = !texts(&mut host, &bytes).await?.is_empty();
            assert_eq!(seen, clearance.sees(sample.head.tier), "{clearance}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_may_not_be_seen_cannot_be_changed_nor_put_out_of_ones_own_sight() -> anyhow::Result<()> {
    let tiers = Tiers::new().await?;
    let mut host = tiers.host().await?;
    cleared_for(&mut host, Clearance::B).await;
    for table in ["document", "run"] {
        let changed = texts(
            &mut host,
            &format!("with c as (update docmill.{table} set tier = 'D' returning id::text) select id from c"),
        )
        .await?;
        assert_eq!(tiers.told(&changed.join(" ")), below(Clearance::B), "{table}");
        let raised = run(&mut host, &format!("update docmill.{table} set tier = 'A'")).await;
        assert_eq!(refusal(raised).0, "42501", "{table}");
        cleared_for(&mut host, Clearance::S).await;
        let high = format!("select id::text from docmill.{table} where tier > 'B'");
        assert_eq!(
            tiers.told(&texts(&mut host, &high).await?.join(" ")),
            [Clearance::S, Clearance::A]
        );
        cleared_for(&mut host, Clearance::B).await;
    }
    Ok(())
}

/// Every reading method of the store, for every clearance.
#[tokio::test]
async fn the_store_shows_each_caller_what_they_are_cleared_for() -> anyhow::Result<()> {
    let tiers = Tiers::new().await?;
    let (store, tenant) = (&tiers.db.store, tiers.db.tenant);
    for clearance in Clearance::ALL.iter().copied() {
        let sight = Sight::of(tenant, clearance);
        for sample in &tiers.samples {
            let sees = clearance.sees(sample.head.tier);
            let (run, document) = (sample.head.id, &sample.documents[0]);
            let artifact = sample.outcome.artifacts[0].id;
            let found = store.get_run(sight, run).await?;
            assert_eq!(found.is_some(), sees);
            if let Some(found) = found {
                let outcome = found.outcome.unwrap();
                assert_eq!((found.head.tier, outcome.fields.len()), (sample.head.tier, 3));
                assert_eq!(
                    (outcome.checks.len(), outcome.steps.len(), found.readings.len()),
                    (1, 2, 1)
                );
            }
            assert_eq!(store.get_artifact(sight, run, artifact).await?.is_some(), sees);
            let source = store.newest_source(sight, document.document).await?;
            assert_eq!(
                source.and_then(|s| s.inline),
                document.inline.clone().filter(|_| sees)
            );
            let shown = store.get_document(sight, document.document).await?;
            assert_eq!(shown.is_some(), sees);
            if let Some(shown) = shown {
                assert_eq!(
                    (
                        shown.readings.len(),
                        shown.readings[0].pages.len(),
                        shown.runs.len()
                    ),
                    (1, 1, 1)
                );
            }
            assert_eq!(store.find_source(sight, document.digest).await?.is_some(), sees);
        }
        let expected = 2 * below(clearance).len();
        let by = |filter: RunFilter| async move {
            store.list_runs(sight, &filter).await.map(|page| page.items.len())
        };
        assert_eq!(by(RunFilter::default()).await?, expected);
        let lookups = vec![("animal".to_owned(), "capybara".to_owned())];
        let found = by(RunFilter {
            lookups,
            ..RunFilter::default()
        })
        .await?;
        assert_eq!(found, expected);
        let above = vec![("animal".to_owned(), "S".to_owned())];
        let found = by(RunFilter {
            lookups: above,
            ..RunFilter::default()
        })
        .await?;
        assert_eq!(found, if clearance == Clearance::S { 2 } else { 0 });
        for words in [None, Some("capybara")] {
            let listed = store.list_documents(sight, None, 0, words).await?;
            assert_eq!((listed.items.len(), listed.next), (expected, None), "{words:?}");
        }
        let listed = store.list_documents(sight, None, 0, Some("tiers")).await?;
        assert_eq!(listed.items.is_empty(), clearance != Clearance::S);
    }
    Ok(())
}

/// The same bytes in two tiers are two documents that know nothing of each other.
#[tokio::test]
async fn copies_are_made_within_a_tier() -> anyhow::Result<()> {
    let db = database().await?;
    let (store, tenant) = (&db.store, db.tenant);
    let (low, high) = (Sight::of(tenant, Clearance::D), Sight::whole(tenant));
    let same = |tier| of_tier(tier, "the same words");
    let secret = same(Clearance::A);
    let committed = store.commit_run(tenant, &secret.commit()).await?;
    assert_eq!(committed.duplicate_of(secret.documents[0].document), None);
    let open = same(Clearance::D);
    let committed = store.commit_run(tenant, &open.commit()).await?;
    let reading = open.outcome.readings[0].id;
    assert_eq!(committed.duplicate_of(open.documents[0].document), None);
    assert_eq!(committed.kept_reading(reading), reading);
    let again = same(Clearance::A);
    let committed = store.commit_run(tenant, &again.commit()).await?;
    assert_eq!(
        committed.duplicate_of(again.documents[0].document),
        Some(secret.documents[0].document)
    );
    // Both in one statement.
    let pair = [same(Clearance::B), same(Clearance::C)];
    let commits = [pair[0].commit(), pair[1].commit()];
    let committed = tokio::join!(
        store.commit_run(tenant, &commits[0]),
        store.commit_run(tenant, &commits[1])
    );
    for (sample, committed) in pair.iter().zip([committed.0?, committed.1?]) {
        assert_eq!(committed.duplicate_of(sample.documents[0].document), None);
    }
    assert_eq!(
        store
            .list_documents(low, None, 0, Some("words"))
            .await?
            .items
            .len(),
        1
    );
    assert_eq!(
        store
            .list_documents(high, None, 0, Some("words"))
            .await?
            .items
            .len(),
        5
    );
    Ok(())
}

/// A copy goes on having its bytes, pages and citations when the first of them is raised above its readers.
#[tokio::test]
async fn a_copy_stands_alone_when_the_first_is_raised() -> anyhow::Result<()> {
    let db = database().await?;
    let (store, tenant) = (&db.store, db.tenant);
    let low = Sight::of(tenant, Clearance::D);
    let (first, copy) = (of_tier(Clearance::D, "twice"), of_tier(Clearance::D, "twice"));
    for sample in [&first, &copy] {
        store.commit_run(tenant, &sample.commit()).await?;
    }
    let document = copy.documents[0].document;
    let before = store.get_document(low, document).await?.unwrap();
    assert_eq!(before.sources[0].duplicate_of, Some(first.documents[0].document));

    let had = store
        .set_tier(Sight::whole(tenant), first.documents[0].document, Clearance::A)
        .await?;
    assert_eq!(had, Clearance::D);
    assert!(
        store
            .get_document(low, first.documents[0].document)
            .await?
            .is_none()
    );
    assert!(
        store.get_run(low, first.head.id).await?.is_none(),
        "its run quotes it"
    );
    let after = store.get_document(low, document).await?.unwrap();
    assert_eq!(after.sources[0].duplicate_of, None, "nobody is told of the first");
    assert_eq!(
        (after.readings.len(), &after.readings[0].pages[0].text),
        (1, &"twice".to_owned())
    );
    let bytes = store.newest_source(low, document).await?.unwrap().inline;
    assert_eq!(bytes.as_deref(), Some(b"twice".as_slice()));
    let run = store.get_run(low, copy.head.id).await?.unwrap();
    assert_eq!((run.duplicates.len(), run.readings.len()), (0, 1));
    assert_eq!(run.readings[0].document, document);
    let found = store.list_documents(low, None, 0, Some("twice")).await?;
    assert_eq!(found.items.iter().map(|d| d.id).collect::<Vec<_>>(), [document]);
    // The next copy is one of the copy that is left.
    let third = of_tier(Clearance::D, "twice");
    let committed = store.commit_run(tenant, &third.commit()).await?;
    assert_eq!(committed.duplicate_of(third.documents[0].document), None);
    Ok(())
}

#[tokio::test]
async fn a_document_takes_its_runs_up_and_none_down_and_nobody_beyond_their_sight() -> anyhow::Result<()> {
    let db = database().await?;
    let (store, tenant) = (&db.store, db.tenant);
    let sight = |clearance| Sight::of(tenant, clearance);
    let sample = of_tier(Clearance::D, "a document");
    store.commit_run(tenant, &sample.commit()).await?;
    let document = sample.documents[0].document;
    // A second run over it, which demands more for another reason.
    let mut second = of_tier(Clearance::A, "another run");
    second.documents.clear();
    second.outcome.readings.clear();
    second.head.inputs.clone_from(&sample.head.inputs);
    store.commit_run(tenant, &second.commit()).await?;

    let tier_of = async |run| {
        store
            .get_run(Sight::whole(tenant), run)
            .await
            .map(|run| run.unwrap().head.tier)
    };
    store
        .set_tier(sight(Clearance::B), document, Clearance::B)
        .await?;
    assert_eq!(tier_of(sample.head.id).await?, Clearance::B);
    assert_eq!(tier_of(second.head.id).await?, Clearance::A);
    store
        .set_tier(sight(Clearance::B), document, Clearance::C)
        .await?;
    assert_eq!(tier_of(sample.head.id).await?, Clearance::B);

    let hidden = store.set_tier(sight(Clearance::D), document, Clearance::D).await;
    let nothing = store
        .set_tier(
            sight(Clearance::S),
            docmill_model::id::DocumentId::new(),
            Clearance::D,
        )
        .await;
    let foreign = store
        .set_tier(Sight::whole(TenantId::new()), document, Clearance::D)
        .await;
    for refused in [hidden, nothing, foreign] {
        assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
    }
    let beyond = store.set_tier(sight(Clearance::C), document, Clearance::B).await;
    assert!(matches!(beyond, Err(StoreError::Invalid { .. })), "{beyond:?}");
    assert_eq!(
        store
            .get_document(sight(Clearance::C), document)
            .await?
            .unwrap()
            .tier,
        Clearance::C
    );
    Ok(())
}

/// Whoever raises a document while a run over it is at work raises the run, whichever of them is written first.
#[tokio::test]
async fn a_run_over_a_document_that_was_raised_meanwhile_is_raised() -> anyhow::Result<()> {
    let db = database().await?;
    let (store, tenant) = (&db.store, db.tenant);
    let sample = of_tier(Clearance::D, "a document");
    store.commit_run(tenant, &sample.commit()).await?;
    let document = sample.documents[0].document;
    let over = || {
        let mut run = of_tier(Clearance::D, "a run over it");
        run.documents.clear();
        run.outcome.readings.clear();
        run.head.inputs.clone_from(&sample.head.inputs);
        run
    };
    let tier_of = async |run| {
        store
            .get_run(Sight::whole(tenant), run)
            .await
            .map(|run| run.unwrap().head.tier)
    };

    let late = over();
    store
        .set_tier(Sight::whole(tenant), document, Clearance::C)
        .await?;
    store.commit_run(tenant, &late.commit()).await?;
    assert_eq!(tier_of(late.head.id).await?, Clearance::C);

    // At the same moment: the document is locked while the run is written, and the run is waited for.
    let mut owner = PgConnection::connect(&db.url).await?;
    run(
        &mut owner,
        "begin; lock table docmill.step in access exclusive mode",
    )
    .await?;
    let racing = over();
    let writing = tokio::spawn({
        let (store, racing) = (store.clone(), racing.clone());
        async move { store.commit_run(tenant, &racing.commit()).await }
    });
    let waiting = "select count(*)::text from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    let wait_for = async |owner: &mut PgConnection, number: &str| {
        while texts(owner, waiting).await.unwrap() != [number] {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    wait_for(&mut owner, "1").await;
    let raising = tokio::spawn({
        let store = store.clone();
        async move { store.set_tier(Sight::whole(tenant), document, Clearance::A).await }
    });
    wait_for(&mut owner, "2").await;
    run(&mut owner, "commit").await?;
    writing.await??;
    raising.await??;
    assert_eq!(tier_of(racing.head.id).await?, Clearance::A);
    Ok(())
}
