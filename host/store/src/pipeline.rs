//! Pipelines and their saved definitions.

use docmill_model::definition::Definition;
use docmill_model::id::{PipelineId, PipelineVersionId, TenantId};
use docmill_model::run::Millis;
use serde::Serialize;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Page;
use crate::clean::{json_text, text};
use crate::connect::Store;
use crate::error::StoreError;
use crate::run::page_size;

/// What saving came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedPipeline {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Its newest version now.
    pub version_id: PipelineVersionId,
    /// That version's number, from 1.
    pub number: i32,
    /// False: the newest version was the same definition already.
    pub created: bool,
}

/// A pipeline in one of its versions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PipelineRow {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The version.
    pub version_id: PipelineVersionId,
    /// Its number, from 1.
    pub number: i32,
    /// As read.
    pub definition: Definition,
    /// As written, comments and all.
    pub source_text: String,
    /// When this version was saved.
    pub created_at: Millis,
}

/// A pipeline as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PipelineSummary {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Its newest version's number, from 1.
    pub number: i32,
    /// When that version was saved.
    pub updated_at: Millis,
}

/// A version as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PipelineVersionSummary {
    /// The version.
    pub version_id: PipelineVersionId,
    /// Its number, from 1.
    pub number: i32,
    /// When it was saved.
    pub created_at: Millis,
}

/// The newest version, for who is about to write the next one.
struct Newest {
    id: Uuid,
    number: i32,
    definition: Json<Definition>,
    source_text: String,
    shipped: bool,
}

/// Who writes a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// A caller, or whoever keeps definitions in a directory.
    Somebody,
    /// A release, with an example of its own.
    Docmill,
    /// The newest version stays as it is.
    Nobody,
}

impl Store {
    /// Saves a definition as the pipeline's newest version. `expected_version`: the newest number that the writer has
    /// seen, 0 for a pipeline that must not exist yet; none: whatever it is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the newest version is another than expected.
    pub async fn save_pipeline(
        &self,
        tenant: TenantId,
        definition: &Definition,
        source_text: &str,
        expected_version: Option<i32>,
    ) -> Result<SavedPipeline, StoreError> {
        self.save_version(tenant, definition, source_text, |newest| {
            let (name, number) = (&definition.name, newest.map_or(0, |n| n.number));
            let Some(expected) = expected_version.filter(|expected| *expected != number) else {
                return Ok(Writer::Somebody);
            };
            let what = if number == 0 {
                format!("the pipeline {name} does not exist, but version {expected} was expected")
            } else {
                format!("the newest version of {name} is {number}, not {expected}: read it, then save again")
            };
            Err(StoreError::Conflict { what })
        })
        .await
    }

