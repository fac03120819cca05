//! `docmill serve`: keys, several processes on one directory, the end.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::support::{home, root, sample, text, with_input};

#[test]
fn another_key_is_printed_once_and_works() {
    let home = home();
    let server = home.start(&mut home.docmill(&["serve"]));
    let done = server.ask(&home, &["key", "create", "test"]).ended(0);
    let key = done.out.trim();
    assert!(key.len() > 20 && !key.contains(char::is_whitespace), "{done:#?}");
    let mut list = server.client(&home, &["runs", "list", "--json"]);
    list.env("DOCMILL_KEY", key);
    with_input(list, b"").ended(0);
    let mut wrong = server.client(&home, &["runs", "list"]);
    wrong.env("DOCMILL_KEY", format!("{key}x"));
    with_input(wrong, b"").ended(1);
    assert_eq!(server.terminate().0, 0);
}

#[test]
fn people_and_their_keys_are_added_narrowed_rotated_and_removed() {
    let home = home();
    let server = home.start(&mut home.docmill(&["serve"]));
    let ask = |line: &[&str]| server.ask(&home, line);
    let added = ask(&["user", "add", "anna@example.org", "--role", "developer"]).ended(0);
    let user = added.out.trim();
    assert!(user.starts_with("usr_"), "{added:#?}");
    let line = [
        "key",
        "create",
        "laptop",
        "--user",
        user,
        "--role",
        "invoker",
        "--scope",
        "runs:read",
    ];
    let narrow = ask(&line).ended(0);
    let with = |key: &str, line: &[&str]| {
        let mut command = server.client(&home, line);
        command.env("DOCMILL_KEY", key.trim());
        with_input(command, b"")
    };
    with(&narrow.out, &["runs", "list"]).ended(0);
    let refused = with(&narrow.out, &["key", "list"]).ended(1);
    assert!(refused.err.contains("keys:read"), "{refused:#?}");

    let keys = ask(&["key", "list", "--json"]).ended(0).json();
    let key = keys["items"][0]["id"].as_str().unwrap();
    let rotated = ask(&["key", "rotate", key, "--overlap", "60"]).ended(0);
    for key in [&narrow.out, &rotated.out] {
        with(key, &["runs", "list"]).ended(0);
    }
    ask(&["key", "revoke", key]).ended(0);
    with(&narrow.out, &["runs", "list"]).ended(1);
    let table = ask(&["key", "list"]).ended(0);
    assert!(table.out.contains("revoked"), "{table:#?}");

    let shown = ask(&["user", "set", user, "--role", "viewer"]).ended(0);
    assert!(shown.out.contains("viewer"), "{shown:#?}");
    ask(&["user", "set", user]).ended(1);
    ask(&["user", "set", user, "--role", "root"]).ended(2);
    ask(&["user", "remove", user]).ended(0);
    with(&rotated.out, &["runs", "list"]).ended(1);
    let table = ask(&["user", "list"]).ended(0);
    assert!(
        table.out.contains("anna@example.org") && table.out.contains("removed"),
        "{table:#?}"
    );
    assert_eq!(server.terminate().0, 0);
}

/// Made while a server runs: it serves both, and keeps them apart.
#[test]
fn another_organisation_has_everything_but_what_is_the_firsts() {
    let home = home();
    let server = home.start(&mut home.docmill(&["serve"]));
    let made = home.run(&["tenant", "create", "Acme"]).ended(0);
    let key = made.out.trim();
    assert!(key.starts_with("dm_") && made.err.contains("ten_"), "{made:#?}");
    let again = home.run(&["tenant", "create", "ACME"]).ended(1);
    assert!(again.err.contains("already"), "{again:#?}");
    let names: Vec<String> = home.run(&["tenant", "list", "--json"]).ended(0).json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tenant| tenant["name"].as_str().unwrap().to_owned())
        .collect();
    // The demos and other tests, which may have run here, have organisations of their own.
    assert_eq!(names.first().map(String::as_str), Some("main"));
    let made = names.iter().filter(|name| name.eq_ignore_ascii_case("Acme"));
    assert_eq!(made.collect::<Vec<_>>(), ["Acme"]);
    let remote = server.ask(&home, &["tenant", "create", "Other"]).ended(1);
    assert!(remote.err.contains("machine itself"), "{remote:#?}");

    let theirs = |line: &[&str]| {
        let mut command = server.client(&home, line);
        command.env("DOCMILL_KEY", key);
        with_input(command, b"")
    };
    // The same document and pipeline in both.
    let letter = sample("letter.txt");
    let run = ["run", text(&letter), "--json"];
    let first = server.ask(&home, &run).ended(0).json();
    let other = theirs(&run).ended(0).json();
    for (owner, stranger) in [(&first, &other), (&other, &first)] {
        let ids = |run: &serde_json::Value| run["documents"][0]["id"].clone();
        assert_ne!(ids(owner), ids(stranger));
    }
    let id = |run: &serde_json::Value| run["id"].as_str().unwrap().to_owned();
    theirs(&["runs", "show", &id(&other)]).ended(0);
    let refused = theirs(&["runs", "show", &id(&first)]).ended(1);
    assert!(
        refused.err.contains("does not exist") || refused.err.contains("no run"),
        "{refused:#?}"
    );
    server.ask(&home, &["runs", "show", &id(&other)]).ended(1);
    let runs = theirs(&["runs", "list", "--json"]).ended(0).json();
    assert_eq!(runs["items"].as_array().unwrap().len(), 1);
    let usage = theirs(&["usage", "--json"]).ended(0).json();
    assert_eq!(usage["total"]["runs"], 1, "{usage}");
    assert_eq!(server.terminate().0, 0);
}

