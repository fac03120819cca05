//! A private Sigstore: an authority that certifies who somebody is (as Fulcio does), a log of its certificates, and a log of
//! signatures (as Rekor is), with the bundles that come of them and the root by which they are verified.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docmill_model::digest::Digest;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SanType, SerialNumber,
};
use serde_json::{Value as Json, json};
use time::OffsetDateTime;

/// Where the OIDC issuer stands in a certificate of Fulcio's.
const ISSUER: &[u64] = &[1, 3, 6, 1, 4, 1, 57264, 1, 8];
/// Where the timestamps of certificate logs stand (RFC 6962).
const TIMESTAMPS: &[u64] = &[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];
/// How long a certificate holds.
const MINUTES: i64 = 10;

pub struct Sigstore {
    authority: Issuer<'static, KeyPair>,
    certificate: Vec<u8>,
    spki: Vec<u8>,
    log: KeyPair,
    certificates: KeyPair,
}

/// How a bundle comes to be; changed, it is one of those that have to be refused.
#[derive(Clone)]
pub struct Signing {
    /// An address or a URI.
    pub subject: &'static str,
    pub issuer: &'static str,
    /// When it is signed, in seconds after the certificate begins to hold.
    pub after: i64,
    /// What it states, if it is an attestation.
    pub predicate: Option<&'static str>,
}

impl Default for Signing {
    fn default() -> Self {
        Self {
            subject: "anna@example.org",
            issuer: "https://accounts.example.org",
            after: 60,
            predicate: None,
        }
    }
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    *Digest::of(bytes).as_bytes()
}

/// ECDSA P-256 over SHA-256, as DER.
pub fn sign(key: &KeyPair, message: &[u8]) -> Vec<u8> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.serialized_der()).unwrap();
    pair.sign(&SystemRandom::new(), message)
        .unwrap()
        .as_ref()
        .to_vec()
}

/// A value in DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=127 => out.push(short as u8),
        long @ 128..=255 => out.extend([0x81, long as u8]),
        long => out.extend([0x82, (long >> 8) as u8, long as u8]),
    }
    out.extend_from_slice(content);
    out
}

/// What a certificate's signature is over: the first value inside it.
fn to_be_signed(certificate: &[u8]) -> &[u8] {
    let value = |bytes: &[u8]| match bytes[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(bytes[2])),
        0x82 => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
        other => panic!("a length of {other:x}"),
    };
    let (head, _) = value(certificate);
    let inner = &certificate[head..];
    let (head, length) = value(inner);
    &inner[..head + length]
}

/// Bytes after their length in `width` bytes.
fn counted(width: usize, bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_be_bytes();
    [&length[8 - width..], bytes].concat()
}

