//! What `ls` and `find` print: files, and folders with the number of their entries.
//!
//! Source: GNU coreutils (ls). Deliberately absent: names in columns, as `ls` prints them without `-l`.

use defib_model::fact::Value;

use super::super::Walk;
use super::disks::size;

/// Folders in which a file is missed when a whole listing does not show it, and the file: without it a node knows no
/// registry but by its name. Source: k3s `pkg/cli/cmds/agent.go`, rke2 docs.
const SETTLED: &[&str] = &["/etc/rancher/k3s", "/etc/rancher/rke2"];
const SETTINGS: &str = "registries.yaml";

/// The folder that is listed here: the heading above it, as `ls -R` and `ls` of several folders print one, or the one
/// that the command names. Empty where nothing says it.
fn folder(walk: &Walk<'_>) -> String {
    if !walk.folder.is_empty() {
        return walk.folder.clone();
    }
    let mut named = walk
        .ran("ls")
        .into_iter()
        .flat_map(|c| c.words.iter().skip(1))
        .take_while(|w| !matches!(w.as_str(), "|" | ";" | "&&" | "||"))
        .filter(|w| !w.starts_with('-'));
    named.next().cloned().unwrap_or_default()
}

/// `/var/lib/rancher/k3s/server/db:` above `total 8`.
pub(super) fn heading(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    let path = text.strip_suffix(':')?;
    let is_path = path.starts_with('/') && !path.contains(char::is_whitespace);
    if !is_path || !is_total(walk.text(at + 1)) {
        return None;
    }
    path.clone_into(&mut walk.folder);
    Some(at + 1)
}

fn is_total(text: &str) -> bool {
    text.trim()
        .strip_prefix("total ")
        .is_some_and(|n| size(n.trim(), 1).is_some())
}

/// `total 8`, and how many entries follow.
pub(super) fn total(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    if !is_total(text) {
        return None;
    }
    let path = folder(walk);
    let mut entries = 0;
    let mut end = at + 1;
    while walk.is_output(end) {
        let row = walk.text(end).trim();
        if mode(row).is_none() {
            break;
        }
        entries += u64::from(!row.ends_with(" .") && !row.ends_with(" .."));
        end += 1;
    }
    let folder = path.trim_end_matches('/');
    let whole = !walk.is_output(end) && !walk.ran("ls").is_some_and(|c| c.has("|"));
    let is_it = |i: usize| walk.text(i).trim().ends_with(&format!(" {SETTINGS}"));
    if whole && SETTLED.contains(&folder) && !(at + 1..end).any(is_it) {
        let missing = format!("{folder}/{SETTINGS}");
        walk.fact(at..at + 1, Value::NoFile(missing));
    }
    if path.starts_with('/') {
        walk.fact(at..at + 1, Value::Folder(path, entries));
    }
    Some(at + 1)
}

/// The mode at the head of a row of `ls -l`.
fn mode(row: &str) -> Option<&str> {
    let mode = row.split_ascii_whitespace().next()?;
    let is_mode = mode.len() >= 10
        && mode.starts_with(['-', 'd', 'l'])
        && mode
            .chars()
            .skip(1)
            .take(9)
            .all(|c| matches!(c, 'r' | 'w' | 'x' | '-' | 's' | 't' | 'S' | 'T'));
    is_mode.then_some(mode)
}

/// The row without inode and blocks, which `find -ls` and `ls -lis` print ahead of it.
fn row(text: &str) -> &str {
    let is_number = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_digit());
    let mut rest = text.trim_start();
    for _ in 0..2 {
        match rest.split_once(' ') {
            Some((word, more)) if is_number(word) => rest = more.trim_start(),
            _ => return text,
        }
    }
    rest
}

/// A row of `ls -l`: mode, links, owner, group, size, date, name.
pub(super) fn listing(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    let text = row(text);
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let mode = mode(text)?;
    if words.len() < 8 {
        return None;
    }
    let bytes = size(words.get(4)?, 1)?;
    let name = words
        .get(8..)
        .filter(|n| !n.is_empty())
        .unwrap_or(words.get(7..)?)
        .join(" ");
    let folder = folder(walk);
    let path = if name.starts_with('/') || folder.is_empty() {
        name
    } else {
        format!("{}/{name}", folder.trim_end_matches('/'))
    };
    let date = words.get(5..8).unwrap_or_default().join(" ");
    walk.fact(
        at..at + 1,
        Value::File {
            path,
            size: bytes,
            mode: mode.to_owned(),
            date,
        },
    );
    Some(at + 1)
}

/// A path alone on its line, as `find` and `ls -d` print it: an absolute one to a file with an ending.
pub(super) fn path(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    let text = text.trim();
    let (folder, name) = text.rsplit_once('/')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-+@".contains(c);
    let is_path = text.starts_with('/')
        && folder.matches('/').count() >= 2
        && name.chars().any(char::is_alphabetic)
        && (name.contains('.') || folder.ends_with(".d"))
        && text.chars().all(plain);
    if !is_path {
        return None;
    }
    walk.fact(
        at..at + 1,
        Value::File {
            path: text.to_owned(),
            size: 0,
            mode: String::new(),
            date: String::new(),
        },
    );
    Some(at + 1)
}

#[cfg(test)]
mod tests {
    use defib_model::fact::Value;

    use super::super::tests::values;

    #[test]
    fn paths_alone_are_files() {
        let got = values(
            "these are there too:\n/etc/cni/net.d/10-calico.conflist\n/var/lib\n/usr/bin/a b\n",
        );
        assert!(
            matches!(got.as_slice(), [Value::File { path, mode, .. }] if path.ends_with("conflist") && mode.is_empty()),
            "{got:?}"
        );
    }

    #[test]
    fn folders_of_a_listing_are_told_apart() {
        let got = values(
            "# ls -lR /srv /etc/rancher\n/etc/rancher:\ntotal 4\n-rw------- 1 root root 162 2026-11-22 12:28:20.124345432 +0000 config.yaml\n\n/srv:\ntotal 0\n\n# ls -la /tmp/a\ntotal 0\ndrwxr-xr-x 2 root root 4096 Nov 22 12:28 .\ndrwxr-xr-x 2 root root 4096 Nov 22 12:28 ..\n-rw------- 1 root root 5 Nov 22 12:28 b\n",
        );
        let got: Vec<String> = got
            .iter()
            .filter_map(|v| match v {
                Value::Folder(path, n) => Some(format!("{path} {n}")),
                Value::File { path, size, .. } => Some(format!("{path} of {size}")),
                _ => None,
            })
            .collect();
        assert_eq!(
            got,
            [
                "/etc/rancher 1",
                "/etc/rancher/config.yaml of 162",
                "/srv 0",
                "/tmp/a 1",
                "/tmp/a/. of 4096",
                "/tmp/a/.. of 4096",
                "/tmp/a/b of 5"
            ]
        );
    }
}
