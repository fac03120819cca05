//! Exit codes, all on one page; `docmill --help` lists them.

use std::process::ExitCode;

use docmill_blob::BlobError;
use docmill_model::failure::{Code, Failure};
use docmill_store::StoreError;
use docmill_store::embedded::EmbeddedError;

/// The command did what it was asked.
pub const OK: u8 = 0;
/// It could not; the message says why.
pub const FAILED: u8 = 1;
/// The run's verdict is fail.
pub const VERDICT_FAIL: u8 = 3;
/// The run's verdict is undecided: a person has to look.
pub const VERDICT_UNDECIDED: u8 = 4;
/// A part of what was asked for was not shown, because something is missing on this machine; what was shown is right.
pub const NOT_SHOWN: u8 = 5;
/// A service is away (PostgreSQL, blobs, the docmill server); from sysexits.h: EX_UNAVAILABLE.
pub const UNAVAILABLE: u8 = 69;
/// A setting is wrong; from sysexits.h: EX_CONFIG.
pub const CONFIG: u8 = 78;

/// The page of exit codes in `--help`.
pub const HELP: &str = "\
Exit codes:
  0   done (for `run`: verdict pass, or none asked for)
  1   failed; the message says why and what to do (for `audit verify`: the log is broken)
  2   the command line is wrong
  3   `run`: the verdict is fail
  4   `run`: the verdict is undecided, a person has to look
  5   `demo plugin`: the tools of a language are missing, the other one was shown
  69  a service is away: PostgreSQL, the blob store or the docmill server
  78  a setting is wrong";

/// A setting is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// Prints an error with its causes and gives the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    let unavailable = |f: &Failure| {
        matches!(
            f.code,
            Code::StoreUnavailable | Code::BlobUnavailable | Code::Overloaded
        )
    };
    let code = if error.chain().any(|e| e.is::<ConfigError>()) {
        CONFIG
    } else if error.downcast_ref::<EmbeddedError>().is_some()
        || failure(error).is_some_and(|f| unavailable(&f))
    {
        UNAVAILABLE
    } else {
        FAILED
    };
    ExitCode::from(code)
}

/// What the platform's parts say of an error, whatever context it was given on its way.
fn failure(error: &anyhow::Error) -> Option<Failure> {
    error
        .downcast_ref::<Failure>()
        .cloned()
        .or_else(|| error.downcast_ref::<StoreError>().map(StoreError::failure))
        .or_else(|| error.downcast_ref::<BlobError>().map(BlobError::failure))
}
