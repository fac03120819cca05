//! What a guest uses, counted over all of its memories, tables and instances, and held against its limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use docmill_model::failure::{Code, Failure};
use docmill_model::limits::{Limits, MAX_MEMORIES, MAX_TABLES};
use wasmtime::ResourceLimiter;

use crate::threads::Control;

/// Linear memory of all guests of an engine together.
#[derive(Debug)]
pub(crate) struct Pool {
    used: AtomicU64,
    most: u64,
}

impl Pool {
    pub(crate) const fn new(most: u64) -> Self {
        Self {
            used: AtomicU64::new(0),
            most,
        }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether there was room; it is taken then.
    fn take(&self, bytes: u64) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.most;
        if !fits {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Counts and limits of one call.
pub(crate) struct Meter {
    pub(crate) limits: Limits,
    pub(crate) control: Arc<Control>,
    pool: Arc<Pool>,
    memory: u64,
    peak: u64,
    asked: u64,
    tables: u64,
    held: usize,
    host_calls: u64,
    host_call_bytes: u64,
    read_clock: bool,
    /// Why the guest was stopped by the host; the first reason stands.
    stopped: Option<Failure>,
    /// What an error that the guest got from the host really means, should the guest hand it on.
    refused: Option<Failure>,
}

impl Meter {
    pub(crate) fn new(limits: Limits, control: Arc<Control>, pool: Arc<Pool>) -> Self {
        Self {
            limits,
            control,
            pool,
            memory: 0,
            peak: 0,
            asked: 0,
            tables: 0,
            held: 0,
            host_calls: 0,
            host_call_bytes: 0,
            read_clock: false,
            stopped: None,
            refused: None,
        }
    }

    /// Notes why the guest must stop, and gives the error that stops it.
    pub(crate) fn stop(&mut self, code: Code, message: impl Into<String>) -> wasmtime::Error {
        let message = message.into();
        let error = wasmtime::Error::msg(message.clone());
        self.stopped.get_or_insert_with(|| Failure::new(code, message));
        error
    }

    pub(crate) const fn take_stop(&mut self) -> Option<Failure> {
        self.stopped.take()
    }

    /// Notes what an error means that the guest is about to get.
    pub(crate) fn refuse(&mut self, code: Code, message: impl Into<String>) {
        self.refused = Some(Failure::new(code, message));
    }

    pub(crate) const fn take_refusal(&mut self) -> Option<Failure> {
        self.refused.take()
    }

    /// A host function was entered. The getter through which wasmtime reaches the host cannot fail, so a guest that calls
    /// too often is stopped by the next charge or, at the latest, by the next tick.
    pub(crate) fn enter(&mut self) {
        self.host_calls += 1;
        if self.host_calls > self.limits.host_calls && self.stopped.is_none() {
            let most = self.limits.host_calls;
            let failure = Failure::new(
                Code::HostCallLimit,
                format!("the plugin called the host more than {most} times; do more per call"),
            );
            self.stopped = Some(failure.clone());
            self.control.stop(failure);
        }
    }

    /// Bytes cross the boundary, in either direction.
    pub(crate) fn charge(&mut self, bytes: usize) -> wasmtime::Result<()> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.host_call_bytes = self.host_call_bytes.saturating_add(bytes);
        if self.host_call_bytes > self.limits.host_call_bytes.0 {
            let most = self.limits.host_call_bytes;
            return Err(self.stop(
                Code::HostCallLimit,
                format!("host calls of the plugin moved more than {most}"),
            ));
        }
        match &self.stopped {
            Some(failure) => Err(wasmtime::Error::msg(failure.message.clone())),
            None => Ok(()),
        }
    }

    /// Host memory is held for the guest from now on. Whether that is still within the limit.
    pub(crate) const fn hold(&mut self, bytes: usize) -> bool {
        self.held = self.held.saturating_add(bytes);
        self.held as u64 <= self.limits.host_memory.0
    }

    pub(crate) const fn release(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
    }

    pub(crate) const fn clock_was_read(&mut self) {
        self.read_clock = true;
    }

    pub(crate) fn effects(&self) -> Vec<String> {
        if self.read_clock {
            vec!["clock".to_owned()]
        } else {
            Vec::new()
        }
    }

    pub(crate) const fn peak_memory(&self) -> u64 {
        self.peak
    }

    pub(crate) const fn host_calls(&self) -> u64 {
        self.host_calls
    }

    pub(crate) const fn host_call_bytes(&self) -> u64 {
        self.host_call_bytes
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.pool.give_back(self.memory);
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = desired.saturating_sub(current) as u64;
        let wanted = self.memory.saturating_add(grown);
        let limit = self.limits.memory;
        if wanted > limit.0 {
            return Err(self.stop(
                Code::MemoryLimit,
                format!("the plugin asked for {wanted} bytes of memory and may have {limit}; raise `limits.memory` or use less"),
            ));
        }
        if maximum.is_some_and(|most| desired > most) {
            return Ok(false);
        }
        if !self.pool.take(grown) {
            return Err(self.stop(
                Code::Overloaded,
                "all plugins together use the memory that this host has for them; try again later",
            ));
        }
        self.asked = grown;
        self.memory = wanted;
        self.peak = self.peak.max(wanted);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.pool.give_back(self.asked);
        self.memory = self.memory.saturating_sub(self.asked);
        self.asked = 0;
        tracing::debug!(%error, "a guest's memory could not grow");
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.tables.saturating_add(desired.saturating_sub(current) as u64);
        let most = self.limits.table_elements;
        if wanted > most {
            return Err(self.stop(
                Code::TableLimit,
                format!("the plugin's tables would have {wanted} elements together and may have {most}"),
            ));
        }
        if maximum.is_some_and(|most| desired > most) {
            return Ok(false);
        }
        self.tables = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances as usize
    }

    fn tables(&self) -> usize {
        self.limits.instances.min(MAX_TABLES) as usize
    }

    fn memories(&self) -> usize {
        self.limits.instances.min(MAX_MEMORIES) as usize
    }
}
