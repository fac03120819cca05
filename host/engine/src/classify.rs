//! Why a guest ended: every way out of wasmtime becomes one stable code.

use docmill_model::failure::{Code, Failure};
use docmill_model::limits::{MAX_MEMORIES, MAX_TABLES};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use crate::bindings::types;
use crate::convert::{self, shown};
use crate::guest::Guest;

/// How far the call had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The instance was being made.
    Instantiate,
    /// The exported function ran, or its result was being read.
    Call,
}

/// The failure behind an error of wasmtime. What the host itself decided is in the guest's meter; the rest is told from
/// the error's type and, where wasmtime gives nothing but text, from that (a test holds each text).
pub(crate) fn failure(guest: &mut Guest, error: &wasmtime::Error, phase: Phase) -> Failure {
    if let Some(stopped) = guest.meter.take_stop() {
        return stopped;
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trapped(*trap, error);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::new(
            Code::Overloaded,
            "no place is free for another instance; try again later",
        );
    }
    let limits = &guest.meter.limits;
    let handles = || {
        let most = limits.handles;
        Failure::new(
            Code::HandleLimit,
            format!("the plugin held more than {most} handles at once; drop what is done with"),
        )
    };
    if error.is::<ResourceTableError>() {
        return match error.downcast_ref() {
            Some(ResourceTableError::Full) => handles(),
            _ => Failure::new(Code::Trap, "the plugin used a handle that it does not have"),
        };
    }
    let inside = error.downcast_ref::<WasmBacktrace>().is_some();
    let text = error.root_cause().to_string();
    if text.contains("fuel allocated for hostcalls") {
        return if inside {
            let most = limits.host_memory;
            Failure::new(
                Code::HostMemoryLimit,
                format!("one host call handed over more than {most}; split it"),
            )
        } else {
            output_limit(limits.output.0)
        };
    }
    // Of one set of headers; its size is bounded so that all of them are.
    if text.contains("total size of fields exceeds limit") {
        return Failure::new(
            Code::HostMemoryLimit,
            "one set of HTTP headers is larger than the host keeps for the plugin",
        );
    }
    if text.contains("store handle limit exceeded") || text.contains("too many active lends") {
        return handles();
    }
    if text.starts_with("resource limit exceeded") {
        let most = limits.instances;
        return Failure::new(
            Code::InstanceLimit,
            format!(
                "the component has more than {most} instances, {MAX_MEMORIES} memories or {MAX_TABLES} tables"
            ),
        );
    }
    let text = shown(&text, 500);
    match phase {
        Phase::Call if !inside => Failure::new(
            Code::InvalidOutput,
            format!("what the plugin returned cannot be read: {text}"),
        ),
        Phase::Call | Phase::Instantiate => {
            Failure::new(Code::Trap, format!("the plugin was stopped: {text}"))
        }
    }
}

/// The plugin's exported function is not the contract's.
pub(crate) fn mistyped(error: &wasmtime::Error) -> Failure {
    let text = shown(&format!("{error:#}"), 500);
    Failure::new(
        Code::InvalidComponent,
        format!(
            "an exported function has another type than the contract's: {text}; build it against wit/plugin.wit"
        ),
    )
}

pub(crate) fn output_limit(most: u64) -> Failure {
    Failure::new(
        Code::OutputLimit,
        format!("the plugin's output is larger than {most} bytes; raise `limits.output` or return less"),
    )
}

fn trapped(trap: Trap, error: &wasmtime::Error) -> Failure {
    if trap == Trap::StackOverflow {
        return Failure::new(
            Code::StackOverflow,
            "the plugin's stack is full: endless recursion, most often",
        );
    }
    let place = error
        .downcast_ref::<WasmBacktrace>()
        .and_then(|trace| trace.frames().iter().find_map(|frame| frame.func_name()))
        .map(|name| format!(" in `{}`", shown(name, 120)))
        .unwrap_or_default();
    let what = trap.to_string();
    let what = what.strip_prefix("wasm trap: ").unwrap_or(&what);
    Failure::new(
        Code::Trap,
        format!("the plugin trapped{place}: {what}; its log may say why"),
    )
}

/// What a plugin itself reported. An error that it got from the host and hands on keeps the host's meaning.
pub(crate) fn reported(guest: &mut Guest, error: &types::Error) -> Failure {
    match guest.meter.take_refusal() {
        Some(refusal) if crate::guest::is_refusal(error) => refusal,
        _ => convert::reported(error),
    }
}
