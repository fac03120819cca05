//! Running a pipeline on a file from the browser.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use docmill_model::access::Scope;
use docmill_model::definition::{Definition, InputKind, InputSpec};
use docmill_runs::Answer;
use docmill_store::run::StoredRun;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::door::Visitor;
use super::form::signed;
use super::layout::{Section, see_other};
use super::pipelines::address_of;
use super::run::{PageText, told};
use super::shown::cut;
use crate::permission::InvokeRuns;
use crate::problem::Problem;
use crate::runs::{self, Done};
use crate::state::ApiState;
use crate::upload;

/// Params that are asked for, at most; the others can be sent through the API.
const MAX_PARAMS: usize = 60;

/// The form.
pub async fn ask(
    State(state): State<ApiState>,
    visitor: Visitor<InvokeRuns>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    // As runs find it: who may run a pipeline need not be one who may read it.
    let snapshot = state.runs().snapshot(visitor.tenant(), &name).await?;
    let definition = snapshot.definition();
    let body = html! {
        @if !definition.description.is_empty() { p.lead { (cut(&definition.description, 1_000)) } }
        form.card.stack method="post" action=(format!("{}/runs", address_of(&name))) enctype="multipart/form-data" {
            (signed(visitor.token()))
            @for (role, spec) in &definition.inputs { (given(role, spec)) }
            (params(definition))
            p { button.primary type="submit" { "Run" } }
        }
        p.hint { "A file has at most " (state.settings().body) "." }
    };
    Ok(visitor.page(Section::Pipelines, &format!("Run {name}"), body))
}

fn given(role: &str, spec: &InputSpec) -> Markup {
    let id = format!("in-{role}");
    let needed = spec.min > 0;
    let accept = Some(spec.accept.join(",")).filter(|accept| accept != "*/*");
    html! {
        div.field {
            label for=(id) { (role) @if !needed { span.dim { " (may be left out)" } } }
            @match spec.kind {
                InputKind::File => { input id=(id) name=(role) type="file" required[needed] multiple[spec.max > 1] accept=[accept]; },
                InputKind::Document => { input id=(id) name=(role) type="text" required[needed] placeholder="doc_…" autocomplete="off"; },
                InputKind::Text => { textarea id=(id) name=(role) rows="6" required[needed] {} },
                InputKind::Record => { textarea id=(id) name=(role) rows="6" required[needed] placeholder="{ }" spellcheck="false" {} },
            }
            @if let (InputKind::File, [first, ..]) = (spec.kind, spec.accept.as_slice()) && first != "*/*" {
                p.hint { "Taken: " (spec.accept.iter().map(|kind| short(kind)).collect::<Vec<_>>().join(", ")) }
            }
        }
    }
}

/// A media type as people call it.
fn short(media_type: &str) -> &str {
    match media_type {
        "application/pdf" => "PDF",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "Word",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "Excel",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "PowerPoint",
        "text/html" => "HTML",
        "application/xhtml+xml" => "XHTML",
        "text/plain" => "text",
        "text/markdown" => "Markdown",
        "text/csv" => "CSV",
        "text/tab-separated-values" => "TSV",
        other => other,
    }
}

/// A field for each param that the definition names.
fn params(definition: &Definition) -> Markup {
    let Some(schema) = &definition.params else {
        return html! {};
    };
    let properties = schema.get("properties").and_then(Json::as_object);
    let required = |name: &str| {
        let list = schema.get("required").and_then(Json::as_array);
        list.is_some_and(|list| list.iter().any(|one| one == name))
    };
    html! {
        @for (name, about) in properties.into_iter().flatten().take(MAX_PARAMS) {
            @let id = format!("param-{name}");
            @let words = about.get("enum").and_then(Json::as_array);
            @let kind = about.get("type").and_then(Json::as_str).unwrap_or_default();
            div.field {
                label for=(id) { (name) @if !required(name) { span.dim { " (may be left out)" } } }
                @if let Some(words) = words {
                    select id=(id) name=(name) required[required(name)] {
                        option value="" { "—" }
                        @for word in words.iter().filter_map(Json::as_str).take(200) { option { (word) } }
                    }
                } @else if kind == "boolean" {
                    select id=(id) name=(name) required[required(name)] { option value="" { "—" } option value="true" { "yes" } option value="false" { "no" } }
                } @else {
                    input id=(id) name=(name) type="text" required[required(name)] autocomplete="off"
                        inputmode=[matches!(kind, "integer" | "number").then_some("decimal")];
                }
                @if let Some(said) = about.get("description").and_then(Json::as_str) { p.hint { (cut(said, 300)) } }
            }
        }
    }
}

/// Runs it, and shows the run.
pub async fn run(
    State(state): State<ApiState>,
    visitor: Visitor<InvokeRuns>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (token, zone) = (visitor.token().clone(), visitor.zone().to_owned());
    let made = runs::carry_out(
        &state,
        visitor.caller(),
        &name,
        runs::Asked::default(),
        async |definition| upload::read_form(&state, definition, request, &token).await,
    );
    let (answer, seen) = match made.await {
        Ok(Done::Now(answer, seen)) => (*answer, seen),
        // Nobody asks for that here; if somebody does, it is found under its address.
        Ok(Done::Kept { run, .. }) => return Ok(see_other(&format!("/console/runs/{run}"))),
        // It is kept, with why it failed.
        Err(problem) if problem.run.is_some() && visitor.may(Scope::RunsRead) => {
            let run = problem.run.map(|run| format!("/console/runs/{run}"));
            return Ok(see_other(&run.unwrap_or_default()));
        }
        Err(problem) => return Err(problem),
    };
    match runs::kept(&answer).filter(|_| seen) {
        Some(run) if visitor.may(Scope::RunsRead) => Ok(see_other(&format!("/console/runs/{run}"))),
        kept => {
            let (run, pages) = at_hand(answer);
            let body = told(&run, &pages, &zone, kept.is_some(), true);
            Ok(visitor.page(Section::Pipelines, &format!("Run of {name}"), body))
        }
    }
}

/// A run that was just executed, in the shape of one that is kept.
fn at_hand(answer: Answer) -> (StoredRun, Vec<PageText>) {
    let mut pages = Vec::new();
    for record in &answer.outcome.readings {
        for (number, page) in (0..).zip(&record.reading.pages) {
            pages.push(PageText {
                reading: record.reading.key.clone(),
                document: None,
                number,
                label: page.info.label.clone(),
                text: page.text.clone(),
            });
        }
    }
    let run = StoredRun {
        status: answer.outcome.status,
        queued: None,
        head: answer.head,
        outcome: Some(answer.outcome),
        readings: Vec::new(),
        duplicates: Vec::new(),
    };
    (run, pages)
}
