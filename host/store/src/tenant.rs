//! The way to a tenant's rows.

use docmill_model::access::Clearance;
use docmill_model::id::TenantId;

use crate::connect::{Store, again_if_cut};
use crate::error::StoreError;
use crate::line::Line;

/// How far somebody sees: the rows of one tenant, and of its documents and runs those of which the clearance is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Whose rows.
    pub tenant: TenantId,
    /// Which tiers of them.
    pub clearance: Clearance,
}

impl Sight {
    /// What a caller sees.
    pub const fn of(tenant: TenantId, clearance: Clearance) -> Self {
        Self { tenant, clearance }
    }

    /// Everything of a tenant: for the platform's own work, never for a caller.
    pub const fn whole(tenant: TenantId) -> Self {
        Self::of(tenant, Clearance::S)
    }
}

/// A transaction that sees the rows of one tenant and no others: row-level security compares every row with
/// `app.tenant_id` and `app.clearance`, which are set when it begins and nowhere else in Rust. Dropped without
/// [`commit`](Self::commit), it rolls back.
pub(crate) struct TenantTx(Line);

impl Store {
    /// Begins a transaction of a tenant that is about nothing with a tier: of what has one, it sees what everybody does.
    pub(crate) async fn tenant(&self, tenant: TenantId) -> Result<TenantTx, StoreError> {
        self.seeing(Sight::of(tenant, Clearance::everybody())).await
    }

    /// Begins a transaction of somebody who sees so much.
    pub(crate) async fn seeing(&self, sight: Sight) -> Result<TenantTx, StoreError> {
        if self.health().just_failed() {
            return Err(StoreError::Unavailable {
                reason: "it did not a moment ago".to_owned(),
            });
        }
        // Nothing was asked yet, so a connection that turns out to be dead is no reason to fail.
        let begin = || async {
            let mut line = self.line().await?;
            line.begin(sight).await?;
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
