//! `docmill key create | list | rotate | revoke`

use anyhow::Result;
use serde_json::{Value as Json, json};

use crate::cli::{Arguments, Key as Command};
use crate::client::{Client, segment};
use crate::exit;
use crate::show::{Style, list, say, table, text};

/// Does what a `key` command asks.
pub async fn key(arguments: &Arguments, command: &Command) -> Result<u8> {
    let client = Client::open(arguments).await?;
    let done = act(&client, command).await;
    client.close().await;
    done.map(|()| exit::OK)
}

async fn act(client: &Client, command: &Command) -> Result<()> {
    match command {
        Command::Create {
            name,
            role,
            scopes,
            clearance,
            user,
            expires,
        } => {
            let mut body = json!({ "name": name });
            let given = [
                ("role", role.map(|r| json!(r))),
                ("scopes", (!scopes.is_empty()).then(|| json!(scopes))),
                ("clearance", clearance.map(|c| json!(c))),
                ("user", user.as_ref().map(|u| json!(u))),
                ("expires_at", expires.as_ref().map(|e| json!(e))),
            ];
            if let Some(members) = body.as_object_mut() {
                members.extend(
                    given
                        .into_iter()
                        .filter_map(|(name, value)| Some((name.to_owned(), value?))),
                );
            }
            let made = client.post("/v1/keys", &body).await?;
            printed(&made, &format!("for '{name}'"));
        }
        Command::List { json: true } => {
            let keys = client.list("/v1/keys").await?;
            say!("{}", serde_json::to_string_pretty(&keys)?);
        }
        Command::List { json: false } => {
            let keys = client.list("/v1/keys").await?;
            let rows: Vec<[String; 6]> = list(&keys, "items").iter().map(row).collect();
            let mut out = String::new();
            let heading = ["key", "name", "begins", "role", "used", "ends"];
            table(&mut out, heading, &rows, Style::stdout());
            say!("{}", out.trim_end());
        }
        Command::Rotate { id, overlap } => {
            let path = format!("/v1/keys/{}/rotate", segment(id));
            let made = client.post(&path, &json!({ "overlap_seconds": overlap })).await?;
            printed(
                &made,
                &format!("takes the place of {id}, which ends in {overlap} s"),
            );
        }
        Command::Revoke { id } => {
            client.delete(&format!("/v1/keys/{}", segment(id))).await?;
            eprintln!("{id} works no more");
        }
    }
    Ok(())
}

/// The secret alone goes to standard output, so that a script can keep it.
fn printed(made: &Json, what: &str) {
    say!("{}", text(made, "key"));
    eprintln!("key {} {what}; it is not shown again", text(made, "id"));
}

fn row(key: &Json) -> [String; 6] {
    let ends = match text(key, "revoked_at") {
        revoked if !revoked.is_empty() => format!("revoked {revoked}"),
        _ => text(key, "expires_at"),
    };
    [
        text(key, "id"),
        text(key, "name"),
        text(key, "prefix"),
        text(key, "role"),
        text(key, "last_used_at"),
        ends,
    ]
}
