//! Signatures of plugins: what is signed, and by which key. The arithmetic is elsewhere.

use std::fmt;
use std::str::FromStr;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::TenantId;
use crate::plugin::{PinnedPlugin, PluginName};
use crate::run::Millis;

macro_rules! hexadecimal {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Wraps the raw bytes.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let mut bytes = [0; $bytes];
                hex::decode_to_slice(text.trim(), &mut bytes)
                    .map_err(|_| format!("{} is {} hexadecimal digits", $what, $bytes * 2))?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hexadecimal! {
    /// An Ed25519 public key (RFC 8032), as text 64 hexadecimal digits.
    PublicKey, 32, "a public key (Ed25519)"
}
hexadecimal! {
    /// The 64 bytes of an Ed25519 signature, as text 128 hexadecimal digits.
    SignatureBytes, 64, "a signature (Ed25519)"
}

/// What somebody signs: that these bytes are this version of this plugin, for one tenant. Whoever copies it to another tenant,
/// version or component has a signature of something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// For whom.
    pub tenant: TenantId,
    /// Which plugin.
    pub plugin: PluginName,
    /// Which version.
    pub version: Version,
    /// Of the component's bytes.
    pub digest: Digest,
}

impl Statement {
    /// Of a version of this tenant.
    pub fn of(tenant: TenantId, plugin: &PinnedPlugin) -> Self {
        Self {
            tenant,
            plugin: plugin.name.clone(),
            version: plugin.version.clone(),
            digest: plugin.digest,
        }
    }

    /// The bytes that are signed. No part can hold a newline, so no two statements have the same bytes.
    pub fn bytes(&self) -> Vec<u8> {
        format!(
            "docmill plugin signature v1\ntenant {}\nplugin {}\nversion {}\nsha256 {}\n",
            self.tenant, self.plugin, self.version, self.digest
        )
        .into_bytes()
    }
}

/// A statement with the signature of a key: what a `.sig` file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Who signed.
    pub key: PublicKey,
    /// For whom.
    pub tenant: TenantId,
    /// Which plugin.
    pub plugin: PluginName,
    /// Which version.
    pub version: Version,
    /// Of the component's bytes.
    pub digest: Digest,
    /// Over [`Statement::bytes`].
    pub signature: SignatureBytes,
}

impl Signature {
    /// What is said to have been signed.
    pub fn statement(&self) -> Statement {
        Statement {
            tenant: self.tenant,
            plugin: self.plugin.clone(),
            version: self.version.clone(),
            digest: self.digest,
        }
    }
}

/// A key whose signatures a tenant trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// For people.
    pub name: String,
    /// The key.
    pub public_key: PublicKey,
    /// It is trusted until then; none: until it is revoked.
    pub expires_at: Option<Millis>,
    /// Since when it is trusted no more.
    pub revoked_at: Option<Millis>,
    /// When it was added.
    pub created_at: Millis,
}

/// Whose name a certificate has to bear.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// This e-mail address or URI.
    Exact(String),
    /// A URI that begins so.
    Prefix(String),
}

/// Longest subject, and longest issuer, in characters.
const MAX_SUBJECT: usize = 1_000;

impl Subject {
    /// Whether a name is this one.
    pub fn fits(&self, name: &str) -> bool {
        match self {
            Self::Exact(subject) => name == subject,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) => text,
        }
    }

    /// Whether it can be one. Who says how a name begins has to name the place where it is given out, up to a slash: names of
    /// others begin with the same letters.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let text = self.as_str();
        if text.is_empty()
            || text.chars().count() > MAX_SUBJECT
            || text.chars().any(|c| c.is_control() || c == ' ')
        {
            return Err(format!(
                "it has 1 to {MAX_SUBJECT} characters, none of them blank"
            ));
        }
        let Self::Prefix(prefix) = self else {
            return Ok(());
        };
        let path = prefix
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('/'));
        match path {
            Some((host, path)) if !host.is_empty() && path.contains('/') => Ok(()),
            _ => Err(
                "it names a place and an owner there, up to a slash, as in https://github.com/acme/; names of others may begin with \
                 the same letters"
                    .to_owned(),
            ),
        }
    }
}

