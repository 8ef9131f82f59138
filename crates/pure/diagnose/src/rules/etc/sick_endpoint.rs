//! # ETC011 Clients are sent to the one server that is sick
//!
//! class: endpoint-on-sick-member
//!
//! ## What it sees
//! `The connection to the server A was refused` (or no answer) of kubectl, while etcd's health shows a
//! majority well and A's member not among it; A is the address of a server whose node is not ready, while
//! another is; or server after server was asked for `/readyz`, and only some are ready; or a load balancer before the
//! API (HAProxy) that has no server to send to, while servers answer by their own addresses.
//!
//! ## Why it matters
//! The cluster works; only the way in leads to the wrong door. Everything that asks there sees a dead
//! cluster.
//!
//! ## What to do
//! Point the kubeconfig, or the load balancer, at a server that is well; then heal the sick one in
//! peace.
//!
//! ## What not to do
//! Do not restore or reset because of what kubectl says through this address.

use defib_model::fact::{Answer, Fact, Reach, Value};
use defib_model::kubectl;

use crate::analysis::etcd::{self, explain_all};
use crate::analysis::host::{self, quotes};
use crate::analysis::nodes;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC011",
    class: "endpoint-on-sick-member",
    needs: &[],
    leads_to: &[K::ControlPlaneUnhealthy],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let before = out.len();
    tried(cx, out);
    if out.len() == before {
        by_nodes(cx, out);
    }
    if out.len() == before {
        balanced(cx, out);
    }
    if out.len() > before {
        return;
    }
    let Some(count) = etcd::count(cx).filter(|c| c.voters > 1) else {
        return;
    };
    if count.alive < etcd::majority(count.voters) {
        return;
    }
    let ends = etcd::endpoints(cx);
    let refused: Vec<_> = host::lines(
        cx,
        &["kubectl.refused", "kubectl.unable"],
        "the client asks this address, and gets no answer",
    )
    .into_iter()
    .filter(|l| {
        l.line.groups.first().is_some_and(|a| {
            // Not among those that are well: sick, or silent while others answered.
            ends.get(a).map_or(
                ends.len() < count.voters
                    && a.parse::<std::net::IpAddr>()
                        .is_ok_and(|ip| !ip.is_loopback()),
                |(well, _)| !well,
            )
        })
    })
    .collect();
    let Some(first) = refused.first() else { return };
    let address = first.line.groups.first().cloned().unwrap_or_default();
    let well = ends
        .iter()
        .filter(|(_, (well, _))| *well)
        .map(|(_, (_, f))| cx.fact(f, "this member is well"));
    let sick = ends
        .iter()
        .filter(|(_, (well, _))| !*well)
        .map(|(_, (_, f))| cx.fact(f, "this member is not"));
    let f = RULE
        .on(EntityId::other("endpoint", &address))
        .title(format!("clients are sent to {address}, the server that is sick; {} of {} members are well", count.alive, count.voters))
        .why("The cluster works: only the way in leads to the wrong server.")
        .term(80, "its member is the one that does not answer, and a majority does")
        .cite_all(quotes(&refused))
        .cite_all(sick)
        .cite_all(well)
        .safe("Ask a server that is well.", "kubectl --server=https://WELL:6443 get nodes")
        .advice("Point the kubeconfig or the load balancer at servers that are well, with a health check on /readyz.")
        .dont("Don't reset or restore because of what this address says.");
    out.push(explain_all(f, cx));
}

/// The load balancer of the API has no server left to send to, and servers of the cluster answer by their own addresses.
fn balanced(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let back = ["balancer.server-up", "balancer.server-ready"];
    let mut none = host::lines(
        cx,
        &["balancer.no-server"],
        "the load balancer sends to nobody",
    );
    none.retain(|l| !l.is_followed(cx, &back));
    let Some(last) = none.last() else { return };
    let why = host::lines(
        cx,
        &["balancer.maintenance", "balancer.server-down"],
        "why it does not send there",
    );
    let name = last.group(0);
    let its = |l: &&host::Told<'_>| l.group(0).split('/').next() == Some(name);
    let ready = host::facts(cx, |v| match v {
        Value::Reach(r) if r.answer == Answer::Well && !r.target.is_empty() => Some(r),
        _ => None,
    })
    .filter(|(f, _)| f.command.contains("readyz") || f.command.contains("livez"));
    let ready: Vec<_> = ready
        .map(|(f, _)| cx.fact(f, "asked by its own address, this one is ready"))
        .collect();
    let lives = etcd::count(cx).is_some_and(|c| c.alive >= etcd::majority(c.voters));
    // Does it stand before the API? Its list holds a server's own name, or one who asks for the API is turned away.
    let refused = host::lines(
        cx,
        &["kubectl.refused", "kubectl.unable"],
        "the client is turned away",
    );
    let listed = why.iter().filter_map(|l| l.group(0).split_once('/'));
    let node = listed
        .filter_map(|(_, server)| cx.cluster.nodes.iter().find(|n| nodes::belongs(n, server)))
        .next();
    if (ready.is_empty() && !lives) || (refused.is_empty() && node.is_none()) {
        return;
    }
    let door = match node {
        Some(node) if refused.is_empty() => {
            vec![cx.field(node.obj, "/metadata/name", "one of its servers is a node")]
        }
        _ => quotes(&refused).into_iter().take(1).collect(),
    };
    let ends = etcd::endpoints(cx);
    let well = ends.values().filter(|(well, _)| *well);
    let f = RULE
        .on(EntityId::other("endpoint", name))
        .title(format!("the load balancer's {name} has no server to send to; servers of the cluster answer by their own addresses"))
        .why("The cluster works: only the way in leads to nobody. A server in maintenance is not asked whether it is well.")
        .term(80, "the load balancer says so, and others are well")
        .cite(last.evidence.clone())
        .cite_all(door)
        .cite_all(ready)
        .cite_all(well.map(|(_, f)| cx.fact(f, "this member is well")))
        .cite_all(why.iter().filter(its).map(|l| l.evidence.clone()))
        .safe("Which servers does it know, and in which state?", "echo 'show servers state' | socat stdio /run/haproxy/admin.sock")
        .safe("Ask a server that is well.", "kubectl --server=https://WELL:6443 get nodes")
        .check_first("Take those out of maintenance that are well.", "echo 'set server BACKEND/SERVER state ready' | socat stdio /run/haproxy/admin.sock")
        .dont("Don't reset or restore because of what this address says.");
    out.push(explain_all(f, cx));
}

