//! # HST037 An unattended upgrade changed the version just before the failure
//!
//! class: auto-upgrade
//!
//! ## What it sees
//! Starts of k3s in which the version changes, after which it does not come up, with the words of what
//! upgraded it: the upgrade controller, the system's unattended upgrades. A snap that snapd is refreshing by itself. A
//! runtime's package that an unattended upgrade exchanged less than a day before no container could be started any more.
//! A driver's libraries that it exchanged while the old module stays in the kernel.
//! k3s' installer that cron runs, and that did: a question, unless k3s fails since.
//!
//! ## Why it matters
//! Nobody was there when it changed. The trouble began with the new version and not with what people
//! changed.
//!
//! ## What to do
//! Read the notes of the new version, go on to a version that works, or restore the snapshot from
//! before with the old binary. Pin the version until then.
//!
//! ## What not to do
//! Do not start the old binary on data that the new one wrote without a snapshot from before.

use defib_model::signal::Local;

use crate::analysis::host::{self, TROUBLES, called, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST037",
    class: "auto-upgrade",
    needs: &[],
    leads_to: &[K::ServiceFailing],
    check,
};

const ROBOTS: &[&str] = &[
    "k3s.upgrade-job",
    "k3s.upgrade-plan",
    "host.unattended-upgrade",
    "host.apt-daily",
    "host.dnf-automatic",
    "k3s.install-by-cron",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let robots: Vec<_> = host::by_host(host::lines(
        cx,
        ROBOTS,
        "an upgrade that nobody started by hand",
    ))
    .into_iter()
    .collect();
    for (host, starts) in host::by_host(host::lines(
        cx,
        &["k3s.starting"],
        "it starts with this version",
    )) {
        let versions: std::collections::BTreeSet<&String> =
            starts.iter().filter_map(|l| l.line.groups.get(1)).collect();
        let own: Vec<_> = robots
            .iter()
            .filter(|(h, _)| *h == host || h.name() == "-" || host.name() == "-")
            .flat_map(|(_, l)| l.iter().cloned())
            .collect();
        // Only where it then fails.
        if versions.len() < 2 || own.is_empty() || cx.observed(TROUBLES, &host).next().is_none() {
            continue;
        }
        out.push(
            RULE.on(host.clone())
                .title(format!("an unattended upgrade changed k3s on {} just before it failed", called(&host)))
                .why("The trouble began with the new version, not with what people changed.")
                .term(75, "the version changes between two starts, and a robot did it")
                .cite_all(quotes(&own).into_iter().take(2))
                .cite_all(quotes(&starts))
                .explains_observed(cx, TROUBLES, &host)
                .safe("Who upgrades here, and to what?", "kubectl get plans.upgrade.cattle.io -A; systemctl list-timers '*upgrade*'")
                .advice("Stop the robot, pin the version, and go on to one that works.")
                .dont("Don't start the old binary on data that the new one wrote: restore the snapshot from before."),
        );
    }
    stopped(cx, out);
    refreshed(cx, out);
    broke(cx, out);
    driver(cx, out);
    installed(cx, out);
}

/// cron runs k3s' installer, and it did: whatever came of it is not known yet.
fn installed(cx: &Context<'_>, out: &mut Vec<Finding>) {
    // What it broke, others have said with more.
    if out.iter().any(|f| f.rule.class == RULE.class) {
        return;
    }
    let cron = host::lines(cx, &["k3s.install-by-cron"], "nobody starts it by hand");
    let runs = host::lines(cx, &["k3s.installs"], "what it installed");
    let (Some(cron), Some(run)) = (cron.first(), runs.last()) else {
        return;
    };
    out.push(
        RULE.on(run.host.clone())
            .title(format!("k3s' installer, run by cron, put {} on {}", run.group(0), called(&run.host)))
            .why("It takes the newest release of its channel, and writes unit and environment anew: settings that were given once are gone.")
            .term(45, "cron runs the installer, and it ran")
            .cite(cron.evidence.clone())
            .cite(run.evidence.clone())
            .safe(
                "What did it write, and what was there before?",
                "cat /etc/systemd/system/k3s.service /etc/systemd/system/k3s.service.env; ls -l --time-style=full-iso /etc/systemd/system /var/lib/rancher/k3s/server/db",
            )
            .undecided(
                "Did the trouble begin when it ran, and had k3s other settings before?",
                "journalctl -u k3s | grep -E 'Starting k3s|Running kube-apiserver'; cat /etc/systemd/system/k3s.service.env",
                &["auto-upgrade", "k3s-config-invalid"],
            ),
    );
}

/// Seconds behind an upgrade in which what begins to fail is laid at its door.
const SOON: i64 = 86_400;

