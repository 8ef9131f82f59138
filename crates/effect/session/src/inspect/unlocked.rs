//! The rows of a datastore, with what is encrypted at rest opened where keys are given.
//!
//! Every verb reads through this, so that all of them see the same. What no key opens stays as it is stored.
//! Deliberately absent: keeping what was opened.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use defib_collect::datastore::open_below;
use defib_formats::at_rest::{ConfigError, Keys, OpenError};
use defib_formats::bbolt::Walked;
use defib_formats::bootstrap::{self, Token};
use defib_formats::datastore::{Engine, Place, Row, Rows};
use defib_formats::kubernetes::{self, Stored};
use defib_formats::read_at::ReadAt;

use super::bootstrap::BootstrapError;
use super::{Dead, Store};

/// A datastore and the keys to it.
pub(super) struct Unlocked {
    pub(super) store: Store,
    keys: Keys,
    /// Where values stand that are bound to the key under which they are stored.
    bound: Mutex<BTreeMap<u64, Vec<u8>>>,
    tally: Mutex<Tally>,
}

/// Values by provider and key: opened, not opened, and under which key the first of those stands.
pub(super) type Tally = BTreeMap<String, (u64, u64, String)>;

/// Why a datastore can't be unlocked as was asked.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// A file of keys or a token can't be read.
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It holds no keys.
    #[error("{path} can't be used: {why}")]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        why: ConfigError,
    },
    /// The bootstrap record gives none.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
}

/// The file of keys below a k3s data directory, or below its `server`.
const CONFIG: &[&str] = &[
    "server/cred/encryption-config.json",
    "cred/encryption-config.json",
];

/// Bytes of such a file at most.
const LONGEST: u64 = 1 << 20;

impl Dead {
    /// Takes keys for what is encrypted: from a file, from the bootstrap record by the token in a file, or, where
    /// neither is named, from the data directory `asked`.
    ///
    /// # Errors
    /// When what was named gives none.
    pub fn unlock(
        &mut self,
        asked: &Path,
        config: Option<&Path>,
        token: Option<&Path>,
    ) -> Result<(), UnlockError> {
        let parse = |path: &Path| {
            Keys::parse(&read(path)?).map_err(|why| UnlockError::Config {
                path: path.to_owned(),
                why,
            })
        };
        if let Some(path) = config {
            self.rows.keys = parse(path)?;
        } else if let Some(path) = token {
            let (_, opened) = self.open_bootstrap(&read_token(path)?)?;
            match opened.files.get(bootstrap::ENCRYPTION) {
                Some(kept) => {
                    self.rows.keys =
                        Keys::parse(&kept.bytes).map_err(|why| UnlockError::Config {
                            path: "the bootstrap record's encryption-config.json".into(),
                            why,
                        })?;
                }
                None => self.notes.push(
                    "the bootstrap record holds no keys: this cluster did not encrypt at rest"
                        .into(),
                ),
            }
        } else {
            for name in CONFIG {
                let path = asked.join(name);
                let parsed = match beginning(asked, name, LONGEST) {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                    Err(e) => Err(e.to_string()),
                    Ok(bytes) => Keys::parse(&bytes)
                        .map_err(|why| format!("{} can't be used: {why}", path.display())),
                };
                match parsed {
                    Ok(keys) => {
                        self.rows.keys = keys;
                        let path = path.display();
                        self.notes
                            .push(format!("values are decrypted with the keys of {path}"));
                    }
                    Err(why) => self.notes.push(format!("{why}; nothing is decrypted")),
                }
                break;
            }
        }
        Ok(())
    }

    /// Why no key opens this, for people; empty where no keys were given.
    pub(super) fn why_closed(&self, by: &kubernetes::Encrypted<'_>) -> String {
        if self.rows.keys.names().next().is_none() {
            return String::new();
        }
        match self.rows.keys.open(by, b"") {
            Err(why) => format!(": {why}"),
            Ok(_) => String::new(),
        }
    }
}

