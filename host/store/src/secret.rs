//! Sealed secrets. What they are is not known here.

use docmill_model::id::TenantId;
use docmill_model::run::Millis;

use crate::clean::text;
use crate::connect::Store;
use crate::error::StoreError;

/// A sealed secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// Its name.
    pub name: String,
    /// Where it may go.
    pub hosts: Vec<String>,
    /// Which envelope key sealed it.
    pub key_number: i32,
    /// What is sealed.
    pub sealed: Vec<u8>,
}

/// What is known of a secret without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRow {
    /// Its name.
    pub name: String,
    /// Where it may go.
    pub hosts: Vec<String>,
    /// Which envelope key sealed it.
    pub key_number: i32,
    /// Who set it last, by name.
    pub changed_by: String,
    /// When.
    pub changed_at: Millis,
}

impl Store {
    /// Keeps a secret; whether it is a new one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn put_secret(
        &self,
        tenant: TenantId,
        secret: &SealedSecret,
        by: &str,
    ) -> Result<bool, StoreError> {
        let by = text(by);
        let mut tx = self.tenant(tenant).await?;
        let created = sqlx::query_scalar!(
            r#"insert into docmill.secret as s (tenant_id, name, hosts, key_number, sealed, changed_by)
               values ($1, $2, $3, $4, $5, $6)
               on conflict (tenant_id, name) do update
               set hosts = excluded.hosts, key_number = excluded.key_number, sealed = excluded.sealed,
                   changed_by = excluded.changed_by, changed_at = now()
               returning (s.created_at = s.changed_at) as "created!""#,
            tenant.uuid(),
            &*text(&secret.name),
            &secret.hosts,
            secret.key_number,
            secret.sealed,
            &*by,
        )
        .fetch_one(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(created)
    }

    /// Puts a newly sealed secret in the place of exactly this one; whether it was still there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reseal_secret(
        &self,
        tenant: TenantId,
        old: &SealedSecret,
        new: &SealedSecret,
    ) -> Result<bool, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let changed = sqlx::query!(
            "update docmill.secret set key_number = $4, sealed = $5
             where tenant_id = $1 and name = $2 and sealed = $3",
            tenant.uuid(),
            &*text(&old.name),
            old.sealed,
            new.key_number,
            new.sealed,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(changed.rows_affected() == 1)
    }

    /// Forgets a secret; whether there was one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_secret(&self, tenant: TenantId, name: &str, by: &str) -> Result<bool, StoreError> {
        let by = text(by);
        let mut tx = self.tenant(tenant).await?;
        let removed = sqlx::query!(
            "update docmill.secret set sealed = null, changed_by = $3, changed_at = now()
             where tenant_id = $1 and name = $2 and sealed is not null",
            tenant.uuid(),
            &*text(name),
            &*by,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(removed.rows_affected() == 1)
    }

    /// All secrets, by name, sealed ones left where they are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_secrets(&self, tenant: TenantId) -> Result<Vec<SecretRow>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query_as!(
            SecretRow,
            r#"select name, hosts, key_number, changed_by, docmill.millis(changed_at) as "changed_at!"
               from docmill.secret where tenant_id = $1 and sealed is not null order by name"#,
            tenant.uuid(),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        Ok(rows)
    }

    /// Sealed secrets: those of these names, or all.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sealed_secrets(
        &self,
        tenant: TenantId,
        names: Option<&[String]>,
    ) -> Result<Vec<SealedSecret>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query_as!(
            SealedSecret,
            r#"select name, hosts, key_number, sealed as "sealed!" from docmill.secret
               where tenant_id = $1 and sealed is not null and ($2::text[] is null or name = any($2)) order by name"#,
            tenant.uuid(),
            names,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        Ok(rows)
    }
}
