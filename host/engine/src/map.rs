//! Compiled code becomes executable here, and nowhere else.
#![expect(
    unsafe_code,
    reason = "machine code is trusted by its MAC, which no type can express"
)]

use std::fs::File;

use wasmtime::Engine;
use wasmtime::component::Component;

/// Machine code that [`crate::code`] has authenticated, or that this host's compile child has just made.
pub(crate) struct Authentic<T>(T);

impl<T> Authentic<T> {
    /// To be called where the authentication happened.
    pub(crate) const fn vouch(code: T) -> Self {
        Self(code)
    }
}

/// Maps an open file. The file that was verified is the file that is mapped, whatever its name points to by now.
pub(crate) fn map(engine: &Engine, code: &Authentic<File>) -> wasmtime::Result<Component> {
    use std::os::fd::AsRawFd;
    let descriptor = code.0.as_raw_fd();
    let path = if cfg!(target_os = "linux") {
        format!("/proc/self/fd/{descriptor}")
    } else {
        format!("/dev/fd/{descriptor}")
    };
    // SAFETY: the bytes are an artifact of `Engine::precompile_component` of this very version of wasmtime: `Authentic`
    // is only made of code whose keyed MAC was verified on this open file, or that our compile child wrote a moment ago.
    // The file is private to this user (directory mode 0700) and never written to again: new code gets a new file.
    unsafe { Component::deserialize_file(engine, path) }
}

/// Loads code that could not be kept in a file.
pub(crate) fn load(engine: &Engine, code: &Authentic<Vec<u8>>) -> wasmtime::Result<Component> {
    // SAFETY: as above; the bytes are copied into memory of wasmtime's own.
    unsafe { Component::deserialize(engine, &code.0) }
}
