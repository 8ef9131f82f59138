//! # HST028 The host has no usable IOMMU
//!
//! class: iommu-unavailable
//!
//! ## What it sees
//! QEMU or Proxmox VE that finds no IOMMU group for a device that is to be passed through.
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

use crate::analysis::host;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST028",
    class: "iommu-unavailable",
    needs: &[],
    leads_to: &[],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let spoken = host::by_host(host::lines(
        cx,
        &[
            "iommu.no-group",
            "iommu.not-present",
            "iommu.not-detected",
            "iommu.disabled",
        ],
        "the device has no IOMMU group",
    ));
    for (id, lines) in spoken {
        let off = lines.iter().any(|l| l.signal == "iommu.disabled");
        out.push(
            RULE.on(id.clone())
                .title(format!("{} has no usable IOMMU: devices can't be passed through", host::called(&id)))
                .why("A VM with a passed-through device does not start without it.")
                .term(88, if off { "the kernel says that it is switched off" } else { "the hypervisor says so" })
                .cite_all(lines.into_iter().map(|l| l.evidence))
                .safe("Is it on?", "dmesg | grep -iE 'DMAR|AMD-Vi|IOMMU'; find /sys/kernel/iommu_groups -maxdepth 1; cat /proc/cmdline")
                .advice("Switch VT-d or AMD-Vi on in the firmware, on Intel add intel_iommu=on to the kernel's command line, and reboot the hypervisor.")
                .dont("Don't pass a storage controller through to gain time: the host may boot from it."),
        );
    }
}