/// What shows that a host's runtime starts nothing.
const HALTED: &[K] = &[K::PodNotStarted, K::SandboxFailing, K::ContainerStartError];

/// A robot exchanged the packages of the runtime, and from then on it starts no container.
fn broke(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let robots = host::lines(cx, ROBOTS, "an upgrade that nobody started by hand");
    let packages = host::lines(cx, &["host.apt-upgraded"], "it exchanged this package");
    let dates = host::lines(cx, &["host.apt-date"], "when it began");
    let failing = host::lines(
        cx,
        &["containerd.shim-task", "containerd.shim"],
        "the runtime can't start a container",
    );
    for (host, failing) in host::by_host(failing) {
        let Some(first) = failing.iter().find(|l| l.line.local.is_some()) else {
            continue;
        };
        let found = packages.iter().find_map(|package| {
            let (date, robot) = block(package, &dates, &robots)?;
            let robot = robot?;
            let number = |i: usize| date.group(i).parse::<u32>().ok();
            let local = first.line.local?;
            let began = Local {
                month: u8::try_from(number(0)?).ok()?,
                day: u8::try_from(number(1)?).ok()?,
                second: number(2)? * 3600 + number(3)? * 60 + number(4)?,
                ..local
            };
            let soon = began.until(local).is_some_and(|s| (0..SOON).contains(&s));
            (soon && host::same_host(package.host.name(), host.name()))
                .then_some((date, robot, package))
        });
        let Some((date, robot, package)) = found else {
            continue;
        };
        let mut f = RULE
            .on(host.clone())
            .title(format!("an unattended upgrade exchanged {} on {}, and since then no container starts there", package.group(0), called(&host)))
            .why("The trouble began with the new package, not with what people changed; pods that ran go on until they are made anew.")
            .term(74, "a robot exchanged the runtime less than a day before it failed")
            .cite(date.evidence.clone())
            .cite(robot.evidence.clone())
            .cite(package.evidence.clone())
            .cite_all(quotes(&failing).into_iter().take(2))
            .explains_observed(cx, TROUBLES, &host)
            .safe("What was exchanged, and what have the other hosts?", "tail -40 /var/log/apt/history.log; dpkg-query -W containerd.io containerd runc docker-ce; kubectl get nodes -o wide")
            .advice("Go back to the version of the other hosts or on to one that works, and hold the packages of the runtime (`apt-mark hold`).")
            .dont("Don't drain the other nodes: theirs is the version that works.");
        f = explain_halted(cx, f, &host);
        out.push(f);
    }
}

/// Claims what the pods of a host suffer on which the runtime starts nothing.
fn explain_halted(cx: &Context<'_>, mut f: Finding, host: &EntityId) -> Finding {
    for c in cx.conditions.iter().filter(|c| HALTED.contains(&c.kind)) {
        let node = cx.cluster.pod(&c.entity).map(|p| p.spec.node_name.as_str());
        if node == Some(host.name()) {
            f = f.explains(c.kind, &c.entity.clone());
        }
    }
    f
}

/// The block of apt's history that a package stands in: when it began, and the robot that began it, if one did.
fn block<'t, 'c>(
    package: &host::Told<'_>,
    dates: &'t [host::Told<'c>],
    robots: &'t [host::Told<'c>],
) -> Option<(&'t host::Told<'c>, Option<&'t host::Told<'c>>)> {
    let ahead = |l: &&host::Told<'_>| l.entry == package.entry && l.line.line < package.line.line;
    let date = dates.iter().filter(ahead).max_by_key(|d| d.line.line)?;
    let mut own = robots.iter().filter(ahead);
    Some((date, own.find(|r| date.line.line < r.line.line)))
}

