//! `docmill`: the platform in one binary. Wiring, configuration, telemetry and the command line; everything else is in the
//! crates that this one puts together.
#![forbid(unsafe_code)]

mod assets;
mod cli;
mod client;
mod commands;
mod config;
mod exit;
mod platform;
mod show;
mod telemetry;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    // The compile child, before anything else: no setting is read, nothing of the platform is started in it.
    if std::env::args().nth(1).is_some_and(|first| first == "__compile") {
        return docmill_engine::compile_child();
    }
    let arguments = cli::Arguments::parse();
    match commands::dispatch(arguments) {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    }
}
