//! One run: what was found, beside the document, with the way from each value to its quote and back.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use axum::response::Response;
use docmill_model::access::Scope;
use docmill_model::failure::Code;
use docmill_model::id::{DocumentId, RunId};
use docmill_model::run::{InputContent, RunOutcome, StepRecord, StepStatus};
use docmill_model::value::{Check, Citation, Field, MatchClass, Origin, Outcome, Verdict};
use docmill_store::run::StoredRun;
use maud::{Markup, html};

use super::door::Visitor;
use super::layout::Section;
use super::marks::{Mark, marked};
use super::shown::{
    cut, empty, failure, in_address, kind, outcome, size, span_us, status, time, took, value, verdict,
};
use super::words;
use crate::answer::id_of;
use crate::audit::also_read;
use crate::permission::ReadRuns;
use crate::problem::Problem;
use crate::state::ApiState;

/// Fields and checks that are shown, each.
const MAX_ROWS: usize = 400;
/// Pages that are shown.
const MAX_PAGES: usize = 12;
/// Documents whose pages are shown.
const MAX_DOCUMENTS: usize = 4;
/// Longest part of a page that is shown, in bytes.
const MAX_TEXT: usize = 24_000;
/// Citations of one value that are shown.
const MAX_CITATIONS: usize = 8;
/// Step executions that are shown.
const MAX_STEPS: usize = 200;

/// A page of a reading, by the name that citations use.
pub struct PageText {
    /// `main`, `contract[1]`
    pub reading: String,
    /// Which document it is of, if that is kept.
    pub document: Option<DocumentId>,
    /// From 0.
    pub number: u32,
    /// As printed.
    pub label: Option<String>,
    /// Its text.
    pub text: String,
}

/// A run that is kept.
pub async fn show(
    State(state): State<ApiState>,
    visitor: Visitor<ReadRuns>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id: RunId = id_of(&id)?;
    let found = state
        .store()
        .get_run(visitor.sight(), id)
        .await
        .map_err(|e| e.failure())?;
    let run = found.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no run {id}")))?;
    let may_see = visitor.may(Scope::DocumentsRead);
    let pages = if may_see {
        pages(&state, &visitor, &run).await?
    } else {
        Vec::new()
    };
    let body = told(&run, &pages, visitor.zone(), true, may_see);
    Ok(visitor.page(Section::Runs, &format!("Run of {}", run.head.pipeline_name), body))
}

/// The pages of what the run read.
async fn pages(
    state: &ApiState,
    visitor: &Visitor<ReadRuns>,
    run: &StoredRun,
) -> Result<Vec<PageText>, Problem> {
    let documents: BTreeSet<DocumentId> = run.readings.iter().map(|reading| reading.document).collect();
    let mut pages = Vec::new();
    for document in documents.into_iter().take(MAX_DOCUMENTS) {
        let found = state.store().get_document(visitor.sight(), document).await;
        let Some(view) = found.map_err(|e| e.failure())? else {
            continue;
        };
        also_read(state, visitor, "document.read", &document.to_string()).await?;
        for reading in view.readings {
            let Some(known) = run.readings.iter().find(|known| known.id == reading.id) else {
                continue;
            };
            let of_reading = reading.pages.into_iter().map(|page| PageText {
                reading: known.key.clone(),
                document: Some(document),
                number: page.number,
                label: page.info.label,
                text: page.text,
            });
            pages.extend(of_reading);
        }
    }
    Ok(pages)
}

/// What cites: a field or a check, with its number on the page.
struct Cites<'a> {
    id: String,
    name: &'a str,
    sign: String,
    citations: &'a [Citation],
}

