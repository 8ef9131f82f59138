//! k3s' bootstrap record in a datastore: whose token it wants, what is in it, and how a data directory differs.
//!
//! Deliberately absent: contents of files in any answer; only `extract` gives them, to a file of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use defib_collect::CollectError;
use defib_collect::private::{self, File};
use defib_formats::bootstrap::{self, Content, FILES, Token};
use defib_formats::certificate::{self, time};
use defib_formats::datastore::Place;
use serde::Serialize;

use super::{Dead, Wanted, unlocked};

/// A record as it stands in the datastore.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Its key.
    pub key: String,
    /// The hash of the token's password in it.
    pub hash: String,
    /// `sealed`, or `lock`: empty, a server was about to write it.
    pub state: &'static str,
    /// Bytes of it.
    pub bytes: u32,
    /// The revision of its last write.
    pub revision: u64,
    /// Does the token fit that was given?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fits: Option<bool>,
    /// Where it stands.
    #[serde(skip)]
    place: Place,
}

/// How a file of a data directory stands to the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDisk {
    /// The same bytes.
    Equal,
    /// Others, and its time is later: k3s refuses to start.
    Newer,
    /// Others, and its time is not later: k3s replaces it from the record.
    Older,
    /// Others, and the record does not say when it was written.
    Differs,
    /// Not there: k3s writes it from the record.
    Missing,
    /// It can't be read.
    Unread(String),
}

/// A certificate in a record.
#[derive(Clone, Debug, Serialize)]
pub struct Certificate {
    /// Its subject.
    pub subject: String,
    /// From when it is valid.
    pub not_before: String,
    /// Until when.
    pub not_after: String,
    /// SHA-256 of its DER.
    pub sha256: String,
}

/// A private key in a record.
#[derive(Clone, Debug, Serialize)]
pub struct PrivateKey {
    /// What its PEM calls it.
    pub form: String,
    /// Does it belong to the certificate beside it? Absent where there is none, or where it can't be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<bool>,
}

/// A file in a record, without what is in it.
#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    /// The field.
    pub field: String,
    /// Where k3s keeps it, below `server`; absent for a field that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<&'static str>,
    /// Bytes of it.
    pub bytes: usize,
    /// When it was written; older records do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
    /// Certificates in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Certificate>,
    /// Private keys in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<PrivateKey>,
    /// Beside the data directory.
    #[serde(rename = "onDisk", skip_serializing_if = "Option::is_none")]
    pub on_disk: Option<OnDisk>,
}

/// What is known of the records.
#[derive(Clone, Debug, Serialize)]
pub struct Bootstrap {
    /// All of them.
    pub records: Vec<Record>,
    /// What is in the one that the token opens.
    pub files: Vec<Kept>,
    /// The data directory's `server` that it was compared with.
    #[serde(rename = "comparedWith", skip_serializing_if = "Option::is_none")]
    pub compared_with: Option<PathBuf>,
}

/// Why a record can't be shown.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BootstrapError {
    /// There is none, in what could be read.
    #[error(
        "no bootstrap record was found, and {damages} places of it are damaged: there may be one"
    )]
    Unknown {
        /// Damaged places.
        damages: u64,
    },
    /// There is none.
    #[error(
        "there is no bootstrap record in it: it was taken before the first server wrote one, or it is not of k3s"
    )]
    None,
    /// The token is of another cluster or another time.
    #[error("the token does not fit: the record wants one whose hash is {}", wanted.join(" or "))]
    WrongToken {
        /// The hashes of the records.
        wanted: Vec<String>,
    },
    /// The token is one for agents.
    #[error("this is a token for agents, which opens no keys; the record wants the servers' own, whose hash is {}", wanted.join(" or "))]
    Agents {
        /// The hashes of the records.
        wanted: Vec<String>,
    },
    /// The record's value can't be read.
    #[error("{key} can't be read: {why}")]
    Unreadable {
        /// Its key.
        key: String,
        /// Why.
        why: String,
    },
    /// It does not open.
    #[error("{key}: {why}")]
    Closed {
        /// Its key.
        key: String,
        /// Why.
        why: bootstrap::BootstrapError,
    },
    /// The folder to compare with is no data directory.
    #[error("{0} has neither server/tls nor tls: it is no data directory of k3s")]
    NoDataDirectory(PathBuf),
}

/// Seconds by which a file on disk must be later than the record to count as newer, as in k3s.
const NEWER: i64 = 3;

impl Dead {
    /// The records, and what the token opens, beside a data directory.
    ///
    /// # Errors
    /// When there is none, or the token opens none.
    pub fn bootstrap(
        &self,
        token: Option<&Token>,
        data: Option<&Path>,
    ) -> Result<Bootstrap, BootstrapError> {
        let records = self.records(token)?;
        let compared_with = data.map(server).transpose()?;
        let files = match token {
            Some(token) => {
                let (_, opened) = self.open_record(&records, token)?;
                kept(&opened.files, compared_with.as_deref())
            }
            None => Vec::new(),
        };
        Ok(Bootstrap {
            records,
            files,
            compared_with,
        })
    }

