//! The configuration of kubeadm: the few settings that say how addresses are dealt out.
//!
//! Source: kubernetes `cmd/kubeadm/app/apis/kubeadm/v1beta*`. These documents have a kind and no name: no
//! objects of the API. Deliberately absent: everything else in them.

use std::ops::Range;

use defib_model::fact::{Fact, Value};

/// Field and the flag that says the same.
const FIELDS: &[(&str, &str)] = &[
    ("podSubnet", "cluster-cidr"),
    ("serviceSubnet", "service-cidr"),
    ("controlPlaneEndpoint", "control-plane-endpoint"),
    ("advertiseAddress", "advertise-address"),
];

/// The settings of one document, each with its line.
pub(crate) fn settings(entry: u32, bytes: &[u8], document: Range<usize>) -> Vec<Fact> {
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
        if let Some((_, name)) = FIELDS.iter().find(|(field, _)| *field == key)
            && !value.is_empty()
        {
            out.push(Fact {
                entry,
                line: defib_formats::line_at(bytes, document.start + at),
                text: line.trim().to_owned(),
                value: Value::Setting {
                    place: "kubeadm's configuration".to_owned(),
                    name: (*name).to_owned(),
                    value: value.to_owned(),
                },
                ..Fact::default()
            });
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_addresses_are_settings() {
        let text = b"x\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: \"10.9.0.4:6443\"\nnetworking:\n  podSubnet: 10.9.0.0/20\n";
        let got = settings(0, text, 2..text.len());
        let of = |i: usize| match &got[i].value {
            Value::Setting { name, value, .. } => (got[i].line, name.as_str(), value.as_str()),
            _ => unreachable!(),
        };
        assert_eq!(of(0), (3, "control-plane-endpoint", "10.9.0.4:6443"));
        assert_eq!(of(1), (5, "cluster-cidr", "10.9.0.0/20"));
    }
}
