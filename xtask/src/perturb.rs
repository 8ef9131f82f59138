//! `cargo xtask perturb --seed N --out DIR CORPUS`: the same incidents under other names.
//!
//! Hosts, generated parts of pods' names, addresses and years are exchanged, everywhere alike in one
//! case (its answer key included), and files are called `a`, `b`, …: what is left is what the evidence
//! means. A score that changes shows a rule that knows a paste instead of a meaning.
//! Deliberately absent: names of programs and images; they say who speaks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The chore.
#[expect(
    clippy::print_stderr,
    reason = "this is the command line face of the chore"
)]
pub fn run(arguments: Vec<String>) -> ExitCode {
    match work(&arguments) {
        Ok(cases) => {
            eprintln!("{cases} cases");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}\ncargo xtask perturb --seed N --out DIR CORPUS");
            ExitCode::FAILURE
        }
    }
}

fn work(arguments: &[String]) -> Result<usize, String> {
    let option = |name: &str| {
        arguments
            .iter()
            .position(|a| a == name)
            .and_then(|i| arguments.get(i + 1))
            .cloned()
    };
    let seed: u64 = option("--seed")
        .and_then(|s| s.parse().ok())
        .ok_or("--seed wants a number")?;
    let out = PathBuf::from(option("--out").ok_or("--out wants a folder")?);
    let corpus = PathBuf::from(arguments.last().ok_or("which corpus?")?);
    let mut cases = 0;
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&corpus)
        .map_err(|e| format!("{}: {e}", corpus.display()))?
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.join("case.json").is_file())
        .collect();
    folders.sort();
    for folder in folders {
        let name = folder.file_name().unwrap_or_default();
        one(&folder, &out.join(name), seed).map_err(|e| format!("{}: {e}", folder.display()))?;
        cases += 1;
    }
    Ok(cases)
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}

fn one(from: &Path, to: &Path, seed: u64) -> std::io::Result<()> {
    let mut list = Vec::new();
    files(&from.join("evidence"), &mut list)?;
    list.sort();
    let texts: Vec<String> = list
        .iter()
        .map(|p| Ok(String::from_utf8_lossy(&std::fs::read(p)?).into_owned()))
        .collect::<std::io::Result<_>>()?;
    let names = Names::new(&texts, seed);
    std::fs::create_dir_all(to.join("evidence"))?;
    for (i, text) in texts.iter().enumerate() {
        let label: String = if i < 26 {
            char::from(b'a' + i as u8).to_string()
        } else {
            format!("z{i}")
        };
        std::fs::write(to.join("evidence").join(label), names.apply(text))?;
    }
    let key = std::fs::read_to_string(from.join("case.json"))?;
    let mut key: serde_json::Value = serde_json::from_str(&key)?;
    if let Some(lines) = key
        .get_mut("decisive_evidence")
        .and_then(|l| l.as_array_mut())
    {
        for line in lines {
            if let Some(text) = line.as_str() {
                *line = names.apply(text).into();
            }
        }
    }
    std::fs::write(to.join("case.json"), key.to_string())
}

/// What is exchanged for what.
struct Names {
    words: BTreeMap<String, String>,
    seed: u64,
}

impl Names {
    fn new(texts: &[String], seed: u64) -> Self {
        let mut words = BTreeMap::new();
        let mut hosts = 0;
        for text in texts {
            for line in text.lines() {
                if let Some(host) = host_of(line) {
                    hosts += 1;
                    words
                        .entry(host)
                        .or_insert_with(|| format!("box{}{}", seed % 10, letters(hosts)));
                }
                for word in line.split(|c: char| !is_name(c)) {
                    if let Some((stem, new)) = generated(word, seed) {
                        words
                            .entry(word.to_owned())
                            .or_insert(format!("{stem}-{new}"));
                    }
                }
            }
        }
        Self { words, seed }
    }

    fn apply(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut word = String::new();
        for c in text.chars().chain(std::iter::once('\n')) {
            if is_name(c) {
                word.push(c);
                continue;
            }
            out.push_str(&self.word(&word));
            word.clear();
            out.push(c);
        }
        out.pop();
        out
    }

