//! What is secret stays hidden in every form, and hiding it costs no other object.
//!
//! Deliberately absent: what looks like a secret (`formats` has the canaries).

use super::*;

#[test]
fn secrets_stay_hidden_in_every_form() {
    let canary = "Y2FuYXJ5LTc3";
    let applied = json!({"kind": "Secret", "apiVersion": "v1", "data": {"k": canary}}).to_string();
    // What wrangler writes of `{"kind":"Secret",…}`: gzip, as base64.
    let packed =
        "H4sIAAAAAAAA/6tWSizIDEstKs7Mz1OyUlAqM1TSUVBKSSxJBPKqlQoSi4vL84tSQFKRRm6lkRFepj4hjlW";
    let annotations = json!({
        "kubectl.kubernetes.io/last-applied-configuration": applied,
        "objectset.rio.cattle.io/applied": packed,
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"k": canary},
        "metadata": {"name": "s", "namespace": "a", "annotations": annotations},
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "a", "annotations": {"objectset.rio.cattle.io/applied": packed}},
    });
    let mut objects = vault(canary);
    objects.extend([
        ("secrets/a/s", secret),
        ("deployments/a/d", deployment),
        (
            "configmaps/a/c",
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "data": {"release": packed},
                "metadata": {"name": "c", "namespace": "a"},
            }),
        ),
    ]);
    let held = held(&objects);
    let metadata = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    for (accept, query) in [
        ("", ""),
        (TABLE, ""),
        (TABLE, "?includeObject=None"),
        (TABLE, "?includeObject=Object"),
        (metadata, ""),
    ] {
        for url in [
            "/api/v1/secrets",
            "/api/v1/namespaces/a/secrets/s",
            "/api/v1/configmaps",
            "/apis/apps/v1/deployments",
            "/apis/apps/v1/namespaces/a/deployments/d",
            "/apis/example.net/v1/vaults",
            "/apis/example.net/v1/namespaces/a/vaults/v",
        ] {
            let said = asked(&held, false, "GET", &format!("{url}{query}"), accept);
            assert_eq!(said.code, 200);
            let text = said.json.to_string();
            assert!(
                !text.contains(canary) && !text.contains(&packed[14..40]),
                "{accept} {url}: {text}"
            );
        }
    }
    let schema = get(&held, "/openapi/v3/apis/example.net/v1").json;
    assert!(!schema.to_string().contains(canary), "{schema}");
    assert_eq!(
        schema["components"]["schemas"]["custom.example.net.Vault"]["properties"]["url"]["type"],
        "string"
    );
    assert_eq!(get(&held, "/api/v1/secrets").warnings.len(), 1);
    let table = asked(&held, true, "GET", "/apis/example.net/v1/vaults", TABLE).json;
    assert_eq!(table["rows"][0]["cells"], json!(["v", canary, "x"]));
    let shown = asked(&held, true, "GET", "/api/v1/secrets", "");
    assert_eq!(shown.json["items"][0]["data"]["k"], canary);
    assert!(shown.warnings.is_empty());
}

/// A definition whose columns, selectors and defaults show a field that is secret, and an object of it.
fn vault(canary: &str) -> Vec<(&'static str, Value)> {
    let path = |name: &str, path: &str| json!({"name": name, "type": "string", "jsonPath": path});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "vaults.example.net"},
        "spec": {"group": "example.net", "scope": "Namespaced", "names": {"plural": "vaults", "kind": "Vault"}, "versions": [{
            "name": "v1", "served": true, "storage": true,
            "additionalPrinterColumns": [path("Word", ".spec.password"), path("Note", ".spec.note")],
            "selectableFields": [{"jsonPath": ".spec.password"}, {"jsonPath": ".spec.note"}],
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "url": {"type": "string", "default": format!("https://me:{canary}@example.net/")}}}},
        }]}
    });
    let vault = json!({
        "apiVersion": "example.net/v1", "kind": "Vault", "metadata": {"name": "v", "namespace": "a"},
        "spec": {"password": canary, "note": "x"},
    });
    vec![
        (
            "apiextensions.k8s.io/customresourcedefinitions/vaults.example.net",
            definition,
        ),
        ("example.net/vaults/a/v", vault),
    ]
}

#[test]
fn selectors_answer_no_guesses() {
    let held = held(&vault("hunter2-canary"));
    let by = |shows: bool, accept: &str, field: &str| {
        let url = format!("/apis/example.net/v1/vaults?fieldSelector={field}");
        let said = asked(&held, shows, "GET", &url, accept);
        assert_eq!(said.code, 200, "{}", said.json);
        let list = if accept.is_empty() { "items" } else { "rows" };
        value::list(&said.json, list).len()
    };
    for accept in ["", TABLE] {
        assert_eq!(by(false, accept, "spec.password%3Dhunter2-canary"), 0);
        assert_eq!(by(false, accept, "spec.password!%3Dhunter2-canary"), 1);
        assert_eq!(by(true, accept, "spec.password%3Dhunter2-canary"), 1);
        assert_eq!(by(false, accept, "spec.note%3Dx"), 1);
    }
}

/// A quote that is left open in one object's annotation takes no other object with it, and not its own name.
#[test]
fn one_annotation_spoils_no_list() {
    let noted = |name: &str, note: &str| {
        let mut pod = pod(name, "x");
        pod["metadata"]["annotations"] = json!({"note": note});
        pod
    };
    let held = held(&[
        ("pods/a/p1", noted("p1", "password: 'abc")),
        ("pods/a/p2", noted("p2", "{kind: Secret, data: {a: b")),
        ("pods/a/p3", noted("p3", "API_KEY: [\"a")),
        ("pods/a/p4", noted("p4", "fine")),
    ]);
    for query in ["", "?includeObject=None", "?includeObject=Object"] {
        let said = asked(&held, false, "GET", &format!("/api/v1/pods{query}"), TABLE);
        let rows = value::list(&said.json, "rows");
        let names: Vec<&str> = rows.iter().filter_map(|r| r["cells"][0].as_str()).collect();
        assert_eq!(names, ["p1", "p2", "p3", "p4"], "{}", said.json);
        for row in rows.iter().filter(|_| query.is_empty()) {
            assert_eq!(row["object"]["metadata"]["namespace"], "a", "{row}");
        }
        assert!(!said.json.to_string().contains("'abc"));
    }
    assert_eq!(
        names(&get(&held, "/api/v1/pods").json),
        ["p1", "p2", "p3", "p4"]
    );
}

/// What is no JSON would cost a client its whole list, whether its secrets are shown or not.
#[test]
fn what_is_no_json_is_left_out() {
    let broken = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"broken","managedFields":[{"a" 5}]},"spec":{}}"#;
    let mut held = pods();
    held.0.push(Told::new("/registry/pods/a/broken", 9, broken));
    for shows in [false, true] {
        for accept in ["", TABLE] {
            let said = asked(&held, shows, "GET", "/api/v1/pods", accept);
            let list = if accept.is_empty() { "items" } else { "rows" };
            assert_eq!(value::list(&said.json, list).len(), 5, "{shows} {accept}");
        }
    }
}
