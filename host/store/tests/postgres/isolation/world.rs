//! Two tenants that have everything, and a host's user to look at it.

use std::time::Duration;

use docmill_harness::{Database, database};
use docmill_model::access::{Clearance, Role};
use docmill_model::attachment::{Attachment, AttachmentKind};
use docmill_model::definition::{Definition, Retain};
use docmill_model::digest::Digest;
use docmill_model::grant::{Bounds, Capability};
use docmill_model::id::{KeyId, RunId, TenantId, WorkerId};
use docmill_model::plugin::{Kind, Manifest};
use docmill_model::preset::Preset;
use docmill_model::registry::VersionState;
use docmill_model::signature::{PublicKey, Signer};
use docmill_store::plugin::{Judged, NewVersion};
use docmill_store::queue::{Beat, JobSpec, KeyUse};
use docmill_store::secret::SealedSecret;
use docmill_store::signing::NewIdentity;
use docmill_store::value::{Quota, Written};
use docmill_store::who::{AuditEntry, Counted, NewKey, NewSession, NewUser, Secret};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use crate::sample::{self, Sample};

/// A tenant with rows in every table and in every partition.
pub struct Tenant {
    pub id: TenantId,
    pub secret: Secret,
    /// Of a user of its own.
    pub session: Secret,
    pub key: KeyId,
    /// A word in its texts that no other tenant has.
    pub mark: &'static str,
    /// The run of this month.
    pub sample: Sample,
}

impl Tenant {
    /// What tells that something is this tenant's. Every row has its id.
    pub fn owns(&self, text: &str) -> bool {
        let id = self.id.uuid();
        text.contains(&id.to_string()) || text.contains(&id.simple().to_string()) || text.contains(self.mark)
    }
}

pub struct World {
    pub db: Database,
    /// Whose rows are looked for.
    pub victim: Tenant,
    /// Who looks for them; has as many.
    pub other: Tenant,
    /// Has nothing, not even a row of its own.
    pub stranger: TenantId,
    /// A login that can do what docmill_app can and nothing else, as `migrations/README.md` has operators make it.
    host_url: String,
}

impl World {
    pub async fn new() -> anyhow::Result<Self> {
        let db = database().await?;
        let (other, other_secret) = db.another_tenant("quokka").await?;
        let victim = fill(&db, db.tenant, db.secret.clone(), "capybara").await?;
        let other = fill(&db, other, other_secret, "quokka").await?;

        let mut owner = PgConnection::connect(&db.url).await?;
        run(
            &mut owner,
            "update docmill.tenant set name = 'capybara' where name = 'main'",
        )
        .await?;
        let name: String = sqlx::query_scalar("select current_database()::text")
            .fetch_one(&mut owner)
            .await?;
        run(
            &mut owner,
            &format!("create role host_{name} login in role docmill_app"),
        )
        .await?;
        let host_url = db.url.replacen("//postgres@", &format!("//host_{name}@"), 1);
        assert_ne!(host_url, db.url, "the test's server is the private one");
        Ok(Self {
            db,
            victim,
            other,
            stranger: TenantId::new(),
            host_url,
        })
    }

    /// A superuser's connection, for looking behind the walls.
    pub async fn owner(&self) -> PgConnection {
        PgConnection::connect(&self.db.url).await.unwrap()
    }

    /// A connection as a host's pool has them.
    pub async fn host(&self) -> PgConnection {
        let mut host = self.login().await;
        run(&mut host, "set role docmill_app").await.unwrap();
        host
    }

    /// The same before it took its role.
    pub async fn login(&self) -> PgConnection {
        PgConnection::connect(&self.host_url).await.unwrap()
    }

    /// Every table and view that holds rows of tenants: parents, not partitions.
    pub async fn relations(&self) -> Vec<String> {
        names(
            &mut self.owner().await,
            "select relname::text from pg_class where relnamespace = 'docmill'::regnamespace
             and relkind not in ('i', 'I', 'S', 't', 'c') and not relispartition
             and relname not in ('_sqlx_migrations', 'queue_clock', 'worker')
             order by relname",
        )
        .await
    }

    /// The partitions of all tables.
    pub async fn partitions(&self) -> Vec<String> {
        names(
            &mut self.owner().await,
            "select relname::text from pg_class where relnamespace = 'docmill'::regnamespace and relispartition
             and relkind in ('r', 'p') order by relname",
        )
        .await
    }

    /// A digest of every row that the tenant has, for finding out whether anything changed.
    pub async fn everything_of(&self, tenant: &Tenant) -> Vec<String> {
        let mut owner = self.owner().await;
        let mut digests = Vec::new();
        for table in self.relations().await {
            let sql = format!(
                "select '{table} ' || md5(string_agg(t::text, ';' order by t::text)) from docmill.\"{table}\" t
                 where tenant_id = '{}'",
                tenant.id.uuid()
            );
            digests.extend(texts(&mut owner, &sql).await.unwrap());
        }
        digests
    }
}

