//! Plugins: the list, one with its versions and what it may do, one version with what its admission found.

mod change;
mod sheet;
mod upload;

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use docmill_model::access::Scope;
use docmill_model::failure::Code;
use docmill_model::plugin::{Kind, PluginName};
use docmill_model::registry::VersionState;
use docmill_runs::now;
use docmill_store::plugin::{ChannelRow, PluginRow, VersionRow};
use maud::{Markup, html};
use semver::Version;
use serde_json::Value as Json;

use super::door::Visitor;
use super::layout::Section;
use super::shown::{cut, empty, further, in_address, input, number, select, size, time};
use super::words;
use crate::answer::limit;
use crate::permission::ReadPlugins;
use crate::plugins::versions::{missing, version_of};
use crate::plugins::{USED_MS, filter_of, plugin_name};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

pub use change::{channel, state};
pub use upload::upload;

/// Versions that are shown beside a plugin.
const VERSIONS: usize = 50;
/// Longest configuration schema that is shown, in characters.
const MAX_SCHEMA: usize = 60_000;

/// The plugins that fit.
pub async fn list(
    State(state): State<ApiState>,
    visitor: Visitor<ReadPlugins>,
    address: Uri,
    query: Query,
) -> Result<Response, Problem> {
    let mut query = query.filled();
    let limit = limit(&mut query)?;
    let cursor: Option<PluginName> = query.parsed("cursor", "the `next` of the page before")?;
    let filter = filter_of(&mut query)?;
    query.finish()?;
    let (store, tenant) = (state.store(), visitor.tenant());
    let page = store
        .list_plugins(tenant, &filter, cursor.as_ref(), limit)
        .await
        .map_err(|e| e.failure())?;
    let names: Vec<PluginName> = page.items.iter().map(|row| row.name.clone()).collect();
    let calls = store.calls_of_plugins(tenant, &names, now() - USED_MS).await;
    let calls = calls.map_err(|e| e.failure())?;
    let asked = address.query().unwrap_or_default();
    let filtered = filter.text.is_some() || filter.kind.is_some() || filter.state.is_some();
    let kinds = Kind::ALL.iter().map(|kind| (kind.as_str(), kind.as_str()));
    let states = VersionState::ALL
        .iter()
        .map(|state| (state.as_str(), state.as_str()));
    let next = page.next.map(|name| name.to_string());
    let body = html! {
        form.filters method="get" action="/console/plugins" role="search" {
            (input("q", "Name or summary", "search", filter.text.as_deref()))
            (select("kind", "Kind", filter.kind.map(Kind::as_str), &any(kinds)))
            (select("state", "With a version that is", filter.state.map(VersionState::as_str), &any(states)))
            div.field { button type="submit" { "Find" } @if filtered { " " a href="/console/plugins" { "all plugins" } } }
        }
        @if page.items.is_empty() { (empty(if filtered { words::NO_PLUGINS_FOUND } else { words::NO_PLUGINS }, html! {})) }
        ul.rows {
            @for row in &page.items { (one(row, calls.get(&row.name.to_string()).copied().unwrap_or(0), visitor.zone())) }
        }
        (further(next.as_deref(), "/console/plugins", asked))
        @if visitor.may(Scope::PluginsWrite) { (upload::form(visitor.token())) }
    };
    Ok(visitor.page(Section::Plugins, "Plugins", body))
}

/// The choices of a filter, after the one that filters nothing.
fn any<'a>(words: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    std::iter::once(("", "any")).chain(words).collect()
}

fn one(row: &PluginRow, calls: u64, zone: &str) -> Markup {
    let latest = row.versions.iter().find(|v| v.version == row.latest);
    html! {
        li.row {
            div.what {
                a.title href=(address_of(&row.name)) { (row.name) }
                span.facts { span { (row.kind) } span { (row.latest) } @if let Some(latest) = latest { span { (size(latest.size)) } } }
                span { (cut(&row.summary, 300)) }
            }
            div.state { @if let Some(latest) = latest { (badge(latest.state)) } }
            div.when {
                span.dim { (number(calls)) " calls in 30 days" }
                @if let Some(latest) = latest { span.dim { "uploaded " } (time(latest.created_at, zone)) }
            }
        }
    }
}

/// One plugin.
pub async fn show(
    State(state): State<ApiState>,
    visitor: Visitor<ReadPlugins>,
    Path((namespace, name)): Path<(String, String)>,
    query: Query,
) -> Result<Response, Problem> {
    query.finish()?;
    let name = plugin_name(&namespace, &name)?;
    let (store, tenant, zone) = (state.store(), visitor.tenant(), visitor.zone());
    let found = store.get_plugin(tenant, &name).await.map_err(|e| e.failure())?;
    let row = found.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no plugin {name}")))?;
    let own = std::slice::from_ref(&name);
    let channels = store.channels(tenant, own).await.map_err(|e| e.failure())?;
    let grants = store.grants(tenant, &name).await.map_err(|e| e.failure())?;
    let calls = store.calls_of_plugins(tenant, own, now() - USED_MS).await;
    let calls = calls.map_err(|e| e.failure())?;
    let may_write = visitor.may(Scope::PluginsWrite);
    let latest = row.versions.iter().find(|v| v.version == row.latest);
    let body = html! {
        @if !row.summary.is_empty() { p.lead { (cut(&row.summary, 1_000)) } }
        p.facts {
            span { (row.kind) }
            span { "version " strong { (row.latest) } }
            span { (number(calls.get(&name.to_string()).copied().unwrap_or(0))) " calls in 30 days" }
        }
        section { h2 { "Permissions" } (sheet::permissions(&row, &grants, zone)) }
        section {
            h2 { "Channels" }
            (listed(&channels, zone))
            @if may_write { (change::channel_form(&row, visitor.token())) }
        }
        section {
            h2 { "Versions" }
            ul.rows { @for version in row.versions.iter().take(VERSIONS) { (version_row(&name, version, zone)) } }
            @if row.versions.len() > VERSIONS { p.hint { "The newest " (VERSIONS) " of " (row.versions.len()) "; `GET /v1/plugins/…` has them all." } }
        }
        @if let Some(latest) = latest { (schema(&latest.manifest.config_schema)) }
    };
    Ok(visitor.page(Section::Plugins, &name.to_string(), body))
}

