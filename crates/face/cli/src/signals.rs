//! Being told to end while a private copy of a database lies there: it goes first.
//!
//! A copy has a name only until it is open; the process then ends as if nobody had listened. What was asked to be
//! ignored (`nohup`) stays so. Deliberately absent: `inspect serve`, which ends by itself once it listens, but
//! for SIGQUIT.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

/// Listens for as long as the process lives.
pub fn listen() {
    let ignored = ignored();
    let wanted = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
    let wanted: Vec<i32> = wanted
        .into_iter()
        .filter(|signal| {
            let bit = u32::try_from(signal - 1).unwrap_or(u32::MAX);
            ignored.checked_shr(bit).is_none_or(|mask| mask & 1 == 0)
        })
        .collect();
    let (ready, is_ready) = sync_channel(1);
    let heard = move || {
        // Where they can't be heard, they end the process as ever.
        let Ok(mut signals) = Signals::new(wanted) else {
            return;
        };
        let _ = ready.send(());
        for signal in signals.forever() {
            #[cfg(feature = "serve")]
            if defib_session::inspect::serve::is_listening() && signal != SIGQUIT {
                continue;
            }
            defib_session::inspect::forget_copies();
            if signal_hook::low_level::emulate_default_handler(signal).is_err() {
                std::process::exit(128 + signal);
            }
        }
    };
    // What is heard has to have somebody who listens: without a thread, nothing is.
    let thread = std::thread::Builder::new().name("signals".into());
    if thread.spawn(heard).is_ok() {
        // An error says that nothing will be heard.
        let _ = is_ready.recv();
    }
    // A file that grows beyond what is allowed ends in an error, as on a disk without room: then it is read where it
    // lies.
    drop(signal_hook::flag::register(SIGXFSZ, Arc::default()));
}

/// Signals that whoever started this asked to be ignored, as bits; only Linux says.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    mask.and_then(|m| u64::from_str_radix(m.trim(), 16).ok())
        .unwrap_or(0)
}
