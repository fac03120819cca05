//! `docmill secret set | list | rm | rotate-key`

use std::io::Read as _;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::json;

use crate::cli::{Arguments, Secrets as Command};
use crate::client::{Client, segment};
use crate::commands::load_config;
use crate::exit;
use crate::platform::{Platform, Start};
use crate::show::{Style, list, say, table, text};

/// The longest value that is read; the server takes less.
const LONGEST: u64 = 64 << 10;

/// Does what a `secret` command asks.
pub async fn secret(arguments: &Arguments, command: &Command) -> Result<u8> {
    if matches!(command, Command::RotateKey) {
        ensure!(
            arguments.url.is_none(),
            "secrets are sealed anew on the machine itself, with the settings of its hosts: leave --url out"
        );
        let config = load_config(arguments, &[])?;
        let platform = Platform::start(config, Start::to_look()).await?;
        let sealed = platform.rotate_secrets().await;
        platform.stop().await;
        say!("{} secrets are sealed under a new key", sealed?);
        return Ok(exit::OK);
    }
    // On the command line everybody on the machine would see it.
    let value = match command {
        Command::Set { .. } => Some(value()?),
        _ => None,
    };
    let client = Client::open(arguments).await?;
    let done = act(&client, command, value.unwrap_or_default()).await;
    client.close().await;
    done.map(|()| exit::OK)
}

/// What standard input says, without the newline at its end.
fn value() -> Result<String> {
    let mut value = String::new();
    let read = std::io::stdin().take(LONGEST).read_to_string(&mut value);
    read.context("the secret's value is read from standard input, and is text")?;
    let value = value.strip_suffix('\n').unwrap_or(&value);
    Ok(value.strip_suffix('\r').unwrap_or(value).to_owned())
}

async fn act(client: &Client, command: &Command, value: String) -> Result<()> {
    match command {
        Command::Set { name, hosts } => {
            let body = serde_json::to_vec(&json!({ "value": value, "hosts": hosts }))?;
            let path = format!("/v1/secrets/{}", segment(name));
            let kept = client.bytes(Method::PUT, &path, "application/json", body).await?;
            let hosts: Vec<String> = list(&kept, "hosts")
                .iter()
                .filter_map(|h| h.as_str().map(str::to_owned))
                .collect();
            say!("the secret {name} is kept, for {}", hosts.join(", "));
        }
        Command::List { json } => {
            let shown = client.get("/v1/secrets").await?;
            if *json {
                say!("{}", serde_json::to_string_pretty(&shown)?);
                return Ok(());
            }
            let rows: Vec<[String; 4]> = list(&shown, "items")
                .iter()
                .map(|row| {
                    let hosts: Vec<&str> = list(row, "hosts")
                        .iter()
                        .filter_map(|host| host.as_str())
                        .collect();
                    [
                        text(row, "name"),
                        hosts.join(", "),
                        text(row, "changed_by"),
                        text(row, "changed_at"),
                    ]
                })
                .collect();
            let mut out = String::new();
            table(
                &mut out,
                ["secret", "for", "set by", "set"],
                &rows,
                Style::stdout(),
            );
            say!("{}", out.trim_end());
        }
        Command::Rm { name } => {
            client.delete(&format!("/v1/secrets/{}", segment(name))).await?;
            say!("the secret {name} is forgotten");
        }
        Command::RotateKey => {}
    }
    Ok(())
}
