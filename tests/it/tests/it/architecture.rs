//! The table in ARCHITECTURE.md holds against what cargo says, and the released contract does not change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Crate → what it may import, as the table says.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let text = read("ARCHITECTURE.md");
    let rows = text
        .lines()
        .skip_while(|l| !l.starts_with("| crate |"))
        .skip(2)
        .take_while(|l| l.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let imports = cells.get(2).copied().unwrap_or_default();
        let imports = imports
            .split(", ")
            .filter(|i| *i != "–")
            .map(str::to_owned)
            .collect();
        (cells.first().copied().unwrap_or_default().to_owned(), imports)
    })
    .collect()
}

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--locked",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    serde_json::from_slice(&output.stdout).expect("cargo metadata gives JSON")
}

/// Crate → the docmill crates and the heavy libraries that it depends on (not for its tests).
fn actual() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .filter(|p| {
            !p["name"]
                .as_str()
                .is_some_and(|n| ["docmill-it", "docmill-bench", "docmill-harness", "xtask"].contains(&n))
        })
        .map(|package| {
            let name = package["name"]
                .as_str()
                .unwrap_or_default()
                .trim_start_matches("docmill-")
                .to_owned();
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let linked = dependencies
                .iter()
                .filter(|d| d["kind"].is_null())
                .filter_map(|d| d["name"].as_str());
            (
                name,
                linked
                    .map(|n| n.trim_start_matches("docmill-").to_owned())
                    .collect(),
            )
        })
        .collect()
}

#[test]
fn crates_import_what_the_table_says() {
    let (allowed, actual) = (allowed(), actual());
    assert_eq!(
        allowed.keys().collect::<Vec<_>>(),
        actual.keys().collect::<Vec<_>>(),
        "every crate has a row, every row a crate"
    );
    for (name, dependencies) in &actual {
        for dependency in dependencies.iter().filter(|d| allowed.contains_key(*d)) {
            assert!(
                allowed[name].contains(dependency),
                "{name} imports {dependency}, which ARCHITECTURE.md does not allow"
            );
        }
    }
}

#[test]
fn each_heavy_library_is_behind_one_wall() {
    let actual = actual();
    for (library, home) in [
        ("wasmtime", "engine"),
        ("wasmtime-wasi", "engine"),
        ("sqlx", "store"),
        ("axum", "api"),
        ("aws-sdk-s3", "blob"),
    ] {
        let users: Vec<&String> = actual
            .iter()
            .filter(|(_, d)| d.contains(library))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(users, [home], "{library} is used by {home} alone");
    }
    let redis: Vec<&String> = actual
        .iter()
        .filter(|(_, d)| d.contains("redis"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(redis, ["cache", "quota"], "values, and counts that hosts share");
    for forbidden in ["tokio", "sqlx", "axum", "wasmtime", "tracing"] {
        assert!(!actual["model"].contains(forbidden), "model is pure");
    }
}

/// SHA-256 of the released contract, `docmill:plugin@0.1.0`. A plugin compiled against it must run for years: what changes
/// makes a new version beside it, never another text under this digest.
const CONTRACT_0_1_0: &str = "a1885377a0741247752c0fafdd72ee05a6a6e56f9306468fa60da09c3cc984bb";

#[test]
fn the_released_contract_does_not_change() {
    let digest = docmill_model::digest::Digest::of(read("wit/plugin.wit").as_bytes());
    assert_eq!(
        digest.to_string(),
        CONTRACT_0_1_0,
        "wit/plugin.wit is released; put what is new into wit/next/"
    );
}
