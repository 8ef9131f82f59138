//! The report as a compiler would say it: cause, evidence, why, effect, what to do, what not to do.
//!
//! Causes first and at most five blocks, unless all are asked for. A command is never wrapped: it is
//! there to be copied.

use std::fmt::Write as _;

use defib_model::bundle::Seen;
use defib_model::report::{Evidence, Report, RootCause, Verdict};

use crate::clean;
use crate::style::{Ink, Style};

/// Blocks on the first screen.
const BLOCKS: usize = 5;
/// Columns of a label.
const LABEL: usize = 11;

/// The whole report.
pub fn report(r: &Report, style: &Style) -> String {
    let mut out = String::new();
    match r.verdict {
        Verdict::Healthy => healthy(r, style, &mut out),
        Verdict::Unknown => unknown(r, style, &mut out),
        Verdict::RootCause => causes(r, style, &mut out),
    }
    style.letters(&out)
}

fn healthy(r: &Report, style: &Style, out: &mut String) {
    let _ = writeln!(
        out,
        "{} healthy: nothing is wrong in what was seen (objects{})",
        style.mark(Ink::Good),
        as_of(r)
    );
    let unseen: Vec<&str> = r
        .coverage
        .iter()
        .filter(|c| c.seen != Seen::All)
        .map(|c| c.scope.as_str())
        .collect();
    let mut limits = Vec::new();
    if !unseen.is_empty() {
        limits.push(format!("not seen: {}", unseen.join(", ")));
    }
    // "Healthy" covers what was read; what was refused is named, so that nobody takes it for seen.
    if !r.gaps.is_empty() {
        let mut names: Vec<String> = r
            .gaps
            .iter()
            .take(3)
            .map(|g| clean::line(&g.what))
            .collect();
        if r.gaps.len() > names.len() {
            names.push(format!(
                "{} more (-o json lists them)",
                r.gaps.len() - names.len()
            ));
        }
        limits.push(format!("could not be read: {}", names.join(", ")));
    }
    // Good news is three lines: a remark that fits into one is shown, the others are counted.
    let wrapped = |text: &str| style.wrap(&format!("note: {}", clean::line(text)), 2);
    let notes: Vec<Vec<String>> = r.notes.iter().map(|n| wrapped(&n.text)).collect();
    let shown = if style.all {
        notes.len()
    } else {
        usize::from(notes.first().is_some_and(|n| n.len() == 1))
    };
    match notes.len() - shown {
        0 => {}
        1 => limits.push("1 more remark: --all".to_owned()),
        n => limits.push(format!("{n} more remarks: --all")),
    }
    let limits = Some(limits.join("; ")).filter(|l| !l.is_empty());
    for line in limits.iter().chain(notes.iter().take(shown).flatten()) {
        let _ = writeln!(out, "  {}", style.ink(Ink::Dim, line));
    }
}

fn as_of(r: &Report) -> String {
    r.as_of
        .as_deref()
        .map(|t| format!(", as of {t}"))
        .unwrap_or_default()
}

fn causes(r: &Report, style: &Style, out: &mut String) {
    let shown = if style.all {
        r.root_causes.len()
    } else {
        r.root_causes.len().min(BLOCKS)
    };
    for cause in r.root_causes.iter().take(shown) {
        block(r, cause, style, out);
        out.push('\n');
    }
    let explained = r
        .symptoms
        .iter()
        .filter(|s| !s.explained_by.is_empty())
        .count();
    let n = r.root_causes.len();
    let _ = writeln!(
        out,
        "{} independent {} {} {} of {} symptoms{}",
        n,
        if n == 1 { "cause" } else { "causes" },
        if n == 1 { "explains" } else { "explain" },
        explained,
        r.symptoms.len(),
        as_of(r)
    );
    if shown < n {
        let _ = writeln!(out, "{} more: --all shows them", n - shown);
    }
    open_symptoms(r, style, out);
    candidates(r, style, out);
    contradictions(r, style, out);
    gaps(r, style, out);
    notes(r, style, out);
}

fn notes(r: &Report, style: &Style, out: &mut String) {
    for note in &r.notes {
        for (i, line) in style
            .wrap(&format!("note: {}", clean::line(&note.text)), 2)
            .iter()
            .enumerate()
        {
            let _ = writeln!(out, "{}{line}", if i == 0 { "\n" } else { "  " });
        }
    }
}

