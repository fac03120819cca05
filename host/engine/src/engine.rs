//! The engine: loads plugins and calls them.

mod load;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::limits::Limits;
use docmill_model::plugin::Manifest;
use docmill_model::size::ByteSize;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Linker;

use crate::call::{self, Call, Context, Granted, Invocation, Place};
use crate::code::CodeDir;
use crate::guest::meter::Pool;
use crate::guest::{Guest, Reach};
use crate::inspect::{self, Inspection};
use crate::link;
use crate::plugin::{Plugin, WeakPlugin};
use crate::settings::{Settings, wasmtime_config};
use crate::supply::Fingerprint;
use crate::threads::{Control, Threads};

/// Pieces of compiled code that are fetched at once.
const PULLS: usize = 4;

/// The engine cannot work on this host.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The sandbox refuses the settings or the host.
    #[error("the sandbox cannot be set up; a smaller setting `instances_max` needs less address space: {0}")]
    Sandbox(String),
    /// A thread cannot start.
    #[error("the guests' threads cannot be started")]
    Threads(#[source] std::io::Error),
}

/// Figures for `/metrics`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// Calls that have a place now.
    pub running: u64,
    /// Calls that wait for one now.
    pub queued: u64,
    /// Linear memory of all guests together, in bytes.
    pub memory_bytes: u64,
    /// Calls that ended, since the start.
    pub calls: u64,
    /// Of those, by the code of their failure.
    pub failures: Vec<(Code, u64)>,
    /// Components compiled since the start.
    pub compiled: u64,
    /// Plugins whose compiled code came from disk.
    pub mapped: u64,
    /// Plugins whose compiled code another host had made.
    pub pulled: u64,
    /// Compiled code that was refused: tampered, truncated, foreign.
    pub refused: u64,
}

#[derive(Default)]
struct Counters {
    queued: AtomicUsize,
    calls: AtomicU64,
    failures: Mutex<HashMap<Code, u64>>,
    compiled: AtomicU64,
    mapped: AtomicU64,
    pulled: AtomicU64,
    refused: AtomicU64,
}

struct Shared {
    engine: wasmtime::Engine,
    linker: Linker<Guest>,
    settings: Settings,
    codes: CodeDir,
    threads: Threads,
    pool: Arc<Pool>,
    places: Arc<Semaphore>,
    /// For calls that other calls wait for, which hold a place each.
    nested: Arc<Semaphore>,
    compilers: Semaphore,
    /// For components that are not published: one at a time, beside the others.
    candidates: Semaphore,
    /// For code that comes from other hosts: each piece is held in memory until it is on disk.
    pulls: Semaphore,
    interrupts: Arc<AtomicU64>,
    counters: Counters,
    /// One load at a time for each component.
    flights: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<WeakPlugin>>>>,
}

/// Runs plugins; cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

/// Feeds whatever `Hash` gives into BLAKE3.
struct Feed(blake3::Hasher);

impl Hasher for Feed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

fn fingerprint(engine: &wasmtime::Engine) -> Fingerprint {
    let mut hasher = Feed(blake3::Hasher::new_derive_key("docmill 2026 engine fingerprint"));
    // wasmtime's own version is part of it.
    engine.precompile_compatibility_hash().hash(&mut hasher);
    *hasher.0.finalize().as_bytes()
}

impl Engine {
    /// Sets the sandbox up: reserves address space, starts the guests' threads.
    ///
    /// # Errors
    /// When the host cannot give what the settings ask for.
    pub fn new(settings: Settings) -> Result<Self, EngineError> {
        let sandbox = |error: wasmtime::Error| EngineError::Sandbox(format!("{error:#}"));
        let engine = wasmtime::Engine::new(&wasmtime_config(&settings)).map_err(sandbox)?;
        let linker = link::linker(&engine).map_err(sandbox)?;
        let codes = CodeDir::new(
            settings.code_dir.clone(),
            settings.code_disk,
            &settings.platform_key,
            fingerprint(&engine),
        );
        if let Err(error) = codes.prepare() {
            tracing::warn!(%error, dir = %settings.code_dir.display(), "compiled code cannot be kept on disk");
        }
        let threads =
            Threads::start(engine.weak(), settings.guests, settings.tick).map_err(EngineError::Threads)?;
        Ok(Self(Arc::new(Shared {
            pool: Arc::new(Pool::new(settings.pool_memory.0)),
            places: Arc::new(Semaphore::new(settings.pool_instances.max(1) as usize)),
            nested: Arc::new(Semaphore::new(settings.pool_nested.max(1) as usize)),
            compilers: Semaphore::new(settings.compile.children.max(1)),
            candidates: Semaphore::new(1),
            pulls: Semaphore::new(PULLS),
            interrupts: Arc::default(),
            counters: Counters::default(),
            flights: Mutex::default(),
            engine,
            linker,
            codes,
            threads,
            settings,
        })))
    }

