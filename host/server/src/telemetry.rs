//! Log lines: for people on a terminal, JSON for machines; always to standard error, so that answers stay clean.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat, Origin};
use crate::exit::ConfigError;

/// Starts logging; `quieter` is the filter if nobody chose one.
///
/// # Errors
/// When `log_filter` cannot be read.
pub fn start(config: &Config, quieter: Option<&str>) -> Result<(), ConfigError> {
    let chosen = config
        .resolved
        .get("log_filter")
        .is_some_and(|(_, origin)| *origin != Origin::Default);
    let wanted = quieter.filter(|_| !chosen).unwrap_or(&config.log_filter);
    let filter = EnvFilter::try_new(wanted).map_err(|error| {
        ConfigError(format!(
            "log_filter: '{wanted}' is not right ({error}); write something like `warn,docmill=info`"
        ))
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start (tests) leaves the first in place.
    match config.log_format {
        LogFormat::Text => lines.compact().try_init().ok(),
        LogFormat::Json => lines.json().flatten_event(true).try_init().ok(),
    };
    Ok(())
}
