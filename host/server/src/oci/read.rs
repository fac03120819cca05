//! What comes from a registry: nothing longer than announced, nothing that is not what its digest says.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use docmill_model::digest::Digest;
use oci_client::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciImageManifest};
use reqwest::header::{ACCEPT, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};

use super::access::{Authorization, Credentials, Target, authorize, sha256};
use super::artifact::{Extra, Layer, component_of, extras_of, extras_tag, manifest_of};
use super::error::{OciError, shown};
use super::progress::Progress;

/// Longest manifest: what the distribution specification lets registries stop at.
const MAX_MANIFEST: u64 = 4 << 20;
/// Of an error no more is read.
const MAX_SAID: u64 = 4 << 10;
/// Steps from place to place.
const MAX_REDIRECTS: usize = 5;
/// A connection, and every wait for the next bytes.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);
/// Everything together.
pub(super) const PATIENCE: Duration = Duration::from_secs(900);

/// What was taken.
#[derive(Debug)]
pub struct Pulled {
    /// Of its manifest.
    pub digest: Digest,
    pub component: Bytes,
    pub extras: Vec<Extra>,
}

/// Takes an artifact. `most`: longest component, in bytes.
pub async fn pull(target: &Target, credentials: &Credentials, most: u64) -> Result<Pulled, OciError> {
    within(target, taken(target, credentials, most)).await
}

/// No longer than anybody waits.
pub(super) async fn within<T>(
    target: &Target,
    work: impl Future<Output = Result<T, OciError>>,
) -> Result<T, OciError> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => Err(OciError::TooSlow {
            registry: target.registry(),
            seconds: PATIENCE.as_secs(),
        }),
    }
}

async fn taken(target: &Target, credentials: &Credentials, most: u64) -> Result<Pulled, OciError> {
    let http = client(target)?;
    let authorization = authorize(&http, target, credentials, "pull").await?;
    let reader = Reader {
        http,
        target,
        authorization,
    };
    let what = shown(&target.reference.whole());
    let wanted = target.digest();
    let place = match wanted {
        Some(digest) => format!("sha256:{digest}"),
        None => target.reference.tag().unwrap_or("latest").to_owned(),
    };
    let (manifest, digest) = reader.manifest(&what, &place, wanted).await?;
    let layer = component_of(&what, &manifest, most)?;
    let component = reader.blob("component", &layer).await?;
    let extras = reader.extras(digest).await?;
    Ok(Pulled {
        digest,
        component,
        extras,
    })
}

