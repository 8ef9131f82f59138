//! Needs that no field states: what a program's last words say it called, who provisions a class, and
//! which controller makes a Secret. Each gives the conditions upstream of one condition.
//!
//! Deliberately absent: edges of the graph that objects state themselves (`read`).

use defib_model::Condition;
use defib_model::condition::ConditionKind as K;
use defib_model::id::EntityId;

use crate::analysis::references;
use crate::context::{Context, last_event};

/// Words of a connection that nobody answered; Go `net`, libc `strerror`, Node.js, Java.
const UNANSWERED: &[&str] = &[
    "connection refused",
    "econnrefused",
    "no route to host",
    "ehostunreach",
    "i/o timeout",
    "timed out",
    "etimedout",
    "could not connect",
    "can't connect",
    "failed to connect",
    "unable to connect",
    "connection reset",
];

/// Services without endpoints that the pod's last words name as not answering.
pub fn called(cx: &Context<'_>, c: &Condition) -> Vec<EntityId> {
    if !matches!(
        c.kind,
        K::ContainerCrashLoop | K::ProbeFailing | K::PodNotReady
    ) {
        return Vec::new();
    }
    let Some(pod) = cx.cluster.pod(&c.entity) else {
        return Vec::new();
    };
    let mut lines: Vec<String> = cx
        .cluster
        .tails
        .iter()
        .filter(|t| t.entity == c.entity)
        .flat_map(|t| t.lines.iter().map(|l| l.text.to_lowercase()))
        .collect();
    for (_, status) in pod.statuses() {
        let ended = [&status.last_state.terminated, &status.state.terminated];
        for t in ended.into_iter().flatten() {
            lines.extend(t.message.lines().map(str::to_lowercase));
        }
    }
    lines.retain(|l| UNANSWERED.iter().any(|w| l.contains(w)));
    if lines.is_empty() {
        return Vec::new();
    }
    cx.all(K::ServiceWithoutEndpoints)
        .filter_map(|down| {
            let service = cx
                .cluster
                .services
                .iter()
                .find(|s| cx.cluster.id(s.obj) == down.entity)?;
            let (ns, name) = (&service.metadata.namespace, &service.metadata.name);
            let address = service.spec.cluster_ip.as_str();
            let near = *ns == pod.metadata.namespace;
            let named = |line: &String| {
                (address.contains(['.', ':']) && word(line, address).is_some())
                    || word(line, &format!("{name}.{ns}")).is_some()
                    || (near
                        && word(line, name).is_some_and(|rest| {
                            // A short name is a common word: it counts with a port behind it.
                            rest.starts_with(':')
                                && rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit())
                        }))
            };
            lines.iter().any(named).then(|| down.entity.clone())
        })
        .collect()
}

/// What stands behind a name, where it stands by itself.
fn word<'t>(line: &'t str, name: &str) -> Option<&'t str> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    line.match_indices(name).find_map(|(at, _)| {
        let (before, rest) = (line.get(..at)?, line.get(at + name.len()..)?);
        let starts = !before.ends_with(|c: char| part(c) || c == '.');
        let ends = !rest.starts_with(part);
        (starts && ends).then_some(rest)
    })
}

/// Pods of the provisioner that a claim waits for.
pub fn provisioners(cx: &Context<'_>, c: &Condition) -> Vec<EntityId> {
    if c.kind != K::ClaimPending {
        return Vec::new();
    }
    let waits = last_event(
        cx.cluster,
        &c.entity,
        &["ExternalProvisioning", "Provisioning"],
    );
    let failed = last_event(cx.cluster, &c.entity, &["ProvisioningFailed"]);
    let (Some(event), None) = (waits, failed) else {
        return Vec::new();
    };
    // "… to be created either by the external provisioner 'rancher.io/local-path' or manually …"
    let Some(driver) = event
        .message
        .split(['\'', '"'])
        .find(|w| w.contains('.') && !w.contains(' ') && w.len() > 4)
    else {
        return Vec::new();
    };
    // What distinguishes the driver's name from others: `local-path`, `longhorn`, `nfs`.
    let marks: Vec<&str> = driver
        .split(['/', '.'])
        .filter(|w| {
            !matches!(
                *w,
                "io" | "com"
                    | "org"
                    | "net"
                    | "dev"
                    | "csi"
                    | "k8s"
                    | "driver"
                    | "provisioner"
                    | "rancher"
                    | "storage"
                    | "kubernetes"
                    | "cluster"
                    | "local"
            ) && w.len() > 2
        })
        .collect();
    if marks.is_empty() {
        return Vec::new();
    }
    cx.conditions
        .iter()
        .filter(|up| up.entity.kind() == "pod" && up.entity != c.entity)
        .filter(|up| {
            let name = up.entity.name();
            marks.iter().all(|m| name.contains(m))
                && (marks.iter().any(|m| name.starts_with(m))
                    || ["provisioner", "csi", "controller", "manager"]
                        .iter()
                        .any(|w| name.contains(w)))
        })
        .map(|up| up.entity.clone())
        .collect()
}

/// The resource that makes this Secret, if the evidence holds one: a sealed, external or synced secret
/// of the same name, or a resource that names it as its target.
pub fn maker(cx: &Context<'_>, secret: &EntityId) -> Option<EntityId> {
    cx.cluster.others.iter().find_map(|other| {
        let object = cx.cluster.object(other.obj)?;
        let secretive = object.kind.ends_with("Secret") && object.kind != "Secret";
        let same =
            object.name == secret.name() && Some(object.namespace.as_str()) == secret.namespace();
        (secretive && same).then(|| object.id.clone())
    })
}

/// Makers of Secrets that this pod waits for.
pub fn makers(cx: &Context<'_>, c: &Condition) -> Vec<EntityId> {
    if !matches!(c.kind, K::ContainerConfigError | K::VolumeMountFailing)
        || cx.cluster.others.is_empty()
    {
        return Vec::new();
    }
    references::missing(cx, "Secret")
        .into_iter()
        .filter(|m| m.pod == c.entity && m.condition == c.kind)
        .filter_map(|m| maker(cx, &m.what))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn names_stand_by_themselves() {
        assert_eq!(
            word("dial tcp 10.43.0.9:5432: refused", "10.43.0.9"),
            Some(":5432: refused")
        );
        assert_eq!(word("dial tcp 10.43.0.99:5432", "10.43.0.9"), None);
        assert_eq!(word("postgres-2:5432", "postgres"), None);
        assert_eq!(word("my-postgres:5432", "postgres"), None);
        assert_eq!(
            word("http://api.shop.svc:80/", "api.shop"),
            Some(".svc:80/")
        );
    }
}
