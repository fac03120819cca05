//! `docmill audit`: what commands did is in the log after they ended, and the log proves itself.

use serde_json::json;

use crate::support::{home, sample, text};

#[test]
fn what_was_run_and_read_is_listed_and_verified() {
    let home = home();
    let run = home
        .run(&["run", "--json", text(&sample("letter.txt"))])
        .ended(0)
        .json();
    let id = run["id"].as_str().unwrap();
    home.run(&["runs", "show", id, "--json"]).ended(0);
    home.run(&["runs", "list", "--lookup", "secret=value"]).ended(0);

    // Each was a platform of its own, which wrote its reads before it ended.
    let of_run = home
        .run(&["audit", "list", "--subject", id, "--json"])
        .ended(0)
        .json();
    let actions: Vec<_> = of_run["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].clone())
        .collect();
    assert_eq!(actions, [json!("run.read"), json!("run.finish")]);
    let listed = home
        .run(&[
            "audit",
            "list",
            "--action",
            "run.list",
            "--since",
            "2020-01-01",
            "--limit",
            "1",
        ])
        .ended(0);
    assert!(
        listed.out.contains("run.list") && listed.out.contains("127.0.0.1"),
        "{listed:#?}"
    );
    assert!(
        !listed.out.contains("secret") && !listed.out.contains("value"),
        "{listed:#?}"
    );

    let verified = home.run(&["audit", "verify"]).ended(0);
    assert!(verified.out.starts_with("intact: "), "{verified:#?}");
    let head = verified
        .out
        .lines()
        .find_map(|line| line.strip_prefix("head: "))
        .unwrap();
    let again = home
        .run(&["audit", "verify", "--head", head, "--json"])
        .ended(0)
        .json();
    assert_eq!(
        (&again["intact"], &again["complete"]),
        (&json!(true), &json!(true))
    );
    let (seq, _) = head.split_once(':').unwrap();
    let other = format!("{seq}:{}", "0".repeat(64));
    let rewritten = home.run(&["audit", "verify", "--head", &other]).ended(1);
    assert!(
        rewritten.out.starts_with("BROKEN") && rewritten.out.contains("(rewritten)"),
        "{rewritten:#?}"
    );
    let malformed = home.run(&["audit", "verify", "--head", "x"]).ended(1);
    assert!(malformed.err.contains("SEQ:HASH"), "{malformed:#?}");
}
