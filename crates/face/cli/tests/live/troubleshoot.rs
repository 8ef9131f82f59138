//! Bundles that Troubleshoot's own collector makes of a broken control plane say what the cluster says.
//! Deliberately absent: logs, exec and host collectors; nothing here has a kubelet.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;
use serde_json::{Value, json};
use xtask::lab::ControlPlane;
use xtask::lab::cache::Programs;

use crate::faults::{self, CLASS_MISSING};
use crate::{Outcome, Ran, an_hour_later, bare, defib, fresh, node, texts, trust};

/// The test's name, by which `main` knows whether the collector is wanted.
pub const NAME: &str = "bundles_of_troubleshoot_say_the_same";

/// In a Secret, and in a pod's environment under a name that tells.
const SECRET: &str = "correct-horse-battery-staple";

/// Everything it collects that needs no kubelet, and a few that fail without one.
const SPEC: &str = "
apiVersion: troubleshoot.sh/v1beta2
kind: SupportBundle
metadata: {name: lab}
spec:
  collectors:
  - clusterInfo: {}
  - clusterResources: {}
  - secret: {namespace: shop, name: till, key: motto, includeValue: true}
  - configMap: {namespace: kube-system, name: kube-root-ca.crt, includeAllData: true}
  - logs: {namespace: shop, selector: [app=till], name: logs/till}
  - nodeMetrics: {}
";

/// Pods that wait for the claim of `CLASS_MISSING`; a Secret, and its value once more.
const TILL: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Secret
metadata: {name: till, namespace: shop}
stringData: {motto: correct-horse-battery-staple}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: till, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: till}}
  template:
    metadata: {labels: {app: till}}
    spec:
      containers:
      - name: app
        image: "registry.invalid/app:1"
        env: [{name: TILL_PASSWORD, value: correct-horse-battery-staple}]
        volumeMounts: [{name: media, mountPath: /media}]
      volumes: [{name: media, persistentVolumeClaim: {claimName: media}}]
"#;

/// Builds the collector if it is missing; why it could not be, if so.
pub fn unavailable() -> Option<String> {
    let mut tell = |line: &str| eprintln!("lab: {line}");
    let built = Programs::support_bundle(&mut tell);
    built.err().map(|e| e.to_string())
}

/// As the administrator, and as somebody who may not read everything: class, entity and symptoms are
/// those of the live diagnosis, what was refused is told, and no secret comes out.
pub fn bundles_say_the_same() -> Outcome {
    let mut plane = fresh()?;
    node(&plane, "n1")?;
    plane.apply(TILL)?;
    plane.apply(CLASS_MISSING)?;
    let claim = ("claim-pending", "persistentvolumeclaim/shop/media");
    faults::with_symptom(&plane, claim)?;
    let report = faults::with_symptom(&plane, ("replicas-missing", "deployment.apps/shop/till"))?;
    let as_of = an_hour_later(&report)?;
    let reader = trust::user(&plane, "reader", "view")?;
    // Two looks at it are to see the same.
    for part in ["kwok", "kube-scheduler", "kube-controller-manager"] {
        plane.kill(part)?;
    }

    let bundle = made(&plane, &plane.kubeconfig, "whole")?;
    let report = same(&plane.kubeconfig, &bundle, &as_of)?;
    let classes = texts(&report, "root_causes", "class");
    assert_eq!(classes, ["pvc-storageclass-missing"], "{report:#}");
    // Secrets are never listed by it; all else of a judgement was.
    assert_eq!(report["coverage"][0]["lacking"], json!(["Secret"]));
    let gaps = texts(&report, "gaps", "what");
    assert!(
        gaps.iter().all(|g| g.starts_with("collector ")),
        "{report:#}"
    );
    told_to_nobody(&bundle)?;

    let bundle = made(&plane, &reader, "part")?;
    let report = same(&reader, &bundle, &as_of)?;
    let gaps = texts(&report, "gaps", "what");
    for refused in ["nodes", "secrets", "persistentvolumes", "storageclasses"] {
        let told = gaps.iter().any(|g| g == refused);
        assert!(told, "no gap {refused} in {:#}", report["gaps"]);
    }
    Ok(())
}

/// The archive that the collector makes with these credentials.
fn made(plane: &ControlPlane, kubeconfig: &Path, name: &str) -> Result<PathBuf, Failed> {
    let spec = plane.dir.join("support-bundle.yaml");
    std::fs::write(&spec, SPEC)?;
    let program = Programs::support_bundle(&mut |_| {})?;
    let output = plane
        .command(program)
        // It writes beside itself, and would look for a newer version of itself.
        .current_dir(&plane.dir)
        .env("HOME", &plane.dir)
        .args(["--interactive=false", "--auto-update=false"])
        .args(["--output", name, "--kubeconfig"])
        .args([kubeconfig, &spec])
        .output()?;
    let archive = plane.dir.join(format!("{name}.tar.gz"));
    assert!(
        output.status.success() && archive.is_file(),
        "{}",
        Ran::of(&output).all()
    );
    Ok(archive)
}

/// The report about the bundle; it says of the cluster what a live diagnosis with the same rights says.
fn same(kubeconfig: &Path, bundle: &Path, as_of: &str) -> Result<Value, Failed> {
    let judge = |source: &str| -> Result<(Option<i32>, Value), Failed> {
        let ran = defib(
            kubeconfig,
            &["diagnose", source, "-o", "json", "--as-of", as_of],
        )?;
        Ok((ran.code, ran.report()?))
    };
    let (live_code, live) = judge("kube:")?;
    let (code, report) = judge(&bundle.to_string_lossy())?;
    let seen = |report: &Value| -> Vec<Vec<String>> {
        [
            ("root_causes", "class"),
            ("root_causes", "entity"),
            ("candidates", "class"),
            ("symptoms", "condition"),
            ("symptoms", "entity"),
        ]
        .map(|(list, field)| texts(report, list, field))
        .into()
    };
    assert_eq!(report["verdict"], live["verdict"], "{report:#}\n{live:#}");
    assert_eq!(code, live_code, "{report:#}");
    assert_eq!(seen(&report), seen(&live), "{report:#}\n{live:#}");
    Ok(report)
}

/// No form of the report, no stream and no collected bundle holds the secret.
fn told_to_nobody(bundle: &Path) -> Outcome {
    let mut raw = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(bundle)?).read_to_end(&mut raw)?;
    let raw = String::from_utf8_lossy(&raw);
    assert!(raw.contains(SECRET), "the bundle itself holds no secret");
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("evidence.tar.zst");
    let collected = bare()
        .args(["collect", "--out"])
        .args([&out, bundle])
        .output()?;
    assert!(out.is_file(), "{}", Ran::of(&collected).all());
    let mut said = vec![Ran::of(&collected).all()];
    for form in ["text", "json", "yaml", "markdown", "sarif"] {
        let ran = bare()
            .args(["diagnose", "--all", "-o", form])
            .arg(bundle)
            .output()?;
        said.push(Ran::of(&ran).all());
    }
    let held = zstd::decode_all(std::fs::File::open(&out)?)?;
    said.push(String::from_utf8_lossy(&held).into_owned());
    for text in said {
        let at = text.find(SECRET);
        assert!(
            at.is_none(),
            "{}",
            text.get(at.unwrap_or(0).saturating_sub(200)..)
                .unwrap_or_default()
                .chars()
                .take(400)
                .collect::<String>()
        );
    }
    Ok(())
}
