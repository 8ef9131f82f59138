//! Progress on standard error: one line that is written over, on a terminal only.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use defib_session::Event;

/// Shows what happens, and keeps the time of each stage.
pub struct Progress {
    terminal: bool,
    timings: bool,
    verbose: bool,
    shown: bool,
    stage: Option<(&'static str, Instant)>,
}

impl Progress {
    /// A display; with `timings` the time of each stage is told at the end of it, with `verbose` (or
    /// `DEFIB_LOG` set) each thing that is read has a line that stays.
    pub fn new(timings: bool, verbose: bool) -> Self {
        let asked = std::env::var_os("DEFIB_LOG").is_some_and(|v| !v.is_empty() && v != "off");
        Self {
            terminal: std::io::stderr().is_terminal(),
            timings,
            verbose: verbose || asked,
            shown: false,
            stage: None,
        }
    }

    /// Takes one event.
    pub fn event(&mut self, event: Event) {
        match event {
            Event::Stage(name) => {
                self.close();
                self.stage = Some((name, Instant::now()));
                self.show(name);
            }
            Event::Reading(what) => self.show(&format!("reading {what}")),
        }
    }

    fn show(&mut self, what: &str) {
        let safe = |c: &char| !defib_model::text::is_unsafe(*c);
        if self.verbose {
            let line: String = what.chars().filter(safe).collect();
            // Talk: if it can't be shown, nothing is lost.
            let _ = writeln!(std::io::stderr(), "defib: {line}");
        } else if self.terminal {
            let line: String = what.chars().filter(safe).take(70).collect();
            // Progress is talk: if it can't be shown, nothing is lost.
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
            let _ = std::io::stderr().flush();
            self.shown = true;
        }
    }

    fn close(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
            self.shown = false;
        }
        if let Some((name, since)) = self.stage.take()
            && self.timings
        {
            let _ = writeln!(
                std::io::stderr(),
                "{name:<10} {:>8.3} s",
                since.elapsed().as_secs_f64()
            );
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.close();
    }
}
