//! Services, their endpoints, Ingresses and network policies.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::meta::{Meta, StatusCondition};
use crate::cluster::ObjId;
use crate::de;
use crate::selector::{LabelSelector, Labels};

/// A Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Service {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// What was asked for.
    #[serde(deserialize_with = "de::object")]
    pub spec: ServiceSpec,
    /// What is.
    #[serde(deserialize_with = "de::object")]
    pub status: ServiceStatus,
}

/// `spec` of a Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceSpec {
    /// ClusterIP, NodePort, LoadBalancer, ExternalName.
    #[serde(rename = "type", deserialize_with = "de::text")]
    pub kind: String,
    /// Its pods; empty means that endpoints are made by hand.
    #[serde(deserialize_with = "de::text_map")]
    pub selector: Labels,
    /// Its address, or None.
    #[serde(rename = "clusterIP", deserialize_with = "de::text")]
    pub cluster_ip: String,
    /// Ports.
    #[serde(deserialize_with = "de::list")]
    pub ports: Vec<ServicePort>,
    /// The name behind an ExternalName.
    #[serde(deserialize_with = "de::text")]
    pub external_name: String,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServicePort {
    /// Its name.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
    /// The port outside.
    #[serde(deserialize_with = "de::int")]
    pub port: Option<i64>,
    /// TCP (the default), UDP, SCTP.
    #[serde(deserialize_with = "de::text")]
    pub protocol: String,
    /// The port of the pod, number or name.
    #[serde(deserialize_with = "de::text")]
    pub target_port: String,
    /// The port of the node.
    #[serde(deserialize_with = "de::int")]
    pub node_port: Option<i64>,
}

/// `status` of a Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Addresses given.
    #[serde(deserialize_with = "de::object")]
    pub load_balancer: LoadBalancer,
    /// Conditions.
    #[serde(deserialize_with = "de::list")]
    pub conditions: Vec<StatusCondition>,
}

/// `status.loadBalancer`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LoadBalancer {
    /// Addresses.
    #[serde(deserialize_with = "de::list")]
    pub ingress: Vec<LoadBalancerIngress>,
}

/// One address of a load balancer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LoadBalancerIngress {
    /// Address.
    #[serde(deserialize_with = "de::text")]
    pub ip: String,
    /// Name.
    #[serde(deserialize_with = "de::text")]
    pub hostname: String,
}

/// An Ingress.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Ingress {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// What was asked for.
    #[serde(deserialize_with = "de::object")]
    pub spec: IngressSpec,
}

/// `spec` of an Ingress.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressSpec {
    /// Who serves it.
    #[serde(deserialize_with = "de::text")]
    pub ingress_class_name: String,
    /// For all else.
    #[serde(deserialize_with = "de::maybe")]
    pub default_backend: Option<IngressBackend>,
    /// Hosts and paths.
    #[serde(deserialize_with = "de::list")]
    pub rules: Vec<IngressRule>,
    /// Certificates.
    #[serde(deserialize_with = "de::list")]
    pub tls: Vec<IngressTls>,
}

/// One of `tls`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressTls {
    /// The certificate.
    #[serde(deserialize_with = "de::text")]
    pub secret_name: String,
    /// Hosts.
    #[serde(deserialize_with = "de::texts")]
    pub hosts: Vec<String>,
}

/// One of `rules`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressRule {
    /// Host.
    #[serde(deserialize_with = "de::text")]
    pub host: String,
    /// Paths.
    #[serde(deserialize_with = "de::object")]
    pub http: IngressHttp,
}

/// `http` of a rule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressHttp {
    /// Paths.
    #[serde(deserialize_with = "de::list")]
    pub paths: Vec<IngressPath>,
}

/// One path.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressPath {
    /// The path.
    #[serde(deserialize_with = "de::text")]
    pub path: String,
    /// Where it goes.
    #[serde(deserialize_with = "de::object")]
    pub backend: IngressBackend,
}

/// A backend.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressBackend {
    /// A Service.
    #[serde(deserialize_with = "de::maybe")]
    pub service: Option<IngressService>,
}

/// `service` of a backend.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressService {
    /// The Service.
    #[serde(deserialize_with = "de::text")]
    pub name: String,
}

/// `Endpoints` as the API has them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RawEndpoints {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// Groups of addresses.
    #[serde(deserialize_with = "de::list")]
    pub subsets: Vec<Subset>,
}

/// One group of addresses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Subset {
    /// Ready.
    #[serde(deserialize_with = "de::list")]
    pub addresses: Vec<EndpointAddress>,
    /// Not ready.
    #[serde(deserialize_with = "de::list")]
    pub not_ready_addresses: Vec<EndpointAddress>,
}

