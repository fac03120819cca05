//! What a component can import, on one page.

use wasmtime::component::{ComponentType, HasSelf, Lift, Linker, Resource};
use wasmtime_wasi::cli::WasiCli;
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{LinkOptions, cli, clocks, filesystem, random, sockets};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi_http::p2::bindings::http;
use wasmtime_wasi_http::p2::bindings::http::types::{HostOutgoingRequest as _, Method, OutgoingRequest};
use wasmtime_wasi_http::{WasiHttp, WasiHttpView};
use wasmtime_wasi_io::bindings::wasi::io;

use crate::bindings::{deltas, documents, llm, llm_types, progress, types};
use crate::guest::Guest;

/// wasmtime's `wasi:io` works on the table alone.
struct Io;

impl wasmtime::component::HasData for Io {
    type Data<'a> = &'a mut wasmtime::component::ResourceTable;
}

/// The draft of `wasi:logging` that toolchains use; drafts match by exact version only.
pub(crate) const LOGGING: &str = "wasi:logging/logging@0.1.0-draft";

/// The version of `wasi:http` that wasmtime has; it answers for every 0.2.
const HTTP_TYPES: &str = "wasi:http/types@0.2.12";

/// Bytes of a method: a grant's are shorter.
const METHOD_BYTES: usize = 40;

/// wasmtime keeps a method of any length with a request, and there can be as many requests as handles: nothing else of a
/// request is without a bound. So this one function is ours.
fn bound_methods(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(HTTP_TYPES)?.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: wasmtime::StoreContextMut<'_, Guest>,
         (request, method): (Resource<OutgoingRequest>, Method)| {
            if matches!(&method, Method::Other(name) if name.len() > METHOD_BYTES) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_method(request, method)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

#[derive(Clone, Copy, ComponentType, Lift)]
#[expect(dead_code, reason = "made by lifting what a guest passed")]
#[component(enum)]
#[repr(u8)]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// Everything that the host offers to every plugin: the contract, and WASI with nothing in it.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    types::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    documents::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    progress::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    llm_types::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    llm::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    deltas::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;

    clocks::monotonic_clock::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    clocks::wall_clock::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    random::random::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    random::insecure::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    random::insecure_seed::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    cli::environment::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    cli::exit::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    cli::stdin::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    cli::stdout::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;
    cli::stderr::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::entered)?;

    io::error::add_to_linker::<Guest, Io>(l, Guest::io)?;
    io::poll::add_to_linker::<Guest, Io>(l, Guest::io)?;
    io::streams::add_to_linker::<Guest, Io>(l, Guest::io)?;
    cli::terminal_input::add_to_linker::<Guest, WasiCli>(l, Guest::terminals)?;
    cli::terminal_output::add_to_linker::<Guest, WasiCli>(l, Guest::terminals)?;
    cli::terminal_stdin::add_to_linker::<Guest, WasiCli>(l, Guest::terminals)?;
    cli::terminal_stdout::add_to_linker::<Guest, WasiCli>(l, Guest::terminals)?;
    cli::terminal_stderr::add_to_linker::<Guest, WasiCli>(l, Guest::terminals)?;
    filesystem::preopens::add_to_linker::<Guest, WasiFilesystem>(l, WasiFilesystemView::filesystem)?;
    filesystem::types::add_to_linker::<Guest, WasiFilesystem>(l, WasiFilesystemView::filesystem)?;
    sockets::instance_network::add_to_linker::<Guest, WasiSockets>(l, WasiSocketsView::sockets)?;
    sockets::network::add_to_linker::<Guest, WasiSockets>(
        l,
        &(&LinkOptions::default()).into(),
        WasiSocketsView::sockets,
    )?;
    sockets::ip_name_lookup::add_to_linker::<Guest, WasiSockets>(l, WasiSocketsView::sockets)?;
    sockets::tcp::add_to_linker::<Guest, WasiSockets>(l, WasiSocketsView::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<Guest, WasiSockets>(l, WasiSocketsView::sockets)?;
    sockets::udp::add_to_linker::<Guest, WasiSockets>(l, WasiSocketsView::sockets)?;
    sockets::udp_create_socket::add_to_linker::<Guest, WasiSockets>(l, WasiSocketsView::sockets)?;

    http::outgoing_handler::add_to_linker::<Guest, WasiHttp>(l, WasiHttpView::http)?;
    let options = wasmtime_wasi_http::p2::bindings::LinkOptions::default();
    http::types::add_to_linker::<Guest, WasiHttp>(l, &(&options).into(), WasiHttpView::http)?;
    bound_methods(l)?;
    crate::guest::keyvalue::add_to_linker(l)?;

    l.instance(LOGGING)?.func_wrap(
        "log",
        |mut store: wasmtime::StoreContextMut<'_, Guest>,
         (level, context, message): (Level, String, String)| {
            let guest = store.data_mut().entered();
            guest.meter.charge(context.len() + message.len())?;
            let level = level.as_str();
            let line = if context.is_empty() {
                format!("{level}: {message}\n")
            } else {
                format!("{level}: {context}: {message}\n")
            };
            guest.log.write(line.as_bytes());
            Ok(())
        },
    )?;
    Ok(linker)
}
