//! Order, retries, fan-outs, merging and names, over a caller that does what its configuration says. Real plugins in the
//! real engine are called by the tests of the whole platform.

mod chunks;
mod failures;
mod flow;
mod reading;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use docmill_blob::Blobs;
use docmill_engine::{Call, Invocation, Output, Settings};
use docmill_model::access::Clearance;
use docmill_model::chunk::{self, Chunk, Embeddings, NewChunk};
use docmill_model::definition::Definition;
use docmill_model::digest::Digest;
use docmill_model::id::{DocumentId, SourceId};
use docmill_model::plugin::{Kind, Manifest};
use docmill_model::reading::{Inputs, Page, PageInfo, Reading, Source, TextOrigin, TextRange, TextSpan};
use docmill_model::run::{AttemptRecord, CallUsage, Status, StepStatus};
use docmill_model::size::ByteSize;
use docmill_model::value::{Artifact, Check, Citation, Field, MatchClass, Outcome, Severity, Value, Verdict};
use docmill_store::plugin::CatalogEntry;
use serde_json::json;

use super::call::Request;
use super::*;
use crate::catalog::Catalog;
use crate::inputs::FileInput;
use crate::plan::plan;

/// What the scripted plugins were asked, in order.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) requests: Mutex<Vec<(String, serde_json::Value, [u8; 32])>>,
    failures: Mutex<HashMap<String, usize>>,
    pub(super) at_once: AtomicUsize,
    pub(super) most_at_once: AtomicUsize,
    pub(super) finished: AtomicUsize,
    /// Of the engine and the blobs; goes with the test.
    _directory: Option<tempfile::TempDir>,
}

impl Asked {
    pub(super) fn count(&self, plugin: &str) -> usize {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .filter(|(name, ..)| name == plugin)
            .count()
    }

    pub(super) fn seeds(&self) -> Vec<[u8; 32]> {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .map(|(_, _, seed)| *seed)
            .collect()
    }
}

/// Kinds by name: `t/parse`, `t/extract`, `t/validate`, `t/transform`, `t/split`, `t/embed`, and `-2` of each.
pub(super) fn catalog() -> Catalog {
    let entry = |name: &str, kind: Kind| CatalogEntry {
        name: name.parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        digest: Digest::of(name.as_bytes()),
        kind,
        manifest: Manifest {
            name: name.parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
            summary: String::new(),
            config_schema: json!({ "type": "object", "properties": { "level": { "type": "integer", "default": 7 } } }),
            accepts: vec![],
            fields: vec![],
        },
        size: 1,
        signature: None,
        bundle: None,
    };
    let kinds = [
        ("parse", Kind::Parser),
        ("extract", Kind::Extractor),
        ("validate", Kind::Validator),
        ("transform", Kind::Transformer),
        ("split", Kind::Chunker),
        ("embed", Kind::Embedder),
    ];
    let both = |(name, kind): (&str, Kind)| {
        [
            entry(&format!("t/{name}"), kind),
            entry(&format!("t/{name}-2"), kind),
        ]
    };
    Catalog::new(kinds.into_iter().flat_map(both).collect())
}

pub(super) fn planned(definition: &str) -> Arc<Plan> {
    let definition = Definition::parse(definition).unwrap_or_else(|p| panic!("{p:?}"));
    Arc::new(plan(&definition, &catalog()).unwrap_or_else(|p| panic!("{p:?}")))
}

/// An executor whose calls are answered by [`answer`].
pub(super) async fn executor() -> (Executor, Arc<Asked>) {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(directory.path().join("code"), [7; 32]);
    settings.pool_instances = 1;
    settings.pool_memory = ByteSize::mib(64);
    let engine = Engine::new(settings).unwrap_or_else(|e| panic!("{e}"));
    let blobs = Blobs::directory(directory.path().join("blobs")).unwrap_or_else(|e| panic!("{e}"));
    let loader = Loader::new(engine.clone(), blobs);
    let cache = Cache::open(ByteSize::mib(64), None).await.unwrap();
    let asked = Arc::new(Asked {
        _directory: Some(directory),
        ..Asked::default()
    });
    let script = asked.clone();
    let call: Caller = Arc::new(move |request| Box::pin(answer(script.clone(), request)));
    let parts = Parts {
        engine,
        loader,
        cache,
        platform_key: [7; 32],
        ready: Ready::default(),
        heavy: places(),
        call,
        vault: None,
    };
    (Executor(Arc::new(parts)), asked)
}

/// A call is under way as long as this lives.
struct UnderWay<'a>(&'a Asked);

