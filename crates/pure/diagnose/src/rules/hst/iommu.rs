//! # HST028 The host has no usable IOMMU
//!
//! class: iommu-unavailable
//!
//! ## What it sees
//! QEMU or Proxmox VE that finds no IOMMU group for a device that is to be passed through; a kernel that has
//! no group at all where somebody counted them.
//!
//! ## Why it matters
//! A VM with a passed-through GPU, controller or network card does not start; if it is a node, the node is
//! gone. Updates of the firmware switch the setting off.
//!
//! ## What to do
//! Switch VT-d or AMD-Vi on in the firmware, and `intel_iommu=on` (Intel, older kernels) on the kernel's
//! command line; reboot the hypervisor. Until then the VM starts without the device.
//!
//! ## What not to do
//! Do not pass a storage controller through to gain time: the host may boot from it.

use defib_model::fact::{Fact, Value};

use crate::analysis::{host, placement};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST028",
    class: "iommu-unavailable",
    needs: &[],
    leads_to: &[K::PodPending, K::NodeNotReady],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let before = out.len();
    of_hosts(cx, out);
    // With one host in question: the devices that pods miss are those that it does not hand on, and the one
    // node that is gone is the machine that waits for them.
    let [finding] = out.get_mut(before..).unwrap_or_default() else {
        return;
    };
    let mut whole = finding.clone();
    for pod in placement::lack_device(cx, None) {
        whole = whole.explains(K::PodPending, &pod);
    }
    let gone: Vec<_> = cx.all(K::NodeNotReady).collect();
    if let [node] = gone.as_slice() {
        whole = whole.explains(K::NodeNotReady, &node.entity);
    }
    *finding = whole;
}

fn of_hosts(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let spoken = host::by_host(host::lines(
        cx,
        &[
            "iommu.no-group",
            "iommu.no-group-available",
            "iommu.not-present",
            "iommu.not-detected",
            "iommu.disabled",
        ],
        "the device has no IOMMU group",
    ));
    let none = host::facts(cx, |v| matches!(v, Value::IommuGroups(0)).then_some(()));
    for (fact, ()) in none {
        let id = host::entity(&fact.host);
        if spoken.contains_key(&id) {
            continue;
        }
        out.push(
            found(&id)
                .term(82, "the kernel has no IOMMU group at all")
                .cite_all(asked(cx, fact))
                .cite(cx.fact(fact, "no group: no device can be passed through")),
        );
    }
    for (id, lines) in spoken {
        let off = lines.iter().any(|l| l.signal == "iommu.disabled");
        out.push(
            found(&id)
                .term(
                    88,
                    if off {
                        "the kernel says that it is switched off"
                    } else {
                        "the hypervisor says so"
                    },
                )
                .cite_all(lines.into_iter().map(|l| l.evidence)),
        );
    }
}

/// The command that counted: the number alone says nothing to whoever reads it.
fn asked(cx: &Context<'_>, fact: &Fact) -> Option<defib_model::Evidence> {
    let command = cx.cluster.facts.iter().rev().find(|f| {
        f.entry == fact.entry && f.line < fact.line && matches!(f.value, Value::Ran(_))
    })?;
    Some(cx.fact(command, "counts the groups; the answer is 0"))
}

fn found(id: &EntityId) -> Finding {
    RULE.on(id.clone())
        .title(format!("{} has no usable IOMMU: devices can't be passed through", host::called(id)))
        .why("A VM with a passed-through device does not start without it.")
        .safe("Is it on?", "dmesg | grep -iE 'DMAR|AMD-Vi|IOMMU'; find /sys/kernel/iommu_groups -maxdepth 1; cat /proc/cmdline")
        .advice("Switch VT-d or AMD-Vi on in the firmware, on Intel add intel_iommu=on to the kernel's command line, and reboot the hypervisor.")
        .dont("Don't pass a storage controller through to gain time: the host may boot from it.")
}
