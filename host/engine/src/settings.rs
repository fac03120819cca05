//! What the engine is told, and the wasmtime configuration that follows from it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use docmill_egress::Egress;
use docmill_model::limits::{Limits, MAX_MEMORIES, MAX_TABLES};
use docmill_model::size::ByteSize;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// Settings of an engine. [`Settings::new`] has the defaults. Behind each stands its name on the page of settings, or why it
/// is fixed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Threads on which guests run that need more than two ticks; about the number of cores. `guests`
    pub guests: usize,
    /// Calls that may wait for a place; the next one is answered `overloaded` at once. Fixed: a run waits for its turn before
    /// it calls, and has at most a few calls at once, so only a fault fills this.
    pub queue: usize,
    /// Where compiled code is kept; made with mode 0700. Under `data_dir`
    pub code_dir: PathBuf,
    /// Bytes of compiled code that are kept there; what was not loaded for the longest time goes first. `code_disk`
    pub code_disk: ByteSize,
    /// Authenticates compiled code. `platform_key`
    pub platform_key: [u8; 32],
    /// The compile child's command line, to which the job is appended; none: this executable with `__compile`. For tests
    /// and programs that embed the engine.
    pub compiler: Option<Vec<OsString>>,
    /// What the compile child may use.
    pub compile: CompileLimits,
    /// No call gets more than this. The stack of every call is `ceiling.stack`, because it is a property of the engine.
    /// `step_memory_max`, `step_timeout_max`, `step_cpu_max`; the others are fixed: they bound what a guest costs beside its
    /// memory and time, real plugins stay far below them, and several are built into the pool.
    pub ceiling: Limits,
    /// Instances that exist at once; more calls wait in `queue`. `instances_max`
    pub pool_instances: u32,
    /// Instances beside those, for calls that other calls wait for (an llm-adapter that a plugin asks through its model): who
    /// waits holds a place, so without places of their own they could wait for each other. A quarter of `instances_max`
    pub pool_nested: u32,
    /// Linear memory of all guests together; a guest that would pass it fails with `overloaded`. `guest_memory`
    pub pool_memory: ByteSize,
    /// The largest component that is looked at. Fixed: the compiler's limits are made for it.
    pub component_size: ByteSize,
    /// The longest that a guest runs before the next one has its turn, and the grain of deadlines. Fixed: deadlines
    /// are promised to hold within 20 ms among spinners.
    pub tick: Duration,
    /// The way out to the internet, for calls with a grant; none: every request is refused. Made of `egress_networks` and
    /// `egress_roots`
    pub egress: Option<Egress>,
}

/// What the compile child may use.
#[derive(Debug, Clone, Copy)]
pub struct CompileLimits {
    /// Address space (RLIMIT_AS). `compile_memory`
    pub memory: ByteSize,
    /// CPU time of all its threads (RLIMIT_CPU), rounded up to seconds. `compile_timeout`
    pub cpu: Duration,
    /// Wall time, after which it is killed. `compile_timeout`
    pub timeout: Duration,
    /// The largest machine code (RLIMIT_FSIZE). Fixed: four times the largest component.
    pub code: ByteSize,
    /// Children at once for published plugins; the next waits. One more tries out what is not published. `compiling_max`
    pub children: usize,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(4_096),
            cpu: Duration::from_secs(240),
            timeout: Duration::from_secs(240),
            code: ByteSize::mib(256),
            children: 1,
        }
    }
}

impl Settings {
    /// The defaults, with compiled code in `code_dir` under `platform_key`.
    pub fn new(code_dir: PathBuf, platform_key: [u8; 32]) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            guests: cores,
            queue: 1_024,
            code_dir,
            code_disk: ByteSize::mib(8 << 10),
            platform_key,
            compiler: None,
            compile: CompileLimits::default(),
            ceiling: Limits {
                memory: ByteSize::mib(1_024),
                ..Limits::default()
            },
            pool_instances: 128,
            pool_nested: 32,
            pool_memory: ByteSize::mib(4_096),
            component_size: ByteSize::mib(64),
            tick: Duration::from_millis(1),
            egress: None,
        }
    }
}

/// What host functions may use of a guest's fiber beyond the guest's own stack.
const HOST_STACK: usize = 512 << 10;

/// What decides the machine code; the compile child has exactly this too.
pub(crate) fn code_config(stack: usize) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_memory64(false)
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true)
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .generate_address_map(false)
        .memory_init_cow(true)
        .max_wasm_stack(stack)
        .async_stack_size(stack.saturating_add(HOST_STACK));
    config
}

/// The whole configuration: machine code, and the pool out of which instances come.
///
/// The figures of the pool decide the throughput (page faults, `madvise` and TLB shootdowns cost more than the guest):
/// `pagemap_scan` resets only pages that were written to, what is kept resident is reset by `memset`, and the rest is given
/// back in batches.
pub fn wasmtime_config(settings: &Settings) -> Config {
    let ceiling = &settings.ceiling;
    let instances = settings
        .pool_instances
        .max(1)
        .saturating_add(settings.pool_nested.max(1));
    let each = ceiling.instances.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(each))
        .total_memories(instances.saturating_mul(MAX_MEMORIES))
        .total_tables(instances.saturating_mul(MAX_TABLES))
        .total_stacks(instances)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_core_instances_per_component(each)
        .max_memories_per_component(MAX_MEMORIES)
        .max_memories_per_module(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_tables_per_module(MAX_TABLES)
        .max_memory_size(ceiling.memory.bytes().min(1 << 32))
        .table_elements(usize::try_from(ceiling.table_elements).unwrap_or(usize::MAX))
        .max_unused_warm_slots(instances)
        .decommit_batch_size(32)
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .pagemap_scan(if PoolingAllocationConfig::is_pagemap_scan_available() {
            Enabled::Yes
        } else {
            Enabled::No
        });
    let mut config = code_config(ceiling.stack.bytes());
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
