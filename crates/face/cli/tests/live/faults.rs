//! Genuine faults, each on a control plane of its own: the class that is named, and nothing beside it.
//! Deliberately absent: faults that need a kubelet. The tables stand in a file per family.

#[path = "faults/admission.rs"]
mod admission;
#[path = "faults/scheduling.rs"]
mod scheduling;
#[path = "faults/storage.rs"]
mod storage;
#[path = "faults/workloads.rs"]
mod workloads;

use libtest_mimic::Failed;
use serde_json::Value;
use xtask::lab::{ControlPlane, Options, wait_until};

use crate::record::{self, Take};
use crate::{Outcome, PATIENCE, an_hour_later, bare, defib, node, texts};

pub use admission::API_SERVICE;
use admission::POD_SECURITY;
use storage::CLAIM_SELECTOR;
pub use storage::CLASS_MISSING;

/// One fault set.
pub struct Fault {
    /// Its name in the list of tests.
    pub name: &'static str,
    /// Further flags for the API server.
    apiserver: &'static [&'static str],
    /// What breaks it, in order.
    steps: &'static [Step],
    /// The classes that are expected, exactly. As long as this build has no rule for one of them, its
    /// symptoms must be observed and stay unexplained.
    classes: &'static [&'static str],
    /// Symptoms that must be observed: condition and entity.
    symptoms: &'static [(&'static str, &'static str)],
    /// Whether the cluster itself shows the fault; else only the takes do.
    live: bool,
    /// The page of the casebook whose `Firing` section the takes are, if any.
    pub page: Option<&'static str>,
    /// Seconds after which the evidence is past every period of grace by its own times. Waited for only
    /// when a page is written.
    pub age: u64,
    /// What a person would fetch from that cluster.
    pub takes: &'static [Take],
}

impl Fault {
    /// What most of them are.
    const NONE: Self = Self {
        name: "",
        apiserver: &[],
        steps: &[],
        classes: &[],
        symptoms: &[],
        live: true,
        page: None,
        age: 0,
        takes: &[],
    };
}

/// One step on the way to a fault.
enum Step {
    /// A node that KWOK plays, without taints and of any size.
    Node(&'static str),
    /// Applies manifests, on the server's side: no copy of them stands in an annotation then.
    Apply(&'static str),
    /// Runs kubectl.
    Kubectl(&'static [&'static str]),
    /// Tries a kubectl call until it is refused.
    Refused(&'static [&'static str]),
    /// Tries a kubectl call until its answer holds these words.
    Until(&'static [&'static str], &'static str),
    /// Tries a kubectl call until its answer does not hold these words.
    Without(&'static [&'static str], &'static str),
}

/// All tables.
pub fn all() -> impl Iterator<Item = &'static Fault> {
    [
        admission::FAULTS,
        scheduling::FAULTS,
        storage::FAULTS,
        workloads::FAULTS,
    ]
    .into_iter()
    .flatten()
}

/// Breaks a fresh control plane and reads the report; writes the page anew if that is asked for.
pub fn is_named(fault: &Fault) -> Outcome {
    let plane = ControlPlane::start(Options {
        kwok: true,
        apiserver: fault.apiserver.iter().map(|&f| f.to_owned()).collect(),
        ..Options::default()
    })?;
    for step in fault.steps {
        done(&plane, step)?;
    }
    if fault.live {
        let report = observed(&plane, fault.symptoms)?;
        expected(&report, fault)?;
    }
    if fault.page.is_some() {
        if record::wanted() {
            std::thread::sleep(std::time::Duration::from_secs(fault.age));
        }
        let taken = record::taken(&plane, fault.takes)?;
        // What a person fetched names the same cause as the cluster itself.
        let report = record::diagnosed(&taken)?;
        assert_eq!(
            texts(&report, "root_causes", "class"),
            fault.classes,
            "{report:#}"
        );
        record::written(fault, &taken)?;
    }
    Ok(())
}