/// Says a statement without values.
pub async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

/// The rows of a statement that gives one text each.
pub async fn texts(connection: &mut PgConnection, sql: &str) -> Result<Vec<String>, sqlx::Error> {
    let rows: Vec<Option<String>> = sqlx::query_scalar(AssertSqlSafe(sql))
        .persistent(false)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().flatten().collect())
}

pub async fn names(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    let names = texts(connection, sql).await.unwrap();
    assert!(!names.is_empty(), "{sql}");
    names
}

/// From here on, the connection acts for this tenant, or for nobody.
pub async fn act_for(connection: &mut PgConnection, tenant: Option<TenantId>) {
    let id = tenant.map(|tenant| tenant.uuid().to_string());
    let set = format!("set app.tenant_id = '{}'", id.unwrap_or_default());
    run(connection, &set).await.unwrap();
}

/// From here on, the connection sees so much, besides.
pub async fn cleared_for(connection: &mut PgConnection, clearance: Clearance) {
    run(connection, &format!("set app.clearance = '{clearance}'"))
        .await
        .unwrap();
}

/// The code and the words of a refusal.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, sqlx::Error>) -> (String, String) {
    let error = result.expect_err("a refusal");
    let error = error.as_database_error().unwrap_or_else(|| panic!("{error}"));
    let detail = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>();
    let detail = detail
        .and_then(sqlx::postgres::PgDatabaseError::detail)
        .unwrap_or_default();
    let code = error.code().unwrap_or_default().into_owned();
    (code, format!("{} {detail}", error.message()))
}

/// Gives a tenant rows in every table and partition, through the store alone.
/// A run in the queue, that a worker has, with a step that was kept.
async fn queued(db: &Database, tenant: TenantId, mark: &'static str) -> anyhow::Result<()> {
    let plan = db
        .store
        .keep_plan(tenant, &serde_json::json!({ "of": mark }))
        .await?;
    let run = sample::run(&format!("{mark} queued"));
    let job = JobSpec {
        plan,
        priority: 0,
        delay: Duration::ZERO,
        clearance: Clearance::S,
    };
    let key = KeyUse {
        key: mark.to_owned(),
        request: Digest::of(mark.as_bytes()),
        lasts: Duration::from_secs(3_600),
    };
    db.store
        .queue_run(tenant, &run.head, &run.documents, &job, Some(&key))
        .await?;
    db.store
        .pause_queue(tenant, Some(run.head.pipeline), true)
        .await?;
    db.store
        .pause_queue(tenant, Some(run.head.pipeline), false)
        .await?;
    let worker = WorkerId::new();
    let beat = Beat {
        worker,
        host: mark,
        release: "1",
        lease: Duration::from_secs(3_600),
        draining: false,
        doing: &serde_json::json!([]),
    };
    db.store.beat(&beat).await?;
    let claims = db.store.claim_jobs(worker, 1).await?;
    let job = claims.jobs.first().unwrap();
    assert!(
        db.store
            .keep_checkpoint(tenant, job.lease, run.head.id, 0, mark.as_bytes())
            .await?
    );
    Ok(())
}

