//! Runs: written by one statement, read back whole, found again by what they were about.

use std::sync::Arc;

use docmill_faults::point;
use docmill_model::access::Clearance;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{
    ArtifactId, DocumentId, KeyId, ReadingId, RunId, SourceId, TenantId, UserId, WorkerId,
};
use docmill_model::run::{ArtifactRecord, Lookup, Millis, RunHead, RunOutcome, Status};
use docmill_model::value::Verdict;
use serde::Serialize;
use uuid::Uuid;

mod build;
mod commit;
mod list;
mod llm;
mod rows;
mod shared;
mod view;

pub(crate) use commit::Committer;
use commit::Way;
pub(crate) use list::page_size;
pub(crate) use shared::{ENDED_TOGETHER, RUN_FINISH};

use crate::clean::json_text;
use crate::connect::Store;
use crate::convert::{digest, size_in};
use crate::document::NewDocument;
use crate::error::StoreError;
use crate::queue::{JobSpec, KeyUse, Lease};
use crate::tenant::Sight;

/// A finished run with everything that is to be kept of it. What `retain: result` leaves out (logs of attempts that
/// succeeded) is left out here, whatever the outcome holds.
#[derive(Debug, Clone, Copy)]
pub struct RunCommit<'a> {
    /// What was known before work started.
    pub head: &'a RunHead,
    /// What it came to. Each reading belongs to a source among `documents` or to one that the tenant has already.
    pub outcome: &'a RunOutcome,
    /// Documents that came with the request; not those that the tenant had before.
    pub documents: &'a [NewDocument],
}

/// What a commit found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Given and kept, where they differ; of this run, and of others that were committed together with it.
    replaced: Arc<[(Uuid, Uuid)]>,
}

impl Committed {
    /// The document that brought the same bytes first; none: `document` itself did.
    pub fn duplicate_of(&self, document: DocumentId) -> Option<DocumentId> {
        self.instead(document.uuid()).map(Into::into)
    }

    /// The reading that is kept: `reading` itself, or the one that an earlier run made of the same bytes in the same way.
    pub fn kept_reading(&self, reading: ReadingId) -> ReadingId {
        self.instead(reading.uuid()).map_or(reading, Into::into)
    }

    /// Both: of a run that was accepted first and finished later.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        Self {
            replaced: self
                .replaced
                .iter()
                .chain(later.replaced.iter())
                .copied()
                .collect(),
        }
    }

    fn instead(&self, given: Uuid) -> Option<Uuid> {
        let found = self.replaced.iter().find(|(g, _)| *g == given);
        found.map(|(_, instead)| *instead)
    }
}

/// A run as it is kept.
#[derive(Debug, Clone)]
pub struct StoredRun {
    /// What was known before work started.
    pub head: RunHead,
    /// Where it stands.
    pub status: Status,
    /// Its place among those that workers have or take.
    pub queued: Option<QueuePlace>,
    /// None while it is not over, and of a cancelled run. Its `readings` are empty: `readings` below names them.
    pub outcome: Option<RunOutcome>,
    /// What citations point to.
    pub readings: Vec<ReadingRef>,
    /// Documents among its inputs whose bytes had come before, with the first document that had them.
    pub duplicates: Vec<(DocumentId, DocumentId)>,
}

/// Where a queued run stands.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuePlace {
    /// Who works on it.
    pub worker: Option<WorkerId>,
    /// How often somebody began to.
    pub attempt: u32,
    /// Within its tenant; higher first.
    pub priority: i16,
    /// When it may begin.
    pub ready_at: Millis,
    /// Why the attempt before was broken off.
    pub last_error: Option<Failure>,
}

/// A reading that a run used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadingRef {
    /// The name by which the run's citations know it.
    pub key: String,
    /// The reading; made by an earlier run if the same parser had read the same bytes before.
    pub id: ReadingId,
    /// Of which source.
    pub source: SourceId,
    /// Of which document.
    pub document: DocumentId,
    /// `namespace/name@version`
    pub plugin: String,
    /// Number of pages.
    pub pages: u32,
}

/// A run as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// The pipeline's name, as it was then.
    pub pipeline: String,
    /// Which version of it, from 1.
    pub version_number: i32,
    /// Where it stands.
    pub status: Status,
    /// The judgement over its checks.
    pub verdict: Option<Verdict>,
    /// What it demands of those who look at it.
    pub tier: Clearance,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// When it was admitted.
    pub created_at: Millis,
    /// When work ended.
    pub finished_at: Option<Millis>,
    /// Values by which it is found.
    pub lookups: Vec<Lookup>,
    /// Documents among its inputs.
    pub documents: Vec<DocumentId>,
}

