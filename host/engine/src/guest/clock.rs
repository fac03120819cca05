//! Virtual time: it stands at the run's start and moves only when the guest waits, at once and to the earliest thing waited
//! for. Reading it is an effect, waiting is not.

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::Pollable;

#[derive(Debug, Default)]
struct Clock {
    /// Nanoseconds since the call began.
    elapsed: u64,
    /// What is being waited for now.
    waits: Vec<u64>,
}

/// The clock of one guest.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedClock(Arc<Mutex<Clock>>);

impl SharedClock {
    fn lock(&self) -> std::sync::MutexGuard<'_, Clock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nanoseconds since the call began.
    pub(crate) fn elapsed(&self) -> u64 {
        self.lock().elapsed
    }

    /// Something to wait for.
    pub(crate) fn at(&self, when: u64) -> Alarm {
        Alarm {
            clock: self.clone(),
            when,
        }
    }
}

/// A moment of virtual time.
pub(crate) struct Alarm {
    clock: SharedClock,
    when: u64,
}

/// One wait for an alarm, forgotten when the guest stops waiting.
struct Wait<'a>(&'a Alarm);

impl<'a> Wait<'a> {
    fn begin(alarm: &'a Alarm) -> Self {
        alarm.clock.lock().waits.push(alarm.when);
        Self(alarm)
    }

    /// Moves time if nothing earlier is waited for; whether the moment has come.
    fn advance(&self) -> bool {
        let mut clock = self.0.clock.lock();
        if clock.elapsed < self.0.when && clock.waits.iter().all(|other| *other >= self.0.when) {
            clock.elapsed = self.0.when;
        }
        clock.elapsed >= self.0.when
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut clock = self.0.clock.lock();
        if let Some(at) = clock.waits.iter().position(|other| *other == self.0.when) {
            clock.waits.swap_remove(at);
        }
    }
}

#[async_trait]
impl Pollable for Alarm {
    async fn ready(&mut self) {
        if self.clock.elapsed() >= self.when {
            return;
        }
        // Everything else in the same poll gets its chance first: time moves only when all that is waited for is time.
        let wait = Wait::begin(self);
        loop {
            crate::threads::yield_now().await;
            if wait.advance() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::{FutureExt, select};

    use super::*;

    #[tokio::test]
    async fn time_moves_to_the_earliest_wait_and_at_once() {
        let clock = SharedClock::default();
        let (mut near, mut far) = (clock.at(1_000), clock.at(3_600_000_000_000));
        let real = std::time::Instant::now();
        select(far.ready(), near.ready()).await;
        assert_eq!(clock.elapsed(), 1_000);
        far.ready().await;
        assert_eq!(clock.elapsed(), 3_600_000_000_000);
        assert!(near.ready().now_or_never().is_some());
        assert!(real.elapsed().as_secs() < 5);
    }
}