    fn word(&self, word: &str) -> String {
        if let Some(new) = self.words.get(word) {
            return new.clone();
        }
        if let Some(new) = address(word, self.seed) {
            return new;
        }
        // `2026-03-10T11`, and the year alone as `date` writes it: all by the same number of years.
        let year = word.get(..4).filter(|y| {
            (word.len() == 4 || word.as_bytes().get(4) == Some(&b'-'))
                && y.parse::<u32>().is_ok_and(|y| (2000..2030).contains(&y))
        });
        match year.and_then(|y| y.parse::<u64>().ok()) {
            // Four years on, leap years stay leap years.
            Some(y) => format!(
                "{}{}",
                y + 4 * (1 + self.seed % 3),
                word.get(4..).unwrap_or_default()
            ),
            None => word.to_owned(),
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.')
}

fn letters(n: usize) -> String {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    format!("{}{}", letter(n), letter(n / 26))
}

/// The host of a journal's line (`Mar 10 11:00:00 n1 k3s[1]: …`) or of a prompt (`root@n1:~#`).
fn host_of(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let plain = |h: &str| {
        h.len() > 2 && h.chars().all(is_name) && h.contains(|c: char| c.is_ascii_alphabetic())
    };
    if words.first().is_some_and(|w| months.contains(w))
        && words.get(2).is_some_and(|t| t.matches(':').count() == 2)
        && words.get(4).is_some_and(|u| u.ends_with(':'))
    {
        return words.get(3).filter(|h| plain(h)).map(|h| (*h).to_owned());
    }
    let (_, rest) = line.trim_start_matches('[').split_once('@')?;
    let host = rest.split([':', ' ']).next()?;
    (line.contains("# ") || line.contains("$ "))
        .then(|| host.to_owned())
        .filter(|h| plain(h) && h != "localhost")
}

/// The stem of a pod's name and another ending: `web-6b78556b99-mcpwh` of a ReplicaSet.
fn generated(word: &str, seed: u64) -> Option<(String, String)> {
    let mut parts: Vec<&str> = word.split('-').collect();
    let (end, hash) = (parts.pop()?, parts.pop()?);
    let safe = |s: &str| s.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c));
    if parts.is_empty()
        || end.len() != 5
        || !safe(end)
        || !(8..=10).contains(&hash.len())
        || !safe(hash)
    {
        return None;
    }
    let turn = |s: &str| -> String {
        let letters: Vec<char> = "bcdfghjklmnpqrstvwxz2456789".chars().collect();
        s.chars()
            .filter_map(|c| {
                let at = letters.iter().position(|l| *l == c)?;
                letters
                    .get((at + 1 + seed as usize) % letters.len())
                    .copied()
            })
            .collect()
    };
    Some((parts.join("-"), format!("{}-{}", turn(hash), turn(end))))
}

/// Another address of the same network and kind: the last octet is exchanged, the ends of a network stay.
fn address(word: &str, seed: u64) -> Option<String> {
    let octets: Vec<u8> = word
        .split('.')
        .map(|o| o.parse().ok())
        .collect::<Option<_>>()?;
    let [a, b, c, d] = octets.as_slice() else {
        return None;
    };
    let known =
        matches!((a, b), (0 | 127 | 255, _) | (169, 254)) || (*a == *b && *b == *c && *c == *d);
    // A service range and its first addresses have meanings; 53 stands for nothing here, .1 is a gateway.
    if known || *d < 12 || *d > 253 || (*a == 10 && (*b == 43 || *b == 96)) {
        return None;
    }
    let d = 12 + (u64::from(*d) - 12 + 7 * (1 + seed)) % 242;
    Some(format!("{a}.{b}.{c}.{d}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_one_thing_stays_one_thing() {
        let text = "Mar 10 11:00:00 nodex k3s[1]: 2026-03-10 192.0.2.77 web-6b78556b99-mcpwh\nroot@nodex:~# ping 192.0.2.77".to_owned();
        let names = Names::new(std::slice::from_ref(&text), 1);
        let got = names.apply(&text);
        assert!(
            !got.contains("nodex") && !got.contains("192.0.2.77") && !got.contains("6b78556b99"),
            "{got}"
        );
        assert!(
            got.contains("k3s[1]") && got.contains("2034-03-10") && got.contains(" web-"),
            "{got}"
        );
        let address = got.split(' ').next_back().unwrap_or_default();
        assert_eq!(got.matches(address).count(), 2, "{got}");
    }

    #[test]
    fn what_has_a_meaning_stays() {
        for word in [
            "127.0.0.1",
            "10.43.0.10",
            "169.254.1.1",
            "192.0.2.0",
            "8.8.8.8",
            "1.2.3",
        ] {
            assert_eq!(address(word, 3), None, "{word}");
        }
    }
}
