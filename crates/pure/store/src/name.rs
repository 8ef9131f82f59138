//! Which object a key means.
//!
//! Source: `k8s.io/apiserver/pkg/registry/generic/registry/store.go` (`/registry/RESOURCE[/NAMESPACE]/NAME`),
//! `k8s.io/apiextensions-apiserver` (`/registry/GROUP/PLURAL/…`), `pkg/registry/core/rest/storage_core.go`
//! (services, ranges). Deliberately absent: kinds, which the value says.

use defib_formats::protobuf::{Value, fields};

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
            Self::Unknown => "unknown",
        })
    }
}

/// What a value says it is, without reading all of it where that can be spared.
pub fn type_of(value: &[u8]) -> Type {
    if let Some(message) = value.strip_prefix(b"k8s\0") {
        return protobuf(message);
    }
    if value.starts_with(b"k8s:enc:") {
        return Type {
            form: Form::Encrypted,
            ..Type::default()
        };
    }
    // The tag that marks CBOR (RFC 8949, 3.4.6).
    if value.starts_with(&[0xd9, 0xd9, 0xf7]) {
        return Type {
            form: Form::Cbor,
            ..Type::default()
        };
    }
    if value.first() == Some(&b'{') {
        #[derive(serde::Deserialize)]
        struct Head<'v> {
            #[serde(default, borrow, rename = "apiVersion")]
            api_version: std::borrow::Cow<'v, str>,
            #[serde(default, borrow)]
            kind: std::borrow::Cow<'v, str>,
        }
        if let Ok(head) = serde_json::from_slice::<Head<'_>>(value) {
            return Type {
                api_version: head.api_version.into_owned(),
                kind: head.kind.into_owned(),
                form: Form::Json,
            };
        }
    }
    Type::default()
}

/// `runtime.Unknown`: the first field is the type (`k8s.io/apimachinery/pkg/runtime/generated.proto`).
fn protobuf(message: &[u8]) -> Type {
    let mut out = Type {
        form: Form::Protobuf,
        ..Type::default()
    };
    if let Some((1, Value::Bytes(meta))) = fields(message).next() {
        for (number, value) in fields(meta) {
            if let Value::Bytes(text) = value {
                let text = String::from_utf8_lossy(text).into_owned();
                match number {
                    1 => out.api_version = text,
                    2 => out.kind = text,
                    _ => {}
                }
            }
        }
    }
    out
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
