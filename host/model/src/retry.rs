//! When a queued run that failed is tried again: by the kind of its failure, later each time, never all at once.

use std::time::Duration;

use crate::failure::Failure;
use crate::id::RunId;

/// Before the second attempt; doubles each time.
const FIRST: Duration = Duration::from_secs(1);
/// Longest wait between two attempts, unless the failure itself asks for more.
const LONGEST: Duration = Duration::from_secs(300);
/// Longest wait that a failure may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a run waits for its next attempt; none: it has failed for good. `attempt` counts from 1, the one that failed.
///
/// What is permanent (the input, the definition, a trap) is never tried again. What passes is, up to `most` attempts in all: after
/// 1 s, 2 s, 4 s … and at most 5 min, each a fifth more or less so that runs that failed together do not come back together, and
/// never before the failure's own `retry_after_ms`.
pub fn next_attempt(failure: &Failure, attempt: u32, most: u32, run: RunId) -> Option<Duration> {
    if !failure.code.transient() || attempt >= most {
        return None;
    }
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
    // Any bits that differ from run to run and from attempt to attempt; the id's last ones are random.
    let bits = run.uuid().as_u128().rotate_right(attempt.wrapping_mul(7)) & 0xff;
    let spread = f64::from(u8::try_from(bits).unwrap_or(0x7f)) / 255.0;
    let jittered = doubled.min(LONGEST).mul_f64(0.8 + 0.4 * spread);
    let asked = Duration::from_millis(failure.retry_after_ms.unwrap_or(0).into());
    Some(jittered.max(asked.min(LONGEST_ASKED)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;

    fn waits(code: Code, attempt: u32) -> Option<f64> {
        next_attempt(&Failure::new(code, "x"), attempt, 5, RunId::new()).map(|span| span.as_secs_f64())
    }

    #[test]
    fn what_passes_is_tried_again_ever_later_and_not_for_ever() {
        for (attempt, seconds) in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0)] {
            for _ in 0..50 {
                let waits =
                    waits(Code::PluginUnavailable, attempt).unwrap_or_else(|| panic!("attempt {attempt}"));
                assert!(
                    (0.8 * seconds..=1.2 * seconds).contains(&waits),
                    "{attempt}: {waits}"
                );
            }
        }
        assert_eq!(waits(Code::PluginUnavailable, 5), None);
        for code in [
            Code::InvalidInput,
            Code::Trap,
            Code::CpuLimit,
            Code::UnknownPlugin,
            Code::Internal,
        ] {
            assert_eq!(waits(code, 1), None, "{code}");
        }
    }

    #[test]
    fn a_failure_may_ask_for_more_within_reason() {
        let mut failure = Failure::new(Code::QuotaExceeded, "x");
        failure.retry_after_ms = Some(60_000);
        let wait = |failure: &Failure| next_attempt(failure, 1, 5, RunId::new());
        assert_eq!(wait(&failure), Some(Duration::from_secs(60)));
        failure.retry_after_ms = Some(u32::MAX);
        assert_eq!(wait(&failure), Some(LONGEST_ASKED));
    }

    #[test]
    fn runs_that_failed_together_do_not_come_back_together() {
        let failure = Failure::new(Code::StoreUnavailable, "x");
        let mut waits: Vec<_> = (0..100)
            .map(|_| next_attempt(&failure, 3, 5, RunId::new()))
            .collect();
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 50, "{}", waits.len());
    }
}
