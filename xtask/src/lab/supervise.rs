//! The command that runs inside a lab: waiting for it, passing signals on, taking over its code.
//! Deliberately absent: its grandchildren; what a command sends into the background is its own.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::LabError;

/// Signals that ask us to stop, by whom they reach.
pub(crate) struct Signals {
    /// A terminal's Ctrl-C, which the command gets by itself.
    interrupt: Arc<AtomicBool>,
    /// A signal to us alone, which is to be passed on.
    end: Arc<AtomicBool>,
}

impl Signals {
    pub(crate) fn caught() -> Result<Self, LabError> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let signals = Self {
            interrupt: Arc::default(),
            end: Arc::default(),
        };
        for (signal, flag) in [
            (SIGINT, &signals.interrupt),
            (SIGTERM, &signals.end),
            (SIGHUP, &signals.end),
        ] {
            signal_hook::flag::register(signal, Arc::clone(flag)).map_err(|source| {
                LabError::Spawn {
                    program: "the signal handler".into(),
                    source,
                }
            })?;
        }
        Ok(signals)
    }

    /// True once anybody has asked us to stop.
    pub(crate) fn any(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed) || self.end.load(Ordering::Relaxed)
    }
}

/// Waits for the command, passes on a request to end, and insists on it after a moment's grace.
pub(crate) fn supervise(mut child: Child, signals: &Signals) -> Result<ExitStatus, LabError> {
    const GRACE: Duration = Duration::from_secs(5);
    let failed = |source| LabError::Spawn {
        program: "the command".into(),
        source,
    };
    let mut asked: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status);
        }
        match asked {
            None if signals.end.load(Ordering::Relaxed) => {
                asked = Some(Instant::now());
                if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                    // Not yet reaped, so the number is still the child's. It may just have ended.
                    let _ = kill_process(pid, Signal::TERM);
                }
            }
            Some(since) if since.elapsed() > GRACE => child.kill().map_err(failed)?,
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The command's own code, or what a shell makes of a signal.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn quiet() -> Signals {
        Signals {
            interrupt: Arc::default(),
            end: Arc::default(),
        }
    }

    #[test]
    fn a_request_to_end_is_passed_on_and_the_code_is_the_shells() {
        let signals = quiet();
        signals.end.store(true, Ordering::Relaxed);
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let status = supervise(child, &signals).unwrap();
        assert_eq!(status.signal(), Some(15));
        assert_eq!(
            format!("{:?}", exit_code(status)),
            format!("{:?}", ExitCode::from(143))
        );
    }

    #[test]
    fn an_interrupt_leaves_the_end_to_the_command() {
        let signals = quiet();
        signals.interrupt.store(true, Ordering::Relaxed);
        let child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        assert_eq!(supervise(child, &signals).unwrap().code(), Some(3));
    }
}