/// As much of a regular file below a folder as there is, up to so many bytes; anything else could keep us waiting, have
/// no end, or lead elsewhere.
pub(super) fn beginning(folder: &Path, name: &str, most: u64) -> io::Result<Vec<u8>> {
    let file = open_below(folder, name)?;
    let mut out = vec![0; usize::try_from(file.len().min(most)).unwrap_or(usize::MAX)];
    file.read_at(0, &mut out)?;
    Ok(out)
}

/// Reads a token from a file that was found below a data directory; none where there is none that can be read.
pub(super) fn token_below(folder: &Path, name: &str) -> Option<Token> {
    Token::parse(&beginning(folder, name, LONGEST).ok()?).ok()
}

/// Reads a small file of secrets. It may come from a pipe.
fn read(path: &Path) -> Result<Vec<u8>, UnlockError> {
    use std::io::Read;
    let unreadable = |why: String| UnlockError::Unreadable {
        path: path.to_owned(),
        why,
    };
    let mut out = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut out))
        .map_err(|e| unreadable(e.to_string()))?;
    if out.len() as u64 > LONGEST {
        return Err(unreadable("it is too long for what it should be".into()));
    }
    Ok(out)
}

/// Reads a token from a file.
///
/// # Errors
/// When it can't be read, or holds none.
pub fn read_token(path: &Path) -> Result<Token, UnlockError> {
    let text = read(path)?;
    Token::parse(&text).map_err(|why| UnlockError::Unreadable {
        path: path.to_owned(),
        why: why.to_string(),
    })
}

impl Unlocked {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            keys: Keys::default(),
            bound: Mutex::default(),
            tally: Mutex::default(),
        }
    }

    /// The rows as they are stored.
    fn stored(&self) -> &dyn Rows {
        match &self.store {
            Store::Etcd(etcd) => etcd.as_ref(),
            Store::Kine(kine) => kine.as_ref(),
            Store::Salvaged(salvaged) => salvaged.as_ref(),
        }
    }

    /// What was opened since this was asked last.
    pub(super) fn tally(&self) -> Tally {
        std::mem::take(&mut *lock(&self.tally))
    }

    /// Opens a value; `None` where it is not encrypted, or nothing opens it.
    fn open(&self, value: &[u8], under: &[u8]) -> Option<Vec<u8>> {
        let Ok(Stored::Encrypted(by)) = kubernetes::open(value) else {
            return None;
        };
        let opened = self.keys.open(&by, under);
        let name = format!("{} {}", by.provider, by.key);
        let mut tally = lock(&self.tally);
        let entry = tally.entry(name).or_default();
        match &opened {
            Ok(_) => entry.0 += 1,
            Err(OpenError::Closed) => {
                entry.1 += 1;
                if entry.2.is_empty() {
                    entry.2 = String::from_utf8_lossy(under).into_owned();
                }
            }
            Err(_) => {}
        }
        opened.ok()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rows for Unlocked {
    fn engine(&self) -> Engine {
        self.stored().engine()
    }

    fn scan(&self, part: usize, of: usize, each: &mut dyn FnMut(Row<'_>)) -> Walked {
        if self.keys.names().next().is_none() {
            return self.stored().scan(part, of, each);
        }
        self.stored().scan(part, of, &mut |row| {
            let opened = row.value.and_then(|value| self.open(value, row.key));
            let Some(opened) = opened else {
                each(row);
                return;
            };
            if row.value.is_some_and(|v| v.starts_with(b"k8s:enc:aesgcm:")) {
                lock(&self.bound).insert(row.place.at, row.key.to_vec());
            }
            each(Row {
                value: Some(&opened),
                ..row
            });
        })
    }

    fn value(&self, place: Place) -> io::Result<Vec<u8>> {
        let value = self.stored().value(place)?;
        if self.keys.names().next().is_none() {
            return Ok(value);
        }
        let under = lock(&self.bound)
            .get(&place.at)
            .cloned()
            .unwrap_or_default();
        Ok(self.open(&value, &under).unwrap_or(value))
    }

    fn compacted(&self) -> u64 {
        self.stored().compacted()
    }
}