fn listed(channels: &[ChannelRow], zone: &str) -> Markup {
    html! {
        @if channels.is_empty() { p.hint { (super::shown::prose(words::NO_CHANNELS)) } }
        ul.plain {
            @for channel in channels {
                li {
                    code { (channel.name) } " → "
                    @match &channel.version { Some(version) => { strong { (version) } }, None => { span.dim { "closed" } } }
                    " " span.dim { "since " (time(channel.changed_at, zone)) }
                }
            }
        }
    }
}

fn version_row(name: &PluginName, row: &VersionRow, zone: &str) -> Markup {
    html! {
        li.row.over[row.state == VersionState::Yanked] {
            div.what {
                a.title href=(version_address(name, &row.version)) { (row.version) }
                span.facts {
                    span { (size(row.size)) }
                    @if let Some(signature) = &row.signature { span { "signed by " code { (cut(&signature.key.to_string(), 16)) } } } @else { span { "not signed" } }
                }
                @if let Some(note) = &row.note { span { (cut(note, 500)) } }
                span.id { (row.digest) }
            }
            div.state { (badge(row.state)) }
            div.when { span.dim { "uploaded " } (time(row.created_at, zone)) }
        }
    }
}

/// One version.
pub async fn version(
    State(state): State<ApiState>,
    visitor: Visitor<ReadPlugins>,
    Path((namespace, name, version)): Path<(String, String, String)>,
    query: Query,
) -> Result<Response, Problem> {
    query.finish()?;
    let (name, version) = version_of(&namespace, &name, &version)?;
    let (store, tenant, zone) = (state.store(), visitor.tenant(), visitor.zone());
    let found = store.get_plugin(tenant, &name).await.map_err(|e| e.failure())?;
    let versions = found.into_iter().flat_map(|row| row.versions);
    let row = versions.into_iter().find(|row| row.version == version);
    let row = row.ok_or_else(|| missing(&name, &version))?;
    let report = store.version_report(tenant, &name, &version).await;
    let report = report.map_err(|e| e.failure())?.map(|row| row.report);
    let attachments = store.attachments(tenant, &name).await;
    let attachments = attachments.map_err(|e| e.failure())?;
    let own = attachments.iter().filter(|(of, _)| *of == row.id);
    let own: Vec<_> = own.map(|(_, attachment)| attachment).collect();
    let may_write = visitor.may(Scope::PluginsWrite);
    let body = html! {
        @if !row.manifest.summary.is_empty() { p.lead { (cut(&row.manifest.summary, 1_000)) } }
        p.facts {
            (badge(row.state))
            span { (size(row.size)) }
            span { "uploaded " (time(row.created_at, zone)) }
            @if let Some(at) = row.state_at { span { (row.state) " " (time(at, zone)) } }
            span { a href=(address_of(&name)) { "all versions" } }
        }
        @if let Some(note) = &row.note { p { (cut(note, 500)) } }
        p.id { (row.digest) }
        section { h2 { "What its admission found" } (sheet::report(report.as_ref())) }
        section { h2 { "What came with it" } (sheet::attachments(&own, &version_address(&name, &row.version))) }
        section { h2 { "What it asks for" } (sheet::imports(&row.inspection)) }
        @if may_write { (change::state_form(&name, &row, visitor.token())) }
        (schema(&row.manifest.config_schema))
    };
    Ok(visitor.page(Section::Plugins, &format!("{name} {version}"), body))
}

fn schema(schema: &Json) -> Markup {
    let text = serde_json::to_string_pretty(schema).unwrap_or_default();
    html! {
        details {
            summary { "Configuration" }
            pre.source tabindex="0" { (cut(&text, MAX_SCHEMA)) }
        }
    }
}

/// A version's state in colour, with a sign before it.
fn badge(state: VersionState) -> Markup {
    let (class, sign) = match state {
        VersionState::Admitted => ("wait", "◌"),
        VersionState::Published => ("good", "✓"),
        VersionState::Deprecated => ("doubt", "!"),
        VersionState::Yanked => ("bad", "✕"),
    };
    html! { span.badge.(class) { span aria-hidden="true" { (sign) } " " (state) } }
}

/// Where a plugin is shown.
fn address_of(name: &PluginName) -> String {
    let name = name.to_string();
    let (namespace, plain) = name.split_once('/').unwrap_or_default();
    format!("/console/plugins/{}/{}", in_address(namespace), in_address(plain))
}

/// Where a version is shown.
fn version_address(name: &PluginName, version: &Version) -> String {
    format!(
        "{}/versions/{}",
        address_of(name),
        in_address(&version.to_string())
    )
}
