//! Which groups and versions are served, and what is said of objects that are not shown.
//!
//! Deliberately absent: conversion, which nothing here does.

use super::*;

/// Clients take a short name for that of the first group that has it.
#[test]
fn groups_of_kubernetes_stand_before_others() {
    let policy = json!({"apiVersion": "a.example.net/v1", "kind": "NetworkPolicy", "metadata": {"name": "n", "namespace": "a"}});
    let held = held(&[("a.example.net/networkpolicies/a/n", policy)]);
    let groups = get(&held, "/apis").json;
    let names: Vec<&str> = value::list(&groups, "groups")
        .iter()
        .map(|g| value::text(g, "name"))
        .collect();
    assert_eq!(
        names[..3],
        ["apiregistration.k8s.io", "apps", "autoscaling"]
    );
    assert_eq!(names.last(), Some(&"a.example.net"));
    let place = |name: &str| names.iter().position(|n| *n == name).unwrap();
    assert!(place("networking.k8s.io") < place("policy"));
    // Each group that there is has its place.
    assert!(
        names[..names.len() - 1]
            .iter()
            .all(|n| builtin::PRIORITIES.contains(n))
    );
}

#[test]
fn what_moved_to_another_group_is_served_by_its_old_name() {
    let ingress = |version: &str, name: &str| {
        json!({
            "apiVersion": version, "kind": "Ingress", "metadata": {"name": name, "namespace": "a"},
            "spec": {"rules": [{"host": "h"}]},
        })
    };
    let held = held(&[
        ("ingress/a/new", ingress("networking.k8s.io/v1", "new")),
        ("ingress/a/old", ingress("extensions/v1beta1", "old")),
        ("ingress/a/odd", ingress("odd.example.net/v7", "odd")),
        ("ingress/a/worse", ingress("\u{1b}[31m/v1", "worse")),
    ]);
    let new = get(&held, "/apis/networking.k8s.io/v1/ingresses");
    assert_eq!(names(&new.json), ["new"]);
    let said = new.warnings.join("\n");
    assert!(said.contains("1 of ingresses are stored as extensions/v1beta1 and not shown: ask for ingresses.v1beta1.extensions"), "{said}");
    assert!(
        said.contains(
            "1 of ingresses are stored as odd.example.net/v7 and not shown: `defib inspect get`"
        ),
        "{said}"
    );
    assert!(
        said.contains("1 of ingresses are stored as something else"),
        "{said}"
    );
    let old = get(&held, "/apis/extensions/v1beta1/ingresses");
    assert_eq!(names(&old.json), ["old"]);
    let table = asked(
        &held,
        false,
        "GET",
        "/apis/extensions/v1beta1/ingresses",
        TABLE,
    )
    .json;
    assert_eq!(table["rows"][0]["cells"][2], "h");
    let group = get(&held, "/apis/extensions").json;
    assert_eq!(group["preferredVersion"]["version"], "v1beta1");
}

#[test]
fn a_value_that_is_too_long_is_said_to_whoever_asks() {
    let mut long = pod("long", "x");
    long["metadata"]["labels"]["a"] = "x".repeat(9 << 20).into();
    let held = held(&[("pods/a/p1", pod("p1", "x")), ("pods/a/long", long)]);
    let said = get(&held, "/api/v1/pods");
    assert_eq!(names(&said.json), ["p1"]);
    assert!(
        said.warnings[0].starts_with("1 of pods are longer"),
        "{:?}",
        said.warnings
    );
}

