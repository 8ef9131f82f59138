//! A report about one namespace: what lies in it, and what explains what lies in it, wherever that is.
//!
//! Deliberately absent: reading less. A pod's trouble starts on its node, in DNS or in a volume, and
//! only who sees those can name it.

use defib_model::EntityId;
use defib_model::report::{Report, Verdict};

/// Keeps what concerns this namespace. A report that names causes elsewhere alone turns to what it says
/// without them: healthy only where all objects were seen and no gap is left open.
pub(crate) fn narrow(report: &mut Report, namespace: &str) {
    let inside = |entity: &EntityId| {
        entity.namespace() == Some(namespace)
            || (entity.kind() == "namespace" && entity.name() == namespace)
    };
    report.symptoms.retain(|s| inside(&s.entity));
    let left = |id: &String| report.symptoms.iter().any(|s| s.id == *id);
    report
        .root_causes
        .retain(|c| inside(&c.entity) || c.explains.iter().any(left));
    report.candidates.retain(|c| inside(&c.entity));
    let told = |entity: &EntityId| {
        let mut causes = report.root_causes.iter().map(|c| &c.entity);
        let mut candidates = report.candidates.iter().map(|c| &c.entity);
        causes.any(|e| e == entity) || candidates.any(|e| e == entity)
    };
    report.contradictions.retain(|c| told(&c.entity));
    for cause in &mut report.root_causes {
        cause.explains.retain(left);
    }
    for symptom in &mut report.symptoms {
        symptom
            .explained_by
            .retain(|id| report.root_causes.iter().any(|c| c.id == *id));
    }
    if report.root_causes.is_empty() && report.verdict == Verdict::RootCause {
        let whole = report
            .coverage
            .iter()
            .any(|c| c.scope == "objects" && c.seen == defib_model::bundle::Seen::All);
        report.verdict = if whole && report.symptoms.is_empty() && report.candidates.is_empty() {
            Verdict::Healthy
        } else {
            Verdict::Unknown
        };
    }
}
