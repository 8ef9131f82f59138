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
                "systemctl stop k3s\nsystemctl reset-failed k3s || true\nsystemctl daemon-reexec\nsystemctl set-property --runtime k3s MemoryMax=160M\nsystemctl start --no-block k3s",
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
                "systemctl stop k3s\nsystemctl reset-failed k3s || true\ncp -p /etc/rancher/k3s/config.yaml /root/config.yaml.good\nmkdir -p /run/systemd/system/k3s.service.d\nprintf '[Unit]\\nStartLimitIntervalSec=0\\n[Service]\\nRestartSec=1ms\\n' > /run/systemd/system/k3s.service.d/pause.conf\nsystemctl daemon-reload\nprintf 'tls-san:\\n  - n1\\n - 198.51.100.11\\n' >> /etc/rancher/k3s/config.yaml\nsystemctl restart --no-block k3s",
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
    Fault {
        name: "binary-replaced",
        family: Family::Host,
        classes: &["k3s-binary-broken"],
        what: "an installer that cron runs at night puts the program for another CPU in the place of k3s: its lines in the journal are written by hand, the program is this one with the other CPU in its head",
        servers: 1..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n1",
                "cp /usr/local/bin/k3s /root/k3s.good\ncp /usr/local/bin/k3s /usr/local/bin/k3s.new\nprintf '\\267\\000' | dd of=/usr/local/bin/k3s.new bs=1 seek=18 conv=notrunc status=none\nlogger -t CRON '(root) CMD (curl -sfL https://get.k3s.io | sh - 2>&1 | logger -t k3s-upgrade)'\nlogger -t k3s-upgrade '[INFO]  Downloading binary https://github.com/k3s-io/k3s/releases/download/v1.36.1+k3s1/k3s-arm64'\nlogger -t k3s-upgrade '[INFO]  Installing k3s to /usr/local/bin/k3s'\nmv /usr/local/bin/k3s.new /usr/local/bin/k3s\nlogger -t k3s-upgrade '[INFO]  systemd: Starting k3s'\nsystemctl stop k3s\nsystemctl reset-failed k3s || true\nsystemctl start --no-block k3s",
            ),
            Step::Until {
                node: "n1",
                script: "[ \"$(systemctl show k3s -p NRestarts --value)\" -ge 2 ]",
                seconds: 60,
            },
        ],
        heals: &[Step::On(
            "n1",
            "systemctl stop k3s\nmv /root/k3s.good /usr/local/bin/k3s\nsystemctl reset-failed k3s || true\nsystemctl start --no-block k3s",
        )],
    },
];
