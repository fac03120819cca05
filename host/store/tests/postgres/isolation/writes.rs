//! Writing for another tenant, and finding out by writing what another tenant has.

use docmill_model::access::Clearance;
use docmill_model::id::TenantId;
use serde_json::{Value as Json, json};
use sqlx::{AssertSqlSafe, PgConnection};

use super::world::{Tenant, World, act_for, cleared_for, names, refusal, run, texts};

/// The columns that can be written; PostgreSQL makes the others itself.
async fn columns(owner: &mut PgConnection, table: &str) -> String {
    let sql = format!(
        "select quote_ident(attname) from pg_attribute where attrelid = 'docmill.\"{table}\"'::regclass and attnum > 0
         and not attisdropped and attgenerated = '' order by attnum"
    );
    names(owner, &sql).await.join(", ")
}

/// Tables into which hosts may write.
async fn writable(owner: &mut PgConnection) -> Vec<String> {
    names(
        owner,
        "select relname::text from pg_class c where relnamespace = 'docmill'::regnamespace and relkind in ('r', 'p')
         and not relispartition and has_table_privilege('docmill_app', c.oid, 'insert') order by relname",
    )
    .await
}

/// A row of the tenant, as JSON.
async fn row(owner: &mut PgConnection, table: &str, tenant: &Tenant) -> Json {
    let sql = format!(
        "select to_jsonb(t)::text from docmill.\"{table}\" t where tenant_id = '{}' limit 1",
        tenant.id.uuid()
    );
    serde_json::from_str(&names(owner, &sql).await.concat()).unwrap()
}

fn with(mut row: Json, column: &str, value: impl serde::Serialize) -> Json {
    row[column] = json!(value);
    row
}

