//! Lines for who called a command of the lab.
//! Deliberately absent: progress, which goes to stderr.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use super::LabError;
use super::error::file;

/// Prints a line. A reader who has seen enough, such as `grep -q`, is no failure.
pub(crate) fn line(text: impl Display) -> Result<(), LabError> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(file("write to", Path::new("/dev/stdout"))(error))
        }
        _ => Ok(()),
    }
}
