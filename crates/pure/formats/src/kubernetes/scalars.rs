//! Scalars as Go's JSON prints them: texts, bytes, numbers, times, durations.
//!
//! Sources: Go's encoding/json (HTML characters and line separators are escaped, bytes are base64), its
//! time.Duration.String, and Kubernetes' metav1.Time and MicroTime. Deliberately absent: time zones; all
//! times are UTC.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Whether JSON text can't hold the byte as it is. 0xe2 begins the two line separators that Go escapes.
#[inline]
fn special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2)
}

/// How many of the first bytes can be copied. Whole blocks are judged at once, which processors do well.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> usize {
    let mut whole = 0;
    for block in bytes.chunks_exact(16) {
        if block.iter().fold(false, |seen, byte| seen | special(*byte)) {
            break;
        }
        whole += 16;
    }
    let rest = bytes.get(whole..).unwrap_or_default();
    whole
        + rest
            .iter()
            .position(|byte| special(*byte))
            .unwrap_or(rest.len())
}

/// A text in quotes. What is no UTF-8 becomes U+FFFD, as Go does it.
pub(super) fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    match std::str::from_utf8(bytes) {
        Ok(_) => escaped(out, bytes),
        Err(_) => {
            for chunk in bytes.utf8_chunks() {
                escaped(out, chunk.valid().as_bytes());
                for _ in chunk.invalid() {
                    out.extend_from_slice("\u{fffd}".as_bytes());
                }
            }
        }
    }
    out.push(b'"');
}

/// The inside of a text that is UTF-8.
fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    loop {
        let (clean, dirty) = rest.split_at_checked(plain(rest)).unwrap_or((rest, &[]));
        out.extend_from_slice(clean);
        let Some((&byte, behind)) = dirty.split_first() else {
            return;
        };
        rest = escape(out, byte, behind);
    }
}

/// One special byte; gives what is left behind it.
pub(super) fn escape<'a>(out: &mut Vec<u8>, byte: u8, behind: &'a [u8]) -> &'a [u8] {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        0xe2 => match behind {
            [0x80, last @ (0xa8 | 0xa9), rest @ ..] => {
                out.extend_from_slice(if *last == 0xa8 {
                    b"\\u2028"
                } else {
                    b"\\u2029"
                });
                return rest;
            }
            _ => out.push(byte),
        },
        _ => {
            out.extend_from_slice(b"\\u00");
            for half in [byte >> 4, byte & 15] {
                out.push(if half < 10 {
                    b'0' + half
                } else {
                    b'a' + half - 10
                });
            }
        }
    }
    behind
}

/// Bytes as base64 in quotes.
pub(super) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let at = out.len();
    let length = base64::encoded_len(bytes.len(), true).unwrap_or(0);
    out.resize(at + length, 0);
    let room = out.get_mut(at..).unwrap_or_default();
    // The room is what the crate itself asks for.
    let written = STANDARD.encode_slice(bytes, room).unwrap_or(0);
    out.truncate(at + written);
    out.push(b'"');
}

/// A whole number.
pub(super) fn integer(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    unsigned(out, value.unsigned_abs(), 1);
}

/// Digits, with zeros in front up to a width.
fn unsigned(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut count = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        count += 1;
        if value == 0 && count >= width {
            break;
        }
    }
    out.extend_from_slice(digits.get(20 - count..).unwrap_or_default());
}

/// A number with a fraction; JSON has no word for what is not finite.
pub(super) fn double(out: &mut Vec<u8>, value: f64) -> bool {
    if !value.is_finite() {
        out.extend_from_slice(b"null");
        return false;
    }
    // Go's form: an exponent where the number is very small or large.
    let size = value.abs();
    let text = if size != 0.0 && !(1e-6..1e21).contains(&size) {
        format!("{value:e}")
    } else {
        format!("{value}")
    };
    out.extend_from_slice(text.as_bytes());
    true
}

/// The second at which Go's zero time is: the year 1.
const ZERO_TIME: i64 = -62_135_596_800;
/// The last second of the year 9999, past which RFC 3339 has no years.
const LAST_TIME: i64 = 253_402_300_799;

