//! The control plane: how bytes become a plugin that pipelines may use.
//!
//! ```text
//! size → inspect (nothing runs) → compile in a child → describe → schema → promises → signature → samples → blob → row
//! ```
//!
//! Versions never change: the same bytes again are the same version, other bytes under a version that was admitted are refused.
//! What is not admitted leaves nothing behind, so its number is still free.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test that cannot go on panics"
    )
)]

mod enclosed;
mod examine;
mod install;
mod lifecycle;
mod plain;
mod promises;
mod publish;
mod report;
mod samples;

use docmill_blob::Blobs;
use docmill_engine::Engine;
use docmill_model::plugin::PluginName;
use docmill_pipeline::Executor;
use docmill_store::Store;
use semver::Version;

pub use enclosed::{Enclosed, MAX_STATEMENT};
pub use install::Installed;
pub use promises::{Differences, Promise, compare};
pub use publish::{Author, Publication, Refusal, Upload, check_namespace};
pub use report::{Line, Report};
pub use samples::{MAX_SAMPLES, Sample, Tolerance, first_difference};

/// The control plane of one host; cheap to clone.
#[derive(Clone)]
pub struct Registry {
    engine: Engine,
    executor: Executor,
    store: Store,
    blobs: Blobs,
}

impl Registry {
    /// A registry over what the server wired.
    pub fn new(executor: Executor, store: Store, blobs: Blobs) -> Self {
        Self {
            engine: executor.engine().clone(),
            executor,
            store,
            blobs,
        }
    }

    /// Checks a component without publishing it: everything that can be seen of the component alone.
    pub async fn check(&self, component: bytes::Bytes) -> Report {
        examine::examine(&self.engine, component, None).await.report
    }
}

/// Checks a component without a store, as `docmill plugin check` does; `address` is where it is to be published, if that is known.
pub async fn check(
    engine: &Engine,
    component: bytes::Bytes,
    address: Option<&(PluginName, Version)>,
) -> Report {
    examine::examine(engine, component, address).await.report
}
