//! kubectl against a living API server, and against `inspect serve` over its snapshot: the same answers.
//!
//! Deliberately absent: hostile clients (`serve` beside this folder).

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::Value;
use xtask::lab::{ControlPlane, Options, wait_until};

use super::{Outcome, text};

const DEFINITIONS: &str = include_str!("serve/definitions.yaml");
const OBJECTS: &str = include_str!("serve/objects.yaml");
const REQUESTS: &str = include_str!("serve/requests.yaml");

/// What an API server has and a datastore has not: objects that are made when they are asked for, and the second
/// name of events.
const NOT_STORED: [&str; 2] = ["componentstatuses", "events.events.k8s.io"];

fn failed(error: impl std::fmt::Display) -> Failed {
    Failed::from(error.to_string())
}

/// A serving tool; ends with the test.
struct Serving {
    child: Child,
    kubeconfig: PathBuf,
}

impl Serving {
    fn start(file: &Path, kubeconfig: PathBuf, more: &[&str]) -> Result<Self, Failed> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_defib"))
            .args(["inspect", "serve", &text(file), "--kubeconfig-out"])
            .arg(&kubeconfig)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        // The line comes when it can be asked; if it ends before, the pipe does, too.
        let mut line = String::new();
        let out = child.stdout.take().ok_or("a pipe")?;
        BufReader::new(out).read_line(&mut line)?;
        assert!(line.contains("kubectl --kubeconfig"), "{line:?}");
        Ok(Self { child, kubeconfig })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0));
        let told = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        if told.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// kubectl with one kubeconfig.
struct Kubectl<'a> {
    plane: &'a ControlPlane,
    kubeconfig: &'a Path,
    cache: PathBuf,
}

impl Kubectl<'_> {
    fn run(&self, arguments: &[&str]) -> Result<(bool, String, String), Failed> {
        let done = Command::new(self.plane.bin.join("kubectl"))
            .arg("--kubeconfig")
            .arg(self.kubeconfig)
            .arg("--cache-dir")
            .arg(&self.cache)
            .args(arguments)
            .stdin(Stdio::null())
            .output()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((done.status.success(), text(done.stdout), text(done.stderr)))
    }

    fn out(&self, arguments: &[&str]) -> Result<String, Failed> {
        let (good, out, err) = self.run(arguments)?;
        if good {
            Ok(out)
        } else {
            Err(failed(format!("kubectl {arguments:?}: {err}")))
        }
    }
}

/// A cluster with something of every kind, in which nothing moves any more.
fn still() -> Result<ControlPlane, Failed> {
    // A kind that servers have, and serve only when they are told to.
    let apiserver = [
        "--runtime-config=certificates.k8s.io/v1beta1/podcertificaterequests=true",
        "--feature-gates=PodCertificateRequest=true",
    ];
    let mut plane = ControlPlane::start(Options {
        kwok: true,
        apiserver: apiserver.map(str::to_owned).to_vec(),
        ..Options::default()
    })
    .map_err(failed)?;
    plane.apply(DEFINITIONS).map_err(failed)?;
    plane.wait_for_namespace("apps").map_err(failed)?;
    let patience = Duration::from_secs(60);
    wait_until("the objects are taken", patience, || {
        plane.apply(OBJECTS).map_err(|e| e.to_string())
    })
    .map_err(failed)?;
    plane.apply(REQUESTS).map_err(failed)?;
    for (name, state) in [("denied", "Denied"), ("failed", "Failed")] {
        let conditions = serde_json::json!([{"type": state, "status": "True", "reason": "ByHand", "message": "",
            "lastTransitionTime": "2026-01-02T03:04:05Z"}]);
        let patch = serde_json::json!({"status": {"conditions": conditions}}).to_string();
        plane
            .kubectl_text(&[
                "patch",
                "podcertificaterequests",
                name,
                "-n",
                "apps",
                "--subresource=status",
                "--type=merge",
                "-p",
                &patch,
            ])
            .map_err(failed)?;
    }
    wait_until("the workloads run", patience, || {
        let jobs = "jsonpath={.items[*].status.succeeded}/{.items[*].status.readyReplicas}/{.items[*].status.numberReady}";
        let said = plane
            .kubectl_text(&["get", "-n", "apps", "jobs,deployments,statefulsets,daemonsets", "-o", jobs])
            .map_err(|e| e.to_string())?;
        (said == "2/2 2/1").then_some(()).ok_or(said)
    })
    .map_err(failed)?;
    for part in ["kube-controller-manager", "kube-scheduler", "kwok"] {
        plane.kill(part).map_err(failed)?;
    }
    Ok(plane)
}

