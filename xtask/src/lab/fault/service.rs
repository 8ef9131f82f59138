//! k3s as a service of its host: its memory, its settings, its program.
//! Deliberately absent: disks (`storage`).

use super::{Family, Fault, Step, Store};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "memory-limit",
        family: Family::Host,
        classes: &["oom-kill"],
        what: "somebody gives the unit of k3s less memory than it needs; the kernel kills it at every start",
        servers: 1..=9,
        store: Store::Etcd,
        // systemd looks at its control groups once, and in a container they are open to it only after its start.
        breaks: &[
            Step::On(
                "n1",
                "systemctl daemon-reexec\nsystemctl set-property --runtime k3s MemoryMax=160M || true\nsystemctl restart --no-block k3s",
            ),
            Step::Until {
                node: "n1",
                script: "[ \"$(systemctl show k3s -p NRestarts --value)\" -ge 2 ]",
                seconds: 90,
            },
        ],
        heals: &[Step::On(
            "n1",
            "systemctl revert k3s\nsystemctl daemon-reload\nsystemctl restart --no-block k3s",
        )],
    },
    Fault {
        name: "restart-loop",
        family: Family::Host,
        classes: &["k3s-config-invalid"],
        what: "a line of config.yaml is not YAML, and systemd has restarted k3s a hundred times: its counter stands as after hours, its pauses are short",
        servers: 1..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n1",
                "cp -p /etc/rancher/k3s/config.yaml /root/config.yaml.good\nmkdir -p /run/systemd/system/k3s.service.d\nprintf '[Unit]\\nStartLimitIntervalSec=0\\n[Service]\\nRestartSec=1ms\\n' > /run/systemd/system/k3s.service.d/pause.conf\nsystemctl daemon-reload\nprintf 'tls-san:\\n  - n1\\n - 198.51.100.11\\n' >> /etc/rancher/k3s/config.yaml\nsystemctl restart --no-block k3s",
            ),
            Step::Until {
                node: "n1",
                script: "[ \"$(systemctl show k3s -p NRestarts --value)\" -ge 100 ]",
                seconds: 240,
            },
        ],
        heals: &[Step::On(
            "n1",
            "systemctl stop k3s\nmv /root/config.yaml.good /etc/rancher/k3s/config.yaml\nrm -r /run/systemd/system/k3s.service.d\nsystemctl daemon-reload\nsystemctl reset-failed k3s || true\nsystemctl start --no-block k3s",
        )],
    },
];
