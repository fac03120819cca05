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
    let arguments = cli::Arguments::parse();
    // The compile child: nothing of the platform is started in it, no setting is read.
    if matches!(arguments.command, cli::Command::Compile) {
        return docmill_engine::compile_child();
    }
    match commands::dispatch(arguments) {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    }
}
