//! Which tables a database has, as far as one of them is looked for.
//!
//! SQLite keeps the words that made a table. Only plain definitions are understood: columns by name, the first of
//! them the id. Deliberately absent: a parser of SQL; what is made in another way is refused.

use super::record::{Value, fields};
use super::tree::Table;
use super::{OpenError, Pages, Reached};
use crate::bbolt::Walked;
use crate::read_at::ReadAt;

/// A table, as it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// The page at its root.
    pub root: u32,
    /// The words that made it.
    pub sql: String,
}

/// Bytes of a definition at most.
const LARGEST: u64 = 1 << 20;

pub(super) fn find<M: ReadAt, L: ReadAt>(
    pages: &Pages<M, L>,
    name: &str,
) -> Result<Option<Definition>, OpenError> {
    let list = Table::new(pages, 1);
    let (mut found, mut walked, mut record) = (None, Walked::default(), Vec::new());
    let mut reached = Reached::default();
    list.walk((i64::MIN, i64::MAX), &mut walked, &mut |cell, walked| {
        if cell.length > LARGEST {
            return;
        }
        if let Err(damage) = list.payload(cell, &mut reached, &mut record) {
            return walked.note(damage.offset, damage.what);
        }
        let of = match fields(&record, cell.length) {
            Ok(of) => of,
            Err(why) => return walked.note(cell.offset, format!("row {} {why}", cell.id)),
        };
        let mut of = of.map(|f| f.value);
        let mut next = || of.next().flatten();
        let (kind, called, _, root, sql) = (next(), next(), next(), next(), next());
        if let (Some(Value::Text(b"table")), Some(Value::Text(called))) = (kind, called)
            && called == name.as_bytes()
            && let (Some(Value::Integer(root)), Some(Value::Text(sql))) = (root, sql)
            && let Ok(root) = u32::try_from(root)
        {
            let sql = String::from_utf8_lossy(sql).into_owned();
            found = Some(Definition { root, sql });
        }
    });
    match (found, walked.damage.first()) {
        (None, Some(damage)) => Err(OpenError::Schema(damage.to_string())),
        (found, _) => Ok(found),
    }
}

impl Definition {
    /// The names of its columns in the order of its records; the first is the id, which no record holds. `None` for
    /// what was made in another way.
    pub fn columns(&self) -> Option<Vec<String>> {
        let inner = self
            .sql
            .get(self.sql.find('(')? + 1..self.sql.rfind(')')?)?;
        let behind = self.sql.get(self.sql.rfind(')')? + 1..)?;
        let is_plain = |text: &str| {
            text.chars()
                .all(|c| c.is_alphanumeric() || c.is_whitespace() || matches!(c, '_' | ',' | '"'))
        };
        if !behind.trim().is_empty() || !is_plain(inner) {
            return None;
        }
        let columns: Vec<Vec<&str>> = inner
            .split(',')
            .map(|column| column.split_whitespace().collect())
            .collect();
        let id: Vec<String> = columns
            .first()?
            .iter()
            .map(|word| word.to_ascii_uppercase())
            .collect();
        let rest: Vec<&str> = id.iter().skip(1).map(String::as_str).collect();
        if !matches!(
            rest[..],
            ["INTEGER", "PRIMARY", "KEY"] | ["INTEGER", "PRIMARY", "KEY", "AUTOINCREMENT"]
        ) {
            return None;
        }
        // Computed columns and constraints of the table would stand in no record.
        let odd = ["AS", "GENERATED", "CONSTRAINT", "CHECK", "FOREIGN"];
        let is_odd = |word: &&str| odd.iter().any(|o| o.eq_ignore_ascii_case(word));
        if columns.iter().flatten().any(is_odd) {
            return None;
        }
        columns
            .iter()
            .map(|words| Some(words.first()?.trim_matches('"').to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_plain_tables() {
        let of = |sql: &str| {
            let sql = sql.to_owned();
            Definition { root: 2, sql }.columns()
        };
        let kine = "CREATE TABLE kine\n\t(\n\t\tid INTEGER PRIMARY KEY AUTOINCREMENT,\n\t\tname TEXT, \"value\" BLOB)";
        assert_eq!(of(kine).unwrap(), ["id", "name", "value"]);
        for odd in [
            "CREATE TABLE kine(id INTEGER, name TEXT)",
            // Not another name of the id.
            "CREATE TABLE kine(id INTEGER PRIMARY KEY DESC, name TEXT)",
            "CREATE TABLE kine(id INTEGER PRIMARY KEY, name TEXT) WITHOUT ROWID",
            "CREATE TABLE kine(id INTEGER PRIMARY KEY, name TEXT AS ('x'))",
            "CREATE TABLE kine(id INTEGER PRIMARY KEY, PRIMARY KEY (id))",
            "CREATE TABLE kine(id INTEGER PRIMARY KEY, b TEXT, CONSTRAINT x UNIQUE)",
            "kine",
            ")(",
            "",
        ] {
            assert_eq!(of(odd), None, "{odd}");
        }
    }
}
