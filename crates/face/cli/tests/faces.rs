//! What people and scripts rely on at the command line: exit codes, streams, width, colours, help, and
//! failures that name who, what and the next command.
//!
//! Deliberately absent: what is found (the casebook) and hostile input (`hostile`).
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// The binary with a bare environment, in the repository's root.
fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_defib"));
    command
        .env_clear()
        .env("HOME", "/nonexistent")
        .current_dir(root())
        .stdin(Stdio::null())
        .args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    bare(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const EXAMPLE: &str = "examples/half-alive-rebuild";

/// All nodes, pods and events, read whole, and nothing wrong with them.
fn healthy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, kind: &str, items: &str| {
        let text = format!(
            r#"{{"kind":"{kind}","apiVersion":"v1","metadata":{{"resourceVersion":"9"}},"items":[{items}]}}"#
        );
        std::fs::write(folder.path().join(name), text).unwrap();
    };
    write(
        "nodes.json",
        "NodeList",
        r#"{"metadata":{"name":"n1"},"status":{"nodeInfo":{"kubeletVersion":"v1.28.3+k3s1"},"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-03-01T10:00:00Z"}]}}"#,
    );
    write(
        "namespaces.json",
        "NamespaceList",
        r#"{"metadata":{"name":"default"},"status":{"phase":"Active"}}"#,
    );
    std::fs::create_dir(folder.path().join("default")).unwrap();
    write("default/pods.json", "PodList", "");
    write("default/events.json", "EventList", "");
    folder
}

#[test]
fn exit_codes_mean_what_help_says() {
    let folder = healthy();
    let path = folder.path().to_str().unwrap();
    let well = run(&["diagnose", path]);
    assert_eq!(well.status.code(), Some(0), "{}", out(&well));
    assert!(out(&well).lines().count() <= 3, "{}", out(&well));
    assert_eq!(run(&["diagnose", "/nonexistent"]).status.code(), Some(1));
    assert_eq!(run(&["diagnose", EXAMPLE]).status.code(), Some(2));
    let empty = tempfile::tempdir().unwrap();
    let nothing = run(&["diagnose", empty.path().to_str().unwrap()]);
    assert_eq!(nothing.status.code(), Some(3), "{}", out(&nothing));
    let help = out(&run(&["--help"]));
    for code in ["0 ", "1 ", "2 ", "3 "] {
        assert!(help.contains(code), "{help}");
    }
}

#[test]
fn a_namespace_alone() {
    let apps = out(&run(&["diagnose", EXAMPLE, "-n", "apps", "-o", "json"]));
    let report: serde_json::Value = serde_json::from_str(&apps).unwrap();
    let classes: Vec<_> = report["root_causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["class"].as_str().unwrap())
        .collect();
    // The forward loop is in kube-system, and what it breaks is in apps.
    assert!(classes.contains(&"coredns-forward-loop"), "{classes:?}");
    assert!(!classes.contains(&"podsecurity-rejects-pod"), "{classes:?}");
    let quiet = run(&["diagnose", EXAMPLE, "-n", "kube-node-lease"]);
    assert_eq!(quiet.status.code(), Some(0), "{}", out(&quiet));
}

#[test]
fn an_untested_version_is_a_note_and_no_trouble() {
    let folder = healthy();
    let json = out(&run(&[
        "diagnose",
        folder.path().to_str().unwrap(),
        "-o",
        "json",
    ]));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["verdict"], "healthy");
    let note = &report["notes"][0];
    assert!(note["text"].as_str().unwrap().contains("1.28"), "{note:#}");
    assert!(
        note["evidence"][0]["text"]
            .as_str()
            .unwrap()
            .contains("v1.28.3+k3s1"),
        "{note:#}"
    );
}

/// A ReplicaSet whose pods are refused, with the words of the refusal.
fn refused(message: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        r#"apiVersion: apps/v1
kind: ReplicaSet
metadata: {{name: cart-1, namespace: shop}}
spec: {{replicas: 1, selector: {{matchLabels: {{app: cart}}}}}}
status: {{replicas: 0}}
---
apiVersion: v1
kind: Event
metadata: {{name: cart-1.1, namespace: shop}}
involvedObject: {{apiVersion: apps/v1, kind: ReplicaSet, name: cart-1, namespace: shop}}
type: Warning
reason: FailedCreate
count: 18
lastTimestamp: "2026-03-10T11:59:10Z"
message: '{message}'
"#
    );
    std::fs::write(folder.path().join("all.yaml"), text).unwrap();
    folder
}

