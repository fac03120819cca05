//! Finding documents.

use docmill_model::id::DocumentId;
use uuid::Uuid;

use super::{DocumentSummary, Hit};
use crate::Page;
use crate::clean::text;
use crate::connect::Store;
use crate::convert::{count_in, digest, size_in, tag};
use crate::error::StoreError;
use crate::run::page_size;
use crate::tenant::Sight;

/// Longest question to the full-text search, in characters.
const MAX_WORDS_CHARS: usize = 500;

impl Store {
    /// Documents that may be seen, newest first; with `words`, those with a page that has all of them (word forms of Russian and English
    /// do not matter). `cursor` is the last document seen. 0 means 50 at once, more than 200 means 200.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_documents(
        &self,
        sight: Sight,
        cursor: Option<DocumentId>,
        limit: u32,
        words: Option<&str>,
    ) -> Result<Page<DocumentSummary, DocumentId>, StoreError> {
        let limit = page_size(limit);
        let cursor = cursor.map(DocumentId::uuid);
        let items = match words.map(|w| text(w).chars().take(MAX_WORDS_CHARS).collect::<String>()) {
            None => self.newest_documents(sight, cursor, limit + 1).await?,
            Some(words) => self.documents_with(sight, cursor, limit + 1, &words).await?,
        };
        Ok(Page::of(items, limit, |document| document.id))
    }

    async fn newest_documents(
        &self,
        sight: Sight,
        cursor: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DocumentSummary>, StoreError> {
        let mut tx = self.seeing(sight).await?;
        let rows = sqlx::query_as!(
            SummaryRow,
            r#"select d.id, d.name, d.tier::text as "tier!", s.media_type, s.size, s.digest, o.document_id as "duplicate_of?",
                      docmill.millis(d.created_at) as "created_at!", null::integer as page, null::text as hit
               from docmill.document d
               cross join lateral (
                   select * from docmill.source s
                   where s.tenant_id = d.tenant_id and s.document_id = d.id order by s.id desc limit 1
               ) s
               left join docmill.source o on o.tenant_id = s.tenant_id and o.id = s.duplicate_of
               where d.tenant_id = $1 and ($2::uuid is null or d.id < $2)
               order by d.id desc limit $3"#,
            sight.tenant.uuid(),
            cursor,
            i64::from(limit),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter().map(SummaryRow::summary).collect()
    }

    async fn documents_with(
        &self,
        sight: Sight,
        cursor: Option<Uuid>,
        limit: u32,
        words: &str,
    ) -> Result<Vec<DocumentSummary>, StoreError> {
        let mut tx = self.seeing(sight).await?;
        let rows = sqlx::query_as!(
            SummaryRow,
            r#"with asked as (
                   select websearch_to_tsquery('docmill.words', translate($4, 'Ёё', 'Ее')) as words
               ), hit as materialized (
                   select distinct on (r.source_id) r.source_id, p.reading_id, p.number
                   from asked
                   cross join lateral docmill.pages_with(asked.words) p
                   join docmill.reading r on r.tenant_id = $1 and r.id = p.reading_id
                   order by r.source_id, r.id desc, p.number
               ), found as (
                   select distinct on (s.document_id) s.document_id, s.media_type, s.size, s.digest, s.duplicate_of,
                          hit.reading_id, hit.number
                   from hit
                   join docmill.source s on s.tenant_id = $1
                       and (s.id = hit.source_id or s.duplicate_of = hit.source_id)
                   where $2::uuid is null or s.document_id < $2
                   order by s.document_id desc, s.id desc
                   limit $3
               )
               select d.id, d.name, d.tier::text as "tier!", f.media_type, f.size, f.digest, o.document_id as "duplicate_of?",
                      docmill.millis(d.created_at) as "created_at!", f.number as "page?",
                      ts_headline('docmill.words', left(p.text, 100000), asked.words,
                                  'MinWords=8, MaxWords=24, StartSel="", StopSel=""') as hit
               from asked, found f
               join docmill.document d on d.tenant_id = $1 and d.id = f.document_id
               join docmill.page p on p.tenant_id = $1 and p.reading_id = f.reading_id and p.number = f.number
               left join docmill.source o on o.tenant_id = $1 and o.id = f.duplicate_of
               order by d.id desc"#,
            sight.tenant.uuid(),
            cursor,
            i64::from(limit),
            words,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter().map(SummaryRow::summary).collect()
    }
}

struct SummaryRow {
    id: Uuid,
    name: Option<String>,
    tier: String,
    media_type: String,
    size: i64,
    digest: Vec<u8>,
    duplicate_of: Option<Uuid>,
    created_at: i64,
    page: Option<i32>,
    hit: Option<String>,
}

impl SummaryRow {
    fn summary(self) -> Result<DocumentSummary, StoreError> {
        let hit = self.page.zip(self.hit);
        Ok(DocumentSummary {
            id: self.id.into(),
            name: self.name,
            tier: tag(&self.tier)?,
            media_type: self.media_type,
            size: size_in(self.size),
            digest: digest(&self.digest)?,
            duplicate_of: self.duplicate_of.map(Into::into),
            created_at: self.created_at,
            hit: hit.map(|(page, text)| Hit {
                page: count_in(page),
                text,
            }),
        })
    }
}
