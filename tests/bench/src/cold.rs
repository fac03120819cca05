//! The first call on a host that just started: compiled code is on the local disk, nothing is in memory.

use std::time::Instant;

use anyhow::Result;
use docmill_engine::Engine;

use crate::invoke::{load, once, settings, source};
use crate::report::Figure;
use crate::{component, document, median, runtime};

const STARTS: usize = 15;
/// The size that the figure is for.
const WANTED_BYTES: usize = 5_000_000;

/// A component made larger with a custom section would not have more code; the largest real parser stands for it, and its
/// size is in the figure's name.
pub fn measure() -> Result<Vec<Figure>> {
    let names = ["pdf", "office", "html", "text"];
    let mut parsers = Vec::new();
    for name in names {
        parsers.push((name, component(name)?));
    }
    let (name, bytes) = parsers
        .into_iter()
        .min_by_key(|(_, bytes)| bytes.len().abs_diff(WANTED_BYTES))
        .ok_or_else(|| anyhow::anyhow!("there is a parser"))?;
    // A document that the parser refuses is as good: the call is what is measured.
    let source = source(document(), "application/pdf");
    let code = tempfile::tempdir()?;
    let settings = settings(code.path())?;
    let runtime = runtime()?;
    runtime.block_on(async { load(&Engine::new(settings.clone())?, &bytes).await.map(drop) })?;
    let mut first = Vec::new();
    for _ in 0..STARTS {
        first.push(runtime.block_on(async {
            let engine = Engine::new(settings.clone())?;
            let started = Instant::now();
            let plugin = engine
                .load(docmill_model::digest::Digest::of(&bytes), || async {
                    Err(docmill_model::failure::Failure::new(
                        docmill_model::failure::Code::Internal,
                        "compiled code was not on disk",
                    ))
                })
                .await?;
            once(&engine, &plugin, &source).await.ok();
            anyhow::Ok(started.elapsed().as_secs_f64() * 1000.0)
        })?);
    }
    let megabytes = bytes.len() as f64 / 1e6;
    let title = format!("first call, code on disk, `{name}` of {megabytes:.1} MB");
    Ok(vec![Figure::bounded(
        &title,
        median(first),
        "ms",
        "≤ 10 ms",
        |ms| ms <= 10.0,
    )])
}
