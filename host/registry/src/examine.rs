//! Looks at a component from the outside to the inside: bytes, imports and exports, compiled code, what it says of
//! itself, its configuration schema.

use bytes::Bytes;
use docmill_engine::{Engine, Inspection, Plugin, Purpose};
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::limits::Limits;
use docmill_model::plugin::{Kind, Manifest, PinnedPlugin, PluginName};
use docmill_model::preset::NAMESPACE;
use docmill_model::size::ByteSize;
use semver::Version;
use serde_json::Value as Json;

use crate::plain;
use crate::report::Report;

/// Longest configuration schema, in bytes of JSON.
const MAX_SCHEMA_BYTES: usize = 256 * 1024;

/// All that a plugin says of itself, in bytes of JSON: it is read whenever a pipeline that uses the plugin is planned.
const MAX_MANIFEST_BYTES: usize = 320 * 1024;

/// What came out of looking.
pub(crate) struct Examined {
    pub(crate) report: Report,
    /// What publishing needs, or why it cannot be.
    pub(crate) result: Result<Sound, Failure>,
}

/// A component that holds every rule.
pub(crate) struct Sound {
    pub(crate) digest: Digest,
    pub(crate) kind: Kind,
    pub(crate) manifest: Manifest,
    pub(crate) inspection: Json,
    /// Whether its manifest was made of the address.
    pub(crate) is_plain_http: bool,
    /// Held, so that the engine has it for samples, which call it before its bytes are kept.
    #[expect(dead_code, reason = "holding it is its use")]
    pub(crate) plugin: Plugin,
}

impl Sound {
    /// As plans pin it.
    pub(crate) fn pinned(&self) -> PinnedPlugin {
        PinnedPlugin {
            name: self.manifest.name.clone(),
            version: self.manifest.version.clone(),
            digest: self.digest,
            kind: self.kind,
        }
    }
}

/// `address` is where it is to be published, of which a plain `wasi:http` component takes what others say themselves.
pub(crate) async fn examine(
    engine: &Engine,
    component: Bytes,
    address: Option<&(PluginName, Version)>,
) -> Examined {
    let mut report = Report::default();
    let result = walk(engine, component, address, &mut report).await;
    Examined {
        report: report.close(),
        result,
    }
}

async fn walk(
    engine: &Engine,
    component: Bytes,
    address: Option<&(PluginName, Version)>,
    report: &mut Report,
) -> Result<Sound, Failure> {
    report.judge("size", fits(component.len(), engine.component_size()))?;
    let bytes = component.clone();
    // Parsing megabytes takes milliseconds: not on the async threads.
    let looked = tokio::task::spawn_blocking(move || (Engine::inspect(&bytes), Digest::of(&bytes))).await;
    let (inspection, digest) = looked.map_err(|error| {
        tracing::error!(%error, "inspecting a component panicked");
        Failure::new(Code::InvalidComponent, "the component could not be read")
    })?;
    let inspection = inspection.inspect_err(|failure| {
        let rules = ["contract", "kind", "imports"];
        let broken = rules
            .into_iter()
            .find(|rule| failure.reason.as_deref() == Some(rule));
        if broken.is_some() {
            report.pass("component", format!("valid, SHA-256 {digest}"));
        }
        report.fail(broken.unwrap_or("component"), &failure.message);
    })?;
    report.pass("component", format!("valid, SHA-256 {digest}"));
    report.pass(
        "contract",
        match inspection.plain_http {
            true => plain::contract(&inspection),
            false => format!("docmill:plugin@{}", inspection.contract),
        },
    );
    report.pass("kind", exports(&inspection));
    let inspected = serde_json::to_value(&inspection).unwrap_or_default();
    report.inspection = Some(inspected.clone());
    imports(&inspection, report);
    report.judge("memory", memory(&inspection, engine.ceiling()))?;
    let loaded = engine.try_out(digest, component).await;
    let plugin = loaded.inspect_err(|failure| report.fail("compile", &failure.message))?;
    report.pass("compile", compiled(&plugin));
    let described = engine.describe(&plugin).await;
    let manifest = match described.inspect_err(|failure| report.fail("describe", &failure.message))? {
        Some(manifest) => {
            let said = format!("{}@{}: {}", manifest.name, manifest.version, manifest.summary);
            report.pass("describe", said);
            manifest
        }
        None => {
            let (manifest, said) = plain::manifest(address);
            report.pass("describe", said);
            // Without an address, there is nothing more to be looked at.
            manifest.ok_or_else(plain::nameless)?
        }
    };
    report.manifest = Some(manifest.clone());
    let json = manifest.config_schema.clone();
    // Patterns of a guest may take a second to compile: not on the async threads.
    let judged = tokio::task::spawn_blocking(move || schema(&json)).await;
    judged
        .unwrap_or_else(|error| {
            tracing::error!(%error, "compiling a configuration schema panicked");
            Err("the configuration schema could not be compiled".to_owned())
        })
        .inspect(|said| report.pass("configuration", *said))
        .map_err(|said| refuse(report, "configuration", said))?;
    size(&manifest).map_err(|said| refuse(report, "describe", said))?;
    namespace(&manifest).map_err(|said| refuse(report, "describe", said))?;
    accepts(inspection.kind, &manifest)
        .inspect(|said| report.pass("media types", said))
        .map_err(|said| refuse(report, "media types", said))?;
    Ok(Sound {
        digest,
        kind: inspection.kind,
        manifest,
        inspection: inspected,
        is_plain_http: inspection.plain_http,
        plugin,
    })
}

