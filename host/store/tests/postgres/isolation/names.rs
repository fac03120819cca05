//! Becoming somebody else, and being taken for something else.

use super::world::{World, act_for, names, refusal, run, texts};

#[tokio::test]
async fn a_host_cannot_become_anybody_with_more_power() -> anyhow::Result<()> {
    let world = World::new().await?;
    // With the role that the store takes, without it, and after giving it back.
    let mut given_back = world.host().await;
    run(&mut given_back, "reset role").await?;
    let mut discarded = world.host().await;
    run(&mut discarded, "discard all").await?;
    for (what, mut host) in [
        ("docmill_app", world.host().await),
        ("the login", world.login().await),
        ("reset role", given_back),
        ("discard all", discarded),
    ] {
        for sql in [
            "set role docmill_owner",
            "set role postgres",
            "set local role docmill_owner",
            "select set_config('role', 'docmill_owner', false)",
            "set session authorization postgres",
            "set session authorization docmill_owner",
            "select set_config('session_authorization', 'postgres', false)",
            "grant docmill_owner to docmill_app",
            "alter role docmill_app bypassrls",
            "alter role current_user superuser",
            "create role mallory",
            "alter table docmill.run owner to docmill_app",
            "alter function docmill.current_tenant() owner to docmill_app",
            "grant select on docmill.run_default to docmill_app",
        ] {
            let code = refusal(run(&mut host, sql).await).0;
            assert!(code == "42501" || code == "22023", "{what}: {sql}: {code}");
        }
        for tenant in [None, Some(world.other.id)] {
            act_for(&mut host, tenant).await;
            for table in world.relations().await {
                let rows = texts(&mut host, &format!("select t::text from docmill.\"{table}\" t")).await?;
                assert!(!rows.iter().any(|row| world.victim.owns(row)), "{what}: {table}");
                assert_eq!(rows.is_empty(), tenant.is_none(), "{what}: {table}");
            }
        }
        let own = "select relname::text from pg_class where relowner = any
            (select oid from pg_roles where pg_has_role(current_user, oid, 'usage')) and relnamespace = 'docmill'::regnamespace";
        assert_eq!(texts(&mut host, own).await?, [] as [String; 0], "{what} owns");
    }
    Ok(())
}

