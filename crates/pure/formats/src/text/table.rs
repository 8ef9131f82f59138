//! Tables with aligned columns, as kubectl, df, docker and systemctl print them.
//!
//! A header names the columns, and every value begins below its name; where a value is wider than its
//! column, two spaces still part it from the next. Deliberately absent: what columns mean, and tables
//! without wide space (`narrow`).

use super::narrow;

/// A table: names of the columns and where each begins, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Names, as printed.
    pub names: Vec<String>,
    starts: Vec<usize>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    values: Vec<(String, String)>,
}

impl Row {
    /// These values below these names.
    pub(super) fn new(names: &[String], values: Vec<String>) -> Self {
        Self {
            values: names.iter().cloned().zip(values).collect(),
        }
    }

    /// The value below this name; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.values
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
            .unwrap_or_default()
    }

    /// Does the table have this column?
    pub fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(n, _)| n == name)
    }

    /// The first value.
    pub fn first(&self) -> &str {
        self.values
            .first()
            .map(|(_, v)| v.as_str())
            .unwrap_or_default()
    }
}

/// Cells of a line: they are parted by two or more spaces, or by tabs; with their places in characters.
pub fn columns(line: &str) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut word = String::new();
    let (mut start, mut gap) = (0, 0);
    for (i, c) in line.chars().enumerate() {
        match c {
            ' ' => gap += 1,
            '\t' => gap += 2,
            c => {
                if gap >= 2 && !word.is_empty() {
                    out.push((start, std::mem::take(&mut word)));
                } else if gap == 1 && !word.is_empty() {
                    word.push(' ');
                }
                if word.is_empty() {
                    start = i;
                }
                word.push(c);
                gap = 0;
            }
        }
    }
    if !word.is_empty() {
        out.push((start, word));
    }
    out
}

/// Is this the header of a table: two or more names in capitals and nothing else?
pub fn is_header(line: &str) -> bool {
    if narrow::header(line).is_some() {
        return true;
    }
    let cells = columns(line);
    cells.len() >= 2
        && cells.iter().all(|(_, c)| {
            c.chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')' | '%' | '/' | '_' | '.'))
                && c.starts_with(|c: char| c.is_ascii_uppercase())
                // `cores` and `bytes` of kubectl top.
        } || c.ends_with("(cores)") || c.ends_with("(bytes)"))
}

impl Table {
    /// The table below this header.
    pub fn new(header: &str) -> Self {
        let cells = columns(header);
        if cells.len() < 2
            && let Some(names) = narrow::header(header)
        {
            return Self {
                names,
                starts: Vec::new(),
            };
        }
        let (starts, mut names): (Vec<usize>, Vec<String>) = cells.into_iter().unzip();
        // kubectl before 1.11 wrote it so.
        for name in names.iter_mut().filter(|n| *n == "ACCESSMODES") {
            "ACCESS MODES".clone_into(name);
        }
        Self { names, starts }
    }

    /// Reads one row. Nothing when the line can't be one: fewer than two values, or an indentation that no
    /// column has.
    pub fn row(&self, line: &str) -> Option<Row> {
        let cells = columns(line);
        // One space parts words, not cells: neither header nor row tells places any more.
        if self.starts.is_empty() || (cells.len() < 2 && self.names.len() > 1) {
            return narrow::row(&self.names, line);
        }
        let mut values: Vec<(String, String)> = self
            .names
            .iter()
            .map(|n| (n.clone(), String::new()))
            .collect();
        if cells.len() == self.names.len() {
            for (slot, (_, cell)) in values.iter_mut().zip(cells) {
                slot.1 = cell;
            }
            return Some(Row { values });
        }
        // Some cells are empty, or a value holds wide space: the place decides.
        let mut last = None;
        for (at, cell) in cells
            .into_iter()
            .flat_map(|(at, cell)| self.parted(at, cell))
        {
            let nearest = self.starts.iter().rposition(|s| *s <= at + 1).unwrap_or(0);
            // A value that was pushed to the right by a wide neighbour belongs to the next free column.
            let index = match last {
                Some(previous) if nearest <= previous && previous + 1 < values.len() => {
                    previous + 1
                }
                _ => nearest,
            };
            let slot = values.get_mut(index)?;
            if slot.1.is_empty() {
                slot.1 = cell;
            } else {
                slot.1.push_str("  ");
                slot.1.push_str(&cell);
            }
            last = Some(index);
        }
        Some(Row { values })
    }

    /// The values of a cell that one space alone parts, each below its own name: somebody has put a longer name in.
    fn parted(&self, at: usize, cell: String) -> Vec<(usize, String)> {
        let mut out = Vec::new();
        let (mut start, mut rest) = (at, cell);
        for column in &self.starts {
            let Some(head) = column.checked_sub(start).filter(|head| *head > 0) else {
                continue;
            };
            let split = rest.char_indices().nth(head).map(|(byte, _)| byte);
            if let Some((left, right)) = split.and_then(|byte| rest.split_at_checked(byte))
                && left.ends_with(' ')
            {
                out.push((start, left.trim_end().to_owned()));
                (start, rest) = (*column, right.to_owned());
            }
        }
        out.push((start, rest));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_told_from_text() {
        assert!(is_header("NAME   READY   STATUS    RESTARTS   AGE"));
        assert!(is_header(
            "NAME   CPU(cores)   CPU%   MEMORY(bytes)   MEMORY%"
        ));
        assert!(is_header("NAME   CAPACITY   ACCESS MODES   RECLAIM POLICY"));
        assert!(!is_header("Filesystem      Size  Used"));
        assert!(!is_header("HELLO WORLD"));
        assert!(!is_header("E0310  something failed"));
    }

    #[test]
    fn empty_cells_stay_empty() {
        let t = Table::new("NAME      STATUS    VOLUME   CAPACITY   STORAGECLASS   AGE");
        let r = t
            .row("library   Pending                       local-path     5m")
            .unwrap();
        assert_eq!(
            (
                r.get("NAME"),
                r.get("STATUS"),
                r.get("VOLUME"),
                r.get("STORAGECLASS"),
                r.get("AGE")
            ),
            ("library", "Pending", "", "local-path", "5m")
        );
    }

    #[test]
    fn a_name_that_was_made_longer_leaves_one_space() {
        let t = Table::new("NAME     READY   STATUS    RESTARTS   AGE   NODE");
        let r = t.row("orders-0 0/1     Running   0          3h").unwrap();
        assert_eq!(
            (
                r.get("NAME"),
                r.get("READY"),
                r.get("STATUS"),
                r.get("NODE")
            ),
            ("orders-0", "0/1", "Running", "")
        );
    }

    #[test]
    fn wide_values_push_their_neighbours() {
        let t = Table::new("NAME   READY   STATUS   RESTARTS   AGE");
        let r = t
            .row("a-name-wider-than-its-column   0/1   CrashLoopBackOff   12 (2m ago)   3h")
            .unwrap();
        assert_eq!(
            (r.get("STATUS"), r.get("RESTARTS")),
            ("CrashLoopBackOff", "12 (2m ago)")
        );
    }
}
