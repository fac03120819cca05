//! How one call is stopped from outside, and what its time is.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use docmill_model::failure::{Code, Failure};
use docmill_model::limits::Limits;
use futures_util::task::AtomicWaker;
use tokio::runtime::Handle;

/// CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// Work that took no longer by the wall clock is charged that: whoever loses its core is away for longer.
const SHORT: Duration = Duration::from_micros(250);

/// Does the work and gives the CPU time it took.
///
/// Reading a thread's CPU clock is a system call, and most calls are so short that two of them would be a twentieth of
/// their cost. So [`SHORT`] work is charged what passed on the wall; longer work what its thread used since a reading that
/// was at most `SHORT` old when the work began, and never more than the wall. Nothing is charged too little.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    thread_local! {
        /// When this thread's clock was read last, and what it showed.
        static READ: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
    }
    let begun = Instant::now();
    let recent = READ
        .get()
        .filter(|(at, _)| begun.saturating_duration_since(*at) < SHORT);
    let (at, before) = recent.unwrap_or_else(|| (begun, thread_cpu()));
    READ.set(Some((at, before)));
    let done = work();
    let wall = begun.elapsed();
    if wall < SHORT {
        return (done, wall);
    }
    let after = thread_cpu();
    READ.set(Some((Instant::now(), after)));
    (done, after.saturating_sub(before).min(wall))
}

/// The means by which one call is stopped from outside, and its clock.
pub(crate) struct Control {
    begun: Instant,
    deadline: Instant,
    /// Which of two limits the deadline is: that of the call, or that of the run.
    of_call: bool,
    timeout: Duration,
    cpu_limit: Duration,
    cpu_nanos: AtomicU64,
    stopped: AtomicBool,
    stop: Mutex<Option<Failure>>,
    waker: AtomicWaker,
    interrupts: Arc<AtomicU64>,
    generation: u64,
    runtime: Option<Handle>,
}

impl Control {
    pub(crate) fn new(limits: &Limits, run_deadline: Option<Instant>, interrupts: Arc<AtomicU64>) -> Self {
        let begun = Instant::now();
        let own = begun
            .checked_add(limits.timeout.0)
            .unwrap_or_else(|| begun + Duration::from_secs(86_400));
        let deadline = run_deadline.map_or(own, |run| run.min(own));
        Self {
            begun,
            deadline,
            of_call: deadline == own,
            timeout: limits.timeout.0,
            cpu_limit: limits.cpu.0,
            cpu_nanos: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            stop: Mutex::new(None),
            waker: AtomicWaker::new(),
            generation: interrupts.load(Ordering::Relaxed),
            interrupts,
            runtime: Handle::try_current().ok(),
        }
    }

    pub(crate) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Has the guest polled, so that it notices that it is over.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    pub(crate) fn wall(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) const fn runtime(&self) -> Option<&Handle> {
        self.runtime.as_ref()
    }

    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_nanos.load(Ordering::Relaxed))
    }

    /// CPU time that another thread spent for the guest.
    pub(crate) fn add_cpu(&self, cpu: Duration) {
        let nanos = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
        self.cpu_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Stops the guest at the next tick; the first reason stands.
    pub(crate) fn stop(&self, why: Failure) {
        self.stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(why);
        self.stopped.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether it must not go on, as far as that can be told at a glance.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.deadline
            || self.stopped.load(Ordering::Acquire)
            || self.interrupts.load(Ordering::Relaxed) != self.generation
    }

    /// Why the guest must not go on, if it must not.
    pub(crate) fn over(&self) -> Option<Failure> {
        if self.stopped.load(Ordering::Acquire) {
            return self.stop.lock().unwrap_or_else(PoisonError::into_inner).clone();
        }
        if self.interrupts.load(Ordering::Relaxed) != self.generation {
            let why = "the host is shutting down; send the document again";
            return Some(Failure::new(Code::Interrupted, why));
        }
        if self.cpu() > self.cpu_limit {
            let why = format!(
                "the plugin used more than {} ms of CPU time",
                self.cpu_limit.as_millis()
            );
            return Some(Failure::new(Code::CpuLimit, why));
        }
        if Instant::now() >= self.deadline {
            let why = if self.of_call {
                format!(
                    "the plugin did not end within {} ms; raise `timeout` or give it less",
                    self.timeout.as_millis()
                )
            } else {
                "the run's time was over before the plugin ended".to_owned()
            };
            return Some(Failure::new(Code::Timeout, why));
        }
        None
    }
}

/// A guest's work, polled only while it may go on; measures the CPU time of each poll.
pub(crate) struct Stoppable<'a, F> {
    pub(crate) work: Pin<&'a mut F>,
    pub(crate) control: &'a Control,
}

impl<F: Future> Future for Stoppable<'_, F> {
    type Output = Result<F::Output, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let control = self.control;
        if let Some(why) = control.over() {
            return Poll::Ready(Err(why));
        }
        let (polled, cpu) = timed(|| self.work.as_mut().poll(cx));
        control.add_cpu(cpu);
        match polled {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => {
                control.waker.register(cx.waker());
                // It may have been told to stop, or have used up its CPU time, since the last look.
                match control.over() {
                    Some(why) => Poll::Ready(Err(why)),
                    None => Poll::Pending,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burn(span: Duration) {
        let until = thread_cpu() + span;
        while thread_cpu() < until {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn sleeping_is_not_charged_and_working_is() {
        let ((), slept) = timed(|| std::thread::sleep(Duration::from_millis(30)));
        assert!(slept < Duration::from_millis(10), "{slept:?}");
        let ((), burnt) = timed(|| burn(Duration::from_millis(20)));
        assert!(burnt >= Duration::from_millis(20), "{burnt:?}");
    }

    #[test]
    fn what_is_short_is_charged_nearly_nothing_more_and_never_less() {
        for _ in 0..1_000 {
            let before = thread_cpu();
            let ((), charged) = timed(|| burn(Duration::from_micros(20)));
            let whole = thread_cpu() - before;
            assert!(charged >= Duration::from_micros(20), "{charged:?}");
            assert!(charged <= whole + SHORT, "{charged:?} of {whole:?}");
        }
    }

    #[test]
    fn work_of_others_before_it_is_charged_for_no_longer_than_a_short_while() {
        burn(Duration::from_millis(5));
        let ((), charged) = timed(|| {
            burn(Duration::from_micros(300));
            std::thread::sleep(Duration::from_millis(5));
        });
        assert!(charged < Duration::from_millis(3), "{charged:?}");
    }
}