/// One address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointAddress {
    /// Address.
    #[serde(deserialize_with = "de::text")]
    pub ip: String,
}

/// `EndpointSlice` as the API has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RawEndpointSlice {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// Endpoints.
    #[serde(deserialize_with = "de::list")]
    pub endpoints: Vec<SliceEndpoint>,
}

/// One endpoint of a slice.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SliceEndpoint {
    /// Addresses.
    #[serde(deserialize_with = "de::texts")]
    pub addresses: Vec<String>,
    /// States.
    #[serde(deserialize_with = "de::object")]
    pub conditions: EndpointConditions,
}

/// States of an endpoint.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointConditions {
    /// Ready; absent means yes.
    #[serde(deserialize_with = "de::flag")]
    pub ready: Option<bool>,
    /// Serving.
    #[serde(deserialize_with = "de::flag")]
    pub serving: Option<bool>,
    /// Going away.
    #[serde(deserialize_with = "de::flag")]
    pub terminating: Option<bool>,
}

/// A NetworkPolicy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// What it says.
    #[serde(deserialize_with = "de::object")]
    pub spec: NetworkPolicySpec,
}

/// `spec` of a NetworkPolicy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NetworkPolicySpec {
    /// Whom it rules.
    #[serde(deserialize_with = "de::object")]
    pub pod_selector: LabelSelector,
    /// Ingress, Egress.
    #[serde(deserialize_with = "de::texts")]
    pub policy_types: Vec<String>,
    /// What may come in.
    #[serde(deserialize_with = "de::list")]
    pub ingress: Vec<PolicyRule>,
    /// What may go out.
    #[serde(deserialize_with = "de::list")]
    pub egress: Vec<PolicyRule>,
}

/// One of `ingress` or `egress`: these partners, on these ports. An empty list means all of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PolicyRule {
    /// Partners of an ingress rule.
    #[serde(deserialize_with = "de::list")]
    pub from: Vec<PolicyPeer>,
    /// Partners of an egress rule.
    #[serde(deserialize_with = "de::list")]
    pub to: Vec<PolicyPeer>,
    /// Ports.
    #[serde(deserialize_with = "de::list")]
    pub ports: Vec<PolicyPort>,
}

/// A partner: pods by their labels and their namespace's, or addresses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PolicyPeer {
    /// Pods; of the policy's own namespace where none is selected.
    #[serde(deserialize_with = "de::maybe")]
    pub pod_selector: Option<LabelSelector>,
    /// Namespaces.
    #[serde(deserialize_with = "de::maybe")]
    pub namespace_selector: Option<LabelSelector>,
    /// Addresses.
    #[serde(deserialize_with = "de::maybe")]
    pub ip_block: Option<IpBlock>,
}

/// `ipBlock` of a partner.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IpBlock {
    /// The range.
    #[serde(deserialize_with = "de::text")]
    pub cidr: String,
    /// Ranges taken out of it.
    #[serde(deserialize_with = "de::texts")]
    pub except: Vec<String>,
}

/// A port of a policy's rule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PolicyPort {
    /// TCP (the default), UDP, SCTP.
    #[serde(deserialize_with = "de::text")]
    pub protocol: String,
    /// Number or name; empty means every port of the protocol.
    #[serde(deserialize_with = "de::text")]
    pub port: String,
    /// The last of a range.
    #[serde(deserialize_with = "de::int")]
    pub end_port: Option<i64>,
}

/// The addresses behind one Service, from Endpoints and EndpointSlices together.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// The object that says so (the slice or the Endpoints that was read last).
    pub obj: ObjId,
    /// Addresses that take traffic.
    pub ready: usize,
    /// Addresses that are there but do not.
    pub not_ready: usize,
}

/// Endpoints by (namespace, Service).
pub type EndpointsByService = BTreeMap<(String, String), Endpoints>;

impl Ingress {
    /// The names of the Services it sends to, with the JSON path of each.
    pub fn backends(&self) -> Vec<(String, &str)> {
        let mut out = Vec::new();
        if let Some(s) = self
            .spec
            .default_backend
            .as_ref()
            .and_then(|b| b.service.as_ref())
        {
            out.push((
                "/spec/defaultBackend/service/name".to_owned(),
                s.name.as_str(),
            ));
        }
        for (r, rule) in self.spec.rules.iter().enumerate() {
            for (p, path) in rule.http.paths.iter().enumerate() {
                if let Some(s) = &path.backend.service {
                    let at = format!("/spec/rules/{r}/http/paths/{p}/backend/service/name");
                    out.push((at, s.name.as_str()));
                }
            }
        }
        // A backend without a name says nothing about a Service; the API server takes none either.
        out.retain(|(_, name)| !name.is_empty());
        out
    }
}
