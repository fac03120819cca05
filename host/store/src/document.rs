//! Documents, their sources, readings and pages.

use bytes::Bytes;
use docmill_model::access::Clearance;
use docmill_model::digest::Digest;
use docmill_model::id::{DocumentId, ReadingId, SourceId, TenantId};
use docmill_model::reading::{PageInfo, PageSize};
use docmill_model::run::Millis;
use serde::Serialize;
use sqlx::types::Json;
use uuid::Uuid;

mod list;
mod tier;

use crate::connect::Store;
use crate::convert::{count_in, digest, size_in, tag};
use crate::error::StoreError;
use crate::run::{RunFilter, RunSummary};
use crate::tenant::{Sight, TenantTx};

/// A document that comes with a run.
#[derive(Debug, Clone)]
pub struct NewDocument {
    /// Its id, also in the run's inputs.
    pub document: DocumentId,
    /// The id of its bytes, also in the run's inputs.
    pub source: SourceId,
    /// As the client gave it, without directories.
    pub name: Option<String>,
    /// What the host found it to be.
    pub media_type: String,
    /// In bytes.
    pub size: u64,
    /// Of the bytes.
    pub digest: Digest,
    /// Of its text, if a parser gave one; see [`docmill_model::simhash`].
    pub simhash: Option<u64>,
    /// The bytes, if they are small; none: they are in the blob store under the digest.
    pub inline: Option<Bytes>,
}

/// Bytes that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceRow {
    /// Its id.
    pub id: SourceId,
    /// Whose version it is.
    pub document: DocumentId,
    /// As the client gave it.
    pub name: Option<String>,
    /// What the host found it to be.
    pub media_type: String,
    /// In bytes.
    pub size: u64,
    /// Of the bytes.
    pub digest: Digest,
    /// Of its text, as 16 hexadecimal digits.
    pub simhash: Option<String>,
    /// The document that had the same bytes first.
    pub duplicate_of: Option<DocumentId>,
    /// When it came.
    pub created_at: Millis,
}

/// A source with its bytes, where the database has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSource {
    /// What its document demands of those who look at it.
    pub tier: Clearance,
    /// What is known of it.
    pub row: SourceRow,
    /// None: they are in the blob store under the digest.
    pub inline: Option<Bytes>,
}

/// A page of a reading.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PageView {
    /// From 0.
    pub number: u32,
    /// Label, size, origin, warnings.
    #[serde(flatten)]
    pub info: PageInfo,
    /// Its text.
    pub text: String,
}

/// What one parser made of a source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReadingView {
    /// Its id.
    pub id: ReadingId,
    /// Of which source.
    pub source: SourceId,
    /// `namespace/name@version`
    pub plugin: String,
    /// BCP 47.
    pub language: Option<String>,
    /// Title, author, dates.
    pub metadata: Vec<(String, String)>,
    /// When it was made.
    pub created_at: Millis,
    /// In order.
    pub pages: Vec<PageView>,
}

/// A document with what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DocumentView {
    /// Its id.
    pub id: DocumentId,
    /// The name of its newest source.
    pub name: Option<String>,
    /// What it demands of those who look at it.
    pub tier: Clearance,
    /// When it came.
    pub created_at: Millis,
    /// Newest first.
    pub sources: Vec<SourceRow>,
    /// Newest first. A source whose bytes came before shares the readings of the first.
    pub readings: Vec<ReadingView>,
    /// Newest first, at most 100.
    pub runs: Vec<RunSummary>,
}

/// A document as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DocumentSummary {
    /// Its id.
    pub id: DocumentId,
    /// As the client gave it.
    pub name: Option<String>,
    /// What it demands of those who look at it.
    pub tier: Clearance,
    /// What the host found it to be.
    pub media_type: String,
    /// In bytes.
    pub size: u64,
    /// Of the bytes.
    pub digest: Digest,
    /// The document that had the same bytes first.
    pub duplicate_of: Option<DocumentId>,
    /// When it came.
    pub created_at: Millis,
    /// Where the words that were searched for stand: the page, from 0, and a part of its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hit: Option<Hit>,
}

/// Where words were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// From 0.
    pub page: u32,
    /// A part of the page's text around the words.
    pub text: String,
}

/// Runs shown with a document.
const MAX_RUNS: u32 = 100;