#[test]
fn a_refusal_is_shown_with_its_reason() {
    let long = "and ".repeat(150);
    let folder = refused(&format!(
        r#"Error creating: admission webhook "validate.policy.svc" denied the request: {long} require-labels: label owner is required"#
    ));
    let asked = run(&["diagnose", folder.path().to_str().unwrap()]);
    let text = out(&asked);
    let (shown, question) = text.split_once("next ").unwrap();
    let words = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [shown, question] {
        assert!(words(part).contains("label owner is required"), "{text}");
    }
    assert!(question.contains("webhook validate.policy.svc"), "{text}");
    assert_eq!(asked.status.code(), Some(3), "{text}");
}

#[test]
fn a_service_of_nobody_is_a_note_and_no_trouble() {
    let folder = healthy();
    let services = r#"{"kind":"ServiceList","apiVersion":"v1","items":[{"metadata":{"name":"kube-etcd","namespace":"default"},"spec":{"clusterIP":"None","selector":{"component":"etcd"},"ports":[{"port":2381}]}}]}"#;
    std::fs::write(folder.path().join("default/services.json"), services).unwrap();
    let path = folder.path().to_str().unwrap();
    let text = run(&["diagnose", path]);
    assert_eq!(text.status.code(), Some(0), "{}", out(&text));
    assert!(
        out(&text).contains("note: Service default/kube-etcd selects no pod"),
        "{}",
        out(&text)
    );
}

#[test]
fn results_and_talk_are_apart() {
    let loud = run(&["diagnose", EXAMPLE, "-o", "json", "-v", "--timings"]);
    serde_json::from_slice::<serde_json::Value>(&loud.stdout).unwrap();
    assert!(err(&loud).contains("reading"), "{}", err(&loud));
    let quiet = run(&["diagnose", EXAMPLE, "-o", "json"]);
    assert_eq!(err(&quiet), "");
    assert_eq!(loud.stdout, quiet.stdout);
    let logged = bare(&["diagnose", EXAMPLE])
        .env("DEFIB_LOG", "info")
        .output()
        .unwrap();
    assert!(err(&logged).contains("reading"), "{}", err(&logged));
}

#[test]
fn eighty_columns_hold_everything() {
    let mut texts = vec![out(&run(&["--help"]))];
    for command in ["diagnose", "collect", "explain", "rules", "version"] {
        texts.push(out(&run(&[command, "--help"])));
        texts.push(out(&run(&[command, "-h"])));
    }
    for text in &texts {
        let long = text.lines().find(|l| l.chars().count() > 80);
        assert_eq!(long, None, "{text}");
        assert!(text.lines().count() > 3, "{text}");
    }
    let narrow = bare(&["diagnose", EXAMPLE, "--all"])
        .env("COLUMNS", "80")
        .output()
        .unwrap();
    // A command is one line, however long: it is there to be copied.
    let long = out(&narrow)
        .lines()
        .find(|l| l.chars().count() > 80 && !l.trim_start().starts_with("$ "))
        .map(str::to_owned);
    assert_eq!(long, None);
}

#[test]
fn colours_only_when_wanted() {
    let escape = |o: &Output| o.stdout.contains(&0x1b);
    assert!(
        !escape(&run(&["diagnose", EXAMPLE])),
        "a pipe is no terminal"
    );
    assert!(escape(&run(&["diagnose", EXAMPLE, "--color", "always"])));
    let asked = bare(&["diagnose", EXAMPLE, "--color", "always"])
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(escape(&asked), "a flag is stronger than the environment");
    assert!(!escape(&run(&["diagnose", EXAMPLE, "--color", "never"])));
}

