//! Results for people: what was found, how sure, and where it stands in the document.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use serde_json::Value as Json;

/// Prints to standard output. A reader that went away (`| head`) is no failure of the command.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::show::out(&format!($($words)*))
    };
}
pub(crate) use say;

/// A line on standard output.
pub fn out(line: &str) {
    use std::io::Write as _;
    writeln!(std::io::stdout().lock(), "{line}").ok();
}

/// Colours, if somebody looks.
#[derive(Clone, Copy)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// For standard output.
    pub fn stdout() -> Self {
        Self {
            colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    /// For whoever reads it without a terminal.
    #[cfg(test)]
    pub fn plain() -> Self {
        Self { colour: false }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Stands out.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Steps back.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn outcome(self, word: &str) -> String {
        match word {
            "pass" | "succeeded" => self.paint("32", word),
            "fail" | "failed" => self.paint("31", word),
            "undecided" | "skipped" | "fell_back" => self.paint("33", word),
            other => other.to_owned(),
        }
    }
}

/// A run's answer: verdict, fields with their quotes, checks, steps.
pub fn run(answer: &Json, style: Style) -> String {
    let mut out = String::new();
    let status = text(answer, "status");
    let verdict = answer.get("verdict").and_then(Json::as_str);
    let line = match verdict {
        Some(verdict) => format!("{}, verdict {}", style.outcome(&status), style.outcome(verdict)),
        None => style.outcome(&status),
    };
    writeln!(out, "{}  {}", style.bold(&text(answer, "id")), line).ok();
    if let Some(error) = answer.get("error").filter(|e| !e.is_null()) {
        writeln!(out, "  {} ({})", text(error, "message"), text(error, "code")).ok();
    }
    fields(&mut out, answer, style);
    checks(&mut out, answer, style);
    chunks(&mut out, answer, style);
    artifacts(&mut out, answer, style);
    steps(&mut out, answer, style);
    out
}

fn fields(out: &mut String, answer: &Json, style: Style) {
    let fields = list(answer, "fields");
    if fields.is_empty() {
        return;
    }
    let rows: Vec<[String; 4]> = fields
        .iter()
        .map(|field| {
            let citation = list(field, "citations").first();
            let place =
                citation.map(|c| format!("page {}", c.get("page").and_then(Json::as_u64).unwrap_or(0) + 1));
            let quote = citation.map(|c| format!("“{}”", shorten(&text(c, "quote"), 46)));
            let confidence = field
                .get("confidence")
                .and_then(Json::as_f64)
                .map(|c| format!("{:.0} %", c * 100.0));
            [
                text(field, "path"),
                shorten(&value(field), 40),
                confidence.unwrap_or_default(),
                [place, quote].into_iter().flatten().collect::<Vec<_>>().join(" "),
            ]
        })
        .collect();
    table(out, ["field", "value", "sure", "where"], &rows, style);
}

/// Chunks that are shown; the answer has them all.
const SHOWN_CHUNKS: usize = 20;

fn chunks(out: &mut String, answer: &Json, style: Style) {
    let chunks = list(answer, "chunks");
    if !chunks.is_empty() {
        let rows: Vec<[String; 4]> = chunks
            .iter()
            .take(SHOWN_CHUNKS)
            .map(|chunk| {
                let page = list(chunk, "citations").first().and_then(|c| c.get("page"));
                let page = page.and_then(Json::as_u64).unwrap_or(0) + 1;
                let headings: Vec<&str> = list(chunk, "headings").iter().filter_map(Json::as_str).collect();
                [
                    text(chunk, "id"),
                    shorten(&headings.join(" › "), 30),
                    format!("page {page}"),
                    format!("“{}”", shorten(&text(chunk, "text"), 60)),
                ]
            })
            .collect();
        table(out, ["chunk", "under", "where", "text"], &rows, style);
        if let Some(more) = chunks.len().checked_sub(SHOWN_CHUNKS).filter(|more| *more > 0) {
            writeln!(out, "  {}", style.dim(&format!("and {more} more chunks"))).ok();
        }
    }
    for made in list(answer, "embeddings") {
        let number = made.get("dimensions").and_then(Json::as_u64).unwrap_or(0);
        let line = format!(
            "  {} vectors of {number} numbers by {}",
            list(made, "vectors").len(),
            text(made, "model")
        );
        writeln!(out, "{line}").ok();
    }
}

/// A field's value on one line.
pub fn value(field: &Json) -> String {
    match field.get("value") {
        None | Some(Json::Null) => "–".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(Json::Object(money)) if money.contains_key("amount") => {
            let part = |name: &str| money.get(name).and_then(Json::as_str).unwrap_or_default();
            format!("{} {}", part("amount"), part("currency"))
                .trim_end()
                .to_owned()
        }
        Some(other) => other.to_string(),
    }
}

fn checks(out: &mut String, answer: &Json, style: Style) {
    for check in list(answer, "checks") {
        let outcome = text(check, "outcome");
        let mark = match outcome.as_str() {
            "pass" => "✓",
            "fail" => "✗",
            _ => "?",
        };
        let code = style.bold(&text(check, "code"));
        writeln!(
            out,
            "  {mark} {} {code}  {}",
            style.outcome(&outcome),
            text(check, "reason")
        )
        .ok();
    }
}

fn artifacts(out: &mut String, answer: &Json, style: Style) {
    for artifact in list(answer, "artifacts") {
        let size = artifact.get("size").and_then(Json::as_u64).unwrap_or(0);
        let about = style.dim(&format!("{} bytes, {}", size, text(artifact, "media_type")));
        writeln!(out, "  → {}  {about}", text(artifact, "name")).ok();
    }
}

fn steps(out: &mut String, answer: &Json, style: Style) {
    let parts: Vec<String> = list(answer, "steps")
        .iter()
        .filter(|step| text(step, "status") != "skipped")
        .map(|step| {
            let wall = step.get("wall_us").and_then(Json::as_f64).unwrap_or(0.0) / 1000.0;
            let attempts = list(step, "attempts");
            if attempts
                .iter()
                .any(|a| a.get("reused").and_then(Json::as_bool) == Some(true))
            {
                return format!("{} {wall:.1} ms (reused)", text(step, "step"));
            }
            let peak = attempts
                .iter()
                .filter_map(|a| a.get("usage")?.get("peak_memory_bytes")?.as_f64())
                .fold(0.0, f64::max);
            format!(
                "{} {wall:.1} ms, {:.1} MiB",
                text(step, "step"),
                peak / f64::from(1 << 20)
            )
        })
        .collect();
    if !parts.is_empty() {
        writeln!(out, "  {}", style.dim(&parts.join(" · "))).ok();
    }
}

/// Rows under a heading, columns as wide as they need.
pub fn table<'a, R: AsRef<[String]>>(
    out: &mut String,
    heading: impl AsRef<[&'a str]>,
    rows: &[R],
    style: Style,
) {
    let heading = heading.as_ref();
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.as_ref().get(column))
            .map(|cell| cell.chars().count());
        cells
            .chain(heading.get(column).map(|h| h.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let line = |cells: &[&str]| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let pad = if column + 1 == heading.len() {
                0
            } else {
                width(column).saturating_sub(cell.chars().count())
            };
            format!("{cell}{}", " ".repeat(pad))
        });
        padded.collect::<Vec<_>>().join("  ")
    };
    writeln!(out, "  {}", style.dim(line(heading).trim_end())).ok();
    for row in rows {
        let cells: Vec<&str> = row.as_ref().iter().map(String::as_str).collect();
        writeln!(out, "  {}", line(&cells).trim_end()).ok();
    }
}

/// A member that is a text, or nothing; control characters do not reach the terminal.
pub fn text(json: &Json, name: &str) -> String {
    let text = json.get(name).and_then(Json::as_str).unwrap_or_default();
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// A member that is a list, or none.
pub fn list<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

/// One line of at most `most` characters.
pub fn shorten(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let mut cut: String = line.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}
