//! `cargo xtask COMMAND`: everything that a developer or CI does, with nothing prepared but rustup.
#![forbid(unsafe_code)]

mod plugins;
mod process;
mod setup;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use process::run;

const HELP: &str = "\
cargo xtask COMMAND [ARGUMENTS]

  demo [--stay] [--json]   set up what is missing, build, and run docmill on sample documents
  test [FILTER]            every test: host, plugins, integration over a real PostgreSQL
  lint                     rustfmt and clippy, warnings are errors
  build                    first-party plugins and the `docmill` binary (debug)
  plugins                  first-party plugins alone, into plugins/dist/
  examples                 the example plugins in JavaScript, TypeScript and Python, into plugins/dist/examples/
  bench [NAME…] [--json FILE]   the benchmarks (release build)
  malformed [COUNT] [SEED] malformed uploads, for a night: 100000 of them if nothing else is said
  pairs [COUNT]            pairs of calls that look for each other's state, for a night: 100000 if nothing else is said
  crash [--faults N] [--runs N] [--seed S] [--json FILE]
                           kill, stop and cut off hosts and PostgreSQL at named points while runs are worked on; 200 faults
                           if nothing else is said
  sqlx                     check every SQL statement again and write host/store/.sqlx
";

fn main() -> ExitCode {
    match dispatch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let root = root()?;
    match command.as_str() {
        "demo" => demo(&root, &rest),
        "test" => test(&root, &rest),
        "lint" => lint(&root),
        "build" => build(&root),
        "plugins" => setup::wasm_target().and_then(|()| plugins::build(&root)),
        "examples" => setup::node()
            .and_then(|()| setup::python())
            .and_then(|()| plugins::examples(&root)),
        "bench" => bench(&root, &rest),
        "malformed" => malformed(&root, &rest),
        "pairs" => pairs(&root, &rest),
        "crash" => crash(&root, &rest),
        "sqlx" => sqlx(&root),
        "" | "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("there is no command '{other}'\n\n{HELP}"),
    }
}

/// The repository's root: two levels above this crate.
fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .map(Path::to_owned)
        .context("this crate lies in tests/xtask")
}

fn cargo(root: &Path) -> std::process::Command {
    let mut command = process::command(std::env::var("CARGO").as_deref().unwrap_or("cargo"));
    command.current_dir(root);
    command
}

fn build(root: &Path) -> Result<()> {
    setup::wasm_target()?;
    plugins::build(root)?;
    process::step("building docmill (the first time takes some minutes)");
    run(cargo(root).args(["build", "--package", "docmill-server"]))
}

fn demo(root: &Path, arguments: &[String]) -> Result<()> {
    setup::wasm_target()?;
    setup::postgresql()?;
    build(root)?;
    let binary = root.join("target/debug/docmill");
    process::become_program(process::command(binary).arg("demo").args(arguments))
}

fn test(root: &Path, arguments: &[String]) -> Result<()> {
    setup::wasm_target()?;
    setup::postgresql()?;
    setup::redis();
    setup::node()?;
    setup::python()?;
    let registry = setup::registry();
    let browser = setup::browser();
    plugins::build(root)?;
    plugins::examples(root)?;
    plugins::test_examples(root)?;
    let corpus = corpus(root);
    let tests = |place: &Path, options: &[&str]| {
        let mut command = cargo(root);
        command.current_dir(place).arg("test").arg("--workspace");
        command.args(options).args(arguments);
        // Built a moment ago: a test that does not find them is not skipped, it fails.
        command.env("DOCMILL_REQUIRE_EXAMPLES", "1");
        if registry {
            command.env("DOCMILL_REQUIRE_REGISTRY", "1");
        }
        if browser {
            command.env("DOCMILL_REQUIRE_BROWSER", "1");
        }
        command.envs(corpus.iter().map(|corpus| ("DOCMILL_CORPUS", corpus)));
        run(&mut command)
    };
    process::step("testing the plugins' logic");
    tests(&root.join("plugins"), &["--quiet"])?;
    process::step("testing the host, with a real PostgreSQL");
    // With the generator of the samples, which makes the committed ones again and compares.
    tests(root, &["--features", "docmill-samples/generate"])?;
    if arguments.is_empty() {
        process::step("killing hosts and PostgreSQL under runs: 20 faults");
        crash_suite(root, &["--faults", "20", "--runs", "200"].map(str::to_owned))?;
    }
    Ok(())
}