fn label(style: &Style, name: &str) -> String {
    style.ink(Ink::Bold, &format!("  {name:<width$}", width = LABEL - 2))
}

/// A labelled paragraph: the label once, then lines below each other.
fn paragraph(style: &Style, out: &mut String, name: &str, text: &str) {
    for (i, line) in style.wrap(&clean::line(text), LABEL).iter().enumerate() {
        let head = if i == 0 {
            label(style, name)
        } else {
            " ".repeat(LABEL)
        };
        let _ = writeln!(out, "{head}{line}");
    }
}

fn command(style: &Style, out: &mut String, text: &str) {
    let _ = writeln!(
        out,
        "{}{} {}",
        " ".repeat(LABEL),
        style.ink(Ink::Dim, "$"),
        style.ink(Ink::Command, &clean::line(text))
    );
}

fn place(e: &Evidence) -> String {
    let mut out = e.file.clone();
    if e.line > 0 {
        let _ = write!(out, ":{}", e.line);
    }
    if let Some(t) = &e.time {
        let _ = write!(out, "  {t}");
    }
    clean::line(&out)
}

/// Where it stands, as a line of its own.
fn position(style: &Style, out: &mut String, name: &str, e: &Evidence) {
    let at = style.ink(Ink::Dim, &place(e));
    let _ = writeln!(out, "{}{at}", label(style, name));
}

/// The words themselves, behind a bar. Whole: what decides may stand anywhere in them, and they are 400
/// characters at most.
fn words(style: &Style, out: &mut String, e: &Evidence) {
    let bar = if style.ascii { "|" } else { "│" };
    for line in style.wrap(&clean::line(&e.text), LABEL + 2) {
        let _ = writeln!(out, "{}{bar} {line}", " ".repeat(LABEL));
    }
}

/// Quotations with what they mean, and the command that shows the first.
fn quotations(style: &Style, out: &mut String, name: &str, list: &[Evidence]) {
    for (i, e) in list.iter().enumerate() {
        position(style, out, if i == 0 { name } else { "" }, e);
        words(style, out, e);
        for line in style.wrap(&format!("= {}", clean::line(&e.meaning)), LABEL) {
            let _ = writeln!(out, "{}{line}", " ".repeat(LABEL));
        }
        if let Some(show) = e.show.as_ref().filter(|_| i == 0 || style.all) {
            command(style, out, show);
        }
    }
}

fn block(r: &Report, c: &RootCause, style: &Style, out: &mut String) {
    let head = format!("{} {}", c.code, clean::line(&c.title));
    for (i, line) in style.wrap(&head, 2).iter().enumerate() {
        let mark = if i == 0 {
            style.mark(Ink::Bad)
        } else {
            " ".to_owned()
        };
        let _ = writeln!(out, "{mark} {}", style.ink(Ink::Bold, line));
    }
    let sure = (c.confidence * 100.0).round() as i64;
    let cause = format!(
        "{} {sure} % sure, {}",
        c.class,
        clean::line(c.entity.as_str())
    );
    for (i, line) in style.wrap(&cause, LABEL).iter().enumerate() {
        let _ = writeln!(
            out,
            "{}{line}",
            label(style, if i == 0 { "cause" } else { "" })
        );
    }
    if style.all {
        for t in &c.terms {
            let term = format!("{:+} {}", t.points, clean::line(&t.text));
            for line in style.wrap(&term, LABEL) {
                let _ = writeln!(out, "{}{line}", " ".repeat(LABEL));
            }
        }
    }
    quotations(style, out, "evidence", &c.evidence);
    quotations(style, out, "against", &c.against);
    if !c.why.is_empty() {
        paragraph(style, out, "why", &c.why);
    }
    if !c.path.is_empty() {
        let mut chain = short(c.path.first().map_or("", |h| h.from.as_str()));
        for hop in &c.path {
            if hop.to != hop.from {
                let _ = write!(chain, " {} {}", style.arrow(), short(hop.to.as_str()));
            }
        }
        paragraph(style, out, "chain", &chain);
    }
    paragraph(style, out, "effect", &effect(r, c));
    for (i, a) in c.todo.iter().enumerate() {
        paragraph(
            style,
            out,
            if i == 0 { "do" } else { "" },
            &format!("{} [{}]", a.text, a.danger.word()),
        );
        if let Some(cmd) = &a.command {
            command(style, out, cmd);
        }
    }
    for (i, w) in c.dont.iter().enumerate() {
        paragraph(style, out, if i == 0 { "don't" } else { "" }, &w.text);
    }
    let _ = writeln!(out, "{}defib explain {}", label(style, "more"), c.code);
}

