//! `docmill plugin new | build | check | push | list | show | grant | revoke`

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use anyhow::{Context as _, Result, bail};
use docmill_engine::Engine;
use docmill_registry::Report;
use reqwest::Method;
use serde_json::Value as Json;

use crate::cli::{Arguments, Plugin as Command};
use crate::client::{Client, segment};
use crate::commands::{grant, load_config, new};
use crate::exit;
use crate::show::{Style, list, say, table, text};

/// Does what a `plugin` command asks.
pub async fn plugin(arguments: &Arguments, command: &Command) -> Result<u8> {
    match command {
        Command::New { name, kind, lang } => new::new(name, *kind, *lang),
        Command::Build { directory } => build(arguments, directory).await,
        Command::Check { file, json } => {
            let report = check(arguments, read(file)?).await?;
            if *json {
                say!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                print_report(file, &report);
            }
            Ok(if report.ok { exit::OK } else { exit::FAILED })
        }
        Command::Push { file } => push(arguments, file).await,
        Command::List { json } => {
            let client = Client::open(arguments).await?;
            let shown = client.list("/v1/plugins").await;
            client.close().await;
            show_list(&shown?, *json)
        }
        Command::Show { name, json } => {
            let (namespace, plain) = name.split_once('/').context("write the name as namespace/name")?;
            let client = Client::open(arguments).await?;
            let path = format!("/v1/plugins/{}/{}", segment(namespace), segment(plain));
            let shown = async {
                let mut plugin = client.get(&path).await?;
                let grants = client.get(&format!("{path}/grants")).await?;
                if let Some(members) = plugin.as_object_mut() {
                    members.insert(
                        "grants".to_owned(),
                        grants.get("items").cloned().unwrap_or_default(),
                    );
                }
                anyhow::Ok(plugin)
            };
            let shown = shown.await;
            client.close().await;
            show_one(&shown?, *json)
        }
        Command::Grant { .. } | Command::Revoke { .. } => grant::grant(arguments, command).await,
    }
}

/// Checks without a database: only the engine is started.
async fn check(arguments: &Arguments, component: Vec<u8>) -> Result<Report> {
    let config = load_config(arguments, &[])?;
    // Code of a component that may never be published is not kept.
    let code = tempfile::tempdir().context("cannot make a temporary directory")?;
    let settings = config.engine(code.path().to_owned(), config.platform_key.unwrap_or_default());
    let engine = Engine::new(settings).context("cannot start the engine")?;
    Ok(docmill_registry::check(&engine, component.into()).await)
}

fn print_report(file: &Path, report: &Report) {
    let style = Style::stdout();
    for line in &report.lines {
        say!(
            "{} {:<14} {}",
            if line.pass { "✓" } else { "✗" },
            style.bold(line.check),
            line.detail
        );
    }
    let verdict = if report.ok {
        "can be published"
    } else {
        "cannot be published yet"
    };
    say!("{} {verdict}", file.display());
}

/// Builds the project of a directory and checks the component; prints where it is.
async fn build(arguments: &Arguments, directory: &Path) -> Result<u8> {
    let component = if directory.join("Cargo.toml").is_file() {
        build_rust(directory)?
    } else if directory.join("package.json").is_file() {
        build_js(directory)?
    } else if directory.join("build.py").is_file() {
        build_python(directory)?
    } else {
        bail!(
            "{} has neither Cargo.toml nor package.json nor build.py; `docmill plugin new` writes a project",
            directory.display()
        );
    };
    let report = check(arguments, read(&component)?).await?;
    print_report(&component, &report);
    Ok(if report.ok { exit::OK } else { exit::FAILED })
}

fn build_rust(directory: &Path) -> Result<PathBuf> {
    const TARGET: &str = "wasm32-wasip2";
    let output = Process::new("cargo")
        .current_dir(directory)
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--message-format",
            "json-render-diagnostics",
        ])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot start cargo; install Rust from rustup.rs")?;
    if !output.status.success() {
        bail!("the build failed (if the target is missing: rustup target add {TARGET})");
    }
    // cargo says itself what it made; the last component is the project's own.
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok())
        .flat_map(|message| list(&message, "filenames").to_vec())
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .rfind(|file| file.extension().is_some_and(|e| e == "wasm"))
        .context("the project made no component: its library needs crate-type = [\"cdylib\"]")
}

