//! `cargo xtask journal --out FILE [--megabytes N] [--loud]`: a large journal of k3s to measure with.
//!
//! Quiet: one line of a thousand says something is wrong; loud: one of three. No two lines are alike, and
//! the same numbers give the same bytes. Deliberately absent: realism beyond size and shape.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

/// Lines of a server that is well: `{}` is a number that no other line has.
const WELL: &[&str] = &[
    "time=\"{t}\" level=info msg=\"Handling backend connection request [node-{}]\"",
    "I1121 {c}.{}       1 trace.go:236] Trace[{}]: \"List\" accept:application/json, total time {}ms",
    "{\"level\":\"info\",\"ts\":\"{t}\",\"caller\":\"mvcc/index.go:214\",\"msg\":\"compact tree index\",\"revision\":{}}",
    "{\"level\":\"info\",\"ts\":\"{t}\",\"caller\":\"mvcc/kvstore_compaction.go:68\",\"msg\":\"finished scheduled compaction\",\"compact-revision\":{},\"took\":\"{}ms\"}",
    "I1121 {c}.{}       1 replica_set.go:676] \"Finished syncing\" logger=\"replicaset-controller\" kind=\"ReplicaSet\" key=\"team/app-{}\" duration=\"{}µs\"",
    "I1121 {c}.{}       1 pod_startup_latency_tracker.go:104] \"Observed pod startup duration\" pod=\"team/app-{}\" podStartSLOduration={}",
    "time=\"{t}\" level=info msg=\"Tunnel authorizer set Kubelet Port 0.0.0.0:10250\" connection={}",
    "I1121 {c}.{}       1 reconciler_common.go:245] \"operationExecutor.VerifyControllerAttachedVolume started for volume\" pod=\"team/app-{}\"",
    "time=\"{t}\" level=info msg=\"Event(v1.ObjectReference{Kind:\\\"Pod\\\", Name:\\\"app-{}\\\"}): type: 'Normal' reason: 'Pulled' image {}\"",
    "I1121 {c}.{}       1 controller.go:228] \"Resyncing\" logger=\"endpointslice-controller\" generation={}",
];

/// Lines of a server that is not: the ten signals whose counts are compared.
pub const ILL: &[(&str, &str)] = &[
    (
        "apply request took too long",
        "{\"level\":\"warn\",\"ts\":\"{t}\",\"caller\":\"etcdserver/util.go:170\",\"msg\":\"apply request took too long\",\"took\":\"{}ms\",\"expected-duration\":\"100ms\",\"prefix\":\"read-only range \"}",
    ),
    (
        "slow fdatasync",
        "{\"level\":\"warn\",\"ts\":\"{t}\",\"caller\":\"wal/wal.go:805\",\"msg\":\"slow fdatasync\",\"took\":\"{}ms\",\"expected-duration\":\"1s\"}",
    ),
    (
        "leader failed to send out heartbeat on time",
        "{\"level\":\"warn\",\"ts\":\"{t}\",\"caller\":\"etcdserver/raft.go:416\",\"msg\":\"leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow disk\",\"heartbeat-interval\":\"500ms\",\"exceeded-duration\":\"{}ms\"}",
    ),
    (
        "failed to reach the peer URL",
        "{\"level\":\"warn\",\"ts\":\"{t}\",\"caller\":\"etcdserver/cluster_util.go:294\",\"msg\":\"failed to reach the peer URL\",\"address\":\"https://10.0.0.2:2380/version\",\"remote-member-id\":\"{}\",\"error\":\"dial tcp 10.0.0.2:2380: connect: connection refused\"}",
    ),
    (
        "Failed to test data store connection",
        "time=\"{t}\" level=info msg=\"Failed to test data store connection: context deadline exceeded\" attempt={}",
    ),
    (
        "Failed to update lock",
        "E1121 {c}.{}       1 leaderelection.go:436] Failed to update lock: context deadline exceeded after {}",
    ),
    (
        "no space left on device",
        "E1121 {c}.{}       1 kubelet.go:1480] \"Failed to write\" path=\"/var/lib/kubelet/{}\" err=\"no space left on device\"",
    ),
    (
        "CrashLoopBackOff",
        "E1121 {c}.{}       1 pod_workers.go:1301] \"Error syncing pod, skipping\" err=\"failed to \\\"StartContainer\\\" for \\\"app\\\" with CrashLoopBackOff: \\\"back-off {}s restarting failed container\\\"\" pod=\"team/app-{}\"",
    ),
    (
        "x509: certificate signed by unknown authority",
        "time=\"{t}\" level=error msg=\"Failed to retrieve agent config: x509: certificate signed by unknown authority\" attempt={}",
    ),
    (
        "database is locked",
        "time=\"{t}\" level=error msg=\"error while range on /registry/pods/{}: database is locked\"",
    ),
];

/// Writes a journal of so many bytes, or a little more.
///
/// # Errors
/// When the file can't be written.
pub fn write(path: &Path, bytes: u64, loud: bool) -> std::io::Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    let each = if loud { 3 } else { 1000 };
    let (mut written, mut n) = (0u64, 0u64);
    let mut line = String::new();
    while written < bytes {
        n += 1;
        let seconds = n / 40;
        let (h, m, s) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let day = 1 + seconds / 86_400 % 28;
        let pattern = if n.is_multiple_of(each) {
            ILL.get((n / each) as usize % ILL.len()).map(|i| i.1)
        } else {
            WELL.get(n as usize % WELL.len()).copied()
        };
        line.clear();
        line.push_str(&format!("Nov {day:>2} {h:02}:{m:02}:{s:02} n1 k3s[812]: "));
        let mut rest = pattern.unwrap_or_default();
        let mut number = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
        while let Some(open) = rest.find('{') {
            line.push_str(rest.get(..open).unwrap_or_default());
            let hole = rest.get(open..).unwrap_or_default();
            let length = if hole.starts_with("{t}") {
                line.push_str(&format!("2026-11-{day:02}T{h:02}:{m:02}:{s:02}Z"));
                3
            } else if hole.starts_with("{c}") {
                line.push_str(&format!("{h:02}:{m:02}:{s:02}"));
                3
            } else if hole.starts_with("{}") {
                line.push_str(&number.to_string());
                number = number.wrapping_mul(31).wrapping_add(n) % 1_000_000_007;
                2
            } else {
                line.push('{');
                1
            };
            rest = hole.get(length..).unwrap_or_default();
        }
        line.push_str(rest);
        line.push('\n');
        out.write_all(line.as_bytes())?;
        written += line.len() as u64;
    }
    out.flush()?;
    Ok(n)
}

/// The chore.
#[expect(
    clippy::print_stderr,
    reason = "this is the command line face of the chore"
)]
pub fn run(arguments: Vec<String>) -> ExitCode {
    let value = |flag: &str| {
        arguments
            .iter()
            .position(|a| a == flag)
            .and_then(|i| arguments.get(i + 1))
    };
    let megabytes: u64 = value("--megabytes")
        .and_then(|n| n.parse().ok())
        .unwrap_or(1000);
    let loud = arguments.iter().any(|a| a == "--loud");
    let Some(out) = value("--out") else {
        eprintln!("cargo xtask journal --out FILE [--megabytes N] [--loud]");
        return ExitCode::FAILURE;
    };
    match write(Path::new(out), megabytes * 1_000_000, loud) {
        Ok(lines) => {
            eprintln!("{out}: {lines} lines");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("{out}: {e}");
            ExitCode::FAILURE
        }
    }
}
