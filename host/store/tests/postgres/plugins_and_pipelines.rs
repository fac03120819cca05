//! Plugins and pipelines with their versions.

use docmill_harness::database;
use docmill_model::definition::Definition;
use docmill_model::digest::Digest;
use docmill_model::id::TenantId;
use docmill_model::plugin::{Kind, Manifest};
use docmill_model::registry::VersionState;
use docmill_store::StoreError;
use docmill_store::plugin::{Judged, NewVersion, PluginFilter};

fn manifest(version: &str) -> Manifest {
    Manifest {
        name: "acme/fields".parse().unwrap(),
        version: version.parse().unwrap(),
        summary: format!("Fields of {version}"),
        config_schema: serde_json::json!({"type": "object", "properties": {"b": {}, "a": {}}}),
        accepts: vec![],
        fields: vec![],
    }
}

#[tokio::test]
async fn versions_never_change() -> anyhow::Result<()> {
    let db = database().await?;
    let inspection = serde_json::json!({"imports": []});
    let publish = async |version: &str, kind, bytes: &[u8]| {
        let manifest = manifest(version);
        let new = NewVersion {
            manifest: &manifest,
            kind,
            digest: Digest::of(bytes),
            size: 5,
            inspection: &inspection,
            state: VersionState::Published,
            report: &inspection,
            signature: None,
            bundle: None,
            attachments: &[],
            judged: Judged::Free,
        };
        let published = db.store.publish_plugin(db.tenant, &new).await;
        published.map(|published| published.expect("it is held to nothing"))
    };
    let first = publish("1.9.0", Kind::Extractor, b"a").await?;
    assert!(first.created);
    let again = publish("1.9.0", Kind::Extractor, b"a").await?;
    assert_eq!((again.created, again.version_id), (false, first.version_id));
    let other_bytes = publish("1.9.0", Kind::Extractor, b"b").await;
    assert!(
        matches!(other_bytes, Err(StoreError::Conflict { .. })),
        "{other_bytes:?}"
    );
    let other_kind = publish("1.9.1", Kind::Parser, b"c").await;
    assert!(
        matches!(other_kind, Err(StoreError::Conflict { .. })),
        "{other_kind:?}"
    );
    publish("1.10.0", Kind::Extractor, b"d").await?;
    publish("2.0.0-beta.1", Kind::Extractor, b"e").await?;

    let plugins = db
        .store
        .list_plugins(db.tenant, &PluginFilter::default(), None, 0)
        .await?
        .items;
    let [plugin] = plugins.as_slice() else {
        panic!("{plugins:?}")
    };
    assert_eq!(plugin.latest.to_string(), "1.10.0");
    assert_eq!(plugin.summary, "Fields of 1.10.0");
    let versions: Vec<String> = plugin.versions.iter().map(|v| v.version.to_string()).collect();
    assert_eq!(versions, ["2.0.0-beta.1", "1.10.0", "1.9.0"]);
    assert_eq!(plugin.versions[2].manifest, manifest("1.9.0"));
    assert_eq!(
        db.store.get_plugin(db.tenant, &plugin.name).await?.as_ref(),
        Some(plugin)
    );
    assert_eq!(
        db.store
            .get_plugin(db.tenant, &"acme/other".parse().unwrap())
            .await?,
        None
    );
    let catalog = db.store.catalog(db.tenant).await?;
    assert_eq!(catalog.len(), 3);
    assert_eq!(
        (catalog[0].plugin.digest, catalog[0].plugin.kind),
        (Digest::of(b"a"), Kind::Extractor)
    );
    let (own, other) = (catalog[0].plugin.name.clone(), "acme/other".parse().unwrap());
    let pinned: Vec<_> = catalog.iter().map(|entry| entry.plugin.clone()).collect();
    assert_eq!(
        db.store.catalog_of(db.tenant, std::slice::from_ref(&own)).await?,
        catalog
    );
    assert!(db.store.catalog_of(db.tenant, &[other]).await?.is_empty());
    assert_eq!(db.store.plugin_names(db.tenant).await?, [own]);
    let entries = db.store.catalog_entries(db.tenant, &pinned[..1]).await?;
    assert_eq!(entries.len(), 1, "only the version that was asked for");
    assert_eq!((entries[0].size, &entries[0].manifest), (5, &manifest("1.9.0")));
    let stranger = TenantId::new();
    assert!(db.store.catalog(stranger).await?.is_empty());
    assert!(db.store.plugin_names(stranger).await?.is_empty());
    assert!(db.store.catalog_entries(stranger, &pinned).await?.is_empty());
    Ok(())
}

