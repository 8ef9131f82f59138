//! What `k3s check-config` prints: binaries, the system, limits, the kernel's configuration, the status.
//!
//! Source: k3s `contrib/util/check-config.sh`. It marks with `(fail)` what k3s can't do without; what is only
//! missing is optional, or needed by a choice (a backend of flannel, a snapshotter). Deliberately absent:
//! what a row means for a cluster.

use defib_formats::text;
use defib_model::fact::Value;

use super::Walk;

/// Lines that one run prints at most.
const MOST: usize = 300;

/// Beginnings of what is said of rows that are well.
const GOOD: &[&str] = &[
    "enabled",
    "good",
    "ok",
    "available",
    "disabled",
    "present",
    "pass",
    "older than",
];
/// Beginnings of what is said of rows that are not.
const BAD: &[&str] = &[
    "missing",
    "nonexistent",
    "does not match",
    "should be",
    "default CIDRs",
    "unknown version",
    "symlink to",
    "Required for",
    "is enabled",
];

/// A whole run, from its first line to its status.
pub(super) fn read(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let head = walk.text(at).trim();
    if !(head.starts_with("Verifying binaries in ") && head.ends_with(':')) {
        return None;
    }
    let mut end = at + 1;
    while let Some(line) = walk.lines.get(end).filter(|_| end < at + MOST) {
        if text::command(line).is_some() {
            break;
        }
        let text = line.text.trim().to_owned();
        let status = text.starts_with("STATUS: ");
        let row = text.strip_prefix("- ").or(status.then_some(text.as_str()));
        if let Some((name, said)) = row.and_then(|r| r.rsplit_once(':')) {
            let said = said.trim();
            // A heading has nothing behind its colon.
            if !said.is_empty() {
                let passed = is_good(said).unwrap_or(!said.contains("bad"));
                let check = Value::Check(name.trim().to_owned(), passed, said.to_owned());
                walk.fact(end..end + 1, check);
            }
        }
        end += 1;
        if status {
            break;
        }
    }
    Some(end)
}

/// One row without the rest: `- CONFIG_VXLAN: missing (fail)`, `- cgroup memory: enabled`.
pub(super) fn row(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let text = walk.text(at).trim();
    let (name, said) = text.strip_prefix("- ")?.split_once(": ")?;
    let said = said.trim();
    let config = name.starts_with("CONFIG_") || name.contains("cgroup");
    let known =
        is_good(said).filter(|_| config || !name.contains(' ') || said.contains("(fail)"))?;
    let check = Value::Check(name.trim().to_owned(), known, said.to_owned());
    walk.fact(at..at + 1, check);
    Some(at + 1)
}

/// Is the row well? Nothing where it says a number or words that are not known.
fn is_good(said: &str) -> Option<bool> {
    if said.contains("(fail)") || BAD.iter().any(|b| said.starts_with(b)) {
        return Some(false);
    }
    GOOD.iter().any(|g| said.starts_with(g)).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use defib_model::fact::Value;

    fn rows(text: &str) -> Vec<(u64, String, bool, String)> {
        read(text.as_bytes(), 0)
            .facts
            .into_iter()
            .filter_map(|f| match f.value {
                Value::Check(name, passed, said) => Some((f.line, name, passed, said)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn every_section_is_read() {
        let text = "$ k3s check-config\n\nVerifying binaries in /var/lib/rancher/k3s/data/0a/bin:\n- sha256sum: good\n- aux/ip: symlink to busybox (fail)\n\nSystem:\n- /usr/sbin iptables v1.8.2 (nf_tables): should be older than v1.8.0, newer than v1.8.3, or in legacy mode (fail)\n- swap: should be disabled\n- routes: ok\n\nLimits:\n- /proc/sys/kernel/keys/root_maxkeys: 1000000\n\nGenerally Necessary:\n- cgroup hierarchy: cgroups V2 mounted, cpu|cpuset|memory controllers status: bad (fail)\n- CONFIG_NAMESPACES: enabled\n- CONFIG_BRIDGE_NETFILTER: missing (fail)\n\nOptional Features:\n- CONFIG_IP_SET: missing\n- Network Drivers:\n  - \"overlay\":\n    - CONFIG_VXLAN: enabled (as module)\n- Storage Drivers:\n\nSTATUS: 3 (fail)\n";
        let got = rows(text);
        let failed: Vec<_> = got
            .iter()
            .filter(|r| !r.2)
            .map(|r| (r.0, r.1.as_str()))
            .collect();
        assert_eq!(
            failed,
            [
                (5, "aux/ip"),
                (8, "/usr/sbin iptables v1.8.2 (nf_tables)"),
                (9, "swap"),
                (
                    16,
                    "cgroup hierarchy: cgroups V2 mounted, cpu|cpuset|memory controllers status"
                ),
                (18, "CONFIG_BRIDGE_NETFILTER"),
                (21, "CONFIG_IP_SET"),
                (27, "STATUS"),
            ]
        );
        let well: Vec<_> = got.iter().filter(|r| r.2).map(|r| r.1.as_str()).collect();
        assert_eq!(
            well,
            [
                "sha256sum",
                "routes",
                "/proc/sys/kernel/keys/root_maxkeys",
                "CONFIG_NAMESPACES",
                "CONFIG_VXLAN"
            ]
        );
    }

    #[test]
    fn a_row_alone_is_read_and_prose_is_not() {
        assert_eq!(rows("- CONFIG_VXLAN: missing (fail)\n").len(), 1);
        assert_eq!(rows("- the disk that we use: ok so far\n"), []);
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read_without_panic(body in "[-A-Z_a-z0-9: ()\\n]{0,200}") {
            let _ = rows(&format!("Verifying binaries in /x:\n{body}"));
        }
    }
}
