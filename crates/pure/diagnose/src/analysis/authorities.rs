//! Which CA of k3s signed what: certificates in files, and those that endpoints showed.
//!
//! k3s names its CAs by kind and by the second in which they were made (`k3s-server-ca@1600000000`), so a
//! name tells two generations apart. Source: k3s `pkg/daemons/control/deps/deps.go`.
//! Deliberately absent: CAs that somebody brought along: their names say nothing; fingerprints do.

use defib_model::fact::{Certificate, Fact, Value};

use super::host::facts_anywhere;
use crate::context::Context;

/// A certificate whose issuer is a CA of k3s, or which is one.
pub struct Signed<'c> {
    /// Where it stands.
    pub fact: &'c Fact,
    /// The certificate.
    pub certificate: &'c Certificate,
    /// Kind of the CA: `k3s-server`, `k3s-client`…
    pub kind: &'c str,
    /// When the CA was made, as its name has it.
    pub made: &'c str,
}

impl Signed<'_> {
    /// Was it shown by an endpoint of another machine?
    pub fn is_remote(&self) -> bool {
        let peer = &self.certificate.peer;
        !peer.is_empty()
            && !["127.", "localhost", "[::1]"]
                .iter()
                .any(|l| peer.starts_with(l))
    }
}

/// Certificates that a CA of k3s issued, but for the CAs themselves.
pub fn leaves<'c>(cx: &'c Context<'_>) -> Vec<Signed<'c>> {
    all(cx)
        .filter(|(_, c)| generation(&c.subject).is_none())
        .filter_map(|(f, c)| signed(f, c, &c.issuer))
        .collect()
}

/// What servers showed to others: certificates that a CA of k3s issued, and CAs that they were asked for.
pub fn shown<'c>(cx: &'c Context<'_>) -> Vec<Signed<'c>> {
    let asked = all(cx)
        .filter(|(_, c)| !c.peer.is_empty())
        .filter_map(|(f, c)| signed(f, c, &c.subject));
    let mut out = leaves(cx);
    out.extend(asked);
    out.retain(Signed::is_remote);
    out
}

/// The CAs of k3s that are files.
pub fn authorities<'c>(cx: &'c Context<'_>) -> Vec<Signed<'c>> {
    all(cx)
        .filter(|(_, c)| c.peer.is_empty())
        .filter_map(|(f, c)| signed(f, c, &c.subject))
        .collect()
}

/// Somebody rotates the CAs: then old and new ones side by side are of one cluster.
pub fn rotates(cx: &Context<'_>) -> bool {
    facts_anywhere(cx, |v| match v {
        Value::Ran(words) if words.iter().any(|w| w == "rotate-ca") => Some(()),
        _ => None,
    })
    .next()
    .is_some()
}

fn all<'c>(cx: &'c Context<'_>) -> impl Iterator<Item = (&'c Fact, &'c Certificate)> {
    facts_anywhere(cx, |v| match v {
        Value::Certificate(c) => Some(c.as_ref()),
        _ => None,
    })
}

fn signed<'c>(fact: &'c Fact, certificate: &'c Certificate, name: &'c str) -> Option<Signed<'c>> {
    let (kind, made) = generation(name)?;
    Some(Signed {
        fact,
        certificate,
        kind,
        made,
    })
}

/// Kind and time of a CA of k3s in a subject or issuer.
pub fn generation(name: &str) -> Option<(&str, &str)> {
    let cn = name.split("CN").last()?.trim_start_matches([' ', '=']);
    let (kind, made) = cn.split_once("-ca@")?;
    let end = made
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(made.len());
    Some((kind, made.get(..end)?))
}
