//! What etcd has on its disk.

use super::step::remove_member;
use super::{Family, Fault, Step, Store};

/// A member that has lost its data is removed, and its server joins as a new one.
const START_OVER: &[Step] = &[
    Step::On("n3", "systemctl stop k3s"),
    remove_member!("n1", "n3"),
    Step::On(
        "n3",
        "rm -rf /var/lib/rancher/k3s/server/db/etcd\nsystemctl start --no-block k3s",
    ),
];

/// A value that can be found in a file.
const PUT_MARK: &str = "etcdctl put /lab/mark \"$(printf '%064d' 0 | tr 0 A)\"";
/// The same length, other bytes. etcd has written what it holds to its database when it has stopped.
const CHANGE_MARK: &str = "sleep 2\nsystemctl stop k3s\ndb=/var/lib/rancher/k3s/server/db/etcd/member/snap/db\ngrep -q \"$(printf '%064d' 0 | tr 0 A)\" $db\nperl -pi -e 's/A{64}/\"B\" x 64/ge' $db\ngrep -q \"$(printf '%064d' 0 | tr 0 B)\" $db";
/// The value goes, once a leader answers again.
const NO_MARK: Step = Step::Until {
    node: "n1",
    script: "etcdctl del /lab/mark",
    seconds: 90,
};
/// As [`START_OVER`], and without the value.
const MARK_AWAY: &[Step] = &[
    Step::On("n3", "systemctl stop k3s"),
    remove_member!("n1", "n3"),
    Step::On(
        "n3",
        "rm -rf /var/lib/rancher/k3s/server/db/etcd\nsystemctl start --no-block k3s",
    ),
    NO_MARK,
];

