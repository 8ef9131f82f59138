//! k3s' bootstrap record: the cluster's CAs and keys, kept in its own datastore under the token.
//!
//! The key is `/bootstrap/` and 12 hex digits of the password's SHA-256, so that one can tell whether a token
//! fits without opening anything. The value is `SALT:BASE64`: AES-256-GCM under PBKDF2-HMAC-SHA1 of the
//! password, 4096 rounds, with the salt's text as it stands. An empty value is the lock of a server that is
//! about to write it. Source: `k3s/pkg/cluster/{encrypt,storage,bootstrap}.go`,
//! `k3s/pkg/clientaccess/token.go`. Deliberately absent: encryption.

use std::collections::BTreeMap;
use std::fmt;

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::bytes;

/// What the key of a record begins with.
pub const PREFIX: &str = "/bootstrap/";
/// Hex digits of the hash in it.
const DIGITS: usize = 12;
const ROUNDS: u32 = 4096;

/// The files of a record below the data directory's `server`, by the names of its fields
/// (`k3s/pkg/daemons/config/types.go`).
pub const FILES: &[(&str, &str)] = &[
    ("ServerCA", "tls/server-ca.crt"),
    ("ServerCAKey", "tls/server-ca.key"),
    ("ClientCA", "tls/client-ca.crt"),
    ("ClientCAKey", "tls/client-ca.key"),
    ("RequestHeaderCA", "tls/request-header-ca.crt"),
    ("RequestHeaderCAKey", "tls/request-header-ca.key"),
    ("ETCDServerCA", "tls/etcd/server-ca.crt"),
    ("ETCDServerCAKey", "tls/etcd/server-ca.key"),
    ("ETCDPeerCA", "tls/etcd/peer-ca.crt"),
    ("ETCDPeerCAKey", "tls/etcd/peer-ca.key"),
    ("ServiceKey", "tls/service.key"),
    ("PasswdFile", "cred/passwd"),
    ("IPSECKey", "cred/ipsec.psk"),
    ("EncryptionConfig", "cred/encryption-config.json"),
    ("EncryptionHash", "cred/encryption-state.json"),
];

/// The field that holds the keys of encryption at rest.
pub const ENCRYPTION: &str = "EncryptionConfig";

/// A token as somebody has it: with or without the hash of the CA. It is in no output.
#[derive(Clone)]
pub struct Token {
    whole: String,
    password: String,
    user: Option<String>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing is in it.
    #[error("the token is empty")]
    Empty,
    /// It has several lines, or bytes that are no text.
    #[error("a token is one line of text")]
    Text,
    /// It begins as a full one and does not go on so.
    #[error("a full token is K10<CA-HASH>::server:<PASSWORD>")]
    Malformed,
}

/// What a record holds, opened. Its contents are in no output.
pub struct Bootstrap {
    /// By the names of the fields.
    pub files: BTreeMap<String, Content>,
}

/// One file of a record.
#[derive(Clone)]
pub struct Content {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// When it was written, in seconds; older records do not say.
    pub written: Option<i64>,
}

/// Why a record stays closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapError {
    /// It is the lock of a server that was about to write it.
    #[error("the record is empty: a server was about to write it and did not")]
    Locked,
    /// It is not written as a record is.
    #[error("the record is damaged: {0}")]
    Damaged(&'static str),
    /// The token is another one.
    #[error("the token does not open the record: it is another one, or the record is damaged")]
    Closed,
}

impl Token {
    /// Reads a token, or a file of one; a line's end behind it does not count.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &[u8]) -> Result<Self, TokenError> {
        let text = std::str::from_utf8(text).map_err(|_| TokenError::Text)?;
        let whole = text.trim_end_matches(['\n', '\r']);
        if whole.trim().is_empty() {
            return Err(TokenError::Empty);
        }
        if whole.contains(['\n', '\r', '\0']) {
            return Err(TokenError::Text);
        }
        let (user, password) = match whole.strip_prefix("K10") {
            None => (None, whole),
            Some(rest) => {
                let said = rest.split_once("::").map_or(rest, |(_, said)| said);
                let (user, password) = said.split_once(':').ok_or(TokenError::Malformed)?;
                if password.is_empty() {
                    return Err(TokenError::Malformed);
                }
                (Some(user.to_owned()), password)
            }
        };
        Ok(Self {
            password: password.to_owned(),
            user,
            whole: whole.to_owned(),
        })
    }

    /// Is it a token of agents, who are given no keys?
    pub fn is_agents(&self) -> bool {
        self.user.as_deref() == Some("node")
    }

    /// Does it fit the record of this hash?
    pub fn fits(&self, hash: &str) -> bool {
        self.passwords().any(|p| hash_of(p) == hash)
    }

    /// The password, and what old versions took for it: the whole token.
    fn passwords(&self) -> impl Iterator<Item = &str> {
        let whole = (self.whole != self.password).then_some(self.whole.as_str());
        std::iter::once(self.password.as_str()).chain(whole)
    }
}

/// The hash under which a password's record stands.
fn hash_of(password: &str) -> String {
    let mut hex = bytes::hex(&Sha256::digest(password.as_bytes()));
    hex.truncate(DIGITS);
    hex
}

/// The hash in the key of a record; `None` where it is no such key.
pub fn hash(key: &str) -> Option<&str> {
    let hash = key.strip_prefix(PREFIX)?;
    let is_hex = hash
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (hash.len() == DIGITS && is_hex).then_some(hash)
}

