//! The configurations of kubeadm and of the kubelet: the settings that say how addresses are dealt out, and
//! those that must agree with other programs of the host.
//!
//! Source: kubernetes `cmd/kubeadm/app/apis/kubeadm/v1beta*`, `staging/src/k8s.io/kubelet/config`. These documents have a kind and no name: no
//! objects of the API. Deliberately absent: everything else in them.

use std::borrow::Cow;
use std::ops::Range;

use defib_formats::leaves;
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

/// The settings of one document of this version, which begins on `line`; nothing if it is none of these.
pub(crate) fn settings(
    version: &str,
    entry: u32,
    bytes: &[u8],
    document: Range<usize>,
    mut line: u64,
) -> Option<Vec<Fact>> {
    let (_, place, fields) = PLACES.iter().find(|(v, _, _)| version.starts_with(v))?;
    // From the line's own start: a document that is indented is so in all its lines.
    let start = defib_formats::line_range(bytes, document.start).start;
    let text = bytes.get(start..document.end).unwrap_or_default();
    let text = std::str::from_utf8(text)
        .map_or_else(|_| Cow::Owned(defib_formats::ascii(text)), Cow::Borrowed);
    let (mut out, mut seen) = (Vec::new(), 0);
    for leaf in leaves::yaml(&text) {
        let Some((_, name)) = fields.iter().find(|(field, _)| *field == leaf.name()) else {
            continue;
        };
        if leaf.value.is_empty() {
            continue;
        }
        let between = text.as_bytes().get(seen..leaf.at).unwrap_or_default();
        line += memchr::memchr_iter(b'\n', between).count() as u64;
        seen = leaf.at;
        let own = defib_formats::line_range(text.as_bytes(), leaf.at);
        out.push(Fact {
            entry,
            line,
            text: text.get(own).unwrap_or_default().trim().to_owned(),
            value: Value::Setting {
                place: (*place).to_owned(),
                name: (*name).to_owned(),
                value: leaf.value,
            },
            ..Fact::default()
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_addresses_are_settings() {
        let text = b"x\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: \"10.9.0.4:6443\"\nnetworking:\n  podSubnet: 10.9.0.0/20\n";
        let got = settings("kubeadm.k8s.io/v1beta4", 0, text, 2..text.len(), 2).unwrap();
        let of = |i: usize| match &got[i].value {
            Value::Setting { name, value, .. } => (got[i].line, name.as_str(), value.as_str()),
            _ => unreachable!(),
        };
        assert_eq!(of(0), (3, "control-plane-endpoint", "10.9.0.4:6443"));
        assert_eq!(of(1), (5, "cluster-cidr", "10.9.0.0/20"));
        let text = b"kind: KubeletConfiguration\ncgroupDriver: systemd # as the runtime has it\n";
        let got = settings("kubelet.config.k8s.io/v1beta1", 0, text, 0..text.len(), 1).unwrap();
        assert!(
            matches!(&got[0].value, Value::Setting { name, value, .. } if name == "cgroup-driver" && value == "systemd")
        );
        let text = b"- \n  networking: {podSubnet: 10.9.0.0/20}\n  apiVersion: x\n";
        let got = settings("kubeadm.k8s.io/v1beta4", 0, text, 5..text.len(), 2).unwrap();
        assert_eq!(got[0].line, 2, "as it stands between its braces");
        assert_eq!(settings("apps/v1", 0, text, 0..text.len(), 1), None);
    }
}
