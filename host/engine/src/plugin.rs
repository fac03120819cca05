//! A plugin ready to be called: compiled, mapped, and linked once.

use std::sync::{Arc, OnceLock};

use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::plugin::Kind;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use crate::compile::Compilation;
use crate::convert::shown;
use crate::guest::Guest;
use crate::handler;
use crate::inspect::interface;

/// A loaded plugin; cheap to clone. Its compiled code is unmapped with the last clone.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

struct Loaded {
    digest: Digest,
    kind: Kind,
    code_bytes: u64,
    compilation: OnceLock<Compilation>,
    pre: InstancePre<Guest>,
    /// None: a plain `wasi:http` component.
    describe: Option<ComponentExportIndex>,
    call: ComponentExportIndex,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0.kind, self.0.digest.short())
    }
}

const fn function(kind: Kind) -> &'static str {
    match kind {
        Kind::Parser => "parse",
        Kind::Extractor => "extract",
        Kind::Validator => "validate",
        Kind::Transformer => "transform",
        Kind::Chunker => "split",
        Kind::Embedder => "embed",
        Kind::LlmAdapter => "complete",
    }
}

impl Plugin {
    /// Links a component to the host.
    ///
    /// # Errors
    /// When it imports what the host does not offer, or does not export what the contract asks for.
    pub(crate) fn link(
        linker: &Linker<Guest>,
        component: &Component,
        digest: Digest,
    ) -> Result<Self, Failure> {
        let invalid = |why: String| Failure::new(Code::InvalidComponent, why);
        let pre = linker.instantiate_pre(component).map_err(|error| {
            let why = shown(&format!("{error:#}"), 500);
            invalid(format!(
                "the component does not fit this host: {why}; build it against wit/plugin.wit"
            ))
        })?;
        let find = |interface: &str, function: &str| {
            let (_, instance) = component.get_export(None, interface)?;
            component.get_export_index(Some(&instance), function)
        };
        let of_contract = || {
            let found = Kind::ALL
                .into_iter()
                .find_map(|kind| Some((kind, find(&interface(kind.as_str()), function(kind))?)));
            let (kind, call) = found?;
            Some((kind, call, find(&interface("manifest"), "describe")))
        };
        let plain = || {
            let outside = component.component_type();
            let exports = outside.exports(component.engine()).map(|(name, _)| name);
            let call = find(handler::exported(exports)?, "handle")?;
            Some((Kind::Transformer, call, None))
        };
        let (kind, call, describe) = match of_contract() {
            Some((_, _, None)) => {
                let missing = interface("manifest");
                return Err(invalid(format!("the component does not export `{missing}`")));
            }
            Some(found) => found,
            None => plain().ok_or_else(|| invalid(format!("the component exports no {}", Kind::LISTED)))?,
        };
        let image = component.image_range();
        let code_bytes = (image.end as usize).saturating_sub(image.start as usize) as u64;
        Ok(Self(Arc::new(Loaded {
            digest,
            kind,
            code_bytes,
            compilation: OnceLock::new(),
            pre,
            describe,
            call,
        })))
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// What it does.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Bytes of its compiled code.
    pub fn code_bytes(&self) -> u64 {
        self.0.code_bytes
    }

    /// What compiling it took; none: it was compiled before, or nobody measured it.
    pub fn compilation(&self) -> Option<Compilation> {
        self.0.compilation.get().copied()
    }

    /// The same, of which it is known what compiling it took.
    pub(crate) fn compiled(self, taken: Option<Compilation>) -> Self {
        if let Some(taken) = taken {
            // Only who loaded it says so, once.
            self.0.compilation.set(taken).ok();
        }
        self
    }

    pub(crate) fn pre(&self) -> &InstancePre<Guest> {
        &self.0.pre
    }

    pub(crate) fn call_export(&self) -> &ComponentExportIndex {
        &self.0.call
    }

    /// None: a plain `wasi:http` component, which says nothing of itself.
    pub(crate) fn describe_export(&self) -> Option<&ComponentExportIndex> {
        self.0.describe.as_ref()
    }

    pub(crate) fn downgrade(&self) -> WeakPlugin {
        WeakPlugin(Arc::downgrade(&self.0))
    }
}

/// A plugin as long as somebody else holds it.
#[derive(Clone, Default)]
pub(crate) struct WeakPlugin(std::sync::Weak<Loaded>);

impl WeakPlugin {
    pub(crate) fn upgrade(&self) -> Option<Plugin> {
        self.0.upgrade().map(Plugin)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.0.strong_count() == 0
    }
}
