use docmill_model::definition::Definition;
use docmill_model::digest::Digest;
use docmill_model::plan::PinnedStep;
use docmill_model::plugin::Kind;
use serde_json::json;

use super::*;

fn plan(name: &str, schema: Json) -> Arc<Plan> {
    let text =
        format!("{{name: {name}, inputs: {{}}, steps: [{{id: a, use: t/x@1}}, {{id: b, use: t/x@1}}]}}");
    let plugin = PinnedPlugin {
        name: "t/x".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        digest: Digest::of(b"x"),
        kind: Kind::Transformer,
    };
    let step = PinnedStep {
        plugin,
        fallback: None,
        config_schema: Arc::new(schema),
        fallback_config_schema: Arc::default(),
        grants: Default::default(),
        fallback_grants: Default::default(),
    };
    Arc::new(Plan {
        definition: Definition::parse(&text).unwrap_or_else(|p| panic!("{p:?}")),
        steps: vec![step.clone(), step],
        models: Default::default(),
    })
}

#[tokio::test]
async fn a_plan_is_forgotten_when_nobody_runs_it_any_more() {
    let ready = Ready::default();
    for _ in 0..10 {
        ready.of(&plan("gone", json!({}))).await;
    }
    let held = plan("held", json!({}));
    let prepared = ready.of(&held).await;
    assert!(Arc::ptr_eq(&prepared, &ready.of(&held).await));
    assert_eq!(ready.plans.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_schema_is_compiled_once_for_all_steps_and_plans_that_use_it() {
    let ready = Ready::default();
    let schema = json!({ "properties": { "a": { "pattern": "^[a-z]+$" } } });
    let (one, two) = (plan("one", schema.clone()), plan("two", schema));
    let other = plan(
        "other",
        json!({ "properties": { "a": { "pattern": "^[0-9]+$" } } }),
    );
    let of = async |plan: &Arc<Plan>| {
        let prepared = ready.of(plan).await;
        let uses = prepared.uses.iter().map(|(own, _)| own.schema.clone().unwrap());
        uses.collect::<Vec<Schema>>()
    };
    let (one, two, other) = (of(&one).await, of(&two).await, of(&other).await);
    assert!(one[0].is_shared_with(&one[1]) && one[0].is_shared_with(&two[0]));
    assert!(!one[0].is_shared_with(&other[0]));
}
