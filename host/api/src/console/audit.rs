//! Who did what, and whether the log is whole.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use docmill_store::audit::Head;
use maud::html;

use super::door::Visitor;
use super::layout::Section;
use super::shown::{cut, empty, further, input, number, time};
use super::words;
use crate::audit::{filter, listed, verified};
use crate::permission::ReadAudit;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// The entries that fit, newest first.
pub async fn list(
    State(state): State<ApiState>,
    visitor: Visitor<ReadAudit>,
    address: Uri,
    query: Query,
) -> Result<Response, Problem> {
    let mut query = query.filled();
    let (since, until) = (query.peek("since"), query.peek("until"));
    let filter = filter(&mut query, &visitor)?;
    query.finish()?;
    let page = listed(&state, visitor.caller(), &filter).await?;
    let next = page.next.map(|seq| seq.to_string());
    let filtered = Query::parse(address.query().unwrap_or_default())?
        .filled()
        .finish()
        .is_err();
    let key = filter.key.map(|key| key.to_string());
    let body = html! {
        p { a.button href="/console/audit/verify" { "Verify the log" } }
        details.filter open[filtered] {
            summary { "Filters" }
            form.filters method="get" action="/console/audit" {
                (input("action", "Action", "text", filter.action.as_deref()))
                (input("subject", "Acted on", "text", filter.subject.as_deref()))
                (input("key", "By the key", "text", key.as_deref()))
                (input("since", "From", "date", since.as_deref()))
                (input("until", "Before", "date", until.as_deref()))
                div.field { button type="submit" { "Find" } " " a href="/console/audit" { "all entries" } }
            }
        }
        @if page.items.is_empty() { (empty(words::NO_ENTRIES, html! {})) }
        div.scroll tabindex="0" role="group" aria-label="Entries of the audit log" {
            table.entries {
                thead { tr { th.n scope="col" { "Place" } th scope="col" { "When" } th scope="col" { "Action" } th scope="col" { "Acted on" } th scope="col" { "Who" } th scope="col" { "More" } } }
                tbody {
                    @for one in &page.items {
                        tr {
                            td.n { (one.seq) }
                            td { (time(one.at, visitor.zone())) }
                            td { code { (cut(&one.action, 60)) } }
                            td.long { (cut(&one.subject, 120)) @if let Some(run) = one.run { " " a href=(format!("/console/runs/{run}")) { (run) } } }
                            td.long {
                                @match one.key { Some(key) => { (key) }, None => { span.dim { "the platform" } } }
                                @if let Some(ip) = &one.client_ip { br; span.dim { (ip) } }
                            }
                            td.long { @if let Some(detail) = &one.detail { code { (cut(&detail.to_string(), 200)) } } }
                        }
                    }
                }
            }
        }
        (further(next.as_deref(), "/console/audit", address.query().unwrap_or_default()))
    };
    Ok(visitor.page(Section::Audit, "Audit", body))
}

/// Computes the hashes again.
pub async fn verify(
    State(state): State<ApiState>,
    visitor: Visitor<ReadAudit>,
    mut query: Query,
) -> Result<Response, Problem> {
    let from: Option<Head> = query.parsed("from", "written SEQ:HASH")?;
    query.finish()?;
    let found = verified(&state, visitor.caller(), None, from).await?;
    let head = found.head.to_string();
    let body = html! {
        @match &found.broken {
            None => section.card {
                p.lead { span.badge.good { span aria-hidden="true" { "✓" } " intact" } " " (number(found.checked)) " entries" }
                p { (words::CHAIN_INTACT) }
                p { "Head: " code.long { (head) } }
                p.hint { (super::shown::prose(words::CHAIN_KEEP_HEAD)) }
                @if !found.complete { p { a.button href=(format!("/console/audit/verify?from={head}")) { "Go on from here" } } }
            },
            Some(broken) => section.card {
                p.lead { span.badge.bad { span aria-hidden="true" { "✕" } " broken" } " at place " (broken.seq) }
                p { (cut(&broken.said, 1_000)) }
            },
        }
        p { a href="/console/audit" { "To the entries" } }
    };
    Ok(visitor.page(Section::Audit, "The audit log, verified", body))
}
