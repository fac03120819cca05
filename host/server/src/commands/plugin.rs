//! `docmill plugin new | build | check | push | list | show | …`

pub mod build;
mod export;
mod identity;
mod import;
mod lifecycle;
mod push;
mod sign;

use std::path::Path;

use anyhow::{Context as _, Result};
use docmill_engine::Engine;
use docmill_registry::Report;
use serde_json::Value as Json;

use self::build::Output;
use crate::cli::{Address, Arguments, Plugin as Command};
use crate::client::{Client, segment};
use crate::commands::{grant, load_config, new};
use crate::exit;
use crate::show::{Style, list, say, table, text};

/// Does what a `plugin` command asks.
pub async fn plugin(arguments: &Arguments, command: &Command) -> Result<u8> {
    match command {
        Command::New { name, kind, lang } => new::new(name, *kind, *lang),
        Command::Build { directory } => build(arguments, directory).await,
        Command::Check { file, address, json } => {
            let report = check(arguments, read(file)?, address.as_ref()).await?;
            if *json {
                say!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                print_report(file, &report);
            }
            Ok(if report.ok { exit::OK } else { exit::FAILED })
        }
        Command::Push {
            file,
            address,
            samples,
            bundle,
            sbom,
            provenance,
            admit_only,
        } => {
            let beside = push::Beside {
                samples: samples.as_deref(),
                bundle: bundle.as_deref(),
                sbom: sbom.as_deref(),
                provenance: provenance.as_deref(),
            };
            push::push(arguments, file, address.as_ref(), beside, *admit_only).await
        }
        Command::Export {
            plugin,
            to,
            signatures,
            access,
            json,
        } => export::export(arguments, plugin, to, signatures, access, *json).await,
        Command::Import {
            from,
            address,
            admit_only,
            access,
            json,
        } => import::import(arguments, from, address.as_ref(), *admit_only, access, *json).await,
        Command::List {
            text,
            kind,
            state,
            json,
        } => {
            let given = [
                ("q", text.clone()),
                ("kind", kind.map(|kind| kind.to_string())),
                ("state", state.map(|state| state.to_string())),
            ];
            let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
            let query: Vec<String> = given
                .map(|(name, value)| format!("{name}={}", segment(&value)))
                .collect();
            let joint = if query.is_empty() { "" } else { "?" };
            let client = Client::open(arguments).await?;
            let shown = client
                .list(&format!("/v1/plugins{joint}{}", query.join("&")))
                .await;
            client.close().await;
            show_list(&shown?, *json)
        }
        Command::Show { name, json } => {
            let (name, version) = match name.split_once('@') {
                Some((name, version)) => (name, Some(version)),
                None => (name.as_str(), None),
            };
            let path = address(name)?;
            let client = Client::open(arguments).await?;
            let shown = match version {
                Some(version) => {
                    client
                        .get(&format!("{path}/versions/{}/report", segment(version)))
                        .await
                }
                None => with_grants(&client, &path).await,
            };
            client.close().await;
            match version {
                Some(_) => show_report(&shown?, *json),
                None => show_one(&shown?, *json),
            }
        }
        Command::Grant { .. } | Command::Revoke { .. } | Command::Values { .. } => {
            grant::grant(arguments, command).await
        }
        Command::Publish { version } => lifecycle::set_state(arguments, version, "published", None).await,
        Command::Deprecate { version, note } => {
            lifecycle::set_state(arguments, version, "deprecated", note.as_deref()).await
        }
        Command::Yank { version, note } => {
            lifecycle::set_state(arguments, version, "yanked", note.as_deref()).await
        }
        Command::Channel {
            name,
            channel,
            version,
        } => lifecycle::channel(arguments, name, channel, version.as_deref()).await,
        Command::Keygen { file } => sign::keygen(file),
        Command::Sign {
            file,
            address,
            private_key,
            tenant,
        } => sign::sign(arguments, file, address.as_ref(), private_key, *tenant).await,
        Command::Trust {
            name,
            public_key,
            expires,
        } => sign::trust(arguments, name, *public_key, expires.as_deref()).await,
        Command::Distrust { name } => sign::distrust(arguments, name).await,
        Command::TrustIdentity { .. } => identity::trust(arguments, command).await,
        Command::DistrustIdentity { name } => identity::distrust(arguments, name).await,
        Command::Identities { json } => identity::list_all(arguments, *json).await,
        Command::Keys { json } => sign::keys(arguments, *json).await,
    }
}

/// Where a plugin is, by its name.
fn address(name: &str) -> Result<String> {
    let (namespace, plain) = name.split_once('/').context("write the name as namespace/name")?;
    Ok(format!("/v1/plugins/{}/{}", segment(namespace), segment(plain)))
}

/// A plugin with what was granted to it.
async fn with_grants(client: &Client, path: &str) -> Result<Json> {
    let mut plugin = client.get(path).await?;
    let grants = client.get(&format!("{path}/grants")).await?;
    if let Some(members) = plugin.as_object_mut() {
        members.insert(
            "grants".to_owned(),
            grants.get("items").cloned().unwrap_or_default(),
        );
    }
    Ok(plugin)
}

/// Where a version is, by `namespace/name@version`.
fn version_address(version: &str) -> Result<String> {
    let (name, version) = version
        .split_once('@')
        .context("write the version as namespace/name@1.2.3")?;
    Ok(format!("{}/versions/{}", address(name)?, segment(version)))
}

