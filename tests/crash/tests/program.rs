//! The program itself: `cargo xtask crash` runs it, and CI twenty faults of it.

use std::process::Command;

#[test]
fn it_says_what_it_does_and_refuses_what_it_does_not_know() {
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_docmill-crash"))
            .args(arguments)
            .output()
    };
    let help = run(&["--help"]).map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let help = help.unwrap_or_default();
    for option in ["--faults", "--runs", "--seed", "--json"] {
        assert!(help.contains(option), "{option}: {help}");
    }
    let refused = run(&["--faults", "many", "--docmill", "/nowhere"]);
    assert!(refused.is_ok_and(|output| !output.status.success()));
    let absent = run(&["--faults", "1", "--docmill", "/nowhere"]);
    assert!(absent.is_ok_and(|output| !output.status.success()));
}
