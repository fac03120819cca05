//! The way to a tenant's rows.

use docmill_model::id::TenantId;
use sqlx::{PgConnection, Postgres, Transaction};

use crate::connect::{Store, again_if_cut};
use crate::error::StoreError;

/// A transaction that sees the rows of one tenant and no others: row-level security compares every row with
/// `app.tenant_id`, which is set here and nowhere else in Rust. Dropped without [`commit`](Self::commit), it rolls back.
pub(crate) struct TenantTx {
    transaction: Transaction<'static, Postgres>,
}

impl Store {
    /// Begins a transaction of a tenant.
    pub(crate) async fn tenant(&self, tenant: TenantId) -> Result<TenantTx, StoreError> {
        // Nothing was asked yet, so a connection that turns out to be dead is no reason to fail.
        let begin = || async {
            let mut transaction = self.pool.begin().await?;
            sqlx::query("select set_config('app.tenant_id', $1, true)")
                .bind(tenant.uuid().to_string())
                .execute(&mut *transaction)
                .await?;
            Ok(transaction)
        };
        let transaction = again_if_cut(begin).await?;
        Ok(TenantTx { transaction })
    }
}

impl TenantTx {
    /// The connection, to run statements on.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Makes it last.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }
}
