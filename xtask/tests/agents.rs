//! Agents: real kubelets with real pods, what they promise, and no trace afterwards.
//!
//! Deliberately absent: what is about servers only (`nodes_cluster`), and what is broken (`nodes_faults`).
#![expect(
    clippy::print_stderr,
    reason = "a harness of its own has to say itself why it skips"
)]

mod census;
#[path = "census/owner.rs"]
mod owner;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use census::Census;
use libtest_mimic::{Arguments, Failed, Trial};
use owner::{OWNER, Owner};
use xtask::lab::fault::record;
use xtask::lab::node::{Lab, unavailable};
use xtask::lab::{leftovers, wait_until};

type Outcome = Result<(), Failed>;
type Test = (&'static str, fn() -> Outcome);

fn main() -> ExitCode {
    if std::env::var_os(OWNER).is_some() {
        return owner();
    }
    let mut arguments = Arguments::from_args();
    // The machine is counted before and after.
    arguments.test_threads = Some(1);
    let unavailable = unavailable();
    if let (Some(reason), false) = (&unavailable, arguments.list) {
        eprintln!("skipped: no nodes can run here: {reason}");
    }
    let tests: [Test; 3] = [
        ("pods_run_on_an_agent", pods_run_on_an_agent),
        ("servers_can_be_nodes", servers_can_be_nodes),
        (
            "nothing_is_left_of_pods_of_a_killed_owner",
            nothing_is_left_of_pods_of_a_killed_owner,
        ),
    ];
    let trials = tests
        .into_iter()
        .map(|(name, run)| Trial::test(name, run).with_ignored_flag(unavailable.is_some()))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A pod with a shell, until it runs.
const SHELL: &str = "kubectl run shell --image=lab.defib.dev/busybox:lab -- -c 'echo it runs; sleep 100000'\nkubectl wait --for=condition=Ready pod/shell --timeout=120s";

fn pods_run_on_an_agent() -> Outcome {
    // What is built or fetched is another matter.
    drop(Lab::builder().agents(1).bare().boot()?);
    let before = Census::take();
    let begun = Instant::now();
    let lab = Lab::builder().servers(1).agents(1).boot()?;
    eprintln!(
        "a server and an agent with pods: {:.0}s",
        begun.elapsed().as_secs_f64()
    );
    let n1 = lab.machine("n1")?;
    let n2 = lab.machine("n2")?;

    // Who is a node: the agent, by its own kubelet, and not the server, which has `disable-agent`.
    assert_eq!(
        n1.script("kubectl get nodes -o jsonpath='{.items[*].metadata.name}'")?,
        "n2"
    );
    let version = n1.script("kubectl get node n2 -o jsonpath='{.status.nodeInfo.containerRuntimeVersion} {.spec.providerID}'")?;
    assert!(
        version.starts_with("containerd://") && version.ends_with(" k3s://n2"),
        "{version}"
    );

    in_order(&n2.script("journalctl -u k3s-agent -o cat --no-pager")?)?;

    n1.script(SHELL)?;
    assert_eq!(n1.script("kubectl logs shell")?, "it runs\n");
    assert_eq!(n1.script("kubectl exec shell -- hostname")?, "shell\n");
    // The cluster's DNS, through a Service's address, of a Service and of a node.
    let found = n1.script("kubectl exec shell -- nslookup kubernetes.default.svc.cluster.local")?;
    assert!(found.contains("Address: 10.43.0.1\n"), "{found}");
    let found = n1.script("kubectl exec shell -- nslookup -type=a n1. 10.43.0.10")?;
    assert!(found.contains(n1.address()), "{found}");
    // A Service that leads to another pod.
    n1.script("kubectl create deployment web --image=lab.defib.dev/tool:lab -- /tool serve :8080\nkubectl expose deployment web --port=80 --target-port=8080\nkubectl rollout status deployment/web --timeout=120s")?;
    // kube-proxy hears of a pod a moment after it is Ready.
    let said = wait_until("the Service answers", Duration::from_secs(30), || {
        let asked = n1.script("kubectl exec deployment/web -- /tool get http://web/hello");
        asked.map_err(|e| e.to_string())
    })?;
    assert!(
        said.starts_with("web-") && said.ends_with(" /hello\n"),
        "{said}"
    );
    n2.script("k3s ctr -n k8s.io containers list | grep -q lab.defib.dev/tool:lab\ntest -e /var/lib/rancher/k3s/agent/containerd/io.containerd.metadata.v1.bolt/meta.db\ntest -s /run/flannel/subnet.env\ntest -d /var/lib/cni/networks/cbr0")?;

    // A stop of k3s leaves pods running, as k3s does.
    let pid = "pgrep -f '^/tool serve' | head -n 1";
    let running = n2.script(pid)?;
    n2.script("systemctl restart k3s-agent")?;
    assert_eq!(n2.script(pid)?, running);
    lab.await_pods()?;

    // What a person collects of it; `nodes_faults` has it judged.
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("well");
    record(&lab, &out)?;
    let objects = std::fs::read_to_string(out.join("objects.yaml"))?;
    assert!(objects.contains("kind: Node") && !objects.contains("kind: Secret\n"));

    // Snapshots and resets, with containers running.
    n2.stop()?;
    n2.snapshot("pods")?;
    n2.start()?;
    n2.script("rm -rf /var/lib/rancher/k3s/agent/containerd/io.containerd.content.v1.content")?;
    let begun = Instant::now();
    n2.reset("pods")?;
    n2.start()?;
    eprintln!(
        "a reset of the agent: {:.1}s",
        begun.elapsed().as_secs_f64()
    );
    lab.await_pods()?;
    n1.script("kubectl wait --for=condition=Ready pod/shell --timeout=120s")?;

    // What a person ends pods with.
    n2.script("k3s-killall.sh\nif pgrep -x containerd-shim; then exit 1; fi\nif ip link show cni0; then exit 1; fi")?;
    drop(lab);
    before.returns().map_err(Failed::from)
}

/// The key lines of an agent's start, as section 7.2 of the facts has them.
const START: [&str; 12] = [
    "Starting k3s agent v",
    "Adding server to load balancer k3s-agent-load-balancer: ",
    "Running load balancer k3s-agent-load-balancer ",
    "Logging containerd to /var/lib/rancher/k3s/agent/containerd/containerd.log",
    "Running containerd -c ",
    "containerd is now running",
    "Running kubelet --",
    "Flannel found PodCIDR assigned for node n2",
    "Wrote flannel subnet file to /run/flannel/subnet.env",
    "Running flannel backend.",
    "Labels and annotations have been set successfully on node: n2",
    "k3s agent is up and running",
];

fn in_order(journal: &str) -> Outcome {
    let mut rest = journal;
    for line in START {
        let (_, after) = rest
            .split_once(line)
            .ok_or_else(|| format!("`{line}` is not there, or not in its place"))?;
        rest = after;
    }
    Ok(())
}

/// `servers(1).server_nodes(true)`: the Node is its kubelet's, and carries what k3s writes about its member of etcd.
fn servers_can_be_nodes() -> Outcome {
    let lab = Lab::builder().servers(1).server_nodes(true).boot()?;
    let n1 = lab.machine("n1")?;
    n1.script(SHELL)?;
    assert_eq!(n1.script("kubectl exec shell -- hostname")?, "shell\n");
    wait_until("the Node is annotated", Duration::from_secs(60), || {
        let script = "kubectl get node n1 -o json | jq -e '.metadata | .annotations[\"etcd.k3s.cattle.io/node-name\"] == $member and .labels[\"node-role.kubernetes.io/etcd\"] == \"true\" and .labels[\"node-role.kubernetes.io/control-plane\"] == \"true\" and (.annotations[\"lab.defib.dev/no-kubelet\"] == null)' --arg member \"$(cat /var/lib/rancher/k3s/server/db/etcd/name)\"";
        n1.script(script).map(|_| ()).map_err(|e| e.to_string())
    })?;
    Ok(())
}

/// What the killed process does: it has a lab with pods, says so, and waits for its end.
fn owner() -> ExitCode {
    let Ok(lab) = Lab::builder().agents(1).boot() else {
        return ExitCode::FAILURE;
    };
    let ready = lab.machine("n1").and_then(|n1| n1.script(SHELL));
    if ready.is_err() {
        return ExitCode::FAILURE;
    }
    eprintln!("the owner has pods");
    std::thread::sleep(Duration::from_secs(600));
    ExitCode::SUCCESS
}

fn nothing_is_left_of_pods_of_a_killed_owner() -> Outcome {
    let before = Census::take();
    let owner = Owner::start()?;
    let pid = owner.pid();
    let found = wait_until("its pod runs", Duration::from_secs(300), || {
        let labs = leftovers::list().map_err(|e| e.to_string())?;
        let own = labs.into_iter().find(|lab| lab.record.owner.pid == pid);
        let own = own.ok_or("no record yet")?;
        let lab = Lab::open(&own).map_err(|e| e.to_string())?;
        let n2 = lab.machine("n2").map_err(|e| e.to_string())?;
        n2.script("pgrep -f 'sleep 100000'")
            .map_err(|e| e.to_string())?;
        Ok(own)
    })?;
    // SIGKILL: no code of the owner runs after this.
    drop(owner);
    before.returns()?;
    assert!(!found.record.dir.exists() && !found.path.exists());
    Ok(())
}