    /// What no call gets more of.
    pub fn ceiling(&self) -> &Limits {
        &self.0.settings.ceiling
    }

    /// The largest component that is looked at.
    pub fn component_size(&self) -> ByteSize {
        self.0.settings.component_size
    }

    /// A static look at a component: no compilation, no execution.
    ///
    /// # Errors
    /// `invalid-component`, with a reason as a compiler would give it.
    pub fn inspect(component: &[u8]) -> Result<Inspection, Failure> {
        inspect::inspect(component)
    }

    /// Asks a plugin what it is. None: a plain `wasi:http` component, which says nothing of itself.
    ///
    /// # Errors
    /// `invalid-component` when the answer breaks a rule or the plugin's functions have the wrong types; else as a call.
    pub async fn describe(&self, plugin: &Plugin) -> Result<Option<Manifest>, Failure> {
        let limits = Limits {
            // Who uploads waits for it, and so do others who do. Python answers in milliseconds.
            timeout: docmill_model::duration::Span::seconds(4),
            cpu: docmill_model::duration::Span::seconds(2),
            ..self.0.settings.ceiling
        };
        let control = Arc::new(Control::new(&limits, None, Arc::clone(&self.0.interrupts)));
        let place = self.admit(&self.0.places, &control).await?;
        let context = Context {
            now: 0,
            seed: [0; 32],
            deadline: None,
        };
        let store = self.store(limits, &control, &context, Reach::default());
        let work = call::describe(place, store, plugin.clone(), Arc::clone(&control));
        self.0.threads.run(&control, work).await?
    }

    /// Calls a plugin: a fresh instance, within the limits (which never pass the ceiling). Dropping the future stops the
    /// guest.
    pub async fn invoke(
        &self,
        plugin: &Plugin,
        call: Call,
        limits: &Limits,
        context: &Context,
    ) -> Invocation {
        self.invoke_granted(plugin, call, limits, context, Granted::default())
            .await
    }

    /// As [`Engine::invoke`], with what the plugin may do beyond its inputs.
    pub async fn invoke_granted(
        &self,
        plugin: &Plugin,
        call: Call,
        limits: &Limits,
        context: &Context,
        granted: Granted,
    ) -> Invocation {
        self.invoke_in(&self.0.places, plugin, call, limits, context, granted)
            .await
    }

    /// The same for a call that another one waits for: it has places of its own. It must wait for no further one, so whom it
    /// is given to answer ([`Granted::models`]) is left out.
    pub async fn invoke_nested(
        &self,
        plugin: &Plugin,
        call: Call,
        limits: &Limits,
        context: &Context,
        granted: Granted,
    ) -> Invocation {
        let granted = Granted {
            models: None,
            ..granted
        };
        self.invoke_in(&self.0.nested, plugin, call, limits, context, granted)
            .await
    }

    async fn invoke_in(
        &self,
        places: &Arc<Semaphore>,
        plugin: &Plugin,
        call: Call,
        limits: &Limits,
        context: &Context,
        granted: Granted,
    ) -> Invocation {
        let limits = within(limits, &self.0.settings.ceiling);
        let deadline = context.deadline.map(tokio::time::Instant::into_std);
        let control = Arc::new(Control::new(&limits, deadline, Arc::clone(&self.0.interrupts)));
        let invocation = match self.admit(places, &control).await {
            Err(failure) => Invocation::refused(failure, &control),
            Ok(place) => {
                let reach = self.reach(granted, &control);
                let store = self.store(limits, &control, context, reach);
                let work = call::invoke(place, store, plugin.clone(), call, Arc::clone(&control));
                match self.0.threads.run(&control, work).await {
                    Ok(invocation) => invocation,
                    Err(failure) => Invocation::refused(failure, &control),
                }
            }
        };
        self.count(&invocation);
        invocation
    }

