//! # CNI008 VXLAN packets carry spoilt checksums
//!
//! class: vxlan-checksum-offload
//!
//! ## What it sees
//! Packets on the VXLAN port with a wrong UDP checksum, in a capture or in the kernel's log of the receiver;
//! or that switching the offload off helped.
//!
//! ## Why it matters
//! Kernel or network card compute the checksum of encapsulated packets wrongly, and the receiver drops them.
//! Only traffic between nodes fails, TCP more than ping; names resolve on the node of CoreDNS only.
//!
//! ## What to do
//! Switch the offload off on flannel's interface on all nodes, and have it done at boot; or update the kernel,
//! or use another backend (`host-gw`, `wireguard-native`).
//!
//! ## What not to do
//! Do not switch off all offloads of the physical card: it costs throughput and is not needed.

use crate::analysis::host::{self, called};
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI008",
    class: "vxlan-checksum-offload",
    needs: &[],
    leads_to: &[K::HostNetworkFailing, K::NameResolutionFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let seen = host::lines(
        cx,
        &["net.bad-checksum", "net.bad-vxlan"],
        "a VXLAN packet with a wrong checksum",
    );
    let tried: Vec<_> = host::facts(cx, |v| match v {
        Value::Ran(words) => {
            let line = words.join(" ");
            (line.contains("ethtool") && line.contains("checksum") && line.contains(" off"))
                .then_some(())
        }
        _ => None,
    })
    .collect();
    let hosts = host::by_host(seen);
    for (id, lines) in &hosts {
        let finding = found(id)
            .term(85, "packets on the VXLAN port arrive with wrong checksums")
            .cite_all(lines.iter().map(|l| l.evidence.clone()))
            .cite_all(
                tried
                    .iter()
                    .map(|(f, ())| cx.fact(f, "the offload is switched off")),
            );
        out.push(host::claim(
            cx,
            finding,
            id,
            lines,
            &[K::HostNetworkFailing],
        ));
    }
    if hosts.is_empty()
        && let Some((fact, ())) = tried.first()
    {
        out.push(
            found(&host::entity(&fact.host))
                .term(50, "somebody switched the offload off")
                .cite(cx.fact(fact, "the offload is switched off"))
                .undecided(
                    "Does traffic between nodes work with the offload off?",
                    "ethtool -K flannel.1 tx-checksum-ip-generic off; tcpdump -vv -ni any udp port 8472 -c 20",
                    &["vxlan-checksum-offload"],
                ),
        );
    }
}

fn found(id: &EntityId) -> Finding {
    RULE.on(id.clone())
        .title(format!("VXLAN packets of {} carry spoilt checksums", called(id)))
        .why("The receiver drops them: only traffic between nodes fails, and names resolve on the node of CoreDNS only.")
        .safe("Look at the packets.", "tcpdump -vv -ni any udp port 8472 -c 20; nstat -az UdpInCsumErrors")
        .check_first("Switch the offload off on flannel's interface, on all nodes, also at boot.", "ethtool -K flannel.1 tx-checksum-ip-generic off")
        .dont("Don't switch off all offloads of the physical card: it is not needed.")
}
