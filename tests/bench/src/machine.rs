//! What the figures were measured on.

use std::process::Command;

use serde::Serialize;

/// The machine's facts.
#[derive(Debug, Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub system: String,
}

/// Reads them.
pub fn facts() -> Machine {
    let line = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let found = text
            .lines()
            .find(|l| l.starts_with(name))
            .and_then(|l| l.split_once(':'));
        found
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let kib: u64 = line("/proc/meminfo", "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0);
    Machine {
        processor: line("/proc/cpuinfo", "model name"),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        memory_gib: kib >> 20,
        system: output("uname", &["-sr"]),
    }
}

/// The commit that was measured, with a mark if the tree has changes.
pub fn commit() -> String {
    let changed = if output("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty() {
        ""
    } else {
        "+changes"
    };
    output("git", &["rev-parse", "--short", "HEAD"]) + changed
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output
        .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
        .unwrap_or_default()
}
