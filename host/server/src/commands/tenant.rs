//! `docmill tenant show | set`

use anyhow::Result;
use reqwest::Method;
use serde_json::{Map, Value as Json};

use crate::cli::{Arguments, Tenant as Command};
use crate::client::Client;
use crate::exit;
use crate::show::{say, text};

const PATH: &str = "/v1/tenant";

/// Shows the tenant, after the change if one is asked for.
pub async fn tenant(arguments: &Arguments, command: &Command) -> Result<u8> {
    let client = Client::open(arguments).await?;
    let answer = match command {
        Command::Show { .. } => client.get(PATH).await,
        Command::Set { timezone, locale } => {
            let given = [("timezone", timezone), ("locale", locale)];
            let change: Map<String, Json> = given
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())))
                .collect();
            let body = serde_json::to_vec(&change)?;
            client
                .bytes(Method::PATCH, PATH, "application/merge-patch+json", body)
                .await
        }
    };
    client.close().await;
    let tenant = answer?;
    if matches!(command, Command::Show { json: true }) {
        say!("{}", serde_json::to_string_pretty(&tenant)?);
    } else {
        for name in ["id", "name", "timezone", "locale"] {
            say!("{name:<9} {}", text(&tenant, name));
        }
    }
    Ok(exit::OK)
}
