//! The report as Markdown, for tickets and chats.

use std::fmt::Write as _;

use defib_model::report::{Evidence, Report, Verdict};

use crate::clean;

/// Where it stands, and the words.
fn place(e: &Evidence) -> String {
    let file = clean::markdown(&e.file);
    let text = clean::code(&e.text);
    format!("{file}:{} {text}", e.line)
}

/// Quotations with what they mean, as a list.
fn quotations(list: &[Evidence], out: &mut String) {
    for e in list {
        let meaning = clean::markdown(&e.meaning);
        let _ = writeln!(out, "- {}  \n  {meaning}", place(e));
    }
}

/// The whole report.
pub fn report(r: &Report) -> String {
    let mut out = String::new();
    let verdict = match r.verdict {
        Verdict::RootCause => format!("{} independent root cause(s)", r.root_causes.len()),
        Verdict::Unknown => "unknown".to_owned(),
        Verdict::Healthy => "healthy".to_owned(),
    };
    let _ = writeln!(out, "# defib: {verdict}\n");
    if let Some(t) = &r.as_of {
        let _ = writeln!(out, "As of {t}. Evidence {}.\n", clean::code(&r.bundle));
    }
    for c in &r.root_causes {
        let _ = writeln!(out, "## {} {}\n", c.code, clean::markdown(&c.title));
        let _ = writeln!(
            out,
            "{} on {}, {} % sure.\n",
            clean::code(&c.class),
            clean::code(c.entity.as_str()),
            (c.confidence * 100.0).round()
        );
        for t in &c.terms {
            let _ = writeln!(out, "- {:+} {}", t.points, clean::markdown(&t.text));
        }
        let _ = writeln!(out, "\n**Evidence**\n");
        quotations(&c.evidence, &mut out);
        if !c.against.is_empty() {
            let _ = writeln!(out, "\n**Against**\n");
            quotations(&c.against, &mut out);
        }
        if !c.why.is_empty() {
            let _ = writeln!(out, "\n**Why** {}", clean::markdown(&c.why));
        }
        if !c.effect.is_empty() {
            let counts: Vec<String> = c.effect.iter().map(|(k, n)| format!("{n} {k}")).collect();
            let _ = writeln!(out, "\n**Effect** {}", clean::markdown(&counts.join(", ")));
        }
        let _ = writeln!(out, "\n**Do**\n");
        for a in &c.todo {
            let _ = writeln!(
                out,
                "- {} _({})_",
                clean::markdown(&a.text),
                a.danger.word()
            );
            if let Some(cmd) = &a.command {
                let _ = writeln!(out, "  {}", clean::code(cmd));
            }
        }
        if !c.dont.is_empty() {
            let _ = writeln!(out, "\n**Don't**\n");
            for w in &c.dont {
                let _ = writeln!(out, "- {}", clean::markdown(&w.text));
            }
        }
        out.push('\n');
    }
    // What only the question names stands with the question.
    let found: Vec<_> = r
        .candidates
        .iter()
        .filter(|c| !c.title.is_empty())
        .collect();
    if !found.is_empty() {
        let _ = writeln!(out, "## It may be\n");
        for c in found {
            let _ = writeln!(
                out,
                "- {} {}",
                clean::code(&c.class),
                clean::markdown(&c.title)
            );
            for (sign, list) in [("for", &c.pro), ("against", &c.con)] {
                for e in list {
                    let _ = writeln!(out, "  - {sign}: {}", place(e));
                }
            }
        }
        out.push('\n');
    }
    if let Some(q) = &r.question {
        let _ = writeln!(out, "## Next\n\n{}\n", clean::markdown(&q.text));
        if let Some(c) = &q.command {
            let _ = writeln!(out, "{}\n", clean::code(c));
        }
    }
    let open: Vec<_> = r
        .symptoms
        .iter()
        .filter(|s| s.explained_by.is_empty())
        .collect();
    if !open.is_empty() {
        let _ = writeln!(out, "## Not explained\n");
        for s in open {
            let _ = writeln!(out, "- {} {}", clean::code(s.entity.as_str()), s.condition);
        }
        out.push('\n');
    }
    if !r.contradictions.is_empty() {
        let _ = writeln!(out, "## Contradicts itself\n");
        for c in &r.contradictions {
            let _ = writeln!(out, "- {}", clean::code(c.entity.as_str()));
            let _ = writeln!(out, "  - this: {}", place(&c.a));
            let _ = writeln!(out, "  - but: {}", place(&c.b));
        }
        out.push('\n');
    }
    if !r.gaps.is_empty() {
        let _ = writeln!(out, "## Could not be read\n");
        for g in &r.gaps {
            let _ = writeln!(
                out,
                "- {}: {}",
                clean::markdown(&g.what),
                clean::markdown(&g.why)
            );
        }
    }
    for note in &r.notes {
        let _ = writeln!(out, "\nNote: {}", clean::markdown(&note.text));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn what_speaks_against_stands_beside_what_speaks_for() {
        let text = report(&sample::divided());
        for want in [
            "**Evidence**\n\n- host.txt:1 `the disk is full`  \n  nothing can be written\n",
            "**Against**\n\n- host.txt:9 `41% used`  \n  it has room\n",
            "- `mount-limit-reached` too many mounts\n  - for: host.txt:1 `the disk is full`\n  - against: host.txt:7 `3 mounts`\n",
            "## Contradicts itself\n\n- `host/a`\n  - this: host.txt:1 `the disk is full`\n  - but: host.txt:9 `41% used`\n",
        ] {
            assert!(text.contains(want), "{want}\n---\n{text}");
        }
        assert!(!report(&Report::default()).contains("Contradicts"));
    }
}
