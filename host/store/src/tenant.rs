//! The way to a tenant's rows.

use docmill_model::id::TenantId;

use crate::connect::{Store, again_if_cut};
use crate::error::StoreError;
use crate::line::Line;

/// A transaction that sees the rows of one tenant and no others: row-level security compares every row with
/// `app.tenant_id`, which is set when it begins and nowhere else in Rust. Dropped without [`commit`](Self::commit), it rolls
/// back.
pub(crate) struct TenantTx(Line);

impl Store {
    /// Begins a transaction of a tenant.
    pub(crate) async fn tenant(&self, tenant: TenantId) -> Result<TenantTx, StoreError> {
        if self.health().just_failed() {
            return Err(StoreError::Unavailable {
                reason: "it did not a moment ago".to_owned(),
            });
        }
        // Nothing was asked yet, so a connection that turns out to be dead is no reason to fail.
        let begin = || async {
            let mut line = self.line().await?;
            line.begin(tenant).await?;
            Ok(line)
        };
        Ok(TenantTx(again_if_cut(begin).await?))
    }
}

impl TenantTx {
    /// The connection, to run statements on.
    pub(crate) fn connection(&mut self) -> &mut Line {
        &mut self.0
    }

    /// Ends what only read.
    pub(crate) async fn end(mut self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }

    /// Makes what was written last.
    ///
    /// # Errors
    /// [`StoreError::Unanswered`]: it may last, or not.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        self.0.commit().await.map_err(StoreError::sent)
    }
}
