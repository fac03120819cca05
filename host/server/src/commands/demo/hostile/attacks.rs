//! The attacks, and what each has to end with.

use serde_json::Value as Json;

use super::{PLUGIN, log_of, reached};
use crate::assets;

/// An attack.
pub(super) struct Attack {
    /// In words.
    pub title: &'static str,
    /// The code that it earns, or what else is seen of it.
    pub expected: &'static str,
    pub how: How,
    /// What an answer that is no failure shows.
    pub seen: fn(&Json) -> String,
}

/// What the stranger does.
pub(super) enum How {
    /// Uploads bytes as a version of a plugin.
    Upload {
        path: &'static str,
        component: fn() -> Vec<u8>,
    },
    /// Saves a pipeline with this step.
    Save(&'static str),
    /// Saves it and runs it.
    Run(&'static str),
    /// Grants its plugin these addresses and has it ask this very server there.
    Reach(&'static [&'static str]),
}

const fn run(title: &'static str, step: &'static str, expected: &'static str) -> Attack {
    Attack {
        title,
        expected,
        how: How::Run(step),
        seen: succeeded,
    }
}

const fn upload(
    title: &'static str,
    path: &'static str,
    component: fn() -> Vec<u8>,
    expected: &'static str,
) -> Attack {
    Attack {
        title,
        expected,
        how: How::Upload { path, component },
        seen: succeeded,
    }
}

fn succeeded(_: &Json) -> String {
    "succeeded".to_owned()
}

fn letter() -> Vec<u8> {
    b"Dear Sir or Madam, this is a plugin. Trust me.".to_vec()
}

fn hostile() -> Vec<u8> {
    assets::HOSTILE
        .first()
        .map(|(_, bytes)| bytes.to_vec())
        .unwrap_or_default()
}

fn half() -> Vec<u8> {
    let mut bytes = hostile();
    bytes.truncate(bytes.len() / 2);
    bytes
}

/// With a custom section more: another component under the same version.
fn other() -> Vec<u8> {
    let mut bytes = hostile();
    bytes.extend_from_slice(b"\0\x05\x04note");
    bytes
}

pub(super) const ATTACKS: &[Attack] = &[
    upload(
        "a letter instead of a component",
        "/v1/plugins/test/hostile/versions/0.3.0",
        letter,
        "invalid-component",
    ),
    upload(
        "half of a component",
        "/v1/plugins/test/hostile/versions/0.2.0",
        half,
        "invalid-component",
    ),
    upload(
        "a plugin in docmill's own name",
        "/v1/plugins/docmill/text/versions/9.0.0",
        hostile,
        "reserved-namespace",
    ),
    upload(
        "other bytes under a version that is there",
        PLUGIN,
        other,
        "version-exists",
    ),
    Attack {
        title: "a pipeline whose plugin wants the internet, not granted",
        expected: "invalid-definition",
        how: How::Save("use: test/hostile-http@0.1, with: { attack: fetch, requests: [] }"),
        seen: succeeded,
    },
    Attack {
        title: "this host's own addresses, granted by the stranger to itself",
        expected: "address-refused",
        how: How::Reach(&[
            "127.0.0.1",
            "169.254.169.254",
            "10.0.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "0.0.0.0",
        ]),
        seen: reached,
    },
    run(
        "spins for ever",
        "use: test/hostile@0.1, with: { attack: spin }, limits: { timeout: 1s }",
        "timeout",
    ),
    run(
        "burns more CPU than it may",
        "use: test/hostile@0.1, with: { attack: burn, size: 3000000000 }, limits: { timeout: 10s, cpu: 100ms }",
        "cpu-limit",
    ),
    run(
        "allocates without end",
        "use: test/hostile@0.1, with: { attack: allocate }, limits: { timeout: 5s, memory: 64MiB }",
        "memory-limit",
    ),
    run(
        "recurses without end",
        "use: test/hostile@0.1, with: { attack: recurse }",
        "stack-overflow",
    ),
    run("panics", "use: test/hostile@0.1, with: { attack: panic }", "trap"),
    run(
        "ends its process",
        "use: test/hostile@0.1, with: { attack: exit }",
        "trap",
    ),
    run(
        "uses a handle that it made up",
        "use: test/hostile@0.1, with: { attack: forged-handle }",
        "trap",
    ),
    run(
        "hoards handles",
        "use: test/hostile@0.1, with: { attack: handles }",
        "handle-limit",
    ),
    run(
        "calls the host without end",
        "use: test/hostile@0.1, with: { attack: host-calls }, limits: { timeout: 20s, cpu: 20s }",
        "host-call-limit",
    ),
    run(
        "returns more than it may",
        "use: test/hostile@0.1, with: { attack: output, size: 8000000 }, limits: { output: 1MiB }",
        "output-limit",
    ),
    run(
        "returns little that would become much in the host",
        "use: test/hostile@0.1, with: { attack: dense-json, size: 2000000 }",
        "host-memory-limit",
    ),
    run(
        "returns tables wider than any page",
        "use: test/hostile@0.1, with: { attack: wide-tables, size: 3 }",
        "invalid-output",
    ),
    run(
        "returns a value that is no JSON",
        "use: test/hostile@0.1, with: { attack: bad-json }",
        "invalid-output",
    ),
    run(
        "cites what the document does not say",
        "use: test/hostile@0.1, with: { attack: wrong-quote }",
        "invalid-output",
    ),
    Attack {
        title: "floods the log",
        expected: "log-cut",
        how: How::Run("use: test/hostile@0.1, with: { attack: log, size: 10000 }"),
        seen: log_of,
    },
];