/// Somebody asked server after server: some are ready, one is not, and so is what the client's own
/// configuration leads to.
fn tried(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let tries: Vec<(&Fact, &Reach)> = host::facts(cx, |v| match v {
        Value::Reach(r) if r.port != Some(2380) && r.port != Some(2379) => Some(r),
        _ => None,
    })
    .filter(|(f, _)| f.command.contains("readyz") || f.command.contains("livez"))
    .collect();
    let well = |(_, r): &&(&Fact, &Reach)| r.answer == Answer::Well && !r.target.is_empty();
    let Some(good) = tries.iter().find(well) else {
        return;
    };
    let bad = |(_, r): &&(&Fact, &Reach)| {
        r.answer != Answer::Well && !r.target.is_empty() && r.target != good.1.target
    };
    let Some((fact, r)) = tries.iter().find(bad) else {
        return;
    };
    // What was asked without saying where.
    let own = cx.cluster.facts.iter().find(|f| {
        let failed = match &f.value {
            Value::Reach(r) => r.target.is_empty() && r.answer != Answer::Well,
            Value::Error(text) => {
                text.contains("ServiceUnavailable")
                    || text.starts_with("Unable to connect to the server")
                    || text.contains("was refused")
            }
            _ => false,
        };
        let mut words = f
            .command
            .split_ascii_whitespace()
            .skip_while(|w| *w == "sudo");
        let asked = kubectl::words(words.clone()).is_some();
        failed && asked && !words.any(|w| w == "-s" || w.starts_with("--server"))
    });
    let Some(own) = own else { return };
    let answering = tries.iter().filter(|t| well(t));
    let f = RULE
        .on(EntityId::other("endpoint", &r.target))
        .title(format!("clients are sent to {}, the server that is not ready; {} is", r.target, good.1.target))
        .why("The cluster works: only the way in leads to the wrong server.")
        .term(82, "asked by their own addresses, others are ready and this one is not")
        .cite(cx.fact(own, "asked by the client's own configuration"))
        .cite(cx.fact(fact, "this server is not ready"))
        .cite_all(answering.map(|(f, _)| cx.fact(f, "this one is")))
        .safe("Ask a server that is well.", command!("kubectl --server=https://{}:6443 get nodes", good.1.target))
        .advice("Point the kubeconfig or the load balancer at servers that are well, with a health check on /readyz.")
        .dont("Don't reset or restore because of what this address says.");
    out.push(explain_all(f, cx));
}

/// The address that does not answer is that of a server whose node is not ready, and another server, which is,
/// has shown the nodes.
fn by_nodes(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let server = |n: &defib_model::views::Node| {
        n.metadata
            .labels
            .keys()
            .any(|l| l.ends_with("/control-plane") || l.ends_with("/master"))
    };
    let nodes = || cx.cluster.nodes.iter().filter(|n| server(n));
    let Some(well) = nodes().find(|n| n.ready() == Some("True")) else {
        return;
    };
    let refused = host::lines(
        cx,
        &["kubectl.refused", "kubectl.unable"],
        "the client asks this address, and gets no answer",
    );
    for line in refused {
        let address = line.group(0);
        let sick = nodes().find(|n| {
            n.ready() != Some("True") && n.status.addresses.iter().any(|a| a.address == address)
        });
        let Some(sick) = sick else { continue };
        let (down, up) = (&sick.metadata.name, &well.metadata.name);
        let f = RULE
            .on(EntityId::other("endpoint", address))
            .title(format!("clients are sent to {address}, that is {down}, which is not ready; {up} is"))
            .why("The cluster works: only the way in leads to the wrong server.")
            .term(80, "the address that does not answer is that of the server that is down")
            .cite(line.evidence.clone())
            .cite(cx.field(sick.obj, "/status/addresses", "the server behind that address is not ready"))
            .cite(cx.field(well.obj, "/status/conditions", "another server is"))
            .safe("Ask a server that is well.", command!("kubectl --server=https://{}:6443 get nodes", up))
            .advice("Point the kubeconfig or the load balancer at servers that are well, with a health check on /readyz.")
            .dont("Don't reset or restore because of what this address says.");
        out.push(explain_all(f, cx));
        return;
    }
}
