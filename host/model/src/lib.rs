//! The words of docmill as types: ids, digests, readings, values, limits, definitions, plans, runs and failures.
//!
//! Pure: no time, no I/O, no async, no SQL, no HTTP, no wasmtime. Whatever needs the time takes it as an argument.
#![forbid(unsafe_code)]
#![cfg_attr(test, expect(clippy::panic, reason = "a test that cannot go on panics"))]

pub mod access;
pub mod digest;
pub mod duration;
pub mod failure;
pub mod id;
pub mod json;
pub mod limits;
pub mod llm;
pub mod lookup;
pub mod quota;
pub mod size;

pub mod assemble;
pub mod chunk;
pub mod evidence;
pub mod reading;
pub mod search;
pub mod simhash;
pub mod value;

pub mod attachment;
pub mod definition;
pub mod grant;
pub mod plan;
pub mod plugin;
pub mod preset;
pub mod queue;
pub mod registry;
pub mod retry;
pub mod run;
pub mod signature;
pub mod usage;

mod written;