/// `kind/name` of an id: the namespace is said elsewhere.
fn short(id: &str) -> String {
    let mut parts = id.split('/');
    let kind = parts
        .next()
        .unwrap_or_default()
        .split('.')
        .next()
        .unwrap_or_default();
    format!("{kind} {}", parts.next_back().unwrap_or_default())
}

/// `persistentvolumeclaims` → `persistentvolumeclaim`, `storageclasses` → `storageclass`.
fn singular(plural: &str) -> String {
    if let Some(stem) = plural.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let sibilant = plural
        .strip_suffix("es")
        .filter(|s| s.ends_with('s') || s.ends_with("ch"));
    sibilant
        .or_else(|| plural.strip_suffix('s'))
        .unwrap_or(plural)
        .to_owned()
}

fn effect(r: &Report, c: &RootCause) -> String {
    let counts: Vec<String> = c
        .effect
        .iter()
        .map(|(k, n)| format!("{n} {}", if *n == 1 { singular(k) } else { k.clone() }))
        .collect();
    let pods: Vec<&str> = r
        .symptoms
        .iter()
        .filter(|s| c.explains.contains(&s.id) && s.entity.kind() == "pod")
        .map(|s| s.condition.as_str())
        .collect();
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for p in pods {
        match kinds.iter_mut().find(|k| k.0 == p) {
            Some(k) => k.1 += 1,
            None => kinds.push((p, 1)),
        }
    }
    let words: Vec<String> = kinds.iter().map(|(k, n)| format!("{n}× {k}")).collect();
    match (counts.is_empty(), words.is_empty()) {
        (true, _) => "nothing else that was observed".to_owned(),
        (false, true) => counts.join(", "),
        (false, false) => format!("{} ({})", counts.join(", "), words.join(", ")),
    }
}

fn open_symptoms(r: &Report, style: &Style, out: &mut String) {
    let open: Vec<_> = r
        .symptoms
        .iter()
        .filter(|s| s.explained_by.is_empty())
        .collect();
    if open.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{} not explained:", style.mark(Ink::Warn));
    let shown = if style.all {
        open.len()
    } else {
        open.len().min(8)
    };
    for s in open.iter().take(shown) {
        let _ = writeln!(
            out,
            "  {} {}",
            clean::line(s.entity.as_str()),
            style.ink(Ink::Dim, &s.condition)
        );
        for e in s.evidence.iter().take(if style.all { 3 } else { 1 }) {
            for line in style.wrap(&clean::line(&e.text), 6) {
                let _ = writeln!(out, "      {line}");
            }
        }
    }
    if shown < open.len() {
        let _ = writeln!(out, "  and {} more: --all shows them", open.len() - shown);
    }
}

fn candidates(r: &Report, style: &Style, out: &mut String) {
    // What only the question names stands with the question.
    let found: Vec<_> = r
        .candidates
        .iter()
        .filter(|c| !c.title.is_empty())
        .collect();
    if !found.is_empty() {
        let _ = writeln!(out, "\n{} it may be:", style.mark(Ink::Dim));
        let shown = if style.all {
            found.len()
        } else {
            found.len().min(BLOCKS)
        };
        for c in found.into_iter().take(shown) {
            let title = format!("{}: {}", c.class, c.title);
            for (i, line) in style.wrap(&clean::line(&title), 4).iter().enumerate() {
                let _ = writeln!(out, "{}{line}", if i == 0 { "  - " } else { "    " });
            }
            for (sign, list) in [("for", &c.pro), ("against", &c.con)] {
                for e in list.iter().take(if style.all { 5 } else { 1 }) {
                    let said = format!("{sign}: {}", clean::line(&e.text));
                    for line in style.wrap(&said, 6) {
                        let _ = writeln!(out, "      {line}");
                    }
                }
            }
        }
    }
    if let Some(q) = &r.question {
        let _ = writeln!(out);
        paragraph(style, out, "next", &q.text);
        if let Some(c) = &q.command {
            command(style, out, c);
        }
        if !q.decides.is_empty() {
            paragraph(
                style,
                out,
                "",
                &match q.decides.as_slice() {
                    [one] => format!("decides whether it is {one}"),
                    more => format!("decides between {}", more.join(", ")),
                },
            );
        }
    }
}

