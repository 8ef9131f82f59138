//! What comes out: no control characters, no secrets, in any form, on either stream, in any file.

use std::path::Path;

use crate::{defib, path};

#[path = "../../../../pure/formats/tests/canary/mod.rs"]
mod canary;

const FORMS: &[&str] = &["text", "json", "yaml", "markdown", "mermaid", "sarif"];

/// Escape sequences, bidirectional overrides, a bell, a carriage return, line separators, HTML and
/// Markdown: in names, messages, labels and logs.
const EVIL: &str = "\\u001b]0;owned\\u0007\\u001b[2J\\u202egnp.exe\\u2066\\u200b\\u2028<script>alert(1)</script>\\r![x](http://evil)|`#\\u009b31m";

fn hostile_pod() -> String {
    format!(
        r#"{{"kind":"List","apiVersion":"v1","items":[
{{"kind":"Secret","apiVersion":"v1","metadata":{{"name":"other","namespace":"shop"}}}},
{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"till{EVIL}","namespace":"shop","labels":{{"a{EVIL}":"b{EVIL}"}},"annotations":{{"x":"{EVIL}"}}}},
"spec":{{"nodeName":"n{EVIL}","containers":[{{"name":"c{EVIL}","image":"i{EVIL}","env":[{{"name":"P","valueFrom":{{"secretKeyRef":{{"name":"s{EVIL}","key":"k{EVIL}"}}}}}}]}}]}},
"status":{{"phase":"Pending","containerStatuses":[{{"name":"c{EVIL}","ready":false,"restartCount":3,"state":{{"waiting":{{"reason":"CreateContainerConfigError","message":"secret \"s{EVIL}\" not found"}}}}}}]}}}},
{{"kind":"Event","apiVersion":"v1","metadata":{{"name":"e{EVIL}","namespace":"shop"}},"type":"Warning","reason":"Failed{EVIL}","message":"Error: {EVIL}","involvedObject":{{"kind":"Pod","name":"till{EVIL}","namespace":"shop"}}}}
]}}"#
    )
}

/// What a terminal, a browser or a reader's eye would obey.
fn obeyed(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[test]
fn names_and_messages_command_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pods.json"), hostile_pod()).unwrap();
    std::fs::write(
        folder.path().join("c.log"),
        "\u{1b}[31mpanic\u{1b}[0m \u{202e}failed to reserve sandbox name\r\u{7}\n",
    )
    .unwrap();
    let mut named = folder.path().to_owned();
    named.push("n\u{1b}[2J\u{202e}.yaml");
    std::fs::write(&named, "kind: [\n").unwrap();
    for form in FORMS {
        let ran = defib(&["diagnose", path(folder.path()), "-o", form, "--all"]);
        assert_eq!(ran.code, 2, "{}", ran.err);
        let text = ran.text();
        for (stream, said) in [("out", &text), ("err", &ran.err)] {
            let bad = said.chars().find(|c| obeyed(*c));
            assert_eq!(bad, None, "{form} on std{stream}:\n{said:?}");
        }
        if *form == "markdown" {
            let prose = without_code(&text);
            assert!(
                !prose.contains("<script>") && !prose.contains("![x]("),
                "{prose}"
            );
        }
    }
    let out = folder.path().join("b.tar.zst");
    let ran = defib(&["collect", "--out", path(&out), path(folder.path())]);
    let said = format!("{}{}", ran.text(), ran.err);
    assert_eq!(said.chars().find(|c| obeyed(*c)), None, "{said:?}");
}

/// Markdown without its code, where nothing is markup: spans and blocks of any length of fence.
fn without_code(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('`') {
        let (head, tail) = rest.split_at(at);
        out.push_str(head);
        if head.ends_with('\\') {
            rest = &tail[1..];
            continue;
        }
        let fence = &tail[..tail.len() - tail.trim_start_matches('`').len()];
        let body = &tail[fence.len()..];
        let close = body
            .match_indices(fence)
            .map(|(i, _)| i)
            .find(|i| !body[..*i].ends_with('`') && !body[i + fence.len()..].starts_with('`'));
        rest = match close {
            Some(i) => &body[i + fence.len()..],
            None => "",
        };
    }
    out + rest
}

