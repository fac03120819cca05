//! States of versions, channels, and keys of signatures: what becomes of a version that does not change itself.

use docmill_harness::{Database, database};
use docmill_model::digest::Digest;
use docmill_model::id::TenantId;
use docmill_model::plugin::{Kind, Manifest, PluginName};
use docmill_model::registry::{ChannelName, VersionState};
use docmill_model::signature::PublicKey;
use docmill_store::StoreError;
use docmill_store::plugin::{ChannelSet, Judged, NewVersion, PluginFilter, Published, StateSet};
use semver::Version;
use serde_json::json;

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn name() -> PluginName {
    "acme/fields".parse().unwrap()
}

async fn publish(
    db: &Database,
    text: &str,
    state: VersionState,
    judged: Judged,
) -> Result<Option<Published>, StoreError> {
    let manifest = Manifest {
        name: name(),
        version: version(text),
        summary: format!("Reads {text} Ünits"),
        config_schema: json!({}),
        accepts: vec![],
        fields: vec![],
    };
    let new = NewVersion {
        manifest: &manifest,
        kind: Kind::Extractor,
        digest: Digest::of(text.as_bytes()),
        size: 5,
        inspection: &json!({}),
        state,
        report: &json!({ "of": text }),
        signature: None,
        bundle: None,
        attachments: &[],
        judged,
    };
    db.store.publish_plugin(db.tenant, &new).await
}

