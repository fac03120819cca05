//! Functions that a host may call, and which of them act as the owner, for whom the policies are open.

use docmill_model::digest::Digest;
use docmill_store::Sight;

use super::world::{World, act_for, names, run, texts};

/// Every function that acts as the owner, with why it may reach beyond a tenant. A new one gets its line here and a call in
/// [`no_function_gives_another_tenants_rows`].
const DEFINERS: &[(&str, &str)] = &[
    (
        "add_partitions(integer)",
        "moves rows of all tenants between partitions of one table; gives the number of partitions made",
    ),
    (
        "authenticate(bytea)",
        "asked before a tenant is known; gives one key's tenant to whoever has the whole key",
    ),
    (
        "beat(uuid,text,text,bigint,boolean,json)",
        "a worker serves all tenants; gives ids of runs that it leased itself",
    ),
    (
        "bootstrap(uuid,text,uuid,text,text,bytea)",
        "makes the first tenant; with any tenant there it does nothing and says so, whatever it is given",
    ),
    (
        "cancel_run(uuid,uuid,uuid,uuid,uuid,json)",
        "deletes a job, which nobody may from the table, because who may delete may lock; names tenant and clearance itself",
    ),
    (
        "claim_jobs(uuid,integer)",
        "a worker serves all tenants: whose turn it is can be told only over all of them; gives runs to a worker that is there",
    ),
    (
        "count_requests(uuid[],date[],bigint[])",
        "once a second for all tenants that a host serves; gives limits, time zones and counts by place, without names or ids",
    ),
    (
        "create_tenant(uuid,text,uuid,text,text,bytea,uuid)",
        "makes a tenant with its first key, for the command line on the machine itself; with a name that is there it does nothing",
    ),
    (
        "end_jobs(uuid,uuid,uuid[],bigint[])",
        "deletes jobs that a worker leased itself, likewise; names tenant, worker and fences itself, gives true or raises",
    ),
    (
        "fail_jobs(uuid,uuid[],bigint[],json)",
        "a worker ends runs of all tenants that it leased itself, with a failure; gives their number",
    ),
    (
        "forget_values(text,bytea[])",
        "deletes what a plugin keeps, which nobody may from the table, because who may delete may lock; names the tenant itself",
    ),
    (
        "job_heads(uuid,uuid[],bigint)",
        "a worker reads what it leased itself, of all tenants",
    ),
    (
        "keep_checkpoint(uuid,uuid,uuid,bigint,integer,bytea)",
        "locks a job, which who may not change it cannot; names tenant, worker and fence itself, gives whether it is so",
    ),
    (
        "mark_lost_runs(timestamp with time zone,json)",
        "fails the runs of hosts that are gone, of all tenants; gives their number",
    ),
    (
        "pages_with(tsquery)",
        "searches by an index that a policy would keep from being used; names the tenant itself",
    ),
    (
        "principal(bytea)",
        "asked before a tenant is known; gives one key's or session's tenant to whoever has the whole secret",
    ),
    (
        "queue_depth()",
        "how full the queue is, over all tenants, for who adds workers; gives counts",
    ),
    (
        "reap_workers(uuid,integer,json)",
        "gives up silent workers, whatever tenants' runs they had; gives numbers",
    ),
    (
        "return_jobs(uuid,uuid[],bigint[],bigint[],boolean[],text[])",
        "a worker hands back what it leased itself, of all tenants; gives their number",
    ),
    (
        "runs_with(text,text[])",
        "searches by an index that a policy would keep from being used; names the tenant itself",
    ),
    (
        "seal_audit(integer)",
        "gives entries of all tenants their place in their tenant's chain; gives counts and times",
    ),
    (
        "source_bytes(uuid)",
        "bytes of a document are with the first that had the same, which may be of a higher tier; names tenant and clearance itself",
    ),
    (
        "sweep_queue()",
        "forgets keys and workers of all tenants that are over; gives their number",
    ),
    (
        "tenants()",
        "ids and names of all tenants, for the command line on the machine itself, which acts without a key",
    ),
    (
        "tenants_without(bytea[])",
        "ids of tenants that lack a component, so that a release reaches them all; whoever has the digest may ask",
    ),
    (
        "workers()",
        "who works on the machine's queue, for the command line on the machine itself; gives ids of runs, no values",
    ),
];

/// What hosts may call beside those: nothing in them is more than what the caller may do.
const INVOKERS: &[&str] = &[
    "accept_runs",
    "commit_runs",
    "commit_runs_with_outputs",
    "current_clearance",
    "current_tenant",
    "keep_usage",
    "millis",
    "owners",
    "sees_bytes",
    "sees_document",
    "time_at",
    "words_of",
    "write_runs",
    "write_runs_with_chunks",
    "write_runs_with_llm",
];

