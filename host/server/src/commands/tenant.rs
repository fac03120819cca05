//! `docmill tenant create | list | show | set`

use anyhow::{Context as _, Result, ensure};
use docmill_model::failure::{Code, Failure};
use docmill_model::id::TenantId;
use docmill_store::who::{LimitChange, TenantRow};
use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use crate::cli::{Arguments, Tenant as Command};
use crate::client::Client;
use crate::commands::load_config;
use crate::exit;
use crate::platform::{Platform, Start};
use crate::show::{self, Style, say, table, text};

const PATH: &str = "/v1/tenant";
const QUOTAS: &str = "/v1/quotas";
/// A setting that is none of an allowance.
const EDITION: &str = "edition";
/// Longest edition, in characters.
const MAX_EDITION: usize = 60;

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
        Command::Show {
            name: Some(name),
            json,
        } => {
            let platform = here(arguments).await?;
            let tenant = described(&platform, name).await;
            platform.stop().await;
            shown(&tenant?, *json)?;
        }
        Command::Set {
            name: Some(name),
            limits,
            ..
        } => {
            let platform = here(arguments).await?;
            let tenant = limit(&platform, name, limits).await;
            platform.stop().await;
            shown(&tenant?, false)?;
        }
        Command::Show { name: None, json } => {
            let client = Client::open(arguments).await?;
            let told = async {
                let mut tenant = client.get(PATH).await?;
                let quotas = client.get(QUOTAS).await?;
                insert(
                    &mut tenant,
                    "quotas",
                    quotas.get("items").cloned().unwrap_or_default(),
                );
                anyhow::Ok(tenant)
            };
            let tenant = told.await;
            client.close().await;
            shown(&tenant?, *json)?;
        }
        Command::Set {
            name: None,
            timezone,
            locale,
            default_pipeline,
            require_signatures,
            ..
        } => {
            let given = [
                ("timezone", timezone),
                ("locale", locale),
                ("default_pipeline", default_pipeline),
            ];
            let mut change: Map<String, Json> = given
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())))
                .collect();
            if let Some(required) = require_signatures {
                change.insert("require_signatures".to_owned(), (*required).into());
            }
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
    Platform::start(config, Start::to_look()).await
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

/// The organisation of that name or id.
async fn named(platform: &Platform, name: &str) -> Result<TenantId> {
    let tenants = platform.tenants().await?;
    let found = tenants
        .iter()
        .find(|(id, own)| id.to_string() == name || own.to_lowercase() == name.to_lowercase());
    let (id, _) = found.with_context(|| {
        let said = format!("there is no organisation '{name}'; `docmill tenant list` shows all");
        Failure::new(Code::NotFound, said)
    })?;
    Ok(*id)
}

/// What `GET /v1/tenant` and `GET /v1/quotas` say to its own keys.
async fn described(platform: &Platform, name: &str) -> Result<Json> {
    let id = named(platform, name).await?;
    let row = platform.store.get_tenant(id).await?;
    told(platform, row).await
}

async fn told(platform: &Platform, row: TenantRow) -> Result<Json> {
    let quotas = platform.runs.quotas();
    let tenant = quotas.tenant(row.tenant).await?;
    let standing = tenant.standing(quotas.limiter().at());
    let items = docmill_api::quota_list(&standing)?;
    let mut body = docmill_api::tenant_body(row, quotas.limiter().defaults())?;
    insert(&mut body, "quotas", items);
    Ok(body)
}

/// Changes what an organisation may use; all of it or, if one value is wrong, nothing.
pub async fn limit(platform: &Platform, name: &str, settings: &[String]) -> Result<Json> {
    let wrong = |said: String| Failure::new(Code::MalformedRequest, said);
    let id = named(platform, name).await?;
    let before = platform.store.get_tenant(id).await?;
    let (mut limits, mut edition) = (before.limits.clone(), before.edition.clone());
    let mut changes = json!({});
    for setting in settings {
        let (name, value) = setting.split_once('=').ok_or_else(|| {
            wrong(format!(
                "write SETTING=VALUE, as in requests_per_second=50, not '{setting}'"
            ))
        })?;
        if name == EDITION {
            let fits =
                (1..=MAX_EDITION).contains(&value.chars().count()) && !value.chars().any(char::is_control);
            if !fits {
                let said = format!("{EDITION} is a text of 1 to {MAX_EDITION} characters, or `default`");
                return Err(wrong(said).into());
            }
            edition = (value != "default").then(|| value.to_owned());
        } else {
            limits
                .set(name, value)
                .map_err(|error| wrong(error.to_string()))?;
        }
        insert(&mut changes, name, value.into());
    }
    let change = LimitChange {
        limits: &limits,
        edition: edition.as_deref(),
        expected_version: before.version,
        changes: &changes,
    };
    let row = platform.store.change_limits(id, &change).await?;
    told(platform, row).await
}

fn insert(object: &mut Json, name: &str, value: Json) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

fn shown(tenant: &Json, as_json: bool) -> Result<()> {
    if as_json {
        say!("{}", serde_json::to_string_pretty(tenant)?);
        return Ok(());
    }
    for name in ["id", "name", "timezone", "locale", "edition", "default_pipeline"] {
        if tenant.get(name).is_some_and(|value| !value.is_null()) {
            say!("{name:<17} {}", text(tenant, name));
        }
    }
    if tenant.get("require_signatures") == Some(&Json::Bool(true)) {
        say!("plugins have to be signed by a key of `docmill plugin keys`");
    }
    let limits = tenant.get("limits").and_then(Json::as_object);
    let used = |name: &str| {
        let quotas = show::list(tenant, "quotas").iter();
        let mut named = quotas.filter(|one| text(one, "quota") == name);
        named.next().map(|one| text(one, "used")).unwrap_or_default()
    };
    let rows: Vec<[String; 5]> = limits
        .into_iter()
        .flatten()
        .map(|(name, limit)| {
            let value = match limit.get("value") {
                Some(Json::Array(names)) => names
                    .iter()
                    .filter_map(Json::as_str)
                    .collect::<Vec<_>>()
                    .join(", "),
                Some(Json::Null) | None => "not limited".to_owned(),
                Some(value) => value.to_string(),
            };
            let default = limit.get("default").and_then(Json::as_bool) == Some(true);
            let from = if default { "default" } else { "own" };
            [
                name.clone(),
                value,
                text(limit, "unit"),
                used(name),
                from.to_owned(),
            ]
        })
        .collect();
    let mut out = String::new();
    table(
        &mut out,
        ["limit", "value", "unit", "used", "set"],
        &rows,
        Style::stdout(),
    );
    say!("{}", out.trim_end());
    Ok(())
}
