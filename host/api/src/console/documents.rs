//! Documents: the list, and one with its pages and the runs over it.

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use docmill_model::failure::Code;
use docmill_model::id::DocumentId;
use docmill_model::reading::TextOrigin;
use docmill_store::document::{PageView, ReadingView};
use maud::{Markup, html};

use super::door::Visitor;
use super::layout::Section;
use super::shown::{cut, empty, further, input, runs, size, time};
use super::words;
use crate::answer::{id_of, limit};
use crate::permission::ReadDocuments;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// Pages of a reading that are shown at once.
const PAGES: usize = 10;
/// Longest part of a page that is shown among others, in bytes.
const MAX_TEXT: usize = 24_000;
/// The same of a page that is shown alone.
const MAX_ALONE: usize = 1_000_000;

/// The documents.
pub async fn list(
    State(state): State<ApiState>,
    visitor: Visitor<ReadDocuments>,
    address: Uri,
    query: Query,
) -> Result<Response, Problem> {
    let mut query = query.filled();
    let words_asked = query.take("q")?;
    let limit = limit(&mut query)?;
    let cursor: Option<DocumentId> = query.parsed("cursor", "the `next` of the page before")?;
    query.finish()?;
    let listed = state
        .store()
        .list_documents(visitor.sight(), cursor, limit, words_asked.as_deref())
        .await;
    let page = listed.map_err(|e| e.failure())?;
    let next = page.next.map(|id| id.to_string());
    let body = html! {
        form.filters method="get" action="/console/documents" role="search" {
            (input("q", "Words on a page", "search", words_asked.as_deref()))
            div.field { button type="submit" { "Find" } @if words_asked.is_some() { " " a href="/console/documents" { "all documents" } } }
        }
        @if page.items.is_empty() {
            @if words_asked.is_some() { (empty(words::NO_DOCUMENTS_FOUND, html! {})) }
            @else { (empty(words::NO_DOCUMENTS, html! { p { a.button href="/console/pipelines" { "Pipelines" } } })) }
        }
        ul.rows {
            @for one in &page.items {
                li.row {
                    div.what {
                        a.title href=(format!("/console/documents/{}", one.id)) { (cut(one.name.as_deref().unwrap_or("unnamed"), 200)) }
                        @if let Some(hit) = &one.hit { span.hit { "Page " (hit.page + 1) ": " q { (cut(&hit.text, 300)) } } }
                        span.id { (one.id) }
                    }
                    div.state { span.dim { (one.media_type) } " " (size(one.size)) @if one.duplicate_of.is_some() { " " span.badge { "same bytes as an earlier one" } } }
                    div.when { (time(one.created_at, visitor.zone())) }
                }
            }
        }
        (further(next.as_deref(), "/console/documents", address.query().unwrap_or_default()))
    };
    Ok(visitor.page(Section::Documents, "Documents", body))
}

/// One document.
pub async fn show(
    State(state): State<ApiState>,
    visitor: Visitor<ReadDocuments>,
    Path(id): Path<String>,
    mut query: Query,
) -> Result<Response, Problem> {
    let page: Option<u32> = query.parsed("page", "the number of a page, from 1")?;
    let from: Option<usize> = query.parsed("from", "the number of a page, from 1")?;
    query.finish()?;
    let id: DocumentId = id_of(&id)?;
    let missing = || Problem::new(Code::NotFound, format!("there is no document {id}"));
    let found = state
        .store()
        .get_document(visitor.sight(), id)
        .await
        .map_err(|e| e.failure())?;
    let view = found.ok_or_else(missing)?;
    let address = format!("/console/documents/{id}");
    let name = cut(view.name.as_deref().unwrap_or("unnamed"), 200);
    let zone = visitor.zone();
    let body = html! {
        @if let Some(source) = view.sources.first() {
            p.facts {
                span { (source.media_type) } span { (size(source.size)) } span { (time(view.created_at, zone)) }
                span.id { (id) }
            }
            p { a.button href=(format!("{address}/source")) download { "Download the file" } }
        }
        @if let Some(number) = page {
            p { a href=(address) { "All pages and runs" } }
            @let alone = view.readings.iter().filter_map(|reading| {
                let page = reading.pages.iter().find(|one| one.number.checked_add(1) == Some(number))?;
                Some(sheet(reading, page, MAX_ALONE, None))
            }).collect::<Vec<_>>();
            @for one in &alone { (one) }
            @if alone.is_empty() { p.notice { "No parser found a page " (number) "." } }
        } @else {
            @for reading in &view.readings { (pages(reading, from.unwrap_or(1), &address, zone)) }
            @if view.readings.is_empty() { p.notice { "No parser has read it." } }
            section {
                h2 { "Runs over it" }
                (runs(&view.runs, zone))
                @if view.runs.is_empty() { (empty(words::NO_RUNS, html! {})) }
            }
        }
    };
    Ok(visitor.page(Section::Documents, &name, body))
}

/// What one parser made of it.
fn pages(reading: &ReadingView, from: usize, address: &str, zone: &str) -> Markup {
    let skipped = from.saturating_sub(1).min(reading.pages.len());
    let left = reading.pages.len().saturating_sub(skipped + PAGES);
    html! {
        section {
            h2 { "Pages " span.count { (reading.pages.len()) } }
            p.facts.hint {
                span { "read by " code { (reading.plugin) } } span { (time(reading.created_at, zone)) }
                @if let Some(language) = &reading.language { span { "language: " (cut(language, 40)) } }
            }
            @if !reading.metadata.is_empty() {
                details {
                    summary { "What the file says of itself" }
                    dl.pairs { @for (name, value) in reading.metadata.iter().take(60) { dt { (cut(name, 80)) } dd { (cut(value, 500)) } } }
                }
            }
            @for page in reading.pages.iter().skip(skipped).take(PAGES) { (sheet(reading, page, MAX_TEXT, Some(address))) }
            p.further {
                @if skipped > 0 { a.button href=(format!("{address}?from={}", skipped.saturating_sub(PAGES) + 1)) { "Pages before" } " " }
                @if left > 0 { a.button href=(format!("{address}?from={}", skipped + PAGES + 1)) { "Further pages (" (left) ")" } }
            }
        }
    }
}

fn sheet(reading: &ReadingView, page: &PageView, most: usize, whole: Option<&str>) -> Markup {
    let text = page
        .text
        .get(..page.text.floor_char_boundary(most))
        .unwrap_or_default();
    let id = format!("{}-{}", reading.id, page.number + 1);
    html! {
        article.sheet aria-labelledby=(id) {
            h3 id=(id) {
                "Page " (page.number + 1)
                @if let Some(label) = &page.info.label { " · " (cut(label, 60)) }
                @match page.info.origin { TextOrigin::Digital => {}, TextOrigin::Recognized => { " · read from a picture" }, TextOrigin::Mixed => { " · partly read from a picture" } }
            }
            @for warning in page.info.warnings.iter().take(10) { p.notice { (cut(warning, 200)) } }
            @if text.trim().is_empty() { p.hint { "No text on this page." } }
            div.text { (text) }
            @if text.len() < page.text.len() {
                p.hint { (words::PAGE_CUT) @if let Some(address) = whole { " " a href=(format!("{address}?page={}", page.number + 1)) { "The whole page" } } }
            }
        }
    }
}
