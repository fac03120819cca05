//! `docmill plugin publish | deprecate | yank | channel`

use anyhow::Result;
use reqwest::Method;
use serde_json::json;

use super::{address, version_address};
use crate::cli::Arguments;
use crate::client::{Client, segment};
use crate::exit;
use crate::show::{say, text};

pub(super) async fn set_state(
    arguments: &Arguments,
    version: &str,
    state: &str,
    note: Option<&str>,
) -> Result<u8> {
    let path = version_address(version)?;
    let body = serde_json::to_vec(&json!({ "state": state, "note": note }))?;
    let client = Client::open(arguments).await?;
    let changed = client
        .bytes(Method::PATCH, &path, "application/merge-patch+json", body)
        .await;
    client.close().await;
    say!("{version} is {}", text(&changed?, "state"));
    Ok(exit::OK)
}

pub(super) async fn channel(
    arguments: &Arguments,
    name: &str,
    channel: &str,
    version: Option<&str>,
) -> Result<u8> {
    let path = format!("{}/channels/{}", address(name)?, segment(channel));
    let client = Client::open(arguments).await?;
    let done = match version {
        Some(version) => {
            let body = serde_json::to_vec(&json!({ "version": version }))?;
            client.bytes(Method::PUT, &path, "application/json", body).await
        }
        None => client.delete(&path).await,
    };
    client.close().await;
    done?;
    match version {
        Some(version) => say!("{name}@{channel} is {version} now"),
        None => say!("{name}@{channel} is closed"),
    }
    Ok(exit::OK)
}
