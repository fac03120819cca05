//! Admitting a version and publishing it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use docmill_model::attachment::{Attachment, AttachmentKind};
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{KeyId, TenantId};
use docmill_model::plugin::{OPERATOR_NAMESPACE, PinnedPlugin, PluginName};
use docmill_model::quota::Allowance;
use docmill_model::registry::VersionState;
use docmill_model::run::Millis;
use docmill_model::signature::{Signature, Untrusted};
use docmill_pipeline::{Distrusted, Trust};
use docmill_store::StoreError;
use docmill_store::plugin::{CatalogEntry, Judged, NewVersion, PluginRow, Published};
use semver::{BuildMetadata, Version};
use serde_json::Value as Json;

use crate::enclosed::Enclosed;
use crate::examine::{Examined, Sound, examine};
use crate::promises::{Promise, compare};
use crate::samples::{Sample, Trial, Tried};
use crate::{Registry, Report};

/// How often a version is judged again because another one was published meanwhile.
const MAX_ROUNDS: usize = 8;

/// On whose behalf a version is uploaded.
#[derive(Debug, Clone)]
pub struct Author {
    /// Whose plugin it is.
    pub tenant: TenantId,
    /// Who acts; samples are on their usage.
    pub key: Option<KeyId>,
    /// What the tenant may use.
    pub allowance: Arc<Allowance>,
}

impl Author {
    /// The operator, for what comes with docmill.
    pub fn operator(tenant: TenantId) -> Self {
        Self {
            tenant,
            key: None,
            allowance: Arc::default(),
        }
    }
}

/// What is uploaded.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The component.
    pub component: Bytes,
    /// Of these bytes.
    pub digest: Digest,
    /// What should come of some documents.
    pub samples: Vec<Sample>,
    /// Of somebody who vouches for it.
    pub signature: Option<Signature>,
    /// A Sigstore bundle of somebody who does.
    pub bundle: Option<String>,
    /// Files that are kept with it.
    pub enclosed: Vec<Enclosed>,
    /// Whether plans may use it at once; otherwise it is admitted only.
    pub publish: bool,
}

impl Upload {
    /// A component alone, to be published.
    pub fn bare(component: Bytes) -> Self {
        Self {
            digest: Digest::of(&component),
            component,
            samples: Vec::new(),
            signature: None,
            bundle: None,
            enclosed: Vec::new(),
            publish: true,
        }
    }
}

/// A version that was admitted.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Name, version, digest and kind.
    pub plugin: PinnedPlugin,
    /// False: the same bytes had been uploaded under this name and version before.
    pub created: bool,
    /// Where it stands.
    pub state: VersionState,
    /// What was checked; of a version that was there, what was checked then.
    pub report: Json,
    /// CPU time of its samples.
    pub cpu_us: u64,
}

/// Why a component was not admitted. Nothing of it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The first rule that does not hold.
    pub failure: Failure,
    /// Everything that was checked; empty if nothing had to be.
    pub report: Report,
    /// CPU time of its samples.
    pub cpu_us: u64,
}

impl Refusal {
    /// Before anything of it ran on somebody's usage.
    fn early(failure: Failure, report: Report) -> Self {
        Self {
            report: told(report, &failure).close(),
            failure,
            cpu_us: 0,
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            report: Report::default(),
            cpu_us: 0,
        }
    }
}

/// How a version came through.
struct Admitted {
    judged: Judged,
    cpu_us: u64,
    failure: Option<Failure>,
}

/// Refuses what nobody publishes over HTTP.
///
/// # Errors
/// [`Code::ReservedNamespace`]
pub fn check_namespace(name: &PluginName) -> Result<(), Failure> {
    if name.namespace() == OPERATOR_NAMESPACE {
        let said =
            format!("{name}: the namespace {OPERATOR_NAMESPACE} is the operator's; choose another one");
        return Err(Failure::new(Code::ReservedNamespace, said));
    }
    Ok(())
}

