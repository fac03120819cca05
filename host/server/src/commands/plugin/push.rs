//! `docmill plugin push`: the component with what lies beside it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use docmill_model::plugin::PluginName;
use docmill_model::signature::Signature;
use docmill_registry::Report;
use reqwest::multipart::{Form, Part};
use semver::Version;
use serde_json::Value as Json;

use super::{check, print_lines, print_report, read};
use crate::cli::{Address, Arguments};
use crate::client::{Client, segment};
use crate::exit;
use crate::show::say;

/// How a sample's name ends.
const SAMPLE: &str = ".sample.json";

/// What goes along with a component, where it is said.
#[derive(Default)]
pub(super) struct Beside<'a> {
    /// The directory of samples.
    pub(super) samples: Option<&'a Path>,
    pub(super) bundle: Option<&'a Path>,
    pub(super) sbom: Option<&'a Path>,
    pub(super) provenance: Option<&'a Path>,
}

pub(super) async fn push(
    arguments: &Arguments,
    file: &Path,
    address: Option<&Address>,
    beside: Beside<'_>,
    admit_only: bool,
) -> Result<u8> {
    let bytes = read(file)?;
    let report = check(arguments, bytes.clone(), address).await?;
    let Some((name, version)) = found(file, &report, address) else {
        return Ok(exit::FAILED);
    };
    let path = upload_address(&name, &version, admit_only);
    let form = form(file, bytes, &beside)?;
    let client = Client::open(arguments).await?;
    let pushed = client.put_form(&path, form).await;
    client.close().await;
    let pushed = pushed?;
    let created = pushed.get("created").and_then(Json::as_bool).unwrap_or(true);
    let state = pushed.get("state").and_then(Json::as_str).unwrap_or("published");
    if created {
        if let Some(report) = pushed.get("report") {
            print_lines(report);
        }
        say!("{name}@{version} {state}");
    } else {
        say!("{name}@{version} was {state} already with the same bytes");
    }
    Ok(exit::OK)
}

/// The address of a component: that which was given, or else name and version as it says them itself. None: it is not fit to
/// be published, or has no address, which was said.
pub(super) fn found(file: &Path, report: &Report, address: Option<&Address>) -> Option<Address> {
    let own = || {
        report
            .manifest
            .as_ref()
            .map(|it| (it.name.clone(), it.version.clone()))
    };
    let found = address.cloned().or_else(own).filter(|_| report.ok);
    if found.is_none() {
        print_report(file, report);
        if report.ok {
            eprintln!("where to? A plain wasi:http component does not say: --as NAMESPACE/NAME@VERSION");
        }
    }
    found
}

/// Where a component is uploaded.
pub(super) fn upload_address(name: &PluginName, version: &Version, admit_only: bool) -> String {
    format!(
        "/v1/plugins/{}/{}/versions/{}?publish={}",
        name.namespace(),
        name.name(),
        segment(&version.to_string()),
        !admit_only
    )
}

/// The component, its signature, its samples and statements about it.
fn form(file: &Path, component: Vec<u8>, beside: &Beside<'_>) -> Result<Form> {
    let part = |bytes: Vec<u8>, name: &str| Part::bytes(bytes).file_name(name.to_owned());
    let mut form = Form::new().part("component", part(component, "plugin.wasm"));
    let signature = signature_beside(file);
    if signature.is_file() {
        let bytes = read(&signature)?;
        let said = format!("{} is not what `docmill plugin sign` writes", signature.display());
        serde_json::from_slice::<Signature>(&bytes).context(said)?;
        form = form.part("signature", part(bytes, "signature"));
    }
    let by_itself = beside_it(file, ".sigstore.json");
    let bundle = beside
        .bundle
        .or_else(|| by_itself.is_file().then_some(by_itself.as_path()));
    let statements = [
        ("bundle", bundle),
        ("sbom", beside.sbom),
        ("provenance", beside.provenance),
    ];
    for (name, statement) in statements {
        if let Some(statement) = statement {
            form = form.part(name, part(read(statement)?, name));
        }
    }
    let directory = match beside.samples {
        Some(directory) => {
            let said = format!("there is no directory {}", directory.display());
            ensure!(directory.is_dir(), said);
            Some(directory.to_owned())
        }
        None => samples_beside(file),
    };
    let Some(directory) = directory else {
        return Ok(form);
    };
    let mut documents = BTreeSet::new();
    for path in samples_in(&directory)? {
        let bytes = read(&path)?;
        let written: Json =
            serde_json::from_slice(&bytes).with_context(|| format!("{} is not JSON", path.display()))?;
        documents.extend(written.get("document").and_then(Json::as_str).map(str::to_owned));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        form = form.part("sample", part(bytes, name.trim_end_matches(SAMPLE)));
    }
    for document in documents {
        let plain = Path::new(&document)
            .file_name()
            .is_some_and(|name| name == document.as_str());
        let said = format!("a sample names the document '{document}': it has to lie beside the sample");
        ensure!(plain, said);
        form = form.part("file", part(read(&directory.join(&document))?, &document));
    }
    Ok(form)
}

/// Where a component's signature lies.
pub(super) fn signature_beside(file: &Path) -> PathBuf {
    beside_it(file, ".sig")
}

fn beside_it(file: &Path, end: &str) -> PathBuf {
    let mut name: OsString = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// `samples` beside the component, or beside the nearest project above it.
fn samples_beside(file: &Path) -> Option<PathBuf> {
    let file = file.canonicalize().ok()?;
    let parent = file.parent()?;
    let is_project = |directory: &&Path| {
        ["Cargo.toml", "package.json"]
            .iter()
            .any(|name| directory.join(name).is_file())
    };
    let project = parent.ancestors().find(is_project);
    [Some(parent), project]
        .into_iter()
        .flatten()
        .map(|directory| directory.join("samples"))
        .find(|directory| directory.is_dir())
}

/// The samples of a directory, by name.
fn samples_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut samples: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(SAMPLE))
        .collect();
    samples.sort();
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_lie_beside_the_component_or_its_project() -> Result<()> {
        let root = tempfile::tempdir()?;
        let root = root.path().canonicalize()?;
        let built = root.join("target/release");
        std::fs::create_dir_all(&built)?;
        let component = built.join("a.wasm");
        std::fs::write(&component, b"x")?;
        assert_eq!(samples_beside(&component), None);
        std::fs::write(root.join("Cargo.toml"), b"")?;
        std::fs::create_dir(root.join("samples"))?;
        assert_eq!(samples_beside(&component), Some(root.join("samples")));
        std::fs::create_dir(built.join("samples"))?;
        assert_eq!(samples_beside(&component), Some(built.join("samples")));
        std::fs::write(built.join("samples/b.sample.json"), b"{}")?;
        std::fs::write(built.join("samples/b.txt"), b"")?;
        assert_eq!(
            samples_in(&built.join("samples"))?,
            [built.join("samples/b.sample.json")]
        );
        assert_eq!(signature_beside(&component), built.join("a.wasm.sig"));
        // A document elsewhere is not read.
        std::fs::write(
            built.join("samples/b.sample.json"),
            br#"{"document": "../secret", "expect": {}}"#,
        )?;
        assert!(form(&component, vec![], &Beside::default()).is_err());
        Ok(())
    }
}
