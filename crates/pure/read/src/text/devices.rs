//! Block devices: their numbers, who holds them open, and what lies over them.
//!
//! Sources: lsof, GNU `ls -l` of device files, util-linux `lsblk`.
//! Deliberately absent: disks and partitions by their sizes (`host`).

use defib_model::fact::Value;

use super::Walk;

pub(super) fn read(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    // Of all lines only these are looked at word by word.
    let text = walk.text(at).trim_start();
    if !(text.starts_with('b') || text.contains(" BLK ") || text.contains(" mpath")) {
        return None;
    }
    let words: Vec<String> = walk
        .text(at)
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let value = held(&words)
        .or_else(|| node(walk, &words))
        .or_else(|| multipath(walk, at, &words))?;
    walk.fact(at..at + 1, value);
    Some(at + 1)
}

/// A row of lsof about a block device: program, process, (thread, its name,) user, descriptor, `BLK`,
/// numbers, …, path.
fn held(words: &[&str]) -> Option<Value> {
    let kind = words.iter().position(|w| *w == "BLK")?;
    let path = words.last().filter(|p| p.starts_with("/dev/"))?;
    let numbers = words.get(kind + 1).filter(|n| pair(n, ','))?;
    (kind >= 4).then(|| Value::Holds {
        program: words.first().copied().unwrap_or_default().to_owned(),
        numbers: (*numbers).to_owned(),
        path: (*path).to_owned(),
    })
}

/// A block device in `ls -l`: mode, links, owner, group, `8,`, `80`, date, name.
fn node(walk: &Walk<'_>, words: &[&str]) -> Option<Value> {
    let mode = words
        .first()
        .filter(|m| m.len() >= 10 && m.starts_with('b'))?;
    if !mode.chars().skip(1).take(9).all(|c| "rwx-sStT".contains(c)) || words.len() < 10 {
        return None;
    }
    let numbers = format!("{}{}", words.get(4)?, words.get(5)?);
    if !pair(&numbers, ',') {
        return None;
    }
    let folder = walk.ran("ls").and_then(|c| {
        c.words
            .iter()
            .skip(1)
            .find(|w| !w.starts_with('-'))
            .cloned()
    });
    let name = words.last()?;
    let path = match folder {
        Some(folder) if !name.starts_with('/') => {
            format!("{}/{name}", folder.trim_end_matches('/'))
        }
        _ => (*name).to_owned(),
    };
    Some(Value::BlockDevice { path, numbers })
}

/// A row of lsblk of type `mpath`, and the disk that it lies over.
fn multipath(walk: &Walk<'_>, at: usize, words: &[&str]) -> Option<Value> {
    let kind = words.iter().position(|w| *w == "mpath")?;
    if kind < 2 || !words.iter().any(|w| pair(w, ':')) {
        return None;
    }
    let plain = |w: &str| {
        w.trim_start_matches(['├', '└', '─', '│', '`', '|', '-'])
            .to_owned()
    };
    let over = (0..at).rev().take(8).find_map(|i| {
        let text = walk.text(i);
        let first = text.split_ascii_whitespace().next()?;
        (text.split_ascii_whitespace().any(|w| w == "disk") && plain(first) == first)
            .then(|| first.to_owned())
    })?;
    Some(Value::Multipath {
        name: plain(words.first()?),
        over,
    })
}

/// Two numbers with this mark between them.
fn pair(text: &str, mark: char) -> bool {
    text.split_once(mark).is_some_and(|(a, b)| {
        [a, b]
            .iter()
            .all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use defib_model::fact::Value;

    fn facts(text: &str) -> Vec<Value> {
        super::super::read(text.as_bytes(), 0)
            .facts
            .into_iter()
            .map(|f| f.value)
            .filter(|v| !matches!(v, Value::Ran(_)))
            .collect()
    }

    #[test]
    fn devices_are_known_by_their_numbers() {
        let got = facts(
            "$ ls -l /dev/longhorn\nbrw-rw---- 1 root root  8,  32 Mar  1 10:00 pvc-1\n$ lsof /dev/sdc\nmultipath  77  80 multipath  root  9r  BLK  8,32  0t0  511 /dev/sdc\n",
        );
        assert_eq!(
            got,
            [
                Value::BlockDevice {
                    path: "/dev/longhorn/pvc-1".into(),
                    numbers: "8,32".into()
                },
                Value::Holds {
                    program: "multipath".into(),
                    numbers: "8,32".into(),
                    path: "/dev/sdc".into()
                },
            ]
        );
    }

    #[test]
    fn what_lies_over_a_disk_is_named_with_it() {
        let got = facts("sdc        8:32   0   4G  0 disk\n└─mpathb 253:2    0   4G  0 mpath\n");
        assert_eq!(
            got,
            [Value::Multipath {
                name: "mpathb".into(),
                over: "sdc".into()
            }]
        );
    }
}
