//! Every shape of secret, alone and inside other text: nothing of it is left, and all lines stay.
//!
//! Deliberately absent: whole reports; the program's own tests look at those.

#![expect(clippy::indexing_slicing, reason = "tests")]

mod canary;

use canary::escaped;
use defib_formats::redact::{redact, redact_vec};

fn clean(text: &str) -> String {
    String::from_utf8_lossy(&redact(text.as_bytes()).text).into_owned()
}

fn indented(text: &str, by: &str) -> String {
    text.lines().map(|l| format!("{by}{l}\n")).collect()
}

/// One shape in all the places where it may stand.
fn places(text: &str) -> Vec<(&'static str, String)> {
    let json = escaped(text);
    vec![
        ("alone", text.to_owned()),
        ("crlf", text.replace("\r\n", "\n").replace('\n', "\r\n")),
        (
            "behind a log",
            format!("2026-01-01T00:00:00Z starting\n{text}\n2026-01-01T00:00:01Z done\n"),
        ),
        (
            "message in json",
            format!(
                "{{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"e\"}},\n \"message\": \"{json}\",\n \"reason\": \"x\"}}"
            ),
        ),
        (
            "message in a pretty list",
            format!(
                "{{\n  \"kind\": \"PodList\",\n  \"items\": [\n    {{\n      \"message\": \"failed:\\n{json}\\n(x)\"\n    }}\n  ]\n}}\n"
            ),
        ),
        (
            "block in yaml",
            format!(
                "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: c\ndata:\n  file: |\n{}  other: x\n",
                indented(text, "    ")
            ),
        ),
        (
            "quoted in yaml",
            format!("kind: Event\nmessage: \"{json}\"\nreason: x\n"),
        ),
        (
            "escaped twice",
            format!(
                "{{\"kind\":\"Pod\",\"metadata\":{{\"annotations\":{{\"a\":\"{}\"}}}}}}",
                escaped(&format!("{{\"m\":\"{json}\"}}"))
            ),
        ),
        (
            "field of a json log",
            format!("{{\"level\":\"error\",\"msg\":\"{json}\",\"n\":1}}\n"),
        ),
    ]
}

#[test]
fn no_shape_is_left_anywhere() {
    let mut left = Vec::new();
    let mut tried = 0;
    for c in canary::all() {
        for (place, text) in places(&c.text) {
            tried += 1;
            let got = clean(&text);
            for needle in &c.needles {
                if got.contains(needle.as_str()) {
                    left.push(format!("{} ({place}): {needle} in\n{got}", c.name));
                }
            }
            if got.matches('\n').count() != text.matches('\n').count() {
                left.push(format!("{} ({place}): lines moved\n{got}", c.name));
            }
            let (own, taken) = redact_vec(text.clone().into_bytes());
            assert_eq!(String::from_utf8_lossy(&own), got, "{} ({place})", c.name);
            assert_eq!(taken.is_empty(), got == text, "{} ({place})", c.name);
            let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
            if json(&text) && !json(&got) {
                left.push(format!("{} ({place}): no JSON any more\n{got}", c.name));
            }
        }
    }
    assert!(canary::all().len() >= 60 && tried >= 540, "{tried}");
    assert!(
        left.is_empty(),
        "{} of {tried} left:\n{}",
        left.len(),
        left.join("\n\n")
    );
}

/// What is taken out once stays out: a bundle is cleaned again when it is read.
#[test]
fn cleaning_twice_changes_nothing() {
    for c in canary::all() {
        for (place, text) in places(&c.text) {
            let once = clean(&text);
            assert_eq!(clean(&once), once, "{} ({place})", c.name);
        }
    }
}

#[test]
fn powershell_writes_utf_16() {
    let text = "apiVersion: v1\r\nkind: Secret\r\nstringData:\r\n  blob: canary\r\n";
    let mut wide = vec![0xff, 0xfe];
    wide.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let got = redact(&wide).text.into_owned();
    let got = String::from_utf8(got).unwrap();
    assert!(
        !got.contains("canary") && got.contains("kind: Secret"),
        "{got}"
    );
}

