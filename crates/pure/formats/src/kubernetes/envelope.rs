//! What a stored value is: which encoding, and what its envelope says.
//!
//! Sources: the prefixes of k8s.io/apimachinery's protobuf and CBOR serialisers and of k8s.io/apiserver's
//! transformers (`storage/value/encrypt`). Deliberately absent: decryption, which needs keys.

use super::DecodeError;
use crate::protobuf::{Got, Wire};

/// What Kubernetes' protobuf begins with.
const PROTOBUF: &[u8] = b"k8s\0";
/// CBOR's tag that says "this is CBOR".
const CBOR: &[u8] = &[0xd9, 0xd9, 0xf7];
/// What a value that was encrypted at rest begins with.
const ENCRYPTED: &[u8] = b"k8s:enc:";

/// A stored value, told apart by how it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored<'v> {
    /// `k8s\0` and a `runtime.Unknown`.
    Protobuf(Envelope<'v>),
    /// The self-described CBOR tag.
    Cbor(&'v [u8]),
    /// A JSON object.
    Json(&'v [u8]),
    /// Encrypted at rest.
    Encrypted(Encrypted<'v>),
    /// Nothing that Kubernetes writes: leases' keys, addons' texts, k3s' bootstrap record.
    Other(&'v [u8]),
}

/// `runtime.Unknown`: what kind the bytes are, and the bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Envelope<'v> {
    /// For instance `apps/v1`.
    pub api_version: &'v str,
    /// For instance `Deployment`.
    pub kind: &'v str,
    /// The object.
    pub raw: &'v [u8],
    /// The object's offset in the value.
    pub raw_at: usize,
    /// Empty, unless the object is compressed or so.
    pub content_encoding: &'v str,
    /// Empty for protobuf.
    pub content_type: &'v str,
}

/// The head of a value that was encrypted at rest: `k8s:enc:PROVIDER:v1:KEY:` and the cipher's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encrypted<'v> {
    /// `aescbc`, `aesgcm`, `secretbox` or `kms`.
    pub provider: &'v str,
    /// The provider's format, `v1` or `v2`.
    pub version: &'v str,
    /// The key's or KMS plugin's name.
    pub key: &'v str,
    /// What has to be decrypted.
    pub bytes: &'v [u8],
}

/// Looks at how a value begins.
///
/// # Errors
/// When it begins as protobuf and its envelope is malformed.
pub fn open(value: &[u8]) -> Result<Stored<'_>, DecodeError> {
    if let Some(unknown) = value.strip_prefix(PROTOBUF) {
        return envelope(Wire::new(unknown, PROTOBUF.len())).map(Stored::Protobuf);
    }
    if value.starts_with(CBOR) {
        return Ok(Stored::Cbor(value));
    }
    if let Some(encrypted) = encrypted(value) {
        return Ok(Stored::Encrypted(encrypted));
    }
    let first = value.iter().find(|byte| !byte.is_ascii_whitespace());
    Ok(match first {
        Some(b'{') => Stored::Json(value),
        _ => Stored::Other(value),
    })
}

fn encrypted(value: &[u8]) -> Option<Encrypted<'_>> {
    let rest = value.strip_prefix(ENCRYPTED)?;
    let (provider, rest) = word(rest, 0)?;
    let (version, rest) = word(rest, 0)?;
    let (key, bytes) = word(rest, time_in_name(rest))?;
    Some(Encrypted {
        provider,
        version,
        key,
        bytes,
    })
}

/// The text up to the first colon that stands at or behind `from`, and what follows it.
fn word(bytes: &[u8], from: usize) -> Option<(&str, &[u8])> {
    let colon = from + memchr::memchr(b':', bytes.get(from..)?)?;
    let text = std::str::from_utf8(bytes.get(..colon)?).ok()?;
    Some((text, bytes.get(colon + 1..)?))
}

