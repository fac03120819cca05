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