    /// Writes the files of the record, keys included, into an archive that only its owner may read: as they lie
    /// below `server`, with the times that k3s compares.
    ///
    /// # Errors
    /// When the record does not open, or the file exists or can't be written.
    pub fn extract(
        &self,
        token: &Token,
        to: &Path,
    ) -> Result<Result<usize, CollectError>, BootstrapError> {
        let (_, opened) = self.open_bootstrap(token)?;
        let files: Vec<File<'_>> = FILES
            .iter()
            .filter_map(|(field, path)| {
                let content = opened.files.get(*field)?;
                Some(File {
                    path: Path::new("server").join(path),
                    bytes: &content.bytes,
                    modified: content.written.and_then(|w| u64::try_from(w).ok()),
                })
            })
            .collect();
        Ok(private::write(to, &files).map(|()| files.len()))
    }

    fn records(&self, token: Option<&Token>) -> Result<Vec<Record>, BootstrapError> {
        let list = self.list(&Wanted {
            prefix: bootstrap::PREFIX.into(),
            ..Wanted::default()
        });
        let records: Vec<Record> = list
            .items()
            .filter_map(|item| {
                let hash = bootstrap::hash(item.key)?;
                Some(Record {
                    key: item.key.to_owned(),
                    hash: hash.to_owned(),
                    state: if item.bytes == 0 { "lock" } else { "sealed" },
                    bytes: item.bytes,
                    revision: item.revision,
                    fits: token.map(|t| t.fits(hash)),
                    place: item.place,
                })
            })
            .collect();
        match list.index.walked.damages {
            _ if !records.is_empty() => Ok(records),
            0 => Err(BootstrapError::None),
            damages => Err(BootstrapError::Unknown { damages }),
        }
    }

    /// Opens the record that a token fits.
    pub(super) fn open_bootstrap(
        &self,
        token: &Token,
    ) -> Result<(Record, bootstrap::Bootstrap), BootstrapError> {
        self.open_record(&self.records(Some(token))?, token)
    }

    fn open_record(
        &self,
        records: &[Record],
        token: &Token,
    ) -> Result<(Record, bootstrap::Bootstrap), BootstrapError> {
        let Some(record) = records.iter().find(|r| r.fits == Some(true)) else {
            let wanted = records.iter().map(|r| r.hash.clone()).collect();
            return Err(match token.is_agents() {
                true => BootstrapError::Agents { wanted },
                false => BootstrapError::WrongToken { wanted },
            });
        };
        let key = || record.key.clone();
        let value = self.rows().value(record.place);
        let value = value.map_err(|e| BootstrapError::Unreadable {
            key: key(),
            why: e.to_string(),
        })?;
        match bootstrap::open(&value, token) {
            Ok(opened) => Ok((record.clone(), opened)),
            Err(why) => Err(BootstrapError::Closed { key: key(), why }),
        }
    }
}

/// The folder `server` of a data directory, or that folder itself.
fn server(data: &Path) -> Result<PathBuf, BootstrapError> {
    [data.join("server"), data.to_owned()]
        .into_iter()
        .find(|p| p.join("tls").is_dir())
        .ok_or_else(|| BootstrapError::NoDataDirectory(data.to_owned()))
}

fn kept(files: &BTreeMap<String, Content>, beside: Option<&Path>) -> Vec<Kept> {
    let known = |field: &str| FILES.iter().find(|(f, _)| *f == field).map(|(_, p)| *p);
    let order = FILES.iter().map(|(field, _)| *field);
    let others = (files.keys().map(String::as_str)).filter(|f| known(f).is_none());
    order
        .chain(others)
        .filter_map(|field| {
            let content = files.get(field)?;
            let file = known(field);
            let found = certificate::read(&content.bytes);
            let own = (field.strip_suffix("Key"))
                .and_then(|name| files.get(name))
                .and_then(|c| certificate::read(&c.bytes).certificates.into_iter().next());
            Some(Kept {
                field: field.to_owned(),
                file,
                bytes: content.bytes.len(),
                written: content.written.and_then(time),
                certificates: found.certificates.iter().map(shown).collect(),
                keys: (found.keys.iter())
                    .map(|key| PrivateKey {
                        form: key.label.clone(),
                        matches: own.as_ref().and_then(|c| key.is_of(c)),
                    })
                    .collect(),
                on_disk: beside.and_then(|b| Some(compare(b, file?, content))),
            })
        })
        .collect()
}

fn shown(of: &certificate::Certificate) -> Certificate {
    let said = |seconds| time(seconds).unwrap_or_default();
    Certificate {
        subject: of.subject.clone(),
        not_before: said(of.not_before),
        not_after: said(of.not_after),
        sha256: of.fingerprint.clone(),
    }
}

/// As k3s compares at its start (`k3s/pkg/cluster/bootstrap.go`).
fn compare(folder: &Path, file: &str, content: &Content) -> OnDisk {
    // More than the record has is different, however much that is.
    let enough = content.bytes.len() as u64 + 1;
    let bytes = match unlocked::beginning(folder, file, enough) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return OnDisk::Missing,
        Err(e) => return OnDisk::Unread(e.to_string()),
    };
    if bytes == content.bytes {
        return OnDisk::Equal;
    }
    let modified = std::fs::symlink_metadata(folder.join(file))
        .and_then(|m| m.modified())
        .ok()
        .and_then(|m| m.duration_since(UNIX_EPOCH).ok())
        .and_then(|d| i64::try_from(d.as_secs()).ok());
    match (modified, content.written) {
        (Some(disk), Some(record)) if disk - record >= NEWER => OnDisk::Newer,
        (Some(_), Some(_)) => OnDisk::Older,
        _ => OnDisk::Differs,
    }
}