impl<'a> UnderWay<'a> {
    fn new(asked: &'a Asked) -> Self {
        let now = asked.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        asked.most_at_once.fetch_max(now, Ordering::SeqCst);
        Self(asked)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Does what the configuration says: `sleep` ms, `fail` with a code (`times` often, then succeed), `effect`, `fields`
/// (path → text), `confidence`, `check`, `json`, `file`, `see`.
async fn answer(asked: Arc<Asked>, request: Request) -> Invocation {
    let (config, inputs, source) = match &request.call {
        Call::Parse { source, config } => (config, None, Some(source)),
        Call::Extract { inputs, config }
        | Call::Validate { inputs, config }
        | Call::Transform { inputs, config } => (config, Some(inputs.clone()), None),
        Call::Split { config, .. } | Call::Embed { config, .. } | Call::Complete { config, .. } => {
            (config, None, None)
        }
    };
    let config: serde_json::Value = serde_json::from_str(config).unwrap();
    let name = request.plugin.name.to_string();
    asked
        .requests
        .lock()
        .unwrap()
        .push((name.clone(), config.clone(), request.context.seed));
    let _under_way = UnderWay::new(&asked);
    if let Some(ms) = config["sleep"].as_u64() {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    let item = inputs
        .as_ref()
        .and_then(|i| i.records.get("item")?.first().cloned());
    let fails = config["fail"].as_str().filter(|_| {
        let key = format!("{name} {config} {item:?}");
        let mut failures = asked.failures.lock().unwrap();
        let count = failures.entry(key).or_default();
        *count += 1;
        let only = config["fail_item"].is_null() || item.as_deref() == Some(&config["fail_item"]);
        only && config["times"]
            .as_u64()
            .is_none_or(|times| *count as u64 <= times)
    });
    asked.finished.fetch_add(1, Ordering::SeqCst);
    let usage = CallUsage {
        effects: config["effect"].as_str().map(str::to_owned).into_iter().collect(),
        wall_us: 1,
        // Dear enough for its result to be kept, unless told otherwise.
        cpu_us: config["cpu_us"].as_u64().unwrap_or(1_000_000),
        ..CallUsage::default()
    };
    if let Some(code) = fails {
        let mut failure = Failure::new(code.parse().unwrap(), "as told");
        failure.retry_after_ms = config["retry_after"].as_u64().map(|ms| ms as u32);
        return Invocation {
            result: Err(failure),
            usage,
            log: "it failed".into(),
        };
    }
    let output = match request.call {
        Call::Parse { .. } => Output::Reading(reading(source.unwrap())),
        Call::Extract { .. } => Output::Fields(fields(&config, &inputs.unwrap())),
        Call::Validate { .. } => Output::Checks(vec![check(&config)]),
        Call::Transform { .. } if config["file"].is_string() => Output::Artifact(Artifact {
            name: config["file"].as_str().unwrap().into(),
            media_type: "text/plain".into(),
            content: Bytes::from_static(b"file"),
        }),
        Call::Transform { .. } => Output::Json(match item {
            Some(item) => json!({ "item": *item, "config": config }),
            None => config
                .get("json")
                .cloned()
                .unwrap_or_else(|| seen(&inputs.unwrap())),
        }),
        Call::Split { reading, .. } => Output::Chunks(words(&reading)),
        Call::Embed { texts, purpose, .. } => Output::Embeddings(Embeddings {
            model: format!("t/{}", purpose.as_str()),
            vectors: texts.iter().map(|text| vec![text.len() as f32, 0.1]).collect(),
        }),
        Call::Complete { .. } => panic!("a step asks no adapter"),
    };
    Invocation {
        result: Ok(output),
        usage,
        log: "it went well".into(),
    }
}

fn reading(source: &Source) -> Reading {
    let info = PageInfo {
        label: None,
        size: None,
        origin: TextOrigin::Digital,
        warnings: vec![],
    };
    let text = String::from_utf8_lossy(&source.bytes).into_owned();
    Reading {
        key: String::new(),
        source_media_type: source.media_type.clone(),
        language: None,
        metadata: vec![],
        pages: text
            .split('|')
            .map(|page| Page::new(info.clone(), page.to_owned(), vec![]))
            .collect(),
        images: vec![],
        attachments: vec![],
    }
}

/// A chunk for each word.
fn words(reading: &Reading) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for (number, page) in reading.pages.iter().enumerate() {
        let mut at = 0;
        for word in page.text.split_inclusive(' ') {
            let range = TextRange {
                start: at,
                end: at + word.trim_end().len() as u32,
            };
            at += word.len() as u32;
            let span = TextSpan {
                page: number as u32,
                range,
            };
            let written = NewChunk {
                text: String::new(),
                spans: vec![span],
                headings: vec!["above".into()],
                metadata: None,
            };
            let settled = chunk::settle(written, reading, "chunk", |_| Ok::<(), Failure>(()));
            chunks.extend(settled);
        }
    }
    chunks
}

/// What a step sees, as text that can be compared.
fn seen(inputs: &Inputs) -> serde_json::Value {
    json!({
        "main": inputs.main.as_ref().map(|r| &r.key),
        "readings": inputs.readings.iter()
            .map(|(role, list)| (role.clone(), list.iter().map(|r| r.key.clone()).collect::<Vec<_>>()))
            .collect::<BTreeMap<_, _>>(),
        "fields": inputs.fields.iter().map(|f| &f.path).collect::<Vec<_>>(),
        "checks": inputs.checks.iter().map(|c| &c.code).collect::<Vec<_>>(),
        "records": inputs.records,
        "params": inputs.params,
    })
}

fn fields(config: &serde_json::Value, inputs: &Inputs) -> Vec<Field> {
    let field = |path: &str, value: String| Field {
        path: path.to_owned(),
        value: Some(Value::Text(value)),
        raw: None,
        confidence: config["confidence"].as_f64().map(|c| c as f32),
        origin: None,
        citations: vec![Citation {
            reading: config["cite"].as_str().map(str::to_owned),
            page: 0,
            range: None,
            quote: String::new(),
            regions: vec![],
            class: MatchClass::Unmatched,
        }],
    };
    let mut found: Vec<Field> = config["fields"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(path, value)| field(path, value.as_str().unwrap_or_default().to_owned()))
        .collect();
    if let Some(path) = config["see"].as_str() {
        let paths: Vec<&str> = inputs.fields.iter().map(|f| f.path.as_str()).collect();
        found.push(field(path, paths.join(",")));
    }
    found
}

fn check(config: &serde_json::Value) -> Check {
    Check {
        code: config["check"].as_str().unwrap_or("check").into(),
        outcome: match config["outcome"].as_str() {
            Some("fail") => Outcome::Fail,
            Some("undecided") => Outcome::Undecided,
            _ => Outcome::Pass,
        },
        severity: Severity::Error,
        reason: "as told".into(),
        fields: vec![],
        origin: None,
        citations: vec![],
    }
}

pub(super) fn file(text: &str, media_type: &str) -> FileInput {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    FileInput {
        document: DocumentId::new(),
        source: SourceId::new(),
        bytes: Arc::new(Source {
            media_type: media_type.into(),
            name: Some("a.txt".into()),
            digest: Digest::of(&bytes),
            bytes,
        }),
    }
}

pub(super) fn one_file(text: &str) -> RunInputs {
    RunInputs {
        files: BTreeMap::from([("file".to_owned(), vec![file(text, "text/plain")])]),
        ..RunInputs::default()
    }
}

pub(super) fn context() -> RunContext {
    RunContext {
        run: RunId::new(),
        started_at: 1_000,
        deadline: None,
        memory: None,
        reuse: Some(Clearance::D),
    }
}

pub(super) async fn run(executor: &Executor, definition: &str, inputs: RunInputs) -> RunOutcome {
    execute(executor, tenant(), &planned(definition), inputs, context())
        .await
        .0
}

pub(super) fn tenant() -> TenantId {
    "ten_00000000000000000000000000000001".parse().unwrap()
}

pub(super) fn statuses(outcome: &RunOutcome) -> Vec<String> {
    outcome
        .steps
        .iter()
        .map(|s| {
            let item = s.item.map(|i| format!("[{i}]")).unwrap_or_default();
            let attempts = s
                .attempts
                .iter()
                .map(|a: &AttemptRecord| a.error.as_ref().map_or("ok", |e| e.code.as_str()));
            format!(
                "{}{item} {} {}",
                s.step,
                s.status.as_str(),
                attempts.collect::<Vec<_>>().join(",")
            )
        })
        .map(|line| line.trim_end().to_owned())
        .collect()
}

pub(super) fn values(outcome: &RunOutcome) -> Vec<String> {
    outcome
        .fields
        .iter()
        .map(|f| match &f.value {
            Some(Value::Text(text)) => format!("{}={text}", f.path),
            _ => f.path.clone(),
        })
        .collect()
}

pub(super) fn status(outcome: &RunOutcome, step: &str) -> Option<StepStatus> {
    outcome.steps.iter().find(|s| s.step == step).map(|s| s.status)
}
