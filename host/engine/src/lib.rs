//! The sandbox: component bytes, limits and inputs go in, an outcome and its measured usage come out. The only crate that
//! knows wasmtime.
//!
//! **One call.** `Engine::invoke` waits for a place (`threads`), makes a fresh instance out of the pool (`call`), calls the
//! one function that the plugin's kind exports, settles what came back against the inputs (`output`), and drops the store on
//! every way out. The first slice of a guest runs where the caller is; whoever lasts longer than two ticks goes on on the
//! guest threads, so that the caller's threads stay free.
//!
//! **Limits.** Every limit of [`docmill_model::limits::Limits`] is set here and has a test in which a guest runs into it.
//! Memory, tables and instances are counted by `guest::meter`, time by `threads`, what crosses the boundary by
//! `guest`.
//!
//! **Effects.** A guest reaches the network through `guest::http` alone, if its call has a grant, and then through
//! `docmill-egress`; the request is sent on the I/O runtime, and what was done stands in the call's usage.
//!
//! Language models are asked through `guest::llm`, if the call has somebody who answers ([`Models`]).
//!
//! **Plain `wasi:http` components.** What exports no docmill kind but `wasi:http/incoming-handler` is called as a transformer
//! by `handler`.
//!
//! **Code.** Machine code is made in a child process (`compile`), kept on disk under a keyed MAC (`code`), and mapped
//! (`map`, the only file with `unsafe`). Other hosts get it through a [`Supply`], and verify it in the same way.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on panics"))]

mod bindings;
mod call;
mod classify;
mod code;
mod compile;
mod convert;
mod engine;
mod guest;
mod handler;
mod inspect;
mod keyvalue;
mod link;
mod llm;
mod map;
mod output;
mod plugin;
mod settings;
mod supply;
mod threads;

#[doc(hidden)]
pub mod bare;

pub use call::{Call, Context, Granted, Invocation, Output};
pub use compile::{Compilation, compile_child};
pub use docmill_egress::{Egress, InvalidSecret, Secret, SecretValue};
pub use engine::{Engine, EngineError, Stats};
pub use inspect::{CONTRACT, Import, Inspection, Purpose};
pub use keyvalue::{Answer, KeyValue, KeyValueError, Start};
pub use llm::{Deltas, Models, Sink};
pub use plugin::Plugin;
pub use settings::{CompileLimits, Settings, wasmtime_config};
pub use supply::{Fingerprint, Supply};
