//! Counts what is unpacked, so that a small file cannot become a huge one.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

use docmill_plugin::Error;

use crate::limits::{MAX_EVENT_BYTES, MAX_RATIO, MAX_UNPACKED_BYTES, RATIO_FREE_BYTES};

/// Bytes unpacked so far, over all parts.
#[derive(Debug, Default)]
pub struct Meter {
    unpacked: Cell<u64>,
    /// Since the last XML event: bounds the buffer that an endless tag or text would fill.
    since_event: Cell<u64>,
}

impl Meter {
    /// The reader of XML has finished an event.
    pub fn event(&self) {
        self.since_event.set(0);
    }
}

/// Which limit was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    /// A part unpacks to far more than an honest one.
    Ratio,
    /// All parts together.
    Unpacked,
    /// One tag or text.
    Event,
}

impl Breach {
    /// For the pipeline.
    pub fn to_error(self) -> Error {
        match self {
            Self::Ratio => Error::invalid_input(
                "decompression-bomb",
                format!(
                    "A part of the file unpacks to more than {MAX_RATIO} times its size, as no honest document does. Save it in Office again."
                ),
            ),
            Self::Unpacked => Error::exhausted(
                "too-large",
                format!(
                    "The file unpacks to more than {} MiB; split it.",
                    MAX_UNPACKED_BYTES >> 20
                ),
            ),
            Self::Event => Error::exhausted(
                "too-large",
                format!(
                    "One text of the file has more than {} MiB; split it.",
                    MAX_EVENT_BYTES >> 20
                ),
            ),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit: {self:?}")
    }
}

impl std::error::Error for Breach {}

/// A part's reader under the meter.
pub struct Metered<R> {
    inner: R,
    packed: u64,
    unpacked: u64,
    meter: Rc<Meter>,
}

impl<R> Metered<R> {
    /// `packed`: the part's size in the container, in bytes.
    pub fn new(inner: R, packed: u64, meter: Rc<Meter>) -> Self {
        meter.event();
        Self {
            inner,
            packed,
            unpacked: 0,
            meter,
        }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.unpacked = self.unpacked.saturating_add(count as u64);
        let total = self.meter.unpacked.get().saturating_add(count as u64);
        self.meter.unpacked.set(total);
        let since_event = self.meter.since_event.get().saturating_add(count as u64);
        self.meter.since_event.set(since_event);
        let breach = if total > MAX_UNPACKED_BYTES {
            Some(Breach::Unpacked)
        } else if self.unpacked > RATIO_FREE_BYTES && self.unpacked / MAX_RATIO > self.packed {
            Some(Breach::Ratio)
        } else if since_event > MAX_EVENT_BYTES {
            Some(Breach::Event)
        } else {
            None
        };
        breach.map_or(Ok(count), |breach| Err(io::Error::other(breach)))
    }
}
