//! The walk of one run.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use docmill_model::access::Clearance;
use docmill_model::definition::{Durability, Retain};
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{ArtifactId, DocumentId, KeyId, RequestId, RunId, TenantId, UserId};
use docmill_model::quota::Allowance;
use docmill_model::reading::Source;
use docmill_model::run::{ArtifactRecord, RunHead, RunOutcome, Status};
use docmill_model::size::ByteSize;
use docmill_pipeline::{RunContext, RunInputs, execute};
use docmill_quota::{Reserved, Tenant};
use docmill_store::queue::KeyUse;
use docmill_store::run::{Committed, RunCommit};
use docmill_store::{Sight, StoreError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::documents::{self, NewFile};
use crate::remembered::away;
use crate::{Admission, KEEPING, Parts, Runs, Snapshot, now};

/// Who acts, on whose behalf, from where and in which request.
#[derive(Debug, Clone)]
pub struct Acting {
    /// Whose tenant owns the run, and what they see of what it has.
    pub sight: Sight,
    /// Which key; none: a session, or the platform itself.
    pub key: Option<KeyId>,
    /// Whose key or session; none: a service's.
    pub user: Option<UserId>,
    /// An end user of the tenant's own product.
    pub subject: Option<String>,
    /// The peer's address.
    pub client_ip: Option<IpAddr>,
    /// In which request.
    pub request: RequestId,
}

/// What a run is given.
#[derive(Debug, Default)]
pub struct Request {
    /// The run is to demand this of those who look at it, or more.
    pub tier: Option<Clearance>,
    /// Under which it may be sent again.
    pub key: Option<KeyUse>,
    /// An object.
    pub params: serde_json::Value,
    /// Files, in order within each role.
    pub files: Vec<Upload>,
    /// Texts by role.
    pub texts: Vec<(String, String)>,
    /// Records by role.
    pub records: Vec<(String, serde_json::Value)>,
    /// Documents that the tenant has, by role.
    pub documents: Vec<(String, DocumentId)>,
}

/// A file that comes with a run.
#[derive(Debug)]
pub struct Upload {
    /// The pipeline's name for it.
    pub role: String,
    /// Its bytes and what the host found them to be.
    pub source: Source,
}

/// A run that was executed; with [`Status::Failed`] in its outcome if a step failed.
#[derive(Debug)]
pub struct Answer {
    /// What was known before work started.
    pub head: RunHead,
    /// What it came to.
    pub outcome: RunOutcome,
    /// What keeping it found out: documents whose bytes the tenant had before, readings that were made before.
    pub committed: Committed,
    /// Bytes of the artifacts of a run that is not kept (`retain: none`): the answer is all there is of them.
    pub loose: Vec<(ArtifactId, Bytes)>,
    /// From admission to the first step.
    pub queued: Duration,
    /// From admission to the answer.
    pub total: Duration,
}

impl Answer {
    fn new(head: RunHead, outcome: RunOutcome, loose: Vec<(ArtifactId, Bytes)>) -> Self {
        Self {
            head,
            outcome,
            committed: Committed::default(),
            loose,
            queued: Duration::ZERO,
            total: Duration::ZERO,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// What went wrong.
    pub failure: Failure,
    /// The run, if one was kept (`durability: accepted`).
    pub run: Option<RunId>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, run: None }
    }
}

impl Runs {
    /// Lets one more run in.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when too much is in flight.
    pub fn admit(&self, tenant: &Arc<Tenant>) -> Result<Admission, Failure> {
        self.0.gate.admit(tenant)
    }

    /// Executes the plan of `snapshot` on `request` and keeps the run as the pipeline says. When this returns, the run is
    /// durable (unless `retain: none`). Dropped before, its guests are stopped and nothing is kept, except that an accepted
    /// run ends as interrupted.
    ///
    /// # Errors
    /// What is wrong with the inputs; [`Code::Overloaded`]; [`Code::QuotaExceeded`]; [`Code::PluginNotAllowed`]; [`Code::KeyInUse`];
    /// what the store or the blobs say. A step that fails is an answer, not an error.
    pub async fn invoke(
        &self,
        admission: Admission,
        snapshot: &Snapshot,
        acting: Acting,
        request: Request,
    ) -> Result<Answer, Refused> {
        let stated = snapshot.definition().limits.timeout;
        let stated = stated.unwrap_or(self.0.settings.timeout);
        let deadline = admission.since + stated.min(self.0.settings.longest).0;
        let ready = self.prepare(&admission, snapshot, acting, request).await?;
        let answer = ready
            .run
            .carry_out(admission, snapshot, ready.inputs, deadline)
            .await;
        drop(ready.loaded);
        answer
    }

    /// Everything before work starts: may it run, does what it is given fit.
    pub(crate) async fn prepare(
        &self,
        admission: &Admission,
        snapshot: &Snapshot,
        acting: Acting,
        request: Request,
    ) -> Result<ReadyRun, Refused> {
        let parts = &self.0;
        let definition = snapshot.definition();
        if definition.retain != Retain::None && parts.health.just_failed() {
            // It could not be kept: it is refused before any work is done.
            return Err(away().into());
        }
        if definition.retain == Retain::None {
            parts.unwritten.check(acting.sight.tenant)?;
            if request.key.is_some() {
                return Err(keeps_nothing("Idempotency-Key", "could be given again").into());
            }
        }
        let allowance = admission.tenant.allowance();
        allowed(&snapshot.plugins, &allowance)?;
        let created_at = now();
        let asked = request.tier.unwrap_or(Clearance::everybody());
        let key = request.key.clone();
        let gathered = documents::gather(parts, acting.sight, definition, request).await?;
        let reserved = if definition.retain == Retain::None {
            None
        } else {
            let bytes = gathered
                .new
                .iter()
                .map(|file| file.bytes.bytes.len() as u64)
                .sum();
            let room = admission.tenant.reserve(bytes);
            Some(room.map_err(|refusal| Failure::from(parts.quotas.limiter().refuse(refusal)))?)
        };
        // The executor has the plan's schemas and expressions compiled.
        let (executor, plan) = (&parts.executor, &snapshot.plan);
        executor.check_inputs(plan, &gathered.inputs).await?;
        let head = RunHead {
            id: RunId::new(),
            pipeline: snapshot.pipeline,
            pipeline_name: definition.name.clone(),
            pipeline_version: snapshot.version_id,
            version_number: snapshot.number,
            durability: match (definition.durability, &key) {
                // A request that may come again is kept before anything is done for it.
                (Durability::Result, Some(_)) => Durability::Accepted,
                (stated, _) => stated,
            },
            retain: definition.retain,
            created_at,
            tier: definition.tier.raised_to(asked).raised_to(gathered.tier),
            key: acting.key,
            user: acting.user,
            subject: acting.subject,
            client_ip: acting.client_ip,
            request: acting.request,
            params: executor.params(plan, &gathered.inputs.params).await?,
            lookups: executor.lookups(plan, &gathered.inputs).await?,
            inputs: gathered.recorded,
            plugins: snapshot.plugins.clone(),
        };
        let run = Run {
            parts: parts.clone(),
            tenant: acting.sight.tenant,
            reuse: Some(head.tier).filter(|tier| acting.sight.clearance.sees(*tier)),
            head,
            new: gathered.new,
            reserved,
            key,
            memory: allowance.memory.map(ByteSize),
            // Counted from before `created_at`, by which others take it for lost.
            kept_until: admission.since + parts.settings.longest.0 + KEEPING,
        };
        Ok(ReadyRun {
            run,
            inputs: gathered.inputs,
            loaded: gathered.loaded,
        })
    }
}

/// A run that may begin.
pub(crate) struct ReadyRun {
    pub(crate) run: Run,
    inputs: RunInputs,
    /// Memory of documents that were loaded.
    pub(crate) loaded: Option<OwnedSemaphorePermit>,
}

pub(crate) struct Run {
    pub(crate) parts: Arc<Parts>,
    pub(crate) tenant: TenantId,
    /// See [`RunContext::reuse`].
    reuse: Option<Clearance>,
    pub(crate) head: RunHead,
    pub(crate) new: Vec<NewFile>,
    /// Room for what it keeps.
    pub(crate) reserved: Option<Reserved>,
    /// Under which its client may send it again.
    pub(crate) key: Option<KeyUse>,
    /// What a call of a plugin may have at most.
    memory: Option<ByteSize>,
    /// After it the run is nobody's any more: it must be kept before, or not at all.
    kept_until: Instant,
}

impl Run {
    async fn carry_out(
        self,
        admission: Admission,
        snapshot: &Snapshot,
        inputs: RunInputs,
        deadline: Instant,
    ) -> Result<Answer, Refused> {
        let parts = self.parts.clone();
        let mut client = Client {
            parts: &parts,
            tenant: self.tenant,
            accepted: None,
            waits: true,
        };
        let answer = self
            .work(&mut client, &admission, snapshot, inputs, deadline)
            .await;
        client.waits = false;
        answer
    }

    async fn work(
        self,
        client: &mut Client<'_>,
        admission: &Admission,
        snapshot: &Snapshot,
        inputs: RunInputs,
        deadline: Instant,
    ) -> Result<Answer, Refused> {
        let parts = self.parts.clone();
        let mut turn = parts.gate.turn(&admission.tenant, deadline).await?;
        let retained = self.head.retain != Retain::None;
        // Large sources travel to the blob store while the steps work.
        let mut uploads = if retained { self.send_sources() } else { Vec::new() };
        if retained && self.head.durability != Durability::Result {
            // The row must never name bytes that are not there.
            let sources = timeout_at(deadline, wait_for(std::mem::take(&mut uploads))).await;
            sources.unwrap_or_else(|_| Err(blobs_too_slow()))?;
            let rows = documents::rows(&self.new, None, parts.settings.inline).await;
            let accepting = parts
                .store
                .accept_run(self.tenant, &self.head, &rows, self.key.as_ref());
            let committed = accepting.await.map_err(|e| self.said(&e))?;
            client.accepted = Some((self.head.clone(), committed));
        }
        let queued = admission.since.elapsed();
        let context = RunContext {
            run: self.head.id,
            started_at: now(),
            deadline: Some(deadline),
            memory: self.memory,
            reuse: self.reuse,
        };
        turn.begin();
        let (outcome, artifacts) =
            execute(&parts.executor, self.tenant, &snapshot.plan, inputs, context).await;
        turn.end(cpu_us(&outcome));
        parts.gate.ended(&outcome);
        let mut answer = if retained {
            let accepted = client.accepted.as_ref().map(|(_, committed)| committed.clone());
            // From here on the client may go: a task of its own keeps the run.
            client.waits = false;
            let keeping = tokio::spawn(self.keep(outcome, artifacts, uploads, accepted));
            keeping.await.map_err(|error| {
                tracing::error!(%error, "keeping a run panicked");
                Failure::new(Code::Internal, "the run could not be kept; the log tells more")
            })??
        } else {
            parts.unwritten.add(self.tenant, &self.head, &outcome);
            let artifacts = artifacts.into_iter().map(|(record, bytes)| (record.id, bytes));
            Answer::new(self.head, outcome, artifacts.collect())
        };
        answer.queued = queued;
        answer.total = admission.since.elapsed();
        Ok(answer)
    }

    /// Sources that are too large for their row.
    pub(crate) fn send_sources(&self) -> Vec<JoinHandle<Result<(), Failure>>> {
        let large = self
            .new
            .iter()
            .filter(|f| !documents::fits(&f.bytes, self.parts.settings.inline));
        large
            .map(|file| {
                let (parts, tenant, source) = (self.parts.clone(), self.tenant, file.bytes.clone());
                tokio::spawn(async move {
                    let put = parts.blobs.put(tenant, source.digest, source.bytes.clone());
                    put.await.map_err(|e| e.failure())
                })
            })
            .collect()
    }

    /// Blobs first, then the one commit: rows never name bytes that are not there.
    async fn keep(
        mut self,
        outcome: RunOutcome,
        artifacts: Vec<(ArtifactRecord, Bytes)>,
        uploads: Vec<JoinHandle<Result<(), Failure>>>,
        accepted: Option<Committed>,
    ) -> Result<Answer, Refused> {
        let reserved = self.reserved.take();
        let made: u64 = artifacts.iter().map(|(record, _)| record.size).sum();
        let parts = &self.parts;
        let blobs = async {
            wait_for(uploads).await?;
            for (record, bytes) in artifacts {
                let put = parts.blobs.put(self.tenant, record.digest, bytes);
                put.await.map_err(|e| e.failure())?;
            }
            Ok::<(), Failure>(())
        };
        let run = accepted.as_ref().map(|_| self.head.id);
        let blobs = timeout_at(self.kept_until, blobs).await;
        if let Err(failure) = blobs.unwrap_or_else(|_| Err(blobs_too_slow())) {
            if run.is_some() {
                interrupt(parts, self.tenant, &self.head, failure.clone()).await;
            }
            return Err(Refused { failure, run });
        }
        let committing = async {
            match accepted {
                Some(before) => self.finish(&outcome).await.map(|after| before.and(after)),
                None => self.commit(&outcome).await,
            }
        };
        let until = self.kept_until.min(Instant::now() + parts.settings.commit);
        let committed = match timeout_at(until, committing).await {
            Ok(Ok(committed)) => committed,
            Ok(Err(error)) => {
                let said = self.said(&error);
                let run = said.run.or(run);
                return Err(Refused { run, ..said });
            }
            Err(_) => return Err(self.said(&too_slow())),
        };
        if let Some(reserved) = reserved {
            reserved.kept(made);
        }
        Ok(Answer {
            committed,
            ..Answer::new(self.head, outcome, Vec::new())
        })
    }

    /// Everything in one statement.
    async fn commit(&self, outcome: &RunOutcome) -> Result<Committed, StoreError> {
        let documents = documents::rows(&self.new, Some(outcome), self.parts.settings.inline).await;
        let commit = RunCommit {
            head: &self.head,
            outcome,
            documents: &documents,
        };
        self.parts.store.commit_run(self.tenant, &commit).await
    }

    /// What the store says, for the client; the cause goes to the log.
    pub(crate) fn said(&self, error: &StoreError) -> Refused {
        if matches!(error, StoreError::KeyUsed) {
            return key_in_use().into();
        }
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(run.id = %self.head.id, %error, cause, "a run could not be kept");
        let mut failure = error.failure();
        let unanswered = matches!(error, StoreError::Unanswered { .. });
        if unanswered {
            let said = "the database does not answer; what the run came to may or may not be there later, under its id";
            said.clone_into(&mut failure.message);
        }
        if failure.code == Code::StoreUnavailable {
            self.parts.health.failed();
        }
        Refused {
            failure,
            run: unanswered.then_some(self.head.id),
        }
    }

    /// What an accepted run came to.
    async fn finish(&self, outcome: &RunOutcome) -> Result<Committed, StoreError> {
        let commit = RunCommit {
            head: &self.head,
            outcome,
            documents: &[],
        };
        self.parts.store.finish_accepted_run(self.tenant, &commit).await
    }
}

/// Whether the tenant may use every plugin of the plan.
pub(crate) fn allowed(plugins: &[String], allowance: &Allowance) -> Result<(), Failure> {
    let mut plugins = plugins.iter();
    let refused =
        plugins.find(|plugin| !allowance.allows_plugin(plugin.split('@').next().unwrap_or_default()));
    refused.map_or(Ok(()), |plugin| Err(not_allowed(plugin)))
}

/// The same key, at the same time or before.
fn key_in_use() -> Failure {
    let mut failure = Failure::new(
        Code::KeyInUse,
        "the run that came first with this Idempotency-Key is still at work; ask again for its answer",
    );
    failure.retry_after_ms = Some(1_000);
    failure
}

/// What needs a run that is kept.
pub(crate) fn keeps_nothing(what: &str, why: &str) -> Failure {
    Failure::new(
        Code::KeepsNothing,
        format!(
            "{what} needs a run that is kept, so that its result {why}, and the pipeline says `retain: none`: leave {what} out, \
             or write `retain: result`"
        ),
    )
}

fn not_allowed(plugin: &str) -> Failure {
    let said =
        format!("the pipeline uses {plugin}, which is not among the plugins that your organisation may use");
    Failure::new(Code::PluginNotAllowed, said)
}

/// What the guests of a run used.
pub(crate) fn cpu_us(outcome: &RunOutcome) -> u64 {
    let attempts = outcome.steps.iter().flat_map(|step| &step.attempts);
    attempts.map(|attempt| attempt.usage.cpu_us).sum()
}

pub(crate) async fn wait_for(uploads: Vec<JoinHandle<Result<(), Failure>>>) -> Result<(), Failure> {
    for upload in uploads {
        upload.await.map_err(|error| {
            tracing::error!(%error, "putting a source panicked");
            Failure::new(
                Code::Internal,
                "the document could not be kept; the log tells more",
            )
        })??;
    }
    Ok(())
}

/// A commit that was waited for long enough.
fn too_slow() -> StoreError {
    StoreError::Unanswered {
        reason: "it takes too long".to_owned(),
    }
}

pub(crate) fn blobs_too_slow() -> Failure {
    Failure::new(
        Code::BlobUnavailable,
        "the run's files could not be kept within the run's time",
    )
}

/// What a run comes to that no step of was done.
pub(crate) fn failed(failure: Failure) -> RunOutcome {
    let at = now();
    RunOutcome {
        status: Status::Failed,
        verdict: None,
        error: Some(failure),
        output: None,
        fields: Vec::new(),
        conflicts: Vec::new(),
        checks: Vec::new(),
        chunks: Vec::new(),
        embeddings: Vec::new(),
        steps: Vec::new(),
        artifacts: Vec::new(),
        readings: Vec::new(),
        started_at: at,
        finished_at: at,
    }
}

/// Ends an accepted run that cannot be finished.
async fn interrupt(parts: &Parts, tenant: TenantId, head: &RunHead, failure: Failure) {
    let outcome = failed(failure);
    let commit = RunCommit {
        head,
        outcome: &outcome,
        documents: &[],
    };
    if let Err(error) = parts.store.finish_accepted_run(tenant, &commit).await {
        // It is found again as lost, at the latest when a host starts.
        tracing::warn!(run.id = %head.id, %error, "an interrupted run could not be marked");
    }
}

/// A client that waits for its run. Dropped while it waits, it is gone: an accepted run is marked as interrupted.
struct Client<'a> {
    parts: &'a Arc<Parts>,
    tenant: TenantId,
    accepted: Option<(RunHead, Committed)>,
    waits: bool,
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        if !self.waits {
            return;
        }
        self.parts.gate.abandoned();
        if let Some((head, _)) = self.accepted.take() {
            let (parts, tenant) = (self.parts.clone(), self.tenant);
            let failure = Failure::new(Code::Interrupted, "the client went away before the run was done");
            tokio::spawn(async move { interrupt(&parts, tenant, &head, failure).await });
        }
    }
}
