//! One call of a plugin: what goes in, what comes out, and the walk between.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use docmill_egress::Secret;
use docmill_model::chunk::{Chunk, Embeddings, Purpose};
use docmill_model::failure::{Code, Failure};
use docmill_model::grant::{HttpGrant, KeyValueGrant};
use docmill_model::limits::Limits;
use docmill_model::llm;
use docmill_model::plugin::{Kind, Manifest};
use docmill_model::reading::{Inputs, Reading, Source};
use docmill_model::run::{CallUsage, Millis};
use docmill_model::value::{Artifact, Check, Field};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;
use wasmtime::component::{Instance, Resource};

use crate::bindings::{self, Description, SplitChunk, Transformed, llm_types, types};
use crate::classify::{self, Phase};
use crate::guest::meter::{Meter, Pool};
use crate::guest::{BuilderHandle, Guest, InputsHandle, Reach, ReadingHandle, SinkHandle, SourceHandle};
use crate::handler;
use crate::keyvalue::KeyValue;
use crate::llm::{Models, Sink};
use crate::output;
use crate::plugin::Plugin;
use crate::threads::{Control, Presence, Stoppable};

/// What a plugin is called with; must fit its kind.
#[derive(Debug, Clone)]
pub enum Call {
    /// For a parser.
    Parse {
        /// The bytes that came in.
        source: Arc<Source>,
        /// A JSON text that fits the plugin's schema.
        config: Arc<str>,
    },
    /// For an extractor.
    Extract {
        /// What the step is given.
        inputs: Arc<Inputs>,
        /// A JSON text that fits the plugin's schema.
        config: Arc<str>,
    },
    /// For a validator.
    Validate {
        /// What the step is given.
        inputs: Arc<Inputs>,
        /// A JSON text that fits the plugin's schema.
        config: Arc<str>,
    },
    /// For a transformer.
    Transform {
        /// What the step is given.
        inputs: Arc<Inputs>,
        /// A JSON text that fits the plugin's schema.
        config: Arc<str>,
    },
    /// For a chunker.
    Split {
        /// What is to be cut into pieces.
        reading: Arc<Reading>,
        /// A JSON text that fits the plugin's schema.
        config: Arc<str>,
    },
    /// For an embedder.
    Embed {
        /// At least one.
        texts: Arc<[Arc<str>]>,
        /// What the vectors are for.
        purpose: Purpose,
        /// A JSON text that fits the plugin's schema.
        config: Arc<str>,
    },
    /// For an llm-adapter.
    Complete {
        /// With the provider's name of the model.
        request: Arc<llm::Request>,
        /// Who wants the answer in pieces.
        sink: Option<Sink>,
        /// A JSON text that fits the plugin's schema.
        config: Arc<str>,
    },
}

impl Call {
    /// The kind of plugin that can be called with it.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Parse { .. } => Kind::Parser,
            Self::Extract { .. } => Kind::Extractor,
            Self::Validate { .. } => Kind::Validator,
            Self::Transform { .. } => Kind::Transformer,
            Self::Split { .. } => Kind::Chunker,
            Self::Embed { .. } => Kind::Embedder,
            Self::Complete { .. } => Kind::LlmAdapter,
        }
    }
}

/// What a call gave; it keeps the rules of the contract.
#[derive(Debug, Clone)]
pub enum Output {
    /// Of a parser; its key is still empty.
    Reading(Reading),
    /// Of an extractor; citations are settled, origins not set yet.
    Fields(Vec<Field>),
    /// Of a validator; citations are settled, origins not set yet.
    Checks(Vec<Check>),
    /// Of a transformer.
    Json(serde_json::Value),
    /// Of a transformer.
    Artifact(Artifact),
    /// Of a chunker; cited by the reading's key, ids and origins not set yet.
    Chunks(Vec<Chunk>),
    /// Of an embedder: one vector for each text.
    Embeddings(Embeddings),
    /// Of an llm-adapter.
    Completion(llm::Response),
}

