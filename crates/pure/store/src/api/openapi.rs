//! Schemas, as `kubectl explain` asks for them.
//!
//! Of Kubernetes' own kinds they are the table of messages, which has names and types and not a word of prose;
//! of custom kinds what their definition says. Deliberately absent: the second version of OpenAPI, which is only
//! spoken in protobuf and asked for by what writes.

use std::collections::BTreeSet;

use defib_formats::kubernetes::{self, Scalar};
use serde_json::{Map, Value, json};

use super::catalog::{Catalog, Resource, join};
use super::mask;
use super::status::Status;
use super::value::{at, list, text};

/// What stands where upstream has prose.
const NO_TEXT: &str = "(defib keeps names and types of fields, not their descriptions)";
/// Bytes of definitions' schemas in one document, after which they are left out.
const LONGEST: usize = 32 << 20;
const REFERENCE: &str = "#/components/schemas/";

/// `/openapi/v3`.
pub(super) fn index(catalog: &Catalog) -> Value {
    let mut paths = Map::new();
    let all: BTreeSet<(&str, &str)> = catalog
        .resources
        .iter()
        .flat_map(|r| r.versions.iter().map(|v| (r.group.as_str(), v.as_str())))
        .collect();
    for (group, version) in all {
        let path = if group.is_empty() {
            format!("api/{version}")
        } else {
            format!("apis/{group}/{version}")
        };
        let url = json!({"serverRelativeURL": format!("/openapi/v3/{path}")});
        paths.insert(path, url);
    }
    json!({"paths": paths})
}

/// Where definitions of custom kinds come from.
pub(super) struct Definitions<'d> {
    /// The one of this name.
    pub(super) read: &'d dyn Fn(&str) -> Option<Value>,
    pub(super) show_secrets: bool,
}

impl Definitions<'_> {
    /// A schema, whose defaults and examples may hold what `get` of the definition hides.
    fn shown(&self, schema: Value) -> Value {
        if self.show_secrets {
            return schema;
        }
        let clean = mask::object(schema.to_string().as_bytes(), false).ok();
        let clean = clean.and_then(|clean| serde_json::from_slice(&clean).ok());
        clean.unwrap_or_else(|| json!({"type": "object"}))
    }
}

/// `/openapi/v3/apis/GROUP/VERSION`.
pub(super) fn document(
    catalog: &Catalog,
    group: &str,
    version: &str,
    definitions: &Definitions<'_>,
) -> Result<Value, Status> {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    let mut room = LONGEST;
    for resource in catalog.of(group, version) {
        let kind = json!({"group": group, "version": version, "kind": resource.kind});
        let name = match &resource.custom {
            Some(custom) => {
                let said = (definitions.read)(&custom.definition).filter(|_| room > 0);
                let schema = definitions.shown(schema_of(said.as_ref(), version));
                room = room.saturating_sub(schema.to_string().len());
                let name = format!("custom.{}.{}", resource.group, resource.kind);
                schemas.done.insert(name.clone(), schema);
                name
            }
            None => {
                let api_version = resource.api_version(version);
                let Some(message) = kubernetes::message(&api_version, &resource.kind) else {
                    continue;
                };
                schemas.add(message)
            }
        };
        if let Some(schema) = schemas.done.get_mut(&name).and_then(Value::as_object_mut) {
            schema.insert("x-kubernetes-group-version-kind".to_owned(), json!([kind]));
        }
        let list = json!({"get": {
            "x-kubernetes-action": "list", "x-kubernetes-group-version-kind": kind,
            "responses": {"200": {"description": "OK"}},
        }});
        paths.insert(path_of(resource, version), list);
    }
    schemas.finish();
    if paths.is_empty() {
        return Err(Status::no_path());
    }
    Ok(json!({
        "openapi": "3.0.0", "info": {"title": join(group, version), "version": kubernetes::version()},
        "paths": paths, "components": {"schemas": schemas.done},
    }))
}

