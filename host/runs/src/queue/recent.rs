//! Bytes of documents that came with runs a moment ago. The worker on the same host takes them from here; any other reads what is
//! kept.

use std::sync::Arc;
use std::time::Duration;

use docmill_model::id::SourceId;
use docmill_model::reading::Source;

/// Bytes kept, all together.
const MOST: u64 = 64 << 20;
/// How long: most runs begin at once or wait for long.
const AGE: Duration = Duration::from_secs(30);

pub(crate) struct Recent(moka::sync::Cache<SourceId, Arc<Source>>);

impl Recent {
    pub(crate) fn new() -> Self {
        let weight = |_: &SourceId, source: &Arc<Source>| {
            u32::try_from(source.bytes.len().saturating_add(200)).unwrap_or(u32::MAX)
        };
        let cache = moka::sync::Cache::builder()
            .weigher(weight)
            .max_capacity(MOST)
            .time_to_live(AGE);
        Self(cache.build())
    }

    pub(crate) fn keep(&self, id: SourceId, source: Arc<Source>) {
        self.0.insert(id, source);
    }

    /// Each is taken once.
    pub(crate) fn take(&self, id: SourceId) -> Option<Arc<Source>> {
        self.0.remove(&id)
    }
}
