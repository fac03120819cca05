//! What a step came to, as bytes: kept on the way, so that whoever takes the run over goes on after it.

use std::sync::Arc;

use bytes::Bytes;
use docmill_model::chunk::Chunk;
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::reading::{Attachment, Image};
use docmill_model::run::{ArtifactRecord, EmbeddingsRecord, ReadingRecord, StepRecord, StepStatus};
use docmill_model::value::{Check, Field};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Run;
use super::state::{Done, Made};

/// A pure step that took less wall time than this is executed again rather than kept: keeping it costs about as much.
const WORTH_US: i64 = 250_000;

/// Where steps' results are kept on the way, and come back from.
pub trait Progress: Send + Sync {
    /// What was kept of steps before, each by its place in the plan.
    fn before(&self) -> &[(u32, Vec<u8>)];

    /// Whether each step is to be kept, and not only those that had effects or took long.
    fn every_step(&self) -> bool;

    /// A step is about to be executed. A failure ends the run: somebody else has it.
    ///
    /// # Errors
    /// [`Code::Interrupted`].
    fn begin(&self, step: u32) -> Result<(), Failure>;

    /// Keeps what a step came to. A failure ends the run: the step would be executed again although it had effects.
    fn keep(&self, step: u32, body: Vec<u8>) -> BoxFuture<'_, Result<(), Failure>>;
}

#[derive(Serialize, Deserialize)]
struct Saved {
    status: StepStatus,
    several: bool,
    records: Vec<StepRecord>,
    readings: Vec<SavedReading>,
    fields: Vec<Field>,
    checks: Vec<Check>,
    chunks: Vec<Arc<Chunk>>,
    chunks_shown: Vec<Arc<Json>>,
    embeddings: Option<Arc<EmbeddingsRecord>>,
    outputs: Vec<Arc<Json>>,
    /// Their bytes are among the blobs.
    artifacts: Vec<ArtifactRecord>,
    error: Option<Failure>,
}

#[derive(Serialize, Deserialize)]
struct SavedReading {
    role: String,
    position: usize,
    identity: Digest,
    record: ReadingRecord,
    /// Pictures, whose bytes are among the blobs: media type, dots per inch, digest.
    #[serde(default)]
    images: Vec<(String, Option<f32>, Digest)>,
    /// Files inside the file, likewise: name, media type, digest.
    #[serde(default)]
    attachments: Vec<(String, String, Digest)>,
}

/// Whether the run is still to be worked on here.
pub(crate) fn begin(run: &Run, number: usize) -> Result<(), Failure> {
    let step = u32::try_from(number).unwrap_or(u32::MAX);
    run.progress
        .as_ref()
        .map_or(Ok(()), |progress| progress.begin(step))
}

/// Keeps a step that is over, if that is worth it.
pub(crate) async fn keep(run: &Run, done: &Done) -> Result<(), Failure> {
    let Some(progress) = run
        .progress
        .as_ref()
        .filter(|progress| is_worth(done, progress.every_step()))
    else {
        return Ok(());
    };
    for (record, bytes) in &done.artifacts {
        put(run, record.digest, bytes.clone()).await?;
    }
    let mut readings = Vec::with_capacity(done.readings.len());
    for made in &done.readings {
        readings.push(reading(run, made).await?);
    }
    let saved = Saved {
        status: done.status,
        several: done.several,
        records: done.records.clone(),
        readings,
        fields: done.fields.clone(),
        checks: done.checks.clone(),
        chunks: done.chunks.clone(),
        chunks_shown: done.chunks_shown.clone(),
        embeddings: done.embeddings.clone(),
        outputs: done.outputs.clone(),
        artifacts: done.artifacts.iter().map(|(record, _)| record.clone()).collect(),
        error: done.error.clone(),
    };
    // Readings may be large: not on the async threads.
    let written = run.evaluate(true, move |_| serde_json::to_vec(&saved)).await?;
    let body = written.map_err(|error| {
        tracing::error!(%error, "a step cannot be written down");
        Failure::new(
            Code::Internal,
            "what a step came to cannot be kept; the log tells more",
        )
    })?;
    progress
        .keep(u32::try_from(done.number).unwrap_or(u32::MAX), body)
        .await
}

