//! What programs are known to write, component by component.
//!
//! Each table names the file that its texts come from. Deliberately absent: any judgement beyond the
//! mark of the line; rules name the signals that they use.

mod apiserver;
mod app;
mod cloudflared;
mod controllers;
mod coredns;
mod disk;
mod etcd;
mod gitops;
mod gpu;
mod hypervisor;
mod k3s;
mod k3s_cluster;
mod k3s_run;
mod k3s_token;
mod kernel;
mod kine;
mod kubelet;
mod metrics_server;
mod network;
mod node_run;
mod noise;
mod runtime;
mod said;
mod site;
mod storage;
mod systemd;

use defib_model::signal::{Mark, Signal};

/// A row that holds for every version that was looked at.
const fn signal(
    id: &'static str,
    anchor: &'static str,
    pattern: &'static str,
    unit: &'static str,
    mark: Mark,
    source: &'static str,
) -> Signal {
    Signal {
        id,
        anchor,
        pattern,
        unit,
        mark,
        versions: "",
        source,
    }
}

/// All signals.
pub fn all() -> impl Iterator<Item = &'static Signal> {
    [
        apiserver::SIGNALS,
        app::SIGNALS,
        cloudflared::SIGNALS,
        controllers::SIGNALS,
        coredns::SIGNALS,
        etcd::SIGNALS,
        disk::SIGNALS,
        gitops::SIGNALS,
        gpu::SIGNALS,
        hypervisor::SIGNALS,
        k3s::SIGNALS,
        k3s_cluster::SIGNALS,
        k3s_run::SIGNALS,
        k3s_token::SIGNALS,
        kine::SIGNALS,
        kernel::SIGNALS,
        kubelet::SIGNALS,
        metrics_server::SIGNALS,
        network::SIGNALS,
        node_run::SIGNALS,
        noise::SIGNALS,
        runtime::SIGNALS,
        said::SIGNALS,
        site::SIGNALS,
        storage::SIGNALS,
        systemd::SIGNALS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn tables_keep_their_rules() {
        let mut ids = BTreeSet::new();
        for s in all() {
            assert!(ids.insert(s.id), "{} stands twice", s.id);
            assert!(s.anchor.len() >= 6, "{}: the anchor is too short", s.id);
            assert!(
                !s.anchor.contains(['"', '\\']),
                "{}: quotes are escaped differently by every logger",
                s.id
            );
            assert!(
                !s.source.is_empty() && !s.unit.is_empty(),
                "{}: where does it come from?",
                s.id
            );
            if !s.pattern.is_empty() {
                assert!(
                    regex::Regex::new(s.pattern).is_ok(),
                    "{}: {}",
                    s.id,
                    s.pattern
                );
            }
        }
    }
}
