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
            !p["name"].as_str().is_some_and(|n| {
                [
                    "docmill-it",
                    "docmill-bench",
                    "docmill-crash",
                    "docmill-harness",
                    "xtask",
                ]
                .contains(&n)
            })
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

/// The released parts of `docmill:plugin@0.1.0` with the SHA-256 of their text. A plugin compiled against one must run for
/// years: what changes makes a new version beside it, never another text under its digest. An interface that a plugin in Rust
/// and one in JavaScript have exercised comes from `wit/next/` and gets its line here.
const CONTRACT_0_1_0: &[(&str, &str)] = &[
    (
        "interface types",
        "161cb046ae94e508ec8e95997c4d24c1c49e7ffe20b30840e303e5a389eda58e",
    ),
    (
        "interface documents",
        "2968a60619fe704f3790f97cce86bfb005ec593bf4da12347610cbbbee25a737",
    ),
    (
        "interface progress",
        "38517396330b0e00d775e4a0bf47eb6f1c42d1dad51e14c22392603692973cc4",
    ),
    (
        "interface manifest",
        "6d2529f3bf7f19feb734dcd0543a7f3ac8e7d78e0abb72272316dc3353707975",
    ),
    (
        "interface parser",
        "18405677dafe92e25b4be963fb071c62ee5e4d66b545b51a8f0d6a6c51fbe2d4",
    ),
    (
        "interface extractor",
        "94b498e9467ca14d252708d0d9606530800c7e88b990e0156e9e7d97f0f3f487",
    ),
    (
        "interface validator",
        "8b3a25b54822ba901f0c0c14f234d04a00bdd34728af11f02f564794730746b9",
    ),
    (
        "interface transformer",
        "273727db10b479dcdf790ed74c0753e077a577af9936a6baafb0601d35fa53d5",
    ),
    (
        "interface chunker",
        "1ca0110f9ecb043c2ac709a849bf3b8a521fb6747491df959b3ed777129ea0fe",
    ),
    (
        "interface embedder",
        "1dd329d95bed711c9676add72e39c385eda20d162b02f3a5f6f5c82ec884b2f7",
    ),
    (
        "interface llm-types",
        "1bcea7a2dd37ceeb9afa4cfff3472eb4debe130c6dccbaddb26d8e36b95678b5",
    ),
    (
        "interface llm",
        "56cc0fac73ad96bcfa68be9f31cacb50a13a73f4293cf468a6b131eda5c8f6f9",
    ),
    (
        "interface deltas",
        "d41b6b9eb0525e91950f5e8bcc98aa678fdfa90e275793019641541030e3c7f8",
    ),
    (
        "interface llm-adapter",
        "d5319d1e7e23bf9accf554576f5d963dea5a0dd31c5db2020b11085123e96aac",
    ),
    (
        "world base",
        "beacc4d9d251183c0a37f9e92c0f9cc71bf2a3bef608f9d00b70e84a6c2ee7e0",
    ),
    (
        "world parser-plugin",
        "00633d5dbb4da1d9cc7d34653c530d707803cf4af8dd5b91c7df4b300f4a14eb",
    ),
    (
        "world extractor-plugin",
        "db85d1a952c195942b046c13081ad39d55979f3d22a5b33c79ea7c2271a05472",
    ),
    (
        "world validator-plugin",
        "3045f272a96a8ec632d9fc5668012d7fb8e92f86ab34374d56f9d8054aa76a3c",
    ),
    (
        "world transformer-plugin",
        "34fd14178aacc7e6dc6451aeea3d7167a0d7a8b69fc8099872fa2f91cb2da209",
    ),
    (
        "world chunker-plugin",
        "643d5109cf6be00ad51a120922b6b59e3216987fae25d046640dfc7128e0cb7e",
    ),
    (
        "world embedder-plugin",
        "079d53e64f18e2cd2405863004076a6492135d55bc41eea2c88fdee4a7bc2335",
    ),
    (
        "world llm-adapter-plugin",
        "e44742b5832696c9145c2f21a5e9488568f69de5be29ed0977531f3cabdc5721",
    ),
];