/// What a call sees of its surroundings.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The virtual clock: the run's start.
    pub now: Millis,
    /// What the guest's random numbers follow from.
    pub seed: [u8; 32],
    /// The run's deadline; the call's own is in its limits.
    pub deadline: Option<tokio::time::Instant>,
}

/// What a call may do beyond its inputs; nothing, by default.
#[derive(Debug, Clone, Default)]
pub struct Granted {
    /// Requests over HTTP, and the secrets that the host puts into them.
    pub http: Option<(Arc<HttpGrant>, Vec<Secret>)>,
    /// Values of its own.
    pub keyvalue: Option<(Arc<KeyValueGrant>, Arc<dyn KeyValue>)>,
    /// Who answers questions to language models.
    pub models: Option<Arc<dyn Models>>,
}

/// How a call went.
#[derive(Debug)]
pub struct Invocation {
    /// What came out.
    pub result: Result<Output, Failure>,
    /// What it used, all measured.
    pub usage: CallUsage,
    /// What the guest logged: cleaned, within its budget.
    pub log: String,
}

impl Invocation {
    /// A call that never began.
    pub(crate) fn refused(failure: Failure, control: &Control) -> Self {
        let usage = CallUsage {
            wall_us: micros(control.wall()),
            ..CallUsage::default()
        };
        Self {
            result: Err(failure),
            usage,
            log: String::new(),
        }
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What a call holds while it lasts.
pub(crate) struct Place {
    pub(crate) _permit: OwnedSemaphorePermit,
    pub(crate) _presence: Presence,
}

/// A new store with every limit set.
pub(crate) fn store(
    engine: &wasmtime::Engine,
    limits: Limits,
    control: Arc<Control>,
    pool: Arc<Pool>,
    context: &Context,
    reach: Reach,
) -> Store<Guest> {
    let meter = Meter::new(limits, control, pool);
    let mut store = Store::new(engine, Guest::new(meter, context.now, context.seed, reach));
    store.limiter(|guest| &mut guest.meter);
    store.set_hostcall_fuel(limits.host_memory.bytes());
    store.set_max_component_handles(limits.handles as usize);
    // Two, because a tick may come at once: a call that is shorter than a tick never yields, and so never leaves the
    // caller's thread.
    store.set_epoch_deadline(2);
    store.epoch_deadline_async_yield_and_update(1);
    store
}

/// Runs one call from the making of the guest to its end, within its limits. The store is dropped on every way out.
///
/// The place comes first, so that it is given back last, also when the future is dropped: the next guest needs what this one
/// has in the pool.
pub(crate) async fn invoke(
    _place: Place,
    mut store: Store<Guest>,
    plugin: Plugin,
    call: Call,
    control: Arc<Control>,
) -> Invocation {
    let ended = Stoppable {
        work: pin!(perform(&mut store, &plugin, call)),
        control: &control,
    }
    .await;
    let (usage, log) = finish(store, &control);
    Invocation {
        result: ended.and_then(|result| result),
        usage,
        log,
    }
}

/// Asks a plugin what it is. None: a plain `wasi:http` component.
pub(crate) async fn describe(
    _place: Place,
    mut store: Store<Guest>,
    plugin: Plugin,
    control: Arc<Control>,
) -> Result<Option<Manifest>, Failure> {
    let ended = Stoppable {
        work: pin!(ask(&mut store, &plugin)),
        control: &control,
    }
    .await;
    let (_, log) = finish(store, &control);
    ended.and_then(|result| result).map_err(|mut failure| {
        if !log.is_empty() {
            failure.message = format!(
                "{}; its log says: {}",
                failure.message,
                crate::convert::shown(log.trim(), 500)
            );
        }
        failure
    })
}

fn finish(store: Store<Guest>, control: &Control) -> (CallUsage, String) {
    let guest = store.into_data();
    let effects = guest.effects();
    let (log, log_dropped_bytes) = guest.log.take();
    let usage = CallUsage {
        wall_us: micros(control.wall()),
        cpu_us: micros(control.cpu()),
        peak_memory_bytes: guest.meter.peak_memory(),
        host_calls: guest.meter.host_calls(),
        host_call_bytes: guest.meter.host_call_bytes(),
        log_dropped_bytes,
        effects,
        // Who answers knows what it came to.
        llm: Vec::new(),
    };
    drop(guest);
    (usage, log)
}

async fn instance(store: &mut Store<Guest>, plugin: &Plugin) -> Result<Instance, Failure> {
    match plugin.pre().instantiate_async(&mut *store).await {
        Ok(instance) => Ok(instance),
        Err(error) => Err(classify::failure(store.data_mut(), &error, Phase::Instantiate)),
    }
}

/// Calls an exported function and gives what it returned, whole.
macro_rules! call {
    ($store:ident, $instance:ident, $export:expr, ($($type:ty),*) -> $result:ty, ($($arg:expr),*)) => {{
        let function = $instance
            .get_typed_func::<($($type,)*), ($result,)>(&mut *$store, $export)
            .map_err(|error| classify::mistyped(&error))?;
        match function.call_async(&mut *$store, ($($arg,)*)).await {
            Ok((returned,)) => returned,
            Err(error) => return Err(classify::failure($store.data_mut(), &error, Phase::Call)),
        }
    }};
}

type Returned<T> = Result<T, types::Error>;

/// Makes an instance, calls the function of the plugin's kind and settles what came back.
async fn perform(store: &mut Store<Guest>, plugin: &Plugin, call: Call) -> Result<Output, Failure> {
    if call.kind() != plugin.kind() {
        let message = format!("a {} was called as a {}", plugin.kind(), call.kind());
        return Err(Failure::new(Code::Internal, message));
    }
    let instance = instance(store, plugin).await?;
    let export = plugin.call_export();
    match call {
        Call::Parse { source, config } => {
            // The encoding behind it was for the parser; who reads the text compares media types.
            let media_type = docmill_model::plugin::essence(&source.media_type).to_owned();
            let handle: Resource<SourceHandle> = give(store, source)?;
            let returned = call!(store, instance, export, (Resource<SourceHandle>, &str) -> Returned<Resource<BuilderHandle>>, (handle, &*config));
            let builder = accept(store.data_mut(), returned)?;
            output::reading(store.data_mut(), builder, &media_type)
        }
        Call::Extract { inputs, config } => {
            let handle: Resource<InputsHandle> = give(store, Arc::clone(&inputs))?;
            let returned = call!(store, instance, export, (Resource<InputsHandle>, &str) -> Returned<Vec<types::Field>>, (handle, &*config));
            let fields = accept(store.data_mut(), returned)?;
            output::fields(fields, &inputs, &store.data().meter.limits).await
        }
        Call::Validate { inputs, config } => {
            let handle: Resource<InputsHandle> = give(store, Arc::clone(&inputs))?;
            let returned = call!(store, instance, export, (Resource<InputsHandle>, &str) -> Returned<Vec<types::Check>>, (handle, &*config));
            let checks = accept(store.data_mut(), returned)?;
            output::checks(checks, &inputs, &store.data().meter.limits).await
        }
        Call::Transform { inputs, config } if plugin.describe_export().is_none() => {
            handler::transform(store, instance, plugin, &inputs, &config).await
        }
        Call::Transform { inputs, config } => {
            let handle: Resource<InputsHandle> = give(store, inputs)?;
            let returned = call!(store, instance, export, (Resource<InputsHandle>, &str) -> Returned<Transformed>, (handle, &*config));
            let made = accept(store.data_mut(), returned)?;
            output::transformed(made, &store.data().meter.limits).await
        }
        Call::Split { reading, config } => {
            let handle: Resource<ReadingHandle> = give(store, Arc::clone(&reading))?;
            let returned = call!(store, instance, export, (Resource<ReadingHandle>, &str) -> Returned<Vec<SplitChunk>>, (handle, &*config));
            let chunks = accept(store.data_mut(), returned)?;
            output::chunks(chunks, &reading, &store.data().meter.limits).await
        }
        Call::Embed {
            texts,
            purpose,
            config,
        } => {
            let given: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
            let returned = call!(store, instance, export, (&[&str], bindings::Purpose, &str) -> Returned<bindings::Embeddings>, (&given, purpose.into(), &*config));
            let embeddings = accept(store.data_mut(), returned)?;
            output::embeddings(embeddings, texts.len(), &store.data().meter.limits).await
        }
        Call::Complete {
            request,
            sink,
            config,
        } => {
            let request: llm_types::Request = (&*request).into();
            let sink: Option<Resource<SinkHandle>> = sink.map(|sink| give(store, sink)).transpose()?;
            let returned = call!(store, instance, export, (&llm_types::Request, Option<Resource<SinkHandle>>, &str) -> Returned<llm_types::Response>, (&request, sink, &*config));
            let response = accept(store.data_mut(), returned)?;
            output::completion(response, &store.data().meter.limits).await
        }
    }
}

/// Asks the plugin what it is. That its other function has the right type is checked on the way.
async fn ask(store: &mut Store<Guest>, plugin: &Plugin) -> Result<Option<Manifest>, Failure> {
    let instance = instance(store, plugin).await?;
    let Some(describe) = plugin.describe_export() else {
        return handler::function(store, instance, plugin).map(|_| None);
    };
    let export = plugin.call_export();
    match plugin.kind() {
        Kind::Parser => instance
            .get_typed_func::<(Resource<SourceHandle>, &str), (Returned<Resource<BuilderHandle>>,)>(
                &mut *store,
                export,
            )
            .map(drop),
        Kind::Extractor => instance
            .get_typed_func::<(Resource<InputsHandle>, &str), (Returned<Vec<types::Field>>,)>(
                &mut *store,
                export,
            )
            .map(drop),
        Kind::Validator => instance
            .get_typed_func::<(Resource<InputsHandle>, &str), (Returned<Vec<types::Check>>,)>(
                &mut *store,
                export,
            )
            .map(drop),
        Kind::Transformer => instance
            .get_typed_func::<(Resource<InputsHandle>, &str), (Returned<Transformed>,)>(&mut *store, export)
            .map(drop),
        Kind::Chunker => instance
            .get_typed_func::<(Resource<ReadingHandle>, &str), (Returned<Vec<SplitChunk>>,)>(
                &mut *store,
                export,
            )
            .map(drop),
        Kind::Embedder => instance
            .get_typed_func::<(&[&str], bindings::Purpose, &str), (Returned<bindings::Embeddings>,)>(
                &mut *store,
                export,
            )
            .map(drop),
        Kind::LlmAdapter => instance
            .get_typed_func::<(&llm_types::Request, Option<Resource<SinkHandle>>, &str), (Returned<llm_types::Response>,)>(
                &mut *store,
                export,
            )
            .map(drop),
    }
    .map_err(|error| classify::mistyped(&error))?;
    let described = call!(store, instance, describe, () -> Description, ());
    output::manifest(described).map(Some)
}

fn give<T: Send + 'static>(store: &mut Store<Guest>, what: T) -> Result<Resource<T>, Failure> {
    store.data_mut().table.push(what).map_err(|_| {
        Failure::new(
            Code::HandleLimit,
            "the call's limits allow no handle at all (`handles`), and a plugin is given one",
        )
    })
}

/// What a plugin returned, or the failure that it reported.
fn accept<T>(guest: &mut Guest, returned: Returned<T>) -> Result<T, Failure> {
    returned.map_err(|error| classify::reported(guest, &error))
}

/// A file that a plugin produced.
pub(crate) fn artifact(it: types::Artifact) -> Artifact {
    Artifact {
        name: it.name,
        media_type: it.media_type,
        content: Bytes::from(it.content),
    }
}
