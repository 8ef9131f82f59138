//! The words that every stage shares: entities, edges, evidence, gaps, Bundle, Report.
//!
//! Deliberately absent: parsing of foreign text (`formats`), building the graph (`read`),
//! judging it (`diagnose`) and any input or output.

pub mod bundle;
pub mod clocks;
pub mod cluster;
pub mod condition;
pub mod de;
pub mod edge;
pub mod fact;
pub mod id;
pub mod kubectl;
pub mod quantity;
pub mod report;
pub mod selector;
pub mod signal;
pub mod text;
pub mod views;

pub use bundle::{Bundle, Entry};
pub use clocks::Clocks;
pub use cluster::{Cluster, ObjId, Object, Origin};
pub use condition::{Condition, ConditionKind};
pub use edge::{Edge, EdgeKind};
pub use id::EntityId;
pub use jiff::Timestamp;
pub use report::{Evidence, Gap, Report};