#[tokio::test]
async fn functions_that_a_host_may_call_are_known() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut owner = world.owner().await;
    run(&mut owner, "set search_path = docmill").await?;
    let callable = |definer: bool| {
        format!(
            "select {} from pg_proc p where pronamespace = 'docmill'::regnamespace and prosecdef = {definer}
             and has_function_privilege('docmill_app', p.oid, 'execute') order by 1",
            if definer {
                "p.oid::regprocedure::text"
            } else {
                "proname::text"
            }
        )
    };
    let known: Vec<&str> = DEFINERS.iter().map(|(signature, _)| *signature).collect();
    assert_eq!(
        names(&mut owner, &callable(true)).await,
        known,
        "a function that acts as the owner needs a reason in isolation/functions.rs"
    );
    assert_eq!(names(&mut owner, &callable(false)).await, INVOKERS);
    // Nobody else made one that acts as somebody with more power.
    let elsewhere = "select p.oid::regprocedure::text from pg_proc p where prosecdef and pronamespace <> 'docmill'::regnamespace";
    assert_eq!(texts(&mut owner, elsewhere).await?, [] as [String; 0]);
    // Nor one that PostgreSQL may ask about rows before the policy has.
    let leakproof =
        "select proname::text from pg_proc where pronamespace = 'docmill'::regnamespace and proleakproof";
    assert_eq!(texts(&mut owner, leakproof).await?, [] as [String; 0]);
    Ok(())
}

#[tokio::test]
async fn no_function_gives_another_tenants_rows() -> anyhow::Result<()> {
    let world = World::new().await?;
    let before = world.everything_of(&world.victim).await;
    let victim = &world.victim;
    let hash = |secret: &str| hex(Digest::of(secret.as_bytes()).as_bytes());
    let key = victim.secret.expose();
    let (tenant, run_id) = (victim.id.uuid(), victim.sample.head.id.uuid());
    let mark = victim.mark;
    // Calls with everything that is known of the victim but its key.
    let calls = [
        format!("select r::text from docmill.runs_with('animal', '{{{mark}}}') r"),
        "select r::text from docmill.runs_with('animal', '{}') r".to_owned(),
        format!("select p::text from docmill.pages_with('{mark}'::tsquery) p"),
        format!("select p::text from docmill.pages_with('!nothing | {mark}:*'::tsquery) p"),
        format!(
            "select a::text from docmill.authenticate('\\x{}') a",
            hash(&key[..11])
        ),
        format!(
            "select a::text from docmill.authenticate('\\x{}') a",
            hash(&victim.key.to_string())
        ),
        format!("select a::text from docmill.authenticate('\\x{}') a", hash("")),
        "select a::text from docmill.authenticate(null) a".to_owned(),
        format!(
            "select p::text from docmill.principal('\\x{}') p",
            hash(&victim.session.expose()[..12])
        ),
        format!("select p::text from docmill.principal('\\x{}') p", hash("")),
        "select p::text from docmill.principal(null) p".to_owned(),
        "select docmill.owners()::text".to_owned(),
        "select docmill.seal_audit(0)::text".to_owned(),
        format!("select c::text from docmill.count_requests('{{{tenant}}}', '{{2026-11-21}}', '{{0}}') c"),
        format!("select c::text from docmill.count_requests('{{{tenant}}}', '{{null}}', '{{5}}') c"),
        format!(
            "select docmill.bootstrap('{tenant}', 'x', '{}', 'x', 'x', '\\x{}')::text",
            victim.key.uuid(),
            hash("x")
        ),
        format!(
            "select docmill.create_tenant('{tenant}', 'capybara', '{}', 'x', 'x', '\\x{}', '{}')::text",
            victim.key.uuid(),
            hash("x"),
            victim.key.uuid()
        ),
        "select docmill.mark_lost_runs('-infinity', '{\"code\": \"interrupted\"}')::text".to_owned(),
        "select docmill.add_partitions(0)::text".to_owned(),
        "select docmill.current_tenant()::text".to_owned(),
        "select docmill.current_clearance()::text".to_owned(),
        format!(
            "select encode(docmill.source_bytes('{}'), 'escape')",
            victim.sample.documents[0].source.uuid()
        ),
        format!("select b::text from docmill.beat('{run_id}', 'x', 'x', 1, false, '[]') b"),
        "select j::text from docmill.claim_jobs(gen_random_uuid(), 1000) j".to_owned(),
        format!("select docmill.keep_checkpoint('{tenant}', '{run_id}', '{run_id}', 1, 0, 'x')::text"),
        format!("select h::text from docmill.job_heads('{run_id}', '{{{run_id}}}', 1000) h"),
        format!(
            "select docmill.fail_jobs('{run_id}', '{{{run_id}}}', '{{1}}', '{{\"code\": \"interrupted\"}}')::text"
        ),
        "select d::text from docmill.queue_depth() d".to_owned(),
        "select r::text from docmill.reap_workers(null, 5, '{\"code\": \"interrupted\"}') r".to_owned(),
        format!(
            "select docmill.return_jobs('{run_id}', '{{{run_id}}}', '{{1}}', '{{0}}', '{{true}}', '{{null}}')::text"
        ),
        format!(
            "select docmill.cancel_run('{tenant}', '{run_id}', gen_random_uuid(), null, gen_random_uuid(), '{{}}')::text"
        ),
        "select docmill.sweep_queue()::text".to_owned(),
        "select w.id::text from docmill.workers() w where false".to_owned(),
        format!("select f::text from docmill.forget_values('{mark}/text', null) f"),
        format!("select f::text from docmill.forget_values('{mark}/text', array['{mark}'::bytea]) f"),
    ];
    let mut host = world.host().await;
    for acting in [None, Some(world.stranger), Some(world.other.id)] {
        act_for(&mut host, acting).await;
        for call in &calls {
            let rows = texts(&mut host, call)
                .await
                .unwrap_or_else(|error| panic!("{call}: {error}"));
            let rows = rows.join(" ");
            assert!(
                !victim.owns(&rows) && !rows.contains(&run_id.to_string()),
                "{call}: {rows}"
            );
        }
    }
    assert_eq!(world.everything_of(victim).await, before);

    // The same questions find the victim's rows when the victim asks.
    act_for(&mut host, Some(victim.id)).await;
    for call in [
        &calls[0],
        &calls[1],
        &calls[2],
        &calls[3],
        &calls[calls.len() - 1],
    ] {
        assert_ne!(texts(&mut host, call).await?, [] as [String; 0], "{call}");
    }
    act_for(&mut host, None).await;
    let with_the_key = format!(
        "select tenant_id::text from docmill.authenticate('\\x{}')",
        hash(key)
    );
    assert_eq!(texts(&mut host, &with_the_key).await?, [tenant.to_string()]);
    for secret in [key, victim.session.expose()] {
        let with_the_secret = format!(
            "select tenant_id::text from docmill.principal('\\x{}')",
            hash(secret)
        );
        assert_eq!(texts(&mut host, &with_the_secret).await?, [tenant.to_string()]);
    }

    // Of other tenants, the list has ids and names, and no more.
    let shape = "select pg_get_function_result('docmill.tenants'::regproc)";
    assert_eq!(
        texts(&mut host, shape).await?,
        ["TABLE(tenant_id uuid, name text)"]
    );
    Ok(())
}