/// Places that can't both hold: whoever reads the report should know before they act on one of them.
fn contradictions(r: &Report, style: &Style, out: &mut String) {
    if r.contradictions.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{} contradicts itself:", style.mark(Ink::Warn));
    let shown = if style.all {
        r.contradictions.len()
    } else {
        r.contradictions.len().min(BLOCKS)
    };
    for c in r.contradictions.iter().take(shown) {
        for line in style.wrap(&clean::line(c.entity.as_str()), 2) {
            let _ = writeln!(out, "  {line}");
        }
        for (name, e) in [("this", &c.a), ("but", &c.b)] {
            position(style, out, name, e);
            words(style, out, e);
        }
    }
    if shown < r.contradictions.len() {
        let more = r.contradictions.len() - shown;
        let _ = writeln!(out, "  and {more} more: --all shows them");
    }
}

fn gaps(r: &Report, style: &Style, out: &mut String) {
    if r.gaps.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{} could not be read:", style.mark(Ink::Warn));
    let shown = if style.all {
        r.gaps.len()
    } else {
        r.gaps.len().min(BLOCKS)
    };
    for g in r.gaps.iter().take(shown) {
        for (i, line) in style
            .wrap(
                &format!("{}: {}", clean::line(&g.what), clean::line(&g.why)),
                4,
            )
            .iter()
            .enumerate()
        {
            let _ = writeln!(out, "{}{line}", if i == 0 { "  - " } else { "    " });
        }
    }
    if shown < r.gaps.len() {
        let _ = writeln!(out, "  and {} more: --all shows them", r.gaps.len() - shown);
    }
}

fn unknown(r: &Report, style: &Style, out: &mut String) {
    let seen_anything = r.coverage.iter().any(|c| c.seen != Seen::None);
    let what = match (r.symptoms.is_empty(), seen_anything) {
        (true, true) if !r.candidates.is_empty() => {
            "unknown: nothing that was seen suffers, but something says that there is trouble"
        }
        (false, _) => "unknown: something is wrong that nothing in the evidence explains",
        (true, true) => "unknown: nothing wrong was found, but not enough was seen to say healthy",
        (true, false) => "unknown: no evidence that this version can judge",
    };
    let _ = writeln!(out, "{} {what}{}", style.mark(Ink::Dim), as_of(r));
    open_symptoms(r, style, out);
    candidates(r, style, out);
    contradictions(r, style, out);
    gaps(r, style, out);
    notes(r, style, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn what_speaks_against_stands_beside_what_speaks_for() {
        let text = report(&sample::divided(), &Style::default());
        for want in [
            "  evidence host.txt:1\n           │ the disk is full\n           = nothing can be written\n",
            "  against  host.txt:9\n           │ 41% used\n           = it has room\n",
            "      for: the disk is full\n      against: 3 mounts\n",
            "‼ contradicts itself:\n  host/a\n  this     host.txt:1\n           │ the disk is full\n  but      host.txt:9\n           │ 41% used\n",
        ] {
            assert!(text.contains(want), "{want}\n---\n{text}");
        }
        assert!(!report(&Report::default(), &Style::default()).contains("contradicts"));
    }

    #[test]
    fn contradictions_keep_the_frame_and_are_few() {
        let mut r = sample::divided();
        let mut one = r.contradictions.pop().unwrap();
        one.b.text = "x".repeat(300);
        one.a.text = "a word ".repeat(40);
        r.contradictions = vec![one; 7];
        let text = report(&r, &Style::default());
        let wide = text.lines().find(|l| l.chars().count() > 80);
        assert_eq!(wide, None);
        assert_eq!(text.matches("  but      ").count(), BLOCKS);
        assert!(text.contains("and 2 more: --all shows them"));
    }
}
