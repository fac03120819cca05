//! `docmill run FILE`, `docmill run --file ROLE=PATH`

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value as Json};

use crate::cli::{Arguments, Run};
use crate::client::{Client, Upload, segment};
use crate::exit;
use crate::show::{self, Style, list, say, text};

/// The role of a document of which nobody says another, as in a definition that names no inputs.
pub const FILE: &str = "file";
/// The pipeline of a run for which nobody says another.
const READ: &str = "read";

/// Runs documents through a pipeline and shows the result; the exit code tells the verdict.
pub async fn run(arguments: &Arguments, options: &Run) -> Result<u8> {
    let uploads = uploads(options)?;
    let params = params(&options.params)?;
    let client = Client::open(arguments).await?;
    let pipeline = match &options.pipeline {
        Some(pipeline) => pipeline.clone(),
        None => default_pipeline(&client).await,
    };
    let answer = client.run(&pipeline, uploads, &params).await;
    let shown = match &answer {
        Ok(answer) if options.json => serde_json::to_string_pretty(answer)
            .map(|t| t + "\n")
            .map_err(anyhow::Error::from),
        Ok(answer) => Ok(show::run(answer, Style::stdout()) + &pages_if_nothing_else(&client, answer).await),
        Err(_) => Ok(String::new()),
    };
    client.close().await;
    let answer = answer?;
    say!("{}", shown?.trim_end());
    Ok(match answer.get("verdict").and_then(Json::as_str) {
        Some("fail") => exit::VERDICT_FAIL,
        Some("undecided") => exit::VERDICT_UNDECIDED,
        _ => exit::OK,
    })
}

/// The organisation's, if it has one and the key may see it.
async fn default_pipeline(client: &Client) -> String {
    let tenant = client.get("/v1/tenant").await.unwrap_or_default();
    let named = tenant.get("default_pipeline").and_then(Json::as_str);
    named.unwrap_or(READ).to_owned()
}

/// A pipeline that only reads has no fields to show: then the pages' text is the result.
async fn pages_if_nothing_else(client: &Client, answer: &Json) -> String {
    if !list(answer, "fields").is_empty() || !list(answer, "artifacts").is_empty() {
        return String::new();
    }
    let Some(document) = list(answer, "documents").first().map(|d| text(d, "id")) else {
        return String::new();
    };
    let Ok(document) = client.get(&format!("/v1/documents/{}", segment(&document))).await else {
        return String::new();
    };
    let style = Style::stdout();
    let mut out = String::new();
    // The reading that this run made, or found made already.
    let id = list(answer, "readings").first().map(|r| text(r, "id"));
    let readings = list(&document, "readings");
    let reading = readings
        .iter()
        .find(|r| id.as_ref().is_some_and(|id| *id == text(r, "id")))
        .or(readings.first());
    for page in reading.map_or(&[][..], |reading| list(reading, "pages")) {
        let number = page.get("number").and_then(Json::as_u64).unwrap_or(0) + 1;
        out.push_str(&format!(
            "{}\n{}\n",
            style.dim(&format!("── page {number}")),
            text(page, "text")
        ));
    }
    out
}

/// Every document in its role.
fn uploads(options: &Run) -> Result<Vec<Upload>> {
    let plain = options.files.iter().map(|path| (FILE, path, &options.media_type));
    let named = options
        .inputs
        .iter()
        .map(|input| (input.role.as_str(), &input.path, &None));
    let all: Vec<_> = plain.chain(named).collect();
    ensure!(
        all.iter().filter(|(_, path, _)| is_stdin(path)).count() <= 1,
        "standard input can be read once; give the other documents as files"
    );
    all.into_iter()
        .map(|(role, path, media_type)| {
            let (name, bytes) = read(path)?;
            Ok(Upload {
                role: role.to_owned(),
                name,
                media_type: media_type.clone(),
                bytes,
            })
        })
        .collect()
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A document's name and bytes.
fn read(path: &Path) -> Result<(String, Vec<u8>)> {
    if is_stdin(path) {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        return Ok(("stdin".to_owned(), bytes));
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    Ok((name, bytes))
}

/// `name=value` pairs as an object; a value that is JSON is taken as such, anything else as text.
pub fn params(pairs: &[String]) -> Result<Json> {
    let mut params = Map::new();
    for pair in pairs {
        let (name, value) = pair
            .split_once('=')
            .with_context(|| format!("'{pair}' is not NAME=VALUE"))?;
        let value = match serde_json::from_str::<Json>(value) {
            Ok(json @ (Json::Object(_) | Json::Array(_) | Json::Bool(_) | Json::Number(_))) => json,
            _ => Json::String(value.to_owned()),
        };
        params.insert(name.to_owned(), value);
    }
    Ok(Json::Object(params))
}