async fn set(db: &Database, text: &str, next: VersionState, note: Option<&str>, judged: Judged) -> StateSet {
    db.store
        .set_version_state(db.tenant, &name(), &version(text), next, note, &judged)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_version_is_held_to_what_is_published_when_it_is() -> anyhow::Result<()> {
    use VersionState::{Admitted, Deprecated, Published, Yanked};
    let db = database().await?;
    let against = |text: &str| Judged::Against(Some(version(text)));
    let none = || Judged::Against(None);
    assert!(publish(&db, "1.0.0", Published, none()).await?.unwrap().created);
    assert!(
        publish(&db, "1.1.0", Published, none()).await?.is_none(),
        "1.0.0 is there"
    );
    assert!(
        publish(&db, "1.1.0", Published, against("1.0.0"))
            .await?
            .is_some()
    );
    assert!(
        publish(&db, "0.9.0", Admitted, none()).await?.is_some(),
        "nothing is below it"
    );
    // Judged against what is yanked by now.
    assert_eq!(
        set(&db, "1.1.0", Yanked, Some("wrong"), Judged::Free).await,
        StateSet::From(Published)
    );
    assert!(
        publish(&db, "1.2.0", Published, against("1.1.0"))
            .await?
            .is_none()
    );
    assert!(
        publish(&db, "1.2.0", Published, against("1.0.0"))
            .await?
            .is_some()
    );
    assert_eq!(
        set(&db, "1.1.0", Published, None, against("0.9.0")).await,
        StateSet::Outdated
    );
    assert_eq!(
        set(&db, "1.1.0", Published, None, against("1.0.0")).await,
        StateSet::From(Yanked)
    );
    assert_eq!(
        set(&db, "1.1.0", Admitted, None, Judged::Free).await,
        StateSet::Refused(Published)
    );
    assert_eq!(
        set(&db, "0.9.0", Deprecated, None, Judged::Free).await,
        StateSet::Refused(Admitted)
    );
    assert_eq!(
        set(&db, "7.0.0", Yanked, None, Judged::Free).await,
        StateSet::Missing
    );
    // A new note alone is a change, the same again is none.
    let before = db.store.revision(db.tenant).await?;
    assert_eq!(
        set(&db, "1.0.0", Deprecated, Some("use 2\0"), Judged::Free).await,
        StateSet::From(Published)
    );
    assert_eq!(
        set(&db, "1.0.0", Deprecated, Some("use 2\0"), Judged::Free).await,
        StateSet::From(Deprecated)
    );
    assert_eq!(db.store.revision(db.tenant).await?, before + 1);
    let row = db.store.get_plugin(db.tenant, &name()).await?.unwrap();
    let states: Vec<String> = row
        .versions
        .iter()
        .map(|v| format!("{} {}", v.version, v.state))
        .collect();
    assert_eq!(
        states,
        [
            "1.2.0 published",
            "1.1.0 published",
            "1.0.0 deprecated",
            "0.9.0 admitted"
        ]
    );
    assert_eq!(row.versions[2].note.as_deref(), Some("use 2\u{fffd}"));
    let report = db
        .store
        .version_report(db.tenant, &name(), &version("0.9.0"))
        .await?
        .unwrap();
    assert_eq!(
        (report.state, report.report),
        (Admitted, json!({ "of": "0.9.0" }))
    );
    assert!(
        db.store
            .version_report(TenantId::new(), &name(), &version("0.9.0"))
            .await?
            .is_none()
    );
    Ok(())
}

#[tokio::test]
async fn the_newest_version_is_one_that_can_be_used() -> anyhow::Result<()> {
    use VersionState::{Admitted, Published, Yanked};
    let db = database().await?;
    for (text, state) in [
        ("1.0.0", Published),
        ("1.1.0", Published),
        ("2.0.0-beta", Published),
        ("3.0.0", Admitted),
    ] {
        publish(&db, text, state, Judged::Free).await?;
    }
    set(&db, "1.1.0", Yanked, None, Judged::Free).await;
    let latest = async || {
        let row = db.store.get_plugin(db.tenant, &name()).await.unwrap().unwrap();
        row.latest.to_string()
    };
    assert_eq!(latest().await, "1.0.0");
    set(&db, "1.0.0", Yanked, None, Judged::Free).await;
    assert_eq!(latest().await, "2.0.0-beta");
    set(&db, "2.0.0-beta", Yanked, None, Judged::Free).await;
    assert_eq!(latest().await, "3.0.0");
    let list = async |filter: PluginFilter| {
        let page = db.store.list_plugins(db.tenant, &filter, None, 0).await.unwrap();
        page.items.len()
    };
    let text = |text: &str| PluginFilter {
        text: Some(text.into()),
        ..PluginFilter::default()
    };
    for (filter, found) in [
        (PluginFilter::default(), 1),
        (text("FIELD"), 1),
        (text("reads 3.0.0 ünits"), 1),
        (text("%"), 0),
        (text("nothing\0"), 0),
        (
            PluginFilter {
                kind: Some(Kind::Parser),
                ..PluginFilter::default()
            },
            0,
        ),
        (
            PluginFilter {
                kind: Some(Kind::Extractor),
                ..text("acme")
            },
            1,
        ),
        (
            PluginFilter {
                state: Some(Yanked),
                ..PluginFilter::default()
            },
            1,
        ),
        (
            PluginFilter {
                state: Some(Published),
                ..PluginFilter::default()
            },
            0,
        ),
    ] {
        assert_eq!(list(filter.clone()).await, found, "{filter:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_channel_stands_for_what_can_be_used() -> anyhow::Result<()> {
    use VersionState::{Admitted, Published, Yanked};
    let db = database().await?;
    for (text, state) in [("1.0.0", Published), ("1.1.0", Published), ("2.0.0", Admitted)] {
        publish(&db, text, state, Judged::Free).await?;
    }
    let channel = |text: &str| text.parse::<ChannelName>().unwrap();
    let to = async |name_of: &str, text: Option<&str>| {
        let version = text.map(version);
        db.store
            .set_channel(db.tenant, &name(), &channel(name_of), version.as_ref())
            .await
            .unwrap()
    };
    assert_eq!(to("beta", None).await, ChannelSet::Missing);
    assert_eq!(to("beta", Some("9.0.0")).await, ChannelSet::Missing);
    assert_eq!(to("beta", Some("2.0.0")).await, ChannelSet::Refused(Admitted));
    assert_eq!(to("beta", Some("1.0.0")).await, ChannelSet::From(None));
    let before = db.store.revision(db.tenant).await?;
    assert_eq!(
        to("beta", Some("1.0.0")).await,
        ChannelSet::From(Some(version("1.0.0")))
    );
    assert_eq!(db.store.revision(db.tenant).await?, before);
    assert_eq!(
        to("beta", Some("1.1.0")).await,
        ChannelSet::From(Some(version("1.0.0")))
    );
    assert_eq!(db.store.revision(db.tenant).await?, before + 1);
    set(&db, "1.0.0", Yanked, None, Judged::Free).await;
    assert_eq!(to("stable", Some("1.0.0")).await, ChannelSet::Refused(Yanked));
    assert_eq!(to("beta", None).await, ChannelSet::From(Some(version("1.1.0"))));
    let rows = db.store.channels(db.tenant, &[name()]).await?;
    assert_eq!(
        (rows.len(), &rows[0].version, rows[0].name.as_str()),
        (1, &None, "beta")
    );
    assert!(db.store.channels(TenantId::new(), &[name()]).await?.is_empty());
    let nowhere = db
        .store
        .set_channel(
            TenantId::new(),
            &name(),
            &channel("beta"),
            Some(&version("1.1.0")),
        )
        .await?;
    assert_eq!(nowhere, ChannelSet::Missing);
    for n in 1..50 {
        assert_eq!(
            to(&format!("c{n}"), Some("1.1.0")).await,
            ChannelSet::From(None),
            "{n}"
        );
    }
    assert_eq!(to("one-more", Some("1.1.0")).await, ChannelSet::TooMany);
    assert_eq!(
        to("beta", Some("1.1.0")).await,
        ChannelSet::From(None),
        "it was there before"
    );
    Ok(())
}

/// Many who publish, yank and move channels at the same moment: every state is one that somebody set, every channel stood for
/// what could be used when it was set, and no version was judged against another basis than it had.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_change_a_plugin_at_once_take_turns() -> anyhow::Result<()> {
    use VersionState::{Published, Yanked};
    let db = std::sync::Arc::new(database().await?);
    publish(&db, "1.0.0", Published, Judged::Free).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=8_u64 {
        let db = db.clone();
        tasks.spawn(async move {
            // Each is judged against what it sees, and again until nobody was faster.
            for round in 1.. {
                let row = db.store.get_plugin(db.tenant, &name()).await.unwrap().unwrap();
                let own = version(&format!("1.{n}.0"));
                let heads = row.versions.iter().map(|v| (&v.version, v.state));
                let basis = docmill_model::registry::basis_of(heads, &own).cloned();
                let kept = publish(&db, &own.to_string(), Published, Judged::Against(basis))
                    .await
                    .unwrap();
                if kept.is_some() {
                    return round;
                }
            }
            0
        });
    }
    let yanking = {
        let db = db.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                set(&db, "1.0.0", Yanked, None, Judged::Free).await;
                set(&db, "1.0.0", Published, None, Judged::Free).await;
            }
        })
    };
    let moving = {
        let db = db.clone();
        tokio::spawn(async move {
            let channel: ChannelName = "stable".parse().unwrap();
            let mut seen = [0, 0];
            for _ in 0..20 {
                let moved = db
                    .store
                    .set_channel(db.tenant, &name(), &channel, Some(&version("1.0.0")))
                    .await
                    .unwrap();
                match moved {
                    ChannelSet::From(_) => seen[0] += 1,
                    ChannelSet::Refused(Yanked) => seen[1] += 1,
                    other => panic!("{other:?}"),
                }
            }
            seen
        })
    };
    let rounds: Vec<usize> = tasks.join_all().await;
    yanking.await?;
    println!("{rounds:?} rounds; channel {:?}", moving.await?);
    let row = db.store.get_plugin(db.tenant, &name()).await?.unwrap();
    assert_eq!(row.versions.len(), 9);
    assert!(row.versions.iter().all(|v| v.state == Published));
    Ok(())
}

