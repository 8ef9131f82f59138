//! Being told to end: Ctrl-C, the terminal that goes away, and whoever stops services.
//!
//! They are heard from the moment at which there is something to clean up. Deliberately absent: what is cleaned up.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whether signals are heard here, and need nobody else to end the process.
static LISTENING: AtomicBool = AtomicBool::new(false);

/// Are they heard here by now?
pub fn is_listening() -> bool {
    LISTENING.load(Ordering::Relaxed)
}

/// Listens from when it is made.
pub(super) struct Told {
    interrupt: Signal,
    terminate: Signal,
    /// `nohup` asks for not being ended by this one.
    hangup: Option<Signal>,
}

impl Told {
    /// Begins to listen; asked inside of a runtime.
    pub(super) fn new() -> io::Result<Self> {
        let hangup = SignalKind::hangup();
        let told = Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: match is_ignored(hangup) {
                true => None,
                false => Some(signal(hangup)?),
            },
        };
        // Before there is anything to clean up: one that comes just now ends the process, or is heard here.
        LISTENING.store(true, Ordering::Relaxed);
        Ok(told)
    }

    /// Waits until it is told.
    pub(super) async fn heard(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Did whoever started this ask that the signal be ignored? Only Linux says.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|m| u64::from_str_radix(m.trim(), 16).ok());
    let bit = u32::try_from(kind.as_raw_value() - 1).unwrap_or(u32::MAX);
    mask.is_some_and(|mask| mask.checked_shr(bit).is_some_and(|m| m & 1 == 1))
}
