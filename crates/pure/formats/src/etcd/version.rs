//! Which versions of etcd may open a database.
//!
//! Sources: `server/storage/schema/schema.go` (`UnsafeDetectSchemaVersion`), `server/etcdserver/version/downgrade.go`
//! (`MustDetectDowngrade`). Deliberately absent: what a later version makes of it.

use super::Meta;

/// The versions that may open it: the one that wrote it last, and the next, which takes it over. The error says
/// why that is not known. `cluster` is the version that the members agreed on, which a log may know better than the
/// database.
pub fn openers(meta: &Meta, cluster: Option<&str>) -> Result<String, &'static str> {
    let storage = match &meta.storage_version {
        Some(said) => Some(minor(said).ok_or("the version of its storage does not hold")?),
        // Written since 3.5, and from 3.6 on beside a version.
        None => meta.term.filter(|t| *t > 0).map(|_| (3, 5)),
    };
    let cluster = cluster.and_then(minor);
    let Some((major, minor)) = storage.max(cluster) else {
        return Err("it names no version, as before etcd 3.5 or before its first entry");
    };
    Ok(format!(
        "etcd {major}.{minor} or {major}.{}",
        minor.saturating_add(1)
    ))
}

/// Major and minor of `3.6.0`.
fn minor(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_of_storage_and_cluster_counts() {
        let of = |storage: Option<&str>, cluster: Option<&str>, term: u64| {
            let meta = Meta {
                storage_version: storage.map(str::to_owned),
                term: Some(term),
                ..Meta::default()
            };
            openers(&meta, cluster).ok()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of(Some("3.6.0"), Some("3.6.0"), 4), some("etcd 3.6 or 3.7"));
        assert_eq!(of(None, Some("3.5.0"), 4), some("etcd 3.5 or 3.6"));
        // A cluster that has just been upgraded: 3.5 refuses it by the version of the cluster.
        assert_eq!(of(None, Some("3.6.0"), 4), some("etcd 3.6 or 3.7"));
        assert_eq!(of(None, Some("3.4.0"), 0), some("etcd 3.4 or 3.5"));
        assert_eq!(of(None, None, 0), None);
        assert_eq!(of(Some("new"), None, 2), None);
    }
}
