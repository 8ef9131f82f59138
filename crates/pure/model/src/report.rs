//! The Report: what is wrong, why, what shows it, what to do. `defib.dev/report/v1`.
//!
//! Others rely on this shape: add, don't rename. Deliberately absent: how it is shown (`render`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::{Seen, SourceInfo, Tool};
use crate::cluster::Origin;
use crate::id::EntityId;

/// The schema this build writes.
pub const SCHEMA: &str = "defib.dev/report/v1";

/// Characters of evidence that are quoted at most.
pub const QUOTE_LIMIT: usize = 400;

/// What `diagnose` answers.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `defib.dev/report/v1`.
    pub schema: String,
    /// The tool that wrote it.
    pub tool: Tool,
    /// Content hash of the evidence, `blake3:…`.
    pub bundle: String,
    /// The latest trusted time in the evidence, RFC 3339 in UTC.
    pub as_of: Option<String>,
    /// The answer in one word.
    pub verdict: Verdict,
    /// What was asked.
    pub sources: Vec<SourceInfo>,
    /// What was seen, by scope.
    pub coverage: Vec<Coverage>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// Root causes, surest and widest first.
    pub root_causes: Vec<RootCause>,
    /// What it may be, where the evidence does not decide.
    pub candidates: Vec<Candidate>,
    /// What to ask next, where that would decide.
    pub question: Option<Question>,
    /// Everything observed to be wrong, with what explains it.
    pub symptoms: Vec<Symptom>,
    /// Evidence that contradicts other evidence.
    pub contradictions: Vec<Contradiction>,
    /// Remarks that are no trouble: known false alarms, untested versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// The answer in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// At least one root cause is named.
    RootCause,
    /// Something is wrong that is not explained, or too little was seen.
    #[default]
    Unknown,
    /// Enough was seen, and nothing is wrong in it.
    Healthy,
}

/// How much of one scope was seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// objects, control-plane, datastore or `host:NAME`.
    pub scope: String,
    /// How much.
    pub seen: Seen,
    /// Gaps that say what is missing.
    pub gaps: Vec<String>,
    /// Kinds that a judgement of this scope would want and that the source lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<String>,
}

/// Something that could not be read.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Gap {
    /// Stable id.
    pub id: String,
    /// What is missing.
    pub what: String,
    /// Why.
    pub why: String,
    /// What it is about.
    pub entity: Option<EntityId>,
    /// A command that would close it.
    pub command: Option<String>,
}

impl Gap {
    /// A gap; its id follows from what and entity.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        let what = what.into();
        let id = format!("g-{}", crate::id::short_hash(&[&what]));
        Self {
            id,
            what,
            why: why.into(),
            entity: None,
            command: None,
        }
    }

    /// The same gap, with the command that would close it.
    pub fn with_command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }
}

/// One root cause.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RootCause {
    /// Stable id: hash of code, entity, discriminator.
    pub id: String,
    /// The rule that found it.
    pub code: String,
    /// Its class: a slug of the vocabulary of causes.
    pub class: String,
    /// What has it.
    pub entity: EntityId,
    /// One sentence.
    pub title: String,
    /// Why it matters, in a sentence or two.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// 0 to 1; the sum of the terms.
    pub confidence: f64,
    /// What the confidence is made of.
    pub terms: Vec<Term>,
    /// What shows it, best first, five at most.
    pub evidence: Vec<Evidence>,
    /// What speaks against it, five at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<Evidence>,
    /// Symptoms that it explains.
    pub explains: Vec<String>,
    /// The chain from a symptom to the cause.
    pub path: Vec<Hop>,
    /// What it affects, counted by kind.
    pub effect: BTreeMap<String, u64>,
    /// What to do.
    #[serde(rename = "do")]
    pub todo: Vec<Advice>,
    /// What not to do.
    pub dont: Vec<Warning>,
    /// The playbook that does it, where there is one.
    pub playbook: Option<String>,
}

/// One part of a confidence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Term {
    /// Why.
    pub text: String,
    /// How much, in hundredths.
    pub points: i32,
}

/// One quotation of the evidence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The source's id.
    pub source: String,
    /// The file in it.
    pub file: String,
    /// The line, from 1; 0 when there is none.
    pub line: u64,
    /// When, RFC 3339, if the evidence says so.
    pub time: Option<String>,
    /// From where it was seen.
    pub vantage: String,
    /// Copied from the source, 400 characters at most.
    pub text: String,
    /// What we make of it.
    pub meaning: String,
    /// The command that shows it.
    pub show: Option<String>,
    /// Where the quotation is to be taken from; filled in after the judgement, never written.
    #[serde(skip)]
    pub locator: Option<Locator>,
}

impl Evidence {
    /// A line of a log, and no state of an object.
    pub fn is_log(&self) -> bool {
        self.locator.is_none() && self.line > 0
    }

