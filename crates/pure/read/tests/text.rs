//! Whatever text comes: reading ends, nothing panics, and every place lies inside the text.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops where it fails, and reads the casebook"
)]

use std::path::Path;

use defib_model::bundle::{Bundle, Entry};
use defib_model::cluster::Cluster;
use defib_read::{Reader, SignalSet};
use proptest::prelude::*;

fn read(bytes: &[u8]) -> Cluster {
    let signals = SignalSet::new(std::iter::empty());
    let mut reader = Reader::new(&signals);
    let entry = Entry {
        id: "a".to_owned(),
        probe: "file".to_owned(),
        ..Entry::default()
    };
    reader.entry(&entry, bytes);
    reader.finish(&Bundle::default())
}

fn holds(bytes: &[u8]) {
    let cluster = read(bytes);
    let lines = bytes.split(|b| *b == b'\n').count() as u64;
    for fact in &cluster.facts {
        assert!((1..=lines).contains(&fact.line), "{fact:?}");
    }
    for object in &cluster.objects {
        assert!(object.origin.end as usize <= bytes.len());
        assert!(object.origin.start <= object.origin.end);
    }
    for origin in &cluster.event_origins {
        assert!(origin.end as usize <= bytes.len());
        assert!(origin.start <= origin.end);
    }
}

/// What stands before the place where a paste was cut is read; a line that is wrong by itself is no such place.
#[test]
fn a_cut_object_is_read_up_to_there() {
    let whole = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: till\n  namespace: shop\n";
    let objects = |text: &str| read(text.as_bytes()).objects.len();
    assert_eq!(objects(&format!("{whole}da")), 1);
    assert_eq!(objects(&format!("{whole}policyTy\n")), 1);
    assert_eq!(objects(&format!("{whole}data: [\n")), 0);
    assert_eq!(objects(&format!("{whole}  two words\n")), 0);
    assert_eq!(objects("apiVersion: v1\nki"), 0);
}

/// The fenced blocks of the casebook: forms that people really paste.
fn samples() -> Vec<String> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../cases");
    let mut out = Vec::new();
    for family in std::fs::read_dir(cases).unwrap() {
        let family = family.unwrap().path();
        if !family.is_dir() {
            continue;
        }
        for page in std::fs::read_dir(family).unwrap() {
            let text = std::fs::read_to_string(page.unwrap().path()).unwrap();
            out.extend(
                text.split("```")
                    .skip(1)
                    .step_by(2)
                    .filter(|b| b.starts_with("log file="))
                    .filter_map(|b| Some(b.split_once('\n')?.1.to_owned())),
            );
        }
    }
    out.sort();
    assert!(out.len() > 40, "only {} samples", out.len());
    out
}

#[test]
fn every_sample_cut_anywhere() {
    for sample in samples() {
        let bytes = sample.as_bytes();
        let step = (bytes.len() / 40).max(1);
        for at in (0..bytes.len()).step_by(step) {
            holds(&bytes[..at]);
            holds(&bytes[at..]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text(text in "(?s).{0,400}") {
        holds(text.as_bytes());
    }

    #[test]
    fn text_that_looks_like_output(
        lines in proptest::collection::vec(
            prop_oneof![
                "(\\$|#|root@n1:~#) (kubectl|k|etcdctl|df|ip|ls|openssl|flux|sqlite3) [a-z -]{0,30}",
                "NAME   READY   STATUS   (RESTARTS)?   AGE",
                "[a-z0-9/-]{1,12} {1,6}[0-9/]{1,5} {1,6}[A-Za-z:]{1,20} {1,6}[0-9]{1,3}[smhd]",
                "(Name|Namespace|Status|Events|Containers|Conditions|Volumes|Node):( [a-z0-9 -]{0,12})?",
                " {0,6}(Warning|Normal) {1,3}[A-Z][a-z]{2,9} {1,3}[0-9a-z ()]{1,12} {1,3}[a-z-]{2,12} {1,3}.{0,40}",
                "\\+-{2,8}\\+|\\| [A-Z a-z0-9:/.]{0,12} \\|",
                "[0-9a-f]{8,16}(: |, )(name=|started, )?.{0,30}",
                "Filesystem .{0,20} Mounted on|/dev/sd[a-z]1? +[0-9]{1,4}[GMK]? +[0-9]+ +[0-9]+ +[0-9]{1,3}% /[a-z]*",
                "(apiVersion|kind|metadata|spec): ?[a-zA-Z0-9/]{0,8}",
                "\\{\"[a-z]{1,6}\": ?[\\[{\"0-9].{0,20}",
                ".{0,60}",
            ],
            0..25,
        )
    ) {
        holds(lines.join("\n").as_bytes());
    }
}
