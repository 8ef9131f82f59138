//! Values by hand: each rule of the encoding on its smallest example, and hostile ones.
//! Deliberately absent: equality with Kubernetes' own encoders and servers, which xtask's tests prove.

use super::*;
use proptest::prelude::*;

/// A field of wire type 2.
fn len(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(content);
    out
}

fn stored(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let type_meta = [len(1, api_version.as_bytes()), len(2, kind.as_bytes())].concat();
    let unknown = [len(1, &type_meta), len(2, raw), len(3, b""), len(4, b"")];
    [b"k8s\0".to_vec(), unknown.concat()].concat()
}

fn decoded(value: &[u8]) -> (Decoded, serde_json::Value) {
    let mut out = b"before".to_vec();
    let decoded = decode(value, &mut out).unwrap();
    let json = serde_json::from_slice(&out[6..]).unwrap();
    (decoded, json)
}

fn metadata() -> Vec<u8> {
    let label = |key: &str, value: &str| {
        len(
            11,
            &[len(1, key.as_bytes()), len(2, value.as_bytes())].concat(),
        )
    };
    let created = len(8, &[0x08, 0x80, 0xc6, 0x86, 0x8f, 0x06, 0x10, 0x00]);
    len(
        1,
        &[
            len(1, b"web"),
            len(2, b""),
            len(3, b"shop"),
            len(4, b""),
            len(5, b"u-1"),
            len(6, b""),
            vec![0x38, 0],
            created,
            label("app", "web"),
            label("tier", "<front>"),
        ]
        .concat(),
    )
}

fn config_map() -> Vec<u8> {
    let data = len(2, &[len(1, b"k"), len(2, b"v")].concat());
    let binary = len(3, &[len(1, b"b"), len(2, &[0, 255])].concat());
    stored("v1", "ConfigMap", &[metadata(), data, binary].concat())
}

#[test]
fn an_object_is_printed_as_the_server_prints_it() {
    let value = config_map();
    let mut out = Vec::new();
    let decoded = decode_at(&value, Some(42), &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"shop","uid":"u-1","resourceVersion":"42","creationTimestamp":"2022-01-14T16:21:20Z","labels":{"app":"web","tier":"\u003cfront\u003e"}},"data":{"k":"v"},"binaryData":{"b":"AP8="}}"#
    );
    assert!(decoded.known && decoded.remarks.is_empty());
    let head = head(&value).unwrap();
    assert_eq!(
        (head.name.as_str(), head.namespace.as_str()),
        ("web", "shop")
    );
    assert_eq!(
        (head.uid.as_str(), head.created.as_str()),
        ("u-1", "2022-01-14T16:21:20Z")
    );
    assert_eq!(walk(&value).unwrap().unknown_fields, 0);
}

#[test]
fn what_go_always_prints_is_printed() {
    // A pod of nothing but a container without a name.
    let spec = len(2, &len(2, &[]));
    let (_, json) = decoded(&stored("v1", "Pod", &spec));
    assert_eq!(
        json,
        serde_json::json!({"apiVersion":"v1","kind":"Pod","metadata":{},
            "spec":{"containers":[{"name":"","resources":{}}]},"status":{}})
    );
    let (_, json) = decoded(&stored("v1", "Pod", &[]));
    assert_eq!(json["spec"], serde_json::json!({"containers": null}));
}

#[test]
fn unknown_fields_are_listed_with_their_place() {
    // Field 99 in the second container.
    let strange = [len(1, b"a"), vec![0x98, 0x06, 0x01]].concat();
    let spec = len(2, &[len(2, &len(1, b"b")), len(2, &strange)].concat());
    let value = stored("v1", "Pod", &[metadata(), spec].concat());
    let (decoded, json) = decoded(&value);
    assert_eq!(json["spec"]["containers"][1]["name"], "a");
    let [remark] = decoded.remarks.as_slice() else {
        panic!("{:?}", decoded.remarks);
    };
    assert_eq!(remark.path, "spec.containers[1]");
    assert_eq!(remark.what, Oddity::UnknownField { number: 99 });
    assert_eq!(value[remark.at..][..3], [0x98, 0x06, 0x01]);
    assert_eq!(
        (decoded.unknown_fields, walk(&value).unwrap().unknown_fields),
        (1, 1)
    );
}

#[test]
fn an_unknown_kind_keeps_its_bytes_and_its_name() {
    let raw = [metadata(), len(7, b"x")].concat();
    let value = stored("example.com/v9", "Thing", &raw);
    let (decoded, json) = decoded(&value);
    assert!(!decoded.known);
    assert_eq!(
        (&json["kind"], &json["metadata"]["name"]),
        (&"Thing".into(), &"web".into())
    );
    assert!(json["raw"].as_str().unwrap().len() > 40);
    assert_eq!(head(&value).unwrap().name, "web");
    assert!(!walk(&value).unwrap().known);
}