/// What rules read must not go: names of Secrets and keys, selectors, prose about tokens, certificates.
#[test]
fn what_rules_need_stays() {
    let certificate = "caBundle: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJlVENDQVIrZ0F3SUJBZ0lCQURBS0JnZ3Foa2pP";
    for text in [
        "secret \"gitlab-agent-token\" not found",
        "couldn't find key password in Secret apps/db",
        "references non-existent secret key: token",
        "env:\n- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      key: password\n      name: db\n",
        "{\"env\":[{\"name\":\"DB_PASSWORD\",\"valueFrom\":{\"secretKeyRef\":{\"key\":\"password\",\"name\":\"db\"}}}]}",
        "envFrom:\n- secretRef:\n    name: gitlab-agent-token\n",
        "volumes:\n- name: token\n  secret:\n    secretName: default-token-x7k2p\n    items:\n    - key: tls.key\n      path: tls.key\n",
        "imagePullSecrets:\n- name: regcred\n",
        "existingSecret: db-credentials-x\n",
        "selector:\n  matchLabels:\n    app: token-service\n",
        "sources:\n- serviceAccountToken:\n    expirationSeconds: 3607\n    path: token\n",
        "MountVolume.SetUp failed for volume \"kube-api-access\" : failed to fetch token: serviceaccounts \"x\" not found",
        "msg=\"failed to validate token: x509: certificate signed by unknown authority\"",
        "level=fatal msg=\"bootstrap data already found and encrypted with different token\"",
        "Unable to authenticate the request due to an error: [invalid bearer token, service account token has expired]",
        "<set to the key 'password' in secret 'db'>  Optional: false",
        "DB_PASSWORD:  <set to the key 'password' in secret 'db'>  Optional: false",
        "kind: ClusterSecretStore\nspec:\n  provider: {}\n",
        "kind: ConfigMap\ndata:\n  Corefile: |\n    .:53 {\n        forward . /etc/resolv.conf\n    }\n",
        "{\"items\":[{\"kind\":\"ConfigMap\",\"data\":{\"Corefile\":\"forward . 1.1.1.1\"}},{\"kind\":\"Secret\",\"metadata\":{\"name\":\"x\"}}]}",
        "involvedObject:\n  kind: Secret\n  name: db\n  namespace: apps\nmessage: hello\n",
        "--token-file=/var/lib/rancher/k3s/server/token --tls-cert-file=/x/y.crt",
        "\"--token-file\", \"/etc/x\"",
        "failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token: 403 Forbidden",
        "password: $(DB_PASSWORD)",
        "kubernetes.io/service-account-token",
        "$ mysql -u root -p\nEnter password: \n",
        "$ kubectl get secret db -o jsonpath='{.data.x}' | base64 -d\n$ kubectl get pods\n",
        "$ kubectl get secret db -o jsonpath='{.data.x}'\nError from server (NotFound): secrets \"db\" not found\n",
        "$ kubectl get secrets -A\nNAMESPACE   NAME   TYPE     DATA   AGE\napps        db     Opaque   1      3d\n",
        "$ etcdctl --endpoints=https://10.0.0.1:2379 member list -w table\n",
        "$ echo 3 | tee /proc/sys/vm/drop_caches\n",
        "hash: sha256:3f1c0b5d7e9a2c4f6b8d0e1f3a5c7e9b1d3f5a7c9e0b2d4f6a8c0e2f4b6d8a0c",
        "/bootstrap/3f1c0b5d7e9a",
        "image: registry.example:5000/app@sha256:3f1c0b5d7e9a2c4f6b8d0e1f3a5c7e9b1d3f5a7c9e0b2d4f6a8c0e2f4b6d8a0c",
        "Get \"https://10.43.0.1:443/api/v1/namespaces?limit=500\": dial tcp 10.43.0.1:443: connect: connection refused",
        certificate,
    ] {
        assert_eq!(clean(text), text);
    }
}
