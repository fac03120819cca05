//! `docmill tenant create | list | show | set`

use anyhow::{Context as _, Result, ensure};
use docmill_model::failure::{Code, Failure};
use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use crate::cli::{Arguments, Tenant as Command};
use crate::client::Client;
use crate::commands::load_config;
use crate::exit;
use crate::platform::{Platform, Start};
use crate::show::{Style, say, table, text};

const PATH: &str = "/v1/tenant";

/// Does what a `tenant` command asks.
pub async fn tenant(arguments: &Arguments, command: &Command) -> Result<u8> {
    match command {
        Command::Create { name } => {
            let platform = here(arguments).await?;
            let made = create(&platform, name).await;
            platform.stop().await;
            made?;
        }
        Command::List { json } => {
            let platform = here(arguments).await?;
            let listed = list(&platform, *json).await;
            platform.stop().await;
            say!("{}", listed?.trim_end());
        }
        Command::Show { json } => {
            let client = Client::open(arguments).await?;
            let tenant = client.get(PATH).await;
            client.close().await;
            shown(&tenant?, *json)?;
        }
        Command::Set { timezone, locale } => {
            let given = [("timezone", timezone), ("locale", locale)];
            let change: Map<String, Json> = given
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())))
                .collect();
            let body = serde_json::to_vec(&change)?;
            let client = Client::open(arguments).await?;
            let changed = client
                .bytes(Method::PATCH, PATH, "application/merge-patch+json", body)
                .await;
            client.close().await;
            shown(&changed?, false)?;
        }
    }
    Ok(exit::OK)
}

/// The platform on this machine: no key is above organisations.
async fn here(arguments: &Arguments) -> Result<Platform> {
    ensure!(
        arguments.url.is_none(),
        "organisations are made and listed on the machine itself, with the settings of its hosts: leave --url out"
    );
    let config = load_config(arguments, &[])?;
    Platform::start(config, Start::for_command()).await
}

async fn create(platform: &Platform, name: &str) -> Result<()> {
    let made = platform.create_tenant(name).await?.with_context(|| {
        let said =
            format!("there is an organisation called '{name}' already; `docmill tenant list` shows all");
        Failure::new(Code::Conflict, said)
    })?;
    say!("{}", made.secret.expose());
    eprintln!(
        "{} '{name}': its first key, {}, is not shown again; it may do everything there",
        made.tenant, made.key
    );
    // The key is out, whatever happens now.
    let equipped = platform.equip(made.tenant).await;
    equipped.context("its plugins are not all installed; the next host that starts tries again")
}

async fn list(platform: &Platform, as_json: bool) -> Result<String> {
    let tenants = platform.tenants().await?;
    if as_json {
        let items: Vec<Json> = tenants
            .iter()
            .map(|(id, name)| json!({ "id": id, "name": name }))
            .collect();
        return Ok(serde_json::to_string_pretty(&json!({ "items": items }))?);
    }
    let rows: Vec<[String; 2]> = tenants
        .iter()
        .map(|(id, name)| [id.to_string(), text(&json!({ "name": name }), "name")])
        .collect();
    let mut out = String::new();
    table(&mut out, ["tenant", "name"], &rows, Style::stdout());
    Ok(out)
}

fn shown(tenant: &Json, as_json: bool) -> Result<()> {
    if as_json {
        say!("{}", serde_json::to_string_pretty(tenant)?);
        return Ok(());
    }
    for name in ["id", "name", "timezone", "locale"] {
        say!("{name:<9} {}", text(tenant, name));
    }
    Ok(())
}
