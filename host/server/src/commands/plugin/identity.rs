//! `docmill plugin trust-identity | distrust-identity | identities`: whose Sigstore bundles count.

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::read;
use crate::cli::{Arguments, Plugin as Command};
use crate::client::{Client, segment};
use crate::exit;
use crate::show::{Style, list, say, shorten, table, text};

const IDENTITIES: &str = "/v1/signing-identities";

pub(super) async fn trust(arguments: &Arguments, command: &Command) -> Result<u8> {
    let Command::TrustIdentity {
        name,
        subject,
        subject_prefix,
        issuer,
        public_key,
        trusted_root,
        expires,
    } = command
    else {
        bail!("this is another command");
    };
    let key = public_key.as_deref().map(read).transpose()?;
    let key = key.map(String::from_utf8).transpose();
    let key = key.context("the public key is PEM, as `cosign generate-key-pair` writes it")?;
    let root: Option<Json> = match trusted_root {
        Some(file) => {
            let said = format!("{} is not JSON", file.display());
            Some(serde_json::from_slice(&read(file)?).context(said)?)
        }
        None => None,
    };
    let body = json!({
        "name": name, "subject": subject, "subject_prefix": subject_prefix, "issuer": issuer, "public_key": key,
        "trusted_root": root, "expires_at": expires,
    });
    let body = serde_json::to_vec(&body)?;
    let client = Client::open(arguments).await?;
    let made = client
        .bytes(Method::POST, IDENTITIES, "application/json", body)
        .await;
    client.close().await;
    say!("bundles of '{}' are trusted", text(&made?, "name"));
    Ok(exit::OK)
}

pub(super) async fn distrust(arguments: &Arguments, name: &str) -> Result<u8> {
    let client = Client::open(arguments).await?;
    let done = client.delete(&format!("{IDENTITIES}/{}", segment(name))).await;
    client.close().await;
    done?;
    say!("bundles of '{name}' are trusted no more");
    Ok(exit::OK)
}

pub(super) async fn list_all(arguments: &Arguments, as_json: bool) -> Result<u8> {
    let client = Client::open(arguments).await?;
    let identities = client.get(IDENTITIES).await;
    client.close().await;
    let identities = identities?;
    if as_json {
        say!("{}", serde_json::to_string_pretty(&identities)?);
        return Ok(exit::OK);
    }
    let rows: Vec<[String; 5]> = list(&identities, "items")
        .iter()
        .map(|identity| {
            let told = |name: &str| identity.get(name).and_then(Json::as_str);
            let state = match (told("revoked_at"), told("expires_at")) {
                (Some(at), _) => format!("revoked {at}"),
                (None, Some(at)) => format!("until {at}"),
                (None, None) => "trusted".to_owned(),
            };
            let who = match (told("subject"), told("subject_prefix"), told("issuer")) {
                (Some(_), _, Some(_)) => {
                    format!("{}, {}", text(identity, "subject"), text(identity, "issuer"))
                }
                (_, Some(_), Some(_)) => {
                    format!(
                        "{}…, {}",
                        text(identity, "subject_prefix"),
                        text(identity, "issuer")
                    )
                }
                _ => "a key".to_owned(),
            };
            let root = match told("trusted_root") {
                Some(digest) => shorten(digest, 12),
                None => "the public one".to_owned(),
            };
            [
                text(identity, "name"),
                state,
                shorten(&who, 100),
                root,
                text(identity, "created_at"),
            ]
        })
        .collect();
    let mut out = String::new();
    table(
        &mut out,
        ["name", "state", "who", "root", "since"],
        &rows,
        Style::stdout(),
    );
    say!("{}", out.trim_end());
    Ok(exit::OK)
}
