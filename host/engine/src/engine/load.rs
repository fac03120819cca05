//! From a digest to a plugin that can be called: memory, disk, code that another host compiled, or the compile child.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use tokio::sync::Semaphore;
use wasmtime::component::Component;

use super::{Engine, Shared};
use crate::code::Refused;
use crate::map::{self, Authentic};
use crate::plugin::{Plugin, WeakPlugin};
use crate::supply::{Alone, Fingerprint, Supply};
use crate::{compile, inspect};

impl Engine {
    /// The plugin of a digest: from memory if somebody has it, from compiled code on disk if that verifies, else compiled in
    /// the child from `component`, which is asked for only then. Many callers at once cause one load.
    ///
    /// # Errors
    /// `invalid-component` or `compile-failed` because of the component; whatever `component` fails with.
    pub async fn load<F>(
        &self,
        digest: Digest,
        component: impl FnOnce() -> F + Send,
    ) -> Result<Plugin, Failure>
    where
        F: Future<Output = Result<Bytes, Failure>> + Send,
    {
        self.load_in(&self.0.compilers, digest, &Alone::new(component))
            .await
    }

    /// As [`Engine::load`], where code that was compiled on another host may be had, too, and is to be given to others.
    ///
    /// # Errors
    /// `invalid-component` or `compile-failed` because of the component; whatever the supply's component fails with.
    pub async fn load_from(&self, digest: Digest, supply: &impl Supply) -> Result<Plugin, Failure> {
        self.load_in(&self.0.compilers, digest, supply).await
    }

    /// The compiled code of a component that was loaded here before, for other hosts with an engine of this
    /// [`Engine::fingerprint`]; none, if it is not on this host's disk.
    pub async fn code(&self, digest: Digest) -> Option<Bytes> {
        let read = self.blocking(move |shared| shared.codes.read(digest).ok());
        read.await.ok().flatten().map(Bytes::from)
    }

