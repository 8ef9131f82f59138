//! # HST040 A limit of inotify is reached
//!
//! class: inotify-limit-reached
//!
//! ## What it sees
//! Programs that can't watch files: `too many open files` from inotify (the number of watchers of one user),
//! `no space left on device` from it (the number of files that they watch), or the words of their libraries.
//! Where other files can't be opened either, it is a candidate only. What a program that somebody runs by hand says
//! (an editor, `tail -f`) is not meant, and no longer once the limit was raised behind it.
//!
//! ## Why it matters
//! The limits count per user of the host, and nearly all containers run as the host's root: kubelet, runtime
//! and every pod share one small number. The program that comes last fails, whoever used it up. The words
//! sound like a full disk or a leak of file descriptors, and are neither.
//!
//! ## What to do
//! Raise `fs.inotify.max_user_instances` and `fs.inotify.max_user_watches` on every node, in /etc/sysctl.d.
//!
//! ## What not to do
//! Do not search for a full disk, and do not raise the limit of open files: the kernel counts these apart.

use crate::analysis::host::{self, Told, called};
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST040",
    class: "inotify-limit-reached",
    needs: &[],
    leads_to: &[K::ServiceFailing, K::RuntimeFailing],
    check,
};

const SIGNALS: &[&str] = &[
    "inotify.errno",
    "inotify.call",
    "inotify.words",
    "inotify.watchers",
    "inotify.systemd",
    "inotify.promtail",
];

/// Troubles of the pod that says it of itself.
const SPEAKS: &[K] = &[
    K::ContainerCrashLoop,
    K::ContainerStartError,
    K::ProbeFailing,
    K::PodNotReady,
];

/// Which limit the line means.
fn limit(line: &Told<'_>) -> &'static str {
    let low = line.text.to_ascii_lowercase();
    let watches = [
        "no space left on device",
        "watches",
        "file watch",
        "watch limit",
    ];
    if watches.iter().any(|w| low.contains(w)) && !low.contains("too many open files") {
        "max_user_watches"
    } else {
        "max_user_instances"
    }
}

/// Was the limit set by hand behind this line, in the same transcript?
fn is_raised(cx: &Context<'_>, line: &Told<'_>) -> bool {
    let name = format!("fs.inotify.{}=", limit(line));
    host::facts(cx, |v| match v {
        Value::Ran(words) if host::ran_by(words) == "sysctl" => Some(words),
        _ => None,
    })
    .any(|(f, words)| {
        f.entry == line.entry
            && f.line > line.line.line
            && words.iter().any(|w| w.starts_with(&name))
    })
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut lines = host::lines(cx, SIGNALS, "the kernel refuses one more watch of files");
    lines.retain(|l| !l.is_foreign(cx) && !is_raised(cx, l));
    // Of its own descriptors a program runs out in all its calls.
    let files: Vec<_> = host::lines(
        cx,
        &["files.too-many"],
        "other files can't be opened either",
    )
    .into_iter()
    .filter(|l| !l.text.to_ascii_lowercase().contains("notify"))
    .collect();
    for (id, lines) in host::by_host(lines) {
        let Some(first) = lines.first() else { continue };
        let limit = limit(first);
        let set: Vec<_> = host::facts(cx, |v| match v {
            Value::Sysctl(name, value) if name.strip_prefix("fs.inotify.") == Some(limit) => {
                Some(value.as_str())
            }
            _ => None,
        })
        .filter(|(f, _)| host::same_host(&f.host, id.name()))
        .collect();
        // What was raised long ago is not what is used up.
        let roomy = set
            .iter()
            .filter_map(|(_, v)| v.trim().parse::<u64>().ok())
            .any(|v| {
                v >= if limit == "max_user_watches" {
                    4_000_000
                } else {
                    60_000
                }
            });
        let shared = files.iter().any(|f| f.entry == first.entry);
        let mut finding = RULE
            .on(id.clone())
            .title(format!("the limit fs.inotify.{limit} of {} is used up", called(&id)))
            .why("It counts per user of the host; kubelet, runtime and all containers of root share it, and the last to come fails.")
            .term(
                if roomy || shared { 40 } else { 84 },
                if roomy {
                    "a watch is refused, but the limit is large"
                } else if shared {
                    "a watch is refused, and so are other files"
                } else {
                    "the kernel refuses a watch, which it counts apart from files and from disk space"
                },
            )
            .cite_all(host::quotes(&lines))
            .safe(
                "See the limits, and who holds watches.",
                "sysctl fs.inotify; find /proc/*/fd -lname anon_inode:inotify 2>/dev/null | cut -d/ -f3 | sort | uniq -c | sort -n | tail",
            )
            .check_first(
                "Raise both on every node, then restart what failed.",
                "printf 'fs.inotify.max_user_instances=8192\\nfs.inotify.max_user_watches=1048576\\n' > /etc/sysctl.d/90-inotify.conf && sysctl --system",
            )
            .dont("Don't look for a full disk, and don't raise the number of open files: these are counted apart.");
        for (fact, value) in &set {
            finding = finding.cite(cx.fact(fact, format!("the limit is {value}")));
        }
        if roomy || shared {
            finding = finding
                .cite_all(files.iter().map(|l| l.evidence.clone()))
                .undecided(
                    "Are the watches of that user used up, or the open files of that program?",
                    "sysctl fs.inotify; grep 'open files' /proc/PID/limits; ls /proc/PID/fd | wc -l",
                    &["inotify-limit-reached"],
                );
        }
        for pod in lines.iter().filter_map(|l| l.speaker) {
            finding = finding.explains_observed(cx, SPEAKS, pod);
        }
        out.push(host::claim(
            cx,
            finding,
            &id,
            &lines,
            &[K::ServiceFailing, K::RuntimeFailing],
        ));
    }
}
