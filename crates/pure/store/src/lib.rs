//! Dead datastores: objects, history and verdicts out of rows.
//!
//! What `formats` decodes becomes answers here: which keys live, what an object was, who fills the database,
//! whether it can be trusted. Deliberately absent: files (`collect` opens them), printing (the faces).

pub mod api;
mod change;
mod export;
#[cfg(test)]
mod held;
mod history;
mod index;
mod membership;
mod name;
mod replay;
mod stats;
mod verify;

pub use change::{Change, changes};
pub use export::{Left, left, rank, strip};
pub use history::{Write, history};
pub use index::{Index, Live, Selection};
pub use membership::{Membership, agreed};
pub use name::{Form, Name, Type, name, type_of};
pub use replay::{Replayed, Standing};
pub use stats::{Share, Stats, stats};
pub use verify::{
    Check, Hash, How as Depth, Trust, Verification, verify, verify_hashed, verify_rows,
    verify_salvaged,
};
