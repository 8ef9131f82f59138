//! Fills in quotations after the judgement: evidence text is copied from the source, with its line.
//!
//! A rule cites "this field of this object"; here that place is found in the entry's own bytes.
//! Deliberately absent: choosing what to quote.

use std::collections::BTreeSet;

use defib_formats::{line_at, locate};
use defib_model::report::{Evidence, Focus, QUOTE_LIMIT, Report};

/// Characters of one field that are searched for the words to quote.
const FIELD: usize = 64 << 10;

/// Every piece of evidence of a report.
fn each(report: &mut Report, mut f: impl FnMut(&mut Evidence)) {
    for cause in &mut report.root_causes {
        cause
            .evidence
            .iter_mut()
            .chain(&mut cause.against)
            .for_each(&mut f);
    }
    for candidate in &mut report.candidates {
        candidate
            .pro
            .iter_mut()
            .chain(&mut candidate.con)
            .for_each(&mut f);
    }
    for symptom in &mut report.symptoms {
        symptom.evidence.iter_mut().for_each(&mut f);
    }
    for contradiction in &mut report.contradictions {
        f(&mut contradiction.a);
        f(&mut contradiction.b);
    }
    for note in &mut report.notes {
        note.evidence.iter_mut().for_each(&mut f);
    }
}

/// The entries (as indices into `Cluster::entries`) that `fill` needs.
pub fn entries(report: &mut Report) -> BTreeSet<u32> {
    let mut out = BTreeSet::new();
    each(report, |e| {
        if let Some(l) = &e.locator {
            out.insert(l.origin.entry);
        }
    });
    out
}

/// Fills in all quotations from one entry. A field that the text does not have keeps the text that
/// the rule wrote from the object.
pub fn fill(report: &mut Report, entry: u32, bytes: &[u8]) {
    each(report, |e| {
        let Some(l) = e.locator.as_ref().filter(|l| l.origin.entry == entry) else {
            return;
        };
        let object = l.origin.start as usize..(l.origin.end as usize).min(bytes.len());
        if object.start >= object.end {
            return;
        }
        if l.printed {
            let place = crate::text::place(bytes, object.clone(), &l.pointer);
            let said = match &l.focus {
                Focus::Head => {
                    locate::quote(bytes.get(place.clone()).unwrap_or_default(), QUOTE_LIMIT)
                }
                focus => focus.cut(
                    &locate::quote(bytes.get(place.clone()).unwrap_or_default(), FIELD),
                    QUOTE_LIMIT,
                ),
            };
            if !said.is_empty() {
                e.text = said;
            }
            e.line = line_at(bytes, place.start);
            return;
        }
        match locate::field(bytes, object.clone(), &l.pointer) {
            Some(range) => {
                let field = bytes.get(range.clone()).unwrap_or_default();
                let limit = match &l.focus {
                    Focus::Head => QUOTE_LIMIT,
                    // As they are written in the file, the words may be broken over lines.
                    _ => FIELD,
                };
                let mut said = locate::quote(field, limit);
                if locate::notation(bytes, object.start) == locate::Notation::Json {
                    // People read messages, not JSON strings: an escaped quote is shown as a quote.
                    said = said.replace("\\\"", "\"");
                }
                let said = l.focus.cut(&said, QUOTE_LIMIT);
                if !said.is_empty() {
                    e.text = said;
                }
                e.line = line_at(bytes, range.start);
            }
            None => e.line = line_at(bytes, object.start),
        }
    });
}

/// Says once what is quoted twice: of a table one line shows several fields, and each means something.
pub fn join(report: &mut Report) {
    for cause in &mut report.root_causes {
        once(&mut cause.evidence);
    }
    for candidate in &mut report.candidates {
        once(&mut candidate.pro);
    }
}

fn once(list: &mut Vec<Evidence>) {
    let mut kept: Vec<Evidence> = Vec::with_capacity(list.len());
    for e in list.drain(..) {
        let same = |k: &&mut Evidence| {
            e.line > 0
                && (&k.source, &k.file, k.line, &k.text) == (&e.source, &e.file, e.line, &e.text)
        };
        match kept.iter_mut().find(same) {
            Some(known) => {
                if !known.meaning.contains(&e.meaning) {
                    known.meaning.push_str("; ");
                    known.meaning.push_str(&e.meaning);
                }
                known.show = known.show.take().or(e.show);
            }
            None => kept.push(e),
        }
    }
    *list = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_quoted_once_with_all_that_it_means() {
        let line = |line, text: &str, meaning: &str| Evidence {
            file: "a.txt".to_owned(),
            line,
            text: text.to_owned(),
            meaning: meaning.to_owned(),
            ..Evidence::default()
        };
        let mut list = vec![
            line(3, "x False", "why"),
            line(4, "x False", "another line"),
            line(3, "x False", "that"),
            line(3, "x False", "why"),
            line(0, "y", "of no line"),
            line(0, "y", "nor this"),
        ];
        once(&mut list);
        let meanings: Vec<&str> = list.iter().map(|e| e.meaning.as_str()).collect();
        assert_eq!(
            meanings,
            ["why; that", "another line", "of no line", "nor this"]
        );
    }
}