/// A reading with what is not stored with it.
async fn reading(run: &Run, made: &Made) -> Result<SavedReading, Failure> {
    let (mut images, mut attachments) = (Vec::new(), Vec::new());
    for image in &made.record.reading.images {
        let digest = Digest::of(&image.data);
        put(run, digest, image.data.clone().into()).await?;
        images.push((image.media_type.clone(), image.resolution, digest));
    }
    for file in &made.record.reading.attachments {
        let digest = Digest::of(&file.content);
        put(run, digest, file.content.clone().into()).await?;
        attachments.push((file.name.clone(), file.media_type.clone(), digest));
    }
    Ok(SavedReading {
        role: made.role.clone(),
        position: made.position,
        identity: made.identity,
        record: made.record.clone(),
        images,
        attachments,
    })
}

async fn put(run: &Run, digest: Digest, bytes: Bytes) -> Result<(), Failure> {
    let put = run.parts().loader.blobs().put(run.tenant, digest, bytes);
    put.await.map_err(|e| e.failure())
}

/// Nothing is gained by keeping what did nothing, or what ended the run: that is tried again.
fn is_worth(done: &Done, every_step: bool) -> bool {
    let mut attempts = done.records.iter().flat_map(|record| &record.attempts).peekable();
    if done.ends_run.is_some() || attempts.peek().is_none() {
        return false;
    }
    let wall: i64 = done.records.iter().map(|record| record.wall_us).sum();
    every_step || wall >= WORTH_US || attempts.any(|attempt| !attempt.usage.effects.is_empty())
}

/// Steps that were kept before. They had effects, or took long: one that cannot be had now is not executed again, but ends this
/// attempt.
pub(crate) async fn before(run: &Run) -> Result<Vec<Done>, Failure> {
    let Some(progress) = &run.progress else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for (number, body) in progress.before() {
        all.push(read(run, *number, body).await?);
    }
    Ok(all)
}

async fn read(run: &Run, number: u32, body: &[u8]) -> Result<Done, Failure> {
    let unreadable = |why: String| {
        tracing::error!(run.id = %run.context.run, step = number, why, "a kept step cannot be read");
        Failure::new(
            Code::Internal,
            "what a step of the run came to cannot be read; the log tells more",
        )
    };
    let number = usize::try_from(number).map_err(|e| unreadable(e.to_string()))?;
    if number >= run.plan.steps.len() {
        return Err(unreadable("the plan has no such step".to_owned()));
    }
    let saved: Saved = serde_json::from_slice(body).map_err(|e| unreadable(e.to_string()))?;
    let mut artifacts = Vec::with_capacity(saved.artifacts.len());
    for record in saved.artifacts {
        let bytes = fetch(run, record.digest).await?;
        artifacts.push((record, bytes));
    }
    let mut readings = Vec::with_capacity(saved.readings.len());
    for reading in saved.readings {
        readings.push(made(run, reading).await?);
    }
    Ok(Done {
        number,
        status: saved.status,
        several: saved.several,
        records: saved.records,
        readings,
        fields: saved.fields,
        checks: saved.checks,
        chunks: saved.chunks,
        chunks_shown: saved.chunks_shown,
        embeddings: saved.embeddings,
        outputs: saved.outputs,
        artifacts,
        error: saved.error,
        ends_run: None,
    })
}

async fn made(run: &Run, saved: SavedReading) -> Result<Made, Failure> {
    let mut record = saved.record;
    if !saved.images.is_empty() || !saved.attachments.is_empty() {
        let whole = Arc::make_mut(&mut record.reading);
        for (media_type, resolution, digest) in saved.images {
            let data = fetch(run, digest).await?.to_vec();
            whole.images.push(Arc::new(Image {
                media_type,
                data,
                resolution,
            }));
        }
        for (name, media_type, digest) in saved.attachments {
            let content = fetch(run, digest).await?.to_vec();
            whole.attachments.push(Arc::new(Attachment {
                name,
                media_type,
                content,
            }));
        }
    }
    Ok(Made {
        role: saved.role,
        position: saved.position,
        identity: saved.identity,
        record,
    })
}

async fn fetch(run: &Run, digest: Digest) -> Result<Bytes, Failure> {
    let got = run.parts().loader.blobs().get(run.tenant, digest).await;
    got.map_err(|e| e.failure())
}
