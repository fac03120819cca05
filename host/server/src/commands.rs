//! The commands, one file each.

mod audit;
mod config;
mod demo;
mod dev;
mod grant;
mod key;
mod migrate;
mod model;
mod new;
mod pipeline;
mod plugin;
mod preset;
mod run;
mod runs;
mod secret;
pub mod serve;
mod tenant;
mod usage;
mod user;
mod workers;

use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::cli::{Arguments, Command};
use crate::config::Config;
use crate::exit::ConfigError;
use crate::telemetry;

/// Does what the command line asks.
pub fn dispatch(arguments: Arguments) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let code = runtime.block_on(async {
        match &arguments.command {
            Command::Demo(options) => demo::demo(&arguments, options).await,
            Command::Dev(options) => dev::dev(&arguments, options).await,
            Command::Serve(options) => serve::serve(&arguments, options).await,
            Command::Migrate => migrate::migrate(&arguments).await,
            Command::Plugin(command) => plugin::plugin(&arguments, command).await,
            Command::Secret(command) => secret::secret(&arguments, command).await,
            Command::Model(command) => model::model(&arguments, command).await,
            Command::Pipeline(command) => pipeline::pipeline(&arguments, command).await,
            Command::Preset(command) => preset::preset(&arguments, command).await,
            Command::Run(options) => run::run(&arguments, options).await,
            Command::Runs(command) => runs::runs(&arguments, command).await,
            Command::Workers { json } => workers::workers(&arguments, *json).await,
            Command::Key(command) => key::key(&arguments, command).await,
            Command::User(command) => user::user(&arguments, command).await,
            Command::Tenant(command) => tenant::tenant(&arguments, command).await,
            Command::Audit(command) => audit::audit(&arguments, command).await,
            Command::Usage(options) => usage::usage(&arguments, options).await,
            Command::Config(command) => config::config(&arguments, command),
        }
    })?;
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    Ok(ExitCode::from(code))
}

/// The settings with what the command line says, and logging started by them.
pub fn load_config(
    arguments: &Arguments,
    flags: &[(&'static str, Option<String>)],
) -> Result<Config, ConfigError> {
    let data_dir = arguments
        .data_dir
        .as_ref()
        .map(|d| d.to_string_lossy().into_owned());
    let given = flags.iter().cloned().chain([("data_dir", data_dir)]);
    let flags: Vec<_> = given
        .filter_map(|(name, value)| value.map(|v| (name, v)))
        .collect();
    let config = Config::load(arguments.config.as_deref(), &flags)?;
    // A command that shows a result on the terminal does not mix it with what the platform inside it does.
    let serves = matches!(arguments.command, Command::Serve(_) | Command::Migrate);
    telemetry::start(&config, if serves { None } else { Some("warn") })?;
    Ok(config)
}
