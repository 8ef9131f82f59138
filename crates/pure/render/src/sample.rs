//! A report for tests: a cause and a candidate, and evidence that speaks against both.

use defib_model::id::EntityId;
use defib_model::report::{Candidate, Contradiction, Evidence, Report, RootCause, Verdict};

fn said(line: u64, text: &str, meaning: &str) -> Evidence {
    Evidence {
        file: "host.txt".to_owned(),
        line,
        text: text.to_owned(),
        meaning: meaning.to_owned(),
        ..Evidence::default()
    }
}

/// The report.
pub(crate) fn divided() -> Report {
    let host = EntityId::other("host", "a");
    let full = said(1, "the disk is full", "nothing can be written");
    let room = said(9, "41% used", "it has room");
    Report {
        verdict: Verdict::RootCause,
        root_causes: vec![RootCause {
            code: "HST020".to_owned(),
            class: "disk-full".to_owned(),
            entity: host.clone(),
            title: "a file system has no space left".to_owned(),
            evidence: vec![full.clone()],
            against: vec![room.clone()],
            ..RootCause::default()
        }],
        candidates: vec![Candidate {
            class: "mount-limit-reached".to_owned(),
            entity: host.clone(),
            title: "too many mounts".to_owned(),
            pro: vec![full.clone()],
            con: vec![said(7, "3 mounts", "they are few")],
            ..Candidate::default()
        }],
        contradictions: vec![Contradiction {
            entity: host,
            a: full,
            b: room,
        }],
        ..Report::default()
    }
}