/// A client for one registry. Redirects are followed a few times, and never out of TLS; credentials stay with their host.
pub(super) fn client(target: &Target) -> Result<reqwest::Client, OciError> {
    let plain = target.plain;
    let policy = Policy::custom(move |attempt| {
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error("there are too many steps");
        }
        if attempt.url().scheme() != "https" && !plain {
            return attempt.error("it leads out of TLS");
        }
        attempt.follow()
    });
    reqwest::Client::builder()
        .redirect(policy)
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .user_agent(concat!("docmill/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| unreachable(&target.registry(), "the registry", &error))
}

/// An error of the connection.
pub(super) fn unreachable(registry: &str, what: &str, error: &reqwest::Error) -> OciError {
    // The innermost cause says what happened; the outer ones repeat the address.
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let why = shown(&cause.to_string());
    if error.is_redirect() {
        return OciError::Redirect {
            registry: registry.to_owned(),
            what: what.to_owned(),
            why,
        };
    }
    OciError::Unreachable {
        registry: registry.to_owned(),
        why,
    }
}

/// The body of an answer that says yes, at most so long.
pub(super) async fn bounded(
    mut answer: Response,
    registry: &str,
    what: &str,
    most: u64,
    mut came: impl FnMut(u64),
) -> Result<Bytes, OciError> {
    let status = answer.status();
    let most = if status.is_success() { most } else { MAX_SAID };
    let mut bytes = BytesMut::new();
    let too_large = || OciError::TooLarge {
        what: what.to_owned(),
        most,
    };
    if status.is_success() && answer.content_length().is_some_and(|length| length > most) {
        return Err(too_large());
    }
    loop {
        let chunk = answer.chunk().await;
        match chunk.map_err(|error| unreachable(registry, what, &error))? {
            Some(chunk) if bytes.len() as u64 + chunk.len() as u64 <= most => {
                came(chunk.len() as u64);
                bytes.extend_from_slice(&chunk);
            }
            Some(_) if status.is_success() => return Err(too_large()),
            // Enough of an error.
            Some(_) | None => break,
        }
    }
    if status.is_success() {
        return Ok(bytes.freeze());
    }
    let registry = registry.to_owned();
    Err(match status {
        StatusCode::NOT_FOUND => OciError::NotFound {
            registry,
            what: what.to_owned(),
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => OciError::Unauthorized { registry },
        other => OciError::Answered {
            registry,
            what: what.to_owned(),
            status: other.as_u16(),
            said: shown(&String::from_utf8_lossy(&bytes)),
        },
    })
}

struct Reader<'a> {
    http: reqwest::Client,
    target: &'a Target,
    authorization: Authorization,
}

impl Reader<'_> {
    async fn manifest(
        &self,
        what: &str,
        place: &str,
        wanted: Option<Digest>,
    ) -> Result<(OciImageManifest, Digest), OciError> {
        let registry = self.target.registry();
        let rest = format!("{}/manifests/{place}", self.target.reference.repository());
        let request = self.http.get(self.target.url(&rest)?);
        // An index is asked for, too, so that it is called one.
        let accepted = format!("{OCI_IMAGE_MEDIA_TYPE}, {OCI_IMAGE_INDEX_MEDIA_TYPE}");
        let answer = self
            .authorization
            .on(request)
            .header(ACCEPT, accepted)
            .send()
            .await;
        let answer = answer.map_err(|error| unreachable(&registry, what, &error))?;
        let stated = stated(answer.headers());
        let bytes = bounded(answer, &registry, what, MAX_MANIFEST, |_| {}).await?;
        let came = Digest::of(&bytes);
        for expected in [wanted, stated].into_iter().flatten() {
            check(what, expected, came)?;
        }
        Ok((manifest_of(what, &bytes)?, came))
    }

    /// Exactly as long as announced, and what its digest says.
    async fn blob(&self, what: &str, layer: &Layer) -> Result<Bytes, OciError> {
        let registry = self.target.registry();
        let rest = format!(
            "{}/blobs/sha256:{}",
            self.target.reference.repository(),
            layer.digest
        );
        let answer = self
            .authorization
            .on(self.http.get(self.target.url(&rest)?))
            .send()
            .await;
        let answer = answer.map_err(|error| unreachable(&registry, what, &error))?;
        let mut progress = Progress::down(what, layer.size);
        let bytes = bounded(answer, &registry, what, layer.size, |more| progress.add(more)).await?;
        check(what, layer.digest, Digest::of(&bytes))?;
        progress.end();
        Ok(bytes)
    }

    /// What docmill took along; nothing if the artifact is somebody else's.
    async fn extras(&self, subject: Digest) -> Result<Vec<Extra>, OciError> {
        let what = "what came along with it";
        let manifest = match self.manifest(what, &extras_tag(subject), None).await {
            Ok((manifest, _)) => manifest,
            Err(OciError::NotFound { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut extras = Vec::new();
        for (kind, name, layer) in extras_of(what, &manifest, subject)? {
            let called = format!("{} {}", kind.as_str(), shown(&name));
            let bytes = self.blob(&called, &layer).await?;
            extras.push(Extra { kind, name, bytes });
        }
        Ok(extras)
    }
}

/// What the registry says the digest is, if it says it in SHA-256.
fn stated(headers: &HeaderMap) -> Option<Digest> {
    let value = headers.get("docker-content-digest")?;
    sha256(value.to_str().ok()?)
}

fn check(what: &str, expected: Digest, came: Digest) -> Result<(), OciError> {
    if expected == came {
        return Ok(());
    }
    Err(OciError::Digest {
        what: what.to_owned(),
        expected: format!("sha256:{expected}"),
        came: format!("sha256:{came}"),
    })
}
