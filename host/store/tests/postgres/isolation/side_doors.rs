//! What tells of rows without giving them: errors, plans, statistics, other sessions, and the tables behind tables.

use serde_json::Value as Json;
use sqlx::PgConnection;

use super::world::{World, act_for, refusal, run, texts};

/// A function that tells what it was asked about, and that PostgreSQL would ask first if it might: it claims to cost nothing.
const TELLTALES: &str = "
    create table pg_temp.seen (what text);
    create function pg_temp.tell(what text) returns boolean language plpgsql cost 0.0000001 as
        $$ begin insert into pg_temp.seen values (what); return true; end $$;
    create function pg_temp.shout(what text) returns boolean language plpgsql cost 0.0000001 as
        $$ begin raise exception '%', what; end $$;
    create operator pg_temp.=== (leftarg = text, rightarg = text, procedure = pg_catalog.texteq, restrict = eqsel)";

#[tokio::test]
async fn conditions_that_tell_are_asked_of_ones_own_rows_only() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut host = world.host().await;
    run(&mut host, TELLTALES).await?;
    let victim = world.victim.id.uuid();
    for table in world.relations().await {
        act_for(&mut host, Some(world.victim.id)).await;
        let shouted = shout(&mut host, &table).await.expect("the victim's own row");
        assert!(world.victim.owns(&shouted), "{table}: {shouted}");

        for tenant in [None, Some(world.stranger)] {
            act_for(&mut host, tenant).await;
            assert_eq!(shout(&mut host, &table).await, None, "{table} for {tenant:?}");
            // An error that depends on a foreign value tells it bit by bit.
            for condition in [
                "1 / (case when tenant_id is null then 1 else 0 end) > 0",
                "1 / (length(t::text) - length(t::text)) > 0",
                "(t::text)::integer > 0",
                "('x' || t::text)::uuid is null",
                "substring(t::text from '(') is null",
            ] {
                let sql = format!("select 'x' from docmill.\"{table}\" t where {condition}");
                let rows = texts(&mut host, &sql).await;
                assert_eq!(
                    rows.unwrap_or_else(|error| panic!("{sql}: {error}")),
                    [] as [String; 0],
                    "{sql}"
                );
            }
        }

        act_for(&mut host, Some(world.other.id)).await;
        for condition in [
            "pg_temp.tell(t::text)",
            "pg_temp.tell(t::text) and tenant_id is not null",
            "tenant_id::text operator(pg_temp.===) 'x' or pg_temp.tell(t::text)",
        ] {
            let sql = format!("select count(*)::text from docmill.\"{table}\" t where {condition}");
            texts(&mut host, &sql).await?;
        }
        let case = format!(
            "select 'x' from docmill.\"{table}\" t where 1 / (case when tenant_id = '{victim}' then 0 else 1 end) > 5"
        );
        assert_eq!(texts(&mut host, &case).await?, [] as [String; 0], "{table}");
        let seen = texts(&mut host, "delete from pg_temp.seen returning what").await?;
        assert!(
            !seen.is_empty() && !seen.iter().any(|row| world.victim.owns(row)),
            "{table}"
        );
    }
    Ok(())
}

/// What the first row says that a condition sees.
async fn shout(host: &mut PgConnection, table: &str) -> Option<String> {
    let sql = format!("select 'x' from docmill.\"{table}\" t where pg_temp.shout(t::text)");
    match texts(host, &sql).await {
        Ok(rows) => {
            assert_eq!(rows, [] as [String; 0], "{table}");
            None
        }
        error => Some(refusal(error).1),
    }
}

