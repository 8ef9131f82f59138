//! What can go wrong that is ours or the caller's to mend; the world's faults are gaps.

use std::path::PathBuf;

/// Why nothing could be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The source is not there or can't be read at all.
    #[error("cannot read {path}")]
    Unreadable {
        /// The source.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file to write is there already: it may be the only evidence of another day.
    #[error("{path} exists already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The bundle can't be written.
    #[error("cannot write {path}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no bundle, or a damaged one.
    #[error("{path} is no readable bundle: {why}")]
    NoBundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The archive can't be opened.
    #[error("{path} is no readable archive: {why}")]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file or folder is no datastore.
    #[error("{path} is no datastore: {why}")]
    NoDatastore {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The file is a datastore, and too damaged to be read as one.
    #[error("{path} is too damaged to be read: {why}")]
    DamagedDatastore {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Rows are taken one by one out of pages of etcd only.
    #[error("{path} is a database of SQLite, and --salvage reads pages of etcd only")]
    NoSalvage {
        /// The file.
        path: PathBuf,
    },
    /// The bundle was written by a newer tool.
    #[error(
        "{path} has schema {schema}, which this version cannot read; it needs defib {needs} or newer"
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        schema: String,
        /// The version that wrote it.
        needs: String,
    },
    /// A private copy of a database can't be made.
    #[error("no copy of {path} can be made in {folder}")]
    NoRoom {
        /// The database.
        path: PathBuf,
        /// The folder for temporary files.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A kind of source that is not read yet.
    #[error("{what} cannot be read by this version yet")]
    NotYet {
        /// The kind.
        what: String,
    },
    /// There is no kubeconfig, or no usable one.
    #[error("no usable kubeconfig: {why}")]
    Kubeconfig {
        /// Why.
        why: String,
    },
    /// The cluster can't be asked.
    #[error("cannot ask the cluster: {why}")]
    Cluster {
        /// Why.
        why: String,
    },
}