/// Everything that cites, in the order in which it is shown.
fn citing(outcome: &RunOutcome) -> Vec<Cites<'_>> {
    let fields = outcome.fields.iter().take(MAX_ROWS).enumerate();
    let fields = fields.map(|(n, field)| Cites {
        id: format!("f{}", n + 1),
        name: &field.path,
        sign: (n + 1).to_string(),
        citations: &field.citations,
    });
    // What a rule that holds looked at are fields, which lead there themselves.
    let checks = outcome.checks.iter().take(MAX_ROWS).enumerate();
    let checks = checks.filter(|(_, check)| check.outcome != Outcome::Pass);
    let checks = checks.map(|(n, check)| Cites {
        id: format!("c{}", n + 1),
        name: &check.code,
        sign: format!("c{}", n + 1),
        citations: &check.citations,
    });
    fields.chain(checks).collect()
}

/// Which reading and page, and the name of the place on this web page.
type Places = BTreeMap<(String, u32), Vec<Mark>>;

fn places(outcome: &RunOutcome) -> Places {
    let mut places = Places::new();
    for one in citing(outcome) {
        for (n, citation) in one.citations.iter().take(MAX_CITATIONS).enumerate() {
            let Some(range) = citation.range else { continue };
            let reading = citation.reading.clone().unwrap_or_else(|| "main".to_owned());
            places.entry((reading, citation.page)).or_default().push(Mark {
                range,
                id: format!("q-{}-{n}", one.id),
                back: one.id.clone(),
                name: one.name.to_owned(),
                sign: one.sign.clone(),
            });
        }
    }
    places
}

/// The run, whether it is kept or not.
pub fn told(run: &StoredRun, pages: &[PageText], zone: &str, kept: bool, may_see: bool) -> Markup {
    let head = &run.head;
    let ended = run.outcome.as_ref();
    // What somebody has to decide comes first.
    let judged = ended.is_some_and(|o| !matches!(o.verdict, None | Some(Verdict::Pass)));
    let places = ended.map(places).unwrap_or_default();
    let shown = chosen(pages, &places);
    let pipeline = format!(
        "/console/pipelines/{}?version={}",
        in_address(&head.pipeline_name),
        head.version_number
    );
    html! {
        p.state {
            (status(run.status)) " "
            (verdict(ended.and_then(|o| o.verdict)))
        }
        p.facts {
            span { a href=(pipeline) { (head.pipeline_name) " v" (head.version_number) } }
            span { (time(head.created_at, zone)) }
            @if let Some(o) = ended { span { "took " (took(head.created_at, o.finished_at)) } }
            @for one in &head.lookups { span { span.dim { (one.name) ": " } (cut(&one.value, 200)) } }
            span.id { (head.id) }
        }
        @if !kept { p.notice { (words::NOT_KEPT) } }
        @if ended.is_none() { p.notice { (words::STILL_RUNNING) } }
        @if let Some(error) = ended.and_then(|o| o.error.as_ref()) { (failure(error)) }
        @if let Some(o) = ended {
            div.beside {
                div {
                    @if judged { (checks(o, &shown, pages)) }
                    (fields(o, &shown, pages))
                    @if !judged { (checks(o, &shown, pages)) }
                    (chunks(o))
                    (artifacts(o, run, kept))
                }
                (document(run, pages, &shown, &places, kept, may_see))
            }
            (timings(o))
        }
        (given(run))
    }
}

/// Which pages are shown: those that are cited first, then the first ones.
fn chosen(pages: &[PageText], places: &Places) -> BTreeSet<usize> {
    let cited = |page: &PageText| places.contains_key(&(page.reading.clone(), page.number));
    let numbers = |wanted: bool| {
        let all = pages.iter().enumerate();
        all.filter(move |(_, page)| cited(page) == wanted).map(|(n, _)| n)
    };
    numbers(true).chain(numbers(false)).take(MAX_PAGES).collect()
}