fn definition(text: &str) -> Definition {
    Definition::parse(text).unwrap()
}

#[tokio::test]
async fn a_release_goes_over_its_own_definitions_and_over_nobody_elses() -> anyhow::Result<()> {
    let db = database().await?;
    let text = |n: u32| format!("name: read\nsteps:\n  - {{ id: parse, use: docmill/text@{n} }}\n");
    let ship = async |n| {
        let shipped = db
            .store
            .ship_pipeline(db.tenant, &definition(&text(n)), &text(n))
            .await?;
        anyhow::Ok((shipped.number, shipped.created))
    };
    let save = async |n| {
        let saved = db
            .store
            .save_pipeline(db.tenant, &definition(&text(n)), &text(n), None)
            .await?;
        anyhow::Ok((saved.number, saved.created))
    };
    for (release, number) in [(1, 1), (2, 2), (3, 3), (4, 4)] {
        assert_eq!(ship(release).await?, (number, true), "release {release}");
        assert_eq!(ship(release).await?, (number, false), "release {release} again");
    }
    // Saving what is there already is no edit.
    assert_eq!(save(4).await?, (4, false));
    assert_eq!(ship(5).await?, (5, true));
    // Somebody goes back to what an earlier release had: that is an edit like any other.
    assert_eq!(save(2).await?, (6, true));
    for release in [2, 5, 6] {
        assert_eq!(
            ship(release).await?,
            (6, false),
            "release {release} after an edit"
        );
    }
    let newest = db.store.get_pipeline(db.tenant, "read").await?.unwrap();
    assert_eq!(newest.source_text, text(2));

    // A name that somebody used before docmill shipped an example under it.
    let own = "name: own\nsteps:\n  - { id: parse, use: docmill/text@1 }\n";
    db.store
        .save_pipeline(db.tenant, &definition(own), own, None)
        .await?;
    let other = own.replace("@1", "@2");
    let shipped = db
        .store
        .ship_pipeline(db.tenant, &definition(&other), &other)
        .await?;
    assert_eq!((shipped.number, shipped.created), (1, false));
    Ok(())
}