    /// What one call reaches: the way out, if it has a grant and the host has one; its values; who answers for models.
    fn reach(&self, granted: Granted, control: &Control) -> Reach {
        let egress = self.0.settings.egress.as_ref();
        let session = granted.http.zip(egress).map(|((grant, secrets), egress)| {
            Arc::new(egress.session(grant, secrets, Some(control.deadline().into())))
        });
        Reach {
            session,
            keyvalue: granted.keyvalue,
            models: granted.models,
        }
    }

    fn store(
        &self,
        limits: Limits,
        control: &Arc<Control>,
        context: &Context,
        reach: Reach,
    ) -> wasmtime::Store<Guest> {
        call::store(
            &self.0.engine,
            limits,
            Arc::clone(control),
            Arc::clone(&self.0.pool),
            context,
            reach,
        )
    }

    /// Waits for a place, in the order of arrival, until the deadline.
    async fn admit(&self, places: &Arc<Semaphore>, control: &Control) -> Result<Place, Failure> {
        let place = |permit: OwnedSemaphorePermit| Place {
            _permit: permit,
            _presence: self.0.threads.enter(),
        };
        if let Ok(permit) = Arc::clone(places).try_acquire_owned() {
            return Ok(place(permit));
        }
        let queued = Queued::enter(&self.0.counters.queued);
        if queued.before >= self.0.settings.queue {
            return Err(Failure::new(
                Code::Overloaded,
                "too many plugin calls wait for a place; try again later",
            ));
        }
        let permit = Arc::clone(places).acquire_owned();
        match tokio::time::timeout_at(control.deadline().into(), permit).await {
            Ok(Ok(permit)) => Ok(place(permit)),
            Ok(Err(_)) => Err(Failure::new(
                Code::Interrupted,
                "the host is shutting down; send the document again",
            )),
            Err(_) => Err(control
                .over()
                .unwrap_or_else(|| Failure::new(Code::Timeout, "no place came free in time"))),
        }
    }

    fn count(&self, invocation: &Invocation) {
        self.0.counters.calls.fetch_add(1, Ordering::Relaxed);
        if let Err(failure) = &invocation.result {
            let mut failures = self
                .0
                .counters
                .failures
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *failures.entry(failure.code).or_default() += 1;
        }
    }

    /// Ends every call that runs or waits now with `interrupted`; later ones are not touched.
    pub fn interrupt_all(&self) {
        self.0.interrupts.fetch_add(1, Ordering::Relaxed);
    }

    /// Figures of now and since the start.
    pub fn stats(&self) -> Stats {
        let shared = &self.0;
        let counters = &shared.counters;
        let nested = shared.settings.pool_nested.max(1) as usize;
        let places = (shared.settings.pool_instances.max(1) as usize).saturating_add(nested);
        let free = shared.places.available_permits() + shared.nested.available_permits();
        let mut failures: Vec<(Code, u64)> = counters
            .failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(code, count)| (*code, *count))
            .collect();
        failures.sort_unstable();
        Stats {
            running: places.saturating_sub(free) as u64,
            queued: counters.queued.load(Ordering::Relaxed) as u64,
            memory_bytes: shared.pool.used(),
            calls: counters.calls.load(Ordering::Relaxed),
            failures,
            compiled: counters.compiled.load(Ordering::Relaxed),
            mapped: counters.mapped.load(Ordering::Relaxed),
            pulled: counters.pulled.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
        }
    }
}

/// A call that waits.
struct Queued<'a> {
    queue: &'a AtomicUsize,
    before: usize,
}

impl<'a> Queued<'a> {
    fn enter(queue: &'a AtomicUsize) -> Self {
        Self {
            before: queue.fetch_add(1, Ordering::Relaxed),
            queue,
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.queue.fetch_sub(1, Ordering::Relaxed);
    }
}

fn within(limits: &Limits, ceiling: &Limits) -> Limits {
    let size = |a: ByteSize, b: ByteSize| a.min(b);
    Limits {
        timeout: limits.timeout.min(ceiling.timeout),
        cpu: limits.cpu.min(ceiling.cpu),
        memory: size(limits.memory, ceiling.memory),
        table_elements: limits.table_elements.min(ceiling.table_elements),
        instances: limits.instances.min(ceiling.instances),
        stack: size(limits.stack, ceiling.stack),
        host_memory: size(limits.host_memory, ceiling.host_memory),
        output: size(limits.output, ceiling.output),
        log: size(limits.log, ceiling.log),
        handles: limits.handles.min(ceiling.handles),
        host_calls: limits.host_calls.min(ceiling.host_calls),
        host_call_bytes: size(limits.host_call_bytes, ceiling.host_call_bytes),
    }
}
