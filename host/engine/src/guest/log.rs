//! What a guest writes to its standard output and error, and to `wasi:logging`: kept up to the budget, cleaned when read.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamResult};

#[derive(Debug, Default)]
struct Log {
    bytes: Vec<u8>,
    dropped: u64,
}

/// A log that streams of the guest write into.
#[derive(Debug, Clone)]
pub(crate) struct SharedLog {
    log: Arc<Mutex<Log>>,
    budget: usize,
}

impl SharedLog {
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            log: Arc::default(),
            budget,
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.budget.saturating_sub(log.bytes.len()).min(bytes.len());
        let (kept, lost) = bytes.split_at(room);
        log.bytes.extend_from_slice(kept);
        log.dropped = log.dropped.saturating_add(lost.len() as u64);
    }

    /// The cleaned text, and the number of bytes that did not fit.
    pub(crate) fn take(&self) -> (String, u64) {
        let log = std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner));
        (clean(&log.bytes, self.budget), log.dropped)
    }
}

/// Text that is harmless in a terminal and in PostgreSQL: bytes that are not UTF-8 and control characters (ANSI sequences
/// begin with one) become U+FFFD; newlines and tabs stay. Replacement can make it longer, so it is cut again at `most`.
fn clean(bytes: &[u8], most: usize) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let mut text: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            // Bidirectional overrides can make a line say something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect();
    if text.len() > most {
        let end = (0..=most)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// Standard output or error.
pub(crate) struct LogStream(pub(crate) SharedLog);

#[async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_holds_and_control_characters_are_neutralised() {
        let log = SharedLog::new(12);
        log.write(b"a\x1b[31mb\xff\n\0");
        log.write(b"more than fits");
        let (text, dropped) = log.take();
        assert_eq!(
            text, "a\u{fffd}[31mb\u{fffd}",
            "replacements make it longer, so it is cut again"
        );
        assert_eq!(dropped, 12);
        let roomy = SharedLog::new(64);
        roomy.write("ё\t\u{202e}\r\n".as_bytes());
        assert_eq!(roomy.take().0, "ё\t\u{fffd}\u{fffd}\n");
    }
}
