//! One guest runs into each limit and gets exactly that limit's code. Without its limit each of these tests would hang,
//! succeed or get another code.

use docmill_model::failure::Code;
use docmill_model::size::ByteSize;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn memory() {
    let invocation = hostile("allocate", |l| l.memory = ByteSize::mib(32)).await;
    assert_eq!(code(&invocation), Code::MemoryLimit);
    let peak = invocation.usage.peak_memory_bytes;
    assert!((16 << 20..=32 << 20).contains(&peak), "{peak}");
}

async fn instantiated(
    component: bytes::Bytes,
    change: impl FnOnce(&mut docmill_model::limits::Limits),
) -> docmill_engine::Invocation {
    let plugin = load(engine(), component).await;
    let mut limits = tight();
    change(&mut limits);
    engine()
        .invoke(&plugin, attack("nothing"), &limits, &CONTEXT)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_of_all_instances_together() {
    // 640 pages are 40 MiB: one fits, two do not.
    let module = "(core module $m (memory 640))";
    let one = "(core instance (instantiate $m))";
    let fits = instantiated(component_of(module, one), |_| {}).await;
    assert_eq!(code(&fits), Code::InvalidComponent);
    let two = instantiated(component_of(module, &one.repeat(2)), |_| {}).await;
    assert_eq!(code(&two), Code::MemoryLimit);
    assert_eq!(two.usage.peak_memory_bytes, 40 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_of_all_memories_together() {
    let module = "(core module $m (memory 320) (memory 320) (memory 640))";
    let invocation = instantiated(component_of(module, "(core instance (instantiate $m))"), |_| {}).await;
    assert_eq!(code(&invocation), Code::MemoryLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_of_all_guests_together() {
    let (engine, _dir) = engine_with(|settings| settings.pool_memory = ByteSize::mib(48));
    let plugin = load(&engine, component("docmill-hostile")).await;
    let invocation = engine
        .invoke(&plugin, attack("allocate"), &tight(), &CONTEXT)
        .await;
    assert_eq!(code(&invocation), Code::Overloaded);
    assert_eq!(engine.stats().memory_bytes, 0);
    assert_eq!(
        text(
            &engine
                .invoke(&plugin, attack("nothing"), &tight(), &CONTEXT)
                .await
        ),
        "yes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn table_elements_at_the_start() {
    let module = "(core module $m (table 600 funcref))";
    let one = "(core instance (instantiate $m))";
    let invocation = instantiated(component_of(module, &one.repeat(2)), |l| l.table_elements = 1_000).await;
    assert_eq!(code(&invocation), Code::TableLimit);
    let fits = instantiated(component_of(module, &one.repeat(2)), |l| l.table_elements = 1_200).await;
    assert_eq!(code(&fits), Code::InvalidComponent);
}

#[tokio::test(flavor = "multi_thread")]
async fn table_elements_by_growing() {
    let module = "(core module $m (table $t 1 funcref)
        (func $grow (loop $again (drop (table.grow $t (ref.null func) (i32.const 100))) (br $again)))
        (start $grow))";
    let invocation = instantiated(component_of(module, "(core instance (instantiate $m))"), |l| {
        l.table_elements = 5_000
    })
    .await;
    assert_eq!(code(&invocation), Code::TableLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_memories_and_tables_by_number() {
    for (module, times) in [
        ("(core module $m)", 12),
        ("(core module $m (memory 1))", 4),
        ("(core module $m (table 1 funcref))", 8),
    ] {
        let one = "(core instance (instantiate $m))";
        let component = component_of(module, &one.repeat(times));
        let invocation = instantiated(component.clone(), |l| l.instances = 3).await;
        assert_eq!(code(&invocation), Code::InstanceLimit, "{module}");
        let fits = instantiated(component, |l| l.instances = 13).await;
        assert_eq!(code(&fits), Code::InvalidComponent, "{module}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_function_is_limited_too() {
    let module = "(core module $m (func $spin (loop $again (br $again))) (start $spin))";
    let invocation = instantiated(component_of(module, "(core instance (instantiate $m))"), |l| {
        l.timeout = docmill_model::duration::Span::millis(100);
    });
    assert_eq!(code(&invocation.await), Code::Timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn stack() {
    assert_eq!(code(&hostile("recurse", |_| {}).await), Code::StackOverflow);
}

#[tokio::test(flavor = "multi_thread")]
async fn output() {
    let invocation = hostile(r#"{"attack":"output","size":2000000}"#, |l| {
        l.output = ByteSize::mib(1)
    })
    .await;
    assert_eq!(code(&invocation), Code::OutputLimit);
    let invocation = hostile(r#"{"attack":"output","size":2000000}"#, |l| {
        l.output = ByteSize::mib(3)
    })
    .await;
    assert_eq!(text(&invocation).len(), 2_000_000);
    // Many small things weigh too.
    let invocation = hostile(r#"{"attack":"fields","size":100000}"#, |l| {
        l.output = ByteSize::mib(1)
    })
    .await;
    assert_eq!(code(&invocation), Code::OutputLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_half_a_gigabyte_is_never_copied() {
    let invocation = hostile(r#"{"attack":"output","size":500000000}"#, |l| {
        l.memory = ByteSize::mib(1_024)
    })
    .await;
    assert_eq!(code(&invocation), Code::OutputLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_a_parser() {
    let plugin = plugin("docmill-text").await;
    let call = || docmill_engine::Call::Parse {
        source: source("text/plain", "a.txt", "words and words\n".repeat(10_000)),
        config: "{}".into(),
    };
    let mut limits = tight();
    limits.output = ByteSize::kib(100);
    assert_eq!(
        code(&engine().invoke(&plugin, call(), &limits, &CONTEXT).await),
        Code::OutputLimit
    );
    limits.output = ByteSize::mib(10);
    assert!(
        engine()
            .invoke(&plugin, call(), &limits, &CONTEXT)
            .await
            .result
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn log() {
    let invocation = hostile(r#"{"attack":"log","size":3000}"#, |l| l.log = ByteSize::kib(16)).await;
    assert_eq!(text(&invocation), "yes");
    assert_eq!(invocation.log.len(), 16 << 10);
    assert_eq!(invocation.usage.log_dropped_bytes, (3_000 - 16) << 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn handles() {
    assert_eq!(
        code(&hostile("handles", |l| l.handles = 100).await),
        Code::HandleLimit
    );
    // Only those held at once count.
    let dropped = hostile(r#"{"attack":"handles-dropped","size":10000}"#, |l| l.handles = 10).await;
    assert_eq!(text(&dropped), "yes");
}

/// Handles that no host function makes: of a resource that the component defines itself.
#[tokio::test(flavor = "multi_thread")]
async fn handles_of_the_guest_s_own() {
    let invocation = instantiated(handle_flood(), |l| l.handles = 100).await;
    assert_eq!(code(&invocation), Code::HandleLimit);
    let fits = instantiated(handle_flood(), |l| l.handles = 510).await;
    assert_eq!(code(&fits), Code::InvalidComponent);
}

#[tokio::test(flavor = "multi_thread")]
async fn host_calls() {
    let invocation = hostile("host-calls", |l| l.host_calls = 5_000).await;
    assert_eq!(code(&invocation), Code::HostCallLimit);
    assert!(
        (5_000..5_100).contains(&invocation.usage.host_calls),
        "{:?}",
        invocation.usage
    );
    assert_eq!(
        code(&hostile("host-calls-wasi", |l| l.host_calls = 5_000).await),
        Code::HostCallLimit
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn host_call_bytes() {
    let invocation = hostile("host-bytes", |l| l.host_call_bytes = ByteSize::kib(100)).await;
    assert_eq!(code(&invocation), Code::HostCallLimit);
    assert!(
        invocation.usage.host_call_bytes < 110 << 10,
        "{:?}",
        invocation.usage
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn host_memory_of_one_reading() {
    let invocation = hostile("builder", |l| l.host_memory = ByteSize::mib(16)).await;
    assert_eq!(code(&invocation), Code::HostMemoryLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn host_memory_of_many_readings() {
    let invocation = hostile("builders", |l| l.host_memory = ByteSize::mib(16)).await;
    assert_eq!(code(&invocation), Code::HostMemoryLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn host_memory_stays_refused() {
    let invocation = hostile(r#"{"attack":"builder-undaunted","size":50}"#, |l| {
        l.host_memory = ByteSize::mib(16)
    })
    .await;
    // A page of 1 MiB is estimated at three: five fit.
    assert_eq!(text(&invocation), "45");
}

#[tokio::test(flavor = "multi_thread")]
async fn host_memory_of_one_argument() {
    let invocation = hostile(r#"{"attack":"huge-argument","size":20000000}"#, |l| {
        l.host_memory = ByteSize::mib(8)
    })
    .await;
    assert_eq!(code(&invocation), Code::HostMemoryLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_the_ceiling() {
    let (engine, _dir) = engine_with(|settings| {
        settings.ceiling.memory = ByteSize::mib(16);
        settings.ceiling.timeout = docmill_model::duration::Span::millis(200);
    });
    let plugin = load(&engine, component("docmill-hostile")).await;
    let generous = docmill_model::limits::Limits::default();
    assert_eq!(
        code(
            &engine
                .invoke(&plugin, attack("allocate"), &generous, &CONTEXT)
                .await
        ),
        Code::MemoryLimit
    );
    assert_eq!(
        code(&engine.invoke(&plugin, attack("spin"), &generous, &CONTEXT).await),
        Code::Timeout
    );
}