/// Is a word a length of time, as kubectl prints them?
fn is_age(word: &str) -> bool {
    let word = word.trim_matches(|c| matches!(c, '(' | ')' | ','));
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.ends_with(['s', 'm', 'h', 'd'])
        && word
            .chars()
            .all(|c| c.is_ascii_digit() || "smhd".contains(c))
}

/// Lines with what passes taken out, and one space between words.
fn timeless(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let words = line
            .split_whitespace()
            .map(|w| if is_age(w) { "AGE" } else { w });
        words.collect::<Vec<_>>().join(" ")
    });
    // What a lease says is written every few seconds, also by a cluster that stands still.
    lines.filter(|l| !l.contains("RenewTime:")).collect()
}

/// The same lines, for people where they are not.
fn same(what: &str, was: &[String], is: &[String]) -> Outcome {
    if was == is {
        return Ok(());
    }
    let missing: Vec<&String> = was.iter().filter(|l| !is.contains(l)).take(8).collect();
    let new: Vec<&String> = is.iter().filter(|l| !was.contains(l)).take(8).collect();
    Err(failed(format!(
        "{what}: living {missing:#?}, dead {new:#?}"
    )))
}

/// Objects by kind, namespace and name.
fn by_name(list: &str) -> Result<BTreeMap<String, Value>, Failed> {
    let list: Value = serde_json::from_str(list)?;
    let items = list["items"].as_array().ok_or("items")?.iter();
    Ok(items
        .map(|i| {
            let metadata = &i["metadata"];
            let name = format!(
                "{} {} {}",
                i["kind"], metadata["namespace"], metadata["name"]
            );
            (name, i.clone())
        })
        .collect())
}

fn compared(living: &Kubectl<'_>, dead: &Kubectl<'_>) -> Outcome {
    let kinds = living.out(&["api-resources", "--verbs=list", "-o", "name"])?;
    let mut kinds: Vec<&str> = kinds.lines().filter(|k| !NOT_STORED.contains(k)).collect();
    kinds.sort_unstable();
    let both = |arguments: &[&str]| -> Result<(String, String), Failed> {
        Ok((living.out(arguments)?, dead.out(arguments)?))
    };
    let requests = kinds.contains(&"podcertificaterequests.certificates.k8s.io");
    assert!(requests, "the server was told to serve them: {kinds:?}");
    let all = kinds.join(",");

    let (was, is) = both(&["get", &all, "-A", "-o", "wide"])?;
    let sorted = |text: &str| {
        let mut lines = timeless(text);
        // A server sorts flow schemas by their precedence.
        lines.sort();
        lines
    };
    same("tables", &sorted(&was), &sorted(&is))?;
    println!(
        "{} lines of tables of {} kinds are equal",
        was.lines().count(),
        kinds.len()
    );

    let (was, is) = both(&["get", &all, "-A", "-o", "json", "--show-managed-fields"])?;
    let (was, is) = (by_name(&was)?, by_name(&is)?);
    assert!(was.keys().eq(is.keys()), "other objects");
    let mut equal = 0;
    for (name, was) in &was {
        let is = is.get(name).ok_or("it was there")?;
        // A server that stands still renews its own lease.
        if was["kind"] == "Lease"
            && was["metadata"]["resourceVersion"] != is["metadata"]["resourceVersion"]
        {
            continue;
        }
        assert_eq!(was, is, "{name}");
        equal += 1;
    }
    println!("{equal} of {} objects are equal as JSON", was.len());

    for arguments in [
        &[
            "describe",
            "-A",
            "nodes,pods,deployments,replicasets,statefulsets,daemonsets,jobs,cronjobs,services,pvc,pv,secrets,configmaps,namespaces,ingresses,hpa,pdb,gardens,roles,rolebindings,quota,limits,crds",
        ] as &[&str],
        &[
            "get",
            "pods",
            "-A",
            "-l",
            "app in (web,set),pod-template-hash",
        ],
        &["get", "pods", "-A", "-l", "!app"],
        &[
            "get",
            "pods",
            "-A",
            "--show-labels",
            "--field-selector",
            "spec.nodeName=node-a,status.phase!=Succeeded",
        ],
        &["get", "pods", "-n", "apps", "--chunk-size=2", "-o", "name"],
        &["get", "pods", "-n", "apps", "--sort-by=.metadata.uid"],
        &["get", "all", "-n", "apps"],
        &["get", "gd/roof", "-n", "apps", "-o", "yaml"],
        &["get", "gardens.v1beta1.example.net", "-A", "-o", "yaml"],
        &[
            "get",
            "events",
            "-n",
            "apps",
            "--field-selector",
            "involvedObject.name=alone",
        ],
        &[
            "get",
            "deploy",
            "web",
            "-n",
            "apps",
            "-o",
            "jsonpath={.status}",
        ],
        &["get", "pods", "-n", "nowhere"],
        &[
            "get",
            "podcertificaterequests",
            "-A",
            "--field-selector",
            "spec.podName=alone,spec.signerName!=example.com/other,metadata.name!=failed",
        ],
        &["describe", "podcertificaterequests", "-n", "apps"],
    ] {
        let (was, is) = both(arguments)?;
        same(&format!("{arguments:?}"), &timeless(&was), &timeless(&is))?;
    }
    for kind in [
        "pods.spec.containers.env.valueFrom",
        "deployments",
        "gardens.spec",
        "nodes.status",
    ] {
        let fields = |text: &str| -> Vec<String> {
            let lines = text
                .lines()
                .filter(|l| l.starts_with("  ") && l.contains("\t<"));
            lines
                .filter_map(|l| Some(l.split_whitespace().next()?.to_owned()))
                .collect()
        };
        let (was, is) = both(&["explain", kind])?;
        assert!(!fields(&was).is_empty(), "{was}");
        same(kind, &fields(&was), &fields(&is))?;
    }
    for missing in [
        &["get", "pod", "nobody", "-n", "apps"] as &[&str],
        &["get", "unicorns"],
        &["get", "pods", "-A", "--field-selector", "spec.colour=red"],
        &[
            "get",
            "podcertificaterequests",
            "-A",
            "--field-selector",
            "metadata.namespace=apps",
        ],
        &["get", "csr", "--field-selector", "metadata.namespace=apps"],
    ] {
        let (was, is) = (living.run(missing)?, dead.run(missing)?);
        assert_eq!((was.0, &was.2), (is.0, &is.2), "{missing:?}");
    }
    Ok(())
}

