//! The list of runs, with filters.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use docmill_model::run::Status;
use docmill_model::value::Verdict;
use maud::html;

use super::door::Visitor;
use super::layout::Section;
use super::shown::{empty, further, input, runs, select};
use super::words;
use crate::permission::ReadRuns;
use crate::problem::Problem;
use crate::query::Query;
use crate::runs::filter;
use crate::state::ApiState;

/// The runs that fit.
pub async fn list(
    State(state): State<ApiState>,
    visitor: Visitor<ReadRuns>,
    address: Uri,
    query: Query,
) -> Result<Response, Problem> {
    let mut query = query.filled();
    let name = query.take("lookup-name")?;
    let value = query.take("lookup-value")?;
    let (since, until) = (query.peek("since"), query.peek("until"));
    let mut filter = filter(&mut query, &visitor)?;
    query.finish()?;
    filter.lookups.extend(name.clone().zip(value.clone()));
    let page = state
        .store()
        .list_runs(visitor.sight(), &filter)
        .await
        .map_err(|e| e.failure())?;
    let asked = address.query().unwrap_or_default();
    let filtered = Query::parse(asked)?.filled().finish().is_err();
    let next = page.next.map(|id| id.to_string());
    let body = html! {
        details.filter open[filtered] {
            summary { "Filters" }
            form.filters method="get" action="/console/runs" {
                (input("pipeline", "Pipeline", "text", filter.pipeline.as_deref()))
                (select("status", "Status", filter.status.map(Status::as_str), &[("", "any"), ("running", "running"), ("succeeded", "succeeded"), ("failed", "failed")]))
                (select("verdict", "Verdict", filter.verdict.map(Verdict::as_str), &[("", "any"), ("pass", "pass"), ("fail", "fail"), ("undecided", "undecided")]))
                (input("since", "From", "date", since.as_deref()))
                (input("until", "Before", "date", until.as_deref()))
                (input("lookup-name", "Look-up", "text", name.as_deref()))
                (input("lookup-value", "Its value", "text", value.as_deref()))
                div.field { button type="submit" { "Find" } @if filtered { " " a href="/console/runs" { "all runs" } } }
            }
        }
        @if page.items.is_empty() && filtered { (empty(words::NO_RUNS_FOUND, html! {})) }
        @if page.items.is_empty() && !filtered {
            (empty(words::NO_RUNS, html! { p { (words::NO_RUNS_NEXT) } p { a.button href="/console/pipelines" { "Pipelines" } } }))
        }
        (runs(&page.items, visitor.zone()))
        (further(next.as_deref(), "/console/runs", asked))
    };
    Ok(visitor.page(Section::Runs, "Runs", body))
}