#[test]
fn a_foreign_order_means_the_same() {
    let data = |key: &[u8], value: &[u8]| len(2, &[len(2, value), len(1, key)].concat());
    let mixed = [
        data(b"z", b"1"),
        metadata(),
        data(b"a", b"2"),
        data(b"z", b"3"),
    ]
    .concat();
    let (_, json) = decoded(&stored("v1", "ConfigMap", &mixed));
    assert_eq!(json["data"], serde_json::json!({"a": "2", "z": "3"}));
    assert_eq!(json["metadata"]["name"], "web");
}

#[test]
fn json_and_cbor_pass_with_the_revision() {
    let mut out = Vec::new();
    let json = b"{ \"kind\": \"Thing\", \"apiVersion\": \"e.com/v1\", \"metadata\": { \"name\": \"x\" } }\n";
    let decoded = decode_at(json, Some(7), &mut out).unwrap();
    assert_eq!(
        (decoded.encoding, decoded.kind.as_str()),
        (Encoding::Json, "Thing")
    );
    assert_eq!(out, br#"{"kind":"Thing","apiVersion":"e.com/v1","metadata":{"resourceVersion":"7","name":"x"}}"#);
    out.clear();
    let cbor = [
        &[0xd9, 0xd9, 0xf7, 0xa2, 0x44][..],
        b"kind",
        &[0x41, b'K', 0x48],
        b"metadata",
        &[0xa0],
    ]
    .concat();
    decode_at(&cbor, Some(7), &mut out).unwrap();
    assert_eq!(out, br#"{"kind":"K","metadata":{"resourceVersion":"7"}}"#);
    assert_eq!(walk(&cbor).unwrap().kind, "K");
}

#[test]
fn what_is_no_object_is_said_to_be_none() {
    let mut out = Vec::new();
    assert_eq!(
        decode(b"k8s:enc:aescbc:v1:key1:abc", &mut out),
        Err(DecodeError::Encrypted)
    );
    assert_eq!(
        decode(b"cluster-token", &mut out),
        Err(DecodeError::NoObject)
    );
    assert_eq!(
        decode(b"{\"a\":", &mut out),
        Err(DecodeError::Json { at: 5 })
    );
    assert!(out.is_empty());
}

#[test]
fn depth_and_disorder_have_an_end() {
    // Schemas in schemas: `not` is field 27 of a schema in apiextensions' v1.
    let mut schema = Vec::new();
    for _ in 0..300 {
        schema = [vec![0xda, 0x01], len(0, &schema)[1..].to_vec()].concat();
    }
    let validation = len(1, &schema);
    let version = len(7, &[len(1, b"v1"), len(4, &validation)].concat());
    let value = stored(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        &len(2, &version),
    );
    let mut out = Vec::new();
    assert!(matches!(
        decode(&value, &mut out),
        Err(DecodeError::Deep { .. })
    ));
    assert!(matches!(walk(&value), Err(DecodeError::Deep { .. })));
    // Two fields in the wrong order on every level would double the work on each.
    let mut schema = Vec::new();
    for _ in 0..40 {
        schema = [vec![0xda, 0x01], len(0, &schema)[1..].to_vec(), len(1, b"")].concat();
    }
    let version = len(7, &len(4, &len(1, &schema)));
    let value = stored(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        &len(2, &version),
    );
    let _ = decode(&value, &mut out);
}

fn survives(value: &[u8]) {
    let mut out = Vec::new();
    let decoded = decode_at(value, Some(1), &mut out);
    match &decoded {
        Ok(_) => assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok()),
        Err(_) => assert!(out.is_empty()),
    }
    let walked = walk(value);
    // What decodes is well-formed, and has a name or none.
    if let Ok(decoded) = decoded {
        assert!(walked.is_ok() || !decoded.known, "{walked:?}");
        assert!(head(value).is_ok());
    }
    let _ = head(value);
}

#[test]
fn cut_anywhere_is_an_error_or_less() {
    let value = config_map();
    for end in 0..value.len() {
        survives(&value[..end]);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0usize..160) {
        survives(&bytes);
        let (api_version, kind) = kinds().nth(kind).unwrap();
        survives(&stored(api_version, kind, &bytes));
        survives(&stored("v1", "Pod", &len(2, &bytes)));
    }

    #[test]
    fn any_change_is_survived(at in any::<proptest::sample::Index>(), with in any::<u8>()) {
        let mut value = config_map();
        let at = at.index(value.len());
        value[at] = with;
        survives(&value);
    }
}
