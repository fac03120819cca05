//! A run as it is kept: what went in, what each step did, what came out. One value, written by one commit.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::access::Clearance;
use crate::chunk::{Chunk, Purpose};
use crate::definition::{Durability, Retain};
use crate::digest::Digest;
use crate::failure::Failure;
use crate::id::{
    ArtifactId, AttemptId, DocumentId, KeyId, PipelineId, PipelineVersionId, ReadingId, RequestId, RunId,
    SourceId, StepId, UserId,
};
use crate::llm::LlmCall;
use crate::reading::Reading;
use crate::value::{Check, Field, Verdict};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It waits for a worker.
    Queued,
    /// A host works on it.
    Running,
    /// Every step that had to is over.
    Succeeded,
    /// A step that had to succeed did not.
    Failed,
    /// Somebody ended it before it was over.
    Cancelled,
}

impl Status {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether nothing changes it any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// What is known of a run before work starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunHead {
    /// Its id.
    pub id: RunId,
    /// Which pipeline.
    pub pipeline: PipelineId,
    /// Its name, as it was then.
    pub pipeline_name: String,
    /// Which saved definition.
    pub pipeline_version: PipelineVersionId,
    /// The number of that definition, from 1.
    pub version_number: i32,
    /// The pipeline's choice.
    pub durability: Durability,
    /// The pipeline's choice.
    pub retain: Retain,
    /// When it was admitted.
    pub created_at: Millis,
    /// What it demands of those who look at it; the documents that came with it demand the same.
    pub tier: Clearance,
    /// Which key acted.
    pub key: Option<KeyId>,
    /// Whose key or session it was.
    pub user: Option<UserId>,
    /// On whose behalf: an end user of the tenant's own product, by the name that the tenant has for them.
    pub subject: Option<String>,
    /// From where.
    pub client_ip: Option<IpAddr>,
    /// In which request.
    pub request: RequestId,
    /// An object that fits the pipeline's schema.
    pub params: serde_json::Value,
    /// Name, value, tokens.
    pub lookups: Vec<Lookup>,
    /// In order of role and position.
    pub inputs: Vec<RunInput>,
    /// Which plugin version each step uses.
    pub plugins: Vec<String>,
}

/// A named value by which the run is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// As declared.
    pub name: String,
    /// As it came.
    pub value: String,
    /// See [`crate::lookup::tokens`].
    pub tokens: Vec<String>,
}

/// One input of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunInput {
    /// The pipeline's name for it.
    pub role: String,
    /// Among those of its role, from 0.
    pub position: i32,
    /// What it is.
    #[serde(flatten)]
    pub content: InputContent,
}

/// What an input is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum InputContent {
    /// A file that came with the request, or a document's source.
    File {
        /// The document that it belongs to.
        document: DocumentId,
        /// The bytes' row.
        source: SourceId,
        /// As the client gave it, without directories.
        name: Option<String>,
        /// What the host found it to be.
        media_type: String,
        /// In bytes.
        size: u64,
        /// Of the bytes.
        digest: Digest,
    },
    /// A text.
    Text {
        /// The text.
        text: String,
    },
    /// A JSON object.
    Record {
        /// The object.
        record: serde_json::Value,
    },
}

/// What a run came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunOutcome {
    /// How it ended.
    pub status: Status,
    /// The judgement over its checks.
    pub verdict: Option<Verdict>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// As the definition's `output` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<serde_json::Value>,
    /// Merged.
    pub fields: Vec<Field>,
    /// Fields that lost against another of the same path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Field>,
    /// In the definition's order.
    pub checks: Vec<Check>,
    /// Pieces of the readings, in the definition's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<std::sync::Arc<Chunk>>,
    /// Vectors of chunks and texts, in the definition's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embeddings: Vec<std::sync::Arc<EmbeddingsRecord>>,
    /// In the definition's order; items of a fan-out one after the other.
    pub steps: Vec<StepRecord>,
    /// Files produced.
    pub artifacts: Vec<ArtifactRecord>,
    /// Readings made; citations name them by key.
    pub readings: Vec<ReadingRecord>,
    /// Work began.
    pub started_at: Millis,
    /// Work ended.
    pub finished_at: Millis,
}

