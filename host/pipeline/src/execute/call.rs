//! Calling a plugin: the one place where a run meets the engine.

use std::sync::Arc;

use docmill_engine::{Call, Context, Engine, Granted, Invocation, Models};
use docmill_model::failure::{Code, Failure};
use docmill_model::grant::Grants;
use docmill_model::id::{RunId, TenantId};
use docmill_model::limits::Limits;
use docmill_model::plan::Plan;
use docmill_model::plugin::{PinnedPlugin, PluginName};
use docmill_model::run::CallUsage;
use docmill_model::size::ByteSize;
use futures_util::future::BoxFuture;
use tokio::time::timeout_at;

use super::asking::{Asked, Asking, Place};
use crate::loader::Loader;
use crate::values::Values;
use crate::vault::Vault;

/// One call as a run asks for it.
pub(crate) struct Request {
    pub(crate) tenant: TenantId,
    pub(crate) run: RunId,
    pub(crate) plugin: PinnedPlugin,
    pub(crate) grants: Grants,
    pub(crate) call: Call,
    pub(crate) limits: Limits,
    pub(crate) context: Context,
    /// Which models stand for which aliases.
    pub(crate) plan: Arc<Plan>,
    /// Bytes that a call may have at most, whatever the pipeline says.
    pub(crate) memory: Option<ByteSize>,
}

/// Answers requests. A function, so that tests of order, retries and merging can answer by themselves.
pub(crate) type Caller = Arc<dyn Fn(Request) -> BoxFuture<'static, Invocation> + Send + Sync>;

/// Loads the plugin and calls it.
pub(crate) fn real(engine: Engine, loader: Loader, vault: Option<Vault>) -> Caller {
    let parts = Arc::new((engine, loader, vault));
    Arc::new(move |request| {
        let parts = Arc::clone(&parts);
        Box::pin(async move {
            let (engine, loader, vault) = &*parts;
            let place = Place {
                engine,
                loader,
                vault: vault.as_ref(),
            };
            let grant = request.grants.llm.clone();
            let asking = grant.map(|grant| Asking::new(&place, &request, grant));
            let load = async {
                let plugin = loader.plugin(request.tenant, &request.plugin).await?;
                let name = &request.plugin.name;
                let mut granted = granted(vault.as_ref(), request.tenant, name, &request.grants).await?;
                granted.models = asking.clone().map(|asking| Arc::new(asking) as Arc<dyn Models>);
                Ok::<_, Failure>((plugin, granted))
            };
            let loaded = match request.context.deadline {
                Some(deadline) => timeout_at(deadline, load).await.unwrap_or_else(|_| {
                    Err(Failure::new(
                        Code::Timeout,
                        "the run's time was over before the plugin was loaded",
                    ))
                }),
                None => load.await,
            };
            match loaded {
                Ok((plugin, granted)) => {
                    let (limits, context) = (&request.limits, &request.context);
                    let mut invocation = engine
                        .invoke_granted(&plugin, request.call, limits, context, granted)
                        .await;
                    if let Some(vault) = vault {
                        let used = uses_of_secrets(&invocation.usage);
                        vault
                            .note_use(request.tenant, request.run, &request.plugin, &used)
                            .await;
                    }
                    if let Some(asking) = asking {
                        add(&mut invocation, asking.finish(), limits);
                    }
                    invocation
                }
                Err(failure) => Invocation {
                    result: Err(failure),
                    usage: CallUsage::default(),
                    log: String::new(),
                },
            }
        })
    })
}

/// A call's grants with the secrets that they name, opened now: a secret that was set or forgotten is so in the next call.
pub(super) async fn granted(
    vault: Option<&Vault>,
    tenant: TenantId,
    plugin: &PluginName,
    grants: &Grants,
) -> Result<Granted, Failure> {
    let mut granted = Granted::default();
    if let Some(http) = grants.http.clone() {
        let names: Vec<String> = http.secrets().iter().map(|it| it.secret.clone()).collect();
        let secrets = match vault {
            Some(vault) if !names.is_empty() => vault.open(tenant, &names).await?,
            _ => Vec::new(),
        };
        granted.http = Some((http, secrets));
    }
    if let Some((grant, vault)) = grants.keyvalue.clone().zip(vault) {
        let values = Values::new(vault.store().clone(), tenant, plugin.clone(), Arc::clone(&grant));
        granted.keyvalue = Some((grant, Arc::new(values)));
    }
    Ok(granted)
}

/// Adds what a plugin asked models to the record of its call: their work was for it.
fn add(invocation: &mut Invocation, asked: Asked, limits: &Limits) {
    invocation.usage.llm = asked.calls;
    invocation.usage.cpu_us = invocation.usage.cpu_us.saturating_add(asked.cpu_us);
    let room = limits.log.bytes().saturating_sub(invocation.log.len());
    let (kept, lost) = asked.log.split_at(asked.log.floor_char_boundary(room));
    invocation.log.push_str(kept);
    let lost = lost.len() as u64;
    invocation.usage.log_dropped_bytes = invocation.usage.log_dropped_bytes.saturating_add(lost);
}

/// What the engine noted of requests that secrets were put into.
pub(super) fn uses_of_secrets(usage: &CallUsage) -> Vec<&str> {
    let lines = usage.effects.iter().map(String::as_str);
    lines
        .filter(|line| line.starts_with("http ") && line.contains(" secrets="))
        .collect()
}
