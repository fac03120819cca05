//! `docmill preset`: applied, used, switched off, listed.

use std::path::PathBuf;

use crate::support::{home, sample, text};

#[test]
fn a_preset_is_applied_used_and_switched_off() {
    let home = home();
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| -> PathBuf {
        let path = files.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let preset = "# Dates alone.\nname: dates\nuse: docmill/patterns@0.1\nwith: { fields: [ { name: day, type: date, labels: [Date] } ] }\n";
    let preset = file("dates.yaml", preset);
    let saved = home.run(&["preset", "apply", text(&preset)]).ended(0);
    assert!(saved.out.contains("preset/dates@1"), "{saved:#?}");
    let again = home.run(&["preset", "apply", text(&preset)]).ended(0);
    assert!(
        again.out.contains("unchanged, still preset/dates@1"),
        "{again:#?}"
    );
    let wrong = file("wrong.yaml", "name: dates\nuse: preset/dates@1\n");
    let refused = home.run(&["preset", "apply", text(&wrong)]);
    assert!(
        refused.err.contains("use: a preset is of a plugin"),
        "{refused:#?}"
    );
    refused.ended(1);

    let pipeline = "name: days\nsteps:\n  - { id: parse, use: docmill/text@0.1 }\n  - { id: days, use: preset/dates@1 }\n";
    let pipeline = file("days.yaml", pipeline);
    home.run(&["pipeline", "apply", text(&pipeline)]).ended(0);
    let letter = sample("letter.txt");
    let days = ["run", "--json", "--pipeline", "days", text(&letter)];
    home.run(&days).ended(0);
    home.run(&["preset", "deactivate", "dates"]).ended(0);
    let refused = home.run(&days);
    assert!(refused.err.contains("dates is not active"), "{refused:#?}");
    let listed = home.run(&["preset", "list"]).ended(0);
    assert!(
        listed.out.contains("preset/dates@1") && listed.out.contains("no"),
        "{listed:#?}"
    );
    home.run(&["preset", "activate", "dates"]).ended(0);
    home.run(&days).ended(0);
    home.run(&["preset", "show", "dates@2"]).ended(1);
    let shown = home.run(&["preset", "show", "dates@1"]).ended(0);
    assert!(
        shown.out.contains("# Dates alone.") && !shown.out.contains("not active"),
        "{shown:#?}"
    );
}
