//! The edges: who needs whom, and the field that says so.
//!
//! Deliberately absent: conditions. An edge exists whether or not its ends are well, and also when
//! the needed end is missing.

use std::collections::BTreeMap;

use defib_model::cluster::Cluster;
use defib_model::edge::{Edge, EdgeKind, dns};
use defib_model::id::EntityId;
use defib_model::views::pod::{Pod, PodSpec};

pub(crate) fn build(c: &mut Cluster) {
    let mut edges: Vec<Edge> = Vec::new();
    let mut add = |from: &EntityId, to: EntityId, kind: EdgeKind, field: String| {
        edges.push(Edge {
            from: from.clone(),
            to,
            kind,
            field,
        });
    };
    let by_uid: BTreeMap<&str, &EntityId> = c
        .objects
        .iter()
        .filter(|o| !o.uid.is_empty())
        .map(|o| (o.uid.as_str(), &o.id))
        .collect();

    for pod in &c.pods {
        let id = c.id(pod.obj);
        owner(&pod.metadata, &id, &by_uid, &mut add);
        of_spec(&pod.spec, &pod.metadata.namespace, &id, "/spec", &mut add);
        if !pod.spec.node_name.is_empty() {
            add(
                &id,
                EntityId::object("Node", "", "", &pod.spec.node_name),
                EdgeKind::RunsOn,
                "/spec/nodeName".into(),
            );
        }
        add(
            &id,
            namespace(&pod.metadata.namespace),
            EdgeKind::LivesIn,
            "/metadata/namespace".into(),
        );
        if pod.serves_dns() {
            add(&dns(), id.clone(), EdgeKind::DnsServedBy, String::new());
        } else if matches!(
            pod.spec.dns_policy.as_str(),
            "ClusterFirst" | "ClusterFirstWithHostNet"
        ) && (pod.spec.host_network != Some(true)
            || pod.spec.dns_policy == "ClusterFirstWithHostNet")
        {
            add(&id, dns(), EdgeKind::Resolves, "/spec/dnsPolicy".into());
        }
    }
    for w in &c.workloads {
        let id = c.id(w.obj);
        owner(&w.metadata, &id, &by_uid, &mut add);
        of_spec(
            &w.spec.template.spec,
            &w.metadata.namespace,
            &id,
            "/spec/template/spec",
            &mut add,
        );
        add(
            &id,
            namespace(&w.metadata.namespace),
            EdgeKind::LivesIn,
            "/metadata/namespace".into(),
        );
    }
    for claim in &c.claims {
        let id = c.id(claim.obj);
        if !claim.spec.volume_name.is_empty() {
            let volume = EntityId::object("PersistentVolume", "", "", &claim.spec.volume_name);
            add(
                &id,
                volume,
                EdgeKind::BindsVolume,
                "/spec/volumeName".into(),
            );
        }
        if let Some(class) = claim
            .spec
            .storage_class_name
            .as_ref()
            .filter(|s| !s.is_empty())
        {
            let class = EntityId::object("StorageClass", "storage.k8s.io", "", class);
            add(
                &id,
                class,
                EdgeKind::HasClass,
                "/spec/storageClassName".into(),
            );
        }
    }
    for volume in &c.volumes {
        let id = c.id(volume.obj);
        if let Some(required) = &volume.spec.node_affinity.required {
            for node in &c.nodes {
                if required.matches(&node.metadata.name, &node.metadata.labels) {
                    add(
                        &id,
                        c.id(node.obj),
                        EdgeKind::PinnedTo,
                        "/spec/nodeAffinity/required".into(),
                    );
                }
            }
        }
    }
    let mut by_namespace: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in &c.pods {
        by_namespace
            .entry(&pod.metadata.namespace)
            .or_default()
            .push(pod);
    }
    for service in &c.services {
        let id = c.id(service.obj);
        if service.spec.selector.is_empty() {
            continue;
        }
        for pod in by_namespace
            .get(service.metadata.namespace.as_str())
            .into_iter()
            .flatten()
        {
            if service
                .spec
                .selector
                .iter()
                .all(|(k, v)| pod.metadata.labels.get(k) == Some(v))
            {
                add(
                    &id,
                    c.id(pod.obj),
                    EdgeKind::Selects,
                    "/spec/selector".into(),
                );
            }
        }
        // Where no pod could be made, the workload that would make it is what the Service waits for.
        for w in &c.workloads {
            if w.metadata.namespace == service.metadata.namespace
                && w.metadata.owner_references.is_empty()
                && !w.spec.template.metadata.labels.is_empty()
                && service
                    .spec
                    .selector
                    .iter()
                    .all(|(k, v)| w.spec.template.metadata.labels.get(k) == Some(v))
            {
                add(&id, c.id(w.obj), EdgeKind::Selects, "/spec/selector".into());
            }
        }
    }
    for ingress in &c.ingresses {
        let id = c.id(ingress.obj);
        for (field, name) in ingress.backends() {
            add(
                &id,
                EntityId::object("Service", "", &ingress.metadata.namespace, name),
                EdgeKind::RoutesTo,
                field,
            );
        }
        for (i, tls) in ingress.spec.tls.iter().enumerate() {
            if !tls.secret_name.is_empty() {
                let secret =
                    EntityId::object("Secret", "", &ingress.metadata.namespace, &tls.secret_name);
                add(
                    &id,
                    secret,
                    EdgeKind::ReadsSecret,
                    format!("/spec/tls/{i}/secretName"),
                );
            }
        }
    }
    for config in &c.webhooks {
        let id = c.id(config.obj);
        for (i, hook) in config.webhooks.iter().enumerate() {
            if let Some(s) = &hook.client_config.service {
                let service = EntityId::object("Service", "", &s.namespace, &s.name);
                add(
                    &id,
                    service,
                    EdgeKind::ServedBy,
                    format!("/webhooks/{i}/clientConfig/service"),
                );
            }
        }
    }
    for api in &c.api_services {
        if let Some(s) = &api.spec.service {
            let service = EntityId::object("Service", "", &s.namespace, &s.name);
            add(
                &c.id(api.obj),
                service,
                EdgeKind::ServedBy,
                "/spec/service".into(),
            );
        }
    }
    for ns in &c.namespaces {
        if ns.metadata.deletion_timestamp.is_none() {
            continue;
        }
        let id = c.id(ns.obj);
        for api in &c.api_services {
            if api.spec.service.is_some() {
                add(
                    &id,
                    c.id(api.obj),
                    EdgeKind::DiscoversThrough,
                    String::new(),
                );
            }
        }
    }
    let crds: BTreeMap<(&str, &str), EntityId> = c
        .crds
        .iter()
        .map(|d| {
            (
                (d.spec.group.as_str(), d.spec.names.kind.as_str()),
                c.id(d.obj),
            )
        })
        .collect();
    for other in &c.others {
        let Some(object) = c.object(other.obj) else {
            continue;
        };
        let id = object.id.clone();
        owner(&other.metadata, &id, &by_uid, &mut add);
        let group = object.api_version.rsplit_once('/').map_or("", |(g, _)| g);
        if let Some(crd) = crds.get(&(group, object.kind.as_str())) {
            add(&id, crd.clone(), EdgeKind::DefinedBy, "/apiVersion".into());
        }
    }

    edges.sort();
    edges.dedup();
    let mut index: BTreeMap<EntityId, (usize, usize)> = BTreeMap::new();
    for (i, edge) in edges.iter().enumerate() {
        match index.get_mut(&edge.from) {
            Some(range) => range.1 = i + 1,
            None => {
                index.insert(edge.from.clone(), (i, i + 1));
            }
        }
    }
    c.edges = edges;
    c.needs_index = index;
}

