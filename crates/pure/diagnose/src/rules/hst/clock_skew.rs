//! # HST034 The clock of a host is or was wrong
//!
//! class: clock-skew
//!
//! ## What it sees
//! Certificates that are `not yet valid`: `current time A is before B`; etcd's `high clock drift` of a minute or more;
//! chrony's `System clock wrong by`; a clock shown in the evidence that is behind the times of its own
//! logs; a host that rejects others, or is rejected, and whose clock most other hosts' clocks contradict.
//! A CA that kubeadm's parts find `not valid yet` counts too.
//!
//! ## Why it matters
//! Certificates and tokens look expired or not yet valid, leases end too early, and logs of several
//! hosts can't be put in order.
//!
//! ## What to do
//! Set the time (NTP, the hypervisor's clock, the battery of the board), then start k3s again.
//! Certificates that k3s made while its clock was ahead are made anew at a restart; the one that it shows its
//! clients only if it is told so: an empty file `server/tls/dynamic-cert-regenerate`, which the next start takes away.
//!
//! ## What not to do
//! Do not renew certificates before the clock is right: they get wrong dates.

use std::collections::BTreeMap;

use defib_model::fact::Value;
use defib_model::{Clocks, Evidence};
use jiff::Timestamp;

use crate::analysis::clocks::{cut_off, early, outvoted};
use crate::analysis::host::{self, TROUBLES, called, entity, facts_anywhere, quotes};
use crate::analysis::nodes;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST034",
    class: "clock-skew",
    needs: &[],
    leads_to: &[
        K::TlsRejected,
        K::DatastoreFailing,
        K::ServiceFailing,
        K::NodeNotReady,
    ],
    check,
};

/// Seconds by which a clock may be behind before it is called wrong.
const SLACK: i64 = 600;
/// Seconds between the clocks of two members from which on they are called wrong. etcd warns from one second on
/// (`server/etcdserver/api/rafthttp/probing_status.go`); k3s makes its certificates an hour old, so they survive more.
const DRIFT: f64 = 60.0;

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut found: BTreeMap<EntityId, (i32, Vec<Evidence>)> = BTreeMap::new();
    let mut add = |host: EntityId, points: i32, evidence: Vec<Evidence>| {
        let entry = found.entry(host).or_default();
        entry.0 = entry.0.max(points);
        entry.1.extend(evidence);
    };
    let clocks = Clocks::of(&cx.cluster.facts);
    let mut outvoted = outvoted(cx, &clocks);
    let is_outvoted = !outvoted.is_empty();
    let proved = host::by_host(early(cx, "the certificate begins later than this clock"));
    for (host, lines) in &proved {
        // What others say of times is no news of their clocks where another one is known to be wrong.
        if !is_outvoted || outvoted.iter().any(|(odd, _)| odd == host) {
            add(host.clone(), 82, quotes(lines));
        }
    }
    outvoted.retain(|(odd, _)| !proved.contains_key(odd));
    // Expired by a clock that is far ahead of what the host shows.
    let late = host::lines(
        cx,
        &["tls.expired"],
        "by this clock the certificate has run out",
    );
    for (host, lines) in host::by_host(late) {
        let is_ahead = |l: &host::Told<'_>| {
            let said = l.line.groups.first().and_then(|text| times(text));
            said.zip(shown(&clocks))
                .is_some_and(|((now, is_before), t)| {
                    !is_before && now.as_second() - t.as_second() > 86_400
                })
        };
        let lines: Vec<_> = lines.into_iter().filter(is_ahead).collect();
        if !lines.is_empty() && !is_outvoted && !proved.contains_key(&host) {
            add(host, 70, quotes(&lines));
        }
    }
    // Where its own lines do not prove it, the other clocks do.
    for (host, evidence) in outvoted {
        add(host, 82, evidence);
    }
    // etcd warns of one second, which harms nobody.
    let mut drifts = host::lines(cx, &["etcd.clock-drift"], "peers' clocks differ");
    drifts.retain(|l| drift(&l.text).is_none_or(|seconds| seconds >= DRIFT));
    for (host, lines) in host::by_host(drifts) {
        add(host, 85, quotes(&lines));
    }
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["host.clock-stepped"],
        "the clock was wrong, and is put right",
    )) {
        let lines: Vec<_> = lines
            .into_iter()
            .filter(|l| {
                l.line
                    .groups
                    .first()
                    .and_then(|s| s.parse::<f64>().ok())
                    .is_some_and(|s| s.abs() >= 60.0)
            })
            .collect();
        if !lines.is_empty() {
            add(host, 75, quotes(&lines));
        }
    }
    for (host, lines) in host::by_host(host::lines(
        cx,
        &[
            "clock.s3",
            "clock.kerberos",
            "clock.ceph",
            "clock.token",
            "clock.signature",
        ],
        "the other side's clock differs",
    )) {
        add(host, 75, quotes(&lines));
    }
    // Refused without times: then the clock, where it is shown, against the log's own.
    let vague = host::by_host(host::lines(
        cx,
        &["tls.expired"],
        "expired, or not yet valid: the message has no times",
    ));
    for (host, lines) in vague {
        let lines: Vec<_> = lines
            .into_iter()
            .filter(|l| !l.evidence.text.contains("current time"))
            .collect();
        let logged = lines.iter().filter_map(|l| stamp(&l.evidence.text)).max();
        let odd = facts_anywhere(cx, |v| match v {
            Value::Clock(t) => Some(*t),
            _ => None,
        })
        .find(|(_, clock)| {
            logged.is_some_and(|t| (t.as_second() - clock.as_second()).abs() > 2 * 86_400)
        });
        if let Some((fact, _)) = odd {
            let mut evidence = quotes(&lines);
            evidence.insert(
                1.min(evidence.len()),
                cx.fact(fact, "the clock, days from the times of the log"),
            );
            add(host, 70, evidence);
        }
    }
    // A certificate that begins after the clock that is shown.
    if let Some(now) = shown(&clocks) {
        for (fact, from) in facts_anywhere(cx, |v| match v {
            Value::Certificate(c) => c.from,
            _ => None,
        })
        .filter(|(_, from)| from.as_second() - now.as_second() > 14 * 3600)
        {
            add(
                entity(&fact.host),
                75,
                vec![cx.fact(
                    fact,
                    format!("valid from {from}, and the clock shows {now}"),
                )],
            );
        }
    }
    // A clock that is behind what was already logged has gone backwards.
    let logged = cx
        .heard()
        .filter_map(|h| Some((h.last?, h)))
        .max_by_key(|(t, _)| *t);
    let alone = facts_anywhere(cx, |v| match v {
        Value::Clock(t) => Some(*t),
        _ => None,
    });
    for (fact, clock) in alone.filter(|_| !clocks.has_outvoted()) {
        // Its zone may be any: half a day is nothing.
        if let Some((last, hit)) =
            logged.filter(|(last, _)| last.as_second() - clock.as_second() > SLACK + 14 * 3600)
        {
            let at = hit.lines.len().saturating_sub(1);
            add(
                entity(&fact.host),
                70,
                vec![
                    cx.fact(fact, "the clock, as the host shows it"),
                    cx.log(hit, at, format!("logged at {last}, which is later")),
                ],
            );
        }
    }
    for (host, (points, evidence)) in found {
        let behind = nodes::silent(cx).into_iter().map(|(node, _, _)| node);
        let others: Vec<_> = cut_off(cx, &host);
        let mut silent = behind
            .filter(|n| host::same_host(host.name(), &n.metadata.name) && nodes::is_behind(cx, n))
            .map(|n| cx.cluster.id(n.obj));
        let node = silent.next().unwrap_or_default();
        let mut f = RULE.on(host.clone());
        for other in &others {
            f = f.explains(K::TlsRejected, other);
        }
        let own = evidence.iter().any(|e| e.text.contains("127.0.0.1:6443"));
        let f = f
            .title(format!("the clock of {} is or was wrong", called(&host)))
                .why("Certificates and tokens look expired or not yet valid, and leases end at the wrong time.")
                .term(points, "times that can't be true together")
                .cite_all(evidence)
                .explains_observed(cx, TROUBLES, &host)
                .explains_observed(cx, &[K::NodeNotReady], &node)
                .safe("What time is it there, and who sets it?", "date -u; timedatectl; chronyc tracking")
                .check_first("Set it right, then start k3s again.", "timedatectl set-ntp true; systemctl restart k3s")
                .dont("Don't renew certificates before the clock is right: they get wrong dates.");
        out.push(match own {
            true => f.check_first(
                "If it still rejects its own certificate then, it was made while the clock was ahead: have it made anew.",
                "systemctl stop k3s && touch /var/lib/rancher/k3s/server/tls/dynamic-cert-regenerate && systemctl start k3s",
            ),
            false => f,
        });
    }
}

