//! Building plugins: components into `plugins/dist/`, from where the binary embeds them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::process::{command, run, step};
use crate::setup::WASM;

/// The folders of examples that Node.js builds, and their languages.
const NODE: [(&str, &str); 2] = [("js", "JavaScript"), ("ts", "TypeScript")];

/// Builds every crate of the plugins' workspace that makes a component.
pub fn build(root: &Path) -> Result<()> {
    step("building the first-party plugins");
    let place = root.join("plugins");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    // Each plugin is linked whole by one thread at the end, so several at once pay even on two cores.
    run(command(cargo).current_dir(&place).args([
        "build",
        "--release",
        "--locked",
        "--workspace",
        "--target",
        WASM,
    ]))?;
    let dist = place.join("dist");
    fs::create_dir_all(&dist)?;
    for built in place.join("target").join(WASM).join("release").read_dir()? {
        let built = built?.path();
        if built.extension().is_some_and(|e| e == "wasm") {
            let name = built
                .file_stem()
                .and_then(|n| n.to_str())
                .context("a component has a readable name")?;
            copy_if_changed(
                &built,
                &dist.join(format!("{}.wasm", name.trim_start_matches("docmill_"))),
            )?;
        }
    }
    Ok(())
}

/// Builds the example plugins in other languages.
pub fn examples(root: &Path) -> Result<()> {
    for (folder, language) in NODE {
        step(&format!("building the example plugins in {language}"));
        npm_build(&root.join("plugins/examples").join(folder))?;
    }
    step("building the example plugins in Python");
    run(command("python3")
        .current_dir(root.join("plugins/examples/python"))
        .arg("build.py"))
}

fn npm_build(place: &Path) -> Result<()> {
    if !place.join("node_modules").is_dir() {
        // Not `npm ci`: the tool's package names builds for systems that its authors never published, and `ci` takes that
        // for a lock out of step. The lock's versions and digests hold either way.
        run(command("npm").current_dir(place).args([
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--silent",
        ]))?;
    }
    run(command("npm")
        .current_dir(place)
        .args(["run", "--silent", "build"]))
}

/// What the examples test of themselves, without a host.
pub fn test_examples(root: &Path) -> Result<()> {
    step("testing the example plugins in other languages");
    let examples = root.join("plugins/examples");
    for (folder, _) in NODE {
        run(command("npm")
            .current_dir(examples.join(folder))
            .args(["test", "--silent"]))?;
    }
    run(command("python3")
        .current_dir(examples.join("python"))
        .args(["-m", "unittest", "--quiet"]))
}

/// An unchanged file keeps its time, so that cargo need not build the host again.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from)?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()))
}
