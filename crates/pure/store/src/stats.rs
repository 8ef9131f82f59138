//! Who fills the database: by kind, by key, by history.
//!
//! Deliberately absent: advice.

use std::collections::BTreeMap;

use defib_formats::bbolt::Walked;
use defib_formats::datastore::Rows;
use rayon::prelude::*;
use serde::Serialize;

use crate::name::name;

/// What one kind of key takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// What it is kept under: `pods`, `cert-manager.io/certificates`.
    pub resource: String,
    /// Rows of it, with all history and deletions.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// The longest value.
    pub longest: u64,
}

/// What all rows take.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// By what they are kept under, the most bytes first.
    pub shares: Vec<Share>,
    /// What did not hold.
    pub walked: Walked,
}

/// Kinds of keys that are told apart; what comes behind is counted together.
const MOST: usize = 4_096;

/// Counts rows and bytes.
pub fn stats(rows: &dyn Rows) -> Stats {
    let of = rayon::current_num_threads().max(1);
    let parts: Vec<(BTreeMap<String, Share>, Walked)> = (0..of)
        .into_par_iter()
        .map(|part| {
            let mut shares: BTreeMap<String, Share> = BTreeMap::new();
            let walked = rows.scan(part, of, &mut |row| {
                // What a row keeps of the one before it belongs to that row: it is counted by who keeps it.
                if row.place.is_remnant() {
                    return;
                }
                let resource = name(row.key).map_or("(not text)", |n| n.resource);
                let value = row.value.map_or(0, <[u8]>::len) as u64;
                // A text is only made for a kind that is new.
                if !shares.contains_key(resource) {
                    let full = shares.len() >= MOST;
                    let resource = if full { "(others)" } else { resource };
                    shares.entry(resource.to_owned()).or_default();
                }
                let share = match shares.contains_key(resource) {
                    true => shares.get_mut(resource),
                    false => shares.get_mut("(others)"),
                };
                if let Some(share) = share {
                    share.rows += 1;
                    share.bytes += value + row.key.len() as u64;
                    share.longest = share.longest.max(value);
                }
            });
            (shares, walked)
        })
        .collect();
    let (mut all, mut walked) = (BTreeMap::<String, Share>::new(), Walked::default());
    for (shares, found) in parts {
        walked.absorb(found);
        for (resource, part) in shares {
            let share = all.entry(resource).or_default();
            share.rows += part.rows;
            share.bytes += part.bytes;
            share.longest = share.longest.max(part.longest);
        }
    }
    let mut shares: Vec<Share> = all
        .into_iter()
        .map(|(resource, share)| Share { resource, ..share })
        .collect();
    shares.sort_by(|a, b| {
        b.bytes
            .cmp(&a.bytes)
            .then_with(|| a.resource.cmp(&b.resource))
    });
    Stats { shares, walked }
}
