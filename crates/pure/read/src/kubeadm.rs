//! The configurations of kubeadm and of the kubelet: the settings that say how addresses are dealt out, and
//! those that must agree with other programs of the host.
//!
//! Source: kubernetes `cmd/kubeadm/app/apis/kubeadm/v1beta*`, `staging/src/k8s.io/kubelet/config`. These documents have a kind and no name: no
//! objects of the API. Deliberately absent: everything else in them.

use std::ops::Range;

use defib_model::fact::{Fact, Value};

/// Fields, each with the flag that says the same.
type Fields = &'static [(&'static str, &'static str)];

/// Those of kubeadm.
const FIELDS: Fields = &[
    ("podSubnet", "cluster-cidr"),
    ("serviceSubnet", "service-cidr"),
    ("controlPlaneEndpoint", "control-plane-endpoint"),
    ("advertiseAddress", "advertise-address"),
];

/// Those of the kubelet.
const KUBELET: Fields = &[
    ("cgroupDriver", "cgroup-driver"),
    ("clusterDomain", "cluster-domain"),
    ("containerRuntimeEndpoint", "container-runtime-endpoint"),
    ("failSwapOn", "fail-swap-on"),
    ("maxPods", "max-pods"),
    ("podCIDR", "pod-cidr"),
    ("resolvConf", "resolv-conf"),
    ("staticPodPath", "pod-manifest-path"),
];
/// Where each stands.
const PLACES: &[(&str, &str, Fields)] = &[
    ("kubeadm.k8s.io/", "kubeadm's configuration", FIELDS),
    ("kubelet.config.k8s.io/", "kubelet's configuration", KUBELET),
];

/// The settings of one document of this version, each with its line; nothing if it is none of these.
pub(crate) fn settings(
    version: &str,
    entry: u32,
    bytes: &[u8],
    document: Range<usize>,
) -> Option<Vec<Fact>> {
    let (_, place, fields) = PLACES.iter().find(|(v, _, _)| version.starts_with(v))?;
    let mut out = Vec::new();
    let text = bytes.get(document.clone()).unwrap_or_default();
    defib_formats::log::lines(text, |_, at, line| {
        let Ok(line) = std::str::from_utf8(line) else {
            return;
        };
        let Some((key, value)) = line.trim().split_once(':') else {
            return;
        };
        let value = value.trim().trim_matches(['"', '\'']);
        if let Some((_, name)) = fields.iter().find(|(field, _)| *field == key)
            && !value.is_empty()
        {
            out.push(Fact {
                entry,
                line: defib_formats::line_at(bytes, document.start + at),
                text: line.trim().to_owned(),
                value: Value::Setting {
                    place: (*place).to_owned(),
                    name: (*name).to_owned(),
                    value: value.to_owned(),
                },
                ..Fact::default()
            });
        }
    });
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_addresses_are_settings() {
        let text = b"x\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: \"10.9.0.4:6443\"\nnetworking:\n  podSubnet: 10.9.0.0/20\n";
        let got = settings("kubeadm.k8s.io/v1beta4", 0, text, 2..text.len()).unwrap();
        let of = |i: usize| match &got[i].value {
            Value::Setting { name, value, .. } => (got[i].line, name.as_str(), value.as_str()),
            _ => unreachable!(),
        };
        assert_eq!(of(0), (3, "control-plane-endpoint", "10.9.0.4:6443"));
        assert_eq!(of(1), (5, "cluster-cidr", "10.9.0.0/20"));
        let text = b"kind: KubeletConfiguration\ncgroupDriver: systemd\n";
        let got = settings("kubelet.config.k8s.io/v1beta1", 0, text, 0..text.len()).unwrap();
        assert!(matches!(&got[0].value, Value::Setting { name, .. } if name == "cgroup-driver"));
        assert_eq!(settings("apps/v1", 0, text, 0..text.len()), None);
    }
}