fn build_js(directory: &Path) -> Result<PathBuf> {
    let npm = |arguments: &[&str]| -> Result<()> {
        let status = Process::new("npm")
            .current_dir(directory)
            .args(arguments)
            .status()
            .context("cannot start npm; install Node.js")?;
        if status.success() {
            Ok(())
        } else {
            bail!("npm {} failed", arguments.join(" "))
        }
    };
    if !directory.join("node_modules").is_dir() {
        npm(&["install", "--no-audit", "--no-fund"])?;
    }
    npm(&["run", "build"])?;
    newest_component(directory)
}

fn build_python(directory: &Path) -> Result<PathBuf> {
    let status = Process::new("python3")
        .current_dir(directory)
        .arg("build.py")
        .status()
        .context("cannot start python3; install Python 3.10 or newer")?;
    if !status.success() {
        bail!("python3 build.py failed");
    }
    newest_component(directory)
}

fn newest_component(directory: &Path) -> Result<PathBuf> {
    let made = std::fs::read_dir(directory)?.flatten().map(|e| e.path());
    // An older build may lie beside it under another name.
    made.filter(|p| p.extension().is_some_and(|e| e == "wasm"))
        .max_by_key(|p| p.metadata().and_then(|m| m.modified()).ok())
        .context("the build made no .wasm in the project's directory")
}

async fn push(arguments: &Arguments, file: &Path) -> Result<u8> {
    let bytes = read(file)?;
    // The component says its own name and version; they are the address.
    let report = check(arguments, bytes.clone()).await?;
    let Some(manifest) = report.manifest.as_ref().filter(|_| report.ok) else {
        print_report(file, &report);
        return Ok(exit::FAILED);
    };
    let name = &manifest.name;
    let path = format!(
        "/v1/plugins/{}/{}/versions/{}",
        name.namespace(),
        name.name(),
        segment(&manifest.version.to_string())
    );
    let client = Client::open(arguments).await?;
    let pushed = client.bytes(Method::PUT, &path, "application/wasm", bytes).await;
    client.close().await;
    let created = pushed?.get("created").and_then(Json::as_bool).unwrap_or(true);
    let what = if created {
        "published"
    } else {
        "was published already with the same bytes"
    };
    say!("{name}@{} {what}", manifest.version);
    Ok(exit::OK)
}

fn show_list(plugins: &Json, json: bool) -> Result<u8> {
    if json {
        say!("{}", serde_json::to_string_pretty(plugins)?);
        return Ok(exit::OK);
    }
    let rows: Vec<[String; 4]> = list(plugins, "items")
        .iter()
        .map(|p| ["name", "latest", "kind", "summary"].map(|n| text(p, n)))
        .collect();
    let mut out = String::new();
    table(
        &mut out,
        ["plugin", "newest", "kind", "summary"],
        &rows,
        Style::stdout(),
    );
    say!("{}", out.trim_end());
    Ok(exit::OK)
}

fn show_one(plugin: &Json, json: bool) -> Result<u8> {
    if json {
        say!("{}", serde_json::to_string_pretty(plugin)?);
        return Ok(exit::OK);
    }
    let style = Style::stdout();
    say!(
        "{}  {}\n{}",
        style.bold(&text(plugin, "name")),
        text(plugin, "kind"),
        text(plugin, "summary")
    );
    for version in list(plugin, "versions") {
        let size = version.get("size").and_then(Json::as_u64).unwrap_or(0);
        say!(
            "  {}  {} KiB  {}",
            text(version, "version"),
            size / 1024,
            style.dim(&text(version, "digest"))
        );
    }
    say!("\n{}", grant::sheet(plugin).trim_end());
    let newest = list(plugin, "versions").first().and_then(|v| v.get("manifest"));
    if let Some(schema) = newest.and_then(|m| m.get("config_schema")) {
        say!(
            "\nconfiguration (JSON Schema):\n{}",
            serde_json::to_string_pretty(schema)?
        );
    }
    Ok(exit::OK)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
