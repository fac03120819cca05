//! Who answers when a plugin asks a language model: alias → adapter, within the grant of that one call of the plugin.
//!
//! What a question may cost is taken from the budget before it is asked, by the most tokens that it and its answer can have;
//! what it did cost is put in its place afterwards. Where nobody knows what it cost, because no whole answer came, the estimate
//! stays. So a plugin never spends more than its grant, whatever becomes of its questions, as long as the provider keeps to the
//! bound on tokens that it is given.

mod budget;
mod record;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use docmill_engine::{Call, Context, Engine, Models, Output};
use docmill_model::digest::Hasher;
use docmill_model::failure::{Code, Failure};
use docmill_model::grant::LlmGrant;
use docmill_model::id::{RunId, TenantId};
use docmill_model::json::Builder;
use docmill_model::limits::Limits;
use docmill_model::llm::{Alias, LlmCall, Request, Response};
use docmill_model::plan::{ModelPin, PinnedModel, Plan};
use docmill_model::size::ByteSize;
use futures_util::future::BoxFuture;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::call;
use crate::loader::Loader;
use crate::schema::{Effort, Schema, told};
use crate::vault::Vault;
use budget::{Reserved, Spent};
use record::Record;

/// What one call of a plugin asks.
#[derive(Clone)]
pub(crate) struct Asking(Arc<Shared>);

struct Shared {
    engine: Engine,
    loader: Loader,
    vault: Option<Vault>,
    tenant: TenantId,
    run: RunId,
    grant: Arc<LlmGrant>,
    plan: Arc<Plan>,
    context: Context,
    memory: Option<ByteSize>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    spent: Spent,
    record: Record,
}

impl std::fmt::Debug for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "models of {}", self.0.run)
    }
}

/// What a plugin asked, when its call is over.
pub(crate) struct Asked {
    pub(crate) calls: Vec<LlmCall>,
    /// What refusals and adapters said.
    pub(crate) log: String,
    /// CPU time of adapters.
    pub(crate) cpu_us: u64,
}

/// Where a plugin's questions go.
pub(crate) struct Place<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) loader: &'a Loader,
    pub(crate) vault: Option<&'a Vault>,
}

impl Asking {
    /// For one call of a plugin.
    pub(crate) fn new(place: &Place<'_>, request: &call::Request, grant: Arc<LlmGrant>) -> Self {
        Self(Arc::new(Shared {
            engine: place.engine.clone(),
            loader: place.loader.clone(),
            vault: place.vault.cloned(),
            tenant: request.tenant,
            run: request.run,
            grant,
            plan: Arc::clone(&request.plan),
            context: request.context,
            memory: request.memory,
            state: Mutex::default(),
        }))
    }

    /// What was asked. A question that is still under way, because its caller was stopped, is among it.
    pub(crate) fn finish(&self) -> Asked {
        self.0.state().record.finish()
    }
}

impl Models for Asking {
    fn complete(&self, request: Request, deadline: Instant) -> BoxFuture<'static, Result<Response, Failure>> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { shared.complete(request, deadline).await })
    }

    fn effects(&self) -> Vec<String> {
        self.0.state().record.effects()
    }
}

