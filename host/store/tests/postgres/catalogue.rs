//! The rules that every table keeps, read from PostgreSQL's own catalogue: a table that a migration forgets is found here.

use docmill_harness::{database, empty_database};
use docmill_model::id::TenantId;
use docmill_store::Sight;
use docmill_store::{StoreError, migrate};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::sample;

/// Tables without rows of tenants: which migrations there were; who works on the queue of all, and whose turn it is. Hosts reach the
/// last two through functions alone.
const NO_TENANT: [&str; 3] = ["_sqlx_migrations", "queue_clock", "worker"];

async fn rows(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await
        .unwrap()
}

/// Every table, partitions too, but those without tenants.
async fn tables(connection: &mut PgConnection, only_parents: bool) -> Vec<String> {
    let parents = if only_parents {
        "and not relispartition"
    } else {
        ""
    };
    rows(
        connection,
        &format!(
            "select relname::text from pg_class where relnamespace = 'docmill'::regnamespace and relkind in ('r', 'p')
             and relname <> all ('{{{}}}') {parents} order by relname",
            NO_TENANT.join(",")
        ),
    )
    .await
}

#[tokio::test]
async fn every_table_keeps_tenants_apart() -> anyhow::Result<()> {
    let db = database().await?;
    let mut owner = PgConnection::connect(&db.url).await?;
    // Names are shown with their schema then.
    sqlx::query("set search_path = ''").execute(&mut owner).await?;
    let all = tables(&mut owner, false).await;
    let parents = tables(&mut owner, true).await;
    assert!(parents.len() >= 22 && all.len() > parents.len(), "{parents:?}");

    let unforced = "select relname::text from pg_class where relnamespace = 'docmill'::regnamespace
        and relkind in ('r', 'p') and not (relrowsecurity and relforcerowsecurity)";
    assert_eq!(rows(&mut owner, unforced).await, [NO_TENANT[0]]);
    let reached = "select relname::text from pg_class c where relnamespace = 'docmill'::regnamespace
        and relname in ('queue_clock', 'worker') and has_any_column_privilege('docmill_app', c.oid, 'select, insert, update')";
    assert_eq!(rows(&mut owner, reached).await, [] as [String; 0]);

    let policy =
        "select tablename::text from pg_policies where schemaname = 'docmill' and policyname = 'tenant'
        and permissive = 'PERMISSIVE' and roles = '{public}' and cmd = 'ALL'
        and qual = '(tenant_id = docmill.current_tenant())' and with_check = qual order by tablename";
    assert_eq!(rows(&mut owner, policy).await, parents);
    // Nobody but the owner, of whom nobody is a member that serves requests, has another way in.
    let others =
        "select distinct roles::text from pg_policies where schemaname = 'docmill' and policyname <> 'tenant'
        and permissive = 'PERMISSIVE'";
    assert_eq!(rows(&mut owner, others).await, ["{docmill_owner}"]);

    let first_column =
        "select relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum = 1
        where relnamespace = 'docmill'::regnamespace and relkind in ('r', 'p')
        and (a.attname, a.atttypid) is distinct from ('tenant_id', 'uuid'::regtype) order by relname";
    assert_eq!(rows(&mut owner, first_column).await, NO_TENANT);

    // Primary keys and unique indexes (indkey), foreign keys (conkey), and what those point to (confkey).
    let unique = "select indexrelid::regclass::text from pg_index i join pg_class c on c.oid = i.indrelid
        join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
        where c.relnamespace = 'docmill'::regnamespace and i.indisunique and a.attname <> 'tenant_id' order by 1";
    assert_eq!(
        rows(&mut owner, unique).await,
        NO_TENANT.map(|table| format!("docmill.{table}_pkey"))
    );
    let keyless = "select relname::text from pg_class c where relnamespace = 'docmill'::regnamespace
        and relkind in ('r', 'p') and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)";
    assert_eq!(rows(&mut owner, keyless).await, [] as [String; 0]);
    let foreign = "select conname::text from pg_constraint k
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
        join pg_attribute f on f.attrelid = k.confrelid and f.attnum = k.confkey[1]
        where k.connamespace = 'docmill'::regnamespace and k.contype = 'f'
        and not (a.attname = 'tenant_id' and f.attname = 'tenant_id')";
    assert_eq!(rows(&mut owner, foreign).await, [] as [String; 0]);
    let count = "select count(*)::text from pg_constraint where connamespace = 'docmill'::regnamespace and contype = 'f'";
    assert_ne!(rows(&mut owner, count).await, ["0"]);
    Ok(())
}