/// Inserts the row; `more` follows the statement.
async fn insert(
    host: &mut PgConnection,
    table: &str,
    columns: &str,
    row: &Json,
    more: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let sql = format!(
        "insert into docmill.\"{table}\" ({columns})
         select {columns} from jsonb_populate_record(null::docmill.\"{table}\", $1::text::jsonb) {more}"
    );
    sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(row.to_string())
        .fetch_all(host)
        .await
}

#[tokio::test]
async fn a_row_for_another_tenant_is_refused_alike_whether_it_is_there_or_not() -> anyhow::Result<()> {
    let world = World::new().await?;
    let before = world.everything_of(&world.victim).await;
    let (mut owner, mut host) = (world.owner().await, world.host().await);
    let tables = writable(&mut owner).await;
    assert!(tables.len() >= 20, "{tables:?}");
    for tenant in [Some(world.other.id), Some(world.stranger), None] {
        act_for(&mut host, tenant).await;
        for table in &tables {
            let columns = columns(&mut owner, table).await;
            let theirs = row(&mut owner, table, &world.victim).await;
            let nobodys = with(theirs.clone(), "tenant_id", TenantId::new().uuid());
            for more in [
                "",
                "returning tenant_id::text",
                "on conflict do nothing returning tenant_id::text",
            ] {
                let there = refusal(insert(&mut host, table, &columns, &theirs, more).await);
                let absent = refusal(insert(&mut host, table, &columns, &nobodys, more).await);
                assert_eq!(there.0, "42501", "{table} {more}: {}", there.1);
                assert!(
                    there.1.contains("row-level security"),
                    "{table} {more}: {}",
                    there.1
                );
                assert_eq!(there, absent, "{table} {more}");
            }
        }
    }
    assert_eq!(world.everything_of(&world.victim).await, before);
    Ok(())
}

/// Keys that would collide with another tenant's rows do not, so nothing is learnt by trying.
#[tokio::test]
async fn a_row_with_the_ids_of_another_tenants_is_as_good_as_any() -> anyhow::Result<()> {
    let world = World::new().await?;
    let before = world.everything_of(&world.victim).await;
    let (mut owner, mut host) = (world.owner().await, world.host().await);
    act_for(&mut host, Some(world.other.id)).await;
    // As the platform writes: what is given back is what somebody may see.
    cleared_for(&mut host, Clearance::S).await;
    let mut inserted = 0;
    for table in writable(&mut owner).await {
        let columns = columns(&mut owner, &table).await;
        let mine = with(
            row(&mut owner, &table, &world.victim).await,
            "tenant_id",
            world.other.id.uuid(),
        );
        run(&mut host, "begin").await?;
        match insert(
            &mut host,
            &table,
            &columns,
            &mine,
            "on conflict do nothing returning tenant_id::text",
        )
        .await
        {
            Ok(rows) => {
                assert_eq!(
                    rows,
                    [world.other.id.uuid().to_string()],
                    "{table}: a foreign key was in the way"
                );
                inserted += 1;
            }
            // What it belongs to is another tenant's: not there.
            Err(error) => assert_eq!(refusal::<()>(Err(error)).0, "23503", "{table}"),
        }
        run(&mut host, "rollback").await?;
    }
    assert!(inserted >= 15, "{inserted}");
    assert_eq!(world.everything_of(&world.victim).await, before);
    Ok(())
}

#[tokio::test]
async fn a_row_that_belongs_to_another_tenants_is_refused_as_if_that_were_not_there() -> anyhow::Result<()> {
    let world = World::new().await?;
    let (mut owner, mut host) = (world.owner().await, world.host().await);
    act_for(&mut host, Some(world.other.id)).await;
    // child, its column beside tenant_id, parent, the column that it means
    let keys = names(
        &mut owner,
        "select c.relname || ' ' || a.attname || ' ' || p.relname || ' ' || b.attname from pg_constraint k
         join pg_class c on c.oid = k.conrelid join pg_class p on p.oid = k.confrelid
         join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[2]
         join pg_attribute b on b.attrelid = k.confrelid and b.attnum = k.confkey[2]
         where k.connamespace = 'docmill'::regnamespace and k.contype = 'f' and cardinality(k.conkey) = 2
         and k.conparentid = 0 order by 1",
    )
    .await;
    assert!(keys.len() >= 5, "{keys:?}");
    for key in keys {
        let [child, column, parent, meant] = key.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let columns = columns(&mut owner, child).await;
        let mut mine = row(&mut owner, child, &world.other).await;
        if mine.get("id").is_some() && column != "id" {
            mine["id"] = json!(TenantId::new().uuid());
        }
        let theirs = row(&mut owner, parent, &world.victim).await[meant]
            .as_str()
            .unwrap()
            .to_owned();
        let nobodys = TenantId::new().uuid().to_string();
        let mut said = Vec::new();
        for parent in [&theirs, &nobodys] {
            let row = with(mine.clone(), column, parent);
            let (code, text) = refusal(insert(&mut host, child, &columns, &row, "").await);
            assert_eq!(code, "23503", "{key}: {text}");
            said.push(text.replace(parent.as_str(), "…"));
        }
        assert_eq!(said[0], said[1], "{key}");
        // It is the parent that was missing, and nothing else.
        let own = row(&mut owner, parent, &world.other).await[meant].clone();
        let mut good = with(mine, column, own);
        for (column, value) in [("number", json!(77)), ("version", json!("7.7.7"))] {
            if good.get(column).is_some() {
                good[column] = value;
            }
        }
        // One of a kind beside what it belongs to, by its name.
        if child == "plugin_channel" {
            good["name"] = json!("another");
        }
        if child == "plugin_value" {
            good["key"] = json!("\\x616e6f74686572");
        }
        run(&mut host, "begin").await?;
        insert(&mut host, child, &columns, &good, "")
            .await
            .unwrap_or_else(|error| panic!("{key}: {error}"));
        run(&mut host, "rollback").await?;
    }
    Ok(())
}

#[tokio::test]
async fn another_tenants_rows_cannot_be_changed_locked_or_removed() -> anyhow::Result<()> {
    let world = World::new().await?;
    let before = world.everything_of(&world.victim).await;
    let mut host = world.host().await;
    let (victim, key) = (world.victim.id.uuid(), world.victim.key.uuid());
    let (secret_hash, none) = ("decode(repeat('00', 32), 'hex')", [] as [String; 0]);
    for tenant in [Some(world.other.id), Some(world.stranger), None] {
        act_for(&mut host, tenant).await;
        for sql in [
            format!(
                "update docmill.api_key set revoked_at = now() where tenant_id = '{victim}' returning name"
            ),
            format!("update docmill.api_key set revoked_at = now() where id = '{key}' returning name"),
            format!(
                "update docmill.run set error_code = 'x' where tenant_id = '{victim}' returning id::text"
            ),
            format!("update docmill.tenant set locale = 'ru' where tenant_id = '{victim}' returning name"),
            format!("update docmill.pipeline set name = 'x' where tenant_id = '{victim}' returning name"),
            format!("select name from docmill.api_key where tenant_id = '{victim}' for update"),
            format!("select name from docmill.pipeline where tenant_id = '{victim}' for update skip locked"),
            format!("select name from docmill.pipeline where tenant_id = '{victim}' for key share"),
        ] {
            assert_eq!(texts(&mut host, &sql).await?, none, "{sql}");
        }
        let merge = format!(
            "merge into docmill.api_key k using (values ('{victim}'::uuid)) v(t) on k.tenant_id = v.t
             when matched then update set revoked_at = now()"
        );
        run(&mut host, &merge).await?;
        let merge = format!(
            "merge into docmill.api_key k using (values ('{victim}'::uuid, '{key}'::uuid)) v(t, id) on k.tenant_id = v.t
             when not matched then insert (tenant_id, id, name, prefix, secret_hash) values (v.t, v.id, 'x', 'x', {secret_hash})"
        );
        assert_eq!(refusal(run(&mut host, &merge).await).0, "42501");
        let upsert = format!(
            "insert into docmill.api_key (tenant_id, id, name, prefix, secret_hash)
             values ('{victim}', '{key}', 'x', 'x', {secret_hash})
             on conflict (tenant_id, id) do update set revoked_at = now() returning name"
        );
        assert_eq!(refusal(texts(&mut host, &upsert).await).0, "42501");
        for table in world.relations().await {
            for sql in [
                format!("delete from docmill.\"{table}\" where tenant_id = '{victim}'"),
                format!("truncate docmill.\"{table}\" cascade"),
                format!(
                    "update docmill.\"{table}\" set tenant_id = '{}'",
                    world.other.id.uuid()
                ),
                format!("lock table docmill.\"{table}\" in access exclusive mode"),
                format!("alter table docmill.\"{table}\" disable row level security"),
                format!("alter table docmill.\"{table}\" no force row level security"),
                format!("drop policy tenant on docmill.\"{table}\""),
                format!("create policy mine on docmill.\"{table}\" using (true)"),
                format!("create rule mine as on insert to docmill.\"{table}\" do also notify x"),
                format!("create index on docmill.\"{table}\" (tenant_id)"),
                format!("copy docmill.\"{table}\" to program 'true'"),
                format!("copy docmill.\"{table}\" to '/dev/null'"),
            ] {
                run(&mut host, "begin").await?;
                assert_eq!(refusal(run(&mut host, &sql).await).0, "42501", "{sql}");
                run(&mut host, "rollback").await?;
            }
        }
    }
    assert_eq!(world.everything_of(&world.victim).await, before);
    Ok(())
}
