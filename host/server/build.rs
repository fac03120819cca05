//! Puts into the binary what a release must carry: first-party components, example pipelines, the templates of
//! `plugin new` with the guest crate and the contract they build against.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Built by `cargo xtask plugins` into `plugins/dist/`.
const FIRST_PARTY: [&str; 10] = [
    "text",
    "pdf",
    "html",
    "office",
    "patterns",
    "rules",
    "template",
    "chunks",
    "hashed_ngrams",
    "openai",
];

/// What `docmill demo hostile` uploads.
const HOSTILE: [&str; 2] = ["hostile", "hostile_http"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let root = here.join("../..").canonicalize()?;
    let mut code = String::new();

    let dist = root.join("plugins/dist");
    println!("cargo:rerun-if-changed={}", dist.display());
    let built = |names: &[&str]| -> Vec<(String, PathBuf)> {
        let files = names
            .iter()
            .map(|n| ((*n).to_owned(), dist.join(format!("{n}.wasm"))));
        files.filter(|(_, file)| file.is_file()).collect()
    };
    let (present, hostile) = (built(&FIRST_PARTY), built(&HOSTILE));
    if present.len() < FIRST_PARTY.len() || hostile.len() < HOSTILE.len() {
        println!(
            "cargo:warning=first-party plugins are missing from the binary; build them with `cargo xtask plugins`"
        );
    }
    list(&mut code, "FIRST_PARTY", present.into_iter())?;
    list(&mut code, "HOSTILE", hostile.into_iter())?;

    for (name, directory) in [
        ("PIPELINES", here.join("assets/pipelines")),
        ("TEMPLATES", here.join("assets/templates")),
        ("SDK", root.join("plugins/sdk")),
        ("WIT", root.join("wit")),
    ] {
        let mut files = Vec::new();
        walk(&directory, &directory, &mut files)?;
        files.sort();
        list(&mut code, name, files.into_iter())?;
    }
    fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("embedded.rs"), code)?;
    Ok(())
}

fn list(code: &mut String, name: &str, files: impl Iterator<Item = (String, PathBuf)>) -> std::fmt::Result {
    writeln!(code, "pub const {name}: &[(&str, &[u8])] = &[")?;
    for (key, file) in files {
        println!("cargo:rerun-if-changed={}", file.display());
        writeln!(
            code,
            "    ({key:?}, include_bytes!({:?})),",
            file.display().to_string()
        )?;
    }
    writeln!(code, "];")
}

fn walk(base: &Path, directory: &Path, files: &mut Vec<(String, PathBuf)>) -> std::io::Result<()> {
    println!("cargo:rerun-if-changed={}", directory.display());
    let Ok(entries) = directory.read_dir() else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with("node_modules") {
                walk(base, &path, files)?;
            }
        } else if let Ok(relative) = path.strip_prefix(base) {
            files.push((relative.to_string_lossy().replace('\\', "/"), path));
        }
    }
    Ok(())
}
