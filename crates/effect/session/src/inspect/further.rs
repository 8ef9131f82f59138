//! What somebody asks next who holds a snapshot: which etcd opens it, how old is it, who is in it, how full is it.
//!
//! Deliberately absent: whether it can be trusted (`verify`).

use std::collections::BTreeMap;

use defib_formats::datastore::Place;
use defib_formats::etcd::openers;
use serde::Serialize;
use serde_json::Value;

use super::query::latest_time;
use super::{Dead, Store};

/// Answers beside the verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Further {
    /// The versions of etcd that may open it; unknown for kine.
    pub opened_by: Option<String>,
    /// Why that is not known, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_by_unknown: Option<String>,
    /// The newest time that the newest objects name, in UTC: a write is not older. Absent where none does.
    pub newest_write: Option<String>,
    /// Members that only learn, by name or id.
    pub learners: Vec<String>,
    /// Ids of members that were removed.
    pub removed: Vec<String>,
    /// How full it is; only etcd has a quota.
    pub quota: Option<Quota>,
}

/// The size of a database against what it may be.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quota {
    /// Bytes that it has.
    pub bytes: u64,
    /// Bytes that it may have.
    pub of: u64,
    /// It writes no more.
    pub is_full: bool,
}

/// Revisions whose objects are asked for times.
const NEWEST: usize = 400;
/// Parts in which rows are read from their end on.
const PARTS: usize = 256;

impl Dead {
    /// What is asked beside the verdict; `quota` is in bytes.
    pub fn further(&self, quota: u64) -> Further {
        let (mut opened_by, mut unknown) = (None, None);
        if let Store::Etcd(etcd) = &self.rows.store {
            let agreed = self.beside.membership.as_ref();
            let version = agreed.and_then(|m| m.cluster_version.as_deref());
            match openers(&etcd.base().meta, version) {
                Ok(said) => opened_by = Some(said),
                Err(why) => unknown = Some(why.to_owned()),
            }
        }
        let members = self.members().map(|m| m.members).unwrap_or_default();
        let of = |role: &str| {
            let some = members.iter().filter(|m| m.role == role);
            some.map(|m| match m.name.as_str() {
                "" => m.id.clone(),
                name => name.to_owned(),
            })
            .collect()
        };
        Further {
            opened_by,
            opened_by_unknown: unknown,
            newest_write: self.newest_write(),
            learners: of("learner"),
            removed: of("removed"),
            quota: self.size().map(|bytes| Quota {
                bytes,
                of: quota,
                is_full: bytes >= quota,
            }),
        }
    }

    /// Bytes that count against the quota: those of the database, without a hash behind it.
    fn size(&self) -> Option<u64> {
        match &self.rows.store {
            Store::Etcd(etcd) => Some(etcd.base().database().length()),
            Store::Kine(_) | Store::Salvaged(_) => None,
        }
    }

    /// The newest time in the values of the last revisions.
    fn newest_write(&self) -> Option<String> {
        let mut rows: BTreeMap<(u64, u64), Place> = BTreeMap::new();
        for part in (0..PARTS).rev() {
            self.rows().scan(part, PARTS, &mut |row| {
                if row.value.is_some() && !row.place.is_remnant() {
                    rows.insert(row.revision, row.place);
                    if rows.len() > NEWEST {
                        rows.pop_first();
                    }
                }
            });
            if rows.len() >= NEWEST {
                break;
            }
        }
        let objects = rows
            .into_iter()
            .filter_map(|((revision, _), place)| self.object(place, revision, true).ok());
        objects.filter_map(|o| times(&o.value)).max()
    }
}

/// The latest time that an object names as one at which somebody wrote it.
fn times(object: &Value) -> Option<String> {
    // Of a Lease and of an Event; both are written all the time.
    const OWN: &[&str] = &[
        "/spec/renewTime",
        "/spec/acquireTime",
        "/lastTimestamp",
        "/firstTimestamp",
        "/eventTime",
        "/series/lastObservedTime",
    ];
    let own = OWN.iter().filter_map(|p| object.pointer(p)?.as_str());
    let conditions = object.pointer("/status/conditions");
    let conditions = conditions.and_then(Value::as_array).into_iter().flatten();
    let seen = conditions.filter_map(|c| c.get("lastHeartbeatTime")?.as_str());
    let all = own
        .chain(seen)
        .map(str::to_owned)
        .chain(latest_time(object));
    all.filter(|t| is_time(t)).max()
}

/// Is it a time in UTC, as Kubernetes writes it?
fn is_time(text: &str) -> bool {
    let shape = b"0000-00-00T00:00:00";
    text.len() <= 35
        && text.ends_with('Z')
        && text.len() > shape.len()
        && text.bytes().zip(shape).all(|(b, like)| match like {
            b'0' => b.is_ascii_digit(),
            like => b == *like,
        })
        && (text.bytes().skip(shape.len())).all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'Z'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_taken_where_a_writer_leaves_them() {
        let lease = json!({
            "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"renewTime": "2026-03-04T05:06:07.123456Z"},
        });
        assert_eq!(
            times(&lease).as_deref(),
            Some("2026-03-04T05:06:07.123456Z")
        );
        let far = json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"notAfter": "2036-01-01T00:00:00Z"}});
        assert_eq!(times(&far).as_deref(), Some("2026-01-01T00:00:00Z"));
        for none in [
            "yesterday",
            "2026-01-01",
            "9999-99-99T99:99:99\u{1b}Z",
            "2026-01-01T00:00:00+02:00",
        ] {
            assert_eq!(times(&json!({"lastTimestamp": none})), None);
        }
    }
}
