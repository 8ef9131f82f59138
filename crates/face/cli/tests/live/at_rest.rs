//! What a living API server encrypts at rest, read back from a snapshot of its etcd.
//!
//! Deliberately absent: KMS, whose keys no file has.

use std::process::{Command, Output};

use libtest_mimic::Failed;
use serde_json::Value;
use xtask::lab::{ControlPlane, Options};

use crate::Outcome;

pub const NAME: &str = "what_a_server_encrypted_is_read_back";

/// Three keys of 32 bytes, made for this.
const CONFIG: &str = r#"{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[
{"resources":["secrets"],"providers":[{"aescbc":{"keys":[{"name":"aescbckey-2026-06-01T08:00:00Z","secret":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}]}},{"identity":{}}]},
{"resources":["configmaps"],"providers":[{"secretbox":{"keys":[{"name":"box","secret":"ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="}]}},{"identity":{}}]},
{"resources":["serviceaccounts"],"providers":[{"aesgcm":{"keys":[{"name":"gcm","secret":"MDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmY="}]}},{"identity":{}}]}]}"#;

pub fn what_a_server_encrypted_is_read_back() -> Outcome {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("encryption-config.json");
    std::fs::write(&config, CONFIG)?;
    let plane = ControlPlane::start(Options {
        apiserver: vec![format!("--encryption-provider-config={}", config.display())],
        ..Options::default()
    })?;
    plane.kubectl_text(&[
        "create",
        "secret",
        "generic",
        "s",
        "--from-literal=a=canary-b",
    ])?;
    plane.kubectl_text(&["create", "configmap", "c", "--from-literal=a=b"])?;
    let snapshot = folder.path().join("snapshot.db");
    plane.etcdctl(&["snapshot", "save", &snapshot.to_string_lossy()])?;

    let inspect = |verb: &str, arguments: &[&str]| -> Result<Output, Failed> {
        Ok(Command::new(env!("CARGO_BIN_EXE_defib"))
            .args(["inspect", verb])
            .arg(&snapshot)
            .args(arguments)
            .output()?)
    };
    for (what, provider) in [
        ("secret/s", "aescbc"),
        ("configmap/c", "secretbox"),
        ("serviceaccount/default", "aesgcm"),
    ] {
        // Without its key its kind is not known either, so the key is asked for.
        let (kind, name) = what.split_once('/').ok_or("no kind")?;
        let key = format!("/registry/{kind}s/default/{name}");
        let closed = inspect("get", &[&key])?;
        let said = String::from_utf8_lossy(&closed.stderr).into_owned();
        assert!(
            said.contains(&format!("encrypted at rest by {provider}")),
            "{said}"
        );
        let config = config.to_string_lossy();
        let arguments = [
            what,
            "-n",
            "default",
            "-o",
            "json",
            "--show-secrets",
            "--show-managed-fields",
            "--encryption-config",
            &config,
        ];
        let opened = inspect("get", &arguments)?;
        let said = String::from_utf8_lossy(&opened.stderr).into_owned();
        let found: Value =
            serde_json::from_slice(&opened.stdout).map_err(|e| format!("{e}: {said}"))?;
        let shown = plane.kubectl_text(&["get", what, "-o", "json", "--show-managed-fields"])?;
        let wanted: Value = serde_json::from_str(&shown)?;
        assert_eq!(found, wanted, "{what}");
    }
    let config = config.to_string_lossy();
    let verified = inspect("verify", &["--encryption-config", &config])?;
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert_eq!(verified.status.code(), Some(0), "{said}");
    assert!(!said.contains("encrypted"), "{said}");
    let counted = inspect("verify", &[])?;
    let said = String::from_utf8_lossy(&counted.stdout).into_owned();
    assert!(said.contains("encrypted (secretbox box)"), "{said}");
    Ok(())
}
