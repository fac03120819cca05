//! People whom somebody else vouches for: they come with neither key nor session.

use docmill_model::access::{Clearance, Role};
use docmill_model::id::UserId;
use docmill_model::run::Millis;

use super::{Caller, Credential, Ended};
use crate::clean::text;
use crate::connect::Store;
use crate::convert::word;
use crate::error::StoreError;

impl Store {
    /// The user with this address, in lower case, of the organisation of that name; they may what their role may, until
    /// `expires_at`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn person(
        &self,
        tenant: &str,
        email: &str,
        expires_at: Millis,
    ) -> Result<Credential, StoreError> {
        let named = self.tenants().await?;
        let Some((tenant, tenant_name)) = named.into_iter().find(|(_, name)| name == tenant) else {
            return Ok(Credential::Unknown);
        };
        let mut tx = self.tenant(tenant).await?;
        let row = sqlx::query!(
            "select t.timezone, t.locale, u.id, u.name, u.role, u.clearance, u.status
             from docmill.user u join docmill.tenant t on t.tenant_id = u.tenant_id
             where u.tenant_id = $1 and u.email = $2 and u.status <> 'removed'",
            tenant.uuid(),
            &*text(email),
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.end().await?;
        let Some(row) = row else {
            return Ok(Credential::Unknown);
        };
        if row.status != "active" {
            return Ok(Credential::Ended(Ended::UserSuspended));
        }
        let role: Role = word(&row.role)?;
        let clearance: Clearance = word(&row.clearance)?;
        Ok(Credential::Valid(Box::new(Caller {
            tenant,
            tenant_name,
            timezone: row.timezone,
            locale: row.locale,
            key: None,
            session: None,
            console: None,
            name: row.name.clone(),
            user: Some((UserId::from(row.id), row.name)),
            role,
            scopes: role.scopes(),
            clearance,
            expires_at: Some(expires_at),
            // Keys that they make are theirs as a user's, and end with the user.
            key_expires_at: None,
            last_used_at: None,
        })))
    }
}
