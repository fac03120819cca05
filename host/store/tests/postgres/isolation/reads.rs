//! Every way to read every table, view and partition, on one connection that is used again and again.

use futures_util::TryStreamExt as _;
use sqlx::PgConnection;

use super::world::{World, act_for, names, refusal, run, texts};

/// Statements that give a relation's rows as text, each by another path of PostgreSQL.
const WAYS: &[&str] = &[
    "select t::text from docmill.{t} t",
    "select t::text from docmill.{t} t where tenant_id = '{victim}' or true",
    "select t::text from docmill.{t} t where tenant_id in ('{victim}', '{other}')",
    "select t::text from docmill.{t} t where tenant_id <> '00000000-0000-0000-0000-000000000000' order by tenant_id desc",
    "select row_to_json(t)::text from docmill.{t} t",
    "select array_agg(t)::text from docmill.{t} t group by ()",
    "select min(tenant_id::text) || max(tenant_id::text) from docmill.{t}",
    "with all_rows as materialized (select * from docmill.{t}) select a::text from all_rows a",
    "select l::text from (values (1)) v, lateral (select * from docmill.{t}) l",
    "select t::text from (values (1)) v left join docmill.{t} t on true",
    "select (select string_agg(t::text, ' ') from docmill.{t} t)",
    "select t::text from docmill.{t} t union select t::text from docmill.{t} t",
    "select query_to_xml('select * from docmill.{t}', true, true, '')::text",
    "select table_to_xml('docmill.{t}', true, true, '')::text",
];

/// Those that only tables have.
const WAYS_OF_TABLES: &[&str] = &[
    "select t::text from docmill.{t} t tablesample bernoulli (100)",
    "select t::text from docmill.{t} t where ctid >= '(0,0)' or tableoid > 0",
];

fn sql(world: &World, way: &str, relation: &str) -> String {
    way.replace("{t}", &format!("\"{relation}\""))
        .replace("{victim}", &world.victim.id.uuid().to_string())
        .replace("{other}", &world.other.id.uuid().to_string())
}

async fn is_view(world: &World, relation: &str) -> bool {
    let kind = format!("select relkind::text from pg_class where oid = 'docmill.\"{relation}\"'::regclass");
    names(&mut world.owner().await, &kind).await == ["v"]
}

/// Whoever the connection acts for reads everything that it can reach, in every way. Gives the relations of which the victim's
/// rows were seen, with the way.
async fn leaks(world: &World, host: &mut PgConnection) -> Vec<String> {
    let mut found = Vec::new();
    for relation in world.relations().await {
        let tables_only: &[&str] = if is_view(world, &relation).await {
            &[]
        } else {
            WAYS_OF_TABLES
        };
        for way in WAYS.iter().chain(tables_only) {
            let rows = texts(host, &sql(world, way, &relation)).await;
            let rows = rows.unwrap_or_else(|error| panic!("{way} {relation}: {error}"));
            if rows.iter().any(|row| world.victim.owns(row)) {
                found.push(sql(world, way, &relation));
            }
        }
        let query = format!("copy (select * from docmill.\"{relation}\") to stdout");
        if world.victim.owns(&copied(host, &query).await) {
            found.push(query);
        }
        let count = format!(
            "select count(*)::text from docmill.\"{relation}\" where tenant_id = '{}'",
            world.victim.id.uuid()
        );
        if texts(host, &count).await.unwrap() != ["0"] {
            found.push(count);
        }
    }
    found
}

async fn copied(host: &mut PgConnection, statement: &str) -> String {
    let rows = host
        .copy_out_raw(statement)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
    let bytes: Vec<_> = rows.try_collect().await.unwrap();
    String::from_utf8_lossy(&bytes.concat()).into_owned()
}

