//! Plans in memory: the newest definition of a pipeline with every plugin pinned to the newest version that fits.

use std::sync::Arc;
use std::time::Duration;

use docmill_model::definition::{Definition, Problem, code_of};
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{PipelineId, PipelineVersionId, TenantId};
use docmill_model::plan::{Frozen, Plan};
use docmill_model::plugin::is_name;
use docmill_model::run::Millis;
use docmill_pipeline::Catalog;
use docmill_store::{Health, Store};
use tokio::sync::OnceCell;

use crate::Runs;
use crate::remembered::Remembered;

/// A pipeline as it runs now.
#[derive(Debug)]
pub struct Snapshot {
    /// Which pipeline.
    pub pipeline: PipelineId,
    /// Which saved definition.
    pub version_id: PipelineVersionId,
    /// Its number, from 1.
    pub number: i32,
    /// What a run executes.
    pub plan: Arc<Plan>,
    /// `namespace/name@version`, fallbacks included.
    pub plugins: Vec<String>,
    /// Of everything that the tenant had published and saved when the plan was made.
    revision: i64,
    /// What a queued run executes, once it is kept.
    pub(crate) frozen: OnceCell<Digest>,
    /// When a key expires that signed one of its plugins, where the tenant asks for signatures.
    valid_until: Option<Millis>,
}

impl Snapshot {
    /// As written.
    pub fn definition(&self) -> &Definition {
        &self.plan.definition
    }
}

pub(crate) struct Plans {
    store: Store,
    memory: Remembered<(TenantId, Arc<str>), Arc<Snapshot>>,
    /// Of queued runs, by what they execute.
    frozen: Remembered<(TenantId, Digest), Arc<Thawed>>,
}

/// The plan of queued runs, as it may be executed now.
#[derive(Debug)]
pub(crate) struct Thawed {
    pub(crate) plan: Arc<Plan>,
    revision: i64,
    valid_until: Option<Millis>,
}

impl Runs {
    /// The pipeline as it runs now.
    ///
    /// # Errors
    /// [`Code::UnknownPipeline`]; [`Code::UnknownPlugin`] or [`Code::InvalidDefinition`] when a saved definition has no
    /// plan any more; [`Code::StoreUnavailable`].
    pub async fn snapshot(&self, tenant: TenantId, name: &str) -> Result<Arc<Snapshot>, Failure> {
        let plans = &self.0.plans;
        // Names that cannot be are not looked up, so that they never fill the memory nor reach the database.
        if !is_name(name) {
            return Err(unknown(name));
        }
        let key = (tenant, Arc::from(name));
        plans
            .memory
            .get(&key, |last| load(&plans.store, tenant, name, last))
            .await
    }
}

impl Plans {
    pub(crate) fn new(store: Store, fresh: Duration, grace: Duration, health: Health) -> Self {
        Self {
            store,
            memory: Remembered::new(fresh, grace, health.clone()),
            frozen: Remembered::new(fresh, grace, health),
        }
    }

    /// A plan that was kept for a queued run.
    ///
    /// # Errors
    /// [`Code::UnknownPlugin`] or [`Code::InvalidDefinition`] when it can be executed no more; [`Code::StoreUnavailable`].
    pub(crate) async fn thaw(&self, tenant: TenantId, digest: Digest) -> Result<Arc<Thawed>, Failure> {
        let thaw = |last| thaw(&self.store, tenant, digest, last);
        self.frozen.get(&(tenant, digest), thaw).await
    }

    pub(crate) fn changed(&self, tenant: TenantId) {
        self.memory.doubt(|(owner, _)| *owner == tenant);
        self.frozen.doubt(|(owner, _)| *owner == tenant);
    }
}