    /// Saves a definition that comes with docmill as the pipeline's newest version, unless somebody wrote the newest one:
    /// that stays, and is what comes back.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ship_pipeline(
        &self,
        tenant: TenantId,
        definition: &Definition,
        source_text: &str,
    ) -> Result<SavedPipeline, StoreError> {
        self.save_version(tenant, definition, source_text, |newest| {
            Ok(match newest {
                Some(newest) if !newest.shipped => Writer::Nobody,
                _ => Writer::Docmill,
            })
        })
        .await
    }

    /// Saves a definition as the pipeline's newest version, as whoever `writer` says when it has seen the one before.
    async fn save_version(
        &self,
        tenant: TenantId,
        definition: &Definition,
        source_text: &str,
        writer: impl FnOnce(Option<&Newest>) -> Result<Writer, StoreError>,
    ) -> Result<SavedPipeline, StoreError> {
        let name = definition.name.as_str();
        let mut tx = self.tenant(tenant).await?;
        sqlx::query!(
            "insert into docmill.pipeline (tenant_id, id, name) values ($1, $2, $3)
             on conflict (tenant_id, name) do nothing",
            tenant.uuid(),
            PipelineId::new().uuid(),
            name,
        )
        .execute(tx.connection())
        .await?;
        // Two who save at once take turns here, so that numbers have no gaps and the second sees the first's.
        let pipeline = sqlx::query_scalar!(
            "select id from docmill.pipeline where tenant_id = $1 and name = $2 for update",
            tenant.uuid(),
            name,
        )
        .fetch_one(tx.connection())
        .await?;
        let newest = sqlx::query_as!(
            Newest,
            r#"select id, number, definition as "definition: Json<Definition>", source_text, shipped
               from docmill.pipeline_version where tenant_id = $1 and pipeline_id = $2 order by number desc limit 1"#,
            tenant.uuid(),
            pipeline,
        )
        .fetch_optional(tx.connection())
        .await?;
        let writer = writer(newest.as_ref())?;
        let number = newest.as_ref().map_or(0, |n| n.number);
        let source_text = text(source_text);
        if let Some(newest) = newest.filter(|n| {
            writer == Writer::Nobody || (n.source_text == *source_text && n.definition.0 == *definition)
        }) {
            return Ok(SavedPipeline {
                pipeline: pipeline.into(),
                version_id: newest.id.into(),
                number,
                created: false,
            });
        }
        let version_id = PipelineVersionId::new();
        sqlx::query!(
            "insert into docmill.pipeline_version
                 (tenant_id, id, pipeline_id, number, definition, source_text, shipped)
             values ($1, $2, $3, $4, $5::text::json, $6, $7)",
            tenant.uuid(),
            version_id.uuid(),
            pipeline,
            number + 1,
            json_text(definition)?,
            &*source_text,
            writer == Writer::Docmill,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(SavedPipeline {
            pipeline: pipeline.into(),
            version_id,
            number: number + 1,
            created: true,
        })
    }

    /// The newest version of a pipeline.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get_pipeline(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<Option<PipelineRow>, StoreError> {
        self.pipeline_row(tenant, name, None).await
    }

    /// One version of a pipeline.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get_pipeline_version(
        &self,
        tenant: TenantId,
        name: &str,
        number: i32,
    ) -> Result<Option<PipelineRow>, StoreError> {
        self.pipeline_row(tenant, name, Some(number)).await
    }

    async fn pipeline_row(
        &self,
        tenant: TenantId,
        name: &str,
        number: Option<i32>,
    ) -> Result<Option<PipelineRow>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let row = sqlx::query!(
            r#"select p.id as pipeline, v.id as version_id, v.number, v.definition as "definition: Json<Definition>",
                      v.source_text, docmill.millis(v.created_at) as "created_at!"
               from docmill.pipeline p
               join docmill.pipeline_version v on v.tenant_id = p.tenant_id and v.pipeline_id = p.id
               where p.tenant_id = $1 and p.name = $2 and ($3::integer is null or v.number = $3)
               order by v.number desc limit 1"#,
            tenant.uuid(),
            &*text(name),
            number,
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.end().await?;
        Ok(row.map(|row| PipelineRow {
            pipeline: row.pipeline.into(),
            version_id: row.version_id.into(),
            number: row.number,
            definition: row.definition.0,
            source_text: row.source_text,
            created_at: row.created_at,
        }))
    }

    /// Pipelines of the tenant, by name. `cursor` is the last name seen. 0 means 50 at once, more than 200 means 200.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_pipelines(
        &self,
        tenant: TenantId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<PipelineSummary, String>, StoreError> {
        let limit = page_size(limit);
        let cursor = cursor.map(text);
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select p.id, p.name, v.number, v.definition ->> 'description' as description,
                      docmill.millis(v.created_at) as "updated_at!"
               from docmill.pipeline p
               cross join lateral (
                   select * from docmill.pipeline_version v
                   where v.tenant_id = p.tenant_id and v.pipeline_id = p.id order by v.number desc limit 1
               ) v
               where p.tenant_id = $1 and ($2::text is null or p.name > $2)
               order by p.name limit $3"#,
            tenant.uuid(),
            cursor.as_deref(),
            i64::from(limit) + 1,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        let summary = rows.into_iter().map(|row| PipelineSummary {
            pipeline: row.id.into(),
            name: row.name,
            description: row.description.unwrap_or_default(),
            number: row.number,
            updated_at: row.updated_at,
        });
        Ok(Page::of(summary.collect(), limit, |pipeline| {
            pipeline.name.clone()
        }))
    }

    /// The versions of a pipeline, newest first; empty if there is no such pipeline. `cursor` is the last number seen.
    /// 0 means 50 at once, more than 200 means 200.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pipeline_versions(
        &self,
        tenant: TenantId,
        name: &str,
        cursor: Option<i32>,
        limit: u32,
    ) -> Result<Page<PipelineVersionSummary, i32>, StoreError> {
        let limit = page_size(limit);
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select v.id, v.number, docmill.millis(v.created_at) as "created_at!"
               from docmill.pipeline p
               join docmill.pipeline_version v on v.tenant_id = p.tenant_id and v.pipeline_id = p.id
               where p.tenant_id = $1 and p.name = $2 and ($3::integer is null or v.number < $3)
               order by v.number desc limit $4"#,
            tenant.uuid(),
            &*text(name),
            cursor,
            i64::from(limit) + 1,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        let summary = rows.into_iter().map(|row| PipelineVersionSummary {
            version_id: row.id.into(),
            number: row.number,
            created_at: row.created_at,
        });
        Ok(Page::of(summary.collect(), limit, |version| version.number))
    }
}