#[tokio::test]
async fn plans_show_no_foreign_rows_and_no_foreign_values() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut owner = world.owner().await;
    // With statistics, so that there is something to tell.
    run(&mut owner, "analyze").await?;
    let told =
        "select coalesce(most_common_vals::text, '') || coalesce(histogram_bounds::text, '') from pg_stats
        where schemaname = 'docmill'";
    assert!(
        texts(&mut owner, told)
            .await?
            .iter()
            .any(|values| world.victim.owns(values))
    );

    let mut host = world.host().await;
    run(&mut host, TELLTALES).await?;
    for (tenant, sees) in [
        (None, false),
        (Some(world.stranger), false),
        (Some(world.other.id), true),
    ] {
        act_for(&mut host, tenant).await;
        for table in world.relations().await {
            for condition in [
                "true",
                "pg_temp.tell(t::text)",
                "tenant_id::text like '0%' or true",
            ] {
                let sql = format!(
                    "explain (analyze, verbose, settings, format json) select t from docmill.\"{table}\" t where {condition}"
                );
                let plan: Json = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.as_str()))
                    .fetch_one(&mut host)
                    .await?;
                let rows = plan[0]["Plan"]["Actual Rows"]
                    .as_f64()
                    .unwrap_or_else(|| panic!("{plan}"));
                assert_eq!(rows > 0.0, sees, "{sql}: {plan}");
                assert!(!world.victim.owns(&plan.to_string()), "{sql}: {plan}");
            }
        }
        // The statistics themselves.
        for view in ["pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"] {
            let of_tenants = format!(
                "select s::text from {view} s where schemaname = 'docmill' and tablename <> '_sqlx_migrations'"
            );
            assert_eq!(texts(&mut host, &of_tenants).await?, [] as [String; 0], "{view}");
        }
        for table in [
            "pg_statistic",
            "pg_statistic_ext_data",
            "pg_largeobject",
            "pg_authid",
        ] {
            let sql = format!("select t::text from pg_catalog.{table} t");
            assert_eq!(refusal(texts(&mut host, &sql).await).0, "42501", "{table}");
        }
        assert_eq!(
            texts(
                &mut host,
                "select s::text from ts_stat('select words from docmill.page') s"
            )
            .await?
            .is_empty(),
            !sees
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_other_sessions_do_is_not_shown() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut busy = world.host().await;
    act_for(&mut busy, Some(world.victim.id)).await;
    let busy = tokio::spawn(async move { run(&mut busy, "select 'capybara', pg_sleep(30)").await });
    let seen =
        "select query from pg_stat_activity where query like '%' || 'capy' || 'bara%' and state = 'active'
        and pid <> pg_backend_pid()";
    let mut owner = world.owner().await;
    while texts(&mut owner, seen).await?.is_empty() {
        assert!(!busy.is_finished());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let mut host = world.host().await;
    for tenant in [None, Some(world.other.id), Some(world.stranger)] {
        act_for(&mut host, tenant).await;
        let shown = "select to_jsonb(a)::text from pg_stat_activity a where pid <> pg_backend_pid()";
        let shown = texts(&mut host, shown).await?;
        assert!(
            !shown.is_empty() && !shown.iter().any(|row| world.victim.owns(row)),
            "{shown:?}"
        );
        let cancel = "select pg_cancel_backend(pid)::text from pg_stat_activity where pid <> pg_backend_pid()
            and datname = current_database()";
        assert_eq!(refusal(texts(&mut host, cancel).await).0, "42501");
    }
    run(
        &mut owner,
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(30)%'
         and pid <> pg_backend_pid() and datname = current_database()",
    )
    .await?;
    assert!(busy.await?.is_err());
    Ok(())
}

#[tokio::test]
async fn there_are_no_tables_behind_the_tables() -> anyhow::Result<()> {
    let world = World::new().await?;
    let (mut owner, mut host) = (world.owner().await, world.host().await);
    // Large objects and sequences know no tenants; none is used.
    for none in [
        "select oid::text from pg_largeobject_metadata",
        "select relname::text from pg_class where relnamespace = 'docmill'::regnamespace and relkind = 'S'",
        "select relname::text from pg_class where relpersistence = 'u' and relnamespace = 'docmill'::regnamespace",
    ] {
        assert_eq!(texts(&mut owner, none).await?, [] as [String; 0], "{none}");
    }
    let secret = texts(&mut owner, "select lo_from_bytea(0, 'capybara')::text")
        .await?
        .concat();
    let toast = "select 'pg_toast.' || quote_ident(relname) from pg_class t where relkind = 't' and exists
        (select from pg_class c where c.reltoastrelid = t.oid and c.relnamespace = 'docmill'::regnamespace)";
    let toast = texts(&mut owner, toast).await?;
    assert!(toast.len() >= 20, "{toast:?}");
    for tenant in [None, Some(world.other.id), Some(world.victim.id)] {
        act_for(&mut host, tenant).await;
        assert_eq!(
            refusal(texts(&mut host, &format!("select lo_get({secret})::text")).await).0,
            "42501"
        );
        for table in &toast {
            let sql = format!("select t::text from {table} t");
            assert_eq!(refusal(texts(&mut host, &sql).await).0, "42501", "{table}");
        }
        // Files of the server.
        for sql in [
            "select pg_read_file('PG_VERSION')",
            "select pg_ls_dir('base')",
            "select pg_read_binary_file('global/pg_control')::text",
            "select lo_import('/etc/hostname')::text",
            "copy pg_temp.x from program 'true'",
        ] {
            assert!(
                ["42501", "42P01"].contains(&refusal(texts(&mut host, sql).await).0.as_str()),
                "{sql}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn security_cannot_be_switched_off() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut host = world.host().await;
    act_for(&mut host, Some(world.other.id)).await;
    // This asks for an error in the place of rows that are left out, as a backup does.
    run(&mut host, "set row_security = off").await?;
    for table in world.relations().await {
        let sql = format!("select t::text from docmill.\"{table}\" t");
        assert_eq!(refusal(texts(&mut host, &sql).await).0, "42501", "{table}");
    }
    for sql in [
        "set session_replication_role = replica",
        "alter system set row_security = off",
        "drop extension plpgsql",
    ] {
        assert_eq!(refusal(run(&mut host, sql).await).0, "42501", "{sql}");
    }
    Ok(())
}
