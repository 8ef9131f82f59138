//! Bundle → Cluster: recognises what each entry is, reads objects and logs, builds the graph.
//!
//! Nothing here fails: what cannot be read becomes a gap. Deliberately absent: judgement (`diagnose`),
//! files and archives (`collect`), and secrets, which never come this far.

mod coverage;
mod datastore;
mod edges;
mod history;
mod infer;
mod kinds;
mod kubeadm;
mod merge;
mod object;
mod places;
pub mod quote;
mod reader;
mod scan;
mod tables;
mod text;
mod unread;

pub use reader::Reader;
pub use scan::SignalSet;
