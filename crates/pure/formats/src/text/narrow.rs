//! Rows of kubectl's tables whose wide space is lost: retyped, or folded by the page that carried them.
//!
//! Without places an empty cell leaves no trace. But a column of kubectl holds values of one shape (an
//! age, `1/2`, a word of state, a size), so a row can be laid below its header again. A row that fits in
//! two ways is no row. Deliberately absent: guesses, and columns that are not listed here.

use super::table::Row;

/// A column: its name, how many words a value has at most, whether it is ever empty, its shape, and the
/// column that is filled whenever this one is.
struct Column {
    name: &'static str,
    words: usize,
    empty: bool,
    fits: fn(&str) -> bool,
    with: &'static str,
}

const fn col(name: &'static str, fits: fn(&str) -> bool) -> Column {
    Column {
        name,
        words: 1,
        empty: false,
        fits,
        with: "",
    }
}

const fn empty(name: &'static str, fits: fn(&str) -> bool) -> Column {
    Column {
        name,
        words: 1,
        empty: true,
        fits,
        with: "",
    }
}

/// Filled exactly when the other one is.
const fn with(name: &'static str, fits: fn(&str) -> bool, other: &'static str) -> Column {
    Column {
        name,
        words: 1,
        empty: true,
        fits,
        with: other,
    }
}

const fn long(name: &'static str, words: usize, fits: fn(&str) -> bool) -> Column {
    Column {
        name,
        words,
        empty: false,
        fits,
        with: "",
    }
}

/// Source: kubernetes `pkg/printers/internalversion/printers.go`. A claim shows size and modes exactly
/// when it names a volume.
static COLUMNS: &[Column] = &[
    col("NAME", name),
    col("NAMESPACE", plain),
    col("READY", |v| ratio(v) || truth(v)),
    col("STATUS", state),
    long("RESTARTS", 3, restarts),
    col("AGE", is_age),
    with("VOLUME", plain, "CAPACITY"),
    empty("CAPACITY", capacity),
    with("ACCESS MODES", modes, "CAPACITY"),
    empty("STORAGECLASS", plain),
    empty("VOLUMEATTRIBUTESCLASS", |v| v.starts_with('<')),
    empty("VOLUMEMODE", |v| matches!(v, "Filesystem" | "Block")),
    col("RECLAIM POLICY", reclaim),
    empty("CLAIM", |v| {
        v.split_once('/').is_some_and(|(a, b)| plain(a) && plain(b))
    }),
    empty("REASON", camel),
    col("ROLES", |v| none(v) || name(v)),
    col("VERSION", |v| {
        v.strip_prefix('v')
            .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
    }),
    col("IP", |v| none(v) || address(v)),
    col("NODE", |v| none(v) || plain(v)),
    col("NOMINATED NODE", |v| none(v) || name(v)),
    col("READINESS GATES", |v| none(v) || ratio(v)),
    col("INTERNAL-IP", |v| none(v) || address(v)),
    col("EXTERNAL-IP", |v| none(v) || v == "<pending>" || address(v)),
    long("OS-IMAGE", 8, |v| {
        v.starts_with(|c: char| c.is_ascii_uppercase() || c == '<')
    }),
    col("KERNEL-VERSION", |v| {
        v.starts_with(|c: char| c.is_ascii_digit())
    }),
    col("CONTAINER-RUNTIME", |v| v.contains("://")),
    col("TYPE", |v| {
        matches!(
            v,
            "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName"
        )
    }),
    col("CLUSTER-IP", |v| none(v) || v == "None" || address(v)),
    col("PORT(S)", |v| {
        none(v) || v.contains("/TCP") || v.contains("/UDP") || v.contains("/SCTP")
    }),
    col("SELECTOR", |v| none(v) || v.contains('=')),
    col("LABELS", |v| none(v) || v.contains('=')),
    col("UP-TO-DATE", count),
    col("AVAILABLE", count),
    col("DESIRED", count),
    col("CURRENT", count),
    col("PROVISIONER", |v| v.contains('/')),
    col("RECLAIMPOLICY", reclaim),
    col("VOLUMEBINDINGMODE", |v| {
        matches!(v, "Immediate" | "WaitForFirstConsumer")
    }),
    col("ALLOWVOLUMEEXPANSION", |v| {
        matches!(v, "true" | "false" | "<unset>")
    }),
];