#[test]
fn the_released_contract_only_grows() {
    let text = read("wit/plugin.wit");
    let parts = parts(&text);
    let digest = |text: &str| docmill_model::digest::Digest::of(text.as_bytes()).to_string();
    let found: Vec<(&str, String)> = parts.iter().map(|(name, part)| (*name, digest(part))).collect();
    let known: Vec<(&str, String)> = CONTRACT_0_1_0
        .iter()
        .map(|(name, digest)| (*name, (*digest).to_owned()))
        .collect();
    assert_eq!(
        found, known,
        "what is released stays as it is; what nobody has exercised yet belongs to wit/next/"
    );
    // Nothing stands outside of them but words.
    let rest = parts
        .iter()
        .fold(text.clone(), |rest, (_, part)| rest.replace(part, ""));
    let rest: Vec<&str> = rest
        .lines()
        .filter(|l| !l.trim().is_empty() && !l.starts_with("///"))
        .collect();
    assert_eq!(rest, ["package docmill:plugin@0.1.0;"]);
}

/// Every word of the contract's interfaces stands in the types for TypeScript, in its spelling, within the module of its
/// interface.
#[test]
fn the_types_for_typescript_have_the_whole_contract() {
    let text = read("wit/plugin.wit");
    let types = read("wit/plugin.d.ts");
    for (name, part) in parts(&text) {
        let Some(interface) = name.strip_prefix("interface ") else {
            continue;
        };
        let module = types
            .split("declare module \"docmill:plugin/")
            .find(|module| module.starts_with(&format!("{interface}@0.1.0\"")))
            .unwrap_or_else(|| panic!("wit/plugin.d.ts has no module of `{interface}`"));
        let words: std::collections::HashSet<&str> =
            module.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
        let mut found = 0;
        for (spelling, line) in declared(part) {
            let known =
                words.contains(spelling.as_str()) || (spelling == "Error" && words.contains("PluginError"));
            assert!(
                known,
                "wit/plugin.d.ts has no `{spelling}` of `{interface}`: {line}"
            );
            found += 1;
        }
        assert!(found > 0, "{interface}: the reader of this test reads nothing");
    }
}

/// What an interface declares: types in PascalCase, functions and members of records in camelCase, cases as they are.
fn declared(part: &str) -> Vec<(String, &str)> {
    let pascal = |word: &str| -> String {
        let upper = |word: &str| word[..1].to_uppercase() + &word[1..];
        word.split('-').map(upper).collect()
    };
    let camel = |word: &str| {
        let pascal = pascal(word);
        pascal[..1].to_lowercase() + &pascal[1..]
    };
    let mut cases = false;
    let mut names = Vec::new();
    for line in part.lines().map(str::trim) {
        let words: Vec<&str> = line
            .split(|c: char| !c.is_alphanumeric() && c != '-')
            .filter(|word| !word.is_empty())
            .collect();
        match words.as_slice() {
            [] if line == "}" => cases = false,
            [] => {}
            _ if line.starts_with("//") => {}
            ["use" | "interface" | "constructor", ..] => {}
            [
                what @ ("type" | "record" | "enum" | "variant" | "resource"),
                name,
                ..,
            ] => {
                names.push((pascal(name), line));
                cases = line.ends_with('{') && matches!(*what, "enum" | "variant");
                // On one line.
                if let Some((_, inside)) = line
                    .split_once('{')
                    .filter(|_| matches!(*what, "enum" | "variant"))
                {
                    let named = inside
                        .split([',', '}'])
                        .map(str::trim)
                        .filter(|name| !name.is_empty());
                    names.extend(named.map(|name| (name.to_owned(), line)));
                }
                if *what == "record" {
                    let members = line.split_once('{').map_or("", |(_, rest)| rest).split(',');
                    let named = members.filter_map(|member| member.split_once(':'));
                    names.extend(named.map(|(name, _)| (camel(name.trim()), line)));
                }
            }
            [name, ..] if cases => names.push(((*name).to_owned(), line)),
            [name, ..] => names.push((camel(name), line)),
        }
    }
    names
}

/// Interfaces and worlds with their text: from the word at the beginning of a line to the brace that closes it.
fn parts(text: &str) -> Vec<(&str, &str)> {
    let mut parts = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("interface ") || line.starts_with("world ") {
            let rest = &text[at..];
            let length = if line.trim_end().ends_with('}') {
                line.len()
            } else {
                rest.find("\n}\n").expect("every part is closed") + 3
            };
            let name = line.split_once(" {").map_or(line, |(name, _)| name);
            parts.push((name, &rest[..length]));
        }
        at += line.len();
    }
    parts
}
