//! Runs to write.

use std::sync::Arc;

use bytes::Bytes;
use docmill_model::access::Clearance;
use docmill_model::chunk::{Chunk, Purpose};
use docmill_model::definition::{Durability, Retain};
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{
    ArtifactId, AttemptId, DocumentId, PipelineId, PipelineVersionId, ReadingId, RequestId, RunId, SourceId,
    StepId,
};
use docmill_model::llm::{LlmCall, PinnedAdapter, Usage};
use docmill_model::lookup;
use docmill_model::reading::{
    Block, BlockKind, Page, PageInfo, PageSize, Reading, Rect, TextOrigin, TextRange,
};
use docmill_model::run::{
    ArtifactRecord, AttemptRecord, CallUsage, EmbeddingsRecord, InputContent, Lookup, NamedVector,
    ReadingRecord, RunHead, RunInput, RunOutcome, Status, StepRecord, StepStatus,
};
use docmill_model::simhash::simhash;
use docmill_model::value::{
    Check, Citation, Field, MatchClass, Money, Origin, Outcome, Severity, Value, Verdict,
};
use docmill_store::document::NewDocument;
use docmill_store::run::RunCommit;

/// A run with everything that a run can have.
#[derive(Clone)]
pub struct Sample {
    pub head: RunHead,
    pub outcome: RunOutcome,
    pub documents: Vec<NewDocument>,
}

impl Sample {
    pub fn commit(&self) -> RunCommit<'_> {
        RunCommit {
            head: &self.head,
            outcome: &self.outcome,
            documents: &self.documents,
        }
    }

    /// The same as another run, of a pipeline of that name.
    pub fn of_pipeline(mut self, pipeline: PipelineId, name: &str) -> Self {
        self.head.pipeline = pipeline;
        name.clone_into(&mut self.head.pipeline_name);
        self
    }

    pub fn failed(mut self, code: Code) -> Self {
        self.outcome.status = Status::Failed;
        self.outcome.error = Some(Failure::new(code, "it went wrong").in_step("fields"));
        self.outcome.verdict = None;
        self
    }

    /// With a chunk and its vector.
    pub fn with_chunks(mut self) -> Self {
        let field = &self.outcome.fields[0];
        let quote = field.citations[0].quote.clone();
        self.outcome.chunks = vec![Arc::new(Chunk {
            id: "split/0".into(),
            text: quote.clone(),
            headings: vec!["Раздел 1".into()],
            metadata: Some(serde_json::json!({"z": 1, "a": quote.clone()})),
            origin: field.origin.clone(),
            citations: field.citations.clone(),
        })];
        self.outcome.embeddings = vec![Arc::new(EmbeddingsRecord {
            step: "embed".into(),
            plugin: "docmill/hashed-ngrams@0.1.0".into(),
            model: quote,
            purpose: Purpose::Document,
            dimensions: 3,
            vectors: vec![NamedVector {
                of: "split/0".into(),
                // Every number comes back as it was.
                vector: vec![0.1, -1.0e-38, 16_777_217.0],
            }],
        })];
        self
    }

    pub fn found_by(mut self, name: &str, value: &str) -> Self {
        self.head.lookups = vec![Lookup {
            name: name.to_owned(),
            value: value.to_owned(),
            tokens: lookup::tokens(value),
        }];
        self
    }
}

/// A run over one page of `text`.
pub fn run(text: &str) -> Sample {
    let (document, source) = (DocumentId::new(), SourceId::new());
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let digest = Digest::of(&bytes);
    let (quote, range) = quote(text);
    let citation = Citation {
        reading: None,
        page: 0,
        range: Some(range),
        quote: quote.to_owned(),
        regions: vec![Rect {
            left: 0.1,
            top: 0.2,
            right: 0.5,
            bottom: 0.25,
        }],
        class: MatchClass::Exact,
    };
    let origin = Some(Origin::Plugin {
        step: "fields".into(),
        plugin: "docmill/patterns@0.1.0".into(),
    });
    let field = |path: &str, value, citations| Field {
        path: path.to_owned(),
        value,
        raw: Some(quote.to_owned()),
        confidence: Some(0.75),
        origin: origin.clone(),
        citations,
    };
    let amount = Value::Money(Money {
        amount: "1234.56".into(),
        currency: Some("KZT".into()),
    });
    let created_at = 1_795_000_000_123;
    Sample {
        head: RunHead {
            id: RunId::new(),
            pipeline: PipelineId::new(),
            pipeline_name: "invoice".into(),
            pipeline_version: PipelineVersionId::new(),
            version_number: 3,
            durability: Durability::Result,
            retain: Retain::Result,
            created_at,
            tier: Clearance::D,
            key: None,
            user: None,
            subject: None,
            client_ip: Some("2001:db8::1".parse().unwrap()),
            request: RequestId::new(),
            params: serde_json::json!({"z": 1, "a": {"later": true}}),
            lookups: vec![Lookup {
                name: "fio".into(),
                value: "Семёнов Пётр".into(),
                tokens: lookup::tokens("Семёнов Пётр"),
            }],
            inputs: vec![
                RunInput {
                    role: "file".into(),
                    position: 0,
                    content: InputContent::File {
                        document,
                        source,
                        name: Some("счёт.txt".into()),
                        media_type: "text/plain".into(),
                        size: bytes.len() as u64,
                        digest,
                    },
                },
                RunInput {
                    role: "note".into(),
                    position: 0,
                    content: InputContent::Text {
                        text: "a note".into(),
                    },
                },
            ],
            plugins: vec!["docmill/text@0.1.0".into(), "docmill/patterns@0.1.0".into()],
        },
        outcome: RunOutcome {
            status: Status::Succeeded,
            verdict: Some(Verdict::Pass),
            error: None,
            output: Some(serde_json::json!({"total": "1234.56"})),
            fields: vec![
                field("total", Some(amount), vec![citation.clone(), citation.clone()]),
                field(
                    "seller.tax_id",
                    Some(Value::Text("123456789012".into())),
                    vec![citation.clone()],
                ),
                field("absent", None, vec![]),
            ],
            conflicts: vec![field(
                "total",
                Some(Value::Decimal("1".into())),
                vec![citation.clone()],
            )],
            checks: vec![Check {
                code: "total-is-positive".into(),
                outcome: Outcome::Pass,
                severity: Severity::Error,
                reason: "the total is positive".into(),
                fields: vec!["total".into()],
                origin: origin.clone(),
                citations: vec![citation],
            }],
            chunks: vec![],
            embeddings: vec![],
            steps: vec![
                step("parse", "docmill/text@0.1.0", vec![attempt(None, Some("read"))]),
                step(
                    "fields",
                    "docmill/patterns@0.1.0",
                    vec![
                        attempt(
                            Some(Failure::new(Code::Trap, "unreachable")),
                            Some("before the trap"),
                        ),
                        attempt(None, Some("went well")),
                    ],
                ),
            ],
            artifacts: vec![ArtifactRecord {
                id: ArtifactId::new(),
                step: "letter".into(),
                name: "письмо.html".into(),
                media_type: "text/html".into(),
                size: 10,
                digest: Digest::of(b"letter"),
            }],
            readings: vec![reading(source, text)],
            started_at: created_at + 1,
            finished_at: created_at + 9,
        },
        documents: vec![NewDocument {
            document,
            source,
            name: Some("счёт.txt".into()),
            media_type: "text/plain".into(),
            size: bytes.len() as u64,
            digest,
            simhash: Some(simhash(text)),
            inline: Some(bytes),
        }],
    }
}

