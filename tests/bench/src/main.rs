//! `cargo xtask bench [NAME…] [--json FILE]`: figures as ratios in one run. An absolute time means nothing elsewhere; what
//! stands beside it was measured on the same machine in the same minute.
//!
//! The hidden commands are the processes that a measurement needs: a load generator, and the server it is compared with.

mod clients;
mod cold;
mod earlier;
mod fairness;
mod hidden;
mod hostile;
mod http;
mod idle;
mod invoke;
mod load;
mod machine;
mod pdf;
mod queue;
mod reference;
mod report;
mod server;
mod spinners;
mod steps;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use report::{Figure, Report};

/// A benchmark: its name and what it measures.
struct Bench {
    name: &'static str,
    about: &'static str,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "invoke",
        about: "engine::invoke beside a bare wasmtime loop, fresh instance, 1 KiB document",
    },
    Bench {
        name: "steps",
        about: "a three-step pipeline without persistence beside one bare call",
    },
    Bench {
        name: "cold",
        about: "first call of a 5 MB component whose compiled code is on disk",
    },
    Bench {
        name: "http",
        about: "runs over HTTP, retain none, beside axum + bare wasmtime",
    },
    Bench {
        name: "durable",
        about: "durable runs over HTTP beside axum + bare wasmtime + one INSERT",
    },
    Bench {
        name: "spinners",
        about: "64 guests that spin for ever, /healthz meanwhile",
    },
    Bench {
        name: "fairness",
        about: "a tenant's runs beside one that sends a hundred times its share",
    },
    Bench {
        name: "hostile",
        about: "a tenant's runs beside one that attacks in every way that its quota permits",
    },
    Bench {
        name: "idle",
        about: "memory of a thousand plugins that nobody calls; looking at an upload of 10 MiB",
    },
    Bench {
        name: "hidden",
        about: "refusals of what may not be seen beside those of what is not there",
    },
    Bench {
        name: "earlier",
        about: "runs over HTTP beside an earlier docmill, the program that DOCMILL_EARLIER names",
    },
    Bench {
        name: "queue",
        about: "queued runs of three steps beside a plain SKIP LOCKED loop with as many durable commits",
    },
    Bench {
        name: "pdf",
        about: "the PDF parser in the sandbox beside the same code compiled natively",
    },
];

fn main() -> ExitCode {
    match dispatch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["__load", rest @ ..] => return load::generate(rest),
        ["__reference", rest @ ..] => return reference::serve(rest),
        _ => {}
    }
    let (names, json) = parse(&words)?;
    let (mut report, mut failed) = (Report::new(), Vec::new());
    for bench in BENCHES
        .iter()
        .filter(|b| names.is_empty() || names.contains(&b.name))
    {
        eprintln!("measuring {}: {}", bench.name, bench.about);
        let figures = match bench.name {
            "invoke" => invoke::measure(),
            "steps" => steps::measure(),
            "cold" => cold::measure(),
            "http" => http::measure(false),
            "durable" => http::measure(true),
            "spinners" => spinners::measure(),
            "fairness" => fairness::measure(),
            "hostile" => hostile::measure(),
            "idle" => idle::measure(),
            "hidden" => hidden::measure(),
            "earlier" => earlier::measure(),
            "queue" => queue::measure(),
            _ => pdf::measure(),
        };
        match figures {
            Ok(figures) => report.add(figures),
            // The others are still worth reading.
            Err(error) => {
                eprintln!("benchmark {} failed: {error:#}", bench.name);
                failed.push(bench.name);
            }
        }
    }
    print!("{}", report.table());
    if let Some(file) = json {
        std::fs::write(&file, report.json()?).with_context(|| format!("cannot write {}", file.display()))?;
    }
    ensure!(failed.is_empty(), "without a figure: {}", failed.join(", "));
    Ok(())
}

fn parse<'a>(words: &[&'a str]) -> Result<(Vec<&'a str>, Option<PathBuf>)> {
    let (mut names, mut json) = (Vec::new(), None);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match *word {
            "--json" => json = Some(PathBuf::from(*rest.next().context("--json needs a file")?)),
            name if BENCHES.iter().any(|b| b.name == name) => names.push(name),
            other => {
                let known: Vec<String> = BENCHES
                    .iter()
                    .map(|b| format!("  {:<9} {}", b.name, b.about))
                    .collect();
                bail!("there is no benchmark '{other}'; there are\n{}", known.join("\n"));
            }
        }
    }
    Ok((names, json))
}

/// A component of `plugins/dist/`.
fn component(name: &str) -> Result<Vec<u8>> {
    let path = root().join("plugins/dist").join(format!("{name}.wasm"));
    std::fs::read(&path).with_context(|| format!("{} is missing; run: cargo xtask plugins", path.display()))
}

/// The repository.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// About 1 KiB of an ordinary text, with labels and Cyrillic letters.
fn document() -> Vec<u8> {
    let line = "Счёт № 000123 от 12.03.2024\nПоставщик: ТОО «Пример»\nИтого: 1 234,56 KZT\n\n";
    line.repeat(1_024 / line.len()).into_bytes()
}

/// The middle of some measurements.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value that `share` of the measurements do not pass.
fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len().max(1)) - 1;
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// A runtime like the product's.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// A figure without a baseline.
fn plain(name: &str, value: f64, unit: &'static str) -> Figure {
    Figure {
        name: name.to_owned(),
        value,
        unit,
        baseline: None,
        ratio: None,
        target: None,
        holds: None,
        conditions: None,
    }
}
