//! Where the engine gets what it does not have on this host.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use docmill_model::failure::{Code, Failure};

/// What decides which machine code an engine takes: wasmtime's version, and everything of its configuration and of the
/// processor that compiled code depends on.
pub type Fingerprint = [u8; 32];

/// The places where one component, and code that was compiled of it before, are kept.
pub trait Supply: Send + Sync {
    /// The component's bytes.
    fn component(&self) -> impl Future<Output = Result<Bytes, Failure>> + Send;

    /// Compiled code, as [`Supply::keep`] was given it on any host. It is authenticated before anything of it is used, so it
    /// may come from places that are not trusted.
    fn code(&self, engine: Fingerprint) -> impl Future<Output = Option<Bytes>> + Send;

    /// Whether code comes from others and goes to them; otherwise nobody is asked.
    fn shares(&self) -> bool {
        true
    }

    /// Takes code that this host has just compiled, for other hosts. What becomes of it does not matter to this one.
    fn keep(&self, engine: Fingerprint, code: Bytes) -> impl Future<Output = ()> + Send;
}

/// A component alone.
pub(crate) struct Alone<C>(Mutex<Option<C>>);

impl<C> Alone<C> {
    pub(crate) const fn new(component: C) -> Self {
        Self(Mutex::new(Some(component)))
    }
}

impl<C, F> Supply for Alone<C>
where
    C: FnOnce() -> F + Send,
    F: Future<Output = Result<Bytes, Failure>> + Send,
{
    async fn component(&self) -> Result<Bytes, Failure> {
        let component = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match component {
            Some(component) => component().await,
            None => Err(Failure::new(Code::Internal, "a component was asked for twice")),
        }
    }

    async fn code(&self, _: Fingerprint) -> Option<Bytes> {
        None
    }

    fn shares(&self) -> bool {
        false
    }

    async fn keep(&self, _: Fingerprint, _: Bytes) {}
}
