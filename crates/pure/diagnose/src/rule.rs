//! What a rule is, and what it says when it fires.
//!
//! Deliberately absent: the list of rules (`rules`, generated) and their judgement against each other
//! (`causal`).

use std::collections::BTreeMap;

use defib_model::condition::ConditionKind;
use defib_model::id::{EntityId, short_hash};
use defib_model::report::{Advice, Danger, Evidence, Question, Term, Warning};

use crate::analysis::called::sentence;
use crate::command::Command;
use crate::context::Context;

/// A diagnosis rule: one file, one cause.
pub struct Rule {
    /// Family and number, `STO003`; never reused.
    pub code: &'static str,
    /// The class it names, a slug of the vocabulary of causes.
    pub class: &'static str,
    /// Kinds without which it can't judge; their absence is a gap, not a "fine".
    pub needs: &'static [&'static str],
    /// Conditions that the cause leads to on entities that need its own.
    pub leads_to: &'static [ConditionKind],
    /// Looks, and reports what it finds.
    pub check: fn(&Context<'_>, &mut Vec<Finding>),
}

impl Rule {
    /// A finding of this rule about this entity.
    pub fn on(&'static self, entity: EntityId) -> Finding {
        Finding {
            rule: self,
            entity,
            key: String::new(),
            title: String::new(),
            why: String::new(),
            terms: Vec::new(),
            evidence: Vec::new(),
            against: Vec::new(),
            explains: Vec::new(),
            todo: Vec::new(),
            dont: Vec::new(),
            question: None,
            effect: BTreeMap::new(),
            weak: false,
            undecided: false,
        }
    }
}

/// Characters of a title, or of what a term or an advice says. A line of a log may be as long as its file, and rules
/// put pieces of it into their sentences; whole it stands in the evidence.
const SENTENCE: usize = 300;
/// Characters of why it matters.
const PARAGRAPH: usize = 600;

/// The text, cut behind this many characters, and without names that are none.
fn cut(text: impl Into<String>, most: usize) -> String {
    let mut text = sentence(text.into());
    if let Some((at, _)) = text.char_indices().nth(most) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// Pieces of evidence that are kept when findings are joined.
const MOST_EVIDENCE: usize = 64;

/// What a rule found.
#[derive(Clone)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// What has the trouble.
    pub entity: EntityId,
    /// Tells several findings of one rule about one entity apart.
    pub key: String,
    /// One sentence.
    pub title: String,
    /// Why it matters.
    pub why: String,
    /// What its confidence is made of.
    pub terms: Vec<Term>,
    /// What shows it, best first.
    pub evidence: Vec<Evidence>,
    /// What speaks against it.
    pub against: Vec<Evidence>,
    /// Conditions that it explains by itself.
    pub explains: Vec<(ConditionKind, EntityId)>,
    /// What to do.
    pub todo: Vec<Advice>,
    /// What not to do.
    pub dont: Vec<Warning>,
    /// What would decide, where it can't.
    pub question: Option<Question>,
    /// What it affects beyond the symptoms that it explains, by kind.
    pub effect: BTreeMap<String, u64>,
    /// Gives way to a cause upstream of the same symptom.
    pub weak: bool,
    /// Not sure enough to be named a cause.
    pub undecided: bool,
}

impl Finding {
    /// The id: code, entity and key; never evidence or time.
    pub fn id(&self) -> String {
        format!(
            "f-{}",
            short_hash(&[self.rule.code, self.entity.as_str(), &self.key])
        )
    }

    /// The sum of the terms, between 0.05 and 0.99.
    pub fn confidence(&self) -> f64 {
        let points: i32 = self.terms.iter().map(|t| t.points).sum();
        f64::from(points.clamp(5, 99)) / 100.0
    }

