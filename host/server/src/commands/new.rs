//! `docmill plugin new`: a project that builds and passes its own test at once.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use docmill_model::plugin::{Kind, is_name};

use crate::assets::{SDK, TEMPLATES, WIT};
use crate::cli::Language;
use crate::exit;
use crate::show::say;

/// Where a plugin without a namespace belongs, until its author has one.
const NAMESPACE: &str = "local";

/// Writes the project into a directory of the plugin's name.
pub fn new(name: &str, kind: Kind, language: Language) -> Result<u8> {
    let (namespace, name) = name.split_once('/').unwrap_or((NAMESPACE, name));
    project(Path::new(name), (namespace, name), kind, language)?;
    say!("{name}/ holds the {kind} {namespace}/{name}. Next:\n\n    cd {name}");
    match language {
        Language::Rust => say!("    cargo test"),
        Language::Js | Language::Ts => say!("    npm install && npm test"),
        Language::Python => say!("    python3 -m unittest"),
    }
    say!(
        "    docmill plugin build       # a component, checked\n    docmill dev                # loads it, and again after every build"
    );
    Ok(exit::OK)
}

/// Writes the project of the plugin `namespace/name` into a directory that is not there yet.
///
/// # Errors
/// When the name is none, the directory is there, or nothing can be written.
pub fn project(
    directory: &Path,
    (namespace, name): (&str, &str),
    kind: Kind,
    language: Language,
) -> Result<()> {
    for word in [namespace, name] {
        ensure!(
            is_name(word),
            "'{word}' is not a name: write 1 to 60 lower-case letters, digits and dashes, beginning with a letter"
        );
    }
    if directory.exists() {
        bail!(
            "{} is there already; choose another name or remove it",
            directory.display()
        );
    }
    let folder = match language {
        Language::Rust => "rust",
        Language::Js => "js",
        Language::Ts => "ts",
        Language::Python => "python",
    };
    let fill = |bytes: &[u8]| -> Result<Vec<u8>> {
        let text = std::str::from_utf8(bytes).context("a template is UTF-8")?;
        Ok(text
            .replace("{{name}}", name)
            .replace("{{namespace}}", namespace)
            .replace("{{kind}}", kind.as_str())
            .into_bytes())
    };
    for part in ["common", kind.as_str()] {
        let prefix = format!("{folder}/{part}/");
        for (path, bytes) in TEMPLATES {
            let Some(path) = path.strip_prefix(&prefix) else {
                continue;
            };
            write(
                directory,
                path.strip_suffix(".tmpl").unwrap_or(path),
                &fill(bytes)?,
            )?;
        }
    }
    match language {
        Language::Rust => {
            for (path, bytes) in SDK
                .iter()
                .filter(|(path, _)| ["Cargo.toml", "src/", "wit/"].iter().any(|p| path.starts_with(p)))
            {
                write(directory, &format!("vendor/docmill-plugin/{path}"), bytes)?;
            }
        }
        Language::Js | Language::Ts | Language::Python => {
            let types = language == Language::Ts;
            for (path, bytes) in WIT
                .iter()
                .filter(|(path, _)| *path == "plugin.wit" || (types && *path == "plugin.d.ts"))
            {
                write(directory, &format!("wit/{path}"), bytes)?;
            }
        }
    }
    Ok(())
}

fn write(directory: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let file = directory.join(path);
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))
}
