//! Calling a plugin: the one place where a run meets the engine.

use std::sync::Arc;

use docmill_engine::{Call, Context, Engine, Invocation};
use docmill_model::failure::{Code, Failure};
use docmill_model::id::TenantId;
use docmill_model::limits::Limits;
use docmill_model::plugin::PinnedPlugin;
use docmill_model::run::CallUsage;
use futures_util::future::BoxFuture;
use tokio::time::timeout_at;

use crate::loader::Loader;

/// One call as a run asks for it.
pub(crate) struct Request {
    pub(crate) tenant: TenantId,
    pub(crate) plugin: PinnedPlugin,
    pub(crate) call: Call,
    pub(crate) limits: Limits,
    pub(crate) context: Context,
}

/// Answers requests. A function, so that tests of order, retries and merging can answer by themselves.
pub(crate) type Caller = Arc<dyn Fn(Request) -> BoxFuture<'static, Invocation> + Send + Sync>;

/// Loads the plugin and calls it.
pub(crate) fn real(engine: Engine, loader: Loader) -> Caller {
    let both = Arc::new((engine, loader));
    Arc::new(move |request| {
        let both = Arc::clone(&both);
        Box::pin(async move {
            let (engine, loader) = &*both;
            let load = loader.plugin(request.tenant, &request.plugin);
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
                Ok(plugin) => {
                    engine
                        .invoke(&plugin, request.call, &request.limits, &request.context)
                        .await
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