fn namespace(name: &str) -> EntityId {
    EntityId::object("Namespace", "", "", name)
}

/// The owner needs what it owns: pods are the purpose of what makes them.
fn owner(
    meta: &defib_model::views::Meta,
    id: &EntityId,
    by_uid: &BTreeMap<&str, &EntityId>,
    add: &mut impl FnMut(&EntityId, EntityId, EdgeKind, String),
) {
    let Some(owner) = meta.controller() else {
        return;
    };
    let group = owner.api_version.rsplit_once('/').map_or("", |(g, _)| g);
    let from = by_uid
        .get(owner.uid.as_str())
        .map(|id| (*id).clone())
        .unwrap_or_else(|| EntityId::object(&owner.kind, group, &meta.namespace, &owner.name));
    add(
        &from,
        id.clone(),
        EdgeKind::Owns,
        "/metadata/ownerReferences".into(),
    );
}

fn of_spec(
    spec: &PodSpec,
    ns: &str,
    id: &EntityId,
    at: &str,
    add: &mut impl FnMut(&EntityId, EntityId, EdgeKind, String),
) {
    let secret = |name: &str| EntityId::object("Secret", "", ns, name);
    let config = |name: &str| EntityId::object("ConfigMap", "", ns, name);
    for (i, v) in spec.volumes.iter().enumerate() {
        if let Some(claim) = &v.persistent_volume_claim {
            let to = EntityId::object("PersistentVolumeClaim", "", ns, &claim.claim_name);
            add(
                id,
                to,
                EdgeKind::MountsClaim,
                format!("{at}/volumes/{i}/persistentVolumeClaim/claimName"),
            );
        }
        if let Some(s) = &v.secret {
            add(
                id,
                secret(&s.secret_name),
                EdgeKind::ReadsSecret,
                format!("{at}/volumes/{i}/secret"),
            );
        }
        if let Some(m) = &v.config_map {
            add(
                id,
                config(&m.name),
                EdgeKind::ReadsConfigMap,
                format!("{at}/volumes/{i}/configMap"),
            );
        }
        for (j, source) in v
            .projected
            .iter()
            .flat_map(|p| p.sources.iter().enumerate())
        {
            let here = format!("{at}/volumes/{i}/projected/sources/{j}");
            if let Some(s) = &source.secret {
                add(
                    id,
                    secret(&s.name),
                    EdgeKind::ReadsSecret,
                    format!("{here}/secret"),
                );
            }
            if let Some(m) = &source.config_map {
                add(
                    id,
                    config(&m.name),
                    EdgeKind::ReadsConfigMap,
                    format!("{here}/configMap"),
                );
            }
        }
    }
    for (path, c) in spec.all_containers() {
        for (i, from) in c.env_from.iter().enumerate() {
            if let Some(s) = &from.secret_ref {
                add(
                    id,
                    secret(&s.name),
                    EdgeKind::ReadsSecret,
                    format!("{at}/{path}/envFrom/{i}/secretRef"),
                );
            }
            if let Some(m) = &from.config_map_ref {
                add(
                    id,
                    config(&m.name),
                    EdgeKind::ReadsConfigMap,
                    format!("{at}/{path}/envFrom/{i}/configMapRef"),
                );
            }
        }
        for (i, env) in c.env.iter().enumerate() {
            if let Some(s) = &env.value_from.secret_key_ref {
                add(
                    id,
                    secret(&s.name),
                    EdgeKind::ReadsSecret,
                    format!("{at}/{path}/env/{i}/valueFrom/secretKeyRef"),
                );
            }
            if let Some(m) = &env.value_from.config_map_key_ref {
                add(
                    id,
                    config(&m.name),
                    EdgeKind::ReadsConfigMap,
                    format!("{at}/{path}/env/{i}/valueFrom/configMapKeyRef"),
                );
            }
        }
    }
    for (i, s) in spec.image_pull_secrets.iter().enumerate() {
        add(
            id,
            secret(&s.name),
            EdgeKind::ReadsSecret,
            format!("{at}/imagePullSecrets/{i}/name"),
        );
    }
    if !spec.service_account_name.is_empty() {
        let to = EntityId::object("ServiceAccount", "", ns, &spec.service_account_name);
        add(id, to, EdgeKind::RunsAs, format!("{at}/serviceAccountName"));
    }
}