/// Also that every relation has rows of both tenants, so that the other tests of this folder look for what is there.
#[tokio::test]
async fn a_tenant_reads_its_own_rows_in_every_way() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut owner = world.owner().await;
    for relation in world
        .relations()
        .await
        .into_iter()
        .chain(world.partitions().await)
    {
        for tenant in [&world.victim, &world.other] {
            let count = format!(
                "select count(*)::text from docmill.\"{relation}\" where tenant_id = '{}'",
                tenant.id.uuid()
            );
            assert_ne!(
                texts(&mut owner, &count).await?,
                ["0"],
                "docmill.{relation} has no rows of {}: give it some in isolation/world.rs, or these tests show nothing",
                tenant.mark
            );
        }
    }
    let mut host = world.host().await;
    act_for(&mut host, Some(world.victim.id)).await;
    let mut expected = Vec::new();
    for relation in world.relations().await {
        let view = is_view(&world, &relation).await;
        expected.extend(WAYS.iter().map(|way| sql(&world, way, &relation)));
        if !view {
            expected.extend(WAYS_OF_TABLES.iter().map(|way| sql(&world, way, &relation)));
        }
        expected.push(format!("copy (select * from docmill.\"{relation}\") to stdout"));
        expected.push(format!(
            "select count(*)::text from docmill.\"{relation}\" where tenant_id = '{}'",
            world.victim.id.uuid()
        ));
    }
    assert_eq!(leaks(&world, &mut host).await, expected);
    Ok(())
}

#[tokio::test]
async fn nobody_reads_another_tenants_rows_in_any_way() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut host = world.host().await;
    let none: [String; 0] = [];
    assert_eq!(leaks(&world, &mut host).await, none, "on a fresh connection");
    for tenant in [Some(world.stranger), Some(world.other.id), None] {
        act_for(&mut host, tenant).await;
        assert_eq!(leaks(&world, &mut host).await, none, "for {tenant:?}");
    }
    run(&mut host, "reset app.tenant_id").await?;
    assert_eq!(leaks(&world, &mut host).await, none, "after a reset");
    Ok(())
}

#[tokio::test]
async fn nothing_of_a_tenant_stays_on_a_connection_that_others_use_next() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut host = world.host().await;
    let victim = format!(
        "select set_config('app.tenant_id', '{}', true)",
        world.victim.id.uuid()
    );
    let other = format!(
        "select set_config('app.tenant_id', '{}', true)",
        world.other.id.uuid()
    );
    let none: [String; 0] = [];

    // As a transaction of the store begins, and is aborted by an error.
    run(&mut host, &format!("begin; {victim}")).await?;
    assert_eq!(
        texts(&mut host, "select count(*)::text from docmill.tenant").await?,
        ["1"]
    );
    assert_eq!(refusal(run(&mut host, "select 1 / 0").await).0, "22012");
    assert_eq!(
        refusal(texts(&mut host, "select name from docmill.tenant").await).0,
        "25P02"
    );
    run(&mut host, "rollback").await?;
    assert_eq!(
        leaks(&world, &mut host).await,
        none,
        "after a transaction that was aborted"
    );

    run(
        &mut host,
        &format!("begin; {victim}; declare c cursor for select name from docmill.tenant; commit"),
    )
    .await?;
    assert_eq!(refusal(texts(&mut host, "fetch all from c").await).0, "34000");
    assert_eq!(
        leaks(&world, &mut host).await,
        none,
        "after a transaction that was committed"
    );

    // Back to a point before another tenant was named.
    run(
        &mut host,
        &format!("begin; {other}; savepoint before; {victim}; rollback to before"),
    )
    .await?;
    assert_eq!(leaks(&world, &mut host).await, none, "after a savepoint");
    run(&mut host, "rollback").await?;

    // A statement that was planned for one tenant and is executed for others.
    for mode in ["force_generic_plan", "force_custom_plan"] {
        run(
            &mut host,
            &format!("set plan_cache_mode = {mode}; begin; {victim}"),
        )
        .await?;
        for table in world.relations().await {
            run(
                &mut host,
                &format!("prepare p_{table} as select t::text from docmill.\"{table}\" t"),
            )
            .await?;
            let own = texts(&mut host, &format!("execute p_{table}")).await?;
            assert!(own.iter().any(|row| world.victim.owns(row)), "{table}");
        }
        run(&mut host, "commit").await?;
        for tenant in [None, Some(world.other.id)] {
            act_for(&mut host, tenant).await;
            for table in world.relations().await {
                let rows = texts(&mut host, &format!("execute p_{table}")).await?;
                assert!(!rows.iter().any(|row| world.victim.owns(row)), "{table} {mode}");
            }
        }
        run(&mut host, "deallocate all; reset app.tenant_id").await?;
    }
    Ok(())
}

