//! # CNI015 A DHCP client of the host takes the network plugin's interfaces under its care
//!
//! class: dhcp-client-manages-cni-interface
//!
//! ## What it sees
//! dhcpcd, NetworkManager, systemd-networkd or ConnMan that give an address or a route to flannel.1, cni0 or the
//! ends of pods' cables (veth…, cali…); and flannel, which ends because its interface has addresses that are not
//! its own. flannel's words without those of the other program are a candidate.
//!
//! ## Why it matters
//! The interface gets the host's own address or a link-local one, often with a default route over it. flannel
//! refuses to start, or the node loses its way out. Deleting the interface helps until the next boot.
//!
//! ## What to do
//! Tell the program to leave these interfaces alone (`denyinterfaces flannel.* cni* veth* cali*` in dhcpcd.conf,
//! `unmanaged-devices` for NetworkManager, `Unmanaged=yes` for systemd-networkd), delete the interface, restart k3s.
//!
//! ## What not to do
//! Do not restart the DHCP client over SSH without another way in: the host's own address goes with it.

use crate::analysis::host::{self, called};
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI015",
    class: "dhcp-client-manages-cni-interface",
    needs: &[],
    leads_to: &[K::HostNetworkFailing, K::ServiceFailing],
    check,
};

const GIVES: &[&str] = &[
    "dhcp.dhcpcd",
    "dhcp.networkmanager",
    "dhcp.networkd",
    "dhcp.connman",
];

/// The program behind a signal, and what makes it leave interfaces alone.
fn remedy(signal: &str) -> (&'static str, &'static str) {
    match signal {
        "dhcp.networkmanager" => (
            "NetworkManager",
            "printf '[keyfile]\\nunmanaged-devices=interface-name:flannel*;interface-name:cni*;interface-name:veth*;interface-name:cali*\\n' > /etc/NetworkManager/conf.d/90-cni.conf && nmcli general reload",
        ),
        "dhcp.networkd" => (
            "systemd-networkd",
            "printf '[Match]\\nName=flannel* cni* veth* cali*\\n[Link]\\nUnmanaged=yes\\n' > /etc/systemd/network/05-cni.network && networkctl reload",
        ),
        "dhcp.connman" => (
            "ConnMan",
            "printf '[General]\\nNetworkInterfaceBlacklist=flannel,cni,veth,cali\\n' >> /etc/connman/main.conf   # takes effect when connman is restarted",
        ),
        _ => (
            "dhcpcd",
            "echo 'denyinterfaces flannel.* cni* veth* cali*' >> /etc/dhcpcd.conf   # takes effect when dhcpcd is restarted, or the host",
        ),
    }
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let given = host::lines(
        cx,
        GIVES,
        "an address or route for an interface of the network plugin",
    );
    let ended = host::lines(
        cx,
        &["flannel.addresses"],
        "flannel finds addresses on its interface that are not its own",
    );
    let mut named = Vec::new();
    for (id, lines) in host::by_host(given) {
        let Some(first) = lines.first() else { continue };
        named.push(id.clone());
        let (program, command) = remedy(first.signal);
        let suffers: Vec<_> = ended
            .iter()
            .filter(|l| host::same_host(l.host.name(), id.name()))
            .cloned()
            .collect();
        // A route over it takes the host's way out. On pods' cables dhcpcd does so everywhere, mostly without
        // harm.
        let route = lines.iter().any(|l| {
            let over = l.group(1).contains("default route") || l.group(1) == "using static address";
            over && !l.group(0).starts_with("veth")
        });
        let sure = !suffers.is_empty();
        let interface = first.group(0);
        let mut quoted = host::quotes(&lines);
        // What flannel says is as much of the proof as what was given.
        quoted.truncate(3);
        let mut finding = RULE
            .on(id.clone())
            .title(format!("{program} of {} gives an address to {interface}, which belongs to the network plugin", called(&id)))
            .why("flannel refuses an interface with foreign addresses, and a default route over it takes the node's way out. Deleting the interface helps until the next boot.")
            .term(
                if sure { 92 } else if route { 76 } else { 40 },
                if sure {
                    "it gives the address, and flannel ends over one"
                } else if route {
                    "it puts a default route over that interface"
                } else {
                    "it gives an address, and nothing shows harm"
                },
            )
            .cite_all(suffers.iter().take(1).map(|l| l.evidence.clone()))
            .cite_all(quoted)
            .safe(
                "Which addresses and routes are on these interfaces?",
                "ip -4 addr show flannel.1; ip -4 addr show cni0; ip route; networkctl list 2>/dev/null; nmcli device 2>/dev/null",
            )
            .check_first("Tell it to leave these interfaces alone.", command)
            .check_first("Then have flannel make its interface anew.", "ip link delete flannel.1; systemctl restart k3s || systemctl restart k3s-agent")
            .dont("Don't restart the DHCP client over SSH without another way in: the host's own address goes with it.");
        if !sure && !route {
            finding = finding.undecided(
                "Does flannel run, and does the node still have its own default route?",
                "ip route; journalctl -u k3s -u k3s-agent | grep -i flannel | tail",
                &["dhcp-client-manages-cni-interface"],
            );
        }
        let all: Vec<_> = lines.into_iter().chain(suffers).collect();
        out.push(host::claim(
            cx,
            finding,
            &id,
            &all,
            &[K::HostNetworkFailing, K::ServiceFailing],
        ));
    }
    for (id, lines) in host::by_host(ended) {
        if named.iter().any(|n| host::same_host(n.name(), id.name())) {
            continue;
        }
        let shown = host::facts(cx, |v| match v {
            Value::Address(interface, ..) if interface.starts_with("flannel") => Some(()),
            _ => None,
        })
        .map(|(fact, ())| cx.fact(fact, "an address of flannel's interface"));
        let finding = RULE
            .on(id.clone())
            .title(format!("something gave flannel's interface on {} addresses that are not its own", called(&id)))
            .term(50, "flannel never does that itself")
            .cite_all(lines.iter().map(|l| l.evidence.clone()))
            .cite_all(shown)
            .safe("Which addresses are they, and who gave them?", "ip -4 addr show flannel.1; journalctl -b | grep -E 'dhcpcd|NetworkManager|networkd|connman' | grep -E 'flannel|cni0'")
            .undecided(
                "Which program gave the interface its addresses: a DHCP client, or an earlier flannel with another range?",
                "ip -4 addr show flannel.1; journalctl -b | grep -E 'dhcpcd|NetworkManager|networkd|connman' | grep -E 'flannel|cni0'",
                &["dhcp-client-manages-cni-interface", "stale-data-dir", "pod-cidr-mismatch"],
            );
        out.push(host::claim(
            cx,
            finding,
            &id,
            &lines,
            &[K::HostNetworkFailing, K::ServiceFailing],
        ));
    }
}
