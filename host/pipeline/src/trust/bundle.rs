//! Sigstore bundles (v0.3), as cosign and GitHub write them, verified without a network: the certificate against the root's authority,
//! its timestamp against the certificate log, the entry against the transparency log, and the signature against the digest. Everything
//! that has to be known is in the bundle and in the root.

use std::collections::HashMap;

use docmill_model::digest::Digest;
use docmill_model::run::Millis;
use docmill_model::signature::{Signer, TrustedIdentity, Untrusted};
use sigstore_verify::trust_root::{SigstoreInstance, TrustedRoot};
use sigstore_verify::types::bundle::VerificationMaterialContent;
use sigstore_verify::types::{Bundle, DerPublicKey, MediaType, Sha256Hash, SignatureContent};
use sigstore_verify::{Error, PublicKeyVerificationPolicy, VerificationPolicy, VerificationResult, Verifier};

/// Longest bundle, in bytes.
pub const MAX_BUNDLE: usize = 128 * 1024;
/// Longest trusted root, in bytes; that of the public Sigstore has a tenth of it.
pub const MAX_ROOT: usize = 128 * 1024;
/// What an attestation has to state to count as a signature: that somebody signed, or how the component came to be. Another one,
/// of a scan that found something, say, is no word for the component.
const STATEMENTS: [&str; 2] = [
    "https://sigstore.dev/cosign/sign/v1",
    "https://slsa.dev/provenance/",
];

/// Why a bundle is worth nothing, with what the verifier says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}{}", detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
pub struct Distrusted {
    /// The stable reason.
    pub why: Untrusted,
    /// For people.
    pub detail: Option<String>,
}

impl From<Untrusted> for Distrusted {
    fn from(why: Untrusted) -> Self {
        Self { why, detail: None }
    }
}

fn bad(detail: impl Into<String>) -> Distrusted {
    const MOST: usize = 300;
    let detail: String = detail.into();
    let detail = detail
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST)
        .collect();
    Distrusted {
        why: Untrusted::BadBundle,
        detail: Some(detail),
    }
}

/// Whether a text is a root that can be verified against.
///
/// # Errors
/// What is wrong with it.
pub fn check_root(json: &str) -> Result<(), String> {
    if json.len() > MAX_ROOT {
        return Err(format!("it has more than {MAX_ROOT} bytes"));
    }
    let root = TrustedRoot::from_json(json).map_err(|error| error.to_string())?;
    if root.certificate_authorities.is_empty() && root.tlogs.is_empty() {
        return Err("it names neither an authority nor a log".to_owned());
    }
    Verifier::new(&root).map(drop).map_err(|error| error.to_string())
}

/// Whether a text is a public key that bundles are verified with.
///
/// # Errors
/// What is wrong with it.
pub fn check_key(pem: &str) -> Result<(), String> {
    let key = DerPublicKey::from_pem(pem).map_err(|error| error.to_string())?;
    // A point that is not on its curve is found when something is verified, and then nothing is.
    let algorithm = sigstore_verify::crypto::KeyAlgorithm::from_spki(&key);
    algorithm.map(drop).map_err(|error| error.to_string())
}

/// Who signed a component by a bundle, of those that are trusted at that time.
///
/// # Errors
/// Why it is worth nothing.
pub fn judge<'a>(
    bundle: &str,
    digest: Digest,
    identities: &'a [TrustedIdentity],
    now: Millis,
) -> Result<(&'a TrustedIdentity, String), Distrusted> {
    let bundle = read(bundle)?;
    match &bundle.verification_material.content {
        VerificationMaterialContent::PublicKey(_) => by_key(&bundle, digest, identities, now),
        _ => by_certificate(&bundle, digest, identities, now),
    }
}

fn read(json: &str) -> Result<Bundle, Distrusted> {
    if json.len() > MAX_BUNDLE {
        return Err(bad(format!("it has more than {MAX_BUNDLE} bytes")));
    }
    let bundle = Bundle::from_json(json).map_err(|error| bad(error.to_string()))?;
    if bundle.media_type() != MediaType::Bundle0_3 {
        return Err(bad("it is not of version 0.3"));
    }
    if let SignatureContent::DsseEnvelope(envelope) = &bundle.content {
        #[derive(serde::Deserialize)]
        struct Statement {
            #[serde(rename = "predicateType")]
            predicate_type: String,
        }
        let payload = envelope.payload.as_bytes();
        let statement: Statement = serde_json::from_slice(payload).map_err(|error| bad(error.to_string()))?;
        let stated = statement.predicate_type.as_str();
        let [signed, made] = STATEMENTS;
        if stated != signed && !stated.starts_with(made) {
            return Err(bad(format!(
                "it states {stated}, and neither a signature nor a provenance"
            )));
        }
    }
    Ok(bundle)
}

/// What holds for an identity at a time.
fn standing(identity: &TrustedIdentity, now: Millis) -> Result<(), Untrusted> {
    if identity.revoked_at.is_some() {
        return Err(Untrusted::RevokedIdentity);
    }
    if identity.expires_at.is_some_and(|end| end <= now) {
        return Err(Untrusted::ExpiredIdentity);
    }
    Ok(())
}

