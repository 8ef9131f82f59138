//! The casebook: every page under `cases/` is a test, and every firing section passes the gates.
//!
//! A page holds sections (`## …`), each with evidence in fenced blocks (`yaml file=NAME`, `json …`,
//! `log …`) and a `findings` block with what `diagnose` must say about it. `UPDATE_CASES=1` rewrites
//! the blocks for a person to review.
//!
//! Gates, for every section that names a cause:
//! - necessity: without the lines that the cause cites, it is not named any more;
//! - sufficiency: with only the documents that are cited or named, it still is;
//! - noise: healthy objects, a roll-out that just began and a healthy journal change nothing;
//! - order: renamed and reordered files change nothing.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod folder;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use defib_model::report::{Report, Verdict};

type Files = BTreeMap<String, String>;

fn diagnose(files: &Files) -> Report {
    let files: Vec<_> = files.iter().map(|(n, t)| (n.as_str(), t)).collect();
    folder::diagnose(&files)
}

/// What a report says, in the form of a `findings` block.
fn said(report: &Report) -> String {
    let mut out = format!(
        "verdict {}\n",
        match report.verdict {
            Verdict::RootCause => "root-cause",
            Verdict::Unknown => "unknown",
            Verdict::Healthy => "healthy",
        }
    );
    let mut lines: Vec<String> = report
        .root_causes
        .iter()
        .map(|c| format!("{} {} {}\n", c.code, c.class, c.entity))
        .collect();
    lines.extend(
        report
            .candidates
            .iter()
            // The others are what the question decides between; no rule found them.
            .filter(|c| !c.title.is_empty())
            .map(|c| format!("candidate {} {}\n", c.class, c.entity)),
    );
    lines.sort();
    out.extend(lines);
    out
}

struct Section {
    title: String,
    files: Files,
    findings: Option<String>,
}

fn sections(page: &str) -> Vec<Section> {
    let mut out: Vec<Section> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            out.push(Section {
                title: title.to_owned(),
                files: Files::new(),
                findings: None,
            });
        } else if let Some(info) = line.strip_prefix("```") {
            let mut body = String::new();
            for line in lines.by_ref() {
                if line == "```" {
                    break;
                }
                body.push_str(line);
                body.push('\n');
            }
            let Some(section) = out.last_mut() else {
                continue;
            };
            if info == "findings" {
                section.findings = Some(body);
            } else if let Some(name) = info.split(' ').find_map(|w| w.strip_prefix("file=")) {
                assert!(
                    section.files.insert(name.to_owned(), body).is_none(),
                    "{name} stands twice"
                );
            }
        }
    }
    out
}

fn classes(report: &Report) -> BTreeSet<(String, String)> {
    report
        .root_causes
        .iter()
        .map(|c| (c.class.clone(), c.entity.to_string()))
        .collect()
}

/// Lines that a quotation covers: as many as it takes to write its words again.
fn cited_lines(text: &str, line: u64, quote: &str) -> BTreeSet<usize> {
    let squeeze = |s: &str| {
        s.split_whitespace()
            .collect::<String>()
            .replace("\\\"", "\"")
    };
    let want = squeeze(quote);
    let mut out = BTreeSet::new();
    let mut got = String::new();
    for (i, l) in text
        .lines()
        .enumerate()
        .skip((line as usize).saturating_sub(1))
    {
        out.insert(i);
        got.push_str(&squeeze(l));
        if got.contains(&want) || got.len() > want.len() + 2000 {
            break;
        }
    }
    out
}

fn without(files: &Files, cuts: &BTreeMap<String, BTreeSet<usize>>) -> Files {
    files
        .iter()
        .map(|(name, text)| {
            let none = BTreeSet::new();
            let cut = cuts.get(name).unwrap_or(&none);
            let kept: String = text
                .lines()
                .enumerate()
                .filter(|(i, _)| !cut.contains(i))
                .map(|(_, l)| format!("{l}\n"))
                .collect();
            (name.clone(), kept)
        })
        .collect()
}

