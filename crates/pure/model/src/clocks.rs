//! What time it is where several hosts show their clocks: where most of them agree, those are right.
//!
//! Deliberately absent: the times of logs. A log may have ended long ago, and its clock was right then.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::fact::{Fact, Value};

/// Seconds between two clocks that may show the same time: zones are printed by letters, which have many meanings, and
/// people collect for some minutes.
const FAR: i64 = 14 * 3600 + 900;

/// What a host's clock showed: the fact that says it, and the time.
pub type Reading<'c> = (&'c Fact, Timestamp);

/// The clocks that evidence shows, the latest reading of each host.
#[derive(Clone, Debug, Default)]
pub struct Clocks<'c> {
    /// Those of the most hosts that agree; none where as many agree on another time.
    pub right: Vec<Reading<'c>>,
    /// All others.
    pub odd: Vec<Reading<'c>>,
}

impl<'c> Clocks<'c> {
    /// Of all facts of a cluster.
    pub fn of(facts: &'c [Fact]) -> Self {
        let mut hosts: BTreeMap<&str, Reading<'c>> = BTreeMap::new();
        for fact in facts {
            if let Value::Clock(time) = fact.value {
                let known = hosts.entry(&fact.host).or_insert((fact, time));
                if known.1 < time {
                    *known = (fact, time);
                }
            }
        }
        let mut readings: Vec<_> = hosts.into_values().collect();
        readings.sort_by_key(|(_, time)| *time);
        let near = |a: &Reading<'_>, b: &Reading<'_>| b.1.as_second() - a.1.as_second() <= FAR;
        let mut groups: Vec<_> = readings.chunk_by(near).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        let most = groups.first().map_or(0, |group| group.len());
        let is_torn = groups.get(1).is_some_and(|group| group.len() == most);
        let mut out = Self::default();
        for (at, group) in groups.into_iter().enumerate() {
            let of = match at {
                0 if !is_torn => &mut out.right,
                _ => &mut out.odd,
            };
            of.extend(group.iter().copied());
        }
        out
    }

    /// The latest of those that agree.
    pub fn now(&self) -> Option<Timestamp> {
        self.right.iter().map(|(_, time)| *time).max()
    }

    /// Do several hosts agree against another one?
    pub fn has_outvoted(&self) -> bool {
        self.right.len() > 1 && !self.odd.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(hosts: &[(&str, &str)]) -> Vec<Fact> {
        let fact = |(host, time): &(&str, &str)| Fact {
            host: (*host).into(),
            value: Value::Clock(time.parse().unwrap()),
            ..Fact::default()
        };
        hosts.iter().map(fact).collect()
    }

    fn names(readings: &[Reading<'_>]) -> Vec<String> {
        readings.iter().map(|(f, _)| f.host.clone()).collect()
    }

    #[test]
    fn the_most_are_right() {
        let facts = shown(&[
            ("n1", "2026-11-23T06:22:04Z"),
            ("n2", "2029-01-31T06:22:15Z"),
            ("n3", "2026-11-23T07:22:21Z"),
        ]);
        let clocks = Clocks::of(&facts);
        assert_eq!(names(&clocks.right), ["n1", "n3"]);
        assert_eq!(names(&clocks.odd), ["n2"]);
        assert_eq!(
            clocks.now(),
            facts.get(2).map(|f| match f.value {
                Value::Clock(time) => time,
                _ => Timestamp::MIN,
            })
        );
        assert!(clocks.has_outvoted());
    }

    #[test]
    fn of_two_that_differ_none_is_right() {
        let facts = shown(&[
            ("n1", "2026-11-23T06:22:04Z"),
            ("n2", "2029-01-31T06:22:15Z"),
        ]);
        let clocks = Clocks::of(&facts);
        assert!(clocks.right.is_empty() && clocks.now().is_none() && !clocks.has_outvoted());
        assert_eq!(names(&clocks.odd), ["n1", "n2"]);
    }

    #[test]
    fn one_host_that_was_asked_twice_has_one_clock() {
        let facts = shown(&[
            ("n1", "2026-11-20T06:00:00Z"),
            ("n1", "2026-11-23T06:00:00Z"),
        ]);
        let clocks = Clocks::of(&facts);
        assert_eq!((clocks.right.len(), clocks.odd.len()), (1, 0));
    }
}
