//! Exit codes: part of the contract, and what each of them means.

use defib_session::Verdict;

/// Nothing wrong, or done.
pub const HEALTHY: u8 = 0;
/// The tool failed: usage, unreadable input, a bug.
pub const FAILED: u8 = 1;
/// Problems found.
pub const PROBLEMS: u8 = 2;
/// Not enough evidence, or only part of it.
pub const UNKNOWN: u8 = 3;

/// What `--help` says about them.
pub const HELP: &str = "\
Exit codes:
  0  nothing wrong, or done
  1  the tool failed
  2  problems found
  3  not enough evidence";

/// The code of a verdict.
pub fn of(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Healthy => HEALTHY,
        Verdict::RootCause => PROBLEMS,
        Verdict::Unknown => UNKNOWN,
    }
}
