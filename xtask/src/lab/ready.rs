//! Waiting: ask again until the answer comes or the deadline has passed.
//! Deliberately absent: fixed sleeps as a way to be ready.

use std::thread;
use std::time::{Duration, Instant};

use super::LabError;

/// How long to rest between two questions: short against a start of seconds, long against a core.
const PAUSE: Duration = Duration::from_millis(40);

/// Asks until `question` answers `Ok(value)`; an `Err` says what was seen instead.
///
/// # Errors
/// [`LabError::Deadline`] with the last thing seen.
pub fn wait_until<T>(
    what: &str,
    patience: Duration,
    mut question: impl FnMut() -> Result<T, String>,
) -> Result<T, LabError> {
    wait_unless(what, patience, || Ok(question()))
}

/// The same for a question that can find out that waiting is pointless.
pub(crate) fn wait_unless<T>(
    what: &str,
    patience: Duration,
    mut question: impl FnMut() -> Result<Result<T, String>, LabError>,
) -> Result<T, LabError> {
    let begun = Instant::now();
    loop {
        let last = match question()? {
            Ok(value) => return Ok(value),
            Err(seen) => seen,
        };
        if begun.elapsed() >= patience {
            return Err(LabError::Deadline {
                what: what.to_owned(),
                waited: patience,
                last,
            });
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_tells_what_was_seen_last() {
        let error =
            wait_until::<()>("it rains", Duration::ZERO, || Err("sunshine".into())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "waited 0s in vain until it rains; last seen: sunshine"
        );
    }

    #[test]
    fn a_pointless_wait_ends_at_once() {
        let answer = wait_unless::<()>("never", Duration::from_secs(3600), || {
            Err(LabError::NoSpawner)
        });
        assert!(matches!(answer, Err(LabError::NoSpawner)));
    }
}
