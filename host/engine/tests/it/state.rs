//! Pairs of calls that look for each other's state: one leaves a mark in memory, in variables, on the stack and beyond the heap,
//! the other looks for it everywhere. `DOCMILL_PAIRS=100000` tries more of them than every CI does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use docmill_engine::{Context, Engine, Plugin};

use crate::malformed::{Dice, count_of};
use crate::support::*;

const FEW: u64 = 2_000;
/// Calls at once, so that places change hands.
const AT_ONCE: u64 = 8;

async fn call(engine: &Engine, plugin: &Plugin, attack_name: &str, mark: u64, seed: u8) -> String {
    let config = format!(r#"{{"attack":"{attack_name}","text":"{mark}"}}"#);
    let context = Context {
        seed: [seed; 32],
        ..CONTEXT
    };
    let ended = engine.invoke(plugin, attack(&config), &tight(), &context).await;
    text(&ended).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_finds_what_another_left() {
    // Few places, so that each is used again and again.
    let (engine, _dir) = engine_with(|settings| settings.pool_instances = 4);
    let plugin = load(&engine, component("docmill-hostile")).await;
    // Who looks where it left it finds it: the heap, the stack, the grown pages and two variables.
    let own = call(&engine, &plugin, "poison-and-look", 77, 0).await;
    let (found, fresh) = own.split_once(' ').unwrap();
    assert!(found.parse::<u64>().unwrap() > 64 << 10, "{own}");
    assert_eq!(fresh, "false");

    let pairs = count_of("DOCMILL_PAIRS", FEW);
    let done = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|task| {
            let (engine, plugin, done) = (engine.clone(), plugin.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut dice = Dice(task);
                let mut marks = [0; 4];
                while done.fetch_add(1, Ordering::Relaxed) < pairs {
                    let mark = dice.next();
                    let seed = u8::try_from(dice.below(256)).unwrap();
                    assert_eq!(call(&engine, &plugin, "poison", mark, seed).await, "yes");
                    // The last one's mark, or one of those before it.
                    marks[dice.below(4)] = mark;
                    let sought = if dice.below(2) == 0 {
                        mark
                    } else {
                        marks[dice.below(4)]
                    };
                    let seed = u8::try_from(dice.below(256)).unwrap();
                    let found = call(&engine, &plugin, "look", sought, seed).await;
                    assert_eq!(found, "0 true", "mark {sought}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!("{pairs} pairs, none found the other's mark");
}