/// Real documents with their truth, which are not part of the repository: tests over them read `DOCMILL_CORPUS`. None if it
/// is set already, or if they do not lie beside the repository.
fn corpus(root: &Path) -> Option<PathBuf> {
    if std::env::var_os("DOCMILL_CORPUS").is_some() {
        return None;
    }
    let beside = root.join("../shared/corpus").canonicalize().ok();
    if beside.is_none() {
        eprintln!(
            "note: there is no ../shared/corpus and DOCMILL_CORPUS is not set; tests over real documents skip themselves"
        );
    }
    beside
}

fn lint(root: &Path) -> Result<()> {
    setup::wasm_target()?;
    // With the generator of the samples, which only tests build.
    let generator: &[&str] = &["--features", "docmill-samples/generate"];
    for (place, features) in [(root.to_owned(), generator), (root.join("plugins"), &[])] {
        run(cargo(root).current_dir(&place).args(["fmt", "--all", "--check"]))?;
        run(cargo(root)
            .current_dir(&place)
            .args(["clippy", "--workspace", "--all-targets"])
            .args(features)
            .args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn bench(root: &Path, arguments: &[String]) -> Result<()> {
    setup::wasm_target()?;
    setup::postgresql()?;
    plugins::build(root)?;
    process::step("building the benchmarks, optimised");
    run(cargo(root).args([
        "build",
        "--release",
        "--package",
        "docmill-bench",
        "--package",
        "docmill-server",
    ]))?;
    run(process::command(root.join("target/release/docmill-bench"))
        .current_dir(root)
        .args(arguments))
}

/// As every CI does, but more of them.
fn malformed(root: &Path, arguments: &[String]) -> Result<()> {
    setup::wasm_target()?;
    let [count, seed] = [(0, "100000"), (1, "0")].map(|(place, otherwise)| {
        let given = arguments.get(place);
        given.map_or(otherwise, String::as_str).to_owned()
    });
    if count.parse::<u64>().is_err() || seed.parse::<u64>().is_err() {
        bail!("write how many, and where to begin, as whole numbers: cargo xtask malformed 100000 0");
    }
    run(one_test(root, "whatever_is_uploaded_gets_a_typed_answer")
        .env("DOCMILL_MALFORMED", count)
        .env("DOCMILL_MALFORMED_SEED", seed))
}

/// The same.
fn pairs(root: &Path, arguments: &[String]) -> Result<()> {
    setup::wasm_target()?;
    let count = arguments.first().map_or("100000", String::as_str);
    if count.parse::<u64>().is_err() {
        bail!("write how many, as a whole number: cargo xtask pairs 100000");
    }
    run(one_test(root, "no_call_finds_what_another_left").env("DOCMILL_PAIRS", count))
}

/// Faults at named points, which are compiled into everything but releases.
fn crash(root: &Path, arguments: &[String]) -> Result<()> {
    setup::wasm_target()?;
    setup::postgresql()?;
    plugins::build(root)?;
    process::step("building what the tests use");
    run(cargo(root).args([
        "test",
        "--workspace",
        "--features",
        "docmill-samples/generate",
        "--no-run",
    ]))?;
    crash_suite(root, arguments)
}

fn crash_suite(root: &Path, arguments: &[String]) -> Result<()> {
    let program = |name: &str| root.join("target/debug").join(name);
    let mut command = process::command(program("docmill-crash"));
    command.arg("--docmill").arg(program("docmill")).args(arguments);
    run(command.current_dir(root))
}

/// One integration test, with the features of `test`, so that nothing is built twice.
fn one_test(root: &Path, name: &str) -> std::process::Command {
    let options = [
        "test",
        "--workspace",
        "--features",
        "docmill-samples/generate",
        "--test",
        "it",
    ];
    let mut command = cargo(root);
    command.args(options).args(["--", "--nocapture", name]);
    command
}

/// Statements are checked against a database that the migrations made; what the compiler learns there is committed, so
/// that a build needs no database.
fn sqlx(root: &Path) -> Result<()> {
    setup::postgresql()?;
    process::step("checking every SQL statement");
    run(process::command(root.join("host/store/prepare-statements")).current_dir(root))
}
