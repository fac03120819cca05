//! Bytes that strangers might upload: generated modules and components, real components that were damaged, and bombs. Whatever
//! they are, the answer is a failure with a code or a plugin, the process lives, and its memory comes back.
//!
//! `DOCMILL_MALFORMED=100000` tries more of them than every CI does; `DOCMILL_MALFORMED_SEED` begins elsewhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use bytes::Bytes;
use docmill_engine::Engine;
use docmill_model::digest::Digest;
use docmill_model::failure::Code;

use crate::support::*;

/// How many are tried on every CI.
const FEW: u64 = 2_000;
/// Of those that are valid, so many are compiled and asked what they are; the others are left at validation.
const COMPILED: usize = 60;
/// How far the process may have grown after all of them.
const GROWTH: usize = 16 << 20;

/// Repeatable and fast (SplitMix64); every failing case can be made again from its seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let words = (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        let mut bytes: Vec<u8> = words.collect();
        bytes.truncate(count);
        bytes
    }
}

/// The bytes of one case, and what they are.
fn made(seed: u64, real: &[Bytes]) -> (&'static str, Vec<u8>) {
    let mut dice = Dice(seed);
    match dice.below(10) {
        0 => {
            let count = dice.below(4_096);
            ("noise", dice.bytes(count))
        }
        1 => {
            let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
            let count = dice.below(2_048);
            bytes.extend(dice.bytes(count));
            ("noise behind a component's head", bytes)
        }
        2 => {
            let entropy = dice.bytes(2_048);
            let module =
                wasm_smith::Module::new(wasm_smith::Config::default(), &mut Unstructured::new(&entropy));
            (
                "generated module",
                module.map(|m| m.to_bytes()).unwrap_or_default(),
            )
        }
        3 | 4 => {
            let entropy = dice.bytes(2_048);
            let component =
                wasm_smith::Component::new(wasm_smith::Config::default(), &mut Unstructured::new(&entropy));
            (
                "generated component",
                component.map(|c| c.to_bytes()).unwrap_or_default(),
            )
        }
        kind => {
            let mut bytes = real[dice.below(real.len())].to_vec();
            let what = damage(&mut dice, &mut bytes, kind, real);
            (what, bytes)
        }
    }
}

/// Damages a real component.
fn damage(dice: &mut Dice, bytes: &mut Vec<u8>, kind: usize, real: &[Bytes]) -> &'static str {
    match kind {
        5 => {
            for _ in 0..=dice.below(64) {
                let place = dice.below(bytes.len());
                bytes[place] ^= 1 << dice.below(8);
            }
            "flipped bits"
        }
        6 => {
            bytes.truncate(dice.below(bytes.len()));
            "cut off"
        }
        7 => {
            let (from, count) = (dice.below(bytes.len()), dice.below(64));
            let noise = dice.bytes(count);
            let end = (from + count).min(bytes.len());
            bytes.splice(from..end, noise);
            "bytes put in"
        }
        8 => {
            // A length or an index of five bytes, as large as it gets, early on where they matter most.
            let near = bytes.len().min(8_192);
            let place = dice.below(near);
            let end = (place + 5).min(bytes.len());
            bytes.splice(place..end, [0xff, 0xff, 0xff, 0xff, 0x0f]);
            "a huge number"
        }
        _ => {
            let other = &real[dice.below(real.len())];
            let (head, tail) = (dice.below(bytes.len()), dice.below(other.len()));
            bytes.truncate(head);
            bytes.extend_from_slice(&other[tail..]);
            "two halves"
        }
    }
}

/// Resident memory of this process, in bytes.
pub fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

pub fn count_of(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Validates one; those that hold are compiled and described while there is room, each with a typed answer.
async fn tried(engine: &Engine, bytes: Vec<u8>, compiled: &mut usize) -> Result<bool, Code> {
    let bytes = Bytes::from(bytes);
    Engine::inspect(&bytes).map_err(|failure| failure.code)?;
    if *compiled >= COMPILED {
        return Ok(true);
    }
    *compiled += 1;
    let plugin = engine.try_out(Digest::of(&bytes), bytes).await;
    let plugin = plugin.map_err(|failure| failure.code)?;
    let described = engine.describe(&plugin).await;
    described.map(|_| true).map_err(|failure| failure.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_uploaded_gets_a_typed_answer() {
    if !alone("malformed::whatever_is_uploaded_gets_a_typed_answer") {
        return;
    }
    let (engine, _dir) = engine_with(|_| ());
    let real = [
        component("docmill-hostile-chunker"),
        component("docmill-hostile-embedder"),
        component("docmill-hashed-ngrams"),
    ];
    let first = count_of("DOCMILL_MALFORMED_SEED", 0);
    let count = count_of("DOCMILL_MALFORMED", FEW);
    // What is made once and kept is not growth.
    for seed in 0..100 {
        drop(Engine::inspect(&made(u64::MAX - seed, &real).1));
    }
    let before = resident();
    let (mut compiled, mut slowest) = (0, Duration::ZERO);
    let mut answers: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for seed in first..first + count {
        let (what, bytes) = made(seed, &real);
        let size = bytes.len();
        let began = Instant::now();
        let found = tried(&engine, bytes, &mut compiled).await;
        slowest = slowest.max(began.elapsed());
        let said = match found {
            Ok(_) => "taken".to_owned(),
            Err(code) => {
                // Nothing here is the host's fault, and nothing may look like it.
                let typed = matches!(
                    code,
                    Code::InvalidComponent
                        | Code::CompileFailed
                        | Code::Trap
                        | Code::CpuLimit
                        | Code::Timeout
                        | Code::MemoryLimit
                        | Code::InvalidOutput
                );
                assert!(typed, "seed {seed}: {what}, {size} bytes: {code}");
                code.to_string()
            }
        };
        *answers.entry((what, said)).or_default() += 1;
    }
    for ((what, said), times) in &answers {
        println!("{times:>7} {what}: {said}");
    }
    let grown = resident().saturating_sub(before);
    println!("{count} in all, the slowest took {slowest:?}, the process grew by {grown} bytes");
    assert!(grown <= GROWTH, "the process grew by {grown} bytes");
    // Each kind was there, and nearly all of it was refused.
    let refused: u64 = answers
        .iter()
        .filter(|((_, said), _)| said == "invalid-component")
        .map(|(_, n)| n)
        .sum();
    assert!(refused * 10 >= count * 7, "{answers:?}");
    let kinds: std::collections::BTreeSet<&str> = answers.keys().map(|(what, _)| *what).collect();
    assert!(count < 500 || kinds.len() >= 8, "{kinds:?}");
}
