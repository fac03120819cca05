//! Virtual time: it stands at the run's start and moves only when the guest waits, at once and to the earliest thing waited
//! for. Reading it is an effect, waiting is not. While a request over the network is on its way, waiting takes as long as it
//! says: a guest's own time limit for an answer would be over before the answer had a chance.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::Pollable;

#[derive(Debug, Default)]
struct Clock {
    /// Nanoseconds since the call began.
    elapsed: u64,
    /// What is being waited for now.
    waits: Vec<u64>,
    /// Requests over the network that are on their way.
    on_network: usize,
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

    /// Time is not before `when` any more.
    fn reach(&self, when: u64) {
        let mut clock = self.lock();
        clock.elapsed = clock.elapsed.max(when);
    }

    /// Something is on its way over the network until this is dropped.
    pub(crate) fn on_network(&self) -> OnNetwork {
        self.lock().on_network += 1;
        OnNetwork(self.clone())
    }

    /// Something to wait for.
    pub(crate) fn at(&self, when: u64) -> Alarm {
        Alarm {
            clock: self.clone(),
            when,
        }
    }
}

/// One request over the network.
pub(crate) struct OnNetwork(SharedClock);

impl Drop for OnNetwork {
    fn drop(&mut self) {
        let mut clock = self.0.lock();
        clock.on_network = clock.on_network.saturating_sub(1);
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

    /// How long it takes in real time, if something is on its way.
    fn left_on_network(&self) -> Option<Duration> {
        let clock = self.0.clock.lock();
        (clock.on_network > 0).then(|| Duration::from_nanos(self.0.when.saturating_sub(clock.elapsed)))
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
            if let Some(left) = wait.left_on_network() {
                tokio::time::sleep(left).await;
                self.clock.reach(self.when);
                return;
            }
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

    #[tokio::test]
    async fn time_passes_as_it_does_while_something_is_on_its_way() {
        let clock = SharedClock::default();
        let answer = clock.on_network();
        let real = std::time::Instant::now();
        clock.at(30_000_000).ready().await;
        assert!(real.elapsed() >= Duration::from_millis(30));
        assert_eq!(clock.elapsed(), 30_000_000);
        drop(answer);
        clock.at(3_600_000_000_000).ready().await;
        assert!(real.elapsed().as_secs() < 5);
    }
}