/// How much of a key's name ends with the time at which k3s made the key (`aescbckey-2025-01-02T03:04:05Z`):
/// its colons do not end the name. Zero where there is none.
fn time_in_name(bytes: &[u8]) -> usize {
    const FORM: &[u8] = b"Tdd:dd:dd";
    const ZONE: &[u8] = b"dd:dd";
    let fits = |bytes: &[u8], form: &[u8]| {
        bytes.len() == form.len()
            && (bytes.iter().zip(form)).all(|(byte, form)| match form {
                b'd' => byte.is_ascii_digit(),
                exact => byte == exact,
            })
    };
    let Some(colon) = memchr::memchr(b':', bytes) else {
        return 0;
    };
    let begin = colon.saturating_sub(3);
    let seconds = begin + FORM.len();
    if !bytes
        .get(begin..seconds)
        .is_some_and(|time| fits(time, FORM))
    {
        return 0;
    }
    match bytes.get(seconds) {
        Some(b'Z') => seconds + 1,
        Some(b'+' | b'-') => {
            let end = seconds + 1 + ZONE.len();
            let zone = bytes.get(seconds + 1..end);
            if zone.is_some_and(|zone| fits(zone, ZONE)) {
                end
            } else {
                0
            }
        }
        _ => 0,
    }
}

fn envelope(mut wire: Wire<'_>) -> Result<Envelope<'_>, DecodeError> {
    let mut out = Envelope::default();
    while !wire.is_empty() {
        let at = wire.at();
        match wire.field()? {
            (1, Got::Len(mut type_meta)) => {
                while !type_meta.is_empty() {
                    let at = type_meta.at();
                    match type_meta.field()? {
                        (1, Got::Len(text)) => out.api_version = said(text)?,
                        (2, Got::Len(text)) => out.kind = said(text)?,
                        (1 | 2, got) => return Err(DecodeError::wire_type(at, &got)),
                        _ => {}
                    }
                }
            }
            (2, Got::Len(raw)) => {
                out.raw_at = raw.at();
                out.raw = raw.bytes();
            }
            (3, Got::Len(text)) => out.content_encoding = said(text)?,
            (4, Got::Len(text)) => out.content_type = said(text)?,
            (1..=4, got) => return Err(DecodeError::wire_type(at, &got)),
            _ => {}
        }
    }
    Ok(out)
}

fn said(text: Wire<'_>) -> Result<&str, DecodeError> {
    std::str::from_utf8(text.bytes()).map_err(|_| DecodeError::Text { at: text.at() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_apart_by_their_beginnings() {
        assert!(matches!(open(b" {\"a\":1}"), Ok(Stored::Json(_))));
        assert!(matches!(
            open(&[0xd9, 0xd9, 0xf7, 0xa0]),
            Ok(Stored::Cbor(_))
        ));
        assert!(matches!(open(b""), Ok(Stored::Other(_))));
        assert!(matches!(open(b"k8s:enc:aescbc:v1"), Ok(Stored::Other(_))));
        for (value, key) in [
            (&b"k8s:enc:aescbc:v1:key1:\x01:\x02"[..], "key1"),
            (
                b"k8s:enc:aescbc:v1:key-2025-01-02T03:04:05Z:\x01:\x02",
                "key-2025-01-02T03:04:05Z",
            ),
            (
                b"k8s:enc:aescbc:v1:k-2025-01-02T03:04:05+01:00:\x01:\x02",
                "k-2025-01-02T03:04:05+01:00",
            ),
        ] {
            let Ok(Stored::Encrypted(found)) = open(value) else {
                panic!("not seen as encrypted");
            };
            assert_eq!(
                (found.provider, found.version, found.key),
                ("aescbc", "v1", key)
            );
            assert_eq!(found.bytes, b"\x01:\x02");
        }
    }

    #[test]
    fn a_broken_envelope_is_an_error_with_its_offset() {
        assert_eq!(
            open(b"k8s\0\x0a\x7f"),
            Err(DecodeError::Length {
                at: 6,
                length: 0x7f
            })
        );
        assert_eq!(
            open(b"k8s\0\x08\x01"),
            Err(DecodeError::WireType { at: 4, found: 0 })
        );
    }
}
