//! Makes a database of kine to measure with: `cargo run --release -p defib-session --example kine -- FILE ROWS`.
//!
//! Half of the rows create a pod, half change one; the values are Kubernetes' own protobuf, of about
//! 700 bytes. Deliberately absent: kine itself, which takes an hour for as many.

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

/// A field of a message: its number, and a text or message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}

/// A pod as an API server stores it: `k8s\0`, and `runtime.Unknown` around the message.
fn pod(n: u64, phase: &str) -> Vec<u8> {
    let name = format!("pod-{n:06}");
    let namespace = format!("team-{:02}", n % 40);
    let rendered = "charts/app/templates/deployment.yaml;".repeat(16);
    let annotation = [field(1, b"rendered"), field(2, rendered.as_bytes())].concat();
    let metadata = [
        field(1, name.as_bytes()),
        field(3, namespace.as_bytes()),
        field(12, &annotation),
    ]
    .concat();
    let image = format!("registry.example.net/app:1.{}", n % 50);
    let container = [field(1, b"main"), field(2, image.as_bytes())].concat();
    let object = [
        field(1, &metadata),
        field(2, &field(2, &container)),
        field(3, &field(1, phase.as_bytes())),
    ]
    .concat();
    let kind = [field(1, b"v1"), field(2, b"Pod")].concat();
    let unknown = [
        field(1, &kind),
        field(2, &object),
        field(3, b""),
        field(4, b""),
    ]
    .concat();
    [b"k8s\0".as_slice(), &unknown].concat()
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