/// The clock of `current time A is before B`, and whether it is before.
fn times(text: &str) -> Option<(Timestamp, bool)> {
    let rest = text.split_once("current time ")?.1;
    let now: Timestamp = rest.split(' ').next()?.parse().ok()?;
    Some((now, rest.contains(" is before ")))
}

/// The time that a line carries inside: logrus behind a journal's stamp, zap.
fn stamp(text: &str) -> Option<Timestamp> {
    let plain = text.replace('\\', "");
    ["time=\"", "\"ts\":\""]
        .iter()
        .find_map(|mark| plain.split_once(mark)?.1.split('"').next()?.parse().ok())
        .or_else(|| plain.split_ascii_whitespace().next()?.parse().ok())
}

/// The clock that the evidence shows: the right one, or where nobody knows which that is, the latest.
fn shown(clocks: &Clocks<'_>) -> Option<Timestamp> {
    clocks
        .now()
        .or_else(|| clocks.odd.iter().map(|(_, time)| *time).max())
}

/// The seconds of etcd's `"clock-drift":"4m2s"`, or `too high [29.3s > 1s]` of versions before 3.4.
fn drift(text: &str) -> Option<f64> {
    let (_, rest) =
        (text.split_once("\"clock-drift\":\"")).or_else(|| text.split_once(" is too high ["))?;
    let said = rest.split(['"', ' ']).next()?;
    let drift: jiff::SignedDuration = said.trim_start_matches('-').parse().ok()?;
    Some(drift.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::drift;

    #[test]
    fn a_drift_is_read_as_go_prints_it() {
        for (text, seconds) in [
            (
                r#"{"msg":"prober found high clock drift","clock-drift":"4m2s","rtt":"1ms"}"#,
                242.0,
            ),
            (r#"{"clock-drift":"-1.5s"}"#, 1.5),
            (
                "the clock difference against peer aaaaaaaaaaaaaa02 is too high [1h0m29.25s > 1s]",
                3629.25,
            ),
        ] {
            assert_eq!(drift(text), Some(seconds), "{text}");
        }
        assert_eq!(drift("prober found high clock drift"), None);
    }
}
