//! What is stored where: file systems and mounts.
//! Sources: GNU coreutils (df), util-linux (mount, findmnt).
//! Deliberately absent: block devices (`devices`), files in a listing (`folders`).

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

/// `/dev/sda5  22092264 21045684  0  100% /`.
fn is_row(text: &str) -> bool {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, size_, used, free, share, target, ..] = words.as_slice() else {
        return false;
    };
    [size_, used, free].iter().all(|w| size(w, 1024).is_some())
        && percent(share).is_some()
        && target.starts_with('/')
}

/// `Filesystem … Mounted on` and its rows; also `-T` and `-i`.
pub(super) fn df(walk: &mut Walk<'_>, at: usize, text: &str) -> Option<usize> {
    let headed = text.starts_with("Filesystem") && text.contains("Mounted on");
    // Somebody left the head out; the command tells what the row is.
    if !headed && (walk.ran("df").is_none() || !is_row(text)) {
        return None;
    }
    let inodes = text.contains("IUse%") || text.contains("Inodes");
    let block = if text.contains("512-blocks") {
        512
    } else {
        1024
    };
    let mut end = at + usize::from(headed);
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
    found(walk, &words)
}

/// A row of `findmnt`, with the branches of its tree before the target.
fn found(walk: &Walk<'_>, words: &[&str]) -> Option<Value> {
    let command = walk.ran("findmnt")?;
    let words: Vec<&str> = words
        .iter()
        .map(|w| w.trim_start_matches(['│', '├', '└', '─', '|', '`', '-']))
        .filter(|w| !w.is_empty())
        .collect();
    let columns: Vec<String> = command
        .option("-o", "--output")
        .unwrap_or("TARGET,SOURCE,FSTYPE,OPTIONS")
        .split(',')
        .map(str::to_ascii_uppercase)
        .collect();
    let column = |ending: &str| {
        let at = columns.iter().position(|c| c.ends_with(ending))?;
        words.get(at).map(|w| (*w).to_owned())
    };
    let target = column("TARGET").filter(|t| t.starts_with('/'))?;
    (words.len() == columns.len()).then(|| Value::Mount {
        source: column("SOURCE").unwrap_or_default(),
        target,
        fstype: column("FSTYPE").unwrap_or_default(),
        options: column("OPTIONS").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use defib_model::fact::Value;

    use super::super::tests::values;

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

    #[test]
    fn mounts_are_read_however_they_are_shown() {
        let got = values(
            "# findmnt\nTARGET              SOURCE     FSTYPE OPTIONS\n/                   /dev/sda1  ext4   rw,relatime\n├─/proc             proc       proc   rw,nosuid\n│ └─/var/lib/rancher /dev/sdb1 xfs    ro,noatime\n# findmnt -n -o TARGET,FSTYPE,VFS-OPTIONS\n└─/data ext4 ro,relatime\n",
        );
        let got: Vec<String> = got
            .iter()
            .filter_map(|v| match v {
                Value::Mount {
                    source,
                    target,
                    fstype,
                    options,
                } => Some(format!("{target} {source} {fstype} {options}")),
                _ => None,
            })
            .collect();
        assert_eq!(
            got,
            [
                "/ /dev/sda1 ext4 rw,relatime",
                "/proc proc proc rw,nosuid",
                "/var/lib/rancher /dev/sdb1 xfs ro,noatime",
                "/data  ext4 ro,relatime"
            ]
        );
    }
}
