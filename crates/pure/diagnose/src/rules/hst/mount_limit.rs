//! # HST021 The mount table is full
//!
//! class: mount-limit-reached
//!
//! ## What it sees
//! mount(2) that fails with `no space left on device`, or as many mounts as `fs.mount-max` allows.
//!
//! ## Why it matters
//! The disk may be empty: the kernel counts mounts per namespace (100,000 by default) and uses the errno of
//! a full disk when there are too many. No container starts any more. Mounts leak when something mounts
//! again and again over the same place, or when clean-up fails.
//!
//! ## What to do
//! Count the mounts by target, find what repeats, unmount it, and stop what makes it.
//!
//! ## What not to do
//! Do not delete files to make room: nothing is full. Do not only raise the limit: the leak goes on.

use crate::analysis::enospc::{self, Means};
use crate::analysis::host::{self, called};
use crate::rules::prelude::*;
use defib_model::fact::{Fact, Value};

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST021",
    class: "mount-limit-reached",
    needs: &[],
    leads_to: &[K::RuntimeFailing, K::SandboxFailing],
    check,
};

/// The kernel's own limit. Source: Linux `fs/namespace.c`, `sysctl_mount_max`.
const DEFAULT: u64 = 100_000;

/// More mounts than any node in order has, and less than every limit.
const MANY: u64 = 20_000;

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let counts: Vec<(&Fact, u64)> = host::facts(cx, |v| match v {
        Value::Mounts(n) => Some(*n),
        _ => None,
    })
    .collect();
    let limits: Vec<(&Fact, u64)> = host::facts(cx, |v| match v {
        Value::Sysctl(name, value) if name == "fs.mount-max" => value.parse().ok(),
        _ => None,
    })
    .collect();
    let full = enospc::full(cx);
    let words = enospc::lines(cx, Means::Mounts, "mount(2) is refused, not a write");
    // "No space" of unclear origin, beside a table that is nearly full, is this as well.
    let any = enospc::lines(cx, Means::Full, "the same errno");
    let limit = limits.iter().map(|(_, n)| *n).max().unwrap_or(DEFAULT);
    let many: Vec<_> = counts
        .iter()
        .filter(|(_, n)| *n >= MANY.min(limit / 10 * 8))
        .collect();
    let reached = counts.iter().any(|(_, n)| *n >= limit / 100 * 95);
    let hosts = host::by_host(words);
    for (id, lines) in &hosts {
        let mut finding = found(cx, id)
            .term(
                if many.is_empty() { 78 } else { 92 },
                "the kernel refuses a mount, not a write",
            )
            .cite_all(lines.iter().map(|l| l.evidence.clone()));
        for (fact, n) in &counts {
            finding = finding.cite(cx.fact(fact, format!("{n} mounts")));
        }
        for (fact, _) in &limits {
            finding = finding.cite(cx.fact(fact, "how many are allowed"));
        }
        if let Some((fact, target)) = full.first() {
            finding = finding
                .against(cx.fact(
                    fact,
                    format!("{target} is full, which may be the reason as well"),
                ))
                .undecided(
                    "Is it the file system or the mount table that is full?",
                    "df -h; wc -l /proc/mounts; sysctl fs.mount-max",
                    &["disk-full", "mount-limit-reached"],
                );
        }
        out.push(host::claim(
            cx,
            finding,
            id,
            lines,
            &[K::RuntimeFailing, K::ServiceFailing],
        ));
    }
    if hosts.is_empty()
        && (reached || (!any.is_empty() && !many.is_empty() && full.is_empty()))
        && let Some((fact, n)) = many.first()
    {
        let id = host::entity(&fact.host);
        let mut finding = found(cx, &id)
            .term(
                if reached { 85 } else { 70 },
                format!("{n} mounts, of {limit} that are allowed"),
            )
            .cite(cx.fact(fact, "as many mounts as no node in order has"));
        for (fact, _) in &limits {
            finding = finding.cite(cx.fact(fact, "how many are allowed"));
        }
        out.push(finding.cite_all(any.into_iter().map(|l| l.evidence)));
    }
}

fn found(cx: &Context<'_>, id: &EntityId) -> Finding {
    RULE.on(id.clone())
        .title(format!("the mount table of {} is full: no container can be mounted", called(id)))
        .why("The kernel answers a mount too many with the words of a full disk; the disk may be empty.")
        .explains_if(cx, K::HostStorageFailing, id)
        .safe("What is mounted again and again?", "awk '{print $2}' /proc/self/mounts | sort | uniq -c | sort -rn | head; sysctl fs.mount-max")
        .check_first("Gain time for the clean-up.", "sysctl -w fs.mount-max=200000")
        .advice("Unmount what repeats, and stop what makes it; a reboot empties the table too.")
        .dont("Don't delete files to make room: nothing is full.")
}
