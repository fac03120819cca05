//! A static look at a component: what it is, what it asks for, what it offers. Nothing is compiled or executed, function
//! bodies are not read (the compile child does that), and the bytes may be anything.

mod declared;

use docmill_model::failure::{Code, Failure};
use docmill_model::grant::Capability;
use docmill_model::plugin::Kind;
use docmill_model::size::ByteSize;
use serde::Serialize;
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

use crate::convert::shown;
use crate::handler;
use crate::link::LOGGING;
use declared::Declared;

/// The contract's version that this host serves.
pub const CONTRACT: &str = "0.1.0";

/// The largest component that is looked at when nobody says otherwise.
const LARGEST: ByteSize = ByteSize::mib(64);

/// The most imports, exports, memories or tables that are listed; a component with more is refused.
const MOST: usize = 4_096;

/// What a component is, asks for and offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// What it does.
    pub kind: Kind,
    /// The contract's version that it was built against; of a plain `wasi:http` component the interface that is called.
    pub contract: String,
    /// Whether it is a plain `wasi:http` component, which is called as a transformer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub plain_http: bool,
    /// In bytes.
    pub size: u64,
    /// In the component's order.
    pub imports: Vec<Import>,
    /// In the component's order; those that are not docmill's are never called.
    pub exports: Vec<String>,
    /// Core modules inside.
    pub modules: u32,
    /// Linear memories that it defines.
    pub memories: u32,
    /// Their sizes at the start, together.
    pub initial_memory_bytes: u64,
    /// Tables that it defines.
    pub tables: u32,
    /// Their elements at the start, together.
    pub initial_table_elements: u64,
}

/// An interface that a component asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// `namespace:package/interface@version`
    pub interface: String,
    /// Why it may have it.
    pub purpose: Purpose,
}

/// What an import is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Part of docmill's contract.
    Contract,
    /// What toolchains import by themselves; linked, and empty.
    Wasi,
    /// Carries authority: somebody has to grant it.
    Capability,
    /// Nobody here has it.
    Unknown,
}

/// The contract's interface of that name.
pub(crate) fn interface(name: &str) -> String {
    format!("docmill:plugin/{name}@{CONTRACT}")
}

fn invalid(why: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidComponent, why)
}

/// The same, of one of the rules that come after the bytes are known to be sound: `kind`, `contract`, `imports`.
fn breaks(rule: &str, why: impl Into<String>) -> Failure {
    let mut failure = invalid(why);
    failure.reason = Some(rule.to_owned());
    failure
}

fn purpose(import: &str) -> Purpose {
    const EMPTY: [&str; 6] = ["cli", "io", "clocks", "random", "filesystem", "sockets"];
    const GRANTED: [&str; 5] = [
        "wasi:http/",
        "wasi:keyvalue/",
        "wasi:config/",
        "wasi:blobstore/",
        "wasi:messaging/",
    ];
    if ["types", "documents", "progress", "llm-types", "deltas"]
        .iter()
        .any(|name| import == interface(name))
    {
        return Purpose::Contract;
    }
    if import == interface("llm") {
        return Purpose::Capability;
    }
    if import == LOGGING {
        return Purpose::Wasi;
    }
    let empty = import.strip_prefix("wasi:").and_then(|rest| {
        let (package, rest) = rest.split_once('/')?;
        let (_, version) = rest.split_once('@')?;
        Some(EMPTY.contains(&package) && version.starts_with("0.2."))
    });
    match empty {
        Some(true) => Purpose::Wasi,
        // Requests and answers as such; `outgoing-handler` is what sends them.
        _ if import
            .strip_prefix("wasi:http/types@")
            .is_some_and(|version| version.starts_with("0.2.")) =>
        {
            Purpose::Wasi
        }
        _ if GRANTED.iter().any(|prefix| import.starts_with(prefix)) => Purpose::Capability,
        _ => Purpose::Unknown,
    }
}

/// Component-model and core features that the engine accepts too.
fn features() -> WasmFeatures {
    WasmFeatures::WASM2
        | WasmFeatures::COMPONENT_MODEL
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::MULTI_MEMORY
}

