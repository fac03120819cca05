//! `docmill demo`: the first thing that anybody sees.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::support::{Done, home, root};

#[test]
fn every_sample_comes_out_as_its_truth_says_and_the_second_start_is_quick() {
    let home = home();
    let done = home.run(&["demo", "--all", "--json"]).ended(0);
    let documents: Vec<Json> = done
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(documents.len() >= 12, "{}", done.out);
    for document in &documents {
        assert_eq!(document["right"], true, "{document:#}");
        let steps = document["run"]["steps"].as_array().unwrap();
        assert!(!steps.is_empty());
        for step in steps.iter().filter(|s| s["status"] == "succeeded") {
            // Measured: a guest takes time and memory.
            assert!(step["wall_us"].as_i64().unwrap() > 0, "{step:#}");
            let usage = &step["attempts"][0]["usage"];
            assert!(usage["peak_memory_bytes"].as_u64().unwrap() > 0, "{step:#}");
        }
    }

    let begun = Instant::now();
    let shown = home.run(&["demo"]).ended(0);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    for part in [
        "4 of 4 documents as their truth says",
        "field",
        "sure",
        "page 1 “",
        "verdict",
        " ms",
        " MiB",
        "✓ it asks for your run",
        "(not-found)",
        "neighbour sends more and is told",
        "(quota-exceeded)",
        "What your organisation used this month",
        "total",
        "docmill run YOUR.pdf",
    ] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    // The key is shown by the start that makes it, and by no other.
    assert!(
        !shown.out.contains("API key") && !shown.err.contains("API key"),
        "{shown:#?}"
    );
}

/// Twenty attacks, each with its exact code, while somebody else's runs go on.
#[test]
fn a_stranger_gets_nowhere() {
    let home = home();
    let shown = home.run(&["demo", "hostile"]).ended(0);
    for piece in [
        "timeout",
        "memory-limit",
        "log-cut",
        "address-refused",
        "0 of",
        "p99",
    ] {
        assert!(shown.out.contains(piece), "{piece} in {}", shown.out);
    }
    assert!(!shown.out.contains('✗'), "{}", shown.out);
    assert!(shown.out.matches('✓').count() >= 20, "{}", shown.out);
}

/// A plugin's life in Rust and JavaScript, twice on the same machine.
#[test]
fn a_plugin_is_written_admitted_reloaded_and_held_to_its_promises() {
    let npm = std::process::Command::new("npm").arg("--version").output();
    if std::env::var_os("DOCMILL_REQUIRE_EXAMPLES").is_none() && npm.is_err() {
        println!("skipped: npm is missing");
        return;
    }
    let home = home();
    // Dependencies are built once for all tests.
    let target = root().join("target/test-plugins");
    let mut command = home.docmill(&["demo", "plugin", "--json"]);
    let shown = Done::of(command.env("CARGO_TARGET_DIR", &target).output().unwrap()).ended(0);
    let steps: Vec<Json> = shown
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for language in ["rust", "js"] {
        let of: Vec<&Json> = steps.iter().filter(|step| step["language"] == language).collect();
        let names: Vec<&str> = of.iter().map(|step| step["step"].as_str().unwrap()).collect();
        assert_eq!(
            names.join(" "),
            "written built admitted run edited built admitted reloaded edited built refused built admitted unmoved",
            "{}",
            shown.out
        );
        assert!(of.iter().all(|step| step["ok"] == true), "{}", shown.out);
        let versions: Vec<&str> = of.iter().filter_map(|step| step["version"].as_str()).collect();
        assert_eq!(versions, ["1.0.0", "1.0.1", "2.0.0"]);
        assert!(of[2]["lines"].to_string().contains("describe"), "{:#}", of[2]);
        let values: Vec<&Json> = [3, 7, 13].iter().map(|place| &of[*place]["value"]).collect();
        assert_eq!(values, [&json!("42-A."), &json!("42-A"), &json!("42-A")]);
        let broke = of[10]["lines"].to_string();
        for piece in ["label", "order", "2.0.0"] {
            assert!(broke.contains(piece), "{piece} in {broke}");
        }
        assert_eq!(of[10]["code"], "breaking-change");
    }

    // Again, for people, on a machine that has Rust and no Node.js.
    let tools = home.data.with_file_name("rust-alone");
    std::fs::create_dir_all(&tools).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for tool in ["cargo", "rustc"] {
        let mut found = std::env::split_paths(&path).map(|place| place.join(tool));
        let found = found.find(|file| file.is_file()).unwrap();
        std::os::unix::fs::symlink(found, tools.join(tool)).unwrap();
    }
    let mut command = home.docmill(&["demo", "plugin"]);
    let command = command.env("CARGO_TARGET_DIR", &target).env("PATH", &tools);
    let shown = Done::of(command.output().unwrap()).ended(5);
    for piece in [
        "npm is missing; install Node.js",
        "@3.0.0 → 201",
        "@3.1.0 → 422 breaking-change",
        "@4.0.0 → 201",
        "1 of 2 languages shown, 0 claims did not hold",
    ] {
        assert!(shown.out.contains(piece), "{piece} in {}", shown.out);
    }
}

/// Workers are killed under the documents; each document is worked on once, and the command says so by its exit code.
#[test]
fn killed_workers_lose_nothing() {
    let home = home();
    let shown = home.run(&["demo", "crash", "--documents", "150"]).ended(0);
    for part in [
        "150 documents for 3 workers",
        "150 of 150 documents were worked on, 0 twice; 0 failed, 0 are still queued",
        "✓ nothing was lost, and nothing was committed twice",
    ] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    let workers = home.run(&["workers"]).ended(0);
    assert!(
        workers.out.contains("queue: 0 ready, 0 later, 0 at work"),
        "{}",
        workers.out
    );
}
