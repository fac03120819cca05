//! Keys whose signatures a tenant trusts.

use docmill_model::id::TenantId;
use docmill_model::run::Millis;
use docmill_model::signature::{PublicKey, TrustedKey};

use crate::clean::text;
use crate::connect::Store;
use crate::error::StoreError;

/// Most keys of a tenant, revoked ones too.
const MAX_KEYS: i64 = 200;

impl Store {
    /// Trusts a key from now on. False: it was trusted under this name already.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the name or the key is taken, or there are too many.
    pub async fn trust_key(
        &self,
        tenant: TenantId,
        name: &str,
        key: PublicKey,
        expires_at: Option<Millis>,
    ) -> Result<bool, StoreError> {
        let name = text(name);
        let mut tx = self.tenant(tenant).await?;
        let done = sqlx::query!(
            "insert into docmill.signing_key (tenant_id, name, public_key, expires_at)
             select $1, $2, $3, docmill.time_at($4)
             where (select count(*) from docmill.signing_key where tenant_id = $1) < $5
             on conflict do nothing",
            tenant.uuid(),
            &*name,
            key.as_bytes().as_slice(),
            expires_at,
            MAX_KEYS,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        if done.rows_affected() == 1 {
            return Ok(true);
        }
        let known = self.trusted_keys(tenant).await?;
        let conflict = |what: String| Err(StoreError::Conflict { what });
        match known.iter().find(|k| k.name == *name || k.public_key == key) {
            Some(k)
                if k.name == *name
                    && k.public_key == key
                    && k.expires_at == expires_at
                    && k.revoked_at.is_none() =>
            {
                Ok(false)
            }
            Some(k) if k.public_key == key => conflict(format!(
                "this key is there already, as '{}'{}; make a new one: `docmill plugin keygen`",
                k.name,
                if k.revoked_at.is_some() {
                    ", and was revoked"
                } else {
                    ""
                }
            )),
            Some(k) => conflict(format!(
                "'{}' is the name of another key; choose another name",
                k.name
            )),
            None => conflict(format!(
                "there are {MAX_KEYS} keys already, revoked ones included"
            )),
        }
    }

    /// Trusts a key no more. False: it was revoked already.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; when the database does not answer.
    pub async fn revoke_trusted_key(&self, tenant: TenantId, name: &str) -> Result<bool, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let done = sqlx::query!(
            "update docmill.signing_key set revoked_at = now()
             where tenant_id = $1 and name = $2 and revoked_at is null",
            tenant.uuid(),
            &*text(name),
        )
        .execute(tx.connection())
        .await?;
        let known = sqlx::query_scalar!(
            r#"select count(*) as "count!" from docmill.signing_key where tenant_id = $1 and name = $2"#,
            tenant.uuid(),
            &*text(name),
        )
        .fetch_one(tx.connection())
        .await?;
        tx.commit().await?;
        if known == 0 {
            return Err(StoreError::not_found(format!("the key '{name}'")));
        }
        Ok(done.rows_affected() == 1)
    }

    /// All keys, by name, those that are trusted no more too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn trusted_keys(&self, tenant: TenantId) -> Result<Vec<TrustedKey>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select name, public_key, docmill.millis(expires_at) as expires_at, docmill.millis(revoked_at) as revoked_at,
                      docmill.millis(created_at) as "created_at!"
               from docmill.signing_key where tenant_id = $1 order by name"#,
            tenant.uuid(),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter()
            .map(|row| {
                let bytes: [u8; 32] = row.public_key.try_into().map_err(|_| {
                    StoreError::Internal(sqlx::Error::Decode("a public key is not 32 bytes long".into()))
                })?;
                Ok(TrustedKey {
                    name: row.name,
                    public_key: PublicKey::from_bytes(bytes),
                    expires_at: row.expires_at,
                    revoked_at: row.revoked_at,
                    created_at: row.created_at,
                })
            })
            .collect()
    }
}