#[test]
fn a_tenants_settings_are_changed_and_shown() {
    let home = home();
    let server = home.start(&mut home.docmill(&["serve"]));
    let set = |timezone, locale| {
        let line = ["tenant", "set", "--timezone", timezone, "--locale", locale];
        server.ask(&home, &line)
    };
    let done = set("asia/almaty", "kk-kz").ended(0);
    assert!(
        done.out.contains("Asia/Almaty") && done.out.contains("kk-KZ"),
        "{done:#?}"
    );
    let shown = server.ask(&home, &["tenant", "show", "--json"]).ended(0).json();
    assert_eq!(
        (&shown["timezone"], &shown["locale"]),
        (&"Asia/Almaty".into(), &"kk-KZ".into())
    );
    set("UTC", "de").ended(1);
    server.ask(&home, &["tenant", "set"]).ended(2);
    set("UTC", "en").ended(0);
    assert_eq!(server.terminate().0, 0);
}

#[test]
fn an_operator_limits_an_organisation_and_its_keys_cannot() {
    let home = home();
    let server = home.start(&mut home.docmill(&["serve"]));
    let set = |line: &[&str]| home.run(&[&["tenant", "set"], line].concat());
    for bad in [
        "requests_per_second=-1",
        "requests_per_second=NaN",
        "requests_per_second=1.5",
        "requests_per_day=99999999999999999999",
        "memory=64GiB",
        "allowed_plugins=*",
        "edition=",
        "nothing=1",
        "requests_per_second",
    ] {
        // With a good one before it: all of it or nothing.
        let refused = set(&["main", "concurrent_runs=3", bad]).ended(1);
        let name = bad.split('=').next().unwrap();
        assert!(refused.err.contains(name), "{refused:#?}");
    }
    set(&["nobody", "concurrent_runs=3"]).ended(1);
    set(&["main"]).ended(2);
    set(&["main", "concurrent_runs=3", "--locale", "kk"]).ended(2);
    let remote = server
        .ask(&home, &["tenant", "set", "main", "concurrent_runs=3"])
        .ended(1);
    assert!(remote.err.contains("machine itself"), "{remote:#?}");

    let done = set(&[
        "MAIN",
        "requests_per_second=2",
        "requests_burst=7",
        "memory=64MiB",
        "edition=pro",
    ])
    .ended(0);
    assert!(
        done.out.contains("edition") && done.out.contains("67108864"),
        "{done:#?}"
    );
    let shown = home.run(&["tenant", "show", "main", "--json"]).ended(0).json();
    assert_eq!(shown["limits"]["requests_burst"]["value"], 7);
    assert_eq!(shown["limits"]["concurrent_runs"]["default"], true);
    assert_eq!(shown["quotas"][0]["limit"], 2);
    // The host that serves meanwhile has taken it up: seven at once, then no more.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let codes: Vec<bool> = (0..40)
        .map(|_| {
            server
                .ask(&home, &["tenant", "show"])
                .err
                .contains("the quota requests_per_second")
        })
        .collect();
    assert!(!codes[0] && codes.contains(&true), "{codes:?}");
    set(&["main", "requests_per_second=default", "requests_burst=default"]).ended(0);
    std::thread::sleep(std::time::Duration::from_secs(2));

    // What a run takes that names no pipeline.
    let letter = sample("letter.txt");
    let pipeline = || server.ask(&home, &["run", text(&letter), "--json"]).json()["pipeline"].clone();
    assert_eq!(pipeline(), "read");
    server
        .ask(&home, &["tenant", "set", "--default-pipeline", "letter"])
        .ended(0);
    assert_eq!(pipeline(), "letter");
    // As other tests of this directory expect it.
    server
        .ask(&home, &["tenant", "set", "--default-pipeline", "read"])
        .ended(0);
    set(&["main", "memory=default", "edition=default"]).ended(0);
    assert_eq!(server.terminate().0, 0);
}