fn fields(outcome: &RunOutcome, shown: &BTreeSet<usize>, pages: &[PageText]) -> Markup {
    html! {
        section aria-labelledby="fields" {
            h2 id="fields" { "Fields" @if !outcome.fields.is_empty() { " " span.count { (outcome.fields.len()) } } }
            @if outcome.fields.is_empty() {
                @if outcome.error.is_none() { (empty(words::NO_FIELDS, html! {})) } @else { p.hint { (words::FAILED_BEFORE_FIELDS) } }
            }
            ol.found {
                @for (n, field) in outcome.fields.iter().take(MAX_ROWS).enumerate() { (found(n + 1, field, shown, pages)) }
            }
            @if outcome.fields.len() > MAX_ROWS { p.hint { "Only the first " (MAX_ROWS) " are shown; the API has them all." } }
            @if !outcome.conflicts.is_empty() {
                details {
                    summary { (outcome.conflicts.len()) " other values that lost" }
                    ul.plain { @for field in outcome.conflicts.iter().take(MAX_ROWS) { li { code { (field.path) } ": " (value(field.value.as_ref())) " " span.dim { (origin(field.origin.as_ref())) } } } }
                }
            }
        }
    }
}

fn found(n: usize, field: &Field, shown: &BTreeSet<usize>, pages: &[PageText]) -> Markup {
    // What a quote below says already.
    let quoted = |raw: &str| field.citations.iter().any(|citation| citation.quote == raw);
    let percent = field.confidence.map(|c| format!("{:.0} %", f64::from(c) * 100.0));
    html! {
        li.find id=(format!("f{n}")) {
            p.path { span.n aria-hidden="true" { (n) } code { (field.path) } span.dim { (kind(field.value.as_ref())) } }
            p.value { (value(field.value.as_ref())) }
            @if let Some(raw) = field.raw.as_deref().filter(|raw| !raw.is_empty() && !quoted(raw)) { p.hint { "In the document: " q { (cut(raw, 300)) } } }
            div.hint.facts {
                (quotes(&format!("f{n}"), &field.citations, shown, pages))
                @if let (Some(confidence), Some(percent)) = (field.confidence, percent) {
                    span { meter min="0" max="1" low="0.5" high="0.8" optimum="1" value=(confidence) aria-label="Confidence" { (percent) } " " (percent) }
                }
                @if let Some(origin) = Some(origin(field.origin.as_ref())).filter(|o| !o.is_empty()) { span { (origin) } }
            }
        }
    }
}

/// The quotes of a value, each leading to its place if that is shown.
fn quotes(id: &str, citations: &[Citation], shown: &BTreeSet<usize>, pages: &[PageText]) -> Markup {
    let here = |citation: &Citation| {
        let reading = citation.reading.as_deref().unwrap_or("main");
        let at = pages
            .iter()
            .position(|page| page.reading == reading && page.number == citation.page)?;
        let end = usize::try_from(citation.range?.end).ok()?;
        let page = pages.get(at)?;
        (shown.contains(&at) && end <= shown_text(&page.text).len()).then_some(())
    };
    html! {
        @for (n, citation) in citations.iter().take(MAX_CITATIONS).enumerate() {
            p.quote {
                @if here(citation).is_some() {
                    a href=(format!("#q-{id}-{n}")) { "“" (cut(&citation.quote, 200)) "”" }
                } @else { q { (cut(&citation.quote, 200)) } }
                span.dim { " page " (citation.page + 1) @match citation.class {
                    MatchClass::Exact => {},
                    MatchClass::Normalized => { ", written a little differently" },
                    MatchClass::Unmatched => { ", not found in the text" },
                    MatchClass::Unlocated => { ", place unknown" },
                } }
            }
        }
        @if citations.len() > MAX_CITATIONS { p.hint { "and " (citations.len() - MAX_CITATIONS) " more places" } }
    }
}

fn origin(origin: Option<&Origin>) -> String {
    match origin {
        None => String::new(),
        Some(Origin::Plugin { step, plugin }) => format!("{plugin} in {step}"),
        Some(Origin::Person { principal }) => principal.clone(),
    }
}

