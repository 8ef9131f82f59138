//! The report as SARIF 2.1.0, for the places that show findings beside files.

use defib_model::report::{Evidence, Report};
use serde_json::json;

use crate::clean;

fn places(list: &[Evidence]) -> Vec<serde_json::Value> {
    list.iter()
        .map(|e| {
            json!({
                "physicalLocation": {
                    "artifactLocation": {"uri": clean::line(&e.file)},
                    "region": {"startLine": e.line.max(1), "snippet": {"text": clean::line(&e.text)}},
                },
                "message": {"text": clean::line(&e.meaning)},
            })
        })
        .collect()
}

/// The whole report. What speaks against a cause is its related locations.
pub fn report(r: &Report) -> serde_json::Value {
    let rules: Vec<_> = r
        .root_causes
        .iter()
        .map(|c| (c.code.clone(), c.class.clone()))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .map(
            |(code, class)| json!({"id": code, "name": class, "shortDescription": {"text": class}}),
        )
        .collect();
    let results: Vec<_> = r
        .root_causes
        .iter()
        .map(|c| {
            json!({
                "ruleId": c.code,
                "level": "error",
                "message": {"text": clean::line(&c.title)},
                "locations": places(&c.evidence),
                "relatedLocations": places(&c.against),
                "partialFingerprints": {"defib/v1": c.id},
                "rank": (c.confidence * 100.0).round(),
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "defib", "version": r.tool.version, "rules": rules}},
            "results": results,
        }],
    })
}
