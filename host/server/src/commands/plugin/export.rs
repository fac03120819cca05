//! `docmill plugin export`: a version as it was uploaded, brought to an OCI registry.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use docmill_model::digest::Digest;
use docmill_model::signature::Signature;
use serde_json::{Value as Json, json};

use super::import::access_to;
use super::{address, read, version_address};
use crate::cli::{Arguments, RegistryAccess};
use crate::client::Client;
use crate::exit;
use crate::oci::{Artifact, Described, Extra, ExtraKind, push};
use crate::show::{list, say, text};

/// Longest component, and longest attachment.
const MOST: u64 = 64 << 20;

pub(super) async fn export(
    arguments: &Arguments,
    version: &str,
    to: &str,
    signatures: &[PathBuf],
    access: &RegistryAccess,
    as_json: bool,
) -> Result<u8> {
    let (target, credentials) = access_to(to, access)?;
    ensure!(
        target.tag().is_some(),
        "an export has a tag: oci://REGISTRY/REPOSITORY:TAG"
    );
    let client = Client::open(arguments).await?;
    let artifact = gathered(&client, version).await;
    client.close().await;
    let mut artifact = artifact?;
    for file in signatures {
        let extra = signature(file, Digest::of(&artifact.component))?;
        if !artifact.extras.contains(&extra) {
            artifact.extras.push(extra);
        }
    }
    let kinds: Vec<&str> = artifact.extras.iter().map(|extra| extra.kind.as_str()).collect();
    let along: Vec<Json> = artifact
        .extras
        .iter()
        .map(|extra| json!({ "kind": extra.kind.as_str(), "name": extra.name }))
        .collect();
    let said = if kinds.is_empty() {
        "with nothing beside it".to_owned()
    } else {
        format!("with {}", counted(&kinds))
    };
    let digest = Digest::of(&artifact.component);
    let pushed = push(&target, &credentials, artifact).await?;
    let pinned = target.pinned(pushed.digest);
    if as_json {
        let extras = pushed.extras.map(|digest| format!("sha256:{digest}"));
        let out = json!({
            "plugin": version, "reference": to, "pinned": pinned, "digest": digest,
            "manifest": format!("sha256:{}", pushed.digest), "extras_manifest": extras, "extras": along,
        });
        say!("{}", serde_json::to_string_pretty(&out)?);
    } else {
        say!("{version} is at {to}, {said}\n{pinned}");
    }
    Ok(exit::OK)
}

/// `2 samples, 1 signature`.
pub(super) fn counted(kinds: &[&str]) -> String {
    let mut words: Vec<&str> = kinds.to_vec();
    words.sort_unstable();
    words.dedup();
    let counts = words.iter().map(|word| {
        let count = kinds.iter().filter(|kind| *kind == word).count();
        format!("{count} {word}{}", if count == 1 { "" } else { "s" })
    });
    counts.collect::<Vec<_>>().join(", ")
}

/// The component and everything that was uploaded with it.
async fn gathered(client: &Client, version: &str) -> Result<Artifact> {
    let path = version_address(version)?;
    let (name, wanted) = version.split_once('@').unwrap_or((version, ""));
    let plugin = client.get(&address(name)?).await?;
    let mut versions = list(&plugin, "versions").iter();
    let Some(row) = versions.find(|row| text(row, "version") == wanted) else {
        bail!("there is no {version}");
    };
    let component = file(client, &format!("{path}/component"), &text(row, "digest")).await?;
    let mut extras = Vec::new();
    if let Some(signature) = row.get("signature").filter(|signature| signature.is_object()) {
        extras.push(Extra {
            kind: ExtraKind::Signature,
            name: text(signature, "tenant"),
            bytes: Bytes::from(serde_json::to_vec_pretty(signature)?),
        });
    }
    for attachment in list(row, "attachments") {
        let Some(kind) = ExtraKind::of(&text(attachment, "kind"), &text(attachment, "media_type")) else {
            continue;
        };
        let digest = text(attachment, "digest");
        let bytes = file(client, &format!("{path}/{digest}"), &digest).await?;
        extras.push(Extra {
            kind,
            name: text(attachment, "name"),
            bytes,
        });
    }
    let names = |items: &[Json], member: Option<&str>| -> Vec<String> {
        let named = items.iter().filter_map(|item| match member {
            Some(member) => item.get(member)?.as_str(),
            None => item.as_str(),
        });
        named.map(str::to_owned).collect()
    };
    let inspection = row.get("inspection").unwrap_or(&Json::Null);
    let manifest = row.get("manifest").unwrap_or(&Json::Null);
    Ok(Artifact {
        described: Described {
            name: name.to_owned(),
            version: wanted.to_owned(),
            summary: text(manifest, "summary"),
            created: text(row, "created_at"),
            imports: names(list(inspection, "imports"), Some("interface")),
            exports: names(list(inspection, "exports"), None),
        },
        component,
        extras,
    })
}

/// A file of a version, compared with its digest.
async fn file(client: &Client, path: &str, digest: &str) -> Result<Bytes> {
    let bytes = client.file(path, MOST).await?;
    let came = Digest::of(&bytes).to_string();
    ensure!(
        came == digest,
        "{path} has the digest {came}, and the server says {digest}"
    );
    Ok(bytes)
}

/// A signature from a file, of the component that is exported.
fn signature(file: &Path, component: Digest) -> Result<Extra> {
    let bytes = read(file)?;
    let said = format!("{} is not what `docmill plugin sign` writes", file.display());
    let signature: Signature = serde_json::from_slice(&bytes).context(said)?;
    ensure!(
        signature.digest == component,
        "{} is a signature of other bytes",
        file.display()
    );
    Ok(Extra {
        kind: ExtraKind::Signature,
        name: signature.tenant.to_string(),
        bytes: bytes.into(),
    })
}
