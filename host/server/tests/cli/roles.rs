//! `docmill run` with documents in roles, and with parameters alone.

use crate::support::{Home, home, sample, text, with_input};

const TWO: &str = "\
name: two
inputs:
  contract: { accept: [text/plain] }
  annex: { accept: [text/plain], min: 0, max: 2 }
  note: { kind: text, min: 0 }
retain: none
steps:
  - { id: parse, use: docmill/text@* }
output:
  contract: \"${ inputs.contract.name }\"
  annexes: \"${ inputs.annex.size() }\"
";

const ALONE: &str = "\
name: alone
inputs: {}
retain: none
steps:
  - { id: letter, use: docmill/template@*, with: { media_type: text/plain, name: letter.txt, template: \"{{ params.who }}\" } }
output:
  who: \"${ params.who }\"
";

fn apply(home: &Home, definition: &str) {
    let file = home.data.with_file_name("roles.yaml");
    std::fs::write(&file, definition).unwrap();
    home.run(&["pipeline", "apply", text(&file)]).ended(0);
}

#[test]
fn documents_go_to_the_roles_that_they_are_given() {
    let home = home();
    apply(&home, TWO);
    let letter = sample("letter.txt");
    let contract = format!("--file=contract={}", text(&letter));
    let done = home
        .run(&[
            "run",
            "--pipeline=two",
            &contract,
            "-f",
            &contract[7..].replace("contract=", "annex="),
            "--json",
        ])
        .ended(0)
        .json();
    assert_eq!(
        done["output"],
        serde_json::json!({ "contract": "letter.txt", "annexes": 1 }),
        "{done:#}"
    );

    // Standard input has a role like any file, and a name with an equals sign is a name.
    let odd = home.data.with_file_name("a=b.txt");
    std::fs::copy(&letter, &odd).unwrap();
    let odd = format!("contract={}", text(&odd));
    let command = home.docmill(&["run", "-p", "two", "-f", &odd, "-f", "note=-", "--json"]);
    let done = with_input(command, "привет".as_bytes()).ended(0).json();
    assert_eq!(
        done["output"],
        serde_json::json!({ "contract": "a=b.txt", "annexes": 0 }),
        "{done:#}"
    );

    // The plain form is the role `file`, which this pipeline does not have; the problem lists those that it has.
    let unknown = home.run(&["run", "-p", "two", text(&letter)]).ended(1);
    for part in ["no input 'file'", "annex", "contract", "note"] {
        assert!(unknown.err.contains(part), "{part}: {}", unknown.err);
    }
    let missing = home
        .run(&["run", "-p", "two", "-f", "note=-", "-f", "annex=-"])
        .ended(1);
    assert!(
        missing.err.contains("standard input can be read once"),
        "{}",
        missing.err
    );
    for wrong in ["contract", "=x.txt", "contract="] {
        let wrong = home.run(&["run", "-p", "two", "-f", wrong]).ended(2);
        assert!(wrong.err.contains("contract=signed.pdf"), "{}", wrong.err);
    }
}

#[test]
fn a_pipeline_of_parameters_alone_needs_no_document() {
    let home = home();
    apply(&home, ALONE);
    let done = home
        .run(&["run", "-p", "alone", "--param", "who=Айгүл", "--json"])
        .ended(0)
        .json();
    assert_eq!(done["output"]["who"], "Айгүл", "{done:#}");
    let bare = home.run(&["run", "-p", "alone", "--json"]);
    assert!(!bare.err.contains("truncated"), "{bare:#?}");
    // A pipeline that takes a document says so.
    let missing = home.run(&["run", "-p", "read"]).ended(1);
    assert!(
        missing.err.contains("the input 'file' is missing"),
        "{}",
        missing.err
    );
}
