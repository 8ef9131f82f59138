//! What the host's clock said.
//! Sources: GNU coreutils (date), systemd (timedatectl).
//! Deliberately absent: zones by their letters, which have many meanings.

use defib_model::fact::Value;

use super::super::Walk;

/// What `date` prints: `Sat Jun 13 15:19:21 UTC 2019`, ISO forms, and timedatectl's universal time.
pub(super) fn clock(walk: &Walk<'_>, text: &str) -> Option<Value> {
    if let Some(rest) = text.strip_prefix("Universal time: ") {
        let t = rest.trim().trim_end_matches(" UTC");
        let parsed = jiff::civil::DateTime::strptime("%a %Y-%m-%d %H:%M:%S", t).ok()?;
        return parsed
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|z| Value::Clock(z.timestamp()));
    }
    date(text)
        .filter(|_| {
            walk.command
                .as_ref()
                .is_none_or(|c| c.line.contains("date"))
        })
        .map(Value::Clock)
}

/// A line that is a date of `date` and nothing else.
fn date(text: &str) -> Option<jiff::Timestamp> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    if !(5..=7).contains(&words.len())
        || !words
            .first()
            .is_some_and(|w| days.contains(&w.trim_end_matches(',')))
    {
        return None;
    }
    // The weekday is not believed: it may not fit, and nothing hangs on it.
    let month = words.iter().position(|w| {
        [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        .contains(w)
    })?;
    let time = words.iter().find(|w| w.matches(':').count() == 2)?;
    let year = words
        .iter()
        .find(|w| w.len() == 4 && w.parse::<u32>().is_ok())?;
    let day = words
        .get(month + 1)
        .filter(|w| w.len() <= 2)
        .or_else(|| words.get(month.checked_sub(1)?))?;
    let civil = jiff::civil::DateTime::strptime(
        "%b %d %H:%M:%S %Y",
        format!("{} {day} {time} {year}", words.get(month)?),
    )
    .ok()?;
    // A zone of letters has many meanings: it is read as UTC, and nothing finer than a day hangs on it.
    civil
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|z| z.timestamp())
}

#[cfg(test)]
mod tests {
    use defib_model::fact::Value;

    use super::super::tests::values;

    #[test]
    fn dates_are_read() {
        assert_eq!(
            values("Tue Mar 10 11:00:00 UTC 2026\n"),
            [Value::Clock("2026-03-10T11:00:00Z".parse().unwrap())]
        );
    }
}