/// The ids of another tenant's documents, sources and readings in a run of one's own lead nowhere.
#[tokio::test]
async fn a_run_that_names_another_tenants_documents_gets_nothing_of_them() -> anyhow::Result<()> {
    let world = World::new().await?;
    let (store, other) = (&world.db.store, world.other.id);
    let before = world.everything_of(&world.victim).await;
    let theirs = &world.victim.sample;

    // The same bytes: not taken for a copy of what somebody else has.
    let mut same = crate::sample::run("text");
    same.documents[0].digest = theirs.documents[0].digest;
    same.outcome.readings[0].recipe = theirs.outcome.readings[0].recipe;
    let committed = store.commit_run(other, &same.commit()).await?;
    assert!(
        !format!("{committed:?}").contains(&theirs.documents[0].document.to_string()),
        "{committed:?}"
    );
    let kept = store
        .get_document(Sight::whole(other), same.documents[0].document)
        .await?
        .unwrap();
    assert!(kept.sources[0].duplicate_of.is_none());

    // The same ids: a run of one's own, beside the victim's.
    store.commit_run(other, &theirs.commit()).await?;
    let mine = store.get_run(Sight::whole(other), theirs.head.id).await?.unwrap();
    assert_eq!(mine.head.id, theirs.head.id);

    // A reading of a source that one does not have is refused like one of a source that nobody has.
    let mut said = Vec::new();
    for source in [
        world.victim.sample.documents[0].source,
        docmill_model::id::SourceId::new(),
    ] {
        let mut run = crate::sample::run("reading of nothing");
        run.documents.clear();
        run.outcome.readings[0].source = source;
        let refused = store.commit_run(world.stranger, &run.commit()).await.unwrap_err();
        said.push(format!("{:?}", refused.failure()).replace(&run.head.id.to_string(), "…"));
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(world.everything_of(&world.victim).await, before);
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