/// What the first bytes say when they are not those of a component.
fn not_a_component(bytes: &[u8]) -> Option<String> {
    const MAGIC: &[u8] = b"\0asm";
    let head = bytes.trim_ascii_start();
    if bytes.is_empty() {
        Some("the file is empty".to_owned())
    } else if MAGIC.starts_with(bytes) || (bytes.starts_with(MAGIC) && bytes.len() < 8) {
        Some("the file ends within its first 8 bytes: it is truncated".to_owned())
    } else if head.starts_with(b"(component") || head.starts_with(b"(module") {
        Some("this is WebAssembly text; assemble it first (`wasm-tools parse`)".to_owned())
    } else if !bytes.starts_with(MAGIC) {
        Some("this is no WebAssembly: a component begins with the bytes 00 61 73 6d 0d 00 01 00".to_owned())
    } else if Parser::is_core_wasm(bytes) {
        Some(
            "this is a core module, not a component: build it for wasm32-wasip2, or turn it into a component \
             (`wasm-tools component new`)"
                .to_owned(),
        )
    } else if !Parser::is_component(bytes) {
        Some("this is WebAssembly of a version or layer that docmill does not know".to_owned())
    } else {
        None
    }
}

#[derive(Default)]
struct Seen {
    imports: Vec<Import>,
    exports: Vec<String>,
    modules: u32,
    memories: u32,
    memory_bytes: u64,
    tables: u32,
    table_elements: u64,
}

impl Seen {
    fn payload(&mut self, payload: &Payload<'_>, depth: usize) -> Result<(), Failure> {
        let unreadable = |error: wasmparser::BinaryReaderError| malformed(&error);
        match payload {
            Payload::ModuleSection { .. } => self.modules = self.modules.saturating_add(1),
            Payload::MemorySection(memories) => {
                for memory in memories.clone() {
                    let memory = memory.map_err(unreadable)?;
                    self.memories = self.memories.saturating_add(1);
                    self.memory_bytes = self
                        .memory_bytes
                        .saturating_add(memory.initial.saturating_mul(65_536));
                }
            }
            Payload::TableSection(tables) => {
                for table in tables.clone() {
                    let table = table.map_err(unreadable)?;
                    self.tables = self.tables.saturating_add(1);
                    self.table_elements = self.table_elements.saturating_add(table.ty.initial);
                }
            }
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports.clone() {
                    let interface = shown(import.map_err(unreadable)?.name.name, 200);
                    let purpose = purpose(&interface);
                    self.imports.push(Import { interface, purpose });
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports.clone() {
                    self.exports
                        .push(shown(export.map_err(unreadable)?.name.name, 200));
                }
            }
            _ => {}
        }
        if self.imports.len() > MOST || self.exports.len() > MOST {
            return Err(invalid(format!(
                "the component has more than {MOST} imports or exports"
            )));
        }
        Ok(())
    }
}

fn malformed(error: &wasmparser::BinaryReaderError) -> Failure {
    let why = shown(error.message(), 300);
    let at = error.offset();
    if error.message().starts_with("unexpected end") {
        return invalid(format!(
            "the component is truncated: it ends where more is announced, at byte {at:#x}"
        ));
    }
    invalid(format!("the component is malformed at byte {at:#x}: {why}"))
}

/// Looks at a component of at most 64 MiB.
///
/// # Errors
/// `invalid-component`, with a reason as a compiler would give it: no component, truncated, malformed, of another world,
/// built against another version of the contract, or with imports that nobody has.
pub fn inspect(component: &[u8]) -> Result<Inspection, Failure> {
    inspect_within(component, LARGEST)
}