    /// The same evidence, with these words in sight where it is too long to be quoted whole.
    pub fn around(mut self, words: &str) -> Self {
        if let Some(locator) = &mut self.locator {
            locator.focus = Focus::Words(words.to_owned());
        }
        self
    }

    /// The same evidence, shown by another command: one that makes the field visible.
    pub fn shown_by(mut self, command: impl Into<String>) -> Self {
        self.show = Some(command.into());
        self
    }
}

/// Where a quotation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locator {
    /// The object's place.
    pub origin: Origin,
    /// JSON pointer of the field below the object; empty: the object's first lines.
    pub pointer: String,
    /// The object was read from what a command printed.
    pub printed: bool,
    /// Which part, where the field is longer than a quotation may be.
    pub focus: Focus,
}

/// Which part of a long text a quotation shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Focus {
    /// Its beginning.
    #[default]
    Head,
    /// Its end: a chain of errors says last what went wrong first, and a refusal gives its reason last.
    Tail,
    /// These words and what stands around them; where they can't be found, its end.
    Words(String),
}

impl Focus {
    /// At most so many characters of the text, this part of it.
    pub fn cut(&self, text: &str, limit: usize) -> String {
        let length = text.chars().count();
        if length <= limit {
            return text.to_owned();
        }
        let last = length - limit;
        let skip = match self {
            Self::Head => 0,
            Self::Tail => last,
            Self::Words(words) => text.find(words.as_str()).map_or(last, |at| {
                let before = text.get(..at).map_or(0, |s| s.chars().count());
                (before + words.chars().count() / 2)
                    .saturating_sub(limit / 2)
                    .min(last)
            }),
        };
        let part: String = text.chars().skip(skip).take(limit).collect();
        // From a word's beginning on, where one begins soon.
        match part.find(' ').filter(|at| skip > 0 && *at < 40) {
            Some(at) => part.get(at + 1..).unwrap_or_default().to_owned(),
            None => part,
        }
    }
}

/// One step of the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// The affected entity.
    pub from: EntityId,
    /// What affects it.
    pub to: EntityId,
    /// Why.
    pub why: String,
}

/// Something to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// In words.
    pub text: String,
    /// As a command, where there is one.
    pub command: Option<String>,
    /// How dangerous.
    pub danger: Danger,
}

/// How dangerous a piece of advice is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Danger {
    /// Changes nothing, or nothing that matters.
    #[default]
    Safe,
    /// Changes something: look first.
    CheckFirst,
    /// May lose something for good.
    Destructive,
}

impl Danger {
    /// The word people see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::CheckFirst => "check first",
            Self::Destructive => "destructive",
        }
    }
}

/// Something not to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// In words.
    pub text: String,
}

/// A cause that the evidence allows, but does not decide.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// Its class.
    pub class: String,
    /// What would have it.
    pub entity: EntityId,
    /// One sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// 0 to 1.
    pub confidence: f64,
    /// What speaks for it.
    #[serde(rename = "for")]
    pub pro: Vec<Evidence>,
    /// What speaks against it.
    #[serde(rename = "against")]
    pub con: Vec<Evidence>,
}

/// What to ask next.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Question {
    /// In words.
    pub text: String,
    /// As a command, where there is one.
    pub command: Option<String>,
    /// The classes between which the answer decides.
    pub decides: Vec<String>,
}

/// Something observed to be wrong.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Symptom {
    /// Stable id: hash of condition and entity.
    pub id: String,
    /// A word of the model, never a class.
    pub condition: String,
    /// With what.
    pub entity: EntityId,
    /// Root causes that explain it; empty: nothing does.
    pub explained_by: Vec<String>,
    /// How often it was observed.
    pub count: i64,
    /// Since when, RFC 3339, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// What shows it, where nothing explains it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

/// Evidence against evidence.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Contradiction {
    /// About what.
    pub entity: EntityId,
    /// One side.
    pub a: Evidence,
    /// The other.
    pub b: Evidence,
}

/// A remark that is no trouble.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// In words.
    pub text: String,
    /// About what.
    pub entity: Option<EntityId>,
    /// What shows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

#[cfg(test)]
mod tests {
    use super::Focus;

    #[test]
    fn a_long_text_is_cut_where_it_says_what_counts() {
        let text = format!("{}because {}the end", "a ".repeat(20), "b ".repeat(20));
        let of = |f: &Focus| f.cut(&text, 20);
        assert_eq!(of(&Focus::Head), "a a a a a a a a a a ");
        assert!(of(&Focus::Tail).ends_with("b b the end"));
        let words = of(&Focus::Words("because".into()));
        assert!(words.contains("a because b"), "{words}");
        assert_eq!(
            of(&Focus::Words("nowhere".into())),
            of(&Focus::Tail),
            "what can't be found is looked for where reasons stand"
        );
        assert_eq!(Focus::Tail.cut("short", 20), "short");
        assert_eq!(Focus::Tail.cut(&"é".repeat(30), 20), "é".repeat(20));
    }
}
