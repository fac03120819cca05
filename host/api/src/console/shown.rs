//! How things are shown: times, sizes, states, values, the way to the next page. What came from documents, guests or clients goes
//! through the template, which escapes it; nothing here makes markup of it.

use docmill_model::failure::Failure;
use docmill_model::run::{Millis, Status};
use docmill_model::value::{Outcome, Severity, Value, Verdict};
use docmill_store::run::RunSummary;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::time::{rfc3339, zone};

/// Longest text of a value, in characters; the rest is in the API's answer.
const MAX_VALUE: usize = 2_000;

/// A time in the tenant's zone, with the time in UTC for who asks.
pub fn time(at: Millis, timezone: &str) -> Markup {
    let utc = rfc3339(at);
    let here = Timestamp::from_millisecond(at).ok().map(|time| {
        let zone = zone(timezone).unwrap_or(TimeZone::UTC);
        time.to_zoned(zone).strftime("%-d %b %Y, %H:%M:%S").to_string()
    });
    html! { time datetime=(utc) title=(format!("{utc} (UTC)")) { (here.as_deref().unwrap_or("—")) } }
}

/// The same, or a dash.
pub fn time_or(at: Option<Millis>, timezone: &str, none: &str) -> Markup {
    match at {
        Some(at) => time(at, timezone),
        None => html! { span.dim { (none) } },
    }
}

