//! The lab against its own promises: real states, a telling audit log, and no trace afterwards.
//! Deliberately absent: tests of Kubernetes; what is asserted here is what other tests build on.
#![expect(
    clippy::print_stderr,
    reason = "a harness of its own has to say itself why it skips"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use xtask::lab::record::ProcessId;
use xtask::lab::{
    ControlPlane, LabError, Options, Populate, control_plane, leftovers, populate, wait_until,
};

const PATIENCE: Duration = Duration::from_secs(60);

type Outcome = Result<(), Failed>;
type Test = (&'static str, fn() -> Outcome);

/// Its own harness, because only so can a test find out at run time that it has to be skipped.
fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Two control planes at once only make each other late.
    arguments.test_threads = Some(1);
    let unavailable = control_plane::unavailable();
    if let (Some(reason), false) = (&unavailable, arguments.list) {
        eprintln!("skipped: no control plane can run here: {reason}");
    }
    let tests: [Test; 6] = [
        (
            "states_are_genuine_and_nothing_is_left",
            states_are_genuine_and_nothing_is_left,
        ),
        (
            "the_audit_log_tells_readers_from_writers",
            the_audit_log_tells_readers_from_writers,
        ),
        (
            "a_part_can_be_killed_and_started_again",
            a_part_can_be_killed_and_started_again,
        ),
        (
            "parts_outlive_the_thread_that_started_them",
            parts_outlive_the_thread_that_started_them,
        ),
        (
            "a_killed_owner_leaves_nothing",
            a_killed_owner_leaves_nothing,
        ),
        (
            "the_command_decides_the_exit_code",
            the_command_decides_the_exit_code,
        ),
    ];
    let trials = tests
        .into_iter()
        .map(|(name, run)| Trial::test(name, run).with_ignored_flag(unavailable.is_some()))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What must be gone afterwards.
struct Trace {
    processes: Vec<ProcessId>,
    paths: Vec<PathBuf>,
}

impl Trace {
    fn of(plane: &ControlPlane) -> Self {
        let paths = vec![plane.dir.clone(), plane.record_path().to_owned()];
        Self {
            processes: plane.processes().to_vec(),
            paths,
        }
    }

    fn left(&self) -> Result<(), String> {
        let process = self.processes.iter().find(|process| process.alive());
        let path = self.paths.iter().find(|path| path.exists());
        match (process, path) {
            (None, None) => Ok(()),
            remains => Err(format!("left behind: {remains:?}")),
        }
    }
}

fn with_kwok() -> Result<ControlPlane, Failed> {
    Ok(ControlPlane::start(Options {
        kwok: true,
        ..Options::default()
    })?)
}

fn states_are_genuine_and_nothing_is_left() -> Outcome {
    let plane = with_kwok()?;
    let trace = Trace::of(&plane);
    assert_eq!(
        trace.processes.len(),
        5,
        "etcd, three of Kubernetes, kwok: {:?}",
        trace.processes
    );

    // Two nodes and a few large pods, all of which KWOK makes run.
    let order = Populate {
        pods: 30,
        nodes: 2,
        namespaces: 3,
        events: 60,
        running: true,
    };
    let done = populate::populate(plane.api(), &order)?;
    assert!(done.smallest_pod >= 8_192, "{done}");
    let phases = plane.kubectl_text(&[
        "get",
        "pods",
        "-A",
        "-o",
        "jsonpath={.items[*].status.phase}",
    ])?;
    assert_eq!(
        phases
            .split(' ')
            .filter(|phase| *phase == "Running")
            .count(),
        30,
        "{phases}"
    );

    plane.apply(GENUINE_TROUBLE)?;
    let seen = |what: &str, arguments: &[&str], word: &str| {
        wait_until(what, PATIENCE, || match plane.kubectl_text(arguments) {
            Ok(text) if text.contains(word) => Ok(text),
            Ok(text) => Err(text),
            Err(error) => Err(error.to_string()),
        })
    };
    // The Deployment itself says nothing of the reason; only its ReplicaSet's event does.
    let refused = seen(
        "a ReplicaSet is refused by Pod Security",
        &[
            "get",
            "events",
            "-n",
            "strict",
            "--field-selector=reason=FailedCreate",
            "-o",
            "yaml",
        ],
        "violates PodSecurity",
    )?;
    assert!(refused.contains("kind: ReplicaSet"), "{refused}");
    seen(
        "a quota refuses a pod",
        &[
            "get",
            "events",
            "-n",
            "tight",
            "--field-selector=reason=FailedCreate",
            "-o",
            "yaml",
        ],
        "exceeded quota",
    )?;
    seen(
        "a pod finds no node",
        &[
            "get",
            "events",
            "-n",
            "default",
            "--field-selector=reason=FailedScheduling",
            "-o",
            "yaml",
        ],
        "node affinity",
    )?;
    seen(
        "a claim without a class waits",
        &["get", "pvc", "-n", "default", "-o", "yaml"],
        "phase: Pending",
    )?;
    seen(
        "an aggregated API misses its service",
        &["get", "apiservice", "v1.absent.example.com", "-o", "yaml"],
        "ServiceNotFound",
    )?;
    let webhook = plane.kubectl(&["create", "configmap", "x", "-n", "guarded"])?;
    let said = String::from_utf8_lossy(&webhook.stderr);
    assert!(
        !webhook.status.success() && said.contains("failed calling webhook"),
        "{said}"
    );
    plane.kubectl_text(&["delete", "namespace", "held", "--wait=false"])?;
    seen(
        "a namespace hangs on a finalizer",
        &["get", "namespace", "held", "-o", "yaml"],
        "NamespaceFinalizersRemaining",
    )?;

    drop(plane);
    trace.left().map_err(Failed::from)
}

/// One object of each kind of trouble that a control plane without real nodes can make.
const GENUINE_TROUBLE: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: strict, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: root-user, namespace: strict}
spec:
  selector: {matchLabels: {app: root-user}}
  template:
    metadata: {labels: {app: root-user}}
    spec: {containers: [{name: app, image: "registry.invalid/app:1"}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: tight}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: none, namespace: tight}