/// Which runs.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this pipeline, by name.
    pub pipeline: Option<String>,
    /// In this state.
    pub status: Option<Status>,
    /// With this verdict.
    pub verdict: Option<Verdict>,
    /// Failed with this code.
    pub error: Option<Code>,
    /// Over this document.
    pub document: Option<DocumentId>,
    /// Of this key.
    pub key: Option<KeyId>,
    /// Of this user's keys and sessions.
    pub user: Option<UserId>,
    /// On behalf of this end user.
    pub subject: Option<String>,
    /// Name and value: with all of these look-ups. Order of words, case and ё/е do not matter.
    pub lookups: Vec<(String, String)>,
    /// Admitted at this time or later.
    pub since: Option<Millis>,
    /// Admitted before this time.
    pub until: Option<Millis>,
    /// The last run seen.
    pub cursor: Option<RunId>,
    /// At most so many; 0 means 50, more than 200 means 200.
    pub limit: u32,
}

impl Store {
    /// Writes a finished run with all that belongs to it: one statement, one round trip, one commit, which runs of the same
    /// tenant that finish at the same time share. When this returns `Ok`, the run is durable.
    ///
    /// # Errors
    /// When the database does not answer: then the run may or may not be there, and the same call again is safe
    /// (`Conflict` means that it was).
    pub async fn commit_run(
        &self,
        tenant: TenantId,
        commit: &RunCommit<'_>,
    ) -> Result<Committed, StoreError> {
        self.committer
            .commit(tenant, Way::Whole, build::whole(commit)?)
            .await
    }

    /// Writes a run before work starts (`durability: accepted`), under a key if its client gave one.
    ///
    /// # Errors
    /// [`StoreError::KeyUsed`]; when the database does not answer.
    pub async fn accept_run(
        &self,
        tenant: TenantId,
        head: &RunHead,
        documents: &[NewDocument],
        key: Option<&KeyUse>,
    ) -> Result<Committed, StoreError> {
        let mut rows = build::accepted(head, documents)?;
        rows.keys.extend(key.map(|key| build::key(head, key)));
        self.committer.commit(tenant, Way::Accept, rows).await
    }

    /// Writes a run that is to be worked on later, by whichever worker claims it. When this returns `Ok`, it is durable.
    ///
    /// # Errors
    /// [`StoreError::KeyUsed`]; when the database does not answer.
    pub async fn queue_run(
        &self,
        tenant: TenantId,
        head: &RunHead,
        documents: &[NewDocument],
        job: &JobSpec,
        key: Option<&KeyUse>,
    ) -> Result<Committed, StoreError> {
        let mut rows = build::queued(head, documents, job)?;
        rows.keys.extend(key.map(|key| build::key(head, key)));
        point("accept.before").await;
        let accepted = self.committer.commit(tenant, Way::Accept, rows).await;
        point("accept.after").await;
        accepted
    }

    /// Finishes a queued run, if it is still this worker's.
    ///
    /// # Errors
    /// [`StoreError::NotOurs`] when it is not: it was taken over, cancelled or finished. When the database does not answer, the
    /// same call again is safe.
    pub async fn end_job(
        &self,
        tenant: TenantId,
        lease: Lease,
        commit: &RunCommit<'_>,
    ) -> Result<Committed, StoreError> {
        let mut rows = build::finished(commit)?;
        rows.fence = lease.fence;
        point("end.before").await;
        let ended = self.committer.commit(tenant, Way::End(lease.worker), rows).await;
        point("end.after").await;
        ended
    }

    /// Finishes a run that was accepted, if it is still running. `commit.documents` was written when it was accepted and is
    /// not looked at.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the run is finished already (it was given up as lost) or was never accepted.
    pub async fn finish_accepted_run(
        &self,
        tenant: TenantId,
        commit: &RunCommit<'_>,
    ) -> Result<Committed, StoreError> {
        self.committer
            .alone(tenant, Way::Finish, &build::finished(commit)?)
            .await
    }

    /// Fails accepted runs of all tenants that were admitted before `older_than` and never finished, with
    /// [`Code::Interrupted`]; the number of them. A host that is alive finishes its runs within their deadline, so
    /// `older_than` is now minus the longest deadline that the platform grants, or now when the only host starts.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_lost_runs(&self, older_than: Millis) -> Result<u64, StoreError> {
        let failure = Failure::new(
            Code::Interrupted,
            "the host went away before the run was done; send it again",
        );
        let lost = sqlx::query_scalar!(
            r#"select docmill.mark_lost_runs(docmill.time_at($1), $2::text::json) as "lost!""#,
            older_than,
            json_text(&failure)?,
        )
        .fetch_one(&mut self.line().await?)
        .await?;
        Ok(size_in(lost))
    }

    /// What is known of an artifact of a run that may be seen; its bytes are in the blob store under its digest.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get_artifact(
        &self,
        sight: Sight,
        run: RunId,
        artifact: ArtifactId,
    ) -> Result<Option<ArtifactRecord>, StoreError> {
        let mut tx = self.seeing(sight).await?;
        let row = sqlx::query!(
            "select step, name, media_type, size, digest from docmill.artifact
             where tenant_id = $1 and run_id = $2 and id = $3",
            sight.tenant.uuid(),
            run.uuid(),
            artifact.uuid(),
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.end().await?;
        row.map(|row| {
            Ok(ArtifactRecord {
                id: artifact,
                step: row.step,
                name: row.name,
                media_type: row.media_type,
                size: size_in(row.size),
                digest: digest(&row.digest)?,
            })
        })
        .transpose()
    }
}
