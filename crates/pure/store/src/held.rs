//! Rows that a test holds.

use std::io;

use defib_formats::bbolt::Walked;
use defib_formats::datastore::{Engine, Place, Row, Rows};

/// One write, or a deletion where there is no value.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) key: Vec<u8>,
    pub(crate) revision: u64,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) lease: u64,
}

impl Told {
    pub(crate) fn new(key: impl AsRef<[u8]>, revision: u64, value: impl AsRef<[u8]>) -> Self {
        Self {
            key: key.as_ref().to_vec(),
            revision,
            value: Some(value.as_ref().to_vec()),
            lease: 0,
        }
    }

    pub(crate) fn leased(self, lease: u64) -> Self {
        Self { lease, ..self }
    }

    pub(crate) fn deleted(key: impl AsRef<[u8]>, revision: u64) -> Self {
        Self {
            value: None,
            ..Self::new(key, revision, [])
        }
    }
}

/// Rows in the order in which they are told, all of them in the first part.
#[derive(Clone, Default)]
pub(crate) struct Held(pub(crate) Vec<Told>);

impl Rows for Held {
    fn engine(&self) -> Engine {
        Engine::Etcd
    }

    fn scan(&self, part: usize, _: usize, each: &mut dyn FnMut(Row<'_>)) -> Walked {
        for (n, told) in (0u64..).zip(&self.0).filter(|_| part == 0) {
            each(Row {
                key: &told.key,
                revision: (told.revision, 0),
                create_revision: told.revision,
                version: 1,
                lease: told.lease,
                value: told.value.as_deref(),
                place: Place {
                    at: n,
                    length: told.value.as_ref().map_or(0, |v| v.len() as u32),
                },
            });
        }
        Walked::default()
    }

    fn value(&self, place: Place) -> io::Result<Vec<u8>> {
        let told = usize::try_from(place.at).ok().and_then(|n| self.0.get(n));
        told.and_then(|t| t.value.clone())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn compacted(&self) -> u64 {
        0
    }
}