fn name(v: &str) -> bool {
    v.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && v.chars().all(|c| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '/' | ',' | '_')
        })
        && !is_age(v)
        && !ratio(v)
        && !count(v)
}

fn plain(v: &str) -> bool {
    name(v) && !v.contains(['/', ','])
}

fn none(v: &str) -> bool {
    v == "<none>"
}

fn count(v: &str) -> bool {
    !v.is_empty() && v.len() < 10 && v.bytes().all(|b| b.is_ascii_digit())
}

fn ratio(v: &str) -> bool {
    v.split_once('/').is_some_and(|(a, b)| count(a) && count(b))
}

fn truth(v: &str) -> bool {
    matches!(v, "True" | "False" | "Unknown")
}

/// `Running`, `Init:0/2`, `Ready,SchedulingDisabled`.
fn state(v: &str) -> bool {
    camel(v.split([',', ':']).next().unwrap_or_default())
        && v.chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, ',' | ':' | '/'))
}

fn camel(v: &str) -> bool {
    v.starts_with(|c: char| c.is_ascii_uppercase())
        && v.chars().all(|c| c.is_ascii_alphanumeric())
        && v.chars().any(|c| c.is_ascii_lowercase())
}

/// `3`, `3 (2m ago)`.
fn restarts(v: &str) -> bool {
    match v.split_once(' ') {
        None => count(v),
        Some((n, rest)) => {
            count(n)
                && rest
                    .strip_prefix('(')
                    .and_then(|r| r.strip_suffix(" ago)"))
                    .is_some_and(is_age)
        }
    }
}

/// `10m`, `3d4h`, `<unknown>`: a span as kubectl prints it.
pub fn is_age(v: &str) -> bool {
    if matches!(v, "<unknown>" | "<invalid>") {
        return true;
    }
    let mut digits = 0;
    let mut units = 0;
    for c in v.chars() {
        match c {
            '0'..='9' => digits += 1,
            's' | 'm' | 'h' | 'd' | 'y' if digits > 0 => {
                units += 1;
                digits = 0;
            }
            _ => return false,
        }
    }
    (1..=3).contains(&units) && digits == 0
}

fn capacity(v: &str) -> bool {
    let digits = v.trim_end_matches(['K', 'M', 'G', 'T', 'P', 'i']);
    count(digits) && v.len() - digits.len() <= 2
}

fn modes(v: &str) -> bool {
    v.split(',').all(|m| {
        matches!(
            m,
            "RWO"
                | "ROX"
                | "RWX"
                | "RWOP"
                | "ReadWriteOnce"
                | "ReadOnlyMany"
                | "ReadWriteMany"
                | "ReadWriteOncePod"
        )
    })
}

fn reclaim(v: &str) -> bool {
    matches!(v, "Retain" | "Delete" | "Recycle")
}

fn address(v: &str) -> bool {
    v.contains(['.', ':'])
        && v.chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | ',' | '-'))
}

fn column(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|c| c.name == name)
}

/// The names of a header with single spaces; nothing unless all of it is columns, of which there are
/// three or more, and names come first.
pub(super) fn header(line: &str) -> Option<Vec<String>> {
    if !line.trim_start().starts_with("NAME") {
        return None;
    }
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    if !matches!(words.first(), Some(&("NAME" | "NAMESPACE"))) {
        return None;
    }
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let two = words.get(at + 1).map(|next| format!("{word} {next}"));
        if let Some(found) = two.as_deref().and_then(column) {
            names.push(found.name.to_owned());
            at += 2;
        } else {
            names.push(column(word)?.name.to_owned());
            at += 1;
        }
    }
    (names.len() >= 3).then_some(names)
}

/// Lays a row below these names, by the shapes of its values. Nothing unless exactly one way fits.
pub(super) fn row(names: &[String], line: &str) -> Option<Row> {
    let columns: Vec<&Column> = names.iter().map(|n| column(n)).collect::<Option<_>>()?;
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    if columns.len() > 16 || words.len() > 32 || words.len() < 2 {
        return None;
    }
    let mut search = Search {
        columns: &columns,
        words: &words,
        cells: Vec::new(),
        found: Vec::new(),
        steps: 0,
    };
    search.from(0, 0);
    if search.steps > STEPS {
        return None;
    }
    let mut found = search.found.into_iter();
    let only = found.next()?;
    if found.next().is_some() {
        return None;
    }
    Some(Row::new(names, only))
}

