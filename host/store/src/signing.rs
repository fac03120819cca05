//! Keys whose signatures, and people and programs whose bundles a tenant trusts.

use docmill_model::id::TenantId;
use docmill_model::run::Millis;
use docmill_model::signature::{PublicKey, Signer, Subject, TrustedIdentity, TrustedKey};

use crate::clean::text;
use crate::connect::Store;
use crate::error::StoreError;

/// Most keys of a tenant, revoked ones too.
const MAX_KEYS: i64 = 200;
/// Most identities of a tenant, revoked ones too. Each may have a root of its own.
const MAX_IDENTITIES: i64 = 50;

/// Somebody to be trusted.
#[derive(Debug, Clone, Copy)]
pub struct NewIdentity<'a> {
    /// For people.
    pub name: &'a str,
    /// Who.
    pub signer: &'a Signer,
    /// By which root, as JSON; none: by that of the public Sigstore.
    pub trusted_root: Option<&'a str>,
    /// Until when.
    pub expires_at: Option<Millis>,
}

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

    /// Trusts somebody's bundles from now on. False: they were trusted in the same way under this name already.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the name is taken, or there are too many.
    pub async fn trust_identity(&self, tenant: TenantId, new: &NewIdentity<'_>) -> Result<bool, StoreError> {
        let name = text(new.name);
        let (subject, issuer, key) = match new.signer {
            Signer::Identity { subject, issuer } => (Some(subject), Some(text(issuer)), None),
            Signer::Key(pem) => (None, None, Some(text(pem))),
        };
        let said = subject.map(|subject| text(subject.as_str()));
        let root = new.trusted_root.map(text);
        let mut tx = self.tenant(tenant).await?;
        let done = sqlx::query!(
            "insert into docmill.signing_identity
                 (tenant_id, name, subject, subject_prefix, issuer, public_key, trusted_root, expires_at)
             select $1, $2, $3, $4, $5, $6, $7, docmill.time_at($8)
             where (select count(*) from docmill.signing_identity where tenant_id = $1) < $9
             on conflict do nothing",
            tenant.uuid(),
            &*name,
            said.as_deref(),
            matches!(subject, Some(Subject::Prefix(_))),
            issuer.as_deref(),
            key.as_deref(),
            root.as_deref(),
            new.expires_at,
            MAX_IDENTITIES,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        if done.rows_affected() == 1 {
            return Ok(true);
        }
        let known = self.trusted_identities(tenant).await?;
        let what = match known.into_iter().find(|identity| identity.name == *name) {
            Some(identity)
                if identity.signer == *new.signer
                    && identity.trusted_root.as_deref() == new.trusted_root
                    && identity.expires_at == new.expires_at
                    && identity.revoked_at.is_none() =>
            {
                return Ok(false);
            }
            Some(_) => format!(
                "'{name}' is the name of another identity, or of one that was revoked; choose another name"
            ),
            None => format!("there are {MAX_IDENTITIES} identities already, revoked ones included"),
        };
        Err(StoreError::Conflict { what })
    }

    /// Trusts somebody's bundles no more. False: they were revoked already.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; when the database does not answer.
    pub async fn revoke_trusted_identity(&self, tenant: TenantId, name: &str) -> Result<bool, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let done = sqlx::query!(
            "update docmill.signing_identity set revoked_at = now()
             where tenant_id = $1 and name = $2 and revoked_at is null",
            tenant.uuid(),
            &*text(name),
        )
        .execute(tx.connection())
        .await?;
        let known = sqlx::query_scalar!(
            r#"select count(*) as "count!" from docmill.signing_identity where tenant_id = $1 and name = $2"#,
            tenant.uuid(),
            &*text(name),
        )
        .fetch_one(tx.connection())
        .await?;
        tx.commit().await?;
        if known == 0 {
            return Err(StoreError::not_found(format!("the identity '{name}'")));
        }
        Ok(done.rows_affected() == 1)
    }

    /// All identities, by name, those that are trusted no more too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn trusted_identities(&self, tenant: TenantId) -> Result<Vec<TrustedIdentity>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select name, subject, subject_prefix, issuer, public_key, trusted_root,
                      docmill.millis(expires_at) as expires_at, docmill.millis(revoked_at) as revoked_at,
                      docmill.millis(created_at) as "created_at!"
               from docmill.signing_identity where tenant_id = $1 order by name"#,
            tenant.uuid(),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter()
            .map(|row| {
                let signer = match (row.subject, row.issuer, row.public_key) {
                    (Some(subject), Some(issuer), None) => Signer::Identity {
                        subject: if row.subject_prefix {
                            Subject::Prefix(subject)
                        } else {
                            Subject::Exact(subject)
                        },
                        issuer,
                    },
                    (None, None, Some(key)) => Signer::Key(key),
                    _ => {
                        let said = "an identity is neither a subject nor a key";
                        return Err(StoreError::Internal(sqlx::Error::Decode(said.into())));
                    }
                };
                Ok(TrustedIdentity {
                    name: row.name,
                    signer,
                    trusted_root: row.trusted_root,
                    expires_at: row.expires_at,
                    revoked_at: row.revoked_at,
                    created_at: row.created_at,
                })
            })
            .collect()
    }
}