spec: {hard: {pods: "0"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: no-room, namespace: tight}
spec:
  selector: {matchLabels: {app: no-room}}
  template:
    metadata: {labels: {app: no-room}}
    spec: {containers: [{name: app, image: "registry.invalid/app:1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: homeless, namespace: default}
spec:
  nodeSelector: {disk: none-has-this}
  containers: [{name: app, image: "registry.invalid/app:1"}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: unbound, namespace: default}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.absent.example.com}
spec:
  group: absent.example.com
  version: v1
  groupPriorityMinimum: 1000
  versionPriority: 15
  insecureSkipTLSVerify: true
  service: {name: absent, namespace: default}
---
apiVersion: v1
kind: Namespace
metadata: {name: guarded, labels: {guarded: "yes"}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: nobody-answers}
webhooks:
- name: nobody-answers.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  namespaceSelector: {matchLabels: {guarded: "yes"}}
  clientConfig: {service: {name: absent, namespace: default}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps], scope: Namespaced}]
---
apiVersion: v1
kind: Namespace
metadata: {name: held}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: holds-it, namespace: held, finalizers: [example.com/never-removed]}
"#;

fn the_audit_log_tells_readers_from_writers() -> Outcome {
    let plane = ControlPlane::start(Options::default())?;
    plane.kubectl_text(&[
        "create",
        "clusterrolebinding",
        "reader",
        "--clusterrole=view",
        "--user=reader",
    ])?;
    let kubeconfig = plane.kubeconfig_for("reader", None)?;
    let kubectl = |arguments: &[&str]| {
        let mut command = plane.command(plane.bin.join("kubectl"));
        command
            .env("KUBECONFIG", &kubeconfig)
            .args(arguments)
            .output()
    };
    let read = kubectl(&["get", "pods,configmaps", "-A"])?;
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
    let by_reader = || -> Result<Vec<_>, Failed> {
        Ok(plane
            .audit_events()?
            .into_iter()
            .filter(|event| event.user.username == "reader")
            .collect())
    };
    let events = by_reader()?;
    assert!(
        events.iter().any(|event| event.verb == "list"),
        "{events:?}"
    );
    assert!(events.iter().all(|event| !event.is_write()), "{events:?}");

    // Even a refused attempt to write is in the log: the proof does not rest on RBAC.
    assert!(!kubectl(&["create", "namespace", "mine"])?.status.success());
    let writes: Vec<_> = by_reader()?
        .into_iter()
        .filter(|event| event.is_write())
        .collect();
    let code = writes
        .iter()
        .find_map(|event| Some(event.response_status.as_ref()?.code));
    assert_eq!((writes.len(), code), (1, Some(403)), "{writes:?}");
    Ok(())
}

