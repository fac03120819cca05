//! The rows that `docmill.write_runs` takes: each struct is one composite type of the database, field by field in its order.
//! See migrations/0005_commit_runs.sql, 0008_step_outputs.sql, 0015_shared_entries.sql for the last two and those with a 2,
//! 0021_chunks.sql, 0023_models.sql and 0027_queue.sql.

use uuid::Uuid;

/// All rows of one run.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) runs: Vec<NewRun>,
    /// Documents among its inputs that were there before it.
    pub(crate) inherited: Vec<Uuid>,
    pub(crate) sources: Vec<NewSource>,
    pub(crate) inputs: Vec<NewInput>,
    pub(crate) lookups: Vec<NewLookup>,
    pub(crate) readings: Vec<NewReading>,
    pub(crate) pages: Vec<NewPage>,
    pub(crate) steps: Vec<NewStep>,
    pub(crate) attempts: Vec<NewAttempt>,
    pub(crate) fields: Vec<NewField>,
    pub(crate) checks: Vec<NewCheck>,
    pub(crate) citations: Vec<NewCitation>,
    pub(crate) artifacts: Vec<NewArtifact>,
    pub(crate) outputs: Vec<NewOutput>,
    /// At most one.
    pub(crate) chunks: Vec<NewChunks>,
    pub(crate) llm_calls: Vec<NewLlmCall>,
    /// At most one: of a run that is to be worked on later.
    pub(crate) jobs: Vec<NewJob>,
    /// At most one: under which a client may send it again.
    pub(crate) keys: Vec<NewKey>,
    /// Under which its worker holds it, of a run that was queued.
    pub(crate) fence: i64,
    /// What all inputs hold together, also of a run whose inputs were written when it was accepted.
    pub(crate) input_bytes: i64,
}

impl Rows {
    /// About how many bytes will be sent: what can be large is counted.
    pub(crate) fn bytes(&self) -> usize {
        let pages: usize = self.pages.iter().map(|p| p.text.len() + p.blocks.len()).sum();
        let sources: usize = self
            .sources
            .iter()
            .filter_map(|s| s.inline.as_ref())
            .map(Vec::len)
            .sum();
        let runs: usize = self
            .runs
            .iter()
            .map(|r| r.params.len() + r.output.as_ref().map_or(0, String::len))
            .sum();
        let logs: usize = self
            .attempts
            .iter()
            .filter_map(|a| a.log.as_ref())
            .map(String::len)
            .sum();
        let outputs: usize = self.outputs.iter().map(|o| o.output.len()).sum();
        let chunks: usize = self
            .chunks
            .iter()
            .map(|c| c.chunks.len() + c.embeddings.len())
            .sum();
        let jobs: usize = self.jobs.iter().map(|j| j.head.len()).sum();
        pages
            + sources
            + runs
            + logs
            + outputs
            + chunks
            + jobs
            + 500 * (self.fields.len() + self.citations.len() + self.checks.len())
    }
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_run_2")]
pub(crate) struct NewRun {
    pub(crate) id: Uuid,
    pub(crate) pipeline_id: Uuid,
    pub(crate) pipeline_name: String,
    pub(crate) pipeline_version_id: Uuid,
    pub(crate) version_number: i32,
    pub(crate) durability: String,
    pub(crate) retain: String,
    pub(crate) status: String,
    pub(crate) verdict: Option<String>,
    pub(crate) error_code: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) output: Option<String>,
    pub(crate) params: String,
    pub(crate) plugins: Vec<String>,
    pub(crate) key_id: Option<Uuid>,
    pub(crate) client_ip: Option<String>,
    pub(crate) request_id: Uuid,
    pub(crate) created_ms: i64,
    pub(crate) started_ms: Option<i64>,
    pub(crate) finished_ms: Option<i64>,
    pub(crate) tier: String,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) subject: Option<String>,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_source_2")]
