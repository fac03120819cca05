//! What a plugin costs that nobody calls at the moment: a thousand distinct ones, loaded and called once each. And what looking
//! at an upload of 10 MiB takes.

use std::time::Instant;

use anyhow::{Result, ensure};
use docmill_engine::{Call, Context, Engine, Plugin};
use docmill_model::limits::Limits;

use crate::invoke::{load, settings};
use crate::report::Figure;
use crate::{component, percentile, plain, runtime};

/// How many there are.
const PLUGINS: usize = 1_000;
/// Loaded before anything is measured: what is made once is not theirs.
const FIRST: usize = 20;
const MIB: f64 = 1024.0 * 1024.0;
/// The size of an upload.
const UPLOAD: usize = 10 << 20;
const LOOKS: usize = 100;

/// Both.
pub fn measure() -> Result<Vec<Figure>> {
    let mut figures = idle()?;
    figures.push(validation()?);
    Ok(figures)
}

/// Another digest of the same code: a custom section at the end, as toolchains write them.
fn distinct(component: &[u8], number: usize) -> Vec<u8> {
    let mut bytes = component.to_vec();
    bytes.extend([0, 9]);
    bytes.extend([4]);
    bytes.extend(b"note");
    bytes.extend(u32::try_from(number).unwrap_or_default().to_le_bytes());
    bytes
}

/// Of this process: memory that is not a file's, and memory that is, in bytes.
fn resident() -> Result<(f64, f64)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let of = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
        kib.unwrap_or(f64::NAN) * 1024.0
    };
    Ok((of("RssAnon:"), of("RssFile:")))
}

async fn called(engine: &Engine, bytes: &[u8]) -> Result<Plugin> {
    let plugin = load(engine, bytes).await?;
    let call = Call::Embed {
        texts: ["An ordinary line of text.".into()].into(),
        purpose: docmill_model::chunk::Purpose::Query,
        config: "{}".into(),
    };
    let context = Context {
        now: 0,
        seed: [0; 32],
        deadline: None,
    };
    let ended = engine.invoke(&plugin, call, &Limits::default(), &context).await;
    ended.result?;
    Ok(plugin)
}

fn idle() -> Result<Vec<Figure>> {
    let bytes = component("hashed_ngrams")?;
    let code = tempfile::tempdir()?;
    let settings = settings(code.path())?;
    runtime()?.block_on(async {
        let engine = Engine::new(settings)?;
        let mut kept = Vec::new();
        for number in 0..FIRST {
            kept.push(called(&engine, &distinct(&bytes, number)).await?);
        }
        let before = resident()?;
        for number in FIRST..FIRST + PLUGINS {
            kept.push(called(&engine, &distinct(&bytes, number)).await?);
        }
        let after = resident()?;
        ensure!(
            engine.stats().compiled as usize == FIRST + PLUGINS,
            "each was compiled by itself"
        );
        let code: f64 = kept
            .iter()
            .skip(FIRST)
            .map(|plugin| plugin.code_bytes() as f64)
            .sum();
        let each = (after.0 - before.0) / PLUGINS as f64 / 1024.0;
        drop(kept);
        Ok(vec![
            Figure::bounded(
                "an idle plugin beyond its mapped code",
                each,
                "KiB",
                "≤ 100 KiB",
                |kib| kib <= 100.0,
            )
            .under(&format!("{PLUGINS} distinct plugins, each called once")),
            plain("  code that is mapped, all", code / MIB, "MiB"),
            plain("  of it in memory", (after.1 - before.1) / MIB, "MiB"),
        ])
    })
}

/// What a look takes that runs nothing.
fn validation() -> Result<Figure> {
    let bytes = large()?;
    ensure!(bytes.len() >= UPLOAD, "it has {} bytes", bytes.len());
    let mut looks = Vec::new();
    for _ in 0..LOOKS {
        let began = Instant::now();
        let looked = Engine::inspect(&bytes);
        looks.push(began.elapsed().as_secs_f64() * 1000.0);
        looked?;
    }
    Ok(Figure::bounded(
        "looking at an upload of 10 MiB, p99",
        percentile(looks, 0.99),
        "ms",
        "≤ 50 ms",
        |ms| ms <= 50.0,
    ))
}

/// A real plugin, with others inside it, as components within a component, until it is as large as that.
fn large() -> Result<Vec<u8>> {
    let (mut bytes, other) = (component("hashed_ngrams")?, component("pdf")?);
    while bytes.len() < UPLOAD {
        bytes.push(4);
        let mut length = other.len();
        while length > 0x7f {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(&other);
    }
    Ok(bytes)
}
