//! The control plane: how bytes become a plugin that pipelines may use.
//!
//! ```text
//! size → inspect (nothing runs) → compile in a child → describe → schema → blob → row
//! ```
//!
//! Versions never change: the same bytes again are the same version, other bytes under a published version are refused.
#![forbid(unsafe_code)]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on panics"))]

mod examine;
mod install;
mod publish;
mod report;

use docmill_blob::Blobs;
use docmill_engine::Engine;
use docmill_store::Store;

pub use install::Installed;
pub use publish::{Publication, Refusal};
pub use report::{Line, Report};

/// The control plane of one host; cheap to clone.
#[derive(Clone)]
pub struct Registry {
    engine: Engine,
    store: Store,
    blobs: Blobs,
}

impl Registry {
    /// A registry over what the server wired.
    pub const fn new(engine: Engine, store: Store, blobs: Blobs) -> Self {
        Self { engine, store, blobs }
    }

    /// Checks a component without publishing it: everything that publishing checks, but for name and version that are
    /// taken already.
    pub async fn check(&self, component: bytes::Bytes) -> Report {
        examine::examine(&self.engine, component).await.report
    }
}

/// Checks a component without a store, as `docmill plugin check` does.
pub async fn check(engine: &Engine, component: bytes::Bytes) -> Report {
    examine::examine(engine, component).await.report
}
