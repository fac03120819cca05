//! A pipeline of three steps without persistence, beside one bare call of the same component. Every run reads another
//! document, and no two steps have the same configuration: nothing is reused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use docmill_blob::Blobs;
use docmill_engine::Engine;
use docmill_engine::bare::{Bare, PoolSettings};
use docmill_model::definition::Definition;
use docmill_model::digest::Digest;
use docmill_model::id::{DocumentId, RunId, SourceId, TenantId};
use docmill_model::plugin::Kind;
use docmill_model::run::Status;
use docmill_model::size::ByteSize;
use docmill_pipeline::{Catalog, Executor, FileInput, Loader, RunContext, RunInputs, execute, plan};
use docmill_store::plugin::CatalogEntry;

use crate::invoke::{load, settings, source};
use crate::report::Figure;
use crate::{component, document, median, runtime};

const RUNS: usize = 3_000;

const DEFINITION: &str = "
name: three
retain: none
steps:
  - { id: one, use: docmill/text@*, with: { format: auto } }
  - { id: two, use: docmill/text@*, with: { format: plain } }
  - { id: three, use: docmill/text@*, with: { tables: true } }
";

/// Runs and bare calls in turn.
pub fn measure() -> Result<Vec<Figure>> {
    let bytes = component("text")?;
    let directory = tempfile::tempdir()?;
    let settings = settings(&directory.path().join("code"))?;
    runtime()?.block_on(async {
        let engine = Engine::new(settings.clone())?;
        let plugin = load(&engine, &bytes).await?;
        let manifest = engine.describe(&plugin).await?;
        let manifest = manifest.context("the plugin says nothing of itself")?;
        let bare = Bare::new(&settings, PoolSettings::Ours, &bytes).map_err(|e| anyhow::anyhow!("{e:#}"))?;

        let tenant = TenantId::new();
        let blobs = Blobs::directory(directory.path().join("blobs"))?;
        blobs
            .put(tenant, Digest::of(&bytes), bytes.clone().into())
            .await?;
        let cache = docmill_cache::Cache::open(ByteSize::mib(16), None).await?;
        let executor = Executor::new(engine.clone(), Loader::new(engine, blobs), cache, [7; 32]);
        let entry = CatalogEntry {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: Digest::of(&bytes),
            kind: Kind::Parser,
            manifest,
            size: bytes.len() as u64,
            signature: None,
            bundle: None,
        };
        let problems = |p: Vec<docmill_model::definition::Problem>| anyhow::anyhow!("{p:?}");
        let definition = Definition::parse(DEFINITION).map_err(problems)?;
        let plan = Arc::new(plan(&definition, &Catalog::new(vec![entry])).map_err(problems)?);

        let task = tokio::spawn(async move {
            let (mut runs, mut calls) = (Vec::new(), Vec::new());
            for number in 0..RUNS {
                let mut body = document();
                body.extend_from_slice(format!("{number:08}").as_bytes());
                let source = source(body, "text/plain");
                let started = Instant::now();
                bare.parse(source.clone(), "{}")
                    .await
                    .map_err(|e| anyhow::anyhow!("{e:#}"))?;
                calls.push(started.elapsed().as_secs_f64() * 1e6);
                let file = FileInput {
                    document: DocumentId::new(),
                    source: SourceId::new(),
                    bytes: source,
                };
                let inputs = RunInputs {
                    files: BTreeMap::from([("file".to_owned(), vec![file])]),
                    ..RunInputs::default()
                };
                let context = RunContext {
                    run: RunId::new(),
                    started_at: 0,
                    deadline: None,
                    memory: None,
                    reuse: Some(docmill_model::access::Clearance::D),
                };
                let started = Instant::now();
                let (outcome, _) = execute(&executor, tenant, &plan, inputs, context).await;
                runs.push(started.elapsed().as_secs_f64() * 1e6);
                ensure!(outcome.status == Status::Succeeded, "{:?}", outcome.error);
            }
            // The first tenth warms up.
            anyhow::Ok((
                median(runs.split_off(RUNS / 10)),
                median(calls.split_off(RUNS / 10)),
            ))
        });
        let (run, call) = task.await??;
        let allowed = 3.0 * call + 150.0;
        anyhow::Ok(vec![Figure::compared(
            "three steps without persistence; beside 3 bare calls + 150 µs",
            run,
            "µs",
            allowed,
            "≤ 1",
            |r| r <= 1.0,
        )])
    })
}