/// Where temporary things come first, tables, types and functions of one's own stand in the place of docmill's.
#[tokio::test]
async fn names_of_ones_own_are_not_taken_for_docmills() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut host = world.host().await;
    let asked = [
        "select r::text from docmill.runs_with('animal', '{}') r order by 1",
        "select p::text from docmill.pages_with('!nothing'::tsquery) p order by 1",
        "select t::text from docmill.tenants() t order by 1",
        "select docmill.mark_lost_runs('-infinity', '{}')::text",
        "select docmill.bootstrap(gen_random_uuid(), 'x', gen_random_uuid(), 'x', 'x', decode(repeat('00', 32), 'hex'))::text",
        "select docmill.add_partitions(0)::text",
        "select docmill.current_tenant()::text",
    ];
    act_for(&mut host, Some(world.other.id)).await;
    let mut before = Vec::new();
    for sql in asked {
        before.push(texts(&mut host, sql).await?);
    }
    assert!(
        !before[0].is_empty() && !before[1].is_empty() && before[2].len() == 2,
        "{before:?}"
    );

    // Bait: if the owner's functions took it, they would do as the owner what a host says.
    for table in world.relations().await {
        run(
            &mut host,
            &format!("create table pg_temp.\"{table}\" (like docmill.\"{table}\")"),
        )
        .await?;
    }
    run(
        &mut host,
        "create table pg_temp.caught (who text);
         create function pg_temp.catch() returns trigger language plpgsql as
            $$ begin insert into pg_temp.caught values (current_user); return new; end $$;
         create trigger catch before insert or update or delete on pg_temp.run for each row execute function pg_temp.catch();
         create trigger catch before insert on pg_temp.tenant for each row execute function pg_temp.catch();
         create table pg_temp.pg_class (like pg_catalog.pg_class);
         create table pg_temp.pg_partitioned_table (partrelid oid, partattrs int2vector);
         create function pg_temp.current_setting(text, boolean) returns text language sql as $$ select current_user::text $$;
         create function pg_temp.set_config(text, text, boolean) returns text language sql as $$ select current_user::text $$;
         create function pg_temp.now() returns timestamptz language sql as $$ select '-infinity'::timestamptz $$;
         create function pg_temp.current_tenant() returns uuid language sql as $$ select null::uuid $$;
         create function pg_temp.same(uuid, uuid) returns boolean language sql as $$ select true $$;
         create operator pg_temp.= (leftarg = uuid, rightarg = uuid, procedure = pg_temp.same)",
    )
    .await?;
    for path in [
        "pg_temp",
        "pg_temp, docmill, pg_catalog",
        "pg_temp, pg_catalog, docmill, public",
    ] {
        run(&mut host, &format!("set search_path = {path}")).await?;
        for (sql, before) in asked.iter().zip(&before) {
            assert_eq!(&texts(&mut host, sql).await?, before, "{path}: {sql}");
        }
        for table in world.relations().await {
            let rows = texts(
                &mut host,
                &format!("select t::pg_catalog.text from docmill.\"{table}\" t"),
            )
            .await?;
            assert!(
                !rows.is_empty() && !rows.iter().any(|row| world.victim.owns(row)),
                "{path}: {table}"
            );
        }
    }
    assert_eq!(
        texts(&mut host, "select who from pg_temp.caught").await?,
        [] as [String; 0]
    );

    // A type in the place of `uuid` makes one's own questions fail or find what they did; it opens nothing.
    run(
        &mut host,
        "create domain pg_temp.uuid as pg_catalog.uuid; set search_path = pg_temp, pg_catalog",
    )
    .await?;
    for table in world.relations().await {
        let rows = texts(
            &mut host,
            &format!("select t::pg_catalog.text from docmill.\"{table}\" t"),
        )
        .await;
        assert!(
            !rows.unwrap_or_default().iter().any(|row| world.victim.owns(row)),
            "{table}"
        );
    }
    for (sql, before) in asked.iter().zip(&before).take(3) {
        assert_eq!(&texts(&mut host, sql).await?, before, "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn a_host_may_create_nothing_that_lasts() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut host = world.host().await;
    let schemas = names(
        &mut world.owner().await,
        "select nspname::text from pg_namespace where nspname !~ '^pg_(toast_)?temp' order by 1",
    )
    .await;
    assert!(schemas.iter().any(|schema| schema == "docmill"));
    for schema in schemas {
        for sql in [
            format!("create table {schema}.mine (x text)"),
            format!("create function {schema}.mine() returns text language sql as 'select 1::text'"),
            format!("create view {schema}.mine as select 1"),
        ] {
            assert_eq!(refusal(run(&mut host, &sql).await).0, "42501", "{sql}");
        }
    }
    assert_eq!(refusal(run(&mut host, "create schema mine").await).0, "42501");
    assert_eq!(refusal(run(&mut host, "create or replace function docmill.current_tenant() returns uuid language sql as 'select null::uuid'").await).0, "42501");
    Ok(())
}

#[tokio::test]
async fn only_an_id_names_a_tenant() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut host = world.host().await;
    let (victim, other) = (world.victim.id.uuid(), world.other.id.uuid());
    for name in [
        format!("{other},{victim}"),
        format!("{other}' or tenant_id = '{victim}"),
        format!("{other}'; set app.tenant_id = '{victim}"),
        format!("{other} or true"),
        "%".to_owned(),
        "null".to_owned(),
        "*".to_owned(),
        format!("ten_{}", victim.simple()),
        format!(" {victim}"),
    ] {
        sqlx::query("select set_config('app.tenant_id', $1, false)")
            .bind(&name)
            .execute(&mut host)
            .await?;
        for table in world.relations().await {
            let sql = format!("select t::text from docmill.\"{table}\" t");
            assert_eq!(
                refusal(texts(&mut host, &sql).await).0,
                "22P02",
                "{name}: {table}"
            );
        }
    }
    Ok(())
}
