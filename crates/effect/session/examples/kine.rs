//! Makes a database of kine to measure with: `cargo run --release -p defib-session --example kine -- FILE ROWS`.
//!
//! Half of the rows create a pod, half change one; the values are JSON of about a kilobyte. Deliberately absent:
//! kine itself, which takes an hour for as many.

use rusqlite::{Connection, params};

const SCHEMA: &str = "
PRAGMA journal_mode = OFF;
CREATE TABLE kine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER, created INTEGER, deleted INTEGER,
    create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
CREATE INDEX kine_name_index ON kine (name);
CREATE INDEX kine_name_id_index ON kine (name,id);
CREATE INDEX kine_id_deleted_index ON kine (id,deleted);
CREATE INDEX kine_prev_revision_index ON kine (prev_revision);
CREATE UNIQUE INDEX kine_name_prev_revision_uindex ON kine (name, prev_revision);
BEGIN;";

const INSERT: &str = "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value)
    VALUES (?1, ?2, 0, ?3, ?4, 0, ?5, ?6)";

fn pod(n: u64, phase: &str) -> Vec<u8> {
    let rendered = "charts/app/templates/deployment.yaml;".repeat(16);
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"pod-{n:06}","namespace":"team-{:02}","annotations":{{"rendered":"{rendered}"}}}},"spec":{{"nodeName":"node-{:03}","containers":[{{"name":"main","image":"registry.example.net/app:1.{}"}}]}},"status":{{"phase":"{phase}"}}}}"#,
        n % 40,
        n % 100,
        n % 50
    )
    .into_bytes()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(rows)) = (arguments.next(), arguments.next()) else {
        return Err("usage: kine FILE ROWS".into());
    };
    let pods = rows.parse::<u64>()? / 2;
    let connection = Connection::open(&file)?;
    connection.execute_batch(SCHEMA)?;
    let mut insert = connection.prepare(INSERT)?;
    let key = |n: u64| format!("/registry/pods/team-{:02}/pod-{n:06}", n % 40);
    for n in 0..pods {
        insert.execute(params![
            key(n),
            1,
            0,
            0,
            pod(n, "Pending"),
            Option::<Vec<u8>>::None
        ])?;
    }
    for n in 0..pods {
        let first = i64::try_from(n)? + 1;
        insert.execute(params![
            key(n),
            0,
            first,
            first,
            pod(n, "Running"),
            pod(n, "Pending")
        ])?;
    }
    drop(insert);
    connection.execute_batch("COMMIT;")?;
    Ok(())
}