/// Whether an issuer can be one: a URL by which it is known in certificates.
///
/// # Errors
/// What is wrong with it.
pub fn check_issuer(issuer: &str) -> Result<(), String> {
    let host = issuer.strip_prefix("https://").unwrap_or_default();
    let readable = issuer.bytes().all(|b| b.is_ascii_graphic());
    if host.is_empty() || !readable || issuer.len() > MAX_SUBJECT {
        return Err(
            "it is an https:// URL, as certificates name it: https://token.actions.githubusercontent.com"
                .to_owned(),
        );
    }
    Ok(())
}

/// Who signs bundles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// Somebody whom an OpenID Connect issuer vouched for, by a certificate that was in force when they signed.
    Identity {
        /// Who.
        subject: Subject,
        /// Who vouched.
        issuer: String,
    },
    /// Whoever has the private half of this key, in PEM.
    Key(String),
}

/// Somebody whose bundles a tenant trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedIdentity {
    /// For people.
    pub name: String,
    /// Who.
    pub signer: Signer,
    /// By which root of Sigstore, as JSON; none: by that of the public one.
    pub trusted_root: Option<String>,
    /// They are trusted until then; none: until they are revoked.
    pub expires_at: Option<Millis>,
    /// Since when they are trusted no more.
    pub revoked_at: Option<Millis>,
    /// When they were added.
    pub created_at: Millis,
}

/// Why a signature is worth nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// There is none.
    #[error("it is not signed, and the organisation takes only what is")]
    Unsigned,
    /// It was made for another tenant.
    #[error("its signature was made for another organisation")]
    OtherTenant,
    /// It is about another plugin or version.
    #[error("its signature is one of another plugin or version")]
    OtherVersion,
    /// It is about other bytes.
    #[error("its signature is one of other bytes")]
    OtherBytes,
    /// Nobody here trusts the key.
    #[error("its signature is of a key that the organisation does not trust")]
    UnknownKey,
    /// The key was trusted.
    #[error("its signature is of a key that was revoked")]
    RevokedKey,
    /// The key's time is over.
    #[error("its signature is of a key that has expired")]
    ExpiredKey,
    /// Nobody here trusts who made the bundle.
    #[error("its bundle is of somebody whom the organisation does not trust")]
    UnknownIdentity,
    /// They were trusted.
    #[error("its bundle is of somebody who was revoked")]
    RevokedIdentity,
    /// Their time is over.
    #[error("its bundle is of somebody whose trust has expired")]
    ExpiredIdentity,
    /// It is none, or not what it says.
    #[error("its bundle cannot be verified")]
    BadBundle,
    /// The arithmetic says no.
    #[error("its signature is false: the key did not sign this")]
    False,
}

impl Untrusted {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::OtherTenant => "other-tenant",
            Self::OtherVersion => "other-version",
            Self::OtherBytes => "other-bytes",
            Self::UnknownKey => "unknown-key",
            Self::RevokedKey => "revoked-key",
            Self::ExpiredKey => "expired-key",
            Self::UnknownIdentity => "unknown-identity",
            Self::RevokedIdentity => "revoked-identity",
            Self::ExpiredIdentity => "expired-identity",
            Self::BadBundle => "bad-bundle",
            Self::False => "false-signature",
        }
    }
}

