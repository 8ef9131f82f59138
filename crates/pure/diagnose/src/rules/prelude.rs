//! What every rule needs.

pub use defib_model::condition::{Condition, ConditionKind as K};
pub use defib_model::id::EntityId;

pub use crate::context::Context;
pub use crate::rule::{Finding, Rule};
