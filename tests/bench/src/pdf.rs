//! The PDF parser in the sandbox beside the same code compiled natively, on the repository's own PDF samples.
//!
//! The native half is a program of the plugins' workspace (another lock file, so that it cannot be linked here); it prints
//! microseconds for each file.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use docmill_engine::Engine;

use crate::invoke::{load, once, settings, source};
use crate::report::Figure;
use crate::{component, median, root, runtime};

const ROUNDS: usize = 15;

/// The sum over the samples of the median of each.
pub fn measure() -> Result<Vec<Figure>> {
    let samples = root().join("tests/samples/documents");
    let mut files: Vec<_> = std::fs::read_dir(&samples)?.flatten().map(|e| e.path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "pdf"));
    files.sort();
    ensure!(!files.is_empty(), "there is no PDF among the samples");

    let example = |command: &mut Command, verb: &str| {
        command.current_dir(root().join("plugins")).args([
            verb,
            "--quiet",
            "--release",
            "--package",
            "docmill-pdf",
            "--example",
            "time",
        ]);
    };
    let mut build = Command::new("cargo");
    example(&mut build, "build");
    ensure!(build.status()?.success(), "the native parser does not compile");
    // Natively its threads would take every core, and a guest has one.
    let mut run = if cfg!(target_os = "linux") {
        let mut pinned = Command::new("taskset");
        pinned.args(["--cpu-list", "0", "cargo"]);
        pinned
    } else {
        Command::new("cargo")
    };
    example(&mut run, "run");
    let output = run
        .arg("--")
        .arg(ROUNDS.to_string())
        .args(&files)
        .output()
        .context("cannot run the parser natively (Linux: with `taskset` of util-linux)")?;
    ensure!(
        output.status.success(),
        "the native parser failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let native: Vec<f64> =
        serde_json::from_slice(&output.stdout).context("the native parser prints a list of numbers")?;

    let bytes = component("pdf")?;
    let code = tempfile::tempdir()?;
    let settings = settings(code.path())?;
    let sandboxed = runtime()?.block_on(async {
        let engine = Engine::new(settings)?;
        let plugin = load(&engine, &bytes).await?;
        let mut medians = Vec::new();
        for file in &files {
            let source = source(std::fs::read(file)?, "application/pdf");
            let mut times = Vec::new();
            for _ in 0..ROUNDS {
                let started = Instant::now();
                once(&engine, &plugin, &source).await?;
                times.push(started.elapsed().as_secs_f64() * 1e6);
            }
            medians.push(median(times));
        }
        anyhow::Ok(medians)
    })?;
    let (mine, theirs): (f64, f64) = (sandboxed.iter().sum(), native.iter().sum());
    let title = format!(
        "PDF to reading, {} files; beside the same code natively, on one core",
        files.len()
    );
    Ok(vec![Figure::compared(
        &title,
        mine / 1000.0,
        "ms",
        theirs / 1000.0,
        "≤ 2",
        |r| r <= 2.0,
    )])
}
