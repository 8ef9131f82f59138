//! Whole questions, asked of a datastore that a test holds.

mod refusals;
mod secrets;
mod versions;

use defib_formats::kubernetes;
use serde_json::json;

use super::*;
use crate::held::{Held, Told};

impl Values for Held {
    fn rows(&self) -> &dyn Rows {
        self
    }

    fn json(&self, place: Place, revision: u64) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let value = self.value(place).map_err(|e| e.to_string())?;
        kubernetes::decode_served(&value, Some(revision), &mut out).map_err(|e| e.to_string())?;
        Ok(out)
    }
}

/// Objects under their keys below `/registry/`, each a revision later.
fn held(objects: &[(&str, Value)]) -> Held {
    let told = (1..).zip(objects).map(|(revision, (key, value))| {
        Told::new(format!("/registry/{key}"), revision, value.to_string())
    });
    Held(told.collect())
}

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

struct Said {
    code: u16,
    json: Value,
    warnings: Vec<String>,
}

fn asked(held: &Held, shows: bool, method: &str, url: &str, accept: &str) -> Said {
    let api = Api::new(held, shows);
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let question = Question {
        method,
        path,
        query,
        accept,
        now: "2026-01-01T00:10:00Z".parse().unwrap(),
    };
    let answer = api.answer(held, &question);
    let bytes = match answer.body {
        Body::Whole(bytes) => bytes,
        Body::Pieces(pieces) => pieces.flatten().collect(),
    };
    Said {
        code: answer.code,
        json: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        warnings: answer.warnings,
    }
}

fn get(held: &Held, url: &str) -> Said {
    asked(held, false, "GET", url, "")
}

fn pod(name: &str, app: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "a", "labels": {"app": app}, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{"name": "c"}], "nodeName": "n1"}, "status": {"phase": "Running"},
    })
}

fn pods() -> Held {
    held(&[
        ("pods/a/p1", pod("p1", "x")),
        ("pods/a/p2", pod("p2", "y")),
        ("pods/a/p3", pod("p3", "x")),
        ("pods/a/p3-more", pod("p3-more", "x")),
        ("pods/a-b/p4", pod("p4", "x")),
    ])
}

fn names(list: &Value) -> Vec<String> {
    let items = value::list(list, "items").iter();
    items
        .map(|i| value::text(i, "metadata.name").to_owned())
        .collect()
}

#[test]
fn a_list_goes_on_where_it_ended() {
    let held = pods();
    let all = names(&get(&held, "/api/v1/pods").json);
    assert_eq!(all, ["p4", "p1", "p2", "p3", "p3-more"]);
    let of_one = names(&get(&held, "/api/v1/namespaces/a/pods").json);
    assert_eq!(of_one, ["p1", "p2", "p3", "p3-more"]);
    for (selector, want) in [
        ("", &all),
        (
            "&labelSelector=app%3Dx",
            &vec!["p4".into(), "p1".into(), "p3".into(), "p3-more".into()],
        ),
    ] {
        let (mut got, mut token) = (Vec::new(), String::new());
        for page in 1..9 {
            let said = get(
                &held,
                &format!("/api/v1/pods?limit=2{selector}&continue={token}"),
            );
            got.extend(names(&said.json));
            let metadata = &said.json["metadata"];
            assert_eq!(metadata["resourceVersion"], "5");
            if page == 1 && selector.is_empty() {
                assert_eq!(metadata["remainingItemCount"], 3);
            }
            match metadata["continue"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => break,
            }
        }
        assert_eq!(&got, want);
    }
}

#[test]
fn one_object_is_itself_or_its_row() {
    let held = pods();
    let one = get(&held, "/api/v1/namespaces/a/pods/p3").json;
    assert_eq!(
        (&one["kind"], &one["metadata"]["name"]),
        (&json!("Pod"), &json!("p3"))
    );
    let row = asked(&held, false, "GET", "/api/v1/namespaces/a/pods/p3", TABLE).json;
    assert_eq!(row["kind"], "Table");
    let cells = row["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(
        cells[..5],
        [
            json!("p3"),
            json!("0/1"),
            json!("Running"),
            json!("0"),
            json!("10m")
        ]
    );
    assert_eq!(row["rows"][0]["object"]["metadata"]["namespace"], "a");
    let fields = "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1,metadata.name!%3Dp1";
    assert_eq!(names(&get(&held, fields).json).len(), 4);
}

