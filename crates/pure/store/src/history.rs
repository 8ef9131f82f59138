//! Every write of one key that the datastore still has.
//!
//! Deliberately absent: times of writes, which no datastore keeps.

use defib_formats::bbolt::Walked;
use defib_formats::datastore::{Place, Rows};
use rayon::prelude::*;

/// One write of a key, or its deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// Its revision.
    pub revision: u64,
    /// The revision in which the key was created.
    pub create_revision: u64,
    /// Writes since then; 0 where the datastore does not count them.
    pub version: u64,
    /// Where the value stands; `None` for a deletion.
    pub place: Option<Place>,
}

/// All writes of a key, the oldest first.
pub fn history(rows: &dyn Rows, key: &[u8]) -> (Vec<Write>, Walked) {
    let of = rayon::current_num_threads().max(1);
    let parts: Vec<(Vec<Write>, Walked)> = (0..of)
        .into_par_iter()
        .map(|part| {
            let mut out = Vec::new();
            let walked = rows.scan(part, of, &mut |row| {
                if row.key == key {
                    out.push(Write {
                        revision: row.revision.0,
                        create_revision: row.create_revision,
                        version: row.version,
                        place: row.value.map(|_| row.place),
                    });
                }
            });
            (out, walked)
        })
        .collect();
    let (mut writes, mut walked) = (Vec::new(), Walked::default());
    for (some, found) in parts {
        writes.extend(some);
        walked.absorb(found);
    }
    writes.sort_by_key(|w| w.revision);
    (writes, walked)
}
