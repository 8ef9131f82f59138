//! Certificates and private keys as PEM: what people need to know of them.
//!
//! Deliberately absent: chains and their verification, and anything that shows a key.

use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use sha2::{Digest, Sha256};

use crate::bytes::hex;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its subject, as one line.
    pub subject: String,
    /// From when it is valid, in seconds.
    pub not_before: i64,
    /// Until when.
    pub not_after: i64,
    /// SHA-256 of its DER, in hex.
    pub fingerprint: String,
    /// The part of its public key that its private key repeats.
    public: Vec<u8>,
}

/// A private key; what it is made of is in no output.
#[derive(Clone)]
pub struct PrivateKey {
    /// As its PEM says: `EC PRIVATE KEY`.
    pub label: String,
    der: Vec<u8>,
}

/// Everything in a file of PEM, in its order; what can't be read is counted.
#[derive(Clone, Default)]
pub struct Contents {
    /// Certificates.
    pub certificates: Vec<Certificate>,
    /// Private keys.
    pub keys: Vec<PrivateKey>,
    /// Blocks that are neither, or do not hold.
    pub unread: usize,
}

/// Reads PEM.
pub fn read(pem: &[u8]) -> Contents {
    let mut out = Contents::default();
    for block in Pem::iter_from_buffer(pem) {
        let Ok(block) = block else {
            out.unread += 1;
            // What follows a broken block is not looked for: its end is not known.
            break;
        };
        if block.label.ends_with("PRIVATE KEY") {
            out.keys.push(PrivateKey {
                label: block.label,
                der: block.contents,
            });
        } else if let ("CERTIFICATE", Some(found)) = (block.label.as_str(), one(&block.contents)) {
            out.certificates.push(found);
        } else {
            out.unread += 1;
        }
    }
    out
}

fn one(der: &[u8]) -> Option<Certificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    let public = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => key.modulus.to_vec(),
        _ => certificate.public_key().subject_public_key.data.to_vec(),
    };
    Some(Certificate {
        subject: certificate.subject().to_string(),
        not_before: validity.not_before.timestamp(),
        not_after: validity.not_after.timestamp(),
        fingerprint: hex(&Sha256::digest(der)),
        public,
    })
}

impl PrivateKey {
    /// Is it the key of this certificate? `None` where the key does not repeat its public half.
    pub fn is_of(&self, certificate: &Certificate) -> Option<bool> {
        if memchr::memmem::find(&self.der, &certificate.public).is_some() {
            return Some(true);
        }
        // A point of P-256, P-384 or P-521 as a bit string, or RSA's key, which holds its modulus.
        let points: [&[u8]; 3] = [
            &[0x03, 0x42, 0, 4],
            &[0x03, 0x62, 0, 4],
            &[0x03, 0x81, 0x86, 0, 4],
        ];
        let says = self.label.starts_with("RSA")
            || (points.iter()).any(|p| memchr::memmem::find(&self.der, p).is_some());
        says.then_some(false)
    }
}

/// Seconds since 1970 as people and Kubernetes write them.
pub fn time(seconds: i64) -> Option<String> {
    Some(jiff::Timestamp::from_second(seconds).ok()?.to_string())
}
