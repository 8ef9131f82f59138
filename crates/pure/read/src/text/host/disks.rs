//! What is stored where: file systems, mounts, files in a listing.
//! Sources: GNU coreutils (df, ls), util-linux (mount).
//! Deliberately absent: block devices (`devices`).

use defib_model::fact::{FileSystem, Value};

use super::super::Walk;

fn percent(text: &str) -> Option<u64> {
    text.strip_suffix('%')?.parse().ok()
}

/// `3.2G`, `881M`, `8086124` (in units of `block`).
pub(super) fn size(text: &str, block: u64) -> Option<u64> {
    let cut = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ','))
        .unwrap_or(text.len());
    let number: f64 = text.get(..cut)?.replace(',', ".").parse().ok()?;
    let factor = match text.get(cut..)?.trim_end_matches('B').trim_end_matches('i') {
        "" if text.ends_with('B') => 1.0,
        "" => block as f64,
        "K" | "k" => 1024.0,
        "M" => 1024f64.powi(2),
        "G" => 1024f64.powi(3),
        "T" => 1024f64.powi(4),
        "P" => 1024f64.powi(5),
        _ => return None,
    };
    Some((number * factor) as u64)
}

/// `Filesystem … Mounted on` and its rows; also `-T` and `-i`.
pub(super) fn df(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    if !(text.starts_with("Filesystem") && text.contains("Mounted on")) {
        return None;
    }
    let inodes = text.contains("IUse%") || text.contains("Inodes");
    let block = if text.contains("512-blocks") {
        512
    } else {
        1024
    };
    let mut end = at + 1;
    while walk.is_output(end) {
        let words: Vec<String> = walk
            .text(end)
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect();
        // From the right: the mount point, the share, then free, used and size.
        let share = words.iter().position(|w| percent(w).is_some() || w == "-");
        let Some(share) = share.filter(|s| *s >= 3 && s + 1 < words.len()) else {
            break;
        };
        let target = words.get(share + 1..).unwrap_or_default().join(" ");
        let used = words.get(share).and_then(|w| percent(w)).unwrap_or(0);
        let value = if inodes {
            Value::Inodes(target, used)
        } else {
            Value::FileSystem(FileSystem {
                source: words.first().cloned().unwrap_or_default(),
                target,
                size: words
                    .get(share - 3)
                    .and_then(|w| size(w, block))
                    .unwrap_or(0),
                available: words
                    .get(share - 1)
                    .and_then(|w| size(w, block))
                    .unwrap_or(0),
                used,
            })
        };
        walk.fact(end..end + 1, value);
        end += 1;
    }
    Some(end)
}

/// `/dev/sda1 on / type ext4 (rw,relatime)`.
pub(super) fn mount(walk: &Walk<'_>, text: &str) -> Option<Value> {
    if let Some((source, rest)) = text.split_once(" on ")
        && let Some((target, rest)) = rest.split_once(" type ")
        && let Some((fstype, options)) = rest.split_once(" (")
    {
        return Some(Value::Mount {
            source: source.to_owned(),
            target: target.to_owned(),
            fstype: fstype.to_owned(),
            options: options.trim_end_matches(')').to_owned(),
        });
    }
    // /proc/mounts: six fields, the last two numbers.
    let asked = walk
        .command
        .as_ref()
        .is_some_and(|c| c.line.contains("/proc/mounts") || c.line.contains("/etc/mtab"));
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if asked && words.len() == 6 && words.get(1).is_some_and(|t| t.starts_with('/')) {
        return Some(Value::Mount {
            source: (*words.first()?).to_owned(),
            target: (*words.get(1)?).to_owned(),
            fstype: (*words.get(2)?).to_owned(),
            options: (*words.get(3)?).to_owned(),
        });
    }
    None
}

/// A row of `ls -l`: mode, links, owner, group, size, date, name.
pub(super) fn listing(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let mode = *words.first()?;
    let is_mode = mode.len() >= 10
        && mode.starts_with(['-', 'd', 'l'])
        && mode
            .chars()
            .skip(1)
            .take(9)
            .all(|c| matches!(c, 'r' | 'w' | 'x' | '-' | 's' | 't' | 'S' | 'T'));
    if !is_mode || words.len() < 8 {
        return None;
    }
    let bytes = size(words.get(4)?, 1)?;
    let name = words
        .get(8..)
        .filter(|n| !n.is_empty())
        .unwrap_or(words.get(7..)?)
        .join(" ");
    let folder = walk
        .ran("ls")
        .and_then(|c| {
            c.words
                .iter()
                .skip(1)
                .find(|w| !w.starts_with('-'))
                .cloned()
        })
        .unwrap_or_default();
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
    fn file_systems_are_read() {
        let got = values(
            "$ df -h\nFilesystem      Size  Used Avail Use% Mounted on\n/dev/sda1       100G   99G  1.0G  99% /\n",
        );
        assert!(
            matches!(&got[0], Value::FileSystem(f) if f.target == "/" && f.used == 99 && f.available == 1 << 30),
            "{got:?}"
        );
    }
}
