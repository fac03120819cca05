//! `docmill demo`: the first thing that anybody sees.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::support::home;

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
