//! A plan made ready: expressions and schemas compiled once for the plan, not once for each run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use docmill_model::definition::{OnError, Problem};
use docmill_model::grant::Grants;
use docmill_model::plan::Plan;
use docmill_model::plugin::PinnedPlugin;
use serde_json::Value as Json;

use crate::cost::Cost;
use crate::expression::{Absent, Scope, Template, Variable};
use crate::inputs::{FileInput, RunInputs};
use crate::program::Program;
use crate::schema::{Effort, Schema, Schemas, TooMuch, told};

/// A plan made ready.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) program: Program,
    /// Of the params.
    pub(crate) params: Option<Schema>,
    /// For each step its plugin, and what takes its place.
    pub(crate) uses: Vec<(Use, Option<Use>)>,
}

/// A plugin with what is known of its configuration before the run.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) plugin: PinnedPlugin,
    schema: Option<Schema>,
    /// The whole configuration, if no expression is in it.
    pub(crate) fixed: Option<Arc<str>>,
    /// What its calls cost of late.
    pub(crate) cost: Cost,
    /// What it may do beyond its inputs.
    pub(crate) grants: Grants,
}

impl Prepared {
    /// Makes a plan ready; what is wrong with it is added to `problems`. A plan that [`crate::plan()`] made has nothing
    /// wrong.
    pub(crate) fn new(plan: &Plan, schemas: &Schemas, problems: &mut Vec<Problem>) -> Self {
        let compile = |schema: &Json, at: &str, problems: &mut Vec<Problem>| {
            schemas
                .compile(schema)
                .map_err(|message| problems.push(Problem::new(at, message)))
                .ok()
        };
        let definition = &plan.definition;
        let program = Program::compile(definition, problems);
        let params = definition
            .params
            .as_ref()
            .and_then(|schema| compile(schema, "params", problems));
        let mut uses = Vec::with_capacity(plan.steps.len());
        for ((spec, pinned), program) in definition.steps.iter().zip(&plan.steps).zip(&program.steps) {
            let at = format!("steps.{}", spec.id);
            let schema = compile(&pinned.config_schema, &format!("{at}.use"), problems);
            let own = Use::new(pinned.plugin.clone(), schema, &program.config, &pinned.grants);
            let fallback = match (&pinned.fallback, &spec.on_error) {
                (Some(plugin), OnError::Fallback(_)) => {
                    let schema = compile(
                        &pinned.fallback_config_schema,
                        &format!("{at}.on_error.fallback"),
                        problems,
                    );
                    let template = program.fallback_config.as_ref().unwrap_or(&program.config);
                    Some(Use::new(
                        plugin.clone(),
                        schema,
                        template,
                        &pinned.fallback_grants,
                    ))
                }
                _ => None,
            };
            uses.push((own, fallback));
        }
        Self {
            program,
            params,
            uses,
        }
    }

    /// What the variable `input` is for a file; nothing if no expression asks for it.
    pub(crate) fn describe(&self, file: &FileInput) -> Option<Arc<Json>> {
        let asked = self.program.variables.has(Variable::Input);
        asked.then(|| Arc::new(RunInputs::describe(file)))
    }

    /// The plugin of a step, or what takes its place.
    pub(crate) fn used(&self, number: usize, fallback: bool) -> Option<&Use> {
        let (own, other) = self.uses.get(number)?;
        if fallback { other.as_ref() } else { Some(own) }
    }
}

impl Use {
    fn new(plugin: PinnedPlugin, schema: Option<Schema>, template: &Template, grants: &Grants) -> Self {
        let mut new = Self {
            plugin,
            schema,
            fixed: None,
            cost: Cost::default(),
            grants: grants.clone(),
        };
        if template.dynamic().is_empty()
            && let Ok(mut config) = template.evaluate(&Scope::default(), Absent::Omit)
            && let Ok(finished) = new.finish(&mut config, Effort::WHOLE)
        {
            new.fixed = finished.ok();
        }
        new
    }

    /// The configuration with the defaults of what is left out, checked; the inner error says where it does not fit the
    /// plugin's schema.
    ///
    /// # Errors
    /// When that is more than the effort allows; with a greater one it can be gone on with.
    pub(crate) fn finish(
        &self,
        config: &mut Json,
        effort: Effort,
    ) -> Result<Result<Arc<str>, String>, TooMuch> {
        effort.admits(config)?;
        if let Some(schema) = &self.schema {
            schema.fill(config, effort)?;
            let misfits = schema.misfits(config, effort)?;
            if !misfits.is_empty() {
                return Ok(Err(told(&misfits)));
            }
        }
        Ok(Ok(Arc::from(config.to_string())))
    }
}

/// Plans that are in use, made ready, by the plan's own address: a plan is shared by its runs.
#[derive(Default)]
pub(crate) struct Ready {
    plans: Mutex<HashMap<usize, Held>>,
    schemas: Arc<Schemas>,
}

/// A plan that may be gone by now, and what was prepared for it.
type Held = (Weak<Plan>, Arc<Prepared>);

impl Ready {
    /// The plan made ready: at its first run, on a thread that may block.
    pub(crate) async fn of(&self, plan: &Arc<Plan>) -> Arc<Prepared> {
        if let Some(found) = self.find(plan) {
            return found;
        }
        let (shared, schemas) = (Arc::clone(plan), Arc::clone(&self.schemas));
        let work = move || {
            let mut problems = Vec::new();
            let prepared = Prepared::new(&shared, &schemas, &mut problems);
            if let Some(first) = problems.first() {
                tracing::error!(pipeline.name = shared.definition.name, problem = %first, "a plan does not compile any more");
            }
            Arc::new(prepared)
        };
        let prepared = match tokio::task::spawn_blocking(work.clone()).await {
            Ok(prepared) => prepared,
            // The runtime is shutting down, or it panicked: here then.
            Err(_) => work(),
        };
        self.keep(plan, &prepared);
        prepared
    }

    fn find(&self, plan: &Arc<Plan>) -> Option<Arc<Prepared>> {
        let plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let (weak, prepared) = plans.get(&Arc::as_ptr(plan).addr())?;
        // While somebody holds a weak pointer, its address belongs to no other plan.
        (weak.strong_count() > 0).then(|| Arc::clone(prepared))
    }

    fn keep(&self, plan: &Arc<Plan>, prepared: &Arc<Prepared>) {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody runs any more: what was prepared for one can take megabytes.
        plans.retain(|_, (weak, _)| weak.strong_count() > 0);
        plans.insert(
            Arc::as_ptr(plan).addr(),
            (Arc::downgrade(plan), Arc::clone(prepared)),
        );
    }
}

#[cfg(test)]
mod tests;
