//! Blobs as objects: `{prefix}{tenant}/{digest}`, with the S3 checksum that the SDK adds to each upload.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use docmill_model::digest::Digest;
use docmill_model::id::TenantId;

use crate::BlobError;

/// Where the bucket is and who asks.
#[derive(Clone)]
pub struct S3Settings {
    /// The bucket's name; it must exist.
    pub bucket: String,
    /// What every key begins with; empty or ending in a slash.
    pub prefix: String,
    /// None: AWS itself.
    pub endpoint: Option<String>,
    /// The bucket's region.
    pub region: String,
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub secret_access_key: String,
    /// Longest wait for one attempt of a request.
    pub timeout: Duration,
}

impl std::fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Settings")
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// A bucket of blobs.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    bucket: String,
    prefix: String,
}

/// Attempts of one request, the first included.
const ATTEMPTS: u32 = 4;

impl S3 {
    pub(crate) fn new(settings: S3Settings) -> Result<Self, BlobError> {
        if settings.bucket.len() < 3 {
            return Err(BlobError::Settings(
                "a bucket's name has at least 3 letters".to_owned(),
            ));
        }
        let credentials = Credentials::new(
            settings.access_key_id,
            settings.secret_access_key,
            None,
            None,
            "docmill settings",
        );
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(2))
            .operation_attempt_timeout(settings.timeout)
            .build();
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region))
            .credentials_provider(credentials)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
            // Bucket names with dots, and every server that is not AWS.
            .force_path_style(true);
        if let Some(endpoint) = settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Ok(Self {
            client: Client::from_conf(config.build()),
            bucket: settings.bucket,
            prefix: settings.prefix,
        })
    }

    fn key(&self, tenant: TenantId, digest: Digest) -> String {
        format!("{}{tenant}/{digest}", self.prefix)
    }

    pub(crate) async fn put(&self, tenant: TenantId, digest: Digest, bytes: Bytes) -> Result<(), BlobError> {
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.key(tenant, digest))
            .if_none_match("*")
            .body(ByteStream::from(bytes))
            .send()
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(error) if status(&error) == Some(507) => Err(BlobError::Full),
            // 412: it is there already; 409: somebody else is putting the same bytes at this moment. None: the connection
            // broke, as it also does when a server that has the bytes does not read them to their end.
            Err(error) if matches!(status(&error), None | Some(409 | 412)) => {
                match self.exists(tenant, digest).await {
                    Ok(true) => Ok(()),
                    Ok(false) | Err(_) => Err(unavailable(error)),
                }
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    pub(crate) async fn get(&self, tenant: TenantId, digest: Digest) -> Result<Bytes, BlobError> {
        let got = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.key(tenant, digest))
            .send()
            .await;
        match got {
            Ok(object) => object
                .body
                .collect()
                .await
                .map(|b| b.into_bytes())
                .map_err(|e| BlobError::Unavailable(e.into())),
            Err(error) if is_absent(&error) => Err(BlobError::NotFound { digest }),
            Err(error) => Err(unavailable(error)),
        }
    }

    pub(crate) async fn exists(&self, tenant: TenantId, digest: Digest) -> Result<bool, BlobError> {
        let head = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(self.key(tenant, digest))
            .send()
            .await;
        match head {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }

    pub(crate) async fn delete(&self, tenant: TenantId, digest: Digest) -> Result<(), BlobError> {
        let deleted = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(self.key(tenant, digest))
            .send()
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    pub(crate) async fn list(&self, tenant: TenantId) -> Result<Vec<Digest>, BlobError> {
        let prefix = format!("{}{tenant}/", self.prefix);
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(&prefix)
            .into_paginator()
            .send();
        let mut digests = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(unavailable)?;
            let keys = page.contents().iter().filter_map(|object| object.key());
            digests.extend(keys.filter_map(|key| key.strip_prefix(&prefix)?.parse::<Digest>().ok()));
        }
        Ok(digests)
    }

    pub(crate) async fn ping(&self) -> Result<(), BlobError> {
        self.client
            .head_bucket()
            .bucket(&self.bucket)
            .send()
            .await
            .map(drop)
            .map_err(unavailable)
    }
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

fn is_absent<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    status(error) == Some(404) && error.code() != Some("NoSuchBucket")
}

fn unavailable<E: std::error::Error + Send + Sync + 'static>(error: SdkError<E>) -> BlobError {
    BlobError::Unavailable(Box::new(error))
}