/// Every canary where an object, a log or a command's output may carry it: looked for in every form
/// of the report, on both streams, and in the bundle.
#[test]
fn canaries_are_found_nowhere() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("evidence");
    std::fs::create_dir(&folder).unwrap();
    let canaries = canary::all();
    assert!(canaries.len() >= 60, "{}", canaries.len());
    std::fs::write(folder.join("pods.json"), pods_that_tell(&canaries)).unwrap();
    for (i, c) in canaries.iter().enumerate() {
        std::fs::write(folder.join(format!("{i}.txt")), &c.text).unwrap();
    }
    // A log whose lines are wanted: each canary on the line of a signal.
    let log: String = canaries
        .iter()
        .filter(|c| !c.text.trim_end().contains('\n'))
        .map(|c| {
            format!(
                "E0101 failed to reserve sandbox name {}\n",
                c.text.trim_end()
            )
        })
        .collect();
    std::fs::write(folder.join("k.log"), log).unwrap();
    let found = |what: &str, bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let left: Vec<_> = canaries
            .iter()
            .flat_map(|c| c.needles.iter().map(move |n| (c.name, n)))
            .filter(|(_, n)| text.contains(n.as_str()))
            .collect();
        assert!(left.is_empty(), "{what}: {left:?}");
    };
    for form in FORMS {
        let ran = defib(&["diagnose", path(&folder), "-o", form, "--all"]);
        assert_eq!(ran.code, 2, "{}", ran.err);
        found(form, &ran.out);
        found(form, ran.err.as_bytes());
    }
    let bundle = home.path().join("b.tar.zst");
    let ran = defib(&["collect", "--out", path(&bundle), path(&folder)]);
    found("collect", format!("{}{}", ran.text(), ran.err).as_bytes());
    found("the bundle", &unpacked(&bundle));
}

fn unpacked(bundle: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    std::io::Read::read_to_end(
        &mut zstd::Decoder::new(std::fs::File::open(bundle).unwrap()).unwrap(),
        &mut out,
    )
    .unwrap();
    out
}

/// Pods that carry a canary in their environment, arguments, annotations and messages, and that are in
/// trouble: their fields are quoted as evidence.
fn pods_that_tell(canaries: &[canary::Canary]) -> String {
    let pods: Vec<String> = canaries
        .iter()
        .enumerate()
        .map(|(i, c)| {
            let text = canary::escaped(&c.text);
            format!(
                r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"p{i}","namespace":"shop","annotations":{{"note":"{text}"}}}},
"spec":{{"nodeName":"n1","containers":[{{"name":"c","image":"registry.example/p{i}:1","args":["{text}"],"env":[{{"name":"CONFIG","value":"{text}"}}]}}]}},
"status":{{"phase":"Running","containerStatuses":[{{"name":"c","ready":false,"restartCount":9,"state":{{"waiting":{{"reason":"CrashLoopBackOff","message":"back-off:\\n{text}"}}}},"lastState":{{"terminated":{{"exitCode":1,"reason":"Error","message":"{text}"}}}}}}]}}}}"#
            )
        })
        .collect();
    format!(
        r#"{{"kind":"List","apiVersion":"v1","items":[{}, {}]}}"#,
        pods.join(",\n"),
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"till","namespace":"shop"},"spec":{"nodeName":"n1","containers":[{"name":"c","image":"registry.example/till:1","envFrom":[{"configMapRef":{"name":"till"}}]}]},"status":{"phase":"Pending","containerStatuses":[{"name":"c","ready":false,"restartCount":0,"state":{"waiting":{"reason":"CreateContainerConfigError","message":"configmap \"till\" not found"}}}]}},
{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"other","namespace":"shop"}}"#
    )
}
