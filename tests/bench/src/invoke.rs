//! `engine::invoke` beside the same component in a bare wasmtime loop.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use docmill_engine::bare::{Bare, PoolSettings};
use docmill_engine::{Call, Context, Engine, Output, Plugin, Settings};
use docmill_model::digest::Digest;
use docmill_model::limits::Limits;
use docmill_model::reading::Source;

use crate::report::Figure;
use crate::{component, document, median, runtime};

const ROUNDS: usize = 40;
const CALLS: usize = 500;

/// Engine settings with the compile child of the `docmill` binary beside this one.
pub fn settings(code: &std::path::Path) -> Result<Settings> {
    let mut settings = Settings::new(code.to_owned(), [7; 32]);
    let docmill = std::env::current_exe()?.with_file_name("docmill");
    settings.compiler = Some(vec![docmill.into_os_string(), "__compile".into()]);
    Ok(settings)
}

/// The document as a source.
pub fn source(bytes: Vec<u8>, media_type: &str) -> Arc<Source> {
    let digest = Digest::of(&bytes);
    Arc::new(Source {
        media_type: media_type.to_owned(),
        name: None,
        digest,
        bytes: bytes.into(),
    })
}

/// Loads a component, compiling it in the child if it must.
pub async fn load(engine: &Engine, bytes: &[u8]) -> Result<Plugin> {
    let component = bytes::Bytes::copy_from_slice(bytes);
    Ok(engine
        .load(Digest::of(bytes), || async move { Ok(component) })
        .await?)
}

/// One call of the engine that must give a reading.
pub async fn once(engine: &Engine, plugin: &Plugin, source: &Arc<Source>) -> Result<()> {
    let call = Call::Parse {
        source: source.clone(),
        config: "{}".into(),
    };
    let context = Context {
        now: 0,
        seed: [0; 32],
        deadline: None,
    };
    match engine
        .invoke(plugin, call, &Limits::default(), &context)
        .await
        .result?
    {
        Output::Reading(reading) if !reading.pages.is_empty() => Ok(()),
        _ => bail!("the parser gave no reading"),
    }
}

/// Both in turn, round by round, so that a machine that slows down slows both.
pub fn measure() -> Result<Vec<Figure>> {
    let bytes = component("text")?;
    let source = source(document(), "text/plain");
    let code = tempfile::tempdir()?;
    let settings = settings(code.path())?;
    let runtime = runtime()?;
    runtime
        .block_on(async {
            let engine = Engine::new(settings.clone())?;
            let plugin = load(&engine, &bytes).await?;
            let bare =
                Bare::new(&settings, PoolSettings::Ours, &bytes).map_err(|e| anyhow::anyhow!("{e:#}"))?;
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for round in 0..ROUNDS + 2 {
                // A task, as a request is: the first future of a runtime runs outside its threads.
                let (engine, plugin, task_source) = (engine.clone(), plugin.clone(), source.clone());
                let spent = tokio::spawn(async move {
                    let started = Instant::now();
                    for _ in 0..CALLS {
                        once(&engine, &plugin, &task_source).await?;
                    }
                    anyhow::Ok(started.elapsed())
                });
                let spent = spent.await??.as_secs_f64() * 1e6 / CALLS as f64;
                let (bare, task_source) = (bare.clone(), source.clone());
                let reference = tokio::spawn(async move {
                    let started = Instant::now();
                    for _ in 0..CALLS {
                        let size = bare
                            .parse(task_source.clone(), "{}")
                            .await
                            .map_err(|e| anyhow::anyhow!("{e:#}"))?;
                        anyhow::ensure!(size > 0, "the parser gave no reading");
                    }
                    anyhow::Ok(started.elapsed())
                });
                let reference = reference.await??.as_secs_f64() * 1e6 / CALLS as f64;
                if round >= 2 {
                    ours.push(spent);
                    theirs.push(reference);
                }
            }
            let (ours, theirs) = (median(ours), median(theirs));
            anyhow::Ok(vec![Figure::compared(
                "engine::invoke, fresh instance, 1 KiB",
                ours,
                "µs",
                theirs,
                "≤ 1.25",
                |r| r <= 1.25,
            )])
        })
        .context("engine")
}