impl Registry {
    /// Admits a component under the name and version that it gives itself, and publishes it if that is wanted; these must be
    /// `expected` if that is given, and then they are not in the operator's namespace.
    ///
    /// # Errors
    /// The first rule that does not hold, with the report; [`Code::VersionExists`]; what blobs and store say.
    pub async fn publish(
        &self,
        author: &Author,
        expected: Option<(PluginName, Version)>,
        upload: Upload,
    ) -> Result<Publication, Refusal> {
        if let Some((name, version)) = &expected {
            check_namespace(name)?;
            if let Some(known) = self.known(author.tenant, name, version, upload.digest).await? {
                return Ok(known);
            }
        }
        let (sound, mut report) = self.look(&upload.component, expected.as_ref()).await?;
        if let Some((name, version)) = expected
            && let Err(failure) = report.judge("version", called(&sound, &name, &version))
        {
            return Err(Refusal::early(failure, report));
        }
        self.settle(author, sound, report, upload).await
    }

    /// The same under the name and version that the component gives itself, whatever they are, outside the operator's namespace.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn publish_by_itself(&self, author: &Author, upload: Upload) -> Result<Publication, Refusal> {
        let (sound, report) = self.look(&upload.component, None).await?;
        let (name, version) = (&sound.manifest.name, &sound.manifest.version);
        if let Err(failure) = check_namespace(name) {
            return Err(Refusal::early(failure, report));
        }
        if let Some(known) = self.known(author.tenant, name, version, upload.digest).await? {
            return Ok(known);
        }
        self.settle(author, sound, report, upload).await
    }

    /// Everything that can be seen of a component alone.
    async fn look(
        &self,
        component: &Bytes,
        address: Option<&(PluginName, Version)>,
    ) -> Result<(Sound, Report), Refusal> {
        let Examined { report, result } = examine(&self.engine, component.clone(), address).await;
        match result {
            Ok(sound) => Ok((sound, report)),
            Err(failure) => Err(Refusal::early(failure, report)),
        }
    }

    /// Holds a sound component to promises, signature and samples, and keeps it.
    async fn settle(
        &self,
        author: &Author,
        sound: Sound,
        base: Report,
        upload: Upload,
    ) -> Result<Publication, Refusal> {
        let mut tried = None;
        for _ in 0..MAX_ROUNDS {
            let mut report = base.clone();
            let admitted = self
                .admit(author, &sound, &upload, &mut report, &mut tried)
                .await?;
            let report = report.close();
            let cpu_us = admitted.cpu_us;
            if let Some(failure) = admitted.failure {
                return Err(Refusal {
                    failure,
                    report,
                    cpu_us,
                });
            }
            let state = if upload.publish {
                VersionState::Published
            } else {
                VersionState::Admitted
            };
            let report_json = serde_json::to_value(&report).unwrap_or_default();
            let kept = self.keep(
                author.tenant,
                &sound,
                &upload,
                state,
                &report_json,
                admitted.judged,
            );
            match kept.await {
                Ok(Some(published)) => return Ok(publication(sound, published, report_json, cpu_us)),
                // Another version was published meanwhile, and this one is held to it.
                Ok(None) => {}
                Err(failure) => {
                    return Err(Refusal {
                        failure,
                        report,
                        cpu_us,
                    });
                }
            }
        }
        let said = "other versions of the plugin are published all the time; try again";
        Err(Failure::new(Code::Conflict, said).into())
    }

    /// Publishes what a developer has just built, under the version that it gives itself and a mark of the time:
    /// `1.2.0+dev.1795229591120`. Versions stay what they were, and the newest build is the greatest, so a step that says
    /// `@1` takes it at once. The same bytes as the greatest version are not published again. It is held to no promise.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn publish_development(
        &self,
        tenant: TenantId,
        component: Bytes,
    ) -> Result<Publication, Refusal> {
        let (mut sound, report) = self.look(&component, None).await?;
        let name = std::slice::from_ref(&sound.manifest.name);
        let entries = match self.store.catalog_of(tenant, name).await {
            Ok(entries) => entries,
            Err(error) => return Err(Refusal::early(error.failure(), report)),
        };
        let report_json = serde_json::to_value(&report).unwrap_or_default();
        let newest = entries
            .into_iter()
            .max_by(|a, b| a.plugin.version.cmp(&b.plugin.version));
        if let Some(newest) = newest.filter(|e| e.plugin.digest == sound.digest && e.state.is_usable()) {
            return Ok(Publication {
                plugin: newest.plugin,
                created: false,
                state: newest.state,
                report: report_json,
                cpu_us: 0,
            });
        }
        match BuildMetadata::new(&format!("dev.{}", milliseconds())) {
            Ok(mark) => sound.manifest.version.build = mark,
            Err(error) => {
                let said = format!("the version cannot be marked: {error}");
                return Err(Refusal::early(Failure::new(Code::Internal, said), report));
            }
        }
        let upload = Upload::bare(component);
        let (state, judged) = (VersionState::Published, Judged::Free);
        match self
            .keep(tenant, &sound, &upload, state, &report_json, judged)
            .await
        {
            Ok(Some(published)) => Ok(publication(sound, published, report_json, 0)),
            Ok(None) => Err(Refusal::early(
                Failure::new(Code::Internal, "a free version was judged"),
                report,
            )),
            Err(failure) => Err(Refusal::early(failure, report)),
        }
    }

    /// The version, if it is there with the same bytes: then nothing need be compiled or run.
    async fn known(
        &self,
        tenant: TenantId,
        name: &PluginName,
        version: &Version,
        digest: Digest,
    ) -> Result<Option<Publication>, Failure> {
        let found = self.store.version_report(tenant, name, version).await;
        let Some(row) = found.map_err(|error| error.failure())? else {
            return Ok(None);
        };
        if row.digest != digest {
            let said = format!(
                "{name}@{version} exists with other bytes, and versions never change: raise the version"
            );
            return Err(Failure::new(Code::VersionExists, said));
        }
        Ok(Some(Publication {
            plugin: PinnedPlugin {
                name: name.clone(),
                version: version.clone(),
                digest,
                kind: row.kind,
            },
            created: false,
            state: row.state,
            report: row.report,
            cpu_us: 0,
        }))
    }

    /// What cannot be seen of a component alone: promises of earlier versions, signature, samples.
    async fn admit(
        &self,
        author: &Author,
        sound: &Sound,
        upload: &Upload,
        report: &mut Report,
        tried: &mut Option<Tried>,
    ) -> Result<Admitted, Failure> {
        let (judged, promises) = self.promises(author.tenant, sound).await?;
        let mut first = report.judge("promises", promises).err();
        let signature = self.signature(author.tenant, sound, upload).await?;
        let unsigned = report.judge("signature", signature).err();
        first = first.or(unsigned);
        for Enclosed { attachment, .. } in &upload.enclosed {
            let check = match attachment.kind {
                AttachmentKind::Sbom => "sbom",
                AttachmentKind::Provenance => "provenance",
                AttachmentKind::Sample | AttachmentKind::Document | AttachmentKind::Bundle => continue,
            };
            report.pass(check, attachment.format.as_deref().unwrap_or_default());
        }
        if upload.samples.is_empty() {
            report.pass("sample", "none came with it");
        } else if first.is_none() {
            let tried = match tried {
                Some(tried) => tried,
                None => {
                    let trial = self.trial(author, sound, upload);
                    tried.insert(trial.run(&upload.samples).await?)
                }
            };
            for (name, found) in &tried.lines {
                let found = match found {
                    Ok(said) => Ok(format!("{name} {said}")),
                    Err(why) => Err(Failure::new(Code::SampleFailed, format!("{name}: {why}"))),
                };
                if let Err(failure) = report.judge("sample", found) {
                    first.get_or_insert(failure);
                }
            }
        }
        Ok(Admitted {
            judged,
            cpu_us: tried.as_ref().map_or(0, |tried| tried.cpu_us),
            failure: first,
        })
    }

    /// Whether the version keeps what the one before it promised.
    async fn promises(
        &self,
        tenant: TenantId,
        sound: &Sound,
    ) -> Result<(Judged, Result<String, Failure>), Failure> {
        let name = &sound.manifest.name;
        let row = self.store.get_plugin(tenant, name).await;
        let row = row.map_err(|error| error.failure())?;
        let version = &sound.manifest.version;
        let (basis, found) = judge_promises(
            row.as_ref(),
            version,
            Promise {
                kind: sound.kind,
                manifest: &sound.manifest,
                inspection: &sound.inspection,
            },
        );
        let found =
            found.map_err(|why| Failure::new(Code::BreakingChange, format!("{name}@{version}: {why}")));
        Ok((Judged::Against(basis), found))
    }

    async fn signature(
        &self,
        tenant: TenantId,
        sound: &Sound,
        upload: &Upload,
    ) -> Result<Result<String, Failure>, Failure> {
        let store = &self.store;
        let plugin = sound.pinned();
        if upload.signature.is_none() && upload.bundle.is_none() {
            let settings = store.get_tenant(tenant).await.map_err(|error| error.failure())?;
            let is_operators = plugin.name.namespace() == OPERATOR_NAMESPACE;
            if settings.require_signatures && !is_operators {
                return Ok(Err(refused(&plugin, Untrusted::Unsigned)));
            }
            return Ok(Ok("none, and none is asked for".to_owned()));
        }
        let trust = Trust::of(store, tenant).await.map_err(|error| error.failure())?;
        let mut said = Vec::new();
        // What is given has to be good, whether it is asked for or not.
        if let Some(signature) = &upload.signature {
            match trust.verify(&plugin, signature) {
                Ok(key) => said.push(format!("by '{}', key {}", key.name, key.public_key)),
                Err(why) => return Ok(Err(refused(&plugin, why))),
            }
        }
        if let Some(bundle) = upload.bundle.clone() {
            let pinned = plugin.clone();
            let judged = tokio::task::spawn_blocking(move || {
                let (identity, who) = trust.verify_bundle(&pinned, &bundle)?;
                Ok::<_, Distrusted>(format!("by '{}', bundle of {who}", identity.name))
            });
            let judged = judged.await.map_err(|error| {
                Failure::new(Code::Internal, format!("the bundle cannot be verified: {error}"))
            })?;
            match judged {
                Ok(who) => said.push(who),
                Err(distrusted) => {
                    let mut failure = refused(&plugin, distrusted.why);
                    failure.message = format!("{plugin}: {distrusted}");
                    return Ok(Err(failure));
                }
            }
        }
        Ok(Ok(said.join("; ")))
    }

    fn trial<'a>(&'a self, author: &'a Author, sound: &Sound, upload: &Upload) -> Trial<'a> {
        Trial {
            executor: &self.executor,
            store: &self.store,
            tenant: author.tenant,
            key: author.key,
            allowance: &author.allowance,
            candidate: CatalogEntry {
                name: sound.manifest.name.clone(),
                version: sound.manifest.version.clone(),
                digest: sound.digest,
                kind: sound.kind,
                manifest: sound.manifest.clone(),
                size: 0,
                signature: upload.signature.clone(),
                bundle: upload.bundle.clone(),
            },
            now: Millis::try_from(milliseconds()).unwrap_or(Millis::MAX),
        }
    }

    /// Bytes first, then the row that names them. None: it has to be judged again.
    async fn keep(
        &self,
        tenant: TenantId,
        sound: &Sound,
        upload: &Upload,
        state: VersionState,
        report: &Json,
        judged: Judged,
    ) -> Result<Option<Published>, Failure> {
        let size = upload.component.len() as u64;
        let put = self.blobs.put(tenant, sound.digest, upload.component.clone());
        put.await.map_err(|e| e.failure())?;
        // It was compiled to be looked at; no other host has to do that again.
        if let Some(codes) = self.executor.loader().codes()
            && let Some(code) = self.engine.code(sound.digest).await
        {
            let fingerprint = self.engine.fingerprint();
            codes.keep(tenant, sound.digest, fingerprint, code).await;
        }
        for Enclosed { attachment, bytes } in &upload.enclosed {
            let put = self.blobs.put(tenant, attachment.digest, bytes.clone());
            put.await.map_err(|e| e.failure())?;
        }
        let attachments: Vec<Attachment> = upload.enclosed.iter().map(|e| e.attachment.clone()).collect();
        let version = NewVersion {
            manifest: &sound.manifest,
            kind: sound.kind,
            digest: sound.digest,
            size,
            inspection: &sound.inspection,
            state,
            report,
            signature: upload.signature.as_ref(),
            bundle: upload.bundle.as_deref(),
            attachments: &attachments,
            judged,
        };
        let published = self
            .store
            .publish_plugin(tenant, &version)
            .await
            .map_err(|error| match error {
                StoreError::Conflict { what } => Failure::new(Code::VersionExists, what),
                other => other.failure(),
            })?;
        if let Some(published) = published {
            tracing::info!(
                plugin.name = %sound.manifest.name,
                plugin.version = %sound.manifest.version,
                plugin.digest = sound.digest.short(),
                plugin.state = %published.state,
                created = published.created,
                "a plugin was admitted"
            );
        }
        Ok(published)
    }
}