fn checks(outcome_of: &RunOutcome, shown: &BTreeSet<usize>, pages: &[PageText]) -> Markup {
    if outcome_of.checks.is_empty() {
        return html! {};
    }
    let to_field = |path: &str| {
        let at = outcome_of
            .fields
            .iter()
            .take(MAX_ROWS)
            .position(|field| field.path == path);
        at.map(|n| format!("#f{}", n + 1))
    };
    let row = |n: usize, check: &Check| {
        html! {
            li.find id=(format!("c{n}")) {
                p.path { (outcome(check.outcome, check.severity)) " " code { (check.code) } }
                @if !check.reason.is_empty() { p { (cut(&check.reason, 1_000)) } }
                @if !check.fields.is_empty() {
                    p.hint.facts { "Looked at: " @for path in check.fields.iter().take(12) {
                        @match to_field(path) { Some(address) => { a href=(address) { (path) } }, None => { span { (path) } } }
                    } }
                }
                @if check.outcome != Outcome::Pass { (quotes(&format!("c{n}"), &check.citations, shown, pages)) }
            }
        }
    };
    html! {
        section aria-labelledby="checks" {
            h2 id="checks" { "Checks " span.count { (outcome_of.checks.len()) } }
            ol.found { @for (n, check) in outcome_of.checks.iter().take(MAX_ROWS).enumerate() { (row(n + 1, check)) } }
        }
    }
}

/// What chunkers made, and how many vectors there are of it.
fn chunks(outcome: &RunOutcome) -> Markup {
    if outcome.chunks.is_empty() && outcome.embeddings.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="chunks" {
            h2 id="chunks" { "Chunks " span.count { (outcome.chunks.len()) } }
            @for made in &outcome.embeddings {
                p.hint { (made.vectors.len()) " vectors of " (made.dimensions) " numbers by " code { (cut(&made.model, 200)) } " in " (made.step) }
            }
            @if !outcome.chunks.is_empty() {
                details {
                    summary { "Show them" }
                    ol.found { @for chunk in outcome.chunks.iter().take(MAX_ROWS) { li.find {
                        p.path { code { (chunk.id) } " " span.dim { (chunk.headings.join(" › ")) } }
                        p.value { (cut(&chunk.text, 300)) }
                        @if let Some(first) = chunk.citations.first() { p.hint { "page " (first.page + 1) } }
                    } } }
                    @if outcome.chunks.len() > MAX_ROWS { p.hint { "Only the first " (MAX_ROWS) " are shown; the API has them all." } }
                }
            }
        }
    }
}

fn artifacts(outcome: &RunOutcome, run: &StoredRun, kept: bool) -> Markup {
    if outcome.artifacts.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="files" {
            h2 id="files" { "Files that the run made" }
            ul.plain {
                @for one in &outcome.artifacts {
                    li {
                        @if kept { a href=(format!("/console/runs/{}/artifacts/{}", run.head.id, one.id)) download { (cut(&one.name, 200)) } }
                        @else { (cut(&one.name, 200)) }
                        " " span.dim { (one.media_type) ", " (size(one.size)) }
                    }
                }
            }
        }
    }
}

/// As much of a page as is shown.
fn shown_text(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or(text)
}

