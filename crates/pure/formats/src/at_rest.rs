//! Encryption at rest: opening stored values with the keys of an `EncryptionConfiguration`.
//!
//! Layouts behind the prefix `k8s:enc:PROVIDER:v1:KEY:`, of `k8s.io/apiserver/pkg/storage/value/encrypt`:
//! aescbc is the vector (16 bytes) and AES-CBC with the padding of PKCS#7; aesgcm the nonce (12) and AES-GCM,
//! bound to the key under which it is stored; secretbox the nonce (24) and XSalsa20-Poly1305. Deliberately
//! absent: encryption, and KMS, whose keys are elsewhere.

use std::fmt;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockDecryptMut, KeyIvInit};
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{AesGcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::XSalsa20Poly1305;
use serde_json::Value;

use crate::kubernetes::{Encrypted, Stored};

/// One key of a configuration. What it is made of is in no output.
#[derive(Clone)]
struct Key {
    provider: String,
    name: String,
    secret: Vec<u8>,
}

/// The keys of a configuration.
#[derive(Clone, Default)]
pub struct Keys {
    keys: Vec<Key>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Why no keys can be had from a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is neither JSON nor YAML.
    #[error("it is neither JSON nor YAML")]
    Unreadable,
    /// It is something else.
    #[error("it is no EncryptionConfiguration")]
    Other,
    /// A key is not base64.
    #[error("the secret of the key {name} is not base64")]
    Secret {
        /// The key's name.
        name: String,
    },
}

/// Why a value stays closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The configuration has no such key.
    #[error("there is no key of that name")]
    NoKey,
    /// A provider that can't be opened from a file.
    #[error("the keys of that provider are kept elsewhere")]
    Elsewhere,
    /// A key of that name is there and does not fit, or the value is damaged.
    #[error("the key of that name does not open it: it is another key, or the value is damaged")]
    Closed,
}

impl Keys {
    /// Reads `encryption-config.json`, or the same as YAML.
    ///
    /// # Errors
    /// When it is no such configuration.
    pub fn parse(config: &[u8]) -> Result<Self, ConfigError> {
        let value = value(config).ok_or(ConfigError::Unreadable)?;
        let text = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).map(str::to_owned);
        if text(&value, "kind").as_deref() != Some("EncryptionConfiguration") {
            return Err(ConfigError::Other);
        }
        let list = |v: &Value, name: &str| -> Vec<Value> {
            v.get(name)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let mut keys = Vec::new();
        for rule in list(&value, "resources") {
            for provider in list(&rule, "providers") {
                for name in ["aescbc", "aesgcm", "secretbox"] {
                    let Some(own) = provider.get(name) else {
                        continue;
                    };
                    for key in list(own, "keys") {
                        let named = text(&key, "name").unwrap_or_default();
                        let secret = text(&key, "secret").unwrap_or_default();
                        let secret =
                            STANDARD
                                .decode(secret.trim())
                                .map_err(|_| ConfigError::Secret {
                                    name: named.clone(),
                                })?;
                        keys.push(Key {
                            provider: name.to_owned(),
                            name: named,
                            secret,
                        });
                    }
                }
            }
        }
        Ok(Self { keys })
    }

    /// Provider and name of every key.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        (self.keys.iter()).map(|k| (k.provider.as_str(), k.name.as_str()))
    }

    /// Opens what is encrypted; `stored_under` is the datastore's key.
    ///
    /// # Errors
    /// When no key of that name opens it.
    pub fn open(
        &self,
        encrypted: &Encrypted<'_>,
        stored_under: &[u8],
    ) -> Result<Vec<u8>, OpenError> {
        if !matches!(encrypted.provider, "aescbc" | "aesgcm" | "secretbox") {
            return Err(OpenError::Elsewhere);
        }
        // Rules for different resources may name different keys alike.
        let mut why = OpenError::NoKey;
        for key in &self.keys {
            if key.provider != encrypted.provider || key.name != encrypted.key {
                continue;
            }
            let opened = match encrypted.provider {
                "aescbc" => cbc(&key.secret, encrypted.bytes),
                "aesgcm" => gcm(&key.secret, encrypted.bytes, stored_under),
                _ => secretbox(&key.secret, encrypted.bytes),
            };
            // Padding alone holds by chance once in 256 wrong keys: it must be an object, too.
            match opened.filter(|o| is_object(o)) {
                Some(opened) => return Ok(opened),
                None => why = OpenError::Closed,
            }
        }
        Err(why)
    }
}

/// JSON or YAML.
fn value(text: &[u8]) -> Option<Value> {
    if let Ok(value) = serde_json::from_slice(text) {
        return Some(value);
    }
    let mut out = None;
    crate::yaml::documents(std::str::from_utf8(text).ok()?, |document| {
        out = document
            .ok()
            .and_then(|d| serde_json::from_slice(d.json.as_ref()).ok());
        false
    });
    out
}

fn is_object(value: &[u8]) -> bool {
    matches!(
        crate::kubernetes::open(value),
        Ok(Stored::Protobuf(_) | Stored::Json(_) | Stored::Cbor(_))
    )
}

fn cbc(secret: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let (vector, rest) = bytes.split_at_checked(16)?;
    macro_rules! with {
        ($cipher:ty) => {
            cbc::Decryptor::<$cipher>::new_from_slices(secret, vector)
                .ok()?
                .decrypt_padded_vec_mut::<Pkcs7>(rest)
                .ok()
        };
    }
    match secret.len() {
        16 => with!(aes::Aes128),
        24 => with!(aes::Aes192),
        32 => with!(aes::Aes256),
        _ => None,
    }
}