pub fn kubectl_shows_of_the_snapshot_what_it_showed_of_the_cluster() -> Outcome {
    let folder = tempfile::tempdir()?;
    let plane = still()?;
    let snapshot = folder.path().join("snapshot.db");
    plane
        .etcdctl(&["snapshot", "save", &text(&snapshot)])
        .map_err(failed)?;
    let living = Kubectl {
        plane: &plane,
        kubeconfig: &plane.kubeconfig,
        cache: folder.path().join("living"),
    };
    let open = Serving::start(&snapshot, folder.path().join("open"), &["--show-secrets"])?;
    let dead = Kubectl {
        plane: &plane,
        kubeconfig: &open.kubeconfig,
        cache: folder.path().join("open-cache"),
    };
    compared(&living, &dead)?;

    // Nothing is ever added to a list that is watched, and nothing can be changed.
    let watched = dead.out(&["get", "pods", "-n", "apps", "-w"])?;
    assert!(watched.contains("alone"), "{watched}");
    for write in [
        &["delete", "pod", "alone", "-n", "apps"] as &[&str],
        &["scale", "deploy/web", "-n", "apps", "--replicas=0"],
        &["label", "node", "node-a", "a=b"],
        &["create", "ns", "new"],
    ] {
        let (good, _, err) = dead.run(write)?;
        assert!(!good && err.contains("reading only"), "{write:?}: {err}");
    }
    // What is dumped from it can be diagnosed.
    let dump = text(&folder.path().join("dump"));
    dead.out(&["cluster-info", "dump", "-A", "--output-directory", &dump])?;
    let report = super::defib(&["diagnose", &dump, "-o", "json"]);
    let report: Value = serde_json::from_slice(&report.stdout)?;
    assert_eq!(report["sources"][0]["read"], "all", "{report}");
    let kubeconfig = open.kubeconfig.clone();
    drop(open);
    assert!(!kubeconfig.exists(), "the kubeconfig stays behind");

    let shy = Serving::start(&snapshot, folder.path().join("shy"), &[])?;
    let dead = Kubectl {
        kubeconfig: &shy.kubeconfig,
        cache: folder.path().join("shy-cache"),
        plane: &plane,
    };
    let arguments = ["describe", "secret", "db", "-n", "apps"];
    let (was, is) = (living.out(&arguments)?, dead.out(&arguments)?);
    same("a hidden Secret's lengths", &timeless(&was), &timeless(&is))?;
    let (_, out, err) = dead.run(&["get", "secrets,pods", "-A", "-o", "yaml"])?;
    assert!(err.contains("hidden"), "{err}");
    for canary in ["hunter2", "aHVudGVyMi"] {
        assert!(!out.contains(canary), "a Secret got out");
    }
    Ok(())
}