fn done(plane: &ControlPlane, step: &Step) -> Outcome {
    match step {
        Step::Node(name) => node(plane, name)?,
        Step::Apply(manifests) => {
            let file = plane.dir.join("fault.yaml");
            std::fs::write(&file, manifests)?;
            let file = file.to_string_lossy().into_owned();
            plane.kubectl_text(&["apply", "--server-side", "-f", &file])?;
        }
        Step::Kubectl(arguments) => drop(plane.kubectl_text(arguments)?),
        Step::Refused(arguments) => wait_until("the call is refused", PATIENCE, || {
            match plane.kubectl(arguments) {
                Ok(output) if !output.status.success() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })?,
        Step::Until(arguments, words) => {
            crate::until(plane, words, arguments, |text| text.contains(words))?;
        }
        Step::Without(arguments, words) => {
            crate::until(plane, words, arguments, |text| !text.contains(words))?;
        }
    }
    Ok(())
}

/// The report once all symptoms are in it. Time is not waited for: the judgement is made as of an
/// hour later, where what lasts is past every period of grace.
fn observed(plane: &ControlPlane, symptoms: &[(&str, &str)]) -> Result<Value, Failed> {
    let now = defib(&plane.kubeconfig, &["diagnose", "kube:", "-o", "json"])?.report()?;
    let as_of = an_hour_later(&now)?;
    let report = wait_until("all symptoms are observed", PATIENCE, || {
        let arguments = ["diagnose", "kube:", "-o", "json", "--as-of", &as_of];
        let ran = defib(&plane.kubeconfig, &arguments).map_err(|e| format!("{e:?}"))?;
        let report = ran.report().map_err(|e| format!("{e:?}"))?;
        let missing = symptoms.iter().find(|s| !has_symptom(&report, s));
        match missing {
            None => Ok(report),
            Some((condition, entity)) => Err(format!(
                "no {condition} of {entity} in {:#}",
                report["symptoms"]
            )),
        }
    })?;
    Ok(report)
}

/// The report once one symptom is in it.
pub fn with_symptom(plane: &ControlPlane, symptom: (&str, &str)) -> Result<Value, Failed> {
    observed(plane, &[symptom])
}

/// Is there such a symptom? An entity that ends with a dash stands for all that begin so.
fn has_symptom(report: &Value, (condition, entity): &(&str, &str)) -> bool {
    report["symptoms"].as_array().is_some_and(|list| {
        list.iter().any(|s| {
            let id = s["entity"].as_str().unwrap_or_default();
            s["condition"] == *condition
                && (id == *entity || (entity.ends_with('-') && id.starts_with(entity)))
        })
    })
}

fn expected(report: &Value, fault: &Fault) -> Outcome {
    let known = known_classes()?;
    let all_known = fault.classes.iter().all(|c| known.iter().any(|k| k == c));
    let shown = format!("{report:#}");
    if fault.classes.is_empty() || !all_known {
        // No rule in this build: no cause may be invented, and what was observed stays open.
        assert_eq!(report["verdict"], "unknown", "{shown}");
        assert_eq!(report["root_causes"], serde_json::json!([]), "{shown}");
        return Ok(());
    }
    let mut classes: Vec<&str> = fault.classes.to_vec();
    classes.sort_unstable();
    assert_eq!(texts(report, "root_causes", "class"), classes, "{shown}");
    let symptoms = report["symptoms"].as_array().ok_or("no symptoms")?;
    let open = symptoms
        .iter()
        .find(|s| s["explained_by"].as_array().is_none_or(Vec::is_empty));
    assert!(open.is_none(), "not explained: {open:?}\n{shown}");
    assert_eq!(report["candidates"], serde_json::json!([]), "{shown}");
    for cause in report["root_causes"].as_array().into_iter().flatten() {
        let evidence = cause["evidence"].as_array().ok_or("no evidence")?;
        assert!(!evidence.is_empty(), "{shown}");
        for e in evidence {
            let text = e["text"].as_str().unwrap_or_default();
            assert!(!text.is_empty() && e["line"].as_u64() > Some(0), "{e:#}");
            assert!(e["file"].as_str().is_some_and(|f| !f.is_empty()), "{e:#}");
            assert!(
                e["show"]
                    .as_str()
                    .is_some_and(|f| f.starts_with("kubectl ")),
                "{e:#}"
            );
        }
    }
    Ok(())
}

/// The classes that this build has rules for.
fn known_classes() -> Result<Vec<String>, Failed> {
    let output = bare().args(["rules", "-o", "json"]).output()?;
    let listing: Value = serde_json::from_slice(&output.stdout)?;
    Ok(texts(&listing, "rules", "class"))
}

/// Both faults that have rules from the start, at once and by the real clock.
pub fn two_at_once(plane: &ControlPlane) -> Result<Value, Failed> {
    node(plane, "n1")?;
    plane.apply(POD_SECURITY)?;
    plane.apply(CLAIM_SELECTOR)?;
    let report = wait_until("two causes are named and nothing is open", PATIENCE, || {
        let ran = defib(&plane.kubeconfig, &["diagnose", "kube:", "-o", "json"])
            .map_err(|e| format!("{e:?}"))?;
        let report = ran.report().map_err(|e| format!("{e:?}"))?;
        let pods = report["symptoms"].as_array().map_or(0, |list| {
            list.iter()
                .filter(|s| s["condition"] == "pod-pending")
                .count()
        });
        let classes = texts(&report, "root_causes", "class");
        if classes == ["podsecurity-rejects-pod", "pvc-selector-mismatch"] && pods == 3 {
            assert_eq!(ran.code, Some(2), "{}", ran.all());
            Ok(report)
        } else {
            Err(format!("{classes:?}, {pods} pods\n{report:#}"))
        }
    })?;
    assert_eq!(report["verdict"], "root-cause");
    Ok(report)
}