/// A robot exchanged the libraries of a driver whose old module stays in the kernel until the next boot.
fn driver(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mismatch = host::lines(
        cx,
        &["gpu.driver-mismatch"],
        "the libraries are of another version than the module in the kernel",
    );
    let packages = host::lines(cx, &["host.driver-upgraded"], "it exchanged this package");
    let dates = host::lines(cx, &["host.apt-date"], "");
    let robots = host::lines(cx, ROBOTS, "an upgrade that nobody started by hand");
    // Month and day, as the line or the head of its block has them.
    let day = |l: &host::Told<'_>| {
        Some((l.group(0).to_owned(), l.group(1).to_owned())).filter(|(m, _)| !m.is_empty())
    };
    for (host, lines) in host::by_host(mismatch) {
        let is_its =
            |l: &&host::Told<'_>| host.name() == "-" || host::same_host(l.host.name(), host.name());
        let its: Vec<_> = packages.iter().filter(is_its).collect();
        // Who exchanged them last: the robot, or a person since?
        let Some(package) = its.iter().max_by_key(|l| (l.entry, l.line.line)) else {
            continue;
        };
        let (date, robot) = block(package, &dates, &robots).unzip();
        let last = day(package).or_else(|| day(date?));
        let listed = its.iter().find(|l| {
            l.text.contains("Packages that will be upgraded") && last.is_some() && day(l) == last
        });
        let Some(robot) = listed.copied().or(robot.flatten()) else {
            continue;
        };
        let f = RULE
            .on(host.clone())
            .title(format!("an unattended upgrade exchanged {} on {}, and the driver in the kernel is still the old one", package.group(2), called(&host)))
            .why("Libraries and module of a driver must be of one version; what runs goes on, and nothing that needs the device starts until the host has booted.")
            .term(78, "a robot exchanged the libraries, and they don't fit the module that is loaded")
            .cite(package.evidence.clone())
            .cite(robot.evidence.clone())
            .cite_all(quotes(&lines).into_iter().take(2))
            .explains_observed(cx, TROUBLES, &host)
            .safe("Which version is loaded, and which are the libraries?", "cat /proc/driver/nvidia/version; nvidia-smi; grep ' upgrade ' /var/log/dpkg.log | tail")
            .check_first("Let the host boot when its running pods can end.", command!("kubectl drain {} --ignore-daemonsets; systemctl reboot", host.name()))
            .advice("Hold the driver's packages, and upgrade them with a reboot (`apt-mark hold`).")
            .dont("Don't reinstall the driver while pods use the device: it can't be unloaded.");
        out.push(explain_halted(cx, f, &host));
    }
}

/// snapd exchanges a snap by itself: it is stopped and disabled until that is done.
fn refreshed(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let lines = host::lines(cx, &["host.snap-refresh"], "snapd exchanges it by itself");
    for (host, lines) in host::by_host(lines) {
        let snap = lines.first().map_or("", |l| l.group(0));
        out.push(
            RULE.on(host.clone())
                .title(format!("snapd refreshes {snap} on {} by itself, and it is off until then", called(&host)))
                .why("A snap that is refreshed is stopped and disabled first; one that hangs stays so.")
                .term(76, "snapd says that the change is in progress")
                .cite_all(quotes(&lines))
                .explains_observed(cx, TROUBLES, &host)
                .safe("What does it do, and for how long?", command!("snap changes; snap tasks --last=auto-refresh; snap services {}", snap))
                .advice("Let it end; then hold it, and refresh at a time of your own: `snap refresh --hold`.")
                .dont("Don't kill snapd in the middle: the snap may be left half exchanged."),
        );
    }
}

/// A robot exchanged the packages of a service, its package stopped it, and nothing says that it started again.
fn stopped(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let robots = host::lines(cx, ROBOTS, "an upgrade that nobody started by hand");
    let packages = host::lines(cx, &["host.apt-upgraded"], "it exchanged this package");
    let stops = host::lines(cx, &["host.runtime-stopping"], "the service is stopped");
    let starts = host::lines(cx, &["host.runtime-started"], "");
    let done = |l: &host::Told<'_>| robots.iter().any(|r| r.entry == l.entry);
    let Some(package) = packages.iter().find(|l| done(l)) else {
        return;
    };
    let again = |stop: &host::Told<'_>| {
        starts.iter().any(|s| {
            s.group(0) == stop.group(0)
                && match (s.last.or(s.line.time), stop.last.or(stop.line.time)) {
                    (Some(start), Some(stop)) => start > stop,
                    _ => s.entry == stop.entry && s.line.line > stop.line.line,
                }
        })
    };
    if let Some(stop) = stops.iter().find(|l| !again(l)) {
        out.push(
            RULE.on(stop.host.clone())
                .title(format!("an unattended upgrade of {} stopped {} on {}", package.group(0), stop.group(0), called(&stop.host)))
                .why("The package stops the service; nothing in the evidence starts it again.")
                .term(74, "a robot exchanged the package, and the service was stopped and not started again")
                .cite_all(robots.iter().filter(|r| r.entry == package.entry).take(1).map(|l| l.evidence.clone()))
                .cite(package.evidence.clone())
                .cite(stop.evidence.clone())
                .explains_observed(cx, TROUBLES, &stop.host)
                .safe("Is it stopped still, and what was exchanged?", "systemctl status docker containerd k3s; tail -40 /var/log/apt/history.log")
                .check_first("Start it.", "systemctl start docker")
                .advice("Hold the packages of the runtime, and upgrade them while somebody looks.")
                .dont("Don't go back to the old package in haste: what was stopped needs a start, not another version."),
        );
    }
}