/// Which version is the basis, and whether its promises are kept.
pub(crate) fn judge_promises(
    row: Option<&PluginRow>,
    version: &Version,
    promise: Promise<'_>,
) -> (Option<Version>, Result<String, String>) {
    let versions = row.map(|row| row.versions.as_slice()).unwrap_or_default();
    let heads = versions.iter().map(|row| (&row.version, row.state));
    let basis = docmill_model::registry::basis_of(heads, version);
    let before = versions.iter().find(|row| Some(&row.version) == basis);
    let (Some(row), Some(before)) = (row, before) else {
        return (None, Ok("there is no earlier version to be held to".to_owned()));
    };
    let old = Promise {
        kind: row.kind,
        manifest: &before.manifest,
        inspection: &before.inspection,
    };
    let found = compare(old, promise).judge(&before.version, version);
    (Some(before.version.clone()), found)
}

fn refused(plugin: &PinnedPlugin, why: Untrusted) -> Failure {
    let mut failure = Failure::new(Code::SignatureRefused, format!("{plugin}: {why}"));
    failure.reason = Some(why.as_str().to_owned());
    failure
}

/// A report in which every rule holds, and which is of something that is refused all the same, says why.
fn told(mut report: Report, failure: &Failure) -> Report {
    if !report.lines.is_empty() && report.lines.iter().all(|line| line.pass) {
        report.fail("version", &failure.message);
        report.ok = false;
    }
    report
}

/// Whether it is what the address says.
fn called(sound: &Sound, name: &PluginName, version: &Version) -> Result<String, Failure> {
    let manifest = &sound.manifest;
    if sound.is_plain_http {
        return Ok(format!("{name}@{version}, taken from the address"));
    }
    if *name == manifest.name && *version == manifest.version {
        return Ok(format!("{name}@{version}, as it calls itself"));
    }
    let said = format!(
        "the component calls itself {}@{}, but is published as {name}@{version}; these must be equal",
        manifest.name, manifest.version
    );
    Err(Failure::new(Code::InvalidComponent, said))
}

fn publication(sound: Sound, published: Published, report: Json, cpu_us: u64) -> Publication {
    Publication {
        plugin: sound.pinned(),
        created: published.created,
        state: published.state,
        report,
        cpu_us,
    }
}

fn milliseconds() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis()
}