/// A time in quotes, or `null` for Go's zero. False when the year can't be written.
pub(super) fn time(out: &mut Vec<u8>, seconds: i64, micros: Option<u32>) -> bool {
    let zero = seconds == ZERO_TIME && micros.unwrap_or(0) == 0;
    let known = (ZERO_TIME..=LAST_TIME).contains(&seconds);
    if zero || !known {
        out.extend_from_slice(b"null");
        return known;
    }
    let (days, second) = (
        seconds.div_euclid(86_400),
        seconds.rem_euclid(86_400) as u64,
    );
    // Days to a date in the proleptic Gregorian calendar, years beginning in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097) as u64;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = (era * 400 + later).unsigned_abs() + year_of_era;
    out.push(b'"');
    for (value, width, behind) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (second / 3_600, 2, b':'),
        (second / 60 % 60, 2, b':'),
    ] {
        unsigned(out, value, width);
        out.push(behind);
    }
    unsigned(out, second % 60, 2);
    if let Some(micros) = micros {
        out.push(b'.');
        unsigned(out, u64::from(micros), 6);
    }
    out.extend_from_slice(b"Z\"");
    true
}

/// A duration in nanoseconds, in quotes, as Go spells it: `1h0m1.5s`, `2ms`, `0s`.
pub(super) fn duration(out: &mut Vec<u8>, nanos: i64) {
    out.push(b'"');
    if nanos < 0 {
        out.push(b'-');
    }
    let size = nanos.unsigned_abs();
    if size < 1_000_000_000 {
        let (unit, places, name) = match size {
            0 => (1, 0, "s"),
            1..1_000 => (1, 0, "ns"),
            1_000..1_000_000 => (1_000, 3, "µs"),
            _ => (1_000_000, 6, "ms"),
        };
        fraction(out, size, unit, places);
        out.extend_from_slice(name.as_bytes());
    } else {
        let seconds = size / 1_000_000_000;
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        if hours > 0 {
            unsigned(out, hours, 1);
            out.push(b'h');
        }
        if seconds >= 60 {
            unsigned(out, minutes, 1);
            out.push(b'm');
        }
        fraction(out, size % 60_000_000_000, 1_000_000_000, 9);
        out.push(b's');
    }
    out.push(b'"');
}

/// `value / unit` with its decimal places, zeros at the end left out.
fn fraction(out: &mut Vec<u8>, value: u64, unit: u64, places: usize) {
    unsigned(out, value / unit, 1);
    let rest = value % unit;
    if rest > 0 {
        out.push(b'.');
        unsigned(out, rest, places);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn texts_are_escaped_as_go_escapes() {
        let text = |bytes: &[u8]| said(|out| text(out, bytes));
        assert_eq!(
            text(b"a<b>&\"\\\n\x01"),
            r#""a\u003cb\u003e\u0026\"\\\n\u0001""#
        );
        assert_eq!(
            text("é\u{2028}€\u{2029}".as_bytes()),
            "\"é\\u2028€\\u2029\""
        );
        assert_eq!(text(b"a\xffb"), "\"a\u{fffd}b\"");
        assert_eq!(text(&[b'x'; 40]), format!("\"{}\"", "x".repeat(40)));
    }

    #[test]
    fn bytes_are_base64() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(
                said(|out| base64(out, bytes.as_bytes())),
                format!("\"{expected}\"")
            );
        }
    }

    #[test]
    fn times_and_durations_are_spelled_as_go_spells_them() {
        assert_eq!(
            said(|out| {
                time(out, 0, None);
            }),
            "\"1970-01-01T00:00:00Z\""
        );
        assert_eq!(
            said(|out| {
                time(out, 951_782_400, Some(20));
            }),
            "\"2000-02-29T00:00:00.000020Z\""
        );
        assert_eq!(
            said(|out| {
                time(out, -1, None);
            }),
            "\"1969-12-31T23:59:59Z\""
        );
        assert_eq!(
            said(|out| {
                time(out, ZERO_TIME, None);
            }),
            "null"
        );
        assert!(!time(&mut Vec::new(), i64::MIN, None));
        for (nanos, expected) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_000_000, "2ms"),
            (1_500_000_000, "1.5s"),
            (60_000_000_000, "1m0s"),
            (3_601_000_000_000, "1h0m1s"),
            (-90_000_000_000, "-1m30s"),
        ] {
            assert_eq!(said(|out| duration(out, nanos)), format!("\"{expected}\""));
        }
        duration(&mut Vec::new(), i64::MIN);
    }

    #[test]
    fn numbers_are_whole_or_have_an_exponent() {
        assert_eq!(said(|out| integer(out, i64::MIN)), "-9223372036854775808");
        assert_eq!(
            said(|out| {
                double(out, 1e21);
                double(out, -0.5);
                double(out, 1e-7);
            }),
            "1e21-0.51e-7"
        );
        assert!(!double(&mut Vec::new(), f64::NAN));
    }
}