fn refuse(report: &mut Report, check: &'static str, said: String) -> Failure {
    report.fail(check, &said);
    Failure::new(Code::InvalidComponent, format!("{check}: {said}"))
}

fn fits(size: usize, most: ByteSize) -> Result<String, Failure> {
    if size as u64 > most.0 {
        let said = format!("the component has {size} bytes; at most {most} are taken");
        return Err(Failure::new(Code::InvalidComponent, said));
    }
    Ok(format!("{size} bytes of at most {most}"))
}

/// The one kind, and what else is there and never called.
fn exports(inspection: &Inspection) -> String {
    let others: Vec<&str> = inspection
        .exports
        .iter()
        .map(String::as_str)
        .filter(|export| !export.starts_with("docmill:plugin/") && *export != inspection.contract)
        .collect();
    let kind = kind_phrase(inspection.kind);
    match others.as_slice() {
        [] => kind.to_owned(),
        some => {
            let more = some.len().saturating_sub(10);
            let named = some.get(..some.len() - more).unwrap_or_default().join(", ");
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            format!("{kind}; exports that nobody calls: {named}{more}")
        }
    }
}

/// What it has before it does anything.
fn memory(inspection: &Inspection, ceiling: &Limits) -> Result<String, Failure> {
    let (bytes, elements) = (inspection.initial_memory_bytes, inspection.initial_table_elements);
    let said = format!(
        "{} memories of {} at the start, {} tables of {elements} elements",
        inspection.memories,
        about(bytes),
        inspection.tables,
    );
    if bytes > ceiling.memory.0 || elements > ceiling.table_elements {
        let most = format!("{} and {} elements", ceiling.memory, ceiling.table_elements);
        return Err(Failure::new(
            Code::InvalidComponent,
            format!("{said}; no call gets more than {most}"),
        ));
    }
    Ok(said)
}

fn compiled(plugin: &Plugin) -> String {
    let code = about(plugin.code_bytes());
    match plugin.compilation() {
        Some(taken) => format!(
            "{code} of machine code; took {} ms of CPU time and {} of memory",
            taken.cpu_ms,
            about(taken.peak_bytes)
        ),
        None => format!("{code} of machine code, made before"),
    }
}

/// Bytes, for people.
fn about(bytes: u64) -> String {
    let kib = bytes.div_ceil(1024);
    match kib {
        0..10_240 => format!("{kib} KiB"),
        _ => format!("{} MiB", kib.div_ceil(1024)),
    }
}

const fn kind_phrase(kind: Kind) -> &'static str {
    match kind {
        Kind::Parser => "a parser",
        Kind::Extractor => "an extractor",
        Kind::Validator => "a validator",
        Kind::Transformer => "a transformer",
        Kind::Chunker => "a chunker",
        Kind::Embedder => "an embedder",
        Kind::LlmAdapter => "an llm-adapter",
    }
}