/// `12 345`
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1.4 MiB`
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// `3.2 ms`
pub fn span_us(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        1_000_000..120_000_000 => format!("{:.1} s", us as f64 / 1e6),
        _ => format!("{:.1} min", us as f64 / 6e7),
    }
}

/// From one time to another, which are known to the millisecond.
pub fn took(from: Millis, to: Millis) -> String {
    match u64::try_from(to.saturating_sub(from)).unwrap_or(0) {
        0 => "under 1 ms".to_owned(),
        ms => span_us(ms.saturating_mul(1_000)),
    }
}

/// A word in colour, with a sign before it: colour alone tells nothing.
fn badge(class: &str, sign: &str, word: &str) -> Markup {
    html! { span.badge.(class) { span aria-hidden="true" { (sign) } " " (word) } }
}

pub fn status(status: Status) -> Markup {
    match status {
        Status::Queued => badge("wait", "…", "queued"),
        Status::Running => badge("wait", "◌", "running"),
        Status::Succeeded => badge("good", "✓", "succeeded"),
        Status::Failed => badge("bad", "✕", "failed"),
        Status::Cancelled => badge("bad", "⊘", "cancelled"),
    }
}

pub fn verdict(verdict: Option<Verdict>) -> Markup {
    match verdict {
        None => html! {},
        Some(Verdict::Pass) => badge("good", "✓", "verdict: pass"),
        Some(Verdict::Fail) => badge("bad", "✕", "verdict: fail"),
        Some(Verdict::Undecided) => badge("doubt", "?", "verdict: undecided"),
    }
}

pub fn outcome(outcome: Outcome, severity: Severity) -> Markup {
    match (outcome, severity) {
        (Outcome::Pass, _) => badge("good", "✓", "pass"),
        (Outcome::Fail, Severity::Error) => badge("bad", "✕", "fail"),
        (Outcome::Fail, Severity::Warning) => badge("doubt", "!", "fail (warning)"),
        (Outcome::Fail, Severity::Info) => badge("wait", "i", "fail (info)"),
        (Outcome::Undecided, _) => badge("doubt", "?", "undecided"),
    }
}

/// `text`, cut after `most` characters.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// A field's value for people.
pub fn value(value: Option<&Value>) -> Markup {
    let text = match value {
        None => return html! { span.dim { "not found" } },
        Some(Value::Text(text) | Value::Decimal(text) | Value::Date(text) | Value::DateTime(text)) => {
            text.clone()
        }
        Some(Value::Boolean(value)) => if *value { "yes" } else { "no" }.to_owned(),
        Some(Value::Money(money)) => {
            let currency = money.currency.as_deref().unwrap_or_default();
            format!("{} {currency}", money.amount).trim_end().to_owned()
        }
        Some(Value::Json(value)) => value.to_string(),
    };
    html! { (cut(&text, MAX_VALUE)) }
}

/// The kind of a value.
pub const fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "",
        Some(Value::Text(_)) => "text",
        Some(Value::Boolean(_)) => "yes or no",
        Some(Value::Decimal(_)) => "number",
        Some(Value::Money(_)) => "money",
        Some(Value::Date(_)) => "date",
        Some(Value::DateTime(_)) => "time",
        Some(Value::Json(_)) => "data",
    }
}

/// Why something failed.
pub fn failure(failure: &Failure) -> Markup {
    html! {
        div.notice.bad {
            p { strong { (failure.code) } @if let Some(reason) = &failure.reason { " · " (reason) } }
            p { (cut(&failure.message, MAX_VALUE)) }
            p.hint {
                @if let Some(step) = &failure.step { "Step " code { (step) } " · " }
                @if let Some(plugin) = &failure.plugin { code { (plugin) } " · " }
                a href=(format!("/errors/{}", failure.code)) { "what it means" }
            }
        }
    }
}

/// Runs, one below the other.
pub fn runs(runs: &[RunSummary], timezone: &str) -> Markup {
    html! {
        ul.rows {
            @for run in runs {
                li.row {
                    div.what {
                        a.title href=(format!("/console/runs/{}", run.id)) { (run.pipeline) span.dim { " v" (run.version_number) } }
                        @if !run.lookups.is_empty() {
                            span.facts { @for one in &run.lookups { span { span.dim { (one.name) ": " } (cut(&one.value, 100)) } } }
                        }
                        @if let Some(error) = &run.error { span.facts { code { (error.code) } } }
                        span.id { (run.id) }
                    }
                    div.state { (status(run.status)) " " (verdict(run.verdict)) }
                    div.when {
                        (time(run.created_at, timezone))
                        @if let Some(end) = run.finished_at {
                            span.dim { " · " (took(run.created_at, end)) }
                        }
                    }
                }
            }
        }
    }
}

/// Further pages of a list: the address so far, with the cursor.
pub fn further(next: Option<&str>, address: &str, query: &str) -> Markup {
    let Some(next) = next else {
        return html! {};
    };
    let mut more = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "cursor" && !value.is_empty() {
            more.append_pair(&name, &value);
        }
    }
    more.append_pair("cursor", next);
    html! { p.further { a.button href=(format!("{address}?{}", more.finish())) { "Older ones" } } }
}

/// A name in an address.
pub fn in_address(name: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    encoded.replace('+', "%20")
}

/// Text for people: what stands between backticks is code.
pub fn prose(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// What an empty list says, and what to do next.
pub fn empty(said: &str, next: Markup) -> Markup {
    html! { div.empty { p { (prose(said)) } (next) } }
}

/// A field of a form: its label over it.
pub fn select(name: &str, label: &str, chosen: Option<&str>, choices: &[(&str, &str)]) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                @for (value, word) in choices {
                    option value=(value) selected[chosen.unwrap_or_default() == *value] { (word) }
                }
            }
        }
    }
}

/// A field for a line of text.
pub fn input(name: &str, label: &str, kind: &str, value: Option<&str>) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            input id=(name) name=(name) type=(kind) value=[value] autocomplete="off";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_for_people() {
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!([number(0), number(999)], ["0", "999"]);
        assert_eq!([size(0), size(1023), size(1536)], ["0 B", "1023 B", "1.5 KiB"]);
        assert_eq!(
            [span_us(9), span_us(1_500), span_us(2_000_000)],
            ["9 µs", "1.5 ms", "2.0 s"]
        );
        assert_eq!(cut("абвг", 3), "абв…");
        assert_eq!(cut("абв", 3), "абв");
    }

    #[test]
    fn times_are_the_tenants_and_name_utc() {
        let shown = time(1_795_229_591_120, "Asia/Almaty").into_string();
        assert!(shown.contains("21 Nov 2026, 07:53:11"), "{shown}");
        assert!(shown.contains("2026-11-21T02:53:11.120Z (UTC)"), "{shown}");
        assert!(time(i64::MAX, "Middle/Earth").into_string().contains('—'));
    }

    #[test]
    fn further_pages_keep_the_filters() {
        let more = further(
            Some("run_2"),
            "/console/runs",
            "status=failed&cursor=run_1&verdict=",
        )
        .into_string();
        assert!(
            more.contains("/console/runs?status=failed&amp;cursor=run_2"),
            "{more}"
        );
        assert_eq!(further(None, "/x", "").into_string(), "");
    }
}