impl Store {
    /// The document and source that brought these bytes first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_source(
        &self,
        sight: Sight,
        digest: Digest,
    ) -> Result<Option<(DocumentId, SourceId)>, StoreError> {
        let mut tx = self.seeing(sight).await?;
        let row = sqlx::query!(
            "select document_id, id from docmill.source
             where tenant_id = $1 and digest = $2 and duplicate_of is null order by id limit 1",
            sight.tenant.uuid(),
            digest.as_bytes().as_slice(),
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.end().await?;
        Ok(row.map(|row| (row.document_id.into(), row.id.into())))
    }

    /// The newest source of a document.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn newest_source(
        &self,
        sight: Sight,
        document: DocumentId,
    ) -> Result<Option<StoredSource>, StoreError> {
        let mut tx = self.seeing(sight).await?;
        let sources = sources(&mut tx, sight.tenant, document).await?;
        let Some(row) = sources.into_iter().next() else {
            return Ok(None);
        };
        let kept = sqlx::query!(
            r#"select docmill.source_bytes($2) as inline, tier::text as "tier!"
               from docmill.document where tenant_id = $1 and id = $3"#,
            sight.tenant.uuid(),
            row.id.uuid(),
            document.uuid(),
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.end().await?;
        // None: it was raised in between.
        let Some(kept) = kept else {
            return Ok(None);
        };
        Ok(Some(StoredSource {
            tier: tag(&kept.tier)?,
            row,
            inline: kept.inline.map(Bytes::from),
        }))
    }

    /// The bytes of a source, if they are in its row; for the platform itself, which sees every tier. None: among the blobs.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn source_bytes(
        &self,
        tenant: TenantId,
        source: SourceId,
    ) -> Result<Option<Bytes>, StoreError> {
        let mut tx = self.seeing(Sight::whole(tenant)).await?;
        let bytes = sqlx::query_scalar!("select docmill.source_bytes($1)", source.uuid())
            .fetch_one(tx.connection())
            .await?;
        tx.end().await?;
        Ok(bytes.map(Bytes::from))
    }

    /// A document with its pages and the runs over it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get_document(
        &self,
        sight: Sight,
        document: DocumentId,
    ) -> Result<Option<DocumentView>, StoreError> {
        let mut tx = self.seeing(sight).await?;
        let tenant = sight.tenant;
        let Some(row) = sqlx::query!(
            r#"select name, tier::text as "tier!", docmill.millis(created_at) as "created_at!"
               from docmill.document where tenant_id = $1 and id = $2"#,
            tenant.uuid(),
            document.uuid(),
        )
        .fetch_optional(tx.connection())
        .await?
        else {
            return Ok(None);
        };
        let sources = sources(&mut tx, tenant, document).await?;
        let readings = readings(&mut tx, tenant, document).await?;
        tx.end().await?;
        let filter = RunFilter {
            document: Some(document),
            limit: MAX_RUNS,
            ..RunFilter::default()
        };
        Ok(Some(DocumentView {
            id: document,
            name: row.name,
            tier: tag(&row.tier)?,
            created_at: row.created_at,
            sources,
            readings,
            runs: self.list_runs(sight, &filter).await?.items,
        }))
    }
}

/// Newest first.
async fn sources(
    tx: &mut TenantTx,
    tenant: TenantId,
    document: DocumentId,
) -> Result<Vec<SourceRow>, StoreError> {
    let rows = sqlx::query!(
        r#"select s.id, s.name, s.media_type, s.size, s.digest, s.simhash, o.document_id as "duplicate_of?",
                  docmill.millis(s.created_at) as "created_at!"
           from docmill.source s
           left join docmill.source o on o.tenant_id = s.tenant_id and o.id = s.duplicate_of
           where s.tenant_id = $1 and s.document_id = $2
           order by s.id desc"#,
        tenant.uuid(),
        document.uuid(),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(SourceRow {
                id: row.id.into(),
                document,
                name: row.name,
                media_type: row.media_type,
                size: size_in(row.size),
                digest: digest(&row.digest)?,
                simhash: row.simhash.map(|hash| format!("{:016x}", hash.cast_unsigned())),
                duplicate_of: row.duplicate_of.map(Into::into),
                created_at: row.created_at,
            })
        })
        .collect()
}

/// Newest first.
async fn readings(
    tx: &mut TenantTx,
    tenant: TenantId,
    document: DocumentId,
) -> Result<Vec<ReadingView>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id, r.source_id, r.plugin, r.language, r.metadata as "metadata: Json<Vec<(String, String)>>",
                  docmill.millis(r.created_at) as "created_at!"
           from docmill.reading r
           where r.tenant_id = $1 and r.source_id in (
               select coalesce(s.duplicate_of, s.id) from docmill.source s where s.tenant_id = $1 and s.document_id = $2)
           order by r.id desc"#,
        tenant.uuid(),
        document.uuid(),
    )
    .fetch_all(tx.connection())
    .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let pages = sqlx::query!(
        "select reading_id, number, label, width, height, origin, warnings, text
         from docmill.page where tenant_id = $1 and reading_id = any ($2) order by reading_id desc, number",
        tenant.uuid(),
        &ids,
    )
    .fetch_all(tx.connection())
    .await?;
    let mut pages = pages.into_iter().peekable();
    rows.into_iter()
        .map(|row| {
            let mut of_reading = Vec::new();
            while let Some(page) = pages.next_if(|page| page.reading_id == row.id) {
                let size = page.width.zip(page.height);
                of_reading.push(PageView {
                    number: count_in(page.number),
                    info: PageInfo {
                        label: page.label,
                        size: size.map(|(width, height)| PageSize { width, height }),
                        origin: tag(&page.origin)?,
                        warnings: page.warnings,
                    },
                    text: page.text,
                });
            }
            Ok(ReadingView {
                id: row.id.into(),
                source: row.source_id.into(),
                plugin: row.plugin,
                language: row.language,
                metadata: row.metadata.0,
                created_at: row.created_at,
                pages: of_reading,
            })
        })
        .collect()
}
