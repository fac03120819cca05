//! Inputs as they come become inputs as a plan takes them: new files get their ids, documents that the tenant has are
//! fetched.

use std::collections::BTreeMap;
use std::sync::Arc;

use docmill_model::access::Clearance;
use docmill_model::definition::{Definition, InputKind};
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{DocumentId, SourceId};
use docmill_model::reading::Source;
use docmill_model::run::{InputContent, RunInput, RunOutcome};
use docmill_model::simhash::simhash;
use docmill_model::size::ByteSize;
use docmill_pipeline::{FileInput, RunInputs};
use docmill_store::Sight;
use docmill_store::document::NewDocument;
use tokio::sync::OwnedSemaphorePermit;

use crate::Parts;
use crate::invoke::Request;

/// Text beyond this is hashed away from the async threads: about 5 ms.
const SIMHASH_INLINE_BYTES: usize = 64 * 1024;

/// Inputs in the form that each part of a run needs.
pub(crate) struct Gathered {
    /// For the executor.
    pub(crate) inputs: RunInputs,
    /// For the run's row, in order of role and position.
    pub(crate) recorded: Vec<RunInput>,
    /// Files that came with this request.
    pub(crate) new: Vec<NewFile>,
    /// The memory that loaded documents are counted in: keep it as long as their bytes.
    pub(crate) loaded: Option<OwnedSemaphorePermit>,
    /// The highest tier of documents that the tenant had.
    pub(crate) tier: Clearance,
}

pub(crate) struct NewFile {
    pub(crate) document: DocumentId,
    pub(crate) source: SourceId,
    pub(crate) bytes: Arc<Source>,
}

pub(crate) async fn gather(
    parts: &Parts,
    sight: Sight,
    definition: &Definition,
    request: Request,
) -> Result<Gathered, Failure> {
    let mut gathered = Gathered {
        inputs: RunInputs {
            params: request.params,
            ..RunInputs::default()
        },
        recorded: Vec::new(),
        new: Vec::new(),
        loaded: None,
        tier: Clearance::everybody(),
    };
    let mut files: BTreeMap<String, Vec<FileInput>> = BTreeMap::new();
    for upload in request.files {
        let (document, source) = (DocumentId::new(), SourceId::new());
        let bytes = Arc::new(upload.source);
        gathered.new.push(NewFile {
            document,
            source,
            bytes: bytes.clone(),
        });
        files.entry(upload.role).or_default().push(FileInput {
            document,
            source,
            bytes,
        });
    }
    for (role, document) in request.documents {
        let spec = definition.inputs.get(&role);
        let spec = spec.filter(|spec| matches!(spec.kind, InputKind::File | InputKind::Document));
        let Some(spec) = spec else {
            return Err(Failure::new(
                Code::UnknownInput,
                format!("the pipeline takes no document for the role '{role}'"),
            ));
        };
        let list = files.entry(role).or_default();
        // Before it is loaded: the other limits are looked at when everything is there.
        if list.len() >= spec.max as usize {
            let said = format!("a role of the pipeline takes at most {}, and more came", spec.max);
            return Err(Failure::new(Code::DuplicateInput, said));
        }
        list.push(fetch(parts, sight, document, &mut gathered).await?);
    }
    for (role, list) in &files {
        for (position, file) in list.iter().enumerate() {
            let content = InputContent::File {
                document: file.document,
                source: file.source,
                name: file.bytes.name.clone(),
                media_type: file.bytes.media_type.clone(),
                size: file.bytes.bytes.len() as u64,
                digest: file.bytes.digest,
            };
            gathered.recorded.push(recorded(role, position, content));
        }
    }
    gathered.inputs.files = files;
    for (role, text) in request.texts {
        let list = gathered.inputs.texts.entry(role.clone()).or_default();
        let content = InputContent::Text { text: text.clone() };
        gathered.recorded.push(recorded(&role, list.len(), content));
        list.push(Arc::from(text));
    }
    for (role, record) in request.records {
        let list = gathered.inputs.records.entry(role.clone()).or_default();
        let content = InputContent::Record {
            record: record.clone(),
        };
        gathered.recorded.push(recorded(&role, list.len(), content));
        list.push(Arc::new(record));
    }
    gathered
        .recorded
        .sort_by(|a, b| (&a.role, a.position).cmp(&(&b.role, b.position)));
    Ok(gathered)
}

fn recorded(role: &str, position: usize, content: InputContent) -> RunInput {
    RunInput {
        role: role.to_owned(),
        position: i32::try_from(position).unwrap_or(i32::MAX),
        content,
    }
}

/// A document that the tenant has and the caller may see, in its newest version.
async fn fetch(
    parts: &Parts,
    sight: Sight,
    document: DocumentId,
    gathered: &mut Gathered,
) -> Result<FileInput, Failure> {
    let stored = parts
        .store
        .newest_source(sight, document)
        .await
        .map_err(|e| e.failure())?;
    let stored = stored.ok_or_else(|| {
        Failure::new(
            Code::NotFound,
            format!("there is no document {document}; GET /v1/documents lists them"),
        )
    })?;
    parts.gate.load(stored.row.size, &mut gathered.loaded)?;
    gathered.tier = gathered.tier.raised_to(stored.tier);
    let bytes = match stored.inline {
        Some(bytes) => bytes,
        None => parts
            .blobs
            .get(sight.tenant, stored.row.digest)
            .await
            .map_err(|e| e.failure())?,
    };
    Ok(FileInput {
        document,
        source: stored.row.id,
        bytes: Arc::new(Source {
            media_type: stored.row.media_type,
            name: stored.row.name,
            digest: stored.row.digest,
            bytes,
        }),
    })
}

/// The rows of the documents that came with the request; `outcome` has the text for their simhashes, if there is one.
pub(crate) async fn rows(
    files: &[NewFile],
    outcome: Option<&RunOutcome>,
    inline: ByteSize,
) -> Vec<NewDocument> {
    let mut rows = Vec::with_capacity(files.len());
    for file in files {
        let reading = outcome.and_then(|o| o.readings.iter().find(|r| r.source == file.source));
        let simhash = match reading {
            None => None,
            Some(record) if record.reading.text_bytes() <= SIMHASH_INLINE_BYTES => {
                Some(simhash(&record.reading.whole_text()))
            }
            Some(record) => {
                let reading = record.reading.clone();
                tokio::task::spawn_blocking(move || simhash(&reading.whole_text()))
                    .await
                    .ok()
            }
        };
        rows.push(NewDocument {
            document: file.document,
            source: file.source,
            name: file.bytes.name.clone(),
            media_type: file.bytes.media_type.clone(),
            size: file.bytes.bytes.len() as u64,
            digest: file.bytes.digest,
            // Zero stands for a text without words.
            simhash: simhash.filter(|hash| *hash != 0),
            inline: fits(&file.bytes, inline).then(|| file.bytes.bytes.clone()),
        });
    }
    rows
}

/// Whether the bytes go into the row.
pub(crate) fn fits(source: &Source, inline: ByteSize) -> bool {
    source.bytes.len() as u64 <= inline.0
}
