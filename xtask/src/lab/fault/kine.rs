//! SQLite behind kine: one file that is the whole cluster.
//! Deliberately absent: what kine itself does; upstream's runs, with upstream's SQLite.

use super::{Family, Fault, Step, Store};

/// The copy that a fault kept goes back.
const COPY_BACK: &str = "systemctl stop k3s\nrm -rf /var/lib/rancher/k3s/server/db\nmv /root/db.good /var/lib/rancher/k3s/server/db\nsystemctl start --no-block k3s";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "sqlite-locked",
        family: Family::Kine,
        classes: &["kine-sqlite-locked"],
        what: "a backup job has opened the database with sqlite3 and holds a transaction",
        servers: 1..=1,
        store: Store::Sqlite,
        breaks: &[
            Step::On(
                "n1",
                "systemd-run --quiet --unit=nightly-backup sh -c '{ echo \"BEGIN EXCLUSIVE;\"; sleep 3600; } | sqlite3 /var/lib/rancher/k3s/server/db/state.db'",
            ),
            Step::Said {
                node: "n1",
                text: "database is locked",
                seconds: 120,
            },
        ],
        heals: &[Step::On(
            "n1",
            "systemctl stop nightly-backup\nsystemctl reset-failed nightly-backup || true\nsystemctl restart --no-block k3s",
        )],
    },
    Fault {
        name: "sqlite-pages-flipped",
        family: Family::Kine,
        classes: &["sqlite-data-corrupt"],
        what: "pages of the database are overwritten while k3s is off",
        servers: 1..=1,
        store: Store::Sqlite,
        breaks: &[
            Step::On(
                "n1",
                "systemctl stop k3s\nsqlite3 /var/lib/rancher/k3s/server/db/state.db 'pragma wal_checkpoint(truncate)' > /dev/null\nrm -rf /root/db.good\ncp -a /var/lib/rancher/k3s/server/db /root/db.good\ndd if=/dev/urandom of=/var/lib/rancher/k3s/server/db/state.db bs=4096 seek=3 count=60 conv=notrunc status=none\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n1",
                text: "malformed",
                seconds: 90,
            },
        ],
        heals: &[Step::On("n1", COPY_BACK)],
    },
    Fault {
        name: "sqlite-no-database",
        family: Family::Kine,
        classes: &["sqlite-data-corrupt"],
        what: "a copy that was packed is put in the place of the database: it is no database",
        servers: 1..=1,
        store: Store::Sqlite,
        breaks: &[
            Step::On(
                "n1",
                "systemctl stop k3s\nrm -rf /root/db.good\ncp -a /var/lib/rancher/k3s/server/db /root/db.good\ngzip -c /root/db.good/state.db > /var/lib/rancher/k3s/server/db/state.db\nrm -f /var/lib/rancher/k3s/server/db/state.db-*\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n1",
                text: "file is not a database",
                seconds: 90,
            },
        ],
        heals: &[Step::On("n1", COPY_BACK)],
    },
    Fault {
        name: "sqlite-stale-wal",
        family: Family::Kine,
        classes: &["sqlite-data-corrupt"],
        what: "after the power failed, an older copy is put in the place of the database, and the log of the one that was there stays beside it",
        servers: 1..=1,
        store: Store::Sqlite,
        breaks: &[
            Step::On(
                "n1",
                "systemctl stop k3s\nrm -rf /root/db.good\ncp -a /var/lib/rancher/k3s/server/db /root/db.good\ntimeout 120 systemctl start k3s",
            ),
            // The database grows, is packed at a start, and its log holds what came after that.
            Step::On(
                "n1",
                "head -c 200000 /dev/urandom | base64 -w 0 > /root/big\nfill() { i=0; while [ $i -lt $2 ]; do kubectl create configmap $1-$i --from-file=/root/big > /dev/null; i=$((i + 1)); done; }\nfill first 20\ntimeout 120 systemctl restart k3s\nfill second 8\nrm /root/big\nsystemctl disable --quiet k3s",
            ),
            Step::Kill("n1"),
            Step::Start("n1"),
            Step::On(
                "n1",
                "cp /root/db.good/state.db /var/lib/rancher/k3s/server/db/state.db\ntest -s /var/lib/rancher/k3s/server/db/state.db-wal\nsystemctl enable --quiet k3s\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n1",
                text: "malformed",
                seconds: 90,
            },
        ],
        heals: &[Step::On("n1", COPY_BACK)],
    },
    Fault {
        name: "sqlite-disk-full",
        family: Family::Kine,
        classes: &["disk-full"],
        what: "the file system below the database is small and full",
        servers: 1..=1,
        store: Store::Sqlite,
        breaks: &[
            Step::On(
                "n1",
                "systemctl stop k3s\nmv /var/lib/rancher/k3s/server/db /root/db.large\nmkdir /var/lib/rancher/k3s/server/db\nmount -t tmpfs -o size=40m small /var/lib/rancher/k3s/server/db\ncp -a /root/db.large/. /var/lib/rancher/k3s/server/db/\ntimeout 120 systemctl start k3s\ndd if=/dev/zero of=/var/lib/rancher/k3s/server/db/filler bs=64k status=none || true\nhead -c 500000 /dev/urandom | base64 -w 0 > /root/big\nkubectl create configmap lab-big --from-file=/root/big || true\nrm /root/big",
            ),
            Step::Said {
                node: "n1",
                text: "database or disk is full",
                seconds: 90,
            },
        ],
        heals: &[Step::On(
            "n1",
            "systemctl stop k3s\nrm -rf /var/lib/rancher/k3s/server/db/filler\nrm -rf /root/db.large\ncp -a /var/lib/rancher/k3s/server/db /root/db.large\numount /var/lib/rancher/k3s/server/db\nrmdir /var/lib/rancher/k3s/server/db\nmv /root/db.large /var/lib/rancher/k3s/server/db\nsystemctl start --no-block k3s",
        )],
    },
];