#[test]
fn another_locale_gets_ascii() {
    let plain = bare(&["diagnose", EXAMPLE, "--all"])
        .env("LANG", "C")
        .output()
        .unwrap();
    let text = out(&plain);
    let odd = text.lines().find(|l| !l.is_ascii());
    assert_eq!(odd, None);
    assert!(text.contains("STO001"), "{text}");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut child = bare(&["diagnose", EXAMPLE, "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    assert_eq!(said, "");
}

/// Every failure: exit 1, nothing on standard output, what was asked for is named, and a way out.
#[test]
fn failures_show_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("kubeconfig"), "not: [a kubeconfig").unwrap();
    std::fs::write(at("cut.tar.zst"), [0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x00]).unwrap();
    std::fs::write(at("x.tar.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]).unwrap();
    std::fs::write(at("state.db"), b"SQLite format 3\0aaaaaaaaaaaaaaaa").unwrap();
    let (bad, cut, tar, db) = (
        at("kubeconfig"),
        at("cut.tar.zst"),
        at("x.tar.gz"),
        at("state.db"),
    );
    let unwritable = at("no/such/folder/b");
    // Nobody listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let dead = at("dead");
    std::fs::write(&dead, format!("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nclusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{port}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n")).unwrap();
    let failures: &[(&[&str], &str)] = &[
        (
            &["diagnose", "/nonexistent/evidence"],
            "/nonexistent/evidence",
        ),
        (&["diagnose", "ssh://n1"], "ssh://n1"),
        (&["diagnose", "docker://n1"], "docker://n1"),
        (&["diagnose", "pve://n1/100"], "pve://n1/100"),
        (&["diagnose", "local"], "local"),
        (&["diagnose", "-o", "xml", EXAMPLE], "xml"),
        (&["diagnose", "--as-of", "yesterday", EXAMPLE], "yesterday"),
        (&["diagnose", "--frobnicate"], "--frobnicate"),
        (&["diagnose", "--timeout", "soon", EXAMPLE], "soon"),
        (&["diagnose"], "SOURCE"),
        (
            &["diagnose", "kube:", "--kubeconfig", "/nonexistent/k"],
            "/nonexistent/k",
        ),
        (&["diagnose", "kube:", "--kubeconfig", &bad], "kubeconfig"),
        (&["diagnose", "kube:", "--kubeconfig", &dead], "127.0.0.1"),
        (
            &["diagnose", "kube:nowhere", "--kubeconfig", &dead],
            "nowhere",
        ),
        (&["diagnose", &cut], "cut.tar.zst"),
        (&["diagnose", &tar], "x.tar.gz"),
        (&["diagnose", &db], "state.db"),
        (&["collect", EXAMPLE], "--out"),
        (&["collect", "--out", &unwritable, EXAMPLE], &unwritable),
        (&["explain", "XYZ999"], "XYZ999"),
        (&["explain"], "<"),
        (&["rules", "-o", "csv"], "csv"),
        (&["resuscitate"], "resuscitate"),
    ];
    for (arguments, named) in failures {
        let ran = run(arguments);
        let said = err(&ran);
        assert_eq!(ran.status.code(), Some(1), "{arguments:?}: {said}");
        assert_eq!(out(&ran), "", "{arguments:?}");
        assert!(
            said.contains(named),
            "{arguments:?} does not name {named}: {said}"
        );
        let way = [
            "defib ",
            "--help",
            "possible values",
            "kubectl",
            "--out FILE",
            "written like",
        ];
        let rest = said.lines().skip(1).collect::<Vec<_>>().join("\n");
        assert!(
            way.iter().any(|w| rest.contains(w)),
            "{arguments:?} shows no way out: {said}"
        );
        assert!(
            !said.contains("panicked") && !said.contains("RUST_BACKTRACE"),
            "{said}"
        );
    }
}

#[test]
fn a_plugin_of_kubectl_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("kubectl-defib");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_defib"), &link).unwrap();
    let help = Command::new(&link)
        .args(["diagnose", "--help"])
        .output()
        .unwrap();
    assert!(
        out(&help).contains("Usage: kubectl defib diagnose"),
        "{}",
        out(&help)
    );
}

/// What README and the pages promise about the command line is what the binary understands.
#[test]
fn readme_shows_what_is_true() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let report = bare(&["diagnose", EXAMPLE])
        .env("COLUMNS", "80")
        .output()
        .unwrap();
    let said = out(&report);
    let mut shown = 0;
    let mut in_text = false;
    for line in readme.lines() {
        match line {
            "```text" => in_text = true,
            "```" => in_text = false,
            _ if in_text => {
                assert!(
                    said.lines().any(|l| l == line),
                    "README shows {line:?}, but:\n{said}"
                );
                shown += 1;
            }
            _ => {}
        }
    }
    assert!(shown > 3);
    // Every subcommand that README names in a code span exists.
    let mut commands = 0;
    for span in readme.split('`').skip(1).step_by(2) {
        let Some(rest) = span.strip_prefix("defib ") else {
            continue;
        };
        let command = rest.split_whitespace().next().unwrap();
        if command.starts_with('-') {
            continue;
        }
        let help = run(&[command, "--help"]);
        assert_eq!(help.status.code(), Some(0), "README names defib {command}");
        commands += 1;
    }
    assert!(commands > 3);
}