/// The first word and where it stands.
fn quote(text: &str) -> (&str, TextRange) {
    let word = text.split_whitespace().next().unwrap_or_default();
    let start = text.find(word).unwrap_or_default();
    let narrow = |n: usize| u32::try_from(n).unwrap();
    (
        word,
        TextRange {
            start: narrow(start),
            end: narrow(start + word.len()),
        },
    )
}

fn reading(source: SourceId, text: &str) -> ReadingRecord {
    let info = PageInfo {
        label: Some("i".into()),
        size: Some(PageSize {
            width: 595.0,
            height: 842.0,
        }),
        origin: TextOrigin::Digital,
        warnings: vec!["lying-text-layer".into()],
    };
    let block = Block {
        kind: BlockKind::Paragraph,
        range: TextRange {
            start: 0,
            end: u32::try_from(text.len()).unwrap(),
        },
        fragments: vec![],
        table: None,
        image: None,
        region: None,
        confidence: None,
    };
    ReadingRecord {
        id: ReadingId::new(),
        source,
        plugin: "docmill/text@0.1.0".into(),
        recipe: Digest::of(b"docmill/text@0.1.0 {}"),
        reading: Arc::new(Reading {
            key: "main".into(),
            source_media_type: "text/plain".into(),
            language: Some("ru".into()),
            metadata: vec![("title".into(), "Счёт".into()), ("author".into(), "А".into())],
            pages: vec![Page::new(info, text.to_owned(), vec![block])],
            images: vec![],
            attachments: vec![],
        }),
    }
}

fn step(name: &str, plugin: &str, attempts: Vec<AttemptRecord>) -> StepRecord {
    StepRecord {
        id: StepId::new(),
        step: name.into(),
        item: None,
        plugin: plugin.into(),
        status: StepStatus::Succeeded,
        started_us: 10,
        wall_us: 400,
        output: Some(Arc::new(serde_json::json!({"z": 1, "a": [name]}))),
        attempts,
    }
}

/// A question to a model: one that was answered and paid for, or one that was not.
fn asked(outcome: &str) -> LlmCall {
    let answered = outcome == "succeeded";
    LlmCall {
        alias: "default".parse().unwrap(),
        adapter: PinnedAdapter {
            name: "docmill/openai@0.1.0".into(),
            digest: Digest::of(b"openai"),
        },
        model: "gpt-x".into(),
        answered_by: answered.then(|| "gpt-x-1".into()),
        prompt: Digest::of(b"prompt"),
        usage: answered.then_some(Usage {
            input: 120,
            cached_input: 20,
            output: 30,
            reasoning: 5,
        }),
        cost: answered.then(|| "0.000575 USD".parse().unwrap()),
        wall_us: 1_000,
        outcome: outcome.into(),
    }
}

fn attempt(error: Option<Failure>, log: Option<&str>) -> AttemptRecord {
    AttemptRecord {
        id: AttemptId::new(),
        plugin: "docmill/text@0.1.0".into(),
        started_us: 0,
        error,
        usage: CallUsage {
            wall_us: 200,
            cpu_us: 150,
            peak_memory_bytes: 1 << 20,
            host_calls: 7,
            host_call_bytes: 2_048,
            log_dropped_bytes: 0,
            effects: vec!["clock".into(), "llm".into()],
            llm: vec![asked("succeeded"), asked("timeout")],
        },
        log: log.map(str::to_owned),
        reused: false,
    }
}
