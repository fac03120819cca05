//! `docmill key create`

use anyhow::Result;
use serde_json::json;

use crate::cli::{Arguments, Key as Command};
use crate::client::Client;
use crate::exit;
use crate::show::{say, text};

/// Makes another key; it is shown this once.
pub async fn key(arguments: &Arguments, Command::Create { name }: &Command) -> Result<u8> {
    let client = Client::open(arguments).await?;
    let made = client.post("/v1/keys", &json!({ "name": name })).await;
    client.close().await;
    let made = made?;
    say!("{}", text(&made, "key"));
    eprintln!("key {} for '{name}'; it is not shown again", text(&made, "id"));
    Ok(exit::OK)
}