fn gcm(secret: &[u8], bytes: &[u8], bound_to: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = bytes.split_at_checked(12)?;
    let payload = Payload {
        msg: rest,
        aad: bound_to,
    };
    macro_rules! with {
        ($cipher:ty) => {
            AesGcm::<$cipher, U12>::new_from_slice(secret)
                .ok()?
                .decrypt(Nonce::from_slice(nonce), payload)
                .ok()
        };
    }
    match secret.len() {
        16 => with!(aes::Aes128),
        24 => with!(aes::Aes192),
        32 => with!(aes::Aes256),
        _ => None,
    }
}

fn secretbox(secret: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = bytes.split_at_checked(24)?;
    let nonce: [u8; 24] = nonce.try_into().ok()?;
    XSalsa20Poly1305::new_from_slice(secret)
        .ok()?
        .decrypt(&nonce.into(), rest)
        .ok()
}

#[cfg(test)]
mod tests {
    use aes::cipher::BlockEncryptMut;

    use super::*;

    const OBJECT: &[u8] =
        br#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"a":"Yg=="}}"#;
    const UNDER: &[u8] = b"/registry/secrets/apps/s";

    fn config(secret: [u8; 32]) -> String {
        let secret = STANDARD.encode(secret);
        let keys = format!(r#"{{"keys":[{{"name":"k1","secret":"{secret}"}}]}}"#);
        format!(
            r#"{{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[
            {{"resources":["secrets"],"providers":[{{"aescbc":{keys}}},{{"aesgcm":{keys}}},{{"secretbox":{keys}}},{{"identity":{{}}}}]}}]}}"#
        )
    }

    /// The bytes behind the prefix, by provider.
    fn closed(provider: &str, secret: [u8; 32]) -> Vec<u8> {
        let mut out = vec![7; 24];
        match provider {
            "aescbc" => {
                out.truncate(16);
                let cipher = cbc::Encryptor::<aes::Aes256>::new_from_slices(&secret, &out).unwrap();
                out.extend(cipher.encrypt_padded_vec_mut::<Pkcs7>(OBJECT));
            }
            "aesgcm" => {
                out.truncate(12);
                let cipher = AesGcm::<aes::Aes256, U12>::new_from_slice(&secret).unwrap();
                let payload = Payload {
                    msg: OBJECT,
                    aad: UNDER,
                };
                let sealed = cipher.encrypt(Nonce::from_slice(&out), payload).unwrap();
                out.extend(sealed);
            }
            _ => {
                let cipher = XSalsa20Poly1305::new_from_slice(&secret).unwrap();
                let nonce: [u8; 24] = out.clone().try_into().unwrap();
                out.extend(cipher.encrypt(&nonce.into(), OBJECT).unwrap());
            }
        }
        out
    }

    fn encrypted<'a>(provider: &'a str, key: &'a str, bytes: &'a [u8]) -> Encrypted<'a> {
        Encrypted {
            provider,
            version: "v1",
            key,
            bytes,
        }
    }

    #[test]
    fn what_is_encrypted_is_opened_with_its_key_only() {
        let keys = Keys::parse(config([5; 32]).as_bytes()).unwrap();
        let others = Keys::parse(config([6; 32]).as_bytes()).unwrap();
        assert!(!format!("{keys:?}").contains("BQUF"));
        for provider in ["aescbc", "aesgcm", "secretbox"] {
            let mut bytes = closed(provider, [5; 32]);
            let opened = keys.open(&encrypted(provider, "k1", &bytes), UNDER);
            assert_eq!(opened.as_deref(), Ok(OBJECT), "{provider}");
            let opened = keys.open(&encrypted(provider, "k2", &bytes), UNDER);
            assert_eq!(opened, Err(OpenError::NoKey));
            let opened = others.open(&encrypted(provider, "k1", &bytes), UNDER);
            assert_eq!(opened, Err(OpenError::Closed), "{provider}");
            for cut in 0..bytes.len() {
                drop(keys.open(&encrypted(provider, "k1", &bytes[..cut]), UNDER));
            }
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            let opened = keys.open(&encrypted(provider, "k1", &bytes), UNDER);
            assert_eq!(opened, Err(OpenError::Closed), "{provider}");
        }
        let moved = closed("aesgcm", [5; 32]);
        let moved = encrypted("aesgcm", "k1", &moved);
        assert_eq!(
            keys.open(&moved, b"/registry/secrets/other"),
            Err(OpenError::Closed)
        );
    }

    #[test]
    fn a_configuration_is_read_as_json_and_yaml() {
        let yaml = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n\
            - resources: [secrets]\n  providers:\n  - secretbox:\n      keys:\n      - name: a\n        secret: YWJj\n  - identity: {}\n";
        let keys = Keys::parse(yaml.as_bytes()).unwrap();
        assert_eq!(keys.names().collect::<Vec<_>>(), [("secretbox", "a")]);
        assert_eq!(Keys::parse(b"{}").err(), Some(ConfigError::Other));
        assert_eq!(Keys::parse(b"\xff").err(), Some(ConfigError::Unreadable));
        let bad = config([1; 32]).replace("AQEB", "?");
        assert!(matches!(
            Keys::parse(bad.as_bytes()),
            Err(ConfigError::Secret { name }) if name == "k1"
        ));
    }
}
