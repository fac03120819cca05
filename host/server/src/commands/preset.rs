//! `docmill preset apply | show | list | activate | deactivate`

use anyhow::{Context as _, Result};
use docmill_model::preset::Preset;
use reqwest::Method;
use serde_json::Value as Json;

use super::pipeline::lines;
use crate::cli::{Arguments, Preset as Command};
use crate::client::{Client, segment};
use crate::exit;
use crate::show::{Style, list, say, table, text};

/// Does what a `preset` command asks.
pub async fn preset(arguments: &Arguments, command: &Command) -> Result<u8> {
    // A file that cannot be read should not wait for a server to start.
    let source = match command {
        Command::Apply { file } => {
            let read = std::fs::read_to_string(file);
            Some(read.with_context(|| format!("cannot read {}", file.display()))?)
        }
        _ => None,
    };
    let client = Client::open(arguments).await?;
    let done = answer(&client, command, source).await;
    client.close().await;
    done.map(|()| exit::OK)
}

async fn answer(client: &Client, command: &Command, source: Option<String>) -> Result<()> {
    match command {
        Command::Apply { .. } => apply(client, source.unwrap_or_default()).await,
        Command::Show { name, json } => {
            let (name, version) = match name.split_once('@') {
                Some((name, version)) => (name, format!("?version={}", segment(version))),
                None => (name.as_str(), String::new()),
            };
            let shown = client.get(&format!("{}{version}", path(name))).await?;
            show(&shown, *json)
        }
        Command::List { json } => {
            let shown = client.list("/v1/presets").await?;
            if *json {
                say!("{}", serde_json::to_string_pretty(&shown)?);
            } else {
                say!("{}", listed(&shown).trim_end());
            }
            Ok(())
        }
        Command::Activate { name } => switch(client, name, true).await,
        Command::Deactivate { name } => switch(client, name, false).await,
    }
}

async fn apply(client: &Client, source: String) -> Result<()> {
    // The name decides the address; everything else is the server's to judge.
    let preset = Preset::parse(&source)
        .map_err(|problems| anyhow::anyhow!(lines("the preset is wrong:", problems)))?;
    let saved = client
        .bytes(
            Method::PUT,
            &path(&preset.name),
            "application/yaml",
            source.into_bytes(),
        )
        .await?;
    let created = saved.get("created").and_then(Json::as_bool).unwrap_or(true);
    let what = if created {
        "saved; use it as"
    } else {
        "unchanged, still"
    };
    say!(
        "preset {} {what} {} (a configuration of {})",
        preset.name,
        text(&saved, "reference"),
        text(&saved, "plugin")
    );
    if !is_active(&saved) {
        say!("it is not active: docmill preset activate {}", preset.name);
    }
    Ok(())
}

fn show(shown: &Json, json: bool) -> Result<()> {
    if json {
        say!("{}", serde_json::to_string_pretty(shown)?);
        return Ok(());
    }
    let head = format!(
        "# {}{}, saved {}",
        text(shown, "reference"),
        if is_active(shown) { "" } else { " (not active)" },
        text(shown, "created_at")
    );
    say!("{}", Style::stdout().dim(&head));
    say!("{}", text(shown, "source").trim_end());
    Ok(())
}

fn listed(shown: &Json) -> String {
    let rows: Vec<[String; 5]> = list(shown, "items")
        .iter()
        .map(|p| {
            let active = if is_active(p) { "yes" } else { "no" };
            [
                text(p, "reference"),
                text(p, "plugin"),
                active.to_owned(),
                text(p, "updated_at"),
                text(p, "description"),
            ]
        })
        .collect();
    let mut out = String::new();
    let head = ["preset", "plugin", "active", "saved", "about"];
    table(&mut out, head, &rows, Style::stdout());
    out
}

async fn switch(client: &Client, name: &str, active: bool) -> Result<()> {
    let body = serde_json::json!({ "active": active }).to_string().into_bytes();
    client
        .bytes(Method::PATCH, &path(name), "application/merge-patch+json", body)
        .await?;
    say!(
        "preset {name} is {}",
        if active { "active" } else { "not active any more" }
    );
    Ok(())
}

fn is_active(shown: &Json) -> bool {
    shown.get("active").and_then(Json::as_bool).unwrap_or(false)
}

fn path(name: &str) -> String {
    format!("/v1/presets/{}", segment(name))
}
