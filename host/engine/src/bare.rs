//! The same component in bare wasmtime, for benchmarks: the same code, linker, store limits and typed call, and none of the
//! engine around them.

use std::sync::Arc;

use docmill_model::limits::Limits;
use docmill_model::reading::Source;
use wasmtime::component::{Component, Resource};
use wasmtime::{Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::bindings::types;
use crate::call::{self, Context};
use crate::guest::meter::Pool;
use crate::guest::{BuilderHandle, Guest, SourceHandle};
use crate::link;
use crate::plugin::Plugin;
use crate::settings::{Settings, code_config, wasmtime_config};
use crate::threads::Control;

/// Which pool the reference uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolSettings {
    /// docmill's.
    Ours,
    /// wasmtime's defaults, with memory and tables kept resident.
    Defaults,
}

/// A parser in bare wasmtime.
#[derive(Clone)]
pub struct Bare {
    engine: wasmtime::Engine,
    plugin: Plugin,
    limits: Limits,
    pool: Arc<Pool>,
    interrupts: Arc<std::sync::atomic::AtomicU64>,
}

impl Bare {
    /// Compiles the component in this process.
    ///
    /// # Errors
    /// When it does not compile or does not fit the host.
    pub fn new(settings: &Settings, pool: PoolSettings, component: &[u8]) -> wasmtime::Result<Self> {
        let config = match pool {
            PoolSettings::Ours => wasmtime_config(settings),
            PoolSettings::Defaults => {
                let mut pool = PoolingAllocationConfig::new();
                pool.linear_memory_keep_resident(1 << 20)
                    .table_keep_resident(64 << 10)
                    .pagemap_scan(Enabled::No);
                pool.max_tables_per_module(4).table_elements(100_000);
                let mut config = code_config(settings.ceiling.stack.bytes());
                config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
                config
            }
        };
        let engine = wasmtime::Engine::new(&config)?;
        let compiled = Component::new(&engine, component)?;
        let digest = docmill_model::digest::Digest::of(component);
        let plugin = Plugin::link(&link::linker(&engine)?, &compiled, digest)
            .map_err(|failure| wasmtime::Error::msg(failure.message))?;
        // Ticks as in the product, so that both pay for them.
        let weak = engine.weak();
        let tick = settings.tick;
        std::thread::spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(tick);
            }
        });
        Ok(Self {
            engine,
            plugin,
            limits: settings.ceiling,
            pool: Arc::new(Pool::new(u64::MAX)),
            interrupts: Arc::default(),
        })
    }

    /// A fresh instance and one typed call; gives the number of bytes that the reading holds.
    ///
    /// # Errors
    /// When the guest fails.
    pub async fn parse(&self, source: Arc<Source>, config: &str) -> wasmtime::Result<usize> {
        let control = Arc::new(Control::new(&self.limits, None, Arc::clone(&self.interrupts)));
        let context = Context {
            now: 0,
            seed: [0; 32],
            deadline: None,
        };
        let mut store: wasmtime::Store<Guest> = call::store(
            &self.engine,
            self.limits,
            control,
            Arc::clone(&self.pool),
            &context,
            crate::guest::Reach::default(),
        );
        let instance = self.plugin.pre().instantiate_async(&mut store).await?;
        type Answer = (Result<Resource<BuilderHandle>, types::Error>,);
        let parse = instance.get_typed_func::<(Resource<SourceHandle>, &str), Answer>(
            &mut store,
            self.plugin.call_export(),
        )?;
        let source = store.data_mut().table.push(source)?;
        let (returned,) = parse.call_async(&mut store, (source, config)).await?;
        let builder = returned.map_err(|error| wasmtime::Error::msg(error.message))?;
        Ok(store.data_mut().table.delete(builder)?.used())
    }
}