/// Capabilities are named: they are what an administrator is asked to grant.
fn imports(inspection: &Inspection, report: &mut Report) {
    let of_it = inspection
        .imports
        .iter()
        .filter(|i| i.purpose == Purpose::Capability);
    let capabilities: Vec<&str> = of_it.map(|i| i.interface.as_str()).collect();
    report.pass(
        "imports",
        match capabilities.as_slice() {
            [] => format!(
                "{} interfaces, none of them a capability",
                inspection.imports.len()
            ),
            some => format!(
                "asks for {}; pipelines that use it are refused until an owner has granted it",
                some.join(", ")
            ),
        },
    );
}

/// Whether the configuration's schema is one and describes an object.
fn schema(schema: &Json) -> Result<&'static str, String> {
    if !schema.is_object() && !schema.is_boolean() {
        return Err(
            "the configuration schema is not a JSON Schema: write an object such as {\"type\": \"object\"}"
                .to_owned(),
        );
    }
    let size = serde_json::to_vec(schema).map_or(usize::MAX, |bytes| bytes.len());
    if size > MAX_SCHEMA_BYTES {
        return Err(format!(
            "the configuration schema has {size} bytes, at most {MAX_SCHEMA_BYTES} are allowed"
        ));
    }
    // The same check that pipelines make: what is published can be used.
    docmill_pipeline::check_schema(schema)
        .map_err(|why| format!("the configuration cannot be checked: {why}"))?;
    let kind = schema.get("type").and_then(Json::as_str);
    match kind {
        None | Some("object") => Ok("the schema is valid"),
        Some(other) => Err(format!(
            "the configuration is always an object, the schema says {other}"
        )),
    }
}

fn size(manifest: &Manifest) -> Result<(), String> {
    let size = serde_json::to_vec(manifest).map_or(usize::MAX, |bytes| bytes.len());
    if size > MAX_MANIFEST_BYTES {
        return Err(format!(
            "all that the plugin says of itself has {size} bytes, at most {MAX_MANIFEST_BYTES} are allowed"
        ));
    }
    Ok(())
}

/// No step could name such a plugin.
fn namespace(manifest: &Manifest) -> Result<(), String> {
    if manifest.name.namespace() == NAMESPACE {
        return Err(format!(
            "'{}' would be taken for a preset: choose a namespace other than {NAMESPACE}",
            manifest.name
        ));
    }
    Ok(())
}

fn accepts(kind: Kind, manifest: &Manifest) -> Result<String, String> {
    if let Some(bad) = manifest.accepts.iter().find(|a| !a.contains('/')) {
        return Err(format!("'{bad}' is not a media type such as application/pdf"));
    }
    match (kind, manifest.accepts.as_slice()) {
        (Kind::Parser, []) => Err("a parser names the media types that it takes, */* for all".to_owned()),
        (_, []) => Ok("none, as it should be".to_owned()),
        (_, list) => Ok(list.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_namespace_of_presets_is_no_plugins() {
        let named = |name: &str| Manifest {
            name: name.parse().unwrap(),
            version: semver::Version::new(1, 0, 0),
            summary: String::new(),
            config_schema: json!({}),
            accepts: vec![],
            fields: vec![],
        };
        assert_eq!(namespace(&named("presets/a")), Ok(()));
        assert!(namespace(&named("preset/a")).unwrap_err().contains("preset/a"));
    }

    #[test]
    fn schemas_are_judged() {
        assert!(schema(&json!({})).is_ok());
        assert!(schema(&json!({"type": "object", "properties": {"a": {"type": "string"}}})).is_ok());
        for (bad, said) in [
            (json!("x"), "not a JSON Schema"),
            (json!({"type": "objekt"}), "the schema is wrong"),
            (json!({"$ref": "#"}), "refers to itself"),
            (
                json!({"properties": {"a": {"pattern": "(?=a)b"}}}),
                "the schema is wrong",
            ),
            (
                json!({"anyOf": vec![json!({"pattern": "\\p{L}{200}N"}); 100]}),
                "patterns",
            ),
            (json!({"type": "string"}), "always an object"),
            (json!({"pattern": "x".repeat(300_000)}), "at most"),
        ] {
            let found = schema(&bad).unwrap_err();
            assert!(found.contains(said), "{found}");
        }
    }
}
