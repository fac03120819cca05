//! Sessions of the console that belong to no person. A session needs a user; who has but a service's key (the first key of every
//! organisation is one) still has to be able to look around. Such a session is a key of its own, which may what the key may that
//! began it, acts in its name and ends with it, after a day, or when somebody signs out.

use std::time::Duration;

use docmill_model::id::{KeyId, TenantId};
use docmill_model::run::Millis;

use super::{Caller, Credential, Ended, KEY_PREFIX, Secret, new_secret};
use crate::connect::Store;
use crate::error::StoreError;

/// What the names of such keys begin with; no other key may be called so, because it would act in another's name.
const NAME: &str = "console:";
/// The longest that one lasts.
const LONGEST: Duration = Duration::from_hours(24);
/// Of one key at once; the oldest ends when there are more.
const MOST: i64 = 20;

/// Whether only the console may give a key this name.
pub(super) fn is_reserved(name: &str) -> bool {
    name.starts_with(NAME)
}

/// Which key began the session that has this name.
fn beginner(name: &str) -> Option<KeyId> {
    name.strip_prefix(NAME)?.parse().ok()
}

impl Store {
    /// Begins a session of the console with a service's key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the key works no more or belongs to a user; when the database does not answer.
    pub async fn create_console_key(
        &self,
        tenant: TenantId,
        of: KeyId,
        lasts: Duration,
    ) -> Result<(KeyId, Secret, Millis), StoreError> {
        let id = KeyId::new();
        let (secret, prefix, hash) = new_secret(KEY_PREFIX)?;
        let lasts = i64::try_from(lasts.min(LONGEST).as_millis()).unwrap_or_default();
        let name = format!("{NAME}{of}");
        let mut tx = self.tenant(tenant).await?;
        let expires_at = sqlx::query_scalar!(
            r#"insert into docmill.api_key (tenant_id, id, name, prefix, secret_hash, role, scopes, clearance, expires_at)
               select tenant_id, $3, $4, $5, $6, role, scopes, clearance,
                   least(now() + $7::bigint * interval '1 millisecond', expires_at)
               from docmill.api_key
               where tenant_id = $1 and id = $2 and user_id is null and revoked_at is null
                   and (expires_at is null or expires_at > now())
               for share
               returning docmill.millis(expires_at) as "expires_at!""#,
            tenant.uuid(),
            of.uuid(),
            id.uuid(),
            name,
            prefix,
            hash.as_bytes().as_slice(),
            lasts,
        )
        .fetch_optional(tx.connection())
        .await?
        .ok_or_else(|| StoreError::not_found(format!("the service's key {of}, or it works no more")))?;
        sqlx::query!(
            "update docmill.api_key set revoked_at = now()
             where tenant_id = $1 and name = $2 and revoked_at is null and id in (
                 select k.id from docmill.api_key k
                 where k.tenant_id = $1 and k.name = $2 and k.revoked_at is null and k.expires_at > now()
                 order by k.id desc offset $3)",
            tenant.uuid(),
            name,
            MOST,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok((id, secret, expires_at))
    }

    /// Whoever has the key of a session of the console acts as the key that began it, as long as that one works.
    pub(super) async fn in_the_name_of_its_key(&self, session: Caller) -> Result<Credential, StoreError> {
        let Some((own, key)) = session.key.zip(beginner(&session.name)) else {
            return Ok(Credential::Valid(Box::new(session)));
        };
        let key = match self.get_key(session.tenant, key).await {
            Ok(key) => key,
            Err(StoreError::NotFound { .. }) => return Ok(Credential::Ended(Ended::Revoked)),
            Err(error) => return Err(error),
        };
        if key.revoked_at.is_some() {
            return Ok(Credential::Ended(Ended::Revoked));
        }
        let ends = [session.expires_at, key.expires_at].into_iter().flatten().min();
        Ok(Credential::Valid(Box::new(Caller {
            key: Some(key.id),
            console: Some(own),
            name: key.name,
            expires_at: ends,
            key_expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            ..session
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_which_key_began_it() {
        let key = KeyId::new();
        assert_eq!(beginner(&format!("console:{key}")), Some(key));
        for other in ["console:", "console:me", "laptop", "Console:key_x", ""] {
            assert_eq!(beginner(other), None, "{other}");
        }
        assert!(is_reserved("console:me") && !is_reserved("the console"));
    }
}
