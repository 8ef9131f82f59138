//! What `defib` promises about itself: it never writes, says what it could not read, gives the same
//! report from a bundle, and fails in clear words. Deliberately absent: what it finds.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;
use serde_json::Value;
use xtask::lab::ControlPlane;

use crate::quiet::State;
use crate::{Outcome, Ran, Test, bare, defib, faults, fresh, node};

/// Tests on the control plane that the quiet states share.
pub const ON_THE_SHARED_PLANE: &[State] = &[
    (
        "a_viewer_reads_and_never_writes",
        a_viewer_reads_and_never_writes,
    ),
    ("secrets_refused_are_a_gap", secrets_refused_are_a_gap),
    (
        "nobody_is_told_what_is_missing",
        nobody_is_told_what_is_missing,
    ),
];

/// Tests that break their control plane.
pub const ON_THEIR_OWN: &[Test] = &[
    (
        "a_bundle_gives_the_same_report",
        a_bundle_gives_the_same_report,
    ),
    (
        "a_dead_aggregated_api_is_a_gap",
        a_dead_aggregated_api_is_a_gap,
    ),
];

/// Tests without any control plane.
pub const WITHOUT_A_CLUSTER: &[Test] = &[
    (
        "a_bundle_of_files_gives_the_same_report",
        a_bundle_of_files_gives_the_same_report,
    ),
    ("a_silent_server_is_a_failure", a_silent_server_is_a_failure),
    (
        "a_refused_connection_is_a_failure",
        a_refused_connection_is_a_failure,
    ),
    ("no_kubeconfig_is_a_failure", no_kubeconfig_is_a_failure),
];

/// The credentials of somebody of this name who has this role.
pub fn user(plane: &ControlPlane, name: &str, role: &str) -> Result<PathBuf, Failed> {
    let (role, user) = (format!("--clusterrole={role}"), format!("--user={name}"));
    plane.kubectl_text(&["create", "clusterrolebinding", name, &role, &user])?;
    Ok(plane.kubeconfig_for(name, None)?)
}

fn only_reads(plane: &ControlPlane, user: &str) -> Outcome {
    let events = plane.audit_events()?;
    let own: Vec<_> = events.iter().filter(|e| e.user.username == user).collect();
    assert!(own.len() > 20, "only {} requests of {user}", own.len());
    let write = own.iter().find(|e| e.is_write());
    assert!(write.is_none(), "{write:?}");
    // Reading is listing and getting: a watch would keep a connection, a secret by name is nobody's.
    let odd = own
        .iter()
        .find(|e| !matches!(e.verb.as_str(), "get" | "list"));
    assert!(odd.is_none(), "{odd:?}");
    Ok(())
}

fn gap<'r>(report: &'r Value, what: &str) -> Result<&'r Value, Failed> {
    report["gaps"]
        .as_array()
        .and_then(|gaps| gaps.iter().find(|g| g["what"] == what))
        .ok_or_else(|| format!("no gap {what} in {:#}", report["gaps"]).into())
}

/// The role `view` reads neither nodes nor secrets: not enough for "healthy", and no failure.
fn a_viewer_reads_and_never_writes(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    let reader = user(plane, "reader", "view")?;
    let ran = defib(&reader, &["diagnose", "kube:", "-o", "json"])?;
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    let report = ran.report()?;
    assert_eq!(report["verdict"], "unknown", "{report:#}");
    assert_eq!(report["symptoms"], serde_json::json!([]), "{report:#}");
    assert_eq!(report["coverage"][0]["seen"], "part", "{report:#}");
    for what in ["secrets", "nodes"] {
        let gap = gap(&report, what)?;
        assert!(
            gap["why"].as_str().is_some_and(|w| w.contains("403")),
            "{gap:#}"
        );
        assert_eq!(gap["command"], format!("kubectl get {what} -A"), "{gap:#}");
    }
    let text = defib(&reader, &["diagnose", "kube:"])?;
    assert_eq!(text.code, Some(3), "{}", text.all());
    assert!(text.out.contains("could not be read:"), "{}", text.all());

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bundle");
    let out = file.to_string_lossy().into_owned();
    let collected = defib(&reader, &["collect", "--out", &out, "kube:"])?;
    assert_eq!(collected.code, Some(3), "{}", collected.all());
    assert!(collected.err.contains("secrets"), "{}", collected.all());
    only_reads(plane, "reader")
}

