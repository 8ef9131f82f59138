//! # DNS005 The search domain answers for every name
//!
//! class: dns-search-domain-wildcard
//!
//! ## What it sees
//! A lookup that is answered under another name: the name asked for with the site's search domain behind it. Where
//! different names all have one address, it is a candidate. busybox' nslookup does not say which name was answered,
//! but what the address is called: a host of a search domain that is listed, for a name of another domain.
//!
//! ## Why it matters
//! Pods take the search domains of their node over, and try them first on every name with fewer than five dots. A
//! domain with a wildcard record answers all of them, so that every name of the world has one wrong address.
//!
//! ## What to do
//! Take the search domain out of the nodes' resolv.conf, or give the kubelet one without it (`resolv-conf`), or take
//! the wildcard record away; then restart the pods, which keep their old resolv.conf. The file for the kubelet must not
//! name 127.0.0.53: that is the node's own resolver, in a pod it is the pod, and CoreDNS would ask itself for ever.
//!
//! ## What not to do
//! Do not look for the fault in CoreDNS or its upstream: both answer what they are asked.

use crate::analysis::host;
use crate::analysis::product::{self, Product};
use crate::rules::prelude::*;
use defib_model::fact::{Fact, Value};
use std::collections::BTreeMap;

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

/// A search domain of the site, and not one of the cluster's own.
fn is_site(domain: &str) -> bool {
    domain.contains('.') && !domain.contains("cluster.local")
}

/// Does the name belong to this domain?
fn within(name: &str, domain: &str) -> bool {
    let rest = name.strip_suffix(domain);
    rest.is_some_and(|r| r.ends_with('.') && r.len() > 1)
}

/// The domain that a name belongs to: its last two labels.
fn domain(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.');
    let at = dots.nth(1).map_or(0, |(i, _)| i + 1);
    name.get(at..).unwrap_or(name)
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let product = product::of(cx, &host::entity(""));
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
    // By address, the names that were answered as they were asked for; answers may be thousands.
    let mut plain: BTreeMap<&str, Vec<(&Fact, &str)>> = BTreeMap::new();
    for (fact, (asked, name, address)) in &answers {
        let names = plain.entry(address).or_default();
        if suffix(asked, name).is_none()
            && names.iter().all(|(_, known)| known != asked)
            && names.len() < 3
        {
            names.push((fact, asked));
        }
    }
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
        let same = plain.get(address).map(Vec::as_slice).unwrap_or_default();
        let others: Vec<_> = same
            .iter()
            .filter(|(_, a)| a != asked)
            .map(|(f, _)| cx.fact(f, "another name, and the same address"))
            .collect();
        let sure = shown || tells;
        let mut finding = about(rest, product)
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
    let points_back = host::facts_anywhere(cx, |v| match v {
        Value::PointsBack { asked, name, .. } => Some((asked.as_str(), name.as_str())),
        _ => None,
    });
    for (fact, (asked, name)) in points_back {
        let listed = searched.iter().find_map(|l| {
            let mut words = l
                .text
                .split([' ', '\t', ','])
                .skip_while(|w| *w != "search");
            let rest =
                words.find(|d| is_site(d) && within(name, d) && domain(asked) != domain(d))?;
            Some((l, rest))
        });
        let Some((line, rest)) = listed else { continue };
        said = true;
        out.push(
            about(rest, product)
                .title(format!(
                    "the search domain {rest} answers for every name: {asked} has the address of {name}"
                ))
                .term(74, "the answer is a host of a search domain, and the name that was asked for is none of it")
                .cite(cx.fact(fact, format!("asked for {asked}, answered with {name}")))
                .cite(line.evidence.clone()),
        );
    }
    if said {
        return;
    }
    // By address, the first name, and the first one of another domain.
    let mut pairs: BTreeMap<&str, (usize, &str, Option<usize>)> = BTreeMap::new();
    for (i, (_, (asked, _, address))) in answers.iter().enumerate() {
        let local = address.is_empty() || address.starts_with("127.") || *address == "0.0.0.0";
        if local || !asked.contains('.') {
            continue;
        }
        let first = pairs.entry(address).or_insert((i, domain(asked), None));
        if first.2.is_none() && first.1 != domain(asked) {
            first.2 = Some(i);
        }
    }
    let same = pairs
        .into_values()
        .filter_map(|(one, _, other)| Some((one, other?)))
        .min()
        .and_then(|(one, other)| Some((answers.get(one)?.0, answers.get(other)?.0)));
    if let Some((one, other)) = same {
        out.push(
            about("-", product)
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

fn about(domain: &str, product: Product) -> Finding {
    let settings = product.settings();
    RULE.on(EntityId::other("search-domain", domain))
        .why("Pods try the node's search domains first on every name with fewer than five dots.")
        .safe(
            "Compare a name with and without a dot at its end.",
            "kubectl run -it --rm ask --image=busybox --restart=Never -- sh -c 'cat /etc/resolv.conf; nslookup github.com; nslookup github.com.'",
        )
        .safe(
            "On the nodes: which servers would be left, and is there a resolv-conf already? 127.0.0.53 is none of them: CoreDNS would ask itself.",
            "grep -h '^nameserver' /etc/resolv.conf /run/systemd/resolve/resolv.conf | grep -v 'nameserver 127[.]'; grep -rn resolv-conf /etc/rancher/*/config.yaml*",
        )
        .advice(format!("Write those servers, and no search line, into {settings}/resolv.conf, and name that file as resolv-conf in {settings}/config.yaml; or take the search domain out of the nodes' own settings."))
        .check_first(
            "Then restart, node by node, and the pods after it: they keep their old resolv.conf.",
            command!("systemctl restart {}", product.unit()),
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
