//! What is no plugin is refused with a reason that a compiler would give.

use docmill_engine::{Engine, Purpose};
use docmill_model::failure::Code;

use crate::support::*;

fn refused(bytes: &[u8]) -> String {
    let failure = Engine::inspect(bytes).unwrap_err();
    assert_eq!(failure.code, Code::InvalidComponent);
    failure.message
}

fn assert_says(bytes: &[u8], words: &str) {
    let message = refused(bytes);
    assert!(message.contains(words), "{message:?} does not say {words:?}");
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A component that exports the named interfaces, empty but for a function `f`.
fn exporting(names: &[&str]) -> Vec<u8> {
    let exports: String = names
        .iter()
        .map(|name| format!("(export \"{name}\" (instance $i))"))
        .collect();
    wat(&format!(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $m (instantiate $m))
            (func $f (canon lift (core func $m "f")))
            (instance $i (export "f" (func $f)))
            {exports})"#
    ))
}

#[test]
fn what_is_no_component() {
    assert_says(b"", "empty");
    assert_says(b"\0as", "truncated");
    assert_says(b"Dear Sir or Madam", "no WebAssembly");
    assert_says(b"%PDF-1.7", "no WebAssembly");
    assert_says(b"  (component)", "WebAssembly text");
    assert_says(&wat("(module (func))"), "core module");
    assert_says(b"\0asm\x07\0\x09\0", "version or layer");
    assert_says(&vec![0; (64 << 20) + 1], "at most 64MiB");
}

#[test]
fn components_of_other_worlds() {
    assert_says(&wat("(component)"), "exports nothing");
    assert_says(
        &exporting(&["wasi:http/incoming-handler@0.3.0"]),
        "`wasi:http/incoming-handler@0.3.0`",
    );
    assert_says(
        &exporting(&["docmill:plugin/extractor@0.2.0", "docmill:plugin/manifest@0.2.0"]),
        "version 0.2.0",
    );
    assert_says(&exporting(&["docmill:plugin/manifest@0.1.0"]), "nothing to call");
    assert_says(
        &exporting(&["docmill:plugin/extractor@0.1.0"]),
        "does not export `docmill:plugin/manifest@0.1.0`",
    );
    let two = [
        "docmill:plugin/extractor@0.1.0",
        "docmill:plugin/parser@0.1.0",
        "docmill:plugin/manifest@0.1.0",
    ];
    assert_says(&exporting(&two), "a parser and a extractor");
}

fn importing(name: &str) -> Vec<u8> {
    wat(&format!(
        r#"(component
            (import "{name}" (instance (export "f" (func))))
            (core module $m (func (export "f")))
            (core instance $m (instantiate $m))
            (func $f (canon lift (core func $m "f")))
            (instance $i (export "extract" (func $f)) (export "describe" (func $f)))
            (export "docmill:plugin/extractor@0.1.0" (instance $i))
            (export "docmill:plugin/manifest@0.1.0" (instance $i)))"#
    ))
}

#[test]
fn imports_that_nobody_has() {
    assert_says(
        &importing("acme:secrets/vault@1.0.0"),
        "`acme:secrets/vault@1.0.0`",
    );
    assert_says(
        &importing("docmill:plugin/documents@0.3.0"),
        "`docmill:plugin/documents@0.3.0`",
    );
    assert_says(
        &importing("wasi:cli/environment@0.3.0"),
        "`wasi:cli/environment@0.3.0`",
    );
    assert_says(&importing("wasi:blobstore/container@0.2.0-draft"), "capability");
    // What can be granted is refused when a plan wants it, and not here.
    assert!(Engine::inspect(&importing("wasi:http/outgoing-handler@0.2.6")).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_import_of_the_wrong_shape_is_refused_at_load() {
    let component = bytes::Bytes::from(importing("docmill:plugin/progress@0.1.0"));
    assert!(Engine::inspect(&component).is_ok());
    let digest = docmill_model::digest::Digest::of(&component);
    let failure = engine()
        .load(digest, || async { Ok(component) })
        .await
        .unwrap_err();
    assert_eq!(failure.code, Code::InvalidComponent);
    assert!(
        failure.message.contains("docmill:plugin/progress@0.1.0"),
        "{failure}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn exported_functions_of_the_wrong_type_are_refused_by_describe() {
    let component = importing("wasi:clocks/monotonic-clock@0.2.0");
    let text = String::from_utf8_lossy(&component).into_owned();
    assert!(text.contains("extract"));
    let plain = wat(r#"(component
            (core module $m (func (export "f")))
            (core instance $m (instantiate $m))
            (func $f (canon lift (core func $m "f")))
            (instance $i (export "extract" (func $f)) (export "describe" (func $f)))
            (export "docmill:plugin/extractor@0.1.0" (instance $i))
            (export "docmill:plugin/manifest@0.1.0" (instance $i)))"#);
    let plugin = load(engine(), plain.into()).await;
    let failure = engine().describe(&plugin).await.unwrap_err();
    assert_eq!(failure.code, Code::InvalidComponent);
    assert!(failure.message.contains("type"), "{failure}");
}

#[test]
fn a_plugin_is_told_completely() {
    let bytes = component("docmill-hostile");
    let inspection = Engine::inspect(&bytes).unwrap();
    assert_eq!(inspection.size, bytes.len() as u64);
    assert!(
        inspection.modules >= 1 && inspection.memories >= 1 && inspection.tables >= 1,
        "{inspection:?}"
    );
    assert!(inspection.initial_memory_bytes >= 65_536);
    let purpose = |name: &str| {
        inspection
            .imports
            .iter()
            .find(|i| i.interface.starts_with(name))
            .map(|i| i.purpose)
    };
    assert_eq!(purpose("docmill:plugin/documents"), Some(Purpose::Contract));
    assert_eq!(purpose("wasi:cli/stderr"), Some(Purpose::Wasi));
    let json = serde_json::to_value(&inspection).unwrap();
    assert_eq!(json["kind"], "extractor");
    assert_eq!(json["contract"], "0.1.0");
}

/// Bytes that were a component once: never a panic, never accepted as something else than they are.
#[test]
fn damaged_components_are_refused_or_still_whole() {
    let good = component("docmill-hostile");
    for length in (0..good.len()).step_by(good.len() / 97) {
        assert!(Engine::inspect(&good[..length]).is_err(), "{length} bytes");
    }
    assert_says(&good[..good.len() / 2], "truncated");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..400 {
        let mut bad = good.to_vec();
        for _ in 0..4 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(state >> 33).unwrap() % bad.len();
            bad[at] ^= u8::try_from(state & 0xff).unwrap() | 1;
        }
        if let Err(failure) = Engine::inspect(&bad) {
            assert_eq!(failure.code, Code::InvalidComponent);
            assert!(failure.message.len() < 1_000);
        }
    }
    // Components inside components, as deep as the bytes allow.
    let mut nested = wat("(component)");
    for _ in 0..2_000 {
        let mut outer = b"\0asm\x0d\0\x01\0\x04".to_vec();
        let mut length = nested.len();
        loop {
            let low = u8::try_from(length & 0x7f).unwrap();
            length >>= 7;
            outer.push(if length > 0 { low | 0x80 } else { low });
            if length == 0 {
                break;
            }
        }
        outer.extend(nested);
        nested = outer;
    }
    refused(&nested);
}
