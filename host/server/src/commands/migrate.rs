//! `docmill migrate`

use anyhow::{Context as _, Result};
use docmill_store::embedded::PrivateServer;

use crate::cli::Arguments;
use crate::{commands, exit};

/// Brings the schema up to date.
pub async fn migrate(arguments: &Arguments) -> Result<u8> {
    let config = commands::load_config(arguments, &[])?;
    let given = config
        .database_direct_url
        .clone()
        .or_else(|| config.database_url.clone());
    let private = match &given {
        Some(_) => None,
        None => {
            std::fs::create_dir_all(&config.data_dir)?;
            Some(
                PrivateServer::start(&config.data_dir.canonicalize()?.join("postgres"), |what| {
                    eprintln!("{what}")
                })
                .await?,
            )
        }
    };
    let url = given
        .or_else(|| private.as_ref().map(|p| p.url().to_owned()))
        .unwrap_or_default();
    docmill_store::migrate(&url)
        .await
        .context("cannot bring the schema up to date")?;
    if let Some(private) = private {
        private.stop().await?;
    }
    eprintln!("the schema is up to date");
    Ok(exit::OK)
}
