//! Whose signatures count: the one place where they are verified, before a version is kept and before a plan pins it.

mod bundle;

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use docmill_model::id::TenantId;
use docmill_model::plugin::{OPERATOR_NAMESPACE, PinnedPlugin};
use docmill_model::run::Millis;
use docmill_model::signature::{Signature, Statement, TrustedIdentity, TrustedKey, Untrusted, judge};
use docmill_store::{Store, StoreError};

pub use bundle::{Distrusted, MAX_BUNDLE, check_key, check_root};

/// The keys and identities that a tenant trusts, at one moment.
#[derive(Debug, Clone)]
pub struct Trust {
    tenant: TenantId,
    keys: Vec<TrustedKey>,
    identities: Vec<TrustedIdentity>,
    now: Millis,
}

impl Trust {
    /// Those of now.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of(store: &Store, tenant: TenantId) -> Result<Self, StoreError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX);
        let keys = store.trusted_keys(tenant).await?;
        let identities = store.trusted_identities(tenant).await?;
        Ok(Self {
            tenant,
            keys,
            identities,
            now,
        })
    }

    /// Whether a version may be used by a tenant that asks for signatures, and until when. One that counts is enough, of either
    /// sort. What comes with docmill itself is the operator's, and needs none.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(
        &self,
        plugin: &PinnedPlugin,
        signature: Option<&Signature>,
        bundle: Option<&str>,
    ) -> Result<Option<Millis>, Untrusted> {
        if plugin.name.namespace() == OPERATOR_NAMESPACE {
            return Ok(None);
        }
        let by_key = signature.map(|signature| self.verify(plugin, signature).map(|key| key.expires_at));
        if let Some(Ok(None)) = by_key {
            return Ok(None);
        }
        let by_bundle = bundle.map(|bundle| {
            let found = self.verify_bundle(plugin, bundle);
            found
                .map(|(identity, _)| identity.expires_at)
                .map_err(|refused| refused.why)
        });
        match (by_key, by_bundle) {
            (None, None) => Err(Untrusted::Unsigned),
            (Some(only), None) | (None, Some(only)) => only,
            (Some(Ok(one)), Some(Ok(other))) => Ok(match (one, other) {
                (Some(one), Some(other)) => Some(one.max(other)),
                // One of them does not end.
                _ => None,
            }),
            (Some(Ok(until)), Some(Err(_))) | (Some(Err(_)), Some(Ok(until))) => Ok(until),
            (Some(Err(why)), Some(Err(_))) => Err(why),
        }
    }

    /// Who signed a version's bytes by a Sigstore bundle, and how their certificate calls them. A bundle is about bytes alone: it
    /// counts for everybody who trusts who made it, under whatever name the component is kept, which it gives itself.
    ///
    /// # Errors
    /// Why the bundle is worth nothing.
    pub fn verify_bundle(
        &self,
        plugin: &PinnedPlugin,
        bundle: &str,
    ) -> Result<(&TrustedIdentity, String), Distrusted> {
        bundle::judge(bundle, plugin.digest, &self.identities, self.now)
    }

    /// Who signed a version.
    ///
    /// # Errors
    /// Why the signature is worth nothing.
    pub fn verify(&self, plugin: &PinnedPlugin, signature: &Signature) -> Result<&TrustedKey, Untrusted> {
        let statement = Statement::of(self.tenant, plugin);
        let key = judge(signature, &statement, &self.keys, self.now)?;
        UnparsedPublicKey::new(&ED25519, key.public_key.as_bytes())
            .verify(&statement.bytes(), signature.signature.as_bytes())
            .map_err(|_| Untrusted::False)?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use docmill_model::digest::Digest;
    use docmill_model::plugin::Kind;
    use docmill_model::signature::{PublicKey, SignatureBytes};

    use super::*;

    fn public(pair: &Ed25519KeyPair) -> PublicKey {
        PublicKey::from_bytes(pair.public_key().as_ref().try_into().unwrap())
    }

    fn signed(pair: &Ed25519KeyPair, statement: &Statement) -> Signature {
        let signature = pair.sign(&statement.bytes());
        Signature {
            key: public(pair),
            tenant: statement.tenant,
            plugin: statement.plugin.clone(),
            version: statement.version.clone(),
            digest: statement.digest,
            signature: SignatureBytes::from_bytes(signature.as_ref().try_into().unwrap()),
        }
    }

    #[test]
    fn only_what_a_trusted_key_signed_counts() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let stranger = Ed25519KeyPair::generate().unwrap();
        let tenant = TenantId::new();
        let plugin = PinnedPlugin {
            name: "acme/x".parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
            digest: Digest::of(b"component"),
            kind: Kind::Parser,
        };
        let trust = Trust {
            tenant,
            keys: vec![TrustedKey {
                name: "release".into(),
                public_key: public(&pair),
                expires_at: Some(10),
                revoked_at: None,
                created_at: 0,
            }],
            identities: Vec::new(),
            now: 5,
        };
        let good = signed(&pair, &Statement::of(tenant, &plugin));
        assert_eq!(trust.judge(&plugin, Some(&good), None), Ok(Some(10)));
        assert_eq!(trust.judge(&plugin, None, None), Err(Untrusted::Unsigned));
        let foreign = signed(&stranger, &Statement::of(tenant, &plugin));
        assert_eq!(
            trust.judge(&plugin, Some(&foreign), None),
            Err(Untrusted::UnknownKey)
        );
        // Somebody else's signature under a trusted key's name, and every single bit turned.
        let mut forged = foreign.clone();
        forged.key = good.key;
        assert_eq!(trust.judge(&plugin, Some(&forged), None), Err(Untrusted::False));
        for bit in 0..512 {
            let mut bytes = *good.signature.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let turned = Signature {
                signature: SignatureBytes::from_bytes(bytes),
                ..good.clone()
            };
            assert_eq!(
                trust.judge(&plugin, Some(&turned), None),
                Err(Untrusted::False),
                "bit {bit}"
            );
        }
        // Of another tenant, though this one trusts the same key; and passed off as made for this one.
        let mut replayed = signed(&pair, &Statement::of(TenantId::new(), &plugin));
        assert_eq!(
            trust.judge(&plugin, Some(&replayed), None),
            Err(Untrusted::OtherTenant)
        );
        replayed.tenant = tenant;
        assert_eq!(trust.judge(&plugin, Some(&replayed), None), Err(Untrusted::False));
        let own = PinnedPlugin {
            name: "docmill/x".parse().unwrap(),
            ..plugin
        };
        assert_eq!(trust.judge(&own, None, None), Ok(None));
    }
}