/// A quotation without what is made up for each occasion: names that end in generated letters, numbers.
fn gist(quote: &str) -> String {
    // The field's name says where it was said, not what.
    let said = quote.strip_prefix("message: ").unwrap_or(quote);
    said.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.')))
        .filter(|w| w.len() > 1 && !w.contains(|c: char| c.is_ascii_digit()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Does this say again what one of those said? A refusal stands in many events, in the owner's status
/// and in its owner's; a cause cites the first few.
fn said_before(quotes: &[String], quote: &str) -> bool {
    let new = gist(quote);
    quotes.iter().any(|old| {
        let old = gist(old);
        !old.is_empty() && !new.is_empty() && (old.contains(&new) || new.contains(&old))
    })
}

fn necessity(files: &Files, report: &Report) {
    for cause in &report.root_causes {
        assert!(!cause.evidence.is_empty(), "{} cites nothing", cause.code);
        let first: Vec<String> = cause.evidence.iter().map(|e| e.text.clone()).collect();
        let mut left = files.clone();
        let mut evidence = cause.evidence.clone();
        loop {
            let mut cuts: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
            for e in &evidence {
                let Some(text) = left.get(&e.file) else {
                    panic!(
                        "{} cites {}, which is no file of the evidence",
                        cause.code, e.file
                    )
                };
                assert!(
                    e.line > 0,
                    "{}: a quotation without its line: {}",
                    cause.code,
                    e.text
                );
                cuts.entry(e.file.clone())
                    .or_default()
                    .extend(cited_lines(text, e.line, &e.text));
            }
            left = without(&left, &cuts);
            let again = diagnose(&left);
            let Some(still) = again
                .root_causes
                .iter()
                .find(|c| c.class == cause.class && c.entity == cause.entity)
            else {
                break;
            };
            // Only what says the same once more may take the place of what is gone.
            evidence = still.evidence.clone();
            assert!(
                !evidence.is_empty() && evidence.iter().all(|e| said_before(&first, &e.text)),
                "necessity: {} is still named without what it cites:\n{cuts:?}\nby {:#?}",
                cause.code,
                evidence
            );
        }
    }
}

/// Documents of a YAML stream with the line at which each begins (from 0).
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut out = vec![(0, String::new())];
    for (i, line) in text.lines().enumerate() {
        if line == "---" {
            out.push((i + 1, String::new()));
        } else {
            let last = &mut out.last_mut().unwrap().1;
            last.push_str(line);
            last.push('\n');
        }
    }
    out
}

fn sufficiency(files: &Files, report: &Report) {
    for cause in &report.root_causes {
        let mut names: BTreeSet<String> = BTreeSet::new();
        names.insert(cause.entity.name().to_owned());
        for hop in &cause.path {
            names.insert(hop.from.name().to_owned());
            names.insert(hop.to.name().to_owned());
        }
        for s in report
            .symptoms
            .iter()
            .filter(|s| cause.explains.contains(&s.id))
        {
            names.insert(s.entity.name().to_owned());
        }
        let mut kept = Files::new();
        for (name, text) in files {
            let cited: Vec<usize> = cause
                .evidence
                .iter()
                .filter(|e| e.file == *name)
                .map(|e| e.line as usize - 1)
                .collect();
            if name.ends_with(".log") {
                if !cited.is_empty() {
                    kept.insert(name.clone(), text.clone());
                }
                continue;
            }
            let docs: Vec<String> = documents(text)
                .into_iter()
                .filter(|(start, doc)| {
                    let lines = doc.lines().count();
                    cited.iter().any(|c| (*start..start + lines).contains(c))
                        || names.iter().any(|n| doc.contains(&format!("name: {n}")))
                        // Lists say what was looked through: absence is evidence too.
                        || doc.contains("kind: List") || doc.contains("\"kind\": \"")
                })
                .map(|(_, doc)| doc)
                .collect();
            if !docs.is_empty() {
                kept.insert(name.clone(), docs.join("---\n"));
            }
        }
        let again = diagnose(&kept);
        let still = again
            .root_causes
            .iter()
            .any(|c| c.class == cause.class && c.entity == cause.entity);
        assert!(
            still,
            "sufficiency: {} is lost with only what it cites and names",
            cause.code
        );
    }
}

/// Healthy neighbours of several kinds, and a roll-out that has just begun. Written as JSON lists, as a
/// dump has them.
pub fn noise(count: usize) -> String {
    use std::fmt::Write;
    let mut out = String::from("{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[\n");
    for i in 0..count {
        let item = match i % 5 {
            0 => format!(
                r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":"noise-{i}","namespace":"noise"}},"data":{{"a":"b"}}}}"#
            ),
            1 => format!(
                r#"{{"kind":"Service","apiVersion":"v1","metadata":{{"name":"noise-{i}","namespace":"noise","creationTimestamp":"2020-01-01T00:00:00Z"}},"spec":{{"clusterIP":"None","selector":{{"app":"noise-{}"}}}}}}"#,
                i + 1
            ),
            _ => format!(
                r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"noise-{i}","namespace":"noise","labels":{{"app":"noise-{i}"}},"creationTimestamp":"2020-01-01T00:00:00Z"}},"spec":{{"nodeName":"noise-node","dnsPolicy":"ClusterFirst","containers":[{{"name":"c","image":"noise"}}]}},"status":{{"phase":"Running","conditions":[{{"type":"Ready","status":"True"}}],"containerStatuses":[{{"name":"c","ready":true,"restartCount":0,"state":{{"running":{{"startedAt":"2020-01-01T00:00:00Z"}}}}}}]}}}}"#
            ),
        };
        let _ = writeln!(out, "{item},");
    }
    out.push_str(r#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"herring","namespace":"noise","creationTimestamp":"2020-01-01T00:00:00Z"},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"herring"}},"template":{"metadata":{"labels":{"app":"herring"}},"spec":{"containers":[{"name":"c","image":"herring:2"}]}}},"status":{"replicas":3,"updatedReplicas":1,"readyReplicas":2,"availableReplicas":2}}]}"#);
    out
}

