//! The closed list of questions. Every one of them is a GET: adding a question means adding it here,
//! where it can be seen.

use std::fmt::Write as _;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Is the API server ready?
    Readyz,
    /// Which version is it?
    Version,
    /// Which kinds are there in the core group?
    CoreKinds,
    /// Which kinds are there in all other groups?
    GroupKinds,
    /// One page of all objects of one kind, in all namespaces.
    List {
        /// API group; empty for core.
        group: String,
        /// API version without the group.
        version: String,
        /// Plural name.
        resource: String,
        /// Where the page before it ended; empty for the first.
        after: String,
    },
    /// The log of one container.
    Log {
        /// Namespace.
        namespace: String,
        /// Pod.
        pod: String,
        /// Container.
        container: String,
        /// Of the run before.
        previous: bool,
    },
}

/// Objects per page: kubectl's own chunk size.
const PAGE: u32 = 500;
/// Lines of a log: the end says why it ended.
const LOG_LINES: u32 = 2000;
/// Bytes of a log.
const LOG_BYTES: u32 = 1 << 20;

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body, as answered.
    pub body: Vec<u8>,
    /// The answering clock (`Date` header), as it wrote it.
    pub date: Option<String>,
}

impl Probe {
    /// Path and query.
    pub fn path(&self) -> String {
        match self {
            Self::Readyz => "/readyz".to_owned(),
            Self::Version => "/version".to_owned(),
            Self::CoreKinds => "/api".to_owned(),
            Self::GroupKinds => "/apis".to_owned(),
            Self::List {
                group,
                version,
                resource,
                after,
            } => {
                let base = if group.is_empty() {
                    format!("/api/{version}")
                } else {
                    format!("/apis/{group}/{version}")
                };
                let mut path = format!("{base}/{resource}?limit={PAGE}");
                if !after.is_empty() {
                    path.push_str("&continue=");
                    escape(after, &mut path);
                }
                path
            }
            Self::Log {
                namespace,
                pod,
                container,
                previous,
            } => {
                let mut path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?container=");
                escape(container, &mut path);
                let _ = write!(
                    path,
                    "&tailLines={LOG_LINES}&limitBytes={LOG_BYTES}&timestamps=true&previous={previous}"
                );
                path
            }
        }
    }

    /// What the answer should look like.
    pub(crate) fn accept(&self) -> &'static str {
        match self {
            // Aggregated discovery: two requests instead of one per group (Kubernetes 1.27).
            Self::CoreKinds | Self::GroupKinds => {
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
            }
            Self::Readyz | Self::Log { .. } => "*/*",
            _ => "application/json",
        }
    }
}

/// A name as one part of a path, whatever it holds.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(text, &mut out);
    // Two dots alone would lead elsewhere.
    match out.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        None => out,
    }
}

/// Percent-encodes everything that is not plainly safe in a query.
fn escape(text: &str, out: &mut String) {
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.') {
            out.push(b as char);
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_what_kubectl_asks() {
        let list = Probe::List {
            group: "apps".into(),
            version: "v1".into(),
            resource: "deployments".into(),
            after: "a/b=".into(),
        };
        assert_eq!(
            list.path(),
            "/apis/apps/v1/deployments?limit=500&continue=a%2Fb%3D"
        );
        let log = Probe::Log {
            namespace: "n".into(),
            pod: "p".into(),
            container: "c".into(),
            previous: true,
        };
        assert_eq!(
            log.path(),
            "/api/v1/namespaces/n/pods/p/log?container=c&tailLines=2000&limitBytes=1048576&timestamps=true&previous=true"
        );
    }
}