#[test]
fn custom_resources_are_served_in_each_version_and_printed_as_defined() {
    let definition = |strategy: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "gardens.example.net"},
            "spec": {"group": "example.net", "scope": "Namespaced", "names": {"plural": "gardens", "kind": "Garden", "shortNames": ["gd"]},
                "conversion": {"strategy": strategy},
                "versions": [
                    {"name": "v1beta1", "served": true, "storage": true},
                    {"name": "v1", "served": true, "additionalPrinterColumns": [{"name": "Beds", "type": "integer", "jsonPath": ".spec.beds"}],
                        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}}},
                ]}
        })
    };
    let garden = json!({"apiVersion": "example.net/v1beta1", "kind": "Garden", "metadata": {"name": "g", "namespace": "a"}, "spec": {"beds": 3}});
    let held = |strategy: &str| {
        held(&[
            (
                "apiextensions.k8s.io/customresourcedefinitions/gardens.example.net",
                definition(strategy),
            ),
            ("example.net/gardens/a/g", garden.clone()),
        ])
    };
    let one = held("None");
    let group = get(&one, "/apis/example.net").json;
    assert_eq!(group["preferredVersion"]["groupVersion"], "example.net/v1");
    let listed = get(&one, "/apis/example.net/v1").json;
    assert_eq!(listed["resources"][0]["shortNames"], json!(["gd"]));
    let table = asked(&one, false, "GET", "/apis/example.net/v1/gardens", TABLE).json;
    assert_eq!(table["rows"][0]["cells"], json!(["g", 3]));
    let renamed = get(&one, "/apis/example.net/v1/namespaces/a/gardens/g").json;
    assert_eq!(renamed["apiVersion"], "example.net/v1");
    let schema = get(&one, "/openapi/v3/apis/example.net/v1").json;
    assert!(
        schema["paths"]["/apis/example.net/v1/namespaces/{namespace}/gardens"]["get"].is_object()
    );
    // What a webhook converts is served as it is stored.
    let hooked = held("Webhook");
    assert_eq!(get(&hooked, "/apis/example.net/v1/gardens").code, 404);
    assert_eq!(
        names(&get(&hooked, "/apis/example.net/v1beta1/gardens").json),
        ["g"]
    );
}

#[test]
fn custom_resources_without_a_definition_are_served_plainly() {
    let held = held(&[
        (
            "example.net/gardens/a/g",
            json!({"apiVersion": "example.net/v1", "kind": "Garden", "metadata": {"name": "g", "namespace": "a"}}),
        ),
        (
            "example.net/gardens/a/h",
            json!({"apiVersion": "example.net/v1", "kind": "Garden", "metadata": {"name": "h", "namespace": "a"}}),
        ),
        (
            "example.net/odd name/a",
            json!({"apiVersion": "example.net/v1", "kind": "Odd", "metadata": {"name": "a"}}),
        ),
        (
            "other.net/as/a",
            json!({"apiVersion": "example.net/v1", "kind": "A", "metadata": {"name": "a"}}),
        ),
    ]);
    assert_eq!(
        names(&get(&held, "/apis/example.net/v1/namespaces/a/gardens").json),
        ["g", "h"]
    );
    let table = asked(&held, false, "GET", "/apis/example.net/v1/gardens", TABLE).json;
    assert_eq!(table["rows"][0]["cells"], json!(["g", null]));
    assert_eq!(get(&held, "/openapi/v3/apis/example.net/v1").code, 200);
    assert_eq!(get(&held, "/apis/other.net").code, 404);
}

#[test]
fn what_does_not_hold_costs_itself_and_nothing_else() {
    let mut held = pods();
    let deep = format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"deep"}},"spec":{}{}}}"#,
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    for (name, value) in [
        ("deep", deep.into_bytes()),
        (
            "sealed",
            b"k8s:enc:aescbc:v1:key1:0123456789abcdef".to_vec(),
        ),
        (
            "cut",
            b"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{".to_vec(),
        ),
        ("wire", b"k8s\0\x0a\xff\xff".to_vec()),
        (
            "odd",
            json!({"kind": "Pod", "apiVersion": "v1", "metadata": [], "spec": 5})
                .to_string()
                .into_bytes(),
        ),
    ] {
        held.0
            .push(Told::new(format!("/registry/pods/z/{name}"), 1, value));
    }
    held.0
        .push(Told::new("/registry/pods/z/\u{1b}[31m/x/y", 1, "{}"));
    for accept in ["", TABLE] {
        let said = asked(&held, false, "GET", "/api/v1/pods", accept);
        let list = if accept.is_empty() { "items" } else { "rows" };
        assert!(
            said.json[list].as_array().unwrap().len() >= 6,
            "{}",
            said.json
        );
        assert!(
            said.warnings[0].contains("encrypted or damaged"),
            "{:?}",
            said.warnings
        );
    }
    let sealed = get(&held, "/api/v1/namespaces/z/pods/sealed");
    assert_eq!(
        (sealed.code, sealed.json["reason"].as_str()),
        (500, Some("InternalError"))
    );
}

proptest::proptest! {
    /// Whatever is asked is answered.
    #[test]
    fn no_question_is_too_odd(path in "(/api/v1/|/apis/apps/v1/)?[a-z%/.0-9]{0,40}", word in ".{0,60}", method in "(GET|POST)") {
        let held = pods();
        for query in ["labelSelector", "fieldSelector", "limit", "continue", "includeObject"] {
            asked(&held, false, &method, &format!("{path}?{query}={word}"), &word);
            let said = get(&held, &format!("/api/v1/pods?{query}={word}"));
            assert!(matches!(said.code, 200 | 400), "{word}");
        }
    }
}

#[test]
fn every_document_of_discovery_and_every_schema_holds() {
    let held = pods();
    let groups = get(&held, "/apis").json;
    for group in value::list(&groups, "groups") {
        let version = value::text(group, "preferredVersion.groupVersion");
        let list = get(&held, &format!("/apis/{version}")).json;
        assert!(!value::list(&list, "resources").is_empty(), "{version}");
    }
    let index = get(&held, "/openapi/v3").json;
    for path in index["paths"].as_object().unwrap().values() {
        let document = get(&held, path["serverRelativeURL"].as_str().unwrap()).json;
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let text = document.to_string();
        for (_, name) in text
            .match_indices("#/components/schemas/")
            .map(|(at, sign)| {
                let rest = &text[at + sign.len()..];
                (at, &rest[..rest.find('"').unwrap()])
            })
        {
            assert!(schemas.contains_key(name), "{name}");
        }
    }
}
