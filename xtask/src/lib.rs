//! The project's chores as a library, so that integration tests of other crates can use the lab.
//! Deliberately absent: anything the product itself needs at run time.

pub mod bench;
pub mod ci;
pub mod codegen;
pub mod docs;
pub mod dump;
pub mod full;
pub mod journal;
pub mod lab;
pub mod perturb;
pub mod protos;
pub mod snapshot;
pub mod walls;
