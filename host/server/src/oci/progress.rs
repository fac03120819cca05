//! What is on its way, on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// One blob on its way.
pub struct Progress {
    what: String,
    arrow: char,
    total: u64,
    done: u64,
    /// None: nobody looks at a terminal.
    shown: Option<Instant>,
}

impl Progress {
    /// `total`: what is expected, in bytes.
    pub fn down(what: &str, total: u64) -> Self {
        Self::new(what, '↓', total)
    }

    /// The same, the other way.
    pub fn up(what: &str, total: u64) -> Self {
        Self::new(what, '↑', total)
    }

    fn new(what: &str, arrow: char, total: u64) -> Self {
        Self {
            what: what.to_owned(),
            arrow,
            total,
            done: 0,
            shown: std::io::stderr().is_terminal().then(Instant::now),
        }
    }

    /// Further bytes came.
    pub fn add(&mut self, bytes: u64) {
        const EVERY: Duration = Duration::from_millis(200);
        self.done += bytes;
        if let Some(shown) = self.shown.filter(|at| at.elapsed() >= EVERY) {
            let share = self.done.saturating_mul(100) / self.total.max(1);
            eprint!("\r  {} {}  {share} %", self.arrow, self.what);
            std::io::stderr().flush().ok();
            self.shown = Some(shown + EVERY);
        }
    }

    /// It is here, or there.
    pub fn end(self) {
        let start = if self.shown.is_some() { "\r" } else { "" };
        eprintln!(
            "{start}  {} {}  {} bytes",
            self.arrow,
            self.what,
            self.total.max(self.done)
        );
    }
}
