//! Kubernetes quantities (`500m`, `1Gi`, `1e3`) as milli-units.
//!
//! Source: apimachinery `pkg/api/resource/quantity.go` (suffixes) and `suffix.go`.
//! Deliberately absent: canonical printing; reports quote what the source wrote.

/// The quantity in thousandths of its unit, or nothing if it is not a quantity.
///
/// Milli-units in an `i128` hold every exact value from `1m` to `8Ei` without rounding; finer
/// suffixes (`u`, `n`) are rounded up as the API server does.
pub fn milli(text: &str) -> Option<i128> {
    let text = text.trim();
    let cut = text
        .char_indices()
        .find(|(i, c)| !(c.is_ascii_digit() || *c == '.' || (*i == 0 && (*c == '+' || *c == '-'))))
        .map_or(text.len(), |(i, _)| i);
    let (number, suffix) = text.split_at(cut);
    let (negative, digits) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 24 || fraction.len() > 12 {
        return None;
    }
    let scale = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let part: i128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    let scaled = whole.checked_mul(scale)?.checked_add(part)?;
    // Value = scaled / scale * num / den, in milli-units.
    let (num, den): (i128, i128) = match suffix {
        "" => (1000, 1),
        "n" => (1, 1_000_000),
        "u" => (1, 1000),
        "m" => (1, 1),
        "k" => (1000 * 1000, 1),
        "M" => (1000 * 1000i128.pow(2), 1),
        "G" => (1000 * 1000i128.pow(3), 1),
        "T" => (1000 * 1000i128.pow(4), 1),
        "P" => (1000 * 1000i128.pow(5), 1),
        "E" => (1000 * 1000i128.pow(6), 1),
        "Ki" => (1000 * 1024, 1),
        "Mi" => (1000 * 1024i128.pow(2), 1),
        "Gi" => (1000 * 1024i128.pow(3), 1),
        "Ti" => (1000 * 1024i128.pow(4), 1),
        "Pi" => (1000 * 1024i128.pow(5), 1),
        "Ei" => (1000 * 1024i128.pow(6), 1),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10i128.checked_pow(exponent.unsigned_abs())?;
            if exponent >= 0 {
                (power.checked_mul(1000)?, 1)
            } else {
                (1000, power)
            }
        }
    };
    let top = scaled.checked_mul(num)?;
    let bottom = scale.checked_mul(den)?;
    let value = top.checked_add(bottom - 1)? / bottom;
    Some(if negative { -value } else { value })
}

/// True when `have` is at least `want`; a text that is no quantity decides nothing.
pub fn at_least(have: &str, want: &str) -> Option<bool> {
    Some(milli(have)? >= milli(want)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_read_as_the_api_server_does() {
        assert_eq!(milli("500m"), Some(500));
        assert_eq!(milli("1"), Some(1000));
        assert_eq!(milli("0.1"), Some(100));
        assert_eq!(milli("1Ki"), Some(1_024_000));
        assert_eq!(milli("1.5Gi"), milli("1536Mi"));
        assert_eq!(milli("1e3"), milli("1k"));
        assert_eq!(milli("12E"), Some(12_000_000_000_000_000_000_000));
        assert_eq!(milli("1n"), Some(1));
        assert_eq!(milli("-1"), Some(-1000));
        for bad in ["", "x", "1Q", "--1", "1e999", "1.2.3"] {
            assert_eq!(milli(bad), None, "{bad}");
        }
        assert_eq!(at_least("50Gi", "50Gi"), Some(true));
        assert_eq!(at_least("49Gi", "50Gi"), Some(false));
    }
}
