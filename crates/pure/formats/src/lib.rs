//! Bytes in, values out: JSON, YAML, log lines, and what must be taken out of all of them.
//!
//! Every function here takes bytes and gives values; damaged input gives as much as can be had, with
//! the place where it breaks. Deliberately absent: files, Kubernetes' meaning (`read`), judgement.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod at_rest;
pub mod bbolt;
pub mod bootstrap;
pub mod bytes;
pub mod certificate;
pub mod datastore;
pub mod etcd;
pub mod journal;
pub mod json;
pub mod jsonpath;
pub mod kubernetes;
pub mod leaves;
pub mod literals;
pub mod locate;
pub mod log;
pub mod plain;
pub mod protobuf;
pub mod quotation;
pub mod read_at;
pub mod redact;
pub mod sniff;
pub mod sqlite;
pub mod text;
pub mod yaml;

/// The number of the line (from 1) in which this byte stands.
pub fn line_at(bytes: &[u8], offset: usize) -> u64 {
    let head = bytes.get(..offset.min(bytes.len())).unwrap_or_default();
    memchr::memchr_iter(b'\n', head).count() as u64 + 1
}

/// The text with every byte that is not ASCII as a question mark: as long as the bytes are, so that
/// places in it are places in them.
pub fn ascii(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|b| if b.is_ascii() { char::from(*b) } else { '?' })
        .collect()
}

/// The range of the line (without its end) in which this byte stands.
pub fn line_range(bytes: &[u8], offset: usize) -> std::ops::Range<usize> {
    let offset = offset.min(bytes.len());
    let start =
        memchr::memrchr(b'\n', bytes.get(..offset).unwrap_or_default()).map_or(0, |i| i + 1);
    let end = memchr::memchr(b'\n', bytes.get(offset..).unwrap_or_default())
        .map_or(bytes.len(), |i| offset + i);
    start..end
}