#[tokio::test]
async fn keys_are_trusted_until_they_are_revoked() -> anyhow::Result<()> {
    let db = database().await?;
    let key = |byte| PublicKey::from_bytes([byte; 32]);
    let trust = async |name: &str, byte, until| db.store.trust_key(db.tenant, name, key(byte), until).await;
    let before = db.store.revision(db.tenant).await?;
    assert!(trust("release", 1, Some(4_000_000_000_123)).await?);
    assert!(
        !trust("release", 1, Some(4_000_000_000_123)).await?,
        "the same again"
    );
    for (name, byte, until) in [("release", 2, None), ("other", 1, None), ("release", 1, None)] {
        let refused = trust(name, byte, until).await;
        assert!(
            matches!(refused, Err(StoreError::Conflict { .. })),
            "{name} {byte}: {refused:?}"
        );
    }
    assert!(db.store.revoke_trusted_key(db.tenant, "release").await?);
    assert!(!db.store.revoke_trusted_key(db.tenant, "release").await?);
    assert_eq!(db.store.revision(db.tenant).await?, before + 2);
    let again = trust("release", 1, Some(4_000_000_000_123)).await;
    assert!(
        matches!(again, Err(StoreError::Conflict { .. })),
        "what was revoked stays so: {again:?}"
    );
    let unknown = db.store.revoke_trusted_key(db.tenant, "nobody\0").await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })));
    let stranger = db.store.revoke_trusted_key(TenantId::new(), "release").await;
    assert!(matches!(stranger, Err(StoreError::NotFound { .. })));
    let keys = db.store.trusted_keys(db.tenant).await?;
    assert_eq!(
        (keys.len(), keys[0].public_key, keys[0].expires_at),
        (1, key(1), Some(4_000_000_000_123))
    );
    assert!(keys[0].revoked_at.is_some());
    assert!(db.store.trusted_keys(TenantId::new()).await?.is_empty());
    Ok(())
}