async fn fill(db: &Database, tenant: TenantId, secret: Secret, mark: &'static str) -> anyhow::Result<Tenant> {
    let key = db.store.authenticate(secret.expose()).await?.valid().unwrap();
    let key = key.key.unwrap();
    db.store.create_key(tenant, &NewKey::of_owner(mark)).await?;
    let user = NewUser {
        email: &format!("{mark}@example.org"),
        name: mark,
        role: Role::Owner,
        clearance: Clearance::S,
    };
    let user = db.store.create_user(tenant, &user).await?.id;
    let own = NewKey {
        user: Some(user),
        ..NewKey::of_owner(mark)
    };
    let (own, _) = db.store.create_key(tenant, &own).await?;
    let session = NewSession {
        user,
        key: own,
        client_ip: None,
        user_agent: Some(mark),
        lasts: Duration::from_secs(3_600),
    };
    let (_, session, _) = db.store.create_session(tenant, &session).await?;
    let counted = Counted {
        tenant,
        day: Some("2026-11-21".to_owned()),
        requests: 7,
    };
    db.store.count_requests(&[counted]).await?;
    let definition = Definition::parse(&format!(
        "name: {mark}\ndescription: {mark}\nsteps: [{{ id: a, use: docmill/text@1 }}]\n"
    ));
    let pipeline = db
        .store
        .save_pipeline(tenant, &definition.unwrap(), mark, None)
        .await?;
    let preset = format!("{{ name: {mark}, use: docmill/text@1, with: {{ of: {mark} }} }}");
    let preset = Preset::parse(&preset).unwrap();
    db.store.save_preset(tenant, &preset, mark, None).await?;
    let manifest = Manifest {
        name: format!("{mark}/text").parse().unwrap(),
        version: "0.1.0".parse()?,
        summary: mark.to_owned(),
        config_schema: serde_json::json!({}),
        accepts: vec![],
        fields: vec![],
    };
    let attachment = Attachment {
        kind: AttachmentKind::Sample,
        name: mark.to_owned(),
        media_type: "application/json".to_owned(),
        format: Some(mark.to_owned()),
        digest: Digest::of(mark.as_bytes()),
        size: 1,
    };
    let plugin = NewVersion {
        manifest: &manifest,
        kind: Kind::Parser,
        digest: Digest::of(mark.as_bytes()),
        size: 1,
        inspection: &serde_json::json!({ "of": mark }),
        state: VersionState::Published,
        report: &serde_json::json!({ "of": mark }),
        signature: None,
        bundle: None,
        attachments: &[attachment],
        judged: Judged::Against(None),
    };
    db.store.publish_plugin(tenant, &plugin).await?;
    let bounds = serde_json::json!({ "hosts": [format!("{mark}.example.org")] });
    let bounds = Bounds::read(Capability::Http, bounds).map_err(anyhow::Error::msg)?;
    let granted = db.store.grant(tenant, &manifest.name, &bounds, mark).await?;
    assert!(granted);
    let secret_of = SealedSecret {
        name: mark.to_owned(),
        hosts: vec![format!("{mark}.example.org")],
        key_number: 1,
        sealed: mark.bytes().cycle().take(60).collect(),
    };
    db.store.put_secret(tenant, &secret_of, mark).await?;
    let model = serde_json::json!({ "use": "docmill/openai@0.1", "model": mark });
    let model = serde_json::from_value(model).unwrap();
    let alias = mark.parse().unwrap();
    db.store.set_model(tenant, &alias, &model, mark).await?;
    let (component, code) = (Digest::of(mark.as_bytes()), Digest::of(b"code"));
    let (kept, quota) = (
        [(mark.to_owned(), mark.into())].into(),
        Quota { keys: 9, bytes: 999 },
    );
    let put = db.store.put_values(tenant, &manifest.name, &kept, quota).await?;
    assert_eq!(put, Written::Done(()));
    db.store.keep_code(tenant, component, &[7; 32], code, 4).await?;
    let channel = "beta".parse().unwrap();
    let version = Some(&manifest.version);
    db.store
        .set_channel(tenant, &manifest.name, &channel, version)
        .await?;
    let public = PublicKey::from_bytes(*Digest::of(mark.as_bytes()).as_bytes());
    db.store.trust_key(tenant, mark, public, None).await?;
    let identity = NewIdentity {
        name: mark,
        signer: &Signer::Key(mark.to_owned()),
        trusted_root: None,
        expires_at: None,
    };
    db.store.trust_identity(tenant, &identity).await?;
    let entry = AuditEntry {
        action: "pipeline.save",
        subject: mark,
        key: Some(key),
        client_ip: None,
        request: None,
        detail: serde_json::json!({ "of": mark }),
    };
    db.store.audit(tenant, &entry).await?;

    queued(db, tenant, mark).await?;

    // With `debug`, a run has rows in every table. One for this month, one for every other month that has partitions, and one
    // for the default partitions.
    let mut owner = PgConnection::connect(&db.url).await?;
    let months: Vec<i64> = sqlx::query_scalar(
        "select (extract(epoch from to_date(right(relname, 7), 'YYYY_MM')) * 1000)::bigint + 86400000
         from pg_class where relnamespace = 'docmill'::regnamespace and relname ~ '^run_[0-9]{4}_[0-9]{2}$'",
    )
    .fetch_all(&mut owner)
    .await?;
    assert!(months.len() >= 4, "{months:?}");
    let day_in_1997 = 870_000_000_000;
    let of_month = |at: Option<i64>| {
        let mut sample = sample::run(&format!("{mark} {at:?}"))
            .of_pipeline(pipeline.pipeline, mark)
            .with_chunks()
            .found_by("animal", mark);
        sample.head.retain = Retain::Debug;
        sample.head.key = Some(key);
        if let Some(at) = at {
            sample.head.id = at_time(sample.head.id, at);
        }
        sample
    };
    for at in months.into_iter().chain([day_in_1997]) {
        db.store.commit_run(tenant, &of_month(Some(at)).commit()).await?;
    }
    let sample = of_month(None);
    db.store.commit_run(tenant, &sample.commit()).await?;
    while db.store.seal_audit().await?.more {}
    Ok(Tenant {
        id: tenant,
        secret,
        session,
        key,
        mark,
        sample,
    })
}

/// The id as if it had been made at that time: its first 48 bits are milliseconds.
pub fn at_time(id: RunId, milliseconds: i64) -> RunId {
    let rest = id.uuid().as_u128() & ((1 << 80) - 1);
    Uuid::from_u128((u128::try_from(milliseconds).unwrap() << 80) | rest).into()
}
