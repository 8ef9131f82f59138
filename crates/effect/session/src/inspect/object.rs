//! One value as the object that it is, with or without its secrets.
//!
//! Deliberately absent: decryption, which happens below (`unlocked`).

use defib_formats::datastore::{Engine, Place, REMNANT};
use defib_formats::kubernetes::{self, DecodeError, Stored};
use defib_formats::redact;
use serde_json::Value;

use super::Dead;

/// A value, read.
#[derive(Clone, Debug)]
pub struct Object {
    /// The object as JSON; text for what is none of Kubernetes'.
    pub value: Value,
    /// Secrets that were hidden.
    pub hidden: u64,
    /// What the JSON does not say, in sentences.
    pub remarks: Vec<String>,
}

/// Why a value can't be shown.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ValueError {
    /// The file can't be read there.
    #[error("{at} can't be read: {why}")]
    Unreadable {
        /// Where: a byte of the file, or a row.
        at: String,
        /// Why.
        why: String,
    },
    /// It is encrypted at rest.
    #[error("it is encrypted at rest by {provider} with the key {key}{why}")]
    Encrypted {
        /// Why the keys that were given do not open it; empty where none were.
        why: String,
        /// `aescbc`, `secretbox`, `aesgcm` or `kms`.
        provider: String,
        /// The name of the key.
        key: String,
    },
    /// It does not hold.
    #[error("it is damaged: {0}")]
    Damaged(#[from] DecodeError),
}

impl Dead {
    /// Reads a value. `revision` becomes `metadata.resourceVersion`, which is not stored.
    ///
    /// # Errors
    /// When the value can't be read, is encrypted or damaged.
    pub fn object(
        &self,
        place: Place,
        revision: u64,
        show_secrets: bool,
    ) -> Result<Object, ValueError> {
        read(&self.stored(place)?, revision, show_secrets)
    }

    /// As `object`, secrets and all, as the JSON text that an API server answers.
    ///
    /// # Errors
    /// As `object`, and when it is no object.
    pub(super) fn json(&self, place: Place, revision: u64) -> Result<Vec<u8>, ValueError> {
        let stored = self.stored(place)?;
        // Names of fields make JSON about half as long again, and base64 a third.
        let mut json = Vec::with_capacity(stored.len() * 2);
        kubernetes::decode_served(&stored, Some(revision), &mut json)?;
        Ok(json)
    }

    /// A value's bytes, decrypted.
    fn stored(&self, place: Place) -> Result<Vec<u8>, ValueError> {
        let bytes = self
            .rows()
            .value(place)
            .map_err(|e| ValueError::Unreadable {
                at: match self.engine() {
                    Engine::Etcd => format!("byte {}", place.at),
                    Engine::Kine => format!("row {}", place.at & !REMNANT),
                },
                why: e.to_string(),
            })?;
        if let Ok(Stored::Encrypted(by)) = kubernetes::open(&bytes) {
            return Err(ValueError::Encrypted {
                why: self.why_closed(&by),
                provider: by.provider.to_owned(),
                key: by.key.to_owned(),
            });
        }
        Ok(bytes)
    }
}

/// A value's object.
fn read(bytes: &[u8], revision: u64, show_secrets: bool) -> Result<Object, ValueError> {
    let mut json = Vec::new();
    let mut remarks = Vec::new();
    match kubernetes::open(bytes)? {
        Stored::Encrypted(_) => return Err(DecodeError::Encrypted.into()),
        Stored::Other(text) => {
            // k3s' own keys: addresses, the bootstrap record. What is no text is only counted.
            let said = match std::str::from_utf8(text) {
                Ok(text) => Value::from(text),
                Err(_) => Value::from(format!("({} bytes that are no text)", text.len())),
            };
            json = serde_json::to_vec(&said).unwrap_or_default();
        }
        Stored::Protobuf(_) | Stored::Json(_) | Stored::Cbor(_) => {
            let done = kubernetes::decode_served(bytes, Some(revision), &mut json)?;
            if !done.known {
                remarks.push(format!(
                    "the kind {} {} is not known here; its bytes are given as they are",
                    done.api_version, done.kind
                ));
            }
            if done.unknown_fields > 0 {
                remarks.push(format!(
                    "{} fields are not known here and not shown",
                    done.unknown_fields
                ));
            }
        }
    }
    let mut hidden = 0;
    let damaged = |at| ValueError::Damaged(DecodeError::Json { at });
    if !show_secrets {
        // What is no JSON is not looked at: nobody could tell what of it is secret.
        let at = || serde_json::from_slice::<Value>(&json).map_or_else(|e| e.column(), |_| 0);
        let clean = redact::redact_json(&json).ok_or_else(|| damaged(at()))?;
        hidden = clean.taken.values().sum();
        json = clean.text.into_owned();
    }
    let value = serde_json::from_slice(&json).map_err(|e| damaged(e.column()))?;
    Ok(Object {
        value,
        hidden,
        remarks,
    })
}
