//! The projects that the demo writes, and what it changes in them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use docmill_model::plugin::Kind;
use semver::Version;

use crate::cli::Language;
use crate::commands::new;
use crate::commands::plugin::build::{self, Output, TARGET};

/// A language that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    Rust,
    JavaScript,
}

impl fmt::Display for Tongue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
        })
    }
}

/// A file, a text that stands in it, and what stands everywhere in its place then.
pub(super) type Edit = (&'static str, &'static str, &'static str);

impl Tongue {
    pub(super) const ALL: [Self; 2] = [Self::Rust, Self::JavaScript];

    /// As `--lang` has it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "js",
        }
    }

    const fn language(self) -> Language {
        match self {
            Self::Rust => Language::Rust,
            Self::JavaScript => Language::Js,
        }
    }

    /// Whether its tools are there.
    ///
    /// # Errors
    /// What to install.
    pub(super) fn tools(self) -> Result<(), String> {
        let there = |tool: &str| {
            let asked = Command::new(tool).arg("--version").output();
            asked.is_ok_and(|said| said.status.success())
        };
        match self {
            Self::Rust if !there("cargo") => {
                Err("cargo is missing; install Rust from https://rustup.rs".to_owned())
            }
            Self::Rust if !has_target() => Err(format!(
                "Rust cannot compile for {TARGET} yet; run: rustup target add {TARGET}"
            )),
            Self::JavaScript if !there("npm") => Err(
                "npm is missing; install Node.js, on Debian: sudo apt-get install -y nodejs npm".to_owned(),
            ),
            Self::Rust | Self::JavaScript => Ok(()),
        }
    }

    /// Where the version stands, by file.
    const fn versions(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // With what stands below it: dependencies have versions, too.
            Self::Rust => &[("Cargo.toml", "version = \"VERSION\"\nedition")],
            Self::JavaScript => &[
                ("plugin.js", "version: \"VERSION\""),
                ("package.json", "\"version\": \"VERSION\""),
            ],
        }
    }

    /// A fault is mended: nothing that was promised changes.
    pub(super) const fn mending(self) -> &'static [Edit] {
        match self {
            Self::Rust => &[(
                "src/lib.rs",
                "let end = start + line.trim().len();",
                "let end = start + line.trim().trim_end_matches('.').len();",
            )],
            Self::JavaScript => &[(
                "logic.js",
                "const value = line.trim();",
                "const value = line.trim().replace(/\\.+$/, \"\");",
            )],
        }
    }

    /// A member of the configuration goes, and a field.
    pub(super) const fn breaking(self) -> &'static [Edit] {
        match self {
            Self::Rust => &[
                (
                    "src/lib.rs",
                    r#""properties": { "label": { "type": "string", "minLength": 1, "default": "Order:" } }"#,
                    r#""properties": {}"#,
                ),
                ("src/lib.rs", "\"order\"", "\"number\""),
            ],
            Self::JavaScript => &[
                (
                    "plugin.js",
                    r#"properties: { label: { type: "string", minLength: 1, default: "Order:" } }"#,
                    "properties: {}",
                ),
                ("plugin.js", "\"order\"", "\"number\""),
            ],
        }
    }
}

/// Whether Rust has the standard library for plugins.
fn has_target() -> bool {
    let asked = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output();
    let Ok(said) = asked else { return false };
    let directory = PathBuf::from(String::from_utf8_lossy(&said.stdout).trim().to_owned());
    directory.read_dir().is_ok_and(|mut files| files.next().is_some())
}

/// A project in a directory of its own.
pub(super) struct Project {
    directory: PathBuf,
    pub(super) tongue: Tongue,
}

impl Project {
    pub(super) const fn new(directory: PathBuf, tongue: Tongue) -> Self {
        Self { directory, tongue }
    }

    /// Writes it, as `docmill plugin new` does; gives how many files there are.
    pub(super) fn write(&self, namespace: &str, name: &str) -> Result<usize> {
        let language = self.tongue.language();
        new::project(&self.directory, (namespace, name), Kind::Extractor, language)?;
        Ok(files(&self.directory))
    }

    pub(super) fn set_version(&self, from: &Version, to: &Version) -> Result<()> {
        for (file, form) in self.tongue.versions() {
            let [from, to] = [from, to].map(|version| form.replace("VERSION", &version.to_string()));
            self.replace(file, &from, &to)?;
        }
        Ok(())
    }

    pub(super) fn edit(&self, edits: &[Edit]) -> Result<()> {
        edits
            .iter()
            .try_for_each(|(file, from, to)| self.replace(file, from, to))
    }

    fn replace(&self, file: &str, from: &str, to: &str) -> Result<()> {
        let path = self.directory.join(file);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(text.contains(from), "{file} has no '{from}' any more");
        std::fs::write(&path, text.replace(from, to))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Builds it; gives where the component is.
    pub(super) fn build(&self) -> Result<PathBuf> {
        build::component(&self.directory, Output::Kept)
    }
}

fn files(directory: &Path) -> usize {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path()),
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_have_what_the_demo_edits() -> Result<()> {
        let work = tempfile::tempdir()?;
        for tongue in Tongue::ALL {
            let project = Project::new(work.path().join(tongue.word()), tongue);
            assert!(project.write("demo", "orders")? > 5);
            let versions = [(0, 1, 0), (1, 0, 0), (1, 0, 1)].map(|(a, b, c)| Version::new(a, b, c));
            for (from, to) in versions.iter().zip(versions.iter().skip(1)) {
                project.set_version(from, to)?;
            }
            project.edit(tongue.mending())?;
            project.edit(tongue.breaking())?;
            assert!(project.edit(tongue.breaking()).is_err(), "what is gone is missed");
        }
        Ok(())
    }
}