impl Sigstore {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let spki = key.subject_public_key_info();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = OffsetDateTime::now_utc() - time::Duration::days(30);
        params.not_after = OffsetDateTime::now_utc() + time::Duration::days(3_650);
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            authority: Issuer::new(params, key),
            certificate,
            spki,
            log: KeyPair::generate().unwrap(),
            certificates: KeyPair::generate().unwrap(),
        }
    }

    /// What verifiers trust.
    pub fn root(&self) -> Json {
        let since = "2020-01-01T00:00:00Z";
        let log = |key: &KeyPair, url: &str| {
            let spki = key.subject_public_key_info();
            json!({
                "baseUrl": url, "hashAlgorithm": "SHA2_256", "logId": { "keyId": b64(sha256(&spki)) },
                "publicKey": { "rawBytes": b64(&spki), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": { "start": since } },
            })
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.log, "https://rekor.example.org")],
            "ctlogs": [log(&self.certificates, "https://ct.example.org")],
            "certificateAuthorities": [{
                "subject": { "organization": "example.org", "commonName": "private" }, "uri": "https://fulcio.example.org",
                "certChain": { "certificates": [{ "rawBytes": b64(&self.certificate) }] }, "validFor": { "start": since },
            }],
            "timestampAuthorities": [],
        })
    }

    /// A certificate for the key, which begins to hold at that time.
    fn certify(&self, key: &KeyPair, signing: &Signing, begins: OffsetDateTime) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.serial_number = Some(SerialNumber::from(vec![1, 2, 3, 4]));
        params.not_before = begins;
        params.not_after = begins + time::Duration::minutes(MINUTES);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let subject = signing.subject.try_into().unwrap();
        params.subject_alt_names = vec![if signing.subject.contains("://") {
            SanType::URI(subject)
        } else {
            SanType::Rfc822Name(subject)
        }];
        params.custom_extensions = vec![CustomExtension::from_oid_content(
            ISSUER,
            der(0x0c, signing.issuer.as_bytes()),
        )];
        let unlogged = params.signed_by(key, &self.authority).unwrap();
        // The log signs what the certificate will be without this signature.
        let at = (begins.unix_timestamp() as u64 * 1_000).to_be_bytes();
        let logged = [
            &[0, 0][..],
            &at,
            &[0, 1],
            &sha256(&self.spki),
            &counted(3, to_be_signed(unlogged.der())),
            &[0, 0],
        ]
        .concat();
        let signature = sign(&self.certificates, &logged);
        let timestamp = [
            &[0][..],
            &sha256(&self.certificates.subject_public_key_info()),
            &at,
            &[0, 0, 4, 3],
            &counted(2, &signature),
        ]
        .concat();
        let list = counted(2, &counted(2, &timestamp));
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(TIMESTAMPS, der(0x04, &list)));
        params.signed_by(key, &self.authority).unwrap().der().to_vec()
    }

    /// A bundle of somebody whom the authority certified, over a component.
    pub fn bundle(&self, component: &[u8], signing: &Signing) -> Json {
        let key = KeyPair::generate().unwrap();
        let begins = OffsetDateTime::now_utc() - time::Duration::hours(2);
        let certificate = self.certify(&key, signing, begins);
        let pem = pem("CERTIFICATE", &certificate);
        let at = begins.unix_timestamp() + signing.after;
        let content = content(&key, component, signing.predicate);
        let entry = self.entry(&content, component, &pem, at);
        let mut bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "certificate": { "rawBytes": b64(&certificate) }, "tlogEntries": [entry] },
        });
        bundle
            .as_object_mut()
            .unwrap()
            .extend(content.as_object().unwrap().clone());
        bundle
    }

    /// As cosign makes it with a key of its own.
    pub fn bundle_of_key(&self, key: &KeyPair, component: &[u8], predicate: Option<&str>) -> Json {
        let content = content(key, component, predicate);
        let at = OffsetDateTime::now_utc().unix_timestamp() - 60;
        let entry = self.entry(&content, component, &public_pem(key), at);
        let mut bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "publicKey": { "hint": "whatever" }, "tlogEntries": [entry] },
        });
        bundle
            .as_object_mut()
            .unwrap()
            .extend(content.as_object().unwrap().clone());
        bundle
    }

    /// What the log says of a signature: where it stands, since when, and under which head.
    fn entry(&self, content: &Json, component: &[u8], verifier: &str, at: i64) -> Json {
        let (kind, body) = match content.get("messageSignature") {
            Some(message) => (
                "hashedrekord",
                json!({
                    "apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
                        "data": { "hash": { "algorithm": "sha256", "value": Digest::of(component) } },
                        "signature": { "content": message["signature"], "publicKey": { "content": b64(verifier) } },
                    },
                }),
            ),
            None => {
                let envelope = &content["dsseEnvelope"];
                let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
                let hash = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": Digest::of(bytes) });
                (
                    "dsse",
                    json!({
                        "apiVersion": "0.0.1", "kind": "dsse", "spec": {
                            "envelopeHash": hash(envelope.to_string().as_bytes()), "payloadHash": hash(&payload),
                            "signatures": [{ "signature": envelope["signatures"][0]["sig"], "verifier": b64(verifier) }],
                        },
                    }),
                )
            }
        };
        let body = b64(body.to_string());
        let id = sha256(&self.log.subject_public_key_info());
        // The second of two entries; keys in the order of JCS (RFC 8785).
        let promised = format!(
            r#"{{"body":"{body}","integratedTime":{at},"logID":"{}","logIndex":1}}"#,
            hex(&id)
        );
        let leaf = sha256(&[&[0][..], &STANDARD.decode(&body).unwrap()].concat());
        let sibling = sha256(b"the first entry");
        let root = sha256(&[&[1][..], &sibling, &leaf].concat());
        let head = format!("rekor.example.org - 1\n2\n{}\n", b64(root));
        let signed = [&id[..4], &sign(&self.log, head.as_bytes())].concat();
        json!({
            "logIndex": "1", "logId": { "keyId": b64(id) }, "kindVersion": { "kind": kind, "version": "0.0.1" },
            "integratedTime": at.to_string(), "canonicalizedBody": body,
            "inclusionPromise": { "signedEntryTimestamp": b64(sign(&self.log, promised.as_bytes())) },
            "inclusionProof": {
                "logIndex": "1", "treeSize": "2", "rootHash": b64(root), "hashes": [b64(sibling)],
                "checkpoint": { "envelope": format!("{head}\n\u{2014} rekor.example.org {}\n", b64(signed)) },
            },
        })
    }
}

/// A signature over the component, or over a statement about it.
fn content(key: &KeyPair, component: &[u8], predicate: Option<&str>) -> Json {
    let digest = Digest::of(component);
    let Some(predicate) = predicate else {
        let message_digest = json!({ "algorithm": "SHA2_256", "digest": b64(digest.as_bytes()) });
        return json!({ "messageSignature": { "messageDigest": message_digest, "signature": b64(sign(key, component)) } });
    };
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": predicate, "predicate": {},
        "subject": [{ "name": "text.wasm", "digest": { "sha256": digest } }],
    })
    .to_string();
    let kind = "application/vnd.in-toto+json";
    let encoded = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
    let signature = b64(sign(key, encoded.as_bytes()));
    json!({ "dsseEnvelope": { "payload": b64(statement), "payloadType": kind, "signatures": [{ "sig": signature }] } })
}

/// The public half, as `cosign generate-key-pair` writes it.
pub fn public_pem(key: &KeyPair) -> String {
    pem("PUBLIC KEY", &key.subject_public_key_info())
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let encoded = b64(bytes);
    let lines: Vec<&str> = encoded
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
