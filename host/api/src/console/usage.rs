//! What was used: a chart by day, and a table.

use axum::extract::State;
use axum::response::Response;
use docmill_model::usage::Amounts;
use docmill_store::usage::{UsageGroup, UsageQuestion};
use maud::{Markup, html};

use super::door::Visitor;
use super::layout::Section;
use super::shown::{empty, input, number, select, size, span_us};
use super::words;
use crate::permission::ReadUsage;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;
use crate::time;
use crate::usage::span;

/// Rows of the table, at most.
const MAX_ROWS: usize = 500;

/// What was used.
pub async fn show(
    State(state): State<ApiState>,
    visitor: Visitor<ReadUsage>,
    query: Query,
) -> Result<Response, Problem> {
    let mut query = query.filled();
    let (first, last) = (query.peek("since"), query.peek("until"));
    let (since, until) = span(&mut query, visitor.zone())?;
    let by = query.take("by")?.unwrap_or_else(|| "pipeline".to_owned());
    query.finish()?;
    if !["pipeline", "plugin", "key"].contains(&by.as_str()) {
        return Err(Problem::malformed(
            "the query parameter 'by' is pipeline, plugin or key",
        ));
    }
    let days = time::days(since, until, visitor.zone());
    let asked = UsageQuestion {
        since,
        until,
        ..UsageQuestion::default()
    };
    let by_day = UsageQuestion {
        days: days.iter().map(|(_, begins)| *begins).collect(),
        ..asked.clone()
    };
    let grouped = UsageQuestion {
        by_pipeline: by == "pipeline",
        by_plugin: by == "plugin",
        by_key: by == "key",
        ..asked
    };
    let _place = state.heavy_place().await?;
    let (store, tenant) = (state.store(), visitor.tenant());
    let by_day = store.usage(tenant, &by_day).await.map_err(|e| e.failure())?;
    let groups = store.usage(tenant, &grouped).await.map_err(|e| e.failure())?;
    let mut total = Amounts::default();
    for group in &by_day {
        total.add(&group.amounts);
    }
    let per_day = |place: usize| {
        let found = by_day.iter().filter(move |group| group.day == Some(place));
        found.fold(Amounts::default(), |mut sum, group| {
            sum.add(&group.amounts);
            sum
        })
    };
    let runs: Vec<(&str, Amounts)> = days
        .iter()
        .enumerate()
        .map(|(place, (date, _))| (date.as_str(), per_day(place)))
        .collect();
    let body = html! {
        form.filters method="get" action="/console/usage" {
            (input("since", "From", "date", first.as_deref()))
            (input("until", "Before", "date", last.as_deref()))
            (select("by", "Told apart by", Some(by.as_str()), &[("pipeline", "pipeline"), ("plugin", "plugin"), ("key", "key")]))
            div.field { button type="submit" { "Show" } }
        }
        dl.figures {
            (figure("Runs", &number(total.runs), &format!("{} failed", number(total.runs_failed))))
            (figure("Calls of plugins", &number(total.calls), &format!("{} reused", number(total.calls_reused))))
            (figure("CPU time", &span_us(total.cpu_us), "of plugins"))
            (figure("Pages", &number(total.pages), "read"))
            (figure("Inputs", &size(total.input_bytes), "received"))
        }
        section { h2 { "Runs by day" } (chart(&runs)) }
        section {
            h2 { "By " (by) }
            @if groups.is_empty() { (empty(words::NO_USAGE, html! {})) } @else { (table(&by, &groups)) }
        }
    };
    Ok(visitor.page(Section::Usage, "Usage", body))
}

fn figure(name: &str, value: &str, more: &str) -> Markup {
    html! { div.figure { dt { (name) } dd { strong { (value) } span.dim { (more) } } } }
}

/// Bars, one a day; each says its day and number to who asks, and a table has them for who does not see it.
fn chart(days: &[(&str, Amounts)]) -> Markup {
    const HEIGHT: u64 = 120;
    let most = days
        .iter()
        .map(|(_, amounts)| amounts.runs)
        .max()
        .unwrap_or(0)
        .max(1);
    let tall = |runs: u64| {
        if runs == 0 {
            0
        } else {
            (runs * HEIGHT / most).max(2)
        }
    };
    let width = days.len().max(1) * 20;
    html! {
        @if let (Some((first, _)), Some((last, _))) = (days.first(), days.last()) {
            figure.chart {
                svg viewBox=(format!("0 0 {width} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(format!("Runs by day from {first} to {last}, at most {most} a day")) {
                    @for (place, (date, amounts)) in days.iter().enumerate() {
                        g {
                            title { (date) ": " (number(amounts.runs)) " runs, " (number(amounts.runs_failed)) " failed" }
                            rect.rail x=(place * 20 + 2) y="0" width="16" height=(HEIGHT) {}
                            rect.runs x=(place * 20 + 2) y=(HEIGHT - tall(amounts.runs)) width="16" height=(tall(amounts.runs)) {}
                            rect.failed x=(place * 20 + 2) y=(HEIGHT - tall(amounts.runs_failed)) width="16" height=(tall(amounts.runs_failed)) {}
                        }
                    }
                }
                figcaption { span { (first) } span.dim { "up to " (number(most)) " a day; the lower part of a bar: failed" } span { (last) } }
            }
            details {
                summary { "Days as a table" }
                div.scroll tabindex="0" role="group" aria-label="Runs by day" {
                    table {
                        thead { tr { th scope="col" { "Day" } th.n scope="col" { "Runs" } th.n scope="col" { "Failed" } th.n scope="col" { "Pages" } th.n scope="col" { "CPU time" } } }
                        tbody { @for (date, amounts) in days.iter().rev() { tr { th scope="row" { (date) } td.n { (number(amounts.runs)) } td.n { (number(amounts.runs_failed)) } td.n { (number(amounts.pages)) } td.n { (span_us(amounts.cpu_us)) } } } }
                    }
                }
            }
        }
    }
}

fn table(by: &str, groups: &[UsageGroup]) -> Markup {
    let name = |group: &UsageGroup| match by {
        "pipeline" => group.pipeline.clone().unwrap_or_default(),
        "plugin" => group
            .plugin
            .clone()
            .unwrap_or_else(|| "runs themselves".to_owned()),
        _ => group
            .key_name
            .clone()
            .or_else(|| group.key.map(|key| key.to_string()))
            .unwrap_or_else(|| "the platform".to_owned()),
    };
    html! {
        div.scroll tabindex="0" role="group" aria-label=(format!("Usage by {by}")) {
            table {
                thead { tr {
                    th scope="col" { (by) } th.n scope="col" { "Runs" } th.n scope="col" { "Failed" } th.n scope="col" { "Calls" } th.n scope="col" { "Reused" }
                    th.n scope="col" { "CPU time" } th.n scope="col" { "Pages" } th.n scope="col" { "Inputs" } th.n scope="col" { "Host calls" }
                } }
                tbody {
                    @for group in groups.iter().take(MAX_ROWS) {
                        @let a = &group.amounts;
                        tr {
                            th scope="row" { (name(group)) } td.n { (number(a.runs)) } td.n { (number(a.runs_failed)) } td.n { (number(a.calls)) } td.n { (number(a.calls_reused)) }
                            td.n { (span_us(a.cpu_us)) } td.n { (number(a.pages)) } td.n { (size(a.input_bytes)) } td.n { (size(a.host_call_bytes)) }
                        }
                    }
                }
            }
        }
        @if groups.len() > MAX_ROWS { p.hint { "Only the first " (MAX_ROWS) " are shown." } }
    }
}
