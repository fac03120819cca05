//! Secrets at rest: sealed with AES-256-GCM under an envelope key that comes from the platform's key and a number. The
//! database holds neither; tenant, name, hosts and number are sealed with each secret as associated data, so that a row that is
//! moved, renamed or bound elsewhere does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use docmill_engine::{InvalidSecret, Secret, SecretValue};
use docmill_model::failure::{Code, Failure};
use docmill_model::grant::{HostPattern, SECRET_NAME_RULE, is_secret_name};
use docmill_model::id::{RunId, TenantId};
use docmill_model::plugin::PinnedPlugin;
use docmill_store::Store;
use docmill_store::secret::SealedSecret;
use docmill_store::who::AuditEntry;

/// Seals and opens the secrets of tenants; cheap to clone.
#[derive(Clone)]
pub struct Vault {
    store: Store,
    platform_key: [u8; 32],
}

/// The most hosts that a secret is bound to.
const MAX_HOSTS: usize = 64;
/// The number of the first envelope key.
const FIRST: i32 = 1;

impl Vault {
    /// Over the store, with the platform's key.
    pub const fn new(store: Store, platform_key: [u8; 32]) -> Self {
        Self { store, platform_key }
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// Keeps a secret, bound to these hosts; whether it is a new one.
    ///
    /// # Errors
    /// [`Code::MalformedRequest`] when name, hosts or value cannot be; [`Code::StoreUnavailable`].
    pub async fn put(
        &self,
        tenant: TenantId,
        name: &str,
        hosts: &[HostPattern],
        value: Vec<u8>,
        by: &str,
    ) -> Result<bool, Failure> {
        let malformed = |said: String| Failure::new(Code::MalformedRequest, said);
        if !is_secret_name(name) {
            return Err(malformed(SECRET_NAME_RULE.to_owned()));
        }
        if hosts.is_empty() || hosts.len() > MAX_HOSTS {
            return Err(malformed(format!("a secret is bound to 1 to {MAX_HOSTS} hosts")));
        }
        let value = SecretValue::new(value).map_err(|error: InvalidSecret| malformed(error.to_string()))?;
        // The newest number in use goes on; a rotation may be under way, and finds what is old at its next turn.
        let known = self.store.list_secrets(tenant).await.map_err(|e| e.failure())?;
        let number = known.iter().map(|row| row.key_number).max().unwrap_or(FIRST);
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let sealed = self.seal(tenant, name, &hosts, number, &value)?;
        self.store
            .put_secret(tenant, &sealed, by)
            .await
            .map_err(|e| e.failure())
    }

    /// Opens those of these names that there are.
    ///
    /// # Errors
    /// [`Code::StoreUnavailable`]; [`Code::Internal`] when one does not open: it was changed, or sealed under another platform
    /// key.
    pub async fn open(&self, tenant: TenantId, names: &[String]) -> Result<Vec<Secret>, Failure> {
        let sealed = self.store.sealed_secrets(tenant, Some(names)).await;
        let sealed = sealed.map_err(|e| e.failure())?;
        sealed.iter().map(|sealed| self.unseal(tenant, sealed)).collect()
    }

    /// Seals all secrets of a tenant anew, under the next envelope key; how many.
    ///
    /// # Errors
    /// As [`Vault::open`]. What was sealed anew stays so, and the others stay as they were; both open.
    pub async fn rotate(&self, tenant: TenantId) -> Result<usize, Failure> {
        let all = self
            .store
            .sealed_secrets(tenant, None)
            .await
            .map_err(|e| e.failure())?;
        let newest = all.iter().map(|sealed| sealed.key_number).max().unwrap_or(FIRST);
        let mut changed = 0;
        for old in &all {
            let secret = self.unseal(tenant, old)?;
            let new = self.seal(tenant, &old.name, &old.hosts, newest + 1, &secret.value)?;
            // Somebody may set it at this moment; theirs stands.
            let stood = self.store.reseal_secret(tenant, old, &new).await;
            changed += usize::from(stood.map_err(|e| e.failure())?);
        }
        Ok(changed)
    }

    /// Writes into the audit log that a run's plugin sent secrets: which, and where, never what. Nothing, if it sent none.
    pub(crate) async fn note_use(&self, tenant: TenantId, run: RunId, plugin: &PinnedPlugin, used: &[&str]) {
        if used.is_empty() {
            return;
        }
        let entry = AuditEntry {
            action: "secret.use",
            subject: &plugin.to_string(),
            key: None,
            client_ip: None,
            request: None,
            detail: serde_json::json!({ "run": run, "requests": used }),
        };
        if let Err(error) = self.store.audit(tenant, &entry).await {
            tracing::error!(%error, run = %run, "the use of a secret is not in the audit log");
        }
    }

    fn key(&self, number: i32) -> Result<RandomizedNonceKey, Failure> {
        let mut hasher = blake3::Hasher::new_derive_key("docmill 2026 envelope key of secrets");
        hasher.update(&self.platform_key);
        hasher.update(&number.to_be_bytes());
        RandomizedNonceKey::new(&AES_256_GCM, hasher.finalize().as_bytes()).map_err(|_| broken())
    }

    fn seal(
        &self,
        tenant: TenantId,
        name: &str,
        hosts: &[String],
        number: i32,
        value: &SecretValue,
    ) -> Result<SealedSecret, Failure> {
        let mut bytes = value.expose().to_vec();
        let aad = Aad::from(bound(tenant, name, hosts, number));
        let nonce = self
            .key(number)?
            .seal_in_place_append_tag(aad, &mut bytes)
            .map_err(|_| broken())?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut bytes);
        Ok(SealedSecret {
            name: name.to_owned(),
            hosts: hosts.to_vec(),
            key_number: number,
            sealed,
        })
    }

