//! Documents, their sources, readings and pages.

use bytes::Bytes;
use docmill_model::digest::Digest;
use docmill_model::id::{DocumentId, ReadingId, SourceId, TenantId};
use docmill_model::reading::PageInfo;
use docmill_model::run::Millis;
use serde::Serialize;

use crate::Page;
use crate::connect::Store;
use crate::error::StoreError;
use crate::run::RunSummary;

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

impl Store {
    /// The document and source that brought these bytes first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_source(
        &self,
        tenant: TenantId,
        digest: Digest,
    ) -> Result<Option<(DocumentId, SourceId)>, StoreError> {
        let _ = (tenant, digest);
        todo!()
    }

    /// The newest source of a document.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn newest_source(
        &self,
        tenant: TenantId,
        document: DocumentId,
    ) -> Result<Option<StoredSource>, StoreError> {
        let _ = (tenant, document);
        todo!()
    }

    /// A document with its pages and the runs over it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get_document(
        &self,
        tenant: TenantId,
        document: DocumentId,
    ) -> Result<Option<DocumentView>, StoreError> {
        let _ = (tenant, document);
        todo!()
    }

    /// Documents, newest first; with `words`, those with a page that has all of them (word forms of Russian and English
    /// do not matter). `cursor` is the last document seen. At most 200 at once.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_documents(
        &self,
        tenant: TenantId,
        cursor: Option<DocumentId>,
        limit: u32,
        words: Option<&str>,
    ) -> Result<Page<DocumentSummary, DocumentId>, StoreError> {
        let _ = (tenant, cursor, limit, words);
        todo!()
    }
}
