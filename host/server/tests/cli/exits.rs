//! Exit codes, standard input, settings.

use crate::support::{home, sample, text, with_input};

#[test]
fn the_exit_code_tells_the_verdict() {
    let home = home();
    for (file, pipeline, code, verdict) in [
        ("invoice-usd.html", "invoice", 0, "pass"),
        ("invoice-wrong-total.pdf", "invoice", 3, "fail"),
        ("certificate-undated.txt", "certificate", 4, "undecided"),
    ] {
        let file = sample(file);
        let truth = std::fs::read(file.with_extension("truth.json")).unwrap();
        let truth: serde_json::Value = serde_json::from_slice(&truth).unwrap();
        let mut arguments = vec![
            "run".to_owned(),
            text(&file).to_owned(),
            "--json".to_owned(),
            format!("--pipeline={pipeline}"),
        ];
        for (name, value) in truth["params"].as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            arguments.push(format!("--param={name}={value}"));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let done = home.run(&arguments).ended(code);
        assert_eq!(done.json()["verdict"], verdict);
    }
}

#[test]
fn a_document_may_come_from_standard_input() {
    let home = home();
    let done = with_input(home.docmill(&["run", "-"]), "Hello — привет\n".as_bytes()).ended(0);
    assert!(done.out.contains("Hello — привет"), "{}", done.out);
    let empty = with_input(home.docmill(&["run", "-"]), b"").ended(1);
    assert!(empty.err.contains("empty"), "{}", empty.err);
}

#[test]
fn what_went_wrong_decides_the_exit_code() {
    let home = home();
    let missing = home.run(&["run", "/there/is/no/such.pdf"]).ended(1);
    assert!(missing.err.contains("/there/is/no/such.pdf"), "{}", missing.err);
    home.run(&["run"]).ended(2);
    home.run(&["no-such-command"]).ended(2);

    // Nothing listens on port 1.
    let away = ["serve", "migrate"].map(|command| {
        let mut command = home.docmill(&[command]);
        command.env(
            "DOCMILL_DATABASE_URL",
            "postgres://nobody:hunter2@127.0.0.1:1/none",
        );
        with_input(command, b"").ended(69)
    });
    for done in away {
        assert!(!done.err.contains("hunter2"), "{}", done.err);
    }
    let mut nowhere = home.docmill(&["runs", "list", "--url", "http://127.0.0.1:1"]);
    nowhere.env("DOCMILL_KEY", "x");
    with_input(nowhere, b"").ended(69);

    for (name, value) in [
        ("DOCMILL_GUESTS", "many"),
        ("DOCMILL_LOG", "docmill=[loud"),
        ("DOCMILL_BLOBS", "s3"),
    ] {
        let mut wrong = home.docmill(&["runs", "list"]);
        wrong.env(name, value);
        let done = with_input(wrong, b"").ended(78);
        assert!(
            done.err.contains("is needed by") || done.err.contains("is not right"),
            "{}",
            done.err
        );
    }
}

#[test]
fn settings_are_shown_with_their_origin_and_without_secrets() {
    let home = home();
    let file = home.data.with_file_name("docmill-test.toml");
    std::fs::write(&file, "queue_wait = \"7s\"\nplatform_key = \"hunter2hunter2\"\n").unwrap();
    let mut command = home.docmill(&["config", "show", "--json", "--config", text(&file)]);
    command
        .env("DOCMILL_GUESTS", "3")
        .env("DATABASE_URL", "postgres://me:hunter2@db/docmill");
    let refused = with_input(command, b"").ended(78);
    assert!(!refused.err.contains("hunter2"), "{}", refused.err);

    std::fs::write(&file, "queue_wait = \"7s\"\n").unwrap();
    let mut command = home.docmill(&["config", "show", "--config", text(&file)]);
    command
        .env("DOCMILL_GUESTS", "3")
        .env("DATABASE_URL", "postgres://me:hunter2@db/docmill");
    let done = with_input(command, b"").ended(0);
    std::fs::remove_file(&file).unwrap();
    assert!(!done.out.contains("hunter2"), "{}", done.out);
    let line = |name: &str| {
        let start = format!("{name} ");
        done.out
            .lines()
            .find(|l| l.trim_start().starts_with(&start))
            .unwrap_or_else(|| panic!("{name}: {}", done.out))
            .to_owned()
    };
    assert!(line("queue_wait").contains("7s") && line("queue_wait").contains("docmill-test.toml"));
    assert!(line("guests").contains('3') && line("guests").contains("DOCMILL_GUESTS"));
    assert!(line("database_url").contains("DATABASE_URL"));
    assert!(line("in_flight_max").contains("default"));
}
