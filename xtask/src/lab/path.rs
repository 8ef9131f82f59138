//! Where programs are looked for.
//! Deliberately absent: where programs of the lab lie; that is `cache`'s.

use std::ffi::{OsStr, OsString};

/// A user's PATH may lack these, and what keeps a machine running is there.
const SBIN: &str = "/usr/sbin:/sbin";

/// True if a program is in one of the folders of such a list.
pub(crate) fn has(path: &OsStr, program: &str) -> bool {
    std::env::split_paths(path).any(|folder| folder.join(program).is_file())
}

/// PATH.
pub(crate) fn own() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// PATH and the folders of programs for root.
pub(crate) fn with_sbin() -> OsString {
    let mut path = own();
    if !path.is_empty() {
        path.push(":");
    }
    path.push(SBIN);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_for_root_are_added() {
        let path = with_sbin().into_string().unwrap();
        assert!(path.ends_with(":/usr/sbin:/sbin"), "{path}");
        assert!(has("/none-such:/bin".as_ref(), "sh"));
        assert!(!has("/none-such".as_ref(), "sh"));
    }
}
