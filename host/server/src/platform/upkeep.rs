//! What a database needs now and then, done by whichever host gets to it.

use std::time::Duration;

use docmill_runs::Runs;
use docmill_store::Store;
use tokio::time::Instant;
use tracing::warn;

/// Partitions are made months ahead: a day late is early enough.
const PARTITIONS_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// When PostgreSQL was away.
const PARTITIONS_AGAIN: Duration = Duration::from_secs(5 * 60);
/// How soon after its time limit an accepted run is known to be lost with its host.
const LOST_EVERY: Duration = Duration::from_secs(60);

/// Keeps the coming months' partitions there and finds runs whose host is gone, from now on until it is aborted.
pub async fn run(store: Store, runs: Runs) {
    let mut partitions_at = Instant::now();
    loop {
        if Instant::now() >= partitions_at {
            partitions_at = Instant::now()
                + match store.maintain().await {
                    Ok(()) => PARTITIONS_EVERY,
                    Err(error) => {
                        warn!(%error, "making the coming months' partitions is put off");
                        PARTITIONS_AGAIN
                    }
                };
        }
        tokio::time::sleep(LOST_EVERY).await;
        if let Err(error) = runs.mark_lost(false).await {
            warn!(%error, "looking for runs whose host is gone is put off");
        }
        if let Err(error) = store.sweep_queue().await {
            warn!(%error, "forgetting keys and workers of before is put off");
        }
    }
}
