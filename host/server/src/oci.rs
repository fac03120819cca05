//! Plugins in OCI registries, as the layout of the CNCF's TAG Runtime has WebAssembly there (`application/vnd.wasm.config.v0+json`, one
//! layer `application/wasm`), so that wkg, wasmCloud, Spin and others read them. These refuse an artifact with more than one layer;
//! what docmill takes along beside the component is therefore an artifact of its own, which names the first one as its subject
//! and has a tag made from its digest.
//!
//! Only the command line speaks to registries, never a host. What is sent goes through the standard client; what comes is read
//! here: that client reads manifests, tokens and errors to whatever end they have.

mod access;
mod artifact;
mod error;
mod progress;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use access::{Credentials, Target};
pub use artifact::{Artifact, Described, Extra, ExtraKind};
pub use read::pull;
pub use write::push;
