//! What plugins keep between their calls, in PostgreSQL.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use docmill_engine::{Answer, KeyValue, KeyValueError, Start};
use docmill_model::digest::Digest;
use docmill_model::grant::KeyValueGrant;
use docmill_model::id::TenantId;
use docmill_model::plugin::PluginName;
use docmill_store::value::{KEYS_PER_PAGE, Quota, Written};
use docmill_store::{Store, StoreError};

/// The values of one plugin of one tenant, within its grant.
pub(crate) struct Values {
    store: Store,
    tenant: TenantId,
    plugin: PluginName,
    grant: Arc<KeyValueGrant>,
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "values of {}", self.plugin)
    }
}

impl Values {
    pub(crate) const fn new(
        store: Store,
        tenant: TenantId,
        plugin: PluginName,
        grant: Arc<KeyValueGrant>,
    ) -> Self {
        Self {
            store,
            tenant,
            plugin,
            grant,
        }
    }

    fn quota(&self) -> Quota {
        let budget = self.grant.budget();
        Quota {
            keys: u64::from(budget.keys),
            bytes: budget.bytes.0,
        }
    }

    fn failed(&self, error: &StoreError) -> KeyValueError {
        // The store tells of its own absence; a guest may ask thousands of times meanwhile.
        tracing::debug!(plugin.name = %self.plugin, %error, "a plugin's values cannot be had");
        KeyValueError::Unavailable
    }

    fn done<T>(&self, written: Result<Written<T>, StoreError>) -> Result<T, KeyValueError> {
        match written {
            Ok(Written::Done(said)) => Ok(said),
            Ok(Written::Full(held)) => {
                let quota = self.quota();
                Err(KeyValueError::Full {
                    keys: held.keys,
                    bytes: held.bytes,
                    most_keys: quota.keys,
                    most_bytes: quota.bytes,
                })
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn changed<T: Send>(
        &self,
        key: &str,
        change: impl FnOnce(Option<&[u8]>) -> (Option<Vec<u8>>, T) + Send,
    ) -> Result<T, KeyValueError> {
        let (store, quota) = (&self.store, self.quota());
        self.done(
            store
                .change_value(self.tenant, &self.plugin, key, quota, change)
                .await,
        )
    }
}

impl KeyValue for Values {
    fn get(&self, keys: Vec<String>) -> Answer<'_, Vec<Option<Vec<u8>>>> {
        Box::pin(async move {
            let most = self.grant.budget().value_bytes.0;
            let found = self.store.values(self.tenant, &self.plugin, &keys, most).await;
            let found = found.map_err(|error| self.failed(&error))?;
            // Asked for twice, given twice.
            let given = keys.into_iter().map(|key| match found.get(&key) {
                Some(None) => Err(KeyValueError::TooLarge { key, most }),
                Some(Some(value)) => Ok(Some(value.clone())),
                None => Ok(None),
            });
            given.collect()
        })
    }

    fn set(&self, values: Vec<(String, Vec<u8>)>) -> Answer<'_, ()> {
        Box::pin(async move {
            let values: BTreeMap<String, Vec<u8>> = values.into_iter().collect();
            if values.is_empty() {
                return Ok(());
            }
            let (store, quota) = (&self.store, self.quota());
            self.done(store.put_values(self.tenant, &self.plugin, &values, quota).await)
        })
    }

    fn delete(&self, keys: Vec<String>) -> Answer<'_, ()> {
        Box::pin(async move {
            let removed = self.store.remove_values(self.tenant, &self.plugin, &keys).await;
            removed.map(drop).map_err(|error| self.failed(&error))
        })
    }

    fn list(&self, start: Start) -> Answer<'_, (Vec<String>, bool)> {
        use docmill_store::value::Start as From;
        let start = match start {
            Start::After(key) => From::After(key),
            Start::Skip(keys) => From::Skip(keys),
        };
        Box::pin(async move {
            let (store, prefixes) = (&self.store, self.grant.prefixes());
            let keys = store
                .value_keys(self.tenant, &self.plugin, prefixes, &start)
                .await;
            let keys = keys.map_err(|error| self.failed(&error))?;
            let more = keys.len() == KEYS_PER_PAGE;
            Ok((keys, more))
        })
    }

    fn increment(&self, key: String, delta: i64) -> Answer<'_, i64> {
        Box::pin(async move {
            let added = self.changed(&key, |before| {
                let before = before.map_or(Some(0), |digits| str::from_utf8(digits).ok()?.parse().ok());
                match before.and_then(|before: i64| before.checked_add(delta)) {
                    Some(sum) => (Some(sum.to_string().into_bytes()), Some(sum)),
                    None => (None, None),
                }
            });
            added.await?.ok_or(KeyValueError::NoNumber)
        })
    }

    fn swap(&self, key: String, seen: Option<[u8; 32]>, value: Vec<u8>) -> Answer<'_, bool> {
        Box::pin(async move {
            let swapped = self.changed(&key, |before| {
                let same = before.map(|before| *Digest::of(before).as_bytes()) == seen;
                (same.then_some(value), same)
            });
            swapped.await
        })
    }
}