/// Checks without a database: only the engine is started.
async fn check(arguments: &Arguments, component: Vec<u8>, address: Option<&Address>) -> Result<Report> {
    let config = load_config(arguments, &[])?;
    // Code of a component that may never be published is not kept.
    let code = tempfile::tempdir().context("cannot make a temporary directory")?;
    let settings = config.engine(code.path().to_owned(), config.platform_key.unwrap_or_default());
    let engine = Engine::new(settings).context("cannot start the engine")?;
    Ok(docmill_registry::check(&engine, component.into(), address).await)
}

fn print_report(file: &Path, report: &Report) {
    let style = Style::stdout();
    for line in &report.lines {
        say!(
            "{} {:<14} {}",
            if line.pass { "✓" } else { "✗" },
            style.bold(line.check),
            line.detail
        );
    }
    let verdict = if report.ok {
        "can be published"
    } else {
        "cannot be published yet"
    };
    say!("{} {verdict}", file.display());
}

/// Builds the project of a directory and checks the component; prints where it is.
async fn build(arguments: &Arguments, directory: &Path) -> Result<u8> {
    let component = build::component(directory, Output::Shown)?;
    let report = check(arguments, read(&component)?, None).await?;
    print_report(&component, &report);
    Ok(if report.ok { exit::OK } else { exit::FAILED })
}

fn show_list(plugins: &Json, json: bool) -> Result<u8> {
    if json {
        say!("{}", serde_json::to_string_pretty(plugins)?);
        return Ok(exit::OK);
    }
    let rows: Vec<[String; 7]> = list(plugins, "items")
        .iter()
        .map(|p| {
            let size = p.get("size").and_then(Json::as_u64).unwrap_or(0);
            let [name, latest, state, kind, summary] =
                ["name", "latest", "state", "kind", "summary"].map(|n| text(p, n));
            let calls = text(p, "calls_30d");
            [
                name,
                latest,
                state,
                kind,
                format!("{} KiB", size.div_ceil(1024)),
                calls,
                summary,
            ]
        })
        .collect();
    let mut out = String::new();
    table(
        &mut out,
        [
            "plugin",
            "newest",
            "state",
            "kind",
            "size",
            "calls in 30 days",
            "summary",
        ],
        &rows,
        Style::stdout(),
    );
    say!("{}", out.trim_end());
    Ok(exit::OK)
}

fn show_one(plugin: &Json, json: bool) -> Result<u8> {
    if json {
        say!("{}", serde_json::to_string_pretty(plugin)?);
        return Ok(exit::OK);
    }
    let style = Style::stdout();
    say!(
        "{}  {}\n{}",
        style.bold(&text(plugin, "name")),
        text(plugin, "kind"),
        text(plugin, "summary")
    );
    for version in list(plugin, "versions") {
        let size = version.get("size").and_then(Json::as_u64).unwrap_or(0);
        let told = |name: &str| version.get(name).and_then(Json::as_str);
        let note = told("note").map(|note| format!(": {note}")).unwrap_or_default();
        let signed = if told("signed_by").is_some() {
            "  signed"
        } else {
            ""
        };
        say!(
            "  {}  {}{note}  {} KiB{signed}  {}",
            text(version, "version"),
            text(version, "state"),
            size / 1024,
            style.dim(&text(version, "digest"))
        );
        for attachment in list(version, "attachments") {
            if attachment.get("format").and_then(Json::as_str).is_some() {
                say!("      {}", attached(attachment, style));
            }
        }
    }
    say!("\n{}", grant::sheet(plugin).trim_end());
    for channel in list(plugin, "channels") {
        let version = channel.get("version").and_then(Json::as_str).unwrap_or("closed");
        say!("  channel {} → {version}", text(channel, "name"));
    }
    let newest = list(plugin, "versions").first().and_then(|v| v.get("manifest"));
    if let Some(schema) = newest.and_then(|m| m.get("config_schema")) {
        say!(
            "\nconfiguration (JSON Schema):\n{}",
            serde_json::to_string_pretty(schema)?
        );
    }
    Ok(exit::OK)
}

/// A file that came with a version, on one line.
fn attached(attachment: &Json, style: Style) -> String {
    let size = attachment.get("size").and_then(Json::as_u64).unwrap_or(0);
    format!(
        "{}: {}  {} KiB  {}",
        text(attachment, "kind"),
        text(attachment, "format"),
        size.div_ceil(1024),
        style.dim(&text(attachment, "href"))
    )
}

/// What the admission of a version found.
fn show_report(shown: &Json, json: bool) -> Result<u8> {
    if json {
        say!("{}", serde_json::to_string_pretty(shown)?);
        return Ok(exit::OK);
    }
    let style = Style::stdout();
    say!(
        "{}@{}  {}  {}",
        style.bold(&text(shown, "name")),
        text(shown, "version"),
        text(shown, "state"),
        style.dim(&text(shown, "digest"))
    );
    match shown.get("report").filter(|report| report.is_object()) {
        Some(report) => print_lines(report),
        None => say!("published before there were reports"),
    }
    Ok(exit::OK)
}

/// The lines of a report, one a rule.
fn print_lines(report: &Json) {
    let style = Style::stdout();
    for line in list(report, "lines") {
        let mark = if line.get("pass") == Some(&Json::Bool(true)) {
            "✓"
        } else {
            "✗"
        };
        say!(
            "{mark} {:<14} {}",
            style.bold(&text(line, "check")),
            text(line, "detail")
        );
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
