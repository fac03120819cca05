//! `docmill demo`: sample documents posted over HTTP, results compared with the truth.

mod crash;
mod hostile;
mod neighbour;
mod plugin;

use std::time::Instant;

use anyhow::{Context as _, Result};
use docmill_samples::verify::{PageText, verify};
use docmill_samples::{Sample, demo as default_samples, samples};
use serde_json::{Value as Json, json};

use crate::cli::{Arguments, Demo, Subject};
use crate::client::{Client, Upload, segment};
use crate::commands::{run::FILE, serve};
use crate::platform::{Platform, Start};
use crate::show::{self, Style, list, say, text};
use crate::{commands, exit};

/// Runs the samples; the exit code is a failure if one result differs from the truth.
pub async fn demo(arguments: &Arguments, options: &Demo) -> Result<u8> {
    match options.subject {
        Some(Subject::Crash) => return crash::demo(arguments, options.documents).await,
        Some(Subject::Hostile) => return hostile::demo(arguments).await,
        Some(Subject::Plugin) => return plugin::demo(arguments, options.json).await,
        None => {}
    }
    let style = Style::stdout();
    let started = Instant::now();
    let quiet = options.json;
    let say = |line: &str| {
        if !quiet {
            say!("{line}");
        }
    };
    let config = commands::load_config(arguments, &[])?;
    let database = match config.database_url {
        Some(_) => "the PostgreSQL of DATABASE_URL",
        None => "a private PostgreSQL",
    };
    say(&style.dim(&format!(
        "starting: {database}, the plugins inside this binary, HTTP on loopback"
    )));
    let start = Start {
        public: options.stay,
        ..Start::for_command()
    };
    let platform = Platform::start(config, start).await?;
    serve::announce_key(&platform);
    let key_file = platform.key_file().display().to_string();
    let neighbour = if quiet {
        None
    } else {
        platform.neighbour(neighbour::NAME).await?
    };
    let client = Client::of(platform)?;
    say(&style.dim(&format!(
        "ready after {:.1} s at {}",
        started.elapsed().as_secs_f64(),
        client.url()
    )));

    let chosen: Vec<&Sample> = if options.all {
        samples().iter().collect()
    } else {
        default_samples()
    };
    let mut wrong = 0;
    let mut last = None;
    for sample in &chosen {
        let shown = one(&client, sample, style)
            .await
            .with_context(|| format!("the sample {}", sample.file_name))?;
        wrong += usize::from(!shown.differences.is_empty());
        if options.json {
            say!("{}", shown.json(sample));
        } else {
            say!("{}", shown.text);
        }
        last = Some((*sample, text(&shown.answer, "id")));
    }
    if let (Some(secret), Some((sample, run))) = (neighbour, last) {
        let theirs = client.with_key(secret.expose())?;
        say(&neighbour::apart(&client, &theirs, sample, &run, style).await?);
        say(&neighbour::limited(&client, &theirs, style).await?);
        say(&neighbour::bill(&client, style).await?);
    }
    let seconds = started.elapsed().as_secs_f64();
    say(&format!(
        "{} of {} documents as their truth says, {seconds:.1} s in all",
        chosen.len() - wrong,
        chosen.len()
    ));
    say(NEXT);
    if options.stay {
        eprintln!(
            "docmill listens on {0}; the API key is in {key_file}\n\
             In a browser: {0}/console (sign in with that key)\nCtrl-C ends it.",
            client.url()
        );
        serve::until_told_to_stop().await;
    }
    client.close().await;
    Ok(if wrong == 0 { exit::OK } else { exit::FAILED })
}

const NEXT: &str = "
Try next (the binary is target/debug/docmill; nothing has to be running):
  docmill run YOUR.pdf                     what docmill reads in a document of your own
  docmill run YOUR.pdf --pipeline invoice  the fields of an invoice, checked
  docmill runs list                        every run is kept, with its evidence
  docmill plugin new acme/my-fields --kind extractor
                                           a plugin of your own, in a minute
  docmill dev                              reload plugins and pipelines while you edit them
  docmill demo plugin                      the life of one, from the first line to a version that breaks a promise
  docmill demo hostile                     a stranger's plugins attack while your runs go on
  docmill --help                           everything else";

struct Shown {
    answer: Json,
    differences: Vec<String>,
    milliseconds: f64,
    text: String,
}

impl Shown {
    fn json(&self, sample: &Sample) -> Json {
        json!({
            "document": sample.file_name,
            "media_type": sample.media_type,
            "right": self.differences.is_empty(),
            "differences": self.differences,
            "http_ms": self.milliseconds,
            "run": self.answer,
        })
    }
}

/// Posts a sample to its pipeline.
async fn post(client: &Client, sample: &Sample) -> Result<Json> {
    let truth = sample.truth()?;
    let upload = Upload {
        role: FILE.to_owned(),
        name: sample.file_name.to_owned(),
        media_type: Some(sample.media_type.to_owned()),
        bytes: sample.document.to_vec(),
    };
    let params = truth.get("params").unwrap_or(&Json::Null);
    client.run(&text(&truth, "pipeline"), vec![upload], params).await
}

async fn one(client: &Client, sample: &Sample, style: Style) -> Result<Shown> {
    let truth = sample.truth()?;
    let pipeline = text(&truth, "pipeline");
    let started = Instant::now();
    let answer = post(client, sample).await?;
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;

    // What is compared is what the platform kept, read again: fields, evidence, and the pages' text.
    let kept = client
        .get(&format!("/v1/runs/{}", segment(&text(&answer, "id"))))
        .await?;
    let document = list(&answer, "documents")
        .first()
        .map(|d| text(d, "id"))
        .context("the answer names no document")?;
    let document = client
        .get(&format!("/v1/documents/{}", segment(&document)))
        .await?;
    let mut differences = verify(&answer, &PageText::from_document(&document), &truth);
    differences.extend(
        verify(&kept, &PageText::from_document(&document), &truth)
            .into_iter()
            .map(|d| format!("as kept: {d}")),
    );
    differences.dedup();

    let heading = format!(
        "{} → {pipeline}, {milliseconds:.0} ms over HTTP",
        sample.file_name
    );
    let mut out = format!("\n{}\n{}", style.bold(&heading), show::run(&answer, style));
    let expected = truth
        .get("fields")
        .and_then(Json::as_object)
        .map_or(0, serde_json::Map::len);
    if differences.is_empty() {
        out.push_str(&format!(
            "  ✓ all {expected} expected fields, every quote and the verdict are as the truth says\n"
        ));
    }
    for difference in &differences {
        out.push_str(&format!("  ✗ {difference}\n"));
    }
    Ok(Shown {
        answer,
        differences,
        milliseconds,
        text: out,
    })
}
