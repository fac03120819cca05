//! Links the audit log: what was written gets its place in the chain about a second later, by whichever host gets to it.

use std::time::Duration;

use docmill_store::Store;
use docmill_store::audit::ALARM;
use tokio::time::{Instant, sleep};
use tracing::{error, warn};

/// The longest time that an entry waits while all is well.
const EVERY: Duration = Duration::from_secs(1);
/// How often the same trouble is told of.
const TELL: Duration = Duration::from_secs(60);

/// Seals the audit log of all tenants from now on until it is aborted.
pub async fn run(store: Store) {
    let mut told: Option<Instant> = None;
    loop {
        let sealed = store.seal_audit().await;
        let lag = store.audit_lag();
        if told.is_none_or(|at| at.elapsed() > TELL) && (sealed.is_err() || lag.oldest > ALARM) {
            told = Some(Instant::now());
            let (waiting, oldest_s) = (lag.waiting, lag.oldest.as_secs());
            if lag.oldest > ALARM {
                error!(
                    waiting,
                    oldest_s,
                    "entries of the audit log wait to be sealed; until then a change to them goes unnoticed"
                );
            }
            if let Err(error) = &sealed {
                warn!(%error, "sealing the audit log is put off");
            }
        }
        if !sealed.is_ok_and(|sealed| sealed.more) {
            sleep(EVERY).await;
        }
    }
}
