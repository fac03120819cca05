//! Tenants and keys.

use docmill_harness::database;
use docmill_model::id::{KeyId, RequestId, TenantId};
use docmill_store::StoreError;
use docmill_store::who::{AuditEntry, TenantChange};

#[tokio::test]
async fn the_first_start_makes_a_tenant_and_a_key_once() -> anyhow::Result<()> {
    let db = database().await?;
    assert!(db.store.bootstrap("again").await?.is_none());
    let caller = db.store.authenticate(db.secret.expose()).await?.unwrap();
    assert_eq!((caller.tenant, caller.tenant_name.as_str()), (db.tenant, "main"));
    assert_eq!((caller.timezone.as_str(), caller.locale.as_str()), ("UTC", "en"));
    assert_eq!(db.store.tenants().await?, [(db.tenant, "main".to_owned())]);
    for wrong in ["", "dm_", "Bearer", "dm_00000000", &"x".repeat(100_000), "dm_\0"] {
        assert!(db.store.authenticate(wrong).await?.is_none(), "{wrong}");
    }
    assert_eq!(format!("{:?}", db.secret), "Secret(…)");
    Ok(())
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() -> anyhow::Result<()> {
    let db = database().await?;
    let (key, secret) = db.store.create_key(db.tenant, "робот").await?;
    let caller = db.store.authenticate(secret.expose()).await?.unwrap();
    assert_eq!((caller.key, caller.name.as_str()), (key, "робот"));
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
    assert!(db.store.authenticate(secret.expose()).await?.is_none());
    assert!(list(None, 0).await?.items[0].revoked_at.is_some());
    let unknown = db.store.revoke_key(db.tenant, KeyId::new()).await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
    let foreign = db.store.revoke_key(TenantId::new(), key).await;
    assert!(matches!(foreign, Err(StoreError::NotFound { .. })), "{foreign:?}");
    let bad = db.store.create_key(db.tenant, "").await;
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
    let caller = db.store.authenticate(db.secret.expose()).await?.unwrap();
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
