//! Leaves a mark wherever something might outlive a call, and looks for one wherever it might have been left.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::attack::field;
use crate::docmill::plugin::types::Field;

static MARKED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static OWN: Cell<u64> = const { Cell::new(0) };
}

/// What a mark is written down as, so that who looks for one does not find what it was told.
const VEIL: u64 = 0x5aa5_c33c_0ff0_9669;
/// Words of the heap, and then of the stack.
const WORDS: usize = 64 << 10;
const FRAME: usize = 512;
/// Pages of 64 KiB that memory is grown by: they must come empty.
const PAGES: usize = 16;

fn unveiled(text: &str) -> u64 {
    text.parse::<u64>().unwrap_or_default() ^ black_box(VEIL)
}

#[inline(never)]
fn on_the_stack(mark: u64, frames: usize) -> u64 {
    let frame = black_box([mark; FRAME]);
    let deeper = if frames == 0 {
        0
    } else {
        on_the_stack(mark, frames - 1)
    };
    deeper.wrapping_add(frame.iter().fold(0, |sum: u64, word| sum.wrapping_add(*word)))
}

#[expect(
    unsafe_code,
    reason = "pages that belong to nobody yet, which no allocator hands out"
)]
fn beyond_the_heap(mark: u64) {
    let page = core::arch::wasm32::memory_grow(0, PAGES);
    if page == usize::MAX {
        return;
    }
    let start = (page * 65_536) as *mut u64;
    for n in 0..PAGES * 8_192 {
        // SAFETY: within the pages that were just grown.
        unsafe { start.add(n).write_volatile(mark) };
    }
}

/// Leaves it.
pub fn poison(text: &str) -> Vec<Field> {
    let mark = unveiled(text);
    MARKED.store(mark, Ordering::Relaxed);
    OWN.set(mark);
    std::mem::forget(black_box(vec![mark; WORDS]));
    black_box(on_the_stack(mark, 60));
    beyond_the_heap(mark);
    vec![field("done", "yes")]
}

/// Looks for it: how many words of all memory are it, and whether the variables are what they are at first.
#[expect(unsafe_code, reason = "all of the memory is what is looked at")]
pub fn look(text: &str) -> Vec<Field> {
    let veiled: u64 = text.parse().unwrap_or_default();
    // Whether new pages come empty is seen in them, too.
    core::arch::wasm32::memory_grow(0, PAGES);
    let words = core::arch::wasm32::memory_size(0) * 8_192;
    let mut found = 0_u64;
    // The first page's beginning is where a null pointer points.
    for n in 2..words {
        let address = (n * 8) as *const u64;
        // SAFETY: within the memory, and aligned.
        let word = unsafe { address.read_volatile() };
        found += u64::from(word ^ VEIL == veiled);
    }
    let fresh = MARKED.load(Ordering::Relaxed) == 0 && OWN.get() == 0;
    vec![field("found", format!("{found} {fresh}"))]
}