/// Stored text makes no path, no flood of sentences, and takes no place from a version that is one.
#[test]
fn versions_are_words_and_few() {
    let budget = |version: &str, n: usize| {
        let name = format!("b{n:04}");
        let budget = json!({"apiVersion": version, "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": "a"}});
        Told::new(
            format!("/registry/poddisruptionbudgets/a/{name}"),
            n as u64 + 1,
            budget.to_string(),
        )
    };
    let mut versions: Vec<String> = (0..200).map(|n| format!("policy/a{n:03}")).collect();
    versions.extend(
        [
            "policy/v1",
            "policy/../../../version",
            "policy/V1",
            "policy/",
            "policy/v1\u{1b}[31m",
        ]
        .map(str::to_owned),
    );
    versions.push(format!("policy/{}", "v".repeat(10_000)));
    let held = Held(
        versions
            .iter()
            .enumerate()
            .map(|(n, v)| budget(v, n))
            .collect(),
    );
    let group = get(&held, "/apis/policy").json;
    let served: Vec<&str> = value::list(&group, "versions")
        .iter()
        .map(|v| value::text(v, "version"))
        .collect();
    assert_eq!(served.len(), 16);
    assert_eq!(served[0], "v1");
    let said = get(&held, "/apis/policy/v1/poddisruptionbudgets");
    assert_eq!(names(&said.json), ["b0200"]);
    assert!(said.warnings.len() < 12, "{:?}", said.warnings);
    assert!(said.warnings.iter().all(|w| w.len() < 400));
    let counted: usize = said
        .warnings
        .iter()
        .filter_map(|w| w.split(' ').next()?.parse::<usize>().ok())
        .sum();
    assert_eq!(counted, versions.len() - 1, "{:?}", said.warnings);
}

#[test]
fn a_definitions_best_versions_are_served_whatever_stands_before_them() {
    let mut versions: Vec<Value> = (0..40)
        .map(|n| json!({"name": format!("a{n}"), "served": true}))
        .collect();
    versions.push(json!({"name": "v1", "served": true, "storage": true}));
    versions.push(json!({"name": "V9", "served": true}));
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "as.x.y"},
        "spec": {"group": "x.y", "scope": "Namespaced", "names": {"plural": "as", "kind": "A"}, "versions": versions}
    });
    let held = held(&[(
        "apiextensions.k8s.io/customresourcedefinitions/as.x.y",
        definition,
    )]);
    let group = get(&held, "/apis/x.y").json;
    assert_eq!(group["preferredVersion"]["version"], "v1");
    assert_eq!(value::list(&group, "versions").len(), 16);
}

/// What is short as it is stored may be long as JSON; one piece of an answer is neither.
#[test]
fn a_piece_is_bounded_as_json_too() {
    let wide = |n: usize| {
        let name = format!("w{n:03}");
        (format!("pods/a/{name}"), {
            let mut wide = pod(&name, "x");
            wide["metadata"]["annotations"] = json!({"a": "x".repeat(300 << 10)});
            wide
        })
    };
    let all: Vec<(String, Value)> = (0..40).map(wide).collect();
    let all: Vec<(&str, Value)> = all.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    let held = held(&all);
    let api = Api::new(&held, true);
    let question = Question {
        method: "GET",
        path: "/api/v1/pods",
        query: "",
        accept: "",
        now: Timestamp::UNIX_EPOCH,
    };
    let Body::Pieces(pieces) = api.answer(&held, &question).body else {
        panic!("a list comes in pieces");
    };
    let pieces: Vec<Vec<u8>> = pieces.collect();
    assert!(
        pieces.iter().all(|p| p.len() < 5 << 20),
        "{:?}",
        pieces.iter().map(Vec::len).collect::<Vec<_>>()
    );
    let list: Value = serde_json::from_slice(&pieces.concat()).unwrap();
    assert_eq!(names(&list).len(), 40);
}

#[test]
fn another_stored_version_is_said_and_not_lost() {
    let budget = |version: &str, name: &str| json!({"apiVersion": version, "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": "a"}});
    let held = held(&[
        ("poddisruptionbudgets/a/new", budget("policy/v1", "new")),
        (
            "poddisruptionbudgets/a/old",
            budget("policy/v1beta1", "old"),
        ),
    ]);
    let new = get(&held, "/apis/policy/v1/poddisruptionbudgets");
    assert_eq!(names(&new.json), ["new"]);
    assert!(
        new.warnings[0].contains("poddisruptionbudgets.v1beta1.policy"),
        "{:?}",
        new.warnings
    );
    assert_eq!(
        names(&get(&held, "/apis/policy/v1beta1/poddisruptionbudgets").json),
        ["old"]
    );
    assert_eq!(
        get(
            &held,
            "/apis/policy/v1/namespaces/a/poddisruptionbudgets/old"
        )
        .code,
        400
    );
}
