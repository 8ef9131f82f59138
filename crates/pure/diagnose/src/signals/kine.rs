//! kine and its sqlite: the datastore of a k3s without etcd.
//! Source: kine `pkg/drivers`, `pkg/logstructured/sqllog`, `pkg/server`, `pkg/endpoint`; sqlite `src/main.c`.
//!
//! Deliberately absent: sqlite's words in other programs' mouths; a pattern asks for kine around them.

use defib_model::signal::{Mark, Signal};

const fn signal(
    id: &'static str,
    anchor: &'static str,
    pattern: &'static str,
    mark: Mark,
    source: &'static str,
) -> Signal {
    super::signal(id, anchor, pattern, "kine", mark, source)
}

/// The table.
pub static SIGNALS: &[Signal] = &[
    signal(
        "kine.storage-endpoint",
        "creating storage endpoint",
        "creating storage endpoint:? ?(.*)",
        Mark::Symptom,
        "k3s: pkg/cluster/cluster.go",
    ),
    signal(
        "kine.setup",
        "setup db",
        "(?:setup db:|failed to setup db).*",
        Mark::Symptom,
        "kine: pkg/drivers/sqlite/sqlite.go",
    ),
    signal(
        "kine.ping",
        "Failed to ping database connection",
        "",
        Mark::Symptom,
        "kine: pkg/drivers/generic/generic.go",
    ),
    signal(
        "kine.malformed",
        "database disk image is malformed",
        r"(?:kine|k3s|[cC]ompact|txn|COMPACT|[tT]ransaction|setup db|storage endpoint|/registry/|state\.db|latest changes|TTL).*database disk image is malformed",
        Mark::Cause,
        "sqlite: src/main.c",
    ),
    signal(
        "kine.locked",
        "database is locked",
        r"(?:kine|k3s|[cC]ompact|txn|COMPACT|[tT]ransaction|setup db|storage endpoint|/registry/|state\.db|latest changes|TTL|[lL]ease|level=error msg=\x22error while range).*database is locked|database is locked.*(?:kine|/registry/|compact)",
        Mark::Symptom,
        "sqlite: src/main.c",
    ),
    signal(
        "kine.table-locked",
        "database table is locked",
        "database table is locked",
        Mark::Symptom,
        "sqlite: src/main.c",
    ),
    signal(
        "kine.disk-io",
        "disk I/O error",
        r"(?:kine|k3s|[cC]ompact|txn|[tT]ransaction|setup db|storage endpoint|/registry/|state\.db|latest changes|TTL).*disk I/O error",
        Mark::Symptom,
        "sqlite: src/main.c",
    ),
    signal(
        "kine.full",
        "database or disk is full",
        "database or disk is full",
        Mark::Symptom,
        "sqlite: src/main.c",
    ),
    signal(
        "kine.range",
        "error while range on",
        r"error while range on (\S+)",
        Mark::Symptom,
        "kine: pkg/server/kv.go",
    ),
    signal(
        "kine.txn",
        "error in txn",
        "error in txn: (.*)",
        Mark::Symptom,
        "kine: pkg/server/kv.go",
    ),
    signal(
        "kine.slow-sql",
        "Slow SQL",
        "Slow SQL",
        Mark::Symptom,
        "kine: pkg/metrics/metrics.go",
    ),
    signal(
        "kine.compact-failed",
        "ompact failed",
        "[cC]ompact failed: (.*)",
        Mark::Symptom,
        "kine: pkg/logstructured/sqllog/sql.go",
    ),
    signal(
        "kine.compact-revision",
        "failed to compact",
        "failed to compact (?:to revision|to|after|database)(.*)",
        Mark::Symptom,
        "kine: pkg/logstructured/sqllog/sql.go",
    ),
    signal(
        "kine.compacted",
        "COMPACT deleted ",
        r"COMPACT deleted (\d+) rows from (\d+) revisions",
        Mark::Progress,
        "kine: pkg/logstructured/sqllog/sql.go",
    ),
    signal(
        "kine.compact-slow",
        "COMPACT ",
        r"COMPACT (?:compact|current|target)\S*",
        Mark::Progress,
        "kine: pkg/logstructured/sqllog/sql.go",
    ),
    signal(
        "kine.checkpoint",
        "checkpoint",
        "(?:wal_checkpoint|WAL checkpoint|[cC]heckpoint(?:ing)?) (?:failed|error|returned busy)|failed to (?:checkpoint|run wal_checkpoint).*",
        Mark::Symptom,
        "kine: pkg/drivers/sqlite/sqlite.go",
    ),
    signal(
        "kine.commit-failed",
        "Transaction commit failed",
        "Transaction commit failed:? ?(.*)",
        Mark::Symptom,
        "kine: pkg/drivers/generic/tx.go",
    ),
    signal(
        "kine.rollback-failed",
        "Transaction rollback failed",
        "Transaction rollback failed:? ?(.*)",
        Mark::Symptom,
        "kine: pkg/drivers/generic/tx.go",
    ),
    signal(
        "kine.latest-changes",
        "to list latest changes",
        "[fF]ailed? to list latest changes|fail to list latest changes",
        Mark::Symptom,
        "kine: pkg/logstructured/sqllog/sql.go",
    ),
    signal(
        "kine.vacuum-failed",
        "Startup VACUUM failed",
        "",
        Mark::Symptom,
        "kine: pkg/drivers/sqlite/sqlite.go",
    ),
    signal(
        "kine.exited",
        "Kine G",
        "Kine G(?:PRC|RPC) server exited",
        Mark::Symptom,
        "kine: pkg/endpoint/endpoint.go",
    ),
];
