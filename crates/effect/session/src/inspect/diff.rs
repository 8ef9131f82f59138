//! `diff`: what lives now and did not then, what is gone, what changed.
//!
//! Deliberately absent: who did it; managed fields name a program, and no person.

use std::cmp::Ordering;

use defib_store::{Change, changes};
use serde::Serialize;

use super::query::masked;
use super::{Dead, Item, Wanted};

/// How a key differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// Its value is another.
    Changed,
}

/// One key that is not as it was.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// How it differs.
    pub how: How,
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty where there is none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The key.
    pub key: String,
    /// The revision of its last write on the newer side, or of the older where it is gone.
    pub revision: u64,
    /// What changed in it.
    pub changes: Vec<Change>,
    /// Why what changed can't be said, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// What two states of datastores differ in; `each` is given every difference in the order of keys. The answer is
/// how many places of both files are damaged.
///
/// # Errors
/// Those of `each`, which end it.
pub fn differences<E>(
    was: (&Dead, &Wanted),
    is: (&Dead, &Wanted),
    show_secrets: bool,
    mut each: impl FnMut(Difference) -> Result<(), E>,
) -> Result<u64, E> {
    let hashed = |wanted: &Wanted| Wanted {
        hash: true,
        ..wanted.clone()
    };
    let (old, new) = (was.0.list(&hashed(was.1)), is.0.list(&hashed(is.1)));
    let (mut a, mut b) = (old.items().peekable(), new.items().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(x), Some(y)) => x.key.cmp(y.key),
        };
        let difference = match order {
            Ordering::Less => a.next().map(|item| plain(How::Removed, &item)),
            Ordering::Greater => b.next().map(|item| plain(How::Added, &item)),
            Ordering::Equal => match (a.next(), b.next()) {
                (Some(x), Some(y)) if x.hash != y.hash || x.bytes != y.bytes => {
                    changed((was.0, &x), (is.0, &y), show_secrets)
                }
                _ => None,
            },
        };
        if let Some(difference) = difference {
            each(difference)?;
        }
    }
    Ok(old.index.walked.damages + new.index.walked.damages)
}

fn plain(how: How, item: &Item<'_>) -> Difference {
    Difference {
        how,
        kind: item.kind.to_owned(),
        namespace: item.namespace.to_owned(),
        name: item.name.to_owned(),
        key: item.key.to_owned(),
        revision: item.revision,
        changes: Vec::new(),
        unread: None,
    }
}

/// Two values that are not the same bytes; `None` where only the bookkeeping differs.
fn changed(
    was: (&Dead, &Item<'_>),
    is: (&Dead, &Item<'_>),
    show_secrets: bool,
) -> Option<Difference> {
    let mut out = plain(How::Changed, is.1);
    let read = |(dead, item): (&Dead, &Item<'_>)| dead.object(item.place, item.revision, true);
    match (read(was), read(is)) {
        (Ok(a), Ok(b)) => {
            out.changes = masked(changes(&a.value, &b.value), &b.value, show_secrets);
            if out.changes.is_empty() {
                return None;
            }
        }
        (Err(e), _) | (_, Err(e)) => out.unread = Some(e.to_string()),
    }
    Some(out)
}