fn path_of(resource: &Resource, version: &str) -> String {
    let base = if resource.group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{}/{version}", resource.group)
    };
    if resource.is_namespaced {
        format!("{base}/namespaces/{{namespace}}/{}", resource.plural)
    } else {
        format!("{base}/{}", resource.plural)
    }
}

/// The schema that a definition has for a version, with what every object has.
fn schema_of(definition: Option<&Value>, version: &str) -> Value {
    let versions = definition
        .map(|d| list(d, "spec.versions"))
        .unwrap_or_default();
    let own = versions.iter().find(|v| text(v, "name") == version);
    let mut schema = own
        .map(|v| at(v, "schema.openAPIV3Schema").clone())
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({"type": "object"}));
    if let Some(schema) = schema.as_object_mut() {
        let properties = schema.entry("properties").or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            for field in ["apiVersion", "kind"] {
                properties.insert(field.to_owned(), json!({"type": "string"}));
            }
            properties
                .entry("metadata")
                .or_insert_with(|| json!({"type": "object"}));
        }
    }
    schema
}

/// Schemas of messages, and of those that they refer to.
#[derive(Default)]
struct Schemas {
    done: std::collections::BTreeMap<String, Value>,
    /// Messages that are referred to and not written yet.
    open: Vec<usize>,
    seen: BTreeSet<usize>,
}

impl Schemas {
    /// The name of a message's schema, which is written as soon as there is time.
    fn add(&mut self, message: usize) -> String {
        let name = name_of(message);
        if self.seen.insert(message) {
            self.open.push(message);
        }
        // What is asked of its kind is added to it, so it has to be there.
        self.drain();
        name
    }

    fn drain(&mut self) {
        while let Some(message) = self.open.pop() {
            let mut properties = Map::new();
            self.fields(message, &mut properties, 0);
            // Kinds say what they are, which is no field of their messages.
            if kubernetes::is_kind(message) {
                for field in ["apiVersion", "kind"] {
                    properties.insert(field.to_owned(), json!({"type": "string"}));
                }
            }
            let schema =
                json!({"type": "object", "description": NO_TEXT, "properties": properties});
            self.done.insert(name_of(message), schema);
        }
    }

    fn finish(&mut self) {
        self.drain();
    }

    fn fields(&mut self, message: usize, into: &mut Map<String, Value>, depth: u8) {
        for field in kubernetes::fields(message) {
            // Messages whose fields are the parent's lie in one another once or twice.
            if let (true, Some(inner)) = (field.is_inline, field.message) {
                if depth < 4 {
                    self.fields(inner, into, depth + 1);
                }
                continue;
            }
            let one = match (field.scalar, field.message) {
                (Scalar::Message, Some(message)) => {
                    if self.seen.insert(message) {
                        self.open.push(message);
                    }
                    json!({"allOf": [{"$ref": format!("{REFERENCE}{}", name_of(message))}], "default": {}})
                }
                (scalar, _) => scalar_schema(scalar),
            };
            let schema = if field.is_list {
                json!({"type": "array", "items": one})
            } else if field.is_map {
                json!({"type": "object", "additionalProperties": one})
            } else {
                one
            };
            into.insert(field.name.to_owned(), schema);
        }
    }
}

fn name_of(message: usize) -> String {
    // Clients show the last word of a schema's name.
    kubernetes::message_name(message).replace('/', ".")
}

fn scalar_schema(scalar: Scalar) -> Value {
    match scalar {
        Scalar::Text => json!({"type": "string"}),
        Scalar::Bool => json!({"type": "boolean"}),
        Scalar::Int32 => json!({"type": "integer", "format": "int32"}),
        Scalar::Int64 => json!({"type": "integer", "format": "int64"}),
        Scalar::Double => json!({"type": "number", "format": "double"}),
        Scalar::Bytes => json!({"type": "string", "format": "byte"}),
        Scalar::Time => json!({"type": "string", "format": "date-time"}),
        Scalar::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Scalar::IntOrString => json!({"type": "string", "format": "int-or-string"}),
        Scalar::Message | Scalar::Any => json!({"type": "object"}),
    }
}
