//! `docmill usage`

use anyhow::Result;
use serde_json::Value as Json;

use crate::cli::{Arguments, Usage};
use crate::client::{Client, segment};
use crate::exit;
use crate::show::{Style, list, say, table, text};

/// What can be told apart, in the order of the answer.
const GROUPS: [&str; 4] = ["day", "pipeline", "plugin", "key"];
/// Heading and member of what adds up.
const AMOUNTS: [(&str, &str); 8] = [
    ("runs", "runs"),
    ("failed", "runs_failed"),
    ("calls", "calls"),
    ("reused", "calls_reused"),
    ("CPU ms", "cpu_us"),
    ("bytes in", "input_bytes"),
    ("call bytes", "host_call_bytes"),
    ("pages", "pages"),
];

/// Shows what was used.
pub async fn usage(arguments: &Arguments, options: &Usage) -> Result<u8> {
    let given = [
        ("since", &options.since),
        ("until", &options.until),
        ("pipeline", &options.pipeline),
        ("plugin", &options.plugin),
        ("key", &options.of_key),
    ];
    let mut query = vec![format!("by={}", segment(&options.by))];
    query.extend(
        given
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", segment(value.as_ref()?)))),
    );
    let client = Client::open(arguments).await?;
    let answer = client.get(&format!("/v1/usage?{}", query.join("&"))).await;
    client.close().await;
    let usage = answer?;
    if options.json {
        say!("{}", serde_json::to_string_pretty(&usage)?);
    } else {
        say!("{}", sheet(&usage, &options.by, Style::stdout()).trim_end());
        if let Some(models) = models(&usage, Style::stdout()) {
            say!("\n{}", models.trim_end());
        }
    }
    Ok(exit::OK)
}

/// The groups as a table with the total as its last line, numbers to the right.
pub fn sheet(usage: &Json, by: &str, style: Style) -> String {
    let asked = |name: &&str| by.split(',').any(|word| word == *name);
    let groups: Vec<&str> = GROUPS.into_iter().filter(asked).collect();
    let line = |group: &Json, names: Vec<String>| {
        let amounts = AMOUNTS.map(|(_, member)| amount(group, member));
        names.into_iter().chain(amounts).collect::<Vec<String>>()
    };
    let items = list(usage, "items").iter();
    let mut rows: Vec<Vec<String>> = items
        .map(|item| line(item, groups.iter().map(|name| named(item, name)).collect()))
        .collect();
    let names = groups.iter().enumerate();
    let names = names.map(|(column, _)| if column == 0 { "total" } else { "" }.to_owned());
    rows.extend(usage.get("total").map(|total| line(total, names.collect())));
    let mut heading: Vec<String> = groups.iter().map(|name| (*name).to_owned()).collect();
    heading.extend(AMOUNTS.map(|(heading, _)| heading.to_owned()));
    for column in groups.len()..heading.len() {
        let cells = || rows.iter().chain([&heading]).filter_map(|row| row.get(column));
        let width = cells().map(|cell| cell.chars().count()).max().unwrap_or(0);
        for row in rows.iter_mut().chain([&mut heading]) {
            if let Some(cell) = row.get_mut(column) {
                *cell = format!("{cell:>width$}");
            }
        }
    }
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    let mut out = String::new();
    table(&mut out, &heading, &rows, style);
    let (since, until) = (text(usage, "since"), text(usage, "until"));
    let span = format!("from {since} to {until}, days in {}", text(usage, "timezone"));
    out + "\n  " + &style.dim(&span) + "\n"
}

/// What was asked language models, if anything was.
fn models(usage: &Json, style: Style) -> Option<String> {
    let rows: Vec<[String; 7]> = list(usage, "models")
        .iter()
        .map(|row| {
            let number = |member: &str| row.get(member).and_then(Json::as_u64).unwrap_or(0).to_string();
            [
                text(row, "alias"),
                text(row, "model"),
                number("calls"),
                number("failed"),
                number("input_tokens"),
                number("output_tokens"),
                text(row, "cost"),
            ]
        })
        .collect();
    let heading = [
        "model",
        "is",
        "asked",
        "failed",
        "tokens in",
        "tokens out",
        "cost",
    ];
    let mut out = String::new();
    table(&mut out, heading, &rows, style);
    (!rows.is_empty()).then_some(out)
}

/// Of what: a key by its name, and something for what has none.
fn named(item: &Json, member: &str) -> String {
    let shown = match member {
        "key" => text(item, "key_name"),
        other => text(item, other),
    };
    match (shown.as_str(), member) {
        ("", "key") => text(item, "key"),
        ("", "plugin") => "(the runs themselves)".to_owned(),
        _ => shown,
    }
}

/// A whole number; microseconds as milliseconds, without rounding.
fn amount(group: &Json, member: &str) -> String {
    let number = group.get(member).and_then(Json::as_u64).unwrap_or(0);
    if member == "cpu_us" {
        format!("{}.{:03}", number / 1_000, number % 1_000)
    } else {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sheet_has_its_groups_and_their_sum() {
        let usage = json!({
            "since": "2026-11-01", "until": "2026-12-01", "timezone": "UTC",
            "total": { "runs": 12, "cpu_us": 1_234_007 },
            "items": [
                { "day": "2026-11-21", "plugin": null, "key": "key_1", "key_name": "robot", "runs": 12 },
                { "day": "2026-11-21", "plugin": "a/b@1.0.0", "key": "key_2", "runs": 0, "cpu_us": 1_234_007 },
            ],
        });
        let sheet = sheet(&usage, "key,day,plugin", Style::plain());
        let lines: Vec<Vec<&str>> = sheet
            .lines()
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|c| !c.is_empty())
                    .collect()
            })
            .collect();
        assert_eq!(lines[0][..5], ["day", "plugin", "key", "runs", "failed"]);
        assert_eq!(
            lines[1][..4],
            ["2026-11-21", "(the runs themselves)", "robot", "12"]
        );
        assert_eq!(lines[2][..4], ["2026-11-21", "a/b@1.0.0", "key_2", "0"]);
        assert_eq!(
            lines[3],
            ["total", "12", "0", "0", "0", "1234.007", "0", "0", "0"]
        );
    }
}
