//! Where compiled code of components is among the blobs.

use docmill_model::digest::Digest;
use docmill_model::id::TenantId;

use crate::connect::Store;
use crate::convert::digest;
use crate::error::StoreError;

impl Store {
    /// Says which blob, of `size` bytes, has code of a component for engines of this fingerprint; said again, the last one
    /// holds.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keep_code(
        &self,
        tenant: TenantId,
        component: Digest,
        engine: &[u8; 32],
        code: Digest,
        size: u64,
    ) -> Result<(), StoreError> {
        let mut tx = self.tenant(tenant).await?;
        sqlx::query!(
            "insert into docmill.plugin_code as c (tenant_id, component, engine, code, size)
             values ($1, $2, $3, $4, $5)
             on conflict (tenant_id, component, engine) do update
             set code = excluded.code, size = excluded.size, made_at = now()
             where c.code <> excluded.code",
            tenant.uuid(),
            component.as_bytes().as_slice(),
            engine.as_slice(),
            code.as_bytes().as_slice(),
            i64::try_from(size).unwrap_or(i64::MAX),
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }

    /// Which blob has code of a component for engines of this fingerprint.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn code_of(
        &self,
        tenant: TenantId,
        component: Digest,
        engine: &[u8; 32],
    ) -> Result<Option<Digest>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let found = sqlx::query_scalar!(
            "select code from docmill.plugin_code where tenant_id = $1 and component = $2 and engine = $3",
            tenant.uuid(),
            component.as_bytes().as_slice(),
            engine.as_slice(),
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.end().await?;
        found.map(|code: Vec<u8>| digest(&code)).transpose()
    }
}