/// The journal of a server that starts, works and restarts once, line for line as k3s writes it, with
/// other services between; a start that waits for its datastore is the red herring.
fn journal(count: usize) -> String {
    use std::fmt::Write;
    const START: &[&str] = &[
        r#"k3s[812]: time="2020-01-01T00:00:00Z" level=info msg="Starting k3s v1.35.5+k3s1 (0a1b2c3d)""#,
        r#"k3s[812]: time="2020-01-01T00:00:00Z" level=info msg="Managed etcd cluster bootstrap already complete and initialized""#,
        r#"k3s[812]: time="2020-01-01T00:00:00Z" level=info msg="Reconciling bootstrap data between datastore and disk""#,
        r#"k3s[812]: time="2020-01-01T00:00:00Z" level=info msg="Successfully reconciled with local datastore""#,
        r#"k3s[812]: {"level":"info","ts":"2020-01-01T00:00:01.000000Z","caller":"embed/etcd.go:140","msg":"configuring peer listeners","listen-peer-urls":["https://127.0.0.1:2380"]}"#,
        r#"k3s[812]: {"level":"info","ts":"2020-01-01T00:00:01.000000Z","logger":"raft","caller":"v3@v3.6.0/raft.go:912","msg":"raft.node: 8e9e05c52164694d elected leader 8e9e05c52164694d at term 4"}"#,
        r#"k3s[812]: time="2020-01-01T00:00:02Z" level=info msg="Polling for API server readiness: GET /readyz failed: the server is currently unable to handle the request""#,
        r#"k3s[812]: time="2020-01-01T00:00:03Z" level=info msg="Connection to etcd is ready""#,
        r#"k3s[812]: I0101 00:00:04.000000     812 controllermanager.go:100] "Started controller" controller="endpoint-controller""#,
        r#"k3s[812]: time="2020-01-01T00:00:05Z" level=info msg="k3s is up and running""#,
        r#"k3s[812]: time="2020-01-01T00:00:06Z" level=info msg="Running flannel backend.""#,
        r#"systemd[1]: Started Lightweight Kubernetes."#,
    ];
    const WORK: &[&str] = &[
        r#"k3s[812]: {"level":"info","ts":"2020-01-01T00:01:00.000000Z","caller":"mvcc/index.go:214","msg":"compact tree index","revision":4711}"#,
        r#"k3s[812]: {"level":"info","ts":"2020-01-01T00:01:00.000000Z","caller":"mvcc/kvstore_compaction.go:72","msg":"finished scheduled compaction","compact-revision":4711,"took":"11.2ms"}"#,
        r#"k3s[812]: I0101 00:01:01.000000     812 range_allocator.go:240] "Successfully synced" key="noise-host""#,
        r#"k3s[812]: I0101 00:01:02.000000     812 reconciler_common.go:299] "Volume detached for volume \"data\" (UniqueName: \"x\") on node \"noise-host\" DevicePath \"\"""#,
        r#"sshd[99]: Accepted publickey for root from 192.0.2.9 port 50122 ssh2: ED25519 SHA256:x"#,
        r#"systemd[1]: Starting Daily apt download activities..."#,
        r#"kernel: cni0: port 4(veth0a1b2c3d) entered forwarding state"#,
        r#"CRON[77]: (root) CMD (   cd / && run-parts --report /etc/cron.hourly)"#,
    ];
    let mut out = String::new();
    for i in 0..count {
        let line = match START.get(i % (count / 2)) {
            Some(start) => start,
            None => WORK[i % WORK.len()],
        };
        let _ = writeln!(
            out,
            "Jan 01 00:{:02}:{:02} noise-host {line}",
            (i / 60) % 60,
            i % 60
        );
    }
    out
}

