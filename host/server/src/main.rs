//! `docmill`: the platform in one binary. Wiring, configuration, telemetry and the command line; everything else is in the
//! crates that this one puts together.
#![forbid(unsafe_code)]

mod assets;
mod cli;
mod client;
mod commands;
mod config;
mod exit;
mod oci;
mod platform;
mod show;
mod telemetry;

use std::process::ExitCode;

use clap::Parser as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A run allocates on one thread and frees on another, for years: an allocator made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The compile child, before anything else: no setting is read, nothing of the platform is started in it.
    if std::env::args().nth(1).is_some_and(|first| first == "__compile") {
        return docmill_engine::compile_child();
    }
    let arguments = cli::Arguments::parse();
    raise_open_files();
    match commands::dispatch(arguments) {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    }
}

/// Connections are open files. The usual soft limit, 1,024, is for programs that use `select`; the hard one is the system's.
fn raise_open_files() {
    let files = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: files.maximum,
        ..files
    };
    // Where it may not be (macOS names no number as the hard limit), the soft one stays.
    setrlimit(Resource::Nofile, raised).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        let files = getrlimit(Resource::Nofile);
        let lowered = Rlimit {
            current: Some(512),
            ..files
        };
        assert!(setrlimit(Resource::Nofile, lowered).is_ok());
        raise_open_files();
        let raised = getrlimit(Resource::Nofile);
        assert_eq!((raised.current, raised.maximum), (files.maximum, files.maximum));
    }
}
