//! What the host holds for one guest during one call, and the host's side of the contract.

pub(crate) mod clock;
pub(crate) use documents::is_refusal;

mod documents;
mod http;
pub(crate) mod keyvalue;
mod llm;
pub(crate) mod log;
pub(crate) mod meter;
mod reading;
mod wasi;

use std::sync::Arc;

use docmill_model::assemble::ReadingBuilder;
use docmill_model::reading::{Inputs, Reading, Source};
use docmill_model::run::Millis;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;

use crate::llm::Models;
use clock::SharedClock;
use http::Http;
use keyvalue::Used;
use log::SharedLog;
use meter::Meter;

/// A `source` of the guest.
pub type SourceHandle = Arc<Source>;
/// A `reading` of the guest.
pub type ReadingHandle = Arc<Reading>;
/// A `reading-builder` of the guest.
pub type BuilderHandle = ReadingBuilder;
/// An `inputs` of the guest.
pub type InputsHandle = Arc<Inputs>;

/// A `delta-sink` of the guest.
pub type SinkHandle = crate::llm::Sink;

/// The data of a store. What few guests need is made at first use.
pub(crate) struct Guest {
    pub(crate) table: ResourceTable,
    pub(crate) meter: Meter,
    pub(crate) log: SharedLog,
    now: Millis,
    seed: [u8; 32],
    clock: Option<SharedClock>,
    random: Option<blake3::OutputReader>,
    wasi: Option<Box<WasiCtx>>,
    reach: Reach,
    http: Option<Box<Http>>,
    kept: Option<Box<Used>>,
    /// Questions to language models that no grant was there for.
    llm_ungranted: u32,
}

/// What a guest may reach beyond its inputs.
#[derive(Clone, Default)]
pub(crate) struct Reach {
    pub(crate) session: Option<Arc<docmill_egress::Session>>,
    pub(crate) keyvalue: Option<crate::keyvalue::Granted>,
    pub(crate) models: Option<Arc<dyn Models>>,
}

impl Guest {
    pub(crate) fn new(meter: Meter, now: Millis, seed: [u8; 32], reach: Reach) -> Self {
        let mut table = ResourceTable::new();
        // Beside the handles that wasmtime counts, streams and pollables have children here.
        table.set_max_capacity(
            (meter.limits.handles as usize)
                .saturating_mul(2)
                .saturating_add(16),
        );
        let log = SharedLog::new(meter.limits.log.bytes());
        Self {
            table,
            meter,
            log,
            now,
            seed,
            clock: None,
            random: None,
            wasi: None,
            reach,
            http: None,
            kept: None,
            llm_ungranted: 0,
        }
    }

    /// What it did beyond its inputs; nothing: it was pure.
    pub(crate) fn effects(&self) -> Vec<String> {
        let mut effects = self.meter.effects();
        effects.extend(self.http.iter().flat_map(|http| http.effects()));
        effects.extend(self.kept.iter().flat_map(|kept| kept.effects()));
        effects.extend(self.llm_effects());
        effects
    }
}
