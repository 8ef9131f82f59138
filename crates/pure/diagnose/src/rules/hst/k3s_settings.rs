//! # HST042 k3s can't read its own settings
//!
//! class: k3s-config-invalid
//!
//! ## What it sees
//! k3s or RKE2 that ends at once with an error of its YAML parser, with a flag that it does not have, or with
//! flags or values that do not go together: before it says its version; a kubelet that does not know an argument
//! that it was given. A `config.yaml` that was printed and is no YAML, on a host whose k3s does not stay up. Every
//! program in Go ends with such words: where neither a journal, a unit, a command nor the file's name says that it is
//! k3s, it is a candidate only.
//!
//! ## Why it matters
//! Nothing of the server starts, and systemd tries again for ever. The datastore was not touched: its
//! data and its members are as they were.
//!
//! ## What to do
//! Look at the line that is named in `config.yaml`, or in a file below `config.yaml.d`, and at the unit's
//! flags; compare with the last version of them that worked. These files hold tokens, and passwords of databases and
//! of buckets: hide them before you show the output to anybody.
//!
//! ## What not to do
//! Do not reinstall, reset or restore anything: only the settings are wrong.

use crate::analysis::host::{self, TROUBLES, Told, called, quotes};
use crate::analysis::product::{self, Product};
use crate::command::Command;
use crate::rules::prelude::*;
use defib_model::fact::{Fact, Value};

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST042",
    class: "k3s-config-invalid",
    needs: &[],
    leads_to: &[K::ServiceFailing],
    check,
};

/// Signals of settings that can't be used.
const SIGNALS: &[&str] = &[
    "k3s.settings-yaml",
    "k3s.flag-unknown",
    "k3s.flag-invalid",
    "k3s.flag-use",
    "k3s.kubelet-flag",
];

/// Does anything say that k3s or RKE2 speaks here? A journal names its program; a log that somebody kept, its file;
/// a transcript, the command; beside it a unit that does not stay up.
fn is_own(cx: &Context<'_>, line: &Told<'_>, unstable: &[&Fact]) -> bool {
    let product = |name: &str| name.starts_with("k3s") || name.starts_with("rke2");
    if !line.program.is_empty() {
        return product(line.program);
    }
    let entry = cx.cluster.entries.get(line.entry as usize);
    let file = entry.map_or("", |e| e.id.rsplit('/').next().unwrap_or_default());
    let file = file
        .trim_start_matches("journalctl-")
        .trim_start_matches("journal-");
    let asked = line.command(cx).map(|(_, words)| {
        words.iter().any(|w| {
            let name = w.rsplit('/').next().unwrap_or_default();
            matches!(
                name.trim_end_matches(".service"),
                "k3s" | "k3s-agent" | "rke2" | "rke2-server" | "rke2-agent"
            )
        })
    });
    let word = [
        "k3s.",
        "k3s-agent.",
        "k3s-server.",
        "rke2.",
        "rke2-server.",
        "rke2-agent.",
    ];
    asked.unwrap_or_else(|| {
        word.iter().any(|w| file.starts_with(w))
            || unstable
                .iter()
                .any(|u| host::same_host(&u.host, line.host.name()))
    })
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let unstable = host::unstable(cx);
    for (host, mut lines) in host::by_host(host::lines(
        cx,
        SIGNALS,
        "k3s ends here, before it does anything",
    )) {
        let own = lines.iter().any(|l| is_own(cx, l, &unstable));
        if own {
            lines.retain(|l| is_own(cx, l, &unstable));
        }
        let said = lines.first().map_or("", |l| l.group(0));
        let said = said.trim_end_matches('"').to_owned();
        let product = product::of(cx, &host);
        let finding = about(&host, product, &said)
            .cite_all(quotes(&lines))
            .explains_observed(cx, TROUBLES, &host);
        out.push(if own {
            finding.term(92, format!("{} says so", product.name()))
        } else {
            finding
                .term(40, "a program says so, and nothing tells that it is k3s")
                .undecided(
                    "Is it k3s that ends with these words?",
                    command!("journalctl -u {} -n 20", product.unit()),
                    &[RULE.class],
                )
        });
    }
    let printed = host::facts(cx, |v| match v {
        Value::Malformed(path, why) => Some((path, why)),
        _ => None,
    });
    for (fact, (path, why)) in printed {
        let host = host::entity(&fact.host);
        let told = out
            .iter()
            .any(|f| f.rule.code == RULE.code && host::same_host(f.entity.name(), host.name()));
        let Some(unit) = unstable
            .iter()
            .find(|u| u.host == fact.host)
            .filter(|_| !told)
        else {
            continue;
        };
        out.push(
            about(&host, product::of(cx, &host), why)
                .term(80, "its file is no YAML, and k3s does not stay up")
                .cite(cx.fact(fact, format!("{path} can't be read: {why}")))
                .cite(cx.fact(unit, "k3s does not stay up"))
                .explains_observed(cx, TROUBLES, &host),
        );
    }
}

/// Shows the settings without what is secret in them: what stands behind a key that names a token, a password, a key
/// or the address of a datastore, which holds a password; of a unit the names of its flags.
const SHOW: &str = r"-E 's/((token|secret|passw|key|endpoint)[A-Za-z-]*).*/\1 .../I'";

fn about(host: &EntityId, product: Product, said: &str) -> Finding {
    let (name, unit, config) = (
        product.name(),
        product.unit(),
        format!("{}/config.yaml", product.settings()),
    );
    RULE.on(host.clone())
        .title(format!(
            "{name} on {} can't read its settings: {said}",
            called(host)
        ))
        .why("It ends before it starts anything, at every try; its data is untouched.")
        .safe(
            "Look at the place that it names. Secrets are hidden.",
            command!(
                "cat -A {} {}.d/* | sed {}; systemctl cat {} | grep -oE -- '--[a-z0-9-]+'",
                config,
                config,
                Command::from(SHOW),
                unit
            ),
        )
        .check_first(
            "Put it right, and start it.",
            command!("systemctl restart {} && journalctl -u {} -f", unit, unit),
        )
        .dont("Don't reinstall, reset or restore: nothing but the settings is wrong.")
}
