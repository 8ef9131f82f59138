//! The table of messages, for those who describe kinds instead of reading values.
//!
//! Deliberately absent: prose and defaults, which the table does not have.

use super::table::{self, Kind, Shape, table};

/// What one value of a field is in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A text, also a quantity or a length of time.
    Text,
    /// True or false.
    Bool,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// A number.
    Double,
    /// Bytes, in base64.
    Bytes,
    /// A moment.
    Time,
    /// A list of texts.
    Texts,
    /// A whole number or a text.
    IntOrString,
    /// Another message.
    Message,
    /// Whatever JSON there is.
    Any,
}

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldOf {
    /// Its name in JSON.
    pub name: &'static str,
    /// What one value is.
    pub scalar: Scalar,
    /// The message that a value is.
    pub message: Option<usize>,
    /// Whether it is a list.
    pub is_list: bool,
    /// Whether it is a map from texts.
    pub is_map: bool,
    /// Whether the message's fields stand among the parent's.
    pub is_inline: bool,
}

/// The version of Kubernetes whose kinds are known.
pub fn version() -> &'static str {
    table::version()
}

/// The message of a kind.
pub fn message(api_version: &str, kind: &str) -> Option<usize> {
    table().kind(api_version, kind)
}

/// What a message is called: `core/v1.Pod`.
pub fn message_name(message: usize) -> &'static str {
    table().name(message)
}

/// Is a message that of a kind, and no part of one?
pub fn is_kind(message: usize) -> bool {
    table().is_kind(message)
}

/// The fields of a message.
pub fn fields(message: usize) -> impl Iterator<Item = FieldOf> {
    table().fields(message).iter().map(|field| FieldOf {
        name: field.name,
        scalar: match field.kind {
            Kind::Text | Kind::Quantity | Kind::Duration => Scalar::Text,
            Kind::Bool => Scalar::Bool,
            Kind::Int32 => Scalar::Int32,
            Kind::Int64 => Scalar::Int64,
            Kind::Double => Scalar::Double,
            Kind::Bytes => Scalar::Bytes,
            Kind::Time | Kind::MicroTime => Scalar::Time,
            Kind::Texts => Scalar::Texts,
            Kind::IntOrString => Scalar::IntOrString,
            Kind::Message => Scalar::Message,
            Kind::FieldsV1
            | Kind::RawExtension
            | Kind::Json
            | Kind::SchemaOrBool
            | Kind::SchemaOrArray
            | Kind::SchemaOrTexts => Scalar::Any,
        },
        message: (field.kind == Kind::Message).then_some(field.message),
        is_list: field.shape == Shape::List,
        is_map: field.shape == Shape::Map,
        is_inline: field.shape == Shape::Inline,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_described() {
        let pod = message("v1", "Pod").unwrap();
        assert_eq!((message_name(pod), is_kind(pod)), ("core/v1.Pod", true));
        let spec = fields(pod).find(|f| f.name == "spec").unwrap();
        let spec = spec.message.unwrap();
        assert!(!is_kind(spec));
        let containers = fields(spec).find(|f| f.name == "containers").unwrap();
        assert!(containers.is_list && containers.scalar == Scalar::Message);
        assert!(version().starts_with("v1."), "{}", version());
    }
}
