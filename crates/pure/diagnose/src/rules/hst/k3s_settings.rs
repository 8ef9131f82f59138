//! # HST042 k3s can't read its own settings
//!
//! class: k3s-config-invalid
//!
//! ## What it sees
//! k3s that ends at once with an error of its YAML parser, with a flag that it does not have, or with a
//! value that a flag does not take: before it says its version. A `config.yaml` that was printed and is no
//! YAML, on a host whose k3s does not stay up.
//!
//! ## Why it matters
//! Nothing of the server starts, and systemd tries again for ever. The datastore was not touched: its
//! data and its members are as they were.
//!
//! ## What to do
//! Look at the line that is named in `config.yaml`, or in a file below `config.yaml.d`, and at the unit's
//! flags; compare with the last version of them that worked.
//!
//! ## What not to do
//! Do not reinstall, reset or restore anything: only the settings are wrong.

use crate::analysis::host::{self, TROUBLES, called, quotes};
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST042",
    class: "k3s-config-invalid",
    needs: &[],
    leads_to: &[K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["k3s.settings-yaml", "k3s.flag-unknown", "k3s.flag-invalid"],
        "k3s ends here, before it does anything",
    )) {
        let said = lines.first().map_or("", |l| l.group(0));
        let said = said.trim_end_matches('"').to_owned();
        out.push(
            about(&host, &said)
                .term(92, "k3s says so")
                .cite_all(quotes(&lines))
                .explains_observed(cx, TROUBLES, &host),
        );
    }
    let printed = host::facts(cx, |v| match v {
        Value::Malformed(path, why) => Some((path, why)),
        _ => None,
    });
    let unstable = host::unstable(cx);
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
            about(&host, why)
                .term(80, "its file is no YAML, and k3s does not stay up")
                .cite(cx.fact(fact, format!("{path} can't be read: {why}")))
                .cite(cx.fact(unit, "k3s does not stay up"))
                .explains_observed(cx, TROUBLES, &host),
        );
    }
}

fn about(host: &EntityId, said: &str) -> Finding {
    RULE.on(host.clone())
        .title(format!(
            "k3s on {} can't read its settings: {said}",
            called(host)
        ))
        .why("It ends before it starts anything, at every try; its data is untouched.")
        .safe(
            "Look at the place that it names.",
            "cat -A /etc/rancher/k3s/config.yaml /etc/rancher/k3s/config.yaml.d/* | sed -E 's/(token:).*/\\1 .../'; systemctl cat k3s",
        )
        .check_first(
            "Put it right, and start k3s.",
            "systemctl restart k3s && journalctl -u k3s -f",
        )
        .dont("Don't reinstall, reset or restore: nothing but the settings is wrong.")
}