#[tokio::test]
async fn pipelines_are_versioned() -> anyhow::Result<()> {
    let db = database().await?;
    let one = "name: invoice\ndescription: Reads invoices\nsteps:\n  - { id: parse, use: docmill/pdf@1, with: { z: 1, a: 2 } }\n";
    let two = "name: invoice\nsteps:\n  - { id: parse, use: docmill/text@1 }\n";
    let save = async |text: &str, expected| {
        db.store
            .save_pipeline(db.tenant, &definition(text), text, expected)
            .await
    };
    let first = save(one, Some(0)).await?;
    assert_eq!((first.number, first.created), (1, true));
    let same = save(one, None).await?;
    assert_eq!(
        (same.number, same.created, same.version_id),
        (1, false, first.version_id)
    );
    let exists = save(two, Some(0)).await;
    assert!(matches!(exists, Err(StoreError::Conflict { .. })), "{exists:?}");
    let second = save(two, Some(1)).await?;
    assert_eq!(
        (second.number, second.created, second.pipeline),
        (2, true, first.pipeline)
    );

    let newest = db.store.get_pipeline(db.tenant, "invoice").await?.unwrap();
    assert_eq!(
        (newest.number, newest.version_id, newest.source_text.as_str()),
        (2, second.version_id, two)
    );
    let older = db
        .store
        .get_pipeline_version(db.tenant, "invoice", 1)
        .await?
        .unwrap();
    assert_eq!(older.definition, definition(one));
    assert_eq!(older.definition.steps[0].with.to_string(), r#"{"z":1,"a":2}"#);
    assert!(
        db.store
            .get_pipeline_version(db.tenant, "invoice", 3)
            .await?
            .is_none()
    );
    assert!(db.store.get_pipeline(db.tenant, "other\0").await?.is_none());
    let list = db.store.list_pipelines(db.tenant, None, 0).await?.items;
    assert_eq!(
        (list.len(), list[0].number, list[0].description.as_str()),
        (1, 2, "")
    );
    let versions = async |cursor, limit| {
        let page = db
            .store
            .pipeline_versions(db.tenant, "invoice", cursor, limit)
            .await?;
        let numbers: Vec<i32> = page.items.iter().map(|v| v.number).collect();
        Ok::<_, StoreError>((numbers, page.next))
    };
    assert_eq!(versions(None, 0).await?, (vec![2, 1], None));
    assert_eq!(versions(None, 1).await?, (vec![2], Some(2)));
    assert_eq!(versions(Some(2), 1).await?, (vec![1], None));
    assert!(db.store.get_pipeline(TenantId::new(), "invoice").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn lists_by_name_come_in_pages() -> anyhow::Result<()> {
    let db = database().await?;
    for name in ["c", "a", "e", "b", "d"] {
        for step in ["x", "y"] {
            let text = format!("name: {name}\nsteps: [{{ id: {step}, use: docmill/text@1 }}]\n");
            db.store
                .save_pipeline(db.tenant, &definition(&text), &text, None)
                .await?;
        }
        for version in ["1.0.0", "1.1.0"] {
            let mut manifest = manifest(version);
            manifest.name = format!("acme/{name}").parse().unwrap();
            let new = NewVersion {
                manifest: &manifest,
                kind: Kind::Extractor,
                digest: Digest::of(name.as_bytes()),
                size: 5,
                inspection: &serde_json::json!({}),
                state: VersionState::Published,
                report: &serde_json::json!({}),
                signature: None,
                bundle: None,
                attachments: &[],
                judged: Judged::Free,
            };
            db.store.publish_plugin(db.tenant, &new).await?;
        }
    }
    let (mut pages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = db.store.list_pipelines(db.tenant, cursor.as_deref(), 2).await?;
        assert!(page.items.iter().all(|pipeline| pipeline.number == 2), "{page:?}");
        pages.push(
            page.items
                .into_iter()
                .map(|p| p.name)
                .collect::<Vec<_>>()
                .concat(),
        );
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, ["ab", "cd", "e"]);
    let (mut pages, mut cursor) = (Vec::new(), None);
    loop {
        let page = db
            .store
            .list_plugins(db.tenant, &PluginFilter::default(), cursor.as_ref(), 2)
            .await?;
        assert!(
            page.items.iter().all(|plugin| plugin.versions.len() == 2),
            "{page:?}"
        );
        pages.push(
            page.items
                .iter()
                .map(|p| p.name.name())
                .collect::<Vec<_>>()
                .concat(),
        );
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, ["ab", "cd", "e"]);
    // A page that ends with the last row has no other behind it.
    assert_eq!(db.store.list_pipelines(db.tenant, Some("c"), 2).await?.next, None);
    assert!(
        db.store
            .list_plugins(TenantId::new(), &PluginFilter::default(), None, 2)
            .await?
            .items
            .is_empty()
    );
    Ok(())
}

#[tokio::test]
async fn two_who_save_at_once_take_turns() -> anyhow::Result<()> {
    let db = database().await?;
    let saves = (0..12).map(|n| {
        let store = db.store.clone();
        tokio::spawn(async move {
            let text = format!(
                "name: p\ndescription: number {n}\nsteps:\n  - {{ id: parse, use: docmill/text@1 }}\n"
            );
            store
                .save_pipeline(db.tenant, &definition(&text), &text, None)
                .await
        })
    });
    let mut numbers = Vec::new();
    for save in saves.collect::<Vec<_>>() {
        numbers.push(save.await??.number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
    Ok(())
}