async fn thaw(
    store: &Store,
    tenant: TenantId,
    digest: Digest,
    last: Option<Arc<Thawed>>,
) -> Result<Arc<Thawed>, Failure> {
    // Read first, as in `load`.
    let revision = store.revision(tenant).await.map_err(|e| e.failure())?;
    let holds = |last: &Arc<Thawed>| {
        last.revision == revision && last.valid_until.is_none_or(|until| crate::now() < until)
    };
    if let Some(last) = last.filter(holds) {
        return Ok(last);
    }
    let kept = store.kept_plan(tenant, digest).await.map_err(|e| e.failure())?;
    let frozen: Frozen = serde_json::from_str(&kept).map_err(|error| {
        tracing::error!(%error, plan = %digest, "a kept plan cannot be read");
        Failure::new(
            Code::Internal,
            "the run's plan cannot be read; the log tells more",
        )
    })?;
    let catalog = Catalog::of_saved(store, tenant, &frozen.definition)
        .await
        .map_err(|e| e.failure())?;
    let valid_until = catalog.valid_until();
    let planned = tokio::task::spawn_blocking(move || {
        let plan = docmill_pipeline::plan(&frozen.definition, &catalog);
        (frozen, plan)
    });
    let (frozen, planned) = planned.await.map_err(|error| {
        tracing::error!(%error, plan = %digest, "planning panicked");
        Failure::new(
            Code::Internal,
            "the run's plan could not be made; the log tells more",
        )
    })?;
    let plan = planned.map_err(|problems| {
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let message = format!(
            "what the run was to execute can be executed no more: {}",
            said.join("; ")
        );
        Failure::new(code_of(&problems), message)
    })?;
    if let Some(other) = frozen.stranger(&plan) {
        let message = format!("what the run was to execute is there no more: {other} has other bytes now");
        return Err(Failure::new(Code::UnknownPlugin, message));
    }
    Ok(Arc::new(Thawed {
        plan: Arc::new(plan),
        revision,
        valid_until,
    }))
}

async fn load(
    store: &Store,
    tenant: TenantId,
    name: &str,
    last: Option<Arc<Snapshot>>,
) -> Result<Arc<Snapshot>, Failure> {
    // Read first: what is saved while the plan is made is seen at the next look.
    let revision = store.revision(tenant).await.map_err(|e| e.failure())?;
    let holds = |last: &Arc<Snapshot>| {
        last.revision == revision && last.valid_until.is_none_or(|until| crate::now() < until)
    };
    if let Some(last) = last.filter(holds) {
        return Ok(last);
    }
    let row = store.get_pipeline(tenant, name).await.map_err(|e| e.failure())?;
    let row = row.ok_or_else(|| unknown(name))?;
    let written_out = docmill_pipeline::write_out(store, tenant, row.definition).await;
    let definition = written_out
        .map_err(|e| e.failure())?
        .map_err(|problems| no_plan(name, &problems))?;
    let catalog = Catalog::of_saved(store, tenant, &definition)
        .await
        .map_err(|e| e.failure())?;
    let valid_until = catalog.valid_until();
    // Schemas and expressions are compiled: not on the async threads.
    let planned = tokio::task::spawn_blocking(move || docmill_pipeline::plan(&definition, &catalog));
    let planned = planned.await.map_err(|error| {
        tracing::error!(%error, pipeline.name = name, "planning panicked");
        Failure::new(
            Code::Internal,
            "the pipeline's plan could not be made; the log tells more",
        )
    })?;
    let plan = planned.map_err(|problems| no_plan(name, &problems))?;
    let plugins = plan.plugins().map(ToString::to_string).collect();
    tracing::info!(
        pipeline.name = name,
        pipeline.version = row.number,
        "a plan was made"
    );
    Ok(Arc::new(Snapshot {
        pipeline: row.pipeline,
        version_id: row.version_id,
        number: row.number,
        plan: Arc::new(plan),
        plugins,
        frozen: OnceCell::new(),
        revision,
        valid_until,
    }))
}

fn no_plan(name: &str, problems: &[Problem]) -> Failure {
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let message = format!(
        "the saved definition of '{name}' has no plan any more: {}; correct and save it again",
        said.join("; ")
    );
    Failure::new(code_of(problems), message)
}

fn unknown(name: &str) -> Failure {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    Failure::new(
        Code::UnknownPipeline,
        format!("there is no pipeline '{shown}'; GET /v1/pipelines lists those that there are"),
    )
}
