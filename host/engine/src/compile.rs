//! Machine code is made in a child process: a compiler that is fed hostile bytes may crash, spin or eat memory, and none of
//! that is to happen to the host.
//!
//! The child gets the component on standard input and writes the code to standard output. It takes its limits before it
//! reads a byte: address space, CPU time, size of what it writes, no core dump, no new privileges, death with its parent,
//! and **no new file descriptors**, so that it can open neither file nor socket, on any system and without any privilege.
//! Where the kernel lets it, it also leaves the network namespace.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use docmill_model::failure::{Code, Failure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::convert::shown;
use crate::settings::{CompileLimits, Settings, code_config};

/// What the child is told, as JSON, in its last argument.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    memory: u64,
    cpu_seconds: u64,
    code: u64,
    stack: usize,
}

/// What compiling took, as the child measured it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compilation {
    /// CPU time of all its threads, in milliseconds; counted in ticks of 10.
    pub cpu_ms: u64,
    /// The most memory that it had at once, in bytes.
    pub peak_bytes: u64,
}

/// The component does not compile.
const REFUSED: u8 = 2;
/// The code could not be written: no space, or larger than allowed.
const UNWRITTEN: u8 = 3;
/// Anything that is not the component's fault.
const BROKEN: u8 = 4;

/// Body of the compile child. Its exit code is 0 if the machine code is on standard output, else the reason is on standard
/// error.
pub fn compile_child() -> ExitCode {
    match child() {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, why)) => {
            let _ = writeln!(std::io::stderr(), "{why}");
            ExitCode::from(code)
        }
    }
}

fn child() -> Result<(), (u8, String)> {
    let broken = |why: String| (BROKEN, why);
    let job = std::env::args().next_back().unwrap_or_default();
    let job: Job = serde_json::from_str(&job).map_err(|error| {
        broken(format!(
            "started without a job ({error}); docmill starts this itself"
        ))
    })?;
    // Not `io::stdout`, which looks for newlines in 30 MB of machine code; opened while descriptors can be had.
    let mut out = std::os::fd::AsFd::as_fd(&std::io::stdout())
        .try_clone_to_owned()
        .map(File::from)
        .map_err(|error| broken(format!("standard output: {error}")))?;
    let meter = Meter::open();
    confine(&job).map_err(|error| broken(format!("limits could not be taken: {error}")))?;
    let mut component = Vec::new();
    std::io::stdin()
        .read_to_end(&mut component)
        .map_err(|error| broken(format!("the component could not be read: {error}")))?;
    let engine =
        wasmtime::Engine::new(&code_config(job.stack)).map_err(|error| broken(format!("{error:#}")))?;
    let code = engine
        .precompile_component(&component)
        .map_err(|error| (REFUSED, format!("{error:#}")))?;
    out.write_all(&code)
        .map_err(|error| (UNWRITTEN, format!("the code could not be written: {error}")))?;
    if let Some(taken) = meter.and_then(Meter::read)
        && let Ok(taken) = serde_json::to_string(&taken)
    {
        let _ = writeln!(std::io::stderr(), "{taken}");
    }
    Ok(())
}

/// The kernel's files about this process, opened while descriptors can be had. Only Linux has them.
struct Meter {
    status: File,
    stat: File,
}

impl Meter {
    fn open() -> Option<Self> {
        Some(Self {
            status: File::open("/proc/self/status").ok()?,
            stat: File::open("/proc/self/stat").ok()?,
        })
    }

    fn read(mut self) -> Option<Compilation> {
        /// What Linux counts times in, towards programs, on every architecture.
        const TICK_MS: u64 = 10;
        let (mut status, mut stat) = (String::new(), String::new());
        self.status.read_to_string(&mut status).ok()?;
        self.stat.read_to_string(&mut stat).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let peak_kib: u64 = peak.trim().trim_end_matches("kB").trim().parse().ok()?;
        // Behind the name, which may hold anything, stand the state and from the 14th field on the times.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut times = fields.split_whitespace().skip(11);
        let user: u64 = times.next()?.parse().ok()?;
        let system: u64 = times.next()?.parse().ok()?;
        Some(Compilation {
            cpu_ms: user.saturating_add(system).saturating_mul(TICK_MS),
            peak_bytes: peak_kib.saturating_mul(1024),
        })
    }
}

fn limit(resource: Resource, most: u64) -> std::io::Result<()> {
    let hard = getrlimit(resource).maximum;
    let most = hard.map_or(most, |hard| most.min(hard));
    Ok(setrlimit(
        resource,
        Rlimit {
            current: Some(most),
            maximum: Some(most),
        },
    )?)
}

fn confine(job: &Job) -> std::io::Result<()> {
    limit(Resource::Core, 0)?;
    limit(Resource::Cpu, job.cpu_seconds)?;
    // macOS knows no limit on address space; there the CPU time and the wall time bound the child.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        limit(Resource::As, job.memory)?;
        set_parent_process_death_signal(Some(Signal::KILL))?;
        rustix::thread::set_no_new_privs(true)?;
        leave_network();
        // Requests come first.
        let _ = rustix::process::setpriority_process(None, 10);
    }
    limit(Resource::Fsize, job.code)?;
    limit(Resource::Nofile, 0)
}

/// Belt and braces: without descriptors there is no socket either. Many kernels and containers refuse.
#[cfg(target_os = "linux")]
#[expect(
    deprecated,
    reason = "the flags share no memory and no descriptors, so the safe function is sound here"
)]
fn leave_network() {
    use rustix::thread::{UnshareFlags, unshare};
    if unshare(UnshareFlags::NEWNET).is_err() {
        let _ = unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET);
    }
}