    /// Tells several findings of one rule about one entity apart.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// Says it in one sentence.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = cut(title, SENTENCE);
        self
    }

    /// Says why it matters.
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = cut(why, PARAGRAPH);
        self
    }

    /// Adds a term of the confidence.
    pub fn term(mut self, points: i32, text: impl Into<String>) -> Self {
        self.terms.push(Term {
            text: cut(text, SENTENCE),
            points,
        });
        self
    }

    /// Adds evidence.
    pub fn cite(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// Adds evidence, if there is any.
    pub fn cite_all(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// Adds evidence against.
    pub fn against(mut self, evidence: Evidence) -> Self {
        self.against.push(evidence);
        self
    }

    /// Claims a condition.
    pub fn explains(mut self, kind: ConditionKind, entity: &EntityId) -> Self {
        self.explains.push((kind, entity.clone()));
        self
    }

    /// Claims those of these conditions that are observed.
    pub fn explains_observed(
        mut self,
        cx: &Context<'_>,
        kinds: &[ConditionKind],
        entity: &EntityId,
    ) -> Self {
        for kind in cx.observed(kinds, entity) {
            self = self.explains(kind, entity);
        }
        self
    }

    /// Claims a condition, if it is observed.
    pub fn explains_if(self, cx: &Context<'_>, kind: ConditionKind, entity: &EntityId) -> Self {
        if cx.has(kind, entity).is_some() {
            self.explains(kind, entity)
        } else {
            self
        }
    }

    fn advise(mut self, danger: Danger, text: impl Into<String>, command: Option<Command>) -> Self {
        self.todo.push(Advice {
            text: cut(text, PARAGRAPH),
            command: command.map(String::from),
            danger,
        });
        self
    }

    /// Adds advice that changes nothing that matters.
    pub fn safe(self, text: impl Into<String>, command: impl Into<Command>) -> Self {
        self.advise(Danger::Safe, text, Some(command.into()))
    }

    /// Adds advice that changes something.
    pub fn check_first(self, text: impl Into<String>, command: impl Into<Command>) -> Self {
        self.advise(Danger::CheckFirst, text, Some(command.into()))
    }

    /// Adds advice that may lose something for good.
    pub fn destructive(self, text: impl Into<String>, command: impl Into<Command>) -> Self {
        self.advise(Danger::Destructive, text, Some(command.into()))
    }

    /// Adds advice without a command.
    pub fn advice(self, text: impl Into<String>) -> Self {
        self.advise(Danger::CheckFirst, text, None)
    }

    /// Adds a warning.
    pub fn dont(mut self, text: impl Into<String>) -> Self {
        self.dont.push(Warning {
            text: cut(text, PARAGRAPH),
        });
        self
    }

    /// Gives way to a cause upstream.
    pub fn weak(mut self) -> Self {
        self.weak = true;
        self
    }

    /// Is a candidate only; the question would decide.
    pub fn undecided(
        mut self,
        text: impl Into<String>,
        command: impl Into<Command>,
        decides: &[&str],
    ) -> Self {
        self.undecided = true;
        self.question = Some(Question {
            text: cut(text, PARAGRAPH),
            command: Some(command.into().into()),
            decides: decides.iter().map(|d| (*d).to_owned()).collect(),
        });
        self
    }

    /// Becomes a candidate: it is only heard of. What would be looked at first would decide.
    pub fn doubt(&mut self) {
        self.undecided = true;
        let look = self.todo.iter().find(|a| a.danger == Danger::Safe);
        let shown = self.evidence.iter().find_map(|e| e.show.clone());
        let command = look.and_then(|a| a.command.clone()).or(shown);
        self.question.get_or_insert_with(|| Question {
            text: format!(
                "A log says: {}. Nothing that was seen suffers from it; does it still hold?",
                self.title
            ),
            command,
            decides: vec![self.rule.class.to_owned()],
        });
    }

    /// Takes in another finding with the same id.
    pub fn merge(&mut self, other: Finding) {
        // Five are shown. What thousands of lines say alike is not compared with itself.
        for e in other.evidence {
            if self.evidence.len() >= MOST_EVIDENCE {
                break;
            }
            if !self.evidence.contains(&e) {
                self.evidence.push(e);
            }
        }
        for e in other.explains {
            if !self.explains.contains(&e) {
                self.explains.push(e);
            }
        }
        if other.terms.iter().map(|t| t.points).sum::<i32>()
            > self.terms.iter().map(|t| t.points).sum()
        {
            self.terms = other.terms;
        }
        self.undecided &= other.undecided;
        self.weak &= other.weak;
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn sentences_end() {
        assert_eq!(cut("host n1 is full", 300), "host n1 is full");
        assert_eq!(cut("ä".repeat(301), 300).chars().count(), 301);
        assert!(cut("x".repeat(13_000), 300).ends_with("x…"));
    }
}