/// Everything but secrets: the objects were seen, and what was not is said.
fn secrets_refused_are_a_gap(plane: &mut ControlPlane) -> Outcome {
    node(plane, "n1")?;
    let kinds = plane.kubectl_text(&["api-resources", "--verbs=list", "-o", "name"])?;
    let mut rules = String::new();
    for kind in kinds.lines().filter(|k| *k != "secrets") {
        let (resource, group) = kind.split_once('.').unwrap_or((kind, ""));
        rules.push_str(&format!(
            "- {{apiGroups: ['{group}'], resources: ['{resource}'], verbs: [get, list]}}\n"
        ));
    }
    plane.apply(&format!(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: all-but-secrets}}
rules:
- {{apiGroups: [''], resources: [pods/log], verbs: [get]}}
{rules}"
    ))?;
    let careful = user(plane, "careful", "all-but-secrets")?;
    let ran = defib(&careful, &["diagnose", "kube:", "-o", "json"])?;
    let report = ran.report()?;
    assert_eq!(report["verdict"], "healthy", "{report:#}");
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let gaps = report["gaps"].as_array().map_or(0, Vec::len);
    assert_eq!(gaps, 1, "{report:#}");
    gap(&report, "secrets")?;
    let lacking = &report["coverage"][0]["lacking"];
    assert_eq!(*lacking, serde_json::json!(["Secret"]), "{report:#}");
    let text = defib(&careful, &["diagnose", "kube:"])?;
    assert_eq!(text.code, Some(0), "{}", text.all());
    assert!(text.out.contains("secrets"), "{}", text.all());
    assert!(text.out.lines().count() <= 3, "{}", text.all());
    only_reads(plane, "careful")
}

/// Without any rights: nothing is invented, least of all trouble.
fn nobody_is_told_what_is_missing(plane: &mut ControlPlane) -> Outcome {
    let nobody = plane.kubeconfig_for("nobody", None)?;
    let ran = defib(&nobody, &["diagnose", "kube:", "-o", "json"])?;
    let report = ran.report()?;
    assert_eq!(report["verdict"], "unknown", "{report:#}");
    assert_eq!(report["symptoms"], serde_json::json!([]), "{report:#}");
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    gap(&report, "pods")?;
    only_reads(plane, "nobody")
}

/// An APIService without a backend: observed, its kinds are a gap, and nothing fails.
fn a_dead_aggregated_api_is_a_gap() -> Outcome {
    let plane = fresh()?;
    node(&plane, "n1")?;
    plane.apply(faults::API_SERVICE)?;
    let report = faults::with_symptom(
        &plane,
        (
            "api-service-unavailable",
            "apiservice.apiregistration.k8s.io/v1.absent.example.com",
        ),
    )?;
    assert_eq!(report["verdict"], "root-cause", "{report:#}");
    assert_eq!(
        report["root_causes"][0]["class"], "aggregated-api-down",
        "{report:#}"
    );
    let gaps = report["gaps"].as_array().map_or(0, Vec::len);
    assert_eq!(gaps, 1, "{report:#}");
    let gap = gap(&report, "API group absent.example.com/v1")?;
    assert_eq!(
        gap["command"],
        "kubectl get apiservice v1.absent.example.com"
    );
    Ok(())
}

/// The report but for what names the source and the moment.
fn comparable(mut report: Value) -> Value {
    if let Some(fields) = report.as_object_mut() {
        for field in ["sources", "bundle", "as_of"] {
            fields.remove(field);
        }
    }
    report
}

/// Asserts that two reports are the same text but for those three fields.
fn same(live: &Ran, replayed: &Ran) -> Outcome {
    assert_eq!(
        live.code,
        replayed.code,
        "{}\n{}",
        live.all(),
        replayed.all()
    );
    let text = |ran: &Ran| -> Result<String, Failed> {
        Ok(serde_json::to_string_pretty(&comparable(ran.report()?))?)
    };
    let (a, b) = (text(live)?, text(replayed)?);
    let differing = a.lines().zip(b.lines()).find(|(a, b)| a != b);
    assert!(a == b, "first difference: {differing:#?}\n{a}\n{b}");
    Ok(())
}