/// Half of the pages that are in use go, and in any case the root: etcd grows its file by 16 MiB at a time (bbolt's
/// `AllocSize`), so that half of a *file* may hold nothing at all, and a member then starts as if nothing had been.
/// A meta page (0 and 1) has its root's page at byte 32 and the first page beyond use at byte 56 (bbolt `internal/common/meta.go`).
const CUT_USED_HALF: &str = "systemctl stop k3s\ndb=/var/lib/rancher/k3s/server/db/etcd/member/snap/db\nword() { od -An -t u8 -j \"$1\" -N 8 $db | tr -d ' '; }\nkeep=$(( $(word 56) / 2 ))\nfor root in $(word 32) $(word 4128); do [ \"$root\" -ge \"$keep\" ] || keep=$root; done\ntruncate -s $((keep * 4096)) $db\nsystemctl start --no-block k3s";
/// In the middle of what is written: the file's length is that of a whole segment (64 MiB), zeros behind the last record.
const OVERWRITE_LOG: &str = r#"systemctl stop k3s
wal=$(ls /var/lib/rancher/k3s/server/db/etcd/member/wal/*.wal | tail -n 1)
perl -e 'open(F, "+<:raw", $ARGV[0]) or die; local $/; $_ = <F>; s/\0+\z//; $n = length; $w = $n / 4 < 16384 ? int($n / 4) : 16384; seek(F, int($n / 2), 0); print F map { chr rand 256 } 1 .. $w; close F or die' "$wal"
systemctl start --no-block k3s"#;

/// Writes until etcd takes no more; true once its alarm is set and the API server passes the refusal on.
const FILLED: &str = "head -c 750000 /dev/urandom | base64 -w 0 > /root/big
i=0
while [ $i -lt 60 ] && etcdctl put /lab/fill-$i < /root/big > /dev/null 2>&1; do i=$((i + 1)); done
rm /root/big
etcdctl alarm list | grep -q NOSPACE
kubectl delete configmap lab-probe --ignore-not-found || true
kubectl create configmap lab-probe 2>&1 | grep -q 'database space exceeded'";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "db-pages-flipped",
        family: Family::Datastore,
        classes: &["etcd-data-corrupt"],
        what: "pages of one member's database are overwritten while it is off",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n3",
                "systemctl stop k3s\ndb=/var/lib/rancher/k3s/server/db/etcd/member/snap/db\ndd if=/dev/urandom of=$db bs=4096 seek=2 count=200 conv=notrunc status=none\nsystemctl start --no-block k3s",
            ),
            Step::Until {
                node: "n3",
                script: "journalctl -u k3s -o cat --no-pager --since \"@$(cat /root/.fault-began 2> /dev/null || echo 0)\" | grep -qE 'panic:|invalid database|invalid freelist|file size too small|checksum error|unexpected fault address|page [0-9]+: (invalid|unexpected)|assertion failed'",
                seconds: 90,
            },
        ],
        heals: START_OVER,
    },
    Fault {
        name: "db-truncated",
        family: Family::Datastore,
        classes: &["etcd-data-corrupt"],
        what: "one member's database loses half of its used pages, its root among them, while it is off",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On("n3", CUT_USED_HALF),
            Step::Until {
                node: "n3",
                script: "journalctl -u k3s -o cat --no-pager --since \"@$(cat /root/.fault-began 2> /dev/null || echo 0)\" | grep -qE 'panic:|SIGBUS|invalid database|unexpected fault address|file size too small|page [0-9]+: '",
                seconds: 90,
            },
        ],
        heals: START_OVER,
    },
    Fault {
        name: "wal-cut",
        family: Family::Datastore,
        classes: &["etcd-data-corrupt"],
        what: "one member's log is overwritten in its middle while it is off",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On("n3", OVERWRITE_LOG),
            Step::Until {
                node: "n3",
                script: "journalctl -u k3s -o cat --no-pager --since \"@$(cat /root/.fault-began 2> /dev/null || echo 0)\" | grep -qE 'crc mismatch|walpb|max entry size limit exceeded|failed to read WAL|unexpected EOF|wrong wireType|illegal tag'",
                seconds: 90,
            },
        ],
        heals: START_OVER,
    },
    Fault {
        name: "db-cut-while-running",
        family: Family::Datastore,
        classes: &["etcd-data-corrupt"],
        what: "one member's database is cut to a few pages while etcd has it mapped",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n3",
                "truncate -s 16384 /var/lib/rancher/k3s/server/db/etcd/member/snap/db\netcdctl --command-timeout=10s snapshot save /root/after > /dev/null 2>&1 || true\nrm -f /root/after*",
            ),
            Step::Until {
                node: "n3",
                script: "journalctl -u k3s -o cat --no-pager --since \"@$(cat /root/.fault-began 2> /dev/null || echo 0)\" | grep -qE 'SIGBUS|unexpected fault address'",
                seconds: 60,
            },
        ],
        heals: START_OVER,
    },
    Fault {
        name: "value-differs",
        family: Family::Datastore,
        classes: &["etcd-data-corrupt"],
        what: "a few bytes of one value change in one member's database while it is off; etcd's check at the start finds it",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On("n1", PUT_MARK),
            Step::On("n3", CHANGE_MARK),
            Step::On("n3", "systemctl start --no-block k3s"),
            Step::Said {
                node: "n3",
                text: "found data inconsistency with peers",
                seconds: 90,
            },
        ],
        heals: MARK_AWAY,
    },
    Fault {
        name: "corrupt-alarm",
        family: Family::Datastore,
        classes: &["etcd-data-corrupt"],
        what: "the same on a cluster whose etcd compares its members from time to time and not at their start: the alarm CORRUPT stops all of it",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::Each(
                "printf 'etcd-arg:\\n- corrupt-check-time=10000000000\\n- feature-gates=InitialCorruptCheck=false\\n' >> /etc/rancher/k3s/config.yaml\ntimeout 120 systemctl restart k3s",
            ),
            Step::On("n1", PUT_MARK),
            Step::On("n3", CHANGE_MARK),
            Step::On("n3", "systemctl start --no-block k3s"),
            Step::Until {
                node: "n1",
                script: "etcdctl alarm list | grep -q CORRUPT",
                seconds: 90,
            },
            Step::Until {
                node: "n1",
                script: "kubectl create configmap lab-probe 2>&1 | grep -q 'corrupt'",
                seconds: 30,
            },
        ],
        heals: &[
            // With the alarm k3s does not stay up, and two of three have to be there at once.
            Step::Until {
                node: "n1",
                script: "etcdctl alarm disarm",
                seconds: 180,
            },
            Step::On("n3", "systemctl stop k3s"),
            Step::Each(
                "sed -i '/^etcd-arg:/d; /^- corrupt-check-time/d; /^- feature-gates/d' /etc/rancher/k3s/config.yaml",
            ),
            Step::On("n1", "systemctl restart --no-block k3s"),
            Step::On("n2", "systemctl restart --no-block k3s"),
            Step::Until {
                node: "n1",
                script: "etcdctl alarm disarm\netcdctl endpoint health",
                seconds: 120,
            },
            remove_member!("n1", "n3"),
            Step::On(
                "n3",
                "rm -rf /var/lib/rancher/k3s/server/db/etcd\nsystemctl start --no-block k3s",
            ),
            NO_MARK,
        ],
    },
    Fault {
        name: "disk-restored-from-before",
        family: Family::Datastore,
        classes: &["etcd-data-corrupt"],
        what: "one server's disk is put back to a backup: its member has forgotten what it had agreed to",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::Stop("n3"),
            Step::Keep("n3", "backup"),
            Step::Start("n3"),
            Step::Until {
                node: "n3",
                script: "systemctl is-active --quiet k3s && etcdctl endpoint health",
                seconds: 90,
            },
            Step::On(
                "n1",
                "i=0\nwhile [ $i -lt 50 ]; do etcdctl put /lab/after-$i x > /dev/null; i=$((i + 1)); done\netcdctl del --prefix /lab/",
            ),
            Step::Kill("n3"),
            Step::Back("n3", "backup"),
            Step::Start("n3"),
            Step::Said {
                node: "n3",
                text: "Was the raft log corrupted, truncated, or lost?",
                seconds: 60,
            },
        ],
        heals: START_OVER,
    },
    Fault {
        name: "nospace",
        family: Family::Datastore,
        classes: &["etcd-nospace"],
        what: "etcd's quota is small and is written full; the alarm refuses every write",
        servers: 1..=9,
        store: Store::Etcd,
        breaks: &[
            Step::Each(
                "printf 'etcd-arg:\\n- quota-backend-bytes=20971520\\n' >> /etc/rancher/k3s/config.yaml\nsystemctl restart k3s",
            ),
            Step::On(
                "n1",
                "head -c 750000 /dev/urandom | base64 -w 0 > /root/big",
            ),
            // A controller manager that was still starting ends by it, and k3s with it; the new start defragments and
            // disarms. So it is filled until it stays full.
            Step::Until {
                node: "n1",
                script: FILLED,
                seconds: 60,
            },
        ],
        heals: &[
            Step::On(
                "n1",
                "etcdctl del --prefix /lab/fill-\netcdctl compact \"$(etcdctl endpoint status -w json | jq '.[0].Status.header.revision')\"",
            ),
            Step::Each("etcdctl --command-timeout=60s defrag"),
            Step::On("n1", "etcdctl alarm disarm"),
            Step::Each(
                "sed -i '/^etcd-arg:/d; /^- quota-backend-bytes/d' /etc/rancher/k3s/config.yaml\nsystemctl restart k3s",
            ),
        ],
    },
];