pub(crate) fn inspect_within(component: &[u8], largest: ByteSize) -> Result<Inspection, Failure> {
    let size = component.len() as u64;
    if size > largest.0 {
        return Err(invalid(format!(
            "the component has {size} bytes; at most {largest} are taken"
        )));
    }
    if let Some(why) = not_a_component(component) {
        return Err(invalid(why));
    }
    let mut validator = Validator::new_with_features(features());
    let (mut seen, mut declared) = (Seen::default(), Declared::default());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(|error| malformed(&error))?;
        declared.count(&payload)?;
        validator.payload(&payload).map_err(|error| malformed(&error))?;
        seen.payload(&payload, depth)?;
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if depth == 0 => {
                return Err(invalid("this is a core module, not a component"));
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    judge(seen, size)
}

/// Whether what was seen is a plugin.
fn judge(seen: Seen, size: u64) -> Result<Inspection, Failure> {
    let kinds: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| seen.exports.contains(&interface(kind.as_str())))
        .collect();
    let kind = match kinds.as_slice() {
        [kind] => *kind,
        [] => return plain_http(seen, size),
        [first, second, ..] => {
            return Err(breaks(
                "kind",
                format!(
                    "the component is a {first} and a {second}; a plugin has exactly one kind, so make two of it"
                ),
            ));
        }
    };
    if !seen.exports.contains(&interface("manifest")) {
        return Err(breaks(
            "kind",
            format!(
                "the component does not export `{}`; use one of the worlds of wit/plugin.wit, such as {kind}-plugin",
                interface("manifest")
            ),
        ));
    }
    refuse_imports(&seen.imports)?;
    let asks_models = |import: &Import| Capability::of_import(&import.interface) == Some(Capability::Llm);
    if kind == Kind::LlmAdapter && seen.imports.iter().any(asks_models) {
        return Err(breaks(
            "imports",
            format!(
                "an llm-adapter imports `{}`: it answers for models and cannot ask them; ask in a plugin of another kind",
                interface("llm")
            ),
        ));
    }
    Ok(Inspection {
        kind,
        contract: CONTRACT.to_owned(),
        plain_http: false,
        size,
        imports: seen.imports,
        exports: seen.exports,
        modules: seen.modules,
        memories: seen.memories,
        initial_memory_bytes: seen.memory_bytes,
        tables: seen.tables,
        initial_table_elements: seen.table_elements,
    })
}

/// Of a component without a kind of this contract: whether it can be called over `wasi:http`.
fn plain_http(seen: Seen, size: u64) -> Result<Inspection, Failure> {
    let is_ours = seen.exports.iter().any(|e| e.starts_with("docmill:plugin/"));
    let handler = handler::exported(seen.exports.iter().map(String::as_str)).filter(|_| !is_ours);
    let Some(handler) = handler else {
        return Err(no_kind(&seen.exports));
    };
    let contract = handler.to_owned();
    refuse_imports(&seen.imports)?;
    Ok(Inspection {
        kind: Kind::Transformer,
        contract,
        plain_http: true,
        size,
        imports: seen.imports,
        exports: seen.exports,
        modules: seen.modules,
        memories: seen.memories,
        initial_memory_bytes: seen.memory_bytes,
        tables: seen.tables,
        initial_table_elements: seen.table_elements,
    })
}

/// Why a component without a kind of this contract is none of our plugins.
fn no_kind(exports: &[String]) -> Failure {
    if let Some(export) = exports.iter().find(|e| e.starts_with("docmill:plugin/")) {
        let version = export.rsplit_once('@').map_or("none", |(_, version)| version);
        if version != CONTRACT {
            return breaks(
                "contract",
                format!(
                    "the component was built against version {version} of docmill:plugin, and this host serves {CONTRACT}; \
                 build it against the host's wit/plugin.wit"
                ),
            );
        }
        return breaks(
            "kind",
            format!(
                "the component exports no {}, so it has nothing to call",
                Kind::LISTED
            ),
        );
    }
    let exports = match exports {
        [] => "nothing".to_owned(),
        some => some
            .iter()
            .take(5)
            .map(|e| format!("`{e}`"))
            .collect::<Vec<_>>()
            .join(", "),
    };
    breaks(
        "kind",
        format!(
            "this is a component of another world: it exports {exports}, and neither a {} of docmill:plugin@{CONTRACT} nor \
             wasi:http/incoming-handler@0.2",
            Kind::LISTED
        ),
    )
}

fn refuse_imports(imports: &[Import]) -> Result<(), Failure> {
    let named = |purpose, wanted: fn(&str) -> bool| {
        let names: Vec<String> = imports
            .iter()
            .filter(|i| i.purpose == purpose && wanted(&i.interface))
            .map(|i| format!("`{}`", i.interface))
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(names) = named(Purpose::Unknown, |_| true) {
        return Err(breaks(
            "imports",
            format!(
                "the component imports {names}, which this host does not have; a plugin may import docmill:plugin@{CONTRACT} \
             and wasi:{{cli,io,clocks,random,filesystem,sockets}}@0.2"
            ),
        ));
    }
    if let Some(names) = named(Purpose::Capability, |i| Capability::of_import(i).is_none()) {
        return Err(breaks(
            "imports",
            format!(
                "the component asks for {names}, a capability that this version of docmill cannot grant yet"
            ),
        ));
    }
    Ok(())
}
