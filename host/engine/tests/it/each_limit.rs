//! Every limit, taken away in turn. With it an attack ends in exactly that limit's code; with this one limit raised to what
//! the engine allows at most and nothing else changed, the same attack ends otherwise. So the limit does the work, and not a
//! default of a library or another limit that would have come anyway.

use std::collections::BTreeSet;

use docmill_engine::{Engine, Invocation};
use docmill_model::limits::Limits;
use docmill_model::size::ByteSize;
use serde_json::{Value as Json, json};

use crate::support::*;

/// An attack on one limit.
struct Case {
    /// As [`Limits`] names it.
    limit: &'static str,
    /// What differs from the defaults: the limit, and what must end the attack when it is gone.
    limits: Json,
    attack: Attack,
    /// How the call ends within the limit: see [`end`].
    within: &'static str,
    /// How it ends without.
    without: &'static str,
}

enum Attack {
    /// A configuration of the hostile plugin.
    Hostile(Json),
    /// Being instantiated; `invalid-component` says that all of it was there, and no contract.
    Component(bytes::Bytes),
}

fn hostile(attack: &str, size: u64) -> Attack {
    Attack::Hostile(json!({ "attack": attack, "size": size }))
}

/// So many instances of a module.
fn instances(module: &str, count: usize) -> Attack {
    Attack::Component(component_of(
        module,
        &"(core instance (instantiate $m))".repeat(count),
    ))
}

fn cases() -> Vec<Case> {
    let case = |limit, limits, attack, within, without| Case {
        limit,
        limits,
        attack,
        within,
        without,
    };
    vec![
        case(
            "timeout",
            json!({ "timeout": "100ms", "cpu": "500ms" }),
            hostile("spin", 0),
            "timeout",
            "cpu-limit",
        ),
        case(
            "cpu",
            json!({ "cpu": "20ms" }),
            hostile("burn", 300_000_000),
            "cpu-limit",
            "done",
        ),
        case(
            "memory",
            json!({ "memory": "32MiB" }),
            hostile("allocate", 64),
            "memory-limit",
            "done",
        ),
        case(
            "table_elements",
            json!({ "table_elements": 1_000 }),
            instances("(core module $m (table 600 funcref))", 2),
            "table-limit",
            "invalid-component",
        ),
        case(
            "instances",
            json!({ "instances": 8 }),
            instances("(core module $m)", 12),
            "instance-limit",
            "invalid-component",
        ),
        case(
            "stack",
            json!({ "stack": "512KiB" }),
            hostile("recurse", 30_000),
            "stack-overflow",
            "done",
        ),
        case(
            "host_memory",
            json!({ "host_memory": "16MiB" }),
            hostile("builder", 10),
            "host-memory-limit",
            "done",
        ),
        case(
            "host_memory",
            json!({ "host_memory": "8MiB" }),
            hostile("huge-argument", 20_000_000),
            "host-memory-limit",
            "done",
        ),
        case(
            "output",
            json!({ "output": "1MiB" }),
            hostile("output", 2_000_000),
            "output-limit",
            "done",
        ),
        case(
            "log",
            json!({ "log": "16KiB" }),
            hostile("log", 32),
            "log-cut",
            "done",
        ),
        case(
            "handles",
            json!({ "handles": 100 }),
            hostile("handles", 500),
            "handle-limit",
            "done",
        ),
        case(
            "handles",
            json!({ "handles": 100 }),
            Attack::Component(handle_flood()),
            "handle-limit",
            "invalid-component",
        ),
        case(
            "host_calls",
            json!({ "host_calls": 5_000 }),
            hostile("host-calls", 20_000),
            "host-call-limit",
            "done",
        ),
        case(
            "host_call_bytes",
            json!({ "host_call_bytes": "100KiB" }),
            hostile("host-bytes", 20_000),
            "host-call-limit",
            "done",
        ),
    ]
}

/// How a call ended: a failure's code, `log-cut`, or `done`.
fn end(invocation: &Invocation) -> &'static str {
    match &invocation.result {
        Err(failure) => failure.code.as_str(),
        Ok(_) if invocation.usage.log_dropped_bytes > 0 => "log-cut",
        Ok(_) => "done",
    }
}

async fn call(engine: &Engine, attack: &Attack, limits: &Json) -> Invocation {
    let (component, config) = match attack {
        Attack::Hostile(config) => (component("docmill-hostile"), config.to_string()),
        Attack::Component(component) => (component.clone(), "{}".to_owned()),
    };
    let plugin = load(engine, component).await;
    let limits: Limits = serde_json::from_value(limits.clone()).unwrap();
    engine
        .invoke(&plugin, super::support::attack(&config), &limits, &CONTEXT)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_alone_stops_its_attack() {
    // A stack is the engine's, the same for every call: without that limit means an engine with another one.
    let (roomy, _dir) = engine_with(|settings| settings.ceiling.stack = ByteSize::mib(8));
    let most = serde_json::to_value(settings(std::path::Path::new("")).ceiling).unwrap();
    let mut seen = BTreeSet::new();
    for case in cases() {
        let limit = case.limit;
        let within = call(engine(), &case.attack, &case.limits).await;
        assert_eq!(end(&within), case.within, "{limit}: {within:?}");

        let mut raised = case.limits.clone();
        let engine = if limit == "stack" { &roomy } else { engine() };
        raised[limit] = if limit == "stack" {
            json!("8MiB")
        } else {
            most[limit].clone()
        };
        assert_ne!(raised[limit], Json::Null, "{limit} is one of `Limits`");
        let without = call(engine, &case.attack, &raised).await;
        assert_eq!(end(&without), case.without, "without {limit}: {without:?}");
        seen.insert(limit.to_owned());
    }
    let all = most.as_object().unwrap().keys().cloned().collect();
    assert_eq!(seen, all, "every limit has its attack");
}