/// Opens a record.
///
/// # Errors
/// When it is empty, damaged, or of another token.
pub fn open(value: &[u8], token: &Token) -> Result<Bootstrap, BootstrapError> {
    if value.is_empty() {
        return Err(BootstrapError::Locked);
    }
    let damaged = BootstrapError::Damaged;
    let text = std::str::from_utf8(value).map_err(|_| damaged("it is no text"))?;
    let (salt, sealed) = text
        .split_once(':')
        .ok_or(damaged("it is not SALT:BASE64"))?;
    let sealed = (STANDARD.decode(sealed.trim())).map_err(|_| damaged("it is not base64"))?;
    let (nonce, sealed) = sealed
        .split_at_checked(12)
        .ok_or(damaged("it is too short"))?;
    let plain = token
        .passwords()
        .find_map(|password| {
            let mut key = [0; 32];
            pbkdf2::pbkdf2_hmac::<sha1::Sha1>(
                password.as_bytes(),
                salt.as_bytes(),
                ROUNDS,
                &mut key,
            );
            let cipher = Aes256Gcm::new_from_slice(&key).ok()?;
            cipher.decrypt(Nonce::from_slice(nonce), sealed).ok()
        })
        .ok_or(BootstrapError::Closed)?;
    read(&plain)
}

/// The record's JSON: a field is an object with content and time, in older records the content alone.
fn read(plain: &[u8]) -> Result<Bootstrap, BootstrapError> {
    let damaged = BootstrapError::Damaged;
    let fields: BTreeMap<String, Value> =
        serde_json::from_slice(plain).map_err(|_| damaged("what is in it is no JSON object"))?;
    let mut files = BTreeMap::new();
    for (name, value) in fields {
        let (content, time) = match &value {
            Value::String(content) => (content.as_str(), None),
            Value::Object(field) => (
                field
                    .get("Content")
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
                field.get("Timestamp").and_then(Value::as_str),
            ),
            _ => continue,
        };
        let bytes = STANDARD
            .decode(content)
            .map_err(|_| damaged("a file in it is not base64"))?;
        let written = time
            .and_then(|t| t.parse::<jiff::Timestamp>().ok())
            .map(jiff::Timestamp::as_second);
        files.insert(name, Content { bytes, written });
    }
    Ok(Bootstrap { files })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "s3cr3t-of-the-cluster";

    fn seal(password: &str, salt: &str, plain: &[u8]) -> Vec<u8> {
        let mut key = [0; 32];
        pbkdf2::pbkdf2_hmac::<sha1::Sha1>(password.as_bytes(), salt.as_bytes(), 4096, &mut key);
        let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
        let mut sealed = vec![9; 12];
        let bytes = cipher.encrypt(Nonce::from_slice(&sealed), plain).unwrap();
        sealed.extend(bytes);
        format!("{salt}:{}", STANDARD.encode(sealed)).into_bytes()
    }

    fn token(text: &str) -> Token {
        Token::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_token_fits_in_every_form() {
        // echo -n s3cr3t-of-the-cluster | sha256sum
        let hash = "5305143170b6";
        let full = format!("K10{}::server:{PASSWORD}\n", "ab".repeat(32));
        for text in [
            PASSWORD,
            &format!("{PASSWORD}\n"),
            &full,
            &full.replace('\n', "\r\n"),
        ] {
            assert!(token(text).fits(hash), "{text:?}");
        }
        assert!(!token("another").fits(hash));
        assert!(token("K10ab::node:x").is_agents());
        assert!(!format!("{:?}", token(PASSWORD)).contains("s3cr3t"));
        assert_eq!(Token::parse(b"\n").err(), Some(TokenError::Empty));
        assert_eq!(Token::parse(b"a\nb").err(), Some(TokenError::Text));
        assert_eq!(
            Token::parse(b"K10ab::server").err(),
            Some(TokenError::Malformed)
        );
        assert_eq!(super::hash("/bootstrap/0123456789ab"), Some("0123456789ab"));
        assert_eq!(super::hash("/bootstrap/0123456789aB"), None);
        assert_eq!(super::hash("/bootstrap/0123456789abc"), None);
    }

    #[test]
    fn both_forms_of_a_record_are_read() {
        let new = br#"{"ServerCA":{"Timestamp":"2026-06-01T10:00:00.5+02:00","Content":"YWJj"}}"#;
        let old = br#"{"ServerCA":"YWJj"}"#;
        let opened = open(&seal(PASSWORD, "00112233aabbccdd", new), &token(PASSWORD)).unwrap();
        let file = opened.files.get("ServerCA").unwrap();
        assert_eq!(
            (file.bytes.as_slice(), file.written),
            (&b"abc"[..], Some(1_780_300_800))
        );
        let opened = open(&seal(PASSWORD, "00112233aabbccdd", old), &token(PASSWORD)).unwrap();
        let file = opened.files.get("ServerCA").unwrap();
        assert_eq!((file.bytes.as_slice(), file.written), (&b"abc"[..], None));
        // Old versions took the whole token.
        let whole = "K10ab::server:x";
        assert!(open(&seal(whole, "00", old), &token(whole)).is_ok());
    }

    #[test]
    fn what_can_not_be_opened_says_why() {
        let sealed = seal(PASSWORD, "00112233aabbccdd", b"{}");
        let why = |value: &[u8], password: &str| open(value, &token(password)).err();
        assert_eq!(why(b"", PASSWORD), Some(BootstrapError::Locked));
        assert_eq!(why(&sealed, "another"), Some(BootstrapError::Closed));
        for cut in 1..sealed.len() {
            assert!(why(&sealed[..cut], PASSWORD).is_some());
        }
        let list = seal(PASSWORD, "00112233aabbccdd", b"[]");
        assert!(matches!(
            why(&list, PASSWORD),
            Some(BootstrapError::Damaged(_))
        ));
    }
}