fn document(
    run: &StoredRun,
    pages: &[PageText],
    shown: &BTreeSet<usize>,
    places: &Places,
    kept: bool,
    may_see: bool,
) -> Markup {
    let files = run.head.inputs.iter().filter_map(|input| match &input.content {
        InputContent::File {
            document,
            name,
            media_type,
            size,
            ..
        } => Some((*document, name.as_deref(), media_type, *size)),
        InputContent::Text { .. } | InputContent::Record { .. } => None,
    });
    html! {
        section.document aria-labelledby="document" {
            h2 id="document" { "Document" }
            ul.plain {
                @for (id, name, media_type, bytes) in files {
                    li {
                        @if kept && may_see { a href=(format!("/console/documents/{id}")) { (cut(name.unwrap_or("unnamed"), 200)) } }
                        @else { (cut(name.unwrap_or("unnamed"), 200)) }
                        " " span.dim { (media_type) ", " (size(bytes)) }
                    }
                }
            }
            @if !may_see { p.notice { (words::NO_DOCUMENTS_SCOPE) } }
            @if shown.len() < pages.len() { p.hint { (words::PAGES_LEFT_OUT) } }
            @for (at, page) in pages.iter().enumerate().filter(|(at, _)| shown.contains(at)) {
                @let text = shown_text(&page.text);
                @let marks = places.get(&(page.reading.clone(), page.number)).map_or(&[][..], Vec::as_slice);
                article.sheet aria-labelledby=(format!("p{at}")) {
                    h3 id=(format!("p{at}")) {
                        "Page " (page.number + 1)
                        @if let Some(label) = &page.label { " · " (cut(label, 60)) }
                        @if page.reading != "main" { " · " (page.reading) }
                    }
                    @if text.trim().is_empty() { p.hint { "No text on this page." } }
                    div.text { (marked(text, marks)) }
                    @if text.len() < page.text.len() {
                        p.hint { (words::PAGE_CUT) @if let Some(document) = page.document {
                            " " a href=(format!("/console/documents/{document}?page={}", page.number + 1)) { "The whole page" }
                        } }
                    }
                }
            }
        }
    }
}

/// Each step as a bar in the run's time.
fn timings(outcome: &RunOutcome) -> Markup {
    let end = outcome
        .steps
        .iter()
        .map(|step| step.started_us + step.wall_us)
        .max()
        .unwrap_or(0)
        .max(1);
    let part = |us: i64| us.clamp(0, end).saturating_mul(1000) / end;
    let row = |step: &StepRecord| {
        let wall = u64::try_from(step.wall_us).unwrap_or(0);
        let reused = step.attempts.iter().any(|attempt| attempt.reused);
        let wrong = step
            .attempts
            .iter()
            .filter_map(|attempt| attempt.error.as_ref())
            .next_back();
        html! {
            li {
                span.name { code { (step.step) @if let Some(item) = step.item { "[" (item) "]" } } " " span.dim { (step.plugin) } }
                svg.bar viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
                    rect.rail width="1000" height="10" {}
                    rect.(step.status.as_str()) x=(part(step.started_us)) width=(part(step.wall_us).max(4)) height="10" {}
                }
                span.told {
                    @if step.status == StepStatus::Skipped { "skipped" } @else {
                        (span_us(wall))
                        @match step.status { StepStatus::Failed => { ", failed" }, StepStatus::FellBack => { ", by its fallback" }, _ => {} }
                        @if reused { ", reused" }
                        @if step.attempts.len() > 1 { ", " (step.attempts.len()) " attempts" }
                    }
                }
                @if let Some(error) = wrong { span.why { code { (error.code) } " " (cut(&error.message, 300)) } }
            }
        }
    };
    html! {
        section aria-labelledby="steps" {
            h2 id="steps" { "Steps" }
            ol.timings { @for step in outcome.steps.iter().take(MAX_STEPS) { (row(step)) } }
            @if outcome.steps.len() > MAX_STEPS { p.hint { "Only the first " (MAX_STEPS) " of " (outcome.steps.len()) " are shown." } }
        }
    }
}

/// What it was given, and what it answers beside fields.
fn given(run: &StoredRun) -> Markup {
    let json =
        |value: &serde_json::Value| cut(&serde_json::to_string_pretty(value).unwrap_or_default(), 8_000);
    let params = Some(&run.head.params).filter(|params| params.as_object().is_some_and(|p| !p.is_empty()));
    let output = run.outcome.as_ref().and_then(|o| o.output.as_ref());
    html! {
        @if let Some(output) = output { details { summary { "Output" } pre.source tabindex="0" { (json(output)) } } }
        @if let Some(params) = params { details { summary { "Params" } pre.source tabindex="0" { (json(params)) } } }
        details {
            summary { "Plugins and request" }
            ul.plain { @for plugin in &run.head.plugins { li { code { (plugin) } } } }
            p.hint { "Request " code { (run.head.request) } @if let Some(key) = run.head.key { " · key " code { (key) } } }
        }
    }
}