/// The first that is trusted of those that fit; else why the last of them is not.
fn best<'a>(
    fitting: impl Iterator<Item = &'a TrustedIdentity>,
    now: Millis,
) -> Result<&'a TrustedIdentity, Untrusted> {
    let mut why = Untrusted::UnknownIdentity;
    for identity in fitting {
        match standing(identity, now) {
            Ok(()) => return Ok(identity),
            Err(other) => why = other,
        }
    }
    Err(why)
}

fn by_certificate<'a>(
    bundle: &Bundle,
    digest: Digest,
    identities: &'a [TrustedIdentity],
    now: Millis,
) -> Result<(&'a TrustedIdentity, String), Distrusted> {
    // Each root once, however many trust somebody by it.
    let mut results: HashMap<Option<&str>, Result<VerificationResult, Distrusted>> = HashMap::new();
    let mut first_error = None;
    let mut fitting = Vec::new();
    let mut claimed = None;
    for identity in identities {
        let Signer::Identity { subject, issuer } = &identity.signer else {
            continue;
        };
        let root = identity.trusted_root.as_deref();
        let result = results
            .entry(root)
            .or_insert_with(|| verified(bundle, digest, root));
        let result = match result {
            Ok(result) => result,
            Err(error) => {
                first_error.get_or_insert_with(|| error.clone());
                continue;
            }
        };
        let (Some(name), Some(by)) = (result.identity(), result.issuer()) else {
            first_error.get_or_insert_with(|| bad("its certificate names neither an identity nor an issuer"));
            continue;
        };
        claimed.get_or_insert_with(|| format!("{name}, {by}"));
        if subject.fits(name.as_str()) && issuer == by {
            fitting.push((identity, format!("{name}, {by}")));
        }
    }
    match best(fitting.iter().map(|(identity, _)| *identity), now) {
        Ok(identity) => {
            let found = fitting.into_iter().find(|(one, _)| one.name == identity.name);
            Ok(found.unwrap_or((identity, identity.name.clone())))
        }
        // It is somebody's, and nobody's here.
        Err(why) => match (claimed, first_error) {
            (Some(claimed), _) => Err(Distrusted {
                why,
                detail: Some(claimed),
            }),
            (None, Some(error)) => Err(error),
            (None, None) => Err(why.into()),
        },
    }
}

fn verified(bundle: &Bundle, digest: Digest, root: Option<&str>) -> Result<VerificationResult, Distrusted> {
    let root = root_of(root)?;
    let mut policy = VerificationPolicy::any_identity();
    // A root of one's own says what there is to be verified: without a log of certificates, or of entries, nothing can be. Of the
    // time when it was signed there has to be a witness in any case.
    if root.ctlogs.is_empty() {
        policy = policy.skip_sct();
    }
    if root.tlogs.is_empty() {
        policy = policy.skip_tlog_unsafe();
    }
    let verifier = Verifier::new(&root).map_err(said)?;
    verifier
        .verify(Sha256Hash::new(*digest.as_bytes()), bundle, &policy)
        .map_err(said)
}

fn by_key<'a>(
    bundle: &Bundle,
    digest: Digest,
    identities: &'a [TrustedIdentity],
    now: Millis,
) -> Result<(&'a TrustedIdentity, String), Distrusted> {
    let mut first_error = None;
    let mut fitting = Vec::new();
    for identity in identities {
        let Signer::Key(pem) = &identity.signer else {
            continue;
        };
        let result = root_of(identity.trusted_root.as_deref()).and_then(|root| {
            let key = DerPublicKey::from_pem(pem).map_err(|error| bad(error.to_string()))?;
            // With its entry in a log, as cosign makes it unless it is told otherwise.
            let policy = PublicKeyVerificationPolicy::new(key);
            let verifier = Verifier::new(&root).map_err(said)?;
            verifier
                .verify(Sha256Hash::new(*digest.as_bytes()), bundle, &policy)
                .map_err(said)
        });
        match result {
            Ok(_) => fitting.push(identity),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    match best(fitting.iter().copied(), now) {
        Ok(identity) => Ok((identity, format!("the key '{}'", identity.name))),
        Err(Untrusted::UnknownIdentity) => {
            Err(first_error.unwrap_or_else(|| Untrusted::UnknownIdentity.into()))
        }
        Err(why) => Err(why.into()),
    }
}

fn root_of(json: Option<&str>) -> Result<TrustedRoot, Distrusted> {
    let root = match json {
        Some(json) => TrustedRoot::from_json(json),
        None => TrustedRoot::from_embedded(SigstoreInstance::PublicGood),
    };
    root.map_err(|error| bad(format!("the trusted root cannot be used: {error}")))
}

fn said(error: Error) -> Distrusted {
    match error {
        Error::ArtifactMismatch(_) => Untrusted::OtherBytes.into(),
        other => bad(other.to_string()),
    }
}