#[tokio::test]
async fn the_application_role_has_no_power_of_its_own() -> anyhow::Result<()> {
    let db = database().await?;
    let mut owner = PgConnection::connect(&db.url).await?;
    let powers = "select rolname::text from pg_roles where rolname in ('docmill_app', 'docmill_owner')
        and not (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolcanlogin) order by rolname";
    assert_eq!(rows(&mut owner, powers).await, ["docmill_app", "docmill_owner"]);
    let member = "select pg_has_role('docmill_app', 'docmill_owner', 'member')::text";
    assert_eq!(rows(&mut owner, member).await, ["false"]);
    let owned = "select relname::text from pg_class where relnamespace = 'docmill'::regnamespace
        and relowner <> 'docmill_owner'::regrole";
    assert_eq!(rows(&mut owner, owned).await, [] as [String; 0]);
    let on_partitions = "select relname::text from pg_class c where relnamespace = 'docmill'::regnamespace
        and relispartition and relkind in ('r', 'p')
        and has_any_column_privilege('docmill_app', c.oid, 'select, insert, update, references')";
    assert_eq!(rows(&mut owner, on_partitions).await, [] as [String; 0]);
    let deletes = "select relname::text from pg_class c where relnamespace = 'docmill'::regnamespace
        and relkind in ('r', 'p') and has_table_privilege('docmill_app', c.oid, 'delete, truncate, trigger')";
    assert_eq!(rows(&mut owner, deletes).await, [] as [String; 0]);
    // Immutable for good: versions, what a run found, the ledger and the audit log cannot be updated.
    let updates = "select relname::text from pg_class c where relnamespace = 'docmill'::regnamespace
        and has_any_column_privilege('docmill_app', c.oid, 'update') order by relname";
    assert_eq!(
        rows(&mut owner, updates).await,
        [
            "api_key",
            "document",
            "idempotency_key",
            "model",
            "pipeline",
            "pipeline_queue",
            "plugin",
            "plugin_channel",
            "plugin_code",
            "plugin_grant",
            "plugin_store",
            "plugin_value",
            "plugin_version",
            "preset",
            "queue",
            "run",
            "secret",
            "session",
            "signing_identity",
            "signing_key",
            "tenant",
            "user"
        ]
    );

    // Of a version of a plugin, where it stands, and nothing of what it is.
    let version = "select attname::text from pg_attribute where attrelid = 'docmill.plugin_version'::regclass
        and attnum > 0 and has_column_privilege('docmill_app', attrelid, attnum, 'update') order by attname";
    assert_eq!(
        rows(&mut owner, version).await,
        ["state", "state_at", "state_note"]
    );

    // Where an entry of the audit log stands is the sealer's to say.
    let inserts = "select attname::text from pg_attribute where attrelid = 'docmill.audit_entry'::regclass and attnum > 0
        and not has_column_privilege('docmill_app', attrelid, attnum, 'insert') order by attname";
    assert_eq!(rows(&mut owner, inserts).await, ["hash", "seq"]);

    let open = "select p.oid::regprocedure::text from pg_proc p where pronamespace = 'docmill'::regnamespace
        and exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) where grantee = 0)";
    assert_eq!(rows(&mut owner, open).await, [] as [String; 0], "PUBLIC may call");
    // Which functions act as the owner, and why: isolation/functions.rs.
    let careless = "select proname::text from pg_proc where pronamespace = 'docmill'::regnamespace and prosecdef
        and not coalesce(proowner = 'docmill_owner'::regrole and 'search_path=pg_catalog, pg_temp' = any (proconfig), false)";
    assert_eq!(rows(&mut owner, careless).await, [] as [String; 0]);
    Ok(())
}

/// Tables whose rows name a document or a run and are seen whatever its tier, with why.
const NO_TIER: &[(&str, &str)] = &[
    (
        "idempotency_key",
        "which run a key made, for whoever has both the key and the request; what the run says has its own tier",
    ),
    (
        "usage_entry",
        "what was used, and of which run; not what it was about. Sums are those of the bill",
    ),
];

