//! `docmill plugin grant | revoke | values`, and the permission sheet.

use anyhow::{Context as _, Result, bail};
use docmill_model::grant::Capability;
use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use crate::cli::{Arguments, Plugin as Command};
use crate::client::{Client, segment};
use crate::exit;
use crate::show::{Style, list, say, table, text};

/// Does what `plugin grant`, `plugin revoke` or `plugin values` asks.
pub async fn grant(arguments: &Arguments, command: &Command) -> Result<u8> {
    let client = Client::open(arguments).await?;
    let done = change(&client, command).await;
    client.close().await;
    done.map(|()| exit::OK)
}

async fn change(client: &Client, command: &Command) -> Result<()> {
    match command {
        Command::Grant { name, capability, .. } => {
            let body = serde_json::to_vec(&bounds(command)?)?;
            let path = path(name, capability)?;
            let granted = client.bytes(Method::PUT, &path, "application/json", body).await?;
            say!("{capability} is granted to {name}: {}", text(&granted, "said"));
        }
        Command::Revoke { name, capability } => {
            client.delete(&path(name, capability)?).await?;
            say!("{capability} is not granted to {name} any more");
        }
        Command::Values { name, clear } => {
            let path = format!("{}/values", plugin(name)?);
            let (held, verb) = if *clear {
                (client.delete(&path).await?, "kept")
            } else {
                (client.get(&path).await?, "keeps")
            };
            let number = |member: &str| held.get(member).and_then(Json::as_u64).unwrap_or_default();
            let (keys, bytes) = (number("keys"), number("bytes"));
            let end = if *clear { ", and all of it is gone" } else { "" };
            say!("{name} {verb} {keys} values, {bytes} bytes with their keys{end}");
        }
        _ => bail!("this command grants nothing"),
    }
    Ok(())
}

fn plugin(name: &str) -> Result<String> {
    let (namespace, plain) = name.split_once('/').context("write the name as namespace/name")?;
    Ok(format!("/v1/plugins/{}/{}", segment(namespace), segment(plain)))
}

fn path(name: &str, capability: &str) -> Result<String> {
    Ok(format!("{}/grants/{}", plugin(name)?, segment(capability)))
}

/// The bounds as the server judges them.
fn bounds(command: &Command) -> Result<Json> {
    let Command::Grant {
        hosts,
        ports,
        methods,
        plaintext,
        secrets,
        prefixes,
        read_only,
        models,
        cost,
        bounds,
        ..
    } = command
    else {
        bail!("this command grants nothing")
    };
    let mut body = Map::new();
    let lists = [
        ("hosts", hosts),
        ("ports", ports),
        ("methods", methods),
        ("prefixes", prefixes),
        ("models", models),
    ];
    for (name, values) in lists {
        if !values.is_empty() {
            body.insert(name.to_owned(), json!(values));
        }
    }
    if *plaintext {
        body.insert("plaintext".to_owned(), json!(true));
    }
    if *read_only {
        body.insert("write".to_owned(), json!(false));
    }
    if let Some(cost) = cost {
        body.insert("cost".to_owned(), json!(cost));
    }
    let mut named = Vec::new();
    for secret in secrets {
        let (header, name) = secret.split_once('=').context("write --secret as HEADER=NAME")?;
        named.push(json!({ "header": header, "secret": name }));
    }
    if !named.is_empty() {
        body.insert("secrets".to_owned(), named.into());
    }
    for bound in bounds {
        let (name, value) = bound.split_once('=').context("write --bound as NAME=VALUE")?;
        let value = value
            .parse::<u64>()
            .map_or_else(|_| json!(value), |number| json!(number));
        body.insert(name.to_owned(), value);
    }
    Ok(body.into())
}

/// Every capability that the newest version imports, whether it is granted, and within which bounds; and what is granted and
/// not asked for.
pub fn sheet(plugin: &Json) -> String {
    let newest = list(plugin, "versions").first();
    let imports = newest
        .and_then(|version| version.get("inspection"))
        .map(|it| list(it, "imports"));
    let mut needed: Vec<Capability> = imports
        .unwrap_or_default()
        .iter()
        .filter_map(|import| Capability::of_import(import.get("interface")?.as_str()?))
        .collect();
    needed.sort_unstable();
    needed.dedup();
    let grants = list(plugin, "grants");
    let granted = |capability: &str| {
        grants
            .iter()
            .find(|grant| text(grant, "capability") == capability)
    };
    let mut rows: Vec<[String; 4]> = needed
        .iter()
        .map(|capability| match granted(capability.as_str()) {
            Some(grant) => [
                capability.to_string(),
                "granted".to_owned(),
                text(grant, "said"),
                format!("{}, {}", text(grant, "granted_by"), text(grant, "granted_at")),
            ],
            None => [
                capability.to_string(),
                "not granted".to_owned(),
                String::new(),
                String::new(),
            ],
        })
        .collect();
    for grant in grants {
        let capability = text(grant, "capability");
        if !needed.iter().any(|needed| needed.as_str() == capability) {
            rows.push([
                capability,
                "granted, not asked for".to_owned(),
                text(grant, "said"),
                text(grant, "granted_by"),
            ]);
        }
    }
    if rows.is_empty() {
        return "permissions: none asked for; it reaches no network\n".to_owned();
    }
    let mut out = String::new();
    table(
        &mut out,
        ["capability", "state", "bounds", "by"],
        &rows,
        Style::stdout(),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_tells_what_is_asked_for_and_what_is_granted() {
        let asks = |grants: Json| {
            json!({
                "versions": [{ "inspection": { "imports": [
                    { "interface": "wasi:io/poll@0.2.0", "purpose": "wasi" },
                    { "interface": "wasi:http/types@0.2.4", "purpose": "capability" },
                    { "interface": "wasi:http/outgoing-handler@0.2.4", "purpose": "capability" },
                ] } }],
                "grants": grants,
            })
        };
        assert!(sheet(&asks(json!([]))).contains("not granted"));
        let grant = json!([{ "capability": "http", "said": "GET api.example.org", "granted_by": "anna", "granted_at": "now" }]);
        let given = sheet(&asks(grant.clone()));
        assert!(
            given.contains("GET api.example.org") && !given.contains("not granted"),
            "{given}"
        );
        assert_eq!(given.matches("http").count(), 1, "{given}");
        let needless = sheet(&json!({ "versions": [], "grants": grant }));
        assert!(needless.contains("not asked for"), "{needless}");
        assert!(sheet(&json!({ "versions": [], "grants": [] })).contains("none asked for"));
    }
}