/// One plugin use.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its row.
    pub id: StepId,
    /// In the definition.
    pub step: String,
    /// Of a fan-out, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<i32>,
    /// `namespace/name@version`
    pub plugin: String,
    /// How it ended.
    pub status: StepStatus,
    /// From the run's start to the step's, in microseconds.
    pub started_us: i64,
    /// Wall time with retries, in microseconds.
    pub wall_us: i64,
    /// What a transformer gave, if it is no file (`retain: debug`, up to 4 MiB of one run). What other kinds gave stands among
    /// the run's readings, fields and checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<std::sync::Arc<serde_json::Value>>,
    /// Every try.
    pub attempts: Vec<AttemptRecord>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It gave a result.
    Succeeded,
    /// `when` was false, it had no file to read, or the run ended before it was over.
    Skipped,
    /// No attempt succeeded.
    Failed,
    /// The fallback gave the result.
    FellBack,
}

impl StepStatus {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::FellBack => "fell_back",
        }
    }
}

/// One try of a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Its row.
    pub id: AttemptId,
    /// Which plugin was called: a fallback's attempt is one too.
    pub plugin: String,
    /// From the run's start to the attempt's, in microseconds. Not kept: a step's own time is, and attempts follow each other.
    #[serde(skip)]
    pub started_us: i64,
    /// Why it failed; none: it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// What it used.
    pub usage: CallUsage,
    /// What the guest logged (`retain: debug`, and of failed attempts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The result was reused from an earlier, pure call.
    #[serde(default)]
    pub reused: bool,
}

/// What one call of a plugin used; all measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallUsage {
    /// Wall time in microseconds.
    pub wall_us: u64,
    /// CPU time of the guest's thread in microseconds.
    pub cpu_us: u64,
    /// Peak of all linear memories together, in bytes.
    pub peak_memory_bytes: u64,
    /// Calls of host functions.
    pub host_calls: u64,
    /// Bytes that host calls handed over and took.
    pub host_call_bytes: u64,
    /// Log bytes that were over the budget.
    pub log_dropped_bytes: u64,
    /// What it did beyond its inputs: `clock`, `http`, …; none: pure.
    pub effects: Vec<String>,
    /// What it asked language models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub llm: Vec<LlmCall>,
}

/// What one step made of chunks or texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingsRecord {
    /// Which step.
    pub step: String,
    /// `namespace/name@version`
    pub plugin: String,
    /// Name and version of what made them; vectors of different models are never compared.
    pub model: String,
    /// Whether the texts will be searched, or search.
    pub purpose: Purpose,
    /// Numbers of each vector.
    pub dimensions: u32,
    /// In the order of the chunks or texts.
    pub vectors: Vec<NamedVector>,
}

/// A vector and what it is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedVector {
    /// A chunk's id, or `role[n]`: the n-th text of that input, counted from 0.
    pub of: String,
    /// Every number is finite.
    pub vector: Vec<f32>,
}

/// A file that a run produced.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ArtifactRecord {
    /// Its row.
    pub id: ArtifactId,
    /// Which step made it.
    pub step: String,
    /// A file name.
    pub name: String,
    /// RFC 6838.
    pub media_type: String,
    /// In bytes.
    pub size: u64,
    /// Of the bytes; they are in the blob store under it.
    pub digest: Digest,
}

/// A reading that a run made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadingRecord {
    /// Its row.
    pub id: ReadingId,
    /// Of which source.
    pub source: SourceId,
    /// Which parser made it.
    pub plugin: String,
    /// Of everything that the parser saw: its component, configuration, bytes, media type and name. The same of it is the same
    /// reading, and kept once; a call that saw more (the time, chance) has one of its own.
    pub recipe: Digest,
    /// What it says.
    pub reading: std::sync::Arc<Reading>,
}
