//! From a project to a component, by the tools of its language.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value as Json;

use crate::show::list;

/// What Rust compiles plugins for.
pub const TARGET: &str = "wasm32-wasip2";
/// Lines of what a tool said that an error repeats.
const TOLD_LINES: usize = 30;

/// What becomes of what the tools print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// It goes where the command's own goes.
    Shown,
    /// An error repeats its end; otherwise nobody sees it.
    Kept,
}

/// Builds the project of a directory; gives where its component is.
///
/// # Errors
/// When the directory holds no project, a tool is missing, or the build fails.
pub fn component(directory: &Path, output: Output) -> Result<PathBuf> {
    if directory.join("Cargo.toml").is_file() {
        rust(directory, output)
    } else if directory.join("package.json").is_file() {
        node(directory, output)
    } else if directory.join("build.py").is_file() {
        let run = Tool::new("python3", "install Python 3.10 or newer", directory, output);
        run.with(&["build.py"])?;
        newest_component(directory)
    } else {
        bail!(
            "{} has neither Cargo.toml nor package.json nor build.py; `docmill plugin new` writes a project",
            directory.display()
        );
    }
}

fn rust(directory: &Path, output: Output) -> Result<PathBuf> {
    let built = Command::new("cargo")
        .current_dir(directory)
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--message-format",
            "json-render-diagnostics",
        ])
        .stdin(Stdio::null())
        .stderr(match output {
            Output::Shown => Stdio::inherit(),
            Output::Kept => Stdio::piped(),
        })
        .output()
        .context("cannot start cargo; install Rust from rustup.rs")?;
    if !built.status.success() {
        bail!(
            "the build failed (if the target is missing: rustup target add {TARGET}){}",
            end_of(&built.stderr)
        );
    }
    // cargo says itself what it made; the last component is the project's own.
    String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok())
        .flat_map(|message| list(&message, "filenames").to_vec())
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .rfind(|file| file.extension().is_some_and(|e| e == "wasm"))
        .context("the project made no component: its library needs crate-type = [\"cdylib\"]")
}

fn node(directory: &Path, output: Output) -> Result<PathBuf> {
    let npm = Tool::new("npm", "install Node.js", directory, output);
    if !directory.join("node_modules").is_dir() {
        npm.with(&["install", "--no-audit", "--no-fund"])?;
    }
    npm.with(&["run", "build"])?;
    newest_component(directory)
}

struct Tool<'a> {
    name: &'a str,
    remedy: &'a str,
    directory: &'a Path,
    output: Output,
}

impl<'a> Tool<'a> {
    fn new(name: &'a str, remedy: &'a str, directory: &'a Path, output: Output) -> Self {
        Self {
            name,
            remedy,
            directory,
            output,
        }
    }

    fn with(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(self.name);
        command.current_dir(self.directory).args(arguments);
        let missing = || format!("cannot start {}; {}", self.name, self.remedy);
        let (status, said) = match self.output {
            Output::Shown => (command.status().with_context(missing)?, String::new()),
            Output::Kept => {
                let ended = command.stdin(Stdio::null()).output().with_context(missing)?;
                let said = [ended.stdout, ended.stderr].concat();
                (ended.status, end_of(&said))
            }
        };
        if status.success() {
            return Ok(());
        }
        bail!("{} {} failed{said}", self.name, arguments.join(" "))
    }
}

/// The last lines of what a tool said, to stand behind an error.
fn end_of(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let lines: Vec<&str> = said.lines().collect();
    let skipped = lines.len().saturating_sub(TOLD_LINES);
    let told = lines.iter().skip(skipped);
    told.map(|line| format!("\n  {line}")).collect()
}

fn newest_component(directory: &Path) -> Result<PathBuf> {
    let made = std::fs::read_dir(directory)?.flatten().map(|e| e.path());
    // An older build may lie beside it under another name.
    made.filter(|p| p.extension().is_some_and(|e| e == "wasm"))
        .max_by_key(|p| p.metadata().and_then(|m| m.modified()).ok())
        .context("the build made no .wasm in the project's directory")
}
