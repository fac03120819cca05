//! Little that a guest hands over must not become much in the host: what is built from it is weighed, not what came.

use std::time::Duration;

use docmill_model::duration::Span;
use docmill_model::failure::Code;
use docmill_model::size::ByteSize;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn small_things_that_would_become_large_are_refused() {
    for (attack, expected, rule) in [
        (
            r#"{"attack":"wide-tables","size":3}"#,
            Code::InvalidOutput,
            "table-size",
        ),
        (
            r#"{"attack":"kind","size":100}"#,
            Code::InvalidOutput,
            "block-kind",
        ),
        (
            r#"{"attack":"nested-json","size":65}"#,
            Code::InvalidOutput,
            "(rule `json`)",
        ),
        (
            r#"{"attack":"dense-json","size":2000000}"#,
            Code::HostMemoryLimit,
            "return less",
        ),
        // All values of a call count together.
        (
            r#"{"attack":"dense-jsons","size":2000}"#,
            Code::HostMemoryLimit,
            "return less",
        ),
    ] {
        let invocation = hostile(attack, |_| {}).await;
        assert_eq!(code(&invocation), expected, "{attack}");
        let failure = invocation.result.unwrap_err();
        assert!(failure.message.contains(rule), "{attack}: {failure}");
    }
    for fits in [
        r#"{"attack":"wide-tables","size":1}"#,
        r#"{"attack":"kind","size":60}"#,
    ] {
        assert_eq!(text(&hostile(fits, |_| {}).await), "yes");
    }
    for fits in [
        r#"{"attack":"nested-json","size":64}"#,
        r#"{"attack":"dense-json","size":1000000}"#,
    ] {
        assert_eq!(fields(&hostile(fits, |_| {}).await).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_that_crosses_is_counted() {
    for attack in ["labels", "media-types"] {
        let config = format!(r#"{{"attack":"{attack}","size":20}}"#);
        let invocation = hostile(&config, |l| l.host_call_bytes = ByteSize::mib(8)).await;
        assert_eq!(code(&invocation), Code::HostCallLimit, "{attack}");
    }
    let kind = r#"{"attack":"kind","size":2000000}"#;
    let invocation = hostile(kind, |l| l.host_call_bytes = ByteSize::mib(1)).await;
    assert_eq!(code(&invocation), Code::HostCallLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_citations_become_is_output_too() {
    let page = format!("a{}b", " ".repeat(1 << 20));
    let plugin = plugin("docmill-hostile").await;
    let mut limits = tight();
    limits.output = ByteSize::mib(4);
    let cite = |times: u32| {
        let config = format!(r#"{{"attack":"short-quotes","size":{times}}}"#);
        attack_on(&config, inputs(&page))
    };
    let three = engine().invoke(&plugin, cite(3), &limits, &CONTEXT).await;
    assert_eq!(fields(&three)[0].citations[2].quote.len(), page.len());
    let four = engine().invoke(&plugin, cite(4), &limits, &CONTEXT).await;
    assert_eq!(code(&four), Code::OutputLimit);
}

fn thread_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.cast_unsigned(), u32::try_from(now.tv_nsec).unwrap())
}

/// The caller's thread answers requests: what takes long to settle is settled elsewhere.
#[tokio::test]
async fn much_output_is_settled_on_a_guest_thread() {
    let plugin = plugin("docmill-hostile").await;
    let call = attack_on(r#"{"attack":"dense-json","size":500000}"#, inputs(""));
    let before = thread_cpu();
    let invocation = engine().invoke(&plugin, call, &tight(), &CONTEXT).await;
    let here = thread_cpu() - before;
    let all = Duration::from_micros(invocation.usage.cpu_us);
    assert_eq!(fields(&invocation).len(), 1);
    assert!(here < all / 2, "{here:?} of {all:?} on the caller's thread");
}

/// A component of so many memories and tables; it spins when it is instantiated.
fn spinner(memories: usize, tables: usize) -> bytes::Bytes {
    let text = format!(
        r#"(component
            (core module $m {} {}
                (func $spin (loop $again (br $again)))
                (func (export "f"))
                (start $spin))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $e (export "extract" (func $f)) (export "describe" (func $f)))
            (export "docmill:plugin/extractor@0.1.0" (instance $e))
            (export "docmill:plugin/manifest@0.1.0" (instance $e)))"#,
        "(memory 1)".repeat(memories),
        "(table 1 funcref)".repeat(tables)
    );
    wat::parse_str(text).unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_has_few_memories_and_tables() {
    for (memories, tables) in [(5, 0), (0, 9)] {
        let component = spinner(memories, tables);
        let digest = docmill_model::digest::Digest::of(&component);
        let loaded = engine().try_out(digest, component).await;
        assert_eq!(loaded.err().map(|f| f.code), Some(Code::InvalidComponent));
    }
}

/// As many calls as there are places, each with all memories and tables that it may have: none of them lacks one.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_place_has_memories_and_tables() {
    const PLACES: u32 = 40;
    let (engine, _dir) = engine_with(|settings| settings.pool_instances = PLACES);
    let plugin = load(&engine, spinner(4, 8)).await;
    let mut limits = tight();
    limits.timeout = Span::seconds(2);
    let calls: Vec<_> = (0..PLACES)
        .map(|_| {
            let (engine, plugin) = (engine.clone(), plugin.clone());
            tokio::spawn(async move {
                let invocation = engine.invoke(&plugin, attack("nothing"), &limits, &CONTEXT).await;
                code(&invocation)
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Code::Timeout);
    }
}
