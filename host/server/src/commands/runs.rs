//! `docmill runs list | show | cancel | redrive`

use anyhow::{Context as _, Result};
use serde_json::Value as Json;

use crate::cli::{Arguments, Runs as Command};
use crate::client::{Client, segment};
use crate::exit;
use crate::show::{self, Style, list, say, table, text};

/// Does what a `runs` command asks.
pub async fn runs(arguments: &Arguments, command: &Command) -> Result<u8> {
    let client = Client::open(arguments).await?;
    let shown = answer(&client, command).await;
    client.close().await;
    say!("{}", shown?.trim_end());
    Ok(exit::OK)
}

async fn answer(client: &Client, command: &Command) -> Result<String> {
    match command {
        Command::Cancel { id } => {
            let run = client
                .post(&format!("/v1/runs/{}/cancel", segment(id)), &Json::Null)
                .await?;
            Ok(format!("{} {}\n", text(&run, "id"), text(&run, "status")))
        }
        Command::Redrive { id } => {
            let run = client
                .post(&format!("/v1/runs/{}/redrive", segment(id)), &Json::Null)
                .await?;
            Ok(format!("{} {}\n", text(&run, "id"), text(&run, "status")))
        }
        Command::Show { id, wait, json } => {
            let run = client
                .get(&format!("/v1/runs/{}?wait={wait}", segment(id)))
                .await?;
            Ok(if *json {
                serde_json::to_string_pretty(&run)? + "\n"
            } else {
                show::run(&run, Style::stdout())
            })
        }
        Command::List {
            pipeline,
            status,
            verdict,
            lookups,
            of_key,
            user,
            subject,
            limit,
            json,
        } => {
            let mut query = vec![format!("limit={limit}")];
            for (name, value) in [
                ("pipeline", pipeline),
                ("status", status),
                ("verdict", verdict),
                ("key", of_key),
                ("user", user),
                ("subject", subject),
            ] {
                query.extend(value.as_ref().map(|v| format!("{name}={}", segment(v))));
            }
            for lookup in lookups {
                let (name, value) = lookup
                    .split_once('=')
                    .with_context(|| format!("'{lookup}' is not NAME=VALUE"))?;
                query.push(format!("lookup.{}={}", segment(name), segment(value)));
            }
            let runs = client.get(&format!("/v1/runs?{}", query.join("&"))).await?;
            if *json {
                return Ok(serde_json::to_string_pretty(&runs)? + "\n");
            }
            let names = [
                "id",
                "created_at",
                "pipeline",
                "status",
                "verdict",
                "tier",
                "subject",
            ];
            let rows: Vec<[String; 7]> = list(&runs, "items")
                .iter()
                .map(|r| names.map(|name| text(r, name)))
                .collect();
            let heading = [
                "run", "created", "pipeline", "status", "verdict", "tier", "subject",
            ];
            let mut out = String::new();
            table(&mut out, heading, &rows, Style::stdout());
            Ok(out)
        }
    }
}