/// A question that was let through.
struct Admitted<'a> {
    model: &'a PinnedModel,
    reserved: Reserved,
    /// In the record.
    number: usize,
    /// With the provider's name of the model, and bounded.
    request: Request,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn complete(&self, request: Request, deadline: Instant) -> Result<Response, Failure> {
        let admitted = async {
            let schema = match request.schema.clone() {
                Some(schema) => Some(compiled(schema).await?),
                None => None,
            };
            Ok((self.admit(request)?, schema))
        };
        let (admitted, schema) = match admitted.await {
            Ok(admitted) => admitted,
            Err(failure) => {
                self.state().record.refuse(&failure);
                return Err(failure);
            }
        };
        let begun = Instant::now();
        let answered = self.ask(&admitted, deadline).await;
        // What does not fit was paid for all the same.
        let misfit = match (&answered, schema) {
            (Ok(response), Some(schema)) => fitting(response, schema).await.err(),
            _ => None,
        };
        self.settle(&admitted, begun.elapsed(), answered.as_ref(), misfit.as_ref());
        match misfit {
            Some(misfit) => Err(misfit),
            None => answered,
        }
    }

    /// Whether it may be asked: the model, the budget.
    fn admit(&self, mut request: Request) -> Result<Admitted<'_>, Failure> {
        let named = request.model.as_deref().unwrap_or(Alias::DEFAULT);
        let alias: Alias = named
            .parse()
            .map_err(|said: String| refused(Code::InvalidInput, "unknown-model", said))?;
        if !self.grant.permits(&alias) {
            let said = format!("the plugin's grant for llm does not name the model {alias}");
            return Err(refused(Code::Denied, "not-granted", said));
        }
        let model = match self.plan.models.get(&alias) {
            Some(ModelPin::Ready(model)) => &**model,
            Some(ModelPin::Unusable(why)) => {
                let said = format!("the model {alias} cannot be asked: {why}");
                return Err(refused(Code::InvalidConfig, "unusable-model", said));
            }
            None => {
                let said = format!("there is no model {alias}; set it up with `docmill model set {alias}`");
                return Err(refused(Code::InvalidInput, "unknown-model", said));
            }
        };
        let prompt = request.digest();
        let mut state = self.state();
        let reserved = state.spent.reserve(self.grant.budget(), model, &request)?;
        request.model = Some(model.setting.model.clone());
        request.max_output_tokens = Some(reserved.output_tokens);
        let number = state.record.begin(LlmCall {
            alias,
            adapter: (&model.plugin).into(),
            model: model.setting.model.clone(),
            answered_by: None,
            prompt,
            usage: None,
            cost: None,
            wall_us: 0,
            // Until it is another.
            outcome: Code::Interrupted.as_str().to_owned(),
        });
        Ok(Admitted {
            model,
            reserved,
            number,
            request,
        })
    }

    /// Asks the adapter, in an instance of its own.
    async fn ask(&self, admitted: &Admitted<'_>, deadline: Instant) -> Result<Response, Failure> {
        let model = admitted.model;
        let ready = async {
            let plugin = self.loader.plugin(self.tenant, &model.plugin).await?;
            let vault = self.vault.as_ref();
            let granted = call::granted(vault, self.tenant, &model.plugin.name, &model.grants).await?;
            Ok::<_, Failure>((plugin, granted))
        };
        let (plugin, granted) = ready.await?;
        let ceiling = self.engine.ceiling();
        let limits = Limits {
            timeout: ceiling.timeout,
            cpu: ceiling.cpu,
            ..Limits::default()
        };
        let limits = Limits {
            memory: self.memory.map_or(limits.memory, |most| most.min(limits.memory)),
            ..limits
        };
        let context = Context {
            seed: seed(&self.context.seed, admitted.number),
            deadline: Some(deadline),
            ..self.context
        };
        let asked = Call::Complete {
            request: Arc::new(admitted.request.clone()),
            sink: None,
            config: model.config.as_str().into(),
        };
        let invocation = self
            .engine
            .invoke_nested(&plugin, asked, &limits, &context, granted)
            .await;
        if let Some(vault) = &self.vault {
            let used = call::uses_of_secrets(&invocation.usage);
            vault.note_use(self.tenant, self.run, &model.plugin, &used).await;
        }
        self.state()
            .record
            .called(&model.plugin, &invocation.usage, &invocation.log);
        match invocation.result? {
            Output::Completion(response) => Ok(response),
            _ => {
                let message = "an llm-adapter gave something else than an answer; this is a fault of docmill";
                Err(Failure::new(Code::Internal, message))
            }
        }
    }

    /// Puts what it was in the place of what it could have been.
    fn settle(
        &self,
        admitted: &Admitted<'_>,
        wall: Duration,
        answered: Result<&Response, &Failure>,
        misfit: Option<&Failure>,
    ) {
        let mut state = self.state();
        let paid = state.spent.settle(
            &admitted.reserved,
            admitted.model.setting.prices.as_ref(),
            answered,
        );
        let failure = misfit.or(answered.err());
        let outcome = failure.map_or("succeeded", |failure| failure.code.as_str());
        state
            .record
            .end(admitted.number, wall, outcome, answered.ok(), paid);
    }
}

/// Seeds of an adapter's calls differ, and are the same in every attempt.
fn seed(of_call: &[u8; 32], number: usize) -> [u8; 32] {
    let mut hasher = Hasher::default();
    hasher.update(b"docmill question to a model 1");
    hasher.update(of_call);
    hasher.update(&number.to_be_bytes());
    *hasher.finish().as_bytes()
}

fn refused(code: Code, reason: &str, said: impl Into<String>) -> Failure {
    Failure {
        reason: Some(reason.to_owned()),
        ..Failure::new(code, said)
    }
}

/// The schema that an answer is to fit. It comes from the plugin, and may take its time.
async fn compiled(schema: String) -> Result<Schema, Failure> {
    let compiled = tokio::task::spawn_blocking(move || {
        let schema: Json = serde_json::from_str(&schema).map_err(|error| error.to_string())?;
        Schema::compile(&schema)
    });
    compiled.await.map_err(stopped)?.map_err(|why| {
        refused(
            Code::InvalidInput,
            "invalid-schema",
            format!("`schema` cannot be used: {why}"),
        )
    })
}

/// Whether an answer fits the schema that was asked for.
async fn fitting(response: &Response, schema: Schema) -> Result<(), Failure> {
    let misfit = |said: String| refused(Code::PluginFailed, "misfit", said);
    let Some(text) = response.only_text() else {
        return Err(misfit(
            "the model's answer is no text, and a schema was asked for".to_owned(),
        ));
    };
    let checked = tokio::task::spawn_blocking(move || {
        let answer = Builder::in_memory(ANSWER_MEMORY)
            .read(&text)
            .map_err(|error| format!("the model's answer is no JSON: {error}"))?;
        let misfits = schema
            .misfits(&answer, Effort::WHOLE)
            .map_err(|why| why.to_string())?;
        if misfits.is_empty() {
            return Ok(());
        }
        Err(format!(
            "the model's answer does not fit the schema: {}",
            told(&misfits)
        ))
    });
    checked.await.map_err(stopped)?.map_err(misfit)
}

fn stopped(_: tokio::task::JoinError) -> Failure {
    Failure::new(Code::Interrupted, "the host stopped before an answer was checked")
}

/// Memory that an answer may take while it is held against its schema.
const ANSWER_MEMORY: usize = 32 << 20;