fn a_part_can_be_killed_and_started_again() -> Outcome {
    let mut plane = ControlPlane::start(Options::default())?;
    plane.kubectl_text(&["create", "namespace", "before"])?;
    plane.kill("etcd")?;
    wait_until("the API server notices", PATIENCE, || {
        match plane.api().get("/readyz") {
            Ok(answer) if answer.status == 200 => Err("still ready".to_owned()),
            _ => Ok(()),
        }
    })?;
    plane.start_again("etcd")?;
    plane.wait_ready()?;
    plane.kubectl_text(&["get", "namespace", "before"])?;
    assert!(plane.etcdctl(&["member", "list"])?.contains("started"));
    let unknown = plane.kill("kube-proxy");
    assert!(
        matches!(&unknown, Err(LabError::NoSuchPart(part)) if part == "kube-proxy"),
        "{unknown:?}"
    );
    Ok(())
}

/// The kernel binds a parent-death signal to a thread. Test harnesses run each test in its own.
fn parts_outlive_the_thread_that_started_them() -> Outcome {
    let started = std::thread::spawn(|| ControlPlane::start(Options::default()));
    let mut plane = started
        .join()
        .map_err(|_| "the starting thread panicked")??;
    plane.wait_ready()?;
    plane.kubectl_text(&["create", "namespace", "after"])?;
    assert!(
        plane.processes().iter().all(ProcessId::alive),
        "{:?}",
        plane.processes()
    );
    Ok(())
}

fn lab(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("lab").env("DEFIB_STATE", state);
    command
}

fn a_killed_owner_leaves_nothing() -> Outcome {
    let state = tempfile::tempdir()?;
    let mut owner = lab(state.path())
        .arg("control-plane")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(owner.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let kubeconfig = PathBuf::from(line.trim());
    assert!(kubeconfig.is_file(), "{line}");

    let labs = leftovers::list_in(&state.path().join("lab"))?;
    let [lab_record] = labs.as_slice() else {
        return Err(format!("{labs:?}").into());
    };
    assert!(lab_record.owned);
    assert_eq!(lab_record.running.len(), 4, "{labs:?}");
    let status = lab(state.path()).arg("status").output()?;
    assert!(
        String::from_utf8_lossy(&status.stdout).contains("kube-apiserver"),
        "{status:?}"
    );

    let trace = Trace {
        processes: lab_record.running.clone(),
        paths: vec![lab_record.record.dir.clone(), lab_record.path.clone()],
    };
    owner.kill()?;
    owner.wait()?;
    wait_until("everything has gone", PATIENCE, || trace.left())?;
    Ok(())
}

fn the_command_decides_the_exit_code() -> Outcome {
    let state = tempfile::tempdir()?;
    let copy = state.path().join("copy.kubeconfig");
    let script = r#"
        test -s "$KUBECONFIG" && test -s "$LAB_AUDIT_LOG" && test -x "$LAB_BIN/etcdutl" && test -d "$LAB_DIR" || exit 1
        kubectl get --raw /readyz && etcdctl endpoint health || exit 2
        KUBECONFIG="$COPY" kubectl get namespaces || exit 3
        echo "$LAB_DIR"; exit 7"#;
    let output = lab(state.path())
        .args(["control-plane", "--kubeconfig"])
        .arg(&copy)
        .args(["--", "sh", "-c", script])
        .env("COPY", &copy)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(7),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let dir = said.lines().last().ok_or("nothing was printed")?;
    assert!(!Path::new(dir).exists() && !copy.exists(), "{dir}");
    assert_eq!(fs::read_dir(state.path().join("lab"))?.count(), 0);
    Ok(())
}
