//! Cluster → Report: conditions, rules, and the causal graph between them.
//!
//! A condition that is observed and that nothing observed upstream explains is a root cause; all that
//! it explains are symptoms. Deliberately absent: reading of evidence, and any second model of the
//! cluster: what a rule needs to know stands in the Cluster.

// First: the macro `command!` is seen by all modules below.
#[macro_use]
pub mod command;

mod analysis;
mod causal;
mod conditions;
pub mod context;
mod explain;
mod notes;
mod remarks;
pub mod rule;
pub mod rules;
pub mod signals;
mod testimony;
mod usual;
mod verdict;

pub use explain::{Page, pages};
pub use rule::{Finding, Rule};
pub use verdict::diagnose;
