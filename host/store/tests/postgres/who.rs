//! Tenants and keys.

use std::time::Duration;

use docmill_harness::database;
use docmill_model::access::{Clearance, Role, Scope, Scopes};
use docmill_model::id::{KeyId, RequestId, TenantId};
use docmill_model::quota::Allowance;
use docmill_store::StoreError;
use docmill_store::who::{
    AuditEntry, Counted, Credential, Ended, LimitChange, NewKey, NewSession, NewUser, Status, TenantChange,
    UserChange,
};
use sqlx::{Connection as _, PgConnection};

#[tokio::test]
async fn the_first_start_makes_a_tenant_and_a_key_once() -> anyhow::Result<()> {
    let db = database().await?;
    assert!(db.store.bootstrap("again").await?.is_none());
    let caller = db.store.authenticate(db.secret.expose()).await?.valid().unwrap();
    assert_eq!((caller.tenant, caller.tenant_name.as_str()), (db.tenant, "main"));
    assert_eq!((caller.timezone.as_str(), caller.locale.as_str()), ("UTC", "en"));
    assert_eq!(db.store.tenants().await?, [(db.tenant, "main".to_owned())]);
    for wrong in ["", "dm_", "Bearer", "dm_00000000", &"x".repeat(100_000), "dm_\0"] {
        assert_eq!(
            db.store.authenticate(wrong).await?,
            Credential::Unknown,
            "{wrong}"
        );
    }
    assert_eq!(format!("{:?}", db.secret), "Secret(…)");
    Ok(())
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() -> anyhow::Result<()> {
    let db = database().await?;
    let (key, secret) = db.store.create_key(db.tenant, &NewKey::of_owner("робот")).await?;
    let caller = db.store.authenticate(secret.expose()).await?.valid().unwrap();
    assert_eq!((caller.key, caller.name.as_str()), (Some(key), "робот"));
    let list = async |cursor, limit| db.store.list_keys(db.tenant, cursor, limit).await;
    let keys = list(None, 0).await?.items;
    assert_eq!(
        keys.iter().map(|k| k.name.as_str()).collect::<Vec<_>>(),
        ["робот", "bootstrap"]
    );
    let first = list(None, 1).await?;
    assert_eq!((&first.items[..], first.next), (&keys[..1], Some(keys[0].id)));
    let last = list(first.next, 1).await?;
    assert_eq!((&last.items[..], last.next), (&keys[1..], None));
    assert!(secret.expose().starts_with(&keys[0].prefix) && keys[0].prefix.len() < 16);
    db.store.revoke_key(db.tenant, key).await?;
    let revoked = db.store.authenticate(secret.expose()).await?;
    assert_eq!(revoked, Credential::Ended(Ended::Revoked));
    assert!(list(None, 0).await?.items[0].revoked_at.is_some());
    let unknown = db.store.revoke_key(db.tenant, KeyId::new()).await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
    let foreign = db.store.revoke_key(TenantId::new(), key).await;
    assert!(matches!(foreign, Err(StoreError::NotFound { .. })), "{foreign:?}");
    let bad = db.store.create_key(db.tenant, &NewKey::of_owner("")).await;
    assert!(matches!(bad, Err(StoreError::Invalid { .. })), "{bad:?}");
    Ok(())
}

#[tokio::test]
async fn settings_of_a_tenant_change_by_version() -> anyhow::Result<()> {
    let db = database().await?;
    let change = async |timezone, locale, expected_version| {
        let change = TenantChange {
            timezone,
            locale,
            expected_version,
            ..TenantChange::default()
        };
        let (row, changed) = db.store.change_tenant(db.tenant, &change).await?;
        Ok::<_, StoreError>((row.timezone, row.locale, row.version, changed))
    };
    let is = |timezone: &str, locale: &str, version, changed| {
        (timezone.to_owned(), locale.to_owned(), version, changed)
    };
    let revision = db.store.revision(db.tenant).await?;
    assert_eq!(change(None, None, None).await?, is("UTC", "en", 1, false));
    assert_eq!(
        change(Some("Asia/Almaty"), None, Some(1)).await?,
        is("Asia/Almaty", "en", 2, true)
    );
    let late = change(None, Some("ru"), Some(1)).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    assert_eq!(
        change(None, Some("kk-KZ"), None).await?,
        is("Asia/Almaty", "kk-KZ", 3, true)
    );
    assert_eq!(
        change(Some("Asia/Almaty"), None, Some(3)).await?,
        is("Asia/Almaty", "kk-KZ", 3, false)
    );
    assert!(
        db.store.revision(db.tenant).await? > revision,
        "plans are made again"
    );
    let caller = db.store.authenticate(db.secret.expose()).await?.valid().unwrap();
    assert_eq!(
        (caller.timezone.as_str(), caller.locale.as_str()),
        ("Asia/Almaty", "kk-KZ")
    );
    let foreign = db
        .store
        .change_tenant(TenantId::new(), &TenantChange::default())
        .await;
    assert!(matches!(foreign, Err(StoreError::NotFound { .. })), "{foreign:?}");
    Ok(())
}

#[tokio::test]
async fn the_audit_log_takes_lines() -> anyhow::Result<()> {
    let db = database().await?;
    let entry = AuditEntry {
        action: "pipeline.save",
        subject: "invoice\0",
        key: Some(KeyId::new()),
        client_ip: Some("192.0.2.1".parse()?),
        request: Some(RequestId::new()),
        detail: serde_json::json!({"number": 2}),
    };
    db.store.audit(db.tenant, &entry).await?;
    let mut owner = <sqlx::PgConnection as sqlx::Connection>::connect(&db.url).await?;
    let line: (String, String) = sqlx::query_as("select subject, host(client_ip) from docmill.audit_entry")
        .fetch_one(&mut owner)
        .await?;
    assert_eq!(line, ("invoice\u{fffd}".to_owned(), "192.0.2.1".to_owned()));
    Ok(())
}

#[tokio::test]
async fn users_change_by_version_and_end_with_their_keys_and_sessions() -> anyhow::Result<()> {
    let db = database().await?;
    let new = NewUser {
        email: "anna@example.org",
        name: "Анна",
        role: Role::Developer,
        clearance: Clearance::B,
    };
    let user = db.store.create_user(db.tenant, &new).await?;
    assert_eq!((user.status, user.version), (Status::Active, 1));
    let again = db.store.create_user(db.tenant, &new).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
    let preferences = serde_json::json!({"page": 20, "nul": "\0"});
    let change = UserChange {
        preferences: Some(&preferences),
        expected_version: Some(1),
        ..UserChange::default()
    };
    let changed = db.store.change_user(db.tenant, user.id, &change).await?;
    assert_eq!((changed.version, &changed.preferences["page"]), (2, &20.into()));
    assert_eq!(changed.preferences["nul"], "\u{fffd}");
    let late = db.store.change_user(db.tenant, user.id, &change).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");

    let key = NewKey {
        user: Some(user.id),
        scopes: Some(Scopes::of(&[Scope::RunsRead, Scope::KeysWrite])),
        ..NewKey::of_owner("laptop")
    };
    let (laptop, secret) = db.store.create_key(db.tenant, &key).await?;
    let session = NewSession {
        user: user.id,
        key: laptop,
        client_ip: Some("192.0.2.1".parse()?),
        user_agent: Some("\0browser"),
        lasts: Duration::from_secs(1_000_000),
    };
    let (_, signed_in, expires_at) = db.store.create_session(db.tenant, &session).await?;
    let caller = db.store.authenticate(secret.expose()).await?.valid().unwrap();
    // The key's role has both scopes, its user's has one of them.
    assert_eq!(caller.scopes, Scopes::of(&[Scope::RunsRead]));
    assert_eq!(caller.clearance, Clearance::B);
    let caller = db.store.authenticate(signed_in.expose()).await?.valid().unwrap();
    // The session may no more than the key that began it.
    let narrow = Scopes::of(&[Scope::RunsRead]);
    assert_eq!((caller.scopes, caller.expires_at), (narrow, Some(expires_at)));
    assert!(expires_at <= millis_now() + 86_400_000, "a day at most");

    let remove = UserChange {
        status: Some(Status::Removed),
        ..UserChange::default()
    };
    db.store.change_user(db.tenant, user.id, &remove).await?;
    for secret in [&secret, &signed_in] {
        let found = db.store.authenticate(secret.expose()).await?;
        assert_eq!(found, Credential::Ended(Ended::Revoked));
    }
    let gone = db.store.create_session(db.tenant, &session).await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
    let gone = db.store.create_key(db.tenant, &key).await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
    let page = db.store.list_sessions(db.tenant, Some(user.id), None, 0).await?;
    assert_eq!(page.items[0].client_ip.as_deref(), Some("192.0.2.1"));
    assert!(page.items[0].revoked_at.is_some());
    // Another tenant's are nowhere.
    let other = TenantId::new();
    assert!(db.store.get_user(other, user.id).await.is_err());
    assert!(db.store.list_users(other, None, 0).await?.items.is_empty());
    assert!(
        db.store
            .list_sessions(other, None, None, 0)
            .await?
            .items
            .is_empty()
    );
    Ok(())
}

#[tokio::test]
async fn a_user_has_so_many_sessions_at_once() -> anyhow::Result<()> {
    let db = database().await?;
    let new = NewUser {
        email: "a@b",
        name: "A",
        role: Role::Viewer,
        clearance: Clearance::D,
    };
    let user = db.store.create_user(db.tenant, &new).await?.id;
    let key = NewKey {
        user: Some(user),
        ..NewKey::of_owner("a")
    };
    let (key, _) = db.store.create_key(db.tenant, &key).await?;
    let session = NewSession {
        user,
        key,
        client_ip: None,
        user_agent: None,
        lasts: Duration::from_secs(60),
    };
    let mut secrets = Vec::new();
    for _ in 0..22 {
        secrets.push(db.store.create_session(db.tenant, &session).await?.1);
    }
    let mut valid = Vec::new();
    for secret in &secrets {
        valid.push(db.store.authenticate(secret.expose()).await?.valid().is_some());
    }
    assert_eq!(valid.iter().filter(|valid| **valid).count(), 20);
    assert_eq!(&valid[..2], &[false, false], "the oldest end");
    Ok(())
}

fn millis_now() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[tokio::test]
async fn what_hosts_count_of_a_day_is_added_up_and_limits_are_read_with_it() -> anyhow::Result<()> {
    let db = database().await?;
    let (other, _) = db.another_tenant("other").await?;
    let mut limits = Allowance::default();
    limits.set("requests_per_day", "100")?;
    let change = LimitChange {
        limits: &limits,
        edition: Some("pro"),
        expected_version: 1,
        changes: &serde_json::json!({ "requests_per_day": "100" }),
    };
    let row = db.store.change_limits(db.tenant, &change).await?;
    assert_eq!(
        (row.limits, row.edition.as_deref(), row.version),
        (limits.clone(), Some("pro"), 2)
    );
    let stale = db.store.change_limits(db.tenant, &change).await;
    assert!(matches!(stale, Err(StoreError::Conflict { .. })), "{stale:?}");
    let written = db.audited("tenant.limits").await?;
    assert_eq!(
        written,
        [r#"{"version": 2, "settings": {"requests_per_day": "100"}}"#]
    );

    let counted = |tenant, day: &str, requests| Counted {
        tenant,
        day: Some(day.to_owned()),
        requests,
    };
    let all = [
        counted(db.tenant, "2026-11-21", 5),
        counted(TenantId::new(), "2026-11-21", 5),
        counted(other, "2026-11-21", 0),
        Counted {
            tenant: other,
            day: None,
            requests: 9,
        },
        counted(db.tenant, "2026-11-22", 2),
    ];
    let told = async || -> anyhow::Result<Vec<(usize, u64)>> {
        let limited = db.store.count_requests(&all).await?;
        Ok(limited.into_iter().map(|one| (one.place, one.requests)).collect())
    };
    assert_eq!(
        told().await?,
        [(0, 5), (2, 0), (3, 0), (4, 2)],
        "nobody's is left out"
    );
    assert_eq!(told().await?, [(0, 10), (2, 0), (3, 0), (4, 4)]);
    let limited = db.store.count_requests(&all[..1]).await?;
    assert_eq!(
        (&limited[0].limits, limited[0].timezone.as_str()),
        (&limits, "UTC")
    );
    // Several hosts at once, in whatever order they name their tenants: none waits for another in a circle.
    let (one, two) = (
        counted(db.tenant, "2026-11-23", 1),
        counted(other, "2026-11-23", 1),
    );
    let (forth, back) = ([one.clone(), two.clone()], [two, one]);
    for _ in 0..50 {
        let (a, b) = tokio::join!(db.store.count_requests(&forth), db.store.count_requests(&back));
        a?;
        b?;
    }
    assert_eq!(db.store.count_requests(&forth[..1]).await?[0].requests, 101);
    // Limits that somebody broke by hand are one tenant's trouble.
    let mut owner = PgConnection::connect(&db.url).await?;
    sqlx::query("update docmill.tenant set limits = '{\"requests_per_day\": \"many\"}' where tenant_id = $1")
        .bind(other.uuid())
        .execute(&mut owner)
        .await?;
    let places: Vec<usize> = db
        .store
        .count_requests(&forth)
        .await?
        .iter()
        .map(|one| one.place)
        .collect();
    assert_eq!(places, [0]);
    Ok(())
}
