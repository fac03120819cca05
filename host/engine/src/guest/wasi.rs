//! What ordinary toolchains import by themselves: linked, and empty. Clocks are virtual, random numbers follow from the seed,
//! standard output and error are the log. Files and sockets are wasmtime's own, made with nothing in them.

use docmill_model::failure::Code;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::cli::WasiCliCtxView;
use wasmtime_wasi::p2::bindings::{cli, clocks, random};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, subscribe};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::Guest;
use super::clock::SharedClock;
use super::log::LogStream;

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.meter.enter();
        WasiCtxView {
            ctx: self.wasi.get_or_insert_with(|| Box::new(nothing())),
            table: &mut self.table,
        }
    }
}

/// No arguments, no environment, no files, no names, no sockets.
fn nothing() -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    builder.build()
}

impl Guest {
    /// The streams and pollables of the guest, for wasmtime's own `wasi:io`.
    pub(crate) fn io(&mut self) -> &mut ResourceTable {
        self.meter.enter();
        &mut self.table
    }

    /// Wasmtime's own view on terminals, of which there are none.
    pub(crate) fn terminals(&mut self) -> WasiCliCtxView<'_> {
        wasmtime_wasi::cli::WasiCliView::cli(self)
    }

    pub(crate) fn entered(&mut self) -> &mut Self {
        self.meter.enter();
        self
    }

    pub(super) fn clock(&mut self) -> SharedClock {
        self.clock.get_or_insert_default().clone()
    }

    fn random(&mut self) -> &mut blake3::OutputReader {
        let seed = self.seed;
        self.random
            .get_or_insert_with(|| blake3::Hasher::new_keyed(&seed).finalize_xof())
    }

    fn random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        let most = self.meter.limits.host_memory;
        if length > most.0 {
            return Err(self.meter.stop(
                Code::HostMemoryLimit,
                format!("the plugin asked for {length} random bytes at once and may have {most}"),
            ));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.meter.charge(length)?;
        let mut bytes = vec![0; length];
        self.random().fill(&mut bytes);
        Ok(bytes)
    }

    fn random_number(&mut self) -> wasmtime::Result<u64> {
        self.meter.charge(8)?;
        let mut bytes = [0; 8];
        self.random().fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn wait_until(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.meter.charge(8)?;
        let alarm = self.clock().at(when);
        let alarm = self.table.push(alarm)?;
        subscribe(&mut self.table, alarm)
    }
}

impl clocks::monotonic_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.meter.charge(8)?;
        self.meter.clock_was_read();
        Ok(self.clock().elapsed())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        self.meter.charge(8)?;
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.wait_until(when)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let when = self.clock().elapsed().saturating_add(duration);
        self.wait_until(when)
    }
}

impl clocks::wall_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<clocks::wall_clock::Datetime> {
        self.meter.charge(12)?;
        self.meter.clock_was_read();
        let start = u128::try_from(self.now).unwrap_or(0) * 1_000_000;
        let nanos = start + u128::from(self.clock().elapsed());
        Ok(clocks::wall_clock::Datetime {
            seconds: u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX),
            nanoseconds: u32::try_from(nanos % 1_000_000_000).unwrap_or(0),
        })
    }

    fn resolution(&mut self) -> wasmtime::Result<clocks::wall_clock::Datetime> {
        self.meter.charge(12)?;
        Ok(clocks::wall_clock::Datetime {
            seconds: 0,
            nanoseconds: 1,
        })
    }
}

impl random::random::Host for Guest {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(length)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_number()
    }
}

impl random::insecure::Host for Guest {
    fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(length)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_number()
    }
}

impl random::insecure_seed::Host for Guest {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.random_number()?, self.random_number()?))
    }
}

impl cli::environment::Host for Guest {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        self.meter.charge(0)?;
        Ok(Vec::new())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        self.meter.charge(0)?;
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        self.meter.charge(0)?;
        Ok(None)
    }
}

impl cli::exit::Host for Guest {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        self.exit_with_code(if status.is_ok() { 0 } else { 1 })
    }

    fn exit_with_code(&mut self, status: u8) -> wasmtime::Result<()> {
        Err(self.meter.stop(
            Code::Trap,
            format!(
                "the plugin ended its process (status {status}) instead of returning; its log may say why"
            ),
        ))
    }
}

impl cli::stdin::Host for Guest {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        self.meter.charge(0)?;
        let stream: DynInputStream = Box::new(wasmtime_wasi::p2::pipe::ClosedInputStream);
        Ok(self.table.push(stream)?)
    }
}

impl Guest {
    fn log_stream(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.meter.charge(0)?;
        let stream: DynOutputStream = Box::new(LogStream(self.log.clone()));
        Ok(self.table.push(stream)?)
    }
}

impl cli::stdout::Host for Guest {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.log_stream()
    }
}

impl cli::stderr::Host for Guest {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.log_stream()
    }
}