#[tokio::test]
async fn partitions_are_closed_by_name_and_hold_even_if_somebody_opens_them() -> anyhow::Result<()> {
    let world = World::new().await?;
    let partitions = world.partitions().await;
    assert!(partitions.len() >= 5 * 13, "{partitions:?}");
    let mut host = world.host().await;
    for tenant in [None, Some(world.other.id), Some(world.victim.id)] {
        act_for(&mut host, tenant).await;
        for part in &partitions {
            let ways = [
                format!("select t::text from docmill.\"{part}\" t"),
                format!("select count(*)::text from docmill.\"{part}\""),
                format!("select table_to_xml('docmill.{part}', true, true, '')::text"),
            ];
            for way in &ways {
                assert_eq!(refusal(texts(&mut host, way).await).0, "42501", "{way}");
            }
            let copy = format!("copy docmill.\"{part}\" to stdout");
            assert_eq!(refusal(run(&mut host, &copy).await).0, "42501", "{copy}");
        }
    }
    // A right that somebody grants by mistake opens nothing: security is forced there too, and no policy lets anything through.
    let mut owner = world.owner().await;
    for part in &partitions {
        let granted = format!(
            "begin; grant select on docmill.\"{part}\" to docmill_app; set local role docmill_app;
             set local app.tenant_id = '{}'",
            world.victim.id.uuid()
        );
        run(&mut owner, &granted).await?;
        let rows = texts(&mut owner, &format!("select t::text from docmill.\"{part}\" t")).await?;
        assert_eq!(rows, [] as [String; 0], "{part}");
        run(&mut owner, "rollback").await?;
    }
    Ok(())
}

#[tokio::test]
async fn views_ask_as_whoever_reads_them_and_nothing_keeps_copies() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut owner = world.owner().await;
    let open =
        "select relname::text from pg_class where relnamespace = 'docmill'::regnamespace and relkind = 'v'
        and not coalesce(reloptions && array['security_invoker=true', 'security_invoker=on'], false)";
    assert_eq!(texts(&mut owner, open).await?, [] as [String; 0]);
    // Neither has policies.
    let copies = "select relname::text from pg_class where relnamespace = 'docmill'::regnamespace and relkind in ('m', 'f')";
    assert_eq!(texts(&mut owner, copies).await?, [] as [String; 0]);
    // A view that forgets to would let everything through, and the walk would say so.
    run(
        &mut owner,
        "set role docmill_owner; create view docmill.forgotten as select * from docmill.page;
         grant select on docmill.forgotten to docmill_app; reset role",
    )
    .await?;
    assert_eq!(texts(&mut owner, open).await?, ["forgotten"]);
    let mut host = world.host().await;
    act_for(&mut host, Some(world.other.id)).await;
    let found = leaks(&world, &mut host).await;
    assert!(
        !found.is_empty() && found.iter().all(|sql| sql.contains("forgotten")),
        "{found:?}"
    );
    run(
        &mut owner,
        "alter view docmill.forgotten set (security_invoker = true)",
    )
    .await?;
    assert_eq!(texts(&mut owner, open).await?, [] as [String; 0]);
    assert_eq!(leaks(&world, &mut host).await, [] as [String; 0]);
    Ok(())
}

#[tokio::test]
async fn copying_a_table_and_open_cursors_give_no_more() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut host = world.host().await;
    // Views and partitioned tables are copied by questions only: `leaks` does.
    let plain =
        "select relname::text from pg_class where relnamespace = 'docmill'::regnamespace and relkind = 'r'
        and not relispartition and relname not in ('_sqlx_migrations', 'queue_clock', 'worker') order by 1";
    let plain = names(&mut world.owner().await, plain).await;
    assert!(plain.len() >= 9, "{plain:?}");
    for (tenant, sees) in [
        (Some(world.victim.id), true),
        (Some(world.other.id), false),
        (Some(world.stranger), false),
        (None, false),
    ] {
        act_for(&mut host, tenant).await;
        for table in &plain {
            let rows = copied(&mut host, &format!("copy docmill.\"{table}\" to stdout")).await;
            assert_eq!(world.victim.owns(&rows), sees, "{table} for {tenant:?}");
        }
        for relation in world.relations().await {
            let declare =
                format!("begin; declare c scroll cursor for select t::text from docmill.\"{relation}\" t");
            run(&mut host, &declare).await?;
            let mut rows = texts(&mut host, "fetch all from c").await?;
            rows.extend(texts(&mut host, "fetch backward all from c").await?);
            run(&mut host, "rollback").await?;
            assert_eq!(
                rows.iter().any(|row| world.victim.owns(row)),
                sees,
                "{relation} for {tenant:?}"
            );
        }
    }
    Ok(())
}