#[tokio::test]
async fn every_table_of_documents_and_runs_keeps_tiers_apart() -> anyhow::Result<()> {
    let db = database().await?;
    let mut owner = PgConnection::connect(&db.url).await?;
    let about = "select distinct relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid
        where relnamespace = 'docmill'::regnamespace and relkind in ('r', 'p', 'v', 'm') and not relispartition
        and not attisdropped and attname in ('tier', 'document_id', 'source_id', 'reading_id', 'run_id') order by 1";
    let exempt: Vec<&str> = NO_TIER.iter().map(|(table, _)| *table).collect();
    let about = rows(&mut owner, about).await;
    assert!(exempt.iter().all(|table| about.iter().any(|t| t == table)));
    let about: Vec<String> = about
        .into_iter()
        .filter(|table| !exempt.contains(&table.as_str()))
        .collect();
    assert!(about.len() >= 14, "{about:?}");
    let policies = |command: &str| {
        format!(
            "select tablename::text from pg_policies where schemaname = 'docmill' and permissive = 'RESTRICTIVE'
             and roles = '{{docmill_app}}' and cmd = '{command}' order by 1"
        )
    };
    assert_eq!(rows(&mut owner, &policies("SELECT")).await, about);
    // Those that can be changed.
    assert_eq!(rows(&mut owner, &policies("UPDATE")).await, ["document", "run"]);
    let others =
        "select policyname::text from pg_policies where schemaname = 'docmill' and permissive = 'RESTRICTIVE'
        and not (roles = '{docmill_app}' and cmd in ('SELECT', 'UPDATE'))";
    assert_eq!(rows(&mut owner, others).await, [] as [String; 0]);
    // The policies hold for hosts; nobody else may look.
    let strangers = "select distinct grantee::regrole::text from pg_class c, aclexplode(c.relacl)
        where relnamespace = 'docmill'::regnamespace and grantee <> 0 order by 1";
    assert_eq!(
        rows(&mut owner, strangers).await,
        ["docmill_app", "docmill_owner"]
    );
    let public = "select relname::text from pg_class c, aclexplode(c.relacl)
        where relnamespace = 'docmill'::regnamespace and grantee = 0";
    assert_eq!(rows(&mut owner, public).await, [] as [String; 0]);
    Ok(())
}

#[tokio::test]
async fn every_column_of_the_audit_log_is_hashed() -> anyhow::Result<()> {
    let db = database().await?;
    let mut owner = PgConnection::connect(&db.url).await?;
    let hashed = rows(
        &mut owner,
        "select unnest(proargnames) from pg_proc where oid = 'docmill.audit_bytes'::regproc order by 1",
    )
    .await;
    let columns = "select attname::text from pg_attribute where attrelid = 'docmill.audit_entry'::regclass
        and attnum > 0 and not attisdropped and attname <> 'hash' order by attname";
    assert_eq!(
        rows(&mut owner, columns).await,
        hashed,
        "see migrations/README.md"
    );
    Ok(())
}

#[tokio::test]
async fn the_tenant_does_not_outlive_its_transaction() -> anyhow::Result<()> {
    let db =
        docmill_harness::database_with(|settings| docmill_store::Settings { pool: 1, ..settings }).await?;
    let sample = sample::run("text");
    db.store.commit_run(db.tenant, &sample.commit()).await?;
    assert!(
        db.store
            .get_run(Sight::whole(db.tenant), sample.head.id)
            .await?
            .is_some()
    );
    // The same connection, another tenant.
    assert!(
        db.store
            .get_run(Sight::whole(TenantId::new()), sample.head.id)
            .await?
            .is_none()
    );
    assert!(
        db.store
            .find_source(Sight::whole(TenantId::new()), sample.documents[0].digest)
            .await?
            .is_none()
    );
    Ok(())
}

#[tokio::test]
async fn migrating_again_changes_nothing_and_an_empty_database_is_told_from_an_absent_one()
-> anyhow::Result<()> {
    let db = database().await?;
    migrate(&db.url).await?;
    db.store.ping().await?;
    db.store.maintain().await?;
    let empty = docmill_store::Store::connect(&docmill_store::Settings::new(empty_database().await?))?;
    let refused = empty.ping().await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::NotMigrated { reason } if reason.contains("docmill migrate")),
        "{refused}"
    );
    Ok(())
}

