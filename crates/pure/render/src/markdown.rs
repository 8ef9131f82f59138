//! The report as Markdown, for tickets and chats.

use std::fmt::Write as _;

use defib_model::report::{Report, Verdict};

use crate::clean;

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
        for e in &c.evidence {
            let _ = writeln!(
                out,
                "- {}:{} {}  \n  {}",
                clean::markdown(&e.file),
                e.line,
                clean::code(&e.text),
                clean::markdown(&e.meaning)
            );
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