    /// Which compiled code this engine takes.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.codes.fingerprint()
    }

    /// As [`Engine::load`], for a component that is not published yet: whoever tries components out waits only for others who
    /// do, and never keeps a run from a plugin that has to be compiled.
    ///
    /// # Errors
    /// `invalid-component` or `compile-failed` because of the component.
    pub async fn try_out(&self, digest: Digest, component: Bytes) -> Result<Plugin, Failure> {
        let given = Alone::new(|| async { Ok(component) });
        self.load_in(&self.0.candidates, digest, &given).await
    }

    async fn load_in(
        &self,
        compilers: &Semaphore,
        digest: Digest,
        supply: &impl Supply,
    ) -> Result<Plugin, Failure> {
        let flight = self.flight(digest);
        let mut loaded = flight.lock().await;
        if let Some(plugin) = loaded.upgrade() {
            return Ok(plugin);
        }
        let plugin = match self.find_on_disk(digest).await {
            Some(plugin) => plugin,
            None => match self.pull(digest, supply).await {
                Some(plugin) => plugin,
                None => self.make(compilers, digest, supply).await?,
            },
        };
        *loaded = plugin.downgrade();
        Ok(plugin)
    }

    /// Compiles the component, and gives its code to other hosts.
    async fn make(
        &self,
        compilers: &Semaphore,
        digest: Digest,
        supply: &impl Supply,
    ) -> Result<Plugin, Failure> {
        let component = supply.component().await?;
        let given = component.clone();
        self.blocking(move |shared| shared.sound(digest, &given))
            .await??;
        let plugin = self.compile(compilers, digest, &component).await?;
        if supply.shares()
            && let Some(code) = self.code(digest).await
        {
            supply.keep(self.fingerprint(), code).await;
        }
        Ok(plugin)
    }

    /// Takes code over that another host compiled. Whatever is wrong with it, the component can be compiled here.
    async fn pull(&self, digest: Digest, supply: &impl Supply) -> Option<Plugin> {
        if !supply.shares() {
            return None;
        }
        let _turn = self.0.pulls.acquire().await.ok()?;
        let code = supply.code(self.fingerprint()).await?;
        let taken = self.blocking(move |shared| {
            let code = match shared.codes.adopt(digest, &code) {
                Ok(code) => code,
                Err(why @ Refused::Unreadable(_)) => return Err((why.to_string(), false)),
                Err(why) => return Err((why.to_string(), true)),
            };
            shared.mapped(&code, digest).map_err(|failure| {
                shared.codes.remove(digest);
                (failure.message, true)
            })
        });
        match taken.await.ok()? {
            Ok(plugin) => {
                self.0.counters.pulled.fetch_add(1, Ordering::Relaxed);
                Some(plugin)
            }
            Err((why, refused)) => {
                if refused {
                    self.0.counters.refused.fetch_add(1, Ordering::Relaxed);
                }
                tracing::warn!(%digest, %why, "compiled code from the blob store is not used; it is made anew");
                None
            }
        }
    }

    fn flight(&self, digest: Digest) -> Arc<tokio::sync::Mutex<WeakPlugin>> {
        let mut flights = self.0.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.len() > 1_024 {
            flights.retain(|_, flight| {
                Arc::strong_count(flight) > 1 || flight.try_lock().is_ok_and(|plugin| !plugin.is_dead())
            });
        }
        Arc::clone(flights.entry(digest).or_default())
    }

    /// Blocking work on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let shared = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&shared))
            .await
            .map_err(|_| {
                Failure::new(
                    Code::Internal,
                    "loading a plugin failed; this is a fault of docmill",
                )
            })
    }

    async fn find_on_disk(&self, digest: Digest) -> Option<Plugin> {
        let found = self.blocking(move |shared| {
            let code = match shared.codes.open(digest) {
                Ok(code) => code,
                Err(Refused::Absent) => return None,
                Err(why) => {
                    tracing::warn!(%digest, %why, "compiled code on disk was refused and is made anew");
                    shared.counters.refused.fetch_add(1, Ordering::Relaxed);
                    shared.codes.remove(digest);
                    return None;
                }
            };
            let linked = map::map(&shared.engine, &code)
                .map_err(|error| format!("{error:#}"))
                .and_then(|component| shared.link(&component, digest).map_err(|failure| failure.message));
            match linked {
                Ok(plugin) => Some(plugin),
                Err(why) => {
                    tracing::warn!(%digest, %why, "compiled code on disk does not fit and is made anew");
                    shared.counters.refused.fetch_add(1, Ordering::Relaxed);
                    shared.codes.remove(digest);
                    None
                }
            }
        });
        let plugin = found.await.ok().flatten()?;
        self.0.counters.mapped.fetch_add(1, Ordering::Relaxed);
        Some(plugin)
    }

    /// Compiles a component in the child, and keeps the code on disk if there is room.
    async fn compile(
        &self,
        compilers: &Semaphore,
        digest: Digest,
        component: &[u8],
    ) -> Result<Plugin, Failure> {
        let _turn = compilers
            .acquire()
            .await
            .map_err(|_| Failure::new(Code::Interrupted, "the host is shutting down"))?;
        let settings = &self.0.settings;
        let scratch = self
            .blocking(|shared| shared.codes.prepare().and_then(|()| shared.codes.scratch()))
            .await?;
        let no_disk = match scratch {
            Ok(scratch) => match compile::into_file(settings, component, scratch.as_file()).await {
                Ok(taken) => {
                    self.0.counters.compiled.fetch_add(1, Ordering::Relaxed);
                    let kept = self.blocking(move |shared| {
                        let code = shared
                            .codes
                            .keep(digest, scratch)
                            .map_err(|error| error.to_string())?;
                        Ok(shared.mapped(&code, digest))
                    });
                    match kept.await? {
                        Ok(plugin) => return plugin.map(|plugin| plugin.compiled(taken)),
                        Err(why) => why,
                    }
                }
                Err(compile::Failed::Component(failure)) => return Err(failure),
                Err(compile::Failed::NoRoom(why)) => why,
            },
            Err(error) => error.to_string(),
        };
        tracing::warn!(%digest, why = %no_disk, "compiled code is not kept on disk; it is made anew at the next start");
        let (code, taken) = match compile::into_memory(settings, component).await {
            Ok(compiled) => compiled,
            Err(compile::Failed::Component(failure)) => return Err(failure),
            Err(compile::Failed::NoRoom(why)) => return Err(Failure::new(Code::CompileFailed, why)),
        };
        self.0.counters.compiled.fetch_add(1, Ordering::Relaxed);
        self.blocking(move |shared| {
            let component =
                map::load(&shared.engine, &Authentic::vouch(code)).map_err(|error| unloadable(&error))?;
            shared.link(&component, digest)
        })
        .await?
        .map(|plugin| plugin.compiled(taken))
    }
}

impl Shared {
    /// Whether these are the digest's bytes and those of a plugin: hashing and validating 64 MiB takes a while.
    fn sound(&self, digest: Digest, component: &[u8]) -> Result<(), Failure> {
        if Digest::of(component) != digest {
            let why = format!("the component's bytes are not those of digest {digest}");
            return Err(Failure::new(Code::InvalidComponent, why));
        }
        inspect::inspect_within(component, self.settings.component_size).map(drop)
    }

    fn link(&self, component: &Component, digest: Digest) -> Result<Plugin, Failure> {
        Plugin::link(&self.linker, component, digest)
    }

    fn mapped(&self, code: &Authentic<std::fs::File>, digest: Digest) -> Result<Plugin, Failure> {
        let component = map::map(&self.engine, code).map_err(|error| unloadable(&error))?;
        self.link(&component, digest)
    }
}

/// The pool refuses a component when it is mapped: too many memories or tables, or too large ones from the start.
fn unloadable(error: &wasmtime::Error) -> Failure {
    let why = crate::convert::shown(&format!("{error:#}"), 500);
    Failure::new(
        Code::InvalidComponent,
        format!("the component does not fit the sandbox: {why}"),
    )
}
