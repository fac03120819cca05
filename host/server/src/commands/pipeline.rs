//! `docmill pipeline apply | show | list | validate`

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use docmill_model::definition::{Definition, Problem};
use reqwest::Method;

use crate::cli::{Arguments, Pipeline as Command};
use crate::client::{Client, segment};
use crate::exit;
use crate::show::{Style, list, say, table, text};

/// Does what a `pipeline` command asks.
pub async fn pipeline(arguments: &Arguments, command: &Command) -> Result<u8> {
    // A file that cannot be read should not wait for a server to start.
    let source = match command {
        Command::Apply { file } | Command::Validate { file } => Some(read(file)?),
        _ => None,
    };
    let client = Client::open(arguments).await?;
    let done = answer(&client, command, source).await;
    client.close().await;
    done.map(|()| exit::OK)
}

async fn answer(client: &Client, command: &Command, source: Option<String>) -> Result<()> {
    let style = Style::stdout();
    match command {
        Command::Apply { .. } => {
            let saved = apply(client, &source.unwrap_or_default()).await?;
            say!("{}", saved);
        }
        Command::Validate { file } => {
            let body = source.unwrap_or_default().into_bytes();
            client
                .bytes(Method::POST, "/v1/pipelines:validate", "application/yaml", body)
                .await?;
            say!("{} is valid", file.display());
        }
        Command::Show { name, json } => {
            let shown = client.get(&format!("/v1/pipelines/{}", segment(name))).await?;
            if *json {
                say!("{}", serde_json::to_string_pretty(&shown)?);
            } else {
                let version = shown
                    .get("version")
                    .and_then(serde_json::Value::as_i64)
                    .unwrap_or(0);
                say!(
                    "{}",
                    style.dim(&format!(
                        "# {} version {version}, saved {}",
                        text(&shown, "name"),
                        text(&shown, "created_at")
                    ))
                );
                say!("{}", text(&shown, "source").trim_end());
            }
        }
        Command::List { json } => {
            let shown = client.list("/v1/pipelines").await?;
            if *json {
                say!("{}", serde_json::to_string_pretty(&shown)?);
            } else {
                let rows: Vec<[String; 4]> = list(&shown, "items")
                    .iter()
                    .map(|p| {
                        let version = p.get("version").map(ToString::to_string).unwrap_or_default();
                        [
                            text(p, "name"),
                            version,
                            text(p, "updated_at"),
                            text(p, "description"),
                        ]
                    })
                    .collect();
                let mut out = String::new();
                table(&mut out, ["pipeline", "version", "saved", "about"], &rows, style);
                say!("{}", out.trim_end());
            }
        }
    }
    Ok(())
}

/// Saves a definition; returns a line that says what happened.
pub async fn apply(client: &Client, source: &str) -> Result<String> {
    // The name decides the address; everything else is the server's to judge.
    let definition = Definition::parse(source)
        .map_err(|problems| anyhow::anyhow!(lines("the definition is wrong:", problems)))?;
    let path = format!("/v1/pipelines/{}", segment(&definition.name));
    let saved = client
        .bytes(Method::PUT, &path, "application/yaml", source.as_bytes().to_vec())
        .await?;
    let version = saved
        .get("version")
        .and_then(serde_json::Value::as_i64)
        .unwrap_or(0);
    let created = saved
        .get("created")
        .and_then(serde_json::Value::as_bool)
        .unwrap_or(true);
    let what = if created { "saved as" } else { "unchanged, still" };
    Ok(format!("pipeline {} {what} version {version}", definition.name))
}

/// What is wrong, line by line.
pub fn lines(head: &str, problems: Vec<Problem>) -> String {
    let mut lines = head.to_owned();
    for problem in problems {
        write!(lines, "\n  {problem}").ok();
        if let (Some(line), Some(column)) = (problem.line, problem.column) {
            write!(lines, " (line {line}, column {column})").ok();
        }
    }
    lines
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}
