//! Pipelines: the list, and one as a picture.

use axum::extract::{Path, State};
use axum::response::Response;
use docmill_model::access::Scope;
use docmill_store::run::RunFilter;
use maud::html;

use super::door::Visitor;
use super::layout::Section;
use super::picture::picture;
use super::shown::{cut, empty, further, in_address, runs, time};
use super::words;
use crate::answer::limit;
use crate::audit::also_read;
use crate::permission::ReadPipelines;
use crate::pipelines::{known, unknown};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// Runs shown beside a pipeline.
const LAST_RUNS: u32 = 8;
/// Versions shown beside it.
const VERSIONS: u32 = 20;
/// Longest definition that is shown, in characters.
const MAX_SOURCE: usize = 60_000;

/// The pipelines.
pub async fn list(
    State(state): State<ApiState>,
    visitor: Visitor<ReadPipelines>,
    mut query: Query,
) -> Result<Response, Problem> {
    let limit = limit(&mut query)?;
    let cursor = query.take("cursor")?;
    query.finish()?;
    let page = state
        .store()
        .list_pipelines(visitor.tenant(), cursor.as_deref(), limit)
        .await
        .map_err(|e| e.failure())?;
    let may_run = visitor.may(Scope::RunsInvoke);
    let body = html! {
        @if page.items.is_empty() { (empty(words::NO_PIPELINES, html! { p.hint { (super::shown::prose(words::NO_PIPELINES_NEXT)) } })) }
        ul.cards {
            @for one in &page.items {
                @let address = address_of(&one.name);
                li.card {
                    h2 { a href=(address) { (one.name) } }
                    p { (cut(&one.description, 300)) }
                    p.hint { "Version " (one.number) " · " (time(one.updated_at, visitor.zone())) }
                    @if may_run { p { a.button href=(format!("{address}/run")) aria-label=(format!("Run {} on a file", one.name)) { "Run on a file" } } }
                }
            }
        }
        (further(page.next.as_deref(), "/console/pipelines", ""))
    };
    Ok(visitor.page(Section::Pipelines, "Pipelines", body))
}

/// One pipeline.
pub async fn show(
    State(state): State<ApiState>,
    visitor: Visitor<ReadPipelines>,
    Path(name): Path<String>,
    mut query: Query,
) -> Result<Response, Problem> {
    let number: Option<i32> = query.parsed("version", "a whole number from 1")?;
    query.finish()?;
    known(&name)?;
    let (store, tenant, zone) = (state.store(), visitor.tenant(), visitor.zone());
    let found = match number {
        Some(number) => store.get_pipeline_version(tenant, &name, number).await,
        None => store.get_pipeline(tenant, &name).await,
    };
    let row = found.map_err(|e| e.failure())?.ok_or_else(|| unknown(&name))?;
    let versions = store.pipeline_versions(tenant, &name, None, VERSIONS).await;
    let versions = versions.map_err(|e| e.failure())?;
    let last = if visitor.may(Scope::RunsRead) {
        let filter = RunFilter {
            pipeline: Some(name.clone()),
            limit: LAST_RUNS,
            ..RunFilter::default()
        };
        let page = store
            .list_runs(visitor.sight(), &filter)
            .await
            .map_err(|e| e.failure())?;
        also_read(&state, &visitor, "run.list", "runs").await?;
        Some(page.items)
    } else {
        None
    };
    let address = address_of(&name);
    let definition = &row.definition;
    let newest = versions.items.first().map(|one| one.number);
    let body = html! {
        @if !definition.description.is_empty() { p.lead { (cut(&definition.description, 1_000)) } }
        p.facts {
            span { "Version " strong { (row.number) } }
            span { (time(row.created_at, zone)) }
            span { (definition.steps.len()) @if definition.steps.len() == 1 { " step" } @else { " steps" } }
            @if newest.is_some_and(|newest| newest != row.number) { span { a href=(address) { "to the newest version" } } }
        }
        @if visitor.may(Scope::RunsInvoke) { p { a.button.primary href=(format!("{address}/run")) { "Run on a file" } } }
        section { h2 { "Steps" } (picture(definition)) }
        @if let Some(last) = &last {
            section {
                h2 { "Last runs" }
                @if last.is_empty() { (empty(words::NO_RUNS, html! {})) }
                (runs(last, zone))
                @if !last.is_empty() { p { a href=(format!("/console/runs?pipeline={}", in_address(&name))) { "All runs of " (name) } } }
            }
        }
        section {
            h2 { "Versions" }
            ul.plain {
                @for one in &versions.items {
                    li {
                        a href=(format!("{address}?version={}", one.number)) aria-current=[(one.number == row.number).then_some("true")] { "Version " (one.number) }
                        " " span.dim { (time(one.created_at, zone)) }
                    }
                }
            }
        }
        details {
            summary { "As written" }
            pre.source tabindex="0" { (cut(&row.source_text, MAX_SOURCE)) }
        }
    };
    Ok(visitor.page(Section::Pipelines, &name, body))
}

/// Where a pipeline is shown.
pub fn address_of(name: &str) -> String {
    format!("/console/pipelines/{}", in_address(name))
}
