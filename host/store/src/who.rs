//! Tenants, keys and the audit log.

use std::fmt;
use std::net::IpAddr;

use docmill_model::id::{KeyId, RequestId, TenantId};
use docmill_model::run::Millis;
use serde::Serialize;

use crate::connect::Store;
use crate::error::StoreError;

/// A key's secret part. Shown once; the database has its SHA-256 only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text that clients send as `Authorization: Bearer …`.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What the first start made.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The first tenant.
    pub tenant: TenantId,
    /// Its first key.
    pub key: KeyId,
    /// To be shown now: it cannot be had again.
    pub secret: Secret,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Owns whatever the caller sees.
    pub tenant: TenantId,
    /// The tenant's name.
    pub tenant_name: String,
    /// IANA name, for dates shown to people.
    pub timezone: String,
    /// BCP 47.
    pub locale: String,
    /// Which key.
    pub key: KeyId,
    /// The key's name.
    pub name: String,
}

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// For people.
    pub name: String,
    /// The first characters of its text.
    pub prefix: String,
    /// When it was made.
    pub created_at: Millis,
    /// When it stopped working.
    pub revoked_at: Option<Millis>,
}

/// A line of the audit log. Names things and digests, never values.
#[derive(Debug, Clone)]
pub struct AuditEntry<'a> {
    /// `pipeline.save`, `plugin.publish`, `key.create`
    pub action: &'a str,
    /// The id or name of what was acted on.
    pub subject: &'a str,
    /// Which key acted; none: the platform.
    pub key: Option<KeyId>,
    /// From where.
    pub client_ip: Option<IpAddr>,
    /// In which request.
    pub request: Option<RequestId>,
    /// More: versions, digests.
    pub detail: serde_json::Value,
}

impl Store {
    /// At the first start: makes a tenant called `name` and a key for it. None if there is a tenant already.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bootstrap(&self, name: &str) -> Result<Option<Bootstrap>, StoreError> {
        let _ = name;
        todo!()
    }

    /// Whose secret this is; none if it is nobody's or was revoked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn authenticate(&self, secret: &str) -> Result<Option<Caller>, StoreError> {
        let _ = secret;
        todo!()
    }

    /// Makes a key for the tenant. The secret cannot be had again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn create_key(&self, tenant: TenantId, name: &str) -> Result<(KeyId, Secret), StoreError> {
        let _ = (tenant, name);
        todo!()
    }

    /// The tenant's keys, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_keys(&self, tenant: TenantId) -> Result<Vec<KeyRow>, StoreError> {
        let _ = tenant;
        todo!()
    }

    /// Ends a key. It stays listed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; when the database does not answer.
    pub async fn revoke_key(&self, tenant: TenantId, key: KeyId) -> Result<(), StoreError> {
        let _ = (tenant, key);
        todo!()
    }

    /// The tenants' ids and names: for the command line on the same machine, which acts without a key.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenants(&self) -> Result<Vec<(TenantId, String)>, StoreError> {
        todo!()
    }

    /// Writes a line to the tenant's audit log.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit(&self, tenant: TenantId, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        let _ = (tenant, entry);
        todo!()
    }
}
