//! What goes to a registry.

use std::time::Duration;

use docmill_model::digest::Digest;
use oci_client::Reference;
use oci_client::client::{Client, ClientConfig};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use reqwest::header::HeaderValue;

use super::access::{Credentials, Target, authorize};
use super::artifact::{Artifact, Laid, extras_tag};
use super::error::{OciError, shown};
use super::progress::Progress;
use super::read::{client, within};

/// What was brought there.
#[derive(Debug)]
pub struct Pushed {
    /// Of the component's manifest.
    pub digest: Digest,
    /// Of the manifest of what came along.
    pub extras: Option<Digest>,
}

/// Brings an artifact to a registry, under the target's tag.
pub async fn push(
    target: &Target,
    credentials: &Credentials,
    artifact: Artifact,
) -> Result<Pushed, OciError> {
    let registry = target.registry();
    let Some(tag) = target.tag() else {
        return Err(OciError::Reference {
            text: shown(&target.reference.whole()),
            why: "what is brought to a registry gets a tag".to_owned(),
        });
    };
    let authorization = within(
        target,
        authorize(&client(target)?, target, credentials, "pull,push"),
    )
    .await?;
    let config = ClientConfig {
        protocol: target.protocol(),
        connect_timeout: Some(Duration::from_secs(10)),
        read_timeout: Some(Duration::from_secs(60)),
        user_agent: concat!("docmill/", env!("CARGO_PKG_VERSION")),
        platform_resolver: None,
        ..ClientConfig::default()
    };
    let unreachable = |why: String| OciError::Unreachable {
        registry: registry.clone(),
        why,
    };
    let oci = Client::try_from(config).map_err(|error| unreachable(shown(&error.to_string())))?;
    let reference = target.reference.clone();
    oci.store_auth_if_needed(reference.resolve_registry(), &authorization.for_client())
        .await;
    let tag = tag.to_owned();
    // The client panics at some of what a registry can answer: that ends this task and not the command.
    let work = tokio::spawn(async move {
        let laid = artifact.component_laid();
        let digest = bring(&oci, &reference, &tag, &laid).await?;
        let extras = match artifact.extras_laid(&laid.manifest) {
            Some(extras) => Some(bring(&oci, &reference, &extras_tag(digest), &extras).await?),
            None => None,
        };
        Ok(Pushed { digest, extras })
    });
    let stop = work.abort_handle();
    let done = within(target, async {
        match work.await {
            Ok(done) => done.map_err(|error| said(&registry, &error)),
            Err(_) => Err(unreachable("its answers are not those of a registry".to_owned())),
        }
    });
    let done = done.await;
    stop.abort();
    done
}

/// Blobs first, then the manifest that names them.
async fn bring(
    oci: &Client,
    reference: &Reference,
    tag: &str,
    laid: &Laid,
) -> Result<Digest, OciDistributionError> {
    for (what, bytes) in &laid.blobs {
        let digest = format!("sha256:{}", Digest::of(bytes));
        if !oci.blob_exists(reference, &digest).await? {
            oci.push_blob(reference, bytes.clone(), &digest).await?;
        }
        let mut progress = Progress::up(what, bytes.len() as u64);
        progress.add(bytes.len() as u64);
        progress.end();
    }
    let place = Reference::with_tag(
        reference.registry().to_owned(),
        reference.repository().to_owned(),
        tag.to_owned(),
    );
    let kind = HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
    oci.push_manifest_raw(&place, laid.manifest.clone(), kind).await?;
    Ok(Digest::of(&laid.manifest))
}

fn said(registry: &str, error: &OciDistributionError) -> OciError {
    let registry = registry.to_owned();
    match error {
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
            OciError::Unauthorized { registry }
        }
        OciDistributionError::RequestError(error)
            if error
                .status()
                .is_some_and(|status| matches!(status.as_u16(), 401 | 403)) =>
        {
            OciError::Unauthorized { registry }
        }
        OciDistributionError::RequestError(error) => super::read::unreachable(&registry, "the upload", error),
        OciDistributionError::ServerError { code: 401 | 403, .. } => OciError::Unauthorized { registry },
        OciDistributionError::ServerError { code, message, .. } => OciError::Answered {
            registry,
            what: "the upload".to_owned(),
            status: *code,
            said: shown(message),
        },
        other => OciError::Malformed {
            what: format!("what {registry} answers"),
            why: shown(&other.to_string()),
        },
    }
}
