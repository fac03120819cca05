//! `docmill audit list | verify`

use anyhow::Result;
use serde_json::{Value as Json, json};

use crate::cli::{Arguments, Audit as Command};
use crate::client::{Client, segment};
use crate::exit;
use crate::show::{Style, list, say, shorten, table, text};

/// Longest subject that fits a line, in characters.
const SUBJECT: usize = 48;

/// Does what an `audit` command asks.
pub async fn audit(arguments: &Arguments, command: &Command) -> Result<u8> {
    let client = Client::open(arguments).await?;
    let answer = answer(&client, command).await;
    client.close().await;
    let (shown, code) = answer?;
    say!("{}", shown.trim_end());
    Ok(code)
}

async fn answer(client: &Client, command: &Command) -> Result<(String, u8)> {
    match command {
        Command::List {
            action,
            subject,
            by,
            since,
            until,
            limit,
            json,
        } => {
            let mut query = vec![format!("limit={limit}")];
            let given = [
                ("action", action),
                ("subject", subject),
                ("key", by),
                ("since", since),
                ("until", until),
            ];
            for (name, value) in given {
                query.extend(value.as_ref().map(|v| format!("{name}={}", segment(v))));
            }
            let entries = client.get(&format!("/v1/audit?{}", query.join("&"))).await?;
            let shown = if *json {
                serde_json::to_string_pretty(&entries)?
            } else {
                lines(&entries)
            };
            Ok((shown, exit::OK))
        }
        Command::Verify { head, json } => {
            let verified = verify(client, head.as_deref()).await?;
            let intact = verified.get("intact") == Some(&Json::Bool(true));
            let shown = if *json {
                serde_json::to_string_pretty(&verified)?
            } else {
                verdict(&verified, intact)
            };
            Ok((shown, if intact { exit::OK } else { exit::FAILED }))
        }
    }
}

/// Part by part, as one answer.
async fn verify(client: &Client, head: Option<&str>) -> Result<Json> {
    let known = head.map(|head| format!("head={}", segment(head)));
    let mut from: Option<String> = None;
    let mut checked = 0;
    loop {
        let query: Vec<String> = known
            .iter()
            .cloned()
            .chain(from.map(|from| format!("from={}", segment(&from))))
            .collect();
        let mut part = client
            .get(&format!("/v1/audit:verify?{}", query.join("&")))
            .await?;
        checked += part.get("checked").and_then(Json::as_u64).unwrap_or_default();
        // A part that is not complete has gone on by at least one entry.
        if part.get("complete") == Some(&Json::Bool(false)) {
            from = Some(text(&part, "head"));
            continue;
        }
        if let Some(part) = part.as_object_mut() {
            part.insert("checked".to_owned(), json!(checked));
        }
        return Ok(part);
    }
}

fn verdict(verified: &Json, intact: bool) -> String {
    let checked = verified.get("checked").and_then(Json::as_u64).unwrap_or_default();
    let head = text(verified, "head");
    if intact {
        return format!(
            "intact: {checked} entries are as they were written\nhead: {head}\nKeep the head elsewhere: with --head it proves another time that nothing up to here was cut off or written anew."
        );
    }
    let broken = verified.get("broken").cloned().unwrap_or_default();
    format!(
        "BROKEN: {} ({})\n{checked} entries before it are as they were written, up to {head}",
        text(&broken, "detail"),
        text(&broken, "fault"),
    )
}

fn lines(entries: &Json) -> String {
    let rows: Vec<[String; 6]> = list(entries, "items")
        .iter()
        .map(|entry| {
            let seq = entry.get("seq").and_then(Json::as_i64).unwrap_or_default();
            let by = match text(entry, "key") {
                key if key.is_empty() => "docmill".to_owned(),
                key => key,
            };
            [
                seq.to_string(),
                text(entry, "at"),
                text(entry, "action"),
                shorten(&text(entry, "subject"), SUBJECT),
                by,
                text(entry, "client_ip"),
            ]
        })
        .collect();
    let mut out = String::new();
    table(
        &mut out,
        ["place", "at", "action", "subject", "by", "from"],
        &rows,
        Style::stdout(),
    );
    out
}