    fn unseal(&self, tenant: TenantId, sealed: &SealedSecret) -> Result<Secret, Failure> {
        let wrong = || {
            tracing::error!(tenant = %tenant, secret = sealed.name, "a secret does not open");
            let said = format!(
                "the secret {} does not open: its row was changed, or it was sealed under another platform key; set it again",
                sealed.name
            );
            Failure::new(Code::Internal, said)
        };
        let (nonce, bytes) = sealed.sealed.split_at_checked(NONCE_LEN).ok_or_else(wrong)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
        let aad = Aad::from(bound(tenant, &sealed.name, &sealed.hosts, sealed.key_number));
        let mut bytes = bytes.to_vec();
        let key = self.key(sealed.key_number)?;
        let value = key
            .open_in_place(nonce, aad, &mut bytes)
            .map_err(|_| wrong())?
            .to_vec();
        let hosts = sealed
            .hosts
            .iter()
            .map(|host| host.parse())
            .collect::<Result<_, _>>();
        Ok(Secret {
            name: sealed.name.clone(),
            hosts: hosts.map_err(|_| wrong())?,
            value: SecretValue::new(value).map_err(|_| wrong())?,
        })
    }
}

fn broken() -> Failure {
    Failure::new(
        Code::Internal,
        "a secret could not be sealed; this is a fault of docmill",
    )
}

/// What a secret is bound to, each part with its length before it.
fn bound(tenant: TenantId, name: &str, hosts: &[String], number: i32) -> Vec<u8> {
    let mut bytes = b"docmill secret 1".to_vec();
    bytes.extend_from_slice(tenant.uuid().as_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    for part in std::iter::once(name).chain(hosts.iter().map(String::as_str)) {
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(key: u8) -> Vault {
        let store = Store::connect(&docmill_store::Settings::new(
            "postgres://nobody@127.0.0.1:1/nothing",
        ))
        .unwrap();
        Vault::new(store, [key; 32])
    }

    #[tokio::test]
    async fn a_secret_opens_only_as_what_it_was_sealed() {
        let (vault, tenant) = (vault(1), TenantId::new());
        let value = SecretValue::new(b"canary-0123456789".to_vec()).unwrap();
        let hosts = vec!["api.example.org".to_owned()];
        let sealed = vault.seal(tenant, "key", &hosts, 1, &value).unwrap();
        assert!(!sealed.sealed.windows(6).any(|part| part == b"canary"));
        assert!(
            vault
                .unseal(tenant, &sealed)
                .is_ok_and(|secret| secret.value == value)
        );
        assert_ne!(sealed, vault.seal(tenant, "key", &hosts, 1, &value).unwrap());
        let changed: [fn(&mut SealedSecret); 6] = [
            |it| it.name = "other".to_owned(),
            |it| it.hosts = vec!["evil.example.org".to_owned()],
            |it| it.hosts.push("evil.example.org".to_owned()),
            |it| it.key_number = 2,
            |it| it.sealed[20] ^= 1,
            |it| it.sealed.truncate(5),
        ];
        for change in changed {
            let mut moved = sealed.clone();
            change(&mut moved);
            assert!(vault.unseal(tenant, &moved).is_err(), "{moved:?}");
        }
        assert!(vault.unseal(TenantId::new(), &sealed).is_err());
        assert!(self::vault(2).unseal(tenant, &sealed).is_err());
    }
}
