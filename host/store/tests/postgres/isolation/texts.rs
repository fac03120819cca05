//! Texts of clients never become statements, whatever stands in them.

use docmill_model::digest::Digest;
use docmill_model::id::RequestId;
use docmill_store::Sight;
use docmill_store::run::RunFilter;
use docmill_store::who::{AuditEntry, Credential, NewKey, TenantChange};

use super::world::World;
use crate::sample;

#[tokio::test]
async fn a_text_that_reads_like_a_statement_is_a_text() -> anyhow::Result<()> {
    let world = World::new().await?;
    let (store, other, victim) = (&world.db.store, world.other.id, world.victim.id.uuid());
    let before = world.everything_of(&world.victim).await;
    let attacks = [
        format!("x'; set app.tenant_id = '{victim}'; --"),
        format!("x', true); select set_config('app.tenant_id', '{victim}', false); commit; --"),
        format!("$$; set app.tenant_id = '{victim}'; $$"),
        format!("x' or tenant_id = '{victim}"),
        format!("\\'; set role docmill_owner; set app.tenant_id = '{victim}'; --"),
        format!("{{x,\"\\\"}}'; set app.tenant_id = '{victim}'\"}}"),
        "capybara' union select name from docmill.tenants() --".to_owned(),
        "*:* | !x".to_owned(),
        "%x%".to_owned(),
    ];
    let theirs = store
        .list_runs(Sight::whole(world.victim.id), &RunFilter::default())
        .await?
        .items;
    let their_runs: Vec<_> = theirs.iter().map(|run| run.id).collect();
    let theirs = store
        .list_documents(Sight::whole(world.victim.id), None, 0, None)
        .await?
        .items;
    let their_documents: Vec<_> = theirs.iter().map(|document| document.id).collect();
    assert!(their_runs.len() >= 6 && their_documents.len() >= 6);
    for attack in &attacks {
        // Lists and searches.
        let filter = RunFilter {
            pipeline: Some(attack.clone()),
            lookups: vec![(attack.clone(), attack.clone())],
            ..RunFilter::default()
        };
        assert!(
            store
                .list_runs(Sight::whole(other), &filter)
                .await?
                .items
                .is_empty(),
            "{attack}"
        );
        let filter = RunFilter {
            lookups: vec![("animal".into(), attack.clone())],
            ..RunFilter::default()
        };
        let found = store.list_runs(Sight::whole(other), &filter).await?.items;
        assert!(!found.iter().any(|run| their_runs.contains(&run.id)), "{attack}");
        let found = store
            .list_documents(Sight::whole(other), None, 0, Some(attack))
            .await?
            .items;
        assert!(
            !found
                .iter()
                .any(|document| their_documents.contains(&document.id)),
            "{attack}"
        );
        let found = store.list_pipelines(other, Some(attack), 0).await?.items;
        assert!(
            !found.iter().any(|pipeline| pipeline.name == world.victim.mark),
            "{attack}"
        );
        assert!(store.get_pipeline(other, attack).await?.is_none(), "{attack}");
        let nobody = store.authenticate(&format!("dm_{attack}")).await?;
        assert_eq!(nobody, Credential::Unknown);

        // What is written comes back as it was.
        let (key, _) = store
            .create_key(
                other,
                &NewKey::of_owner(&attack.chars().take(200).collect::<String>()),
            )
            .await?;
        assert_eq!(store.list_keys(other, None, 1).await?.items[0].name, *attack);
        store.revoke_key(other, key).await?;
        let change = TenantChange {
            timezone: Some(attack),
            locale: Some(attack),
            ..TenantChange::default()
        };
        assert_eq!(store.change_tenant(other, &change).await?.0.locale, *attack);
        let entry = AuditEntry {
            action: attack,
            subject: attack,
            key: None,
            client_ip: None,
            request: Some(RequestId::new()),
            detail: serde_json::json!({ attack.as_str(): attack }),
        };
        store.audit(other, &entry).await?;
        let mut run = sample::run(attack).found_by(attack, attack);
        run.head.pipeline_name.clone_from(attack);
        run.documents[0].name = Some(attack.clone());
        run.outcome.checks[0].reason.clone_from(attack);
        run.documents[0].digest = Digest::of(attack.as_bytes());
        store.commit_run(other, &run.commit()).await?;
        let kept = store.get_run(Sight::whole(other), run.head.id).await?.unwrap();
        assert_eq!(kept.outcome.unwrap().checks[0].reason, *attack);
        let filter = RunFilter {
            lookups: vec![(attack.clone(), attack.clone())],
            ..RunFilter::default()
        };
        let found = store.list_runs(Sight::whole(other), &filter).await?.items;
        assert!(found.iter().all(|found| found.id == run.head.id), "{attack}");
    }
    // Nobody is anybody else since.
    assert_eq!(store.get_tenant(other).await?.name, world.other.mark);
    assert!(
        store
            .get_run(Sight::whole(other), world.victim.sample.head.id)
            .await?
            .is_none()
    );
    assert!(
        store
            .get_run(Sight::whole(world.stranger), world.victim.sample.head.id)
            .await?
            .is_none()
    );
    assert_eq!(world.everything_of(&world.victim).await, before);
    Ok(())
}