#[tokio::test]
async fn an_owner_without_superuser_can_migrate_and_one_without_rights_is_told_what_to_grant()
-> anyhow::Result<()> {
    let url = empty_database().await?;
    let mut owner = PgConnection::connect(&url).await?;
    let name: String = sqlx::query_scalar("select current_database()::text")
        .fetch_one(&mut owner)
        .await?;
    let user = format!("plain_{name}");
    sqlx::raw_sql(AssertSqlSafe(format!("create role {user} login")))
        .execute(&mut owner)
        .await?;
    let plain = url.replacen("//postgres@", &format!("//{user}@"), 1);
    assert_ne!(plain, url, "the test's server is the private one");

    let refused = migrate(&plain).await.unwrap_err().to_string();
    assert!(
        refused.contains("grant docmill_owner, docmill_app to") && refused.contains(&user),
        "{refused}"
    );
    let grant = format!("grant docmill_owner, docmill_app to {user}");
    sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut owner).await?;
    let refused = migrate(&plain).await.unwrap_err().to_string();
    assert!(
        refused.contains(&format!("grant create on database {name} to {user}")),
        "{refused}"
    );
    let grant = format!("grant create on database {name} to {user}");
    sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut owner).await?;
    migrate(&plain).await?;

    // And work: as a user who is no superuser, so that nothing hides a missing right.
    let store = docmill_store::Store::connect(&docmill_store::Settings::new(&plain))?;
    store.ping().await?;
    let first = store.bootstrap("main").await?.unwrap();
    let sample = sample::run("text");
    store.commit_run(first.tenant, &sample.commit()).await?;
    assert!(
        store
            .get_run(Sight::whole(first.tenant), sample.head.id)
            .await?
            .is_some()
    );
    store.maintain().await?;
    assert_eq!(store.mark_lost_runs(0).await?, 0);
    store.close().await;
    Ok(())
}

#[tokio::test]
async fn a_run_of_a_month_without_a_partition_is_kept_and_moved_when_there_is_one() -> anyhow::Result<()> {
    let db = database().await?;
    let mut owner = PgConnection::connect(&db.url).await?;
    // This month's partitions are gone: as if nobody had made any for long.
    let month: String = sqlx::query_scalar("select to_char(now() at time zone 'UTC', '_YYYY_MM')")
        .fetch_one(&mut owner)
        .await?;
    let parts = rows(
        &mut owner,
        &format!("select relname::text from pg_class where relispartition and relkind = 'r' and relname like '%{month}'"),
    )
    .await;
    assert!(parts.len() >= 12, "{parts:?}");
    for part in &parts {
        sqlx::raw_sql(AssertSqlSafe(format!("drop table docmill.{part}")))
            .execute(&mut owner)
            .await?;
    }
    let sample = sample::run("text");
    db.store.commit_run(db.tenant, &sample.commit()).await?;
    let in_default = "select count(*)::text from docmill.field_default";
    assert_eq!(rows(&mut owner, in_default).await, ["4"]);

    db.store.maintain().await?;
    assert_eq!(rows(&mut owner, in_default).await, ["0"]);
    let stored = db
        .store
        .get_run(Sight::whole(db.tenant), sample.head.id)
        .await?
        .unwrap();
    assert_eq!(stored.outcome.unwrap().fields.len(), 3);
    let again = rows(
        &mut owner,
        &format!("select count(*)::text from docmill.field{month}"),
    )
    .await;
    assert_eq!(again, ["4"]);
    // The new partition is as closed as the others.
    let open =
        "select relname::text from pg_class where relnamespace = 'docmill'::regnamespace and relkind = 'r'
        and relispartition and not (relrowsecurity and relforcerowsecurity)";
    assert_eq!(rows(&mut owner, open).await, [] as [String; 0]);
    Ok(())
}

/// On a server of its own: roles belong to the server, and the others have them already.
#[tokio::test]
async fn a_user_who_may_create_roles_migrates_alone() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let server = docmill_store::embedded::PrivateServer::start(&directory.path().join("pg"), |_| ()).await?;
    let mut superuser = PgConnection::connect(server.url()).await?;
    sqlx::raw_sql(
        "create role migrating login createrole; grant create on database postgres to migrating; create role serving login",
    )
    .execute(&mut superuser)
    .await?;
    let as_user = |user: &str| server.url().replacen("//postgres@", &format!("//{user}@"), 1);
    migrate(&as_user("migrating")).await?;
    migrate(&as_user("migrating")).await?;
    // A host's user that is a member of docmill_app and of nothing else can do all that a host does.
    let store = docmill_store::Store::connect(&docmill_store::Settings::new(as_user("serving")))?;
    assert!(store.ping().await.is_err(), "it is not a member yet");
    sqlx::raw_sql("grant docmill_app to serving")
        .execute(&mut superuser)
        .await?;
    store.ping().await?;
    let first = store.bootstrap("main").await?.unwrap();
    let sample = sample::run("text");
    store.commit_run(first.tenant, &sample.commit()).await?;
    assert!(
        store
            .get_run(Sight::whole(first.tenant), sample.head.id)
            .await?
            .is_some()
    );
    Ok(())
}
