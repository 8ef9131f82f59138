//! The clock of a host, wrong as it is switched on: a board whose battery is empty, or one that nobody set.
//! Deliberately absent: certificates that have really run out (`authorities`); beside these they look the same.

use super::step::DAY;
use super::{Family, Fault, Step, Store};

/// The journal that is read for a fault begins when it did; by the wrong clock that was another time.
const FROM_THE_START: Step = Step::On("n2", "echo 0 > /root/.fault-began");

/// Off, right, and on again.
const RIGHT_AGAIN: &[Step] = &[Step::Stop("n2"), Step::Clock("n2", 0), Step::Start("n2")];

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "clock-behind",
        family: Family::Host,
        classes: &["clock-skew"],
        what: "one of three servers loses power, and comes back by a clock that is 400 days behind: the cluster's certificates are not yet valid to it",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::Kill("n2"),
            Step::Clock("n2", -400 * DAY),
            Step::Start("n2"),
            FROM_THE_START,
            Step::Said {
                node: "n2",
                text: "certificate has expired or is not yet valid",
                seconds: 90,
            },
        ],
        heals: RIGHT_AGAIN,
    },
    Fault {
        name: "clock-ahead",
        family: Family::Host,
        classes: &["clock-skew"],
        what: "one of three servers loses power, and comes back by a clock that is 800 days ahead: the others' certificates have run out to it, and to nobody else",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::Kill("n2"),
            Step::Clock("n2", 800 * DAY),
            Step::Start("n2"),
            FROM_THE_START,
            Step::Said {
                node: "n2",
                text: "certificate has expired or is not yet valid",
                seconds: 90,
            },
        ],
        // What k3s shows its clients was made in the future; k3s looks at its end only (rancher/dynamiclistener).
        heals: &[
            Step::Stop("n2"),
            Step::Clock("n2", 0),
            Step::Start("n2"),
            Step::On(
                "n2",
                "systemctl stop k3s\ntouch /var/lib/rancher/k3s/server/tls/dynamic-cert-regenerate\nsystemctl start --no-block k3s",
            ),
        ],
    },
];