/// Steps of one search; a row that needs more is no row.
const STEPS: usize = 10_000;

/// The ways in which words can be laid below columns.
struct Search<'a> {
    columns: &'a [&'static Column],
    words: &'a [&'a str],
    cells: Vec<String>,
    found: Vec<Vec<String>>,
    steps: usize,
}

impl Search<'_> {
    fn from(&mut self, column: usize, word: usize) {
        self.steps += 1;
        if self.found.len() > 1 || self.steps > STEPS {
            return;
        }
        let Some(here) = self.columns.get(column) else {
            if word == self.words.len() && self.agrees() {
                self.found.push(self.cells.clone());
            }
            return;
        };
        if here.empty {
            self.cells.push(String::new());
            self.from(column + 1, word);
            self.cells.pop();
        }
        for count in 1..=here.words {
            let Some(part) = self.words.get(word..word + count) else {
                break;
            };
            let value = part.join(" ");
            if (here.fits)(&value) {
                self.cells.push(value);
                self.from(column + 1, word + count);
                self.cells.pop();
            }
        }
    }

    /// Columns that are filled together are.
    fn agrees(&self) -> bool {
        let filled = |name: &str| {
            let at = self.columns.iter().position(|c| c.name == name)?;
            self.cells.get(at).map(|v| !v.is_empty())
        };
        self.columns.iter().all(|c| {
            c.with.is_empty() || filled("VOLUME").is_none() || filled(c.name) == filled(c.with)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Table;

    fn read(header: &str, row: &str, wanted: &[(&str, &str)]) {
        let table = Table::new(header);
        let row = table.row(row).unwrap();
        for (name, value) in wanted {
            assert_eq!(row.get(name), *value, "{name} of {row:?}");
        }
    }

    #[test]
    fn rows_without_wide_space_are_laid_out_again() {
        read(
            "NAME READY STATUS RESTARTS AGE",
            "teapot-7d9c4b5f6d-2wxyz 0/1 CrashLoopBackOff 12 (2m ago) 3h",
            &[
                ("STATUS", "CrashLoopBackOff"),
                ("RESTARTS", "12 (2m ago)"),
                ("AGE", "3h"),
            ],
        );
        read(
            "NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS AGE",
            "ledger Pending slow-disk 10m",
            &[
                ("STATUS", "Pending"),
                ("VOLUME", ""),
                ("STORAGECLASS", "slow-disk"),
                ("AGE", "10m"),
            ],
        );
        read(
            "NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS AGE",
            "ledger Bound vol-3 8Gi RWO slow-disk 10m",
            &[
                ("VOLUME", "vol-3"),
                ("CAPACITY", "8Gi"),
                ("ACCESS MODES", "RWO"),
            ],
        );
        read(
            "NAME CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS REASON AGE",
            "vol-3 8Gi RWO,ROX Retain Available slow-disk 7d",
            &[
                ("CLAIM", ""),
                ("STORAGECLASS", "slow-disk"),
                ("REASON", ""),
                ("STATUS", "Available"),
            ],
        );
        read(
            "NAME STATUS ROLES AGE VERSION",
            "n1 NotReady,SchedulingDisabled control-plane,etcd 53m v1.33.7+k3s1",
            &[
                ("STATUS", "NotReady,SchedulingDisabled"),
                ("VERSION", "v1.33.7+k3s1"),
            ],
        );
    }

    #[test]
    fn what_fits_twice_is_no_row() {
        // A volume without its size, or a class too many?
        let t = Table::new("NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS AGE");
        assert!(t.row("ledger Pending vol-3 slow-disk 10m").is_none());
        let t = Table::new("NAME READY STATUS RESTARTS AGE");
        for text in [
            "the pods are not well",
            "teapot 0/1 CrashLoopBackOff",
            "... (20+ more)",
        ] {
            assert!(t.row(text).is_none(), "{text}");
        }
    }

    #[test]
    fn sentences_in_capitals_are_no_headers() {
        assert!(super::super::is_header("NAME STATUS ROLES AGE VERSION"));
        for text in [
            "NAME AND SHAME",
            "STATUS NAME AGE",
            "NAME AGE",
            "NAME READY NOT READY",
        ] {
            assert!(!super::super::is_header(text), "{text}");
        }
    }
}
