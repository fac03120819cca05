//! What one call of a plugin may use. Every limit has its unit in its name or type, a default here and a test in which
//! a guest runs into it.

use serde::{Deserialize, Serialize};

use crate::duration::Span;
use crate::size::ByteSize;

// Fixed bounds on what a guest or a client hands over. No pipeline can need more; each keeps one value from costing the host
// far more than it weighs.

/// Places (columns that cells span) of all tables of a page together: whoever lays a table out draws them all.
pub const MAX_TABLE_PLACES: u64 = 4_000_000;
/// Bytes of the name of a block's kind: it is a word, and every block has one.
pub const MAX_KIND_BYTES: usize = 60;
/// Bytes of a page's label; longer ones are cut. A label is what is printed on the page.
pub const MAX_LABEL_BYTES: usize = 200;
/// Warnings of a page; further ones are dropped.
pub const MAX_WARNINGS: usize = 64;
/// Bytes of a warning; longer ones are cut. A warning is a word.
pub const MAX_WARNING_BYTES: usize = 200;
/// Bytes of a media type; an attachment's is cut. The names of RFC 6838 have 127 at most, parameters come on top.
pub const MAX_MEDIA_TYPE_BYTES: usize = 200;
/// Chunks of one reading. A book of a thousand pages has a few thousand.
pub const MAX_CHUNKS: usize = 100_000;
/// Spans of one chunk: the host looks each of them up.
pub const MAX_CHUNK_SPANS: usize = 10_000;
/// Headings above a chunk; deeper ones are dropped.
pub const MAX_HEADINGS: usize = 32;
/// Bytes of a heading above a chunk; longer ones are cut.
pub const MAX_HEADING_BYTES: usize = 500;
/// Numbers of one vector; the largest models in use have 4 096.
pub const MAX_DIMENSIONS: usize = 8_192;
/// Bytes of the name of what made vectors.
pub const MAX_MODEL_BYTES: usize = 200;
/// Messages of one question to a language model.
pub const MAX_LLM_MESSAGES: usize = 1_000;
/// Parts of one message.
pub const MAX_LLM_PARTS: usize = 1_000;
/// Tools that a question offers, and calls of them in an answer.
pub const MAX_LLM_TOOLS: usize = 128;
/// Texts that end an answer.
pub const MAX_LLM_STOPS: usize = 16;
/// Bytes of each of these: the name of a tool, the id of a call, a text that ends an answer.
pub const MAX_LLM_NAME_BYTES: usize = 200;
/// Bytes of a schema, of a tool's arguments, and of what is for one provider only.
pub const MAX_LLM_JSON_BYTES: usize = 256 << 10;
/// Levels of lists and objects in JSON from outside. It is stored inside other JSON, and whoever reads that stops at 128.
pub const MAX_JSON_DEPTH: usize = 64;
/// Bytes of a failure's message: it goes to the log, the attempt, the run and the answer.
pub const MAX_MESSAGE_BYTES: usize = 4 << 10;
/// Bytes of a plugin's version: it is part of keys in the database, whose indexes take 2 700.
pub const MAX_VERSION_BYTES: usize = 100;
/// Linear memories that a component may create: real ones have one for each module that was composed into them. As many times
/// the calls at once are in the pool, so that no call takes another's place.
pub const MAX_MEMORIES: u32 = 4;
/// Tables that a component may create: toolchains make two for each module. Pooled as memories are.
pub const MAX_TABLES: u32 = 8;

/// Limits of one call of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Wall time of one attempt, host calls included.
    pub timeout: Span,
    /// CPU time of the guest's own code.
    pub cpu: Span,
    /// All linear memories of all instances of the component together.
    pub memory: ByteSize,
    /// Entries of all tables of all instances of the component together.
    pub table_elements: u64,
    /// Instances that the component may create; of memories and tables also no more than [`MAX_MEMORIES`] and [`MAX_TABLES`].
    pub instances: u32,
    /// Bytes of the guest's stack.
    pub stack: ByteSize,
    /// Host memory held for the guest: readings in the making, values that cross the boundary, buffers.
    pub host_memory: ByteSize,
    /// What the call returns, serialised.
    pub output: ByteSize,
    /// What the guest may log; the rest is dropped and counted.
    pub log: ByteSize,
    /// Handles that the guest holds at once.
    pub handles: u32,
    /// Host calls in one call.
    pub host_calls: u64,
    /// Bytes that host calls hand over and take, all together.
    pub host_call_bytes: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Span::seconds(30),
            cpu: Span::seconds(20),
            memory: ByteSize::mib(256),
            table_elements: 100_000,
            instances: 64,
            stack: ByteSize::kib(512),
            host_memory: ByteSize::mib(128),
            output: ByteSize::mib(32),
            log: ByteSize::kib(64),
            handles: 1_024,
            host_calls: 5_000_000,
            host_call_bytes: ByteSize::mib(1_024),
        }
    }
}

/// What a pipeline or a step says about limits; what it leaves out comes from the next level up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// See [`Limits::timeout`]. On a pipeline: of the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// See [`Limits::cpu`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Span>,
    /// See [`Limits::memory`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// See [`Limits::output`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<ByteSize>,
    /// See [`Limits::log`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<ByteSize>,
}

impl LimitsSpec {
    /// `base` with what this says, never more than `ceiling` has.
    pub fn apply(&self, base: Limits, ceiling: &Limits) -> Limits {
        Limits {
            timeout: self.timeout.unwrap_or(base.timeout).min(ceiling.timeout),
            cpu: self.cpu.unwrap_or(base.cpu).min(ceiling.cpu),
            memory: self.memory.unwrap_or(base.memory).min(ceiling.memory),
            output: self.output.unwrap_or(base.output).min(ceiling.output),
            log: self.log.unwrap_or(base.log).min(ceiling.log),
            ..base
        }
    }
}