/// How a compilation failed, seen from the parent.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Because of the component; the same again will fail again.
    Component(Failure),
    /// The code found no room in the file it was given.
    NoRoom(String),
}

fn command(settings: &Settings) -> Result<Command, Failure> {
    let mut line: Vec<OsString> = match &settings.compiler {
        Some(line) => line.clone(),
        None => {
            let myself = std::env::current_exe()
                .map_err(|error| internal(format!("the compile child cannot be found: {error}")))?;
            vec![myself.into(), "__compile".into()]
        }
    };
    let limits = &settings.compile;
    let job = Job {
        memory: limits.memory.0,
        cpu_seconds: seconds(limits.cpu),
        code: limits.code.0,
        stack: settings.ceiling.stack.bytes(),
    };
    line.push(
        serde_json::to_string(&job)
            .map_err(|error| internal(error.to_string()))?
            .into(),
    );
    let mut line = line.into_iter();
    let mut command = Command::new(
        line.next()
            .ok_or_else(|| internal("`compiler` is empty".to_owned()))?,
    );
    command
        .args(line)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Ok(command)
}

const fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + if duration.subsec_nanos() > 0 { 1 } else { 0 }
}

fn internal(why: String) -> Failure {
    Failure::new(Code::Internal, why)
}

fn failed(why: String) -> Failed {
    Failed::Component(Failure::new(Code::CompileFailed, why))
}

/// Compiles into a file.
pub(crate) async fn into_file(
    settings: &Settings,
    component: &[u8],
    file: &File,
) -> Result<Option<Compilation>, Failed> {
    let file = file
        .try_clone()
        .map_err(|error| Failed::NoRoom(error.to_string()))?;
    let mut command = command(settings).map_err(Failed::Component)?;
    command.stdout(Stdio::from(file));
    let (_, taken) = run(command, &settings.compile, component).await?;
    Ok(taken)
}

/// Compiles into memory, for a host that has no room on disk.
pub(crate) async fn into_memory(
    settings: &Settings,
    component: &[u8],
) -> Result<(Vec<u8>, Option<Compilation>), Failed> {
    let mut command = command(settings).map_err(Failed::Component)?;
    command.stdout(Stdio::piped());
    run(command, &settings.compile, component).await
}

async fn run(
    mut command: Command,
    limits: &CompileLimits,
    component: &[u8],
) -> Result<(Vec<u8>, Option<Compilation>), Failed> {
    let mut child = command.spawn().map_err(|error| {
        Failed::Component(internal(format!(
            "the compile child {:?} cannot start: {error}",
            command.as_std().get_program()
        )))
    })?;
    let Ok(ended) = tokio::time::timeout(limits.timeout, converse(&mut child, limits, component)).await
    else {
        let _ = child.kill().await;
        let most = limits.timeout.as_secs_f32();
        return Err(failed(format!(
            "the component did not compile within {most} s; split it or make it smaller"
        )));
    };
    let (status, code, why) =
        ended.map_err(|error| Failed::Component(internal(format!("the compile child: {error}"))))?;
    if status.success() {
        let taken = why.lines().last();
        return Ok((code, taken.and_then(|taken| serde_json::from_str(taken).ok())));
    }
    let why = shown(why.trim(), 1_000);
    Err(match status.code() {
        Some(code) if code == i32::from(REFUSED) => failed(format!("the component does not compile: {why}")),
        Some(code) if code == i32::from(UNWRITTEN) => Failed::NoRoom(why),
        Some(_) => Failed::Component(internal(format!("the compile child failed: {why}"))),
        None => by_signal(status, limits, &why),
    })
}

fn by_signal(status: std::process::ExitStatus, limits: &CompileLimits, why: &str) -> Failed {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal().unwrap_or(0);
    let cpu = seconds(limits.cpu);
    if signal == rustix::process::Signal::XCPU.as_raw() || signal == rustix::process::Signal::KILL.as_raw() {
        return failed(format!(
            "the component did not compile within {cpu} s of CPU time; split it or make it smaller"
        ));
    }
    if signal == rustix::process::Signal::XFSZ.as_raw() {
        return Failed::NoRoom(format!("the code is larger than {}", limits.code));
    }
    if signal == rustix::process::Signal::ABORT.as_raw() && why.contains("memory allocation") {
        return failed(format!(
            "the component did not compile within {} of memory; make it smaller",
            limits.memory
        ));
    }
    failed(format!(
        "the compiler crashed on the component (signal {signal}): {why}"
    ))
}

type Ended = (std::process::ExitStatus, Vec<u8>, String);

/// Feeds the child and reads what it says, all at once so that nobody waits for the other.
async fn converse(child: &mut Child, limits: &CompileLimits, component: &[u8]) -> std::io::Result<Ended> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A child that ended early says why itself.
            let _ = stdin.write_all(component).await;
        }
    };
    let code = async {
        let mut code = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(limits.code.0).read_to_end(&mut code).await?;
        }
        std::io::Result::Ok(code)
    };
    let words = async {
        let mut words = Vec::new();
        if let Some(mut stderr) = stderr {
            (&mut stderr).take(16 << 10).read_to_end(&mut words).await?;
            tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
        }
        std::io::Result::Ok(String::from_utf8_lossy(&words).into_owned())
    };
    let (status, (), code, words) = tokio::join!(child.wait(), feed, code, words);
    Ok((status?, code?, words?))
}
