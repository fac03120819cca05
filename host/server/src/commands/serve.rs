//! `docmill serve`

use anyhow::Result;
use tracing::info;

use crate::cli::{Arguments, Serve};
use crate::platform::{self, Platform, Start};
use crate::{commands, exit};

/// Serves until SIGTERM or Ctrl-C.
pub async fn serve(arguments: &Arguments, options: &Serve) -> Result<u8> {
    let config = commands::load_config(
        arguments,
        &[
            ("listen", options.listen.clone()),
            ("roles", options.roles.clone()),
        ],
    )?;
    let platform = Platform::start(
        config,
        Start {
            public: true,
            with_key: false,
            works: true,
            progress: platform::logged,
        },
    )
    .await?;
    announce(&platform);
    until_told_to_stop().await;
    info!("stopping");
    platform.stop().await;
    Ok(exit::OK)
}

/// Says where, and the first key once.
pub fn announce(platform: &Platform) {
    eprintln!("docmill listens on {}", platform.url());
    eprintln!("In a browser: {}/console", platform.url());
    announce_key(platform);
}

/// Shows the first key at the start that made it.
pub fn announce_key(platform: &Platform) {
    if let Some(key) = &platform.new_key {
        eprintln!(
            "\nYour first API key, shown this once:\n\n    {key}\n\nThe commands of this machine find it in {}; make another with `docmill key create NAME`.\n",
            platform.key_file().display()
        );
    }
}

/// Waits for SIGTERM or SIGINT.
pub async fn until_told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals end the process by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
