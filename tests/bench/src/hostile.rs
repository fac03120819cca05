//! One tenant works, another attacks with all that it may: each way by itself, then all of them in turns. How much later the
//! first is answered; that it is answered is seen by the load generator, which takes nothing but 200.

use anyhow::{Result, ensure};

use crate::clients::{Load, Measured};
use crate::fairness::another_tenant;
use crate::report::Figure;
use crate::server::{Server, call, docmill, save_pipeline};
use crate::{component, median};

/// What each tenant may use: requests a second, runs at once.
const QUOTA: [(&str, &str); 2] = [
    ("DOCMILL_TENANT_REQUESTS_PER_SECOND", "200"),
    ("DOCMILL_TENANT_CONCURRENT_RUNS", "8"),
];
/// What the honest one sends.
const RATE: f64 = 100.0;
const SECONDS: f64 = 5.0;
/// Connections of the attacker: more than it may run at once.
const CONNECTIONS: usize = 16;
const ROUNDS: usize = 3;

/// What a step of the attacker's pipeline is configured with.
const ATTACKS: &[(&str, &str)] = &[
    ("spins", "{ attack: spin }, limits: { timeout: 1s }"),
    (
        "burns CPU",
        "{ attack: burn, size: 3000000000 }, limits: { timeout: 10s, cpu: 500ms }",
    ),
    (
        "allocates",
        "{ attack: allocate }, limits: { timeout: 5s, memory: 256MiB }",
    ),
    ("recurses", "{ attack: recurse }"),
    ("traps", "{ attack: panic }"),
    ("floods its log", "{ attack: log, size: 10000 }"),
    ("hoards handles", "{ attack: handles }"),
    ("calls the host", "{ attack: host-calls }"),
    ("moves bytes", "{ attack: host-bytes }"),
    ("returns much", "{ attack: output, size: 8000000 }"),
    ("returns dense JSON", "{ attack: dense-json, size: 2000000 }"),
    ("cites without end", "{ attack: citations, size: 20000 }"),
    (
        "waits",
        "{ attack: wait-only, size: 1000000 }, limits: { timeout: 1s }",
    ),
];

fn pipeline(name: &str, attack: &str) -> String {
    format!(
        "name: {name}\nretain: none\nsteps:\n  - {{ id: parse, use: docmill/text@* }}\n  - {{ id: hurt, use: test/hostile@*, with: {attack} }}\n"
    )
}

/// Alone and beside each attack in turns.
pub fn measure() -> Result<Vec<Figure>> {
    let data = tempfile::Builder::new()
        .prefix("docmill-bench")
        .tempdir_in(crate::root().join("target"))?;
    let mut server = docmill(data.path(), None, &QUOTA)?;
    save_pipeline(
        &server,
        "name: work\nretain: none\nsteps:\n  - { id: parse, use: docmill/text@* }\n",
    )?;
    let (honest, address) = (server.key.clone(), server.address.clone());
    let attacker = another_tenant(data.path(), "attacker")?;
    prepare(&mut server, &attacker)?;

    let work = Load {
        address: &address,
        method: "POST",
        path: "/v1/pipelines/work/runs",
        key: &honest,
        connections: 4,
        seconds: SECONDS,
    };
    work.run_at(RATE)?;
    let mut figures = Vec::new();
    for (number, (name, _)) in ATTACKS.iter().enumerate() {
        let path = format!("/v1/pipelines/attack{number}/runs");
        figures.push(beside(&work, &attacker, name, &[path])?);
    }
    let all: Vec<String> = (0..ATTACKS.len())
        .map(|number| format!("/v1/pipelines/attack{number}/runs"))
        .collect();
    figures.push(beside(&work, &attacker, "does all of it", &all)?);
    Ok(figures)
}

/// The attacker's plugin and pipelines.
fn prepare(server: &mut Server, attacker: &str) -> Result<()> {
    let honest = std::mem::replace(&mut server.key, attacker.to_owned());
    call(
        server,
        reqwest::Method::PUT,
        "/v1/plugins/test/hostile/versions/0.1.0",
        "application/wasm",
        component("hostile")?,
    )?;
    for (number, (_, attack)) in ATTACKS.iter().enumerate() {
        save_pipeline(server, &pipeline(&format!("attack{number}"), attack))?;
    }
    server.key = honest;
    Ok(())
}

fn beside(work: &Load<'_>, attacker: &str, name: &str, paths: &[String]) -> Result<Figure> {
    let (mut alone, mut attacked, mut pressed) = (Vec::new(), Vec::new(), 0.0);
    for _ in 0..ROUNDS {
        alone.push(work.run_at(RATE)?);
        let each = CONNECTIONS.div_ceil(paths.len());
        let (quiet, pressing) = std::thread::scope(|scope| {
            let attacks: Vec<_> = paths
                .iter()
                .map(|path| {
                    let attack = Load {
                        path,
                        key: attacker,
                        connections: each,
                        seconds: SECONDS + 1.0,
                        ..*work
                    };
                    scope.spawn(move || attack.press())
                })
                .collect();
            std::thread::sleep(std::time::Duration::from_millis(500));
            let quiet = work.run_at(RATE);
            let pressing: Vec<_> = attacks.into_iter().map(|attack| attack.join()).collect();
            (quiet, pressing)
        });
        attacked.push(quiet?);
        for attack in pressing {
            pressed += attack.map_err(|_| anyhow::anyhow!("an attack failed"))??;
        }
    }
    let refused: f64 = attacked.iter().map(|m| m.refused_per_second).sum();
    ensure!(
        refused == 0.0,
        "the honest tenant was refused while the other {name}"
    );
    ensure!(pressed > 0.0, "nothing came of the attack");
    let p99 = |all: &[Measured]| median(all.iter().map(|m| m.p99).collect());
    let (alone, attacked) = (p99(&alone), p99(&attacked));
    Ok(Figure::compared(
        &format!("p99 of a tenant beside one that {name}"),
        attacked,
        "ms",
        alone,
        "≤ max(1.25 ×, + 5 ms)",
        |ratio| ratio <= 1.25 || ratio * alone <= alone + 5.0,
    )
    .under(&format!(
        "{RATE} runs a second without persistence; the other is answered {:.0} times a second",
        pressed / ROUNDS as f64
    )))
}
