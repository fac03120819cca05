//! Pipelines and their saved definitions.

use docmill_model::definition::Definition;
use docmill_model::id::{PipelineId, PipelineVersionId, TenantId};
use docmill_model::run::Millis;
use serde::Serialize;

use crate::connect::Store;
use crate::error::StoreError;

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
        let _ = (tenant, definition, source_text, expected_version);
        todo!()
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
        let _ = (tenant, name);
        todo!()
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
        let _ = (tenant, name, number);
        todo!()
    }

    /// All pipelines of the tenant, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_pipelines(&self, tenant: TenantId) -> Result<Vec<PipelineSummary>, StoreError> {
        let _ = tenant;
        todo!()
    }

    /// The versions of a pipeline, newest first; empty if there is no such pipeline.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pipeline_versions(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<Vec<PipelineVersionSummary>, StoreError> {
        let _ = (tenant, name);
        todo!()
    }
}