pub(crate) struct NewSource {
    pub(crate) id: Uuid,
    pub(crate) document_id: Uuid,
    pub(crate) name: Option<String>,
    pub(crate) media_type: String,
    pub(crate) size: i64,
    pub(crate) digest: Vec<u8>,
    pub(crate) simhash: Option<i64>,
    pub(crate) inline: Option<Vec<u8>>,
    pub(crate) created_ms: i64,
    pub(crate) tier: String,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_input")]
pub(crate) struct NewInput {
    pub(crate) run_id: Uuid,
    pub(crate) ordinal: i32,
    pub(crate) role: String,
    pub(crate) position: i32,
    pub(crate) kind: String,
    pub(crate) document_id: Option<Uuid>,
    pub(crate) source_id: Option<Uuid>,
    pub(crate) name: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) size: Option<i64>,
    pub(crate) digest: Option<Vec<u8>>,
    pub(crate) text: Option<String>,
    pub(crate) record: Option<String>,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_lookup")]
pub(crate) struct NewLookup {
    pub(crate) run_id: Uuid,
    pub(crate) ordinal: i32,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) tokens: Vec<String>,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_reading")]
pub(crate) struct NewReading {
    pub(crate) run_id: Uuid,
    pub(crate) key: String,
    pub(crate) id: Uuid,
    pub(crate) source_id: Uuid,
    pub(crate) plugin: String,
    pub(crate) recipe: Vec<u8>,
    pub(crate) source_media_type: String,
    pub(crate) language: Option<String>,
    pub(crate) metadata: String,
    pub(crate) page_count: i32,
    pub(crate) created_ms: i64,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_page")]
pub(crate) struct NewPage {
    pub(crate) reading_id: Uuid,
    pub(crate) number: i32,
    pub(crate) label: Option<String>,
    pub(crate) width: Option<f32>,
    pub(crate) height: Option<f32>,
    pub(crate) origin: String,
    pub(crate) warnings: Vec<String>,
    pub(crate) text: String,
    pub(crate) blocks: String,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_step")]
pub(crate) struct NewStep {
    pub(crate) run_id: Uuid,
    pub(crate) ordinal: i32,
    pub(crate) id: Uuid,
    pub(crate) step: String,
    pub(crate) item: Option<i32>,
    pub(crate) plugin: String,
    pub(crate) status: String,
    pub(crate) started_us: i64,
    pub(crate) wall_us: i64,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_attempt")]
pub(crate) struct NewAttempt {
    pub(crate) run_id: Uuid,
    pub(crate) step_ordinal: i32,
    pub(crate) ordinal: i32,
    pub(crate) id: Uuid,
    pub(crate) plugin: String,
    pub(crate) error: Option<String>,
    pub(crate) wall_us: i64,
    pub(crate) cpu_us: i64,
    pub(crate) peak_memory_bytes: i64,
    pub(crate) host_calls: i64,
    pub(crate) host_call_bytes: i64,
    pub(crate) log_dropped_bytes: i64,
    pub(crate) effects: Vec<String>,
    pub(crate) log: Option<String>,
    pub(crate) reused: bool,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_field")]
pub(crate) struct NewField {
    pub(crate) run_id: Uuid,
    pub(crate) ordinal: i32,
    pub(crate) path: String,
    pub(crate) lost: bool,
    pub(crate) value: Option<String>,
    pub(crate) raw: Option<String>,
    pub(crate) confidence: Option<f32>,
    pub(crate) origin: Option<String>,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_check")]
pub(crate) struct NewCheck {
    pub(crate) run_id: Uuid,
    pub(crate) ordinal: i32,
    pub(crate) code: String,
    pub(crate) outcome: String,
    pub(crate) severity: String,
    pub(crate) reason: String,
    pub(crate) fields: Vec<String>,
    pub(crate) origin: Option<String>,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_citation")]
pub(crate) struct NewCitation {
    pub(crate) run_id: Uuid,
    pub(crate) ordinal: i32,
    pub(crate) field_ordinal: Option<i32>,
    pub(crate) check_ordinal: Option<i32>,
    pub(crate) reading: Option<String>,
    pub(crate) page: i32,
    pub(crate) range_start: Option<i32>,
    pub(crate) range_end: Option<i32>,
    pub(crate) quote: String,
    pub(crate) regions: String,
    /// `match` there.
    pub(crate) class: String,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_artifact")]
pub(crate) struct NewArtifact {
    pub(crate) run_id: Uuid,
    pub(crate) id: Uuid,
    pub(crate) ordinal: i32,
    pub(crate) step: String,
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) size: i64,
    pub(crate) digest: Vec<u8>,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_output")]
pub(crate) struct NewOutput {
    pub(crate) run_id: Uuid,
    pub(crate) step_ordinal: i32,
    pub(crate) output: String,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_chunks")]
pub(crate) struct NewChunks {
    pub(crate) run_id: Uuid,
    pub(crate) chunks: String,
    pub(crate) embeddings: String,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_llm_call")]
pub(crate) struct NewLlmCall {
    pub(crate) run_id: Uuid,
    pub(crate) step_ordinal: i32,
    pub(crate) attempt_ordinal: i32,
    pub(crate) ordinal: i32,
    pub(crate) alias: String,
    pub(crate) adapter: String,
    pub(crate) component: Vec<u8>,
    pub(crate) model: String,
    pub(crate) answered_by: Option<String>,
    pub(crate) prompt: Vec<u8>,
    pub(crate) input: Option<i64>,
    pub(crate) cached_input: Option<i64>,
    pub(crate) output: Option<i64>,
    pub(crate) reasoning: Option<i64>,
    pub(crate) cost_micros: Option<i64>,
    pub(crate) currency: Option<String>,
    pub(crate) wall_us: i64,
    pub(crate) outcome: String,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_job")]
pub(crate) struct NewJob {
    pub(crate) run_id: Uuid,
    pub(crate) pipeline_id: Uuid,
    pub(crate) plan: Vec<u8>,
    pub(crate) priority: i16,
    pub(crate) delay_ms: i64,
    pub(crate) clearance: String,
    pub(crate) head: String,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(type_name = "docmill.new_key")]
pub(crate) struct NewKey {
    pub(crate) key: String,
    pub(crate) request: Vec<u8>,
    pub(crate) run_id: Uuid,
    pub(crate) lasts_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "docmill.new_usage_2")]
pub(crate) struct NewUsage {
    pub(crate) run_id: Uuid,
    pub(crate) ordinal: i32,
    pub(crate) key_id: Option<Uuid>,
    pub(crate) at_ms: i64,
    pub(crate) pipeline: String,
    pub(crate) plugin: Option<String>,
    pub(crate) runs: i64,
    pub(crate) runs_failed: i64,
    pub(crate) calls: i64,
    pub(crate) calls_reused: i64,
    pub(crate) cpu_us: i64,
    pub(crate) input_bytes: i64,
    pub(crate) host_call_bytes: i64,
    pub(crate) pages: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "docmill.new_audit")]
pub(crate) struct NewAudit {
    pub(crate) id: Uuid,
    pub(crate) at_ms: i64,
    pub(crate) action: String,
    pub(crate) subject: String,
    pub(crate) key_id: Option<Uuid>,
    pub(crate) client_ip: Option<String>,
    pub(crate) request_id: Option<Uuid>,
    pub(crate) detail: Option<String>,
}
