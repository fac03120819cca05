//! What a pure parser made of the same bytes before is used again. The engine knows for every call whether it did anything
//! beyond its inputs; only then, and only if it succeeded, its result is kept.

use std::sync::Arc;
use std::time::Duration;

use docmill_cache::{Codec, Lookup};
use docmill_engine::{Call, Output};
use docmill_model::digest::{Digest, Hasher};
use docmill_model::failure::Failure;
use docmill_model::reading::Reading;
use docmill_model::run::AttemptRecord;

use super::Run;
use super::attempt::{Asked, invoke};
use crate::weight;

static READINGS: Codec<Output> = Codec {
    space: "reading-1",
    weigh: |output| match output {
        Output::Reading(reading) => weight::reading(reading),
        _ => 0,
    },
    encode: |output| match output {
        // Pictures and attachments do not leave the process.
        Output::Reading(reading) if reading.images.is_empty() && reading.attachments.is_empty() => {
            serde_json::to_vec(reading).ok()
        }
        _ => None,
    },
    decode: |bytes| serde_json::from_slice::<Reading>(bytes).ok().map(Output::Reading),
};

/// How long a call waits for another one that does the same.
const PATIENCE: Duration = Duration::from_secs(10);

/// Under which key the result of this call is found; none: it is not kept.
pub(crate) fn key(run: &Run, asked: &Asked<'_>) -> Option<Digest> {
    let (Call::Parse { .. }, Some(file)) = (&asked.call, asked.file) else {
        return None;
    };
    let source = &file.bytes;
    let mut hasher = Hasher::default();
    hasher.update(run.tenant.uuid().as_bytes());
    hasher.update(asked.recipe.as_bytes());
    hasher.update(source.digest.as_bytes());
    // A parser sees these too.
    hasher.update(source.media_type.as_bytes());
    hasher.update(&[0]);
    hasher.update(source.name.as_deref().unwrap_or("\0").as_bytes());
    Some(hasher.finish())
}

/// The result under the key, or a call that puts it there.
pub(crate) async fn reading(
    run: &Run,
    asked: &Asked<'_>,
    key: Digest,
    record: &mut AttemptRecord,
) -> Result<Arc<Output>, Failure> {
    match run.parts().cache.lookup(key, &READINGS, PATIENCE).await {
        Lookup::Hit(output) => {
            record.reused = true;
            Ok(output)
        }
        Lookup::Miss(ticket) => {
            let output = Arc::new(invoke(run, asked, record).await?);
            if record.usage.effects.is_empty() {
                ticket.keep(output.clone()).await;
            }
            Ok(output)
        }
    }
}
