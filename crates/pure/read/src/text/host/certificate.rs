//! Certificates, as OpenSSL prints them.
//! Source: OpenSSL `apps/x509.c`.
//! Deliberately absent: certificates themselves; nothing here is decoded.

use defib_model::fact::{Certificate, Value};

use super::super::Walk;
use super::super::reach::shown_by;

/// `Certificate:` of `openssl x509 -text`, or its short lines (`subject=`, `notAfter=`, `… Fingerprint=`).
pub(super) fn certificate(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    let starts = text == "Certificate:"
        || text.starts_with("subject=")
        || text.starts_with("issuer=")
        || text.starts_with("notBefore=")
        || text.starts_with("notAfter=")
        || text.contains("Fingerprint=");
    if !starts {
        return None;
    }
    let mut c = Certificate {
        path: path(walk, at),
        peer: shown_by(walk, at)
            .or_else(|| served_by(walk))
            .unwrap_or_default(),
        ..Certificate::default()
    };
    let mut end = at;
    let long = text == "Certificate:";
    while walk.is_output(end) {
        let line = walk.text(end).trim().to_owned();
        let value = |mark: &str| line.strip_prefix(mark).map(|v| v.trim().to_owned());
        if let Some(v) = value("subject=").or_else(|| value("Subject:")) {
            if !c.subject.is_empty() && !long {
                break;
            }
            c.subject = v;
        } else if let Some(v) = value("issuer=").or_else(|| value("Issuer:")) {
            c.issuer = v;
        } else if let Some(v) = value("notBefore=").or_else(|| value("Not Before:")) {
            c.from = openssl_time(&v);
        } else if let Some(v) = value("notAfter=").or_else(|| value("Not After :")) {
            c.until = openssl_time(&v);
        } else if let Some((_, v)) = line.split_once("Fingerprint=") {
            c.fingerprint = v.trim().to_owned();
        } else if line.starts_with("DNS:") || line.starts_with("IP Address:") {
            c.names = line
                .split(", ")
                .filter_map(|n| n.split_once(':').map(|(_, v)| v.to_owned()))
                .collect();
        } else if !long {
            break;
        }
        end += 1;
    }
    let end = end.max(at + 1);
    walk.fact(at..end.min(at + 6), Value::Certificate(Box::new(c)));
    Some(end)
}

/// The server that was asked for its CAs: `curl -ks https://10.0.0.1:6443/cacerts | openssl x509 …`.
/// Source: k3s docs, "k3s token" (the CA of a cluster is served there to whoever asks).
fn served_by(walk: &Walk<'_>) -> Option<String> {
    let mut words = walk.command.iter().flat_map(|c| &c.words);
    words.find_map(|w| {
        let place = w.strip_prefix("https://")?.strip_suffix("/cacerts")?;
        (!place.is_empty()).then(|| place.to_owned())
    })
}

/// The file: what openssl was told to read, or in a loop over files the name that was printed before.
fn path(walk: &Walk<'_>, at: usize) -> String {
    let told = walk
        .ran("openssl")
        .and_then(|c| c.option("-in", "-in").map(str::to_owned))
        .unwrap_or_default();
    if !told.is_empty() && !told.contains('$') {
        return told;
    }
    let before = at.checked_sub(1).map_or("", |i| walk.text(i).trim());
    let is_name = [".crt", ".pem", ".cert"]
        .iter()
        .any(|e| before.ends_with(e));
    if is_name && !before.contains(' ') {
        before.to_owned()
    } else {
        told
    }
}

/// `Mar 10 11:00:00 2026 GMT`.
fn openssl_time(text: &str) -> Option<jiff::Timestamp> {
    let plain = text.trim().trim_end_matches(" GMT");
    let plain = plain.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    jiff::civil::DateTime::strptime("%b %d %H:%M:%S %Y", plain)
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|z| z.timestamp())
}

#[cfg(test)]
mod tests {
    use defib_model::fact::Value;

    use super::super::tests::values;

    #[test]
    fn a_loop_over_files_names_each() {
        let got = values(
            "$ cd /tls; for f in *-ca.crt; do echo $f; openssl x509 -noout -subject -fingerprint -in $f; done\nclient-ca.crt\nsubject=CN = k3s-client-ca@1\nSHA1 Fingerprint=AA:01\netcd/peer-ca.crt\nsubject=CN = etcd-peer-ca@1\nSHA1 Fingerprint=AA:02\n",
        );
        let files: Vec<(&str, &str)> = got
            .iter()
            .filter_map(|v| match v {
                Value::Certificate(c) => Some((c.path.as_str(), c.fingerprint.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(
            files,
            [("client-ca.crt", "AA:01"), ("etcd/peer-ca.crt", "AA:02")]
        );
    }
}
