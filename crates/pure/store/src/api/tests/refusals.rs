//! What is refused, and in which words.
//!
//! Deliberately absent: tokens and connections (`session`).

use super::*;

#[test]
fn refusals_are_what_an_api_server_says() {
    let held = pods();
    for (method, url, code, reason, words) in [
        (
            "POST",
            "/api/v1/namespaces/a/pods",
            405,
            "MethodNotAllowed",
            "reading only",
        ),
        (
            "DELETE",
            "/api/v1/namespaces/a/pods/p1",
            405,
            "MethodNotAllowed",
            "DELETE",
        ),
        ("PATCH", "/no/such/path", 405, "MethodNotAllowed", ""),
        (
            "GET",
            "/no/such/path",
            404,
            "NotFound",
            "the requested resource",
        ),
        (
            "GET",
            "/api/v1/gods",
            404,
            "NotFound",
            "the requested resource",
        ),
        ("GET", "/apis/apps/v9/deployments", 404, "NotFound", ""),
        ("GET", "/api/v1/namespaces/a/nodes", 404, "NotFound", ""),
        ("GET", "/api/v1/pods/p1", 404, "NotFound", ""),
        (
            "GET",
            "/api/v1/namespaces/a/pods/p",
            404,
            "NotFound",
            "pods \"p\" not found",
        ),
        (
            "GET",
            "/apis/apps/v1/namespaces/a/deployments/d",
            404,
            "NotFound",
            "deployments.apps \"d\" not found",
        ),
        (
            "GET",
            "/api/v1/namespaces/a/pods/%2e%2e%2fb%2fp4",
            404,
            "NotFound",
            "",
        ),
        (
            "GET",
            "/api/v1/namespaces/a/pods/p1/log",
            400,
            "BadRequest",
            "log",
        ),
        (
            "GET",
            "/api/v1/pods?fieldSelector=a%3Db",
            400,
            "BadRequest",
            "field label not supported: a",
        ),
        (
            "GET",
            "/api/v1/pods?labelSelector=%3D",
            400,
            "BadRequest",
            "label selector",
        ),
        ("GET", "/api/v1/pods?limit=x", 400, "BadRequest", "limit"),
        (
            "GET",
            "/api/v1/pods?continue=1.2f",
            400,
            "BadRequest",
            "continue",
        ),
        ("GET", "/openapi/v2", 404, "NotFound", ""),
    ] {
        let said = asked(&held, false, method, url, "");
        let message = said.json["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            (said.code, said.json["reason"].as_str()),
            (code, Some(reason)),
            "{url}"
        );
        assert_eq!(
            (&said.json["kind"], &said.json["code"]),
            (&json!("Status"), &json!(code))
        );
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(
        asked(&held, false, "GET", "/api/v1/pods", "text/html").code,
        406
    );
    let watched = get(&held, "/api/v1/pods?watch=true");
    assert_eq!((watched.code, watched.json), (200, Value::Null));
}

#[test]
fn lists_are_of_the_revision_that_there_is() {
    let held = pods();
    let exact = |revision: &str| {
        get(
            &held,
            &format!("/api/v1/pods?resourceVersionMatch=Exact&resourceVersion={revision}"),
        )
    };
    assert_eq!(exact("5").code, 200);
    for other in ["4", "6", "", "x"] {
        let said = exact(other);
        assert_eq!(
            (said.code, said.json["reason"].as_str()),
            (410, Some("Expired")),
            "{other}"
        );
    }
    let older = get(
        &held,
        "/api/v1/pods?resourceVersionMatch=NotOlderThan&resourceVersion=4",
    );
    assert_eq!(older.code, 200);
}

#[test]
fn sentences_hold_nothing_that_a_terminal_obeys() {
    let held = pods();
    for url in [
        "/api/v1/namespaces/a/pods/%1b[31m%e2%80%ae",
        "/api/v1/pods?fieldSelector=%1b]0;x%07%3Da",
        "/api/v1/pods?labelSelector=%1b[2J",
        "/api/v1/pods?limit=%9b%1b",
    ] {
        let said = get(&held, url);
        assert!(said.code >= 400 || url.contains("limit"), "{url}");
        let text = [
            value::text(&said.json, "message"),
            value::text(&said.json, "details.name"),
        ]
        .concat();
        assert!(!text.contains(defib_model::text::is_unsafe), "{text:?}");
        let long = get(
            &held,
            &format!("/api/v1/namespaces/a/pods/{}", "x".repeat(100_000)),
        );
        assert!(value::text(&long.json, "message").len() < 4_096);
    }
}

#[test]
fn fields_of_each_kind_are_offered() {
    let held = pods();
    for (url, code) in [
        (
            "/apis/resource.k8s.io/v1/resourceslices?fieldSelector=spec.nodeName%3Dn,spec.driver%3Dd",
            200,
        ),
        (
            "/apis/certificates.k8s.io/v1beta1/clustertrustbundles?fieldSelector=spec.signerName%3Ds",
            200,
        ),
        (
            "/apis/certificates.k8s.io/v1beta1/clustertrustbundles?fieldSelector=spec.driver%3Ds",
            400,
        ),
        (
            "/apis/certificates.k8s.io/v1beta1/podcertificaterequests?fieldSelector=spec.podName%3Dp,spec.nodeName%3Dn",
            200,
        ),
        (
            "/apis/certificates.k8s.io/v1beta1/podcertificaterequests?fieldSelector=metadata.namespace%3Da",
            400,
        ),
        // What is asked wrongly is not watched, either.
        ("/api/v1/pods?watch=true&fieldSelector=a%3Db", 400),
        ("/api/v1/pods?watch=true&labelSelector=%3D", 400),
        ("/api/v1/pods?watch=true&labelSelector=a%3Db", 200),
    ] {
        assert_eq!(get(&held, url).code, code, "{url}");
    }
}
