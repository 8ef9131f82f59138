//! Whole objects that were packed and written as base64: what Helm keeps of a release, and what Rancher's
//! wrangler (and so k3s) notes of an object in an annotation.
//!
//! Nobody sees what is in them without unpacking, and a Secret is as likely in there as anything. So they go
//! as a whole, by the bytes with which such a package begins. Sources: wrangler `pkg/apply/desiredset_compare.go`,
//! Helm `pkg/storage/driver/util.go`. Deliberately absent: unpacking.

use super::{Cut, base64};

/// The annotations that hold the whole object as it was applied.
pub(super) const APPLIED: &[&str] = &["kubectl.kubernetes.io/last-applied-configuration", WRANGLER];

/// Wrangler's: packed, or plain JSON where it could not be packed.
pub(super) const WRANGLER: &str = "objectset.rio.cattle.io/applied";

/// How packages begin in base64: gzip; gzip that was written as base64 twice; ZIP.
pub(super) const BEGINS: &[&str] = &["H4sI", "SDRzSU", "UEsDBB"];

/// Shortest run that counts: nothing at all makes 28 letters of gzip.
const SHORTEST: usize = 24;

/// Takes a package out whose first letters stand at `at`, if one begins there. `done` is where the last run ended:
/// in one there may be any number of beginnings.
pub(super) fn cut(bytes: &[u8], at: usize, begin: &str, done: &mut usize, out: &mut Vec<Cut>) {
    let end = at + begin.len();
    // The automaton takes any case, base64 means it.
    if at < *done || bytes.get(at..end) != Some(begin.as_bytes()) || inside(bytes, at) {
        return;
    }
    // gzip's fourth byte has five flags and no more.
    if begin == "H4sI" && !matches!(bytes.get(end), Some(b'A'..=b'H')) {
        return;
    }
    let run = base64::run(bytes, at);
    *done = run.end;
    if run.end - at >= SHORTEST {
        out.push(Cut {
            range: at..run.end,
            what: "packed",
            quoted: false,
        });
    }
}

/// Does another letter stand before, so that these are some in the middle of something else?
fn inside(bytes: &[u8], at: usize) -> bool {
    let before = |n: usize| at.checked_sub(n).and_then(|i| bytes.get(i)).copied();
    if !before(1).is_some_and(|b| b.is_ascii_alphanumeric()) {
        return false;
    }
    // `\n` of an escaped string, `%3D` of an address, `\u003d` of either.
    let escape = before(2) == Some(b'\\') && matches!(before(1), Some(b'n' | b't' | b'r'));
    let percent = before(3) == Some(b'%');
    let code = before(6) == Some(b'\\') && before(5) == Some(b'u');
    !(escape || percent || code)
}

#[cfg(test)]
mod tests {
    use crate::redact::redact;

    /// Looked at once for each beginning, these would take minutes.
    #[test]
    fn many_beginnings_are_looked_at_once() {
        let text = "/H4sIA".repeat(400_000);
        assert_eq!(redact(text.as_bytes()).taken["packed"], 1);
    }

    #[test]
    fn only_what_begins_like_a_package_goes() {
        let packed = "H4sIAAAAAAAA/6tWSizIDEstKs7Mz1OyUlAqM1TSUVBKSSxJBPKqlQoSi4vL84tSQFKRRm6l";
        for (text, stays) in [
            (packed.to_owned(), false),
            (format!("release={packed}"), false),
            (format!("x\\n{packed}\\ny"), false),
            (format!("q%3D{packed}&a=b"), false),
            ("H4sIAAAA".to_owned(), true),
            // In the middle of a certificate, and in letters that mean something else.
            (format!("MIIB{packed}"), true),
            (packed.replace("H4sIA", "H4sIz"), true),
            (packed.replace("H4sI", "h4si"), true),
        ] {
            let got = redact(text.as_bytes());
            assert_eq!(got.text == text.as_bytes(), stays, "{text}");
            assert_eq!(got.taken.contains_key("packed"), !stays, "{text}");
        }
    }
}
