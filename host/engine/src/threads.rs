//! Who runs when: the guests' threads, the ticks, deadlines, CPU time, and stopping.
//!
//! A guest is a future that yields at every tick. It is polled once where the caller is; if it needs more, it goes to the
//! end of one queue that the guest threads serve in turn, so that any number of spinning guests share them a tick at a
//! time. Whoever is over its deadline, or is to stop, comes first: it is only dropped.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_task::Runnable;
use docmill_model::failure::{Code, Failure};
use docmill_model::limits::Limits;
use futures_util::task::AtomicWaker;
use tokio::runtime::Handle;
use wasmtime::EngineWeak;

/// CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// Gives others their turn once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
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

    fn is_over(&self, now: Instant) -> bool {
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
        let before = thread_cpu();
        let polled = self.work.as_mut().poll(cx);
        control.add_cpu(thread_cpu().saturating_sub(before));
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

#[derive(Default)]
struct Ready {
    tasks: VecDeque<Runnable<Arc<Control>>>,
    closed: bool,
}

#[derive(Default)]
struct Queue {
    ready: Mutex<Ready>,
    filled: Condvar,
}

impl Queue {
    fn push(&self, task: Runnable<Arc<Control>>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.closed {
            ready.tasks.push_back(task);
            self.filled.notify_one();
        }
    }

    /// The next task, whoever is over first; none: the engine is gone.
    fn next(&self) -> Option<Runnable<Arc<Control>>> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if ready.closed {
                return None;
            }
            if !ready.tasks.is_empty() {
                let now = Instant::now();
                let over = ready.tasks.iter().position(|task| task.metadata().is_over(now));
                return ready.tasks.remove(over.unwrap_or(0));
            }
            ready = self.filled.wait(ready).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The guest threads and the ticker of an engine.
pub(crate) struct Threads {
    queue: Arc<Queue>,
    ticker: Arc<Ticker>,
}

#[derive(Default)]
struct Ticker {
    guests: AtomicUsize,
    asleep: AtomicBool,
    closed: AtomicBool,
    thread: Mutex<Option<std::thread::Thread>>,
}

/// One guest is there; the ticker ticks while one is.
pub(crate) struct Presence(Arc<Ticker>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.guests.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The ticker stays awake for so many ticks without a guest, because waking it costs a system call.
const IDLE_TICKS: u32 = 250;

impl Ticker {
    fn run(&self, engine: &EngineWeak, tick: Duration) {
        let mut idle = 0;
        while !self.closed.load(Ordering::Relaxed) {
            std::thread::sleep(tick);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
            idle = if self.guests.load(Ordering::SeqCst) == 0 {
                idle + 1
            } else {
                0
            };
            if idle > IDLE_TICKS {
                self.asleep.store(true, Ordering::SeqCst);
                while self.guests.load(Ordering::SeqCst) == 0 && !self.closed.load(Ordering::Relaxed) {
                    std::thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
                idle = 0;
            }
        }
    }

    fn wake(&self) {
        if let Some(thread) = &*self.thread.lock().unwrap_or_else(PoisonError::into_inner) {
            thread.unpark();
        }
    }
}

impl Threads {
    /// Starts `guests` threads for guests and one that ticks.
    pub(crate) fn start(engine: EngineWeak, guests: usize, tick: Duration) -> std::io::Result<Self> {
        let threads = Self {
            queue: Arc::default(),
            ticker: Arc::default(),
        };
        for number in 0..guests.max(1) {
            let queue = Arc::clone(&threads.queue);
            std::thread::Builder::new()
                .name(format!("guest-{number}"))
                .spawn(move || serve(&queue))?;
        }
        let ticker = Arc::clone(&threads.ticker);
        let thread = std::thread::Builder::new()
            .name("guest-tick".to_owned())
            .spawn(move || ticker.run(&engine, tick))?;
        *threads
            .ticker
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(thread.thread().clone());
        Ok(threads)
    }

    /// Ticks from now until the presence is dropped.
    pub(crate) fn enter(&self) -> Presence {
        self.ticker.guests.fetch_add(1, Ordering::SeqCst);
        if self.ticker.asleep.load(Ordering::SeqCst) {
            self.ticker.wake();
        }
        Presence(Arc::clone(&self.ticker))
    }

    /// Runs a guest to its end. Dropping this future stops the guest at the next tick and drops it.
    ///
    /// # Errors
    /// When the host panicked while the guest ran.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        control: &Arc<Control>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Failure> {
        let mut work = Box::pin(work);
        if let Some(output) = first_slice(work.as_mut()) {
            return output;
        }
        let queue = Arc::clone(&self.queue);
        let runtime = control.runtime.clone();
        let (runnable, task) = async_task::Builder::new().metadata(Arc::clone(control)).spawn(
            |_| InRuntime { work, runtime },
            move |runnable| queue.push(runnable),
        );
        runnable.schedule();
        let mut task = std::pin::pin!(task.fallible());
        // A guest that waits in a host call is not polled; its deadline wakes it.
        let deadline = tokio::time::sleep_until(control.deadline.into());
        tokio::select! {
            biased;
            output = &mut task => return output.ok_or_else(panicked),
            () = deadline => control.waker.wake(),
        }
        task.await.ok_or_else(panicked)
    }
}

/// The first slice, where the caller is: most calls end in it, and a change of threads costs as much as they do.
fn first_slice<T>(work: Pin<&mut impl Future<Output = T>>) -> Option<Result<T, Failure>> {
    let mut nobody = Context::from_waker(Waker::noop());
    match catch_unwind(AssertUnwindSafe(|| work.poll(&mut nobody))) {
        Ok(Poll::Ready(output)) => Some(Ok(output)),
        Ok(Poll::Pending) => None,
        Err(_) => Some(Err(panicked())),
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let left = {
            let mut ready = self.queue.ready.lock().unwrap_or_else(PoisonError::into_inner);
            ready.closed = true;
            std::mem::take(&mut ready.tasks)
        };
        self.queue.filled.notify_all();
        drop(left);
        self.ticker.closed.store(true, Ordering::Relaxed);
        self.ticker.wake();
    }
}

fn panicked() -> Failure {
    tracing::error!("the host panicked while a guest ran");
    Failure::new(
        Code::Internal,
        "docmill failed while the plugin ran; this is a fault of docmill",
    )
}

/// Host functions may need the caller's runtime, whose thread this is not.
struct InRuntime<F> {
    work: Pin<Box<F>>,
    runtime: Option<Handle>,
}

impl<F: Future> Future for InRuntime<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = this.runtime.as_ref().map(Handle::enter);
        this.work.as_mut().poll(cx)
    }
}

/// The body of a guest thread.
fn serve(queue: &Queue) {
    // Guests that last yield to the threads that answer requests.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 5);
    while let Some(task) = queue.next() {
        // A panic is a bug of the host, and survivable: the call fails, the thread goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| task.run()));
    }
}
