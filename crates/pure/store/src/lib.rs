//! Dead datastores: objects, history and verdicts out of rows.
//!
//! What `formats` decodes becomes answers here: which keys live, what an object was, who fills the database,
//! whether it can be trusted. Deliberately absent: files (`collect` opens them), printing (the faces).

mod index;
mod name;
mod verify;

pub use index::{Index, Live, Selection};
pub use name::{Name, Type, name, type_of};
pub use verify::{Check, Hash, Trust, Verification, verify};
