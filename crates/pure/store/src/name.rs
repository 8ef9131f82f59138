//! Which object a key means.
//!
//! Source: `k8s.io/apiserver/pkg/registry/generic/registry/store.go` (`/registry/RESOURCE[/NAMESPACE]/NAME`),
//! `k8s.io/apiextensions-apiserver` (`/registry/GROUP/PLURAL/…`), `pkg/registry/core/rest/storage_core.go`
//! (services, ranges). Deliberately absent: kinds, which the value says.

use defib_formats::kubernetes::{self, Stored};

/// What a key says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Name<'k> {
    /// What it is kept under, between `/registry/` and the name (`pods`, `services/specs`,
    /// `cert-manager.io/certificates`); the whole key where it is none of Kubernetes'.
    pub resource: &'k str,
    /// The namespace; empty where there is none.
    pub namespace: &'k str,
    /// The name; empty for keys that are none of Kubernetes'.
    pub name: &'k str,
}

/// The object that a key means; `None` for keys that are no text.
pub fn name(key: &[u8]) -> Option<Name<'_>> {
    let text = std::str::from_utf8(key).ok()?;
    let alone = Name {
        resource: text,
        ..Name::default()
    };
    let Some(path) = text.strip_prefix("/registry/") else {
        return Some(alone);
    };
    // A group of custom resources has a dot in it, and these two keep several kinds below them.
    let first = path.split('/').next().unwrap_or_default();
    let words = match first {
        "services" | "ranges" => 2,
        _ if first.contains('.') => 2,
        _ => 1,
    };
    let end = path
        .match_indices('/')
        .nth(words - 1)
        .map_or(path.len(), |(at, _)| at);
    let (resource, rest) = path.split_at(end);
    Some(match rest.strip_prefix('/') {
        None | Some("") => Name {
            resource,
            ..Name::default()
        },
        Some(rest) => match rest.split_once('/') {
            None => Name {
                resource,
                namespace: "",
                name: rest,
            },
            Some((namespace, name)) => Name {
                resource,
                namespace,
                name,
            },
        },
    })
}

/// What a value says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Type {
    /// Group and version (`apps/v1`); empty where it does not say.
    pub api_version: String,
    /// The kind; empty where it does not say.
    pub kind: String,
    /// How it is written.
    pub form: Form,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Kubernetes' protocol buffers.
    Protobuf,
    /// JSON.
    Json,
    /// CBOR.
    Cbor,
    /// Encrypted at rest.
    Encrypted,
    /// It begins as one of these and does not hold.
    Broken,
    /// Something else, which only its writer knows.
    #[default]
    Unknown,
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Protobuf => "protobuf",
            Self::Json => "json",
            Self::Cbor => "cbor",
            Self::Encrypted => "encrypted",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
        })
    }
}

/// What a value says it is, without reading all of it where that can be spared.
pub fn type_of(value: &[u8]) -> Type {
    let bare = |form| Type {
        form,
        ..Type::default()
    };
    match kubernetes::open(value) {
        Ok(Stored::Protobuf(envelope)) => Type {
            api_version: envelope.api_version.to_owned(),
            kind: envelope.kind.to_owned(),
            form: Form::Protobuf,
        },
        Ok(Stored::Encrypted(_)) => bare(Form::Encrypted),
        Ok(Stored::Cbor(_)) => named(value, Form::Cbor),
        Ok(Stored::Json(_)) => named(value, Form::Json),
        Ok(Stored::Other(_)) => bare(Form::Unknown),
        Err(_) => bare(Form::Broken),
    }
}

fn named(value: &[u8], form: Form) -> Type {
    match kubernetes::head(value) {
        Ok(head) => Type {
            api_version: head.api_version,
            kind: head.kind,
            form,
        },
        Err(_) => Type {
            form: Form::Broken,
            ..Type::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_the_api_server_writes_them() {
        for (key, want) in [
            ("/registry/pods/apps/web-0", ("pods", "apps", "web-0")),
            ("/registry/minions/n1", ("minions", "", "n1")),
            (
                "/registry/services/specs/default/kubernetes",
                ("services/specs", "default", "kubernetes"),
            ),
            (
                "/registry/clusterroles/system:node",
                ("clusterroles", "", "system:node"),
            ),
            (
                "/registry/cert-manager.io/certificates/web/tls",
                ("cert-manager.io/certificates", "web", "tls"),
            ),
            ("/registry/ranges/serviceips", ("ranges/serviceips", "", "")),
            ("/registry/health", ("health", "", "")),
            ("compact_rev_key", ("compact_rev_key", "", "")),
        ] {
            let got = name(key.as_bytes()).unwrap();
            assert_eq!((got.resource, got.namespace, got.name), want, "{key}");
        }
        assert_eq!(name(b"\xff"), None);
    }
}
