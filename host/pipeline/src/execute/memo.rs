//! What a call depends on, as one digest: the key under which a parser's result is used again, and the seed of what a
//! guest sees as random.
//!
//! The engine knows for every call whether it did anything beyond its inputs; only then, and only if it succeeded, its
//! result is kept.

use std::sync::Arc;
use std::time::Duration;

use docmill_cache::{Codec, Lookup};
use docmill_engine::Call;
use docmill_model::digest::{Digest, Hasher};
use docmill_model::failure::Failure;
use docmill_model::limits::Limits;
use docmill_model::reading::{Inputs, Reading};
use docmill_model::run::AttemptRecord;
use serde::Serialize;

use super::Run;
use super::attempt::{Asked, Given, invoke};
use super::state::Made;
use crate::cost::Cost;
use crate::weight;

static READINGS: Codec<Reading> = Codec {
    space: "reading-1",
    weigh: weight::reading,
    encode: |reading| {
        // Pictures and attachments do not leave the process.
        let whole = reading.images.is_empty() && reading.attachments.is_empty();
        whole.then(|| serde_json::to_vec(reading).ok()).flatten()
    },
    decode: |bytes| serde_json::from_slice(bytes).ok(),
};

/// Everything that the call can see: plugin, configuration and inputs. Readings are told by what they were made of.
pub(crate) fn identity(recipe: Digest, call: &Call, readings: &[Made]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(recipe.as_bytes());
    hasher.update(call.kind().as_str().as_bytes());
    match call {
        Call::Parse { source, .. } => {
            hasher.update(source.digest.as_bytes());
            add(&mut hasher, &(&source.media_type, &source.name));
        }
        Call::Extract { inputs, .. } | Call::Validate { inputs, .. } | Call::Transform { inputs, .. } => {
            for made in readings {
                add(&mut hasher, &(&made.role, &made.record.reading.key));
                hasher.update(made.identity.as_bytes());
            }
            add_inputs(&mut hasher, inputs);
        }
        Call::Split { reading, .. } => {
            add(&mut hasher, &reading.key);
            if let Some(made) = readings
                .iter()
                .find(|made| made.record.reading.key == reading.key)
            {
                hasher.update(made.identity.as_bytes());
            }
        }
        Call::Embed { texts, purpose, .. } => {
            add(&mut hasher, purpose);
            for text in texts.iter() {
                add(&mut hasher, &&**text);
            }
        }
        Call::Complete { request, .. } => {
            add(&mut hasher, &request.model);
            hasher.update(request.digest().as_bytes());
        }
    }
    hasher.finish()
}

fn add_inputs(hasher: &mut Hasher, inputs: &Inputs) {
    add(hasher, &inputs.params);
    add(hasher, &inputs.main.as_ref().map(|reading| &reading.key));
    let texts: Vec<(&String, Vec<&str>)> = inputs
        .texts
        .iter()
        .map(|(role, texts)| (role, texts.iter().map(AsRef::as_ref).collect()))
        .collect();
    add(hasher, &texts);
    add(hasher, &inputs.records);
    add(hasher, &inputs.fields);
    add(hasher, &inputs.checks);
}

/// Adds a value as JSON, which says where it ends.
fn add(hasher: &mut Hasher, value: &impl Serialize) {
    struct Sink<'a>(&'a mut Hasher);
    impl std::io::Write for Sink<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    // A value that cannot be written down whole still gives the same bytes each time.
    let _ = serde_json::to_writer(Sink(hasher), value);
    hasher.update(&[0]);
}

/// What the guest's random numbers are made from: the same call on the same inputs sees the same numbers, and nobody
/// outside can know them.
pub(crate) fn seed(run: &Run, identity: Digest) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(&run.parts().platform_key);
    hasher.update(b"docmill guest seed 1");
    hasher.update(run.tenant.uuid().as_bytes());
    hasher.update(identity.as_bytes());
    *hasher.finalize().as_bytes()
}

/// A parser's reading: the one that is kept, or a call that gives it.
pub(crate) async fn reading(
    run: &Run,
    asked: &Asked<'_>,
    key: &str,
    limits: &Limits,
    record: &mut AttemptRecord,
) -> Result<Given, Failure> {
    let bytes = match &asked.call {
        Call::Parse { source, .. } => source.bytes.len(),
        _ => 0,
    };
    let reused = run
        .context
        .reuse
        .filter(|_| asked.cost.may_be_worth_keeping(bytes));
    let Some(tier) = reused else {
        let given = invoke(run, asked, Some(key), limits, record).await?;
        asked.cost.learn(bytes, record.usage.cpu_us);
        return Ok(given);
    };
    let mut hasher = Hasher::default();
    // What one tenant sees must not tell it what another one has; nor what people who may see less have to do with the higher.
    hasher.update(run.tenant.uuid().as_bytes());
    hasher.update(tier.as_str().as_bytes());
    hasher.update(asked.identity.as_bytes());
    // The reading holds its name, so that nothing is copied when it is used again.
    hasher.update(key.as_bytes());
    let patience = run.context.deadline.map_or(limits.timeout.0, |deadline| {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        limits.timeout.0.min(left).max(Duration::from_millis(1))
    });
    match run
        .parts()
        .cache
        .lookup(hasher.finish(), &READINGS, patience)
        .await
    {
        Lookup::Hit(reading) => {
            record.reused = true;
            Ok(Given::Reading(reading))
        }
        Lookup::Miss(ticket) => {
            let given = invoke(run, asked, Some(key), limits, record).await?;
            let cpu = record.usage.cpu_us;
            asked.cost.learn(bytes, cpu);
            if let Given::Reading(reading) = &given
                && record.usage.effects.is_empty()
                && Cost::is_worth_keeping(cpu)
            {
                ticket.keep(Arc::clone(reading)).await;
            }
            Ok(given)
        }
    }
}
