//! What a database needs now and then, done by whichever host gets to it.

use std::time::Duration;

use docmill_store::Store;
use tracing::warn;

/// Partitions are made months ahead: a day late is early enough.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// When PostgreSQL was away.
const AGAIN_AFTER: Duration = Duration::from_secs(5 * 60);

/// Keeps the coming months' partitions there, from now on until it is aborted.
pub async fn run(store: Store) {
    loop {
        let wait = match store.maintain().await {
            Ok(()) => EVERY,
            Err(error) => {
                warn!(%error, "the database's upkeep is put off");
                AGAIN_AFTER
            }
        };
        tokio::time::sleep(wait).await;
    }
}