fn page(path: &Path) -> datatest_stable::Result<()> {
    let text = std::fs::read_to_string(path)?;
    assert!(
        text.contains("\norigin: constructed") || text.contains("\norigin: recorded"),
        "the page does not say where its evidence comes from"
    );
    let mut updated = text.clone();
    for section in sections(&text).into_iter().filter(|s| !s.files.is_empty()) {
        let report = diagnose(&section.files);
        let got = said(&report);
        let want = section.findings.clone().unwrap_or_default();
        if got != want {
            if std::env::var_os("UPDATE_CASES").is_some() {
                updated = replace_findings(&updated, &section.title, &got);
            } else {
                panic!(
                    "{}, section {}:\nwanted\n{want}\ngot\n{got}",
                    path.display(),
                    section.title
                );
            }
        }
        necessity(&section.files, &report);
        sufficiency(&section.files, &report);
        let mut noisy = section.files.clone();
        noisy.insert("zz-noise.json".into(), noise(5_000));
        noisy.insert("zz-noise.log".into(), journal(5_000));
        assert_eq!(
            classes(&diagnose(&noisy)),
            classes(&report),
            "noise changes the verdict"
        );
        let renamed: Files = section
            .files
            .iter()
            .rev()
            .enumerate()
            .map(|(i, (name, t))| {
                (
                    if name.ends_with("logs.txt") {
                        name.clone()
                    } else {
                        format!("{i}")
                    },
                    t.clone(),
                )
            })
            .collect();
        assert_eq!(
            classes(&diagnose(&renamed)),
            classes(&report),
            "names and order of files change the verdict"
        );
    }
    if updated != text {
        std::fs::write(path, updated)?;
    }
    Ok(())
}

fn replace_findings(page: &str, title: &str, body: &str) -> String {
    let head = format!("## {title}\n");
    let start = page.find(&head).expect("the section is there") + head.len();
    let end = page[start..]
        .find("\n## ")
        .map_or(page.len(), |i| start + i);
    let section = &page[start..end];
    let new = match section.find("```findings\n") {
        Some(at) => {
            let close = at + 12 + section[at + 12..].find("```").expect("the block is closed");
            format!("{}```findings\n{body}{}", &section[..at], &section[close..])
        }
        None => format!("{}\n\n```findings\n{body}```\n", section.trim_end()),
    };
    format!("{}{new}{}", &page[..start], &page[end..])
}

datatest_stable::harness! {
    { test = page, root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../cases"), pattern = r"^[a-z]+/[a-z0-9_]+\.md$" },
}
