//! `docmill user add | list | set | remove`

use anyhow::Result;
use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use crate::cli::{Arguments, User as Command};
use crate::client::{Client, segment};
use crate::exit;
use crate::show::{Style, list, say, table, text};

/// Does what a `user` command asks.
pub async fn user(arguments: &Arguments, command: &Command) -> Result<u8> {
    let client = Client::open(arguments).await?;
    let done = act(&client, command).await;
    client.close().await;
    done.map(|()| exit::OK)
}

async fn act(client: &Client, command: &Command) -> Result<()> {
    match command {
        Command::Add {
            email,
            name,
            role,
            clearance,
        } => {
            let name = name.as_ref().unwrap_or(email);
            let body = json!({ "email": email, "name": name, "role": role, "clearance": clearance });
            let made = client.post("/v1/users", &body).await?;
            say!("{}", text(&made, "id"));
            eprintln!(
                "{} is in; a key for them: docmill key create laptop --user {} --role {role} --clearance {clearance}",
                text(&made, "email"),
                text(&made, "id")
            );
        }
        Command::List { json: true } => {
            let users = client.list("/v1/users").await?;
            say!("{}", serde_json::to_string_pretty(&users)?);
        }
        Command::List { json: false } => {
            let users = client.list("/v1/users").await?;
            let names = ["id", "email", "name", "role", "clearance", "status"];
            let rows: Vec<[String; 6]> = list(&users, "items")
                .iter()
                .map(|user| names.map(|name| text(user, name)))
                .collect();
            let mut out = String::new();
            let heading = ["user", "email", "name", "role", "clearance", "status"];
            table(&mut out, heading, &rows, Style::stdout());
            say!("{}", out.trim_end());
        }
        Command::Set {
            id,
            role,
            clearance,
            status,
            name,
        } => {
            let given = [
                ("role", role.map(|r| json!(r))),
                ("clearance", clearance.map(|c| json!(c))),
                ("status", status.as_ref().map(|s| json!(s))),
                ("name", name.as_ref().map(|n| json!(n))),
            ];
            let change: Map<String, Json> = given
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect();
            anyhow::ensure!(
                !change.is_empty(),
                "say what to change: --role, --clearance, --status or --name"
            );
            let path = format!("/v1/users/{}", segment(id));
            let body = serde_json::to_vec(&change)?;
            let user = client
                .bytes(Method::PATCH, &path, "application/json", body)
                .await?;
            for name in ["id", "email", "name", "role", "clearance", "status"] {
                say!("{name:<9} {}", text(&user, name));
            }
        }
        Command::Remove { id } => {
            client.delete(&format!("/v1/users/{}", segment(id))).await?;
            eprintln!("{id} is removed, and so are their keys and sessions");
        }
    }
    Ok(())
}