const FLEETING: &str = "\
name: fleeting
retain: none
steps: [ { id: parse, use: docmill/text@* } ]
";

#[test]
fn what_was_used_is_shown_and_survives_the_end_of_the_process() {
    let home = home();
    let file = home.data.with_file_name("fleeting.yaml");
    std::fs::write(&file, FLEETING).unwrap();
    home.run(&["pipeline", "apply", text(&file)]).ended(0);
    let runs = |pipeline: &str| {
        let done = home.run(&["usage", "--pipeline", pipeline, "--by", "key", "--json"]);
        let usage = done.ended(0).json();
        usage["total"]["runs"].as_u64().unwrap()
    };
    let before = (runs("read"), runs("fleeting"));
    home.run(&["run", text(&sample("letter.txt"))]).ended(0);
    // It is written each second, and at the end.
    home.run(&["run", text(&sample("letter.txt")), "-p", "fleeting"])
        .ended(0);
    assert_eq!((runs("read"), runs("fleeting")), (before.0 + 1, before.1 + 1));

    let server = home.start(&mut home.docmill(&["serve"]));
    let done = server.ask(&home, &["usage", "--by", "plugin,day"]).ended(0);
    for part in [
        "docmill/text@",
        "(the runs themselves)",
        "total",
        "CPU ms",
        "days in UTC",
    ] {
        assert!(done.out.contains(part), "{part}: {done:#?}");
    }
    let none = ["usage", "--since", "2026-01-01", "--until", "2026-01-02"];
    assert!(server.ask(&home, &none).ended(0).out.contains("0.000"));
    server.ask(&home, &["usage", "--by", "month"]).ended(1);
    server.ask(&home, &["usage", "--until", "yesterday"]).ended(1);
    assert_eq!(server.terminate().0, 0);
}

/// A `docmill run` that was there first ends, and takes its PostgreSQL with it: the server starts it again.
#[test]
fn a_server_outlives_the_command_that_started_the_database() {
    let home = home();
    // Waits for its document, with everything started.
    let first = home.start(&mut home.docmill(&["serve"]));
    let second = home.start(&mut home.docmill(&["serve"]));
    second.ask(&home, &["runs", "list"]).ended(0);
    assert_eq!(first.terminate().0, 0);
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let done = second.ask(&home, &["run", text(&sample("letter.txt"))]);
        if done.code == 0 {
            break;
        }
        assert!(Instant::now() < until, "{done:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(second.terminate().0, 0);
}

const SPIN: &str = "\
name: spin
durability: DURABILITY
steps:
  - { id: parse, use: docmill/text@* }
  - { id: spin, use: test/hostile@*, with: { attack: spin }, limits: { timeout: 60s, cpu: 60s } }
";

#[test]
fn sigterm_interrupts_guests_and_keeps_their_runs() {
    let home = home();
    let hostile = root().join("plugins/dist/hostile.wasm");
    assert!(
        hostile.is_file(),
        "{} is missing: cargo xtask plugins",
        hostile.display()
    );
    for durability in ["result", "accepted"] {
        let mut serve = home.docmill(&["serve"]);
        serve.env("DOCMILL_DRAIN_TIMEOUT", "300ms");
        let server = home.start(&mut serve);
        server.ask(&home, &["plugin", "push", text(&hostile)]).ended(0);
        let file = home.data.with_file_name("spin.yaml");
        std::fs::write(&file, SPIN.replace("DURABILITY", durability)).unwrap();
        server.ask(&home, &["pipeline", "apply", text(&file)]).ended(0);

        let address = server.url.strip_prefix("http://").unwrap().to_owned();
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        let request = format!(
            "POST /v1/pipelines/spin/runs HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {}\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nspin!",
            server.key
        );
        socket.write_all(request.as_bytes()).unwrap();
        let answer = std::thread::spawn(move || {
            let mut answer = String::new();
            socket.read_to_string(&mut answer).ok();
            answer
        });
        std::thread::sleep(Duration::from_millis(700));
        let (code, took) = server.terminate();
        assert_eq!(code, 0);
        assert!(took < Duration::from_secs(15), "{took:?}");
        let answer = answer.join().unwrap();
        assert!(answer.starts_with("HTTP/1.1 503"), "{durability}: {answer}");
        assert!(answer.contains("\"interrupted\""), "{durability}: {answer}");

        let listed = home
            .run(&["runs", "list", "--pipeline=spin", "--json"])
            .ended(0)
            .json();
        let newest = &listed["items"][0];
        assert_eq!(newest["status"], "failed", "{durability}: {listed:#}");
        assert_eq!(newest["durability"].as_str().unwrap_or(durability), durability);
    }
}
