//! Two JSON documents compared field by field.
//! Deliberately absent: tolerance.

use serde_json::Value;

/// How many leaves are equal, and a line for each that is not.
#[derive(Debug, Default)]
pub struct Compared {
    /// Leaves that both have alike.
    pub equal: usize,
    /// What differs: `path: ours / theirs`.
    pub different: Vec<String>,
}

/// Compares all leaves; numbers by value, objects without regard to order.
pub fn compare(ours: &Value, theirs: &Value) -> Compared {
    let mut out = Compared::default();
    at("", Some(ours), Some(theirs), &mut out);
    out
}

fn at(path: &str, ours: Option<&Value>, theirs: Option<&Value>, out: &mut Compared) {
    match (ours, theirs) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                at(&format!("{path}.{key}"), a.get(key), b.get(key), out);
            }
            out.equal += usize::from(a.is_empty() && b.is_empty());
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for i in 0..a.len().max(b.len()) {
                at(&format!("{path}[{i}]"), a.get(i), b.get(i), out);
            }
            out.equal += usize::from(a.is_empty() && b.is_empty());
        }
        // A double that is a whole number is written with a point or without.
        (Some(Value::Number(a)), Some(Value::Number(b)))
            if (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64() =>
        {
            out.equal += 1;
        }
        (Some(a), Some(b)) if a == b => out.equal += 1,
        (a, b) => {
            let shown =
                |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            out.different
                .push(format!("{path}: {} / {}", shown(a), shown(b)));
        }
    }
}