fn collected(kubeconfig: &Path, source: &str) -> Result<Ran, Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("evidence.defib");
    let out = file.to_string_lossy().into_owned();
    let ran = defib(kubeconfig, &["collect", "--out", &out, source])?;
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.all());
    defib(kubeconfig, &["diagnose", &out, "-o", "json"])
}

/// Two real causes; then the world is stopped, so that two looks at it see the same.
fn a_bundle_gives_the_same_report() -> Outcome {
    let mut plane = fresh()?;
    faults::two_at_once(&plane)?;
    // Whoever writes statuses and events; what is left renews leases only.
    for part in ["kwok", "kube-scheduler", "kube-controller-manager"] {
        plane.kill(part)?;
    }
    let live = defib(&plane.kubeconfig, &["diagnose", "kube:", "-o", "json"])?;
    let replayed = collected(&plane.kubeconfig, "kube:")?;
    same(&live, &replayed)?;
    let report = live.report()?;
    assert_eq!(report["root_causes"].as_array().map_or(0, Vec::len), 2);
    Ok(())
}

fn a_bundle_of_files_gives_the_same_report() -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples/half-alive-rebuild");
    let source = folder.to_string_lossy().into_owned();
    let nothing = Path::new("/nonexistent");
    let direct = defib(nothing, &["diagnose", &source, "-o", "json"])?;
    let replayed = collected(nothing, &source)?;
    same(&direct, &replayed)?;
    let (a, b) = (direct.report()?, replayed.report()?);
    assert_eq!(a["verdict"], "root-cause", "{a:#}");
    // Both hold the same evidence, so these two are the same as well.
    assert_eq!((&a["bundle"], &a["as_of"]), (&b["bundle"], &b["as_of"]));
    Ok(())
}

fn kubeconfig(folder: &Path, server: &str) -> Result<PathBuf, Failed> {
    let path = folder.join("kubeconfig");
    std::fs::write(
        &path,
        format!(
            "apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: '{server}', insecure-skip-tls-verify: true}}}}]
users: [{{name: u, user: {{token: none}}}}]
contexts: [{{name: silent, context: {{cluster: c, user: u}}}}]
current-context: silent
"
        ),
    )?;
    Ok(path)
}

/// Accepts connections and says nothing: a hung API server behind a living port.
fn a_silent_server_is_a_failure() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = format!("https://{}", listener.local_addr()?);
    let hears = std::thread::spawn(move || {
        let mut said = [0; 16];
        listener.accept().and_then(|(mut stream, _)| {
            stream.read_exact(&mut said)?;
            // Held open until the other side gives up.
            stream.read_to_end(&mut Vec::new())
        })
    });
    let folder = tempfile::tempdir()?;
    let config = kubeconfig(folder.path(), &server)?;
    let begun = std::time::Instant::now();
    let ran = defib(&config, &["diagnose", "kube:", "--timeout", "1"])?;
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    assert!(ran.out.is_empty(), "{}", ran.all());
    let said = format!("defib: cannot ask the cluster: no answer from {server}/ within 1 s");
    assert!(ran.err.starts_with(&said), "{}", ran.all());
    assert!(ran.err.contains("\n  "), "no hint: {}", ran.all());
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    drop(hears.join());
    Ok(())
}

fn a_refused_connection_is_a_failure() -> Outcome {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let server = format!("https://127.0.0.1:{port}");
    let folder = tempfile::tempdir()?;
    let config = kubeconfig(folder.path(), &server)?;
    let ran = defib(&config, &["diagnose", "kube:"])?;
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    assert!(
        ran.err.contains(&server) && ran.err.contains("refused"),
        "{}",
        ran.all()
    );
    assert!(ran.err.contains("defib diagnose FOLDER"), "{}", ran.all());
    Ok(())
}

fn no_kubeconfig_is_a_failure() -> Outcome {
    for arguments in [&["diagnose"][..], &["diagnose", "kube:"]] {
        let ran = Ran::of(&bare().args(arguments).output()?);
        assert_eq!(ran.code, Some(1), "{}", ran.all());
        assert!(ran.out.is_empty(), "{}", ran.all());
        assert!(ran.err.contains("kubeconfig"), "{}", ran.all());
        assert!(ran.err.contains("--kubeconfig FILE"), "{}", ran.all());
    }
    Ok(())
}