/// Whether a signature is about this version, and of one of these keys that is trusted at that time; everything but the
/// arithmetic, which is the caller's to do with the key that is given.
///
/// # Errors
/// Why not.
pub fn judge<'a>(
    signature: &Signature,
    wanted: &Statement,
    keys: &'a [TrustedKey],
    now: Millis,
) -> Result<&'a TrustedKey, Untrusted> {
    if signature.tenant != wanted.tenant {
        return Err(Untrusted::OtherTenant);
    }
    if signature.plugin != wanted.plugin || signature.version != wanted.version {
        return Err(Untrusted::OtherVersion);
    }
    if signature.digest != wanted.digest {
        return Err(Untrusted::OtherBytes);
    }
    let key = keys.iter().find(|key| key.public_key == signature.key);
    let key = key.ok_or(Untrusted::UnknownKey)?;
    if key.revoked_at.is_some() {
        return Err(Untrusted::RevokedKey);
    }
    if key.expires_at.is_some_and(|end| end <= now) {
        return Err(Untrusted::ExpiredKey);
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(tenant: TenantId) -> Signature {
        Signature {
            key: PublicKey::from_bytes([1; 32]),
            tenant,
            plugin: "acme/x".parse().unwrap_or_else(|e| panic!("{e}")),
            version: Version::new(1, 0, 0),
            digest: Digest::of(b"x"),
            signature: SignatureBytes::from_bytes([2; 64]),
        }
    }

    #[test]
    fn a_subject_is_one_or_begins_where_its_owner_is_named() {
        let exact = |text: &str| Subject::Exact(text.to_owned());
        let prefix = |text: &str| Subject::Prefix(text.to_owned());
        assert!(exact("anna@example.org").fits("anna@example.org"));
        assert!(!exact("anna@example.org").fits("anna@example.org.evil"));
        assert!(
            prefix("https://github.com/acme/")
                .fits("https://github.com/acme/x/.github/workflows/y.yml@refs/tags/v1")
        );
        assert!(!prefix("https://github.com/acme/").fits("https://github.com/acme-evil/x"));
        for good in [
            exact("anna@example.org"),
            prefix("https://github.com/acme/"),
            prefix("spiffe://acme.org/ns/ci"),
        ] {
            assert_eq!(good.check(), Ok(()), "{good:?}");
        }
        for bad in [
            exact(""),
            exact("a b"),
            exact("a\u{7}"),
            exact(&"x".repeat(1_001)),
            prefix("anna@"),
            prefix("https://"),
            prefix("https://github.com"),
            prefix("https://github.com/"),
            prefix("https://github.com/acme"),
            prefix("https:///acme/"),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        assert_eq!(check_issuer("https://accounts.google.com"), Ok(()));
        for bad in [
            "",
            "https://",
            "http://accounts.google.com",
            "https://a b",
            "accounts.google.com",
        ] {
            assert!(check_issuer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_statement_says_all_that_it_is_about() {
        let given = signature(TenantId::new());
        let text = String::from_utf8(given.statement().bytes()).unwrap_or_default();
        for part in [
            given.tenant.to_string(),
            given.plugin.to_string(),
            given.version.to_string(),
            given.digest.to_string(),
        ] {
            assert!(text.contains(&part), "{text}");
        }
        let json = serde_json::to_string(&given).unwrap_or_default();
        assert_eq!(serde_json::from_str::<Signature>(&json).ok(), Some(given));
        assert!(serde_json::from_str::<Signature>(&json.replacen('{', "{\"more\":1,", 1)).is_err());
    }

    #[test]
    fn what_is_about_something_else_or_of_somebody_else_is_worth_nothing() {
        let tenant = TenantId::new();
        let good = signature(tenant);
        let wanted = good.statement();
        let key = TrustedKey {
            name: "release".to_owned(),
            public_key: good.key,
            expires_at: Some(100),
            revoked_at: None,
            created_at: 0,
        };
        let keys = std::slice::from_ref(&key);
        assert_eq!(judge(&good, &wanted, keys, 99), Ok(&key));
        assert_eq!(judge(&good, &wanted, keys, 100), Err(Untrusted::ExpiredKey));
        assert_eq!(judge(&good, &wanted, &[], 0), Err(Untrusted::UnknownKey));
        let revoked = TrustedKey {
            revoked_at: Some(1),
            ..key.clone()
        };
        assert_eq!(judge(&good, &wanted, &[revoked], 0), Err(Untrusted::RevokedKey));
        let changed = |change: fn(&mut Statement)| {
            let mut other = wanted.clone();
            change(&mut other);
            judge(&good, &other, keys, 0)
        };
        assert_eq!(
            changed(|s| s.tenant = TenantId::new()),
            Err(Untrusted::OtherTenant)
        );
        assert_eq!(
            changed(|s| s.version = Version::new(1, 0, 1)),
            Err(Untrusted::OtherVersion)
        );
        assert_eq!(
            changed(|s| s.digest = Digest::of(b"y")),
            Err(Untrusted::OtherBytes)
        );
    }
}
