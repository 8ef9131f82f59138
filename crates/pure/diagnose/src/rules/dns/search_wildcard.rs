//! # DNS005 The search domain answers for every name
//!
//! class: dns-search-domain-wildcard
//!
//! ## What it sees
//! A lookup that is answered under another name: the name asked for with the site's search domain behind it. Where
//! different names all have one address, it is a candidate.
//!
//! ## Why it matters
//! Pods take the search domains of their node over, and try them first on every name with fewer than five dots. A
//! domain with a wildcard record answers all of them, so that every name of the world has one wrong address.
//!
//! ## What to do
//! Take the search domain out of the nodes' resolv.conf, or give the kubelet one without it (`resolv-conf`), or take
//! the wildcard record away; then restart the pods, which keep their old resolv.conf.
//!
//! ## What not to do
//! Do not look for the fault in CoreDNS or its upstream: both answer what they are asked.

use crate::analysis::host;
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "DNS005",
    class: "dns-search-domain-wildcard",
    needs: &[],
    leads_to: &[K::NameResolutionFailing],
    check,
};

/// What stands behind the name that was asked for.
fn suffix<'n>(asked: &str, name: &'n str) -> Option<&'n str> {
    let rest = name.strip_prefix(asked)?.strip_prefix('.')?;
    // A short name is meant to be found so, and so are the cluster's own.
    let own = rest.contains("cluster.local") || rest.starts_with("svc.");
    (asked.contains('.') && rest.contains('.') && !own).then_some(rest)
}

/// The domain that a name belongs to: its last two labels.
fn domain(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.');
    let at = dots.nth(1).map_or(0, |(i, _)| i + 1);
    name.get(at..).unwrap_or(name)
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let answers: Vec<_> = host::facts_anywhere(cx, |v| match v {
        Value::Answered {
            asked,
            name,
            address,
        } => Some((asked.as_str(), name.as_str(), address.as_str())),
        _ => None,
    })
    .collect();
    let searched = host::lines(
        cx,
        &["resolv.search"],
        "the search domains that pods take over",
    );
    let mut said = false;
    for (fact, (asked, name, address)) in &answers {
        let Some(rest) = suffix(asked, name) else {
            continue;
        };
        said = true;
        // getent and ping print the name that a CNAME leads to; nslookup, dig and host say so before it.
        let shown = searched.iter().any(|l| {
            let mut words = l.text.split([' ', '\t', ',']);
            words.any(|w| w.trim_end_matches('.') == rest)
        });
        let tool = fact.command.split_ascii_whitespace();
        let tells = tool
            .clone()
            .any(|w| matches!(w, "nslookup" | "dig" | "host"));
        let others: Vec<_> = answers
            .iter()
            .filter(|(_, (a, n, at))| a != asked && at == address && suffix(a, n).is_none())
            .map(|(f, _)| cx.fact(f, "another name, and the same address"))
            .collect();
        let sure = shown || tells;
        let mut finding = about(rest)
            .title(format!(
                "the search domain {rest} answers for every name: {asked} was answered as {name}"
            ))
            .term(
                if sure { 88 } else { 45 },
                "the answer is about the name with the search domain behind it",
            )
            .cite(cx.fact(fact, format!("asked for {asked}, answered for {name}")))
            .cite_all(
                searched
                    .iter()
                    .filter(|l| l.text.contains(rest))
                    .map(|l| l.evidence.clone())
                    .take(1),
            )
            .cite_all(others.into_iter().take(2));
        if !sure {
            finding = finding.undecided(
                format!("Is {rest} a search domain of the host, or does a CNAME lead there?"),
                command!("grep search /etc/resolv.conf; nslookup {}.", *asked),
                &["dns-search-domain-wildcard"],
            );
        }
        out.push(finding);
    }
    if said {
        return;
    }
    let same = answers.iter().enumerate().find_map(|(i, (f, (a, _, at)))| {
        let other = answers.iter().skip(i + 1).find(|(_, (b, _, also))| {
            at == also && domain(a) != domain(b) && a.contains('.') && b.contains('.')
        });
        let local = at.is_empty() || at.starts_with("127.") || *at == "0.0.0.0";
        other.filter(|_| !local).map(|(o, _)| (f, o))
    });
    if let Some((one, other)) = same {
        out.push(
            about("-")
                .title("names of different domains have one address: a wildcard in a search domain would do that")
                .term(40, "two names that have nothing to do with each other have one address")
                .cite(cx.fact(one, "one name"))
                .cite(cx.fact(other, "another name, and the same address"))
                .cite_all(searched.into_iter().map(|l| l.evidence).take(1))
                .undecided(
                    "Which search domains has the pod, and does a name with a dot at its end have the same address?",
                    "kubectl run -it --rm ask --image=busybox --restart=Never -- sh -c 'cat /etc/resolv.conf; nslookup github.com.'",
                    &["dns-search-domain-wildcard", "coredns-upstream-unreachable"],
                ),
        );
    }
}

fn about(domain: &str) -> Finding {
    RULE.on(EntityId::other("search-domain", domain))
        .why("Pods try the node's search domains first on every name with fewer than five dots.")
        .safe(
            "Compare a name with and without a dot at its end.",
            "kubectl run -it --rm ask --image=busybox --restart=Never -- sh -c 'cat /etc/resolv.conf; nslookup github.com; nslookup github.com.'",
        )
        .check_first(
            "Give the kubelet a resolv.conf without the search domain, then restart k3s and the pods.",
            "grep -v '^search' /etc/resolv.conf > /etc/rancher/k3s/resolv.conf && echo 'resolv-conf: /etc/rancher/k3s/resolv.conf' >> /etc/rancher/k3s/config.yaml && systemctl restart k3s",
        )
        .dont("Don't look for the fault in CoreDNS or its upstream: both answer what they are asked.")
}

#[cfg(test)]
mod tests {
    use super::{domain, suffix};

    #[test]
    fn only_a_foreign_suffix_counts() {
        assert_eq!(
            suffix("git.example", "git.example.site.test"),
            Some("site.test")
        );
        for (asked, name) in [
            ("git.example", "git.example"),
            ("till.shop", "till.shop.svc.cluster.local"),
            ("till", "till.site.test"),
            ("git.example", "other.example"),
        ] {
            assert_eq!(suffix(asked, name), None, "{asked} {name}");
        }
        assert_eq!(domain("a.b.example.com"), "example.com");
    }
}
