//! What must be on the machine: installed when that is possible, or the exact line to run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{run, step, succeeds};

/// The target that plugins are compiled for.
pub const WASM: &str = "wasm32-wasip2";

/// The WebAssembly target of the toolchain in use.
pub fn wasm_target() -> Result<()> {
    let libdir = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM])
        .output()?;
    let libdir = PathBuf::from(String::from_utf8_lossy(&libdir.stdout).trim().to_owned());
    if libdir.read_dir().is_ok_and(|mut files| files.next().is_some()) {
        return Ok(());
    }
    step(&format!("adding the Rust target {WASM}"));
    if run(Command::new("rustup").args(["target", "add", WASM])).is_err() {
        bail!("plugins need the Rust target {WASM}; run: rustup target add {WASM}");
    }
    Ok(())
}

/// PostgreSQL's programs; docmill runs a private server of its own from them.
pub fn postgresql() -> Result<()> {
    if std::env::var_os("DATABASE_URL").is_some() || has_postgresql() {
        return Ok(());
    }
    let line = if cfg!(target_os = "macos") {
        "brew install postgresql@17"
    } else {
        "sudo apt-get install -y postgresql"
    };
    install(&["postgresql"], "PostgreSQL's programs are needed", line)?;
    if has_postgresql() {
        Ok(())
    } else {
        bail!("PostgreSQL's programs are still not there; run: {line}")
    }
}

fn has_postgresql() -> bool {
    let versions = Path::new("/usr/lib/postgresql")
        .read_dir()
        .into_iter()
        .flatten()
        .flatten();
    let mut places: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    places.extend(std::env::var_os("PG_BIN").map(PathBuf::from));
    places.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    places.extend(["16", "17", "18"].map(|v| PathBuf::from(format!("/opt/homebrew/opt/postgresql@{v}/bin"))));
    places
        .iter()
        .any(|place| place.join("initdb").is_file() && place.join("postgres").is_file())
}

/// Redis, for tests of the second cache tier; without it they say that they are skipped.
pub fn redis() {
    if !succeeds("redis-server", &["--version"])
        && install(
            &["redis-server"],
            "Redis is used by some tests",
            "sudo apt-get install -y redis-server",
        )
        .is_err()
    {
        eprintln!("note: redis-server is not installed; its tests will say that they are skipped");
    }
}

/// A registry, for the test that brings plugins there; without one it says that it is skipped. True if there is one.
pub fn registry() -> bool {
    let found = || succeeds("docker-registry", &["--version"]);
    if !found() {
        install(
            &["docker-registry"],
            "plugins are brought to a registry in a test",
            "sudo apt-get install -y docker-registry",
        )
        .ok();
    }
    let there = found();
    if !there {
        eprintln!("note: docker-registry is not installed; its test will say that it is skipped");
    }
    there
}

/// A browser, for the test of the console; without one it says that it is skipped. True if there is one.
pub fn browser() -> bool {
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    let found = || {
        std::env::var_os("DOCMILL_BROWSER").is_some()
            || names.iter().any(|name| succeeds(name, &["--version"]))
    };
    if !found() {
        install(
            &["chromium"],
            "the console is tested in a browser",
            "sudo apt-get install -y chromium",
        )
        .ok();
    }
    let there = found();
    if !there {
        eprintln!("note: no browser is installed; the console's test in one will say that it is skipped");
    }
    there
}

/// Node.js and npm, for the example plugins in JavaScript and TypeScript.
pub fn node() -> Result<()> {
    if succeeds("node", &["--version"]) && succeeds("npm", &["--version"]) {
        return Ok(());
    }
    install(
        &["nodejs", "npm"],
        "Node.js builds the JavaScript and TypeScript example plugins",
        "sudo apt-get install -y nodejs npm",
    )
}

/// Python with what makes virtual environments, for the example plugins in Python.
pub fn python() -> Result<()> {
    const NEEDED: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))";
    if succeeds("python3", &["-c", NEEDED]) {
        return Ok(());
    }
    let line = "sudo apt-get install -y python3 python3-venv";
    install(
        &["python3", "python3-venv"],
        "Python 3.10 or newer builds the Python example plugins",
        line,
    )?;
    if succeeds("python3", &["-c", NEEDED]) {
        Ok(())
    } else {
        bail!("Python 3.10 or newer with venv is still not there; run: {line}")
    }
}

fn install(packages: &[&str], why: &str, line: &str) -> Result<()> {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout.starts_with(b"0\n"));
    if !root || !succeeds("apt-get", &["--version"]) {
        bail!("{why}; run: {line}");
    }
    step(&format!("installing {} ({why})", packages.join(", ")));
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-qq", "-o", "Dpkg::Use-Pty=0"])
            .args(arguments);
        run(&mut apt)
    };
    // An old package list is better than none: installing tells.
    apt(&["update"]).ok();
    apt(&[&["install", "-y", "--no-install-recommends"], packages].concat())
}
